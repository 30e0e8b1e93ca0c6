//! Why something is not remembered.

use std::io;
use std::path::PathBuf;

use policies::escape;

use super::book::{MAX_BYTES, MAX_GRANTS};
use super::store::SUFFIX;
use crate::ids::SessionId;

/// What a session remembers cannot be read, or not be changed. Then it remembers nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// A file or folder cannot be opened, read or written.
    #[error("cannot {action} `{}`", escape(.path))]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is a symlink, a folder, a pipe, …
    #[error("refused `{}`: it is not {expected}", escape(.path))]
    Kind {
        /// Which.
        path: PathBuf,
        /// What it should be, with its article.
        expected: &'static str,
    },
    /// It belongs to somebody else.
    #[error("refused `{}`: it belongs to the user {found}, and not to you", escape(.path))]
    Owner {
        /// Which.
        path: PathBuf,
        /// The owner.
        found: u32,
    },
    /// Others may write to it.
    #[error("refused `{}`: others may write to it (mode {mode:04o})", escape(.path))]
    Writable {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process has the lock for longer than any change takes.
    #[error("`{}` is locked by another program", escape(.path))]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// It is larger than anything that is written.
    #[error("refused `{}`: it has more than {MAX_BYTES} bytes", escape(.path))]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// It is not what is written.
    #[error("refused `{}`: {why}", escape(.path))]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong with it, safe to print.
        why: String,
    },
    /// It was written by a newer version of this program.
    #[error("refused `{}`: a newer version of this program wrote it (format {version})", escape(.path))]
    Newer {
        /// Which.
        path: PathBuf,
        /// The version of its format.
        version: u64,
    },
    /// There are more files than anybody should have.
    #[error("refused `{}`: it holds the approvals of more than {limit} sessions", escape(.path))]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many are read.
        limit: usize,
    },
    /// One thing alone would fill the file.
    #[error("refused to remember `{label}`: it takes more than {MAX_BYTES} bytes")]
    TooBig {
        /// What, safe to print.
        label: String,
    },
    /// It cannot be written down.
    #[error("cannot write `{label}` down: {why}")]
    Unwritable {
        /// What, safe to print.
        label: String,
        /// Why, safe to print.
        why: String,
    },
    /// How often permissions or a folder are used cannot be counted: whole runs have them.
    #[error("refused to remember `{label}`: only the same question can be counted")]
    Uncountable {
        /// What, safe to print.
        label: String,
    },
    /// So many things are remembered that the oldest was forgotten.
    #[error("forgot `{label}`: a session remembers at most {MAX_GRANTS} approvals")]
    Forgot {
        /// What, safe to print.
        label: String,
    },
    /// So many places were open to commands that no more can be told apart.
    #[error("no rule lets a command leave the sandbox any more: its commands could write in too many places")]
    AllOpened,
    /// So many hosts were denied that no more can be told apart.
    #[error("denied all hosts for this session: {limit} were denied one by one")]
    AllDenied {
        /// How many are told apart.
        limit: usize,
    },
}

impl MemoryError {
    /// The session whose file it is about, if it is about one.
    pub fn session(&self) -> Option<SessionId> {
        let (Self::File { path, .. }
        | Self::Kind { path, .. }
        | Self::Owner { path, .. }
        | Self::Writable { path, .. }
        | Self::TooLarge { path }
        | Self::Malformed { path, .. }
        | Self::Newer { path, .. }) = self
        else {
            return None;
        };
        let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
        SessionId::parse(name).ok()
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::File { action: "lock", .. } | Self::Locked { .. } => {
                "end the program that holds the lock, and try again".to_owned()
            }
            Self::File { .. } => {
                "make the folder yours, readable and writable, or use another CODEX_HOME".to_owned()
            }
            Self::Kind { path, .. } | Self::Malformed { path, .. } | Self::TooLarge { path } => {
                format!("remove `{}`: what it remembers is asked again", escape(path))
            }
            Self::Owner { path, .. } => {
                format!("use a CODEX_HOME of your own, or remove `{}`", escape(path))
            }
            Self::Writable { path, .. } => {
                format!("run `chmod go-w` on `{}` after looking at what it says", escape(path))
            }
            Self::Newer { path, .. } => {
                format!("use the newer version, or remove `{}`", escape(path))
            }
            Self::TooMany { path, .. } => {
                format!("remove the files of old sessions from `{}`", escape(path))
            }
            Self::TooBig { .. } => "approve something smaller".to_owned(),
            Self::Unwritable { .. } => "use paths that are text".to_owned(),
            Self::Uncountable { .. } => "approve it for a time instead, or once".to_owned(),
            Self::Forgot { .. } => {
                "write a rule for what is approved again and again, or revoke what is not needed any more"
                    .to_owned()
            }
            Self::AllDenied { .. } | Self::AllOpened => "start another session".to_owned(),
        }
    }
}
