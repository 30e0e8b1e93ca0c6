//! Whoever changes, removes, adds or moves a line is found out, with the place.

use escalation::audit::{Audit, AuditError, verify};

use crate::events::revoked;
use crate::log::{Log, session};

fn join(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

/// The first break, as the line where it is.
fn broken(log: &Log, lines: &[String]) -> Option<u64> {
    log.set(&join(lines));
    log.verify().broken.map(|broken| broken.line)
}

#[test]
fn what_was_written_is_sound() {
    let log = Log::filled();
    let report = log.verify();
    let count = u64::try_from(log.lines().len()).unwrap();
    assert_eq!((report.broken, report.records, report.files), (None, count, 1));
    assert_eq!((report.proven_from, report.last_seq, report.torn), (Some(1), Some(count), vec![]));
}

#[test]
fn every_changed_bit_in_front_of_the_last_line_is_found() {
    let log = Log::short(3);
    let original = log.bytes();
    let last = original[..original.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for at in 0..=last {
        for bit in [0, 5, 7] {
            let mut bytes = original.clone();
            bytes[at] ^= 1 << bit;
            log.set(&bytes);
            let broken = log.verify().broken.unwrap_or_else(|| panic!("bit {bit} of byte {at}"));
            let line =
                1 + u64::try_from(original[..at].iter().filter(|byte| **byte == b'\n').count()).unwrap();
            assert!((line..=line + 1).contains(&broken.line), "bit {bit} of byte {at}: {broken:?}");
        }
    }
}

#[test]
fn removed_moved_repeated_and_added_lines_are_found() {
    let log = Log::short(5);
    let lines = log.lines();
    let other = Log::new();
    let audit = Audit::open(other.folder(), session("other")).unwrap();
    (1..=5).for_each(|seq| assert_eq!(audit.record(&revoked(seq)).unwrap().seq, seq));
    let foreign = other.lines();
    for at in 0..lines.len() {
        let number = u64::try_from(at).unwrap() + 1;
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut changed = lines.clone();
            change(&mut changed);
            broken(&log, &changed)
        };
        if at + 1 < lines.len() {
            // Without its first lines, the rest is what rotation leaves.
            let removed = with(&|lines| drop(lines.remove(at)));
            assert_eq!(removed, if at == 0 { None } else { Some(number) });
            assert_eq!(with(&|lines| lines.swap(at, at + 1)), Some(if at == 0 { 2 } else { number }));
        }
        assert_eq!(with(&|lines| lines.insert(at, lines[at].clone())), Some(number + 1));
        for text in ["", " ", "x", "{}", "{\"v\":1,", "\0\0", foreign[at].as_str()] {
            let found =
                with(&|lines| lines.insert(at, text.to_owned())).unwrap_or_else(|| panic!("{at} {text:?}"));
            assert!((number..=number + 1).contains(&found), "{at} {text:?} {found}");
        }
        if at > 0 {
            assert!(with(&|lines| lines[at] = foreign[at].clone()).is_some());
        }
    }
    assert_eq!(broken(&log, &lines), None);
}

#[test]
fn a_break_is_named_and_writers_refuse_to_go_on_behind_one() {
    let log = Log::short(3);
    let mut lines = log.lines();
    lines[1] = lines[1].replace("g2", "g7");
    log.set(&join(&lines));
    let broken = log.verify().broken.unwrap();
    assert_eq!((broken.file, broken.line), (log.file(), 3));
    assert_eq!(broken.offset, u64::try_from(lines[0].len() + lines[1].len() + 2).unwrap());
    assert!(broken.expected.starts_with("record 3 with the digest "), "{}", broken.expected);
    assert!(broken.found.ends_with("the one before was changed"), "{}", broken.found);

    lines.push("# a note".to_owned());
    log.set(&join(&lines));
    let error = log.open().record(&revoked(4)).unwrap_err();
    assert!(matches!(error, AuditError::Damaged { .. }), "{error}");
    assert_eq!(log.lines().len(), 4);
}

#[test]
fn what_is_cut_off_at_the_end_shows_with_a_digest_that_was_kept() {
    let log = Log::short(5);
    let head = log.verify().head;
    let lines = log.lines();
    assert_eq!(log.open().record(&revoked(6)).unwrap().seq, 6);
    let report = verify(&log.folder(), head).unwrap();
    assert_eq!((report.broken, report.found_head), (None, Some(5)));
    log.set(&join(&lines[..4]));
    assert_eq!(log.verify().broken, None);
    let report = verify(&log.folder(), head).unwrap();
    assert!(report.broken.unwrap().found.contains("cut off"));
}

#[test]
fn a_missing_old_file_is_found_unless_it_is_the_oldest() {
    let log = Log::new();
    let audit = log.open_small(100);
    for seq in 1..=30 {
        assert_eq!(audit.record(&revoked(seq)).unwrap().seq, seq);
    }
    assert_eq!(log.verify().broken, None);
    let old = |number: u64| log.folder().join(format!("audit.{number:06}.jsonl"));
    std::fs::rename(old(1), log.folder().join("kept")).unwrap();
    let report = log.verify();
    assert_eq!(report.broken, None);
    assert!(report.proven_from.unwrap() > 1);
    std::fs::rename(log.folder().join("kept"), old(1)).unwrap();
    std::fs::remove_file(old(2)).unwrap();
    let broken = log.verify().broken.unwrap();
    assert_eq!((broken.file, broken.line), (old(3), 1));
    // An old file does not end within a line.
    let bytes = std::fs::read(old(1)).unwrap();
    std::fs::write(old(1), &bytes[..bytes.len() - 9]).unwrap();
    assert_eq!(log.verify().broken.unwrap().file, old(1));
}
