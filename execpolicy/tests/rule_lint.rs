//! Remarks on rules that do not do what they seem to.

#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]

use execpolicy::lint::lint;
use execpolicy::rules_file::load;
use execpolicy::{Limits, Policy, RuleSet};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    files: Vec<String>,
    expect: Vec<String>,
}

fn files(texts: &[String]) -> Vec<(String, RuleSet)> {
    let load = |(at, text): (usize, &String)| {
        let name = at.to_string();
        let set = load(&name, text, &Policy::default(), &Limits::default());
        (name, set.unwrap_or_else(|error| panic!("{}", error.report())))
    };
    texts.iter().enumerate().map(load).collect()
}

#[test]
fn remarks() {
    let cases: Cases = toml::from_str(include_str!("data/lint.toml")).unwrap();
    let mut read = String::new();
    for case in cases.case {
        let lints = lint(&files(&case.files));
        let found: Vec<String> = lints
            .iter()
            .map(|lint| {
                let kind = serde_json::to_value(lint.kind).unwrap();
                let other = lint.other.as_ref().map(|other| format!(" {other}")).unwrap_or_default();
                format!("{} {}{other}", kind.as_str().unwrap(), lint.place)
            })
            .collect();
        assert_eq!(found, case.expect, "{:?}", case.files);
        for lint in lints {
            read.push_str(&format!("{}: {}\nhelp: {}\n", lint.place, lint.message, lint.fix));
        }
    }
    insta::assert_snapshot!(read);
}

/// Each rule is compared through the index, so that ten times the rules are ten times the work.
#[test]
fn many_rules_are_looked_through() {
    let text: String = (0..5_000).map(|at| format!("prefix_rule(pattern=[\"git\", \"w{at}\"])\n")).collect();
    assert_eq!(lint(&files(&[text])).len(), 0);
}

/// Rules that say the same are not compared with each other, and rules that begin alike with a few.
#[test]
fn many_alike_rules_are_looked_through() {
    let equal = "prefix_rule([\"git\"])\n".repeat(20_000);
    assert_eq!(lint(&files(&[equal])).len(), 19_999);
    let alike: String =
        (0..5_000).map(|at| format!("prefix_rule([\"git\", [\"a\", \"w{at}\"]], \"prompt\")\n")).collect();
    assert_eq!(lint(&files(&[alike])).len(), 0);
}
