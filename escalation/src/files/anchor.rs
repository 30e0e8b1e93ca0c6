//! Directory handles, and the way from one to the folder that was judged.
//!
//! Every folder that is written to is reached from its anchor: the topmost writable folder above it, or `/` for one
//! that lies outside. The way goes through no symlink, cannot leave the anchor, and must end in the same folder that
//! was judged. openat2(2), Linux 5.6.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policies::AbsolutePath;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::apply_error::Cause;
use super::version::Identity;

/// A handle for looking things up in a folder. Linux needs no permission to read it for that.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// A handle for looking things up in a folder.
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The folder from which others are reached.
#[derive(Debug)]
pub(super) struct Anchor {
    path: AbsolutePath,
    handle: OwnedFd,
    identity: Identity,
}

impl Anchor {
    /// Opens the folder at a path that has no symlink.
    ///
    /// # Errors
    /// Those of openat2(2): `ELOOP` where a component has become a symlink.
    pub(super) fn open(path: AbsolutePath) -> io::Result<Self> {
        let handle = open_without_links(path.as_path())?;
        let identity = identity_of(handle.as_fd())?;
        Ok(Self { path, handle, identity })
    }

    pub(super) fn path(&self) -> &AbsolutePath {
        &self.path
    }
}

/// A folder that was judged, or made by us.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    anchor: Arc<Anchor>,
    below: PathBuf,
    path: AbsolutePath,
    identity: Identity,
}

impl Folder {
    /// The folder at `path`, which is the anchor or lies below it.
    ///
    /// # Errors
    /// `EXDEV` if it does not.
    pub(super) fn new(anchor: Arc<Anchor>, path: AbsolutePath, identity: Identity) -> io::Result<Self> {
        let below = path.as_path().strip_prefix(anchor.path.as_path()).map_err(|_| Errno::XDEV)?.to_owned();
        Ok(Self { anchor, below, path, identity })
    }

    pub(super) fn path(&self) -> &AbsolutePath {
        &self.path
    }

    /// The path of a name in it.
    pub(super) fn child(&self, name: &OsStr) -> AbsolutePath {
        // A name of a place has no NUL byte: the walk that found it refuses those.
        self.path.join_normalised(name).unwrap_or_else(|_| self.path.clone())
    }

    /// A folder in this one that was just made.
    ///
    /// # Errors
    /// [`Cause`], if it is no folder any more.
    pub(super) fn made(&self, handle: BorrowedFd<'_>, name: &OsStr) -> Result<Self, Cause> {
        let path = self.child(name);
        let failed = Cause::system(&path, "open");
        let identity =
            open_child(handle, name).and_then(|child| identity_of(child.as_fd())).map_err(failed)?;
        Ok(Self { anchor: Arc::clone(&self.anchor), below: self.below.join(name), path, identity })
    }

    /// Opens it again.
    ///
    /// # Errors
    /// [`Cause::Changed`] if its name leads elsewhere now.
    pub(super) fn open(&self) -> Result<OwnedFd, Cause> {
        let gone =
            || Cause::Changed { path: self.path.clone(), what: "the folder is not the one that was judged" };
        let still_there = open_without_links(self.anchor.path.as_path())
            .and_then(|handle| identity_of(handle.as_fd()))
            .is_ok_and(|identity| identity == self.anchor.identity);
        if !still_there {
            return Err(gone());
        }
        let handle = match open_beneath(self.anchor.handle.as_fd(), &self.below) {
            Ok(handle) => handle,
            Err(error) => {
                return Err(match Errno::from_io_error(&error) {
                    Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => gone(),
                    Some(_) | None => Cause::system(&self.path, "open")(error),
                });
            }
        };
        match identity_of(handle.as_fd()).map_err(Cause::system(&self.path, "look at"))? {
            identity if identity == self.identity => Ok(handle),
            _another => Err(gone()),
        }
    }
}

/// Opens `/`.
///
/// # Errors
/// Those of open(2).
pub(super) fn open_root() -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, "/", FOLDER, Mode::empty())?)
}

/// Opens the folder at an absolute path that has no symlink.
///
/// # Errors
/// Those of openat2(2): `ELOOP` where a component is a symlink.
pub(super) fn open_without_links(path: &Path) -> io::Result<OwnedFd> {
    open_beneath(open_root()?.as_fd(), path.strip_prefix("/").unwrap_or(path))
}

/// Opens the folder `name` in another one.
///
/// # Errors
/// Those of openat(2): `ENOTDIR` or `ELOOP` where it is a symlink.
pub(super) fn open_child(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Opens a folder below another one, through no symlink and never outside it.
///
/// # Errors
/// Those of openat2(2).
fn open_beneath(anchor: BorrowedFd<'_>, below: &Path) -> io::Result<OwnedFd> {
    match open_at_once(anchor, below) {
        Err(Errno::NOSYS) => open_step_by_step(anchor, below),
        opened => Ok(opened?),
    }
}

#[cfg(target_os = "linux")]
fn open_at_once(anchor: BorrowedFd<'_>, below: &Path) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(anchor, below, FOLDER, Mode::empty(), resolve)
}

/// Only Linux has the call.
#[cfg(not(target_os = "linux"))]
fn open_at_once(_anchor: BorrowedFd<'_>, _below: &Path) -> rustix::io::Result<OwnedFd> {
    Err(Errno::NOSYS)
}

/// The same by one call for each component. As strong: each is looked up in the folder that the last call returned,
/// none is followed, and none is `..`.
fn open_step_by_step(anchor: BorrowedFd<'_>, below: &Path) -> io::Result<OwnedFd> {
    let mut here = anchor.try_clone_to_owned()?;
    for component in below.components() {
        let std::path::Component::Normal(name) = component else { return Err(Errno::XDEV.into()) };
        here = open_child(here.as_fd(), name)?;
    }
    Ok(here)
}

fn identity_of(handle: BorrowedFd<'_>) -> io::Result<Identity> {
    Ok(Identity::of(&rustix::fs::fstat(handle)?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn both_ways_down_end_in_the_same_place() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("a/b")).unwrap();
        symlink("a", base.join("link")).unwrap();
        std::fs::write(base.join("file"), "").unwrap();
        let anchor = open_without_links(&base).unwrap();
        for (below, is_reached) in [
            ("", true),
            ("a", true),
            ("a/b", true),
            ("link", false),
            ("link/b", false),
            ("file", false),
            ("..", false),
        ] {
            let once =
                open_at_once(anchor.as_fd(), Path::new(below)).map(|fd| identity_of(fd.as_fd()).unwrap());
            let steps = open_step_by_step(anchor.as_fd(), Path::new(below))
                .map(|fd| identity_of(fd.as_fd()).unwrap());
            assert_eq!((once.is_ok(), steps.is_ok()), (is_reached, is_reached), "{below}");
            assert_eq!(once.ok(), steps.ok(), "{below}");
        }
    }
}
