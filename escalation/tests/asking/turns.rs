//! Answers that come when the turn is over.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use escalation::approver::{Audience, Channel, Client, ClientEvent, Delivery, Scripted};
use escalation::{
    Answer, Ask, Call, Draft, ExecRequest, NotRun, PermissionsRequest, SandboxPermissions, Settled,
};
use policies::{AdditionalPermissions, NetworkAccess};
use serde_json::json;

use crate::ground::{Ground, Nothing, Wish, turn};

/// Lets it go on once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The question, once it has been put.
async fn asked(client: &mut Client) -> Arc<Ask> {
    for _ in 0..1_000 {
        if let Some(ClientEvent::Asked(ask)) = client.try_next() {
            return ask;
        }
        tokio::task::yield_now().await;
    }
    panic!("nothing was asked")
}

/// Until the broker has taken the answer.
async fn settle_down() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn wanted() -> AdditionalPermissions {
    AdditionalPermissions { network: NetworkAccess::Enabled, ..AdditionalPermissions::default() }
}

#[tokio::test]
async fn a_yes_that_comes_when_the_turn_is_over_runs_nothing() {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Ground::new(&Wish::policy("\"untrusted\""), channel.clone());
    let mut client = channel.connect();
    let request = ground.script("true");
    let mut runner = Nothing;
    let mut exec = pin!(ground.session.exec(&request, &mut runner));
    assert!(poll_once(&mut exec).await.is_none());
    let ask = asked(&mut client).await;
    assert_eq!(client.try_answer(ask.id, &json!({ "decision": "accept" })), Delivery::Taken);
    settle_down().await;
    // The answer is in, and the call has not heard of it yet.
    ground.session.end_turn(&turn("1"));
    let report = exec.await;
    assert_eq!(report.attempts, 0);
    assert!(report.ends_turn(), "{report:?}");
}

#[tokio::test]
async fn permissions_for_a_turn_that_is_over_are_not_those_of_the_next_one_of_its_name() {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Ground::new(&Wish::default(), channel.clone());
    let mut client = channel.connect();
    let request = PermissionsRequest {
        call: Call::new(&turn("1"), "item"),
        cwd: ground.project(),
        environment_id: "local".to_owned(),
        permissions: wanted(),
        reason: None,
    };
    let mut asking = pin!(ground.session.request_permissions(&request));
    assert!(poll_once(&mut asking).await.is_none());
    let ask = asked(&mut client).await;
    let answer = json!({ "permissions": { "network": { "enabled": true } }, "strictAutoReview": true });
    assert_eq!(client.try_answer(ask.id, &answer), Delivery::Taken);
    settle_down().await;
    ground.session.end_turn(&turn("1"));
    let grant = asking.await;
    assert!(grant.permissions.is_empty() && grant.reason.is_some(), "{grant:?}");
    ground.session.begin_turn(&turn("1"));
    let left = ground.session.broker().granted_permissions(&turn("1"), &ground.project());
    assert!(left.is_empty(), "{left:?}");
    assert!(ground.session.exec(&ground.script("true"), &mut Nothing).await.result.is_ok(), "no review");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_of_a_cancellation_finds_the_turn_over() {
    let approver = Scripted::with(|_| Answer::Cancel.into());
    let ground = Ground::new(&Wish::policy("\"untrusted\""), Arc::new(approver));
    for number in 0..200 {
        let name = turn(&number.to_string());
        ground.session.begin_turn(&name);
        let request = ExecRequest { call: Call::new(&name, "item"), ..ground.script("true") };
        let report = ground.session.exec(&request, &mut Nothing).await;
        assert!(matches!(report.result, Err(NotRun::Cancelled { .. })), "{report:?}");
        assert!(ground.session.broker().check_turn(&name).is_err());
    }
}

#[tokio::test]
async fn a_cancellation_ends_the_turns_of_all_who_waited_and_no_other() {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Ground::new(&Wish::policy("\"untrusted\""), channel.clone());
    let mut client = channel.connect();
    let broker = ground.session.broker().clone();
    for name in ["2", "3"] {
        ground.session.begin_turn(&turn(name));
    }
    let subject = escalation::Subject::Network(escalation::subject::NetworkSubject {
        host: "h.example".to_owned(),
        protocol: execpolicy::Protocol::Https,
        port: 443,
        environment_id: "local".to_owned(),
    });
    let settling = ["1", "2"].map(|name| {
        let call = Call::new(&turn(name), "item");
        let (broker, draft) = (broker.clone(), Draft::new(call, subject.clone(), ground.project()));
        tokio::spawn(async move { broker.settle(draft).await })
    });
    let ask = asked(&mut client).await;
    settle_down().await;
    assert_eq!(channel.open_asks(), 1);
    assert_eq!(client.try_answer(ask.id, &json!({ "decision": "cancel" })), Delivery::Taken);
    for settled in settling {
        assert!(matches!(&*settled.await.unwrap(), Settled::Cancelled { .. }));
    }
    assert!(broker.check_turn(&turn("1")).is_err() && broker.check_turn(&turn("2")).is_err());
    broker.check_turn(&turn("3")).unwrap();
}

#[tokio::test]
async fn the_end_of_one_turn_leaves_the_question_to_the_other() {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Arc::new(Ground::new(&Wish::policy("\"untrusted\""), channel.clone()));
    ground.session.begin_turn(&turn("2"));
    let mut client = channel.connect();
    let commands = ["1", "2"].map(|name| {
        let request = ExecRequest { call: Call::new(&turn(name), "item"), ..ground.script("true") };
        let ground = Arc::clone(&ground);
        tokio::spawn(async move { ground.session.exec(&request, &mut Nothing).await })
    });
    let ask = asked(&mut client).await;
    settle_down().await;
    ground.session.end_turn(&turn("1"));
    settle_down().await;
    assert_eq!(channel.open_asks(), 1);
    assert_eq!(client.try_answer(ask.id, &json!({ "decision": "accept" })), Delivery::Taken);
    let [first, second] = commands;
    assert!(first.await.unwrap().ends_turn());
    assert!(second.await.unwrap().result.is_ok());
}

#[tokio::test]
async fn permissions_that_a_command_was_granted_are_its_own() {
    let approver = Arc::new(Scripted::new([Answer::Accept]));
    let ground = Ground::new(&Wish::default(), approver.clone());
    let request =
        ExecRequest { permissions: SandboxPermissions::WithAdditional(wanted()), ..ground.script("true") };
    assert!(ground.session.exec(&request, &mut Nothing).await.result.is_ok());
    assert_eq!(approver.asked().len(), 1);
    assert!(ground.session.broker().granted_permissions(&turn("1"), &ground.project()).is_empty());
}
