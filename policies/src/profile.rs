//! Permission profiles: what a run may touch.
//!
//! The types say what was declared, before anything on the disk was looked at: special locations are not yet
//! paths, globs are not expanded, symlinks not followed. The JSON form is in `profile_json.rs`, the question
//! "which entry decides this path" in `precedence.rs`.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::workspace_write::WorkspaceWrite;

pub use crate::entry::{Access, Entry, EntryPath, MissingPath, PROTECTED_NAMES, SpecialPath};

/// What files a run may touch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileSystemPolicy {
    /// Everything that the user may.
    Unrestricted,
    /// Only what entries grant; the most specific entry decides, see [`crate::AccessMap`].
    Restricted {
        /// In the order declared, which carries no meaning.
        entries: Vec<Entry>,
        /// How many directories below its static prefix a deny glob is searched; `None` is without limit.
        glob_scan_max_depth: Option<NonZeroUsize>,
    },
}

impl FileSystemPolicy {
    /// Whether everything is readable: the whole disk is granted and nothing is denied.
    pub fn has_full_disk_read(&self) -> bool {
        match self {
            Self::Unrestricted => true,
            Self::Restricted { entries, .. } => {
                entries.iter().any(|entry| entry.is_root() && entry.access != Access::Deny)
                    && entries.iter().all(|entry| entry.access != Access::Deny)
            }
        }
    }

    /// Whether everything is writable: the whole disk is, and nothing narrows it. A read entry does not narrow
    /// when the same place is also writable; a denial always does, since it wins over an equal grant.
    pub fn has_full_disk_write(&self) -> bool {
        let Self::Restricted { entries, .. } = self else { return true };
        let writable = |path: &EntryPath| {
            entries.iter().any(|entry| entry.access == Access::Write && entry.path == *path)
        };
        let narrows = |entry: &Entry| match entry.access {
            Access::Write => false,
            Access::Deny => true,
            Access::Read if entry.is_root() => false,
            Access::Read => !writable(&entry.path),
        };
        entries.iter().any(|entry| entry.is_root() && entry.access == Access::Write)
            && !entries.iter().any(narrows)
    }
}

/// Whether a run reaches the network.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAccess {
    /// No.
    #[default]
    Restricted,
    /// Yes.
    Enabled,
}

impl NetworkAccess {
    /// From a `network_access = BOOL` style setting.
    pub fn from_enabled(enabled: bool) -> Self {
        if enabled { Self::Enabled } else { Self::Restricted }
    }

    /// Whether the network is reachable.
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }

    /// Enabled if either is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// Enabled if both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }
}

/// What a run may touch, as declared.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "crate::profile_json::Profile", into = "crate::profile_json::Profile")]
pub enum PermissionProfile {
    /// We enforce this.
    Managed {
        /// Files.
        file_system: FileSystemPolicy,
        /// Network.
        network: NetworkAccess,
    },
    /// No sandbox at all.
    Disabled,
    /// The host program promises a sandbox of its own.
    External {
        /// Whether that sandbox reaches the network.
        network: NetworkAccess,
    },
}

impl PermissionProfile {
    /// Everything readable, nothing writable, no network.
    pub fn read_only() -> Self {
        Self::restricted(vec![Entry::for_special(SpecialPath::Root, Access::Read)], NetworkAccess::Restricted)
    }

    /// Read-only, and writable in the working directory, the listed roots, `/tmp` and `$TMPDIR`, unless excluded.
    ///
    /// [`PROTECTED_NAMES`] are not listed: the launcher protects them below every writable root of any profile.
    pub fn workspace_write(options: &WorkspaceWrite) -> Self {
        let mut entries = vec![
            Entry::for_special(SpecialPath::Root, Access::Read),
            Entry::for_special(SpecialPath::ProjectRoots, Access::Write),
        ];
        let roots = options.writable_roots.iter().cloned();
        entries.extend(roots.map(|root| Entry::for_path(root, Access::Write)));
        entries.extend(options.temporary_entries());
        Self::restricted(entries, options.network_access)
    }

    /// No sandbox at all: the mode `danger-full-access`.
    pub fn danger_full_access() -> Self {
        Self::Disabled
    }

    /// A managed profile with these entries and no depth limit.
    pub(crate) fn restricted(entries: Vec<Entry>, network: NetworkAccess) -> Self {
        Self::Managed {
            file_system: FileSystemPolicy::Restricted { entries, glob_scan_max_depth: None },
            network,
        }
    }

    /// Whether the run reaches the network; always when there is no sandbox.
    pub fn network(&self) -> NetworkAccess {
        match self {
            Self::Managed { network, .. } | Self::External { network } => *network,
            Self::Disabled => NetworkAccess::Enabled,
        }
    }

    /// The JSON that other programs exchange.
    ///
    /// # Errors
    /// When a path is not UTF-8, which JSON cannot hold.
    pub fn to_canonical_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::GlobPattern;
    use crate::path::AbsolutePath;

    fn path(text: &str, access: Access) -> Entry {
        Entry::for_path(AbsolutePath::parse(text).unwrap(), access)
    }

    fn entries(profile: PermissionProfile) -> Vec<Entry> {
        let PermissionProfile::Managed { file_system: FileSystemPolicy::Restricted { entries, .. }, .. } =
            profile
        else {
            panic!("not restricted: {profile:?}");
        };
        entries
    }

    #[test]
    fn read_only_reads_everything_and_writes_nothing() {
        let profile = PermissionProfile::read_only();
        assert_eq!(profile.network(), NetworkAccess::Restricted);
        assert_eq!(entries(profile), [Entry::for_special(SpecialPath::Root, Access::Read)]);
    }

    #[test]
    fn workspace_write_follows_its_options() {
        let special = |path| Entry::for_special(path, Access::Write);
        let mut options = WorkspaceWrite::default();
        let profile = PermissionProfile::workspace_write(&options);
        assert_eq!(profile.network(), NetworkAccess::Restricted);
        let read = Entry::for_special(SpecialPath::Root, Access::Read);
        let expect = [
            read.clone(),
            special(SpecialPath::ProjectRoots),
            special(SpecialPath::SlashTmp),
            special(SpecialPath::Tmpdir),
        ];
        assert_eq!(entries(profile), expect);

        options.writable_roots = vec![AbsolutePath::parse("/srv").unwrap()];
        options.network_access = NetworkAccess::Enabled;
        options.exclude_slash_tmp = true;
        options.exclude_tmpdir_env_var = true;
        let profile = PermissionProfile::workspace_write(&options);
        assert_eq!(profile.network(), NetworkAccess::Enabled);
        assert_eq!(entries(profile), [read, special(SpecialPath::ProjectRoots), path("/srv", Access::Write)]);
    }

    #[test]
    fn without_a_sandbox_the_network_is_open() {
        assert_eq!(PermissionProfile::danger_full_access().network(), NetworkAccess::Enabled);
    }

    #[test]
    fn full_disk_questions_look_at_every_entry() {
        use Access::{Deny, Read, Write};
        let glob = Entry::new(EntryPath::Glob(GlobPattern::parse("/w/*.env").unwrap()), Deny);
        let root = |access| Entry::for_special(SpecialPath::Root, access);
        let rows = [
            (vec![], false, false),
            (vec![root(Read)], true, false),
            (vec![path("/", Read)], true, false),
            (vec![root(Write)], true, true),
            (vec![root(Write), root(Read)], true, true),
            (vec![root(Write), path("/etc", Read)], true, false),
            (vec![root(Write), path("/etc", Read), path("/etc", Write)], true, true),
            (vec![root(Write), path("/etc", Deny), path("/etc", Write)], false, false),
            (vec![root(Write), path("/", Deny)], false, false),
            (vec![root(Write), glob], false, false),
            (vec![path("/srv", Write)], false, false),
        ];
        for (entries, read, write) in rows {
            let policy = FileSystemPolicy::Restricted { entries, glob_scan_max_depth: None };
            assert_eq!(
                (policy.has_full_disk_read(), policy.has_full_disk_write()),
                (read, write),
                "{policy:?}"
            );
        }
        let open = FileSystemPolicy::Unrestricted;
        assert!(open.has_full_disk_read() && open.has_full_disk_write());
    }
}
