//! What rules and knowledge say of one part.

use super::dissect::Part;
use super::permit::{Permission, is_known, named, permission};
use super::within::{Exploration, Within, explore};
use crate::command::{Word, literal_prefix};
use crate::explain::UNKNOWN;
use crate::knowledge::{self, Effect, GuardHit};
use crate::policy::PrefixMatch;
use crate::shell;
use crate::{By, Context, Decision, Finding, Origin, Policy};

/// What is known of one part, before the approval policy.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// What rules, guards and reading found.
    pub(super) findings: Vec<Finding>,
    /// The restricting rules and guards that ask or refuse, strictest first, longest first.
    pub(super) demands: Vec<Demand>,
    /// Why it is dangerous; empty if it is not.
    pub(super) dangers: Vec<Danger>,
    /// Whether rules allow it, all of it.
    pub(super) allowed: bool,
    /// Whether any rule speaks of it.
    pub(super) ruled: bool,
    /// Whether an option of it runs a program or writes a file.
    pub(super) guarded: bool,
    /// Whether it starts something besides itself.
    pub(super) starts_others: bool,
}

/// A rule or guard that does not let it simply run.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    pub(super) decision: Decision,
    /// How much of the command the rule names.
    pub(super) prefix: Vec<String>,
    pub(super) justification: Option<String>,
}

/// How many findings one part may have. A verdict stays the strictest of all; what is left out are its words.
pub(super) const MAX_FINDINGS: usize = 500;

/// A reason to be careful.
#[derive(Clone, Debug)]
pub(super) struct Danger {
    pub(super) command: Vec<String>,
    pub(super) why: String,
    pub(super) origin: Option<Origin>,
    pub(super) span: Option<crate::Span>,
}

/// Judges one part.
pub(super) fn judge(policy: &Policy, part: &Part, context: &Context<'_>) -> Judgement {
    let words = Word::all(&part.argv);
    let mut judgement = Judgement::default();
    judgement.restrict(policy, part, &words);
    let exploration = explore(&words, &part.feed, part.span.as_ref());
    judgement.starts_others = !exploration.commands.is_empty() || !exploration.blind.is_empty();
    let moved = part.moved || context.moved;
    let permission = permission(policy, &part.argv, context, &exploration, moved, 0);
    judgement.permit(part, &permission);
    // What rules do not allow in full, they do not vouch for.
    let vouched = if permission.granted() { permission.reach } else { 0 };
    judgement.look_within(policy, context, part, &exploration, vouched);
    if permission.reach == 0
        && let Some(danger) = knowledge::danger(&words)
    {
        judgement.endanger(Danger {
            command: part.shown.clone(),
            why: danger.note.why.clone(),
            origin: Some(danger.note.origin.clone()),
            span: part.span.clone(),
        });
    }
    judgement.demands.sort_by_key(|demand| std::cmp::Reverse((demand.decision, demand.prefix.len())));
    judgement
}

impl Judgement {
    /// Restricting rules on the part itself.
    fn restrict(&mut self, policy: &Policy, part: &Part, words: &[Word]) {
        for found in restricting(policy, words) {
            self.ruled = true;
            self.demand(&found, found.rule.decision);
            self.find(Finding {
                command: part.shown.clone(),
                by: By::Rule,
                source: Some(found.rule.origin.clone()),
                decision: found.rule.decision,
                why: rule_says(&found),
                span: part.span.clone(),
            });
        }
    }

    /// Adds a finding, as long as people could still read them all, or if it decides more than all of them:
    /// what decides has to be named.
    fn find(&mut self, finding: Finding) {
        let room = self.findings.len() < MAX_FINDINGS;
        if room || self.findings.iter().all(|known| known.decision < finding.decision) {
            self.findings.push(finding);
        }
    }

    /// Adds a reason to be careful. One is as good as many.
    fn endanger(&mut self, danger: Danger) {
        if self.dangers.len() < MAX_FINDINGS {
            self.dangers.push(danger);
        }
    }

    fn demand(&mut self, found: &PrefixMatch<'_>, decision: Decision) {
        self.require(Demand {
            decision,
            prefix: found.matched_prefix.clone(),
            justification: found.rule.justification.clone(),
        });
    }

    fn require(&mut self, demand: Demand) {
        let room = self.demands.len() < MAX_FINDINGS;
        if room || self.demands.iter().all(|known| known.decision < demand.decision) {
            self.demands.push(demand);
        }
    }

    /// Allowing rules on the part, as far as they reach.
    fn permit(&mut self, part: &Part, permission: &Permission<'_>) {
        let finding = |by, source, decision, why| Finding {
            command: part.shown.clone(),
            by,
            source,
            decision,
            why,
            span: part.span.clone(),
        };
        for found in &permission.rules {
            self.ruled = true;
            self.find(finding(By::Rule, Some(found.rule.origin.clone()), Decision::Allow, rule_says(found)));
        }
        for gap in &permission.gaps {
            self.find(finding(By::Parse, gap.source.clone(), Decision::Allow, gap.why.clone()));
        }
        self.allowed = permission.granted();
        for hit in &permission.guards {
            self.guarded = true;
            // Without a rule that allows, there is nothing that a guard could take back.
            if permission.reach > 0 {
                self.find(finding(
                    By::Guard,
                    Some(hit.note.origin.clone()),
                    Decision::Prompt,
                    guard_says(hit),
                ));
                self.require(Demand {
                    decision: Decision::Prompt,
                    prefix: Vec::new(),
                    justification: Some(guard_says(hit)),
                });
            }
        }
        for (path, span) in &part.writes {
            self.find(Finding {
                command: part.shown.clone(),
                by: By::Parse,
                source: None,
                decision: Decision::Allow,
                why: format!("writes the file `{path}`, which no rule allows outside the sandbox"),
                span: Some(span.clone()),
            });
        }
        self.allowed &= part.writes.is_empty();
    }

    /// Restricting rules and danger in what the part starts.
    fn look_within(
        &mut self,
        policy: &Policy,
        context: &Context<'_>,
        part: &Part,
        exploration: &Exploration,
        reach: usize,
    ) {
        for within in &exploration.commands {
            self.restrict_within(policy, within);
            self.guard_within(policy, context, within);
            if !named(within.named_at, reach)
                && let Some(danger) = knowledge::danger(&within.words)
            {
                self.endanger(Danger {
                    command: shown(&within.words),
                    why: format!("{} ({})", danger.note.why, within.behind),
                    origin: Some(danger.note.origin.clone()),
                    span: within.span.clone(),
                });
            }
        }
        for blind in exploration.blind.iter().filter(|blind| !named(blind.named_at, reach)) {
            self.endanger(Danger {
                command: part.shown.clone(),
                why: blind.why.clone(),
                origin: None,
                span: blind.span.clone(),
            });
        }
    }

    fn restrict_within(&mut self, policy: &Policy, within: &Within) {
        for found in restricting(policy, &within.words) {
            let certain = found.certain && within.certain;
            if !found.certain && !is_likely(&found, &within.words) {
                continue;
            }
            // What may or may not be forbidden is for a person to say.
            let decision =
                if certain { found.rule.decision } else { found.rule.decision.min(Decision::Prompt) };
            self.ruled = true;
            self.demand(&found, decision);
            let perhaps = if certain { "" } else { "it may become what this rule speaks of: " };
            self.find(Finding {
                command: shown(&within.words),
                by: By::Rule,
                source: Some(found.rule.origin.clone()),
                decision,
                why: format!("{perhaps}{} ({})", rule_says(&found), within.behind),
                span: within.span.clone(),
            });
        }
    }

    /// What asks when it stands alone asks behind a wrapper and in a script, too: or parentheses around a
    /// command would take the question away.
    fn guard_within(&mut self, policy: &Policy, context: &Context<'_>, within: &Within) {
        let hits = knowledge::guard_hits(&within.words);
        if hits.is_empty() {
            return;
        }
        let prefix = literal_prefix(&within.words).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let rules = policy.allowing(&prefix, context.programs);
        let reach = rules.iter().map(|found| found.matched).max().unwrap_or(0);
        let beyond = |hit: &&GuardHit| {
            reach > 0
                && hit.words.start >= reach
                && hit.effect != Effect::ReadsConfig
                && is_known(&within.words, hit)
        };
        for hit in hits.iter().filter(beyond) {
            let why = format!("{} ({})", guard_says(hit), within.behind);
            self.find(Finding {
                command: shown(&within.words),
                by: By::Guard,
                source: Some(hit.note.origin.clone()),
                decision: Decision::Prompt,
                why: why.clone(),
                span: within.span.clone(),
            });
            self.require(Demand { decision: Decision::Prompt, prefix: Vec::new(), justification: Some(why) });
        }
    }
}

/// Restricting rules on a command as it stands, and as it would stand without the options before its
/// sub-command: `git -C . push` is `git push`.
fn restricting<'p>(policy: &'p Policy, words: &[Word]) -> Vec<PrefixMatch<'p>> {
    let mut found = policy.restrictive(words);
    if let Some(bare) = knowledge::without_global_options(words) {
        // A word that is known only when it runs need not be such an option.
        let unknown = |words: &[Word]| words.iter().filter(|word| **word == Word::Unknown).count();
        let certain = unknown(&bare) == unknown(words);
        for mut hidden in policy.restrictive(&bare) {
            hidden.certain &= certain;
            if !found.iter().any(|known| known.rule == hidden.rule && known.certain >= hidden.certain) {
                found.push(hidden);
            }
        }
    }
    found
}

/// A program whose very name is unknown may be any; only a command that already reads like the rule's is
/// taken for it, or every script with a variable in a command's place would be asked about.
fn is_likely(found: &PrefixMatch<'_>, words: &[Word]) -> bool {
    let program_known = words.first().is_some_and(|word| word.literal().is_some());
    let second = words.get(1).and_then(Word::literal);
    program_known
        || second.is_some_and(|second| {
            found
                .rule
                .rest
                .first()
                .is_some_and(|token| token.alternatives().iter().any(|word| word == second))
        })
}

/// The longest command that a finding repeats, in bytes.
const SHOWN_BYTES: usize = 4096;

/// The words for display: unknown ones, and those behind a sensible length, as `…`.
pub(super) fn shown(words: &[Word]) -> Vec<String> {
    let mut left = SHOWN_BYTES;
    let mut shown = Vec::new();
    for word in words {
        let text = word.literal().unwrap_or(UNKNOWN);
        match left.checked_sub(text.len().saturating_add(1)) {
            Some(rest) => left = rest,
            None => {
                shown.push(UNKNOWN.to_owned());
                break;
            }
        }
        shown.push(text.to_owned());
    }
    shown
}

fn rule_says(found: &PrefixMatch<'_>) -> String {
    let prefix = shell::join(&found.matched_prefix);
    match &found.rule.justification {
        Some(justification) => format!("the rule for `{prefix}` says: {justification}"),
        None => match found.rule.decision {
            Decision::Allow => format!("a rule allows `{prefix}`"),
            Decision::Prompt => format!("a rule asks before `{prefix}`"),
            Decision::PromptUser => format!("a rule has a person asked before `{prefix}`"),
            Decision::Forbidden => format!("a rule forbids `{prefix}`"),
        },
    }
}

fn guard_says(hit: &GuardHit) -> String {
    format!("`{}`: {}", hit.option, hit.note.why)
}
