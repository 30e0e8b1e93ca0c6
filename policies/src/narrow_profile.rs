//! What both a person's profile and a repository's permit.
//!
//! Kinds of profile are here, the rows of two restricted ones in `narrow_rows.rs`.

use crate::additional::wider_depth;
use crate::narrow_rows::Narrowing;
use crate::path::AbsolutePath;
use crate::profile::{Access, Entry, FileSystemPolicy, NetworkAccess, PermissionProfile, SpecialPath};

/// Where the special locations are, without symlinks.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The working directory.
    pub cwd: &'a AbsolutePath,
    /// `$TMPDIR`; `None` when unset or not known here. Then it stays writable only where the repository's profile
    /// says so by name.
    pub tmpdir: Option<&'a AbsolutePath>,
}

/// What is left of `base` under `repository`.
#[must_use]
pub fn narrow(
    base: &PermissionProfile,
    repository: &PermissionProfile,
    places: Places<'_>,
) -> PermissionProfile {
    use PermissionProfile::{Disabled, External, Managed};
    match (base, repository) {
        (_, Disabled) => base.clone(),
        (External { network: ours }, External { network: theirs }) => External { network: ours.and(*theirs) },
        // Somebody else's sandbox cannot be compared, so only what is always harmless is left.
        (External { .. }, Managed { .. }) => narrow(&PermissionProfile::read_only(), repository, places),
        (Managed { .. } | Disabled, External { .. }) => narrow(base, &PermissionProfile::read_only(), places),
        (Disabled, Managed { file_system, network }) => Managed {
            file_system: narrow_files(&FileSystemPolicy::Unrestricted, file_system, places),
            network: *network,
        },
        (Managed { file_system: ours, network }, Managed { file_system: theirs, network: other }) => {
            Managed { file_system: narrow_files(ours, theirs, places), network: network.and(*other) }
        }
    }
}

/// The profile without network, where there is a sandbox that could keep it away.
pub(crate) fn without_network(profile: PermissionProfile) -> PermissionProfile {
    match profile {
        PermissionProfile::Managed { file_system, .. } => {
            PermissionProfile::Managed { file_system, network: NetworkAccess::Restricted }
        }
        PermissionProfile::External { .. } => {
            PermissionProfile::External { network: NetworkAccess::Restricted }
        }
        PermissionProfile::Disabled => PermissionProfile::Managed {
            file_system: FileSystemPolicy::Unrestricted,
            network: NetworkAccess::Restricted,
        },
    }
}

/// The files part.
fn narrow_files(
    base: &FileSystemPolicy,
    repository: &FileSystemPolicy,
    places: Places<'_>,
) -> FileSystemPolicy {
    let FileSystemPolicy::Restricted { entries: theirs, glob_scan_max_depth: their_depth } = repository
    else {
        return base.clone();
    };
    let whole_disk = [Entry::for_special(SpecialPath::Root, Access::Write)];
    let (ours, depth) = match base {
        FileSystemPolicy::Unrestricted => (whole_disk.as_slice(), None),
        FileSystemPolicy::Restricted { entries, glob_scan_max_depth } => {
            (entries.as_slice(), *glob_scan_max_depth)
        }
    };
    FileSystemPolicy::Restricted {
        entries: Narrowing::new(ours, theirs, places).run(),
        glob_scan_max_depth: wider_depth((ours, depth), (theirs, *their_depth)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::glob::GlobPattern;
    use crate::narrow_rows::{Level, is_special, locations};
    use crate::precedence::AccessMap;
    use crate::profile::EntryPath;
    use crate::subpath::RelativeSubpath;

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    /// `:kind`, `:kind/subpath`, a path or a glob.
    fn entry(place: &str, access: Access) -> Entry {
        let Some(word) = place.strip_prefix(':') else {
            return match place.contains('*') {
                true => Entry::new(EntryPath::Glob(GlobPattern::parse(place).unwrap()), access),
                false => Entry::for_path(absolute(place), access),
            };
        };
        let (kind, subpath) = word.split_once('/').unwrap_or((word, "."));
        let path = match kind {
            "root" => SpecialPath::Root,
            "minimal" => SpecialPath::Minimal,
            "ws" => SpecialPath::ProjectRoots,
            "tmpdir" => SpecialPath::Tmpdir,
            "tmp" => SpecialPath::SlashTmp,
            _ => SpecialPath::Unknown(place.to_owned()),
        };
        let subpath = RelativeSubpath::parse(subpath).unwrap().into_option();
        Entry::new(EntryPath::Special { path, subpath }, access)
    }

    /// `place=access` rows.
    fn files(rows: &str) -> FileSystemPolicy {
        let row = |row: &str| {
            let (place, access) = row.split_once('=').unwrap();
            let (_, access) = Access::WORDS.into_iter().find(|(word, _)| *word == access).unwrap();
            entry(place, access)
        };
        FileSystemPolicy::Restricted {
            entries: rows.split_whitespace().map(row).collect(),
            glob_scan_max_depth: None,
        }
    }

    fn shown(policy: &FileSystemPolicy) -> String {
        let FileSystemPolicy::Restricted { entries, .. } = policy else { return "unrestricted".to_owned() };
        let place = |entry: &Entry| match &entry.path {
            EntryPath::Path(path) => path.to_string(),
            EntryPath::Glob(glob) => glob.to_string(),
            EntryPath::Special { path, subpath } => {
                let word = match path {
                    SpecialPath::Root => ":root",
                    SpecialPath::Minimal => ":minimal",
                    SpecialPath::ProjectRoots => ":ws",
                    SpecialPath::Tmpdir => ":tmpdir",
                    SpecialPath::SlashTmp => ":tmp",
                    SpecialPath::Unknown(word) => word,
                };
                subpath.as_ref().map_or_else(|| word.to_owned(), |below| format!("{word}/{below}"))
            }
        };
        let row = |entry: &Entry| format!("{}={:?}", place(entry), entry.access).to_lowercase();
        entries.iter().map(row).collect::<Vec<_>>().join(" ")
    }

    fn narrowed(base: &str, repository: &str, tmpdir: Option<&str>) -> String {
        let (cwd, tmpdir) = (absolute("/w"), tmpdir.map(absolute));
        let places = Places { cwd: &cwd, tmpdir: tmpdir.as_ref() };
        shown(&narrow_files(&files(base), &files(repository), places))
    }

    const WORKSPACE: &str = ":root=read :ws=write :tmpdir=write :tmp=write";

    #[test]
    fn rows_take_away_and_never_give() {
        let rows = [
            ("the same", WORKSPACE, WORKSPACE, WORKSPACE),
            ("more is not more", ":root=read", "/=write /etc=write :ws=write", ":root=read"),
            ("less", WORKSPACE, ":root=read", ":root=read"),
            (
                "read and deny inside",
                WORKSPACE,
                ":root=read :ws=write :ws/docs=read /w/key=deny :tmpdir=write :tmp=write",
                ":root=read :ws=write :tmpdir=write :tmp=write :ws/docs=read /w/key=deny",
            ),
            ("a path of its own stays closed", ":root=read", "/srv=read", ""),
            ("special locations open again", WORKSPACE, ":minimal=read :ws=write", ":ws=write :minimal=read"),
            (
                "their grant below what they took is not one",
                WORKSPACE,
                ":root=read /w/out=write",
                ":root=read",
            ),
            (
                "our denials stay",
                ":root=read /k=deny :ws=write",
                ":root=write /k=write",
                ":root=read /k=deny :ws=write",
            ),
            (
                "unknown words do nothing",
                ":root=read :new=write",
                ":root=read :other=deny",
                ":root=read :new=write",
            ),
            (
                "globs of both",
                ":root=read /a/*=deny",
                ":root=read /b/*=deny /a/*=deny",
                ":root=read /a/*=deny /b/*=deny",
            ),
            (
                "our grant elsewhere is lowered",
                ":minimal=read /srv=write",
                ":minimal=read /srv=read",
                ":minimal=read /srv=read",
            ),
            (
                "but not one in the workspace, where a link could be",
                ":minimal=read :ws/out=write",
                ":minimal=read :ws/out=read",
                ":minimal=read",
            ),
            (
                "nor one below what was lowered",
                ":root=read /r=write /r/.git=read /r/.git/x=write",
                ":root=read /r=read /r/.git/x=write",
                ":root=read /r/.git=read",
            ),
            ("system folders one by one", ":minimal=read", "/usr=read /lib=read", "/lib=read /usr=read"),
            (
                "a denial in a system folder",
                ":minimal=read",
                ":minimal=read /usr/x=deny",
                ":minimal=read /usr/x=deny",
            ),
            (
                "a place that we deny somewhere is not opened by name",
                ":root=read /elsewhere=deny",
                ":ws=read :tmp=read",
                "/elsewhere=deny",
            ),
        ];
        for (name, base, repository, expect) in rows {
            assert_eq!(narrowed(base, repository, Some("/t")), expect, "{name}");
        }
    }

    /// A folder with `priv`, `ws/config`, and `ld/priv` and `ld/config` that lead there.
    #[test]
    fn what_either_takes_away_through_a_link_stays_taken() {
        use std::os::unix::fs::symlink;
        let dir = crate::test_dir::TestDir::new("narrow-links");
        for folder in ["priv", "ws", "ld"] {
            std::fs::create_dir(dir.path(folder)).unwrap();
        }
        dir.write("ws/config", "");
        symlink("../priv", dir.path("ld/priv")).unwrap();
        symlink("../ws/config", dir.path("ld/config")).unwrap();
        symlink("gone", dir.path("ld/dangling")).unwrap();
        let base = std::fs::canonicalize(dir.path("")).unwrap().display().to_string();
        let rows = [
            ("@/priv=read", ":root=read @/ld/priv=deny", "@/priv=read @/ld/priv=deny"),
            ("@/priv=read", ":root=read @/ld/dangling=deny", "@/priv=read @/ld/dangling=deny"),
            ("@/priv=read", ":root=read @/ld/plain=deny", "@/priv=read"),
            (
                "@/priv=read @/ws=write @/ld/config=read",
                ":root=write @/ld=deny",
                "@/priv=read @/ws=write @/ws/config=read",
            ),
            (
                ":root=read @/ws=write",
                ":root=read @/ws=write @/ld/config=read",
                ":root=read @/ws=write @/ws/config=read",
            ),
            (":root=read @/ws=write", ":root=read @/ws=write @/ld/priv=read", ":root=read @/ws=write"),
            (
                ":root=read @/ws=write @/ld/config=deny",
                ":root=read @/ws=write",
                ":root=read @/ws=write @/ld/config=deny",
            ),
        ];
        for (ours, theirs, expect) in rows {
            let in_place = |rows: &str| rows.replace('@', &base);
            let got = narrowed(&in_place(ours), &in_place(theirs), Some("/t"));
            let sorted = |rows: &str| {
                let mut rows: Vec<String> = rows.split_whitespace().map(str::to_owned).collect();
                rows.sort();
                rows
            };
            let got = got.replace(&base, "@");
            assert_eq!(sorted(&got), sorted(&in_place(expect).replace(&base, "@")), "{ours} | {theirs}");
        }
    }

    #[test]
    fn what_a_pattern_of_either_denies_is_not_opened_below() {
        let rows = [
            (":root=read /p/s/k=read", ":root=read /p/**=deny", ":root=read /p/s/k=deny /p/**=deny"),
            (":root=write /p/**=deny", ":root=write /p/s/k=read", ":root=write /p/**=deny /p/s/k=deny"),
            (":root=read /q/k=read", ":root=read /p/**=deny", ":root=read /q/k=read /p/**=deny"),
        ];
        for (base, repository, expect) in rows {
            assert_eq!(narrowed(base, repository, Some("/t")), expect, "{base} | {repository}");
        }
    }

    #[test]
    fn an_unknown_tmpdir_is_open_only_where_both_name_it() {
        let rows = [
            (":root=read :tmpdir=write", ":root=read :tmpdir=write", ":root=read :tmpdir=write"),
            (":root=read :tmpdir=write", ":root=read :tmpdir=read", ":root=read :tmpdir=read"),
            (":root=read :tmpdir=write", ":root=read", ":root=read :tmpdir=read"),
            (":root=read :tmpdir=write", ":root=write /x=deny", ":root=read /x=deny"),
            (":root=read :tmpdir=write", ":ws=write", ":ws=read"),
            (":root=read", ":root=read :tmpdir=deny", ":root=read :tmpdir=deny"),
        ];
        for (base, repository, expect) in rows {
            assert_eq!(narrowed(base, repository, None), expect, "{base} | {repository}");
        }
    }

    #[test]
    fn the_longer_glob_search_is_kept() {
        let cwd = absolute("/w");
        let places = Places { cwd: &cwd, tmpdir: None };
        let with = |rows: &str, depth: usize| {
            let FileSystemPolicy::Restricted { entries, .. } = files(rows) else { panic!("restricted") };
            FileSystemPolicy::Restricted { entries, glob_scan_max_depth: std::num::NonZeroUsize::new(depth) }
        };
        let glob = ":root=read /a/**/*.env=deny";
        for (ours, theirs, expect) in [(3, 1, 3), (1, 3, 3), (0, 1, 0), (1, 0, 0)] {
            let FileSystemPolicy::Restricted { glob_scan_max_depth, .. } =
                narrow_files(&with(glob, ours), &with(glob, theirs), places)
            else {
                panic!("restricted")
            };
            assert_eq!(glob_scan_max_depth.map_or(0, std::num::NonZeroUsize::get), expect);
        }
    }

    #[test]
    fn other_kinds_of_profile_are_narrowed_too() {
        use NetworkAccess::{Enabled, Restricted};
        use PermissionProfile::{Disabled, External};
        let cwd = absolute("/w");
        let places = Places { cwd: &cwd, tmpdir: None };
        let managed = |rows: &str, network| PermissionProfile::Managed { file_system: files(rows), network };
        let read_only = PermissionProfile::read_only();
        let external = |network| External { network };
        let rows = [
            (Disabled, Disabled, Disabled),
            (Disabled, read_only.clone(), read_only.clone()),
            (Disabled, managed("/=write", Enabled), managed(":root=write", Enabled)),
            (read_only.clone(), Disabled, read_only.clone()),
            (managed(":root=write", Enabled), read_only.clone(), read_only.clone()),
            (external(Enabled), external(Restricted), external(Restricted)),
            (external(Enabled), Disabled, external(Enabled)),
            (external(Enabled), managed(":root=write", Enabled), read_only.clone()),
            (Disabled, external(Enabled), read_only.clone()),
            (managed(":ws=write", Enabled), external(Enabled), managed(":ws=read", Restricted)),
        ];
        for (base, repository, expect) in rows {
            assert_eq!(narrow(&base, &repository, places), expect, "{base:?} {repository:?}");
        }
    }

    /// Profiles over a small tree, so that places meet.
    fn any_files() -> impl Strategy<Value = FileSystemPolicy> {
        let places = [
            "/", ":root", "/w", "/w/a", "/w/a/b", "/w/d", "/tmp", "/tmp/x", "/usr", "/usr/lib", "/home",
            "/home/k", ":ws", ":ws/a", ":ws/a/b", ":tmpdir", ":tmp", ":tmp/x", ":minimal", ":new",
        ];
        let access = prop::sample::select(vec![Access::Read, Access::Write, Access::Deny]);
        let row =
            (prop::sample::select(places.to_vec()), access).prop_map(|(place, access)| entry(place, access));
        let restricted = prop::collection::vec(row, 0..8)
            .prop_map(|entries| FileSystemPolicy::Restricted { entries, glob_scan_max_depth: None });
        prop_oneof![1 => Just(FileSystemPolicy::Unrestricted), 20 => restricted]
    }

    fn level(policy: &FileSystemPolicy, path: &AbsolutePath, places: Places<'_>) -> Level {
        let FileSystemPolicy::Restricted { entries, .. } = policy else { return Level::Write };
        let rows = entries
            .iter()
            .flat_map(|entry| locations(&entry.path, places).into_iter().map(|path| (path, entry.access)));
        Level::of(AccessMap::new(rows).access(path))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_result_permits_no_more_than_either(
            base in any_files(),
            repository in any_files(),
            again in any_files(),
            tmpdir in prop::sample::select(vec![None, Some("/t"), Some("/tmp/x"), Some("/w/a"), Some("/usr/lib")]),
        ) {
            let (cwd, known) = (absolute("/w"), tmpdir.map(absolute));
            let places = Places { cwd: &cwd, tmpdir: known.as_ref() };
            let once = narrow_files(&base, &repository, places);
            let twice = narrow_files(&once, &again, places);
            for path in [
                "/", "/w", "/w/a", "/w/a/b", "/w/a/b/c", "/w/d", "/w/e", "/tmp", "/tmp/x", "/tmp/x/y", "/tmp/z", "/t",
                "/usr", "/usr/lib", "/usr/lib/x", "/usr/bin", "/lib", "/etc/x", "/home", "/home/k", "/home/l", "/srv",
            ] {
                let path = absolute(path);
                let at = |policy| level(policy, &path, places);
                let most = at(&base).min(at(&repository));
                prop_assert!(at(&once) <= most, "{path}: {} | {} -> {}", shown(&base), shown(&repository), shown(&once));
                prop_assert!(at(&twice) <= most.min(at(&again)), "{path}");
            }
        }

        #[test]
        fn no_path_of_the_repository_is_granted(base in any_files(), repository in any_files()) {
            let cwd = absolute("/w");
            let places = Places { cwd: &cwd, tmpdir: None };
            let FileSystemPolicy::Restricted { entries, .. } = narrow_files(&base, &repository, places) else {
                return Ok(());
            };
            let ours = match &base {
                FileSystemPolicy::Unrestricted => Vec::new(),
                FileSystemPolicy::Restricted { entries, .. } => entries.clone(),
            };
            for entry in entries.iter().filter(|entry| entry.access == Access::Write && !is_special(entry)) {
                let is_ours = ours.iter().any(|own| own.path == entry.path && own.access == Access::Write);
                let is_whole_disk = entry.is_root() || ours.iter().any(|own| own.path == EntryPath::Special { path: SpecialPath::Minimal, subpath: None });
                prop_assert!(is_ours || is_whole_disk, "{entry:?}");
            }
        }

        #[test]
        fn a_profile_narrowed_by_itself_stays_itself(base in any_files()) {
            let cwd = absolute("/w");
            let places = Places { cwd: &cwd, tmpdir: Some(&cwd) };
            let once = narrow_files(&base, &base, places);
            for path in ["/", "/w", "/w/a", "/w/a/b", "/tmp", "/tmp/x", "/usr", "/usr/lib", "/home", "/home/k", "/lib"] {
                let path = absolute(path);
                prop_assert_eq!(level(&once, &path, places), level(&base, &path, places), "{} -> {}", shown(&base), shown(&once));
            }
        }
    }
}
