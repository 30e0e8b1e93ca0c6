//! `codex execpolicy lint`: rules that are duplicates, decide nothing or can never apply.

use std::process::ExitCode;

use execpolicy::display::visible;

use super::Rules;
use super::arguments::LintArguments;
use crate::report::{Failure, print, print_json, say};

/// Prints the findings. Exits with 1 when there are any.
pub(super) fn lint(arguments: &LintArguments) -> Result<ExitCode, Failure> {
    let rules = Rules::load(&arguments.files)?;
    let findings = execpolicy::lint::lint(&rules.files);
    if arguments.json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            let other = finding.other.as_ref().map_or_else(String::new, |other| format!(" ({other})"));
            let text = format!("{}: {}{other}\n  help: {}", finding.place, finding.message, finding.fix);
            print(&format!("{}\n", text.lines().map(visible).collect::<Vec<_>>().join("\n")))?;
        }
        say(&format!("codex: {} in {} rules", plural(findings.len(), "finding"), rules.policy.rules().len()));
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
