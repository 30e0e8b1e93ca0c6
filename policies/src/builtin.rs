//! The profiles that exist without being defined.

use std::collections::BTreeMap;

use crate::definition::{EntryDefinition, ProfileDefinition};
use crate::profile::Access;

/// A profile whose name starts with `:`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BuiltIn {
    /// Everything readable, nothing writable, no network.
    ReadOnly,
    /// Read-only plus the workspace, `/tmp` and `$TMPDIR`, whatever `[sandbox_workspace_write]` says.
    Workspace,
    /// No sandbox. It can be selected but not extended: there is nothing in it to narrow.
    DangerFullAccess,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ReadOnly, Self::Workspace, Self::DangerFullAccess];

    /// By name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|built_in| built_in.name() == name)
    }

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => ":read-only",
            Self::Workspace => ":workspace",
            Self::DangerFullAccess => ":danger-full-access",
        }
    }

    /// What it would look like in a config; `None` when no definition says it.
    pub(crate) fn definition(self) -> Option<ProfileDefinition> {
        let rows: &[(&str, Access)] = match self {
            Self::ReadOnly => &[(":root", Access::Read)],
            Self::Workspace => &[
                (":root", Access::Read),
                (":workspace_roots", Access::Write),
                (":slash_tmp", Access::Write),
                (":tmpdir", Access::Write),
            ],
            Self::DangerFullAccess => return None,
        };
        let filesystem: BTreeMap<_, _> =
            rows.iter().map(|(key, access)| ((*key).to_owned(), EntryDefinition::Access(*access))).collect();
        Some(ProfileDefinition { filesystem, ..ProfileDefinition::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_profiles_correspond() {
        for built_in in BuiltIn::ALL {
            assert_eq!(BuiltIn::from_name(built_in.name()), Some(built_in));
        }
        for name in ["", ":", "read-only", ":Read-Only", ":workspace-write"] {
            assert_eq!(BuiltIn::from_name(name), None, "{name}");
        }
        assert!(BuiltIn::DangerFullAccess.definition().is_none());
    }
}
