//! Finished content that has no place yet.
//!
//! A file is written in the file system that it will be in: without a name where the kernel can do that, so that
//! nothing is left even after SIGKILL, else under a passing name.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::anchor::Folder;
use super::applied::Note;
use super::apply_error::Cause;
use super::attributes;
use super::entries::Spot;
use super::journal::{Journal, Step};
use super::judged::Target;
use super::version::{Identity, Version};

/// Nameless files that are held open at once: a small part of what a process may have open (`RLIMIT_NOFILE`, usually
/// 1,024). A larger patch writes the rest under passing names.
pub(super) const MAX_NAMELESS: usize = 128;

/// A file that is complete but for its name.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) version: Version,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Nameless(OwnedFd),
    Named(Spot),
}

/// What a new file looks like.
pub(super) struct Wanted<'a> {
    /// What is in it.
    pub(super) content: &'a [u8],
    /// Whose mode, owner and attributes it keeps.
    pub(super) like: Option<&'a Target>,
    /// Who may execute it.
    pub(super) mode: Option<u32>,
    /// Where it will be, for notes.
    pub(super) target: &'a Target,
}

impl Staged {
    /// Writes a file on the file system of `target`'s nearest folder.
    ///
    /// # Errors
    /// [`Cause`]; what was written is gone when the journal is undone.
    pub(super) fn write(
        wanted: &Wanted<'_>,
        nameless: bool,
        journal: &mut Journal,
        notes: &mut Vec<Note>,
    ) -> Result<Self, Cause> {
        let path = &wanted.target.place.path;
        let folder = &wanted.target.folder;
        let model = wanted.like.map(open_model).transpose()?;
        // What replaces a file is nobody's until it has that file's mode; for a new one the umask decides.
        let mode = match wanted.like {
            Some(_) => Mode::RUSR | Mode::WUSR,
            None => attributes::new_mode(wanted.mode),
        };
        let (file, held) = create(folder, mode, nameless, journal)?;
        let mut file = File::from(file);
        file.write_all(wanted.content).map_err(Cause::system(path, "write"))?;
        let file = OwnedFd::from(file);
        if let Some((found, model)) = &model {
            let kept = attributes::keep(file.as_fd(), model.as_ref().map(AsFd::as_fd), found, wanted.mode)
                .map_err(Cause::system(path, "keep the mode of"))?;
            notes.extend(kept.into_iter().map(|lost| lost.note(path)));
        }
        let version = Version::of(rustix::fs::fstat(&file).map_err(Cause::system(path, "look at"))?);
        let held = held.map_or_else(|| Held::Nameless(file), Held::Named);
        Ok(Self { version, held })
    }

    /// Gives it a name that nothing has.
    ///
    /// # Errors
    /// [`Cause::Changed`] if the name is taken, or somebody exchanged the file.
    pub(super) fn place(&self, at: &Spot) -> Result<(), Cause> {
        match &self.held {
            Held::Nameless(file) => at.name_file(file),
            Held::Named(passing) => {
                self.check(passing)?;
                passing.move_to(at)
            }
        }
    }

    /// Where it is under a passing name in the folder of `at`.
    ///
    /// # Errors
    /// As [`Staged::place`].
    pub(super) fn named_beside(&self, at: &Spot, journal: &mut Journal) -> Result<Spot, Cause> {
        match &self.held {
            Held::Nameless(file) => {
                let passing = at.passing();
                passing.name_file(file)?;
                journal.push(Step::Passing { spot: passing.clone(), identity: self.version.identity() });
                Ok(passing)
            }
            Held::Named(passing) => self.check(passing).map(|()| passing.clone()),
        }
    }

    fn check(&self, passing: &Spot) -> Result<(), Cause> {
        match passing.look()? {
            Some(now) if self.version.is_renamed(&now) => Ok(()),
            Some(_) | None => Err(Cause::Changed { path: passing.path(), what: "it was exchanged" }),
        }
    }
}

/// The version and a handle of the file whose looks are kept. Without the right to read it there is no handle.
fn open_model(target: &Target) -> Result<(Version, Option<OwnedFd>), Cause> {
    let path = &target.place.path;
    let gone = |what| Cause::Changed { path: path.clone(), what };
    let found = target.place.found.ok_or_else(|| gone("nothing was there"))?;
    let folder = target.folder.open()?;
    // Should it be a FIFO by now, waiting for its writer would be for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let (now, handle): (Stat, _) = match rustix::fs::openat(&folder, &target.place.name, flags, Mode::empty())
    {
        Ok(handle) => (rustix::fs::fstat(&handle).map_err(Cause::system(path, "look at"))?, Some(handle)),
        Err(Errno::ACCESS) => {
            let stat = rustix::fs::statat(&folder, &target.place.name, AtFlags::SYMLINK_NOFOLLOW);
            (stat.map_err(Cause::system(path, "look at"))?, None)
        }
        Err(Errno::NOENT) => return Err(gone("it is gone")),
        Err(Errno::LOOP | Errno::NXIO) => return Err(gone("it is no regular file any more")),
        Err(error) => return Err(Cause::system(path, "open")(error)),
    };
    match found.is_unchanged(&now) {
        true => Ok((found, handle)),
        false => Err(gone("the file is another version")),
    }
}

fn create(
    folder: &Folder,
    mode: Mode,
    nameless: bool,
    journal: &mut Journal,
) -> Result<(OwnedFd, Option<Spot>), Cause> {
    let failed = Cause::system(folder.path(), "create a file in");
    let handle = folder.open()?;
    if nameless {
        match create_nameless(&handle, mode) {
            Ok(file) => return Ok((file, None)),
            // open(2): the file system or the kernel does not know O_TMPFILE.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let spot = Spot::new(folder, &super::entries::passing_name());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&handle, &spot.name, flags, mode).map_err(failed)?;
    let stat = rustix::fs::fstat(&file).map_err(Cause::system(folder.path(), "look into"))?;
    journal.push(Step::Passing { spot: spot.clone(), identity: Identity::of(&stat) });
    Ok((file, Some(spot)))
}

#[cfg(target_os = "linux")]
fn create_nameless(folder: &OwnedFd, mode: Mode) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(folder, ".", OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC, mode)
}

/// Only Linux makes files without a name.
#[cfg(not(target_os = "linux"))]
fn create_nameless(_folder: &OwnedFd, _mode: Mode) -> rustix::io::Result<OwnedFd> {
    Err(Errno::OPNOTSUPP)
}
