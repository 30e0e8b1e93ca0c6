//! `codex audit show`: records that match.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use escalation::audit::{Filter, Records};

use super::arguments::ShowArguments;
use super::{folder, line};
use crate::report::{Failure, print_to_reader};

/// Prints the records, oldest first.
pub(super) fn show(arguments: &ShowArguments) -> Result<ExitCode, Failure> {
    let filter = Filter {
        session: arguments.session.clone(),
        kinds: arguments.event.clone(),
        since_ms: arguments.since.map(ago),
        call: arguments.call.clone(),
    };
    let records = Records::open(&folder(arguments.folder.as_deref())?, filter)?;
    let mut last = VecDeque::new();
    for entry in records {
        let text = line::of(&entry?, arguments.json);
        match arguments.last {
            None if !print_to_reader(&text)? => return Ok(ExitCode::SUCCESS),
            None => {}
            Some(limit) => {
                last.push_back(text);
                if last.len() > limit {
                    last.pop_front();
                }
            }
        }
    }
    print_to_reader(&last.into_iter().collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

/// That long ago, in milliseconds since 1970.
fn ago(duration: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_sub(duration).as_millis()).unwrap_or(u64::MAX)
}
