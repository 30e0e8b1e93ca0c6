//! The sentence for the approver, or for the agent whose command was refused.

use super::judge::Demand;
use crate::{ApprovalPolicy, Decision, shell};

/// What a rule that asks or refuses has to say.
pub(super) fn of_demand(argv: &[String], decision: Decision, demands: &[Demand]) -> Option<String> {
    // Strictest first, longest first: the longest prefix of that decision speaks.
    let strictest = demands.first()?;
    let command = shell::join(argv);
    let because = demands
        .iter()
        .take_while(|demand| demand.decision == strictest.decision)
        .find_map(|demand| demand.justification.as_deref());
    Some(match (decision, strictest.decision, because) {
        (Decision::Forbidden, Decision::Forbidden, Some(because)) => {
            format!("`{command}` rejected: {because}")
        }
        (Decision::Forbidden, Decision::Forbidden, None) => {
            let prefix = shell::join(&strictest.prefix);
            format!("`{command}` rejected: policy forbids commands starting with `{prefix}`")
        }
        (_, Decision::PromptUser, Some(because)) => {
            format!("`{command}` requires human approval: {because}")
        }
        (_, Decision::PromptUser, None) => format!("`{command}` requires human approval by policy"),
        (_, _, Some(because)) => format!("`{command}` requires approval: {because}"),
        (_, _, None) => format!("`{command}` requires approval by policy"),
    })
}

/// What is added where a question turned into a refusal, because it may not be asked.
pub(super) fn unasked(approval: ApprovalPolicy, what: Unasked) -> String {
    let policy = match approval {
        ApprovalPolicy::Never => "approval policy `never` asks no questions",
        ApprovalPolicy::Granular(_) => match what {
            Unasked::Missing => {
                "the approval policy has `rules` off: what an unknown rule might ask about is refused"
            }
            Unasked::Rule => "the approval policy has `rules` off: what a rule would ask about is refused",
            Unasked::Escalation | Unasked::Danger => {
                "the approval policy has `sandbox_approval` off: leaving the sandbox is refused"
            }
        },
        ApprovalPolicy::Untrusted | ApprovalPolicy::OnFailure | ApprovalPolicy::OnRequest => {
            "the approval policy does not let it be asked"
        }
    };
    policy.to_owned()
}

/// What a question would have been about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unasked {
    /// A rule, or a guard on one.
    Rule,
    /// Rules that could not be read, and may ask or refuse.
    Missing,
    /// A danger.
    Danger,
    /// A way out of the sandbox.
    Escalation,
}
