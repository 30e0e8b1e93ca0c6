//! Files of the administrator: those whose location promises that nobody else wrote them.
//!
//! The promise is checked, not assumed: the file and each folder that leads to it belong to the administrator, and
//! nobody else may write to them. Each is opened once, without following a symlink, and what is judged is the
//! opened object, so that nothing can be exchanged between the judgement and the reading. What is not there is
//! absent; whatever else goes wrong is an error, since a limit that can be skipped is none.

mod error;
#[cfg(debug_assertions)]
mod replacement;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::path::AbsolutePath;
use crate::rules::text_of;
use crate::subpath::RelativeSubpath;

pub use error::{AdminError, Writer};

/// The largest file that is read. Requirements stay far below; a bound keeps a mistaken file from filling memory.
pub const MAX_ADMIN_BYTES: u64 = 1 << 20;

/// The most files that are read from one folder.
pub const MAX_ADMIN_FILES: usize = 256;

/// A text from a place that only the administrator may write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminFile {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// A folder that only the administrator may write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminFolder {
    path: AbsolutePath,
    /// The user who, beside root, may own what is read.
    owner: u32,
    above: Above,
}

/// What is known of the folders above.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Above {
    /// Nothing: each has to keep the promise too, since whoever may write there could exchange the folder.
    Judged,
    /// The caller vouches for them.
    Vouched,
}

impl AdminFolder {
    /// `/etc/codex`, which has to belong to root, like all that lead to it.
    ///
    /// Debug builds, and only they, take another folder for tests.
    pub fn system() -> Self {
        #[cfg(debug_assertions)]
        if let Some(folder) = replacement::folder() {
            return folder;
        }
        // On macOS `/etc` is a symlink, and none is followed.
        let root = AbsolutePath::root();
        let above = if cfg!(target_os = "macos") { root.child("private") } else { root };
        Self { path: above.child("etc").child("codex"), owner: 0, above: Above::Judged }
    }

    /// A folder of an administrator that is this user. Root may own what is in it as well. The caller vouches for
    /// the folders above: they are not examined, and symlinks among them are followed.
    pub fn at(path: AbsolutePath, owner: u32) -> Self {
        Self { path, owner, above: Above::Vouched }
    }

    /// The folder.
    pub fn path(&self) -> &AbsolutePath {
        &self.path
    }

    /// Reads the file of this name; `None` when it, or the whole folder, is not there.
    ///
    /// # Errors
    /// [`AdminError`]: it is there, and cannot be read or believed.
    pub fn read(&self, name: &str) -> Result<Option<AdminFile>, AdminError> {
        plain(name)?;
        let Some(folder) = self.open()? else { return Ok(None) };
        self.read_in(folder.as_fd(), self.path.as_path(), OsStr::new(name))
    }

    /// Reads all files of a folder in this one whose names end in `suffix`, in the order of the names' bytes; none
    /// when there is no such folder.
    ///
    /// # Errors
    /// [`AdminError`] for the first that cannot be read or believed: a file that is left out could be the one that
    /// limits. That holds for hidden files as well.
    pub fn read_all(&self, subfolder: &str, suffix: &str) -> Result<Vec<AdminFile>, AdminError> {
        plain(subfolder)?;
        let Some(folder) = self.open()? else { return Ok(Vec::new()) };
        let path = self.path.as_path().join(subfolder);
        let Some(folder) = open_folder(folder.as_fd(), OsStr::new(subfolder), &path)? else {
            return Ok(Vec::new());
        };
        self.judge(&path, &examine(&folder, &path)?)?;
        let names = list(&folder, &path, suffix, MAX_ADMIN_FILES)?;
        let read = |name: &PathBuf| {
            let file = self.read_in(folder.as_fd(), &path, name.as_os_str())?;
            // It was there a moment ago, so this is no absence to rely on.
            let gone = || AdminError::Read { path: path.join(name), source: Errno::NOENT.into() };
            file.ok_or_else(gone)
        };
        names.iter().map(read).collect()
    }

    /// Opens the folder and judges it; `None` when it is not there.
    ///
    /// The folders above are judged only when it is: without it there is nothing to believe, and a process in a
    /// user namespace of its own, which sees `/` owned by nobody, can do without.
    fn open(&self) -> Result<Option<OwnedFd>, AdminError> {
        let path = self.path.as_path();
        let (folder, above) = match self.above {
            Above::Vouched => (open_folder(CWD, path.as_os_str(), path)?, Vec::new()),
            Above::Judged => descend(path)?,
        };
        let Some(folder) = folder else { return Ok(None) };
        for ancestor in &above {
            self.judge(&ancestor.path, &ancestor.seen)?;
        }
        self.judge(path, &examine(&folder, path)?)?;
        Ok(Some(folder))
    }

    /// Reads a file of an open folder; `None` when it is not there.
    fn read_in(
        &self,
        folder: BorrowedFd<'_>,
        above: &Path,
        name: &OsStr,
    ) -> Result<Option<AdminFile>, AdminError> {
        let path = above.join(name);
        let Some(file) = open_file(folder, name, &path)? else { return Ok(None) };
        self.judge(&path, &examine(&file, &path)?)?;
        let text = text_of_file(read_bytes(file, &path)?, &path)?;
        Ok(Some(AdminFile { path, text }))
    }

    /// Whether nobody else can have written this object.
    ///
    /// Root's group counts as root, as on systems that give `/etc` to it. Beside an access control list the bits of
    /// the group say what anybody in the list may do at most, so then they are no word about root's group.
    fn judge(&self, path: &Path, seen: &Seen) -> Result<(), AdminError> {
        let Seen { stat, has_list, is_shared } = seen;
        if stat.st_uid != self.owner && stat.st_uid != 0 {
            return Err(AdminError::Owner {
                path: path.to_owned(),
                found: stat.st_uid,
                required: self.owner,
            });
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        let writer = if mode.contains(Mode::WOTH) {
            Writer::Everybody
        } else if mode.contains(Mode::WGRP) && *has_list {
            Writer::Listed
        } else if mode.contains(Mode::WGRP) && (stat.st_gid != 0 || *is_shared) {
            Writer::Group(stat.st_gid)
        } else {
            return Ok(());
        };
        Err(AdminError::Writable { path: path.to_owned(), writer })
    }
}

/// An open object, as far as it is judged.
struct Seen {
    stat: Stat,
    /// Whether an access control list says more than the mode.
    has_list: bool,
    /// Whether somebody other than root is in root's group.
    is_shared: bool,
}

/// A folder on the way.
struct Ancestor {
    path: PathBuf,
    seen: Seen,
}

/// Refuses a name that leads elsewhere.
fn plain(name: &str) -> Result<(), AdminError> {
    let is_plain = !name.contains('/') && RelativeSubpath::parse(name).is_ok_and(|name| !name.is_base());
    if is_plain { Ok(()) } else { Err(AdminError::Name { name: name.to_owned() }) }
}

/// Opens a folder and those above it one by one from `/`. Those above come with what they are.
fn descend(path: &Path) -> Result<(Option<OwnedFd>, Vec<Ancestor>), AdminError> {
    let mut here = PathBuf::from("/");
    let mut above = Vec::new();
    let mut folder = open_folder(CWD, here.as_os_str(), &here)?;
    for component in path.components().filter(|component| matches!(component, Component::Normal(_))) {
        let Some(parent) = folder else { break };
        above.push(Ancestor { seen: examine(&parent, &here)?, path: here.clone() });
        here.push(component);
        folder = open_folder(parent.as_fd(), component.as_os_str(), &here)?;
    }
    Ok((folder, above))
}

/// Opens a folder that is no symlink; `None` when it is not there.
fn open_folder(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Option<OwnedFd>, AdminError> {
    open(parent, name, path, OFlags::DIRECTORY)
}

/// Opens a regular file that is no symlink; `None` when it is not there.
pub(crate) fn open_file(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
) -> Result<Option<OwnedFd>, AdminError> {
    // Opening a pipe that nobody writes into would wait forever.
    let Some(file) = open(folder, name, path, OFlags::NONBLOCK | OFlags::NOCTTY)? else { return Ok(None) };
    let kind = FileType::from_raw_mode(stat(&file, path)?.st_mode);
    if kind == FileType::RegularFile {
        Ok(Some(file))
    } else {
        Err(AdminError::NotAFile { path: path.to_owned(), kind: name_of(kind) })
    }
}

/// Opens an object for reading without following a symlink.
fn open(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    flags: OFlags,
) -> Result<Option<OwnedFd>, AdminError> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let errno = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(object) => return Ok(Some(object)),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => errno,
    };
    let path = path.to_owned();
    // Only to say why: opening has failed whatever this tells.
    let found = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|stat| FileType::from_raw_mode(stat.st_mode));
    Err(match found {
        Ok(FileType::Symlink) => AdminError::Link { path },
        Ok(kind) if errno == Errno::NOTDIR => AdminError::NotAFolder { path, kind: name_of(kind) },
        Ok(FileType::Socket) => AdminError::NotAFile { path, kind: name_of(FileType::Socket) },
        Ok(_) | Err(_) => AdminError::Read { path, source: errno.into() },
    })
}

/// What an open object is.
fn stat(object: &OwnedFd, path: &Path) -> Result<Stat, AdminError> {
    let failed = |errno: Errno| AdminError::Read { path: path.to_owned(), source: errno.into() };
    rustix::fs::fstat(object).map_err(failed)
}

/// What an open object is, and whether somebody is listed who may do something with it.
fn examine(object: &OwnedFd, path: &Path) -> Result<Seen, AdminError> {
    let failed = |errno: Errno| AdminError::Read { path: path.to_owned(), source: errno.into() };
    let (stat, has_list) = (stat(object, path)?, has_list(object).map_err(failed)?);
    let groups = rustix::process::getgroups().map_err(failed)?;
    let group = rustix::process::getegid();
    let is_shared = is_shared(
        rustix::process::geteuid().is_root(),
        groups.iter().chain([&group]).map(|group| group.as_raw()),
    );
    Ok(Seen { stat, has_list, is_shared })
}

/// Whether root's group is not root's alone, as far as this process can tell: it is in it and not root. Containers
/// that give each start a number of its own do that.
fn is_shared(is_root: bool, groups: impl IntoIterator<Item = u32>) -> bool {
    !is_root && groups.into_iter().any(|group| group == 0)
}

/// Whether an object has an access control list. What a folder passes on to new files (`default`) lets nobody write
/// the folder itself. acl(5).
#[cfg(target_os = "linux")]
fn has_list(object: &OwnedFd) -> Result<bool, Errno> {
    // Without a buffer only the length is asked for.
    let mut no_buffer: [u8; 0] = [];
    match rustix::fs::fgetxattr(object, "system.posix_acl_access", &mut no_buffer[..]) {
        Ok(_) => Ok(true),
        // None, or a file system that has none.
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Elsewhere lists do not show in the bits of the group.
#[cfg(not(target_os = "linux"))]
fn has_list(_object: &OwnedFd) -> Result<bool, Errno> {
    Ok(false)
}

/// The names in a folder that end in `suffix`, sorted. More than `most` are an error.
pub(crate) fn list(
    folder: &OwnedFd,
    path: &Path,
    suffix: &str,
    most: usize,
) -> Result<Vec<PathBuf>, AdminError> {
    let failed = |errno: Errno| AdminError::Read { path: path.to_owned(), source: errno.into() };
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if !name.ends_with(suffix.as_bytes()) {
            continue;
        }
        if names.len() >= most {
            return Err(AdminError::TooMany { path: path.to_owned(), most });
        }
        names.push(PathBuf::from(OsStr::from_bytes(name)));
    }
    names.sort_by(|left, right| left.as_os_str().as_bytes().cmp(right.as_os_str().as_bytes()));
    Ok(names)
}

/// The bytes of a file as text.
pub(crate) fn text_of_file(bytes: Vec<u8>, path: &Path) -> Result<String, AdminError> {
    let text = text_of(bytes).map_err(|place| AdminError::Encoding { path: path.to_owned(), place })?;
    match text.bytes().position(|byte| byte == 0) {
        None => Ok(text),
        Some(at) => Err(AdminError::Nul { path: path.to_owned(), line: execpolicy::line_of(&text, at) }),
    }
}

/// Reads an open file of limited size.
pub(crate) fn read_bytes(file: OwnedFd, path: &Path) -> Result<Vec<u8>, AdminError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too big; its stated length could change while reading.
    File::from(file)
        .take(MAX_ADMIN_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| AdminError::Read { path: path.to_owned(), source })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_ADMIN_BYTES) {
        Ok(bytes)
    } else {
        Err(AdminError::TooBig { path: path.to_owned() })
    }
}

/// A kind of object, for people.
fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symlink",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "no file",
    }
}

#[cfg(test)]
mod tests;
