//! The reason of a request: what a yes would give that no field says, then why it is asked.
//!
//! Nobody can say yes to what he does not see. The facts stand first, so that nothing in the foreign text behind them
//! can hide them. Of variables only the names are told: values may be secrets, and clients keep what they show.

use execpolicy::Placement;
use execpolicy::display::visible;

use crate::ask::Ask;
use crate::subject::{
    ExecSubject, FileAction, FileChangeSubject, RetrySubject, StdinSubject, SubcommandSubject, Subject,
};
use crate::words;

/// One line that is safe to print; `None` if there is nothing to say.
pub(super) fn of(ask: &Ask) -> Option<String> {
    let facts = match &ask.subject {
        Subject::Exec(exec) => of_exec(exec),
        Subject::Retry(retry) => of_retry(retry),
        Subject::Subcommand(subcommand) => of_subcommand(subcommand),
        Subject::StdinWrite(stdin) => of_stdin(stdin),
        Subject::FileChange(change) => of_files(change),
        Subject::Network(_) | Subject::Permissions(_) => Vec::new(),
    };
    let said = ask.reason.as_deref().map(visible);
    match (facts.is_empty(), said) {
        (true, said) => said,
        (false, None) => Some(facts.join("; ")),
        (false, Some(said)) => Some(format!("{}: {said}", facts.join("; "))),
    }
}

const NO_SANDBOX: &str = "it would run without a sandbox";

/// The fields for these are only for some clients.
fn of_exec(exec: &ExecSubject) -> Vec<String> {
    let additional = exec.additional.as_ref().map(words::permissions).filter(|more| !more.is_empty());
    let additional = additional.map(|more| format!("it would get: {more}"));
    placement(exec).into_iter().chain(additional).chain(variables(exec)).collect()
}

/// What it would get more is in the question's own reason.
fn of_retry(retry: &RetrySubject) -> Vec<String> {
    let denial = Some(visible(&retry.denial)).filter(|denial| !denial.is_empty());
    denial.into_iter().chain(placement(&retry.exec)).chain(variables(&retry.exec)).collect()
}

fn placement(exec: &ExecSubject) -> Option<String> {
    match (exec.reach.sandboxed, exec.placement) {
        (false, _) => Some(NO_SANDBOX.to_owned()),
        // Such a profile denies places to every run.
        (true, Placement::Outside) => {
            Some("it would run outside the sandbox, but for what the profile denies".to_owned())
        }
        (true, Placement::Inside) => None,
    }
}

fn variables(exec: &ExecSubject) -> Option<String> {
    let names = words::list(exec.environment.keys().cloned());
    (!names.is_empty()).then(|| format!("the agent sets variables: {names}"))
}

fn of_subcommand(subcommand: &SubcommandSubject) -> Vec<String> {
    match subcommand.placement {
        Placement::Inside => Vec::new(),
        Placement::Outside => vec![NO_SANDBOX.to_owned()],
    }
}

fn of_stdin(stdin: &StdinSubject) -> Vec<String> {
    vec![format!("write `{}` to its standard input", visible(&stdin.text))]
}

/// What the client has not seen in the change itself: a yes to writing is none to these.
fn of_files(change: &FileChangeSubject) -> Vec<String> {
    let beyond = change.paths.iter().map(|path| (change.action(path), path));
    let beyond = beyond.filter(|(action, _)| *action != FileAction::Write);
    let names = words::list(beyond.map(|(action, path)| format!("{} {path}", action.word())));
    Some(names).filter(|names| !names.is_empty()).into_iter().collect()
}
