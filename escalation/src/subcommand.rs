//! What a running command does: programs that it starts, and input that it is given.
//!
//! These questions have an id of their own, since the item's own question may have been answered already.

use execpolicy::{Context, Decision, Placement, Request, Sandboxing};
use policies::{AbsolutePath, ApprovalPolicy};
use uuid::Uuid;

use crate::answer::Answer;
use crate::ask::Draft;
use crate::exec::{NotRun, granted};
use crate::gate;
use crate::ids::Call;
use crate::record;
use crate::session::Session;
use crate::settled::{Authority, Category, Grant};
use crate::subject::{StdinSubject, SubcommandSubject, Subject};

/// A program that a running command wants to start.
#[derive(Clone, Debug)]
pub struct SubcommandRequest {
    /// What the agent does: the command.
    pub call: Call,
    /// The file to execute, resolved by whoever executes it.
    pub program: AbsolutePath,
    /// Its arguments, argument 0 included.
    pub argv: Vec<String>,
    /// Where it starts.
    pub cwd: AbsolutePath,
    /// Whether the running command is in a sandbox.
    pub parent: Placement,
}

/// What becomes of a program that a command wants to start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subcommand {
    /// Where it runs: where its parent does, or outside of the sandbox.
    pub placement: Placement,
    /// Who says so.
    pub grant: Grant,
}

/// Input for a running command.
#[derive(Clone, Debug)]
pub struct StdinRequest {
    /// What the agent does.
    pub call: Call,
    /// Which process, in the embedder's words.
    pub process: String,
    /// What that process was started as.
    pub argv: Vec<String>,
    /// Whether it is in a sandbox.
    pub placement: Placement,
    /// What is to be written.
    pub text: String,
}

impl Session {
    /// Decides about a program that a running command wants to start, asking where that is needed. The decision is on
    /// record when this returns.
    ///
    /// # Errors
    /// [`NotRun`]: it must not start.
    pub async fn subcommand(&self, request: &SubcommandRequest) -> Result<Subcommand, NotRun> {
        let subject = |placement| {
            Subject::Subcommand(SubcommandSubject {
                program: request.program.clone(),
                argv: request.argv.clone(),
                cwd: request.cwd.clone(),
                placement,
            })
        };
        match self.decide_subcommand(request, &subject).await {
            Ok(subcommand) => {
                let subject = subject(subcommand.placement);
                self.put_on_record(&request.call, &subject, &subcommand.grant)?;
                Ok(subcommand)
            }
            Err(reason) => Err(self.refused(&request.call, &subject(request.parent), reason)),
        }
    }

    async fn decide_subcommand(
        &self,
        request: &SubcommandRequest,
        subject: &impl Fn(Placement) -> Subject,
    ) -> Result<Subcommand, NotRun> {
        self.broker().check_turn(&request.call.turn).map_err(|refusal| NotRun::refused(&refusal))?;
        let surroundings = self.surroundings();
        let boundaries = self
            .boundaries(&self.policy().profile.resolved.profile, &surroundings.cwd)
            .map_err(|error| NotRun::Unprepared(error.into()))?;
        let programs = self.program_files(&request.cwd).within(boundaries).by_any_name();
        let context = Context {
            approval: self.policy().approval_policy.get().for_evaluation(),
            sandboxing: match request.parent {
                Placement::Inside => Sandboxing::Restricted,
                Placement::Outside => Sandboxing::Unrestricted,
            },
            request: Request::Default,
            cwd: &request.cwd.as_path().to_string_lossy(),
            moved: false,
            programs: &programs,
            wanted_prefix: None,
        };
        // By the file, and by the name that the command gave it: a program such as busybox does what its name says.
        let by_file: Vec<String> = std::iter::once(request.program.to_string())
            .chain(request.argv.iter().skip(1).cloned())
            .collect();
        let by_file = self.rules().evaluate(&by_file, &context);
        let by_name = Some(&request.argv).filter(|argv| !argv.is_empty());
        let by_name = by_name.map(|argv| self.rules().evaluate(argv, &context));
        let verdict = match by_name {
            Some(by_name) if by_name.decision > by_file.decision => by_name,
            Some(_) | None => by_file,
        };
        // The environment is the command's own, so a rule is no proof of what would happen outside (I4).
        let placement = request.parent;
        match verdict.decision {
            Decision::Forbidden => {
                let reason = verdict.reason.unwrap_or_else(|| "refused by policy".to_owned());
                Err(NotRun::Forbidden { reason: execpolicy::display::visible(&reason) })
            }
            Decision::Allow if !self.broker().is_reviewed(&request.call.turn) => {
                let grant = Grant { ask: None, by: Authority::Policy, answer: Answer::Accept };
                Ok(Subcommand { placement, grant })
            }
            Decision::Allow | Decision::Prompt | Decision::PromptUser => {
                let draft = Draft {
                    approval_id: Some(Uuid::new_v4()),
                    reason: verdict.reason.clone(),
                    verdict: Some(verdict.into()),
                    ..Draft::new(request.call.clone(), subject(placement), request.cwd.clone())
                };
                let grant = granted(self.broker().settle(draft).await.as_ref())?;
                Ok(Subcommand { placement, grant })
            }
        }
    }

    /// Decides about input for a running command. What is typed into a sandboxed program can do no more than the
    /// program may; what is typed into one without a sandbox is a command of its own, so a person is asked.
    ///
    /// # Errors
    /// [`NotRun`]: it must not be written.
    pub async fn write_stdin(&self, request: &StdinRequest) -> Result<Grant, NotRun> {
        let subject = Subject::StdinWrite(StdinSubject {
            process: request.process.clone(),
            argv: request.argv.clone(),
            text: request.text.clone(),
        });
        match self.decide_stdin(request, &subject).await {
            Ok(grant) => {
                self.put_on_record(&request.call, &subject, &grant)?;
                Ok(grant)
            }
            Err(reason) => Err(self.refused(&request.call, &subject, reason)),
        }
    }

    async fn decide_stdin(&self, request: &StdinRequest, subject: &Subject) -> Result<Grant, NotRun> {
        let refused = |refusal| NotRun::refused(&refusal);
        self.broker().check_turn(&request.call.turn).map_err(refused)?;
        let policy = *self.policy().approval_policy.get();
        let has_sandbox =
            self.policy().profile.class != policies::requirements::SandboxModeLimit::DangerFullAccess;
        let asks = policy == ApprovalPolicy::Untrusted
            || (request.placement == Placement::Outside && has_sandbox)
            || self.broker().is_reviewed(&request.call.turn);
        if !asks {
            return Ok(Grant { ask: None, by: Authority::Policy, answer: Answer::Accept });
        }
        gate::may_ask(policy, Category::SandboxApproval).map_err(refused)?;
        let cwd = self.surroundings().cwd.clone();
        let draft = Draft {
            approval_id: Some(Uuid::new_v4()),
            ..Draft::new(request.call.clone(), subject.clone(), cwd)
        };
        granted(self.broker().settle(draft).await.as_ref())
    }

    fn put_on_record(&self, call: &Call, subject: &Subject, grant: &Grant) -> Result<(), NotRun> {
        let decided = record::decided(call, subject, grant, None);
        let _on_record = self.audit().record(&decided).map_err(NotRun::Unrecorded)?;
        Ok(())
    }

    /// Puts a refusal on record, as far as that is possible: what does not happen needs no record to stay undone.
    pub(crate) fn refused(&self, call: &Call, subject: &Subject, reason: NotRun) -> NotRun {
        self.broker().note(&record::refused(call, record::about(subject), None, &reason));
        reason
    }
}
