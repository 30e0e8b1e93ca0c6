//! The effective configuration: which layers there are, and their settings once merged.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::config_error::ConfigError;
use crate::config_file::read_layer;
use crate::declared::Declared;
use crate::definition::ProfileDefinition;
use crate::display::escape;
use crate::environment::ShellEnvironmentPolicy;
use crate::layers::{Layer, LayerSource, Layers};
use crate::loading::{self, Bases};
use crate::mcp::McpServer;
use crate::mode::SandboxMode;
use crate::narrowing::{IgnoredKeys, ProjectProfile};
use crate::overrides::parse_override;
use crate::path::AbsolutePath;
use crate::profile::NetworkAccess;
use crate::project::{DisabledLayer, Project};
use crate::settings::Settings;
use crate::web_search::WebSearchMode;
use crate::workspace_write::WorkspaceWrite;

/// Where to look for configuration.
#[derive(Clone, Debug)]
pub struct ConfigSources {
    /// Layers below the user's file, lowest precedence first: the system's, already read.
    pub system: Vec<Layer>,
    /// See [`codex_home`]; absolute.
    pub codex_home: PathBuf,
    /// The NAME of `NAME.config.toml`.
    pub profile_file: Option<String>,
    /// `-c` settings as typed, in order; later ones win.
    pub overrides: Vec<String>,
    /// Layers above everything else, lowest precedence first: an administrator's, already read.
    pub managed: Vec<Layer>,
    /// Where relative paths of overrides start, and whose project is heard.
    pub cwd: AbsolutePath,
    /// What `~` stands for.
    pub home: Option<AbsolutePath>,
}

/// The settings that matter here, with their origins. The default is that of no configuration at all.
#[derive(Clone, Debug)]
pub struct Config {
    /// When a person is asked, if a layer says; see [`crate::EffectivePolicy`].
    pub approval_policy: Option<ApprovalPolicy>,
    /// Who answers; the person unless a layer says otherwise.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// How far the web is searched, if a layer says.
    pub web_search: Option<WebSearchMode>,
    /// Whether commands may run in a login shell.
    pub allow_login_shell: bool,
    /// Tool servers by name.
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// The profile used when none is asked for. Never from a repository, see [`Self::project_profiles`].
    pub default_permissions: Option<String>,
    /// The mode from any layer; see [`Self::command_line_mode`].
    pub sandbox_mode: Option<SandboxMode>,
    /// Options of `workspace-write`.
    pub sandbox_workspace_write: WorkspaceWrite,
    /// The environment of commands.
    pub shell_environment_policy: ShellEnvironmentPolicy,
    /// Profiles by name. Never from a repository, see [`Self::project_profiles`].
    pub permissions: BTreeMap<String, ProfileDefinition>,
    /// Feature flags that some layer sets.
    pub features: BTreeMap<String, bool>,
    /// The project around the working directory; `None` when there is no such directory.
    pub project: Option<Project>,
    /// What a trusted repository says about profiles, root first. It narrows the selected profile.
    pub project_profiles: Vec<ProjectProfile>,
    /// Config files of a project that is not trusted, root first.
    pub disabled_layers: Vec<DisabledLayer>,
    /// Keys of a repository that have no effect from there, by file.
    pub ignored: Vec<IgnoredKeys>,
    /// What the person should know, one sentence each, safe to print.
    pub warnings: Vec<String>,
    /// The same without the repository's files, if there are any that count. What holds in the end permits no more
    /// than this would: less to wish for must not get more than a fallback would have given.
    pub(crate) without_repository: Option<Box<Config>>,
    /// What could be written, whatever is selected.
    pub(crate) declared: Declared,
    /// What was merged. Of a repository's file only what narrows.
    layers: Layers,
}

/// The config home: `$CODEX_HOME` when set and not empty, else `~/.codex`.
///
/// # Errors
/// [`ConfigError::NoConfigHome`] when neither is known; [`ConfigError::RelativeConfigHome`], since that of one
/// repository would be its own `.codex`, with all that the person's may say.
pub fn codex_home(
    env: impl Fn(&str) -> Option<OsString>,
    home: Option<&AbsolutePath>,
) -> Result<PathBuf, ConfigError> {
    match (env("CODEX_HOME").filter(|value| !value.is_empty()), home) {
        (Some(set), _) => absolute_home(PathBuf::from(set)),
        (None, Some(home)) => Ok(home.as_path().join(".codex")),
        (None, None) => Err(ConfigError::NoConfigHome),
    }
}

/// A config home that is the same in each working directory.
fn absolute_home(path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.is_absolute() { Ok(path) } else { Err(ConfigError::RelativeConfigHome { path }) }
}

impl ConfigSources {
    /// The config home.
    ///
    /// # Errors
    /// [`ConfigError::RelativeConfigHome`], and [`ConfigError::ConfigHome`] when it is no path.
    pub fn config_home(&self) -> Result<AbsolutePath, ConfigError> {
        let home = absolute_home(self.codex_home.clone())?;
        AbsolutePath::parse(&home).map_err(|_| ConfigError::ConfigHome { path: home })
    }

    /// What to say about a config home that does not exist: nothing about the usual one, which a person need not
    /// have; but whoever names another wants what is in it.
    fn missing_home(&self) -> Option<String> {
        let usual = self.home.as_ref().map(|home| home.as_path().join(".codex"));
        let is_missing = std::fs::metadata(&self.codex_home)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        (is_missing && usual.as_ref() != Some(&self.codex_home)).then(|| {
            format!(
                "the config home `{}` does not exist, so that no configuration of yours is used; create it, or \
                 correct `CODEX_HOME`",
                escape(&self.codex_home)
            )
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::from_settings(Settings::default(), Layers::default(), Vec::new())
    }
}

impl Config {
    /// Reads all layers, checks each by itself, and merges them. From low to high: the system's, the user's file,
    /// the profile file, a trusted project's files from its root to the working directory as far as they narrow
    /// what is below them, `-c` settings, the administrator's.
    ///
    /// Files that do not exist are no error. Those of a project that is not trusted are not read.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(sources: &ConfigSources) -> Result<Self, ConfigError> {
        let config_home = absolute_home(sources.codex_home.clone())?;
        let mut low = sources.system.clone();
        low.extend(read_layer(&config_home.join("config.toml"), LayerSource::UserFile)?);
        if let Some(name) = &sources.profile_file {
            let file = config_home.join(profile_file_name(name)?);
            low.extend(read_layer(&file, LayerSource::ProfileFile)?);
        }
        let mut high = Vec::new();
        for text in &sources.overrides {
            high.push(parse_override(text)?);
        }
        high.extend(sources.managed.iter().cloned());
        let bases = Bases { cwd: &sources.cwd, config_home: &config_home, home: sources.home.as_ref() };
        let mut config = loading::load(low, high, bases)?;
        config.warnings.extend(sources.missing_home());
        Ok(config)
    }

    /// Checks each layer and merges them as they are, without looking for a project.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that its key does not take, and [`ConfigError::ConfigHome`].
    pub fn from_layers(
        layers: Layers,
        cwd: &AbsolutePath,
        home: Option<&AbsolutePath>,
    ) -> Result<Self, ConfigError> {
        let bases = Bases { cwd, config_home: cwd.as_path(), home };
        loading::check(layers.iter())?;
        loading::merge(layers, bases)
    }

    /// From what was merged and its roots, which are already absolute.
    pub(crate) fn from_settings(
        settings: Settings,
        layers: Layers,
        writable_roots: Vec<AbsolutePath>,
    ) -> Self {
        let write = settings.sandbox_workspace_write;
        Self {
            approval_policy: settings.approval_policy,
            approvals_reviewer: settings.approvals_reviewer,
            web_search: settings.web_search,
            allow_login_shell: settings.allow_login_shell.unwrap_or(true),
            mcp_servers: settings.mcp_servers,
            default_permissions: settings.default_permissions,
            sandbox_mode: settings.sandbox_mode,
            sandbox_workspace_write: WorkspaceWrite {
                writable_roots,
                network_access: NetworkAccess::from_enabled(write.network_access.unwrap_or_default()),
                exclude_tmpdir_env_var: write.exclude_tmpdir_env_var,
                exclude_slash_tmp: write.exclude_slash_tmp,
            },
            shell_environment_policy: settings.shell_environment_policy,
            permissions: settings.permissions,
            features: settings.features.into_iter().filter_map(|(name, on)| Some((name, on?))).collect(),
            project: None,
            project_profiles: Vec::new(),
            disabled_layers: Vec::new(),
            ignored: Vec::new(),
            warnings: Vec::new(),
            without_repository: None,
            declared: Declared::default(),
            layers,
        }
    }

    /// Which layer a value comes from, by its key: `&["permissions", "work", "network", "enabled"]`.
    pub fn origin_of<Part: AsRef<str>>(&self, key: &[Part]) -> Option<&LayerSource> {
        self.layers.origin_of(key)
    }

    /// What was merged, lowest precedence first.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The mode, if it was typed on the command line rather than configured in a file.
    pub fn command_line_mode(&self) -> Option<SandboxMode> {
        self.sandbox_mode
            .filter(|_| self.origin_of(&["sandbox_mode"]).is_some_and(LayerSource::is_command_line))
    }

    /// Whether a feature is switched on.
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.get(name) == Some(&true)
    }
}

/// The file of a named profile, if the name cannot lead elsewhere.
fn profile_file_name(name: &str) -> Result<String, ConfigError> {
    if name.is_empty() || name.contains(['/', '\0']) || name.contains("..") {
        return Err(ConfigError::ProfileName { name: name.to_owned() });
    }
    Ok(format!("{name}.config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    /// Sources around a directory, with `/w` as working directory.
    fn sources(dir: &TestDir, overrides: &[&str]) -> ConfigSources {
        ConfigSources {
            system: Vec::new(),
            managed: Vec::new(),
            codex_home: dir.path(""),
            profile_file: None,
            overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
            cwd: AbsolutePath::parse("/w").unwrap(),
            home: Some(AbsolutePath::parse("/home/u").unwrap()),
        }
    }

    #[test]
    fn no_files_are_no_settings() {
        let dir = TestDir::new("config-none");
        let config = Config::load(&ConfigSources {
            profile_file: Some("absent".to_owned()),
            codex_home: dir.path("absent"),
            ..sources(&dir, &[])
        })
        .unwrap();
        assert_eq!((config.sandbox_mode, config.default_permissions.as_deref()), (None, None));
        assert_eq!(config.layers().iter().count(), 0);
        let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
        assert!(warning.contains("absent` does not exist"), "{warning}");
        // Nobody named the usual place, and an empty one is what somebody wanted.
        let usual = ConfigSources {
            codex_home: dir.path("h/.codex"),
            home: Some(AbsolutePath::parse(dir.path("h")).unwrap()),
            ..sources(&dir, &[])
        };
        for sources in [usual, sources(&dir, &[])] {
            assert_eq!(Config::load(&sources).unwrap().warnings, [] as [&str; 0]);
        }
    }

    #[test]
    fn a_config_home_that_cannot_be_one_is_an_error() {
        use std::os::unix::fs::symlink;
        let dir = TestDir::new("config-no-home");
        dir.write("file", "");
        symlink("nowhere", dir.path("dangling")).unwrap();
        std::fs::create_dir(dir.path("home")).unwrap();
        symlink("nowhere", dir.path("home/config.toml")).unwrap();
        let load = |home: PathBuf| Config::load(&ConfigSources { codex_home: home, ..sources(&dir, &[]) });
        for name in ["file", "dangling", "home"] {
            let error = load(dir.path(name)).expect_err(name).to_string();
            assert!(error.starts_with("cannot read config file `") && error.contains(name), "{error}");
        }
        for name in [".codex", "home", "../home", "~/.codex"] {
            let error = load(name.into()).expect_err(name);
            assert!(matches!(error, ConfigError::RelativeConfigHome { .. }), "{error}");
            assert!(error.help().contains("absolute"));
        }
        std::fs::remove_file(dir.path("home/config.toml")).unwrap();
        assert!(load(dir.path("home")).is_ok());
    }

    #[test]
    fn later_layers_win_and_origins_are_kept() {
        let dir = TestDir::new("config-layers");
        dir.write(
            "config.toml",
            "sandbox_mode = 'read-only'\ndefault_permissions = 'a'\n[features]\nx = true\ny = true\n",
        );
        dir.write("p.config.toml", "default_permissions = 'b'\n[features]\nx = { k = 1 }\ny = false\n");
        let config = Config::load(&ConfigSources {
            profile_file: Some("p".to_owned()),
            ..sources(&dir, &["sandbox_mode=workspace-write", "features.z=true", "features.z=false"])
        })
        .unwrap();
        assert_eq!(config.default_permissions.as_deref(), Some("b"));
        assert_eq!(
            config.origin_of(&["default_permissions"]).unwrap().to_string(),
            dir.path("p.config.toml").to_str().unwrap()
        );
        assert_eq!(config.command_line_mode(), Some(SandboxMode::WorkspaceWrite));
        assert_eq!(
            config.origin_of(&["sandbox_mode"]).unwrap().to_string(),
            "-c sandbox_mode=workspace-write"
        );
        assert_eq!(
            config.origin_of(&["features", "y"]).unwrap().to_string(),
            dir.path("p.config.toml").to_str().unwrap()
        );
        assert!(config.has_feature("x"), "options of a feature do not switch it off");
        assert!(!config.has_feature("y") && !config.has_feature("z") && !config.has_feature("unset"));
    }

    #[test]
    fn a_mode_in_a_file_is_not_from_the_command_line() {
        let dir = TestDir::new("config-mode");
        dir.write("config.toml", "sandbox_mode = 'workspace-write'");
        let config = Config::load(&sources(&dir, &["a=1"])).unwrap();
        assert_eq!(config.sandbox_mode, Some(SandboxMode::WorkspaceWrite));
        assert_eq!(config.command_line_mode(), None);
    }

    #[test]
    fn writable_roots_start_where_they_were_written() {
        let dir = TestDir::new("config-roots");
        dir.write(
            "config.toml",
            "[sandbox_workspace_write]\nwritable_roots = ['rel', '../up', '/abs/', '~/h', '~']\n",
        );
        let folder = AbsolutePath::parse(dir.path("")).unwrap();
        let config = Config::load(&sources(&dir, &[])).unwrap();
        let expect = [
            folder.join_normalised("rel").unwrap(),
            folder.join_normalised("../up").unwrap(),
            AbsolutePath::parse("/abs").unwrap(),
            AbsolutePath::parse("/home/u/h").unwrap(),
            AbsolutePath::parse("/home/u").unwrap(),
        ];
        assert_eq!(config.sandbox_workspace_write.writable_roots, expect);

        let typed = "sandbox_workspace_write.writable_roots=['rel', '../up']";
        let config = Config::load(&sources(&dir, &[typed])).unwrap();
        let expect = ["/w/rel", "/up"].map(|path| AbsolutePath::parse(path).unwrap());
        assert_eq!(config.sandbox_workspace_write.writable_roots, expect);
    }

    #[test]
    fn unusable_roots_are_errors_with_their_line() {
        let dir = TestDir::new("config-bad-roots");
        for (root, why) in [("~user/x", "only understood alone"), ("", "is empty"), ("a\\u0000", "NUL byte")]
        {
            dir.write("config.toml", format!("[sandbox_workspace_write]\nwritable_roots = [\"{root}\"]\n"));
            let error = Config::load(&sources(&dir, &[])).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("config.toml:2:18`: `writable_roots = ") && text.contains(why), "{text}");
            assert!(!error.help().is_empty());
        }
        dir.write("config.toml", "[sandbox_workspace_write]\nwritable_roots = ['~/x']\n");
        let error =
            Config::load(&ConfigSources { home: None, ..sources(&dir, &[]) }).unwrap_err().to_string();
        assert!(error.contains("home directory is not known"), "{error}");
    }

    #[test]
    fn errors_say_where_what_and_how_to_fix_it() {
        let dir = TestDir::new("config-errors");
        dir.write("config.toml", "model = 1\n\n  sandbox_mode = \"readonly\" # x\n");
        let error = Config::load(&sources(&dir, &["sandbox_mode=read-only"])).unwrap_err();
        let expect = format!(
            "`{}:3:18`: `sandbox_mode = \"readonly\" # x`: `sandbox_mode` must be `read-only`, `workspace-write` or \
             `danger-full-access`, not the string `readonly`",
            dir.path("config.toml").display()
        );
        assert_eq!(
            (error.to_string(), error.help()),
            (expect, "write `sandbox_mode = \"read-only\"`".to_owned())
        );

        dir.write("config.toml", "");
        let error = Config::load(&sources(&dir, &["features.x=on"])).unwrap_err();
        let expect = "`-c features.x=on`: `features.x` must be `true` or `false`, not the string `on`";
        assert_eq!(error.to_string(), expect);
        let error = Config::load(&sources(&dir, &["x"])).unwrap_err();
        assert_eq!(error.to_string(), "invalid override `x`: there is no `=`");
    }

    #[test]
    fn profile_names_stay_in_the_config_home() {
        let dir = TestDir::new("config-names");
        for name in ["", "..", "../x", "a/b", "/etc/x", "a..b", "a\0"] {
            let load =
                Config::load(&ConfigSources { profile_file: Some(name.to_owned()), ..sources(&dir, &[]) });
            assert!(matches!(load, Err(ConfigError::ProfileName { .. })), "{name:?}");
        }
    }

    #[test]
    fn the_config_home_comes_from_its_variable_or_the_home_directory() {
        let home = AbsolutePath::parse("/home/u").unwrap();
        let set = |value: &'static str| move |name: &str| (name == "CODEX_HOME").then(|| value.into());
        assert_eq!(codex_home(set("/c"), Some(&home)).unwrap(), PathBuf::from("/c"));
        assert_eq!(codex_home(set("/c"), None).unwrap(), PathBuf::from("/c"));
        assert_eq!(codex_home(set(""), Some(&home)).unwrap(), PathBuf::from("/home/u/.codex"));
        assert_eq!(codex_home(|_| None, Some(&home)).unwrap(), PathBuf::from("/home/u/.codex"));
        assert!(matches!(codex_home(|_| None, None), Err(ConfigError::NoConfigHome)));
        for relative in [".codex", "~", "c/d"] {
            let refused = codex_home(set(relative), Some(&home));
            assert!(matches!(refused, Err(ConfigError::RelativeConfigHome { .. })), "{refused:?}");
        }
    }
}
