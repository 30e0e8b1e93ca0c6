//! A log that does not change while it is read: its files and their lengths at one moment.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::{Path, PathBuf};

use super::error::AuditError;
use super::log::Held;
use super::place::{AUDIT_FILE, Folder, LOCK_FILE, old_name};

/// How much of a line is read, and how much is searched for the last record. Records are shorter, and so is what a crash
/// leaves.
pub(super) const MAX_READ_LINE: u64 = 1024 * 1024;

/// How far the end of a longer line is looked for: the rest of a file that somebody made huge is not read.
const MAX_SKIPPED: u64 = 64 * 1024 * 1024;

/// The files of a log, oldest first.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) files: Vec<Part>,
}

/// One file, as far as it was written.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    lines: BufReader<Take<File>>,
    number: u64,
    offset: u64,
    /// Whether the line that was read last goes on.
    within: bool,
}

/// One line of a file.
#[derive(Debug)]
pub(super) struct RawLine {
    /// Its bytes without the newline.
    pub(super) bytes: Vec<u8>,
    /// Which line, from 1.
    pub(super) number: u64,
    /// Where it begins, in bytes from 0.
    pub(super) offset: u64,
}

impl Snapshot {
    /// Of the log in this folder. While the files are opened, nobody writes.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::Missing`] if there is no file.
    pub(super) fn take(path: &Path) -> Result<Self, AuditError> {
        let folder = Folder::open_existing(path)?;
        let lock = folder.open_lock_to_read();
        let held = lock.as_ref().map(|lock| Held::share(lock, &folder.name(LOCK_FILE))).transpose()?;
        let names = folder.old_files()?.into_iter().map(old_name).chain([AUDIT_FILE.to_owned()]);
        let mut files = Vec::new();
        for name in names {
            let opened = folder.open_to_read(&name)?;
            files.extend(opened.map(|(file, stat)| {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                Part::new(folder.name(&name), file, size)
            }));
        }
        drop(held);
        if files.is_empty() {
            Err(AuditError::Missing { folder: path.to_owned() })
        } else {
            Ok(Self { files })
        }
    }
}

impl Part {
    pub(super) fn new(path: PathBuf, file: File, size: u64) -> Self {
        let lines = BufReader::with_capacity(64 * 1024, file.take(size));
        Self { path, size, lines, number: 0, offset: 0, within: false }
    }

    /// The next line. Of one that is longer than any record only the beginning, which is none.
    ///
    /// # Errors
    /// [`AuditError::File`]; [`AuditError::Damaged`] behind a line without an end.
    pub(super) fn next_line(&mut self) -> Result<Option<RawLine>, AuditError> {
        if self.within {
            self.skip_line()?;
        }
        let mut bytes = Vec::new();
        let read = read_line(&mut self.lines, &mut bytes).map_err(AuditError::file(&self.path, "read"))?;
        if read == 0 {
            return Ok(None);
        }
        self.within = bytes.pop_if(|last| *last == b'\n').is_none() && read == MAX_READ_LINE;
        let line = RawLine { bytes, number: self.number.saturating_add(1), offset: self.offset };
        self.number = line.number;
        self.offset = self.offset.saturating_add(read);
        Ok(Some(line))
    }

    fn skip_line(&mut self) -> Result<(), AuditError> {
        let skipped = (&mut self.lines)
            .take(MAX_SKIPPED)
            .skip_until(b'\n')
            .map_err(AuditError::file(&self.path, "read"))?;
        let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
        if skipped >= MAX_SKIPPED {
            return Err(AuditError::Damaged { path: self.path.clone(), offset: self.offset });
        }
        self.offset = self.offset.saturating_add(skipped);
        Ok(())
    }
}

fn read_line(lines: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let read = lines.take(MAX_READ_LINE).read_until(b'\n', bytes)?;
    u64::try_from(read).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
