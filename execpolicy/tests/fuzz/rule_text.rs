// What must hold for any text of a rule file. Included by the fuzz target and by the bounded test in the
// tree, so that both check the same.

use execpolicy::rules_file::load_data;
use execpolicy::{Limits, Policy, PrefixRule, RuleSet, format};

/// Loads a rule file that is data. It never breaks; what it says is the same when it is said again, in the
/// layout of `format`; and every rule covers its own words.
///
/// Programs are left out: what they may use up is for a process of its own to bound.
pub(crate) fn rule_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let load = |text: &str| load_data("fuzz.rules", text, &Policy::default(), &Limits::default());
    let rules = match load(text) {
        Ok(Some(rules)) => rules,
        Ok(None) => return,
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1, "{error}");
            let hidden = |c: char| c.is_control() && c != '\n';
            assert!(!error.report().contains(hidden), "{error:?}");
            return;
        }
    };
    assert_eq!(load(text), Ok(Some(rules.clone())));
    let printed = load(&format::print_rules(&rules)).expect("what is printed loads").expect("and is data");
    assert_eq!(without_places(printed), without_places(rules.clone()));
    let policy = Policy::from_iter([rules.clone()]);
    for rule in &rules.prefix {
        let words = sample(rule);
        let found = policy.check(&words, execpolicy::Resolution::AsWritten, "/");
        assert!(found.iter().any(|found| found.rule == rule), "{rule:?}");
    }
}

fn sample(rule: &PrefixRule) -> Vec<String> {
    let rest = rule.rest.iter().filter_map(|token| token.alternatives().last().cloned());
    std::iter::once(rule.program.clone()).chain(rest).collect()
}

fn without_places(mut rules: RuleSet) -> RuleSet {
    let nowhere = execpolicy::Origin::new("", 0);
    rules.prefix.iter_mut().for_each(|rule| rule.origin = nowhere.clone());
    rules.network.iter_mut().for_each(|rule| rule.origin = nowhere.clone());
    rules.host_executables.iter_mut().for_each(|host| host.origin = nowhere.clone());
    rules
}
