//! When there is a question, and what an answer does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use escalation::approver::Reply;
use escalation::{
    Answer, ApproverError, ExecRequest, ItemStatus, MalformedAnswer, NotRun, SandboxPermissions,
};
use policies::{AdditionalPermissions, Entry, SandboxMode};

use crate::bench::{Behaviour, Bench, Wish, no, yes};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("a_harmless_command_runs_unasked", a_harmless_command_runs_unasked),
    ("untrusted_asks_about_everything", untrusted_asks_about_everything),
    ("a_dangerous_command_runs_after_a_yes_and_inside", a_dangerous_command_runs_after_a_yes_and_inside),
    ("a_no_is_told_and_a_cancel_is_not", a_no_is_told_and_a_cancel_is_not),
    ("a_failing_or_malformed_answer_is_neither_yes_nor_no", a_failing_or_malformed_answer_is_neither),
    ("never_asks_nothing", never_asks_nothing),
    ("a_forbidden_command_stays_forbidden", a_forbidden_command_stays_forbidden),
    ("an_accepted_rule_holds_at_once_and_is_written", an_accepted_rule_holds_at_once_and_is_written),
    ("a_session_approval_is_for_the_same_command_only", a_session_approval_is_for_the_same_command_only),
    ("more_permissions_are_asked_for_and_stay_in_the_sandbox", more_permissions_are_asked_for),
    ("denied_places_are_never_granted", denied_places_are_never_granted),
    ("a_program_that_changes_under_the_question_does_not_run", a_program_that_changes_does_not_run),
    ("a_working_directory_widens_nothing", a_working_directory_widens_nothing),
    ("a_rule_is_about_the_folder_of_the_session", a_rule_is_about_the_folder_of_the_session),
    ("a_policy_that_does_not_ask_refuses_to_escalate", a_policy_that_does_not_ask_refuses_to_escalate),
    ("the_record_comes_before_the_effect", the_record_comes_before_the_effect),
    ("a_log_that_cannot_be_written_stops_everything", a_log_that_cannot_be_written_stops_everything),
];

fn a_harmless_command_runs_unasked() {
    let bench = Bench::silent(Wish::default());
    let came = bench.script("echo hi > file && cat file");
    assert_eq!((came.code(), came.output.as_str()), (Some(0), "hi\n"));
    assert_eq!(came.report.status(), ItemStatus::Completed);
    assert_eq!(bench.script("exit 3").report.status(), ItemStatus::Failed);
}

fn untrusted_asks_about_everything() {
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, yes);
    assert_eq!(bench.script("ls").asked, 1);
    let bench = Bench::silent(Wish {
        policy: "\"untrusted\"",
        rules: "prefix_rule(pattern=['ls'], decision='allow')",
        ..Wish::default()
    });
    assert_eq!(bench.script("ls").code(), Some(0));
}

fn a_dangerous_command_runs_after_a_yes_and_inside() {
    let bench = Bench::new(Wish::default(), yes);
    std::fs::create_dir(bench.root.join("project/build")).unwrap();
    let came = bench.script("rm -rf build && ls; touch ROOT/outside/x");
    assert_eq!(came.asked, 1);
    assert!(!bench.root.join("project/build").exists());
    assert!(!bench.root.join("outside/x").exists(), "{}", came.output);
    assert!(came.report.result.unwrap().denial.is_some());
}

fn a_no_is_told_and_a_cancel_is_not() {
    let bench = Bench::new(Wish::default(), no);
    let came = bench.script("rm -rf build");
    assert_eq!(came.report.status(), ItemStatus::Declined);
    assert!(came.report.message_for_agent().unwrap().contains("said no"));
    assert!(!came.report.ends_turn());

    let bench = Bench::new(Wish::default(), |_| Reply::Answer(Answer::Cancel));
    let came = bench.script("rm -rf build");
    assert_eq!(came.report.status(), ItemStatus::Declined);
    assert_eq!(came.report.message_for_agent(), None);
    assert!(came.report.ends_turn());
    // The turn is over.
    let came = bench.script("true");
    assert!(came.why_not().contains("not active"), "{}", came.why_not());
}

fn a_failing_or_malformed_answer_is_neither() {
    for error in [
        ApproverError::Failed { why: "hung up".to_owned() },
        ApproverError::Malformed(MalformedAnswer { why: "nonsense".to_owned() }),
    ] {
        let bench = Bench::new(Wish::default(), move |_| Reply::Error(error.clone()));
        let came = bench.script("rm -rf build");
        assert_eq!(came.report.status(), ItemStatus::Failed);
        assert!(matches!(came.report.result, Err(NotRun::ApprovalFailed(_))));
        assert!(!came.report.ends_turn());
        assert!(came.report.message_for_agent().is_some());
        assert_eq!(bench.script("true").code(), Some(0), "the turn goes on");
    }
    // An answer that was not offered is none.
    let bench = Bench::new(Wish::default(), |_| {
        Reply::Answer(Answer::AcceptWithExecpolicyAmendment { prefix: vec!["rm".to_owned()] })
    });
    assert!(matches!(bench.script("rm -rf build").report.result, Err(NotRun::ApprovalFailed(_))));
}

fn never_asks_nothing() {
    for policy in ["\"never\"", "{granular={sandbox_approval=false,rules=false,mcp_elicitations=false}}"] {
        let bench = Bench::silent(Wish {
            policy,
            rules: "prefix_rule(pattern=['cat'], decision='prompt')",
            ..Wish::default()
        });
        assert_eq!(bench.script("echo hi > file").code(), Some(0));
        for request in [bench.request("cat file"), bench.escalated("echo hi")] {
            let came = bench.run(&request);
            assert_eq!(came.report.status(), ItemStatus::Declined, "{policy}: {:?}", request.argv);
        }
        let came = bench.script("touch ROOT/outside/x");
        assert_eq!((came.code(), came.report.attempts), (Some(1), 1));
    }
    let bench = Bench::silent(Wish { policy: "\"never\"", ..Wish::default() });
    assert_eq!(bench.script("rm -rf build").report.status(), ItemStatus::Declined);
}

fn a_forbidden_command_stays_forbidden() {
    let rules = "prefix_rule(pattern=['touch'], decision='forbidden', justification='no touching')\n\
                 prefix_rule(pattern=['touch'], decision='allow')";
    let bench = Bench::silent(Wish { rules, ..Wish::default() });
    for request in [bench.request("touch x"), bench.escalated("touch x"), bench.request("true && touch x")] {
        let came = bench.run(&request);
        assert!(came.why_not().contains("no touching"), "{}", came.why_not());
        assert_eq!(came.report.status(), ItemStatus::Declined);
    }
    assert!(!bench.root.join("project/x").exists());
}

fn an_accepted_rule_holds_at_once_and_is_written() {
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, |ask| {
        let first = ask.amendments.first().expect("a rule is offered");
        Reply::Answer(Answer::AcceptWithExecpolicyAmendment { prefix: first.prefix.clone() })
    });
    let request = ExecRequest { argv: vec!["ls".into(), "-a".into()], ..bench.request("") };
    assert_eq!(bench.run(&request).asked, 1);
    assert_eq!(bench.run(&request).asked, 0);
    let rules = std::fs::read_to_string(bench.root.join("home/.codex/rules/default.rules")).unwrap();
    assert!(rules.contains("prefix_rule(pattern=[\"ls\", \"-a\"], decision=\"allow\")"), "{rules}");
    let kinds: Vec<_> = bench.records().iter().map(|record| record["event"].clone()).collect();
    assert!(kinds.contains(&"amended".into()), "{kinds:?}");
}

fn a_session_approval_is_for_the_same_command_only() {
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, |_| {
        Reply::Answer(Answer::for_session())
    });
    std::fs::create_dir(bench.root.join("project/below")).unwrap();
    assert_eq!(bench.script("ls -a").asked, 1);
    let same = [
        bench.request("ls   -a"),
        ExecRequest { argv: vec!["bash".into(), "-lc".into(), "ls '-a'".into()], ..bench.request("") },
        ExecRequest { justification: Some("because".to_owned()), ..bench.request("ls -a") },
    ];
    for request in same {
        assert_eq!(bench.run(&request).asked, 0, "{:?}", request.argv);
    }
    let others = [
        bench.request("ls -A"),
        bench.request("ls -a > file"),
        ExecRequest { cwd: bench.path("project/below"), ..bench.request("ls -a") },
        ExecRequest { tty: true, ..bench.request("ls -a") },
        bench.with_variables("ls -a", &[("LD_PRELOAD", "x.so")]),
        bench.escalated("ls -a"),
        ExecRequest { environment_id: "elsewhere".to_owned(), ..bench.request("ls -a") },
    ];
    for request in others {
        assert_eq!(bench.run(&request).asked, 1, "{request:?}");
    }
}

fn more_permissions_are_asked_for() {
    let bench = Bench::new(Wish::default(), yes);
    let with = |name: &str| {
        SandboxPermissions::WithAdditional(AdditionalPermissions {
            entries: vec![Entry::for_path(bench.path(name), policies::Access::Write)],
            ..AdditionalPermissions::default()
        })
    };
    let request =
        ExecRequest { permissions: with("outside"), ..bench.request("touch ROOT/outside/x ROOT/y") };
    let came = bench.run(&request);
    assert_eq!(came.asked, 1);
    assert!(bench.root.join("outside/x").exists());
    assert!(!bench.root.join("y").exists(), "no more than that");
    // It was for that run only.
    assert_eq!(bench.script("touch ROOT/outside/z").code(), Some(1));

    let never = Bench::silent(Wish { policy: "\"never\"", ..Wish::default() });
    let entry = Entry::for_path(never.path("outside"), policies::Access::Write);
    let permissions = AdditionalPermissions { entries: vec![entry], ..AdditionalPermissions::default() };
    let request = ExecRequest {
        permissions: SandboxPermissions::WithAdditional(permissions),
        ..never.request("touch ROOT/outside/x")
    };
    assert_eq!(never.run(&request).report.status(), ItemStatus::Declined);
}

fn denied_places_are_never_granted() {
    let config = "default_permissions = 'p'\n[permissions.p]\nextends = ':workspace'\n[permissions.p.filesystem]\n'ROOT/outside' = 'deny'\n";
    let bench = Bench::named("p", config, yes);
    std::fs::write(bench.root.join("outside/secret"), "secret").unwrap();
    for access in [policies::Access::Read, policies::Access::Write] {
        let entry = Entry::for_path(bench.path("outside/secret"), access);
        let permissions = AdditionalPermissions { entries: vec![entry], ..AdditionalPermissions::default() };
        let request = ExecRequest {
            permissions: SandboxPermissions::WithAdditional(permissions),
            ..bench.request("cat ROOT/outside/secret")
        };
        let came = bench.run(&request);
        assert_eq!(came.asked, 0);
        assert!(came.why_not().contains("denies it"), "{}", came.why_not());
    }
    // Outside the sandbox it is hidden, too.
    let came = bench.run(&bench.escalated("cat ROOT/outside/secret; touch ROOT/free"));
    assert_eq!(came.asked, 1);
    assert!(!came.output.contains("secret\n") && !came.output.starts_with("secret"), "{}", came.output);
    assert!(bench.root.join("free").exists());
}

fn a_program_that_changes_does_not_run() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let path = Arc::new(std::sync::Mutex::new(std::path::PathBuf::new()));
    let program = Arc::clone(&path);
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) == 1 {
            std::fs::write(&*program.lock().unwrap(), "#!/bin/sh\necho evil\n").unwrap();
        }
        Reply::Answer(Answer::Accept)
    });
    let tool = bench.root.join("project/tool");
    *path.lock().unwrap() = tool.clone();
    std::fs::write(&tool, "#!/bin/sh\necho good\n").unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let request = ExecRequest { argv: vec!["./tool".into()], ..bench.request("") };
    assert_eq!(bench.run(&request).output, "good\n");
    let came = bench.run(&request);
    assert!(matches!(came.report.result, Err(NotRun::Changed { .. })), "{:?}", came.report);
    assert_eq!((came.asked, came.output.as_str()), (1, ""));
}

fn a_working_directory_widens_nothing() {
    let bench = Bench::silent(Wish::default());
    let request = ExecRequest { cwd: bench.path("outside"), ..bench.request("touch here") };
    let came = bench.run(&request);
    assert_eq!(came.code(), Some(1), "{}", came.output);
    assert!(!bench.root.join("outside/here").exists());
    let request = ExecRequest { cwd: bench.path("outside"), ..bench.request("touch ROOT/project/there") };
    assert_eq!(bench.run(&request).code(), Some(0));
}

/// What lies in another folder was not there when the rule was made, and git runs what a repository says.
fn a_rule_is_about_the_folder_of_the_session() {
    let rules = "prefix_rule(pattern=['git', 'status'], decision='allow')\n\
                 prefix_rule(pattern=['touch'], decision='allow')\n\
                 prefix_rule(pattern=['ls'], decision='allow')";
    let bench = Bench::silent(Wish { rules, ..Wish::default() });
    let plant = "git init -q sub && git -C sub config core.fsmonitor 'touch ROOT/outside/pwned; false'";
    assert_eq!(bench.script(plant).code(), Some(0));
    let status = |cwd: &str, argv: &[&str]| {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        bench.run(&ExecRequest { argv, cwd: bench.path(cwd), ..bench.request("") })
    };
    let came = status("project/sub", &["git", "status"]);
    assert!(!bench.root.join("outside/pwned").exists(), "{:?}", came.report);
    assert!(
        came.report.notes.iter().any(|note| note.contains("depends on what lies there")),
        "{:?}",
        came.report
    );
    // What only reads still leaves, and so does a call by another name of the session's folder.
    assert!(status("project/sub", &["ls"]).report.notes.is_empty());
    let file = bench.root.join("outside/made");
    std::os::unix::fs::symlink("project", bench.root.join("name")).unwrap();
    let came = status("name", &["touch", file.to_str().unwrap()]);
    assert!(came.code() == Some(0) && came.report.notes.is_empty(), "{:?}", came.report);
}

fn a_policy_that_does_not_ask_refuses_to_escalate() {
    let rules = "prefix_rule(pattern=['touch'], decision='allow')\n\
                 prefix_rule(pattern=['mkdir'], decision='prompt')";
    let granular = "{granular={sandbox_approval=false,rules=true,mcp_elicitations=false}}";
    for policy in ["\"never\"", granular] {
        let bench = Bench::silent(Wish { policy, rules, ..Wish::default() });
        for script in ["touch ROOT/outside/x", "mkdir ROOT/outside/y", "ls"] {
            let came = bench.run(&bench.escalated(script));
            assert!(came.why_not().contains("approval policy"), "{policy} {script}: {:?}", came.report);
        }
        assert!(!bench.root.join("outside/x").exists());
        // Unless there is nothing to leave.
        let mode = SandboxMode::DangerFullAccess;
        let open = Bench::silent(Wish { policy, rules, mode, ..Wish::default() });
        assert_eq!(open.run(&open.escalated("touch ROOT/outside/x")).code(), Some(0));
    }
}

fn the_record_comes_before_the_effect() {
    let bench = Bench::new(Wish::default(), yes);
    // The log is read while the command runs: it goes on when it is told what was found.
    let ready = bench.root.join("project/ready");
    let came = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..10_000 {
                if ready.exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let log = std::fs::read_to_string(bench.root.join("home/.codex/audit/audit.jsonl")).unwrap();
            let decided = log.matches("\"event\":\"decided\"").count();
            std::fs::write(bench.root.join("project/found.new"), decided.to_string()).unwrap();
            let found = bench.root.join("project/found");
            std::fs::rename(bench.root.join("project/found.new"), found).unwrap();
        });
        bench.script(
            "touch ready; for i in $(seq 5000); do test -e found && break; sleep 0.01; done; cat found",
        )
    });
    assert_eq!(came.output, "1");
    // Commands can neither see the log nor write it.
    let came = bench
        .script("cat ROOT/home/.codex/audit/audit.jsonl || echo x >> ROOT/home/.codex/audit/audit.jsonl");
    assert_ne!(came.code(), Some(0));
    assert!(!came.output.contains("decided"), "{}", came.output);
    let kinds: Vec<String> =
        bench.records().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["sessionOpened", "decided", "ended", "decided", "ended"]);
    bench.run(&bench.with_variables("rm -rf x", &[("SECRET", "hunter2")]));
    let records = bench.records();
    let kinds: Vec<&str> = records.iter().skip(5).map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["asked", "settled", "decided", "ended"]);
    assert_eq!(records[7]["about"]["environment"], serde_json::json!(["SECRET"]));
    assert!(!format!("{records:?}").contains("hunter2"));
    assert_eq!(records[7]["verdict"]["decision"], "prompt");
}

fn a_log_that_cannot_be_written_stops_everything() {
    let bench = Bench::new(Wish::default(), yes);
    let log = bench.root.join("home/.codex/audit/audit.jsonl");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    for script in ["touch made", "rm -rf project"] {
        let came = bench.script(script);
        assert!(came.report.result.is_err(), "{script}");
    }
    assert!(!bench.root.join("project/made").exists());
}
