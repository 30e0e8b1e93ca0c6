//! Metadata names protected directly below every writable root, and what a `.git` file points to.
//!
//! A command that can write `.git/hooks`, `.codex/config.toml` or `.aws/credentials` decides what the
//! *next* program does, outside any sandbox. Only the names at the root itself: `git init sub` works.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policies::AbsolutePath;

/// A `.git` or `commondir` file longer than this is no pointer that git wrote. (PATH_MAX is 4096.)
const MAX_POINTER_BYTES: u64 = 8192;

/// The directories that a `.git` *file* makes git use: its `gitdir: ` target and, for a linked worktree,
/// the common directory that the target names. gitrepository-layout(5), and as git reads them: bytes, of
/// which only newlines at the end are dropped.
///
/// A file that is not a pointer names nothing. Relative targets start at the file's folder.
///
/// # Errors
/// The system's error when a file is there but cannot be read; `InvalidData` for one that is too long.
pub(crate) fn git_directories(pointer: &AbsolutePath) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = pointer.parent() else { return Ok(Vec::new()) };
    let content = read_pointer(pointer.as_path())?.unwrap_or_default();
    let Some(target) = content.strip_prefix(b"gitdir: ").filter(|target| !target.is_empty()) else {
        return Ok(Vec::new());
    };
    let directory = folder.as_path().join(OsStr::from_bytes(target));
    let common = read_pointer(&directory.join("commondir"))?
        .map(|content| directory.join(OsStr::from_bytes(&content)));
    Ok(std::iter::once(directory).chain(common).collect())
}

/// A pointer file's content without newlines at its end; `None` when there is no such file.
///
/// Opened without blocking, since a repository may have put a FIFO there.
fn read_pointer(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    file.take(MAX_POINTER_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_POINTER_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    while content.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        content.pop();
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, Mode};

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
        for text in ["", "hello", "gitdir:", "gitdir:x", "gitdir: \n"] {
            std::fs::write(dir.path().join(".git"), text).unwrap();
            let pointer = AbsolutePath::parse(dir.path().join(".git")).unwrap();
            assert_eq!(git_directories(&pointer).unwrap(), Vec::<PathBuf>::new(), "{text:?}");
        }
    }

    #[test]
    fn a_target_is_what_git_reads_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let pointer = AbsolutePath::parse(dir.path().join(".git")).unwrap();
        for (text, name) in [
            (&b"gitdir:  g\n"[..], &b" g"[..]),
            (b"gitdir: a\xffb\r\n", b"a\xffb"),
            (b"gitdir: two\nlines\n\n", b"two\nlines"),
        ] {
            std::fs::write(pointer.as_path(), text).unwrap();
            assert_eq!(git_directories(&pointer).unwrap(), [dir.path().join(OsStr::from_bytes(name))]);
        }
    }

    #[test]
    fn a_fifo_or_an_endless_file_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("g")).unwrap();
        std::fs::write(dir.path().join(".git"), "gitdir: g\n").unwrap();
        let fifo = dir.path().join("g/commondir");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let pointer = AbsolutePath::parse(dir.path().join(".git")).unwrap();
        assert!(git_directories(&pointer).is_err());
        std::fs::write(pointer.as_path(), vec![b'x'; 10_000]).unwrap();
        assert!(git_directories(&pointer).is_err());
    }
}
