//! Which word of a shell's argv is its script, asked of the shells.

use execpolicy::Word;
use execpolicy::shell::{Source, invocation, read};

use super::generate::Generator;
use super::run::{Outcome, Shell, Workplace};

/// Words of a call; the scripts are put in by number.
const WORDS: [&str; 40] = [
    "-c",
    "-c",
    "-c",
    "-lc",
    "-ec",
    "-cl",
    "-ce",
    "-l",
    "-e",
    "-x",
    "-u",
    "-v",
    "-f",
    "-n",
    "+e",
    "+c",
    "--login",
    "--norc",
    "--noprofile",
    "--posix",
    "--verbose",
    "-o",
    "pipefail",
    "errexit",
    "-opipefail",
    "-oc",
    "-co",
    "--",
    "-",
    "-s",
    "-O",
    "extglob",
    "+O",
    "-k",
    "--version",
    "--rcfile",
    "-norc",
    "-b",
    "-p",
    "+",
];

/// The next call: options and two scripts in some order.
fn call(generator: &mut Generator, scripts: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..=generator.below(4) {
        words.push(generator.pick(&WORDS).to_owned());
    }
    for script in scripts {
        let at = if generator.below(2) == 0 { words.len() } else { generator.below(words.len() + 1) };
        words.insert(at, script.clone());
    }
    words
}

/// Makes calls and compares what starts with the script that was found.
pub(crate) fn examine(
    shell: &Shell,
    place: &Workplace,
    generator: &mut Generator,
    runs: usize,
) -> Vec<String> {
    let scripts: Vec<String> =
        ["one", "two"].iter().map(|word| format!("{} {word}", place.stub("apple"))).collect();
    let mut failures = Vec::new();
    let (mut ran, mut proven) = (0, 0);
    for _ in 0..runs {
        let call = call(generator, &scripts);
        let words: Vec<Word> = std::iter::once(shell.arg0())
            .chain(call.iter().map(String::as_str))
            .map(|word| Word::Literal(word.to_owned()))
            .collect();
        let read_as = invocation(&words).unwrap();
        let expected = match &read_as.source {
            Source::Script { text, .. } => read(text, read_as.dialect).commands,
            Source::File { .. } | Source::Stdin | Source::Nothing => Vec::new(),
            Source::Unclear(_) => continue,
        };
        let Some(Outcome { started, errors, .. }) = place.call(shell, &call) else { continue };
        ran += 1;
        proven += usize::from(!started.is_empty());
        let known = |argv: &Vec<String>| expected.iter().any(|command| command.words == Word::all(argv));
        if !started.iter().all(known) {
            failures.push(format!(
                "{} {call:?}\n  read as {read_as:?}\n  started {started:?}\n  stderr {errors}",
                shell.name()
            ));
        }
    }
    println!("{}: {ran} calls, {proven} of which started something", shell.name());
    failures
}
