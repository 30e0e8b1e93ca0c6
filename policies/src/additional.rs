//! Permissions that one command asks for, or was granted, on top of its profile.
//!
//! Reading, normalising, merging and applying are here; comparing a grant with its request is in `intersect.rs`.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::path::AbsolutePath;
use crate::profile::{Access, Entry, EntryPath, FileSystemPolicy, NetworkAccess, PermissionProfile};

/// How long a grant lasts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantScope {
    /// Until the agent's turn ends.
    #[default]
    Turn,
    /// Until the session ends.
    Session,
}

/// Entries and network on top of a base profile. The default asks for nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct AdditionalPermissions {
    /// More rows. Every glob among them denies.
    pub entries: Vec<Entry>,
    /// How deep the deny globs among them are searched.
    pub glob_scan_max_depth: Option<NonZeroUsize>,
    /// Enabled when the network is asked for.
    pub network: NetworkAccess,
}

impl AdditionalPermissions {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// For anything not understood, with its name, and for globs that do not deny.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Whether nothing is asked for or restricted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.network.is_enabled()
    }

    /// In the form that comparing and caching rely on: each path as `canonical` gives it, each entry once, no
    /// depth limit without globs.
    ///
    /// `canonical` should resolve symlinks in all but the last component. Following the last one too would let a
    /// command swap the link between the question and the run.
    #[must_use]
    pub fn normalise(self, canonical: &dyn Fn(&AbsolutePath) -> AbsolutePath) -> Self {
        let place = |entry: Entry| match &entry.path {
            EntryPath::Path(path) => Entry { path: EntryPath::Path(canonical(path)), ..entry },
            EntryPath::Glob(_) | EntryPath::Special { .. } => entry,
        };
        let entries = union(self.entries.into_iter().map(place));
        let glob_scan_max_depth = self.glob_scan_max_depth.filter(|_| has_globs(&entries));
        Self { entries, glob_scan_max_depth, network: self.network }
    }

    /// What holds once `self` and `other` are both granted.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let glob_scan_max_depth = wider_depth(
            (&self.entries, self.glob_scan_max_depth),
            (&other.entries, other.glob_scan_max_depth),
        );
        Self {
            entries: union(self.entries.into_iter().chain(other.entries)),
            glob_scan_max_depth,
            network: self.network.or(other.network),
        }
    }

    /// A profile with these permissions added. What has no entries (no restriction, no sandbox, somebody else's
    /// sandbox) keeps its files as they are.
    #[must_use]
    pub fn apply_to(&self, base: PermissionProfile) -> PermissionProfile {
        match base {
            PermissionProfile::Managed { file_system, network } => PermissionProfile::Managed {
                file_system: self.apply_to_files(file_system),
                network: network.or(self.network),
            },
            PermissionProfile::Disabled => PermissionProfile::Disabled,
            PermissionProfile::External { network } => {
                PermissionProfile::External { network: network.or(self.network) }
            }
        }
    }

    /// The files part of [`Self::apply_to`].
    fn apply_to_files(&self, base: FileSystemPolicy) -> FileSystemPolicy {
        match base {
            FileSystemPolicy::Unrestricted => FileSystemPolicy::Unrestricted,
            FileSystemPolicy::Restricted { entries, glob_scan_max_depth } => {
                let depth =
                    wider_depth((&entries, glob_scan_max_depth), (&self.entries, self.glob_scan_max_depth));
                FileSystemPolicy::Restricted {
                    entries: union(entries.into_iter().chain(self.entries.iter().cloned())),
                    glob_scan_max_depth: depth,
                }
            }
        }
    }
}

/// The depth that searches at least as deep as both sides do: without limit when a side has globs and no limit,
/// else the larger one.
pub(crate) fn wider_depth(
    (left, left_depth): (&[Entry], Option<NonZeroUsize>),
    (right, right_depth): (&[Entry], Option<NonZeroUsize>),
) -> Option<NonZeroUsize> {
    let unlimited = |entries, depth: Option<_>| depth.is_none() && has_globs(entries);
    if unlimited(left, left_depth) || unlimited(right, right_depth) {
        return None;
    }
    left_depth.max(right_depth)
}

/// Each entry once, in the order of first appearance.
pub(crate) fn union(entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut seen = std::collections::BTreeSet::new();
    entries.into_iter().filter(|entry| seen.insert(entry.clone())).collect()
}

/// Whether any entry is a glob.
fn has_globs(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| matches!(entry.path, EntryPath::Glob(_)))
}

/// The JSON form.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    /// Network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<WireNetwork>,
    /// Files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_system: Option<WireFiles>,
}

/// The network part.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireNetwork {
    /// `false` and absent ask for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

/// The files part.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireFiles {
    /// Rows as in a profile.
    #[serde(default)]
    entries: Option<Vec<Entry>>,
    /// Glob depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    glob_scan_max_depth: Option<NonZeroUsize>,
    /// Older form of read entries.
    #[serde(default, skip_serializing)]
    read: Option<Vec<AbsolutePath>>,
    /// Older form of write entries.
    #[serde(default, skip_serializing)]
    write: Option<Vec<AbsolutePath>>,
}

impl From<Wire> for AdditionalPermissions {
    fn from(json: Wire) -> Self {
        let enabled = json.network.and_then(|network| network.enabled).unwrap_or(false);
        let network = NetworkAccess::from_enabled(enabled);
        let Some(files) = json.file_system else { return Self { network, ..Self::default() } };
        let listed = |paths: Option<Vec<AbsolutePath>>, access| {
            paths.unwrap_or_default().into_iter().map(move |path| Entry::for_path(path, access))
        };
        let mut entries = files.entries.unwrap_or_default();
        entries.extend(listed(files.read, Access::Read));
        entries.extend(listed(files.write, Access::Write));
        Self { entries, glob_scan_max_depth: files.glob_scan_max_depth, network }
    }
}

impl From<AdditionalPermissions> for Wire {
    fn from(permissions: AdditionalPermissions) -> Self {
        let AdditionalPermissions { entries, glob_scan_max_depth, network } = permissions;
        let file_system = (!entries.is_empty()).then_some(WireFiles {
            entries: Some(entries),
            glob_scan_max_depth,
            read: None,
            write: None,
        });
        let network = network.is_enabled().then_some(WireNetwork { enabled: Some(true) });
        Self { network, file_system }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::GlobPattern;

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    fn path(text: &str, access: Access) -> Entry {
        Entry::for_path(absolute(text), access)
    }

    fn glob(pattern: &str) -> Entry {
        Entry::new(EntryPath::Glob(GlobPattern::parse(pattern).unwrap()), Access::Deny)
    }

    fn permissions(entries: &[Entry], depth: usize) -> AdditionalPermissions {
        AdditionalPermissions {
            entries: entries.to_vec(),
            glob_scan_max_depth: NonZeroUsize::new(depth),
            network: NetworkAccess::Restricted,
        }
    }

    #[test]
    fn the_json_shape_is_read_with_its_older_lists() {
        let json = r#"{"network":{"enabled":true},"fileSystem":{
            "entries":[{"path":{"type":"path","path":"/a"},"access":"write"},
                       {"path":{"type":"glob_pattern","pattern":"/a/**/*.env"},"access":"deny"}],
            "globScanMaxDepth":4,"read":["/r"],"write":["/w/"]}}"#;
        let parsed = AdditionalPermissions::parse(json).unwrap();
        let entries = [
            path("/a", Access::Write),
            glob("/a/**/*.env"),
            path("/r", Access::Read),
            path("/w", Access::Write),
        ];
        assert_eq!(
            parsed,
            AdditionalPermissions { network: NetworkAccess::Enabled, ..permissions(&entries, 4) }
        );
        let printed = serde_json::to_string(&parsed).unwrap();
        assert_eq!(AdditionalPermissions::parse(&printed).unwrap(), parsed);
    }

    #[test]
    fn empty_parts_ask_for_nothing() {
        let rows = [
            "{}",
            r#"{"network":null,"fileSystem":null}"#,
            r#"{"network":{}}"#,
            r#"{"network":{"enabled":false}}"#,
            r#"{"network":{"enabled":null},"fileSystem":{}}"#,
            r#"{"fileSystem":{"entries":[],"read":[],"write":null}}"#,
        ];
        for json in rows {
            let parsed = AdditionalPermissions::parse(json).unwrap();
            assert!(parsed.is_empty(), "{json}");
            assert_eq!(serde_json::to_string(&parsed).unwrap(), "{}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let rows = [
            (r#"{"net":{}}"#, "`net`"),
            (r#"{"network":{"domains":[]}}"#, "`domains`"),
            (r#"{"fileSystem":{"deny":["/a"]}}"#, "`deny`"),
            (r#"{"fileSystem":{"read":["a"]}}"#, "not absolute"),
            (r#"{"fileSystem":{"globScanMaxDepth":0}}"#, "nonzero"),
            (
                r#"{"fileSystem":{"entries":[{"path":{"type":"glob_pattern","pattern":"/a/*"},"access":"read"}]}}"#,
                "only for `deny`",
            ),
            (r#"{"network":{"enabled":true},"network":{"enabled":false}}"#, "duplicate field"),
        ];
        for (json, expect) in rows {
            let message = AdditionalPermissions::parse(json).expect_err(json).to_string();
            assert!(message.contains(expect), "{json}\n{message}");
        }
    }

    #[test]
    fn normalising_resolves_paths_and_drops_repetition() {
        let canonical = |path: &AbsolutePath| {
            if path.starts_with(&absolute("/link")) { absolute("/real") } else { path.clone() }
        };
        let entries =
            [path("/link", Access::Read), path("/real", Access::Read), path("/real", Access::Write)];
        let normal = permissions(&entries, 3).normalise(&canonical);
        assert_eq!(normal, permissions(&[path("/real", Access::Read), path("/real", Access::Write)], 0));
        let globs = permissions(&[glob("/link/*"), glob("/link/*")], 3).normalise(&canonical);
        assert_eq!(globs, permissions(&[glob("/link/*")], 3));
    }

    #[test]
    fn merging_keeps_the_deeper_glob_search() {
        let (with, without) = (vec![glob("/a/**/*.env")], vec![path("/a", Access::Read)]);
        let rows = [
            ((&with, 2), (&with, 5), 5),
            ((&with, 0), (&with, 5), 0),
            ((&with, 5), (&with, 0), 0),
            ((&with, 2), (&without, 0), 2),
            ((&without, 0), (&with, 2), 2),
            ((&without, 0), (&with, 0), 0),
            ((&without, 0), (&without, 0), 0),
        ];
        for ((left, left_depth), (right, right_depth), expect) in rows {
            let merged = permissions(left, left_depth).merge(permissions(right, right_depth));
            assert_eq!(merged.glob_scan_max_depth, NonZeroUsize::new(expect), "{left:?} {right:?}");
        }
    }

    #[test]
    fn merging_unites_entries_and_network() {
        let (a, b, c) = (path("/a", Access::Read), path("/b", Access::Deny), path("/a", Access::Write));
        let sticky = permissions(&[a.clone(), b.clone()], 0);
        let new = AdditionalPermissions {
            network: NetworkAccess::Enabled,
            ..permissions(&[c.clone(), b.clone()], 0)
        };
        let merged = sticky.clone().merge(new.clone());
        assert_eq!(merged.entries, [a, b, c]);
        assert_eq!(merged.network, NetworkAccess::Enabled);
        assert_eq!(new.merge(sticky.clone()).network, NetworkAccess::Enabled);
        assert_eq!(sticky.clone().merge(sticky).network, NetworkAccess::Restricted);
    }

    #[test]
    fn applying_adds_entries_only_to_restricted_files() {
        let extra = AdditionalPermissions {
            network: NetworkAccess::Enabled,
            ..permissions(&[path("/a", Access::Write), glob("/a/*")], 2)
        };
        let applied = extra.apply_to(PermissionProfile::read_only());
        let PermissionProfile::Managed { file_system, network } = applied else { panic!("not managed") };
        let FileSystemPolicy::Restricted { entries, glob_scan_max_depth } = file_system else {
            panic!("not restricted")
        };
        assert_eq!(entries.get(1..).unwrap(), extra.entries);
        assert_eq!((network, glob_scan_max_depth), (NetworkAccess::Enabled, NonZeroUsize::new(2)));

        let open =
            |network| PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, network };
        assert_eq!(extra.apply_to(open(NetworkAccess::Restricted)), open(NetworkAccess::Enabled));
        let external = |network| PermissionProfile::External { network };
        assert_eq!(extra.apply_to(external(NetworkAccess::Restricted)), external(NetworkAccess::Enabled));
        assert_eq!(extra.apply_to(PermissionProfile::Disabled), PermissionProfile::Disabled);
    }

    #[test]
    fn applying_nothing_changes_nothing() {
        let base = PermissionProfile::read_only();
        assert_eq!(AdditionalPermissions::default().apply_to(base.clone()), base);
    }
}
