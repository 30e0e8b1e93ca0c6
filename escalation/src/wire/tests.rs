//! The exact JSON of each kind of question.

use std::collections::BTreeMap;
use std::time::Duration;

use execpolicy::{Amendment, Placement, Protocol, Scope, Summary};
use serde_json::from_value;
use uuid::Uuid;

use super::*;
use crate::ask::Draft;
use crate::fixtures::{self, path, words};
use crate::ids::{AskId, Call, TurnId};
use crate::subject::{FileAction, ProgramFile, Reach, RetrySubject, RetryWith};

/// What is said of a command like [`exec`].
const OUTSIDE: &str = "it would run without a sandbox; the agent sets variables: SECRET";

fn permissions(json: Value) -> AdditionalPermissions {
    from_value(json).unwrap()
}

fn exec() -> ExecSubject {
    let plain = fixtures::exec("/bin/bash", &["/bin/bash", "-c", "touch x"], "/ws");
    ExecSubject {
        program: ProgramFile { target: path("/usr/bin/bash"), ..plain.program },
        environment: BTreeMap::from([("SECRET".to_owned(), "s3cret".to_owned())]),
        placement: Placement::Outside,
        reach: Reach { fingerprint: "f".to_owned(), sandboxed: false, ..plain.reach },
        summary: vec![Summary::Unknown { cmd: "touch x".to_owned() }],
        ..plain
    }
}

fn ask(subject: Subject) -> Ask {
    let call = Call::new(&TurnId("turn".to_owned()), "item");
    Draft::new(call, subject, path("/ws")).into_ask(AskId(3), 1_700_000_000_000, Duration::from_secs(9))
}

fn id() -> Uuid {
    Uuid::parse_str("67e55044-10b1-426f-9247-bb680e5fe0c8").unwrap()
}

/// What each request has, with these on top.
fn expected(more: Value) -> Value {
    let mut params = object(json!({
        "threadId": "thread", "turnId": "turn", "itemId": "item", "startedAtMs": 1_700_000_000_000_u64,
    }));
    params.extend(object(more));
    Value::Object(params)
}

#[track_caller]
fn check(ask: &Ask, method: &str, more: Value) {
    let (found, params) = request_approval(ask, "thread");
    assert_eq!(found, method);
    assert_eq!(params, expected(more));
    assert_eq!(request_approval(ask, "thread").1, params, "the same, however often it is sent");
}

#[test]
fn a_command() {
    check(
        &ask(Subject::Exec(Box::new(exec()))),
        "item/commandExecution/requestApproval",
        json!({
            "kind": "command",
            "environmentId": "local",
            "command": "/bin/bash -c 'touch x'",
            "cwd": "/ws",
            "commandActions": [{ "type": "unknown", "command": "touch x" }],
            "reason": OUTSIDE,
            "availableDecisions": ["accept", "cancel"],
        }),
    );
}

/// A yes to a word is none to what it would run with, and no field says that.
#[test]
fn where_a_command_runs_and_which_variables_the_agent_sets() {
    let reason = |exec: ExecSubject, reason: Option<&str>| {
        let asked = ask(Subject::Exec(Box::new(exec)));
        let asked = Ask { reason: reason.map(str::to_owned), ..asked };
        let (_, params) = request_approval(&asked, "thread");
        assert!(!params.to_string().contains("s3cret"), "{params}");
        params.get("reason").map(|reason| reason.as_str().unwrap().to_owned())
    };
    let inside = fixtures::exec("/bin/ls", &["ls"], "/ws");
    assert_eq!(reason(inside.clone(), None), None);
    assert_eq!(reason(inside.clone(), Some("why")).unwrap(), "why");
    let environment = BTreeMap::from([
        ("GIT_SSH_COMMAND".to_owned(), "s3cret".to_owned()),
        ("A\u{202e}".to_owned(), "s3cret".to_owned()),
    ]);
    let with_variables = ExecSubject { environment, ..inside.clone() };
    assert_eq!(
        reason(with_variables, Some("why\r\u{1b}[2Khidden")).unwrap(),
        "the agent sets variables: A\\u{202e}, GIT_SSH_COMMAND: why\\r\\u{1b}[2Khidden"
    );
    let outside = ExecSubject { placement: Placement::Outside, ..inside.clone() };
    assert!(reason(outside, None).unwrap().starts_with("it would run outside the sandbox, but"));
    let additional = Some(permissions(json!({ "fileSystem": { "write": ["/w"] } })));
    let wider = ExecSubject { additional, ..inside };
    assert_eq!(reason(wider, Some("why")).unwrap(), "it would get: write /w: why");
}

#[test]
fn what_a_command_does() {
    let (cmd, name) = ("cat a".to_owned(), "a".to_owned());
    let summary = vec![
        Summary::Read { cmd, name, path: "a".to_owned() },
        Summary::ListFiles { cmd: "ls".to_owned(), path: None },
        Summary::Search { cmd: "rg x".to_owned(), query: Some("x".to_owned()), path: None },
    ];
    let asked = ask(Subject::Exec(Box::new(ExecSubject { summary, ..exec() })));
    let (_, params) = request_approval(&asked, "thread");
    assert_eq!(
        params["commandActions"],
        json!([
            { "type": "read", "command": "cat a", "name": "a", "path": "/ws/a" },
            { "type": "listFiles", "command": "ls", "path": null },
            { "type": "search", "command": "rg x", "query": "x", "path": null },
        ])
    );
}

#[test]
fn a_command_with_a_rule_to_offer_and_a_reason() {
    let amendment = |prefix: &[&str]| Amendment {
        scope: Scope::Command,
        prefix: words(prefix),
        also_matches: Vec::new(),
    };
    let offered = Ask {
        reason: Some("because".to_owned()),
        amendments: vec![amendment(&["touch", "x"]), amendment(&["touch"])],
        ..ask(Subject::Exec(Box::new(exec())))
    };
    let (_, params) = request_approval(&offered, "thread");
    assert_eq!(params["reason"], json!(format!("{OUTSIDE}: because")));
    assert_eq!(params["proposedExecpolicyAmendment"], json!(["touch", "x"]), "the narrowest");
}

#[test]
fn a_command_with_more_permissions() {
    let additional = permissions(json!({
        "network": { "enabled": true },
        "fileSystem": { "read": ["/r"], "write": ["/w"] },
    }));
    let asked = ask(Subject::Exec(Box::new(ExecSubject { additional: Some(additional), ..exec() })));
    check(
        &asked,
        "item/commandExecution/requestApproval",
        json!({
            "kind": "command",
            "environmentId": "local",
            "command": "/bin/bash -c 'touch x'",
            "cwd": "/ws",
            "commandActions": [{ "type": "unknown", "command": "touch x" }],
            "additionalPermissions": {
                "network": { "enabled": true },
                "fileSystem": {
                    "read": ["/r"],
                    "write": ["/w"],
                    "entries": [
                        { "path": { "type": "path", "path": "/r" }, "access": "read" },
                        { "path": { "type": "path", "path": "/w" }, "access": "write" },
                    ],
                },
            },
            "reason": "it would run without a sandbox; it would get: use the network, read /r, write /w; \
                       the agent sets variables: SECRET",
            "availableDecisions": ["accept", "cancel"],
        }),
    );
}

/// What a client that did not ask for more is left with has the documented fields, and still says what it is about.
#[test]
fn experimental_parameters_are_all_that_others_do_not_know() {
    let additional = Some(permissions(json!({ "fileSystem": { "write": ["/w"] } })));
    let more = ask(Subject::Exec(Box::new(ExecSubject { additional, ..exec() })));
    let plain = ask(Subject::Exec(Box::new(exec())));
    let [(_, more), (_, plain)] = [more, plain].map(|ask| request_approval(&ask, "thread"));
    let fields = |params: &Value| -> Vec<String> { params.as_object().unwrap().keys().cloned().collect() };
    let beyond: Vec<String> =
        fields(&more).into_iter().filter(|field| !fields(&plain).contains(field)).collect();
    assert_eq!(beyond, EXPERIMENTAL_PARAMETERS);
    assert!(more["reason"].as_str().unwrap().contains("write /w"));
}

#[test]
fn a_second_attempt_has_an_id_of_its_own() {
    let denial = "stopped at `/x`".to_owned();
    let retry = RetrySubject { exec: exec(), denial, with: RetryWith::Unsandboxed };
    let asked = Ask {
        approval_id: Some(id()),
        reason: Some("again?".to_owned()),
        ..ask(Subject::Retry(Box::new(retry)))
    };
    check(
        &asked,
        "item/commandExecution/requestApproval",
        json!({
            "kind": "command",
            "approvalId": "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "reason": format!("stopped at `/x`; {OUTSIDE}: again?"),
            "environmentId": "local",
            "command": "/bin/bash -c 'touch x'",
            "cwd": "/ws",
            "commandActions": [{ "type": "unknown", "command": "touch x" }],
            "availableDecisions": ["accept", "cancel"],
        }),
    );
}

#[test]
fn a_second_attempt_with_more_permissions() {
    let more = permissions(json!({ "fileSystem": { "write": ["/x"] } }));
    let plain = fixtures::exec("/bin/touch", &["touch", "/x/y"], "/ws");
    let retry = RetrySubject {
        exec: ExecSubject { additional: Some(more.clone()), ..plain },
        denial: "stopped at `/x`".to_owned(),
        with: RetryWith::Permissions { permissions: more },
    };
    let asked = Ask {
        approval_id: Some(id()),
        reason: Some("again?".to_owned()),
        ..ask(Subject::Retry(Box::new(retry)))
    };
    check(
        &asked,
        "item/commandExecution/requestApproval",
        json!({
            "kind": "command",
            "approvalId": "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "reason": "stopped at `/x`: again?",
            "environmentId": "local",
            "command": "touch /x/y",
            "cwd": "/ws",
            "commandActions": [],
            "additionalPermissions": {
                "network": null,
                "fileSystem": {
                    "read": [],
                    "write": ["/x"],
                    "entries": [{ "path": { "type": "path", "path": "/x" }, "access": "write" }],
                },
            },
            "availableDecisions": ["accept", "cancel"],
        }),
    );
}

#[test]
fn a_program_that_a_command_starts_is_named_by_its_file() {
    let subcommand = SubcommandSubject {
        program: path("/usr/bin/curl"),
        argv: words(&["harmless", "http://h"]),
        cwd: path("/ws/a b"),
        placement: Placement::Inside,
    };
    let asked = Ask { approval_id: Some(id()), ..ask(Subject::Subcommand(subcommand)) };
    check(
        &asked,
        "item/commandExecution/requestApproval",
        json!({
            "kind": "command",
            "approvalId": "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "environmentId": "local",
            "command": "/usr/bin/curl http://h",
            "cwd": "/ws/a b",
            "availableDecisions": ["accept", "cancel"],
        }),
    );
}

#[test]
fn input_is_shown_with_what_is_hidden_in_it() {
    let stdin = StdinSubject {
        process: "7".to_owned(),
        argv: words(&["python3"]),
        text: "exit()\u{1b}[2K\n".to_owned(),
    };
    let asked = Ask { approval_id: Some(id()), ..ask(Subject::StdinWrite(stdin)) };
    let (method, params) = request_approval(&asked, "thread");
    assert_eq!(method, "item/commandExecution/requestApproval");
    assert_eq!(params["kind"], json!("writeStdin"));
    assert_eq!(params["command"], json!("python3"));
    let reason = params["reason"].as_str().unwrap();
    assert!(reason.starts_with("write `exit()") && !reason.contains('\u{1b}'), "{reason}");
    assert_eq!(params["availableDecisions"], json!(["accept", "cancel"]));
}

#[test]
fn a_host_comes_without_a_command() {
    for (protocol, word) in [
        (Protocol::Http, "http"),
        (Protocol::Https, "https"),
        (Protocol::Socks5Tcp, "socks5Tcp"),
        (Protocol::Socks5Udp, "socks5Udp"),
    ] {
        let network = NetworkSubject {
            host: "h.example".to_owned(),
            protocol,
            port: 443,
            environment_id: "local".to_owned(),
        };
        let allow = json!({ "host": "h.example", "action": "allow" });
        check(
            &Ask { reason: Some("h".to_owned()), ..ask(Subject::Network(network)) },
            "item/commandExecution/requestApproval",
            json!({
                "kind": "command",
                "reason": "h",
                "environmentId": "local",
                "networkApprovalContext": { "host": "h.example", "protocol": word },
                "proposedNetworkPolicyAmendments": [allow, { "host": "h.example", "action": "deny" }],
                "availableDecisions": [
                    "accept",
                    "acceptForSession",
                    { "applyNetworkPolicyAmendment": { "network_policy_amendment": allow } },
                    "cancel",
                ],
            }),
        );
    }
}

#[test]
fn files() {
    let change = |grant_root: Option<&str>| {
        Subject::FileChange(FileChangeSubject {
            paths: vec![path("/etc/x")],
            outside: vec![path("/etc/x")],
            is_guarded: false,
            actions: std::collections::BTreeMap::new(),
            grant_root: grant_root.map(path),
            diff: Some("+x".to_owned()),
            digest: "d".to_owned(),
        })
    };
    check(&ask(change(None)), "item/fileChange/requestApproval", json!({}));
    let asked = Ask { reason: Some("why".to_owned()), ..ask(change(Some("/etc"))) };
    check(&asked, "item/fileChange/requestApproval", json!({ "reason": "why", "grantRoot": "/etc" }));
}

/// A yes to writing a file is none to removing or starting it.
#[test]
fn what_happens_to_files_besides_writing() {
    let actions = [
        (path("/etc/b"), FileAction::Delete),
        (path("/etc/c"), FileAction::WriteExecutable),
        (path("/etc/a"), FileAction::Write),
    ];
    let change = FileChangeSubject {
        is_guarded: false,
        paths: vec![path("/etc/a"), path("/etc/b"), path("/etc/c")],
        outside: vec![path("/etc/a")],
        actions: actions.into(),
        grant_root: None,
        diff: None,
        digest: "d".to_owned(),
    };
    let asked = Ask { reason: Some("why".to_owned()), ..ask(Subject::FileChange(change)) };
    let reason = "delete /etc/b, write and make executable /etc/c: why";
    check(&asked, "item/fileChange/requestApproval", json!({ "reason": reason }));
}

#[test]
fn more_permissions() {
    let asked = |wanted: Value| {
        ask(Subject::Permissions(PermissionsSubject {
            permissions: permissions(wanted),
            cwd: path("/ws"),
            environment_id: "local".to_owned(),
        }))
    };
    for (wanted, expect) in [
        (
            json!({ "network": { "enabled": true } }),
            json!({ "network": { "enabled": true }, "fileSystem": null }),
        ),
        (
            json!({ "fileSystem": { "entries": [
                { "path": { "type": "path", "path": "/w" }, "access": "write" },
                { "path": { "type": "glob_pattern", "pattern": "/w/**/*.env" }, "access": "deny" },
            ], "globScanMaxDepth": 4 } }),
            json!({ "network": null, "fileSystem": {
                "read": [],
                "write": ["/w"],
                "entries": [
                    { "path": { "type": "path", "path": "/w" }, "access": "write" },
                    { "path": { "type": "glob_pattern", "pattern": "/w/**/*.env" }, "access": "deny" },
                ],
                "globScanMaxDepth": 4,
            } }),
        ),
    ] {
        check(
            &asked(wanted),
            "item/permissions/requestApproval",
            json!({ "environmentId": "local", "cwd": "/ws", "permissions": expect }),
        );
    }
}
