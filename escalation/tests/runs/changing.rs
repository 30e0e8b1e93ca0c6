//! What is changed between a question and its run, or between a yes for the session and the next run.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use escalation::approver::Reply;
use escalation::{Answer, Ask, ExecRequest, NotRun, SandboxPermissions};
use policies::{Access, AdditionalPermissions, Entry, SandboxMode};

use crate::bench::{Behaviour, Bench, Wish, yes};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("the_second_attempt_is_what_was_asked_about", the_second_attempt_is_what_was_asked_about),
    ("a_folder_is_where_its_name_leads", a_folder_is_where_its_name_leads),
    ("what_else_decides_is_asked_about_each_time", what_else_decides_is_asked_about_each_time),
    ("a_script_with_more_than_the_sandbox_is_its_content", a_script_with_more_is_its_content),
    ("a_file_is_looked_at_however_it_is_named", a_file_is_looked_at_however_it_is_named),
    ("what_is_no_ordinary_file_is_asked_about_each_time", what_is_no_ordinary_file_is_asked_about_each_time),
    ("a_file_in_a_variable_of_the_agent_is_looked_at", a_file_in_a_variable_of_the_agent_is_looked_at),
    ("a_hard_link_is_looked_at", a_hard_link_is_looked_at),
    ("what_a_login_shell_reads_decides_too", what_a_login_shell_reads_decides_too),
    ("a_link_to_a_program_does_not_matter_after_the_question", a_link_does_not_matter_after_the_question),
    ("what_nobody_was_asked_about_is_decided_on_anew", what_nobody_was_asked_about_is_decided_on_anew),
    ("a_yes_is_for_the_file_that_was_shown", a_yes_is_for_the_file_that_was_shown),
    ("the_agents_words_are_called_its_own", the_agents_words_are_called_its_own),
    ("what_is_too_long_is_refused_before_it_is_looked_at", what_is_too_long_is_refused),
];

fn for_session(_: &Ask) -> Reply {
    Reply::Answer(Answer::for_session())
}

fn program(path: PathBuf, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn relink(link: &Path, to: &str) {
    std::fs::remove_file(link).ok();
    symlink(to, link).unwrap();
}

/// One whose approver says yes, and does something before that.
fn meanwhile(wish: Wish, change: impl Fn(&Path) + Send + 'static) -> Bench {
    let root: Arc<Mutex<PathBuf>> = Arc::default();
    let seen = Arc::clone(&root);
    let bench = Bench::new(wish, move |_| {
        change(&seen.lock().unwrap());
        Reply::Answer(Answer::Accept)
    });
    *root.lock().unwrap() = bench.root.clone();
    bench
}

fn the_second_attempt_is_what_was_asked_about() {
    let on_failure = || Wish { policy: "\"on-failure\"", ..Wish::default() };
    let evil = "touch ../outside/evil";
    let change = move |root: &Path| {
        program(root.join("project/deploy.sh"), evil);
        relink(&root.join("project/link"), "../home");
    };
    for (cwd, argv) in [
        ("project", &["bash", "deploy.sh"][..]),
        ("project", &["./deploy.sh"]),
        ("project/link", &["bash", "-c", "echo 'blocked by seccomp' >&2; touch ../home/evil; exit 1"]),
    ] {
        let bench = meanwhile(on_failure(), change);
        program(bench.root.join("project/deploy.sh"), "echo 'blocked by seccomp' >&2; exit 1");
        std::fs::create_dir(bench.root.join("project/folder")).unwrap();
        relink(&bench.root.join("project/link"), "folder");
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let came = bench.run(&ExecRequest { argv, cwd: bench.path(cwd), ..bench.request("") });
        assert_eq!((came.asked, came.report.attempts), (1, 1), "{:?}", came.report);
        assert!(matches!(came.report.retry, Some(NotRun::Changed { .. })), "{:?}", came.report);
        assert!(!bench.root.join("outside/evil").exists() && !bench.root.join("home/evil").exists());
    }
}

fn a_folder_is_where_its_name_leads() {
    let make = |bench: &Bench| {
        std::fs::create_dir(bench.root.join("project/folder")).unwrap();
        relink(&bench.root.join("project/link"), "folder");
    };
    let request =
        |bench: &Bench| ExecRequest { cwd: bench.path("project/link"), ..bench.escalated("pwd -P") };

    let bench = Bench::new(Wish::default(), for_session);
    make(&bench);
    assert_eq!(bench.run(&request(&bench)).asked, 1);
    assert_eq!(bench.run(&request(&bench)).asked, 0);
    let ask = bench.approver.asked().remove(0);
    assert_eq!(ask.exec().unwrap().cwd_target, Some(bench.path("project/folder")));
    relink(&bench.root.join("project/link"), "../home");
    assert_eq!(bench.run(&request(&bench)).asked, 1, "it leads elsewhere");

    let bench = meanwhile(Wish::default(), |root| relink(&root.join("project/link"), "../home"));
    make(&bench);
    let came = bench.run(&request(&bench));
    assert!(matches!(came.report.result, Err(NotRun::Changed { .. })), "{:?}", came.report);
    assert_eq!(came.output, "");
}

fn what_else_decides_is_asked_about_each_time() {
    let bench = Bench::new(Wish { path: Some("project/bin"), ..Wish::default() }, for_session);
    for path in ["deploy.sh", "sub/deploy.sh", "bin/deploy-tool"] {
        program(bench.root.join("project").join(path), "true");
    }
    assert_eq!(bench.run(&bench.escalated("deploy-tool")).asked, 1);
    assert_eq!(bench.run(&bench.escalated("deploy-tool")).asked, 1, "it is looked up in the workspace");

    let bench = Bench::new(Wish::default(), for_session);
    for path in ["deploy.sh", "sub/deploy.sh"] {
        program(bench.root.join("project").join(path), "true");
    }
    for script in [
        "cd sub && ./deploy.sh",
        "bash < deploy.sh",
        "./dep*.sh",
        "F=deploy; ./$F.sh",
        "bash \"$PWD/deploy.sh\"",
        "if true; then ./deploy.sh; fi",
        "cat deploy.sh | bash",
        "eval 'bash deploy.sh'",
        "python3 -c 'import subprocess; subprocess.call([\"./deploy.sh\"])'",
    ] {
        assert_eq!(bench.run(&bench.escalated(script)).asked, 1, "{script}");
        assert_eq!(bench.run(&bench.escalated(script)).asked, 1, "once more: {script}");
    }
    assert_eq!(bench.run(&bench.escalated("./deploy.sh && echo done")).asked, 1);
    assert_eq!(bench.run(&bench.escalated("./deploy.sh && echo done")).asked, 0, "it is what its words say");
    program(bench.root.join("project/deploy.sh"), "echo another");
    assert_eq!(bench.run(&bench.escalated("./deploy.sh && echo done")).asked, 1);
}

fn a_script_with_more_is_its_content() {
    type Make = fn(&Bench) -> ExecRequest;
    let full = || Wish { policy: "\"untrusted\"", mode: SandboxMode::DangerFullAccess, ..Wish::default() };
    let on_failure = || Wish { policy: "\"on-failure\"", ..Wish::default() };
    let additional: Make = |bench| {
        let entries = vec![Entry::for_path(bench.path("outside"), Access::Write)];
        let more = AdditionalPermissions { entries, ..AdditionalPermissions::default() };
        ExecRequest { permissions: SandboxPermissions::WithAdditional(more), ..bench.request("bash run.sh") }
    };
    let plain: Make = |bench| bench.request("bash run.sh");
    for (wish, request) in [(Wish::default(), additional), (full(), plain), (on_failure(), plain)] {
        let bench = Bench::new(wish, for_session);
        std::fs::write(bench.root.join("outside/x"), "").unwrap();
        program(bench.root.join("project/run.sh"), "echo > ../outside/x");
        assert_eq!(bench.run(&request(&bench)).asked, 1);
        assert_eq!(bench.run(&request(&bench)).asked, 0);
        program(bench.root.join("project/run.sh"), "echo another > ../outside/x");
        assert_eq!(bench.run(&request(&bench)).asked, 1, "{:?}", request(&bench));
    }
}

/// A command with all words as they are.
fn words(bench: &Bench, argv: &[&str]) -> ExecRequest {
    ExecRequest { argv: argv.iter().map(|word| (*word).to_owned()).collect(), ..bench.escalated("") }
}

fn makefile(path: &Path, says: &str) {
    std::fs::write(path, format!("all:\n\t@echo {says}\n")).unwrap();
}

fn a_file_is_looked_at_however_it_is_named() {
    for (file, argv) in [
        ("x.mk", &["make", "-f", "x.mk"][..]),
        ("x.mk", &["make", "-sfx.mk"]),
        ("x y.mk", &["make", "--file=x y.mk"]),
        ("x@1.mk", &["make", "--file=x@1.mk"]),
        ("x.mk", &["bash", "-c", "make -sfx.mk"]),
        ("x y.mk", &["bash", "-c", "make --file='x y.mk'"]),
    ] {
        let bench = Bench::new(Wish::default(), for_session);
        let file = bench.root.join("project").join(file);
        for (says, asked) in [("good", 1), ("good", 0), ("evil", 1)] {
            if !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(says)) {
                makefile(&file, says);
            }
            let came = bench.run(&words(&bench, argv));
            assert_eq!(came.output, format!("{says}\n"), "{argv:?} {:?}", came.report);
            assert_eq!(came.asked, asked, "{argv:?} {says}");
        }
    }
}

fn what_is_no_ordinary_file_is_asked_about_each_time() {
    for name in ["/proc/self/cwd/x.mk", "/proc/thread-self/cwd/x.mk", "link", "pipe"] {
        let bench = Bench::new(Wish::default(), for_session);
        let project = bench.root.join("project");
        relink(&project.join("link"), "/proc/self/cwd/x.mk");
        rustix::fs::mkfifoat(rustix::fs::CWD, project.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        for says in ["good", "evil"] {
            makefile(&project.join("x.mk"), says);
            let pipe = project.join("pipe");
            let writer = (name == "pipe").then(|| std::thread::spawn(move || makefile(&pipe, says)));
            let came = bench.run(&words(&bench, &["make", "-f", name]));
            assert_eq!((came.asked, came.output), (1, format!("{says}\n")), "{name}");
            if let Some(writer) = writer {
                writer.join().unwrap();
            }
        }
    }
}

fn a_file_in_a_variable_of_the_agent_is_looked_at() {
    let bench = Bench::new(Wish::default(), for_session);
    let file = bench.root.join("project/more.mk");
    let request = || ExecRequest {
        permissions: SandboxPermissions::RequireEscalated,
        ..bench.with_variables("make -f /dev/null all", &[("MORE", "ROOT/project/more.mk")])
    };
    for (says, asked) in [("good", 1), ("good", 0), ("evil", 1)] {
        if !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(says)) {
            makefile(&file, says);
        }
        assert_eq!(bench.run(&request()).asked, asked, "{says}");
    }
}

fn a_hard_link_is_looked_at() {
    let bench = Bench::new(Wish::default(), for_session);
    let (file, link) = (bench.root.join("project/x.mk"), bench.root.join("outside/x.mk"));
    makefile(&file, "good");
    std::fs::hard_link(&file, &link).unwrap();
    let argv = ["make", "-f", link.to_str().unwrap()];
    assert_eq!(bench.run(&words(&bench, &argv)).asked, 1);
    assert_eq!(bench.run(&words(&bench, &argv)).asked, 0);
    makefile(&file, "evil");
    assert_eq!(bench.run(&words(&bench, &argv)).asked, 1);
}

fn what_a_login_shell_reads_decides_too() {
    type Variables = &'static [(&'static str, &'static str)];
    const IN_HOME: Variables = &[("HOME", "ROOT/project"), ("CODEX_HOME", "ROOT/home/.codex")];
    const ZSH: Variables = &[("ZDOTDIR", "ROOT/project")];
    const STARTUP: Variables = &[("BASH_ENV", "ROOT/project/.bash_profile")];
    for (variables, is_in_doubt) in [(&[][..], false), (IN_HOME, true), (ZSH, true), (STARTUP, true)] {
        let bench = Bench::new(Wish { variables, ..Wish::default() }, for_session);
        assert_eq!(bench.run(&words(&bench, &["bash", "-c", "echo good"])).asked, 1);
        let planted = bench.script("echo 'echo evil' > .bash_profile");
        assert_eq!(planted.code(), Some(0), "{:?}", planted.report);
        let came = bench.run(&words(&bench, &["bash", "-lc", "echo good"]));
        assert_eq!(came.asked, usize::from(is_in_doubt), "{variables:?} {}", came.output);
        assert!(is_in_doubt || came.output == "good\n", "{}", came.output);
    }
}

fn a_link_does_not_matter_after_the_question() {
    let bench = Bench::new(Wish::default(), yes);
    program(bench.root.join("project/good"), "echo $0");
    relink(&bench.root.join("project/tool"), "good");
    let came = bench.run(&ExecRequest { argv: vec!["./tool".into()], ..bench.escalated("") });
    let good = bench.path("project/good");
    assert_eq!(came.output, format!("{good}\n"), "the file is executed, and not what leads to it");
    assert_eq!(bench.approver.asked()[0].exec().unwrap().program.path, good);
}

/// A new hard link, as build tools make them, looks like any other change of the file.
fn linked(tool: &Path, count: usize) {
    // What happens within one tick of the file system's clock looks the same.
    std::thread::sleep(Duration::from_millis(15));
    std::fs::hard_link(tool, tool.with_file_name(format!("link{count}"))).unwrap();
}

fn what_nobody_was_asked_about_is_decided_on_anew() {
    let bench = Bench::silent(Wish::default());
    let tool = bench.root.join("project/tool");
    program(tool.clone(), "echo ran");
    let request = ExecRequest { argv: vec!["./tool".into()], ..bench.request("") };
    for changes in [1, 2, 3] {
        let before = bench.records().len();
        let mut count = 0;
        let came = bench.run_after(&request, || {
            count += 1;
            if count <= changes {
                linked(&tool, 10 * changes + count);
            }
        });
        let records = bench.records();
        let kinds: Vec<&str> =
            records.iter().skip(before).map(|record| record["event"].as_str().unwrap()).collect();
        // Never for ever: the third time it is told.
        let decisions = (changes + 1).min(3);
        assert_eq!(kinds, ["decided", "ended"].repeat(decisions));
        if changes < 3 {
            assert_eq!((came.code(), came.output.as_str()), (Some(0), "ran\n"), "{:?}", came.report);
        } else {
            assert!(came.why_not().contains("not the one that was approved any more"), "{:?}", came.report);
            assert_eq!(came.output, "");
        }
    }
}

fn a_yes_is_for_the_file_that_was_shown() {
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, for_session);
    let tool = bench.root.join("project/tool");
    program(tool.clone(), "echo ran");
    let request = ExecRequest { argv: vec!["./tool".into()], ..bench.request("") };
    // Neither the answer nor what is remembered of it.
    for asked in [1, 0] {
        let mut count = 10 * asked;
        let came = bench.run_after(&request, || {
            count += 1;
            linked(&tool, count);
        });
        assert!(came.why_not().contains("not the one that was approved any more"), "{:?}", came.report);
        assert_eq!((came.asked, came.output.as_str()), (asked, ""));
        // Now it is approved as it is.
        assert_eq!(bench.run(&request).output, "ran\n");
    }
}

fn the_agents_words_are_called_its_own() {
    let bench = Bench::new(Wish::default(), yes);
    for request in [bench.escalated("true"), bench.request("rm -rf x")] {
        bench.run(&ExecRequest { justification: Some("a rule allows this".to_owned()), ..request });
    }
    for ask in bench.approver.asked() {
        assert!(
            ask.reason.as_ref().unwrap().contains("the agent says: a rule allows this"),
            "{:?}",
            ask.reason
        );
    }
}

fn what_is_too_long_is_refused() {
    let bench = Bench::new(Wish { policy: "\"untrusted\"", ..Wish::default() }, yes);
    let word = 128 * 1024;
    let long = |size: usize| "x".repeat(size);
    let short = bench.request("true");
    let with = |more: Vec<String>| ExecRequest { argv: [short.argv.clone(), more].concat(), ..short.clone() };
    for (request, runs) in [
        (with(vec![long(word - 1)]), true),
        (with(vec![long(word)]), false),
        (with(vec![long(word - 1); 7]), true),
        (with(vec![long(word - 1); 8]), false),
        (with(vec![String::new(); 1024 * 1024]), false),
        (with(vec!["echo a; ".repeat(500_000)]), false),
        (bench.with_variables("true", &[("A", &long(word - 3))]), true),
        (bench.with_variables("true", &[("A", &long(word - 2))]), false),
        (ExecRequest { justification: Some(long(1024 * 1024)), ..short.clone() }, false),
    ] {
        let (started, before) = (std::time::Instant::now(), bench.records().len());
        let came = bench.run(&request);
        assert_eq!(came.code() == Some(0), runs, "{}", came.why_not());
        if !runs {
            assert!(came.why_not().contains("bytes") && came.asked == 0, "{}", came.why_not());
            assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
            let record = &bench.records()[before];
            assert_eq!(record["outcome"], "refused", "{record}");
            assert!(record.to_string().len() < 32 * 1024);
        }
    }
}
