//! Rows of `tests/data/summary.toml`, and what must hold for any call.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Joined, Part, Summary, summarize, to_app_api};

/// One call and its summary.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The original text. Unless `parts` are given it is taken apart at free-standing operators.
    script: String,
    /// What the shell's reader would find, where that is not evident: each argv, the operator before it first.
    parts: Option<Vec<Vec<String>>>,
    /// Whether the reader could not take it apart.
    #[serde(default)]
    opaque: bool,
    /// JSON, or `unknown` for one unknown with the whole script.
    expect: String,
    /// Shown when the row fails.
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
struct Table {
    case: Vec<Row>,
}

/// A part that owns its words.
#[derive(Clone, Debug)]
struct Owned {
    argv: Vec<String>,
    joined: Joined,
    writes: bool,
}

fn joined(operator: &str) -> Option<Joined> {
    match operator {
        "&&" => Some(Joined::And),
        "||" => Some(Joined::Or),
        ";" => Some(Joined::Sequence),
        "|" => Some(Joined::Pipe),
        _ => None,
    }
}

fn part(mut argv: Vec<String>, joined: Joined) -> Owned {
    let writes = argv.iter().position(|word| word == ">");
    argv.truncate(writes.unwrap_or(argv.len()));
    Owned { argv, joined, writes: writes.is_some() }
}

/// Far from a shell: enough for rows whose operators stand between spaces.
fn split(script: &str) -> Vec<Owned> {
    let mut parts = Vec::new();
    let (mut argv, mut before) = (Vec::new(), Joined::First);
    for word in shlex::split(script).expect("a row's quotes are closed") {
        match joined(&word) {
            Some(next) => {
                parts.push(part(std::mem::take(&mut argv), before));
                before = next;
            }
            None => argv.push(word),
        }
    }
    parts.push(part(argv, before));
    parts
}

fn given(parts: &[Vec<String>]) -> Vec<Owned> {
    parts
        .iter()
        .map(|words| match words.first().and_then(|word| joined(word)) {
            Some(operator) => part(words[1..].to_vec(), operator),
            None => part(words.clone(), Joined::First),
        })
        .collect()
}

fn summaries(script: &str, owned: &[Owned]) -> Vec<Summary> {
    let parts: Vec<Part<'_>> = owned
        .iter()
        .map(|part| Part { argv: &part.argv, joined: part.joined, writes: part.writes })
        .collect();
    summarize(script, Some(&parts))
}

fn unknown(script: &str) -> Vec<Summary> {
    vec![Summary::Unknown { cmd: script.to_owned() }]
}

fn row(row: &Row) -> (Value, Value) {
    let found = match (&row.parts, row.opaque) {
        (_, true) => summarize(&row.script, None),
        (Some(parts), false) => summaries(&row.script, &given(parts)),
        (None, false) => summaries(&row.script, &split(&row.script)),
    };
    let expected = match row.expect.as_str() {
        "unknown" => json!(unknown(&row.script)),
        text => serde_json::from_str(text).expect("a row's JSON parses"),
    };
    (json!(found), expected)
}

#[test]
fn rows() {
    let table: Table =
        toml::from_str(include_str!("../../tests/data/summary.toml")).expect("the table parses");
    assert!(table.case.len() >= 120, "rows were lost");
    let failed: Vec<String> = table
        .case
        .iter()
        .filter_map(|case| {
            let (found, expected) = row(case);
            (found != expected).then(|| {
                format!("{}\n  found    {found}\n  expected {expected}\n  {}", case.script, case.why)
            })
        })
        .collect();
    assert!(failed.is_empty(), "{} rows:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn the_app_form() {
    let forms = |script: &str| -> Vec<Value> {
        summaries(script, &split(script)).iter().map(|summary| to_app_api(summary, "/w")).collect()
    };
    assert_eq!(
        forms("cd a && cat ./b/c && ls && rg --files x && rg q"),
        [
            json!({ "type": "read", "command": "cat ./b/c", "name": "c", "path": "/w/a/b/c" }),
            json!({ "type": "listFiles", "command": "ls", "path": null }),
            json!({ "type": "listFiles", "command": "rg --files x", "path": "x" }),
            json!({ "type": "search", "command": "rg q", "query": "q", "path": null }),
        ]
    );
    assert_eq!(forms("cat /etc/hosts")[0]["path"], json!("/etc/hosts"));
    assert_eq!(forms("rm x"), [json!({ "type": "unknown", "command": "rm x" })]);
}

/// Words that mean something to some tool, and some that mean nothing.
fn word() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 40] = [
        "cat", "cd", "rg", "grep", "find", "git", "sed", "awk", "xargs", "tee", "sort", "printf", "head",
        "fd", "ls", "true", "wc", "-n", "-e", "-i", "--", "-", "1,5p", "s/a/b/e", "w f", "{print}", "..",
        "/", "a/b", "-delete", "-name", "-exec", "--files", "--pre=x", "grep", "ls-files", "", "rm", "-rf",
        "é",
    ];
    prop_oneof![4 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => ".*"]
}

fn parts() -> impl Strategy<Value = Vec<Owned>> {
    let joined = prop::sample::select(vec![Joined::And, Joined::Or, Joined::Sequence, Joined::Pipe]);
    let part = (prop::collection::vec(word(), 0..6), joined);
    prop::collection::vec(part, 0..5).prop_map(|parts| {
        parts
            .into_iter()
            .enumerate()
            .map(|(index, (argv, joined))| Owned {
                argv,
                joined: if index == 0 { Joined::First } else { joined },
                writes: false,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn a_part_that_writes_makes_the_call_unknown(mut parts in parts(), which in any::<prop::sample::Index>()) {
        prop_assume!(!parts.is_empty());
        let index = which.index(parts.len());
        parts[index].writes = true;
        prop_assert_eq!(summaries("the script", &parts), unknown("the script"));
    }

    #[test]
    fn an_unknown_part_makes_the_call_unknown(mut parts in parts(), which in any::<prop::sample::Index>()) {
        let index = which.index(parts.len() + 1);
        let argv = vec!["rm".to_owned(), "x".to_owned()];
        parts.insert(index, Owned { argv, joined: Joined::And, writes: false });
        prop_assert_eq!(summaries("the script", &parts), unknown("the script"));
    }

    #[test]
    fn unknown_stands_alone(parts in parts()) {
        let found = summaries("the script", &parts);
        let any = found.iter().any(|summary| matches!(summary, Summary::Unknown { .. }));
        prop_assert!(!any || found == unknown("the script"));
        prop_assert!(found.len() <= parts.len().max(1));
    }

    #[test]
    fn every_tool_stands_any_words(tool in word(), words in prop::collection::vec(word(), 0..8)) {
        let argv: Vec<String> = std::iter::once(tool).chain(words).collect();
        let parts = [Owned { argv, joined: Joined::First, writes: false }];
        let _found = summaries("the script", &parts);
    }
}
