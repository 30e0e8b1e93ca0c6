//! Why a file of the administrator is not used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::MAX_ADMIN_BYTES;
use crate::display::{escape, escape_short};
use crate::rules::NotUtf8;

/// The user id that stands for all users without one in a user namespace. Linux, `kernel.overflowuid`.
const OVERFLOW_USER: u32 = 65534;

/// Why a file that is there cannot be read or believed. Nothing runs then: it may hold the limits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Failed: the system would not let us.
    #[error("cannot read `{}`", escape(path))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Refused: somebody else owns it, who could have written it.
    #[error("refused `{}`: it is owned by user {found}, not by {}", escape(path), administrator(*required))]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Who owns it.
        found: u32,
        /// Who has to, unless root does.
        required: u32,
    },
    /// Refused: somebody else may have written it.
    #[error("refused `{}`: it is writable by {writer}", escape(path))]
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Who may.
        writer: Writer,
    },
    /// Refused: where it leads promises nothing.
    #[error("refused `{}`: it is a symlink, and where it leads promises nothing", escape(path))]
    Link {
        /// The symlink.
        path: PathBuf,
    },
    /// Invalid: something else stands in the place of a file.
    #[error("refused `{}`: it is {kind}, not a regular file", escape(path))]
    NotAFile {
        /// The object.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Invalid: something else stands in the place of a folder.
    #[error("refused `{}`: it is {kind}, not a folder", escape(path))]
    NotAFolder {
        /// The object.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Invalid: see [`MAX_ADMIN_BYTES`].
    #[error("refused `{}`: it is larger than {MAX_ADMIN_BYTES} bytes", escape(path))]
    TooBig {
        /// The file.
        path: PathBuf,
    },
    /// Invalid: too many files that have to be read.
    #[error("refused `{}`: it holds more than {most} files", escape(path))]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many may be there.
        most: usize,
    },
    /// Invalid: not text.
    #[error("refused `{}`: it is {place}", escape(path))]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Where.
        place: NotUtf8,
    },
    /// Invalid: not text.
    #[error("refused `{}`: line {line} contains a NUL byte", escape(path))]
    Nul {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// Refused: the name would lead elsewhere.
    #[error("refused the name `{}`: it is not that of a file in the folder", escape_short(name))]
    Name {
        /// As given.
        name: String,
    },
}

/// Who else may write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Writer {
    /// All users.
    Everybody,
    /// A group by its number: another than root's, or root's where others are in it.
    Group(u32),
    /// Somebody whom an access control list names.
    Listed,
}

impl AdminError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                run("chmod", "a+rX", path) + ": those who are bound by it have to be able to read it"
            }
            Self::Read { path, .. } => format!("make `{}` readable, or remove it", escape(path)),
            Self::Owner { path, found: OVERFLOW_USER, required } => {
                run("chown", &required.to_string(), path)
                    + "; if it is root's already, this is a user namespace in which root has no number: map root, \
                       or start outside of it"
            }
            Self::Owner { path, required, .. } => {
                run("chown", &required.to_string(), path) + ", after making sure of what it holds"
            }
            Self::Writable { path, writer: Writer::Everybody } => run("chmod", "o-w", path),
            Self::Writable { path, writer: Writer::Group(_) } => run("chmod", "g-w", path),
            Self::Writable { path, writer: Writer::Listed } => run("setfacl", "-b", path),
            Self::Link { path } => {
                format!("put a copy of what it leads to at `{}`", escape(path))
            }
            Self::NotAFile { path, .. } => format!("replace `{}` with a file, or remove it", escape(path)),
            Self::NotAFolder { path, .. } => {
                format!("replace `{}` with a folder, or remove it", escape(path))
            }
            Self::TooBig { .. } => "shorten it; such a file holds limits, not data".to_owned(),
            Self::TooMany { .. } => "put several of its files into one".to_owned(),
            Self::Encoding { .. } => "save it as UTF-8".to_owned(),
            Self::Nul { .. } => "remove the NUL byte".to_owned(),
            Self::Name { .. } => "give a name without `/`, other than `.` and `..`".to_owned(),
        }
    }
}

/// Advice to run a command on a file.
fn run(program: &str, argument: &str, path: &Path) -> String {
    format!("run `{program} {argument} {}`", escape(path))
}

/// Who has to own what is read.
fn administrator(user: u32) -> String {
    if user == 0 { "root".to_owned() } else { format!("user {user} or root") }
}

impl fmt::Display for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => formatter.write_str("everybody"),
            Self::Group(group) => write!(formatter, "group {group}"),
            Self::Listed => formatter.write_str("whom its access control list names"),
        }
    }
}
