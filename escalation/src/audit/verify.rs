//! Following the chain from the oldest record that is kept to the last one.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::chain::{LineHash, Link, Torn, is_torn};
use super::error::AuditError;
use super::log::length;
use super::snapshot::{MAX_READ_LINE, Part, RawLine, Snapshot};

/// What the chain proves.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many files there are.
    pub files: usize,
    /// How many records follow each other without a break, up to the first break.
    pub records: u64,
    /// The first of them. Larger than 1 once old files were deleted: what was before is not proven any more.
    pub proven_from: Option<u64>,
    /// The last of them.
    pub last_seq: Option<u64>,
    /// The digest of the last of them: who keeps it can tell later that nothing before was taken away.
    pub head: Option<LineHash>,
    /// Which record has the digest that was asked for.
    pub found_head: Option<u64>,
    /// What writers that were stopped left behind.
    pub torn: Vec<TornLine>,
    /// The first place where the log is not what was written.
    pub broken: Option<Break>,
}

impl Report {
    /// Whether nothing was changed, as far as the chain can tell.
    pub fn is_sound(&self) -> bool {
        self.broken.is_none()
    }
}

/// A line that was not written to its end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TornLine {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// Where and how long.
    #[serde(flatten)]
    pub torn: Torn,
    /// The record that vouches for it. Without one it is the end of the log, and the next record will.
    pub noted_by: Option<u64>,
}

/// Where the chain does not hold.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Break {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for the end of the file.
    pub line: u64,
    /// Where the line begins, in bytes from 0.
    pub offset: u64,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// How many unfinished lines may follow each other: each is a writer that was stopped while it noted the one before.
const MAX_TORN_LINES: u64 = 64;

/// Reads a whole log once, in constant memory, and follows the chain. With `head`, the digest of some record that was
/// noted down before, it also says whether that record is still in the log.
///
/// What it proves: no record between the first one that is kept and the last one was changed, removed, added or moved.
/// Not: that nothing was cut off at the end, which only a digest that is kept elsewhere shows; nor that the log was not
/// written anew as a whole by somebody with the rights of its owner.
///
/// # Errors
/// [`AuditError`] if the log cannot be read. A log that does not hold is no error but a [`Report`] that says so.
pub fn verify(folder: &Path, head: Option<LineHash>) -> Result<Report, AuditError> {
    let mut snapshot = Snapshot::take(folder)?;
    let mut chain = Chain::new(snapshot.files.len(), head);
    let count = snapshot.files.len();
    for (index, part) in snapshot.files.iter_mut().enumerate() {
        let last = index.saturating_add(1) == count;
        if let Err(broken) = chain.follow(part, last)? {
            chain.report.broken = Some(broken);
            break;
        }
    }
    let report = chain.report;
    Ok(match (head, &report) {
        (Some(head), Report { broken: None, found_head: None, .. }) => {
            with_missing_head(report, head, &snapshot)
        }
        _ => report,
    })
}

fn with_missing_head(mut report: Report, head: LineHash, snapshot: &Snapshot) -> Report {
    report.broken = snapshot.files.last().map(|part| Break {
        file: part.path.clone(),
        line: 0,
        offset: part.size,
        expected: format!("a record with the digest {head}"),
        found: "none: the log was cut off before it, or that record is older than what is kept".to_owned(),
    });
    report
}

/// The chain so far.
struct Chain {
    report: Report,
    wanted: Option<LineHash>,
    region: Option<Region>,
}

/// Unfinished lines that no record has vouched for yet.
struct Region {
    line: u64,
    offset: u64,
    bytes: u64,
    lines: u64,
    digest: Sha256,
}

impl Region {
    fn add(region: Option<Self>, line: &RawLine) -> Self {
        let mut region = match region {
            Some(mut region) => {
                region.digest.update(b"\n");
                region.bytes = region.bytes.saturating_add(1);
                region
            }
            None => {
                Self { line: line.number, offset: line.offset, bytes: 0, lines: 0, digest: Sha256::new() }
            }
        };
        region.digest.update(&line.bytes);
        region.bytes = region.bytes.saturating_add(length(&line.bytes));
        region.lines = region.lines.saturating_add(1);
        region
    }

    fn torn(&self) -> Torn {
        let sha256 = LineHash::from(self.digest.clone());
        Torn { offset: self.offset, bytes: self.bytes, sha256 }
    }
}

/// What a line says against the chain.
struct Objection {
    expected: String,
    found: String,
}

fn objection(expected: impl Into<String>, found: impl Into<String>) -> Objection {
    Objection { expected: expected.into(), found: found.into() }
}

impl Chain {
    fn new(files: usize, wanted: Option<LineHash>) -> Self {
        let report = Report {
            files,
            records: 0,
            proven_from: None,
            last_seq: None,
            head: None,
            found_head: None,
            torn: Vec::new(),
            broken: None,
        };
        Self { report, wanted, region: None }
    }

    /// Follows one file. The outer result is that of reading, the inner one that of the chain.
    fn follow(&mut self, part: &mut Part, last: bool) -> Result<Result<(), Break>, AuditError> {
        while let Some(line) = part.next_line()? {
            if let Err(Objection { expected, found }) = self.line(part, &line) {
                let (file, line, offset) = (part.path.clone(), line.number, line.offset);
                return Ok(Err(Break { file, line, offset, expected, found }));
            }
        }
        let Some(region) = self.region.take() else { return Ok(Ok(())) };
        if !last {
            return Ok(Err(Break {
                file: part.path.clone(),
                line: region.line,
                offset: region.offset,
                expected: "a whole record: another file follows".to_owned(),
                found: format!("{} bytes of one", region.bytes),
            }));
        }
        self.note(part, &region, None);
        Ok(Ok(()))
    }

    fn note(&mut self, part: &Part, region: &Region, noted_by: Option<u64>) {
        let (file, line) = (part.path.clone(), region.line);
        self.report.torn.push(TornLine { file, line, torn: region.torn(), noted_by });
    }

    fn line(&mut self, part: &Part, line: &RawLine) -> Result<(), Objection> {
        match Link::parse(&line.bytes) {
            Ok(link) => self.record(part, line, &link),
            Err(_) if length(&line.bytes) < MAX_READ_LINE && is_torn(&line.bytes) => {
                let region = Region::add(self.region.take(), line);
                if region.lines > MAX_TORN_LINES {
                    return Err(objection("a record", "more unfinished lines than crashes leave"));
                }
                self.region = Some(region);
                Ok(())
            }
            Err(error) => Err(objection("a record", format!("text that is none: {error}"))),
        }
    }

    fn record(&mut self, part: &Part, line: &RawLine, link: &Link) -> Result<(), Objection> {
        self.check_place(link)?;
        match (self.region.take(), &link.torn) {
            (None, None) => {}
            (Some(region), Some(noted)) if region.torn() == *noted => {
                self.note(part, &region, Some(link.seq))
            }
            (Some(region), Some(_) | None) => {
                return Err(objection(
                    format!(
                        "a note of the {} bytes at {} that are no record, with their digest {}",
                        region.bytes,
                        region.offset,
                        region.torn().sha256
                    ),
                    match &link.torn {
                        Some(noted) => {
                            format!("one of {} bytes at {} with {}", noted.bytes, noted.offset, noted.sha256)
                        }
                        None => "none: they were put there, or a record was damaged".to_owned(),
                    },
                ));
            }
            (None, Some(noted)) => {
                return Err(objection(
                    format!("{} torn bytes at {}, as the record says", noted.bytes, noted.offset),
                    "none: they were taken away",
                ));
            }
        }
        let hash = LineHash::of(&line.bytes);
        self.report.proven_from.get_or_insert(link.seq);
        self.report.last_seq = Some(link.seq);
        self.report.head = Some(hash);
        self.report.records = self.report.records.saturating_add(1);
        if self.wanted == Some(hash) {
            self.report.found_head = Some(link.seq);
        }
        Ok(())
    }

    fn check_place(&self, link: &Link) -> Result<(), Objection> {
        let (seq, prev) = match (self.report.last_seq, self.report.head) {
            (Some(last), Some(head)) => (last.saturating_add(1), head),
            // The oldest that is kept: only of the first of all is it known what came before.
            (None, _) | (_, None) => match link.seq {
                0 | 1 => (1, LineHash::GENESIS),
                seq => (seq, link.prev),
            },
        };
        if link.seq != seq {
            return Err(objection(format!("record {seq}"), format!("record {}", link.seq)));
        }
        if link.prev != prev {
            return Err(objection(
                format!("record {seq} with the digest {prev} of the line before it"),
                format!("one with {}: this line was moved, or the one before was changed", link.prev),
            ));
        }
        Ok(())
    }
}
