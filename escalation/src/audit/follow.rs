//! Records as they are written, across rotation.

use std::path::{Path, PathBuf};

use super::error::AuditError;
use super::log::read_range;
use super::place::{AUDIT_FILE, FileId, Folder, id_of, old_name};
use super::select::{Entry, entry};

/// How much is read at once. What is read of a line that is not finished then waits for the next time, unless it is
/// longer than that, and so is no record.
const MAX_STEP: u64 = 4 * 1024 * 1024;

/// A place in the log, from which on records are read. Waits for nothing: whoever follows asks again.
#[derive(Debug)]
pub struct Follower {
    folder: PathBuf,
    /// The file that was read last, and how far.
    at: Option<Position>,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    id: FileId,
    offset: u64,
    line: u64,
}

impl Follower {
    /// From the first record on that is kept.
    pub fn from_start(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), at: None }
    }

    /// From the first record on of the newest older file, or of the file that is written to.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn from_recent(folder: &Path) -> Result<Self, AuditError> {
        let mut follower = Self::from_start(folder);
        let opened = match Folder::open_existing(folder) {
            Ok(opened) => opened,
            Err(AuditError::Missing { .. }) => return Ok(follower),
            Err(error) => return Err(error),
        };
        if let Some(newest) = opened.old_files()?.pop()
            && let Some((_, stat)) = opened.open_to_read(&old_name(newest))?
        {
            follower.at = Some(Position { id: id_of(&stat), offset: 0, line: 0 });
        }
        Ok(follower)
    }

    /// The lines that were finished since, oldest first; none if there is nothing new or no log yet.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn poll(&mut self) -> Result<Vec<Entry>, AuditError> {
        let folder = match Folder::open_existing(&self.folder) {
            Ok(folder) => folder,
            Err(AuditError::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // The file that is written to is opened first: if it is rotated meanwhile, it is found twice, never missed.
        let current = folder.open_to_read(AUDIT_FILE)?;
        let mut files = Vec::new();
        for number in folder.old_files()? {
            let name = old_name(number);
            files.extend(folder.open_to_read(&name)?.map(|(file, stat)| (name, file, stat)));
        }
        let seen = |id: FileId| files.iter().any(|(_, _, stat)| id_of(stat) == id);
        if let Some((file, stat)) = current.filter(|(_, stat)| !seen(id_of(stat))) {
            files.push((AUDIT_FILE.to_owned(), file, stat));
        }
        let known = self.at.is_some_and(|at| files.iter().any(|(_, _, stat)| id_of(stat) == at.id));
        let start = if known { self.at } else { None };
        let before = |id: FileId| start.is_some_and(|at| at.id != id);
        let mut entries = Vec::new();
        for (name, file, _) in files.iter().skip_while(|(_, _, stat)| before(id_of(stat))) {
            let stat = rustix::fs::fstat(file).map_err(AuditError::file(folder.name(name), "look at"))?;
            let fresh = Position { id: id_of(&stat), offset: 0, line: 0 };
            // A shorter one has only taken over the number of a file that is gone.
            let length = u64::try_from(stat.st_size).unwrap_or(0);
            let at = self.at.filter(|at| at.id == fresh.id && at.offset <= length).unwrap_or(fresh);
            let size = length.min(at.offset.saturating_add(MAX_STEP));
            let bytes = read_range(file, at.offset.min(size), size)
                .map_err(AuditError::file(folder.name(name), "read"))?;
            let more = length > size;
            self.at = Some(add_lines(&folder.name(name), &bytes, at, &mut entries));
            if more {
                // The rest of this file comes first.
                break;
            }
        }
        Ok(entries)
    }
}

/// Takes the finished lines, and answers how far that is.
fn add_lines(path: &Path, bytes: &[u8], mut at: Position, entries: &mut Vec<Entry>) -> Position {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else {
            if super::log::length(line) == MAX_STEP {
                at.offset = at.offset.saturating_add(MAX_STEP);
            }
            break;
        };
        at.line = at.line.saturating_add(1);
        at.offset = at.offset.saturating_add(super::log::length(line));
        entries.push(entry(path, at.line, text));
    }
    at
}
