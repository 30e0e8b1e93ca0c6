//! Where the chain ends: the last record of the log, and what stands behind it.

use std::fs::File;

use super::chain::{LineHash, Link, Torn, is_torn};
use super::error::AuditError;
use super::log::{length, read_range};
use super::place::{AUDIT_FILE, Folder, old_name};
use super::snapshot::MAX_READ_LINE;

/// How much is read from the end of a file, in the order in which it is tried. A record is shorter than the second,
/// and what a crash leaves is hardly ever longer than one.
const WINDOWS: [u64; 3] = [8 * 1024, 128 * 1024, MAX_READ_LINE];

/// Where the chain ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct End {
    /// The last record.
    pub(super) seq: u64,
    /// The digest of its line.
    pub(super) hash: LineHash,
    /// Whether the file ends within a line, be it a record or not.
    pub(super) open_line: bool,
    /// What stands behind the last record and is none.
    pub(super) torn: Option<Torn>,
}

/// Of the log whose file, of this size, is written to.
pub(super) fn of_log(folder: &Folder, file: &File, size: u64) -> Result<End, AuditError> {
    let (last, open_line, torn) = match of_file(folder, AUDIT_FILE, file, size)? {
        Tail { record: Some(last), open_line, torn } => (last, open_line, torn),
        Tail { record: None, open_line, torn } => (of_older(folder)?, open_line, torn),
    };
    Ok(End { seq: last.0, hash: last.1, open_line, torn })
}

/// Of the newest of the older files, which ends in a record.
fn of_older(folder: &Folder) -> Result<(u64, LineHash), AuditError> {
    let Some(newest) = folder.old_files()?.pop() else { return Ok((0, LineHash::GENESIS)) };
    let name = old_name(newest);
    let damaged = |offset| AuditError::Damaged { path: folder.name(&name), offset };
    let Some((file, stat)) = folder.open_to_read(&name)? else { return Err(damaged(0)) };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    match of_file(folder, &name, &file, size)? {
        Tail { record: Some(last), torn: None, .. } => Ok(last),
        Tail { torn: Some(torn), .. } => Err(damaged(torn.offset)),
        Tail { record: None, torn: None, .. } => Err(damaged(0)),
    }
}

/// How a file ends.
#[derive(Debug)]
struct Tail {
    record: Option<(u64, LineHash)>,
    open_line: bool,
    torn: Option<Torn>,
}

fn of_file(folder: &Folder, name: &str, file: &File, size: u64) -> Result<Tail, AuditError> {
    let damaged = |offset| AuditError::Damaged { path: folder.name(name), offset };
    for window in WINDOWS {
        let start = size.saturating_sub(window);
        let bytes = read_range(file, start, size).map_err(AuditError::file(folder.name(name), "read"))?;
        match search(&bytes, start) {
            Search::Found(tail) => return Ok(tail),
            Search::Damaged { offset } => return Err(damaged(offset)),
            Search::TooShort => {}
        }
    }
    Err(damaged(size.saturating_sub(WINDOWS.into_iter().max().unwrap_or(0))))
}

enum Search {
    Found(Tail),
    Damaged { offset: u64 },
    TooShort,
}

/// Looks for the last record in the bytes of a file from `start` to its end.
fn search(bytes: &[u8], start: u64) -> Search {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let open_line = !bytes.is_empty() && body.len() == bytes.len();
    let found = |record, torn_at: usize| {
        let torn = body.get(torn_at..).filter(|torn| !torn.is_empty()).map(|torn| Torn {
            offset: start.saturating_add(u64::try_from(torn_at).unwrap_or(u64::MAX)),
            bytes: length(torn),
            sha256: LineHash::of(torn),
        });
        Search::Found(Tail { record, open_line, torn })
    };
    if bytes.is_empty() && start == 0 {
        return found(None, 0);
    }
    // The end of the line that is looked at.
    let mut end = body.len();
    loop {
        let before = body.get(..end).unwrap_or_default();
        let line_start = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => newline.saturating_add(1),
            None if start == 0 => 0,
            None => return Search::TooShort,
        };
        let line = before.get(line_start..).unwrap_or_default();
        if let Ok(link) = Link::parse(line) {
            return found(Some((link.seq, LineHash::of(line))), end.saturating_add(1));
        }
        if !is_torn(line) {
            let offset = start.saturating_add(u64::try_from(line_start).unwrap_or(u64::MAX));
            return Search::Damaged { offset };
        }
        match line_start.checked_sub(1) {
            Some(newline) => end = newline,
            None => return found(None, 0),
        }
    }
}
