//! The second attempt: at most one, asked about, with the least that would have helped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use escalation::approver::Reply;
use escalation::subject::RetryWith;
use escalation::wire::request_approval;
use escalation::{Answer, ItemStatus, NotRun, Subject};

use crate::bench::{Behaviour, Bench, Wish, no, yes};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("on_request_gets_the_denial_back", on_request_gets_the_denial_back),
    ("on_failure_asks_for_the_file_that_was_missing", on_failure_asks_for_what_was_missing),
    ("untrusted_asks_twice_with_two_names", untrusted_asks_twice_with_two_names),
    ("a_refused_second_attempt_leaves_the_first", a_refused_second_attempt_leaves_the_first),
    ("there_is_no_third_attempt", there_is_no_third_attempt),
    ("a_lie_about_a_denial_grants_nothing", a_lie_about_a_denial_grants_nothing),
    ("what_decides_about_later_commands_is_not_asked_about", what_decides_about_later_commands),
    ("the_home_is_the_persons", the_home_is_the_persons),
    ("without_a_narrower_remedy_it_is_no_sandbox", without_a_narrower_remedy_it_is_no_sandbox),
];

fn on_failure() -> Wish {
    Wish { policy: "\"on-failure\"", ..Wish::default() }
}

fn on_request_gets_the_denial_back() {
    let bench = Bench::silent(Wish::default());
    let came = bench.script("touch ROOT/outside/x");
    assert_eq!((came.report.attempts, came.report.status()), (1, ItemStatus::Failed));
    assert!(came.report.message_for_agent().unwrap().contains("outside"), "{:?}", came.report);
}

fn on_failure_asks_for_what_was_missing() {
    let bench = Bench::new(on_failure(), yes);
    let came = bench.script("touch ROOT/outside/x; touch ROOT/other; test -e ROOT/outside/x");
    assert_eq!((came.report.attempts, came.asked, came.code()), (2, 1, Some(0)));
    assert!(bench.root.join("outside/x").exists());
    assert!(!bench.root.join("other").exists(), "the sandbox stayed");
    let ask = bench.approver.asked().remove(0);
    let Subject::Retry(retry) = &ask.subject else { panic!("{:?}", ask.subject) };
    let RetryWith::Permissions { permissions } = &retry.with else { panic!("{:?}", retry.with) };
    assert_eq!(permissions.entries.len(), 1);
    assert!(ask.approval_id.is_some());
    assert!(retry.exec.reach.sandboxed);
    let more =
        format!("run it again in the sandbox, with more: write {}?", bench.root.join("outside").display());
    assert!(ask.reason.as_ref().unwrap().ends_with(&more), "{:?}", ask.reason);
}

fn untrusted_asks_twice_with_two_names() {
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, yes);
    let came = bench.script("touch ROOT/outside/x");
    assert_eq!((came.report.attempts, came.asked), (2, 2));
    let asked = bench.approver.asked();
    assert_ne!(asked[0].id, asked[1].id);
    assert!(asked[0].approval_id.is_none() && asked[1].approval_id.is_some());
}

fn a_refused_second_attempt_leaves_the_first() {
    let bench = Bench::new(on_failure(), no);
    let came = bench.script("echo before; touch ROOT/outside/x");
    assert_eq!((came.report.attempts, came.asked, came.code()), (1, 1, Some(1)));
    assert!(matches!(came.report.retry, Some(NotRun::Declined { .. })));
    assert_eq!(came.report.status(), ItemStatus::Declined);
    assert!(came.output.starts_with("before\n"));
    assert!(!bench.root.join("outside/x").exists());
}

fn there_is_no_third_attempt() {
    let bench = Bench::new(on_failure(), yes);
    let came = bench.script("touch ROOT/outside/x && touch ROOT/home/y");
    assert_eq!((came.report.attempts, came.asked), (2, 1));
    assert_ne!(came.code(), Some(0));
}

fn a_lie_about_a_denial_grants_nothing() {
    // Whatever a command prints, somebody is asked; and a name is believed only where it is really denied.
    let bench = Bench::new(on_failure(), no);
    let came =
        bench.script("echo \"touch: cannot touch 'ROOT/project/x': Read-only file system\" >&2; exit 1");
    for ask in bench.approver.asked() {
        let Subject::Retry(retry) = &ask.subject else { panic!("{:?}", ask.subject) };
        assert_eq!(retry.with, RetryWith::Unsandboxed, "nothing that is writable already is asked for");
    }
    assert_eq!(came.report.attempts, 1);
    let bench = Bench::silent(on_failure());
    assert_eq!(bench.script("echo 'Permission denied'").report.attempts, 1, "it ended well");
}

/// The command prints what it likes, also that it was stopped at the very place that it wants.
fn what_decides_about_later_commands() {
    let bench = Bench::silent(Wish { path: Some("bin"), ..on_failure() });
    for folder in ["home/.ssh", "bin", "project/.git/hooks"] {
        std::fs::create_dir_all(bench.root.join(folder)).unwrap();
    }
    for path in [
        "ROOT/home/.codex/rules/default.rules",
        "ROOT/home/.codex/audit/audit.jsonl",
        "ROOT/home/.codex/config.toml",
        "ROOT/home/.ssh/authorized_keys",
        "ROOT/home/.bashrc",
        "ROOT/bin/git",
        "ROOT/project/.git/hooks/pre-commit",
        "/etc/codex/requirements.toml",
        "/etc/passwd",
        "/usr/local/bin/x",
    ] {
        let line = format!("touch: cannot touch '{path}': Read-only file system");
        let came = bench.script(&format!("echo \"{line}\" >&2; exit 1"));
        assert_eq!(came.report.attempts, 1, "{path}");
        assert!(came.report.notes.iter().any(|note| note.contains("no second attempt")), "{path}");
    }
}

fn the_home_is_the_persons() {
    let bench = Bench::new(on_failure(), no);
    let script = "echo \"touch: cannot touch 'ROOT/home/new': Read-only file system\" >&2; exit 1";
    bench.run(&bench.with_variables(script, &[("HOME", "/tmp")]));
    for ask in bench.approver.asked() {
        let Subject::Retry(retry) = &ask.subject else { panic!("{:?}", ask.subject) };
        assert_eq!(retry.with, RetryWith::Unsandboxed, "the home is never opened as a whole");
    }
}

fn without_a_narrower_remedy_it_is_no_sandbox() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let bench = Bench::new(on_failure(), move |ask| {
        counted.fetch_add(1, Ordering::SeqCst);
        let Subject::Retry(retry) = &ask.subject else { panic!("{:?}", ask.subject) };
        assert_eq!(retry.with, RetryWith::Unsandboxed);
        assert!(!retry.exec.reach.sandboxed);
        let (_, sent) = request_approval(ask, "thread");
        let reason = sent["reason"].as_str().unwrap();
        assert!(reason.contains("blocked by seccomp"), "{reason}");
        assert!(reason.ends_with("run it again outside the sandbox?"), "{reason}");
        Reply::Answer(Answer::Accept)
    });
    let came = bench.script("test -e flag && exit 0; touch flag; echo 'blocked by seccomp' >&2; exit 1");
    assert_eq!((count.load(Ordering::SeqCst), came.report.attempts, came.code()), (1, 2, Some(0)));
}
