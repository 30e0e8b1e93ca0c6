//! The rows of a profile: a place, and what may be done there.
//!
//! Declared, not looked up: special locations are not yet paths and globs are not expanded. Their JSON form is in
//! `profile_json.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::display::escape_short;
use crate::glob::GlobPattern;
use crate::path::AbsolutePath;
use crate::subpath::RelativeSubpath;

/// Names directly below a writable root that stay read-only unless an entry opens them: they hold code or
/// settings that run later with the rights of the user (hooks, agent configuration, credentials).
pub const PROTECTED_NAMES: [&str; 4] = [".git", ".agents", ".codex", ".aws"];

/// What an entry allows.
///
/// INVARIANT (order): `Ord` follows declaration order, so of two entries for one path the effective one is `max`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
    /// Neither read nor write.
    #[serde(alias = "none")]
    Deny,
}

impl Access {
    /// The accepted words, the preferred spelling of each first.
    pub(crate) const WORDS: [(&'static str, Self); 4] =
        [("read", Self::Read), ("write", Self::Write), ("deny", Self::Deny), ("none", Self::Deny)];

    /// Whether having `self` gives everything that `wanted` gives; denial gives nothing and needs nothing.
    pub fn covers(self, wanted: Self) -> bool {
        match (self, wanted) {
            (_, Self::Deny) | (Self::Write, Self::Read | Self::Write) | (Self::Read, Self::Read) => true,
            (Self::Read, Self::Write) | (Self::Deny, Self::Read | Self::Write) => false,
        }
    }
}

/// What to do about a restriction whose path does not exist when the run starts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MissingPath {
    /// Keep it from being created.
    #[default]
    Block,
    /// Leave it to the entries around it.
    Skip,
}

/// A location whose path depends on the run.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SpecialPath {
    /// The whole disk.
    Root,
    /// The system folders that programs need in order to start.
    Minimal,
    /// The working directory of the run.
    ProjectRoots,
    /// `$TMPDIR`, nothing when unset.
    Tmpdir,
    /// `/tmp`.
    SlashTmp,
    /// A word of a newer release, kept as written. It grants nothing and restricts nothing.
    Unknown(String),
}

/// What an entry is about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EntryPath {
    /// A path and all below it.
    Path(AbsolutePath),
    /// Everything that matches. Only with [`Access::Deny`].
    Glob(GlobPattern),
    /// A special location, or a place below it.
    Special {
        /// The location.
        path: SpecialPath,
        /// The place below it. Never the base itself, which is `None`; never below [`SpecialPath::Minimal`].
        subpath: Option<RelativeSubpath>,
    },
}

/// One row of a profile.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "crate::profile_json::Entry", into = "crate::profile_json::Entry")]
pub struct Entry {
    /// What it is about.
    pub path: EntryPath,
    /// What it allows.
    pub access: Access,
    /// What happens when that does not exist.
    pub missing: MissingPath,
}

impl fmt::Display for SpecialPath {
    /// As configuration writes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str(":root"),
            Self::Minimal => formatter.write_str(":minimal"),
            Self::ProjectRoots => formatter.write_str(":workspace_roots"),
            Self::Tmpdir => formatter.write_str(":tmpdir"),
            Self::SlashTmp => formatter.write_str(":slash_tmp"),
            Self::Unknown(word) => formatter.write_str(&escape_short(word)),
        }
    }
}

impl fmt::Display for EntryPath {
    /// As it would be written in a configuration, escaped and cut.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(formatter),
            Self::Glob(glob) => glob.fmt(formatter),
            Self::Special { path, subpath } => {
                path.fmt(formatter)?;
                match subpath {
                    None => Ok(()),
                    Some(subpath) => write!(formatter, "/{}", escape_short(subpath.as_path())),
                }
            }
        }
    }
}

impl Entry {
    /// An entry that blocks missing paths, which is the default.
    pub fn new(path: EntryPath, access: Access) -> Self {
        Self { path, access, missing: MissingPath::Block }
    }

    /// An entry for a path.
    pub fn for_path(path: AbsolutePath, access: Access) -> Self {
        Self::new(EntryPath::Path(path), access)
    }

    /// An entry for a special location.
    pub fn for_special(path: SpecialPath, access: Access) -> Self {
        Self::new(EntryPath::Special { path, subpath: None }, access)
    }

    /// Whether this is about the whole disk, however written.
    pub(crate) fn is_root(&self) -> bool {
        match &self.path {
            EntryPath::Path(path) => *path == AbsolutePath::root(),
            EntryPath::Special { path, subpath } => *path == SpecialPath::Root && subpath.is_none(),
            EntryPath::Glob(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Access::{Deny, Read, Write};

    #[test]
    fn write_covers_read_and_denial_covers_nothing() {
        let rows = [
            (Read, Read, true),
            (Read, Write, false),
            (Write, Read, true),
            (Write, Write, true),
            (Deny, Read, false),
            (Deny, Write, false),
            (Read, Deny, true),
        ];
        for (has, wanted, expect) in rows {
            assert_eq!(has.covers(wanted), expect, "{has:?} {wanted:?}");
        }
        assert!(Deny > Write && Write > Read);
    }

    #[test]
    fn the_whole_disk_is_recognised_in_both_spellings() {
        assert!(Entry::for_special(SpecialPath::Root, Read).is_root());
        assert!(Entry::for_path(AbsolutePath::root(), Read).is_root());
        assert!(!Entry::for_special(SpecialPath::SlashTmp, Read).is_root());
        let below = EntryPath::Special {
            path: SpecialPath::Root,
            subpath: Some(RelativeSubpath::parse("etc").unwrap()),
        };
        assert!(!Entry::new(below, Read).is_root());
    }
}
