//! What an answer says that it gives.

use super::*;

#[test]
fn a_rule_that_leaves_the_sandbox_says_so() {
    let loud = "  p  yes, and always, WITHOUT A SANDBOX, for commands that begin with:\n";
    let quiet = "  p  yes, and always for commands that begin with:\n";
    let asked_with = |exec: ExecSubject| {
        let verdict = Some(offering(vec![rule(Scope::Command, &["make"], &[])]));
        asked(Draft { verdict, ..draft(Subject::Exec(Box::new(exec))) })
    };
    let unconfined = |placement| {
        let reach = Reach { sandboxed: false, ..exec(&[]).reach };
        ExecSubject { placement, reach, ..exec(&["make"]) }
    };
    let rows = [
        (asked_with(exec(&["make"])), true),
        // This one leaves it; those that the rule names would too.
        (asked_with(unconfined(Placement::Outside)), true),
        // A session without a sandbox.
        (asked_with(unconfined(Placement::Inside)), false),
    ];
    for (ask, is_loud) in rows {
        let shown = question(&ask, &WIDE);
        assert_eq!((shown.contains(loud), shown.contains(quiet)), (is_loud, !is_loud), "{shown}");
        let coloured = question(&ask, &Look { colour: true, ..WIDE });
        assert_eq!(coloured.contains("\u{1b}[1;33m  p  yes, and always"), is_loud, "{coloured}");
    }
    let retry = RetrySubject {
        exec: unconfined(Placement::Outside),
        denial: "denied".to_owned(),
        with: RetryWith::Unsandboxed,
    };
    let verdict = Some(offering(vec![rule(Scope::Command, &["make"], &[])]));
    let retry = asked(Draft { verdict, ..draft(Subject::Retry(Box::new(retry))) });
    assert!(question(&retry, &WIDE).contains(loud), "{}", question(&retry, &WIDE));
    assert!(view(&retry, &WIDE, View::Help, true).text.contains("lets them run WITHOUT A SANDBOX"));
}

/// Outside the sandbox the files that a profile hides stay hidden; it is outside all the same.
#[test]
fn outside_is_said_where_hidden_files_stay_hidden() {
    let environment = (0..60).map(|number| (format!("A{number}"), "x".repeat(90))).collect();
    let outside = ExecSubject { placement: Placement::Outside, environment, ..exec(&["make"]) };
    let inside = ExecSubject { placement: Placement::Inside, ..outside.clone() };
    for (subject, sandbox) in [(outside, "NONE, but hidden files stay hidden: it can"), (inside, "yes\n")] {
        let ask = asked(draft(Subject::Exec(Box::new(subject))));
        for look in [WIDE, WIDE.sized(80, 200), WIDE.sized(80, 20)] {
            let shown = question(&ask, &look);
            assert!(shown.contains(&format!("  sandbox    \u{2502} {sandbox}")), "{shown}");
        }
    }
}

/// A change of these files, and what is said about it.
struct Row {
    actions: &'static [FileAction],
    label: &'static str,
    title: &'static str,
    files: &'static [&'static str],
    once: &'static str,
    session: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        actions: &[FileAction::Write],
        label: "write /ws/0",
        title: "write these files?",
        files: &["write /ws/0"],
        once: "yes, write this",
        session: "yes, for this session: exactly these files, whatever is written to them",
    },
    Row {
        actions: &[FileAction::WriteExecutable],
        label: "write and make executable /ws/0",
        title: "write these files?",
        files: &["write and make executable /ws/0"],
        once: "yes, write this",
        session: "yes, for this session: exactly these files, whatever is written to them",
    },
    Row {
        actions: &[FileAction::Delete, FileAction::Delete],
        label: "delete 2 files",
        title: "delete these files?",
        files: &["delete /ws/0", "delete /ws/1"],
        once: "yes, DELETE this",
        session: "yes, for this session: DELETE exactly these files, whatever is in them",
    },
    Row {
        actions: &[FileAction::Write, FileAction::Delete],
        label: "write and delete 2 files",
        title: "change these files?",
        files: &["write /ws/0", "delete /ws/1"],
        once: "yes, write and DELETE this",
        session: "yes, for this session: write and DELETE exactly these files, whatever is written",
    },
];

#[test]
fn a_deletion_is_no_writing() {
    for Row { actions, label, title, files, once, session } in ROWS {
        let paths: Vec<_> = (0..actions.len()).map(|number| path(format!("/ws/{number}"))).collect();
        let deeds = paths.iter().cloned().zip(actions.iter().copied()).collect();
        let change =
            FileChangeSubject { paths, actions: deeds, outside: Vec::new(), grant_root: None, ..change() };
        let ask = asked(draft(Subject::FileChange(change)));
        assert!(no_longer_needed(&ask, &WIDE).contains(&format!("\u{2502} {label}\n")), "{label}");
        let shown = question(&ask, &WIDE.sized(120, 40));
        assert!(shown.starts_with(&format!("codex: {title}\n")), "{shown}");
        assert!(shown.contains(&format!("  y  {once}\n")), "{shown}");
        assert!(shown.contains(&format!("  s  {session}")), "{shown}");
        for file in *files {
            assert!(shown.contains(&format!("\u{2502} {file}\n")), "{shown}");
        }
    }
    let ask = asked(draft(Subject::FileChange(change())));
    let shown = view(&ask, &WIDE, WITH_DIFF, false).text;
    assert!(
        shown.contains("  the agent says that the change is:\n             \u{2502} --- /etc/hosts\n"),
        "{shown}"
    );
}
