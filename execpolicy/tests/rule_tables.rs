//! Rule files, requirements and the matching of commands, as tables.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use execpolicy::requirements_rules::from_toml;
use execpolicy::rules_file::load;
use execpolicy::{CheckReport, Limits, Policy, Resolution};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases<T> {
    case: Vec<T>,
}

fn cases<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
    toml::from_str::<Cases<T>>(text).unwrap().case
}

#[derive(Deserialize)]
struct LoadCase {
    text: String,
    rules: Option<usize>,
    err: Option<String>,
}

#[test]
fn rule_files() {
    let mut wrong = Vec::new();
    for case in cases::<LoadCase>(include_str!("data/rules_load.toml")) {
        let loaded = load("a.rules", &case.text, &Policy::default(), &Limits::default());
        match (loaded, case.err) {
            (Ok(set), None) if set.prefix.len() == case.rules.unwrap_or(1) => {}
            (Err(error), Some(part)) if error.message.contains(&part) => {}
            (Ok(set), expected) => {
                wrong.push(format!("{} rules, expected {expected:?}: {}", set.prefix.len(), case.text))
            }
            (Err(error), expected) => wrong.push(format!("expected {expected:?}: {}", error.report())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[derive(Deserialize)]
struct MatchCase {
    name: String,
    files: Vec<String>,
    args: Vec<String>,
    #[serde(default)]
    resolve: bool,
    #[serde(default)]
    pretty: bool,
    expect: String,
}

#[test]
fn reports() {
    for case in cases::<MatchCase>(include_str!("data/matching.toml")) {
        let mut policy = Policy::default();
        for (at, text) in case.files.iter().enumerate() {
            let set = load(&format!("{at}.rules"), text, &policy, &Limits::default());
            policy.add(set.unwrap_or_else(|error| panic!("{}", error.report())));
        }
        let resolve = if case.resolve { Resolution::ByBasename } else { Resolution::AsWritten };
        let matches = policy.check(&case.args, resolve, "/w");
        let report = CheckReport::new(&matches);
        let text = if case.pretty { report.to_pretty() } else { report.to_line() };
        assert_eq!(text.unwrap(), case.expect, "{}", case.name);
    }
}

#[derive(Deserialize)]
struct RequirementsCase {
    text: String,
    rules: Option<usize>,
    err: Option<String>,
    line: Option<u32>,
    #[serde(default)]
    unknown: Vec<String>,
}

#[test]
fn requirements() {
    for case in cases::<RequirementsCase>(include_str!("data/requirements.toml")) {
        match (from_toml("requirements.toml", &case.text), case.err) {
            (Ok(read), None) => {
                assert_eq!(Some(read.rules.prefix.len()), case.rules, "{}", case.text);
                assert_eq!(read.unknown_keys, case.unknown, "{}", case.text);
            }
            (Err(error), Some(part)) => {
                assert!(error.message.contains(&part), "{}", error.report());
                assert_eq!(error.line, case.line.unwrap_or(error.line), "{}", error.report());
            }
            (Ok(_), Some(part)) => panic!("loads, but should say {part}: {}", case.text),
            (Err(error), None) => panic!("{}", error.report()),
        }
    }
}

#[test]
fn a_rule_knows_the_line_of_its_call() {
    let text = "\ndef rule(w):\n    prefix_rule(pattern=[w])\n\nrule(\"a\")\nprefix_rule(\n    pattern=[\"b\"],\n)\n";
    let set = load("x/a.rules", text, &Policy::default(), &Limits::default()).unwrap();
    let origins: Vec<String> = set.prefix.iter().map(|rule| rule.origin.to_string()).collect();
    assert_eq!(origins, ["x/a.rules:3", "x/a.rules:6"]);
}

#[test]
fn a_required_rule_knows_its_line() {
    let text = "x = 1\n[[rules.prefix_rules]]\npattern = [{ token = \"a\" }]\ndecision = \"prompt\"\n\n[[rules.prefix_rules]]\npattern = [{ token = \"b\" }]\ndecision = \"prompt\"\n";
    let read = from_toml("requirements.toml", text).unwrap();
    let lines: Vec<u32> = read.rules.prefix.iter().map(|rule| rule.origin.line).collect();
    assert_eq!(lines, [2, 6]);
}

#[test]
fn examples_see_the_path_lists_of_earlier_files() {
    let limits = Limits::default();
    let mut policy = Policy::default();
    policy.add(load("1", "host_executable(\"git\", [\"/usr/bin/git\"])", &policy, &limits).unwrap());
    let text = "prefix_rule(pattern=[\"git\"], match=[\"/opt/git\"])";
    assert!(load("2", text, &policy, &limits).is_err());
    assert!(load("2", text, &Policy::default(), &limits).is_ok());
}

#[test]
fn errors_and_rules_travel_between_processes() {
    let limits = Limits::default();
    let error = load("a.rules", "x", &Policy::default(), &limits).unwrap_err();
    let text = serde_json::to_string(&error).unwrap();
    assert_eq!(serde_json::from_str::<execpolicy::RuleFileError>(&text).unwrap(), error);
}
