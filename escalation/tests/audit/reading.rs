//! Showing and following.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use escalation::audit::{Audit, AuditError, Entry, EventKind, Filter, Follower, Records, verify};

use crate::events::revoked;
use crate::log::{Log, entries, session};

fn count(log: &Log, filter: Filter) -> usize {
    Records::open(&log.folder(), filter)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().record.is_some())
        .count()
}

#[test]
fn records_are_found_by_session_kind_time_and_call() {
    let log = Log::filled();
    let other = Audit::open(log.folder(), session("other")).unwrap();
    assert!(other.record(&revoked(1)).is_ok());
    let all = count(&log, Filter::default());
    assert_eq!(count(&log, Filter { session: Some(session("other")), ..Filter::default() }), 1);
    assert_eq!(count(&log, Filter { session: Some(session("s")), ..Filter::default() }), all - 1);
    assert_eq!(count(&log, Filter { kinds: vec![EventKind::Decided], ..Filter::default() }), 7);
    assert_eq!(
        count(&log, Filter { kinds: vec![EventKind::Asked, EventKind::Revoked], ..Filter::default() }),
        3
    );
    assert_eq!(count(&log, Filter { call: Some("item-1".to_owned()), ..Filter::default() }), 9);
    assert_eq!(count(&log, Filter { call: Some("item-2".to_owned()), ..Filter::default() }), 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ms = |time: Duration| Some(u64::try_from(time.as_millis()).unwrap());
    let hour = Duration::from_secs(3600);
    assert_eq!(count(&log, Filter { since_ms: ms(now - hour), ..Filter::default() }), all);
    assert_eq!(count(&log, Filter { since_ms: ms(now + hour), ..Filter::default() }), 0);
    for kind in EventKind::ALL {
        assert_eq!(kind.word().parse(), Ok(kind));
        assert!(count(&log, Filter { kinds: vec![kind], ..Filter::default() }) > 0, "{}", kind.word());
    }
    assert!("Decided".parse::<EventKind>().is_err());
}

#[test]
fn a_follower_sees_every_record_once_across_rotation() {
    let log = Log::new();
    let mut follower = Follower::from_start(&log.folder());
    assert_eq!(follower.poll().unwrap(), []);
    let audit = log.open_small(1000);
    let mut seen = Vec::new();
    for seq in 1..=100 {
        assert_eq!(audit.record(&revoked(seq)).unwrap().seq, seq);
        if seq % 7 == 0 || seq > 90 {
            seen.extend(follower.poll().unwrap().into_iter().map(|entry| entry.record.unwrap().seq));
        }
    }
    seen.extend(follower.poll().unwrap().into_iter().map(|entry| entry.record.unwrap().seq));
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    assert_eq!(follower.poll().unwrap(), []);
    // An unfinished line is not there yet.
    let bytes = log.bytes();
    log.set(&[&bytes[..], b"{\"v\":1,"].concat());
    assert_eq!(follower.poll().unwrap(), []);
}

#[test]
fn a_log_that_is_not_there_is_an_error() {
    let log = Log::new();
    assert!(matches!(verify(&log.folder(), None), Err(AuditError::Missing { .. })));
    std::fs::create_dir(log.folder()).unwrap();
    assert!(matches!(Records::open(&log.folder(), Filter::default()), Err(AuditError::Missing { .. })));
}

/// As with a copy on a disk that is only read.
#[test]
fn a_log_without_its_lock_is_read() {
    let log = Log::short(3);
    std::fs::remove_file(log.folder().join("audit.lock")).unwrap();
    assert_eq!(log.verify().records, 3);
    assert!(!log.folder().join("audit.lock").exists());
}

/// Whoever can write the log can put a line into it that is longer than any record.
#[test]
fn a_line_that_is_too_long_counts_once() {
    let log = Log::short(1);
    let good = log.lines().remove(0);
    for length in [3 << 20, 9 << 20] {
        log.set(format!("{good}\n{}\n{good}\n", "x".repeat(length)).as_bytes());
        let numbers: Vec<u64> = entries(&log.folder()).iter().map(|entry| entry.line).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert!(entries(&log.folder())[2].record.is_some());
        let mut follower = Follower::from_start(&log.folder());
        let polls: Vec<Entry> = (0..4).flat_map(|_| follower.poll().unwrap()).collect();
        let last = polls.last().unwrap();
        assert_eq!((last.line, last.record.is_some()), (3, true));
    }
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let log = Log::short(1);
    let file = std::fs::OpenOptions::new().write(true).open(log.file()).unwrap();
    file.set_len(1 << 40).unwrap();
    let mut records = Records::open(&log.folder(), Filter::default()).unwrap();
    assert!(records.next().unwrap().unwrap().record.is_some());
    assert!(records.next().unwrap().unwrap().record.is_none());
    assert!(matches!(records.next(), Some(Err(AuditError::Damaged { .. }))));
    assert!(records.next().is_none());
    assert!(!log.verify().is_sound());
    let refused = Audit::open(log.folder(), session("s")).unwrap().record(&revoked(2)).unwrap_err();
    assert!(matches!(refused, AuditError::Damaged { .. }), "{refused}");
    let mut follower = Follower::from_start(&log.folder());
    assert_eq!(follower.poll().unwrap().len(), 1);
    assert!(follower.poll().unwrap().is_empty());
}
