//! The tables about tools, row by row: what is hostile is found, and its harmless twin is not.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper that fails fails its test")]

use execpolicy::Word;
use execpolicy::knowledge::{Inner, danger, guard_hits, known_safe, look_through};
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
    why: String,
}

#[test]
fn dangerous_commands() {
    let mut failures = Vec::new();
    for case in cases::<DangerCase>(include_str!("data/dangerous.toml")) {
        if danger(&words(&case.argv)).is_some() != case.danger {
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
        if certain != case.inner || missing || invented || found.unclear.is_some() != case.unclear {
            failures.push(format!(
                "{}: {all:?} unclear {} ({})",
                case.argv,
                found.unclear.is_some(),
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
