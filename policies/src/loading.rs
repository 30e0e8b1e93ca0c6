//! How layers become a configuration: checked one by one, narrowed where a repository wrote them, merged.

use std::path::{Path, PathBuf};

use toml::Table;

use crate::config::Config;
use crate::config_error::{ConfigError, InvalidValue};
use crate::definition::ProfileDefinition;
use crate::display::{escape, escape_short};
use crate::expand::expand;
use crate::keys::KeyPath;
use crate::layers::{Layer, LayerSource, Layers};
use crate::location::Anchor;
use crate::narrowing::{self, Below, IgnoredKeys, ProjectProfile};
use crate::path::AbsolutePath;
use crate::project::{DisabledLayer, Project};
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
    Ok(config)
}

/// The layers below and of a project, as far as they were taken in.
#[derive(Default)]
struct Heard {
    /// With only what narrows of the project's.
    layers: Layers,
    /// More lists that variables must match.
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
    for layer in layers.iter() {
        let features = read(layer)?.features.into_iter();
        settings.features.extend(features.filter(|(_, on)| on.is_some()));
    }
    let roots = settings.sandbox_workspace_write.writable_roots.as_deref().unwrap_or_default();
    let roots = writable_roots(roots, &layers, bases)?;
    Ok(Config::from_settings(settings, layers, roots))
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
    let root = KeyPath::new(["projects".to_owned(), project.root.as_path().to_string_lossy().into_owned()]);
    (!files.is_empty()).then(|| {
        format!(
            "{reason}, so its configuration is not used: {}{more}; to use it, set `{root}.trust_level = \"trusted\"` in `{}`",
            shown.join(", "),
            escape(config_home.join("config.toml"))
        )
    })
}
