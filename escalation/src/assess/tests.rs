//! Real programs with opinions, and the many ways of having none.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::request::Request;
use super::*;
use crate::ask::Draft;
use crate::exec::ProgramFiles;
use crate::fixtures::{self, path};
use crate::ids::{AskId, Call, TurnId};
use crate::subject::{ExecSubject, NetworkSubject, Reach, RetrySubject, RetryWith, Subject};

fn exec() -> ExecSubject {
    let plain = fixtures::exec("/usr/bin/git", &["git", "push", "a b"], "/home/me/project");
    ExecSubject {
        environment: BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]),
        reach: Reach { fingerprint: "hunter2".to_owned(), ..plain.reach },
        repository: Some(path("/home/me/project")),
        ..plain
    }
}

fn ask_about(subject: Subject) -> Ask {
    let mut draft =
        Draft::new(Call::new(&TurnId("turn".to_owned()), "item"), subject, path("/home/me/project"));
    draft.reason = Some("publish it".to_owned());
    draft.into_ask(AskId(7), 0, Duration::from_secs(600))
}

fn ask() -> Ask {
    ask_about(Subject::Exec(Box::new(exec())))
}

fn shell(script: &str) -> CommandAssessor {
    assessor("/bin/sh", &["-c", script])
}

fn assessor(program: &str, arguments: &[&str]) -> CommandAssessor {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    CommandAssessor::new(path(program), arguments, &ProgramFiles::new([])).unwrap()
}

/// A file in a folder of ours, which counts as one that nobody else writes to.
fn program(file: &Path, text: &str) -> CommandAssessor {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    CommandAssessor::new(path(file), Vec::new(), &ProgramFiles::below([])).unwrap()
}

#[tokio::test]
async fn a_program_that_has_changed_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let (file, ran) = (folder.path().join("assess"), folder.path().join("ran"));
    let honest = format!("#!/bin/sh\necho x >> '{}'\necho '{ANSWER}'\n", ran.display());
    let assessor = program(&file, &honest);
    assert!(assessor.assess(&ask()).await.is_ok());
    std::fs::remove_file(&ran).unwrap();
    // The same words, in another file of that name.
    std::fs::rename(&file, folder.path().join("old")).unwrap();
    program(&file, &honest);
    let error = assessor.assess(&ask()).await.unwrap_err();
    assert!(error.to_string().contains("changed after this program started"), "{error}");
    assert!(!ran.exists(), "it was started");
}

#[tokio::test]
async fn it_has_no_terminal_and_a_session_of_its_own() {
    // The fields behind the name: state, parent, group, session, terminal. proc_pid_stat(5)
    let script = format!(
        "set -- $(sed 's/.*) //' /proc/$$/stat); test $3 = $$ && test $4 = $$ && test $5 = 0 && echo '{ANSWER}'"
    );
    assert!(shell(&script).assess(&ask()).await.is_ok());
}

#[test]
fn a_category_is_said_once() {
    let many = format!(
        r#"{{"description":"x","risk_level":"low","risk_categories":[{}"data_deletion"]}}"#,
        r#""compliance","#.repeat(500)
    );
    let categories = Assessment::parse(many.as_bytes()).unwrap().risk_categories;
    assert_eq!(categories, [RiskCategory::DataDeletion, RiskCategory::Compliance]);
}

const ANSWER: &str =
    r#"{"description":"Publishes.","risk_level":"medium","risk_categories":["network_access"]}"#;

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // In a container whose first process reaps nobody, the dead stay as zombies.
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}

/// The process whose number a script has written to this file, once it has.
async fn pid_in(file: &Path) -> String {
    for _ in 0..6_000 {
        match std::fs::read_to_string(file) {
            Ok(pid) if pid.ends_with('\n') => return pid,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("{} was not written", file.display())
}

async fn is_gone(pid: &str) -> bool {
    for _ in 0..6_000 {
        if !is_alive(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// The opinion, if there is one.
async fn given(assessor: Option<&dyn RiskAssessor>, ask: &Ask) -> Option<Assessment> {
    opinion(assessor, ask).await.and_then(Result::ok)
}

#[tokio::test]
async fn a_program_gives_its_opinion() {
    let assessor = shell(&format!("cat > /dev/null; echo '{ANSWER}'"));
    let assessment = given(Some(&assessor), &ask()).await.unwrap();
    assert_eq!(assessment.description, "Publishes.");
    assert_eq!(assessment.risk_level, RiskLevel::Medium);
    assert_eq!(assessment.risk_categories, [RiskCategory::NetworkAccess]);
    assert_eq!(given(None, &ask()).await, None);
}

#[tokio::test]
async fn it_is_told_what_is_asked_and_no_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("question");
    let script = format!("cat > \"$1\"; echo '{ANSWER}'");
    let assessor = assessor("/bin/sh", &["-c", &script, "sh", file.to_str().unwrap()]);
    assert!(given(Some(&assessor), &ask()).await.is_some());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hunter2") && text.ends_with('\n'), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({
        "version": 1, "platform": "linux", "kind": "exec", "reason": "publish it",
        "argv": ["git", "push", "a b"], "command": "git push 'a b'", "program": "/usr/bin/git",
        "cwd": "/home/me/project", "repository": "/home/me/project", "variables": ["TOKEN"],
        "sandbox": {"confined": true, "profile": ":workspace", "writable_roots": ["/home/me/project"],
                    "network": false},
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_documented_example_works() {
    let docs = include_str!("../../../docs/assessor.md");
    let (_, code) = docs.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let assessor = assessor("/usr/bin/env", &["python3", "-c", code]);
    let harmless = given(Some(&assessor), &ask()).await.unwrap();
    assert_eq!(harmless.risk_level, RiskLevel::Low);
    let mut forced = exec();
    forced.argv.push("--force".to_owned());
    let forced = given(Some(&assessor), &ask_about(Subject::Exec(Box::new(forced)))).await.unwrap();
    assert_eq!(
        (forced.risk_level, forced.risk_categories),
        (RiskLevel::High, vec![RiskCategory::DataDeletion])
    );
}

#[test]
fn other_kinds_tell_what_they_are_about() {
    let told = |subject| {
        let ask = ask_about(subject);
        serde_json::to_value(Request::of(&ask)).unwrap()
    };
    let network = told(Subject::Network(NetworkSubject {
        host: "example.com".to_owned(),
        protocol: execpolicy::Protocol::Https,
        port: 443,
        environment_id: "local".to_owned(),
    }));
    assert_eq!(
        network,
        json!({"version": 1, "platform": "linux", "kind": "network", "reason": "publish it",
               "host": "example.com", "protocol": "https", "port": 443})
    );
    let denial = "writing was denied".to_owned();
    let retry = RetrySubject { exec: exec(), denial, with: RetryWith::Unsandboxed };
    let retry = told(Subject::Retry(Box::new(retry)));
    assert_eq!((&retry["kind"], &retry["failure"]), (&json!("retry"), &json!("writing was denied")));
}

#[tokio::test]
async fn its_surroundings_are_small() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen");
    let file_name = file.display();
    let script = format!(
        "f={file_name}; env | sed 's/=.*//' > $f; pwd >> $f; grep SigBlk /proc/self/status >> $f
         echo '{ANSWER}'"
    );
    assert!(given(Some(&shell(&script)), &ask()).await.is_some());
    let seen = std::fs::read_to_string(&file).unwrap();
    for line in seen.lines() {
        let is_usual = ["PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "OLDPWD", "/"].contains(&line);
        assert!(is_usual || line.ends_with("\t0000000000000000"), "{seen}");
    }
    assert!(seen.lines().any(|line| line == "/"), "{seen}");
}

#[tokio::test]
async fn whatever_goes_wrong_there_is_no_opinion() {
    let long = format!("echo '{{\"description\":\"{}\",\"risk_level\":\"low\"}}'", "x".repeat(501));
    let rows: &[(&str, &str)] = &[
        ("cat > /dev/null", "no_output"),
        ("exit 0", "no_output"),
        ("printf ' \\n'", "no_output"),
        ("echo garbage", "parse_error"),
        ("echo '\"low\"'", "parse_error"),
        ("echo '{}'", "parse_error"),
        ("echo '{\"description\":\"\",\"risk_level\":\"low\"}'", "parse_error"),
        ("echo '{\"description\":\"x\",\"risk_level\":\"LOW\"}'", "parse_error"),
        ("echo '{\"description\":\"x\",\"risk_level\":\"low\"} and more'", "parse_error"),
        (
            "echo '{\"description\":\"x\",\"risk_level\":\"low\",\"risk_categories\":[\"magic\"]}'",
            "parse_error",
        ),
        ("printf '{\"description\":\"\\377\",\"risk_level\":\"low\"}'", "parse_error"),
        (&long, "parse_error"),
        ("exec head -c 70000 /dev/zero", "parse_error"),
        ("exec cat /dev/zero", "parse_error"),
        (&format!("echo '{ANSWER}'; exit 3"), "model_error"),
        (&format!("echo '{ANSWER}'; kill -9 $$"), "model_error"),
    ];
    for (script, status_word) in rows {
        let assessor = shell(script);
        let error = assessor.assess(&ask()).await.unwrap_err();
        assert_eq!(error.status(), *status_word, "{script}: {error}");
        assert!(!error.to_string().contains('\n') && !error.help().is_empty());
        let told = opinion(Some(&assessor), &ask()).await.unwrap();
        assert_eq!(status(&told), *status_word, "{script}");
    }
    for program in ["/nonexistent/program", "/tmp/program"] {
        let refused = CommandAssessor::new(path(program), Vec::new(), &ProgramFiles::new([])).unwrap_err();
        assert!(refused.to_string().contains(program) && !refused.help().is_empty(), "{refused}");
    }
    // Executable, but nothing that could be executed.
    let folder = tempfile::tempdir().unwrap();
    let garbage = program(&folder.path().join("garbage"), "\u{7f}ELF");
    let error = garbage.assess(&ask()).await.unwrap_err();
    assert_eq!(error.status(), "model_error", "{error}");
    // The nearest twins that are opinions.
    let most = format!("echo '{{\"description\":\"{}\",\"risk_level\":\"low\"}}'", "x".repeat(500));
    for script in [&most, "echo '{\"description\":\"x\",\"risk_level\":\"low\",\"later\":1}'"] {
        assert!(shell(script).assess(&ask()).await.is_ok(), "{script}");
    }
}

#[tokio::test]
async fn one_that_never_reads_may_still_answer() {
    let mut subject = exec();
    subject.argv.push("x".repeat(1 << 20));
    let ask = ask_about(Subject::Exec(Box::new(subject)));
    for script in [format!("echo '{ANSWER}'"), format!("exec 0<&-; sleep 0.2; echo '{ANSWER}'")] {
        assert!(shell(&script).assess(&ask).await.is_ok(), "{script}");
    }
    let reads = shell(&format!("test $(wc -c) -gt 1000000 && echo '{ANSWER}'"));
    assert!(reads.assess(&ask).await.is_ok());
}

#[tokio::test]
async fn a_slow_one_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; trap '' TERM INT HUP; sleep 300; wait", file.display());
    let began = Instant::now();
    // Enough for the script to write that down.
    let error = shell(&script).with_limit(Duration::from_secs(2)).assess(&ask()).await.unwrap_err();
    assert_eq!(error.status(), "timeout");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(is_gone(&pid_in(&file).await).await);
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_pipe_keeps_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; echo '{ANSWER}'", file.display());
    assert!(shell(&script).assess(&ask()).await.is_ok(), "it was waited for");
    assert!(is_gone(&pid_in(&file).await).await);
}

#[tokio::test]
async fn a_dropped_future_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (leader, child) = (folder.path().join("leader"), folder.path().join("child"));
    let script = format!("sleep 300 & echo $! > {}; echo $$ > {}; wait", child.display(), leader.display());
    let (assessor, ask) = (shell(&script), ask());
    let (leader, child) = tokio::select! {
        answer = assessor.assess(&ask) => panic!("{answer:?}"),
        pids = async { (pid_in(&leader).await, pid_in(&child).await) } => pids,
    };
    assert!(is_gone(&leader).await && is_gone(&child).await);
    // A thread of its own reaps it.
    let process = format!("/proc/{}", leader.trim());
    for _ in 0..6_000 {
        if !Path::new(&process).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`{process}` is still there");
}

#[tokio::test]
async fn only_so_many_run_at_once() {
    let assessor = shell("sleep 300").with_limit(Duration::from_millis(700));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let assessor = assessor.clone();
        tasks.spawn(async move { assessor.assess(&ask()).await.unwrap_err().status() });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [["model_error"; 4].as_slice(), &["timeout"; 8]].concat());
    // Later there is room again.
    assert_eq!(assessor.assess(&ask()).await.unwrap_err().status(), "timeout");
}

/// An assessor of an embedder that keeps no promise.
#[derive(Debug)]
struct Careless(&'static str);

impl RiskAssessor for Careless {
    fn assess<'a>(&'a self, _: &'a Ask) -> BoxFuture<'a, Result<Assessment, AssessError>> {
        Box::pin(async {
            match self.0 {
                "never" => std::future::pending().await,
                description => Ok(Assessment {
                    description: description.repeat(501),
                    risk_level: RiskLevel::Low,
                    risk_categories: Vec::new(),
                }),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_embedders_own_assessor_is_held_to_the_same() {
    let never = opinion(Some(&Careless("never")), &ask()).await.unwrap();
    assert_eq!(status(&never), "timeout");
    assert_eq!(given(Some(&Careless("x")), &ask()).await, None);
    assert_eq!(given(Some(&Careless("")), &ask()).await, None);
}
