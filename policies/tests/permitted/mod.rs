//! What a profile permits, found out by probing, so that two of them can be compared.

use std::collections::{BTreeMap, BTreeSet};

use policies::{
    AbsolutePath, Access, AccessMap, Entry, EntryPath, FileSystemPolicy, NetworkDefinition, NetworkRule,
    PermissionProfile, SpecialPath,
};

/// What `:tmpdir` stands for.
pub(crate) const TMPDIR: &str = "/tmp/codex-t";

/// What may be done: at each probed path 0 for nothing, 1 to read, 2 to write, and which hosts may be reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Permitted {
    pub(crate) levels: BTreeMap<AbsolutePath, u8>,
    /// Patterns of what is denied.
    pub(crate) globs: BTreeSet<String>,
    /// Whether there is a sandbox at all.
    pub(crate) confined: bool,
    pub(crate) network: bool,
    pub(crate) hosts: BTreeSet<String>,
    pub(crate) denied_hosts: BTreeSet<String>,
}

impl Permitted {
    pub(crate) fn of(
        profile: &PermissionProfile,
        network: &NetworkDefinition,
        cwd: &AbsolutePath,
        probes: Vec<AbsolutePath>,
    ) -> Self {
        let entries = restricted(profile);
        let rows = |entries: &[Entry]| {
            let rows = entries
                .iter()
                .flat_map(|entry| places(&entry.path, cwd).into_iter().map(|path| (path, entry.access)));
            AccessMap::new(rows.collect::<Vec<_>>())
        };
        let map = entries.map(rows);
        let level = |path: &AbsolutePath| match &map {
            None => 2,
            Some(map) => match map.access(path) {
                None | Some(Access::Deny) => 0,
                Some(Access::Read) => 1,
                Some(Access::Write) => 2,
            },
        };
        let globs = entries.into_iter().flatten().filter_map(|entry| match &entry.path {
            EntryPath::Glob(glob) => Some(glob.to_string()),
            EntryPath::Path(_) | EntryPath::Special { .. } => None,
        });
        let hosts = |rule: NetworkRule| {
            let hosts = network.domains.iter().filter(move |(_, said)| **said == rule);
            hosts.map(|(host, _)| host.clone()).collect()
        };
        Self {
            levels: probes
                .into_iter()
                .map(|path| {
                    let level = level(&path);
                    (path, level)
                })
                .collect(),
            globs: globs.collect(),
            confined: *profile != PermissionProfile::Disabled,
            network: profile.network().is_enabled(),
            hosts: hosts(NetworkRule::Allow),
            denied_hosts: hosts(NetworkRule::Deny),
        }
    }

    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.levels.iter().all(|(path, level)| other.levels.get(path).is_some_and(|most| level <= most))
            && self.globs.is_superset(&other.globs)
            && self.confined >= other.confined
            && self.network <= other.network
            && self.hosts.is_subset(&other.hosts)
            && self.denied_hosts.is_superset(&other.denied_hosts)
    }
}

/// The rows of a profile that restricts files.
pub(crate) fn restricted(profile: &PermissionProfile) -> Option<&[Entry]> {
    match profile {
        PermissionProfile::Managed { file_system: FileSystemPolicy::Restricted { entries, .. }, .. } => {
            Some(entries)
        }
        PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, .. }
        | PermissionProfile::Disabled
        | PermissionProfile::External { .. } => None,
    }
}

/// Where a place is; nowhere for a pattern.
pub(crate) fn places(place: &EntryPath, cwd: &AbsolutePath) -> Vec<AbsolutePath> {
    let parse = |path: &str| AbsolutePath::parse(path).unwrap();
    let (special, subpath) = match place {
        EntryPath::Path(path) => return vec![path.clone()],
        EntryPath::Glob(_) => return Vec::new(),
        EntryPath::Special { path, subpath } => (path, subpath),
    };
    let bases = match special {
        SpecialPath::Root => vec![parse("/")],
        SpecialPath::Minimal => ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"].map(parse).to_vec(),
        SpecialPath::ProjectRoots => vec![cwd.clone()],
        SpecialPath::Tmpdir => vec![parse(TMPDIR)],
        SpecialPath::SlashTmp => vec![parse("/tmp")],
        SpecialPath::Unknown(_) => Vec::new(),
    };
    let below = |base: AbsolutePath| subpath.as_ref().map_or_else(|| base.clone(), |below| base.join(below));
    bases.into_iter().map(below).collect()
}
