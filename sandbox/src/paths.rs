//! From a name to the object it names, once (I7).
//!
//! What belongs here: walking a path component by component with `lstat` and `readlink`, so that every
//! symlink crossed is known, and remembering *which* object was found, so that a later stage can prove
//! that it still works on the same one. What does not: judging whether the result is acceptable.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use policies::AbsolutePath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use serde::{Deserialize, Serialize};

/// Symlinks followed before a path counts as a loop; the kernel's own limit. path_resolution(7).
const MAX_LINKS: usize = 40;

/// Which object a path led to: device and inode number, as stat(2) reports them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// Which version of which file: it is another one when the file was replaced, written to, or had its mode or owner
/// changed. The time of the last change cannot be set by whoever may write the file. inode(7), `ctime`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct FileVersion {
    file: Identity,
    size: i64,
    changed_s: i64,
    changed_ns: u64,
}

impl FileVersion {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            file: Identity::of(stat),
            size: stat.st_size,
            changed_s: stat.st_ctime,
            changed_ns: stat.st_ctime_nsec,
        }
    }

    /// Of what `path` leads to now.
    ///
    /// # Errors
    /// As stat(2).
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&rustix::fs::stat(path)?))
    }
}

/// What kind of object a path led to, as far as mounting cares.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Kind {
    /// A directory: a mount over it hides or shows a subtree.
    Directory,
    /// Anything else: a mount covers this one name.
    File,
}

/// A symlink crossed on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    /// Where the link itself lies; its parent is fully resolved.
    pub(crate) at: AbsolutePath,
    /// What it says, verbatim.
    pub(crate) target: PathBuf,
}

/// An existing object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    /// Its path without any symlink.
    pub(crate) path: AbsolutePath,
    pub(crate) kind: Kind,
    pub(crate) identity: Identity,
    /// Whether it has more than one name (hard links): hiding one does not hide the object.
    pub(crate) has_other_names: bool,
}

/// Where a path led.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Found(Found),
    /// Nothing there. `first` is the first component that does not exist; all above it is resolved.
    /// `rest` is what the path names below it, as spelled; empty when `first` is the last component.
    Missing {
        first: AbsolutePath,
        rest: PathBuf,
    },
}

/// A walked path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Resolution {
    pub(crate) target: Target,
    pub(crate) links: Vec<Link>,
}

impl Resolution {
    /// The resolved path: the object's own, or the first missing component.
    pub(crate) fn path(&self) -> &AbsolutePath {
        match &self.target {
            Target::Found(found) => &found.path,
            Target::Missing { first, .. } => first,
        }
    }
}

/// Walks `path` from `/`, following symlinks, the last one included.
///
/// # Errors
/// The system's error where a component cannot be examined; `ELOOP` after [`MAX_LINKS`] symlinks;
/// `ENOTDIR` where a component lies below something that is not a directory.
pub(crate) fn resolve(path: &Path) -> io::Result<Resolution> {
    let mut rest: VecDeque<OsString> = components(path).collect();
    let mut here = PathBuf::from("/");
    let mut found = None;
    let mut links = Vec::new();
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            here.pop();
            found = None;
            continue;
        }
        let candidate = here.join(&name);
        let stat = match rustix::fs::lstat(&candidate) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => {
                return Ok(Resolution {
                    target: Target::Missing {
                        first: absolute(&candidate)?,
                        rest: rest.into_iter().collect(),
                    },
                    links,
                });
            }
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            here = candidate;
            found = Some(stat);
            continue;
        }
        if links.len() == MAX_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let target = std::fs::read_link(&candidate)?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
            rest.push_front(name);
        }
        links.push(Link { at: absolute(&candidate)?, target });
        found = None;
    }
    let stat = match found {
        Some(stat) => stat,
        None => rustix::fs::lstat(&here)?,
    };
    Ok(Resolution { target: Target::Found(describe(absolute(&here)?, &stat)), links })
}

/// The symlinks that are crossed on the way to `path`, the last component included, each where it lies itself. What
/// does not exist ends the way.
///
/// # Errors
/// The system's error where a component cannot be examined.
pub fn links_on(path: &Path) -> io::Result<Vec<AbsolutePath>> {
    Ok(resolve(path)?.links.into_iter().map(|link| link.at).collect())
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn describe(path: AbsolutePath, stat: &Stat) -> Found {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::File,
    };
    Found { path, kind, identity: Identity::of(stat), has_other_names: stat.st_nlink > 1 }
}

fn absolute(path: &Path) -> io::Result<AbsolutePath> {
    AbsolutePath::parse(path).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// What lies at `name` in `directory`, without following a symlink there.
///
/// # Errors
/// The system's error, except that a missing name is `None`.
pub(crate) fn child_type(directory: &AbsolutePath, name: &OsStr) -> io::Result<Option<FileType>> {
    match rustix::fs::lstat(directory.as_path().join(name)) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the directory belongs to us, so that the command, which runs as us, could change its mode.
pub(crate) fn is_ours(directory: &AbsolutePath) -> bool {
    rustix::fs::stat(directory.as_path()).is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw())
}

/// Opens the object at `path` as a handle, refusing any symlink on the way. openat2(2), Linux 5.6.
///
/// # Errors
/// `ELOOP` when a component has become a symlink since it was resolved.
pub(crate) fn open_resolved(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(rustix::fs::CWD, path, flags, Mode::empty(), resolve)?)
}

/// Opens the directory that `path` leads to now, through symlinks, as a handle.
///
/// # Errors
/// As open(2).
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The identity of what an open handle refers to.
///
/// # Errors
/// As fstat(2).
pub(crate) fn identity_of(handle: impl std::os::fd::AsFd) -> io::Result<Identity> {
    Ok(Identity::of(&rustix::fs::fstat(handle)?))
}

/// The identity of what `path` leads to now, not following a final symlink.
///
/// # Errors
/// As lstat(2).
pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    Ok(Identity::of(&rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_and_reported() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("real")).unwrap();
        symlink("real", base.join("link")).unwrap();
        let resolved = resolve(&base.join("link/../link")).unwrap();
        assert_eq!(resolved.path().as_path(), base.join("real"));
        assert_eq!(resolved.links.len(), 2);
        assert_eq!(resolved.links[0].at.as_path(), base.join("link"));
    }

    #[test]
    fn the_first_missing_component_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        symlink("gone/deep", base.join("link")).unwrap();
        let resolved = resolve(&base.join("link/leaf")).unwrap();
        assert_eq!(
            resolved.target,
            Target::Missing { first: absolute(&base.join("gone")).unwrap(), rest: "deep/leaf".into() }
        );
    }

    #[test]
    fn a_loop_and_a_file_in_the_way_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let error = resolve(&dir.path().join("loop")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = resolve(&dir.path().join("file/below")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTDIR));
    }
}
