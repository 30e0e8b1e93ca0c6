//! Appending to the log: one line at a time, whoever else writes, at the end of the chain.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation};
use rustix::io::Errno;
use rustix::process::Resource;

use super::chain::LineHash;
use super::end::{self, End};
use super::error::AuditError;
use super::place::{AUDIT_FILE, FileId, Folder, LOCK_FILE, id_of, old_name};
use super::record::Draft;

/// How large the file that is written to becomes, before a new one is begun.
pub const FILE_BYTES: u64 = 16 * 1024 * 1024;
/// How many older files are kept.
pub const OLD_FILES: usize = 32;
/// How long others may hold the lock. Writers need it for microseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);
/// How long to wait before looking at the lock again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// How much of the log is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    /// How large a file becomes. A record is never split, so a file may hold one record that is larger.
    pub file_bytes: u64,
    /// How many older files are kept.
    pub old_files: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { file_bytes: FILE_BYTES, old_files: OLD_FILES }
    }
}

/// The log, for writers.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    retention: Retention,
    /// Taken out while it is used, so that what went wrong half way is looked at afresh.
    open: Mutex<Option<Open>>,
}

/// What is kept open between two records.
#[derive(Debug)]
struct Open {
    folder: Folder,
    lock: File,
    current: Option<Current>,
}

/// The file that is written to, and how it ended when we last looked.
#[derive(Debug)]
struct Current {
    file: File,
    id: FileId,
    size: u64,
    end: End,
}

/// A line that is in the log.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) seq: u64,
    pub(super) line: Vec<u8>,
}

impl Log {
    /// Opens it, and makes what is missing.
    pub(super) fn open(path: PathBuf, retention: Retention) -> Result<Self, AuditError> {
        let open = Open::at(&path)?;
        let log = Self { path, retention, open: Mutex::new(None) };
        open.folder.open_log()?;
        *log.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(log)
    }

    /// Appends a record. When this returns, the kernel has all of it.
    pub(super) fn append(&self, draft: &Draft<'_>) -> Result<Written, AuditError> {
        let deadline = Instant::now().checked_add(LOCK_DEADLINE);
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match slot.take() {
            Some(open) => open,
            None => Open::at(&self.path)?,
        };
        loop {
            let held = Held::take(&open.lock, &open.folder.name(LOCK_FILE), deadline)?;
            match open.current.take().filter(|current| current.is_still(&open.folder)) {
                Some(current) => {
                    let (current, written) = self.append_locked(&open.folder, current, draft)?;
                    drop(held);
                    open.current = Some(current);
                    *slot = Some(open);
                    return Ok(written);
                }
                // Rotated, moved away with its folder, or not looked at yet.
                None => {
                    if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                        return Err(AuditError::Locked { path: self.path.join(AUDIT_FILE) });
                    }
                    let folder = Folder::open(&self.path)?;
                    if folder.id == open.folder.id {
                        open.current = Some(Current::find(&folder)?);
                    } else {
                        drop(held);
                        open = Open { lock: folder.open_lock()?, folder, current: None };
                    }
                }
            }
        }
    }

    fn append_locked(
        &self,
        folder: &Folder,
        mut current: Current,
        draft: &Draft<'_>,
    ) -> Result<(Current, Written), AuditError> {
        current.look_again(folder)?;
        let seq = current.end.seq.saturating_add(1);
        let line = draft.line(seq, current.end.hash, current.end.torn.as_ref())?;
        let mut bytes = Vec::with_capacity(line.len().saturating_add(2));
        if current.end.open_line {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
        let size = current.size.saturating_add(length(&bytes));
        // What is torn is noted in the file that it stands in.
        let clean = current.end.torn.is_none() && !current.end.open_line;
        if size > self.retention.file_bytes && current.size > 0 && clean {
            current = self.rotate(folder, current)?;
        }
        current.write(folder, &bytes)?;
        current.end = End { seq, hash: LineHash::of(&line), open_line: false, torn: None };
        Ok((current, Written { seq, line }))
    }

    /// Begins a new file. The chain goes on.
    fn rotate(&self, folder: &Folder, full: Current) -> Result<Current, AuditError> {
        let failed = || AuditError::file(folder.name(AUDIT_FILE), "rotate");
        let mut old = folder.old_files()?;
        let next = old.last().map_or(1, |last| last.saturating_add(1));
        rustix::fs::renameat(&folder.handle, AUDIT_FILE, &folder.handle, old_name(next)).map_err(failed())?;
        old.push(next);
        let surplus = old.len().saturating_sub(self.retention.old_files);
        for number in old.into_iter().take(surplus) {
            match rustix::fs::unlinkat(&folder.handle, old_name(number), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(source) => return Err(failed()(source)),
            }
        }
        let (file, stat) = folder.open_log()?;
        Ok(Current { file, id: id_of(&stat), size: 0, end: full.end })
    }
}

impl Open {
    fn at(path: &Path) -> Result<Self, AuditError> {
        let folder = Folder::open(path)?;
        Ok(Self { lock: folder.open_lock()?, folder, current: None })
    }
}

impl Current {
    /// Opens the file, and reads where the chain ends.
    fn find(folder: &Folder) -> Result<Self, AuditError> {
        let (file, stat) = folder.open_log()?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let end = end::of_log(folder, &file, size)?;
        Ok(Self { file, id: id_of(&stat), size, end })
    }

    /// Whether the path of the log still leads to it.
    fn is_still(&self, folder: &Folder) -> bool {
        rustix::fs::stat(folder.name(AUDIT_FILE)).is_ok_and(|stat| id_of(&stat) == self.id)
    }

    /// Reads the end again if somebody else wrote.
    fn look_again(&mut self, folder: &Folder) -> Result<(), AuditError> {
        let stat =
            rustix::fs::fstat(&self.file).map_err(AuditError::file(folder.name(AUDIT_FILE), "look at"))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size != self.size {
            self.end = end::of_log(folder, &self.file, size)?;
            self.size = size;
        }
        Ok(())
    }

    /// Writes all of it in one write(2), or none.
    fn write(&mut self, folder: &Folder, bytes: &[u8]) -> Result<(), AuditError> {
        let failed = || AuditError::file(folder.name(AUDIT_FILE), "write to");
        let size = self.size.saturating_add(length(bytes));
        // Going beyond would end this process with SIGXFSZ. setrlimit(2)
        if rustix::process::getrlimit(Resource::Fsize).current.is_some_and(|limit| size > limit) {
            return Err(failed()(io::Error::from(Errno::FBIG)));
        }
        let result = rustix::io::retry_on_intr(|| rustix::io::write(&self.file, bytes));
        let source = match result {
            Ok(written) if written == bytes.len() => {
                self.size = size;
                return Ok(());
            }
            // The kernel does not say why it took only a part; the disk is what runs out.
            Ok(_) => io::Error::from(io::ErrorKind::StorageFull),
            Err(errno) => io::Error::from(errno),
        };
        // The caller is told that there is no record. If its beginning stays, the next writer notes it.
        self.file.set_len(self.size).ok();
        Err(failed()(source))
    }
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a File);

impl<'a> Held<'a> {
    fn take(file: &'a File, path: &Path, deadline: Option<Instant>) -> Result<Self, AuditError> {
        Self::take_as(FlockOperation::NonBlockingLockExclusive, file, path, deadline)
    }

    /// For a reader, who keeps writers out and lets other readers in.
    pub(super) fn share(file: &'a File, path: &Path) -> Result<Self, AuditError> {
        let deadline = Instant::now().checked_add(LOCK_DEADLINE);
        Self::take_as(FlockOperation::NonBlockingLockShared, file, path, deadline)
    }

    fn take_as(
        operation: FlockOperation,
        file: &'a File,
        path: &Path,
        deadline: Option<Instant>,
    ) -> Result<Self, AuditError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match rustix::fs::flock(file, operation) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                    std::thread::sleep(pause);
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
                Err(Errno::WOULDBLOCK) => return Err(AuditError::Locked { path: path.to_owned() }),
                Err(source) => return Err(AuditError::file(path, "lock")(source)),
            }
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Unlocking a file that is open and locked cannot fail. flock(2)
        rustix::fs::flock(self.0, FlockOperation::Unlock).ok();
    }
}

/// Reads exactly these bytes.
pub(super) fn read_range(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(end.saturating_sub(start)).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
