//! Metadata names protected directly below every writable root, and what a `.git` file points to.
//!
//! A command that can write `.git/hooks`, `.codex/config.toml` or `.aws/credentials` decides what the
//! *next* program does, outside any sandbox. Only the names at the root itself: `git init sub` works.

use std::io;
use std::path::{Path, PathBuf};

use policies::AbsolutePath;

/// A `.git` or `commondir` file longer than this is no pointer that git wrote. (PATH_MAX is 4096.)
const MAX_POINTER_BYTES: u64 = 8192;

/// The directories that a `.git` *file* makes git use: its `gitdir:` target and, for a linked worktree,
/// the common directory that the target names. gitrepository-layout(5).
///
/// A file that is not a pointer names nothing. Relative targets start at the file's folder.
///
/// # Errors
/// The system's error when the file cannot be read.
pub(crate) fn git_directories(pointer: &AbsolutePath) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = pointer.parent() else { return Ok(Vec::new()) };
    let Some(target) = read_line(pointer.as_path())?
        .and_then(|line| line.strip_prefix("gitdir:").map(|rest| PathBuf::from(rest.trim_start())))
        .filter(|target| !target.as_os_str().is_empty())
    else {
        return Ok(Vec::new());
    };
    let directory = folder.as_path().join(target);
    let common = match read_line(&directory.join("commondir")) {
        Ok(line) => line.map(|line| directory.join(line)),
        Err(_) => None, // a plain (submodule) git directory has no such file
    };
    Ok(std::iter::once(directory).chain(common).collect())
}

/// The file's first line, or `None` for a file that is too long or not text.
fn read_line(path: &Path) -> io::Result<Option<String>> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MAX_POINTER_BYTES).read_to_end(&mut text)?;
    Ok(String::from_utf8(text).ok().and_then(|text| text.lines().next().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_names_its_own_and_the_common_directory() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        std::fs::create_dir_all(base.join("main/.git/worktrees/w")).unwrap();
        std::fs::write(base.join("main/.git/worktrees/w/commondir"), "../..\n").unwrap();
        std::fs::create_dir(base.join("w")).unwrap();
        std::fs::write(base.join("w/.git"), "gitdir: ../main/.git/worktrees/w\n").unwrap();
        let pointer = AbsolutePath::parse(base.join("w/.git")).unwrap();
        let names = git_directories(&pointer).unwrap();
        let real: Vec<_> = names.iter().map(|name| name.canonicalize().unwrap()).collect();
        let base = base.canonicalize().unwrap();
        assert_eq!(real, [base.join("main/.git/worktrees/w"), base.join("main/.git")]);
    }

    #[test]
    fn a_file_that_is_no_pointer_names_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "hello", "gitdir:", "gitdir:   \n"] {
            std::fs::write(dir.path().join(".git"), text).unwrap();
            let pointer = AbsolutePath::parse(dir.path().join(".git")).unwrap();
            assert_eq!(git_directories(&pointer).unwrap(), Vec::<PathBuf>::new(), "{text:?}");
        }
    }
}
