//! `codex sandbox`: from the command line to a running command.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use policies::admin::AdminFolder;
use policies::effective::load::Obey;
use policies::effective::{EffectivePolicy, ValueOrigin, class};
use policies::{
    AbsolutePath, Access, AdditionalPermissions, Asked, Entry, EntryPath, GlobPattern, NetworkAccess,
    PermissionProfile, Purpose, SandboxMode, SandboxState, SessionRequest, child_environment,
};
use sandbox::foreground::{Foreground, Outcome};
use sandbox::{Backend, Ended, Permit, Plan, PlanRequest};
use serde_json::json;

use crate::approval::ApprovalWord;
use crate::arguments::SandboxArguments;
use crate::asking;
use crate::caller::Caller;
use crate::report::{Blame, Failure, Format, print, say};
use crate::session::{self, Typed};

/// Runs, or explains, what the arguments ask for.
pub(crate) fn sandbox(arguments: SandboxArguments) -> ExitCode {
    let format = Format::of(arguments.json);
    match try_sandbox(&arguments, format) {
        Ok(code) => code,
        Err(failure) => format.fail(&failure),
    }
}

fn try_sandbox(arguments: &SandboxArguments, format: Format) -> Result<ExitCode, Failure> {
    check_descriptors(&arguments.keep_fd)?;
    let caller = Caller::look_around(arguments.cd.as_deref())?;
    if arguments.asking.ask_for_approval.is_some() {
        return asking::run(arguments, &caller, format);
    }
    // The guard gets ready while the configuration is read and the plan is made.
    let confined = arguments.mode != Some(SandboxMode::DangerFullAccess);
    let foreground = (!arguments.explain && confined)
        .then(|| Foreground::prepare(arguments.keep_fd.clone()))
        .transpose()?;
    let prepared = prepare(arguments, &caller, format)?;
    if arguments.explain {
        explain(&prepared, arguments, format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = arguments.command.first().map(OsString::as_os_str).unwrap_or_default();
    // The operator named it and nobody judged the file.
    let program = prepared.plan.resolve_program(name)?.in_any_version();
    let confined = prepared.plan.is_confined();
    #[expect(clippy::disallowed_methods, reason = "the operator typed this very command and profile")]
    let permit = Permit::dangerously_vouch(prepared.plan, program, arguments.command.clone());
    let outcome = if confined {
        let foreground = match foreground {
            Some(foreground) => foreground,
            None => Foreground::prepare(arguments.keep_fd.clone())?,
        };
        foreground.run(permit, &prepared.backend, arguments.timeout)
    } else {
        drop(foreground);
        sandbox::unconfined::run(permit, arguments.timeout)
    };
    match outcome {
        Ok(outcome) => Ok(finish(outcome, prepared.backend.name(), arguments, format)),
        Err(error) if error.is_about_the_host() => Err(with_obstacles(error.into())),
        Err(error) => Err(error.into()),
    }
}

/// A run, decided and resolved.
struct Prepared {
    plan: Plan,
    backend: Backend,
    profile_name: String,
}

/// What holds for a run, with what its flags changed.
pub(crate) struct Settled {
    pub(crate) policy: EffectivePolicy,
    /// Where the command starts.
    pub(crate) cwd: AbsolutePath,
}

/// Loads what holds, applies the flags, and checks the outcome against the limits.
pub(crate) fn settle(
    arguments: &SandboxArguments,
    caller: &Caller,
    format: Format,
) -> Result<Settled, Failure> {
    let state =
        arguments.sandbox_state_json.as_deref().map(|json| state(json, arguments, caller)).transpose()?;
    let cwd = state.as_ref().map_or_else(|| caller.cwd.clone(), |state| state.cwd.clone());
    let mut policy = load(arguments, caller, &cwd, state)?;
    for warning in &policy.warnings {
        format.warn(warning);
    }
    let chosen = policy.profile.resolved.profile.clone();
    refuse_network_beyond_fallback(arguments, &policy)?;
    refuse_widening_the_catalogue(arguments, &policy)?;
    let profile = within_limits(&policy, adjust(arguments, chosen, &cwd)?)?;
    policy.admits_network(&profile)?;
    policy.profile.class = class(&profile);
    policy.profile.resolved.profile = profile;
    Ok(Settled { policy, cwd })
}

fn prepare(arguments: &SandboxArguments, caller: &Caller, format: Format) -> Result<Prepared, Failure> {
    let Settled { policy, cwd } = settle(arguments, caller, format)?;
    let profile = &policy.profile.resolved.profile;
    let mut environment = child_environment(
        &policy.config.shell_environment_policy,
        caller.variables.iter().cloned(),
        profile.network(),
    );
    set_working_directory(&mut environment, &cwd);
    let plan = Plan::resolve(PlanRequest {
        profile,
        cwd: &cwd,
        workspace: &cwd,
        environment,
        tmpdir: caller.variable("TMPDIR").map(OsString::as_os_str),
        config_home: caller.config_home().as_ref(),
        executable: caller.executable.as_ref(),
        never_readable: &policy.profile.limit.never_readable(),
    })?;
    let backend =
        sandbox::choose(arguments.backend, &plan, caller.variable("PATH").map(OsString::as_os_str))?;
    Ok(Prepared { plan, backend, profile_name: policy.profile.resolved.name })
}

/// The sandbox of a running agent.
fn state(json: &str, arguments: &SandboxArguments, caller: &Caller) -> Result<SandboxState, Failure> {
    let mut state = SandboxState::parse(json)?;
    for root in &arguments.sandbox_state_readable_root {
        state = state.with_readable_root(absolute(root, &caller.cwd)?);
    }
    if arguments.sandbox_state_disable_network {
        state = state.without_network()?;
    }
    Ok(state)
}

/// What holds for this run. A person who names a profile tries it out, and requirements are not looked at, unless
/// they are asked for.
fn load(
    arguments: &SandboxArguments,
    caller: &Caller,
    cwd: &AbsolutePath,
    state: Option<SandboxState>,
) -> Result<EffectivePolicy, Failure> {
    // Whoever is asked decides within the administrator's limits.
    let asks = arguments.asking.ask_for_approval.is_some();
    let obey = match &arguments.permission_profile {
        Some(_) if !arguments.include_managed_config && !asks => Obey::ConfigurationOnly,
        Some(_) | None => Obey::Requirements,
    };
    let mut config = arguments.config.clone();
    config.extend(arguments.asking.ask_for_approval.as_ref().map(ApprovalWord::as_override));
    let typed = Typed {
        config: &config,
        enable: &arguments.enable,
        disable: &arguments.disable,
        profile_file: arguments.profile.as_deref(),
    };
    let request = SessionRequest {
        purpose: Purpose::Sandbox,
        asked: match (&arguments.permission_profile, arguments.mode, state) {
            (Some(name), _, _) => Some(Asked::Named(name.clone())),
            (None, Some(mode), _) => Some(Asked::Mode(mode)),
            (None, None, state) => state.map(|state| Asked::Given(state.profile)),
        },
        cwd: cwd.clone(),
        home: caller.home.clone(),
        tmpdir: caller.tmpdir(),
    };
    session::load(caller, &AdminFolder::system(), typed, &request, obey)
}

/// Where requirements replaced the profile by one without network, `--network on` would bring back a part of what
/// they took.
fn refuse_network_beyond_fallback(
    arguments: &SandboxArguments,
    policy: &EffectivePolicy,
) -> Result<(), Failure> {
    let ValueOrigin::Required(source) = &policy.profile.origin else { return Ok(()) };
    if arguments.network != Some(true) || policy.profile.resolved.profile.network().is_enabled() {
        return Ok(());
    }
    Err(Failure::new(
        Blame::Refused,
        format!(
            "--network on is not allowed in the profile `{}`, which requirements chose (set by {source})",
            policies::escape(&policy.profile.resolved.name)
        ),
        "leave out --network, or ask the administrator",
    ))
}

/// A catalogue says which profiles there are. One of them with more than it has would be another.
fn refuse_widening_the_catalogue(
    arguments: &SandboxArguments,
    policy: &EffectivePolicy,
) -> Result<(), Failure> {
    let Some(catalogue) = &policy.requirements.allowed_permission_profiles else { return Ok(()) };
    let network = arguments.network == Some(true) && !policy.profile.resolved.profile.network().is_enabled();
    let flag = if !arguments.writable.is_empty() {
        "--writable"
    } else if network {
        "--network on"
    } else {
        return Ok(());
    };
    Err(Failure::new(
        Blame::Refused,
        format!(
            "{flag} is not allowed: requirements say which permission profiles there are (set by {})",
            catalogue.source
        ),
        format!(
            "leave out {flag}, or choose a profile that has it; `codex requirements explain default_permissions` names them"
        ),
    ))
}

/// The profile, if requirements allow it with what the flags added. What was configured falls back; a flag that asks
/// for more than is allowed is refused, because leaving it out would run another command than was typed.
fn within_limits(policy: &EffectivePolicy, profile: PermissionProfile) -> Result<PermissionProfile, Failure> {
    let limit = &policy.profile.limit;
    if let Err(rejection) = limit.admits(&profile) {
        let help = "leave out --writable, or ask the administrator; `codex requirements explain sandbox_mode` says more";
        return Err(Failure::of(Blame::Refused, &rejection, [help.to_owned()]));
    }
    limit
        .admits_grants(&profile)
        .map_err(|denied| Failure::of(Blame::Refused, &denied, ["leave that path out".to_owned()]))?;
    Ok(profile)
}

/// Applies `--writable`, `--deny-read` and `--network`.
fn adjust(
    arguments: &SandboxArguments,
    profile: PermissionProfile,
    cwd: &AbsolutePath,
) -> Result<PermissionProfile, Failure> {
    let asked = !arguments.writable.is_empty() || !arguments.deny_read.is_empty();
    if matches!(profile, PermissionProfile::Disabled) && (asked || arguments.network == Some(false)) {
        return Err(Failure::new(
            Blame::Refused,
            "this profile has no sandbox that could enforce --writable, --deny-read or --network off",
            "use --mode workspace-write, or another profile",
        ));
    }
    let mut additional = AdditionalPermissions::default();
    for path in &arguments.writable {
        let path = absolute(path, cwd)?;
        if path.as_path().symlink_metadata().is_err() {
            return Err(Failure::new(
                Blame::Usage,
                format!("--writable `{path}` does not exist, so it would grant nothing"),
                "create it first, or grant its parent",
            ));
        }
        additional.entries.push(Entry::for_path(path, Access::Write));
    }
    for pattern in &arguments.deny_read {
        additional.entries.push(deny(pattern, cwd)?);
    }
    let profile = additional.apply_to(profile);
    Ok(match (arguments.network, profile) {
        (Some(on), PermissionProfile::Managed { file_system, .. }) => {
            PermissionProfile::Managed { file_system, network: NetworkAccess::from_enabled(on) }
        }
        (_, profile) => profile,
    })
}

fn absolute(path: &Path, cwd: &AbsolutePath) -> Result<AbsolutePath, Failure> {
    Ok(AbsolutePath::parse(cwd.as_path().join(path))?)
}

/// A pattern is a path unless it has a glob character.
fn deny(pattern: &OsStr, cwd: &AbsolutePath) -> Result<Entry, Failure> {
    let glob = pattern.to_str().filter(|text| GlobPattern::looks_like_glob(text));
    let path = match glob {
        Some(text) if text.starts_with('/') => GlobPattern::parse(text).map(EntryPath::Glob),
        Some(text) => {
            GlobPattern::parse_under(cwd, text.strip_prefix("./").unwrap_or(text)).map(EntryPath::Glob)
        }
        None => Ok(EntryPath::Path(absolute(Path::new(pattern), cwd)?)),
    };
    let path = path.map_err(|error| {
        Failure::new(
            Blame::Usage,
            format!("--deny-read `{}`: {error}", policies::escape(pattern)),
            error.help(),
        )
    })?;
    Ok(Entry::new(path, Access::Deny))
}

/// `PWD` is the shell's word for the working directory; it only makes sense if it is right.
fn set_working_directory(environment: &mut BTreeMap<OsString, OsString>, cwd: &AbsolutePath) {
    if let Some(value) = environment.get_mut(OsStr::new("PWD")) {
        *value = cwd.as_path().as_os_str().to_owned();
    }
}

/// A descriptor that is not open cannot be kept; saying so beats a surprise inside.
fn check_descriptors(numbers: &[i32]) -> Result<(), Failure> {
    match numbers.iter().find(|number| !Path::new(&format!("/proc/self/fd/{number}")).exists()) {
        None => Ok(()),
        Some(number) => Err(Failure::new(
            Blame::Usage,
            format!("--keep-fd {number}: that descriptor is not open"),
            format!("open it in the calling shell, as in `{number}<file`"),
        )),
    }
}

pub(crate) fn with_obstacles(failure: Failure) -> Failure {
    let host = sandbox::probe::Host::examine(std::env::var_os("PATH").as_deref());
    let obstacles =
        host.obstacles().into_iter().map(|obstacle| format!("{}: {}", obstacle.layer, obstacle.fix));
    failure.with_help(obstacles).with_help(["`codex doctor` shows what this machine offers".to_owned()])
}

fn explain(prepared: &Prepared, arguments: &SandboxArguments, format: Format) -> Result<(), Failure> {
    let program = arguments.command.first().map(|name| (name, prepared.plan.resolve_program(name)));
    match format {
        Format::Text => {
            let mut text = format!("profile    {}\n", policies::escape(&prepared.profile_name));
            text += &format!("backend    {} ({})\n", prepared.backend, prepared.backend.why());
            match program {
                Some((_, Ok(program))) => text += &format!("program    {}\n", program.path()),
                Some((_, Err(error))) => text += &format!("program    {error}\n"),
                None => {}
            }
            text += &prepared.plan.to_string();
            print(&text)
        }
        Format::Json => {
            let mut report = prepared.plan.to_json();
            if let Some(object) = report.as_object_mut() {
                let backend = json!({ "name": prepared.backend.name(), "why": prepared.backend.why() });
                object.insert("backend".to_owned(), backend);
                object.insert("profileName".to_owned(), json!(prepared.profile_name));
                let program = program.map(|(_, found)| match found {
                    Ok(program) => json!({ "path": program.path().to_string() }),
                    Err(error) => json!({ "error": error.to_string() }),
                });
                object.insert("program".to_owned(), json!(program));
            }
            print(&format!("{report:#}\n"))
        }
    }
}

/// The exit status for an ended run, and a word about it where the status alone would mislead.
pub(crate) fn finish(
    outcome: Outcome,
    backend: &str,
    arguments: &SandboxArguments,
    format: Format,
) -> ExitCode {
    let status = match outcome {
        Outcome::Ended(Ended::Exited(code)) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        Outcome::Ended(Ended::Signaled(signal)) | Outcome::Interrupted(signal) => {
            u8::try_from(128 + signal).unwrap_or(u8::MAX)
        }
        Outcome::TimedOut => 124,
    };
    match format {
        Format::Json => say(&json!({
            "event": "ended",
            "exitStatus": status,
            "timedOut": outcome == Outcome::TimedOut,
            "backend": backend,
        })
        .to_string()),
        Format::Text => {
            if outcome == Outcome::TimedOut {
                let name = arguments.command.first().map(policies::escape).unwrap_or_default();
                let limit = arguments.timeout.unwrap_or_default();
                say(&format!("codex: ended `{name}` after {limit:?}, as --timeout asks"));
            }
        }
    }
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn cwd() -> AbsolutePath {
        AbsolutePath::parse("/ws").unwrap()
    }

    #[test]
    fn a_deny_pattern_is_a_path_or_a_glob_below_the_working_directory() {
        assert!(
            matches!(deny(OsStr::new("secret"), &cwd()).unwrap().path, EntryPath::Path(path) if path.to_string() == "/ws/secret")
        );
        assert!(
            matches!(deny(OsStr::new("./*.env"), &cwd()).unwrap().path, EntryPath::Glob(glob) if glob.as_str() == "/ws/*.env")
        );
        assert!(
            matches!(deny(OsStr::new("/etc/*.key"), &cwd()).unwrap().path, EntryPath::Glob(glob) if glob.as_str() == "/etc/*.key")
        );
        assert_eq!(deny(OsStr::new("**/[a"), &cwd()).unwrap_err().blame, Blame::Usage);
        assert!(matches!(deny(OsStr::from_bytes(b"\xff*"), &cwd()).unwrap().path, EntryPath::Path(_)));
    }
}
