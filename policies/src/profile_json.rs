//! The canonical JSON form of a permission profile.
//!
//! These types mirror the JSON and nothing else; converting them checks what the shape alone cannot say. A field
//! or word that we do not know is an error that names it: it could carry a restriction, and ignoring that would
//! widen what the writer meant.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::display::escape_short;
use crate::glob::{GlobError, GlobPattern};
use crate::path::{AbsolutePath, PathError};
use crate::profile::{
    self, Access, EntryPath, FileSystemPolicy, MissingPath, NetworkAccess, PermissionProfile,
};
use crate::subpath::RelativeSubpath;

/// A profile.
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Profile {
    /// We enforce it.
    Managed {
        /// Files.
        file_system: FileSystem,
        /// Network.
        network: NetworkAccess,
    },
    /// No sandbox. Braces, because serde would ignore unknown fields of a unit variant.
    Disabled {},
    /// Somebody else's sandbox.
    External {
        /// Network.
        network: NetworkAccess,
    },
}

/// The files part of a profile.
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum FileSystem {
    /// Everything.
    Unrestricted {},
    /// Entries only.
    Restricted {
        /// The entries.
        entries: Vec<profile::Entry>,
        /// Glob depth.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob_scan_max_depth: Option<NonZeroUsize>,
    },
}

/// One entry.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// What it is about.
    path: Place,
    /// What it allows.
    access: Access,
    /// Present only when missing paths are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_path_behavior: Option<MissingPathBehavior>,
}

/// The only word for missing paths; absence means that they are blocked.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum MissingPathBehavior {
    /// Skip.
    Skip,
}

/// What an entry is about.
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Place {
    /// A path.
    Path {
        /// Absolute.
        path: AbsolutePath,
    },
    /// A glob, still unchecked.
    GlobPattern {
        /// Absolute.
        pattern: String,
    },
    /// A special location.
    Special {
        /// Which.
        value: Special,
    },
}

/// A special location.
#[derive(Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Special {
    /// `:root`.
    Root(Below),
    /// `:minimal`; a set of folders, so there is no place below it.
    Minimal {},
    /// `:workspace_roots`.
    ProjectRoots(Below),
    /// `:tmpdir`.
    Tmpdir(Below),
    /// `:slash_tmp`.
    SlashTmp(Below),
    /// Anything newer.
    Unknown {
        /// The word as written.
        path: String,
        /// A place below it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subpath: Option<RelativeSubpath>,
    },
}

/// A place below a special location.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Below {
    /// Relative to the location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subpath: Option<RelativeSubpath>,
}

/// Why JSON of the right shape is still not an entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    /// A pattern that cannot be read.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The subtree before `/**` is not a path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A pattern that grants.
    #[error(
        "glob `{pattern}` with access `{access}`: globs are only for `deny`; name the paths, or end one in `/**` for its subtree"
    )]
    GrantingGlob {
        /// Escaped.
        pattern: String,
        /// As in the entry.
        access: &'static str,
    },
}

impl TryFrom<Profile> for PermissionProfile {
    type Error = EntryError;

    fn try_from(json: Profile) -> Result<Self, EntryError> {
        Ok(match json {
            Profile::Managed { file_system, network } => {
                Self::Managed { file_system: file_system.into(), network }
            }
            Profile::Disabled {} => Self::Disabled,
            Profile::External { network } => Self::External { network },
        })
    }
}

impl From<PermissionProfile> for Profile {
    fn from(profile: PermissionProfile) -> Self {
        match profile {
            PermissionProfile::Managed { file_system, network } => {
                Self::Managed { file_system: file_system.into(), network }
            }
            PermissionProfile::Disabled => Self::Disabled {},
            PermissionProfile::External { network } => Self::External { network },
        }
    }
}

impl From<FileSystem> for FileSystemPolicy {
    fn from(json: FileSystem) -> Self {
        match json {
            FileSystem::Unrestricted {} => Self::Unrestricted,
            FileSystem::Restricted { entries, glob_scan_max_depth } => {
                Self::Restricted { entries, glob_scan_max_depth }
            }
        }
    }
}

impl From<FileSystemPolicy> for FileSystem {
    fn from(policy: FileSystemPolicy) -> Self {
        match policy {
            FileSystemPolicy::Unrestricted => Self::Unrestricted {},
            FileSystemPolicy::Restricted { entries, glob_scan_max_depth } => {
                Self::Restricted { entries, glob_scan_max_depth }
            }
        }
    }
}

impl TryFrom<Entry> for profile::Entry {
    type Error = EntryError;

    fn try_from(json: Entry) -> Result<Self, EntryError> {
        let path = match json.path {
            Place::Path { path } => EntryPath::Path(path),
            Place::GlobPattern { pattern } => glob_path(&pattern, json.access)?,
            Place::Special { value } => value.into(),
        };
        let missing = match json.missing_path_behavior {
            None => MissingPath::Block,
            Some(MissingPathBehavior::Skip) => MissingPath::Skip,
        };
        Ok(Self { path, access: json.access, missing })
    }
}

impl From<profile::Entry> for Entry {
    fn from(entry: profile::Entry) -> Self {
        let path = match entry.path {
            EntryPath::Path(path) => Place::Path { path },
            EntryPath::Glob(glob) => Place::GlobPattern { pattern: glob.as_str().to_owned() },
            EntryPath::Special { path, subpath } => {
                Place::Special { value: Special::from_parts(path, subpath) }
            }
        };
        let missing_path_behavior = match entry.missing {
            MissingPath::Block => None,
            MissingPath::Skip => Some(MissingPathBehavior::Skip),
        };
        Self { path, access: entry.access, missing_path_behavior }
    }
}

impl Special {
    /// From the typed form.
    fn from_parts(path: profile::SpecialPath, subpath: Option<RelativeSubpath>) -> Self {
        match path {
            profile::SpecialPath::Root => Self::Root(Below { subpath }),
            profile::SpecialPath::Minimal => Self::Minimal {},
            profile::SpecialPath::ProjectRoots => Self::ProjectRoots(Below { subpath }),
            profile::SpecialPath::Tmpdir => Self::Tmpdir(Below { subpath }),
            profile::SpecialPath::SlashTmp => Self::SlashTmp(Below { subpath }),
            profile::SpecialPath::Unknown(path) => Self::Unknown { path, subpath },
        }
    }
}

impl From<Special> for EntryPath {
    fn from(json: Special) -> Self {
        let (path, subpath) = match json {
            Special::Root(below) => (profile::SpecialPath::Root, below.subpath),
            Special::Minimal {} => (profile::SpecialPath::Minimal, None),
            Special::ProjectRoots(below) => (profile::SpecialPath::ProjectRoots, below.subpath),
            Special::Tmpdir(below) => (profile::SpecialPath::Tmpdir, below.subpath),
            Special::SlashTmp(below) => (profile::SpecialPath::SlashTmp, below.subpath),
            Special::Unknown { path, subpath } => (profile::SpecialPath::Unknown(path), subpath),
        };
        Self::Special { path, subpath: subpath.and_then(RelativeSubpath::into_option) }
    }
}

/// A pattern as an entry: a deny glob, or for a grant the subtree that a trailing `/**` means.
fn glob_path(pattern: &str, access: Access) -> Result<EntryPath, EntryError> {
    let access = match access {
        Access::Deny => return Ok(EntryPath::Glob(GlobPattern::parse(pattern)?)),
        Access::Read => "read",
        Access::Write => "write",
    };
    match pattern.strip_suffix("/**") {
        Some("") => Ok(EntryPath::Path(AbsolutePath::root())),
        // `{` and `\` are also pattern syntax here, so what has them is not a plain path.
        Some(base) if !base.contains(['*', '?', '[', ']', '{', '}', '\\']) => {
            Ok(EntryPath::Path(AbsolutePath::parse(base)?))
        }
        _ => Err(EntryError::GrantingGlob { pattern: escape_short(pattern), access }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A managed profile around one entry.
    fn with_entry(entry: &str) -> String {
        format!(
            r#"{{"type":"managed","file_system":{{"type":"restricted","entries":[{entry}]}},"network":"restricted"}}"#
        )
    }

    fn parse(json: &str) -> Result<PermissionProfile, serde_json::Error> {
        serde_json::from_str(json)
    }

    fn error(json: &str) -> String {
        parse(json).expect_err(json).to_string()
    }

    #[test]
    fn canonical_json_round_trips() {
        let entries = [
            r#"{"path":{"type":"path","path":"/srv/data"},"access":"write"}"#,
            r#"{"path":{"type":"path","path":"/w/.git"},"access":"read","missing_path_behavior":"skip"}"#,
            r#"{"path":{"type":"glob_pattern","pattern":"/w/**/*.env"},"access":"deny"}"#,
            r#"{"path":{"type":"special","value":{"kind":"root"}},"access":"read"}"#,
            r#"{"path":{"type":"special","value":{"kind":"minimal"}},"access":"read"}"#,
            r#"{"path":{"type":"special","value":{"kind":"project_roots"}},"access":"write"}"#,
            r#"{"path":{"type":"special","value":{"kind":"project_roots","subpath":"docs"}},"access":"read"}"#,
            r#"{"path":{"type":"special","value":{"kind":"tmpdir"}},"access":"write"}"#,
            r#"{"path":{"type":"special","value":{"kind":"slash_tmp","subpath":"a/b"}},"access":"write"}"#,
            r#"{"path":{"type":"special","value":{"kind":"unknown","path":":cwd"}},"access":"read"}"#,
            r#"{"path":{"type":"special","value":{"kind":"unknown","path":":x","subpath":"y"}},"access":"deny"}"#,
        ];
        let mut profiles: Vec<String> = entries.map(with_entry).to_vec();
        profiles.extend([
            with_entry(&entries.join(",")),
            with_entry(""),
            r#"{"type":"managed","file_system":{"type":"restricted","entries":[],"glob_scan_max_depth":3},"network":"enabled"}"#.to_owned(),
            r#"{"type":"managed","file_system":{"type":"unrestricted"},"network":"restricted"}"#.to_owned(),
            r#"{"type":"disabled"}"#.to_owned(),
            r#"{"type":"external","network":"enabled"}"#.to_owned(),
        ]);
        for json in profiles {
            assert_eq!(parse(&json).unwrap().to_canonical_json().unwrap(), json);
        }
    }

    #[test]
    fn older_and_looser_spellings_become_canonical() {
        let rows = [
            (
                r#"{"path":{"type":"path","path":"/a/../b/"},"access":"none"}"#,
                r#"{"path":{"type":"path","path":"/b"},"access":"deny"}"#,
            ),
            (
                r#"{"path":{"type":"glob_pattern","pattern":"/srv/**"},"access":"write"}"#,
                r#"{"path":{"type":"path","path":"/srv"},"access":"write"}"#,
            ),
            (
                r#"{"path":{"type":"glob_pattern","pattern":"/**"},"access":"read"}"#,
                r#"{"path":{"type":"path","path":"/"},"access":"read"}"#,
            ),
            (
                r#"{"path":{"type":"special","value":{"kind":"project_roots","subpath":"."}},"access":"read"}"#,
                r#"{"path":{"type":"special","value":{"kind":"project_roots"}},"access":"read"}"#,
            ),
            (
                r#"{"path":{"type":"special","value":{"kind":"project_roots","subpath":null}},"access":"read","missing_path_behavior":null}"#,
                r#"{"path":{"type":"special","value":{"kind":"project_roots"}},"access":"read"}"#,
            ),
        ];
        for (entry, expect) in rows {
            assert_eq!(parse(&with_entry(entry)).unwrap().to_canonical_json().unwrap(), with_entry(expect));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let rows = [
            (r#"{"type":"managedd"}"#.to_owned(), "`managedd`"),
            (r#"{"type":"disabled","network":"restricted"}"#.to_owned(), "`network`"),
            (r#"{"type":"external"}"#.to_owned(), "`network`"),
            (r#"{"type":"managed","network":"restricted"}"#.to_owned(), "`file_system`"),
            (r#"{"type":"managed","file_system":{"type":"unrestricted","deny":[]},"network":"enabled"}"#.to_owned(), "`deny`"),
            (r#"{"type":"managed","file_system":{"type":"unrestricted"},"network":"proxied"}"#.to_owned(), "`proxied`"),
            (r#"{"type":"managed","file_system":{"type":"restricted","entries":[],"x":1},"network":"enabled"}"#.to_owned(), "`x`"),
            (r#"{"type":"managed","file_system":{"type":"restricted","entries":[],"glob_scan_max_depth":0},"network":"enabled"}"#.to_owned(), "nonzero"),
            (r#"{"type":"disabled","type":"external","network":"enabled"}"#.to_owned(), "duplicate field `type`"),
            (with_entry(r#"{"path":{"type":"path","path":"/a"},"access":"execute"}"#), "`execute`"),
            (with_entry(r#"{"path":{"type":"path","path":"/a"},"access":"read","access":"write"}"#), "duplicate field `access`"),
            (with_entry(r#"{"path":{"type":"path","path":"/a"},"access":"read","except":[]}"#), "`except`"),
            (with_entry(r#"{"path":{"type":"path","path":"/a"},"access":"read","missing_path_behavior":"create"}"#), "`create`"),
            (with_entry(r#"{"path":{"type":"path","path":"a"},"access":"read"}"#), "path `a` is not absolute"),
            (with_entry(r#"{"path":{"type":"path","path":"/a\u0000"},"access":"read"}"#), "NUL"),
            (with_entry(r#"{"path":{"type":"path","path":"/a","not":"/b"},"access":"read"}"#), "`not`"),
            (with_entry(r#"{"path":{"type":"regex","pattern":"/a"},"access":"deny"}"#), "`regex`"),
            (with_entry(r#"{"path":{"type":"special","value":{"kind":"cwd"}},"access":"read"}"#), "`cwd`"),
            (with_entry(r#"{"path":{"type":"special","value":{"kind":"minimal","subpath":"x"}},"access":"read"}"#), "`subpath`"),
            (with_entry(r#"{"path":{"type":"special","value":{"kind":"root","path":"/x"}},"access":"read"}"#), "`path`"),
            (with_entry(r#"{"path":{"type":"special","value":{"kind":"project_roots","subpath":"../x"}},"access":"read"}"#), "`../x`"),
        ];
        for (json, expect) in rows {
            let message = error(&json);
            assert!(message.contains(expect), "{json}\n{message}");
        }
    }

    #[test]
    fn globs_only_deny() {
        for pattern in ["/w/*.rs", "/w/*/**", "/w/{a,b}/**", "/w\\\\x/**", "/w", "**"] {
            let json =
                format!(r#"{{"path":{{"type":"glob_pattern","pattern":"{pattern}"}},"access":"write"}}"#);
            let message = error(&with_entry(&json));
            assert!(message.contains("only for `deny`"), "{message}");
        }
        let relative = r#"{"path":{"type":"glob_pattern","pattern":"*.env"},"access":"deny"}"#;
        assert!(error(&with_entry(relative)).contains("is not absolute"));
    }

    #[test]
    fn deep_json_is_an_error_not_a_crash() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&(r#"{"type":"managed","file_system":"#.repeat(10_000))).is_err());
    }
}
