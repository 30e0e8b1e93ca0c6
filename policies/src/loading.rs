//! How layers become a configuration: checked one by one, narrowed where a repository wrote them, merged.

use std::path::{Path, PathBuf};

use toml::Table;

use crate::config::Config;
use crate::config_error::{ConfigError, InvalidValue};
use crate::declared::Declared;
use crate::definition::ProfileDefinition;
use crate::display::{escape, escape_short};
use crate::expand::expand;
use crate::keys::{KeyPath, quote_part};
use crate::layers::{Layer, LayerSource, Layers};
use crate::location::Anchor;
use crate::narrowing::{self, Below, IgnoredKeys, ProjectProfile};
use crate::path::AbsolutePath;
use crate::project::{DisabledLayer, Project, Trust};
use crate::reader::TableNode;
use crate::settings::Settings;
use crate::wildcard::Wildcard;

/// The most files that are not heard which one warning names.
const SHOWN_FILES: usize = 6;

/// What relative paths and `~` stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases<'a> {
    /// For settings that were typed.
    pub(crate) cwd: &'a AbsolutePath,
    /// For settings without a file that nobody typed.
    pub(crate) config_home: &'a Path,
    /// What `~` stands for.
    pub(crate) home: Option<&'a AbsolutePath>,
}

/// Loads what is below and above the layers of a project, and those.
pub(crate) fn load(low: Vec<Layer>, high: Vec<Layer>, bases: Bases<'_>) -> Result<Config, ConfigError> {
    check(low.iter().chain(&high))?;
    // Whether a repository is heard is not for repositories to say.
    let own = Layers::new(low.iter().chain(&high).cloned());
    let settings = read_merged(&own)?;
    let project = Project::find(bases.cwd, settings.project_root_markers.as_deref());
    let (project, mut warnings) = match project {
        None => (None, Vec::new()),
        Some(project) => {
            let (project, warnings) = project.with_trust(&settings.projects, &own, bases.home);
            (Some(project), warnings)
        }
    };
    let mut heard = Heard { layers: Layers::new(low), ..Heard::default() };
    if let Some(project) = &project {
        let files = project.config_files(bases.config_home);
        match project.distrust() {
            Some(reason) => {
                warnings.extend(distrust_warning(&reason, &files, project, bases.config_home));
                heard.disabled = files
                    .into_iter()
                    .map(|file| DisabledLayer {
                        source: LayerSource::ProjectFile(file),
                        reason: reason.clone(),
                    })
                    .collect();
            }
            None => {
                for layer in project.read_layers(&files)? {
                    heard.add(layer, bases)?;
                }
            }
        }
    }
    let Heard { mut layers, also, profiles, ignored, warnings: narrowed, disabled } = heard;
    let is_heard = layers.iter().any(|layer| layer.source.is_project());
    let without_repository = if is_heard {
        let mut config = merge(own, bases)?;
        config.project.clone_from(&project);
        // They may still be named by the person, and choose nothing.
        let unchosen =
            |profile: &ProjectProfile| ProjectProfile { default_permissions: None, ..profile.clone() };
        config.project_profiles = profiles.iter().map(unchosen).collect();
        Some(Box::new(config))
    } else {
        None
    };
    high.into_iter().for_each(|layer| layers.push(layer));
    warnings.extend(narrowed);
    let mut config = merge(layers, bases)?;
    // What a person types for this run may widen again.
    let only = config.origin_of(&["shell_environment_policy", "include_only"]);
    if !only.is_some_and(LayerSource::is_command_line) {
        config.shell_environment_policy.include_only_also = also;
    }
    config.project = project;
    config.project_profiles = profiles;
    config.disabled_layers = disabled;
    config.ignored = ignored;
    config.warnings = warnings;
    config.without_repository = without_repository;
    Ok(config)
}

/// The layers below and of a project, as far as they were taken in.
#[derive(Default)]
struct Heard {
    /// With only what narrows of the project's.
    layers: Layers,
    /// More lists that inherited variables must match.
    also: Vec<Vec<Wildcard>>,
    profiles: Vec<ProjectProfile>,
    ignored: Vec<IgnoredKeys>,
    warnings: Vec<String>,
    disabled: Vec<DisabledLayer>,
}

impl Heard {
    /// Takes in one layer of a project, above all others.
    fn add(&mut self, layer: Layer, bases: Bases<'_>) -> Result<(), ConfigError> {
        let own = read(&layer)?;
        let alone = Layers::new([layer.clone()]);
        let own_roots = match &own.sandbox_workspace_write.writable_roots {
            None => None,
            Some(roots) => Some(writable_roots(roots, &alone, bases)?),
        };
        let below = read_merged(&self.layers)?;
        let below_roots = below.sandbox_workspace_write.writable_roots.as_deref().unwrap_or_default();
        let below_roots = writable_roots(below_roots, &self.layers, bases)?;
        self.profiles.extend(self.profile(&layer, &own)?);
        let below = Below { settings: &below, writable_roots: &below_roots };
        let narrowed = narrowing::narrow(layer, &own, own_roots.as_deref(), &below);
        self.layers.push(narrowed.layer);
        self.also.extend(narrowed.include_only_also);
        self.ignored.extend(narrowed.ignored);
        self.warnings.extend(narrowed.warnings);
        Ok(())
    }

    /// What a layer says about profiles, laid over those of the person and of the repository's files above it.
    fn profile(&self, layer: &Layer, own: &Settings) -> Result<Option<ProjectProfile>, ConfigError> {
        if own.default_permissions.is_none() && own.permissions.is_empty() {
            return Ok(None);
        }
        let mut table = Table::new();
        let layers = self.layers.iter().chain(self.profiles.iter().map(|profile| &profile.layer));
        for layer in layers.chain([layer]) {
            if let Some(permissions) = layer.table.get("permissions") {
                let only = Table::from_iter([("permissions".to_owned(), permissions.clone())]);
                crate::layers::merge(&mut table, &only);
            }
        }
        let permissions = TableNode::top(&table).or_default("permissions", ProfileDefinition::read_all);
        Ok(Some(ProjectProfile {
            layer: layer.clone(),
            default_permissions: own.default_permissions.clone(),
            permissions: permissions.map_err(|mismatch| ConfigError::in_layer(layer, mismatch))?,
        }))
    }
}

/// Checks each layer by itself, where an error can point at its line.
pub(crate) fn check<'a>(layers: impl Iterator<Item = &'a Layer>) -> Result<(), ConfigError> {
    for layer in layers {
        read(layer)?;
    }
    Ok(())
}

/// What one layer says.
fn read(layer: &Layer) -> Result<Settings, ConfigError> {
    Settings::read(&layer.table).map_err(|mismatch| ConfigError::in_layer(layer, mismatch))
}

/// What layers say together.
fn read_merged(layers: &Layers) -> Result<Settings, ConfigError> {
    Settings::read(&layers.merged())
        .map_err(|mismatch| ConfigError::invalid(layers.locate(&mismatch.key, mismatch.anchor), mismatch))
}

/// Merges checked layers.
pub(crate) fn merge(layers: Layers, bases: Bases<'_>) -> Result<Config, ConfigError> {
    let mut settings = read_merged(&layers)?;
    // Layer by layer, so that options for a feature in one layer do not undo `true` in another.
    let mut declared = Declared::default();
    for layer in layers.iter() {
        let Settings { features, permissions, sandbox_workspace_write, .. } = read(layer)?;
        settings.features.extend(features.into_iter().filter(|(_, on)| on.is_some()));
        declared.profiles.push(permissions);
        let alone = Layers::new([layer.clone()]);
        // What is no path is an error where it counts.
        let absolute = |root| writable_roots(std::slice::from_ref(root), &alone, bases).ok();
        let roots = sandbox_workspace_write.writable_roots.iter().flatten();
        declared.writable_roots.extend(roots.filter_map(absolute).flatten());
    }
    let roots = settings.sandbox_workspace_write.writable_roots.as_deref().unwrap_or_default();
    let roots = writable_roots(roots, &layers, bases)?;
    let mut config = Config::from_settings(settings, layers, roots);
    config.declared = declared;
    Ok(config)
}

/// Makes the roots absolute: relative to the file that lists them, to the working directory for what was typed,
/// else to the config home. Lists are never merged, so all come from one layer.
fn writable_roots(
    roots: &[String],
    layers: &Layers,
    bases: Bases<'_>,
) -> Result<Vec<AbsolutePath>, ConfigError> {
    let key = KeyPath::new(["sandbox_workspace_write", "writable_roots"]);
    let folder = match layers.origin_of(key.parts()) {
        Some(source) if !source.is_command_line() => Some(source.folder().unwrap_or(bases.config_home)),
        Some(_) | None => None,
    };
    let base = match folder {
        None => bases.cwd.clone(),
        Some(folder) => bases
            .cwd
            .join_normalised(folder)
            .map_err(|_| ConfigError::ConfigHome { path: folder.to_owned() })?,
    };
    let absolute = |root: &String| {
        expand(root, &base, bases.home).map_err(|error| {
            let problem = format!("has the unusable root `{}`: {error}", escape_short(root));
            let location = layers.locate(&key, Anchor::Value);
            let fix = error.help().to_owned();
            ConfigError::Value(Box::new(InvalidValue { location, key: key.clone(), problem, fix }))
        })
    };
    roots.iter().map(absolute).collect()
}

/// One warning for all files that are not heard.
fn distrust_warning(
    reason: &str,
    files: &[PathBuf],
    project: &Project,
    config_home: &Path,
) -> Option<String> {
    let shown: Vec<String> =
        files.iter().take(SHOWN_FILES).map(|file| format!("`{}`", escape(file))).collect();
    let more = match files.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let unmark = match project.trust {
        Trust::Untrusted(_) => "remove that mark, and ",
        Trust::Trusted(_) | Trust::Unlisted => "",
    };
    // The key is whole, since it is there to be copied; what is not UTF-8 cannot be written in the file.
    let advice = project.root.as_path().to_str().map_or_else(String::new, |root| {
        format!(
            "; to use it, {unmark}set `projects.{}.trust_level = \"trusted\"` in `{}`",
            quote_part(root),
            escape(config_home.join("config.toml"))
        )
    });
    let shown = shown.join(", ");
    (!files.is_empty()).then(|| format!("{reason}, so its configuration is not used: {shown}{more}{advice}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::ConfigSources;
    use crate::test_dir::TestDir;
    use crate::web_search::WebSearchMode;

    fn layer(source: LayerSource, text: &str) -> Layer {
        Layer::with_text(source, text.parse().expect(text), text.to_owned())
    }

    /// A home and a repository with a file in each of two folders.
    fn ground(name: &str, trust: &str, root: &str, nearest: &str) -> (TestDir, ConfigSources) {
        let dir = TestDir::new(name);
        for folder in ["home", "repo/.git", "repo/.codex", "repo/sub/.codex"] {
            fs::create_dir_all(dir.path(folder)).unwrap();
        }
        let repo = fs::canonicalize(dir.path("repo")).unwrap();
        let trust = format!("[projects.'{}']\ntrust_level = '{trust}'\n", repo.display());
        dir.write("home/config.toml", format!("web_search = 'live'\n{trust}"));
        dir.write("home/p.config.toml", "web_search = 'live'");
        dir.write("repo/.codex/config.toml", root);
        dir.write("repo/sub/.codex/config.toml", nearest);
        let sources = ConfigSources {
            system: vec![layer(
                LayerSource::SystemFile("/etc/codex/config.toml".into()),
                "web_search = 'cached'",
            )],
            codex_home: dir.path("home"),
            profile_file: Some("p".to_owned()),
            overrides: Vec::new(),
            managed: Vec::new(),
            cwd: AbsolutePath::parse(repo.join("sub")).unwrap(),
            home: None,
        };
        (dir, sources)
    }

    #[test]
    fn layers_have_the_documented_order() {
        let (dir, mut sources) =
            ground("loading-order", "trusted", "web_search = 'indexed'", "web_search = 'cached'");
        let origin = |sources: &ConfigSources| {
            let config = Config::load(sources).unwrap();
            config.origin_of(&["web_search"]).map(ToString::to_string).unwrap_or_default()
        };
        assert!(origin(&sources).ends_with("sub/.codex/config.toml"), "{}", origin(&sources));
        let config = Config::load(&sources).unwrap();
        let kinds: Vec<String> = config.layers().iter().map(|layer| layer.source.to_string()).collect();
        let ends = ["/etc/codex/config.toml", "home/config.toml", "p.config.toml", "repo/.codex/config.toml"];
        assert!(ends.iter().zip(&kinds).all(|(end, kind)| kind.ends_with(end)), "{kinds:?}");
        assert!(config.project.as_ref().is_some_and(|project| project.trust.is_trusted()));
        sources.overrides.push("web_search=live".to_owned());
        assert_eq!(origin(&sources), "-c web_search=live");
        let managed = LayerSource::LegacyManagedFile("/etc/codex/managed_config.toml".into());
        sources.managed.push(layer(managed, "web_search = 'disabled'"));
        assert_eq!(origin(&sources), "/etc/codex/managed_config.toml");
        sources.managed.clear();
        sources.overrides.clear();
        dir.write("repo/sub/.codex/config.toml", "");
        assert!(origin(&sources).ends_with("repo/.codex/config.toml"));
        dir.write("repo/.codex/config.toml", "");
        assert!(origin(&sources).ends_with("p.config.toml"));
        sources.profile_file = None;
        assert!(origin(&sources).ends_with("home/config.toml"));
        dir.write("home/config.toml", "");
        assert_eq!(origin(&sources), "/etc/codex/config.toml");
    }

    #[test]
    fn files_that_are_not_heard_are_kept_by_name_with_one_warning() {
        let (dir, sources) =
            ground("loading-untrusted", "untrusted", "web_search = 'disabled'", "= not TOML");
        let config = Config::load(&sources).unwrap();
        assert_eq!(config.web_search, Some(WebSearchMode::Live));
        assert_eq!(config.disabled_layers.len(), 2);
        for disabled in &config.disabled_layers {
            assert!(
                disabled.source.is_project() && disabled.reason.contains("marked as untrusted in `"),
                "{disabled:?}"
            );
        }
        let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
        assert!(
            warning.contains("home/config.toml:3:15`") && warning.contains("sub/.codex/config.toml`"),
            "{warning}"
        );
        let at = match config.project.map(|project| project.trust) {
            Some(Trust::Untrusted(Some(at))) => at.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(at.ends_with("home/config.toml:3:15`: `trust_level = 'untrusted'`"), "{at}");
        drop(dir);
    }

    #[test]
    fn what_does_not_narrow_is_told_with_its_line() {
        let text = "# x\nsandbox_mode = \"danger-full-access\"\nmodel = 'a'\nnotify = ['b']\n";
        let (_dir, sources) = ground("loading-told", "trusted", text, "");
        let config = Config::load(&sources).unwrap();
        assert_eq!(config.sandbox_mode, None);
        let [first, second] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
        assert!(
            first.ends_with(
                "repo/.codex/config.toml:2:1`: `sandbox_mode = \"danger-full-access\"`: `sandbox_mode` is ignored: a repository can only narrow, and the mode is `workspace-write`"
            ),
            "{first}"
        );
        assert!(second.contains("ignored `model`, `notify`: from a repository"), "{second}");
        assert_eq!(config.ignored.iter().map(|ignored| ignored.count).sum::<usize>(), 2);
    }

    #[test]
    fn roots_of_device_management_start_at_the_config_home() {
        let (dir, mut sources) = ground("loading-mdm", "trusted", "", "");
        let text = "[sandbox_workspace_write]\nwritable_roots = ['x']";
        sources.managed.push(layer(LayerSource::LegacyManagedMdm, text));
        let config = Config::load(&sources).unwrap();
        let expect = AbsolutePath::parse(dir.path("home/x")).unwrap();
        assert_eq!(config.sandbox_workspace_write.writable_roots, [expect]);
    }

    #[test]
    fn trust_for_no_place_is_told() {
        let (dir, sources) = ground("loading-nowhere", "trusted", "", "");
        dir.write("home/config.toml", "[projects.relative]\ntrust_level = 'trusted'");
        let config = Config::load(&sources).unwrap();
        assert!(config.project.is_some_and(|project| !project.is_recorded));
        assert!(
            config.warnings.iter().any(|warning| warning.contains("is not an absolute path")),
            "{:?}",
            config.warnings
        );
    }
}
