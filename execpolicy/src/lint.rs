//! Rules that do not do what their author may think.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::command::program_name;
use crate::display::visible_up_to;
use crate::format::{print_network_rule, rule_on_one_line};
use crate::policy::Policy;
use crate::policy::fold::fold;
use crate::rule::{NetworkRule, PatternToken, PrefixRule, RuleSet, Spelling};
use crate::{ApprovalPolicy, Context, Decision, Origin, Request, Sandboxing, WritableRoots};

/// Other rules that one rule is compared with, and commands that are tried for it: so many fit any rule that a
/// person wrote.
const MAX_TRIALS: usize = 64;
/// The longest piece of a rule that a message repeats.
const SHOWN_CHARS: usize = 100;

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
    /// A word of the pattern holds white space: no program is called so, and few arguments are.
    UnsplitWords,
    /// The same word stands twice in a list of alternatives.
    RepeatedAlternative,
    /// A later network rule decides otherwise of the same host: of these the last holds.
    ReplacedHost,
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
    let distinct = Distinct::of(&policy);
    let mut lints = Vec::new();
    for (at, rule) in policy.rules().iter().enumerate() {
        lints.extend(distinct.duplicate(&policy, at, rule).or_else(|| covered(&policy, &distinct, at, rule)));
        lints.extend(words(rule));
        lints.extend(program(&policy, rule));
    }
    lints.extend(hosts(policy.network_rules()));
    lints.extend(path_lists(files, &policy));
    lints
}

/// What a rule says, however it is spelled: program, alternatives, decision, and whether case counts.
type Meaning = (Vec<BTreeSet<String>>, Decision, bool);

fn meaning(rule: &PrefixRule) -> Meaning {
    let words = |words: &[String]| words.iter().map(|word| spelled(rule.spelling, word)).collect();
    let program = words(std::slice::from_ref(&rule.program));
    let rest = rule.rest.iter().map(|token| words(token.alternatives()));
    let folded = rule.spelling == Spelling::Folded;
    (std::iter::once(program).chain(rest).collect(), rule.decision, folded)
}

fn spelled(spelling: Spelling, word: &str) -> String {
    match spelling {
        Spelling::Exact => word.to_owned(),
        Spelling::Folded => fold(word).into_owned(),
    }
}

/// The rules without those that say what an earlier one says, so that many equal rules are not compared with
/// each other.
struct Distinct {
    policy: Policy,
    /// The position in the whole policy of each of its rules.
    positions: Vec<usize>,
    /// Per rule of the whole policy: the first that says the same, and the first with the same reason.
    first: Vec<(usize, usize)>,
}

impl Distinct {
    fn of(policy: &Policy) -> Self {
        let mut seen: HashMap<Meaning, (usize, HashMap<Option<&str>, usize>)> = HashMap::new();
        let mut distinct = Self { policy: Policy::default(), positions: Vec::new(), first: Vec::new() };
        let mut rules = RuleSet::default();
        for (at, rule) in policy.rules().iter().enumerate() {
            let (first, reasons) = seen.entry(meaning(rule)).or_insert_with(|| (at, HashMap::new()));
            let same_reason = *reasons.entry(rule.justification.as_deref()).or_insert(at);
            distinct.first.push((*first, same_reason));
            if *first == at {
                distinct.positions.push(at);
                rules.prefix.push(rule.clone());
            }
        }
        distinct.policy.add(rules);
        distinct
    }

    fn duplicate(&self, policy: &Policy, at: usize, rule: &PrefixRule) -> Option<Lint> {
        let &(first, same_reason) = self.first.get(at)?;
        // One with a reason of its own still says something: the longest match supplies what people read.
        let earlier = if rule.justification.is_none() { first } else { same_reason };
        let other = (earlier != at).then(|| policy.rules().get(earlier))??;
        Some(Lint {
            kind: LintKind::Duplicate,
            place: rule.origin.clone(),
            other: Some(other.origin.clone()),
            message: format!("`{}` says what an earlier rule says", rule_on_one_line(rule)),
            fix: "remove it".to_owned(),
        })
    }

    /// Other rules that match all that this one matches and are as strict, the strictest and then the earliest
    /// first.
    fn covering(&self, at: usize, rule: &PrefixRule) -> Vec<&PrefixRule> {
        let mut found = self.fitting(rule, |_| true);
        // Whatever restricts a bare name restricts every path that ends in it.
        let name = program_name(&rule.program);
        if name != rule.program {
            let named = PrefixRule { program: name.to_owned(), ..rule.clone() };
            found.extend(self.fitting(&named, |by| by.decision.restricts()));
        }
        let itself = self.first.get(at).map(|(first, _)| *first);
        found.retain(|(position, _)| Some(*position) != itself);
        found.sort_by_key(|(position, by)| (std::cmp::Reverse(by.decision), *position));
        found.into_iter().map(|(_, by)| by).collect()
    }

    fn fitting(&self, rule: &PrefixRule, also: impl Fn(&PrefixRule) -> bool) -> Vec<(usize, &PrefixRule)> {
        let sample = samples(rule).next().unwrap_or_default();
        let position = |id| Some((*self.positions.get(id)?, self.policy.rules().get(id)?));
        let mut found: Vec<_> = self.policy.covering(&sample).into_iter().filter_map(position).collect();
        found.retain(|(_, by)| by.decision >= rule.decision && also(by));
        found.sort_unstable_by_key(|(position, by)| (std::cmp::Reverse(by.decision), *position));
        found.truncate(MAX_TRIALS);
        found.retain(|(_, by)| covers(by, rule));
        found
    }
}

/// A rule that a broader one makes pointless. One remark is enough.
fn covered(policy: &Policy, distinct: &Distinct, at: usize, rule: &PrefixRule) -> Option<Lint> {
    let covering = distinct.covering(at, rule);
    let overridden = covering.first().filter(|by| by.decision > rule.decision);
    let (kind, by, message, fix) = match overridden {
        Some(by) => {
            let message = format!("never decides: `{}` is stricter", rule_on_one_line(by));
            (LintKind::Overridden, by, message, "remove it, or narrow the stricter rule")
        }
        None => {
            let by = covering.iter().find(|by| {
                // One with a reason of its own still says something.
                let says_more = by.justification != rule.justification && rule.justification.is_some();
                !says_more && !reaches_further(policy, rule, by)
            })?;
            (LintKind::Redundant, by, format!("says what `{}` says", rule_on_one_line(by)), "remove it")
        }
    };
    Some(Lint {
        kind,
        place: rule.origin.clone(),
        other: Some(by.origin.clone()),
        message: format!("`{}` {message}", rule_on_one_line(rule)),
        fix: fix.to_owned(),
    })
}

/// Whether a rule allows more than a broader one does: what an allowing rule spells out it allows, be it an
/// option that makes a tool run programs or the script of an interpreter, while a broader one does not.
fn reaches_further(policy: &Policy, rule: &PrefixRule, by: &PrefixRule) -> bool {
    if rule.decision.restricts() {
        return false;
    }
    let host = policy.host_executables().get(program_name(&rule.program));
    let alone = RuleSet {
        prefix: vec![by.clone()],
        network: Vec::new(),
        host_executables: host.into_iter().cloned().collect(),
    };
    let mut both = alone.clone();
    both.prefix.push(rule.clone());
    let [alone, both] = [alone, both].map(|rules| Policy::from_iter([rules]));
    let context = Context {
        approval: ApprovalPolicy::OnRequest,
        sandboxing: Sandboxing::Restricted,
        request: Request::Default,
        cwd: "/",
        moved: false,
        programs: &WritableRoots::default(),
        wanted_prefix: None,
    };
    let outcome = |policy: &Policy, argv: &[String]| {
        let verdict = policy.evaluate(argv, &context);
        (verdict.decision, verdict.sandbox)
    };
    samples(rule).any(|argv| {
        let longer = [argv.clone(), vec!["x".to_owned()]].concat();
        [argv, longer].iter().any(|argv| outcome(&alone, argv) != outcome(&both, argv))
    })
}

/// Commands that the rule matches: each alternative stands in one of them, up to a number.
fn samples(rule: &PrefixRule) -> impl Iterator<Item = Vec<String>> {
    let most = rule.rest.iter().map(|token| token.alternatives().len()).max().unwrap_or(1);
    (0..most.min(MAX_TRIALS)).map(|at| {
        let word = |token: &PatternToken| {
            let words = token.alternatives();
            words.get(at).or(words.first()).cloned()
        };
        std::iter::once(rule.program.clone()).chain(rule.rest.iter().filter_map(word)).collect()
    })
}

/// Whether every command that `narrow` matches is matched by `broad`.
fn covers(broad: &PrefixRule, narrow: &PrefixRule) -> bool {
    if broad.spelling == Spelling::Exact && narrow.spelling == Spelling::Folded {
        return false;
    }
    let spelled = |word: &str| spelled(broad.spelling, word);
    let within = |(broad, narrow): (&PatternToken, &PatternToken)| {
        let words: HashSet<String> = broad.alternatives().iter().map(|word| spelled(word)).collect();
        narrow.alternatives().iter().all(|word| words.contains(&spelled(word)))
    };
    broad.rest.len() <= narrow.rest.len()
        && spelled(&broad.program) == spelled(&narrow.program)
        && broad.rest.iter().zip(&narrow.rest).all(within)
}

/// A rule whose further words are not what they seem.
fn words(rule: &PrefixRule) -> Option<Lint> {
    let remark = |kind, message: String, fix: String| {
        let message = format!("`{}` {message}", rule_on_one_line(rule));
        Some(Lint { kind, place: rule.origin.clone(), other: None, message, fix })
    };
    let repeated = rule.rest.iter().find_map(|token| {
        let mut seen = HashSet::new();
        token.alternatives().iter().find(|word| !seen.insert(spelled(rule.spelling, word)))
    });
    if let Some(word) = repeated {
        let message = format!("lists `{}` twice in one place", visible_up_to(word, SHOWN_CHARS));
        return remark(LintKind::RepeatedAlternative, message, "name each word once".to_owned());
    }
    // What follows an option may be its value: a message, or a script.
    let first = PatternToken::Single(rule.program.clone());
    let before = std::iter::once(&first).chain(&rule.rest);
    let (_, token) = before.zip(&rule.rest).find(|(before, token)| {
        let holds_space = |word: &String| word.trim().contains(char::is_whitespace);
        token.alternatives().iter().any(holds_space)
            && !before.alternatives().iter().any(|word| word.starts_with('-'))
    })?;
    let word = token.alternatives().iter().find(|word| word.trim().contains(char::is_whitespace))?;
    remark(
        LintKind::UnsplitWords,
        format!("matches `{}` only as one word", visible_up_to(word, SHOWN_CHARS)),
        format!("write the words one by one: {}", split(word)),
    )
}

/// The words of a text as a list of the language.
fn split(text: &str) -> String {
    let words: Vec<String> =
        text.split_whitespace().map(|word| serde_json::Value::from(word).to_string()).collect();
    visible_up_to(&format!("[{}]", words.join(", ")), SHOWN_CHARS)
}

/// Network rules that have no effect. The host alone decides, whatever the protocol, and the last rule that
/// allows or forbids it.
fn hosts(rules: &[NetworkRule]) -> Vec<Lint> {
    let mut last: HashMap<&str, &NetworkRule> = HashMap::new();
    for rule in rules.iter().filter(|rule| decides(rule)) {
        last.insert(&rule.host, rule);
    }
    let mut seen = HashMap::new();
    let mut lints = Vec::new();
    for rule in rules {
        let meaning = (&rule.host, rule.protocol, rule.decision, &rule.justification);
        let equal = seen.insert(meaning, &rule.origin);
        let last = last.get(rule.host.as_str()).copied();
        lints.extend(host(rule, last, equal));
    }
    lints
}

/// The remark on a network rule, given the one that holds for its host and one before it that says the same.
fn host(rule: &NetworkRule, last: Option<&NetworkRule>, equal: Option<&Origin>) -> Option<Lint> {
    let (kind, other, message, fix) = match (last, equal) {
        (Some(last), _) if decides(rule) && last.decision != rule.decision => (
            LintKind::ReplacedHost,
            &last.origin,
            format!("is replaced by the later `{}`", on_one_line(last)),
            "keep one of the two rules",
        ),
        (Some(last), _) if !decides(rule) => (
            LintKind::Overridden,
            &last.origin,
            format!("never decides: `{}` speaks of the same host", on_one_line(last)),
            "keep one of the two rules",
        ),
        (_, Some(equal)) => {
            (LintKind::Duplicate, equal, "says what an earlier rule says".to_owned(), "remove it")
        }
        (_, None) => return None,
    };
    Some(Lint {
        kind,
        place: rule.origin.clone(),
        other: Some(other.clone()),
        message: format!("`{}` {message}", on_one_line(rule)),
        fix: fix.to_owned(),
    })
}

/// A prompt is what hosts get that no rule speaks of.
fn decides(rule: &NetworkRule) -> bool {
    matches!(rule.decision, Decision::Allow | Decision::Forbidden)
}

fn on_one_line(rule: &NetworkRule) -> String {
    visible_up_to(&print_network_rule(rule), SHOWN_CHARS)
}

/// A rule whose first word is not what it seems.
fn program(policy: &Policy, rule: &PrefixRule) -> Option<Lint> {
    let program = rule.program.as_str();
    let remark = |kind, other, message: String, fix: String| {
        Some(Lint { kind, place: rule.origin.clone(), other, message, fix })
    };
    if program.chars().any(char::is_whitespace) {
        return remark(
            LintKind::UnsplitWords,
            None,
            format!("`{}` matches only a program with white space in its name", rule_on_one_line(rule)),
            format!("write the words one by one: {}", split(program)),
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
    let name = program_name(program);
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
    let names: HashSet<&str> = policy.rules().iter().map(|rule| program_name(&rule.program)).collect();
    let folded: HashSet<_> = policy
        .rules()
        .iter()
        .filter(|rule| rule.spelling == Spelling::Folded)
        .map(|rule| fold(program_name(&rule.program)))
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
