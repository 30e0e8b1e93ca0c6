//! Events of every kind, about everything.

use escalation::assess::{RiskCategory, RiskLevel};
use escalation::audit::{
    About, DecidedAs, Event, PlacementWord, RecordedAssessment, RecordedFinding, RecordedVerdict,
};
use escalation::subject::FileAction;
use escalation::{AskId, Call, Key, TurnId};
use execpolicy::Decision;
use policies::{AbsolutePath, AdditionalPermissions};

pub(crate) fn revoked(number: u64) -> Event {
    Event::Revoked { grant: format!("g{number}"), what: "`git push` for the session".to_owned() }
}

fn path(path: &str) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn call() -> Call {
    Call::new(&TurnId("turn-1".to_owned()), "item-1")
}

pub(crate) fn exec(argv: &[&str]) -> About {
    About::Exec {
        program: path("/usr/bin/git"),
        argv: words(argv),
        cwd: path("/home/me/ä project"),
        environment: words(&["GIT_DIR"]),
        placement: PlacementWord::Inside,
        profile: ":workspace".to_owned(),
        profile_digest: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        additional: Some(
            AdditionalPermissions::parse(r#"{"network":{"enabled":true},"file_system":{"write":["/a"]}}"#)
                .or_else(|_| {
                    AdditionalPermissions::parse(
                        r#"{"network":{"enabled":true},"fileSystem":{"write":["/a"]}}"#,
                    )
                })
                .unwrap(),
        ),
        retry: false,
    }
}

pub(crate) fn decided(about: About) -> Event {
    Event::Decided {
        call: call(),
        about,
        outcome: DecidedAs::Allowed,
        by: "approver terminal".to_owned(),
        ask: Some(AskId(3)),
        verdict: Some(RecordedVerdict {
            decision: Decision::PromptUser,
            findings: vec![RecordedFinding {
                command: words(&["git", "push"]),
                decision: Decision::Prompt,
                source: Some("/home/me/.codex/rules/default.rules:3".to_owned()),
                why: "`git push` publishes".to_owned(),
            }],
        }),
        reason: Some("the model says so".to_owned()),
    }
}

/// One of each kind, and one decision about each thing.
pub(crate) fn all() -> Vec<Event> {
    let key = serde_json::from_value::<Key>("ab".repeat(32).into()).unwrap();
    let mut events = vec![
        Event::SessionOpened {
            version: "0.1.0".to_owned(),
            approval_policy: "on-request".to_owned(),
            profile: ":workspace".to_owned(),
            approver: "terminal".to_owned(),
            cwd: path("/home/me"),
        },
        Event::Asked {
            ask: AskId(0),
            call: call(),
            key,
            about: exec(&["git", "push"]),
            reason: None,
            assessment: Some(RecordedAssessment {
                status: "success".to_owned(),
                level: Some(RiskLevel::High),
                categories: vec![RiskCategory::DataExfiltration],
                description: Some("It publishes.".to_owned()),
                error: Some("x".to_owned()),
            }),
            approver: "terminal".to_owned(),
        },
        Event::Settled {
            ask: AskId(0),
            outcome: "acceptForSession".to_owned(),
            by: "terminal".to_owned(),
            waiting: 2,
            error: Some("x".to_owned()),
        },
        Event::Ended {
            call: call(),
            status: Some(-1),
            denial: Some("write `/etc/x`".to_owned()),
            error: None,
        },
        Event::Amended {
            ask: AskId(0),
            rule: "prefix_rule(pattern=[\"git\", \"push\"], decision=\"allow\")".to_owned(),
            file: "/home/me/.codex/rules/default.rules".to_owned(),
            error: None,
        },
        Event::Remembered {
            grant: "g1".to_owned(),
            ask: AskId(0),
            what: "`git push`".to_owned(),
            scope: "session".to_owned(),
        },
        revoked(1),
    ];
    let about = [
        exec(&["git", "push"]),
        About::Subcommand {
            program: path("/usr/bin/ssh"),
            argv: words(&["ssh", "h"]),
            cwd: path("/"),
            placement: PlacementWord::Outside,
        },
        About::StdinWrite { process: "p1".to_owned(), bytes: 7 },
        About::FileChange {
            paths: vec![path("/a"), path("/b"), path("/c")],
            actions: vec![FileAction::Write, FileAction::WriteExecutable, FileAction::Delete],
            grant_root: Some(path("/")),
            digest: "00".to_owned(),
        },
        About::Permissions { permissions: AdditionalPermissions::default() },
        About::Network { host: "example.org".to_owned(), protocol: "https".to_owned(), port: 443 },
        About::Unresolved { argv: words(&["no-such-program", "\u{202e}\n\u{1b}"]), cwd: path("/tmp") },
    ];
    events.extend(about.map(decided));
    events
}
