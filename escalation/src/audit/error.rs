//! What keeps an event from being put on record, or a log from being read.

use std::io;
use std::path::PathBuf;

use policies::escape;

/// An event that could not be put on record, or a log that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The log cannot be opened, locked, read or written.
    #[error("cannot {action} the audit log `{}`", escape(.path))]
    File {
        /// The log, or its folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The name leads elsewhere.
    #[error("refused the audit log `{}`: it is not a {wanted}", escape(.path))]
    WrongKind {
        /// The log, or its folder.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// Somebody else could change what is on record.
    #[error("refused the audit log `{}`: others may write to it (mode {mode:o})", escape(.path))]
    Exposed {
        /// The log, or its folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else could change what is on record, and who may read it.
    #[error("refused the audit log `{}`: it belongs to user {owner}, not to user {me}", escape(.path))]
    NotOurs {
        /// The log, or its folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        me: u32,
    },
    /// Somebody else holds the lock for longer than any writer needs it.
    #[error("the audit log `{}` is locked by another program", escape(.path))]
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// What stands at the end of the log is nothing that a crash leaves behind.
    #[error("the audit log `{}` is damaged at byte {offset}: no record, and no torn one", escape(.path))]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Where, from 0.
        offset: u64,
    },
    /// The event has no form in the log.
    #[error("cannot write the event as JSON")]
    Unwritable {
        /// Why.
        source: serde_json::Error,
    },
    /// There is no log.
    #[error("there is no audit log in `{}`", escape(.folder))]
    Missing {
        /// Where it would be.
        folder: PathBuf,
    },
}

impl AuditError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::File { source, .. } => {
                let kind = source.kind();
                let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&kind);
                if full {
                    "make room on its disk".to_owned()
                } else if kind == io::ErrorKind::FileTooLarge {
                    "raise the limit on the size of files (`ulimit -f`)".to_owned()
                } else {
                    "make it readable and writable for you, and for nobody else".to_owned()
                }
            }
            Self::WrongKind { path, .. } => format!("move `{}` away; it is made again", escape(path)),
            Self::Exposed { path, .. } => format!("run `chmod go-w {}`", escape(path)),
            Self::NotOurs { path, .. } => {
                format!(
                    "run as that user, set CODEX_HOME to a folder of yours, or move `{}` away",
                    escape(path)
                )
            }
            Self::Locked { .. } => "end the program that holds it, and try again".to_owned(),
            Self::Damaged { .. } => {
                "look at it with `codex audit verify`, and move the folder away to begin a new log".to_owned()
            }
            Self::Unwritable { .. } => "use paths that are UTF-8".to_owned(),
            Self::Missing { .. } => {
                "it is made with the first decision; `--folder` names another place".to_owned()
            }
        }
    }

    /// For `map_err`.
    pub(super) fn file<E: Into<io::Error>>(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File { path, action, source: source.into() }
    }
}
