//! Asks the real shells: a plain script starts exactly the programs that were predicted, and writes no file
//! but those it is redirected to.
//!
//! This program is also the stub that the scripts start, under the names of programs: it writes down its
//! arguments and ends. `PATH` holds nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program: it fails by panicking and reports by printing"
)]

mod differential {
    pub(super) mod generate;
    pub(super) mod invoke;
    pub(super) mod run;
    pub(super) mod stub;
}

use std::collections::HashMap;

use differential::generate::Generator;
use differential::invoke;
use differential::run::{Outcome, Shell, Workplace, installed};
use differential::stub;
use execpolicy::Word;
use execpolicy::shell::{Operator, RedirectionKind, Script, Target, read};
use libtest_mimic::{Arguments, Failed, Trial};

/// Scripts per shell that are really run.
const RUNS: usize = 300;

/// Scripts that are made per shell until enough of them are plain.
const MOST_TRIES: usize = 200_000;

fn main() {
    if stub::answer() {
        return;
    }
    let seed = number("DIFFERENTIAL_SEED").unwrap_or(0x5eed);
    let runs = number("DIFFERENTIAL_RUNS").map_or(RUNS, |runs| usize::try_from(runs).unwrap());
    let trial = |shell: Shell| Trial::test(shell.name(), move || judge(&shell, seed, runs));
    libtest_mimic::run(&Arguments::from_args(), installed().into_iter().map(trial).collect()).exit();
}

/// One shell's verdict on all predictions.
fn judge(shell: &Shell, seed: u64, runs: usize) -> Result<(), Failed> {
    let failures = examine(shell, seed, runs);
    match failures.len() {
        0 => Ok(()),
        wrong => Err(format!("seed {seed}: {wrong} predictions were wrong\n{}", failures.join("\n")).into()),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs the rows and generated scripts in one shell.
fn examine(shell: &Shell, seed: u64, runs: usize) -> Vec<String> {
    let place = Workplace::new();
    let mut generator = Generator::new(seed);
    let mut failures = Vec::new();
    let (mut ran, mut programs, mut tries) = (0, 0, 0);
    let mut rows = rows().into_iter();
    while ran < runs && tries < MOST_TRIES {
        tries += 1;
        let script = rows.next().unwrap_or_else(|| generator.script());
        let predicted = read(&script, shell.dialect);
        if !predicted.is_plain() || !is_safe_to_run(&predicted) {
            continue;
        }
        ran += 1;
        match check(shell, &place, &script, &predicted) {
            Ok(started) => programs += started,
            Err(failure) => failures.push(failure),
        }
    }
    println!("{}: {ran} plain scripts of {tries} started {programs} programs", shell.name());
    failures.extend(examine_structured(shell, &place, &mut generator, runs / 2));
    failures.extend(invoke::examine(shell, &place, &mut generator, runs / 2));
    failures
}

/// Runs opaque scripts: what starts must be among what was found, unknown words standing for any words.
fn examine_structured(
    shell: &Shell,
    place: &Workplace,
    generator: &mut Generator,
    runs: usize,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut programs = 0;
    for _ in 0..runs {
        let script = generator.structured();
        let found = read(&script, shell.dialect);
        let Some(outcome) = place.call(shell, &["-c".to_owned(), script.clone()]) else { continue };
        programs += outcome.started.len();
        for argv in &outcome.started {
            if !found.commands.iter().any(|command| covers(&command.words, argv)) {
                let commands: Vec<_> = found.commands.iter().map(|command| &command.words).collect();
                failures.push(format!(
                    "{} -c {script:?}\n  started {argv:?}, which is not among\n  {commands:?}",
                    shell.name()
                ));
            }
        }
    }
    println!("{}: {runs} opaque scripts started {programs} programs", shell.name());
    failures
}

/// Whether this may be the argv of a command with these words.
fn covers(words: &[Word], argv: &[String]) -> bool {
    match (words.split_first(), argv.split_first()) {
        (None, None) => true,
        (Some((Word::Unknown, rest)), _) => (0..=argv.len()).any(|taken| covers(rest, &argv[taken..])),
        (Some((Word::Literal(text), rest)), Some((first, others))) => text == first && covers(rest, others),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The scripts of the data file.
fn rows() -> Vec<String> {
    let file = include_str!("data/shell.toml");
    let value: toml::Value = toml::from_str(file).unwrap();
    value["case"].as_array().unwrap().iter().map(|row| row["script"].as_str().unwrap().to_owned()).collect()
}

/// The scripts run for real: nothing that signals processes or leaves the work place.
fn is_safe_to_run(script: &Script) -> bool {
    script.commands.iter().all(|command| {
        let name = command.words[0].literal().unwrap();
        let harmless = name != "kill" && !name.starts_with('/') && !name.contains("..");
        harmless
            && command.redirections.iter().all(|redirection| match &redirection.target {
                Target::File(path) => !redirection.writes || !(path.starts_with('/') || path.contains("..")),
                Target::Null | Target::Descriptor => true,
                Target::HereDocument(_) | Target::Unknown => false,
            })
    })
}

fn check(shell: &Shell, place: &Workplace, script: &str, predicted: &Script) -> Result<usize, String> {
    let expected = expected(predicted, place);
    let wanted = expected.as_ref().map_or(0, Vec::len);
    let Some(Outcome { started, files, errors }) = place.run(shell, script, wanted) else {
        return Err(format!("{} -c {script:?}\n  did not end", shell.name()));
    };
    let fail = |what: &str| {
        Err(format!(
            "{} -c {script:?}\n  {what}\n  predicted {:?}\n  started   {started:?}\n  files     {files:?}\n  stderr    {errors}",
            shell.name(),
            argvs(predicted),
        ))
    };
    let mut left: HashMap<Vec<String>, usize> = HashMap::new();
    for argv in argvs(predicted) {
        *left.entry(argv).or_default() += 1;
    }
    for argv in &started {
        match left.get_mut(argv) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return fail("a program was started that was not predicted"),
        }
    }
    let written: Vec<&str> = predicted
        .commands
        .iter()
        .flat_map(|command| &command.redirections)
        .filter_map(|r| match &r.target {
            Target::File(path) if r.writes => Some(path.trim_start_matches("./")),
            Target::File(_)
            | Target::Null
            | Target::Descriptor
            | Target::HereDocument(_)
            | Target::Unknown => None,
        })
        .collect();
    if files.iter().any(|file| !written.contains(&file.as_str())) {
        return fail("a file was written that was not predicted");
    }
    if let Some(mut expected) = expected {
        let mut seen = started.clone();
        if predicted.commands.iter().any(|command| command.fed_by.is_some()) {
            expected.sort();
            seen.sort();
        }
        if seen != expected {
            return fail("a predicted program was not started");
        }
    }
    Ok(started.len())
}

fn argvs(script: &Script) -> Vec<Vec<String>> {
    script
        .commands
        .iter()
        .map(|command| command.words.iter().map(|word| word.literal().unwrap().to_owned()).collect())
        .collect()
}

/// What must start, when every command is a stub that succeeds and every redirection works.
fn expected(script: &Script, place: &Workplace) -> Option<Vec<Vec<String>>> {
    let mut expected = Vec::new();
    let mut skipping = false;
    for (command, argv) in script.commands.iter().zip(argvs(script)) {
        let works = command.redirections.iter().all(|redirection| match &redirection.target {
            Target::Null => true,
            Target::File(path) => {
                redirection.operator != RedirectionKind::Read
                    && !path.is_empty()
                    && path.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
            Target::Descriptor | Target::HereDocument(_) | Target::Unknown => false,
        });
        if !works || !place.has(&argv[0]) {
            return None;
        }
        match command.operator {
            Operator::Sequence | Operator::And => skipping = false,
            Operator::Or => skipping = true,
            Operator::Pipe => {}
        }
        if !skipping {
            expected.push(argv);
        }
    }
    Some(expected)
}
