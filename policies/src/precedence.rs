//! Which entry decides what may be done with a path.
//!
//! Pure: rows in, answer out. Special locations must be paths by now and globs are the launcher's.

use std::collections::BTreeMap;

use crate::path::AbsolutePath;
use crate::profile::Access;

/// Rows of (path, access), one effective row per path.
///
/// INVARIANT (precedence): the row for the path itself or its nearest listed ancestor decides; of several rows
/// for one path deny beats write beats read. A path without such a row is not granted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessMap {
    /// For the walk up from a path.
    by_path: BTreeMap<AbsolutePath, Access>,
}

impl AccessMap {
    /// From rows in any order.
    pub fn new(rows: impl IntoIterator<Item = (AbsolutePath, Access)>) -> Self {
        let mut by_path: BTreeMap<AbsolutePath, Access> = BTreeMap::new();
        for (path, access) in rows {
            by_path.entry(path).and_modify(|kept| *kept = access.max(*kept)).or_insert(access);
        }
        Self { by_path }
    }

    /// What may be done with `path`. `None` means that no row is about it, which is not permission.
    pub fn access(&self, path: &AbsolutePath) -> Option<Access> {
        self.deciding(path).map(|(_, access)| access)
    }

    /// The row that decides about `path`.
    pub fn deciding(&self, path: &AbsolutePath) -> Option<(&AbsolutePath, Access)> {
        path.ancestors()
            .find_map(|ancestor| self.by_path.get_key_value(&ancestor))
            .map(|(row, access)| (row, *access))
    }

    /// The effective rows, shallow before deep, then by path, so that a row comes after all that it overrides.
    pub fn rows(&self) -> impl Iterator<Item = (&AbsolutePath, Access)> {
        let mut rows: Vec<_> = self.by_path.iter().map(|(path, access)| (path, *access)).collect();
        rows.sort_by_key(|(path, _)| path.depth());
        rows.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Access::{Deny, Read, Write};

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    fn map(rows: &[(&str, Access)]) -> AccessMap {
        AccessMap::new(rows.iter().map(|(path, access)| (absolute(path), *access)))
    }

    #[test]
    fn the_longest_entry_wins_and_nests_freely() {
        let map = map(&[
            ("/", Read),
            ("/w", Write),
            ("/w/docs", Read),
            ("/w/docs/out", Write),
            ("/w/docs/out/k", Deny),
        ]);
        let rows = [
            ("/", "/", Read),
            ("/etc/passwd", "/", Read),
            ("/w", "/w", Write),
            ("/wx", "/", Read),
            ("/w/src/a.rs", "/w", Write),
            ("/w/docs/a", "/w/docs", Read),
            ("/w/docs/out/a/b", "/w/docs/out", Write),
            ("/w/docs/out/k/x", "/w/docs/out/k", Deny),
        ];
        for (path, row, access) in rows {
            assert_eq!(map.deciding(&absolute(path)), Some((&absolute(row), access)), "{path}");
        }
    }

    #[test]
    fn on_one_path_deny_beats_write_beats_read() {
        let orders = [[Read, Write, Deny], [Deny, Write, Read], [Write, Deny, Read]];
        for order in orders {
            assert_eq!(map(&order.map(|access| ("/a", access))).access(&absolute("/a")), Some(Deny));
        }
        assert_eq!(map(&[("/a", Write), ("/a", Read)]).access(&absolute("/a/b")), Some(Write));
        assert_eq!(map(&[("/a/", Read), ("/a/b/..", Write)]).access(&absolute("/a")), Some(Write));
    }

    #[test]
    fn nothing_listed_is_nothing_granted() {
        assert_eq!(AccessMap::default().access(&AbsolutePath::root()), None);
        assert_eq!(map(&[("/a", Write)]).access(&absolute("/b")), None);
        assert_eq!(map(&[("/a", Write)]).access(&AbsolutePath::root()), None);
    }

    #[test]
    fn rows_come_shallow_first_then_by_path() {
        let map =
            map(&[("/b/c/d", Read), ("/b", Read), ("/a/z", Deny), ("/", Read), ("/a", Write), ("/b", Deny)]);
        let rows: Vec<_> = map.rows().map(|(path, access)| (path.to_string(), access)).collect();
        let expect = [("/", Read), ("/a", Write), ("/b", Deny), ("/a/z", Deny), ("/b/c/d", Read)];
        assert_eq!(rows, expect.map(|(path, access)| (path.to_owned(), access)));
    }

    /// All sets of up to three rows over a small tree, against the definition written out naively.
    #[test]
    fn every_small_map_agrees_with_the_definition() {
        let paths = ["/", "/a", "/a/b", "/a/b/c", "/ab"].map(absolute);
        let mut all_rows = Vec::new();
        for path in &paths {
            all_rows.extend([Read, Write, Deny].map(|access| (path.clone(), access)));
        }
        for first in &all_rows {
            for second in &all_rows {
                for third in &all_rows {
                    let rows = [first.clone(), second.clone(), third.clone()];
                    let map = AccessMap::new(rows.clone());
                    let reversed = AccessMap::new(rows.iter().rev().cloned());
                    assert_eq!(map, reversed, "order matters");
                    for path in &paths {
                        assert_eq!(map.access(path), naive(&rows, path), "{rows:?} on {path}");
                        let mut denied = rows.to_vec();
                        denied.push((path.clone(), Deny));
                        assert_eq!(AccessMap::new(denied).access(path), Some(Deny));
                    }
                }
            }
        }
    }

    fn naive(rows: &[(AbsolutePath, Access)], path: &AbsolutePath) -> Option<Access> {
        let about = rows.iter().filter(|(row, _)| path.starts_with(row));
        let longest = about.clone().map(|(row, _)| row.depth()).max()?;
        about.filter(|(row, _)| row.depth() == longest).map(|(_, access)| *access).max()
    }
}
