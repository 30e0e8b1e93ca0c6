//! The rows of `cases/*.toml`: steps of one session, the answers that each step gets, and what comes of it.
//!
//! A step is asked about exactly as often as it has answers. In texts, `ROOT` is the folder around `project` (where the
//! session works), `project/below` and `outside`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use escalation::approver::{Reply, Scripted};
use escalation::files::{Action, FileChange};
use escalation::{
    Answer, ApproverError, Ask, Blocked, Call, ExecReport, ExecRequest, FileChangeRequest, ItemStatus,
    NotRun, PatchError, PermissionsRequest, SandboxPermissions, StdinRequest, SubcommandRequest, Subject,
};
use execpolicy::Placement;
use serde::Deserialize;
use serde_json::Value;

use crate::ground::{Ground, Nothing, Wish, absolute, host, turn};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[expect(dead_code, reason = "for whoever reads the rows")]
    why: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    config: Option<String>,
    #[serde(default)]
    rules: String,
    #[serde(default)]
    requirements: String,
    /// The approver is no person.
    #[serde(default)]
    program: bool,
    step: Vec<Step>,
    /// What is in the person's rule file in the end.
    #[serde(default)]
    written: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    #[serde(rename = "do")]
    what: What,
    /// The turn, `1` if not said.
    turn: Option<String>,
    /// The folder, `project` if not said.
    cwd: Option<String>,
    tty: bool,
    environment: BTreeMap<String, String>,
    /// `escalated`, or permissions.
    permissions: Option<Value>,
    justification: Option<String>,
    prefix_rule: Option<Vec<String>>,
    /// For what a running command does: `outside` of the sandbox.
    outside: bool,
    grant_root: Option<String>,
    /// What each question gets: the `decision` or permissions as JSON; `{ error = … }` from the approver.
    answers: Vec<Value>,
    /// The answers that the last question offers.
    offers: Option<Vec<Value>>,
    comes: String,
    /// A part of the message.
    says: Option<String>,
    /// The JSON of what is granted, as the agent sees it.
    gets: Option<String>,
    /// Whether the agent's turn is over.
    ends_turn: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    #[default]
    Nothing,
    /// A script of `bash -c`.
    Exec(String),
    /// The words of a command.
    Argv(Vec<String>),
    Network(String),
    /// The file, and the arguments.
    Subcommand(Vec<String>),
    Stdin(String),
    Permissions(Value),
    /// Files that get new content.
    Files(Vec<String>),
    BeginTurn(String),
    EndTurn(String),
}

/// What came of a step: a word, a message, and whether the turn is over.
struct Came {
    word: &'static str,
    says: String,
    gets: Option<Value>,
    ends_turn: bool,
}

impl Came {
    fn yes(word: &'static str) -> Self {
        Self { word, says: String::new(), gets: None, ends_turn: false }
    }

    fn no(reason: &NotRun) -> Self {
        let (word, ends_turn) = match reason {
            NotRun::Forbidden { .. } => ("forbidden", false),
            NotRun::Unprepared(_) => ("unprepared", false),
            NotRun::Refused(_, by) => ("refused", by.interrupted),
            NotRun::Declined { .. } => ("declined", false),
            NotRun::Cancelled { .. } => ("cancelled", true),
            NotRun::ApprovalFailed(_) => ("failed", false),
            NotRun::Changed { .. } => ("changed", false),
            NotRun::Unrecorded(_) => ("unrecorded", false),
            NotRun::Launch(_) => ("launch", false),
        };
        Self { word, says: reason.to_string(), gets: None, ends_turn }
    }

    fn of_exec(report: &ExecReport) -> Self {
        let came = report.result.as_ref().err().map_or_else(|| Self::yes("runs"), Self::no);
        assert_eq!(report.ends_turn(), came.ends_turn);
        // What a client shows, and what the agent is told, follow from the outcome.
        let status = match came.word {
            "runs" => ItemStatus::Completed,
            "declined" | "cancelled" | "forbidden" | "refused" => ItemStatus::Declined,
            _ => ItemStatus::Failed,
        };
        assert_eq!(report.status(), status, "{}", came.word);
        assert_eq!(report.message_for_agent().is_some(), came.word != "runs" && !came.ends_turn);
        came
    }

    fn of_host(blocked: &Blocked) -> Self {
        let came = match blocked {
            Blocked::Invalid { .. } => Self::yes("invalid"),
            Blocked::Denied { .. } => Self::yes("denied"),
            Blocked::Local { .. } => Self::yes("local"),
            Blocked::Unreviewed { .. } => Self::yes("unreviewed"),
            Blocked::NotGranted { reason, .. } => Self::no(reason),
            other => panic!("{other:?}"),
        };
        let was_asked = matches!(came.word, "declined" | "cancelled" | "failed");
        assert_eq!(blocked.ends_command(), was_asked || came.ends_turn, "{blocked}");
        Self { says: blocked.to_string(), ..came }
    }
}

fn reply(answer: &Value, ask: &Ask) -> Reply {
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        return Reply::Error(match error {
            "absent" => ApproverError::Absent { why: "nobody".to_owned() },
            why => ApproverError::Failed { why: why.to_owned() },
        });
    }
    match &ask.subject {
        Subject::Permissions(_) => Answer::parse_permissions(answer).into(),
        Subject::Exec(_)
        | Subject::Retry(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::FileChange(_)
        | Subject::Network(_) => Answer::parse(answer).into(),
    }
}

fn fill(ground: &Ground, value: &Value) -> Value {
    serde_json::from_str(&ground.fill(&value.to_string())).unwrap()
}

async fn take(ground: &Ground, step: &Step) -> Came {
    let session = &ground.session;
    let call = Call::new(&turn(step.turn.as_deref().unwrap_or("1")), "item");
    let cwd = step.cwd.as_ref().map_or(ground.project(), |cwd| ground.path(cwd));
    let placement = if step.outside { Placement::Outside } else { Placement::Inside };
    match &step.what {
        What::Nothing => panic!("a step without anything to do"),
        What::Exec(script) => exec(ground, step, call, &["bash", "-c", &ground.fill(script)], cwd).await,
        What::Argv(words) => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            exec(ground, step, call, &words, cwd).await
        }
        What::Network(authority) => {
            let asked = host(authority, step.turn.as_deref().unwrap_or("1"));
            session
                .network(&asked)
                .await
                .map_or_else(|blocked| Came::of_host(&blocked), |_| Came::yes("reached"))
        }
        What::Subcommand(argv) => {
            let program = absolute(std::path::Path::new(&argv[0])).as_path().canonicalize().unwrap();
            let program = absolute(&program);
            let request = SubcommandRequest { call, program, argv: argv.clone(), cwd, parent: placement };
            let came = session.subcommand(&request).await;
            came.map_or_else(|reason| Came::no(&reason), |_| Came::yes("runs"))
        }
        What::Stdin(text) => {
            let argv = vec!["python3".to_owned()];
            let request = StdinRequest { call, process: "7".to_owned(), argv, placement, text: text.clone() };
            let came = session.write_stdin(&request).await;
            came.map_or_else(|reason| Came::no(&reason), |_| Came::yes("written"))
        }
        What::Permissions(wanted) => {
            let permissions = serde_json::from_value(fill(ground, wanted)).unwrap();
            let environment_id = "local".to_owned();
            let request = PermissionsRequest { call, cwd, environment_id, permissions, reason: None };
            let grant = session.request_permissions(&request).await;
            let came = grant.reason.as_ref().map_or_else(|| Came::yes("granted"), Came::no);
            Came { gets: Some(grant.to_agent_json()), ..came }
        }
        What::Files(files) => {
            let write = |file: &String| FileChange {
                path: ground.fill(file).into(),
                action: Action::Write { content: b"x".to_vec(), mode: None },
            };
            let request = FileChangeRequest {
                call,
                cwd,
                changes: files.iter().map(write).collect(),
                grant_root: step.grant_root.as_ref().map(|root| ground.fill(root).into()),
                diff: None,
                reason: step.justification.clone(),
            };
            match session.change_files(request).await {
                Ok(_) => Came::yes("changed"),
                Err(PatchError::NotRun(reason)) => Came::no(&reason),
                Err(error) => Came { says: error.to_string(), ..Came::yes("unchanged") },
            }
        }
        What::BeginTurn(name) => {
            session.begin_turn(&turn(name));
            Came::yes("")
        }
        What::EndTurn(name) => {
            session.end_turn(&turn(name));
            Came::yes("")
        }
    }
}

async fn exec(ground: &Ground, step: &Step, call: Call, argv: &[&str], cwd: policies::AbsolutePath) -> Came {
    let permissions = match &step.permissions {
        None => SandboxPermissions::UseDefault,
        Some(Value::String(word)) if word == "escalated" => SandboxPermissions::RequireEscalated,
        Some(wanted) => {
            SandboxPermissions::WithAdditional(serde_json::from_value(fill(ground, wanted)).unwrap())
        }
    };
    let request = ExecRequest {
        permissions,
        tty: step.tty,
        environment: step.environment.clone(),
        justification: step.justification.clone(),
        prefix_rule: step.prefix_rule.clone(),
        ..ExecRequest::new(call, argv.iter().copied(), cwd)
    };
    Came::of_exec(&ground.session.exec(&request, &mut Nothing).await)
}

async fn play(case: &Case) -> Result<(), String> {
    let answers: Arc<Mutex<VecDeque<Value>>> = Arc::default();
    let script = Arc::clone(&answers);
    let approver = Scripted::with(move |ask| match script.lock().unwrap().pop_front() {
        Some(answer) => reply(&answer, ask),
        None => Reply::Error(ApproverError::Failed { why: "asked once too often".to_owned() }),
    });
    let approver = Arc::new(if case.program { approver.as_program() } else { approver });
    let base = Wish::default();
    let wish = Wish {
        policy: case.policy.clone().unwrap_or(base.policy),
        config: case.config.clone().unwrap_or(base.config),
        rules: case.rules.clone(),
        requirements: case.requirements.clone(),
        ..base
    };
    let ground = Ground::new(&wish, approver.clone());
    for (number, step) in case.step.iter().enumerate() {
        let number = number + 1;
        *answers.lock().unwrap() = step.answers.iter().map(|answer| fill(&ground, answer)).collect();
        let before = approver.asked().len();
        let came = take(&ground, step).await;
        let asked = approver.asked();
        let count = asked.len() - before;
        let same = |what: &str, found: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
            let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
            let says = &came.says;
            match found == expected {
                true => Ok(()),
                false => Err(format!("step {number}: {what}: {found}, not {expected} ({says})")),
            }
        };
        same("comes", &came.word, &step.comes.as_str())?;
        same("asked", &count, &step.answers.len())?;
        same("ends turn", &came.ends_turn, &step.ends_turn)?;
        if let Some(says) = &step.says {
            same("says", &came.says.contains(says.as_str()), &true)?;
        }
        if let Some(gets) = &step.gets {
            let gets: Value = serde_json::from_str(&ground.fill(gets)).unwrap();
            same("gets", &came.gets, &Some(gets))?;
        }
        if let Some(offers) = &step.offers {
            let last = asked.last().ok_or("nothing was asked")?;
            let found = serde_json::to_value(&last.available_decisions).unwrap();
            same("offers", &found, &fill(&ground, &Value::Array(offers.clone())))?;
        }
    }
    match &case.written {
        Some(written) if ground.user_rules() != *written => {
            Err(format!("the rule file holds {:?}", ground.user_rules()))
        }
        Some(_) | None => Ok(()),
    }
}

fn play_all(text: &str) {
    let file: File = toml::from_str(text).unwrap();
    let mut names = std::collections::BTreeSet::new();
    let mut failures = Vec::new();
    for case in &file.case {
        assert!(names.insert(&case.name), "two cases `{}`", case.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        if let Err(failure) = runtime.block_on(play(case)) {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn each_approval_policy_asks_what_it_says() {
    play_all(include_str!("../cases/policies.toml"));
}

#[test]
fn each_answer_has_its_outcome() {
    play_all(include_str!("../cases/outcomes.toml"));
}

#[test]
fn each_question_offers_its_answers_in_order() {
    play_all(include_str!("../cases/offers.toml"));
}

#[test]
fn files_are_asked_about_one_by_one() {
    play_all(include_str!("../cases/files.toml"));
}

#[test]
fn permissions_are_what_was_asked_for_and_granted() {
    play_all(include_str!("../cases/permissions.toml"));
}

#[test]
fn hosts_are_asked_about_by_name_protocol_and_port() {
    play_all(include_str!("../cases/hosts.toml"));
}

#[test]
fn a_session_approval_is_for_the_same_command() {
    play_all(include_str!("../cases/session_approvals.toml"));
}
