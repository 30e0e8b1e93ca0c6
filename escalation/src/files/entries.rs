//! Names in folders: what the journal and the application do to them, each one call that the kernel does at once.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use policies::AbsolutePath;
use rustix::fs::{AtFlags, CWD, RenameFlags, Stat};
use rustix::io::Errno;

use super::anchor::Folder;
use super::apply_error::Cause;

/// How the names begin that files have while a patch is applied.
pub(super) const PREFIX: &str = ".codex-patch-";

/// A name that nobody else has.
pub(super) fn passing_name() -> OsString {
    format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()).into()
}

/// A name in a folder.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) folder: Folder,
    pub(super) name: OsString,
}

impl Spot {
    pub(super) fn new(folder: &Folder, name: &OsStr) -> Self {
        Self { folder: folder.clone(), name: name.to_owned() }
    }

    /// A fresh name in the same folder.
    pub(super) fn passing(&self) -> Self {
        Self { folder: self.folder.clone(), name: passing_name() }
    }

    pub(super) fn path(&self) -> AbsolutePath {
        self.folder.child(&self.name)
    }

    /// What is there, without following a symlink.
    ///
    /// # Errors
    /// [`Cause`]; that nothing is there is `None`.
    pub(super) fn look(&self) -> Result<Option<Stat>, Cause> {
        look(self.folder.open()?.as_fd(), &self.name).map_err(Cause::system(&self.path(), "look at"))
    }

    /// Removes the name of what is no folder.
    ///
    /// # Errors
    /// [`Cause`].
    pub(super) fn unlink(&self) -> Result<(), Cause> {
        let failed = Cause::system(&self.path(), "remove");
        rustix::fs::unlinkat(self.folder.open()?, &self.name, AtFlags::empty()).map_err(failed)
    }

    /// Gives a file another name, which nothing has.
    ///
    /// # Errors
    /// [`Cause::Changed`] if the name is taken; other [`Cause`]s.
    pub(super) fn move_to(&self, to: &Self) -> Result<(), Cause> {
        let (here, there) = (self.folder.open()?, to.folder.open()?);
        let renamed = match rename_new(here.as_fd(), &self.name, there.as_fd(), &to.name) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                move_by_link(here.as_fd(), &self.name, there.as_fd(), &to.name)
            }
            renamed => renamed,
        };
        renamed.map_err(|error| match error {
            Errno::EXIST => taken(to),
            Errno::NOENT => Cause::Changed { path: self.path(), what: "it is gone" },
            error => Cause::system(&self.path(), "rename")(error),
        })
    }

    /// Exchanges two names at once. `false` if the file system cannot do that.
    ///
    /// # Errors
    /// [`Cause`].
    pub(super) fn exchange(&self, other: &Self) -> Result<bool, Cause> {
        let (here, there) = (self.folder.open()?, other.folder.open()?);
        match exchange(here.as_fd(), &self.name, there.as_fd(), &other.name) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(Errno::NOENT) => Err(Cause::Changed { path: other.path(), what: "it is gone" }),
            Err(error) => Err(Cause::system(&other.path(), "replace")(error)),
        }
    }

    /// Gives a file that has no name this one.
    ///
    /// # Errors
    /// [`Cause::Changed`] if the name is taken; other [`Cause`]s.
    pub(super) fn name_file(&self, file: &OwnedFd) -> Result<(), Cause> {
        let folder = self.folder.open()?;
        name_file(file, folder.as_fd(), &self.name).map_err(|error| match error {
            Errno::EXIST => taken(self),
            error => Cause::system(&self.path(), "create")(error),
        })
    }
}

fn taken(spot: &Spot) -> Cause {
    Cause::Changed { path: spot.path(), what: "something is there now" }
}

/// What a name leads to, without following it.
///
/// # Errors
/// As fstatat(2), except that a missing name is `None`.
pub(super) fn look(folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// renameat2(2), `RENAME_NOREPLACE`
fn rename_new(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    to: BorrowedFd<'_>,
    new: &OsStr,
) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(folder, name, to, new, RenameFlags::NOREPLACE)
}

/// The same for a file system that only knows rename(2), which replaces. A second name does not.
fn move_by_link(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    to: BorrowedFd<'_>,
    new: &OsStr,
) -> rustix::io::Result<()> {
    rustix::fs::linkat(folder, name, to, new, AtFlags::empty())?;
    rustix::fs::unlinkat(folder, name, AtFlags::empty()).inspect_err(|_| {
        rustix::fs::unlinkat(to, new, AtFlags::empty()).ok();
    })
}

/// renameat2(2), `RENAME_EXCHANGE`
fn exchange(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    to: BorrowedFd<'_>,
    other: &OsStr,
) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(folder, name, to, other, RenameFlags::EXCHANGE)
}

/// open(2), `O_TMPFILE`: the way through `/proc` needs no capability, the one without `/proc` did before Linux 6.10.
fn name_file(file: &OwnedFd, folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    let by_descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(CWD, by_descriptor, folder, name, AtFlags::SYMLINK_FOLLOW) {
        Err(Errno::NOENT | Errno::NOTDIR) => link_descriptor(file, folder, name),
        linked => linked,
    }
}

#[cfg(target_os = "linux")]
fn link_descriptor(file: &OwnedFd, folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    rustix::fs::linkat(file, "", folder, name, AtFlags::EMPTY_PATH)
}

/// Only Linux makes files without a name.
#[cfg(not(target_os = "linux"))]
fn link_descriptor(_file: &OwnedFd, _folder: BorrowedFd<'_>, _name: &OsStr) -> rustix::io::Result<()> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn no_way_of_moving_replaces_anything() {
        let dir = tempfile::tempdir().unwrap();
        let folder = File::open(dir.path()).unwrap();
        let (one, other) = (OsStr::new("one"), OsStr::new("other"));
        for move_file in [rename_new, move_by_link] {
            std::fs::write(dir.path().join(one), "one").unwrap();
            std::fs::write(dir.path().join(other), "other").unwrap();
            assert_eq!(move_file(folder.as_fd(), one, folder.as_fd(), other), Err(Errno::EXIST));
            std::fs::remove_file(dir.path().join(other)).unwrap();
            move_file(folder.as_fd(), one, folder.as_fd(), other).unwrap();
            assert_eq!(std::fs::read(dir.path().join(other)).unwrap(), b"one");
            assert_eq!(look(folder.as_fd(), one).unwrap().map(|_| ()), None);
        }
    }

    #[test]
    fn a_file_without_a_name_gets_one_both_ways() {
        let dir = tempfile::tempdir().unwrap();
        let folder = File::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("taken"), "").unwrap();
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::TMPFILE;
        for (way, name) in [(name_file as fn(&OwnedFd, _, _) -> _, "one"), (link_descriptor, "other")] {
            let file = rustix::fs::openat(&folder, ".", flags, rustix::fs::Mode::RUSR).unwrap();
            assert_eq!(way(&file, folder.as_fd(), OsStr::new("taken")), Err(Errno::EXIST));
            way(&file, folder.as_fd(), OsStr::new(name)).unwrap();
            assert!(dir.path().join(name).exists());
        }
    }
}
