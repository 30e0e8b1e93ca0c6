//! `codex execpolicy check`: the bare matching of rules, in the format that rule tests depend on.

use std::process::ExitCode;

use execpolicy::{CheckReport, Resolution};

use super::Rules;
use super::arguments::CheckArguments;
use crate::report::{Blame, Failure, print};

/// Matches one command and prints the report. Nothing runs.
pub(super) fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let rules = Rules::load(&arguments.rules)?;
    let resolution =
        if arguments.resolve_host_executables { Resolution::ByBasename } else { Resolution::AsWritten };
    let cwd = std::env::current_dir().map_err(|error| {
        let message = format!("cannot use the working directory: {error}");
        Failure::new(Blame::Failed, message, "change to a folder that exists")
    })?;
    let matches = rules.policy.check(&arguments.command, resolution, &cwd.to_string_lossy());
    let report = CheckReport::new(&matches);
    let text = if arguments.pretty { report.to_pretty() } else { report.to_line() };
    let text = text.map_err(|error| {
        Failure::new(Blame::Failed, format!("cannot write the report: {error}"), "report this")
    })?;
    print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}
