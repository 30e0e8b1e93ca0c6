//! Writers that are stopped at any byte leave a log that holds, and the next one goes on.

use escalation::audit::Report;

use crate::events::{decided, exec, revoked};
use crate::log::{Log, entries};

/// Whether what is left behind is named, and nothing else is.
fn check(report: &Report, kept: usize, bytes: &[u8], what: &str) {
    let whole = bytes[..kept].iter().filter(|byte| **byte == b'\n').count();
    let start = bytes[..kept].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    // A line that lacks nothing but its newline is a record.
    let complete = bytes.get(kept) == Some(&b'\n') && start < kept;
    assert_eq!(report.broken, None, "{what}");
    assert_eq!(report.records, u64::try_from(whole + usize::from(complete)).unwrap(), "{what}");
    match report.torn.as_slice() {
        [] => assert!(start == kept || complete, "{what}"),
        [torn] => {
            assert_eq!((torn.torn.offset, torn.torn.bytes), (start as u64, (kept - start) as u64), "{what}");
            assert_eq!(torn.noted_by, None, "{what}");
        }
        more => panic!("{what}: {more:?}"),
    }
}

#[test]
fn a_log_that_ends_at_any_byte_holds_and_goes_on() {
    let log = Log::short(2);
    assert_eq!(log.open().record(&decided(exec(&["git", "push"]))).unwrap().seq, 3);
    let bytes = log.bytes();
    for kept in 0..=bytes.len() {
        let what = format!("{kept} of {} bytes", bytes.len());
        log.set(&bytes[..kept]);
        let before = log.verify();
        check(&before, kept, &bytes, &what);
        let seq = log.open().record(&revoked(9)).unwrap().seq;
        assert_eq!(seq, before.records + 1, "{what}");
        let after = log.verify();
        assert_eq!((&after.broken, after.records), (&None, seq), "{what}");
        assert_eq!(after.torn.len(), before.torn.len(), "{what}");
        assert!(after.torn.iter().all(|torn| torn.noted_by == Some(seq)), "{what}");
        assert_eq!(log.bytes()[..kept], bytes[..kept], "{what}: nothing is taken away");
    }
}

/// Also the writer that notes a torn line may be stopped.
#[test]
fn noting_what_is_torn_may_be_torn() {
    let log = Log::short(2);
    let bytes = log.bytes();
    log.set(&bytes[..bytes.len() - 20]);
    assert_eq!(log.open().record(&revoked(9)).unwrap().seq, 2);
    let repaired = log.bytes();
    for kept in bytes.len() - 20..=repaired.len() {
        log.set(&repaired[..kept]);
        let report = log.verify();
        assert_eq!((&report.broken, report.torn.len()), (&None, 1), "{kept}");
        let seq = log.open().record(&revoked(10)).unwrap().seq;
        let report = log.verify();
        assert_eq!((&report.broken, report.records, report.torn.len()), (&None, seq, 1), "{kept}");
    }
}

/// What a file system shows for bytes that did not reach the disk.
#[test]
fn zeros_at_the_end_are_torn() {
    let log = Log::short(2);
    let bytes = log.bytes();
    for (kept, zeros) in [(bytes.len(), 100), (bytes.len() - 5, 100), (0, 5000), (bytes.len(), 300_000)] {
        log.set(&[&bytes[..kept], &vec![0; zeros]].concat());
        assert_eq!((log.verify().broken, log.verify().torn.len()), (None, 1));
        assert!(log.open().record(&revoked(9)).is_ok());
        assert_eq!(log.verify().broken, None);
    }
    // More than that is no accident of one record.
    log.set(&[&bytes[..], &vec![0; 2 << 20]].concat());
    assert!(log.verify().broken.is_some());
    assert!(log.open().record(&revoked(9)).is_err());
}

#[test]
fn a_torn_line_that_was_noted_cannot_be_changed_or_taken_away() {
    let log = Log::short(2);
    let bytes = log.bytes();
    log.set(&bytes[..bytes.len() - 20]);
    assert_eq!(log.open().record(&revoked(9)).unwrap().seq, 2);
    let lines = log.lines();
    let [first, torn, last] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(last.contains(&format!("\"torn\":{{\"offset\":{},\"bytes\":{},", first.len() + 1, torn.len())));
    assert_eq!(log.verify().torn[0].noted_by, Some(2));
    let cut = &torn[..torn.len() - 1];
    for changed in [vec![first.as_str(), last], vec![first, cut, last], vec![first, torn, torn, last]] {
        log.set((changed.join("\n") + "\n").as_bytes());
        assert!(log.verify().broken.is_some(), "{changed:?}");
    }
}

#[test]
fn a_writer_sees_what_another_one_left_behind() {
    let log = Log::short(1);
    let (one, other) = (log.open(), log.open());
    for seq in (2..20).step_by(2) {
        assert_eq!(one.record(&revoked(seq)).unwrap().seq, seq);
        let bytes = log.bytes();
        log.set(&[&bytes[..], b"{\"v\":1,\"seq\":"].concat());
        assert_eq!(other.record(&revoked(seq + 1)).unwrap().seq, seq + 1);
    }
    let report = log.verify();
    assert_eq!((report.broken, report.torn.len()), (None, 9));
    assert_eq!(entries(&log.folder()).iter().filter(|entry| entry.record.is_none()).count(), 9);
}
