//! `codex requirements explain`: what may be set for one key.

use std::process::ExitCode;

use policies::effective::{Report, explain};

use super::arguments::ExplainArguments;
use crate::arguments::Overrides;
use crate::report::{Blame, Failure, print, print_json, visible_lines};

/// Prints the explanation.
pub(super) fn explain(arguments: &ExplainArguments, outer: &Overrides) -> Result<ExitCode, Failure> {
    let (policy, rules) = super::load(&arguments.overrides, outer, arguments.profile.as_deref())?;
    let report = Report::new(&policy, &rules);
    let explanation = explain::explain(&policy, &report, &arguments.key)
        .map_err(|error| Failure::of(Blame::Usage, &error, [error.help()]))?;
    if arguments.json {
        print_json(&explanation)?;
    } else {
        print(&visible_lines(&explanation.to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}
