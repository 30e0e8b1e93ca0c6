//! `codex debug-config`: the layers, what holds with its origin, and what requirements changed.

use std::process::ExitCode;

use policies::effective::Report;

use super::arguments::DebugConfigArguments;
use crate::arguments::Overrides;
use crate::report::{Failure, Format, print, print_json, visible_lines};

/// Prints the report. Nothing is changed.
pub(super) fn print_report(arguments: &DebugConfigArguments, outer: &Overrides) -> Result<ExitCode, Failure> {
    let (policy, rules) = super::load(&arguments.overrides, outer, arguments.profile.as_deref())?;
    let report = Report::new(&policy, &rules);
    if arguments.json {
        print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&visible_lines(&report.to_string()))?;
    for warning in &report.warnings {
        Format::Text.warn(warning);
    }
    Ok(ExitCode::SUCCESS)
}
