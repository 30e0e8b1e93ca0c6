//! `codex execpolicy explain`: what would happen to a command in a session, and what would change that.

use std::process::ExitCode;

use execpolicy::{Request, explain};

use super::arguments::ExplainArguments;
use super::context::Surroundings;
use super::{Rules, print_json};
use crate::report::{Failure, print};

/// Prints the verdict. Nothing runs.
pub(super) fn explain(arguments: &ExplainArguments) -> Result<ExitCode, Failure> {
    let rules = Rules::load(&arguments.rules)?;
    let surroundings = Surroundings::new(&arguments.context)?;
    let request = if arguments.escalate { Request::Escalate } else { Request::Default };
    let context = surroundings.context(request, None);
    let verdict = rules.policy.evaluate(&arguments.command, &context);
    if arguments.json {
        print_json(&verdict)?;
        return Ok(ExitCode::SUCCESS);
    }
    let edits = explain::edits(&rules.policy, &arguments.command, &context, &verdict);
    print(&explain::Page { verdict: &verdict, edits: &edits }.to_string())?;
    Ok(ExitCode::SUCCESS)
}
