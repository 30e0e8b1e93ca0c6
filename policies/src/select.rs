//! Which profile a command runs in, before requirements are heard.
//!
//! `codex sandbox`: a profile asked for by name, else a mode typed on the command line, else
//! `default_permissions`, else read-only. A `sandbox_mode` in a file does not count there: it is the setting of
//! sessions, which take a profile or mode asked for, else `default_permissions`, else `sandbox_mode`, else a
//! default by trust.
//!
//! INVARIANT (I10): what a repository says about profiles narrows what would be selected without it. It has no
//! say where the person typed the selection for this run, and a profile that only it defines gives no more than
//! would be given without it.

use std::collections::BTreeMap;

use crate::builtin::BuiltIn;
use crate::config::Config;
use crate::definition::ProfileDefinition;
use crate::display::escape_short;
use crate::keys::KeyPath;
use crate::layers::{Layer, LayerSource};
use crate::location::{Anchor, Location};
use crate::mode::SandboxMode;
use crate::narrow_network::narrow_network;
use crate::narrow_profile::{Places, narrow, without_network};
use crate::narrowing::ProjectProfile;
use crate::network::NetworkDefinition;
use crate::path::AbsolutePath;
use crate::profile::{Access, Entry, EntryPath, FileSystemPolicy, PermissionProfile};
use crate::project::without_symlinks;
use crate::resolve::{ResolvedProfile, Surroundings, resolve};
use crate::resolve_error::ResolveError;

/// What a profile is selected for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Commands of an agent session.
    Session,
    /// One run of `codex sandbox`, whose default is read-only and for which a `sandbox_mode` in a file does not
    /// count.
    Sandbox,
}

/// What was asked for, and around what.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// What for.
    pub purpose: Purpose,
    /// The profile, or nothing.
    pub asked: Option<Asked>,
    /// The working directory, the one that the configuration was loaded for.
    pub cwd: AbsolutePath,
    /// What `~` stands for.
    pub home: Option<AbsolutePath>,
    /// What `:tmpdir` stands for.
    pub tmpdir: Option<AbsolutePath>,
}

/// A profile for this very run or session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// By name.
    Named(String),
    /// A ready-made one.
    Mode(SandboxMode),
    /// That of a running session, as it describes it.
    Given(PermissionProfile),
}

/// Why no profile could be selected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Invalid: profiles exist, but nothing says which one.
    #[error(
        "{}the config defines permission profiles but `default_permissions` does not say which one to use",
        Location::prefix(location.as_ref())
    )]
    NoDefault {
        /// Where profiles are defined.
        location: Option<Location>,
    },
    /// Invalid: the selected profile.
    #[error("{}{problem}", Location::prefix(location.as_ref()))]
    Profile {
        /// Where in the config, if there.
        location: Option<Location>,
        /// What is wrong with it.
        problem: Box<ResolveError>,
    },
}

impl SelectError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::NoDefault { .. } => {
                "set `default_permissions = \"NAME\"` in the config, or pass `-P NAME`".to_owned()
            }
            Self::Profile { problem, .. } => problem.help(),
        }
    }
}

/// What is wished for, before it is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) wish: Asked,
    /// Who wishes it; `None` for the default.
    pub(crate) location: Option<Location>,
}

impl Choice {
    /// Whether nobody chose anything.
    pub(crate) fn is_default(&self) -> bool {
        self.location.is_none()
    }

    /// Whether the person typed it for this run, so that the repository has no say.
    fn is_typed(&self) -> bool {
        self.location.as_ref().is_some_and(|location| location.source.is_command_line())
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        match &self.wish {
            Asked::Named(name) => name,
            Asked::Mode(mode) => mode.as_str(),
            Asked::Given(_) => "sandbox state",
        }
    }
}

/// What a profile is selected among, and around what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) config: &'a Config,
    /// All profiles that a person can name: those of the configuration and those of the administrator.
    pub(crate) definitions: &'a BTreeMap<String, ProfileDefinition>,
    pub(crate) request: &'a SessionRequest,
}

impl Selection<'_> {
    /// What is chosen.
    ///
    /// # Errors
    /// [`SelectError::NoDefault`] when there are profiles and nothing says which one.
    pub(crate) fn choose(&self) -> Result<Choice, SelectError> {
        match &self.request.asked {
            Some(asked) => Ok(asked_for(asked)),
            None => self.choose_from(default_permissions(self.config)),
        }
    }

    /// What is chosen where nothing was asked for, with this for `default_permissions`.
    fn choose_from(&self, default: Option<Choice>) -> Result<Choice, SelectError> {
        let config = self.config;
        let locate = |key| config.layers().locate(&KeyPath::new([key]), Anchor::Value);
        let mode = |mode| Choice { wish: Asked::Mode(mode), location: locate("sandbox_mode") };
        let (before, after) = match self.request.purpose {
            // An explicit mode needs no profile, so one that nothing selects is no reason to stop.
            Purpose::Sandbox => (config.command_line_mode(), None),
            Purpose::Session => (None, config.sandbox_mode),
        };
        match (before, default, after) {
            (Some(typed), _, _) => Ok(mode(typed)),
            (None, Some(default), _) => Ok(default),
            (None, None, Some(configured)) if config.permissions.is_empty() => Ok(mode(configured)),
            (None, None, _) if !config.permissions.is_empty() => {
                let location = config.layers().locate(&KeyPath::new(["permissions"]), Anchor::Key);
                Err(SelectError::NoDefault { location })
            }
            (None, None, _) => Ok(built_in(self.default())),
        }
    }

    /// The profile where nothing says anything. In a session the workspace is writable where the person once
    /// decided whether to trust the project, either way: who never did is asked first.
    fn default(&self) -> BuiltIn {
        let recorded = self.config.project.as_ref().is_some_and(|project| project.is_recorded);
        match self.request.purpose {
            Purpose::Session if recorded => BuiltIn::Workspace,
            Purpose::Session | Purpose::Sandbox => BuiltIn::ReadOnly,
        }
    }

    /// Resolves a choice and narrows it by what the repository says, unless it was typed.
    ///
    /// # Errors
    /// [`SelectError`] when there is no such profile, or it cannot be understood.
    pub(crate) fn settle(&self, choice: &Choice) -> Result<ResolvedProfile, SelectError> {
        let mut resolved = match &choice.wish {
            Asked::Named(name) => match self.repository_only(name, choice) {
                Some(project) => return self.repository_profile(name, project),
                None => self.resolve(name, choice.location.clone())?,
            },
            Asked::Mode(mode) => self.of_mode(*mode),
            Asked::Given(profile) => ready_made(choice.name(), profile.clone()),
        };
        resolved.warnings.extend(self.unused_mode_warning(choice));
        if choice.is_typed() { Ok(resolved) } else { self.narrow_by_repository(resolved) }
    }

    /// A profile of the person or the administrator. Problems without a setting of their own are shown where the
    /// name was written.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub(crate) fn resolve(
        &self,
        name: &str,
        named_at: Option<Location>,
    ) -> Result<ResolvedProfile, SelectError> {
        let surroundings = Surroundings { cwd: &self.request.cwd, home: self.request.home.as_ref() };
        resolve(name, self.definitions, surroundings).map_err(|problem| {
            let location = match problem.setting() {
                Some((key, anchor)) => self.config.layers().locate(&key, anchor),
                None => named_at.filter(|at| at.source.file().is_some() || at.position.is_some()),
            };
            SelectError::Profile { location, problem: Box::new(problem) }
        })
    }

    /// A profile as the repository sees it.
    fn resolve_theirs(&self, name: &str, project: &ProjectProfile) -> Result<ResolvedProfile, SelectError> {
        let cwd = without_symlinks(&self.request.cwd);
        let surroundings = Surroundings { cwd: &cwd, home: self.request.home.as_ref() };
        resolve(name, &project.permissions, surroundings).map_err(|problem| {
            let (key, anchor) =
                problem.setting().unwrap_or_else(|| (KeyPath::new(["default_permissions"]), Anchor::Value));
            let theirs = self.config.project_profiles.iter().rev().map(|project| &project.layer);
            let location = theirs
                .filter(|layer| layer.sets(key.parts()))
                .map(|layer| layer.locate(&key, anchor))
                .next()
                .or_else(|| self.config.layers().locate(&key, anchor));
            SelectError::Profile { location, problem: Box::new(problem) }
        })
    }

    /// The repository's file that a typed name comes from, if the person has no such profile. A name that stands
    /// in a file of the person's must be a profile of the person's.
    fn repository_only(&self, name: &str, choice: &Choice) -> Option<&ProjectProfile> {
        let is_ours = self.definitions.contains_key(name) || BuiltIn::from_name(name).is_some();
        let defines = |project: &&ProjectProfile| project.permissions.contains_key(name);
        let theirs = || self.config.project_profiles.iter().rev().find(defines);
        if choice.is_typed() && !is_ours { theirs() } else { None }
    }

    /// What would be chosen instead of a profile that only the repository defines; `None` for any other choice.
    ///
    /// # Errors
    /// As [`Self::choose`].
    pub(crate) fn otherwise(&self, choice: &Choice) -> Result<Option<Choice>, SelectError> {
        match &choice.wish {
            Asked::Named(name) if self.repository_only(name, choice).is_some() => {
                self.without_name().map(Some)
            }
            Asked::Named(_) | Asked::Mode(_) | Asked::Given(_) => Ok(None),
        }
    }

    /// What would be chosen if nobody had typed a name.
    fn without_name(&self) -> Result<Choice, SelectError> {
        match self.choose_from(configured_default(self.config)) {
            Err(SelectError::NoDefault { .. }) => Ok(built_in(BuiltIn::ReadOnly)),
            choice => choice,
        }
    }

    /// A profile that only the repository defines, typed by the person: as much of it as would be permitted
    /// anyway.
    fn repository_profile(
        &self,
        name: &str,
        project: &ProjectProfile,
    ) -> Result<ResolvedProfile, SelectError> {
        let theirs = self.resolve_theirs(name, project)?;
        let base = self.settle(&self.without_name()?)?;
        let warning = format!(
            "profile `{}` comes from the repository (`{}`), so it is limited to what `{}` permits; to use all of it, copy it to your own config file",
            escape_short(name),
            project.layer.source,
            escape_short(&base.name)
        );
        let mut profile = narrowed(self.request, base, &theirs);
        name.clone_into(&mut profile.name);
        profile.warnings.push(warning);
        Ok(profile)
    }

    /// Narrows by `default_permissions` of each of the repository's files, and by its mode where ours is a
    /// profile.
    fn narrow_by_repository(&self, selected: ResolvedProfile) -> Result<ResolvedProfile, SelectError> {
        let config = self.config;
        let mut selected = selected;
        let mode_is_theirs = self.request.purpose == Purpose::Session
            && config.origin_of(&["sandbox_mode"]).is_some_and(LayerSource::is_project);
        if let Some(mode) = config.sandbox_mode.filter(|_| mode_is_theirs) {
            let location = config.layers().locate(&KeyPath::new(["sandbox_mode"]), Anchor::Value);
            selected = self.narrowed_with_notice(selected, &self.of_mode(mode), location);
        }
        for project in &config.project_profiles {
            let Some(name) = &project.default_permissions else { continue };
            let theirs = self.resolve_theirs(name, project)?;
            let location = project.layer.locate(&KeyPath::new(["default_permissions"]), Anchor::Key);
            selected = self.narrowed_with_notice(selected, &theirs, Some(location));
        }
        Ok(selected)
    }

    /// As [`narrowed`], with a warning where that changes something.
    fn narrowed_with_notice(
        &self,
        selected: ResolvedProfile,
        theirs: &ResolvedProfile,
        location: Option<Location>,
    ) -> ResolvedProfile {
        let (before, network) = (selected.profile.clone(), selected.network.clone());
        let mut profile = narrowed(self.request, selected, theirs);
        if profile.profile != with_targets(&before) || profile.network != network {
            let warning = format!(
                "{}the repository limits the profile `{}` to what `{}` permits too",
                Location::prefix(location.as_ref()),
                escape_short(&profile.name),
                escape_short(&theirs.name)
            );
            profile.warnings.push(warning);
            profile.narrowed_by = location;
        }
        profile
    }

    /// A mode that was typed for a session, but does not count there beside `default_permissions`.
    fn unused_mode_warning(&self, choice: &Choice) -> Option<String> {
        let mode = self.config.command_line_mode()?;
        let Asked::Named(name) = &choice.wish else { return None };
        (self.request.purpose == Purpose::Session && self.request.asked.is_none()).then(|| {
            format!(
                "`-c sandbox_mode={mode}` has no effect beside `default_permissions = \"{}\"`; type `-c default_permissions=…` instead",
                escape_short(name)
            )
        })
    }

    /// The ready-made profile of a mode.
    fn of_mode(&self, mode: SandboxMode) -> ResolvedProfile {
        let profile = match mode {
            SandboxMode::ReadOnly => PermissionProfile::read_only(),
            SandboxMode::WorkspaceWrite => {
                PermissionProfile::workspace_write(&self.config.sandbox_workspace_write)
            }
            SandboxMode::DangerFullAccess => PermissionProfile::danger_full_access(),
        };
        ready_made(mode.as_str(), profile)
    }
}

/// What both permit, under our name.
pub(crate) fn narrowed(
    request: &SessionRequest,
    ours: ResolvedProfile,
    theirs: &ResolvedProfile,
) -> ResolvedProfile {
    // Where symlinks lead is asked first, so that a place is compared with what is permitted there.
    let cwd = without_symlinks(&request.cwd);
    let tmpdir = request.tmpdir.as_ref().map(without_symlinks);
    let places = Places { cwd: &cwd, tmpdir: tmpdir.as_ref() };
    let network = narrow_network(&ours.network, &theirs.network);
    let (base, other) = (with_targets(&ours.profile), with_targets(&theirs.profile));
    let mut profile = narrow(&base, &other, places);
    if !network.is_enabled() && profile.network().is_enabled() {
        profile = without_network(profile);
    }
    ResolvedProfile { profile, network, ..ours }
}

/// The profile with its rows where their symbolic links lead now, since it is there that they hold. What is narrower
/// is kept under its own name as well: whether that link may be relied on is for the launcher to judge.
fn with_targets(profile: &PermissionProfile) -> PermissionProfile {
    let PermissionProfile::Managed {
        file_system: FileSystemPolicy::Restricted { entries, glob_scan_max_depth },
        network,
    } = profile
    else {
        return profile.clone();
    };
    let rows = entries.iter().flat_map(|entry| {
        let target = target_of(&entry.path).map(|path| Entry { path, ..entry.clone() });
        let own = (target.is_none() || entry.access != Access::Write).then(|| entry.clone());
        own.into_iter().chain(target)
    });
    let file_system =
        FileSystemPolicy::Restricted { entries: rows.collect(), glob_scan_max_depth: *glob_scan_max_depth };
    PermissionProfile::Managed { file_system, network: *network }
}

/// The place that symbolic links make of this one, if it is another.
fn target_of(path: &EntryPath) -> Option<EntryPath> {
    match path {
        EntryPath::Path(path) => {
            let target = without_symlinks(path);
            (target != *path).then_some(EntryPath::Path(target))
        }
        EntryPath::Glob(glob) => {
            let target = without_symlinks(glob.static_prefix());
            if target == *glob.static_prefix() {
                return None;
            }
            glob.below(&target).map(EntryPath::Glob)
        }
        EntryPath::Special { .. } => None,
    }
}

/// A profile that needs no definitions.
fn ready_made(name: &str, profile: PermissionProfile) -> ResolvedProfile {
    let network = NetworkDefinition::with_enabled(profile.network().is_enabled());
    ResolvedProfile { name: name.to_owned(), profile, network, warnings: Vec::new(), narrowed_by: None }
}

/// A choice for this very run or session, which a person typed or a program made.
fn asked_for(asked: &Asked) -> Choice {
    let text = match asked {
        Asked::Named(name) => format!("-P {name}"),
        Asked::Mode(mode) => format!("--mode {mode}"),
        Asked::Given(_) => "the session's own sandbox".to_owned(),
    };
    let location = Location { source: LayerSource::Flag(text), position: None };
    Choice { wish: asked.clone(), location: Some(location) }
}

/// A built-in profile where nothing says anything.
fn built_in(profile: BuiltIn) -> Choice {
    Choice { wish: Asked::Named(profile.name().to_owned()), location: None }
}

/// The effective `default_permissions`.
fn default_permissions(config: &Config) -> Option<Choice> {
    let key = KeyPath::new(["default_permissions"]);
    let wish = Asked::Named(config.default_permissions.clone()?);
    Some(Choice { wish, location: config.layers().locate(&key, Anchor::Value) })
}

/// What `default_permissions` would be if nobody had typed it for this run.
fn configured_default(config: &Config) -> Option<Choice> {
    let key = KeyPath::new(["default_permissions"]);
    let layers = config.layers().iter().rev().filter(|layer| !layer.source.is_command_line());
    let set = |layer: &Layer| {
        let name = layer.table.get("default_permissions")?.as_str()?.to_owned();
        Some(Choice { wish: Asked::Named(name), location: Some(layer.locate(&key, Anchor::Value)) })
    };
    layers.filter_map(set).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layers;
    use crate::overrides::parse_override;
    use crate::project::Trust;

    /// A file, then overrides.
    fn config(file: &str, overrides: &[&str]) -> Config {
        let table = file.parse().expect(file);
        let file = Layer::with_text(LayerSource::UserFile("/h/config.toml".into()), table, file.to_owned());
        let overrides = overrides.iter().map(|text| parse_override(text).expect(text));
        let cwd = AbsolutePath::parse("/w").unwrap();
        Config::from_layers(Layers::new(std::iter::once(file).chain(overrides)), &cwd, None).unwrap()
    }

    fn request(profile: Option<&str>, mode: Option<SandboxMode>) -> SessionRequest {
        let named = profile.map(|name| Asked::Named(name.to_owned()));
        SessionRequest {
            purpose: Purpose::Sandbox,
            asked: named.or(mode.map(Asked::Mode)),
            cwd: AbsolutePath::parse("/w").unwrap(),
            home: None,
            tmpdir: None,
        }
    }

    fn select(config: &Config, request: &SessionRequest) -> Result<ResolvedProfile, SelectError> {
        let selection = Selection { config, definitions: &config.permissions, request };
        selection.settle(&selection.choose()?)
    }

    fn name(file: &str, overrides: &[&str], profile: Option<&str>, mode: Option<SandboxMode>) -> String {
        select(&config(file, overrides), &request(profile, mode)).unwrap().name
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
            let selected = select(&config, &request(None, None)).unwrap();
            assert_eq!(selected.profile, PermissionProfile::read_only());
        }
    }

    #[test]
    fn a_typed_mode_uses_the_table_of_the_file() {
        let table = "[sandbox_workspace_write]\nwritable_roots = ['/srv']\nnetwork_access = true\nexclude_slash_tmp = true\n";
        let by_override = select(&config(table, &["sandbox_mode=workspace-write"]), &request(None, None));
        let by_flag = select(&config(table, &[]), &request(None, Some(SandboxMode::WorkspaceWrite)));
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
            let json = select(&config, &request(profile, mode)).unwrap().profile.to_canonical_json().unwrap();
            assert!(!json.contains("/srv") && json.ends_with(r#""network":"restricted"}"#), "{json}");
        }
    }

    #[test]
    fn full_access_is_no_sandbox() {
        for selected in [
            select(&config("", &["sandbox_mode=danger-full-access"]), &request(None, None)),
            select(&config("", &[]), &request(Some(":danger-full-access"), None)),
            select(&config("default_permissions = ':danger-full-access'", &[]), &request(None, None)),
        ] {
            assert_eq!(selected.unwrap().profile, PermissionProfile::Disabled);
        }
    }

    #[test]
    fn profiles_without_a_default_are_an_error_unless_something_is_asked_for() {
        let file = "[permissions.a.filesystem]\n':root' = 'read'\n";
        let config = config(file, &[]);
        let error = select(&config, &request(None, None)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`/h/config.toml:1:2`: `[permissions.a.filesystem]`: the config defines"),
            "{error}"
        );
        assert!(error.help().contains("-P NAME"));
        assert!(select(&config, &request(Some("a"), None)).is_ok());
        assert!(select(&config, &request(None, Some(SandboxMode::ReadOnly))).is_ok());
    }

    #[test]
    fn errors_point_at_the_config() {
        let select = |file: &str, profile| {
            select(&config(file, &[]), &request(profile, None)).unwrap_err().to_string()
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
        let selected = select(&config, &request(None, None)).unwrap();
        assert!(selected.profile.network().is_enabled());
    }

    /// With a project of that trust.
    fn in_project(file: &str, overrides: &[&str], trust: Trust) -> Config {
        let cwd = AbsolutePath::parse("/w").unwrap();
        let is_recorded = trust != Trust::Unlisted;
        let project = crate::project::Project { root: cwd.clone(), cwd, trust, is_recorded };
        let mut config = config(file, overrides);
        config.project = Some(project);
        config
    }

    fn session(config: &Config, profile: Option<&str>, mode: Option<SandboxMode>) -> ResolvedProfile {
        let request = SessionRequest { purpose: Purpose::Session, ..request(profile, mode) };
        select(config, &request).unwrap()
    }

    #[test]
    fn sessions_have_an_order_of_their_own() {
        let write = Some(SandboxMode::WorkspaceWrite);
        let name = |config: &Config, profile, mode| session(config, profile, mode).name;
        let profiles = config(PROFILES, &[]);
        assert_eq!(name(&profiles, Some("b"), None), "b");
        assert_eq!(name(&profiles, None, write), "workspace-write");
        assert_eq!(name(&profiles, None, None), "a");
        assert_eq!(
            name(&config("sandbox_mode = 'danger-full-access'", &[]), None, None),
            "danger-full-access"
        );
        for (trust, expect) in [
            (Trust::Trusted(None), ":workspace"),
            (Trust::Untrusted(None), ":workspace"),
            (Trust::Unlisted, ":read-only"),
        ] {
            assert_eq!(name(&in_project("", &[], trust), None, None), expect);
        }
        assert_eq!(name(&config("", &[]), None, None), ":read-only");
    }

    #[test]
    fn a_session_is_not_left_without_a_default() {
        let without =
            config("sandbox_mode = 'read-only'\n[permissions.a.filesystem]\n':root' = 'read'\n", &[]);
        let request = SessionRequest { purpose: Purpose::Session, ..request(None, None) };
        let error = select(&without, &request).unwrap_err();
        assert!(matches!(error, SelectError::NoDefault { .. }), "{error}");
        assert_eq!(session(&without, Some("a"), None).name, "a");
    }

    #[test]
    fn a_typed_mode_that_does_not_count_is_told() {
        let selected = session(&config(PROFILES, &["sandbox_mode=read-only"]), None, None);
        assert_eq!(selected.name, "a");
        let told = |warning: &String| warning.contains("`-c sandbox_mode=read-only` has no effect");
        assert!(selected.warnings.iter().any(told));
        assert!(session(&config(PROFILES, &[]), None, None).warnings.is_empty());
    }
}
