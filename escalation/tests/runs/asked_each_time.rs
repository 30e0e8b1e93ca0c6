//! What is asked about each time, whatever was said before.

use std::path::Path;

use escalation::approver::Reply;
use escalation::{Answer, Ask, Call, PermissionsAnswer, PermissionsRequest, Subject, TurnId};
use policies::{AbsolutePath, Access, AdditionalPermissions, Entry, GrantScope};

use crate::bench::{Behaviour, Bench, Wish, block_on};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("a_patch_of_what_decides_later_is_asked_about_each_time", a_patch_of_what_decides_later_is_asked_about),
    ("a_turn_that_is_reviewed_remembers_nothing", a_turn_that_is_reviewed_remembers_nothing),
];

fn for_session(ask: &Ask) -> Reply {
    match &ask.subject {
        Subject::Permissions(asked) => Reply::Answer(Answer::Grant(PermissionsAnswer {
            permissions: asked.permissions.clone(),
            scope: GrantScope::Turn,
            strict_auto_review: true,
        })),
        Subject::Exec(_)
        | Subject::Retry(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::FileChange(_)
        | Subject::Network(_) => Reply::Answer(Answer::for_session()),
    }
}

fn a_patch_of_what_decides_later_is_asked_about() {
    let bench = Bench::new(Wish::default(), for_session);
    std::fs::create_dir_all(bench.root.join("project/.git/hooks")).unwrap();
    std::fs::create_dir_all(bench.root.join("outside/.agents")).unwrap();
    for (file, asked) in [
        ("home/.codex/rules/default.rules", 1),
        ("home/.codex/notes", 1),
        ("project/.git/hooks/pre-commit", 1),
        ("outside/.agents/x", 1),
        // The nearest that is remembered.
        ("outside/agents", 0),
        ("home/.codexes", 0),
    ] {
        let patch = |text| bench.patch(&bench.turn, "project", &bench.root.join(file), text, None);
        assert_eq!((patch("1"), patch("2")), (1, asked), "{file}");
        let ask = bench.approver.asked().pop().unwrap();
        let is_offered = ask.available_decisions.contains(&Answer::for_session());
        assert_eq!((ask.may_be_remembered(), is_offered), (asked == 0, asked == 0), "{file}");
    }
    let names = |record: &serde_json::Value| record["event"] == "remembered";
    assert_eq!(bench.records().iter().filter(|record| names(record)).count(), 2);
}

fn ask_for(bench: &Bench, turn: &TurnId, folder: &Path) {
    let entries = vec![Entry::for_path(AbsolutePath::parse(folder).unwrap(), Access::Write)];
    let request = PermissionsRequest {
        call: Call::new(turn, "more"),
        cwd: bench.path("project"),
        environment_id: "local".to_owned(),
        permissions: AdditionalPermissions { entries, ..AdditionalPermissions::default() },
        reason: None,
    };
    assert!(block_on(bench.session.request_permissions(&request)).strict_auto_review);
}

fn a_turn_that_is_reviewed_remembers_nothing() {
    let bench = Bench::new(Wish::default(), for_session);
    let patch = |turn| bench.patch(turn, "project", &bench.root.join("home/x"), "", None);
    let run = |turn: &TurnId, request: escalation::ExecRequest| {
        bench.run(&escalation::ExecRequest { call: Call::new(turn, "item"), ..request }).asked
    };
    assert_eq!((patch(&bench.turn), patch(&bench.turn)), (1, 0));
    let escalated = || bench.escalated("true");
    assert_eq!((run(&bench.turn, escalated()), run(&bench.turn, escalated())), (1, 0));

    let reviewed = TurnId("reviewed".to_owned());
    bench.session.begin_turn(&reviewed);
    ask_for(&bench, &reviewed, &bench.root.join("outside"));
    for _ in 0..3 {
        assert_eq!(patch(&reviewed), 1);
        assert_eq!(run(&reviewed, escalated()), 1);
        assert_eq!(run(&reviewed, bench.request("echo hi")), 1);
    }
    bench.session.end_turn(&reviewed);
    assert_eq!(
        (patch(&bench.turn), run(&bench.turn, escalated())),
        (0, 0),
        "in other turns it is remembered"
    );
}
