//! Handing records on, for whoever watches from elsewhere. The log is what counts: nothing here can hold up or change a
//! decision.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::record::Record;

/// How many records may wait for a slow receiver. Further ones are counted and not handed on.
pub const SINK_QUEUE: usize = 1024;
/// How long the end of an [`Audit`](super::Audit) waits for the receiver to take what is left.
pub const SINK_FLUSH: Duration = Duration::from_secs(1);

/// Where records are handed on to once they are in the log. Called on a thread of its own, one record after the other;
/// those of several threads may change places, `seq` tells. A panic ends the handing on; where panics abort, it ends
/// the process.
pub trait RecordSink: Send + 'static {
    /// Takes a record, and its line without the newline.
    fn written(&mut self, record: &Record, line: &str);
}

/// The queue in front of a receiver.
pub(super) struct SinkQueue {
    lines: Option<SyncSender<Vec<u8>>>,
    ended: Mutex<Receiver<()>>,
    unsent: AtomicU64,
}

impl SinkQueue {
    /// Starts the thread. Without one, nothing is handed on, and all is counted.
    pub(super) fn start(mut sink: impl RecordSink) -> Self {
        let (lines, queue) = sync_channel::<Vec<u8>>(SINK_QUEUE);
        let (ends, ended) = sync_channel(1);
        let work = move || {
            // Dropped at the end, also by a panic.
            let _ends: SyncSender<()> = ends;
            for line in queue {
                let record = serde_json::from_slice(&line);
                if let (Ok(record), Ok(line)) = (record, std::str::from_utf8(&line)) {
                    sink.written(&record, line);
                }
            }
        };
        let started = std::thread::Builder::new().name("audit-sink".to_owned()).spawn(work);
        if let Err(error) = &started {
            tracing::warn!(%error, "audit records are not handed on");
        }
        Self { lines: Some(lines), ended: Mutex::new(ended), unsent: AtomicU64::new(0) }
    }

    pub(super) fn send(&self, line: Vec<u8>) {
        let sent = self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok());
        if !sent {
            self.unsent.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }
}

impl Drop for SinkQueue {
    fn drop(&mut self) {
        drop(self.lines.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Either it ended, or it hangs and is left to itself.
        ended.recv_timeout(SINK_FLUSH).ok();
    }
}

impl fmt::Debug for SinkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkQueue").field("unsent", &self.unsent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    use super::{RecordSink, SINK_QUEUE};
    use crate::SessionId;
    use crate::audit::{Audit, Event, Record};

    struct Collect(Sender<(Record, String)>);

    impl RecordSink for Collect {
        fn written(&mut self, record: &Record, line: &str) {
            self.0.send((record.clone(), line.to_owned())).unwrap();
        }
    }

    /// Waits until it is let go.
    struct Stuck(Receiver<()>);

    impl RecordSink for Stuck {
        fn written(&mut self, _: &Record, _: &str) {
            self.0.recv().unwrap_err();
        }
    }

    struct Broken;

    impl RecordSink for Broken {
        fn written(&mut self, _: &Record, _: &str) {
            panic!("on purpose");
        }
    }

    fn event() -> Event {
        Event::Revoked { grant: "g1".to_owned(), what: "git push --password hunter2".to_owned() }
    }

    fn open(folder: &tempfile::TempDir) -> Audit {
        Audit::open(folder.path().join("audit"), SessionId::parse("s").unwrap()).unwrap()
    }

    #[test]
    fn records_are_handed_on_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = channel();
        let audit = open(&folder).with_sink(Collect(sender));
        for seq in 1..=3 {
            assert_eq!(audit.record(&event()).unwrap().seq, seq);
        }
        assert_eq!(audit.unsent(), 0);
        drop(audit);
        let got: Vec<(Record, String)> = receiver.iter().collect();
        let text = std::fs::read_to_string(folder.path().join("audit/audit.jsonl")).unwrap();
        assert_eq!(
            got.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(),
            text.lines().collect::<Vec<_>>()
        );
        assert_eq!(got.iter().map(|(record, _)| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn a_sink_that_hangs_or_panics_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let (release, stuck) = channel();
        let audit = open(&folder).with_sink(Stuck(stuck));
        let count = u64::try_from(SINK_QUEUE).unwrap() + 10;
        for seq in 1..=count {
            assert_eq!(audit.record(&event()).unwrap().seq, seq);
        }
        assert!(audit.unsent() >= 9, "{}", audit.unsent());
        let started = Instant::now();
        drop(audit);
        assert!(started.elapsed() < Duration::from_secs(20));
        drop(release);
        let audit = open(&folder).with_sink(Broken);
        for _ in 0..10 {
            assert!(audit.record(&event()).is_ok());
        }
    }
}
