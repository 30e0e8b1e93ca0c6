//! What a question about a command costs as a process, against the cheapest process there is.
//!
//! `cargo bench -p codex --bench rules [-- ROUNDS]`. The variants take turns, so that whatever else the
//! machine does hits all of them alike; compare the ratios, not the milliseconds.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, starts processes, and stops at the first surprise"
)]

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CODEX: &str = env!("CARGO_BIN_EXE_codex");
const DEFAULT_ROUNDS: usize = 500;
const WARM_UP: usize = 20;
/// Rules in the large file.
const MANY: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = arguments.first().and_then(|word| word.parse().ok()).unwrap_or(DEFAULT_ROUNDS);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let one = file("one.rules", "prefix_rule(pattern=[\"git\", \"status\"])\n");
    let many = file("many.rules", &many());
    let program =
        file("program.rules", "[prefix_rule(pattern=[\"git\", verb]) for verb in [\"status\", \"log\"]]\n");
    let check = |rules: &str| words(&[CODEX, "execpolicy", "check", "-r", rules, "git", "status"]);
    let script = "git status && cargo test 2>&1 | tail -n 20";
    let variants = [
        ("/bin/true", words(&["/bin/true"])),
        ("codex --version", words(&[CODEX, "--version"])),
        ("check, one rule", check(&one)),
        ("check, 1,000 rules", check(&many)),
        ("check, a rule file that computes", check(&program)),
        (
            "explain a script, one rule",
            words(&[CODEX, "execpolicy", "explain", "-r", &one, "bash", "-lc", script]),
        ),
    ];
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
    let baseline = times[0][rounds / 2].as_secs_f64();
    println!("{rounds} runs each, interleaved\n\n{:<36} {:>9} {:>12}", "", "median ms", "x /bin/true");
    for ((name, _), list) in variants.iter().zip(&times) {
        let median = list[rounds / 2].as_secs_f64();
        println!("{name:<36} {:>9.2} {:>12.2}", median * 1000.0, median / baseline);
    }
}

fn many() -> String {
    (0..MANY).fold(String::new(), |mut text, number| {
        writeln!(text, "prefix_rule(pattern=[\"tool-{number}\", \"verb\"], decision=\"prompt\")").unwrap();
        text
    })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn time(command: &[String]) -> Duration {
    let mut process = Command::new(&command[0]);
    process.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let start = Instant::now();
    let status = process.status().unwrap();
    let taken = start.elapsed();
    assert!(status.success(), "{command:?}");
    taken
}
