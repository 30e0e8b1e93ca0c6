//! Records for people and programs: those that match, as they are in the log.

use std::path::{Path, PathBuf};

use super::error::AuditError;
use super::kind::EventKind;
use super::record::Record;
use super::snapshot::{Part, Snapshot};
use crate::ids::SessionId;

/// Which records. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of these kinds; of all, if there are none.
    pub kinds: Vec<EventKind>,
    /// Written at this time or later: milliseconds since 1970-01-01 in UTC.
    pub since_ms: Option<u64>,
    /// About this item of the agent.
    pub call: Option<String>,
}

impl Filter {
    /// Whether a record is one of those.
    pub fn matches(&self, record: &Record) -> bool {
        let session = self.session.as_ref().is_none_or(|session| *session == record.session);
        let kind = self.kinds.is_empty() || self.kinds.contains(&record.event.kind());
        let since = self.since_ms.is_none_or(|since| record.at_ms >= since);
        let call = |call: &String| record.event.call().is_some_and(|of| of.item == *call);
        session && kind && since && self.call.as_ref().is_none_or(call)
    }
}

/// A line of the log. It was read, not verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The line itself; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// The record, if this program can read it.
    pub record: Option<Record>,
}

/// The records that were in a log when this was made, oldest first.
#[derive(Debug)]
pub struct Records {
    files: std::vec::IntoIter<Part>,
    current: Option<Part>,
    filter: Filter,
}

impl Records {
    /// Of the log in this folder.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::Missing`] if there is none.
    pub fn open(folder: &Path, filter: Filter) -> Result<Self, AuditError> {
        let mut files = Snapshot::take(folder)?.files.into_iter();
        Ok(Self { current: files.next(), files, filter })
    }

    fn advance(&mut self) -> Result<Option<Entry>, AuditError> {
        while let Some(part) = &mut self.current {
            let Some(line) = part.next_line()? else {
                self.current = self.files.next();
                continue;
            };
            let entry = entry(&part.path, line.number, &line.bytes);
            // What cannot be read is left to `verify`, unless everything is asked for.
            let wanted = match &entry.record {
                Some(record) => self.filter.matches(record),
                None => self.filter.is_open() && !line.bytes.is_empty(),
            };
            if wanted {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl Filter {
    fn is_open(&self) -> bool {
        self.session.is_none() && self.kinds.is_empty() && self.since_ms.is_none() && self.call.is_none()
    }
}

impl Iterator for Records {
    type Item = Result<Entry, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.current = None;
        }
        result.transpose()
    }
}

pub(super) fn entry(file: &Path, line: u64, bytes: &[u8]) -> Entry {
    Entry {
        file: file.to_owned(),
        line,
        text: String::from_utf8_lossy(bytes).into_owned(),
        record: serde_json::from_slice(bytes).ok(),
    }
}
