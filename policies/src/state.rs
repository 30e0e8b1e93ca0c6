//! The sandbox state that one program hands to another: `--sandbox-state-json`.

use serde::Deserialize;

use crate::display::escape_message;
use crate::file_uri::{FileUriError, parse_file_uri};
use crate::path::AbsolutePath;
use crate::profile::{Access, Entry, FileSystemPolicy, NetworkAccess, PermissionProfile};

/// A profile and the directory that it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SandboxState {
    /// What a run may touch. Never [`PermissionProfile::External`].
    pub profile: PermissionProfile,
    /// What its workspace entries are relative to.
    pub cwd: AbsolutePath,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Invalid: not JSON of this shape.
    #[error("invalid sandbox state: {why}")]
    Json {
        /// Why, escaped: the parser repeats foreign text.
        why: String,
    },
    /// Invalid: the directory.
    #[error("invalid sandbox state: `sandboxCwd` is not usable")]
    Cwd {
        /// Why.
        source: FileUriError,
    },
    /// Refused: without a sandbox there is nothing to cut the network with.
    #[error(
        "refused to cut the network: the profile of the sandbox state is `disabled`, so there is no sandbox"
    )]
    NoSandbox,
}

impl StateError {
    /// The smallest change that helps.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Json { .. } => {
                "pass an object with `permissionProfile` in its canonical form and `sandboxCwd` as a `file://` URI"
            }
            Self::Cwd { .. } => "write the directory as in `file:///home/me/my%20project`",
            Self::NoSandbox => "pass a managed profile, or leave the network on",
        }
    }
}

/// The JSON form. Other fields belong to the program that wrote it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    /// Canonical.
    permission_profile: PermissionProfile,
    /// A URI.
    sandbox_cwd: String,
}

impl SandboxState {
    /// Reads the JSON form.
    ///
    /// An external profile becomes read-only: whoever promised a sandbox of their own is not the one running this
    /// command, so relying on that promise would mean no sandbox at all.
    ///
    /// # Errors
    /// [`StateError::Json`] and [`StateError::Cwd`].
    pub fn parse(json: &str) -> Result<Self, StateError> {
        let wire: Wire =
            serde_json::from_str(json).map_err(|error| StateError::Json { why: escape_message(error) })?;
        let cwd = parse_file_uri(&wire.sandbox_cwd).map_err(|source| StateError::Cwd { source })?;
        let profile = match wire.permission_profile {
            PermissionProfile::External { .. } => PermissionProfile::read_only(),
            profile @ (PermissionProfile::Managed { .. } | PermissionProfile::Disabled) => profile,
        };
        Ok(Self { profile, cwd })
    }

    /// The state with one more readable directory. A denial of the same directory still wins.
    #[must_use]
    pub fn with_readable_root(mut self, root: AbsolutePath) -> Self {
        match &mut self.profile {
            PermissionProfile::Managed {
                file_system: FileSystemPolicy::Restricted { entries, .. }, ..
            } => {
                entries.push(Entry::for_path(root, Access::Read));
            }
            PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, .. }
            | PermissionProfile::Disabled
            | PermissionProfile::External { .. } => {}
        }
        self
    }

    /// The state without network.
    ///
    /// # Errors
    /// [`StateError::NoSandbox`] when the profile is disabled.
    pub fn without_network(self) -> Result<Self, StateError> {
        let off = NetworkAccess::Restricted;
        let profile = match self.profile {
            PermissionProfile::Managed { file_system, .. } => {
                PermissionProfile::Managed { file_system, network: off }
            }
            PermissionProfile::External { .. } => PermissionProfile::External { network: off },
            PermissionProfile::Disabled => return Err(StateError::NoSandbox),
        };
        Ok(Self { profile, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(profile: &str, cwd: &str) -> String {
        format!(r#"{{"permissionProfile":{profile},"sandboxCwd":"{cwd}","otherField":1}}"#)
    }

    const OPEN: &str = r#"{"type":"managed","file_system":{"type":"unrestricted"},"network":"enabled"}"#;

    #[test]
    fn both_fields_are_read() {
        let parsed = SandboxState::parse(&state(OPEN, "file:///my%20dir")).unwrap();
        assert_eq!(parsed.cwd, AbsolutePath::parse("/my dir").unwrap());
        assert_eq!(parsed.profile.to_canonical_json().unwrap(), OPEN);
    }

    #[test]
    fn anything_else_is_refused() {
        let rows = [
            ("{}".to_owned(), "missing field `permissionProfile`"),
            (format!(r#"{{"permissionProfile":{OPEN}}}"#), "missing field `sandboxCwd`"),
            (state(OPEN, "/w"), "is not a `file://` URI"),
            (state(OPEN, "file://host/w"), "names another host"),
            (state(OPEN, "file:///%0"), "`%` without"),
            (state(OPEN, "file:///%00"), "NUL"),
            (state(r#"{"type":"read-only"}"#, "file:///w"), "unknown variant `read-only`"),
            (state(r#"{"type":"disabled","x":1}"#, "file:///w"), "`x`"),
            (
                format!(r#"{{"sandboxCwd":"file:///a",{}"#, state(OPEN, "file:///b").trim_start_matches('{')),
                "duplicate field",
            ),
            (String::new(), "EOF"),
            ("[".repeat(100_000), "invalid type"),
            (state(&"[".repeat(100_000), "file:///w"), "invalid type"),
        ];
        for (json, expect) in rows {
            let error = SandboxState::parse(&json).unwrap_err();
            let message = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
            assert!(message.contains(expect), "{json:.200}\n{message}");
            assert!(!error.help().is_empty());
        }
    }

    #[test]
    fn an_external_sandbox_degrades_to_read_only() {
        let parsed =
            SandboxState::parse(&state(r#"{"type":"external","network":"enabled"}"#, "file:///w")).unwrap();
        assert_eq!(parsed.profile, PermissionProfile::read_only());
    }

    #[test]
    fn a_readable_root_is_added_where_reads_are_restricted() {
        let root = AbsolutePath::parse("/opt/x").unwrap();
        let restricted =
            r#"{"type":"managed","file_system":{"type":"restricted","entries":[]},"network":"restricted"}"#;
        let parsed =
            SandboxState::parse(&state(restricted, "file:///w")).unwrap().with_readable_root(root.clone());
        let expect = PermissionProfile::restricted(
            vec![Entry::for_path(root.clone(), Access::Read)],
            NetworkAccess::Restricted,
        );
        assert_eq!(parsed.profile, expect);
        for profile in [OPEN, r#"{"type":"disabled"}"#] {
            let parsed = SandboxState::parse(&state(profile, "file:///w")).unwrap();
            assert_eq!(parsed.clone().with_readable_root(root.clone()), parsed);
        }
    }

    #[test]
    fn the_network_can_be_cut_only_where_there_is_a_sandbox() {
        let cut = SandboxState::parse(&state(OPEN, "file:///w")).unwrap().without_network().unwrap();
        assert_eq!(cut.profile.network(), NetworkAccess::Restricted);
        let disabled = SandboxState::parse(&state(r#"{"type":"disabled"}"#, "file:///w")).unwrap();
        assert!(matches!(disabled.without_network(), Err(StateError::NoSandbox)));
    }
}
