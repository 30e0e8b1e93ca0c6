//! Everything that can be wrong with requirements.

use execpolicy::RuleFileError;

use crate::builtin::BuiltIn;
use crate::display::{alternatives, escape_message, escape_short};
use crate::keys::KeyPath;
use crate::layers::LayerSource;
use crate::location::{Location, Position};
use crate::reader::Mismatch;
use crate::requirements::known::UnknownKey;
use crate::requirements::source::RequirementSource;
use crate::requirements::text::RequirementsText;
use crate::resolve_error::ResolveError;

/// The most names that one message lists.
const SHOWN_NAMES: usize = 20;

/// Why there are no requirements, which means that nothing may run. [`Self::help`] says what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementsError {
    /// Invalid: not TOML.
    #[error("failed to parse requirements layer {location}: invalid TOML: {}", escape_message(message))]
    Syntax {
        /// Where reading stopped.
        location: Location,
        /// As the TOML parser says it.
        message: String,
    },
    /// Invalid: TOML, but not a value that the key takes.
    #[error(transparent)]
    Value(Box<InvalidRequirement>),
    /// Invalid: `[rules]`. The message begins with `invalid rules in requirements (set by LAYER)`.
    #[error("failed to parse requirements layer `{}:{}:{}`: {}", error.file, error.line, error.column, error.message)]
    Rules {
        /// The layer.
        layer: LayerSource,
        /// What is wrong, with its place.
        error: Box<RuleFileError>,
    },
    /// Invalid: keys without a meaning where a layer says `strict = true`.
    #[error(
        "failed to parse requirements layer {location}: unknown keys, which `strict` of `{strict}` makes errors: {names}"
    )]
    UnknownKeys {
        /// The first of them.
        location: Box<Location>,
        /// The layer that is strict.
        strict: LayerSource,
        /// All of them, as far as one message can name them, with their layers.
        names: String,
    },
    /// Invalid: two layers say what cannot both hold.
    #[error(transparent)]
    Conflict(Box<RequirementsConflict>),
    /// Invalid: a managed profile that nobody could use, or whose parent a person could define.
    #[error("failed to parse requirements layer {}{error}", Location::prefix(location.as_deref()))]
    Profile {
        /// Where, as far as it is known.
        location: Option<Box<Location>>,
        /// What is wrong.
        error: Box<ResolveError>,
    },
    /// Invalid: the catalogue names a profile that does not exist.
    #[error(
        "`allowed_permission_profiles` (set by {origin}) names `{}`, a profile that is neither built in nor defined in requirements",
        escape_short(name)
    )]
    UnknownProfile {
        /// The profile.
        name: String,
        /// Who set the catalogue.
        origin: RequirementSource,
    },
    /// Invalid: a default, and nothing that it could be chosen from.
    #[error(
        "`default_permissions` (set by {origin}) is `{}`, but there is no `allowed_permission_profiles`",
        escape_short(name)
    )]
    DefaultWithoutCatalogue {
        /// The profile.
        name: String,
        /// Who set the default.
        origin: RequirementSource,
    },
    /// Invalid: the default is none of the profiles that may be chosen.
    #[error(
        "`default_permissions` (set by {origin}) is `{}`, which `allowed_permission_profiles` (set by {catalogue}) does not allow",
        escape_short(name)
    )]
    DefaultNotAllowed {
        /// The profile.
        name: String,
        /// Who set the default.
        origin: RequirementSource,
        /// Who set the catalogue.
        catalogue: RequirementSource,
    },
    /// Invalid: a catalogue without a default that could stand in for it.
    #[error(
        "`allowed_permission_profiles` (set by {origin}) has no `default_permissions` beside it, and does not allow both `:workspace` and `:read-only`"
    )]
    CatalogueWithoutDefault {
        /// Who set the catalogue.
        origin: RequirementSource,
    },
}

/// A value that its key does not take.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("failed to parse requirements layer {location}: field `{key}` {problem}")]
pub struct InvalidRequirement {
    /// Where it stands.
    pub location: Location,
    /// Its key.
    pub key: KeyPath,
    /// What is wrong, after the key.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

/// What two layers say and cannot both hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("requirements conflict: `{key}` of `{higher}` does not agree with `{lower}`")]
pub struct RequirementsConflict {
    /// What it is about.
    pub key: KeyPath,
    /// The layer with more authority.
    pub higher: LayerSource,
    /// The other one.
    pub lower: LayerSource,
}

impl RequirementsError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Syntax { .. } => "correct the line; strings need quotes, tables a `[name]` line".to_owned(),
            Self::Value(invalid) => invalid.fix.clone(),
            Self::Rules { error, .. } => {
                error.help().unwrap_or("correct the rule; rules of requirements can only restrict").to_owned()
            }
            Self::UnknownKeys { .. } => {
                "correct or remove the keys, or remove `strict` to have them ignored with a warning"
                    .to_owned()
            }
            Self::Conflict(_) => "make the two layers say the same, or remove one of the two".to_owned(),
            Self::Profile { error, .. } => match error.as_ref() {
                ResolveError::UnknownParent { .. } | ResolveError::Unextendable { .. } => {
                    "extend `:read-only`, `:workspace` or another profile of requirements".to_owned()
                }
                ResolveError::Unknown { .. } | ResolveError::Cycle { .. } | ResolveError::Setting { .. } => {
                    error.help()
                }
            },
            Self::UnknownProfile { name, .. } if name.starts_with(':') => format!(
                "remove it, or name one of the built-in profiles {}",
                alternatives(&BuiltIn::ALL.map(BuiltIn::name))
            ),
            Self::UnknownProfile { name, .. } => {
                format!("define it as `[permissions.{}]`, or remove it", KeyPath::new([name.as_str()]))
            }
            Self::DefaultWithoutCatalogue { name, .. } => {
                format!("add `[allowed_permission_profiles]` with `{} = true`", KeyPath::new([name.as_str()]))
            }
            Self::DefaultNotAllowed { name, .. } => format!(
                "add `{} = true` to `[allowed_permission_profiles]`, or choose another default",
                KeyPath::new([name.as_str()])
            ),
            Self::CatalogueWithoutDefault { .. } => {
                "add `default_permissions = \"…\"` with one of the profiles that the catalogue allows"
                    .to_owned()
            }
        }
    }

    /// The key that is at fault, where there is one.
    pub(crate) fn key(&self) -> Option<KeyPath> {
        match self {
            Self::Syntax { .. } => None,
            Self::Value(invalid) => Some(invalid.key.clone()),
            Self::Rules { .. } => Some(KeyPath::new(["rules"])),
            Self::UnknownKeys { .. } => Some(KeyPath::new(["strict"])),
            Self::Conflict(conflict) => Some(conflict.key.clone()),
            Self::Profile { error, .. } => error.setting().map(|(key, _)| key),
            Self::UnknownProfile { name, .. } => {
                Some(KeyPath::new(["allowed_permission_profiles", name.as_str()]))
            }
            Self::DefaultWithoutCatalogue { .. } | Self::DefaultNotAllowed { .. } => {
                Some(KeyPath::new(["default_permissions"]))
            }
            Self::CatalogueWithoutDefault { .. } => Some(KeyPath::new(["allowed_permission_profiles"])),
        }
    }

    /// Two layers that do not agree.
    pub(crate) fn conflict(key: KeyPath, higher: &LayerSource, lower: &LayerSource) -> Self {
        let conflict = RequirementsConflict { key, higher: higher.clone(), lower: lower.clone() };
        Self::Conflict(Box::new(conflict))
    }

    /// A mismatch in a layer.
    pub(crate) fn in_text(text: &RequirementsText, mismatch: Mismatch) -> Self {
        let Mismatch { key, anchor, problem, fix } = mismatch;
        let position = Position::of_key(&text.text, &key, anchor);
        let location = Location { source: text.source.clone(), position };
        Self::Value(Box::new(InvalidRequirement { location, key, problem, fix }))
    }
}

/// Lists unknown keys, with what was probably meant.
pub(crate) fn list_unknown(unknown: &[UnknownKey]) -> String {
    let shown = unknown.iter().take(SHOWN_NAMES).map(|unknown| {
        let meant = unknown.meant().map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default();
        format!("`{}`{meant}", unknown.shown)
    });
    let mut list = shown.collect::<Vec<_>>().join(", ");
    let hidden = unknown.len().saturating_sub(SHOWN_NAMES);
    if hidden > 0 {
        list += &format!(" and {hidden} more");
    }
    list
}
