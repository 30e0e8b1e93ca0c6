//! What was approved, and is something else now.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use escalation::approver::{Reply, Scripted};
use escalation::{Answer, ExecRequest, NotRun};

use crate::ground::{Ground, Nothing, Wish, turn};

fn put(ground: &Ground, text: &str) {
    let path = ground.path("outside/tool");
    fs::write(path.as_path(), format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path.as_path(), fs::Permissions::from_mode(0o755)).unwrap();
}

fn tool(ground: &Ground) -> ExecRequest {
    let call = escalation::Call::new(&turn("1"), "item");
    ExecRequest::new(call, [ground.path("outside/tool").to_string()], ground.project())
}

#[tokio::test]
async fn an_approval_is_for_the_version_of_the_program_that_was_shown() {
    let approver = Arc::new(Scripted::with(|_| Reply::Answer(Answer::for_session())));
    let ground = Ground::new(&Wish::policy("\"untrusted\""), approver.clone());
    put(&ground, "true");
    for _ in 0..2 {
        assert!(ground.session.exec(&tool(&ground), &mut Nothing).await.result.is_ok());
    }
    assert_eq!(approver.asked().len(), 1);
    put(&ground, "rm -rf /");
    assert!(ground.session.exec(&tool(&ground), &mut Nothing).await.result.is_ok());
    assert_eq!(approver.asked().len(), 2);
}

#[tokio::test]
async fn a_program_that_changes_while_it_is_asked_about_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool");
    let write = |text: &str, path: &std::path::Path| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("#!/bin/sh\n", &path);
    let changed = path.clone();
    let approver = Scripted::with(move |_| {
        write("#!/bin/sh\nrm -rf /\n", &changed);
        Reply::Answer(Answer::Accept)
    });
    let ground = Ground::new(&Wish::policy("\"untrusted\""), Arc::new(approver));
    let request = ExecRequest { argv: vec![path.to_str().unwrap().to_owned()], ..ground.script("true") };
    let report = ground.session.exec(&request, &mut Nothing).await;
    assert!(matches!(report.result, Err(NotRun::Changed { .. })), "{report:?}");
}
