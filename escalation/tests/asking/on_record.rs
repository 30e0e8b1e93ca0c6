//! Everything is on record before its effect, and what cannot be put on record has none (I9).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use escalation::approver::{Audience, Channel, ClientEvent, Delivery, Reply, Scripted};
use escalation::audit::{About, DecidedAs, Event, Filter, Records, verify};
use escalation::files::{Action, FileChange};
use escalation::subject::FileAction;
use escalation::{
    Answer, Ask, Call, ExecRequest, FileChangeRequest, HostAction, HostAmendment, NotRun, PermissionsAnswer,
    PermissionsRequest, Terms,
};
use policies::{AdditionalPermissions, GrantScope, NetworkAccess};
use serde_json::json;

use crate::ground::{Ground, Nothing, Wish, host, turn};

/// The events of the log.
fn records(ground: &Ground) -> Vec<Event> {
    let folder = ground.home().join("audit");
    assert!(verify(&folder, None).unwrap().is_sound());
    let records = Records::open(&folder, Filter::default()).unwrap();
    records.map(|entry| entry.unwrap().record.unwrap().event).collect()
}

/// The same, as words.
fn events(ground: &Ground) -> Vec<String> {
    records(ground).iter().map(|event| event.kind().word().to_owned()).collect()
}

/// What was decided last: how, by whom, and for permissions on what.
fn last_decision(ground: &Ground) -> (DecidedAs, String, Option<AdditionalPermissions>) {
    let decided = records(ground).into_iter().rev().find_map(|event| {
        if let Event::Decided { outcome, by, about, .. } = event { Some((outcome, by, about)) } else { None }
    });
    let (outcome, by, about) = decided.unwrap();
    let permissions = if let About::Permissions { permissions } = about { Some(permissions) } else { None };
    (outcome, by, permissions)
}

#[tokio::test]
async fn whoever_refused_is_named() {
    let wish = Wish {
        requirements: "[experimental_network.domains]\n'b.example' = 'deny'\n".to_owned(),
        ..Wish::default()
    };
    let approver = Scripted::with(|ask| match ask.call.item.contains("cancel") {
        true => Reply::Answer(Answer::Cancel),
        false => Reply::Answer(Answer::Decline),
    });
    let ground = Ground::new(&wish, Arc::new(approver));
    for (authority, outcome, by) in [
        ("https://a.example:443", DecidedAs::Refused, "approver script"),
        ("https://b.example:443", DecidedAs::Refused, "policy"),
        ("https://127.0.0.1:443", DecidedAs::Refused, "policy"),
        ("https://cancel.example:443", DecidedAs::Cancelled, "approver script"),
    ] {
        assert!(ground.session.network(&host(authority, "1")).await.is_err(), "{authority}");
        assert_eq!(last_decision(&ground), (outcome, by.to_owned(), None), "{authority}");
    }
}

#[tokio::test]
async fn an_answer_that_contradicts_itself_grants_nothing_and_is_on_record() {
    let wanted =
        AdditionalPermissions { network: NetworkAccess::Enabled, ..AdditionalPermissions::default() };
    let permissions = wanted.clone();
    let approver = Scripted::with(move |_| {
        let (permissions, scope) = (permissions.clone(), GrantScope::Session);
        Reply::Answer(Answer::Grant(PermissionsAnswer { permissions, scope, strict_auto_review: true }))
    });
    let ground = Ground::new(&Wish::default(), Arc::new(approver));
    let grant = ground.session.request_permissions(&permissions_request(&ground, wanted)).await;
    assert!(grant.permissions.is_empty() && !grant.strict_auto_review);
    let nothing = Some(AdditionalPermissions::default());
    assert_eq!(last_decision(&ground), (DecidedAs::Allowed, "approver script".to_owned(), nothing));
}

/// Whoever reads that a file was written must not have to guess that it was removed.
#[tokio::test]
async fn what_happens_to_each_file_is_on_record() {
    let ground = Ground::new(&Wish::default(), Arc::new(Scripted::with(|_| Reply::Answer(Answer::Accept))));
    fs::write(ground.path("project/gone"), "x").unwrap();
    let change = |path: &str, action| FileChange { path: PathBuf::from(ground.fill(path)), action };
    let write = |mode| Action::Write { content: b"x".to_vec(), mode };
    let request = FileChangeRequest {
        call: Call::new(&turn("1"), "patch"),
        cwd: ground.project(),
        changes: vec![
            change("ROOT/project/gone", Action::Delete),
            change("ROOT/project/new", write(None)),
            change("ROOT/project/run", write(Some(0o755))),
        ],
        grant_root: None,
        diff: None,
        reason: None,
    };
    ground.session.change_files(request).await.unwrap();
    let about = records(&ground).into_iter().find_map(|event| {
        if let Event::Decided { about: About::FileChange { paths, actions, .. }, .. } = event {
            Some((paths, actions))
        } else {
            None
        }
    });
    let (paths, actions) = about.unwrap();
    assert_eq!(paths, ["gone", "new", "run"].map(|name| ground.path(&format!("project/{name}"))));
    assert_eq!(actions, [FileAction::Delete, FileAction::Write, FileAction::WriteExecutable]);
}

/// Whatever is granted to another call while a question is open, the command has what its question showed.
#[tokio::test]
async fn a_grant_beside_an_open_question_widens_no_run() {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Arc::new(Ground::new(&Wish::policy("\"untrusted\""), channel.clone()));
    let mut client = channel.connect();
    let (beside, other) = (Arc::clone(&ground), Arc::clone(&ground));
    let run = async move { beside.session.exec(&beside.script("touch x"), &mut Nothing).await };
    let run = tokio::spawn(run);
    let Some(ClientEvent::Asked(command)) = client.next().await else { panic!("no question") };
    let wanted =
        AdditionalPermissions { network: NetworkAccess::Enabled, ..AdditionalPermissions::default() };
    let request = permissions_request(&ground, wanted.clone());
    let grant = tokio::spawn(async move { other.session.request_permissions(&request).await });
    let Some(ClientEvent::Asked(permissions)) = client.next().await else { panic!("no question") };
    let answer = json!({ "permissions": { "network": { "enabled": true } }, "scope": "session" });
    assert_eq!(client.try_answer(permissions.id, &answer), Delivery::Taken);
    assert_eq!(grant.await.unwrap().permissions, wanted);
    assert_eq!(client.try_answer(command.id, &json!({ "decision": "accept" })), Delivery::Taken);
    assert!(run.await.unwrap().result.is_ok());
    let limits: Vec<(String, Option<AdditionalPermissions>)> = records(&ground)
        .into_iter()
        .filter_map(|event| {
            if let Event::Asked { about: About::Exec { profile_digest, additional, .. }, .. }
            | Event::Decided { about: About::Exec { profile_digest, additional, .. }, .. } = event
            {
                Some((profile_digest, additional))
            } else {
                None
            }
        })
        .collect();
    let [shown, ran] = limits.as_slice() else { panic!("{limits:?}") };
    assert_eq!((shown, &shown.1), (ran, &None));
}

/// What is remembered is read by `codex approvals list`, and stays on the disk.
#[tokio::test]
async fn no_secret_is_remembered_in_clear() {
    let wish = Wish { id: Some("kept"), ..Wish::policy("\"untrusted\"") };
    let approver = Scripted::with(|_| Reply::Answer(Answer::for_session()));
    let ground = Ground::new(&wish, Arc::new(approver));
    let words = ["echo", "--header", "Authorization: Bearer hunter2hunter2", "--token", "hunter2", "plain"];
    let request = ExecRequest::new(Call::new(&turn("1"), "item"), words, ground.project());
    assert!(ground.session.exec(&request, &mut Nothing).await.result.is_ok());
    let kept = fs::read_to_string(ground.home().join("approvals/kept.json")).unwrap();
    assert!(kept.contains("[redacted]") && kept.contains("plain"), "{kept}");
    assert!(!kept.contains("hunter2"), "{kept}");
    let log = fs::read_to_string(ground.home().join("audit/audit.jsonl")).unwrap();
    assert!(log.contains("\"event\":\"remembered\"") && !log.contains("hunter2"), "{log}");
    // It still is the approval of that command, and of no other secret.
    let approver = Arc::new(Scripted::with(|_| Reply::Answer(Answer::Decline)));
    let session = ground.reopen(&wish, approver.clone());
    assert!(session.exec(&request, &mut Nothing).await.result.is_ok());
    let other = words.map(|word| word.replace("hunter2", "hunter3"));
    let other = ExecRequest::new(Call::new(&turn("1"), "item"), other, ground.project());
    assert!(session.exec(&other, &mut Nothing).await.result.is_err());
    assert_eq!(approver.asked().len(), 1);
}

#[tokio::test]
async fn what_is_missing_on_record_is_told() {
    let (approver, log) = breaks_the_log(|_| Answer::Decline);
    let ground = Ground::new(&Wish::policy("\"untrusted\""), approver);
    log.breaks_at(&ground);
    for _ in 0..2 {
        let report = ground.session.exec(&ground.script("true"), &mut Nothing).await;
        assert!(report.result.is_err());
        log.mend_and_break_again();
    }
    let warnings = ground.session.broker().take_warnings();
    // The same is told once, whatever happened how often.
    let [settled, decided] = warnings.as_slice() else { panic!("{warnings:?}") };
    for (warning, word) in [(settled, "settled"), (decided, "decided")] {
        let start = format!("an event `{word}` is missing in the audit log: ");
        assert!(warning.starts_with(&start) && warning.ends_with("it is made again"), "{warning}");
    }
}

fn permissions_request(ground: &Ground, permissions: AdditionalPermissions) -> PermissionsRequest {
    PermissionsRequest {
        call: escalation::Call::new(&turn("1"), "item"),
        cwd: ground.project(),
        environment_id: "local".to_owned(),
        permissions,
        reason: None,
    }
}

#[tokio::test]
async fn the_record_tells_the_story_in_order() {
    let amend = Answer::AcceptWithExecpolicyAmendment { prefix: vec!["other".to_owned()] };
    let approver = Scripted::new([Answer::Accept, Answer::for_session(), amend, Answer::Decline]);
    let ground = Ground::new(&Wish::policy("\"untrusted\""), Arc::new(approver));
    for script in ["true", "true", "true"] {
        assert!(ground.session.exec(&ground.script(script), &mut Nothing).await.result.is_ok());
    }
    let told = events(&ground);
    let expected = [
        "sessionOpened",
        "asked",
        "settled",
        "decided",
        "ended",
        "asked",
        "remembered",
        "settled",
        "decided",
        "ended",
        "decided",
        "ended",
    ];
    assert_eq!(told, expected);
    let other = ground.session.exec(&ground.script("true x"), &mut Nothing).await;
    assert!(matches!(other.result, Err(NotRun::ApprovalFailed(_))), "not the prefix that was offered");
    let no = ground.session.exec(&ground.script("false"), &mut Nothing).await;
    assert!(matches!(no.result, Err(NotRun::Declined { .. })));
    assert_eq!(
        events(&ground)[expected.len()..],
        ["asked", "settled", "decided", "asked", "settled", "decided"]
    );
}

#[tokio::test]
async fn an_accepted_rule_is_on_record_before_it_holds() {
    let approver = Scripted::with(|ask| Reply::Answer(ask.available_decisions[1].clone()));
    let ground = Ground::new(&Wish::policy("\"untrusted\""), Arc::new(approver));
    assert!(ground.session.exec(&ground.script("mkdir a"), &mut Nothing).await.result.is_ok());
    assert_eq!(events(&ground)[1..], ["asked", "amended", "settled", "decided", "ended"]);
}

/// An approver in whose hands the log breaks: what comes after the question cannot be put on record.
fn breaks_the_log(answer: impl Fn(&Ask) -> Answer + Send + 'static) -> (Arc<Scripted>, Log) {
    let log = Log::default();
    let place = Arc::clone(&log.0);
    let approver = Scripted::with(move |ask| {
        let path = place.lock().unwrap().clone();
        if let Some(path) = path {
            break_log(&path);
        }
        Reply::Answer(answer(ask))
    });
    (Arc::new(approver), log)
}

#[derive(Default)]
struct Log(Arc<Mutex<Option<PathBuf>>>);

impl Log {
    fn breaks_at(&self, ground: &Ground) {
        *self.0.lock().unwrap() = Some(ground.home().join("audit/audit.jsonl"));
    }

    fn mend_and_break_again(&self) {
        let path = self.0.lock().unwrap().clone().unwrap();
        self.mend();
        *self.0.lock().unwrap() = Some(path);
    }

    fn mend(&self) {
        let path = self.0.lock().unwrap().take().unwrap();
        fs::remove_dir(&path).unwrap();
        fs::rename(path.with_extension("away"), &path).unwrap();
    }
}

/// A folder in the place of the file: nobody can write there.
fn break_log(path: &Path) {
    if path.is_file() {
        fs::rename(path, path.with_extension("away")).unwrap();
        fs::create_dir(path).unwrap();
    }
}

#[tokio::test]
async fn a_yes_that_cannot_be_recorded_is_none() {
    let (approver, log) = breaks_the_log(|_| Answer::for_session());
    let ground = Ground::new(&Wish::policy("\"untrusted\""), approver.clone());
    log.breaks_at(&ground);
    let report = ground.session.exec(&ground.script("true"), &mut Nothing).await;
    assert!(matches!(&report.result, Err(NotRun::Refused(why, _)) if why.contains("record")), "{report:?}");
    log.mend();
    let again = ground.session.exec(&ground.script("true"), &mut Nothing).await;
    assert!(again.result.is_ok());
    assert_eq!(approver.asked().len(), 2, "it was not remembered either");
}

#[tokio::test]
async fn a_rule_that_cannot_be_recorded_does_not_hold() {
    let (approver, log) = breaks_the_log(|ask| ask.available_decisions[1].clone());
    let ground = Ground::new(&Wish::policy("\"untrusted\""), approver.clone());
    log.breaks_at(&ground);
    let report = ground.session.exec(&ground.script("mkdir a"), &mut Nothing).await;
    assert!(report.result.is_err());
    assert_eq!(ground.user_rules(), "");
    log.mend();
    assert!(ground.session.exec(&ground.script("mkdir a"), &mut Nothing).await.result.is_ok());
    assert_eq!(approver.asked().len(), 2, "it was asked again");
    assert_ne!(ground.user_rules(), "");
}

#[tokio::test]
async fn a_host_that_is_denied_stays_denied_whatever_becomes_of_the_record() {
    for (action, asked_again) in [(HostAction::Allow, true), (HostAction::Deny, false)] {
        let amend = move |_: &Ask| {
            Answer::ApplyNetworkPolicyAmendment(HostAmendment { host: "h.example".to_owned(), action })
        };
        let (approver, log) = breaks_the_log(amend);
        let ground = Ground::new(&Wish::default(), approver.clone());
        log.breaks_at(&ground);
        let request = host("https://h.example:443", "1");
        assert!(ground.session.network(&request).await.is_err());
        log.mend();
        assert_eq!(ground.session.network(&request).await.is_ok(), action == HostAction::Allow);
        assert_eq!(approver.asked().len() == 2, asked_again, "{action:?}");
    }
}

#[tokio::test]
async fn permissions_that_cannot_be_recorded_are_not_granted() {
    let wanted =
        AdditionalPermissions { network: NetworkAccess::Enabled, ..AdditionalPermissions::default() };
    let granted = wanted.clone();
    let (approver, log) = breaks_the_log(move |_| {
        let (permissions, scope) = (granted.clone(), GrantScope::Session);
        Answer::Grant(PermissionsAnswer { permissions, scope, strict_auto_review: false })
    });
    let ground = Ground::new(&Wish::default(), approver);
    log.breaks_at(&ground);
    let request = permissions_request(&ground, wanted);
    assert!(ground.session.request_permissions(&request).await.permissions.is_empty());
    log.mend();
    assert!(ground.session.broker().granted_permissions(&turn("1"), &ground.project()).is_empty());
}

#[tokio::test]
async fn a_question_that_cannot_be_recorded_is_not_asked() {
    let approver = Arc::new(Scripted::new([Answer::AcceptForSession(Terms::default())]));
    let ground = Ground::new(&Wish::policy("\"untrusted\""), approver.clone());
    break_log(&ground.home().join("audit/audit.jsonl"));
    assert!(ground.session.exec(&ground.script("true"), &mut Nothing).await.result.is_err());
    assert!(approver.asked().is_empty());
}
