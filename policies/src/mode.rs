//! The three sandbox modes that users name.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// A ready-made profile by its everyday name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Everything readable, nothing writable, no network.
    ReadOnly,
    /// Read-only plus a writable workspace.
    WorkspaceWrite,
    /// No sandbox at all.
    DangerFullAccess,
}

/// A word that names no mode.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "unknown sandbox mode `{}`, expected `read-only`, `workspace-write` or `danger-full-access`",
    crate::display::escape_short(word)
)]
pub struct UnknownMode {
    /// As given.
    pub word: String,
}

impl SandboxMode {
    /// The accepted words.
    pub(crate) const WORDS: [(&'static str, Self); 3] = [
        ("read-only", Self::ReadOnly),
        ("workspace-write", Self::WorkspaceWrite),
        ("danger-full-access", Self::DangerFullAccess),
    ];

    /// As users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }
}

impl fmt::Display for SandboxMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for SandboxMode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Self, UnknownMode> {
        let mode = Self::WORDS.into_iter().find_map(|(known, mode)| (known == word).then_some(mode));
        mode.ok_or_else(|| UnknownMode { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_modes_correspond() {
        for (word, mode) in SandboxMode::WORDS {
            assert_eq!((mode.as_str(), word.parse()), (word, Ok(mode)));
        }
    }

    #[test]
    fn other_words_are_refused_with_the_three_modes() {
        for word in ["", "readonly", "Read-Only", "external-sandbox", "workspace_write", "\x1b[2J"] {
            let message = word.parse::<SandboxMode>().unwrap_err().to_string();
            assert!(message.contains("`read-only`, `workspace-write` or `danger-full-access`"), "{message}");
            assert!(!message.contains('\x1b'));
        }
    }
}
