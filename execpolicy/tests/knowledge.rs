//! The tables about tools, row by row: what is hostile is found, and its harmless twin is not.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper that fails fails its test")]

use execpolicy::Word;

use execpolicy::knowledge::{
    Inner, Place, banned_prefix, code_word, danger, guard_hits, known_safe, look_through, offerable,
    other_commands, subcommand,
};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Cases<T> {
    case: Vec<T>,
}

fn cases<T: DeserializeOwned>(text: &str) -> Vec<T> {
    toml::from_str::<Cases<T>>(text).expect("the file has cases").case
}

fn words(argv: &str) -> Vec<Word> {
    let split = shlex::split(argv).expect("the words are quoted correctly");
    split.into_iter().map(|word| if word == "…" { Word::Unknown } else { Word::Literal(word) }).collect()
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} rows fail:\n{}", failures.len(), failures.join("\n"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardCase {
    argv: String,
    hits: Vec<String>,
    why: String,
}

#[test]
fn guarded_options() {
    let mut failures = Vec::new();
    for case in cases::<GuardCase>(include_str!("data/guards.toml")) {
        let words = words(&case.argv);
        let hits = guard_hits(&words);
        let found: Vec<_> = hits.iter().map(|hit| hit.option.clone()).collect();
        if found != case.hits {
            failures.push(format!("{}: {found:?}, expected {:?} ({})", case.argv, case.hits, case.why));
        }
        assert!(hits.iter().all(|hit| hit.words.start < hit.words.end && hit.words.end <= words.len()));
    }
    report(&failures);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DangerCase {
    argv: String,
    danger: bool,
    /// The word that makes it so.
    word: Option<usize>,
    why: String,
}

#[test]
fn dangerous_commands() {
    let mut failures = Vec::new();
    for case in cases::<DangerCase>(include_str!("data/dangerous.toml")) {
        let found = danger(&words(&case.argv));
        let elsewhere = case.word.is_some() && found.map(|danger| danger.word) != case.word;
        if found.is_some() != case.danger || elsewhere {
            failures.push(format!("{}: expected {} ({})", case.argv, case.danger, case.why));
        }
    }
    report(&failures);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SafeCase {
    argv: String,
    safe: bool,
    why: String,
}

#[test]
fn safe_commands() {
    let mut failures = Vec::new();
    for case in cases::<SafeCase>(include_str!("data/safe.toml")) {
        if known_safe(&words(&case.argv)).is_some() != case.safe {
            failures.push(format!("{}: expected {} ({})", case.argv, case.safe, case.why));
        }
    }
    report(&failures);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrapperCase {
    argv: String,
    /// Exactly these are certain.
    #[serde(default)]
    inner: Vec<String>,
    /// These are found, too.
    #[serde(default)]
    perhaps: Vec<String>,
    #[serde(default)]
    unclear: bool,
    /// A shell reads standard input; then it is unclear, too.
    #[serde(default)]
    shell: bool,
    why: String,
}

fn shown(inner: &Inner) -> (String, bool) {
    match inner {
        Inner::Command { words, certain, .. } => {
            let texts = words.iter().map(|word| word.literal().unwrap_or("…"));
            let quoted =
                texts.map(|text| if text == "…" { "…".into() } else { shlex::try_quote(text).unwrap() });
            (quoted.collect::<Vec<_>>().join(" "), *certain)
        }
        Inner::Script { text, certain, .. } => (format!("sh: {text}"), *certain),
    }
}

#[test]
fn wrappers() {
    let mut failures = Vec::new();
    for case in cases::<WrapperCase>(include_str!("data/wrappers.toml")) {
        let words = words(&case.argv);
        let found = look_through(&words);
        let all: Vec<_> = found.inner.iter().map(shown).collect();
        let certain: Vec<_> =
            all.iter().filter(|(_, certain)| *certain).map(|(text, _)| text.clone()).collect();
        let missing = case.perhaps.iter().any(|text| !all.iter().any(|(found, _)| found == text));
        // Where nothing is expected, not even a guess may be made.
        let invented = case.inner.is_empty() && case.perhaps.is_empty() && !all.is_empty();
        if certain != case.inner
            || missing
            || invented
            || found.unclear.is_some() != (case.unclear || case.shell)
            || found.shell.is_some() != case.shell
        {
            failures.push(format!(
                "{}: {all:?} unclear {} shell {} ({})",
                case.argv,
                found.unclear.is_some(),
                found.shell.is_some(),
                case.why
            ));
        }
        for inner in &found.inner {
            if let Inner::Command { words: inside, first: Some(first), .. } = inner {
                let outer = &words[*first];
                assert!(
                    inside.first() == Some(outer) || inside.first() == Some(&Word::Unknown),
                    "{}",
                    case.argv
                );
            }
        }
    }
    report(&failures);
}

/// Words that mean something to some tool, and some that mean nothing.
const VOCABULARY: &[&str] = &[
    "git",
    "sudo",
    "env",
    "xargs",
    "sort",
    "sed",
    "awk",
    "tar",
    "find",
    "docker",
    "npm",
    "run",
    "exec",
    "log",
    "-c",
    "-o",
    "-u",
    "-x",
    "-e",
    "--",
    "--output",
    "--outp=x",
    "--exec",
    "-exec",
    ";",
    "+",
    "{}",
    "-",
    "",
    "X=1",
    "rm",
    "-rf",
    "-nz",
    "xf",
    "s/a/b/e",
    "w f",
    "{print > \"f\"}",
    "ext::sh",
    "+x",
    "é",
    "--é=",
    "-é",
    "python3",
    "bash",
    "-oc",
    ":::",
    "parallel",
];

fn any_words() -> impl Strategy<Value = Vec<Word>> {
    let known = proptest::sample::select(VOCABULARY).prop_map(|text| Word::Literal(text.to_owned()));
    let word =
        prop_oneof![8 => known, 1 => Just(Word::Unknown), 1 => any::<String>().prop_map(Word::Literal)];
    proptest::collection::vec(word, 0..10)
}

proptest! {
    /// Nothing panics, and what is reported lies inside the words.
    #[test]
    fn any_words_are_read(words in any_words()) {
        for hit in guard_hits(&words) {
            prop_assert!(hit.words.start < hit.words.end && hit.words.end <= words.len());
        }
        for inner in look_through(&words).inner {
            match inner {
                Inner::Command { words: inside, first, .. } => {
                    prop_assert!(!inside.is_empty() && first.is_none_or(|first| first > 0 && first < words.len()));
                }
                Inner::Script { word, .. } => prop_assert!(word > 0 && word < words.len()),
            }
        }
        if let Some(Place::Word(at)) = code_word(&words).map(|code| code.place) {
            prop_assert!(at > 0 && at < words.len());
        }
        let known: Vec<String> = words.iter().filter_map(Word::literal).map(str::to_owned).collect();
        let _others = (offerable(&known), other_commands(&known), subcommand(&known), banned_prefix(&known));
        if known_safe(&words).is_some() {
            prop_assert!(danger(&words).is_none() && guard_hits(&words).is_empty());
        }
    }

    /// Knowing less never hides a guarded option.
    #[test]
    fn an_unknown_word_hides_nothing(words in any_words(), at in 1_usize..10) {
        let mut less = words.clone();
        if let Some(word) = less.get_mut(at) {
            *word = Word::Unknown;
            prop_assert!(guard_hits(&words).is_empty() || !guard_hits(&less).is_empty());
        }
    }
}
