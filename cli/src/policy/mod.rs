//! `codex debug-config` and `codex requirements …`: what holds here, why, and whether a file of limits is sound.

pub(crate) mod arguments;
mod check;
mod debug_config;
mod explain;

use std::process::ExitCode;

use arguments::{DebugConfigArguments, RequirementsArguments, RequirementsCommand};
use policies::admin::AdminFolder;
use policies::effective::EffectivePolicy;
use policies::effective::load::{Obey, RuleScope};
use policies::rules::LayeredRules;
use policies::{Purpose, SessionRequest};

use crate::arguments::Overrides;
use crate::caller::Caller;
use crate::report::{Failure, Format};
use crate::session::{self, Typed};

/// `codex debug-config`.
pub(crate) fn debug_config(arguments: &DebugConfigArguments, outer: &Overrides) -> ExitCode {
    let format = Format::of(arguments.json);
    debug_config::print_report(arguments, outer).unwrap_or_else(|failure| format.fail(&failure))
}

/// `codex requirements …`.
pub(crate) fn requirements(arguments: &RequirementsArguments, outer: &Overrides) -> ExitCode {
    let (format, result) = match &arguments.command {
        RequirementsCommand::Check(arguments) => (Format::of(arguments.json), check::check(arguments)),
        RequirementsCommand::Explain(arguments) => {
            (Format::of(arguments.json), explain::explain(arguments, outer))
        }
    };
    result.unwrap_or_else(|failure| format.fail(&failure))
}

/// What an agent session here would have, with its rules.
fn load(
    own: &Overrides,
    outer: &Overrides,
    profile_file: Option<&str>,
) -> Result<(EffectivePolicy, LayeredRules), Failure> {
    let caller = Caller::look_around(None)?;
    let admin = AdminFolder::system();
    let overrides = outer.followed_by(own);
    let typed = Typed {
        config: &overrides.config,
        enable: &overrides.enable,
        disable: &overrides.disable,
        profile_file,
    };
    let request = SessionRequest {
        purpose: Purpose::Session,
        asked: None,
        cwd: caller.cwd.clone(),
        home: caller.home.clone(),
        tmpdir: caller.tmpdir(),
    };
    let policy = session::load(&caller, &admin, typed, &request, Obey::Requirements)?;
    let rules = policy.load_rules(&admin, &caller.config_folder(), RuleScope::All)?;
    Ok((policy, rules))
}
