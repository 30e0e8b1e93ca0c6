//! The locks of a rule file that is written to.
//!
//! Two: one of a file of its own, which nobody may read, and that of the rule file itself, which other programs of the
//! same format take. Whoever can read a rule file can lock it, a command in a sandbox too, so the second is waited for
//! only as long as a writer needs it. Without it a line is still appended in one piece.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long somebody else may hold the lock. Writers need it for milliseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);
/// How long somebody else may keep us waiting who needs only to read the file for that.
const READER_DEADLINE: Duration = Duration::from_millis(500);
/// The lock of all that write rules here, in the folder of the rules. No rule file by its name, always empty.
const LOCK_FILE: &str = ".lock";
/// For writing only: a command in a sandbox, which can read everything and write nothing there, cannot open it.
const LOCK_MODE: u32 = 0o200;

/// A rule file that is open, and the locks, until they are dropped.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) file: File,
    /// Whether the file itself is locked too, so that other programs do not write to it meanwhile.
    pub(super) alone: bool,
    pub(super) lock: File,
}

/// A rule file that could not be opened and locked.
#[derive(Debug)]
pub(super) enum OpenError {
    /// The name leads elsewhere, where nobody would read a rule.
    NotRegular,
    /// Somebody else holds the lock.
    Locked,
    /// A system call failed.
    Failed {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Opens a regular file and holds its locks until the file is dropped. Starts over when the name means another file
/// by then: whoever replaces a file by renaming leaves the locked one nameless.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<Locked, OpenError> {
    let failed = |action| move |source| OpenError::Failed { action, source };
    let started = Instant::now();
    let lock = open_lock(&path.with_file_name(LOCK_FILE))?;
    lock_until(&lock, started.checked_add(LOCK_DEADLINE)).map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::Locked,
        TryLockError::Error(source) => failed("lock")(source),
    })?;
    let (started, deadline) = (Instant::now(), Instant::now().checked_add(READER_DEADLINE));
    loop {
        let file = open_regular(path, options)?;
        let alone = match lock_until(&file, deadline) {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        };
        let held = file.metadata().map_err(failed("look at"))?;
        match std::fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => {
                return Ok(Locked { file, alone, lock });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed("look at")(source)),
        }
        if started.elapsed() > LOCK_DEADLINE {
            return Err(OpenError::Locked);
        }
    }
}

/// Opens the lock file, made if it is missing.
fn open_lock(path: &Path) -> Result<File, OpenError> {
    open_regular(path, OpenOptions::new().write(true).create(true).truncate(false).mode(LOCK_MODE)).map_err(
        |error| match error {
            OpenError::NotRegular => {
                let source = io::Error::other("`.lock` beside it is not a regular file");
                OpenError::Failed { action: "lock", source }
            }
            OpenError::Failed { source, .. } => OpenError::Failed { action: "open the lock of", source },
            OpenError::Locked => OpenError::Locked,
        },
    )
}

/// Opens a regular file without waiting for anything.
pub(super) fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<File, OpenError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = options.custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes())).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(source) if is_irregular(path) => {
            drop(source);
            return Err(OpenError::NotRegular);
        }
        Err(source) => return Err(OpenError::Failed { action: "open", source }),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(OpenError::NotRegular),
        Err(source) => Err(OpenError::Failed { action: "look at", source }),
    }
}

fn is_irregular(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_symlink() || kind.is_dir() || kind.is_fifo() || kind.is_socket()
    })
}

/// Takes the exclusive lock of a rule file, and gives up after a few seconds: writers need it for
/// milliseconds.
///
/// # Errors
/// [`TryLockError::WouldBlock`] if somebody else holds it all the time.
pub fn lock(file: &File) -> Result<(), TryLockError> {
    lock_until(file, Instant::now().checked_add(LOCK_DEADLINE))
}

fn lock_until(file: &File, deadline: Option<Instant>) -> Result<(), TryLockError> {
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}
