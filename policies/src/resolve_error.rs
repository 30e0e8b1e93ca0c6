//! Why a profile cannot be resolved.

use crate::display::escape_short;
use crate::keys::KeyPath;
use crate::location::Anchor;
use crate::target::TargetError;

/// Why a profile cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Invalid: no such profile.
    #[error("there is no permission profile `{}`", escape_short(name))]
    Unknown {
        /// As asked for.
        name: String,
        /// Those that exist, escaped.
        known: Vec<String>,
    },
    /// Invalid: no such parent.
    #[error("profile `{}` extends `{}`, which does not exist", escape_short(name), escape_short(parent))]
    UnknownParent {
        /// The child.
        name: String,
        /// As written.
        parent: String,
    },
    /// Invalid: the parent has nothing to inherit.
    #[error("profile `{}` extends `:danger-full-access`, which cannot be extended", escape_short(name))]
    Unextendable {
        /// The child.
        name: String,
    },
    /// Invalid: a profile is its own ancestor.
    #[error("profile `{}` extends itself through {}", escape_short(name), through.iter().map(|name| format!("`{}`", escape_short(name))).collect::<Vec<_>>().join(", "))]
    Cycle {
        /// Where the cycle closes.
        name: String,
        /// The way round, at most a few.
        through: Vec<String>,
    },
    /// Invalid: a key or value without a meaning.
    #[error("`{key}` {problem}")]
    Setting {
        /// Which.
        key: KeyPath,
        /// What is wrong, after the key.
        problem: String,
        /// What to write instead.
        fix: String,
    },
}

impl ResolveError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Unknown { known, .. } => format!("choose one of {}", known.join(", ")),
            Self::UnknownParent { .. } | Self::Unextendable { .. } => {
                "extend `:read-only`, `:workspace` or another profile of yours".to_owned()
            }
            Self::Cycle { .. } => "remove one `extends`".to_owned(),
            Self::Setting { fix, .. } => fix.clone(),
        }
    }

    /// A key that is about nothing.
    pub(crate) fn invalid(key: &KeyPath, error: &TargetError) -> Self {
        Self::Setting { key: key.clone(), problem: error.to_string(), fix: error.help().to_owned() }
    }

    /// The setting at fault and which side of it, if there is one.
    pub(crate) fn setting(&self) -> Option<(KeyPath, Anchor)> {
        match self {
            Self::Unknown { .. } => None,
            Self::UnknownParent { name, .. } | Self::Unextendable { name } | Self::Cycle { name, .. } => {
                Some((KeyPath::new(["permissions", name, "extends"]), Anchor::Value))
            }
            Self::Setting { key, .. } => Some((key.clone(), Anchor::Key)),
        }
    }
}
