//! The record of every decision, written before its effect (I9).
//!
//! A log is a folder of files with one JSON object a line ([`Record`]). Each record holds the digest of the line before
//! it, so that nothing can be changed, removed, added or moved in the middle without breaking the chain; see
//! [`verify()`] for what that proves.
//!
//! # Invariants
//! - A record that [`Audit::record`] answered for is in the kernel's hands: it survives the end of this process, by
//!   whatever signal. It is not forced to the disk, so a crash of the machine may take the last ones.
//! - Whatever stops a writer at whatever byte leaves at most an unfinished line at the end, which the next record
//!   vouches for ([`Torn`]). Anything else that is no record in its place is damage: readers name it, and writers
//!   refuse to go on.
//! - Every event is redacted in here, whoever hands it in. No event has a place for the value of a variable.
//! - Readers and writers of any number of processes share a folder. Locks are held for microseconds and waited for
//!   with a deadline.
//!
//! # Map
//! - What is written: `event`, `kind`, `record`, `chain`, `printable`; what is left out of it: `redact`
//! - Writing: `place` (the folder, and whom it has to belong to), `log` (append, rotate), `end` (where the chain ends)
//! - Reading: `snapshot` (a log that does not change), `verify`, `select` (show), `follow` (tail)
//! - Handing on: `sink`

mod chain;
mod end;
mod error;
mod event;
mod follow;
mod kind;
mod log;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod place;
mod printable;
mod record;
mod redact;
mod select;
mod sink;
mod snapshot;
mod verify;

use std::path::PathBuf;

pub use chain::{InvalidHash, LineHash, MAX_LINE_BYTES, Torn, UnknownVersion, Version};
pub use error::AuditError;
pub use event::*;
pub use follow::Follower;
pub use kind::{EventKind, UnknownKind};
pub use log::{FILE_BYTES, OLD_FILES, Retention};
#[cfg(feature = "opentelemetry")]
pub use opentelemetry::OpenTelemetrySink;
pub use place::{AUDIT_FILE, AUDIT_FOLDER};
pub use printable::printable;
pub use record::{Cut, Record, audit_schema};
pub use select::{Entry, Filter, Records};
pub use sink::{RecordSink, SINK_FLUSH, SINK_QUEUE};
pub use verify::{Break, Report, TornLine, verify};

pub(crate) use redact::argv as redacted_argv;

use crate::ids::SessionId;
use log::Log;
use record::Draft;
use sink::SinkQueue;

/// Where decisions are put on record. Shared by reference, or in an `Arc`.
#[derive(Debug)]
pub struct Audit {
    session: SessionId,
    log: Log,
    sink: Option<SinkQueue>,
}

/// Proof that an event is on record. Effects ask for it (I9).
#[must_use]
#[derive(Debug)]
pub struct Recorded {
    /// The record's number in the log.
    pub seq: u64,
}

impl Audit {
    /// The log in this folder, for events of this session. The folder and the file are made if they are missing, for
    /// us alone.
    ///
    /// # Errors
    /// [`AuditError`]: neither may be a symbolic link, belong to somebody else or be writable for others.
    pub fn open(folder: PathBuf, session: SessionId) -> Result<Self, AuditError> {
        Self::open_with(folder, session, Retention::default())
    }

    /// [`Audit::open`] with other limits on what is kept. All writers of a folder should have the same.
    ///
    /// # Errors
    /// As [`Audit::open`].
    pub fn open_with(folder: PathBuf, session: SessionId, retention: Retention) -> Result<Self, AuditError> {
        Ok(Self { session, log: Log::open(folder, retention)?, sink: None })
    }

    /// Puts an event on record. When this returns, the record survives the end of this process.
    ///
    /// Blocks: on the disk's cache, and on other writers, for a few seconds at most. Secrets are taken out first, and what is longer than [`MAX_LINE_BYTES`] is cut.
    ///
    /// # Errors
    /// [`AuditError`]; then the effect must not happen.
    pub fn record(&self, event: &Event) -> Result<Recorded, AuditError> {
        let event = redact::event(event);
        let written = self.log.append(&Draft::new(&self.session, &event)?)?;
        if let Some(sink) = &self.sink {
            sink.send(written.line);
        }
        Ok(Recorded { seq: written.seq })
    }

    /// Also hands each record on, once it is written. A sink that fails, hangs or is too slow changes nothing else.
    #[must_use]
    pub fn with_sink(mut self, sink: impl RecordSink) -> Self {
        self.sink = Some(SinkQueue::start(sink));
        self
    }

    /// How many records were not handed on, because the sink was too slow or gone.
    pub fn unsent(&self) -> u64 {
        self.sink.as_ref().map_or(0, SinkQueue::unsent)
    }
}
