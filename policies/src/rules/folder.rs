//! The rule files of one `rules/` folder: which entries count, and opening them.
//!
//! The folder is opened once and its files relative to it, so that nothing that is renamed or replaced meanwhile
//! leads elsewhere (I7). What the files say is not read here.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::config_file;
use crate::display::escape;
use crate::path::AbsolutePath;

/// How the names of rule files end. Other files may lie beside them.
const SUFFIX: &[u8] = b".rules";
/// Rule files in one folder (I12): what people write by hand has a handful.
pub const MAX_FILES: usize = 1_000;
/// Entries of any name in one folder (I12).
const MAX_ENTRIES: usize = 10_000;

/// A folder whose rule files cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFolderError {
    /// It cannot be opened or listed.
    #[error("cannot read the rules folder `{}`", escape(.path))]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A symbolic link of a repository leads wherever its author likes.
    #[error("refused the rules folder `{}`: it is a symbolic link", escape(.path))]
    Symlink {
        /// The folder.
        path: PathBuf,
    },
    /// A symbolic link above it leads outside the repository.
    #[error("refused the rules folder `{}`: it leads to `{}`, outside the project `{root}`", escape(.path), escape(.target))]
    OutsideProject {
        /// The folder.
        path: PathBuf,
        /// Where the folder around it leads.
        target: PathBuf,
        /// The project.
        root: AbsolutePath,
    },
    /// It is a file, or a symbolic link to nothing.
    #[error("refused `{}`: it is no folder, and rules are read from the files in one", escape(.path))]
    NotAFolder {
        /// Its name.
        path: PathBuf,
    },
    /// More than anybody writes.
    #[error("refused the rules folder `{}`: it has more than {MAX_FILES} rule files, or {MAX_ENTRIES} entries", escape(.path))]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

impl RuleFolderError {
    /// The folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. }
            | Self::Symlink { path }
            | Self::OutsideProject { path, .. }
            | Self::NotAFolder { path }
            | Self::TooMany { path } => path,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read { .. } => "make it readable",
            Self::Symlink { .. } | Self::OutsideProject { .. } => "replace the link by a real folder",
            Self::NotAFolder { .. } => "replace it by a folder with files named `*.rules`, or remove it",
            Self::TooMany { .. } => "merge its files, and move others elsewhere",
        }
    }
}

/// Whether the folder itself may be a symbolic link. Files in it never are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Links {
    /// The user's own: it leads where he put it.
    Followed,
    /// The repository's.
    Refused,
}

/// An open folder, and the names in it that look like rule files, sorted by their bytes.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    /// Regular files.
    pub(super) files: Vec<OsString>,
    /// Anything else of such a name, and what it is.
    pub(super) others: Vec<(OsString, &'static str)>,
}

/// Opens and lists a folder. `None` if there is none.
///
/// # Errors
/// [`RuleFolderError`]. Nothing in the folder may be used then.
pub(super) fn open(path: &Path, links: Links) -> Result<Option<Folder>, RuleFolderError> {
    open_at(CWD, path, path, links)
}

/// Opens and lists a folder of a repository. `None` if there is none. Links above it may lead elsewhere in the
/// repository, like those to its config files, but not out of it.
///
/// # Errors
/// [`RuleFolderError`]. Nothing in the folder may be used then.
pub(super) fn open_in_project(root: &AbsolutePath, path: &Path) -> Result<Option<Folder>, RuleFolderError> {
    let failed = |source| RuleFolderError::Read { path: path.to_owned(), source };
    let (Some(around), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let resolved = match std::fs::canonicalize(around) {
        Ok(resolved) => resolved,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let Ok(below) = resolved.strip_prefix(root) else {
        return Err(RuleFolderError::OutsideProject {
            path: path.to_owned(),
            target: resolved,
            root: root.clone(),
        });
    };
    let around = config_file::open_below(root, below).map_err(failed)?;
    open_at(around.as_fd(), Path::new(name), path, Links::Refused)
}

/// Opens and lists the folder `name` in `around`, which messages call `path`.
fn open_at(
    around: BorrowedFd<'_>,
    name: &Path,
    path: &Path,
    links: Links,
) -> Result<Option<Folder>, RuleFolderError> {
    let failed = |source: Errno| RuleFolderError::Read { path: path.to_owned(), source: source.into() };
    let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, links == Links::Refused);
    let handle = match rustix::fs::openat(around, name, flags, Mode::empty()) {
        Ok(handle) => handle,
        Err(error @ (Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => return not_opened(path, links, error),
        Err(error) => return Err(failed(error)),
    };
    let mut folder = Folder { handle, files: Vec::new(), others: Vec::new() };
    let too_many = || RuleFolderError::TooMany { path: path.to_owned() };
    for (seen, entry) in Dir::read_from(&folder.handle).map_err(failed)?.enumerate() {
        let entry = entry.map_err(failed)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if seen >= MAX_ENTRIES || folder.files.len().saturating_add(folder.others.len()) > MAX_FILES {
            return Err(too_many());
        }
        if !is_rule_file_name(name) {
            continue;
        }
        let stat = rustix::fs::statat(&folder.handle, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => folder.files.push(name.to_owned()),
            FileType::Symlink => folder.others.push((name.to_owned(), "a symbolic link")),
            FileType::Directory => folder.others.push((name.to_owned(), "a folder")),
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => folder.others.push((name.to_owned(), "a special file")),
        }
    }
    if folder.files.len().saturating_add(folder.others.len()) > MAX_FILES {
        return Err(too_many());
    }
    folder.files.sort_unstable();
    folder.others.sort_unstable();
    Ok(Some(folder))
}

/// What it means that a folder of this name cannot be opened: that there is none, unless the name is taken.
fn not_opened(path: &Path, links: Links, error: Errno) -> Result<Option<Folder>, RuleFolderError> {
    let kind = match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
        // Nothing of that name, or a file above it: below that, nothing is.
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(source) => return Err(RuleFolderError::Read { path: path.to_owned(), source: source.into() }),
    };
    let path = path.to_owned();
    Err(match (kind, links) {
        (FileType::Symlink, Links::Refused) => RuleFolderError::Symlink { path },
        (FileType::Symlink, Links::Followed) if error == Errno::LOOP => {
            RuleFolderError::Read { path, source: error.into() }
        }
        // It was put there just now.
        (FileType::Directory, _) => RuleFolderError::Read { path, source: error.into() },
        (
            FileType::Symlink
            | FileType::RegularFile
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown,
            _,
        ) => RuleFolderError::NotAFolder { path },
    })
}

/// A stem is needed, and a leading dot makes one: `.rules` is none, `.a.rules` and `a.b.rules` are.
fn is_rule_file_name(name: &OsStr) -> bool {
    name.as_bytes().strip_suffix(SUFFIX).is_some_and(|stem| !stem.is_empty())
}

impl Folder {
    /// Opens one of [`Folder::files`].
    ///
    /// # Errors
    /// Those of openat(2), of which `ELOOP` says that it has become a symbolic link;
    /// [`io::ErrorKind::InvalidInput`] if it has become something else.
    pub(super) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        // Should it be a FIFO by now, waiting for its writer would be for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.handle, name, flags, Mode::empty())?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_of_rule_files() {
        for name in ["a.rules", ".a.rules", "a.b.rules", "..rules", " .rules", "\u{e9}.rules"] {
            assert!(is_rule_file_name(OsStr::new(name)), "{name}");
        }
        for name in [".rules", "rules", "a.RULES", "a.rules~", "a.rules.bak", "arules", ""] {
            assert!(!is_rule_file_name(OsStr::new(name)), "{name}");
        }
        assert!(is_rule_file_name(OsStr::from_bytes(b"\xff.rules")));
    }

    #[test]
    fn only_regular_files_count_and_the_rest_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["b.rules", "a.rules", "c.txt", ".rules"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("d.rules")).unwrap();
        symlink("a.rules", path("l.rules")).unwrap();
        rustix::fs::mknodat(CWD, path("p.rules"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let folder = open(dir.path(), Links::Refused).unwrap().unwrap();
        assert_eq!(folder.files, ["a.rules", "b.rules"]);
        let others: Vec<_> =
            folder.others.iter().map(|(name, kind)| (name.to_str().unwrap(), *kind)).collect();
        assert_eq!(
            others,
            [("d.rules", "a folder"), ("l.rules", "a symbolic link"), ("p.rules", "a special file")]
        );
        folder.open_file(OsStr::new("a.rules")).unwrap();
        // As if they had been exchanged since.
        assert_eq!(
            folder.open_file(OsStr::new("l.rules")).unwrap_err().raw_os_error(),
            Some(Errno::LOOP.raw_os_error())
        );
        for name in ["p.rules", "d.rules"] {
            let error = folder.open_file(OsStr::new(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn a_missing_folder_is_none_and_a_false_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("real")).unwrap();
        std::fs::write(path("file"), "").unwrap();
        symlink("real", path("link")).unwrap();
        symlink("gone", path("dangling")).unwrap();
        symlink("loop", path("loop")).unwrap();
        for name in ["gone", "gone/rules", "file/rules"] {
            assert!(open(&path(name), Links::Refused).unwrap().is_none(), "{name}");
        }
        assert!(open(&path("real"), Links::Refused).unwrap().is_some());
        assert!(open(&path("link"), Links::Followed).unwrap().is_some());
        for name in ["link", "dangling", "loop"] {
            let refused = open(&path(name), Links::Refused);
            assert!(matches!(refused, Err(RuleFolderError::Symlink { .. })), "{name} {refused:?}");
        }
        for name in ["file", "dangling"] {
            let refused = open(&path(name), Links::Followed);
            assert!(matches!(refused, Err(RuleFolderError::NotAFolder { .. })), "{name} {refused:?}");
        }
        assert!(matches!(open(&path("loop"), Links::Followed), Err(RuleFolderError::Read { .. })));
    }

    #[test]
    fn a_thousand_files_and_not_one_more() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MAX_FILES {
            std::fs::write(dir.path().join(format!("{number}.rules")), "").unwrap();
        }
        assert_eq!(open(dir.path(), Links::Refused).unwrap().unwrap().files.len(), MAX_FILES);
        std::fs::write(dir.path().join("one.rules"), "").unwrap();
        assert!(matches!(open(dir.path(), Links::Refused), Err(RuleFolderError::TooMany { .. })));
    }
}
