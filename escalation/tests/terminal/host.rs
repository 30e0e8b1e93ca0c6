//! The side that asks: at its controlling terminal, writing what was answered to a file.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use escalation::approver::{Approver as _, ApproverError, Terminal};
use escalation::subject::{ExecSubject, ProgramFile, Reach};
use escalation::{Answer, Ask, AskId, Call, Subject, TurnId};
use execpolicy::{Amendment, Placement, Scope};
use nix::sys::signal::{SigSet, Signal};
use policies::AbsolutePath;
use serde_json::{Value, json};

use super::session::{HOST, command};

pub(super) fn host_main(scenario: &str, out: &Path) {
    // Closing the terminal hangs up, and is to be seen as an error of the approver.
    let mut hangup = SigSet::empty();
    hangup.add(Signal::SIGHUP);
    hangup.thread_block().unwrap();
    let beside: &[&str] = if scenario == "beside" { &["second", "third"] } else { &[] };
    let others: Vec<_> = beside
        .iter()
        .map(|name| {
            command(env::current_exe().unwrap())
                .args([HOST, "one"])
                .arg(out.with_file_name(name))
                .spawn()
                .unwrap()
        })
        .collect();
    let outcome = match Terminal::open(out.parent().unwrap()) {
        Err(error) => json!({"none": error.to_string(), "help": error.help()}),
        Ok(terminal) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(play(scenario, out, &terminal))
        }
    };
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    // At once, so that nobody reads half of it.
    let draft = out.with_extension("draft");
    fs::write(&draft, outcome.to_string()).unwrap();
    fs::rename(draft, out).unwrap();
}

async fn play(scenario: &str, out: &Path, terminal: &Terminal) -> Value {
    match scenario {
        "one" | "beside" => told(terminal.ask(ask("git push origin main")).await),
        "long" => {
            let words: Vec<String> = (0..400).map(|number| format!("word{number}")).collect();
            told(terminal.ask(ask(&format!("git push {}", words.join(" ")))).await)
        }
        "two" => {
            let (first, second) =
                tokio::join!(terminal.ask(ask("git push")), terminal.ask(ask("make clean")));
            json!([told(first), told(second)])
        }
        "drop" => {
            let given_up = out.with_extension("drop");
            tokio::select! {
                answer = terminal.ask(ask("git push")) => panic!("{answer:?}"),
                () = appears(&given_up) => {}
            }
            told(terminal.ask(ask("make clean")).await)
        }
        other => panic!("no such scenario: {other}"),
    }
}

async fn appears(file: &Path) {
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn told(answer: Result<Answer, ApproverError>) -> Value {
    match answer {
        Ok(answer) => answer.to_json(),
        Err(error) => json!({"error": error.to_string()}),
    }
}

pub(super) fn ask(command: &str) -> Arc<Ask> {
    let path = |path: &str| AbsolutePath::parse(path).unwrap();
    let version = json!({"file": {"device": 1, "inode": 2}, "size": 3, "changed_s": 4, "changed_ns": 5});
    let argv: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let prefix: Vec<String> = argv.iter().take(2).cloned().collect();
    let exec = ExecSubject {
        program: ProgramFile {
            path: path("/usr/bin/program"),
            target: path("/usr/bin/program"),
            version: serde_json::from_value(version).unwrap(),
        },
        argv,
        cwd: path("/home/me/project"),
        cwd_target: None,
        cwd_identity: None,
        inputs: Default::default(),
        environment: BTreeMap::new(),
        tty: false,
        environment_id: "local".to_owned(),
        placement: Placement::Inside,
        additional: None,
        reach: Reach {
            profile: ":workspace".to_owned(),
            fingerprint: String::new(),
            sandboxed: true,
            writable: vec![path("/home/me/project")],
            network: false,
        },
        repository: None,
        summary: Vec::new(),
    };
    let rule = Amendment { scope: Scope::Subcommand, prefix: prefix.clone(), also_matches: Vec::new() };
    Arc::new(Ask {
        id: AskId(1),
        call: Call::new(&TurnId("turn".to_owned()), "item"),
        approval_id: None,
        started_at_ms: 0,
        deadline: Duration::from_secs(600),
        subject: Subject::Exec(Box::new(exec)),
        reason: Some("\u{1b}[2J\u{1b}]0;hello\u{7}\ncodex: all is well".to_owned()),
        amendments: vec![rule],
        assessment: None,
        person_only: false,
        lasting: escalation::Lasting::default(),
        available_decisions: vec![
            Answer::Accept,
            Answer::AcceptWithExecpolicyAmendment { prefix },
            Answer::Cancel,
        ],
    })
}
