//! `codex approvals` beside a session that is running: what it takes back holds no more at the next question.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "runs the binary under test")]

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::SystemTime;

use escalation::memory::{APPROVALS_FOLDER, GrantId, Memory, NewGrant, What};
use escalation::subject::SubjectKind;
use escalation::{Key, SessionId, Terms, TurnId};
use policies::{AbsolutePath, GrantScope};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join(APPROVALS_FOLDER)
    }

    fn session(&self, name: &str) -> Memory {
        Memory::open(&self.folder(), SessionId::parse(name).unwrap())
    }

    fn approvals(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_codex"))
            .arg("approvals")
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .env("CODEX_HOME", self.0.path())
            .output()
            .unwrap()
    }
}

fn key(number: u8) -> Key {
    Key::try_from(format!("{number:064x}")).unwrap()
}

fn turn() -> TurnId {
    TurnId("t".to_owned())
}

fn remember(memory: &mut Memory, number: u8, scope: GrantScope) -> GrantId {
    let (what, label) = (What::Key(SubjectKind::Exec, key(number)), format!("command {number}"));
    let grant = NewGrant { what, label, scope, turn: turn(), terms: Terms::default() };
    memory.remember(grant, SystemTime::now()).unwrap().unwrap()
}

fn holds(memory: &mut Memory, number: u8) -> bool {
    memory.recall(&key(number), &turn(), &AbsolutePath::root(), SystemTime::now()).is_some()
}

fn said(output: &Output, status: i32) -> String {
    let text = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

#[test]
fn it_is_listed_and_taken_back() {
    let home = Home::new();
    let (mut work, mut play) = (home.session("work"), home.session("play"));
    let first = remember(&mut work, 1, GrantScope::Session);
    remember(&mut work, 2, GrantScope::Session);
    let of_turn = remember(&mut work, 3, GrantScope::Turn);
    let other = remember(&mut play, 1, GrantScope::Session);

    let list = said(&home.approvals(&["list"]), 0);
    for shown in [&first.0, &other.0, "command 1", "command 2", "session play", "session work"] {
        assert!(list.contains(shown), "{shown}\n{list}");
    }
    assert!(!list.contains(&of_turn.0) && !list.contains("command 3"), "{list}");
    said(&home.approvals(&["revoke", &of_turn.0]), 2);

    said(&home.approvals(&["revoke", &first.0, "--session", "play"]), 2);
    assert!(holds(&mut work, 1), "a wrong session changes nothing");
    said(&home.approvals(&["revoke", &first.0]), 0);
    assert!(!holds(&mut work, 1) && holds(&mut work, 2) && holds(&mut work, 3));
    said(&home.approvals(&["revoke", "--session", "work"]), 0);
    assert!(!holds(&mut work, 2) && holds(&mut play, 1));
    said(&home.approvals(&["revoke", "--all"]), 0);
    assert!(!holds(&mut play, 1));
    assert!(work.take_warnings().is_empty() && play.take_warnings().is_empty());
}

#[test]
fn what_cannot_be_taken_back_is_told() {
    let home = Home::new();
    let mut work = home.session("work");
    let id = remember(&mut work, 1, GrantScope::Session);
    let held = File::options().write(true).open(home.folder().join("lock")).unwrap();
    held.lock().unwrap();
    let text = said(&home.approvals(&["revoke", &id.0]), 125);
    assert!(text.contains("is locked by another program"), "{text}");
    drop(held);
    assert!(holds(&mut work, 1));

    std::fs::set_permissions(home.folder(), Permissions::from_mode(0o777)).unwrap();
    let text = said(&home.approvals(&["revoke", &id.0]), 1);
    assert!(text.contains("others may write to it") && text.contains("chmod"), "{text}");
    let text = said(&home.approvals(&["list"]), 1);
    assert!(text.contains("others may write to it"), "{text}");
    assert!(!holds(&mut work, 1), "and what others may write grants nothing");
}
