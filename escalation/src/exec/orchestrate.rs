//! From a decision to what came of it, with at most one second attempt.

use std::sync::Arc;

use execpolicy::Placement;
use sandbox::Boundaries;
use sandbox::denial::{self, Denial, Evidence};
use sandbox::foreground::Outcome;
use uuid::Uuid;

use super::decide::{Decided, Undecided, granted};
use super::prepare::Prepared;
use super::{ExecReport, ExecRequest, NotRun, Ran, Run, Runner, permit};
use crate::ask::Draft;
use crate::audit::Event;
use crate::gate;
use crate::record;
use crate::session::Session;
use crate::settled::{Authority, Category, Grant};
use crate::subject::{RetrySubject, RetryWith, Subject};
use crate::words;

/// How often one command is decided on. Files change while builds run, and a new hard link looks like a change.
const MAX_DECISIONS: usize = 3;

/// Why nothing is asked about a guarded place.
const GUARDED: &str =
    "what it was denied decides about later commands, or is secret: no second attempt is asked for";

impl Session {
    /// Runs a command, if it may run: evaluates it, asks where that is needed, puts the decision on record, has
    /// `runner` start it, finds out whether the sandbox stopped it, and where the approval policy wants that, asks
    /// once more whether it may have what it lacked.
    ///
    /// A command that nobody was asked about, and whose program or folder became another one before it started, is
    /// decided on anew.
    ///
    /// Plans are made on the calling thread, which can take milliseconds. Dropping the future takes the question
    /// back, and leaves the run to the runner.
    pub async fn exec(&self, request: &ExecRequest, runner: &mut dyn Runner) -> ExecReport {
        let mut left = MAX_DECISIONS;
        loop {
            left = left.saturating_sub(1);
            let decided = match self.decide(request).await {
                Ok(decided) => decided,
                Err(undecided) => {
                    self.record_undecided(request, &undecided);
                    return ExecReport::not_run(undecided.reason);
                }
            };
            let is_asked = decided.grant.by != Authority::Policy;
            let report = self.carry_out(request, decided, runner).await;
            if is_asked || left == 0 || !report.was_overtaken() {
                return report;
            }
        }
    }

    async fn carry_out(
        &self,
        request: &ExecRequest,
        decided: Decided,
        runner: &mut dyn Runner,
    ) -> ExecReport {
        let Decided { prepared, verdict, grant, notes } = decided;
        let additional = prepared.additional.clone();
        let subject = self.exec_subject(&prepared, request, &verdict);
        let decision =
            record::decided(&request.call, &Subject::Exec(Box::new(subject)), &grant, Some(&verdict));
        let first = match self.attempt(request, prepared, &decision, 1, runner).await {
            Ok(first) => first,
            Err(reason) => {
                let attempts = u8::from(matches!(reason, NotRun::Launch(_)));
                return ExecReport { attempts, notes, ..ExecReport::not_run(reason) };
            }
        };
        let mut report = ExecReport { attempts: 1, result: Ok(first.ran), retry: None, notes };
        let Some(denial) = report.result.as_ref().ok().and_then(|ran| ran.denial.as_ref()) else {
            return report;
        };
        if !gate::asks_for_retry(*self.policy().approval_policy.get()) {
            return report;
        }
        if denial.is_guarded {
            report.notes.push(GUARDED.to_owned());
            return report;
        }
        let Some((with, prepared)) = self.second_attempt(request, denial, &additional) else {
            report.notes.push("there is nothing more that it could be given".to_owned());
            return report;
        };
        let reason = again(&with);
        let subject = Subject::Retry(Box::new(RetrySubject {
            exec: self.exec_subject(&prepared, request, &verdict),
            denial: denial.to_string(),
            with,
        }));
        match self.ask_again(request, &reason, subject.clone(), Arc::clone(&verdict)).await {
            Err(reason) => report.retry = Some(reason),
            Ok(grant) => {
                let decision = record::decided(&request.call, &subject, &grant, Some(&verdict));
                let again = self.prepare(request, prepared.placement, prepared.additional.clone());
                // Minutes may have passed.
                let same =
                    again.map_err(NotRun::from).and_then(|again| again.same_as(&prepared).map(|()| again));
                match same {
                    Err(reason) => report.retry = Some(self.refused(&request.call, &subject, reason)),
                    Ok(again) => {
                        report.attempts = 2;
                        match self.attempt(request, again, &decision, 2, runner).await {
                            Ok(second) => report.result = Ok(second.ran),
                            Err(reason) => report.result = Err(reason),
                        }
                    }
                }
            }
        }
        report
    }

    /// What would have let it through, from the narrowest: what it lacked, in the sandbox; or no sandbox.
    fn second_attempt(
        &self,
        request: &ExecRequest,
        denial: &Denial,
        additional: &policies::AdditionalPermissions,
    ) -> Option<(RetryWith, Prepared)> {
        // What may not be opened is no reason to open everything.
        if let Some(permissions) = denial.remedy.clone() {
            let both = additional.clone().merge(permissions.clone());
            let prepared = self.prepare(request, Placement::Inside, both).ok()?;
            return Some((RetryWith::Permissions { permissions }, prepared));
        }
        let none = policies::AdditionalPermissions::default();
        let prepared = self.prepare(request, Placement::Outside, none).ok()?;
        Some((RetryWith::Unsandboxed, prepared))
    }

    /// One question, with a name of its own: an answer to the first one does not fit it.
    async fn ask_again(
        &self,
        request: &ExecRequest,
        reason: &str,
        subject: Subject,
        verdict: Arc<execpolicy::Verdict>,
    ) -> Result<Grant, NotRun> {
        let policy = *self.policy().approval_policy.get();
        gate::may_ask(policy, Category::SandboxApproval).map_err(|refusal| NotRun::refused(&refusal))?;
        let draft = Draft {
            approval_id: Some(Uuid::new_v4()),
            reason: Some(reason.to_owned()),
            verdict: Some(verdict),
            ..Draft::new(request.call.clone(), subject, request.cwd.clone())
        };
        granted(self.broker().settle(draft).await.as_ref())
    }

    /// One run: on record, permitted, started, ended, on record again.
    async fn attempt(
        &self,
        request: &ExecRequest,
        prepared: Prepared,
        decision: &Event,
        attempt: u8,
        runner: &mut dyn Runner,
    ) -> Result<Attempted, NotRun> {
        let on_record = self.audit().record(decision).map_err(NotRun::Unrecorded)?;
        let boundaries = prepared.boundaries.clone();
        // Outside it may be confined and write everywhere; that one is somebody's yes to what it does.
        if prepared.placement == Placement::Inside && boundaries.is_confined() {
            self.opens(boundaries.writable_roots());
        }
        let (permit, backend) = permit::seal(prepared, &request.argv, &on_record);
        let name = backend.name();
        let cancelled = Box::pin(self.broker().turn_ended(&request.call.turn));
        let ended = runner.run(Run { permit, backend, attempt, cancelled }).await;
        let result = match ended {
            Ok(end) => {
                let denial = diagnose(end.outcome, &end.output, &boundaries);
                Ok(Ran { outcome: end.outcome, denial, backend: name })
            }
            Err(error) => Err(NotRun::Launch(error)),
        };
        self.broker().note(&record::ended(&request.call, &result));
        result.map(|ran| Attempted { ran })
    }

    fn record_undecided(&self, request: &ExecRequest, undecided: &Undecided) {
        let about = match &undecided.subject {
            Some(subject) => record::about(subject),
            None => record::unresolved(request),
        };
        let verdict = undecided.verdict.as_deref();
        self.broker().note(&record::refused(&request.call, about, verdict, &undecided.reason));
    }
}

struct Attempted {
    ran: Ran,
}

/// Why it is asked once more: what it would have this time. What stopped it is in the question.
fn again(with: &RetryWith) -> String {
    match with {
        RetryWith::Permissions { permissions } => {
            let more = words::permissions(permissions);
            format!("the sandbox stopped it; run it again in the sandbox, with more: {more}?")
        }
        RetryWith::Unsandboxed => "the sandbox stopped it; run it again outside the sandbox?".to_owned(),
    }
}

/// One that was ended by us proves nothing.
fn diagnose(outcome: Outcome, output: &[u8], boundaries: &Boundaries) -> Option<Denial> {
    let ended = match outcome {
        Outcome::Ended(ended) => Some(ended),
        Outcome::TimedOut | Outcome::Interrupted(_) => None,
    };
    denial::diagnose(&Evidence { ended, output }, boundaries)
}
