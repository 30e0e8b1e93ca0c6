//! Having one ask answered: the opinion, the record, the approver, the deadline, the rule that an answer names.

use std::sync::{Arc, Weak};

use policies::display::with_causes;

use super::Inner;
use crate::answer::{Answer, HostAction};
use crate::approver::ApproverError;
use crate::ask::{Ask, Draft};
use crate::assess;
use crate::clock;
use crate::ids::AskId;
use crate::key::Key;
use crate::open_asks::Place;
use crate::record;
use crate::settled::{Authority, Grant, Refusal, Settled};
use crate::subject::Subject;

/// Gives a place up when its owner goes.
pub(super) struct Leaver {
    pub(super) inner: Weak<Inner>,
    pub(super) place: Place,
}

impl Drop for Leaver {
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let closed = inner.lock().asks.leave(&self.place);
        if let Some(closed) = closed {
            closed.withdraw();
            inner.note(&record::withdrawn(closed.ask));
        }
    }
}

/// Has one ask answered.
pub(super) struct Driver {
    pub(super) inner: Weak<Inner>,
    pub(super) key: Key,
    pub(super) ask: AskId,
}

/// However the asking stops, those who wait hear of it. This does nothing for an ask that has ended.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            let why = "it stopped without an answer".to_owned();
            let error = ApproverError::Failed { why };
            // A no is one for all who wait, so that there is nobody left to ask about.
            let _nobody =
                inner.finish(&self.key, self.ask, None, Settled::Failed { ask: self.ask, error }.into());
        }
    }
}

/// What came of an ask.
pub(super) struct Answered {
    pub(super) settled: Settled,
    /// For how many calls the answer is a yes, also where it is not remembered.
    pub(super) uses: Option<u32>,
}

impl From<Settled> for Answered {
    fn from(settled: Settled) -> Self {
        Self { settled, uses: None }
    }
}

impl Driver {
    /// Asks, in a task of its own.
    pub(super) fn start(self, inner: &Arc<Inner>, draft: Draft) {
        let (key, ask) = (self.key, self.ask);
        let task = tokio::spawn(self.run(Arc::clone(inner), draft));
        inner.lock().asks.set_task(key, ask, task.abort_handle());
    }

    async fn run(self, inner: Arc<Inner>, draft: Draft) {
        let same = draft.clone();
        let verdict = draft.verdict.clone();
        let mut ask = draft.into_ask(self.ask, clock::now_ms(), inner.answer_limit);
        let opinion = assess::opinion(inner.assessor.as_deref(), &ask).await;
        if let Some(Err(error)) = &opinion {
            inner.warn(format!("no second opinion: {error}; {}", error.help()));
        }
        let assessment = opinion.as_ref().map(record::assessed);
        ask.assessment = opinion.and_then(Result::ok);
        let ask = Arc::new(ask);
        let event = record::asked(&ask, self.key, inner.approver.name(), assessment);
        if let Err(error) = inner.audit.record(&event) {
            let refused = Settled::Refused(Refusal::Unrecorded(error));
            let _nobody = inner.finish(&self.key, self.ask, None, refused.into());
            return;
        }
        let answered = tokio::time::timeout(inner.answer_limit, inner.answer(&ask)).await;
        let mut counted = None;
        let settled = match answered {
            Ok(Ok((answer, uses))) => {
                counted = uses;
                // One that nobody waits for any more changes nothing.
                if !inner.lock().asks.is_open(&self.key, self.ask) {
                    return;
                }
                inner
                    .amend(&ask, verdict, &answer)
                    .await
                    .map_or_else(Settled::Refused, |()| inner.settled_by(&ask, answer))
            }
            Ok(Err(error @ ApproverError::Absent { .. })) => {
                let has_rule = !ask.amendments.is_empty();
                Settled::Refused(Refusal::NoApprover { error, has_rule })
            }
            Ok(Err(error)) => Settled::Failed { ask: ask.id, error },
            Err(_) => Settled::Refused(Refusal::TimedOut { ask: ask.id, after: inner.answer_limit }),
        };
        let answered = Answered { settled, uses: counted };
        if let Some((driver, next)) = inner.finish(&self.key, self.ask, Some(&ask), answered) {
            // The same question, of another call.
            driver.start(&inner, Draft { call: next.call, approval_id: next.approval_id, ..same });
        }
    }
}

impl Inner {
    /// What the approver says, if it is an answer to this ask, and for how many calls.
    async fn answer(&self, ask: &Arc<Ask>) -> Result<(Answer, Option<u32>), ApproverError> {
        match self.approver.ask(Arc::clone(ask)).await {
            Ok(answer) => {
                let uses = match &answer {
                    Answer::AcceptForSession(terms) => terms.uses,
                    Answer::Accept
                    | Answer::AcceptWithExecpolicyAmendment { .. }
                    | Answer::ApplyNetworkPolicyAmendment(_)
                    | Answer::Grant(_)
                    | Answer::Decline
                    | Answer::Cancel => None,
                };
                Ok((ask.check(answer)?, uses))
            }
            // No verdict: the turn's end takes the question back, or else the deadline.
            Err(ApproverError::TurnTransition) => std::future::pending().await,
            Err(error) => Err(error),
        }
    }

    /// Takes up the rule that an answer names. It is on record before it lets anything happen (I9).
    async fn amend(
        self: &Arc<Self>,
        ask: &Arc<Ask>,
        verdict: Option<Arc<execpolicy::Verdict>>,
        answer: &Answer,
    ) -> Result<(), Refusal> {
        let rules = Arc::clone(&self.rules);
        let rule = match (answer, &ask.subject) {
            (Answer::AcceptWithExecpolicyAmendment { prefix }, _) => {
                verdict.and_then(|verdict| rules.for_prefix(&verdict, prefix))
            }
            (Answer::ApplyNetworkPolicyAmendment(rule), Subject::Network(network)) => {
                if rule.action == HostAction::Deny {
                    self.lock().memory.deny_host(&rule.host);
                }
                Some(rules.for_host(rule, network.protocol))
            }
            (_, _) => None,
        };
        let Some(rule) = rule else { return Ok(()) };
        let (line, file) = (rule.line.trim_end().to_owned(), rule.file.clone());
        let _on_record = self.audit.record(&record::amended(ask.id, line.clone(), file.clone(), None))?;
        // It may wait for a lock on a file.
        let taken_up = tokio::task::spawn_blocking(move || rules.take_up(rule)).await;
        if let Ok(Err(error)) = taken_up {
            let why = with_causes(&error);
            self.warn(format!("the rule holds for this session only: {why}; {}", error.help()));
            self.note(&record::amended(ask.id, line, file, Some(&error)));
        }
        Ok(())
    }

    fn settled_by(&self, ask: &Ask, answer: Answer) -> Settled {
        let (ask, by) = (ask.id, self.approver.name().to_owned());
        match &answer {
            Answer::Decline => Settled::Declined { ask, by },
            Answer::Cancel => Settled::Cancelled { ask, by },
            Answer::ApplyNetworkPolicyAmendment(rule) if rule.action == HostAction::Deny => {
                Settled::Declined { ask, by }
            }
            Answer::Accept
            | Answer::AcceptForSession(_)
            | Answer::AcceptWithExecpolicyAmendment { .. }
            | Answer::ApplyNetworkPolicyAmendment(_)
            | Answer::Grant(_) => {
                Settled::Granted(Grant { ask: Some(ask), by: Authority::Approver { name: by }, answer })
            }
        }
    }
}
