//! From a name as the agent spells it to the place that it leads to.
//!
//! The path is walked component by component from a directory handle, so that what each one is and where it lies are
//! known, and nothing is resolved twice (I7).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use policies::AbsolutePath;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::anchor::{open_child, open_root, open_without_links};
use super::error::{FileChangeError, FileKind};
use super::special;
use super::version::{Identity, Version};

/// Symlinks followed before a path counts as a loop; the kernel's own limit. path_resolution(7)
const MAX_LINKS: usize = 40;
/// The longest path, in bytes, also after symlinks were followed. path_resolution(7), `PATH_MAX`
const MAX_PATH: usize = 4096;
/// The longest name, in bytes. path_resolution(7), `NAME_MAX`
const MAX_NAME: usize = 255;

/// What to do about a symlink as the last component.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LastLink {
    /// The change is about what it leads to, also if that is missing.
    Followed,
    /// The change is about the link.
    Kept,
}

/// Where a path led.
#[derive(Debug)]
pub(super) enum Walked {
    /// To a folder.
    Folder(AbsolutePath),
    /// To a name in a folder.
    Entry(Box<Place>),
}

/// A name in a folder: where something is or would be.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its path without any symlink.
    pub(super) path: AbsolutePath,
    /// The nearest folder above that exists.
    pub(super) folder: AbsolutePath,
    /// Which folder that is.
    pub(super) identity: Identity,
    /// The folders between that one and the name, all missing.
    pub(super) missing: Vec<OsString>,
    /// The last component.
    pub(super) name: OsString,
    /// What is there.
    pub(super) found: Option<Version>,
}

/// Follows `spelled`, which is read from `cwd` unless it starts at `/`.
///
/// # Errors
/// [`FileChangeError`]: `InvalidPath`, `Unresolved`, `BelowFile` and `Special`.
pub(super) fn walk(spelled: &Path, cwd: &AbsolutePath, last: LastLink) -> Result<Walked, FileChangeError> {
    let bytes = spelled.as_os_str().as_bytes();
    let invalid = |why| Err(FileChangeError::InvalidPath { path: spelled.to_owned(), why });
    match bytes {
        [] => return invalid("it is empty"),
        bytes if bytes.contains(&0) => return invalid("it has a NUL byte"),
        bytes if bytes.len() > MAX_PATH => {
            // A message is for reading: the start of it says which one it is.
            let start = bytes.iter().take(MAX_NAME).copied().collect::<Vec<_>>();
            let path = PathBuf::from(OsString::from_vec(start));
            return Err(FileChangeError::InvalidPath { path, why: "it goes on, and is too long" });
        }
        _ => {}
    }
    let unresolved = |source| FileChangeError::Unresolved { path: spelled.to_owned(), source };
    let walked = Walker::new(spelled, cwd, last).map_err(unresolved)?.run()?;
    let path = match &walked {
        Walked::Folder(path) => path,
        Walked::Entry(place) => &place.path,
    };
    match path.as_path().as_os_str() {
        // Records and answers are text; a path that has no exact text could not be put on record (I9).
        resolved if resolved.to_str().is_none() => invalid("it leads to a name that is not UTF-8"),
        resolved if resolved.len() >= MAX_PATH => invalid("it leads to a path that is too long"),
        _ => Ok(walked),
    }
}

/// As [`walk`], for what must be a file: a spelling that only a folder can have is refused.
///
/// # Errors
/// As [`walk`], and [`FileChangeError::NotAFile`].
pub(super) fn walk_to_file(
    spelled: &Path,
    cwd: &AbsolutePath,
    last: LastLink,
) -> Result<Place, FileChangeError> {
    let name = spelled.as_os_str().as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if !spelled.as_os_str().is_empty() && matches!(name, b"" | b"." | b"..") {
        let why = "it ends like the name of a folder";
        return Err(FileChangeError::InvalidPath { path: spelled.to_owned(), why });
    }
    match walk(spelled, cwd, last)? {
        Walked::Folder(path) => Err(FileChangeError::NotAFile { path, kind: FileKind::Folder }),
        Walked::Entry(place) => Ok(*place),
    }
}

struct Walker<'a> {
    spelled: &'a Path,
    last: LastLink,
    here: PathBuf,
    handle: OwnedFd,
    rest: VecDeque<OsString>,
    links: usize,
}

impl<'a> Walker<'a> {
    fn new(spelled: &'a Path, cwd: &AbsolutePath, last: LastLink) -> io::Result<Self> {
        let mut rest = VecDeque::new();
        if !spelled.has_root() {
            rest.extend(components(cwd.as_path()));
        }
        rest.extend(components(spelled));
        Ok(Self { spelled, last, here: PathBuf::from("/"), handle: open_root()?, rest, links: 0 })
    }

    fn run(mut self) -> Result<Walked, FileChangeError> {
        while let Some(name) = self.rest.pop_front() {
            if let Some(place) = self.step(name)? {
                return Ok(Walked::Entry(Box::new(place)));
            }
        }
        self.refuse_special()?;
        Ok(Walked::Folder(self.absolute(&self.here)?))
    }

    /// Takes one component. The place, if the path ends with it.
    fn step(&mut self, name: OsString) -> Result<Option<Place>, FileChangeError> {
        if name == ".." {
            self.here.pop();
            self.handle = open_without_links(&self.here).map_err(|error| self.unresolved(error))?;
            return Ok(None);
        }
        let found = match rustix::fs::statat(&self.handle, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Version::of(stat),
            Err(Errno::NOENT) => return self.missing(name).map(Some),
            Err(error) => return Err(self.unresolved(error)),
        };
        let is_last = self.rest.is_empty();
        match found.kind() {
            FileKind::Symlink if is_last && self.last == LastLink::Kept => {
                self.place(Vec::new(), name, Some(found)).map(Some)
            }
            FileKind::Symlink => self.follow(&name).map(|()| None),
            FileKind::Folder => self.enter(&name).map(|()| None),
            FileKind::File | FileKind::Fifo | FileKind::Socket | FileKind::Device | FileKind::Unknown
                if is_last =>
            {
                self.place(Vec::new(), name, Some(found)).map(Some)
            }
            FileKind::File | FileKind::Fifo | FileKind::Socket | FileKind::Device | FileKind::Unknown => {
                Err(FileChangeError::BelowFile {
                    path: self.spelled.to_owned(),
                    file: self.absolute(&self.here.join(&name))?,
                })
            }
        }
    }

    fn enter(&mut self, name: &OsStr) -> Result<(), FileChangeError> {
        self.handle = open_child(self.handle.as_fd(), name).map_err(|error| self.unresolved(error))?;
        self.here.push(name);
        match special::is_special_name(&self.here) && self.here != Path::new("/dev") {
            true => Err(FileChangeError::Special { path: self.absolute(&self.here)? }),
            false => Ok(()),
        }
    }

    fn follow(&mut self, name: &OsStr) -> Result<(), FileChangeError> {
        // A link that lies among the devices or in `/proc` says what only the kernel understands.
        self.refuse_special()?;
        self.links = self.links.saturating_add(1);
        if self.links > MAX_LINKS {
            return Err(self.unresolved(Errno::LOOP));
        }
        let target = rustix::fs::readlinkat(&self.handle, name, Vec::new())
            .map_err(|error| self.unresolved(error))?
            .into_bytes();
        let target = PathBuf::from(OsString::from_vec(target));
        if target.has_root() {
            self.here = PathBuf::from("/");
            self.handle = open_root()
                .map_err(|source| FileChangeError::Unresolved { path: self.spelled.to_owned(), source })?;
        }
        let waiting =
            self.rest.iter().map(|name| name.len().saturating_add(1)).fold(0, usize::saturating_add);
        if waiting.saturating_add(target.as_os_str().len()) > MAX_PATH {
            return Err(self.unresolved(Errno::NAMETOOLONG));
        }
        for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
            self.rest.push_front(name);
        }
        Ok(())
    }

    /// The place of what does not exist: `first` is the first missing name.
    fn missing(&mut self, first: OsString) -> Result<Place, FileChangeError> {
        let mut missing = vec![first];
        missing.extend(std::mem::take(&mut self.rest));
        // The kernel finds no `..` in what does not exist, and neither do we.
        if missing.iter().any(|name| name == "..") {
            return Err(self.unresolved(Errno::NOENT));
        }
        if missing.iter().any(|name| name.len() > MAX_NAME) {
            return Err(self.unresolved(Errno::NAMETOOLONG));
        }
        let Some(name) = missing.pop() else { return Err(self.unresolved(Errno::NOENT)) };
        self.place(missing, name, None)
    }

    fn place(
        &self,
        missing: Vec<OsString>,
        name: OsString,
        found: Option<Version>,
    ) -> Result<Place, FileChangeError> {
        self.refuse_special()?;
        let identity = rustix::fs::fstat(&self.handle).map_err(|error| self.unresolved(error))?;
        let mut path = self.here.clone();
        path.extend(&missing);
        path.push(&name);
        Ok(Place {
            path: self.absolute(&path)?,
            folder: self.absolute(&self.here)?,
            identity: Identity::of(&identity),
            missing,
            name,
            found,
        })
    }

    fn refuse_special(&self) -> Result<(), FileChangeError> {
        let by_type = special::is_special(self.handle.as_fd()).map_err(|error| self.unresolved(error))?;
        match by_type || special::is_special_name(&self.here) {
            true => Err(FileChangeError::Special { path: self.absolute(&self.here)? }),
            false => Ok(()),
        }
    }

    fn absolute(&self, path: &Path) -> Result<AbsolutePath, FileChangeError> {
        AbsolutePath::parse(path).map_err(|error| FileChangeError::Unresolved {
            path: self.spelled.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })
    }

    fn unresolved(&self, error: impl Into<io::Error>) -> FileChangeError {
        FileChangeError::Unresolved { path: self.spelled.to_owned(), source: error.into() }
    }
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
