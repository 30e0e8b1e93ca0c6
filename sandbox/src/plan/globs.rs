//! Deny globs, expanded against what exists when the run starts.
//!
//! A mount needs an object, so a glob covers the files that match *now*; the plan says so in a note. The
//! walk sees hidden and ignored files, does not follow symlinked directories, and is bounded (I12).

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use policies::{AbsolutePath, GlobPattern};

use crate::paths;

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

/// The paths that match, in no particular order. A matching directory stands for all below it.
pub(crate) fn expand(
    pattern: &GlobPattern,
    max_depth: Option<NonZeroUsize>,
    budget: &mut usize,
) -> Result<Vec<AbsolutePath>, GlobError> {
    let text = pattern.as_str();
    let matcher = pattern.to_matcher()?;
    let base = pattern.static_prefix();
    if base.parent().is_none() {
        return Err(GlobError::Unanchored { pattern: text.to_owned() });
    }
    if matcher.is_match(base) && base.as_path().symlink_metadata().is_ok() {
        return Ok(vec![base.clone()]);
    }
    let mut matches = Vec::new();
    let mut pending = vec![(base.as_path().to_owned(), 0_usize)];
    while let Some((directory, depth)) = pending.pop() {
        let unreadable =
            |source| GlobError::Unreadable { pattern: text.to_owned(), directory: directory.clone(), source };
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
            // What neither we nor, hence, the command can read needs no mask, unless the command could
            // open it for itself: that is so for an owner.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && !AbsolutePath::parse(&directory).is_ok_and(|path| paths::is_ours(&path)) =>
            {
                continue;
            }
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            *budget =
                budget.checked_sub(1).ok_or_else(|| GlobError::TooLarge { pattern: text.to_owned() })?;
            let path = entry.path();
            let is_directory = entry.file_type().map_err(unreadable)?.is_dir();
            if matcher.is_match(&path) {
                matches.extend(AbsolutePath::parse(&path).ok());
            } else if is_directory && max_depth.is_none_or(|max| depth + 1 < max.get()) {
                pending.push((path, depth + 1));
            }
        }
    }
    Ok(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(base: &std::path::Path, pattern: &str, depth: Option<usize>) -> Vec<String> {
        let base = AbsolutePath::parse(base).unwrap();
        let pattern = GlobPattern::parse_under(&base, pattern).unwrap();
        let mut list: Vec<String> = expand(&pattern, depth.and_then(NonZeroUsize::new), &mut 1000)
            .unwrap()
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
        assert!(matches!(expand(&pattern, None, &mut 2), Err(GlobError::TooLarge { .. })));
    }
}
