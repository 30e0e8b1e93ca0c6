//! Deny globs, expanded against what exists when the run starts.
//!
//! A mount needs an object, so a glob covers the files that match *now*; the plan says so in a note. The
//! walk sees hidden and ignored files and is bounded (I12).

use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use policies::{AbsolutePath, GlobPattern};
use rustix::io::Errno;

use crate::paths::{self, Identity};

/// Directory entries looked at for all globs of one plan; a larger tree needs `glob_scan_max_depth`.
pub(crate) const MAX_SCANNED: usize = 1_000_000;

/// Why a glob could not be expanded completely. The run is refused: an unexpanded deny protects nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// The pattern does not compile.
    #[error(transparent)]
    Broken(#[from] policies::GlobError),
    /// A directory that may hold matches cannot be read.
    #[error("cannot search `{}` for matches of the deny glob `{pattern}`", policies::display::escape(directory.as_os_str()))]
    Unreadable {
        /// The pattern.
        pattern: String,
        /// The directory.
        directory: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The tree is too large to search at every start.
    #[error("the deny glob `{pattern}` makes every start search more than {MAX_SCANNED} files")]
    TooLarge {
        /// The pattern.
        pattern: String,
    },
    /// The pattern would search the whole file system.
    #[error("the deny glob `{pattern}` has no fixed folder to start from")]
    Unanchored {
        /// The pattern.
        pattern: String,
    },
}

/// Whose pattern it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Searcher {
    /// A profile's. Searched this deep, if bounded, and never through a symlink to a folder.
    Profile {
        /// Folders below the fixed one.
        max_depth: Option<NonZeroUsize>,
    },
    /// The administrator's. To any depth: a bound that the profile sets for its own patterns must not weaken this
    /// one. Symlinks to folders are followed, since a file that matches can be opened through them; those that `**`
    /// stands for are not where they lead back above the fixed folder, which would make it search the whole disk.
    Administrator,
}

/// What a search found, in no particular order.
#[derive(Debug, Default)]
pub(crate) struct Expansion {
    /// The paths that match. A matching directory stands for all below it.
    pub(crate) matches: Vec<AbsolutePath>,
    /// Folders of others that may hold matches, that cannot be listed and can be entered: who knows a name in them
    /// can open it.
    pub(crate) unlisted: Vec<AbsolutePath>,
}

/// Searches for what matches.
pub(crate) fn expand(
    pattern: &GlobPattern,
    searcher: Searcher,
    budget: &mut usize,
) -> Result<Expansion, GlobError> {
    let text = pattern.as_str();
    let matcher = pattern.to_matcher()?;
    let folders = pattern.to_folder_matcher()?;
    let base = pattern.static_prefix();
    if base.parent().is_none() {
        return Err(GlobError::Unanchored { pattern: text.to_owned() });
    }
    let mut found = Expansion::default();
    if matcher.is_match(base) && base.as_path().symlink_metadata().is_ok() {
        found.matches.push(base.clone());
        return Ok(found);
    }
    let is_deep_enough = |depth: usize| match searcher {
        Searcher::Profile { max_depth } => max_depth.is_some_and(|max| depth >= max.get()),
        Searcher::Administrator => false,
    };
    // Two ways to one folder that leave the same names to match below are one, which also ends loops. Folders come
    // before the symlinks that lead to them, so that matches keep their own names where they have some.
    let mut seen = HashSet::new();
    let mut links = Vec::new();
    let mut pending = vec![(base.as_path().to_owned(), 0_usize)];
    while let Some((directory, depth)) = pending.pop().or_else(|| links.pop()) {
        let unreadable =
            |source| GlobError::Unreadable { pattern: text.to_owned(), directory: directory.clone(), source };
        if searcher == Searcher::Administrator
            && let Ok(stat) = rustix::fs::stat(&directory)
            && !seen.insert((Identity::of(&stat), folders.progress(&directory)))
        {
            continue;
        }
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
            // What neither we nor, hence, the command can read needs no mask, unless the command could
            // open it for itself: that is so for an owner, and for names that need not be looked up.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let path = AbsolutePath::parse(&directory).ok().filter(|path| !paths::is_ours(path));
                let path = path.ok_or_else(|| unreadable(error))?;
                found.unlisted.extend(can_be_entered(&path).then_some(path));
                continue;
            }
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            *budget =
                budget.checked_sub(1).ok_or_else(|| GlobError::TooLarge { pattern: text.to_owned() })?;
            let path = entry.path();
            let kind = entry.file_type().map_err(unreadable)?;
            if matcher.is_match(&path) {
                if kind.is_symlink() && leads_nowhere(&path, base) {
                    continue;
                }
                found.matches.extend(AbsolutePath::parse(&path).ok());
                continue;
            }
            if !(kind.is_dir() || kind.is_symlink()) || is_deep_enough(depth + 1) {
                continue;
            }
            let Some(progress) = folders.progress(&path) else { continue };
            if kind.is_dir() {
                pending.push((path, depth + 1));
            } else if searcher == Searcher::Administrator
                && let Some(behind) = folder_behind(&path).map_err(unreadable)?
                && (folders.is_named(&progress) || !leads_above(&behind, base))
            {
                links.push((path, depth + 1));
            }
        }
    }
    Ok(found)
}

/// The folder that a symlink leads to; `None` when it leads to something else or nowhere.
fn folder_behind(link: &Path) -> io::Result<Option<PathBuf>> {
    match std::fs::canonicalize(link) {
        Ok(path) => Ok(path.is_dir().then_some(path)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(errno) if leads_nowhere_for_us(errno) || matches!(errno, Errno::NOENT | Errno::NOTDIR) => {
                Ok(None)
            }
            Some(_) | None => Err(error),
        },
    }
}

/// Whether there is nothing to hide behind a symlink that matches: it is a loop, or leads to what is no file of
/// these folders. Whoever may make a symlink there could otherwise stop every run.
fn leads_nowhere(link: &Path, base: &AbsolutePath) -> bool {
    match std::fs::canonicalize(link) {
        Ok(target) => leads_above(&target, base),
        Err(error) => Errno::from_io_error(&error).is_some_and(leads_nowhere_for_us),
    }
}

/// Whether a symlink that cannot be followed for this reason cannot be followed by the command either, which has our
/// rights at most.
fn leads_nowhere_for_us(errno: Errno) -> bool {
    matches!(errno, Errno::LOOP | Errno::ACCESS | Errno::PERM | Errno::NAMETOOLONG)
}

/// Whether a folder holds the one in which the search began, or is made anew for each run.
fn leads_above(folder: &Path, base: &AbsolutePath) -> bool {
    let is_above = |base: &Path| base.starts_with(folder) && base != folder;
    is_above(base.as_path())
        || std::fs::canonicalize(base.as_path()).is_ok_and(|base| is_above(&base))
        || ["/proc", "/dev"].iter().any(|own| folder.starts_with(own))
}

/// Whether names in a folder can be reached. Unknown counts as yes.
fn can_be_entered(folder: &AbsolutePath) -> bool {
    rustix::fs::access(folder.as_path(), rustix::fs::Access::EXEC_OK) != Err(Errno::ACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(base: &std::path::Path, pattern: &str, depth: Option<usize>) -> Vec<String> {
        let base = AbsolutePath::parse(base).unwrap();
        let pattern = GlobPattern::parse_under(&base, pattern).unwrap();
        let searcher = Searcher::Profile { max_depth: depth.and_then(NonZeroUsize::new) };
        names(&base, &pattern, searcher)
    }

    fn names(base: &AbsolutePath, pattern: &GlobPattern, searcher: Searcher) -> Vec<String> {
        let mut list: Vec<String> = expand(pattern, searcher, &mut 1000)
            .unwrap()
            .matches
            .into_iter()
            .map(|path| path.as_path().strip_prefix(base.as_path()).unwrap().display().to_string())
            .collect();
        list.sort();
        list
    }

    #[test]
    fn hidden_files_are_found_and_depth_counts_from_the_fixed_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/.b/c")).unwrap();
        for name in [".env", "x.env", "a/y.env", "a/.b/c/z.env", "a/plain"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(found(dir.path(), "**/*.env", None), [".env", "a/.b/c/z.env", "a/y.env", "x.env"]);
        assert_eq!(found(dir.path(), "**/*.env", Some(1)), [".env", "x.env"]);
        assert_eq!(found(dir.path(), "**/*.env", Some(2)), [".env", "a/y.env", "x.env"]);
        assert_eq!(found(dir.path(), "a/.b", None), ["a/.b"]);
        assert_eq!(found(dir.path(), "gone/*.env", None), [] as [&str; 0]);
    }

    #[test]
    fn a_tree_beyond_the_budget_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1", "2", "3"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let base = AbsolutePath::parse(dir.path()).unwrap();
        let pattern = GlobPattern::parse_under(&base, "**/*.env").unwrap();
        let searcher = Searcher::Profile { max_depth: None };
        assert!(matches!(expand(&pattern, searcher, &mut 2), Err(GlobError::TooLarge { .. })));
    }

    #[test]
    fn the_administrator_s_patterns_lead_through_symlinks() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["app", "releases/1/deep", "work"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in ["releases/1/s.pem", "releases/1/deep/t.pem", "work/u.pem"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        for (target, link) in
            [("../releases/1", "app/current"), (".", "app/loop"), ("gone", "app/dangling"), ("/", "work/all")]
        {
            std::os::unix::fs::symlink(target, dir.path().join(link)).unwrap();
        }
        std::os::unix::fs::symlink("work/u.pem", dir.path().join("file")).unwrap();
        let base = AbsolutePath::parse(dir.path()).unwrap();
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("app/*/s.pem", &["app/current/s.pem"], &[]),
            ("app/current/*.pem", &["app/current/s.pem"], &["app/current/s.pem"]),
            ("app/*/*/t.pem", &["app/current/deep/t.pem"], &[]),
            ("app/**/current/*.pem", &["app/current/s.pem"], &[]),
            ("app/**/*.pem", &["app/current/deep/t.pem", "app/current/s.pem"], &[]),
            // By their own names, however many links lead there.
            (
                "**/*.pem",
                &["releases/1/deep/t.pem", "releases/1/s.pem", "work/u.pem"],
                &["releases/1/deep/t.pem", "releases/1/s.pem", "work/u.pem"],
            ),
            ("*/*.pem", &["work/u.pem"], &["work/u.pem"]),
        ];
        for (text, required, own) in rows {
            let pattern = GlobPattern::parse_under(&base, text).unwrap();
            assert_eq!(names(&base, &pattern, Searcher::Administrator), *required, "{text}");
            assert_eq!(names(&base, &pattern, Searcher::Profile { max_depth: None }), *own, "{text}");
        }
    }

    #[test]
    fn a_planted_symlink_that_cannot_be_followed_stops_no_search() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.pem"), "").unwrap();
        let too_long = "x".repeat(300);
        for name in ["innocent", "b.pem"] {
            std::os::unix::fs::symlink(&too_long, dir.path().join(name)).unwrap();
        }
        let base = AbsolutePath::parse(dir.path()).unwrap();
        let pattern = GlobPattern::parse_under(&base, "**/*.pem").unwrap();
        assert_eq!(names(&base, &pattern, Searcher::Administrator), ["a.pem"]);
    }
}
