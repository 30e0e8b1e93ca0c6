//! What the broker and the session put on record, as events.

use execpolicy::{Finding, Protocol, Verdict};
use policies::GrantScope;
use policies::display::with_causes;
use policies::rules::AppendError;
use sandbox::Ended;
use sandbox::foreground::Outcome;
use sha2::{Digest, Sha256};

use crate::answer::{Answer, HostAction};
use crate::ask::Ask;
use crate::assess::{self, AssessError, Assessment};
use crate::audit::{About, DecidedAs, Event, RecordedAssessment, RecordedFinding, RecordedVerdict};
use crate::exec::{ExecRequest, NotRun, Ran};
use crate::ids::{AskId, Call};
use crate::key::Key;
use crate::memory::GrantId;
use crate::network::Blocked;
use crate::settled::{Authority, Grant, Refusal, Settled};
use crate::subject::{ExecSubject, RetryWith, Subject};

/// A question is about to be shown.
pub(crate) fn asked(ask: &Ask, key: Key, approver: &str, assessment: Option<RecordedAssessment>) -> Event {
    Event::Asked {
        ask: ask.id,
        call: ask.call.clone(),
        key,
        about: about(&ask.subject),
        reason: ask.reason.clone(),
        assessment,
        approver: approver.to_owned(),
    }
}

/// What the risk assessor said, as it is shown, or why it said nothing.
pub(crate) fn assessed(outcome: &Result<Assessment, AssessError>) -> RecordedAssessment {
    let status = assess::status(outcome).to_owned();
    let nothing =
        RecordedAssessment { status, level: None, categories: Vec::new(), description: None, error: None };
    match outcome {
        Ok(Assessment { description, risk_level, risk_categories }) => RecordedAssessment {
            level: Some(*risk_level),
            categories: risk_categories.clone(),
            description: Some(description.clone()),
            ..nothing
        },
        Err(error) => RecordedAssessment { error: Some(with_causes(error)), ..nothing },
    }
}

/// A question has ended.
pub(crate) fn settled(ask: AskId, settled: &Settled, waiting: usize) -> Event {
    let (outcome, by, error) = match settled {
        Settled::Granted(grant) => (word(&grant.answer), authority(&grant.by), None),
        Settled::Declined { by, .. } => ("decline", format!("approver {by}"), None),
        Settled::Cancelled { by, .. } => ("cancel", format!("approver {by}"), None),
        Settled::Failed { error, .. } => ("failed", "nobody".to_owned(), Some(with_causes(error))),
        Settled::Refused(refusal) => (refusal_word(refusal), "policy".to_owned(), Some(with_causes(refusal))),
    };
    Event::Settled { ask, outcome: outcome.to_owned(), by, waiting, error }
}

/// Nobody waits for the answer any more.
pub(crate) fn withdrawn(ask: AskId) -> Event {
    Event::Settled { ask, outcome: "withdrawn".to_owned(), by: "nobody".to_owned(), waiting: 0, error: None }
}

/// A rule was taken up.
pub(crate) fn amended(ask: AskId, rule: String, file: String, error: Option<&AppendError>) -> Event {
    Event::Amended { ask, rule, file, error: error.map(|error| with_causes(error)) }
}

/// A call may happen.
pub(crate) fn decided(call: &Call, subject: &Subject, grant: &Grant, judged: Option<&Verdict>) -> Event {
    Event::Decided {
        call: call.clone(),
        about: about(subject),
        outcome: DecidedAs::Allowed,
        by: authority(&grant.by),
        ask: grant.ask,
        verdict: judged.map(verdict),
        reason: None,
    }
}

/// A run has ended.
pub(crate) fn ended(call: &Call, result: &Result<Ran, NotRun>) -> Event {
    let (status, denial, error) = match result {
        Ok(ran) => {
            let status = match ran.outcome {
                Outcome::Ended(Ended::Exited(code)) => Some(code),
                Outcome::Ended(Ended::Signaled(signal)) | Outcome::Interrupted(signal) => {
                    Some(signal.saturating_add(128))
                }
                Outcome::TimedOut => None,
            };
            (status, ran.denial.as_ref().map(ToString::to_string), None)
        }
        Err(error) => (None, None, Some(with_causes(error))),
    };
    Event::Ended { call: call.clone(), status, denial, error }
}

/// A patch was applied, or not.
pub(crate) fn patched(call: &Call, error: Option<String>) -> Event {
    Event::Ended { call: call.clone(), status: None, denial: None, error }
}

/// A call may not happen.
pub(crate) fn refused(call: &Call, about: About, judged: Option<&Verdict>, reason: &NotRun) -> Event {
    let outcome = match reason {
        NotRun::Cancelled { .. } => DecidedAs::Cancelled,
        NotRun::ApprovalFailed(_) => DecidedAs::Failed,
        NotRun::Forbidden { .. }
        | NotRun::Unprepared(_)
        | NotRun::Refused(..)
        | NotRun::Declined { .. }
        | NotRun::Changed { .. }
        | NotRun::Unrecorded(_)
        | NotRun::Launch(_) => DecidedAs::Refused,
    };
    Event::Decided {
        call: call.clone(),
        about,
        outcome,
        by: refuser(reason),
        ask: None,
        verdict: judged.map(verdict),
        reason: Some(with_causes(reason)),
    }
}

/// A host may not be reached.
pub(crate) fn blocked(call: &Call, about: About, blocked: &Blocked) -> Event {
    match blocked {
        Blocked::NotGranted { reason, .. } => refused(call, about, None, reason),
        Blocked::Invalid { .. }
        | Blocked::Denied { .. }
        | Blocked::Local { .. }
        | Blocked::Unreviewed { .. } => Event::Decided {
            call: call.clone(),
            about,
            outcome: DecidedAs::Refused,
            by: "policy".to_owned(),
            ask: None,
            verdict: None,
            reason: Some(with_causes(blocked)),
        },
    }
}

/// How many words of what could not be looked at are on record, and how much of each, in bytes: it may have been refused
/// for its length.
const UNRESOLVED_WORDS: usize = 64;
const UNRESOLVED_WORD: usize = 256;

/// Something that could not be looked at.
pub(crate) fn unresolved(request: &ExecRequest) -> About {
    let mut argv: Vec<String> =
        request.argv.iter().take(UNRESOLVED_WORDS).map(|word| beginning(word)).collect();
    if request.argv.len() > UNRESOLVED_WORDS {
        argv.push("…".to_owned());
    }
    About::Unresolved { argv, cwd: request.cwd.clone() }
}

fn beginning(word: &str) -> String {
    match word.len() <= UNRESOLVED_WORD {
        true => word.to_owned(),
        false => {
            let end = word.floor_char_boundary(UNRESOLVED_WORD);
            format!("{}…", word.get(..end).unwrap_or_default())
        }
    }
}

/// Who refused.
fn refuser(reason: &NotRun) -> String {
    match reason {
        NotRun::Declined { by } | NotRun::Cancelled { by } => format!("approver {by}"),
        NotRun::Forbidden { .. }
        | NotRun::Unprepared(_)
        | NotRun::Refused(..)
        | NotRun::ApprovalFailed(_)
        | NotRun::Changed { .. }
        | NotRun::Unrecorded(_)
        | NotRun::Launch(_) => "policy".to_owned(),
    }
}

/// What the evaluator said.
fn verdict(verdict: &Verdict) -> RecordedVerdict {
    let finding = |finding: &Finding| RecordedFinding {
        command: finding.command.clone(),
        decision: finding.decision,
        source: finding.source.as_ref().map(ToString::to_string),
        why: finding.why.clone(),
    };
    RecordedVerdict { decision: verdict.decision, findings: verdict.findings.iter().map(finding).collect() }
}

/// Something is remembered.
pub(crate) fn remembered(grant: &GrantId, ask: AskId, what: String, scope: GrantScope) -> Event {
    let scope = match scope {
        GrantScope::Turn => "turn",
        GrantScope::Session => "session",
    };
    Event::Remembered { grant: grant.0.clone(), ask, what, scope: scope.to_owned() }
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accept => "accept",
        Answer::AcceptForSession(_) => "acceptForSession",
        Answer::AcceptWithExecpolicyAmendment { .. } => "acceptWithExecpolicyAmendment",
        Answer::ApplyNetworkPolicyAmendment(rule) => match rule.action {
            HostAction::Allow => "applyNetworkPolicyAmendment",
            HostAction::Deny => "decline",
        },
        Answer::Grant(_) => "grant",
        Answer::Decline => "decline",
        Answer::Cancel => "cancel",
    }
}

fn refusal_word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::TimedOut { .. } => "timedOut",
        Refusal::Interrupted { .. } => "interrupted",
        Refusal::SessionEnded => "sessionEnded",
        Refusal::NoApprover { .. } => "noApprover",
        Refusal::PersonNeeded { .. }
        | Refusal::ApprovalPolicy { .. }
        | Refusal::NoTurn { .. }
        | Refusal::TooMany { .. }
        | Refusal::DeniedForSession { .. }
        | Refusal::Unrecorded(_) => "refused",
    }
}

/// A protocol, as ids of network questions have it.
pub(crate) fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::Socks5Tcp => "socks5-tcp",
        Protocol::Socks5Udp => "socks5-udp",
    }
}

/// Who decided, in a word.
fn authority(authority: &Authority) -> String {
    match authority {
        Authority::Approver { name } => format!("approver {name}"),
        Authority::Remembered { grant } => format!("grant {grant}"),
        Authority::Policy => "policy".to_owned(),
    }
}

/// What an event is about.
pub(crate) fn about(subject: &Subject) -> About {
    match subject {
        Subject::Exec(exec) => about_exec(exec, false, exec.additional.clone()),
        Subject::Retry(retry) => {
            let additional = match &retry.with {
                RetryWith::Permissions { permissions } => Some(permissions.clone()),
                RetryWith::Unsandboxed => retry.exec.additional.clone(),
            };
            about_exec(&retry.exec, true, additional)
        }
        Subject::Subcommand(subcommand) => About::Subcommand {
            program: subcommand.program.clone(),
            argv: subcommand.argv.clone(),
            cwd: subcommand.cwd.clone(),
            placement: subcommand.placement.into(),
        },
        Subject::StdinWrite(stdin) => {
            About::StdinWrite { process: stdin.process.clone(), bytes: stdin.text.len() }
        }
        Subject::FileChange(change) => About::FileChange {
            paths: change.paths.clone(),
            actions: change.paths.iter().map(|path| change.action(path)).collect(),
            grant_root: change.grant_root.clone(),
            digest: change.digest.clone(),
        },
        Subject::Permissions(permissions) => {
            About::Permissions { permissions: permissions.permissions.clone() }
        }
        Subject::Network(network) => About::Network {
            host: network.host.clone(),
            protocol: network.protocol.word().to_owned(),
            port: network.port,
        },
    }
}

fn about_exec(exec: &ExecSubject, retry: bool, additional: Option<policies::AdditionalPermissions>) -> About {
    About::Exec {
        program: exec.program.target.clone(),
        argv: exec.argv.clone(),
        cwd: exec.cwd_target.as_ref().unwrap_or(&exec.cwd).clone(),
        environment: exec.environment.keys().cloned().collect(),
        placement: exec.placement.into(),
        profile: exec.reach.profile.clone(),
        profile_digest: hex(&Sha256::digest(exec.reach.fingerprint.as_bytes())),
        additional,
        retry,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
