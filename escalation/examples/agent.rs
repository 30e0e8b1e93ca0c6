//! A small agent: it plays a few turns against a real session, with scripted answers in the place of a person's.
//!
//! `cargo run -p escalation --example agent`. It works in a folder of its own, with a configuration home of its own,
//! and shows what an agent would be told at each step.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use escalation::approver::{Reply, Scripted};
use escalation::files::{Action, FileChange};
use escalation::{
    Answer, Ask, Call, Captured, ExecReport, ExecRequest, FileChangeRequest, PermissionsAnswer,
    PermissionsRequest, SandboxPermissions, Session, Setup, Subject, TurnId,
};
use policies::{AbsolutePath, Access, AdditionalPermissions, Asked, Entry, GrantScope, SandboxMode};

fn main() -> ExitCode {
    // The inner stages of the sandbox, and the reader of rule files, are this same program.
    if let Some(code) = sandbox::take_over().or_else(policies::rules::take_over) {
        return code;
    }
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("agent-").tempdir_in("/var/tmp")?;
    let root = folder.path().canonicalize()?;
    for name in ["project", "project/build", "shared", "home", "home/.codex"] {
        std::fs::create_dir(root.join(name))?;
    }
    std::fs::write(root.join("project/build/old.o"), "old")?;
    let session = open(&root)?;
    // One thread is enough: runs have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(work(&session, &root))
}

/// A session as the files below `root` say. The person in front of it has made up his mind.
fn open(root: &Path) -> Result<Session, Box<dyn Error>> {
    let approver = Arc::new(Scripted::with(answer));
    let mut variables: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
    variables.push(("HOME".into(), root.join("home").into()));
    let cwd = AbsolutePath::parse(root.join("project"))?;
    let setup = Setup {
        asked: Some(Asked::Mode(SandboxMode::WorkspaceWrite)),
        overrides: vec![
            "approval_policy=\"on-failure\"".to_owned(),
            // The example's folder is in /var/tmp; /tmp stays out of it.
            "sandbox_workspace_write.exclude_slash_tmp=true".to_owned(),
        ],
        ..Setup::new(cwd, variables, approver)
    };
    Ok(setup.open()?)
}

/// What the person says. Here stands what a terminal, or a client over the network, does otherwise.
fn answer(ask: &Ask) -> Reply {
    let (said, answer) = match &ask.subject {
        Subject::Exec(_) => ("yes, once", Answer::Accept),
        Subject::Retry(_) => ("yes, once", Answer::Accept),
        Subject::Permissions(permissions) => {
            let permissions = permissions.permissions.clone();
            let grant = PermissionsAnswer { permissions, scope: GrantScope::Turn, strict_auto_review: false };
            ("yes, for this turn", Answer::Grant(grant))
        }
        Subject::FileChange(_) | Subject::Network(_) | Subject::Subcommand(_) | Subject::StdinWrite(_) => {
            ("no", Answer::Decline)
        }
    };
    println!("   asked     {}", ask.subject.label());
    if let Some(reason) = &ask.reason {
        println!("   because   {}", execpolicy::display::visible(reason));
    }
    println!("   answered  {said}");
    Reply::Answer(answer)
}

async fn work(session: &Session, root: &Path) -> Result<(), Box<dyn Error>> {
    let turn = TurnId("1".to_owned());
    session.begin_turn(&turn);
    let cwd = AbsolutePath::parse(root.join("project"))?;
    let shared = AbsolutePath::parse(root.join("shared"))?;
    let command = |item: &str, script: &str| {
        ExecRequest::new(Call::new(&turn, item), ["bash", "-c", script], cwd.clone())
    };

    println!("1. a harmless command runs in the sandbox, unasked");
    run(session, &command("1", "echo hello > greeting && cat greeting")).await;

    println!("2. a dangerous one is asked about");
    run(session, &command("2", "rm -rf build && ls")).await;

    println!("3. one that the sandbox stops is asked about once more, with what it lacked");
    run(session, &command("3", &format!("echo done > {shared}/result && cat {shared}/result"))).await;

    println!("4. permissions for the turn");
    let wanted = AdditionalPermissions {
        entries: vec![Entry::for_path(shared.clone(), Access::Write)],
        ..AdditionalPermissions::default()
    };
    let request = PermissionsRequest {
        call: Call::new(&turn, "4"),
        cwd: cwd.clone(),
        environment_id: "local".to_owned(),
        permissions: wanted,
        reason: Some("to publish the results".to_owned()),
    };
    println!("   granted   {}", session.request_permissions(&request).await.to_agent_json());
    run(session, &command("5", &format!("echo more >> {shared}/result && cat {shared}/result"))).await;

    println!("5. in the next turn they are gone");
    session.end_turn(&turn);
    let turn = TurnId("2".to_owned());
    session.begin_turn(&turn);
    let script = format!("echo again >> {shared}/result");
    let request = ExecRequest {
        permissions: SandboxPermissions::UseDefault,
        ..ExecRequest::new(Call::new(&turn, "6"), ["bash", "-c", &script], cwd.clone())
    };
    run(session, &request).await;

    println!("6. a patch inside the project needs no question, one outside does");
    for (item, path) in [("7", "notes.txt".to_owned()), ("8", format!("{shared}/notes.txt"))] {
        let change = FileChange {
            path: path.clone().into(),
            action: Action::Write { content: b"a note\n".to_vec(), mode: None },
        };
        let request = FileChangeRequest {
            call: Call::new(&turn, item),
            cwd: cwd.clone(),
            changes: vec![change],
            grant_root: None,
            diff: None,
            reason: None,
        };
        match session.change_files(request).await {
            Ok(applied) => println!("   changed   {} file", applied.changed.len()),
            Err(error) => println!("   told      {error}"),
        }
    }
    session.end_turn(&turn);
    Ok(())
}

async fn run(session: &Session, request: &ExecRequest) {
    println!("   runs      {}", execpolicy::shell::join(&request.argv));
    let mut runner = Captured::new(|attempt, _, bytes| {
        for line in String::from_utf8_lossy(bytes).lines() {
            println!("   output    [{attempt}] {}", execpolicy::display::visible(line));
        }
    });
    let report: ExecReport = session.exec(request, &mut runner).await;
    println!("   status    {:?} after {} attempts", report.status(), report.attempts);
    if let Some(told) = report.message_for_agent() {
        println!("   told      {told}");
    }
}
