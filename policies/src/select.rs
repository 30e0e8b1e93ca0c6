//! Which profile `codex sandbox` runs a command in.
//!
//! A profile asked for by name, else a mode typed on the command line, else `default_permissions`, else
//! read-only. A `sandbox_mode` in a file does not count here: it is the setting of agent sessions.

use crate::builtin::BuiltIn;
use crate::config::Config;
use crate::display::escape_short;
use crate::keys::KeyPath;
use crate::location::{Anchor, Location};
use crate::mode::SandboxMode;
use crate::network::NetworkDefinition;
use crate::path::AbsolutePath;
use crate::profile::PermissionProfile;
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

/// Why no profile could be selected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Invalid: profiles exist, but nothing says which one.
    #[error("the config defines permission profiles but `default_permissions` does not say which one to use")]
    NoDefault,
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
            Self::Profile { problem, .. } => problem.help(),
            Self::ProxyUnavailable { .. } => {
                "run without network, or pass `--disable network_proxy` to reach it directly".to_owned()
            }
        }
    }
}

/// Selects and resolves the profile.
///
/// # Errors
/// See [`SelectError`].
pub fn select_for_sandbox(
    config: &Config,
    request: &SandboxSelection,
) -> Result<ResolvedProfile, SelectError> {
    let selected = select(config, request)?;
    let is_managed = match selected.profile {
        PermissionProfile::Managed { .. } => true,
        PermissionProfile::Disabled | PermissionProfile::External { .. } => false,
    };
    // Opening the network directly instead would be weaker than what was asked for.
    if is_managed && selected.profile.network().is_enabled() && config.has_feature(PROXY_FEATURE) {
        return Err(SelectError::ProxyUnavailable { name: selected.name });
    }
    Ok(selected)
}

/// Selects, without looking at features.
fn select(config: &Config, request: &SandboxSelection) -> Result<ResolvedProfile, SelectError> {
    if let Some(name) = &request.permission_profile {
        return named(config, request, name, None);
    }
    // An explicit mode needs no profile, so one that nothing selects is no reason to stop.
    if let Some(mode) = request.mode.or_else(|| config.command_line_mode()) {
        return Ok(of_mode(mode, config));
    }
    match &config.default_permissions {
        Some(name) => {
            let key = KeyPath::new(["default_permissions"]);
            named(config, request, name, config.layers().locate(&key, Anchor::Value))
        }
        None if config.permissions.is_empty() => named(config, request, BuiltIn::ReadOnly.name(), None),
        None => Err(SelectError::NoDefault),
    }
}

/// A profile by name. Problems without a setting of their own are shown where the name was written.
fn named(
    config: &Config,
    request: &SandboxSelection,
    name: &str,
    named_at: Option<Location>,
) -> Result<ResolvedProfile, SelectError> {
    let surroundings = Surroundings { cwd: &request.cwd, home: request.home.as_ref() };
    resolve(name, &config.permissions, surroundings).map_err(|problem| {
        let location = match problem.setting() {
            Some((key, anchor)) => config.layers().locate(&key, anchor),
            None => named_at,
        };
        SelectError::Profile { location, problem: Box::new(problem) }
    })
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
