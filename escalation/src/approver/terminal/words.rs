//! The words of ours that depend on what is asked.

use crate::assess::RiskCategory;
use crate::subject::{FileAction, FileChangeSubject, RetryWith, Subject};

/// What is asked, as a title.
pub(super) fn heading(subject: &Subject) -> &'static str {
    match subject {
        Subject::Exec(_) => "run this command?",
        Subject::Retry(retry) => match retry.with {
            RetryWith::Permissions { .. } => "try this command again, with more permissions?",
            RetryWith::Unsandboxed => "try this command again, OUTSIDE THE SANDBOX?",
        },
        Subject::Subcommand(_) => "may the running command start this program?",
        Subject::StdinWrite(_) => "send this to the running command?",
        Subject::FileChange(change) => match Deeds::of(change) {
            Deeds::Write => "write these files?",
            Deeds::Delete => "delete these files?",
            Deeds::Both => "change these files?",
        },
        Subject::Permissions(_) => "give these permissions?",
        Subject::Network(_) => "may the command connect to this host?",
    }
}

/// What a yes covers: this time, and for the session.
pub(super) fn yes(subject: &Subject) -> (&'static str, &'static str) {
    match subject {
        Subject::Exec(_) => {
            ("yes, once", "yes, for this session: exactly this command, in exactly this directory")
        }
        Subject::Retry(_) => (
            "yes, try again once",
            "yes, for this session: whenever exactly this command in this directory is stopped like this",
        ),
        Subject::Subcommand(_) => ("yes, start it this time", ""),
        Subject::StdinWrite(_) => ("yes, send it", ""),
        Subject::FileChange(change) => match Deeds::of(change) {
            Deeds::Write => {
                ("yes, write this", "yes, for this session: exactly these files, whatever is written to them")
            }
            Deeds::Delete => {
                ("yes, DELETE this", "yes, for this session: DELETE exactly these files, whatever is in them")
            }
            Deeds::Both => (
                "yes, write and DELETE this",
                "yes, for this session: write and DELETE exactly these files, whatever is written",
            ),
        },
        Subject::Permissions(_) => ("yes, until the turn ends", "yes, for the whole session"),
        Subject::Network(_) => (
            "yes, for the connections that wait now",
            "yes, for this session: this host with this protocol and port",
        ),
    }
}

/// What a rule means: that what it allows needs no sandbox, where there is one.
pub(super) fn rule(leaves_a_sandbox: bool) -> &'static str {
    match leaves_a_sandbox {
        true => "yes, and always, WITHOUT A SANDBOX, for commands that begin with:",
        false => "yes, and always for commands that begin with:",
    }
}

/// What a change does with its files, all in all.
enum Deeds {
    Write,
    Delete,
    Both,
}

impl Deeds {
    fn of(change: &FileChangeSubject) -> Self {
        let deletes = |path| change.action(path) == FileAction::Delete;
        match (change.paths.iter().any(deletes), change.paths.iter().all(deletes)) {
            (false, _) => Self::Write,
            (true, true) => Self::Delete,
            (true, false) => Self::Both,
        }
    }
}

/// What could come of it.
pub(super) fn risk(category: RiskCategory) -> &'static str {
    match category {
        RiskCategory::DataDeletion => "data is lost",
        RiskCategory::DataExfiltration => "data leaves the machine",
        RiskCategory::PrivilegeEscalation => "rights are gained",
        RiskCategory::SystemModification => "the system is changed",
        RiskCategory::NetworkAccess => "the network is used",
        RiskCategory::ResourceExhaustion => "resources are used up",
        RiskCategory::Compliance => "rules are broken",
    }
}
