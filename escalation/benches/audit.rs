//! What it costs to put a decision on record, and to verify a log.
//!
//! `cargo bench -p escalation --bench audit [-- FOLDER]`. The folder says which disk; without it, that of temporary
//! files. A plain write of the same line to a file is the measure of comparison.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use escalation::audit::{
    About, Audit, DecidedAs, Event, PlacementWord, RecordedFinding, RecordedVerdict, verify,
};
use escalation::{Call, SessionId, TurnId};
use execpolicy::Decision;
use policies::AbsolutePath;

const WARM_UP: u32 = 200;
const RECORDS: u32 = 20_000;
const THREADS: u32 = 4;

fn main() {
    let place = std::env::args().skip(1).find(|word| word != "--bench");
    let folder = match place {
        Some(place) => tempfile::tempdir_in(place).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let event = decision();
    let audit = open(&folder.path().join("one"));
    let plain = bare(&folder.path().join("plain"), &audit, &event, &folder.path().join("one/audit.jsonl"));
    println!("{:<44} {:>8.2} µs", "a bare write(2) of the same bytes", micros(plain, RECORDS));

    let taken = records(&audit, &event, RECORDS);
    println!("{:<44} {:>8.2} µs", "a record", micros(taken, RECORDS));

    let shared = open(&folder.path().join("threads"));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| records(&shared, &event, RECORDS / THREADS));
        }
    });
    println!("{:<44} {:>8.2} µs", "a record, 4 threads with one log", micros(start.elapsed(), RECORDS));

    let path = folder.path().join("logs");
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let own = open(&path);
            let event = &event;
            scope.spawn(move || records(&own, event, RECORDS / THREADS));
        }
    });
    println!(
        "{:<44} {:>8.2} µs",
        "a record, 4 writers that open it themselves",
        micros(start.elapsed(), RECORDS)
    );

    let start = Instant::now();
    let report = verify(&path, None).unwrap();
    assert!(report.is_sound());
    let count = u32::try_from(report.records).unwrap();
    println!("{:<44} {:>8.2} µs", "verifying a record", micros(start.elapsed(), count));
}

fn micros(taken: Duration, count: u32) -> f64 {
    taken.as_secs_f64() * 1e6 / f64::from(count)
}

fn open(folder: &Path) -> Audit {
    Audit::open(folder.to_owned(), SessionId::parse("bench").unwrap()).unwrap()
}

fn records(audit: &Audit, event: &Event, count: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        assert!(audit.record(event).unwrap().seq > 0);
    }
    start.elapsed()
}

/// Also warms the log up.
fn bare(path: &Path, audit: &Audit, event: &Event, log: &Path) -> Duration {
    records(audit, event, WARM_UP);
    let text = std::fs::read_to_string(log).unwrap();
    let line = text.lines().last().unwrap().to_owned() + "\n";
    let mut file: File = OpenOptions::new().create(true).append(true).open(path).unwrap();
    let start = Instant::now();
    for _ in 0..RECORDS {
        file.write_all(line.as_bytes()).unwrap();
    }
    start.elapsed()
}

/// An ordinary one.
fn decision() -> Event {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let cwd = AbsolutePath::parse("/home/me/src/project").unwrap();
    Event::Decided {
        call: Call::new(&TurnId("turn-17".to_owned()), "item-42"),
        about: About::Exec {
            program: AbsolutePath::parse("/usr/bin/bash").unwrap(),
            argv: words(&["bash", "-lc", "git status && cargo test 2>&1 | tail -n 20"]),
            cwd,
            environment: words(&["CARGO_TERM_COLOR"]),
            placement: PlacementWord::Inside,
            profile: ":workspace".to_owned(),
            profile_digest: "0".repeat(64),
            additional: None,
            retry: false,
        },
        outcome: DecidedAs::Allowed,
        by: "policy".to_owned(),
        ask: None,
        verdict: Some(RecordedVerdict {
            decision: Decision::Allow,
            findings: vec![RecordedFinding {
                command: words(&["git", "status"]),
                decision: Decision::Allow,
                source: Some("/home/me/.codex/rules/default.rules:3".to_owned()),
                why: "`git status` only reads".to_owned(),
            }],
        }),
        reason: None,
    }
}
