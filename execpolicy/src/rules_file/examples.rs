//! The promises of `match` and `not_match`, kept when the whole file is known.

use std::collections::BTreeMap;

use super::collector::{Declared, Examples, Fault};
use crate::display::visible_up_to;
use crate::policy::{Policy, Resolution};
use crate::rule::{HostExecutable, PrefixRule, RuleSet};

/// The longest example that a message repeats.
const SHOWN_CHARS: usize = 80;

/// Tries each example against the rules of its own call, by basename too, under the path lists as they hold
/// after this file. First nothing that must not match may match, then everything that must match must.
pub(super) fn check(
    declared: &Declared,
    host_executables: &BTreeMap<String, HostExecutable>,
) -> Result<(), (std::ops::Range<usize>, Fault)> {
    for examples in &declared.examples {
        let rules = declared.rules.prefix.get(examples.rules.clone()).unwrap_or_default();
        check_call(examples, rules, host_executables).map_err(|fault| (examples.call.clone(), fault))?;
    }
    Ok(())
}

fn check_call(
    examples: &Examples,
    rules: &[PrefixRule],
    host_executables: &BTreeMap<String, HostExecutable>,
) -> Result<(), Fault> {
    let policy = Policy::from_iter([RuleSet { prefix: rules.to_vec(), ..RuleSet::default() }]);
    // Relative programs are judged by their last component, so that the directory does not matter.
    let matches =
        |argv: &[String]| !policy.check_with(host_executables, argv, Resolution::ByBasename, "/").is_empty();
    for (at, argv) in examples.not_matching.iter().enumerate() {
        if matches(argv) {
            let message = format!("the rule matches `{}`, which it must not", shown(argv));
            return Err(Fault::new("not_match", message)
                .help("narrow the pattern, or take the example out of `not_match`")
                .at(at));
        }
    }
    for (at, argv) in examples.matching.iter().enumerate() {
        if !matches(argv) {
            let message = format!("the rule does not match `{}`, which it must", shown(argv));
            return Err(Fault::new("match", message).help(hint(argv, host_executables)).at(at));
        }
    }
    Ok(())
}

fn hint(argv: &[String], host_executables: &BTreeMap<String, HostExecutable>) -> String {
    let host = argv
        .first()
        .filter(|program| program.contains('/'))
        .and_then(|program| host_executables.get(crate::command::program_name(program)));
    match host {
        Some(host) => format!("add the path to `host_executable` at {}, or correct the example", host.origin),
        None => "the words must begin with the pattern, word for word: correct one of the two".to_owned(),
    }
}

fn shown(argv: &[String]) -> String {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let joined = shlex::Quoter::new().allow_nul(true).join(words).unwrap_or_default();
    visible_up_to(&joined, SHOWN_CHARS)
}
