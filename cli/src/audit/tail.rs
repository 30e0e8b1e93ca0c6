//! `codex audit tail`: the end of the log, and what is added to it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use escalation::audit::{AUDIT_FILE, AuditError, Follower};

use super::arguments::TailArguments;
use super::{folder, line};
use crate::report::{Blame, Failure, print_to_reader};

/// How often to look for new records.
const INTERVAL: Duration = Duration::from_millis(200);

/// Prints the last records, and with `--follow` goes on until it is stopped, or nobody reads any more.
pub(super) fn tail(arguments: &TailArguments) -> Result<ExitCode, Failure> {
    let folder = folder(arguments.folder.as_deref())?;
    let mut follower = Follower::from_recent(&folder)?;
    let mut last = VecDeque::new();
    loop {
        let entries = follower.poll()?;
        if entries.is_empty() {
            break;
        }
        last.extend(entries);
        last.drain(..last.len().saturating_sub(arguments.lines));
    }
    if last.is_empty() && !arguments.follow && arguments.lines > 0 {
        return Err(nothing(folder));
    }
    let mut text: String = last.iter().map(|entry| line::of(entry, arguments.json)).collect();
    while print_to_reader(&text)? && arguments.follow {
        std::thread::sleep(INTERVAL);
        text = follower.poll()?.iter().map(|entry| line::of(entry, arguments.json)).collect();
    }
    Ok(ExitCode::SUCCESS)
}

/// Why there is nothing to print.
fn nothing(folder: PathBuf) -> Failure {
    let log = folder.join(AUDIT_FILE);
    if !log.is_file() {
        return AuditError::Missing { folder }.into();
    }
    let message = format!("there is no finished record in the audit log `{}`", policies::escape(&log));
    Failure::new(Blame::Failed, message, "`codex audit show` prints what is there")
}
