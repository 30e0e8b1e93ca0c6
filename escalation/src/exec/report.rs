//! What came of a command.

use policies::display::with_causes;
use sandbox::denial::Denial;
use sandbox::foreground::Outcome;
use sandbox::{Ended, LaunchError};

use super::Unprepared;
use crate::approver::ApproverError;
use crate::audit::AuditError;
use crate::settled::Refusal;

/// A command, from beginning to end.
#[derive(Debug)]
pub struct ExecReport {
    /// How often it was started: 0, 1, or 2 after a denial.
    pub attempts: u8,
    /// What happened in the last attempt, or why there was none.
    pub result: Result<Ran, NotRun>,
    /// For a command that ran and was stopped by the sandbox: why there was no second attempt, if one was asked for.
    pub retry: Option<NotRun>,
    /// What should be known, one sentence each, safe to print: what ran otherwise than a rule would have allowed.
    pub notes: Vec<String>,
}

/// A command that ran.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub outcome: Outcome,
    /// What the sandbox seems to have stopped.
    pub denial: Option<Denial>,
    /// What enforced its limits.
    pub backend: &'static str,
}

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// Policy forbids it.
    #[error("{reason}")]
    Forbidden {
        /// Which rule or heuristic, and why; safe to print.
        reason: String,
    },
    /// It could not even be asked about.
    #[error(transparent)]
    Unprepared(#[from] Unprepared),
    /// There was no question, or no answer.
    #[error("{}", .0)]
    Refused(String, RefusedBy),
    /// Somebody said no.
    #[error("refused: `{by}` said no")]
    Declined {
        /// Who.
        by: String,
    },
    /// Somebody said no, and the turn is over.
    #[error("cancelled: `{by}` ended the turn")]
    Cancelled {
        /// Who.
        by: String,
    },
    /// The approver failed. That is neither a yes nor a no.
    #[error("failed: it needs an approval, and {0}")]
    ApprovalFailed(ApproverError),
    /// It changed between the question and the run.
    #[error("refused: `{what}` changed after it was approved")]
    Changed {
        /// What.
        what: String,
    },
    /// It could not be put on record.
    #[error("refused: the decision cannot be put on record")]
    Unrecorded(#[source] AuditError),
    /// It did not start, or got lost.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// The smallest thing that would change a refusal, and whether the turn is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedBy {
    /// Advice.
    pub help: String,
    /// Whether the turn ended meanwhile.
    pub interrupted: bool,
}

/// What the embedder's client shows of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ItemStatus {
    /// It ran, and ended with 0.
    Completed,
    /// It ran and ended otherwise, or something failed.
    Failed,
    /// It was refused.
    Declined,
}

impl NotRun {
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let interrupted = match refusal {
            Refusal::Interrupted { .. } | Refusal::SessionEnded => true,
            Refusal::NoApprover { .. }
            | Refusal::PersonNeeded { .. }
            | Refusal::ApprovalPolicy { .. }
            | Refusal::NoTurn { .. }
            | Refusal::TimedOut { .. }
            | Refusal::TooMany { .. }
            | Refusal::DeniedForSession { .. }
            | Refusal::Unrecorded(_) => false,
        };
        Self::Refused(with_causes(refusal), RefusedBy { help: refusal.help(), interrupted })
    }

    /// The smallest thing that would change the outcome, where one is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Forbidden { .. } => {
                Some("`codex execpolicy explain -- COMMAND` shows each rule that matches".to_owned())
            }
            Self::Unprepared(error) => Some(error.help()),
            Self::Refused(_, by) => Some(by.help.clone()),
            Self::Declined { .. } | Self::Cancelled { .. } => None,
            Self::ApprovalFailed(_) => Some("try again".to_owned()),
            Self::Changed { .. } => Some("look at it again, and run it once more".to_owned()),
            Self::Unrecorded(error) => Some(error.help()),
            Self::Launch(error) => error.help(),
        }
    }

    fn status(&self) -> ItemStatus {
        match self {
            Self::Forbidden { .. } | Self::Refused(..) | Self::Declined { .. } | Self::Cancelled { .. } => {
                ItemStatus::Declined
            }
            Self::Unprepared(_)
            | Self::ApprovalFailed(_)
            | Self::Changed { .. }
            | Self::Unrecorded(_)
            | Self::Launch(_) => ItemStatus::Failed,
        }
    }

    /// Whether the turn is over, so that the agent hears nothing.
    fn ends_turn(&self) -> bool {
        match self {
            Self::Cancelled { .. } => true,
            Self::Refused(_, by) => by.interrupted,
            Self::Forbidden { .. }
            | Self::Unprepared(_)
            | Self::Declined { .. }
            | Self::ApprovalFailed(_)
            | Self::Changed { .. }
            | Self::Unrecorded(_)
            | Self::Launch(_) => false,
        }
    }
}

impl ExecReport {
    pub(crate) fn not_run(reason: NotRun) -> Self {
        Self { attempts: 0, result: Err(reason), retry: None, notes: Vec::new() }
    }

    /// Whether it did not start the first time because what was decided on was another one by then.
    pub(super) fn was_overtaken(&self) -> bool {
        let changed = |reason: &NotRun| {
            let change = |error: &LaunchError| {
                matches!(error, LaunchError::ProgramChanged { .. } | LaunchError::DirectoryChanged { .. })
            };
            matches!(reason, NotRun::Launch(error) if change(error))
        };
        self.attempts < 2 && self.result.as_ref().is_err_and(changed)
    }

    /// What a client shows.
    pub fn status(&self) -> ItemStatus {
        match (&self.result, &self.retry) {
            (Ok(_), Some(NotRun::Declined { .. } | NotRun::Cancelled { .. })) => ItemStatus::Declined,
            (Ok(ran), _) if ran.outcome == Outcome::Ended(Ended::Exited(0)) => ItemStatus::Completed,
            (Ok(_), _) => ItemStatus::Failed,
            (Err(reason), _) => reason.status(),
        }
    }

    /// Whether the agent's turn is over: it gets no result.
    pub fn ends_turn(&self) -> bool {
        self.result.as_ref().err().into_iter().chain(&self.retry).any(NotRun::ends_turn)
    }

    /// What the agent is told besides the output; `None` when it is told nothing, because the turn is over, or there
    /// is nothing to tell.
    pub fn message_for_agent(&self) -> Option<String> {
        if self.ends_turn() {
            return None;
        }
        let told = match (&self.result, &self.retry) {
            (Err(reason), _) => with_causes(reason),
            (Ok(ran), retry) => {
                let denial = ran.denial.as_ref()?;
                match retry {
                    Some(retry) => format!("{denial}; {}", with_causes(retry)),
                    None => denial.to_string(),
                }
            }
        };
        Some(told)
    }
}
