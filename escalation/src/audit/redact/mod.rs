//! Taking secrets out of events before they are written.
//!
//! Every text of an event goes through here, chosen field by field without a rest, so that a field that is added has
//! to be decided on. What is hidden is replaced by a fixed mark, never by a digest, which a short secret does not
//! survive. Recognising secrets is guessing: what has neither a telling name nor a known shape stays.

mod names;
mod piped;
mod programs;
mod shapes;
mod text;
mod values;
mod words;

pub(crate) use text::argv;
use text::text;

use super::event::{About, Event, RecordedAssessment, RecordedFinding, RecordedVerdict};

/// The event as it may be written.
pub(super) fn event(event: &Event) -> Event {
    let mut event = event.clone();
    match &mut event {
        Event::SessionOpened { version, approval_policy, profile, approver, cwd: _ } => {
            all([version, approval_policy, profile, approver]);
        }
        Event::Asked { ask: _, call: _, key: _, about: subject, reason, assessment: opinion, approver } => {
            about(subject);
            all(reason);
            opinion.iter_mut().for_each(assessment);
            all([approver]);
        }
        Event::Settled { ask: _, outcome, by, waiting: _, error } => {
            all([outcome, by]);
            all(error);
        }
        Event::Decided { call: _, about: subject, outcome: _, by, ask: _, verdict: said, reason } => {
            about(subject);
            all([by]);
            said.iter_mut().for_each(verdict);
            all(reason);
        }
        Event::Ended { call: _, status: _, denial, error } => {
            all(denial);
            all(error);
        }
        Event::Amended { ask: _, rule, file, error } => {
            all([rule, file]);
            all(error);
        }
        Event::Remembered { grant: _, ask: _, what, scope } => all([what, scope]),
        Event::Revoked { grant: _, what } => all([what]),
    }
    event
}

fn all<'a>(texts: impl IntoIterator<Item = &'a mut String>) {
    texts.into_iter().for_each(|string| *string = text(string));
}

fn about(about: &mut About) {
    match about {
        About::Exec {
            program: _,
            argv: words,
            cwd: _,
            environment,
            placement: _,
            profile,
            profile_digest: _,
            additional: _,
            retry: _,
        } => {
            *words = argv(words);
            environment.iter_mut().for_each(only_name);
            all([profile]);
        }
        About::Subcommand { program: _, argv: words, cwd: _, placement: _ }
        | About::Unresolved { argv: words, cwd: _ } => *words = argv(words),
        About::StdinWrite { process, bytes: _ } => all([process]),
        About::FileChange { paths: _, actions: _, grant_root: _, digest: _ }
        | About::Permissions { permissions: _ } => {}
        About::Network { host, protocol, port: _ } => all([host, protocol]),
    }
}

/// Whoever hands in an assignment in place of a name: the value is not recorded.
fn only_name(variable: &mut String) {
    if let Some(end) = variable.find('=') {
        variable.truncate(end);
    }
    all([variable]);
}

fn assessment(assessment: &mut RecordedAssessment) {
    let RecordedAssessment { status, level: _, categories: _, description, error } = assessment;
    all([status]);
    all(description);
    all(error);
}

fn verdict(verdict: &mut RecordedVerdict) {
    // Which of them reads what another one writes is not in the findings: their order has to do.
    let reads: Vec<bool> = verdict.findings.iter().map(|finding| piped::reads(&finding.command)).collect();
    let next = reads.into_iter().skip(1).chain([false]);
    for (finding, handed_on) in verdict.findings.iter_mut().zip(next) {
        let RecordedFinding { command, decision: _, source, why } = finding;
        *command = if handed_on { text::handed_on(command) } else { argv(command) };
        all(source);
        all([why]);
    }
}

#[cfg(test)]
mod tests;
