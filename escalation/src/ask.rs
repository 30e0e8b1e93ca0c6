//! One question to an approver: what is shown, and which answers settle it.

use std::sync::Arc;
use std::time::Duration;

use execpolicy::{Amendment, Decision, Verdict};
use policies::{AbsolutePath, GrantScope};
use serde::Serialize;
use uuid::Uuid;

use crate::answer::{Answer, HostAction, HostAmendment, MalformedAnswer, PermissionsAnswer, Terms};
use crate::assess::Assessment;
use crate::ids::{AskId, Call};
use crate::subject::{ExecSubject, RetryWith, Subject};

/// A question, as every approver gets it, verbatim however often it is sent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// Its own name.
    pub id: AskId,
    /// What the agent does.
    #[serde(flatten)]
    pub call: Call,
    /// For questions that are not the item's own: programs that a command starts, input for it, second attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<Uuid>,
    /// When it was asked: milliseconds since 1970.
    pub started_at_ms: u64,
    /// How long it waits for an answer.
    #[serde(rename = "deadlineMs", serialize_with = "milliseconds")]
    pub deadline: Duration,
    /// What it is about.
    pub subject: Subject,
    /// Why it is asked: what the rule or the agent says. Foreign text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rules that would settle it for good: what the agent proposes, if it fits, then from narrow to wide.
    pub amendments: Vec<Amendment>,
    /// What somebody else thinks of the risk. It decides nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessment>,
    /// Only a person may answer, and nothing is remembered.
    pub person_only: bool,
    /// Which answers are more than a plain yes here.
    #[serde(skip)]
    pub lasting: Lasting,
    /// The answers to offer, in order. Others that fit are honoured too, see [`Ask::check`].
    pub available_decisions: Vec<Answer>,
}

/// Which answers have an effect beyond the call. Those that have none are not offered, and come out as a plain yes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lasting {
    /// There are later calls in this session, or it is opened again by its name.
    pub session: bool,
    /// The rules that are accepted count in this session, or will in the next one like it.
    pub rules: bool,
}

impl Default for Lasting {
    /// A session of an agent.
    fn default() -> Self {
        Self { session: true, rules: true }
    }
}

/// A question on its way to the broker.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What the agent does.
    pub call: Call,
    /// See [`Ask::approval_id`].
    pub approval_id: Option<Uuid>,
    /// What it is about.
    pub subject: Subject,
    /// Why it is asked.
    pub reason: Option<String>,
    /// What the evaluator said: which rules may be offered, and whether a person has to answer.
    pub verdict: Option<Arc<Verdict>>,
    /// Where the call starts, for approvals that hold in one folder only.
    pub cwd: AbsolutePath,
    /// Which answers are more than a plain yes. The broker knows, and says so itself.
    pub lasting: Lasting,
}

impl Draft {
    /// A question about `subject`, without reason and rules.
    pub fn new(call: Call, subject: Subject, cwd: AbsolutePath) -> Self {
        let lasting = Lasting::default();
        Self { call, approval_id: None, subject, reason: None, verdict: None, cwd, lasting }
    }

    /// Whether only a person may answer, and nothing is remembered.
    pub fn person_only(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.decision == Decision::PromptUser)
    }

    /// The rules that may be offered: what the agent proposes, if it fits, then from narrow to wide.
    pub fn amendments(&self) -> &[Amendment] {
        match (&self.verdict, &self.subject) {
            _ if !self.lasting.rules => &[],
            (Some(verdict), Subject::Exec(_)) if !self.person_only() => &verdict.amendments,
            // A rule is about leaving the sandbox.
            (Some(verdict), Subject::Retry(retry))
                if !self.person_only() && retry.with == RetryWith::Unsandboxed =>
            {
                &verdict.amendments
            }
            (Some(_) | None, _) => &[],
        }
    }

    /// The answers to offer, in order. The only place that decides this.
    pub fn available_decisions(&self) -> Vec<Answer> {
        let allow_host = |host: &str| {
            let host = host.to_owned();
            Answer::ApplyNetworkPolicyAmendment(HostAmendment { host, action: HostAction::Allow })
        };
        let amendment = || {
            let first = self.amendments().first();
            first.map(|first| Answer::AcceptWithExecpolicyAmendment { prefix: first.prefix.clone() })
        };
        let for_session = || self.lasting.session.then(Answer::for_session);
        match &self.subject {
            Subject::Network(network) => {
                let rule = self.lasting.rules.then(|| allow_host(&network.host));
                let answers = [Some(Answer::Accept), for_session(), rule, Some(Answer::Cancel)];
                answers.into_iter().flatten().collect()
            }
            Subject::FileChange(change) if change.is_guarded => {
                vec![Answer::Accept, Answer::Decline, Answer::Cancel]
            }
            Subject::FileChange(_) => {
                let answers =
                    [Some(Answer::Accept), for_session(), Some(Answer::Decline), Some(Answer::Cancel)];
                answers.into_iter().flatten().collect()
            }
            // Its answer names permissions.
            Subject::Permissions(_) => Vec::new(),
            Subject::Subcommand(_) | Subject::StdinWrite(_) => vec![Answer::Accept, Answer::Cancel],
            Subject::Exec(exec) if exec.additional.is_some() => vec![Answer::Accept, Answer::Cancel],
            Subject::Exec(_) | Subject::Retry(_) => {
                [Some(Answer::Accept), amendment(), Some(Answer::Cancel)].into_iter().flatten().collect()
            }
        }
    }

    /// Asks it.
    pub(crate) fn into_ask(self, id: AskId, started_at_ms: u64, deadline: Duration) -> Ask {
        let available_decisions = self.available_decisions();
        let amendments = self.amendments().to_vec();
        let (person_only, lasting) = (self.person_only(), self.lasting);
        Ask {
            id,
            call: self.call,
            approval_id: self.approval_id,
            started_at_ms,
            deadline,
            subject: self.subject,
            reason: self.reason,
            amendments,
            assessment: None,
            person_only,
            lasting,
            available_decisions,
        }
    }
}

impl Ask {
    /// The command in question, if it is about one that would start.
    pub fn exec(&self) -> Option<&ExecSubject> {
        match &self.subject {
            Subject::Exec(exec) => Some(exec),
            Subject::Retry(retry) => Some(&retry.exec),
            Subject::Subcommand(_)
            | Subject::StdinWrite(_)
            | Subject::FileChange(_)
            | Subject::Permissions(_)
            | Subject::Network(_) => None,
        }
    }

    /// Whether a yes may be remembered for the session. What a running command does may not: the same words mean
    /// something else the next time.
    pub fn may_be_remembered(&self) -> bool {
        !self.person_only
            && self.lasting.session
            && match &self.subject {
                Subject::Exec(exec) => exec.inputs.decide_alone(),
                Subject::Retry(retry) => retry.exec.inputs.decide_alone(),
                Subject::FileChange(change) => !change.is_guarded,
                Subject::Network(_) => true,
                Subject::Subcommand(_) | Subject::StdinWrite(_) | Subject::Permissions(_) => false,
            }
    }

    /// Whether `answer` is one to this ask: of the right kind, and about what was offered. A yes that asks for more
    /// memory than this question has comes out as a plain yes.
    ///
    /// # Errors
    /// [`MalformedAnswer`].
    pub fn check(&self, answer: Answer) -> Result<Answer, MalformedAnswer> {
        let is_about_permissions = matches!(self.subject, Subject::Permissions(_));
        match answer {
            Answer::Decline | Answer::Cancel => Ok(answer),
            Answer::Grant(grant) if is_about_permissions && !self.lasting.session => {
                Ok(Answer::Grant(PermissionsAnswer { scope: GrantScope::Turn, ..grant }))
            }
            Answer::Grant(_) if is_about_permissions => Ok(answer),
            Answer::Grant(_) => Err(MalformedAnswer::new("nobody asked for permissions")),
            Answer::Accept
            | Answer::AcceptForSession(_)
            | Answer::AcceptWithExecpolicyAmendment { .. }
            | Answer::ApplyNetworkPolicyAmendment(_)
                if is_about_permissions =>
            {
                Err(MalformedAnswer::new("a question for permissions is answered with permissions"))
            }
            Answer::Accept => Ok(answer),
            Answer::AcceptForSession(Terms { uses: Some(0), .. }) => {
                Err(MalformedAnswer::new("`uses` counts this time, so it is at least 1"))
            }
            Answer::AcceptForSession(_) if self.may_be_remembered() => Ok(answer),
            Answer::AcceptForSession(_) => Ok(Answer::Accept),
            Answer::AcceptWithExecpolicyAmendment { prefix } => {
                let offered = self.amendments.iter().any(|offer| offer.prefix == prefix);
                match offered {
                    true => Ok(Answer::AcceptWithExecpolicyAmendment { prefix }),
                    false => Err(MalformedAnswer::new(format!(
                        "the rule for `{}` was not offered",
                        execpolicy::display::visible_up_to(&execpolicy::shell::join(&prefix), 200)
                    ))),
                }
            }
            Answer::ApplyNetworkPolicyAmendment(amendment) => match &self.subject {
                Subject::Network(network) if network.host == amendment.host => match amendment.action {
                    HostAction::Allow if !self.lasting.rules => Ok(Answer::Accept),
                    HostAction::Deny if !self.lasting.rules => Ok(Answer::Decline),
                    HostAction::Allow | HostAction::Deny => {
                        Ok(Answer::ApplyNetworkPolicyAmendment(amendment))
                    }
                },
                Subject::Network(network) => Err(MalformedAnswer::new(format!(
                    "the question was about `{}`, not about `{}`",
                    execpolicy::display::visible(&network.host),
                    execpolicy::display::visible_up_to(&amendment.host, 200)
                ))),
                Subject::Exec(_)
                | Subject::Retry(_)
                | Subject::Subcommand(_)
                | Subject::StdinWrite(_)
                | Subject::FileChange(_)
                | Subject::Permissions(_) => Err(MalformedAnswer::new("the question was not about a host")),
            },
        }
    }
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
