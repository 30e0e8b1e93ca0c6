//! `codex execpolicy explain`: what would happen to a command in a session here, and what would change that.

use std::process::ExitCode;

use execpolicy::{Request, explain};
use policies::admin::AdminFolder;
use policies::effective::EffectivePolicy;
use policies::effective::load::{Obey, RuleScope};
use policies::rules::load_rule_file;
use policies::{Purpose, SessionRequest};

use super::arguments::ExplainArguments;
use super::context::{Defaults, Surroundings};
use crate::arguments::Overrides;
use crate::caller::Caller;
use crate::report::{Failure, Format, print, print_json};
use crate::session::{self, Typed};

/// Prints the verdict. Nothing runs.
pub(super) fn explain(arguments: &ExplainArguments, overrides: &Overrides) -> Result<ExitCode, Failure> {
    let format = Format::of(arguments.json);
    let caller = Caller::look_around(arguments.context.cwd.as_deref())?;
    let admin = AdminFolder::system();
    let session = load(arguments, overrides, &caller, &admin)?;
    let scope = if arguments.ignore_rules { RuleScope::SystemOnly } else { RuleScope::All };
    let mut rules = session.load_rules(&admin, &caller.config_folder(), scope)?;
    for path in &arguments.rules {
        let set = load_rule_file(path, &rules.policy)?;
        rules.policy.add(set);
    }
    for warning in session.warnings.iter().chain(&rules.warnings) {
        format.warn(warning);
    }
    let defaults = Defaults::of(&session);
    let surroundings = Surroundings::new(&arguments.context, &caller, &defaults);
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

/// What an agent session in the command's folder would have.
fn load(
    arguments: &ExplainArguments,
    overrides: &Overrides,
    caller: &Caller,
    admin: &AdminFolder,
) -> Result<EffectivePolicy, Failure> {
    let typed = Typed {
        config: &overrides.config,
        enable: &overrides.enable,
        disable: &overrides.disable,
        profile_file: arguments.profile.as_deref(),
    };
    let request = SessionRequest {
        purpose: Purpose::Session,
        asked: None,
        cwd: caller.cwd.clone(),
        home: caller.home.clone(),
        tmpdir: caller.tmpdir(),
    };
    session::load(caller, admin, typed, &request, Obey::Requirements)
}
