//! A verdict for people: what, why, and the smallest change that would turn it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::display::visible;
use crate::{
    Amendment, ApprovalPolicy, By, Context, Decision, Finding, Origin, PatternToken, Placement, Policy,
    PrefixRule, RuleSet, Scope, Spelling, Verdict, format, shell,
};

/// A change that leads to another verdict. Each was tried before it is shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Edit {
    /// What to do, on which object.
    pub what: String,
    /// The decision then.
    pub decision: Decision,
}

/// The changes that turn a verdict, smallest first: fewer rules touched before more, and rules before the
/// approval policy. Empty if none of those that were tried does.
pub fn edits(policy: &Policy, argv: &[String], context: &Context<'_>, verdict: &Verdict) -> Vec<Edit> {
    let candidates = match verdict.decision {
        Decision::Allow => stricter(policy, verdict),
        Decision::Prompt | Decision::PromptUser | Decision::Forbidden => looser(policy, context, verdict),
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let context = Context { approval: candidate.approval.unwrap_or(context.approval), ..*context };
            let decision = candidate.policy.evaluate(argv, &context).decision;
            (decision != verdict.decision).then_some(Edit { what: candidate.what, decision })
        })
        .collect()
}

struct Candidate {
    what: String,
    policy: Policy,
    approval: Option<ApprovalPolicy>,
}

fn looser(policy: &Policy, context: &Context<'_>, verdict: &Verdict) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let restricting: BTreeSet<String> = verdict
        .findings
        .iter()
        .filter(|finding| finding.by == By::Rule && finding.decision.restricts())
        .filter_map(|finding| finding.source.as_ref().map(Origin::to_string))
        .collect();
    let unsettled: Vec<Vec<String>> = unsettled(verdict);
    if restricting.is_empty() && !unsettled.is_empty() {
        candidates.push(Candidate {
            what: format!("add {}", lines(&unsettled)),
            policy: with(policy, unsettled.iter().map(|words| allow(words))),
            approval: None,
        });
    } else if !restricting.is_empty() {
        let places = restricting.iter().cloned().collect::<Vec<_>>().join(", ");
        let without = without(policy, &restricting);
        candidates.push(Candidate {
            what: format!("remove {places}"),
            policy: without.clone(),
            approval: None,
        });
        if !unsettled.is_empty() {
            candidates.push(Candidate {
                what: format!("remove {places} and add {}", lines(&unsettled)),
                policy: with(&without, unsettled.iter().map(|words| allow(words))),
                approval: None,
            });
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

/// The commands that a rule would have to name, each once.
fn unsettled(verdict: &Verdict) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = Vec::new();
    for finding in &verdict.findings {
        let open = match finding.by {
            By::Heuristic | By::Guard => true,
            By::Rule | By::Parse => false,
        };
        let known = !finding.command.iter().any(|word| word == UNKNOWN);
        if open && known && !commands.contains(&finding.command) {
            commands.push(finding.command.clone());
        }
    }
    commands
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

fn with(policy: &Policy, rules: impl IntoIterator<Item = PrefixRule>) -> Policy {
    let mut policy = policy.clone();
    policy.add(RuleSet { prefix: rules.into_iter().collect(), ..RuleSet::default() });
    policy
}

fn without(policy: &Policy, places: &BTreeSet<String>) -> Policy {
    let kept = policy.rules().iter().filter(|rule| !places.contains(&rule.origin.to_string()));
    let set = RuleSet {
        prefix: kept.cloned().collect(),
        network: policy.network_rules().to_vec(),
        host_executables: policy.host_executables().values().cloned().collect(),
    };
    std::iter::once(set).collect()
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
        writeln!(f, "{}, {}", verdict.decision, place(verdict))?;
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
            [] => Ok(()),
            [edit, others @ ..] => {
                writeln!(f, "\nThe smallest change:")?;
                writeln!(f, "  {}: {}", edit.decision, visible(&edit.what))?;
                for edit in others {
                    writeln!(f, "  {}: {}", edit.decision, visible(&edit.what))?;
                }
                Ok(())
            }
        }
    }
}

impl Page<'_> {
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

fn place(verdict: &Verdict) -> &'static str {
    match (verdict.decision, verdict.sandbox) {
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
