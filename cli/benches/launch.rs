//! What a sandbox costs: launch latency, memory, and execs inside, as ratios in one run.
//!
//! `cargo bench -p codex --bench launch [-- ROUNDS]`. The variants take turns, so that whatever else the
//! machine does hits all of them alike; compare the ratios, not the milliseconds.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, starts processes, and stops at the first surprise"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CODEX: &str = env!("CARGO_BIN_EXE_codex");
const DEFAULT_ROUNDS: usize = 300;
const WARM_UP: usize = 20;
/// Execs in one measurement of [`execs_inside`], and how often it is taken.
const EXECS: usize = 1000;
const EXEC_ROUNDS: usize = 8;

const NOT_ASKING: &str = "codex, namespaces, workspace-write";
const ASKING: &str = "the same, --ask-for-approval";

/// Name and command line.
type Variant = (&'static str, Vec<&'static str>);

fn variants() -> Vec<Variant> {
    let bwrap =
        ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "/bin/true"];
    vec![
        ("plain spawn", vec!["/bin/true"]),
        ("raw bwrap", bwrap.to_vec()),
        ("codex, bwrap", codex("bwrap", "read-only")),
        ("codex, namespaces", codex("namespaces", "read-only")),
        ("codex, bwrap, workspace-write", codex("bwrap", "workspace-write")),
        (NOT_ASKING, codex("namespaces", "workspace-write")),
        (ASKING, asking("namespaces", "workspace-write")),
    ]
}

fn codex(backend: &'static str, mode: &'static str) -> Vec<&'static str> {
    vec![CODEX, "sandbox", "--backend", backend, "--mode", mode, "--", "/bin/true"]
}

/// The command is judged, and put on record, before it runs; nobody has to be asked about this one.
fn asking(backend: &'static str, mode: &'static str) -> Vec<&'static str> {
    let mut command = codex(backend, mode);
    command.splice(2..2, ["--ask-for-approval", "on-request"]);
    command
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some((flag, command)) = arguments.split_first()
        && flag == "--peak-memory"
    {
        println!("{}", peak_memory_of(command));
        return;
    }
    let rounds = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(DEFAULT_ROUNDS);
    let folder = tempfile::Builder::new().prefix("launch-bench-").tempdir_in("/var/tmp").unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    std::env::set_current_dir(work).unwrap();
    std::fs::create_dir(home()).unwrap();
    launches(rounds);
    execs_inside();
}

fn launches(rounds: usize) {
    let variants = variants();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); variants.len()];
    for round in 0..WARM_UP + rounds {
        for (index, (_, command)) in variants.iter().enumerate() {
            let taken = time(command);
            if round >= WARM_UP {
                times[index].push(taken);
            }
        }
    }
    times.iter_mut().for_each(|list| list.sort());
    let raw_bwrap = median(&times[1]);
    println!("{rounds} launches of /bin/true each, interleaved\n");
    println!("{:<36} {:>9} {:>9} {:>12} {:>9}", "", "median ms", "p95 ms", "x raw bwrap", "peak MB");
    for ((name, command), list) in variants.iter().zip(&times) {
        println!(
            "{name:<36} {:>9.2} {:>9.2} {:>12.2} {:>9.1}",
            milliseconds(median(list)),
            milliseconds(list[list.len() * 95 / 100]),
            median(list).as_secs_f64() / raw_bwrap.as_secs_f64(),
            peak_memory(command),
        );
    }
    let of = |name| variants.iter().zip(&times).find(|((other, _), _)| *other == name).unwrap().1;
    let ratio = median(of(ASKING)).as_secs_f64() / median(of(NOT_ASKING)).as_secs_f64();
    println!("\njudged and recorded, against not judged: {ratio:.2} x");
}

fn execs_inside() {
    let script = format!("i=0; while [ $i -lt {EXECS} ]; do /bin/true; i=$((i+1)); done");
    let mut ratios: Vec<(&str, Vec<f64>)> = vec![("bwrap", Vec::new()), ("namespaces", Vec::new())];
    for _ in 0..EXEC_ROUNDS {
        for (backend, list) in &mut ratios {
            // The launch itself is taken out: what counts is what each exec costs.
            let outside = time(&["sh", "-c", &script]);
            let launch = time(&[CODEX, "sandbox", "--backend", backend, "--", "/bin/true"]);
            let inside = time(&[CODEX, "sandbox", "--backend", backend, "--", "sh", "-c", &script]);
            list.push(inside.saturating_sub(launch).as_secs_f64() / outside.as_secs_f64());
        }
    }
    println!("\n{EXECS} execs of /bin/true inside, against as many outside (median of {EXEC_ROUNDS})");
    for (backend, list) in &mut ratios {
        list.sort_by(f64::total_cmp);
        println!("{backend:<36} {:>9.3} x", list[list.len() / 2]);
    }
}

fn time(command: &[&str]) -> Duration {
    let mut process = Command::new(command[0]);
    process.env("CODEX_HOME", home());
    process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let start = Instant::now();
    let status = process.status().unwrap();
    let taken = start.elapsed();
    assert!(status.success(), "{command:?}");
    taken
}

/// A configuration home of its own, outside of what commands can write.
fn home() -> PathBuf {
    std::env::current_dir().unwrap().with_file_name("home")
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The largest resident set of any process of one run, in MB (10^6 bytes). The kernel keeps one maximum
/// for all children of a process, so each run gets a parent of its own. getrusage(2).
fn peak_memory(command: &[&str]) -> f64 {
    let own = std::env::current_exe().unwrap();
    let output =
        Command::new(own).arg("--peak-memory").args(command).env("CODEX_HOME", home()).output().unwrap();
    let kibibytes: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    kibibytes * 1024.0 / 1e6
}

fn peak_memory_of(command: &[String]) -> i64 {
    assert!(Command::new(&command[0]).args(&command[1..]).status().unwrap().success());
    nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap().max_rss()
}
