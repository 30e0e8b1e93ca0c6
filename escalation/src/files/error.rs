//! Why a patch cannot be judged, or may never be applied.

use std::fmt;
use std::io;
use std::path::PathBuf;

use policies::{AbsolutePath, escape};

use super::{MAX_BYTES, MAX_CHANGES};

/// A patch that is refused whatever anybody answers. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileChangeError {
    /// There is nothing in it.
    #[error("invalid patch: it changes no file")]
    Empty,
    /// There is too much in it.
    #[error("invalid patch: it has {count} changes, more than {MAX_CHANGES}")]
    TooMany {
        /// How many changes it has.
        count: usize,
    },
    /// There is too much in it.
    #[error("invalid patch: its content is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The path cannot be the name of a file.
    #[error("invalid path `{}`: {why}", escape(path))]
    InvalidPath {
        /// As the agent spells it.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The path could not be followed to its end.
    #[error("cannot follow `{}` to where it leads", escape(path))]
    Unresolved {
        /// As the agent spells it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no such file.
    #[error("cannot change `{path}`: there is no such file")]
    Missing {
        /// Where it would be.
        path: AbsolutePath,
    },
    /// A folder is needed where there is a file.
    #[error("cannot change `{}`: `{file}` is a file and not a folder", escape(path))]
    BelowFile {
        /// As the agent spells it.
        path: PathBuf,
        /// The file.
        file: AbsolutePath,
    },
    /// Only files are changed.
    #[error("refused to change `{path}`: it is {kind}")]
    NotAFile {
        /// Where it is.
        path: AbsolutePath,
        /// What it is.
        kind: FileKind,
    },
    /// The root for a session is a folder.
    #[error("refused `{path}` as a writable root: it is {kind}")]
    NotAFolder {
        /// Where it is.
        path: AbsolutePath,
        /// What it is.
        kind: FileKind,
    },
    /// Writing there is an order to the kernel or a device.
    #[error("refused to change `{path}`: it does not lie on a file system for files")]
    Special {
        /// Where the path led.
        path: AbsolutePath,
    },
    /// Policy denies it, and no answer can lift that (I3).
    #[error("refused to change `{path}`: policy denies it")]
    Denied {
        /// Where the path led.
        path: AbsolutePath,
    },
    /// Two changes of the patch are about one file.
    #[error("invalid patch: two of its changes lead to `{path}`")]
    Twice {
        /// Where they lead.
        path: AbsolutePath,
    },
    /// One path of the patch is needed as a folder by another.
    #[error("invalid patch: `{below}` lies below `{path}`, which it changes too")]
    Overlapping {
        /// The file.
        path: AbsolutePath,
        /// What would lie below it.
        below: AbsolutePath,
    },
    /// A file can only be moved within its file system.
    #[error("cannot move `{from}` to `{to}`: they lie on different file systems")]
    AcrossFileSystems {
        /// The file.
        from: AbsolutePath,
        /// Its new name.
        to: AbsolutePath,
    },
    /// The owner of the file keeps it from being written.
    #[error("cannot write `{path}`")]
    NotWritable {
        /// The file.
        path: AbsolutePath,
        /// The system's error.
        source: io::Error,
    },
}

impl FileChangeError {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> String {
        match self {
            Self::Empty => "name at least one file".to_owned(),
            Self::TooMany { .. } | Self::TooLarge => "split it into several patches".to_owned(),
            Self::InvalidPath { .. } => "name a file, such as `src/main.rs`".to_owned(),
            Self::Unresolved { .. } => "check the path and its symlinks".to_owned(),
            Self::Missing { .. } => "check the path; it is relative to the working directory".to_owned(),
            Self::BelowFile { file, .. } => format!("choose another path, or delete `{file}` first"),
            Self::NotAFile { kind: FileKind::Symlink, .. } => "name the file that it leads to".to_owned(),
            Self::NotAFile { .. } => "name a regular file, or use a command".to_owned(),
            Self::NotAFolder { .. } => "name an existing folder".to_owned(),
            Self::Special { .. } => "use a command that the sandbox can confine".to_owned(),
            Self::Denied { path } => {
                format!(
                    "leave it alone; only who wrote the policy can take `{path}` out of its `deny` entries"
                )
            }
            Self::Twice { .. } => "make it one change".to_owned(),
            Self::Overlapping { .. } => "make two patches of it".to_owned(),
            Self::AcrossFileSystems { .. } => "give the content of the new file in the patch".to_owned(),
            Self::NotWritable { path, .. } => format!("make it writable, for example `chmod u+w {path}`"),
        }
    }
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, taken by itself.
    Symlink,
    /// A pipe with a name.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
    /// Something that this program does not know.
    Unknown,
}

impl From<rustix::fs::FileType> for FileKind {
    fn from(kind: rustix::fs::FileType) -> Self {
        match kind {
            rustix::fs::FileType::RegularFile => Self::File,
            rustix::fs::FileType::Directory => Self::Folder,
            rustix::fs::FileType::Symlink => Self::Symlink,
            rustix::fs::FileType::Fifo => Self::Fifo,
            rustix::fs::FileType::Socket => Self::Socket,
            rustix::fs::FileType::CharacterDevice | rustix::fs::FileType::BlockDevice => Self::Device,
            rustix::fs::FileType::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a regular file",
            Self::Folder => "a folder",
            Self::Symlink => "a symbolic link",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "of an unknown kind",
        })
    }
}
