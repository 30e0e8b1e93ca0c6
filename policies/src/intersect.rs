//! What a grant gives of what was requested.
//!
//! INVARIANT (both): nothing comes out that either side would not allow. A grant that the request does not cover
//! is dropped whole rather than cut down, because a person who granted something else should be asked again.

use crate::additional::{AdditionalPermissions, union, wider_depth};
use crate::glob::GlobMatcher;
use crate::path::AbsolutePath;
use crate::precedence::AccessMap;
use crate::profile::{Access, Entry, EntryPath, SpecialPath};

impl AdditionalPermissions {
    /// The granted entries that this request covers, with every restriction of both sides that bears on them.
    /// Entries relative to the working directory become absolute, so that the result holds elsewhere too.
    #[must_use]
    pub fn intersect(&self, granted: &Self, cwd: &AbsolutePath) -> Self {
        let requested = Side::new(&self.entries, cwd);
        let offered = Side::new(&granted.entries, cwd);
        let kept: Vec<&Entry> = offered
            .entries
            .iter()
            .filter(|entry| entry.access != Access::Deny && requested.covers(entry))
            .collect();
        let restrictions = requested
            .entries
            .iter()
            .chain(&offered.entries)
            .filter(|entry| restricts(entry, &kept, [&requested.map, &offered.map]));
        Self {
            entries: union(kept.iter().copied().chain(restrictions).cloned()),
            glob_scan_max_depth: wider_depth(
                (&requested.entries, self.glob_scan_max_depth),
                (&offered.entries, granted.glob_scan_max_depth),
            ),
            network: self.network.and(granted.network),
        }
        .normalise(&AbsolutePath::clone)
    }
}

/// One of the two policies, prepared for questions.
struct Side {
    /// With absolute places.
    entries: Vec<Entry>,
    /// Of those whose path is known.
    map: AccessMap,
    /// Of the globs; `None` for one that cannot be compiled.
    globs: Vec<Option<GlobMatcher>>,
}

impl Side {
    /// Makes places absolute.
    fn new(entries: &[Entry], cwd: &AbsolutePath) -> Self {
        let entries: Vec<Entry> = entries.iter().map(|entry| absolute(entry, cwd)).collect();
        let rows = entries.iter().filter_map(|entry| Some((location(&entry.path)?, entry.access)));
        let map = AccessMap::new(rows);
        let compile = |entry: &Entry| match &entry.path {
            EntryPath::Glob(glob) => Some(glob.to_matcher().ok()),
            EntryPath::Path(_) | EntryPath::Special { .. } => None,
        };
        let globs = entries.iter().filter_map(compile).collect();
        Self { entries, map, globs }
    }

    /// Whether this policy gives at least what `entry` gives, and no denial of it hits the entry's place.
    fn covers(&self, entry: &Entry) -> bool {
        match (&entry.path, location(&entry.path)) {
            // A grant by glob cannot be written, and an unknown location grants nothing.
            (EntryPath::Glob(_) | EntryPath::Special { path: SpecialPath::Unknown(_), .. }, _) => false,
            (_, Some(path)) => {
                self.map.access(&path).is_some_and(|access| access.covers(entry.access))
                    && !self.has_glob_over(&path)
            }
            // Where such a location lies is not known here, so only the same words cover it.
            (_, None) => {
                let same = self.entries.iter().filter(|own| own.path == entry.path);
                same.map(|own| own.access).max().is_some_and(|access| access.covers(entry.access))
            }
        }
    }

    /// Whether a deny glob matches the path or a directory that holds it. A pattern that cannot be compiled counts.
    fn has_glob_over(&self, path: &AbsolutePath) -> bool {
        let covers = |glob: &GlobMatcher| path.ancestors().any(|ancestor| glob.is_match(&ancestor));
        self.globs.iter().any(|glob| glob.as_ref().is_none_or(covers))
    }
}

/// Whether an entry must stay because it narrows one of the `kept` grants.
///
/// Denials stay when they could overlap one. A read entry stays when it lies inside a kept write and both
/// policies let the place be read, so that keeping it cannot open anything.
fn restricts(entry: &Entry, kept: &[&Entry], both: [&AccessMap; 2]) -> bool {
    match entry.access {
        Access::Write => false,
        Access::Deny => kept.iter().any(|grant| may_overlap(&entry.path, &grant.path)),
        Access::Read => location(&entry.path).is_some_and(|path| {
            let inside = |grant: &Entry| {
                location(&grant.path).is_some_and(|root| path != root && path.starts_with(&root))
            };
            kept.iter().any(|grant| grant.access == Access::Write && inside(grant))
                && both.iter().all(|map| map.access(&path).is_some_and(|access| access.covers(Access::Read)))
        }),
    }
}

/// Whether a denial and a grant could be about the same file; unknown places could be anywhere.
fn may_overlap(denied: &EntryPath, granted: &EntryPath) -> bool {
    let denied = match denied {
        EntryPath::Glob(glob) => Some(glob.static_prefix().clone()),
        EntryPath::Path(_) | EntryPath::Special { .. } => location(denied),
    };
    match (denied, location(granted)) {
        (Some(denied), Some(granted)) => denied.starts_with(&granted) || granted.starts_with(&denied),
        (None, _) | (_, None) => true,
    }
}

/// The entry with a place relative to the working directory made absolute.
fn absolute(entry: &Entry, cwd: &AbsolutePath) -> Entry {
    let path = match &entry.path {
        EntryPath::Special { path: SpecialPath::ProjectRoots, subpath } => {
            EntryPath::Path(subpath.as_ref().map_or_else(|| cwd.clone(), |subpath| cwd.join(subpath)))
        }
        EntryPath::Path(_) | EntryPath::Glob(_) | EntryPath::Special { .. } => entry.path.clone(),
    };
    Entry { path, ..entry.clone() }
}

/// The path of a place that is the same in every run.
fn location(place: &EntryPath) -> Option<AbsolutePath> {
    let (base, subpath) = match place {
        EntryPath::Path(path) => return Some(path.clone()),
        EntryPath::Glob(_) => return None,
        EntryPath::Special { path, subpath } => match path {
            SpecialPath::Root => (AbsolutePath::root(), subpath),
            SpecialPath::SlashTmp => (AbsolutePath::root().child("tmp"), subpath),
            SpecialPath::Minimal
            | SpecialPath::ProjectRoots
            | SpecialPath::Tmpdir
            | SpecialPath::Unknown(_) => return None,
        },
    };
    Some(subpath.as_ref().map_or_else(|| base.clone(), |subpath| base.join(subpath)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::NetworkAccess;
    use Access::{Deny, Read, Write};

    fn cwd() -> AbsolutePath {
        AbsolutePath::parse("/w").unwrap()
    }

    /// An entry from a short form: a path, a glob, or `:kind` with an optional `/subpath`.
    fn entry(place: &str, access: Access) -> Entry {
        let json = match place.strip_prefix(':') {
            None if place.contains('*') => format!(r#"{{"type":"glob_pattern","pattern":"{place}"}}"#),
            None => format!(r#"{{"type":"path","path":"{place}"}}"#),
            Some(kind) => {
                let (kind, subpath) = kind.split_once('/').unwrap_or((kind, "."));
                let subpath =
                    if kind == "minimal" { String::new() } else { format!(r#","subpath":"{subpath}""#) };
                let path = if kind == "unknown" { r#","path":":x""# } else { "" };
                format!(r#"{{"type":"special","value":{{"kind":"{kind}"{path}{subpath}}}}}"#)
            }
        };
        Entry {
            access,
            ..serde_json::from_str(&format!(r#"{{"path":{json},"access":"deny"}}"#)).expect(&json)
        }
    }

    fn side(rows: &[(&str, Access)]) -> AdditionalPermissions {
        let entries = rows.iter().map(|(place, access)| entry(place, *access)).collect();
        AdditionalPermissions { entries, ..AdditionalPermissions::default() }
    }

    #[test]
    fn a_grant_counts_as_far_as_the_request_covers_it() {
        type Rows<'a> = &'a [(&'a str, Access)];
        let rows: [(&str, Rows<'_>, Rows<'_>, Rows<'_>); 20] = [
            ("same", &[("/a", Write)], &[("/a", Write)], &[("/a", Write)]),
            ("less access", &[("/a", Write)], &[("/a", Read)], &[("/a", Read)]),
            ("more access", &[("/a", Read)], &[("/a", Write)], &[]),
            ("below", &[("/a", Write)], &[("/a/b", Write)], &[("/a/b", Write)]),
            ("above", &[("/a/b", Write)], &[("/a", Write)], &[]),
            ("elsewhere", &[("/a", Write)], &[("/b", Write)], &[]),
            ("requested deny hits", &[("/a", Write), ("/a/b", Deny)], &[("/a/b/c", Write)], &[]),
            (
                "requested deny is kept below",
                &[("/a", Write), ("/a/b", Deny)],
                &[("/a", Write)],
                &[("/a", Write), ("/a/b", Deny)],
            ),
            (
                "unrelated deny goes",
                &[("/a", Write), ("/b", Deny)],
                &[("/a", Write), ("/c", Deny)],
                &[("/a", Write)],
            ),
            (
                "granted deny is kept",
                &[("/a", Write)],
                &[("/a", Write), ("/a/k", Deny), ("/a/**/*.env", Deny)],
                &[("/a", Write), ("/a/k", Deny), ("/a/**/*.env", Deny)],
            ),
            ("glob deny hits", &[("/a", Write), ("/a/*.env", Deny)], &[("/a/x.env", Read)], &[]),
            ("glob deny hits above", &[("/a", Write), ("/a/s*", Deny)], &[("/a/secret/x", Read)], &[]),
            (
                "glob deny beside",
                &[("/a", Write), ("/a/*.env", Deny)],
                &[("/a", Read)],
                &[("/a", Read), ("/a/*.env", Deny)],
            ),
            (
                "requested read inside a kept write stays read",
                &[("/a", Write), ("/a/b", Read)],
                &[("/a", Write)],
                &[("/a", Write), ("/a/b", Read)],
            ),
            (
                "but opens nothing that the grant denies",
                &[("/a", Write), ("/a/b/c", Read)],
                &[("/a", Write), ("/a/b", Deny)],
                &[("/a", Write), ("/a/b", Deny)],
            ),
            (
                "cwd-relative becomes absolute",
                &[(":project_roots/docs", Write)],
                &[(":project_roots/docs/api", Write), ("/w/docs", Read)],
                &[("/w/docs/api", Write), ("/w/docs", Read)],
            ),
            (
                "root covers all known places",
                &[(":root", Write)],
                &[(":slash_tmp", Write)],
                &[(":slash_tmp", Write)],
            ),
            ("tmpdir only by name", &[(":root", Write)], &[(":tmpdir", Write)], &[]),
            ("tmpdir by name", &[(":tmpdir", Write)], &[(":tmpdir", Read)], &[(":tmpdir", Read)]),
            ("unknown grants nothing", &[(":unknown", Write)], &[(":unknown", Write)], &[]),
        ];
        for (name, requested, granted, expect) in rows {
            assert_eq!(
                side(requested).intersect(&side(granted), &cwd()).entries,
                side(expect).entries,
                "{name}"
            );
        }
    }

    #[test]
    fn network_needs_both() {
        use NetworkAccess::{Enabled, Restricted};
        let with = |network| AdditionalPermissions { network, ..AdditionalPermissions::default() };
        for (requested, granted, expect) in [
            (Enabled, Enabled, Enabled),
            (Enabled, Restricted, Restricted),
            (Restricted, Enabled, Restricted),
        ] {
            assert_eq!(with(requested).intersect(&with(granted), &cwd()).network, expect);
        }
    }

    #[test]
    fn nothing_comes_out_that_either_side_would_not_allow() {
        let paths = ["/", "/a", "/a/b", "/a/b/c"];
        let mut rows = Vec::new();
        for path in paths {
            rows.extend([Read, Write, Deny].map(|access| (path, access)));
        }
        let mut sides = Vec::new();
        for first in &rows {
            for second in &rows {
                for third in [rows[1], rows[5], rows[11]] {
                    sides.push(side(&[*first, *second, third]));
                }
            }
        }
        let probes = paths.map(|path| AbsolutePath::parse(path).unwrap());
        let maps: Vec<AccessMap> = sides.iter().map(|side| Side::new(&side.entries, &cwd()).map).collect();
        for (requested, requested_map) in sides.iter().zip(&maps) {
            for (granted, granted_map) in sides.iter().zip(&maps) {
                let both = Side::new(&requested.intersect(granted, &cwd()).entries, &cwd()).map;
                for probe in &probes {
                    let Some(got) = both.access(probe).filter(|access| *access != Deny) else { continue };
                    for map in [requested_map, granted_map] {
                        assert!(
                            map.access(probe).is_some_and(|access| access.covers(got)),
                            "{got:?} on {probe}\n{requested:?}\n{granted:?}"
                        );
                    }
                }
            }
        }
    }
}
