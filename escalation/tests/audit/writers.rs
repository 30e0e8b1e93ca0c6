//! Many writers at once, and writers that are killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use escalation::audit::{Audit, AuditError, Event, Retention};

use crate::log::{Log, entries, session};

/// Tells the test program to be a writer: the folder, how large a file becomes, how many threads, how many records
/// each.
const FOLDER: &str = "AUDIT_TEST_FOLDER";
const FILE_BYTES: &str = "AUDIT_TEST_FILE_BYTES";
const THREADS: &str = "AUDIT_TEST_THREADS";
const RECORDS: &str = "AUDIT_TEST_RECORDS";
/// How large a file of the writer may become. setrlimit(2)
const LIMIT: &str = "AUDIT_TEST_LIMIT";

#[expect(clippy::disallowed_methods, reason = "starts itself as a writer")]
fn writer(log: &Log, file_bytes: u64, threads: u32, records: u32) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "writers::process", "--nocapture"])
        .env(FOLDER, log.folder())
        .env(FILE_BYTES, file_bytes.to_string())
        .env(THREADS, threads.to_string())
        .env(RECORDS, records.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn setting(name: &str) -> u64 {
    std::env::var(name).unwrap().parse().unwrap()
}

/// The writer. Says which records are in the log.
#[test]
fn process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let retention = Retention { file_bytes: setting(FILE_BYTES), old_files: 100_000 };
    if let Ok(limit) = std::env::var(LIMIT) {
        let limit = rustix::process::Rlimit { current: Some(limit.parse().unwrap()), maximum: None };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    }
    let audit = Arc::new(Audit::open_with(PathBuf::from(folder), session("w"), retention).unwrap());
    let threads: Vec<_> = (0..setting(THREADS))
        .map(|thread| {
            let audit = Arc::clone(&audit);
            std::thread::spawn(move || {
                for number in 0..setting(RECORDS) {
                    let name = format!("{}-{thread}-{number}", std::process::id());
                    let event =
                        Event::Revoked { grant: name.clone(), what: "x".repeat((number % 50) as usize) };
                    match audit.record(&event) {
                        Ok(recorded) => writeln!(std::io::stdout(), "ack {} {name}", recorded.seq).unwrap(),
                        Err(AuditError::File { source, .. }) => {
                            writeln!(std::io::stdout(), "error {:?}", source.kind()).unwrap();
                            return;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// What the log has to hold: which record, and of which name.
type Acknowledged = BTreeSet<(u64, String)>;

/// What a writer says.
fn said_by(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

/// The next ones, at most so many.
fn acknowledged(said: &mut Lines<BufReader<ChildStdout>>, most: usize) -> Acknowledged {
    let acknowledged = said.by_ref().filter_map(|line| {
        let line = line.unwrap();
        // The test runner may have begun the line.
        let (_, ack) = line.split_once("ack ")?;
        let (seq, name) = ack.split_once(' ')?;
        Some((seq.parse().ok()?, name.to_owned()))
    });
    acknowledged.take(most).collect()
}

fn in_log(log: &Log) -> Acknowledged {
    let records = entries(&log.folder()).into_iter().filter_map(|entry| entry.record);
    records
        .map(|record| {
            let Event::Revoked { grant, .. } = record.event else { panic!("{record:?}") };
            (record.seq, grant)
        })
        .collect()
}

fn many(file_bytes: u64) {
    let log = Log::new();
    let mut children: Vec<Child> = (0..4).map(|_| writer(&log, file_bytes, 3, 60).spawn().unwrap()).collect();
    let mut wanted = Acknowledged::new();
    for child in &mut children {
        wanted.extend(acknowledged(&mut said_by(child), usize::MAX));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(wanted.len(), 4 * 3 * 60);
    let report = log.verify();
    assert_eq!((&report.broken, report.records, report.torn.len()), (&None, 720, 0));
    assert_eq!(in_log(&log), wanted);
}

#[test]
fn many_writers_lose_nothing() {
    many(escalation::audit::FILE_BYTES);
}

#[test]
fn many_writers_lose_nothing_while_files_rotate() {
    many(2000);
}

#[test]
fn a_writer_that_is_killed_loses_nothing_that_it_answered_for() {
    let log = Log::new();
    let mut wanted = Acknowledged::new();
    for round in 0..12_u64 {
        // Two at a time, one of them rotating early.
        let mut children: Vec<Child> =
            [1 << 20, 4000].map(|file_bytes| writer(&log, file_bytes, 2, 1_000_000).spawn().unwrap()).into();
        let mut said: Vec<_> = children.iter_mut().map(said_by).collect();
        // They are at work.
        said.iter_mut().for_each(|said| wanted.extend(acknowledged(said, 5)));
        std::thread::sleep(Duration::from_micros(round * 7919 % 30_000));
        for (child, said) in children.iter_mut().zip(&mut said) {
            child.kill().unwrap();
            child.wait().unwrap();
            wanted.extend(acknowledged(said, usize::MAX));
        }
        let report = log.verify();
        assert_eq!(report.broken, None, "round {round}");
    }
    assert!(wanted.len() > 100, "{}", wanted.len());
    let found = in_log(&log);
    let lost: Vec<_> = wanted.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_no_signal() {
    let log = Log::short(1);
    let mut child = writer(&log, 1 << 20, 1, 100).env(LIMIT, "3000").spawn().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(said.contains("error FileTooLarge"), "{said}");
    let report = log.verify();
    assert_eq!((report.broken, report.torn.len()), (None, 0));
    assert!(report.records > 5);
}

#[test]
fn old_files_are_deleted_and_the_chain_says_from_where_it_is_proven() {
    let log = Log::new();
    let audit = log.open_small(3);
    for seq in 1..=100 {
        assert_eq!(audit.record(&crate::events::revoked(seq)).unwrap().seq, seq);
    }
    let report = log.verify();
    assert_eq!((&report.broken, report.files, report.last_seq), (&None, 4, Some(100)));
    assert!(report.proven_from.unwrap() > 80);
    assert_eq!(report.records, 101 - report.proven_from.unwrap());
}

#[test]
fn a_lock_that_is_not_let_go_is_an_error_after_a_while() {
    let log = Log::short(1);
    let held = std::fs::OpenOptions::new().write(true).open(log.folder().join("audit.lock")).unwrap();
    held.lock().unwrap();
    let audit = log.open();
    std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| audit.record(&crate::events::revoked(2)))).collect();
        for writer in writers {
            let error = writer.join().unwrap().unwrap_err();
            assert!(matches!(error, AuditError::Locked { .. }), "{error}");
        }
    });
    drop(held);
    assert_eq!(audit.record(&crate::events::revoked(2)).unwrap().seq, 2);
}
