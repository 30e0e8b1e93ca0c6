//! A verdict for people: what, why, and the smallest change that would turn it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::amendment::is_replaceable;
use crate::display::visible;
use crate::{
    Amendment, ApprovalPolicy, By, Context, Decision, Finding, Origin, PatternToken, Placement, Policy,
    PrefixRule, RuleSet, Scope, Spelling, Verdict, format, knowledge, shell,
};

/// A change that leads to another verdict. Each was tried before it is shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Edit {
    /// What to do, on which object.
    pub what: String,
    /// The decision then.
    pub decision: Decision,
    /// Where it may run then.
    pub sandbox: Placement,
}

/// The changes that turn a verdict, smallest first: broken files mended, fewer rules touched before more,
/// and rules before the approval policy. Empty if none of those that were tried does.
pub fn edits(policy: &Policy, argv: &[String], context: &Context<'_>, verdict: &Verdict) -> Vec<Edit> {
    let candidates = match verdict.decision {
        Decision::Allow => stricter(policy, verdict),
        Decision::Prompt | Decision::PromptUser | Decision::Forbidden => {
            looser(policy, argv, context, verdict)
        }
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let context = Context { approval: candidate.approval.unwrap_or(context.approval), ..*context };
            let then = candidate.policy.evaluate(argv, &context);
            let edit = Edit { what: candidate.what, decision: then.decision, sandbox: then.sandbox };
            (then.decision != verdict.decision).then_some(edit)
        })
        .collect()
}

struct Candidate {
    what: String,
    policy: Policy,
    approval: Option<ApprovalPolicy>,
}

fn looser(policy: &Policy, argv: &[String], context: &Context<'_>, verdict: &Verdict) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mended = (!policy.missing().is_empty()).then(|| mended(policy));
    // What is never offered is not advised either: a rule that only silences the question about a broken file.
    let settled = |mended: &Policy| mended.evaluate(argv, context).decision == Decision::Allow;
    let additions = if mended.as_ref().is_some_and(settled) { None } else { additions(context, verdict) };
    candidates.extend(mended.map(|mended| Candidate {
        what: format!("mend {}, unless it speaks of this command", broken(policy)),
        policy: mended,
        approval: None,
    }));
    let strictest = restricting(verdict, verdict.findings.iter().map(|finding| finding.decision).max());
    let all = restricting(verdict, None);
    if all.is_empty() {
        candidates.extend(additions.as_ref().map(|new| Candidate {
            what: format!("add {}", lines(new)),
            policy: with(policy, new.iter().map(|words| allow(words))),
            approval: None,
        }));
    }
    for places in [&strictest, &all].into_iter().filter(|places| !places.is_empty()) {
        let listed = places.iter().cloned().collect::<Vec<_>>().join(", ");
        let without = without(policy, places);
        candidates.push(Candidate {
            what: format!("remove {listed}"),
            policy: without.clone(),
            approval: None,
        });
        if strictest == all {
            break;
        }
    }
    let calmer = match context.approval {
        ApprovalPolicy::OnRequest | ApprovalPolicy::OnFailure => None,
        ApprovalPolicy::Never | ApprovalPolicy::Untrusted | ApprovalPolicy::Granular(_) => {
            Some(ApprovalPolicy::OnRequest)
        }
    };
    candidates.extend(calmer.map(|approval| Candidate {
        what: "use the approval policy `on-request`".to_owned(),
        policy: policy.clone(),
        approval: Some(approval),
    }));
    candidates
}

/// The places of the rules that restrict, or of those with this decision.
fn restricting(verdict: &Verdict, decision: Option<Decision>) -> BTreeSet<String> {
    verdict
        .findings
        .iter()
        .filter(|finding| finding.by == By::Rule && finding.decision.restricts())
        .filter(|finding| decision.is_none_or(|decision| finding.decision == decision))
        .filter_map(|finding| finding.source.as_ref().map(Origin::to_string))
        .collect()
}

/// The rules that would settle every open command. None if one of them must not be allowed by a rule: what
/// is never offered is not advised either.
fn additions(context: &Context<'_>, verdict: &Verdict) -> Option<Vec<Vec<String>>> {
    let open = unsettled(verdict)?;
    let advisable = open.iter().all(|(by, words)| {
        // A guard is settled by a rule that names the option: the words themselves do.
        let offered = *by == By::Guard || knowledge::offerable(words).is_ok();
        offered && !words.first().is_none_or(|program| is_replaceable(program, context.programs))
    });
    let open: Vec<Vec<String>> = open.into_iter().map(|(_, words)| words).collect();
    Some(open).filter(|open| advisable && !open.is_empty())
}

/// The commands that a rule would have to name, each once. None if one of them is not known in full.
fn unsettled(verdict: &Verdict) -> Option<Vec<(By, Vec<String>)>> {
    let mut commands: Vec<(By, Vec<String>)> = Vec::new();
    for finding in &verdict.findings {
        let open = match finding.by {
            By::Heuristic | By::Guard => true,
            By::Rule | By::Parse => false,
        };
        if !open {
            continue;
        }
        if finding.command.iter().any(|word| word == UNKNOWN) {
            return None;
        }
        if !commands.iter().any(|(_, words)| *words == finding.command) {
            commands.push((finding.by, finding.command.clone()));
        }
    }
    Some(commands)
}

/// How words that are known only when a command runs are shown.
pub(crate) const UNKNOWN: &str = "…";

fn stricter(policy: &Policy, verdict: &Verdict) -> Vec<Candidate> {
    let program = verdict.findings.iter().find_map(|finding| match finding.by {
        By::Rule | By::Heuristic | By::Guard => finding.command.first().cloned(),
        By::Parse => None,
    });
    program
        .into_iter()
        .map(|program| {
            let rule = PrefixRule { decision: Decision::Prompt, ..allow(&[program]) };
            Candidate {
                what: format!("add {}", format::print_rule(&rule).trim_end()),
                policy: with(policy, [rule]),
                approval: None,
            }
        })
        .collect()
}

fn allow(words: &[String]) -> PrefixRule {
    PrefixRule {
        program: words.first().cloned().unwrap_or_default(),
        rest: words.iter().skip(1).cloned().map(PatternToken::Single).collect(),
        decision: Decision::Allow,
        justification: None,
        spelling: Spelling::Exact,
        origin: Origin::new("new rule", 0),
    }
}

fn lines(commands: &[Vec<String>]) -> String {
    let lines: Vec<String> =
        commands.iter().map(|words| format::amendment_line(words).trim_end().to_owned()).collect();
    lines.join(" and ")
}

/// The policy as if all its files could be read, and had nothing in them that matters here.
fn mended(policy: &Policy) -> Policy {
    rebuilt(policy, policy.rules().to_vec())
}

fn with(policy: &Policy, rules: impl IntoIterator<Item = PrefixRule>) -> Policy {
    let mut policy = policy.clone();
    policy.add(RuleSet { prefix: rules.into_iter().collect(), ..RuleSet::default() });
    policy
}

fn without(policy: &Policy, places: &BTreeSet<String>) -> Policy {
    let kept = policy.rules().iter().filter(|rule| !places.contains(&rule.origin.to_string()));
    let mut without = rebuilt(policy, kept.cloned().collect());
    policy.missing().iter().for_each(|missing| without.add_missing(missing.clone()));
    without
}

/// Everything but the prefix rules, which are these, and the files that could not be read.
fn rebuilt(policy: &Policy, prefix: Vec<PrefixRule>) -> Policy {
    let set = RuleSet {
        prefix,
        network: policy.network_rules().to_vec(),
        host_executables: policy.host_executables().values().cloned().collect(),
    };
    std::iter::once(set).collect()
}

/// The most files that could not be read which are named: a repository can have thousands.
const SHOWN_BROKEN: usize = 20;

/// Names the files that could not be read.
fn broken(policy: &Policy) -> String {
    let places: BTreeSet<String> =
        policy.missing().iter().map(|missing| missing.origin.to_string()).collect();
    let more = match places.len().saturating_sub(SHOWN_BROKEN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown: Vec<String> = places.into_iter().take(SHOWN_BROKEN).collect();
    shown.join(", ") + &more
}

/// A verdict as a page of text.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What was judged.
    pub verdict: &'a Verdict,
    /// What would turn it.
    pub edits: &'a [Edit],
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict;
        writeln!(f, "{}, {}", verdict.decision, place(verdict.decision, verdict.sandbox))?;
        if let Some(reason) = &verdict.reason {
            writeln!(f, "  {}", visible(reason))?;
        }
        writeln!(f, "\nFindings:")?;
        for finding in &verdict.findings {
            self.finding(f, finding)?;
        }
        if !verdict.amendments.is_empty() {
            writeln!(f, "\nRules that may be offered:")?;
            for amendment in &verdict.amendments {
                offer(f, amendment)?;
            }
        }
        match self.edits {
            [] => writeln!(f, "\n{}", no_advice(verdict.decision)),
            [edit, others @ ..] => {
                writeln!(f, "\nThe smallest change:")?;
                self.edit(f, edit)?;
                if !others.is_empty() {
                    writeln!(f, "Others:")?;
                }
                others.iter().try_for_each(|edit| self.edit(f, edit))
            }
        }
    }
}

impl Page<'_> {
    fn edit(&self, f: &mut fmt::Formatter<'_>, edit: &Edit) -> fmt::Result {
        let then = place(edit.decision, edit.sandbox);
        writeln!(f, "  {}\n    {}, {then}", visible(&edit.what), edit.decision)
    }

    fn finding(&self, f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
        let by = match finding.by {
            By::Rule => "rule",
            By::Heuristic => "heuristic",
            By::Guard => "guard",
            By::Parse => "parse",
        };
        write!(f, "  {:<9} {}", finding.decision.word(), visible(&shell::join(&finding.command)))?;
        if let Some(span) = &finding.span {
            write!(f, "  [{}..{}]", span.start, span.end)?;
        }
        write!(f, "\n            {by}: {}", visible(&finding.why))?;
        match &finding.source {
            Some(source) => writeln!(f, " ({})", visible(&source.to_string())),
            None => writeln!(f),
        }
    }
}

fn no_advice(decision: Decision) -> &'static str {
    match decision {
        Decision::Prompt | Decision::PromptUser => {
            "No rule is advised for this: whoever approves it does so each time."
        }
        Decision::Allow | Decision::Forbidden => "No change is advised.",
    }
}

fn place(decision: Decision, sandbox: Placement) -> &'static str {
    match (decision, sandbox) {
        (Decision::Forbidden, _) => "does not run",
        (_, Placement::Inside) => "inside the sandbox",
        (_, Placement::Outside) => "outside the sandbox",
    }
}

fn offer(f: &mut fmt::Formatter<'_>, amendment: &Amendment) -> fmt::Result {
    let scope = match amendment.scope {
        Scope::Command => "this command",
        Scope::Subcommand => "its sub-command",
        Scope::Program => "its program",
    };
    writeln!(f, "  {scope}: {}", visible(format::amendment_line(&amendment.prefix).trim_end()))?;
    for other in &amendment.also_matches {
        writeln!(f, "      also allows: {}", visible(other))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::edits;
    use crate::rules_file::load;
    use crate::{
        ApprovalPolicy, Context, Decision, Limits, MissingRules, Origin, Policy, Request, Sandboxing,
        WritableRoots,
    };

    fn advice(rules: &str, argv: &[&str], approval: ApprovalPolicy) -> Vec<(String, Decision)> {
        let mut policy = Policy::default();
        policy.add(load("my.rules", rules, &policy, &Limits::default()).unwrap());
        policy
            .add_missing(MissingRules { origin: Origin::new("a.rules", 7), why: "it is broken".to_owned() });
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let context = Context {
            approval,
            sandboxing: Sandboxing::Restricted,
            request: Request::Default,
            cwd: "/project",
            moved: false,
            programs: &WritableRoots::default(),
            wanted_prefix: None,
        };
        let verdict = policy.evaluate(&argv, &context);
        edits(&policy, &argv, &context, &verdict).into_iter().map(|edit| (edit.what, edit.decision)).collect()
    }

    #[test]
    fn of_many_broken_files_some_are_named() {
        let mut policy = Policy::default();
        for line in 1..=1_000 {
            policy.add_missing(MissingRules { origin: Origin::new("a.rules", line), why: String::new() });
        }
        let named = super::broken(&policy);
        assert!(named.ends_with(" and 980 more") && named.len() < 1_000, "{named}");
    }

    #[test]
    fn a_broken_file_is_to_be_mended_and_not_papered_over() {
        let mend = || ("mend a.rules:7, unless it speaks of this command".to_owned(), Decision::Allow);
        assert_eq!(advice("", &["ls"], ApprovalPolicy::OnRequest), [mend()]);
        let never = advice("", &["ls"], ApprovalPolicy::Never);
        assert_eq!(never.first(), Some(&mend()));
        assert!(!never.iter().any(|(what, _)| what.starts_with("add")), "{never:?}");
        // What would be asked about anyway is not settled by that.
        let untrusted = advice("", &["touch", "a"], ApprovalPolicy::Untrusted);
        assert!(untrusted.iter().any(|(what, _)| what.starts_with("add prefix_rule")), "{untrusted:?}");
        assert!(!untrusted.contains(&mend()), "{untrusted:?}");
    }

    #[test]
    fn a_rule_that_is_removed_takes_no_broken_file_with_it() {
        let rules = "prefix_rule(['ls'], 'forbidden')";
        let advice = advice(rules, &["ls"], ApprovalPolicy::OnRequest);
        assert_eq!(advice, [("remove my.rules:1".to_owned(), Decision::Prompt)]);
    }
}
