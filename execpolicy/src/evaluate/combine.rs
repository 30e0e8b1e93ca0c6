//! From what is known of each part to one verdict, under the approval policy.

use super::dissect::{Dissection, Part};
use super::judge::{Danger, Demand, Judgement, shown};
use super::reason::{self, Unasked};
use crate::amendment::{self, Candidate};
use crate::command::Word;
use crate::knowledge;
use crate::policy::missing;
use crate::shell;
use crate::summary::{self, Joined, Summary};
use crate::{
    Amendment, ApprovalPolicy, By, Context, Decision, Finding, MissingRules, Origin, Placement, Request,
    Sandboxing, Verdict,
};

/// Puts the verdict together.
pub(super) fn combine(
    argv: &[String],
    dissection: &Dissection,
    judgements: Vec<Judgement>,
    context: &Context<'_>,
    missing: &[MissingRules],
) -> Verdict {
    let mut draft = Draft::new(context, missing);
    draft.constructs(argv, dissection);
    for (part, judgement) in dissection.parts.iter().zip(&judgements) {
        draft.part(part, judgement);
    }
    let all_allowed = judgements.iter().all(|judgement| judgement.allowed);
    let demands: Vec<Demand> = sorted(&judgements);
    let reason = draft.reason(argv, &demands);
    let amendments = match draft.only_missing {
        true => Vec::new(),
        false => offer(dissection, &judgements, context, draft.decision),
    };
    Verdict {
        decision: draft.decision,
        sandbox: draft.placement(all_allowed),
        reason,
        amendments,
        summary: summarize(argv, dissection),
        findings: draft.findings,
    }
}

/// How many reasons are given for a script not being plain. One is enough to keep rules from allowing it.
const MAX_CONSTRUCTS: usize = 50;

/// A verdict on its way.
struct Draft<'c> {
    context: &'c Context<'c>,
    decision: Decision,
    findings: Vec<Finding>,
    /// Why a question was not asked, and what the strictest finding had to say otherwise.
    unasked: Option<Unasked>,
    danger: Option<String>,
    /// What rules that could not be read make a question say, and the first of their places.
    missing: Option<(String, Origin)>,
    /// Whether a part is asked about for no other reason than these.
    only_missing: bool,
}

impl<'c> Draft<'c> {
    fn new(context: &'c Context<'c>, missing: &[MissingRules]) -> Self {
        Self {
            context,
            decision: Decision::Allow,
            findings: Vec::new(),
            unasked: None,
            danger: None,
            missing: missing::why(missing),
            only_missing: false,
        }
    }

    /// What made the script opaque. That alone decides nothing: it only keeps rules from allowing.
    fn constructs(&mut self, argv: &[String], dissection: &Dissection) {
        let command = shown(&Word::all(argv));
        for construct in dissection.constructs.iter().take(MAX_CONSTRUCTS) {
            self.findings.push(Finding {
                command: command.clone(),
                by: By::Parse,
                source: None,
                decision: Decision::Allow,
                why: format!("not plain, {}: {}", construct.what.word(), construct.why),
                span: Some(construct.span.clone()),
            });
        }
        if dissection.unread {
            let danger = Danger {
                command: argv.first().cloned().into_iter().chain(["…".to_owned()]).collect(),
                why: format!("it has more than {} bytes, and was not looked into", super::MAX_COMMAND),
                origin: None,
                span: None,
            };
            self.danger(&danger);
        }
    }

    fn part(&mut self, part: &Part, judgement: &Judgement) {
        self.findings.extend(judgement.findings.iter().cloned());
        for demand in &judgement.demands {
            let decision = self.permitted_question(demand.decision, Unasked::Rule);
            self.tighten(decision);
        }
        for danger in &judgement.dangers {
            self.danger(danger);
        }
        if judgement.allowed {
            return;
        }
        let (decision, why) = self.fallback();
        self.tighten(decision);
        let asked_for = self.ask_for_missing(part, judgement, decision);
        let said = !judgement.demands.is_empty() || !judgement.dangers.is_empty() || asked_for;
        if !said || decision == Decision::Forbidden {
            // It decides nothing; whoever is asked may like to know.
            let safe = knowledge::known_safe(&Word::all(&part.argv)).filter(|_| part.writes.is_empty());
            let why = safe.map_or_else(|| why.clone(), |safe| format!("{why} (it {})", safe.why));
            self.findings.push(Finding {
                command: part.shown.clone(),
                by: By::Heuristic,
                source: safe.map(|safe| safe.origin.clone()),
                decision,
                why,
                span: part.span.clone(),
            });
        }
    }

    /// Rules that could not be read may be about this part, unless others are. Whether they have it asked about.
    ///
    /// INVARIANT: `fallback` is what would be decided without them.
    fn ask_for_missing(&mut self, part: &Part, judgement: &Judgement, fallback: Decision) -> bool {
        let Some((why, origin)) = self.missing.clone().filter(|_| judgement.demands.is_empty()) else {
            return false;
        };
        let decision = self.permitted_question(Decision::Prompt, Unasked::Missing);
        self.tighten(decision);
        self.only_missing |= fallback == Decision::Allow && judgement.dangers.is_empty();
        self.findings.push(Finding {
            command: part.shown.clone(),
            by: By::Heuristic,
            source: Some(origin),
            decision,
            why,
            span: part.span.clone(),
        });
        true
    }

    fn danger(&mut self, danger: &Danger) {
        let decision = self.permitted_question(Decision::Prompt, Unasked::Danger);
        self.tighten(decision);
        self.danger.get_or_insert_with(|| danger.why.clone());
        self.findings.push(Finding {
            command: danger.command.clone(),
            by: By::Heuristic,
            source: danger.origin.clone(),
            decision,
            why: danger.why.clone(),
            span: danger.span.clone(),
        });
    }

    /// For a command that no rule allows and that is not dangerous.
    fn fallback(&mut self) -> (Decision, String) {
        let escalates =
            self.context.request == Request::Escalate && self.context.sandboxing == Sandboxing::Restricted;
        match self.context.approval {
            ApprovalPolicy::Untrusted => (
                Decision::Prompt,
                "no rule allows it, and the approval policy `untrusted` asks about that".into(),
            ),
            ApprovalPolicy::Never
            | ApprovalPolicy::OnFailure
            | ApprovalPolicy::OnRequest
            | ApprovalPolicy::Granular(_)
                if escalates =>
            {
                let decision = self.permitted_question(Decision::Prompt, Unasked::Escalation);
                (decision, "no rule allows it outside the sandbox, where it asks to run".into())
            }
            ApprovalPolicy::Never
            | ApprovalPolicy::OnFailure
            | ApprovalPolicy::OnRequest
            | ApprovalPolicy::Granular(_) => {
                let why = match self.context.sandboxing {
                    Sandboxing::Restricted => "no rule speaks of all of it; the sandbox contains it",
                    Sandboxing::Unrestricted => {
                        "no rule speaks of all of it, and there is no sandbox to leave"
                    }
                };
                (Decision::Allow, why.to_owned())
            }
        }
    }

    /// Turns a question into a refusal where the approval policy does not let it be asked.
    fn permitted_question(&mut self, decision: Decision, about: Unasked) -> Decision {
        let may_ask = match (self.context.approval, about) {
            (ApprovalPolicy::Never, _) => false,
            (ApprovalPolicy::Granular(granular), Unasked::Rule | Unasked::Missing) => granular.rules,
            (ApprovalPolicy::Granular(granular), Unasked::Escalation) => granular.sandbox_approval,
            (ApprovalPolicy::Granular(_), Unasked::Danger)
            | (ApprovalPolicy::Untrusted | ApprovalPolicy::OnFailure | ApprovalPolicy::OnRequest, _) => true,
        };
        match decision {
            Decision::Prompt | Decision::PromptUser if !may_ask => {
                self.unasked.get_or_insert(about);
                Decision::Forbidden
            }
            Decision::Allow | Decision::Prompt | Decision::PromptUser | Decision::Forbidden => decision,
        }
    }

    fn tighten(&mut self, decision: Decision) {
        self.decision = self.decision.max(decision);
    }

    fn placement(&self, all_allowed: bool) -> Placement {
        let escalates = self.context.request == Request::Escalate;
        match self.decision {
            Decision::Forbidden => Placement::Inside,
            // There is nothing to be inside of.
            Decision::Allow | Decision::Prompt | Decision::PromptUser
                if self.context.sandboxing == Sandboxing::Unrestricted =>
            {
                Placement::Outside
            }
            Decision::Allow if all_allowed => Placement::Outside,
            // The question was about leaving; a yes to it is a yes to that.
            Decision::Prompt | Decision::PromptUser if escalates => Placement::Outside,
            Decision::Allow | Decision::Prompt | Decision::PromptUser => Placement::Inside,
        }
    }

    fn reason(&self, argv: &[String], demands: &[Demand]) -> Option<String> {
        if self.decision == Decision::Allow {
            return None;
        }
        let command = shell::join(argv);
        let said = reason::of_demand(argv, self.decision, demands).or_else(|| {
            let missing = self.missing.as_ref().filter(|_| self.only_missing).map(|(why, _)| why);
            let why = self.danger.as_ref().or(missing)?;
            Some(match self.decision {
                Decision::Forbidden => format!("`{command}` rejected: blocked by policy: {why}"),
                Decision::Allow | Decision::Prompt | Decision::PromptUser => {
                    format!("`{command}` requires approval: {why}")
                }
            })
        });
        let refused = self.unasked.filter(|_| self.decision == Decision::Forbidden);
        match (said, refused.map(|about| reason::unasked(self.context.approval, about))) {
            (Some(said), Some(refused)) => Some(format!("{said} ({refused})")),
            (None, Some(refused)) => Some(format!("`{command}` rejected: {refused}")),
            (said, None) => said,
        }
    }
}

fn sorted(judgements: &[Judgement]) -> Vec<Demand> {
    let mut demands: Vec<Demand> =
        judgements.iter().flat_map(|judgement| judgement.demands.iter().cloned()).collect();
    demands.sort_by_key(|demand| std::cmp::Reverse((demand.decision, demand.prefix.len())));
    demands
}

/// The rules that may be offered: for a single command that no rule speaks of, and that is what it seems.
fn offer(
    dissection: &Dissection,
    judgements: &[Judgement],
    context: &Context<'_>,
    decision: Decision,
) -> Vec<Amendment> {
    let silent = matches!(context.approval, ApprovalPolicy::Granular(granular) if !granular.sandbox_approval);
    let ([part], [judgement]) = (dissection.parts.as_slice(), judgements) else { return Vec::new() };
    if silent
        || decision == Decision::Forbidden
        || dissection.opaque
        || judgement.ruled
        || judgement.guarded
        || judgement.starts_others
        || !judgement.dangers.is_empty()
        || !part.writes.is_empty()
    {
        return Vec::new();
    }
    amendment::offers(&Candidate {
        argv: &part.argv,
        wanted: context.wanted_prefix,
        programs: context.programs,
    })
}

fn summarize(argv: &[String], dissection: &Dissection) -> Vec<Summary> {
    let text = dissection.script.clone().unwrap_or_else(|| shell::join(argv));
    if dissection.opaque {
        return summary::summarize(&text, None);
    }
    let parts: Vec<summary::Part<'_>> = match dissection.steps.as_slice() {
        [] => vec![summary::Part { argv, joined: Joined::First, writes: false }],
        steps => steps
            .iter()
            .map(|step| summary::Part { argv: &step.argv, joined: step.joined, writes: step.writes })
            .collect(),
    };
    summary::summarize(&text, Some(&parts))
}
