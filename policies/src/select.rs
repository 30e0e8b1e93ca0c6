//! Which profile a command runs in.
//!
//! `codex sandbox`: a profile asked for by name, else a mode typed on the command line, else
//! `default_permissions`, else read-only. A `sandbox_mode` in a file does not count there: it is the setting of
//! sessions, which take a profile or mode asked for, else `default_permissions`, else `sandbox_mode`, else a
//! default by trust.
//!
//! INVARIANT (I10): what a repository says about profiles narrows what would be selected without it. It has no
//! say where the person typed the selection for this run, and a profile that only it defines gives no more than
//! would be given without it.

use crate::approval::ApprovalPolicy;
use crate::builtin::BuiltIn;
use crate::config::Config;
use crate::display::escape_short;
use crate::keys::KeyPath;
use crate::layers::LayerSource;
use crate::location::{Anchor, Location};
use crate::mode::SandboxMode;
use crate::narrow_network::narrow_network;
use crate::narrow_profile::{Places, narrow, without_network};
use crate::narrowing::ProjectProfile;
use crate::network::NetworkDefinition;
use crate::path::AbsolutePath;
use crate::profile::PermissionProfile;
use crate::project::{Trust, without_symlinks};
use crate::resolve::{ResolvedProfile, Surroundings, resolve};
use crate::resolve_error::ResolveError;

/// The feature that puts an enabled network behind the proxy.
const PROXY_FEATURE: &str = "network_proxy";

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct SandboxSelection {
    /// `-P NAME`.
    pub permission_profile: Option<String>,
    /// A mode given as a flag; counts like `-c sandbox_mode=…`.
    pub mode: Option<SandboxMode>,
    /// The working directory of the run.
    pub cwd: AbsolutePath,
    /// What `~` stands for.
    pub home: Option<AbsolutePath>,
}

/// What a session asks for.
#[derive(Clone, Debug)]
pub struct SessionSelection {
    /// A profile by name.
    pub permission_profile: Option<String>,
    /// A mode, unless a profile is asked for.
    pub mode: Option<SandboxMode>,
    /// The working directory, the one that the configuration was loaded for.
    pub cwd: AbsolutePath,
    /// What `~` stands for.
    pub home: Option<AbsolutePath>,
    /// What `$TMPDIR` is for commands.
    pub tmpdir: Option<AbsolutePath>,
}

/// Why no profile could be selected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Invalid: profiles exist, but nothing says which one.
    #[error("the config defines permission profiles but `default_permissions` does not say which one to use")]
    NoDefault,
    /// Invalid: two answers to one question.
    #[error("a permission profile and a sandbox mode were both asked for")]
    Conflict,
    /// Invalid: the selected profile.
    #[error("{}{problem}", Location::prefix(location.as_ref()))]
    Profile {
        /// Where in the config, if there.
        location: Option<Location>,
        /// What is wrong with it.
        problem: Box<ResolveError>,
    },
    /// Unsupported: the network would be open where a proxy was asked for.
    #[error(
        "refused profile `{}`: the feature `network_proxy` asks for a proxied network, which this release cannot provide",
        escape_short(name)
    )]
    ProxyUnavailable {
        /// The profile.
        name: String,
    },
}

impl SelectError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::NoDefault => {
                "set `default_permissions = \"NAME\"` in the config, or pass `-P NAME`".to_owned()
            }
            Self::Conflict => "ask for one of them".to_owned(),
            Self::Profile { problem, .. } => problem.help(),
            Self::ProxyUnavailable { .. } => {
                "run without network, or pass `--disable network_proxy` to reach it directly".to_owned()
            }
        }
    }
}

/// Selects and resolves the profile for `codex sandbox`, narrowed by the repository unless it was typed for this
/// run.
///
/// # Errors
/// See [`SelectError`].
pub fn select_for_sandbox(
    config: &Config,
    request: &SandboxSelection,
) -> Result<ResolvedProfile, SelectError> {
    let choose = |default: Option<Named>, profile: Option<&str>| {
        choose_for_sandbox(config, profile, request.mode, default)
    };
    let run = Run { cwd: &request.cwd, home: request.home.as_ref(), tmpdir: None, is_session: false };
    let profile = request.permission_profile.as_deref();
    check_proxy(config, settle(config, run, choose(default_permissions(config), profile)?, &choose)?)
}

/// Selects and resolves the profile for the commands of a session, narrowed by the repository unless it was asked
/// for or typed for this run.
///
/// # Errors
/// See [`SelectError`].
pub fn select_for_session(
    config: &Config,
    request: &SessionSelection,
) -> Result<ResolvedProfile, SelectError> {
    let choose = |default: Option<Named>, profile: Option<&str>| {
        choose_for_session(config, profile, request.mode, default)
    };
    let run = Run {
        cwd: &request.cwd,
        home: request.home.as_ref(),
        tmpdir: request.tmpdir.as_ref(),
        is_session: true,
    };
    let profile = request.permission_profile.as_deref();
    let mut selected = settle(config, run, choose(default_permissions(config), profile)?, &choose)?;
    selected.warnings.extend(unused_mode_warning(config, request));
    check_proxy(config, selected)
}

/// When a person is asked in a session: as configured, else before everything in a project that the person marked
/// as untrusted.
pub fn session_approval_policy(config: &Config) -> ApprovalPolicy {
    let trust = config.project.as_ref().map(|project| &project.trust);
    match (config.approval_policy, trust) {
        (Some(policy), _) => policy,
        (None, Some(Trust::Untrusted(_))) => ApprovalPolicy::Untrusted,
        (None, Some(Trust::Trusted(_) | Trust::Unlisted) | None) => ApprovalPolicy::default(),
    }
}

/// What depends on the run.
#[derive(Clone, Copy)]
struct Run<'a> {
    cwd: &'a AbsolutePath,
    home: Option<&'a AbsolutePath>,
    tmpdir: Option<&'a AbsolutePath>,
    /// Whether a `sandbox_mode` in a file counts.
    is_session: bool,
}

/// A value of `default_permissions`.
#[derive(Clone)]
struct Named {
    name: String,
    at: Option<Location>,
    /// Typed for this run.
    typed: bool,
}

/// What a run is to use, before it is looked at.
enum Choice {
    /// A profile by name.
    Named(Named),
    /// The ready-made profile of a mode.
    Mode {
        mode: SandboxMode,
        /// Typed for this run.
        typed: bool,
    },
}

/// Chooses without what was typed by name: for the limits of a profile that a repository defines.
type Choose<'a> = dyn Fn(Option<Named>, Option<&str>) -> Result<Choice, SelectError> + 'a;

/// The effective `default_permissions`.
fn default_permissions(config: &Config) -> Option<Named> {
    let key = KeyPath::new(["default_permissions"]);
    Some(Named {
        name: config.default_permissions.clone()?,
        at: config.layers().locate(&key, Anchor::Value),
        typed: config.origin_of(key.parts()).is_some_and(LayerSource::is_command_line),
    })
}

/// What `default_permissions` would be if nobody had typed it for this run.
fn configured_default(config: &Config) -> Option<Named> {
    let key = KeyPath::new(["default_permissions"]);
    let layers = config.layers().iter().rev().filter(|layer| !layer.source.is_command_line());
    let set = |layer: &crate::layers::Layer| {
        let name = layer.table.get("default_permissions")?.as_str()?.to_owned();
        Some(Named { name, at: Some(layer.locate(&key, Anchor::Value)), typed: false })
    };
    layers.filter_map(set).next()
}

/// A profile that was asked for by name.
fn asked(name: &str) -> Choice {
    Choice::Named(Named { name: name.to_owned(), at: None, typed: true })
}

/// A built-in profile where nothing says anything.
fn built_in(profile: BuiltIn) -> Choice {
    Choice::Named(Named { name: profile.name().to_owned(), at: None, typed: false })
}

/// The order of `codex sandbox`.
fn choose_for_sandbox(
    config: &Config,
    profile: Option<&str>,
    mode: Option<SandboxMode>,
    default: Option<Named>,
) -> Result<Choice, SelectError> {
    if let Some(name) = profile {
        return Ok(asked(name));
    }
    // An explicit mode needs no profile, so one that nothing selects is no reason to stop.
    if let Some(mode) = mode.or_else(|| config.command_line_mode()) {
        return Ok(Choice::Mode { mode, typed: true });
    }
    match default {
        Some(default) => Ok(Choice::Named(default)),
        None if config.permissions.is_empty() => Ok(built_in(BuiltIn::ReadOnly)),
        None => Err(SelectError::NoDefault),
    }
}

/// The order of sessions. Without any setting the workspace is writable where the person once decided whether to
/// trust the project, either way: who never did is asked first.
fn choose_for_session(
    config: &Config,
    profile: Option<&str>,
    mode: Option<SandboxMode>,
    default: Option<Named>,
) -> Result<Choice, SelectError> {
    let trust_is_recorded = config.project.as_ref().is_some_and(|project| project.trust.is_recorded());
    match (profile, mode, default) {
        (Some(_), Some(_), _) => Err(SelectError::Conflict),
        (Some(name), None, _) => Ok(asked(name)),
        (None, Some(mode), _) => Ok(Choice::Mode { mode, typed: true }),
        (None, None, Some(default)) => Ok(Choice::Named(default)),
        (None, None, None) if !config.permissions.is_empty() => Err(SelectError::NoDefault),
        (None, None, None) => Ok(match config.sandbox_mode {
            Some(mode) => Choice::Mode { mode, typed: config.command_line_mode().is_some() },
            None if trust_is_recorded => built_in(BuiltIn::Workspace),
            None => built_in(BuiltIn::ReadOnly),
        }),
    }
}

/// A mode that was typed for a session, but does not count there beside `default_permissions`.
fn unused_mode_warning(config: &Config, request: &SessionSelection) -> Option<String> {
    let mode = config.command_line_mode()?;
    let decides = request.mode.is_none() && request.permission_profile.is_none();
    let default = default_permissions(config).filter(|_| decides)?;
    Some(format!(
        "`-c sandbox_mode={mode}` has no effect beside `default_permissions = \"{}\"`; type `-c default_permissions=…` instead",
        escape_short(&default.name)
    ))
}

/// Opening the network directly would be weaker than the proxied one that was asked for.
fn check_proxy(config: &Config, selected: ResolvedProfile) -> Result<ResolvedProfile, SelectError> {
    let is_managed = match selected.profile {
        PermissionProfile::Managed { .. } => true,
        PermissionProfile::Disabled | PermissionProfile::External { .. } => false,
    };
    if is_managed && selected.profile.network().is_enabled() && config.has_feature(PROXY_FEATURE) {
        return Err(SelectError::ProxyUnavailable { name: selected.name });
    }
    Ok(selected)
}

/// Resolves a choice and narrows it by what the repository says, unless it was typed.
fn settle(
    config: &Config,
    run: Run<'_>,
    choice: Choice,
    choose: &Choose<'_>,
) -> Result<ResolvedProfile, SelectError> {
    let (resolved, typed) = match choice {
        Choice::Named(named) => match repository_only(config, &named) {
            Some(project) => return repository_profile(config, run, &named, project, choose),
            None => (resolve_named(config, run, &named)?, named.typed),
        },
        Choice::Mode { mode, typed } => (of_mode(mode, config), typed),
    };
    if typed { Ok(resolved) } else { narrow_by_repository(config, run, resolved) }
}

/// A profile of the person's. Problems without a setting of their own are shown where the name was written.
fn resolve_named(config: &Config, run: Run<'_>, named: &Named) -> Result<ResolvedProfile, SelectError> {
    let surroundings = Surroundings { cwd: run.cwd, home: run.home };
    resolve(&named.name, &config.permissions, surroundings).map_err(|problem| {
        let location = match problem.setting() {
            Some((key, anchor)) => config.layers().locate(&key, anchor),
            None => named.at.clone(),
        };
        SelectError::Profile { location, problem: Box::new(problem) }
    })
}

/// A profile as the repository sees it.
fn resolve_theirs(
    config: &Config,
    run: Run<'_>,
    name: &str,
    project: &ProjectProfile,
) -> Result<ResolvedProfile, SelectError> {
    let cwd = without_symlinks(run.cwd);
    let surroundings = Surroundings { cwd: &cwd, home: run.home };
    resolve(name, &project.permissions, surroundings).map_err(|problem| {
        let (key, anchor) =
            problem.setting().unwrap_or_else(|| (KeyPath::new(["default_permissions"]), Anchor::Value));
        let theirs = config.project_profiles.iter().rev().map(|project| &project.layer);
        let location = theirs
            .filter(|layer| layer.sets(key.parts()))
            .map(|layer| layer.locate(&key, anchor))
            .next()
            .or_else(|| config.layers().locate(&key, anchor));
        SelectError::Profile { location, problem: Box::new(problem) }
    })
}

/// The repository's file that a typed name comes from, if the person has no such profile. A name that stands in a
/// file of the person's must be a profile of the person's.
fn repository_only<'a>(config: &'a Config, named: &Named) -> Option<&'a ProjectProfile> {
    let is_ours = config.permissions.contains_key(&named.name) || BuiltIn::from_name(&named.name).is_some();
    let theirs =
        || config.project_profiles.iter().rev().find(|project| project.permissions.contains_key(&named.name));
    if named.typed && !is_ours { theirs() } else { None }
}

/// A profile that only the repository defines, typed by the person: as much of it as would be permitted anyway.
fn repository_profile(
    config: &Config,
    run: Run<'_>,
    named: &Named,
    project: &ProjectProfile,
    choose: &Choose<'_>,
) -> Result<ResolvedProfile, SelectError> {
    let theirs = resolve_theirs(config, run, &named.name, project)?;
    let otherwise = match choose(configured_default(config), None) {
        Ok(choice) => choice,
        Err(SelectError::NoDefault) => built_in(BuiltIn::ReadOnly),
        Err(error) => return Err(error),
    };
    let base = settle(config, run, otherwise, choose)?;
    let warning = format!(
        "profile `{}` comes from the repository (`{}`), so it is limited to what `{}` permits; to use all of it, copy it to your own config file",
        escape_short(&named.name),
        project.layer.source,
        escape_short(&base.name)
    );
    let mut narrowed = narrowed(base, &theirs, run);
    narrowed.name.clone_from(&named.name);
    narrowed.warnings.push(warning);
    Ok(narrowed)
}

/// Narrows by `default_permissions` of each of the repository's files, and by its mode where ours is a profile.
fn narrow_by_repository(
    config: &Config,
    run: Run<'_>,
    selected: ResolvedProfile,
) -> Result<ResolvedProfile, SelectError> {
    let mut selected = selected;
    let mode_is_theirs =
        run.is_session && config.origin_of(&["sandbox_mode"]).is_some_and(LayerSource::is_project);
    if let Some(mode) = config.sandbox_mode.filter(|_| mode_is_theirs) {
        let key = KeyPath::new(["sandbox_mode"]);
        let location = config.layers().locate(&key, Anchor::Value);
        selected = narrowed_with_notice(selected, &of_mode(mode, config), run, location);
    }
    for project in &config.project_profiles {
        let Some(name) = &project.default_permissions else { continue };
        let theirs = resolve_theirs(config, run, name, project)?;
        let location = project.layer.locate(&KeyPath::new(["default_permissions"]), Anchor::Key);
        selected = narrowed_with_notice(selected, &theirs, run, Some(location));
    }
    Ok(selected)
}

/// As [`narrowed`], with a warning where that changes something.
fn narrowed_with_notice(
    selected: ResolvedProfile,
    theirs: &ResolvedProfile,
    run: Run<'_>,
    location: Option<Location>,
) -> ResolvedProfile {
    let (before, network) = (selected.profile.clone(), selected.network.clone());
    let mut narrowed = narrowed(selected, theirs, run);
    if narrowed.profile != before || narrowed.network != network {
        let warning = format!(
            "{}the repository limits the profile `{}` to what `{}` permits too",
            Location::prefix(location.as_ref()),
            escape_short(&narrowed.name),
            escape_short(&theirs.name)
        );
        narrowed.warnings.push(warning);
    }
    narrowed
}

/// What both permit, under our name.
fn narrowed(ours: ResolvedProfile, theirs: &ResolvedProfile, run: Run<'_>) -> ResolvedProfile {
    // Where symlinks lead is asked first, so that a place is compared with what is permitted there.
    let cwd = without_symlinks(run.cwd);
    let tmpdir = run.tmpdir.map(without_symlinks);
    let places = Places { cwd: &cwd, tmpdir: tmpdir.as_ref() };
    let network = narrow_network(&ours.network, &theirs.network);
    let mut profile = narrow(&ours.profile, &theirs.profile, places);
    if !network.is_enabled() && profile.network().is_enabled() {
        profile = without_network(profile);
    }
    ResolvedProfile { name: ours.name, profile, network, warnings: ours.warnings }
}

/// The ready-made profile of a mode.
fn of_mode(mode: SandboxMode, config: &Config) -> ResolvedProfile {
    let profile = match mode {
        SandboxMode::ReadOnly => PermissionProfile::read_only(),
        SandboxMode::WorkspaceWrite => PermissionProfile::workspace_write(&config.sandbox_workspace_write),
        SandboxMode::DangerFullAccess => PermissionProfile::danger_full_access(),
    };
    let network = NetworkDefinition::with_enabled(profile.network().is_enabled());
    ResolvedProfile { name: mode.as_str().to_owned(), profile, network, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Layer, LayerSource, Layers};
    use crate::overrides::parse_override;

    /// A file, then overrides.
    fn config(file: &str, overrides: &[&str]) -> Config {
        let table = file.parse().expect(file);
        let file = Layer::with_text(LayerSource::UserFile("/h/config.toml".into()), table, file.to_owned());
        let overrides = overrides.iter().map(|text| parse_override(text).expect(text));
        let cwd = AbsolutePath::parse("/w").unwrap();
        Config::from_layers(Layers::new(std::iter::once(file).chain(overrides)), &cwd, None).unwrap()
    }

    fn request(profile: Option<&str>, mode: Option<SandboxMode>) -> SandboxSelection {
        let cwd = AbsolutePath::parse("/w").unwrap();
        SandboxSelection { permission_profile: profile.map(str::to_owned), mode, cwd, home: None }
    }

    fn name(file: &str, overrides: &[&str], profile: Option<&str>, mode: Option<SandboxMode>) -> String {
        select_for_sandbox(&config(file, overrides), &request(profile, mode)).unwrap().name
    }

    const PROFILES: &str = "default_permissions = 'a'\nsandbox_mode = 'danger-full-access'\n
        [permissions.a.filesystem]\n':root' = 'read'\n[permissions.b.filesystem]\n':root' = 'read'\n";

    #[test]
    fn the_documented_order_decides() {
        let write = Some(SandboxMode::WorkspaceWrite);
        let typed: &[&str] = &["sandbox_mode=workspace-write"];
        assert_eq!(name(PROFILES, typed, Some("b"), write), "b");
        assert_eq!(name(PROFILES, typed, Some(":read-only"), None), ":read-only");
        assert_eq!(name(PROFILES, typed, None, None), "workspace-write");
        assert_eq!(name(PROFILES, &["sandbox_mode=read-only"], None, write), "workspace-write");
        assert_eq!(name(PROFILES, &[], None, write), "workspace-write");
        assert_eq!(name(PROFILES, &[], None, None), "a");
        assert_eq!(name(PROFILES, &["default_permissions=b"], None, None), "b");
        assert_eq!(name("default_permissions = ':workspace'", &[], None, None), ":workspace");
        assert_eq!(name("", &[], None, None), ":read-only");
    }

    #[test]
    fn a_mode_in_a_file_stays_read_only() {
        for mode in ["workspace-write", "danger-full-access", "read-only"] {
            let config = config(&format!("sandbox_mode = '{mode}'"), &[]);
            let selected = select_for_sandbox(&config, &request(None, None)).unwrap();
            assert_eq!(selected.profile, PermissionProfile::read_only());
        }
    }

    #[test]
    fn a_typed_mode_uses_the_table_of_the_file() {
        let table = "[sandbox_workspace_write]\nwritable_roots = ['/srv']\nnetwork_access = true\nexclude_slash_tmp = true\n";
        let by_override =
            select_for_sandbox(&config(table, &["sandbox_mode=workspace-write"]), &request(None, None));
        let by_flag =
            select_for_sandbox(&config(table, &[]), &request(None, Some(SandboxMode::WorkspaceWrite)));
        let selected = by_override.unwrap();
        assert_eq!(selected, by_flag.unwrap());
        let json = selected.profile.to_canonical_json().unwrap();
        assert!(json.contains("/srv") && json.ends_with(r#""network":"enabled"}"#), "{json}");
        assert!(json.contains("tmpdir") && !json.contains("slash_tmp"), "{json}");
        assert!(selected.network.is_enabled());
    }

    #[test]
    fn the_table_does_not_touch_other_modes_and_profiles() {
        let table = "[sandbox_workspace_write]\nwritable_roots = ['/srv']\nnetwork_access = true\n";
        let config = config(&format!("{table}[permissions.w]\nextends = ':workspace'"), &[]);
        for (profile, mode) in
            [(Some(":workspace"), None), (Some("w"), None), (None, Some(SandboxMode::ReadOnly))]
        {
            let json = select_for_sandbox(&config, &request(profile, mode))
                .unwrap()
                .profile
                .to_canonical_json()
                .unwrap();
            assert!(!json.contains("/srv") && json.ends_with(r#""network":"restricted"}"#), "{json}");
        }
    }

    #[test]
    fn full_access_is_no_sandbox() {
        for selected in [
            select_for_sandbox(&config("", &["sandbox_mode=danger-full-access"]), &request(None, None)),
            select_for_sandbox(&config("", &[]), &request(Some(":danger-full-access"), None)),
            select_for_sandbox(
                &config("default_permissions = ':danger-full-access'", &[]),
                &request(None, None),
            ),
        ] {
            assert_eq!(selected.unwrap().profile, PermissionProfile::Disabled);
        }
    }

    #[test]
    fn profiles_without_a_default_are_an_error_unless_something_is_asked_for() {
        let file = "[permissions.a.filesystem]\n':root' = 'read'\n";
        let config = config(file, &[]);
        let error = select_for_sandbox(&config, &request(None, None)).unwrap_err();
        assert_eq!(error, SelectError::NoDefault);
        assert!(error.help().contains("-P NAME"));
        assert!(select_for_sandbox(&config, &request(Some("a"), None)).is_ok());
        assert!(select_for_sandbox(&config, &request(None, Some(SandboxMode::ReadOnly))).is_ok());
    }

    #[test]
    fn errors_point_at_the_config() {
        let select = |file: &str, profile| {
            select_for_sandbox(&config(file, &[]), &request(profile, None)).unwrap_err().to_string()
        };
        assert_eq!(
            select("default_permissions = 'x'", None),
            "`/h/config.toml:1:23`: `default_permissions = 'x'`: there is no permission profile `x`"
        );
        assert_eq!(select("", Some("x")), "there is no permission profile `x`");
        let file = "[permissions.a]\nextends = 'nobody'\n[permissions.b.filesystem]\n'docs' = 'read'\n";
        assert_eq!(
            select(file, Some("a")),
            "`/h/config.toml:2:11`: `extends = 'nobody'`: profile `a` extends `nobody`, which does not exist"
        );
        assert_eq!(
            select(file, Some("b")),
            "`/h/config.toml:4:1`: `'docs' = 'read'`: `permissions.b.filesystem.docs` is not a place: a path must be \
             absolute, use `~/`, or start with `:`"
        );
    }

    #[test]
    fn an_override_can_change_one_value_of_a_profile() {
        let config = config(PROFILES, &["permissions.a.network.enabled=true"]);
        let selected = select_for_sandbox(&config, &request(None, None)).unwrap();
        assert!(selected.profile.network().is_enabled());
    }

    #[test]
    fn a_proxied_network_is_refused_rather_than_opened() {
        let open = "[permissions.a]\nextends = ':workspace'\nnetwork = { enabled = true }\n[features]\nnetwork_proxy = true\n";
        let error = select_for_sandbox(&config(open, &[]), &request(Some("a"), None)).unwrap_err();
        assert!(matches!(error, SelectError::ProxyUnavailable { .. }), "{error}");
        let off = config(open, &["features.network_proxy=false"]);
        assert!(select_for_sandbox(&off, &request(Some("a"), None)).is_ok());
        assert!(select_for_sandbox(&config(open, &[]), &request(Some(":workspace"), None)).is_ok());
    }
}
