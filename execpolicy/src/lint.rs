//! Rules that do not do what their author may think.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::Origin;
use crate::format::rule_on_one_line;
use crate::policy::Policy;
use crate::policy::fold::fold;
use crate::rule::{PatternToken, PrefixRule, RuleSet, Spelling};

/// What is the matter with a rule.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LintKind {
    /// Another rule says the same of the same commands.
    Duplicate,
    /// A broader rule says the same.
    Redundant,
    /// A broader or equal rule is stricter, so that this one never decides.
    Overridden,
    /// The first word of the pattern holds white space: no program is called so.
    UnsplitWords,
    /// An allowing rule names a program by a relative path, which is another file in each directory.
    RelativeProgram,
    /// No path may go by the program's name, so that only the bare name is allowed.
    NoPathAllowed,
    /// The path that an allowing rule names is not among those that may go by its last component.
    PathNotListed,
    /// A later list of paths for the same name replaces this one.
    ReplacedPaths,
    /// No rule names the program that this list of paths is for.
    UnusedPaths,
}

/// One remark, with the places that it is about and the way out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Lint {
    /// What is the matter.
    pub kind: LintKind,
    /// The rule that has no effect, or not the intended one.
    pub place: Origin,
    /// The rule that is the reason.
    pub other: Option<Origin>,
    /// The remark, on one line.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// Looks through rule files in the order in which they are loaded. Remarks come in the order of the rules.
pub fn lint(files: &[(String, RuleSet)]) -> Vec<Lint> {
    let policy: Policy = files.iter().map(|(_, rules)| rules.clone()).collect();
    let mut lints = Vec::new();
    for (at, rule) in policy.rules().iter().enumerate() {
        lints.extend(covered(&policy, at, rule));
        lints.extend(program(&policy, rule));
    }
    lints.extend(path_lists(files, &policy));
    lints
}

/// A rule that another makes pointless. One remark is enough: the strictest other rule, the earliest of these.
fn covered(policy: &Policy, at: usize, rule: &PrefixRule) -> Option<Lint> {
    let sample: Vec<String> = std::iter::once(rule.program.clone())
        .chain(rule.rest.iter().filter_map(|token| token.alternatives().first().cloned()))
        .collect();
    let (other, by) = policy
        .covering(&sample)
        .into_iter()
        .filter(|&other| other != at)
        .filter_map(|other| Some((other, policy.rules().get(other)?)))
        .filter(|(_, by)| by.decision >= rule.decision && covers(by, rule))
        .max_by_key(|&(other, by)| (by.decision, std::cmp::Reverse(other)))?;
    let equal = covers(rule, by);
    let (kind, message, fix) = if by.decision > rule.decision {
        let message = format!("never decides: `{}` is stricter", rule_on_one_line(by));
        (LintKind::Overridden, message, "remove it, or narrow the stricter rule")
    } else if by.justification != rule.justification && rule.justification.is_some() {
        // It still says something of its own: the longest match supplies the reason that people read.
        return None;
    } else if equal && other > at {
        // The later of two is the one to remark on.
        return None;
    } else if equal {
        (LintKind::Duplicate, "says what an earlier rule says".to_owned(), "remove it")
    } else {
        (LintKind::Redundant, format!("says what `{}` says", rule_on_one_line(by)), "remove it")
    };
    Some(Lint {
        kind,
        place: rule.origin.clone(),
        other: Some(by.origin.clone()),
        message: format!("`{}` {message}", rule_on_one_line(rule)),
        fix: fix.to_owned(),
    })
}

/// Whether every command that `narrow` matches is matched by `broad`.
fn covers(broad: &PrefixRule, narrow: &PrefixRule) -> bool {
    if broad.spelling == Spelling::Exact && narrow.spelling == Spelling::Folded {
        return false;
    }
    let spelled = |word: &str| match broad.spelling {
        Spelling::Exact => word.to_owned(),
        Spelling::Folded => fold(word).into_owned(),
    };
    let within = |(broad, narrow): (&PatternToken, &PatternToken)| {
        let words: HashSet<String> = broad.alternatives().iter().map(|word| spelled(word)).collect();
        narrow.alternatives().iter().all(|word| words.contains(&spelled(word)))
    };
    broad.rest.len() <= narrow.rest.len()
        && spelled(&broad.program) == spelled(&narrow.program)
        && broad.rest.iter().zip(&narrow.rest).all(within)
}

/// A rule whose first word is not what it seems.
fn program(policy: &Policy, rule: &PrefixRule) -> Option<Lint> {
    let program = rule.program.as_str();
    let remark = |kind, other, message: String, fix: String| {
        Some(Lint { kind, place: rule.origin.clone(), other, message, fix })
    };
    if program.chars().any(char::is_whitespace) {
        let words: Vec<String> =
            program.split_whitespace().map(|word| serde_json::Value::from(word).to_string()).collect();
        return remark(
            LintKind::UnsplitWords,
            None,
            format!("`{}` matches only a program with white space in its name", rule_on_one_line(rule)),
            format!("write the words one by one: [{}]", words.join(", ")),
        );
    }
    if rule.decision.restricts() {
        return None;
    }
    if program.contains('/') && !program.starts_with('/') {
        return remark(
            LintKind::RelativeProgram,
            None,
            format!("`{}` allows another file in each directory", rule_on_one_line(rule)),
            "name the program by its absolute path".to_owned(),
        );
    }
    let name = crate::command::program_name(program);
    let host = policy.host_executables().get(name)?;
    if name == program && host.paths.is_empty() {
        return remark(
            LintKind::NoPathAllowed,
            Some(host.origin.clone()),
            format!("`{}` allows no path, only the bare name", rule_on_one_line(rule)),
            format!("add the paths of `{name}` to its `host_executable`"),
        );
    }
    if name != program && !host.paths.contains(program) {
        return remark(
            LintKind::PathNotListed,
            Some(host.origin.clone()),
            format!("`{}` allows a path that may not go by the name `{name}`", rule_on_one_line(rule)),
            "add the path to `host_executable`, or remove the rule".to_owned(),
        );
    }
    None
}

/// Lists of paths that have no effect.
fn path_lists(files: &[(String, RuleSet)], policy: &Policy) -> Vec<Lint> {
    let names: HashSet<&str> =
        policy.rules().iter().map(|rule| crate::command::program_name(&rule.program)).collect();
    let folded: HashSet<_> = policy
        .rules()
        .iter()
        .filter(|rule| rule.spelling == Spelling::Folded)
        .map(|rule| fold(crate::command::program_name(&rule.program)))
        .collect();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let hosts: Vec<_> = files.iter().flat_map(|(_, rules)| &rules.host_executables).collect();
    for (at, host) in hosts.iter().enumerate() {
        last.insert(&host.name, at);
    }
    let mut lints = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        let by = last.get(host.name.as_str()).filter(|&&by| by != at).and_then(|&by| hosts.get(by));
        let name = &host.name;
        if let Some(by) = by {
            lints.push(Lint {
                kind: LintKind::ReplacedPaths,
                place: host.origin.clone(),
                other: Some(by.origin.clone()),
                message: format!("the paths of `{name}` are replaced by a later list"),
                fix: "keep one of the two lists".to_owned(),
            });
        } else if !names.contains(name.as_str()) && !folded.contains(&fold(name)) {
            lints.push(Lint {
                kind: LintKind::UnusedPaths,
                place: host.origin.clone(),
                other: None,
                message: format!("no rule names `{name}`"),
                fix: "remove the list, or correct its name".to_owned(),
            });
        }
    }
    lints
}
