//! How a question ended, and what follows from it.

use std::time::Duration;

use policies::ApprovalPolicy;
use serde::Serialize;

use crate::answer::Answer;
use crate::approver::ApproverError;
use crate::audit::AuditError;
use crate::ids::{AskId, TurnId};
use crate::memory::GrantId;

/// The end of a question.
#[derive(Debug)]
pub enum Settled {
    /// Yes.
    Granted(Grant),
    /// No, and the agent goes on.
    Declined {
        /// Which ask.
        ask: AskId,
        /// Who said so.
        by: String,
    },
    /// No, and the turn ends.
    Cancelled {
        /// Which ask.
        ask: AskId,
        /// Who said so.
        by: String,
    },
    /// No answer: the approver failed. Neither a yes nor a cancellation.
    Failed {
        /// Which ask.
        ask: AskId,
        /// How.
        error: ApproverError,
    },
    /// The question was not asked, or nobody waited for its answer.
    Refused(Refusal),
}

/// A yes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The ask that was answered, if one was.
    pub ask: Option<AskId>,
    /// Who says so.
    pub by: Authority,
    /// The answer as it was given; for what was remembered, a plain yes.
    pub answer: Answer,
}

/// Who says yes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Authority {
    /// Somebody who was asked.
    Approver {
        /// The approver's name.
        name: String,
    },
    /// What was approved before.
    Remembered {
        /// Which grant.
        grant: GrantId,
    },
    /// Policy: there was nothing to ask.
    Policy,
}

/// What questions are about, as approval policies count.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Leaving the sandbox, or doing what it does not let through.
    SandboxApproval,
    /// What a rule wants asked.
    Rules,
    /// Wider permissions.
    RequestPermissions,
}

/// Why there was no question, or no answer to wait for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody is there to answer.
    #[error("refused: it needs an approval, and {error}")]
    NoApprover {
        /// Why.
        error: ApproverError,
        /// Whether a rule would settle it.
        has_rule: bool,
    },
    /// The approver is no person.
    #[error("refused: only a person may approve this, and `{approver}` is none")]
    PersonNeeded {
        /// Who would have been asked.
        approver: String,
    },
    /// The approval policy does not let it be asked.
    #[error("refused: it needs an approval, and the approval policy `{policy}` does not ask {}", about(*category))]
    ApprovalPolicy {
        /// The policy.
        policy: ApprovalPolicy,
        /// About what.
        category: Category,
    },
    /// The turn has ended, or never began.
    #[error("refused: the turn `{turn}` is not active")]
    NoTurn {
        /// Which.
        turn: TurnId,
    },
    /// The turn was interrupted while the question waited.
    #[error("interrupted: the turn ended before the question was answered")]
    Interrupted {
        /// Which ask.
        ask: AskId,
    },
    /// Nobody answered in time.
    #[error("refused: nobody answered within {} s", after.as_secs())]
    TimedOut {
        /// Which ask.
        ask: AskId,
        /// The time there was.
        after: Duration,
    },
    /// Too many questions wait.
    #[error("refused: {limit} questions wait for an answer already")]
    TooMany {
        /// How many may wait.
        limit: usize,
    },
    /// It was denied for the session.
    #[error("refused: `{what}` was denied for this session")]
    DeniedForSession {
        /// What, safe to print.
        what: String,
    },
    /// It could not be put on record, so it does not happen (I9).
    #[error("refused: the decision cannot be put on record")]
    Unrecorded(#[from] AuditError),
    /// The broker is gone.
    #[error("refused: the session has ended")]
    SessionEnded,
}

fn about(category: Category) -> &'static str {
    match category {
        Category::SandboxApproval => "about what the sandbox does not let through",
        Category::Rules => "what rules want asked",
        Category::RequestPermissions => "for wider permissions",
    }
}

impl Refusal {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> String {
        match self {
            Self::NoApprover { has_rule: true, .. } => {
                "run it where a person can answer, or allow it by a rule: `codex execpolicy explain` names one".to_owned()
            }
            Self::NoApprover { has_rule: false, .. } => "run it where a person can answer".to_owned(),
            Self::PersonNeeded { .. } => "run it where a person can answer".to_owned(),
            Self::ApprovalPolicy { policy: ApprovalPolicy::Granular(_), category } => format!(
                "set `{}` of the granular approval policy to true",
                match category {
                    Category::SandboxApproval => "sandbox_approval",
                    Category::Rules => "rules",
                    Category::RequestPermissions => "request_permissions",
                }
            ),
            Self::ApprovalPolicy { .. } => "use the approval policy `on-request`".to_owned(),
            Self::NoTurn { .. } => "begin the turn before acting in it".to_owned(),
            Self::Interrupted { .. } => "ask again in a new turn".to_owned(),
            Self::TimedOut { .. } => "try again when somebody can answer, or wait longer".to_owned(),
            Self::TooMany { .. } => "answer some of them first".to_owned(),
            Self::DeniedForSession { .. } => {
                "start another session, or remove the rule that was written then".to_owned()
            }
            Self::Unrecorded(error) => error.help(),
            Self::SessionEnded => "open another session".to_owned(),
        }
    }
}

impl Settled {
    /// The yes, if it is one.
    pub fn granted(&self) -> Option<&Grant> {
        match self {
            Self::Granted(grant) => Some(grant),
            Self::Declined { .. } | Self::Cancelled { .. } | Self::Failed { .. } | Self::Refused(_) => None,
        }
    }
}
