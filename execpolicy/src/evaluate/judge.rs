//! What rules and knowledge say of one part.

use super::dissect::{Part, is_trusted_shell};
use super::within::{Exploration, Within, explore};
use crate::command::{Word, all_literal, literal_prefix, program_name};
use crate::knowledge::interpreters::Place;
use crate::knowledge::{self, Code, GuardHit, WRAPPER_DEPTH_LIMIT};
use crate::policy::PrefixMatch;
use crate::shell::{self, Source};
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
    let exploration = explore(&part.argv, &part.feed, part.span.as_ref());
    judgement.starts_others = !exploration.commands.is_empty() || !exploration.blind.is_empty();
    let mut permission = permission(policy, &part.argv, context, &exploration, 0);
    if part.moved && permission.reach > 0 && is_relative(&part.argv) {
        // `./build` of the rule's author and `cd elsewhere && ./build` are two programs.
        let gap = "the rule names a relative program, and this one starts in another directory";
        permission.gaps.push((gap.to_owned(), None));
    }
    judgement.permit(part, &permission);
    judgement.look_within(policy, context, part, &exploration, permission.reach);
    if permission.reach == 0
        && let Some(danger) = knowledge::danger(&words)
    {
        judgement.dangers.push(Danger {
            command: part.argv.clone(),
            why: danger.why.clone(),
            origin: Some(danger.origin.clone()),
            span: part.span.clone(),
        });
    }
    judgement.demands.sort_by_key(|demand| std::cmp::Reverse((demand.decision, demand.prefix.len())));
    judgement
}

impl Judgement {
    /// Restricting rules on the part itself.
    fn restrict(&mut self, policy: &Policy, part: &Part, words: &[Word]) {
        for found in policy.restrictive(words) {
            self.ruled = true;
            self.demand(&found, found.rule.decision);
            self.findings.push(Finding {
                command: part.argv.clone(),
                by: By::Rule,
                source: Some(found.rule.origin.clone()),
                decision: found.rule.decision,
                why: rule_says(&found),
                span: part.span.clone(),
            });
        }
    }

    fn demand(&mut self, found: &PrefixMatch<'_>, decision: Decision) {
        self.demands.push(Demand {
            decision,
            prefix: found.matched_prefix.clone(),
            justification: found.rule.justification.clone(),
        });
    }

    /// Allowing rules on the part, as far as they reach.
    fn permit(&mut self, part: &Part, permission: &Permission<'_>) {
        let finding = |by, source, decision, why| Finding {
            command: part.argv.clone(),
            by,
            source,
            decision,
            why,
            span: part.span.clone(),
        };
        for found in &permission.rules {
            self.ruled = true;
            self.findings.push(finding(
                By::Rule,
                Some(found.rule.origin.clone()),
                Decision::Allow,
                rule_says(found),
            ));
        }
        for (why, source) in &permission.gaps {
            self.findings.push(finding(By::Parse, source.clone(), Decision::Allow, why.clone()));
        }
        self.allowed = permission.granted();
        for hit in &permission.guards {
            self.guarded = true;
            // Without a rule that allows, there is nothing that a guard could take back.
            if permission.reach > 0 {
                self.findings.push(finding(
                    By::Guard,
                    Some(hit.note.origin.clone()),
                    Decision::Prompt,
                    guard_says(hit),
                ));
                self.demands.push(Demand {
                    decision: Decision::Prompt,
                    prefix: Vec::new(),
                    justification: Some(guard_says(hit)),
                });
            }
        }
        for (path, span) in &part.writes {
            self.findings.push(Finding {
                command: part.argv.clone(),
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
                self.dangers.push(Danger {
                    command: shown(&within.words),
                    why: format!("{} ({})", danger.why, within.behind),
                    origin: Some(danger.origin.clone()),
                    span: within.span.clone(),
                });
            }
        }
        for blind in exploration.blind.iter().filter(|blind| !named(blind.named_at, reach)) {
            self.dangers.push(Danger {
                command: part.argv.clone(),
                why: blind.why.clone(),
                origin: None,
                span: blind.span.clone(),
            });
        }
    }

    fn restrict_within(&mut self, policy: &Policy, within: &Within) {
        for found in policy.restrictive(&within.words) {
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
            self.findings.push(Finding {
                command: shown(&within.words),
                by: By::Rule,
                source: Some(found.rule.origin.clone()),
                decision,
                why: format!("{perhaps}{} ({})", rule_says(&found), within.behind),
                span: within.span.clone(),
            });
        }
    }
}

impl Judgement {
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
        // A word that is known only when it runs may be any option: that would ask about every variable.
        let known = |hit: &GuardHit| {
            within
                .words
                .get(hit.words.clone())
                .is_some_and(|words| words.iter().all(|word| word.literal().is_some()))
        };
        for hit in hits.iter().filter(|hit| reach > 0 && hit.words.start >= reach && known(hit)) {
            let why = format!("{} ({})", guard_says(hit), within.behind);
            self.findings.push(Finding {
                command: shown(&within.words),
                by: By::Guard,
                source: Some(hit.note.origin.clone()),
                decision: Decision::Prompt,
                why: why.clone(),
                span: within.span.clone(),
            });
            self.demands.push(Demand {
                decision: Decision::Prompt,
                prefix: Vec::new(),
                justification: Some(why),
            });
        }
    }
}

/// How far allowing rules let a command run.
struct Permission<'p> {
    rules: Vec<PrefixMatch<'p>>,
    /// How many words the longest of them names; 0 if there is none.
    reach: usize,
    /// Why that is not enough.
    gaps: Vec<(String, Option<Origin>)>,
    /// Options beyond the reach that would run a program or write a file.
    guards: Vec<GuardHit>,
}

impl Permission<'_> {
    fn granted(&self) -> bool {
        self.reach > 0 && self.gaps.is_empty() && self.guards.is_empty()
    }
}

/// What allowing rules say of a command. A rule on a program allows that program: not another one that it
/// starts, not a script that it runs, unless the rule names these or they are allowed themselves.
fn permission<'p>(
    policy: &'p Policy,
    argv: &[String],
    context: &Context<'_>,
    exploration: &Exploration,
    depth: usize,
) -> Permission<'p> {
    let rules = policy.allowing(argv, context.programs);
    let reach = rules.iter().map(|found| found.matched).max().unwrap_or(0);
    let words = Word::all(argv);
    let mut guards = knowledge::guard_hits(&words);
    guards.retain(|hit| hit.words.start >= reach);
    let mut permission = Permission { rules, reach, gaps: Vec::new(), guards };
    if reach == 0 {
        return permission;
    }
    let gap = |what: String| (what, None);
    match knowledge::code_word(&words) {
        Some(code) if !names_code(&code, reach) && !allowed_script(policy, &words, context, depth) => {
            permission.gaps.push(gap(format!(
                "the rule names only `{}`, not the code that it runs",
                shell::join(argv.get(..reach).unwrap_or(argv))
            )));
        }
        Some(_) | None => {}
    }
    if knowledge::is_wrapper(program_name(argv.first().map_or("", String::as_str))) {
        permission.gaps.extend(
            unnamed(policy, context, exploration, reach, depth)
                .map(|command| gap(format!("the rule does not name `{command}`, which it starts"))),
        );
    }
    permission
}

fn names_code(code: &Code, reach: usize) -> bool {
    match code.place {
        Place::Word(index) => index < reach,
        Place::Stdin | Place::Unclear => false,
    }
}

/// Whether a nested shell's script is plain, and rules allow each of its commands.
fn allowed_script(policy: &Policy, words: &[Word], context: &Context<'_>, depth: usize) -> bool {
    let Some(invocation) = shell::invocation(words) else { return false };
    let Source::Script { text, .. } = invocation.source else { return false };
    let script = shell::read(&text, invocation.dialect);
    let trusted =
        words.first().and_then(Word::literal).is_some_and(|shell| is_trusted_shell(shell, context.programs));
    trusted
        && invocation.constructs.is_empty()
        && script.is_plain()
        && script.commands.iter().all(|command| {
            command.redirections.iter().all(|redirection| !redirection.writes)
                && allowed(policy, &command.words, context, depth)
        })
}

/// The commands that a wrapper starts and that neither the rule names nor another rule allows.
fn unnamed<'e>(
    policy: &'e Policy,
    context: &'e Context<'_>,
    exploration: &'e Exploration,
    reach: usize,
    depth: usize,
) -> impl Iterator<Item = String> + 'e {
    let commands = exploration
        .direct()
        .filter(move |within| {
            let settled = within.certain && allowed(policy, &within.words, context, depth);
            !named(within.named_at, reach) && !settled
        })
        .map(|within| shell::join(&shown(&within.words)));
    let unclear = exploration.unclear.iter().cloned();
    commands.chain(unclear)
}

/// Whether rules allow this command in the same sense.
fn allowed(policy: &Policy, words: &[Word], context: &Context<'_>, depth: usize) -> bool {
    let depth = depth.saturating_add(1);
    let Some(argv) = all_literal(words).filter(|_| depth <= WRAPPER_DEPTH_LIMIT) else { return false };
    let exploration = explore(&argv, &super::dissect::Feed::Nothing, None);
    permission(policy, &argv, context, &exploration, depth).granted()
}

/// Whether a rule that reaches so far names what stands there.
fn named(at: Option<usize>, reach: usize) -> bool {
    at.is_some_and(|at| at < reach)
}

fn is_relative(argv: &[String]) -> bool {
    argv.first().is_some_and(|program| program.contains('/') && !program.starts_with('/'))
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

/// The words for display.
pub(super) fn shown(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.literal().unwrap_or("…").to_owned()).collect()
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
