//! One channel, without a broker.

use std::time::Duration;

use execpolicy::Protocol;
use policies::AbsolutePath;
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::ask::Draft;
use crate::ids::{Call, TurnId};
use crate::subject::NetworkSubject;

fn ask(id: u64) -> Arc<Ask> {
    let subject = NetworkSubject {
        host: "h.example".to_owned(),
        protocol: Protocol::Https,
        port: 443,
        environment_id: "local".to_owned(),
    };
    let call = Call::new(&TurnId("t".to_owned()), "i");
    let draft = Draft::new(call, Subject::Network(subject), AbsolutePath::root());
    Arc::new(draft.into_ask(AskId(id), 5, Duration::from_secs(1)))
}

type Answered = JoinHandle<Result<Answer, ApproverError>>;

async fn put(channel: &Arc<Channel>, id: u64) -> Answered {
    let asking = Arc::clone(channel);
    let task = tokio::spawn(async move { asking.ask(ask(id)).await });
    tokio::task::yield_now().await;
    task
}

fn channel() -> Arc<Channel> {
    Arc::new(Channel::new(Audience::Person))
}

fn accept() -> Value {
    json!({ "decision": "accept" })
}

/// What is to be told now: `+` for a question, `-` for an end.
fn told(client: &mut Client) -> Vec<String> {
    let word = |event| match event {
        ClientEvent::Asked(ask) => format!("+{}", ask.id),
        ClientEvent::Resolved(id) => format!("-{id}"),
    };
    std::iter::from_fn(|| client.try_next()).map(word).collect()
}

#[tokio::test]
async fn the_first_answer_counts_and_all_who_saw_the_ask_hear_once() {
    let channel = channel();
    let (mut first, mut second, mut blind) = (channel.connect(), channel.connect(), channel.connect());
    let answered = put(&channel, 7).await;
    assert_eq!((told(&mut first), told(&mut second)), (vec!["+7".to_owned()], vec!["+7".to_owned()]));
    assert_eq!(blind.try_answer(AskId(7), &accept()), Delivery::Ignored, "it was not shown");
    assert_eq!(second.try_answer(AskId(7), &accept()), Delivery::Taken);
    for late in [&first, &second] {
        assert_eq!(late.try_answer(AskId(7), &json!({ "decision": "cancel" })), Delivery::Ignored);
        assert_eq!(late.answer_error(AskId(7), "x", None), Delivery::Ignored);
    }
    assert_eq!(answered.await.unwrap(), Ok(Answer::Accept));
    assert_eq!((told(&mut first), told(&mut second)), (vec!["-7".to_owned()], vec!["-7".to_owned()]));
    assert_eq!((told(&mut first), told(&mut second)), (vec![], vec![]));
    assert!(told(&mut blind).is_empty(), "who saw no question sees no end");
}

#[tokio::test]
async fn a_new_client_gets_what_is_open_in_order_of_ids() {
    let channel = channel();
    let mut first = channel.connect();
    let _later = put(&channel, 9).await;
    let _earlier = put(&channel, 3).await;
    let _answered = put(&channel, 5).await;
    assert_eq!(told(&mut first), ["+3", "+5", "+9"]);
    assert_eq!(first.try_answer(AskId(5), &accept()), Delivery::Taken);
    drop(first);
    assert_eq!((channel.clients(), channel.open_asks()), (0, 2), "nobody being there ends nothing");
    let mut second = channel.connect();
    let Some(ClientEvent::Asked(replayed)) = second.try_next() else { panic!("nothing") };
    assert_eq!(serde_json::to_value(&*replayed).unwrap(), serde_json::to_value(&*ask(3)).unwrap());
    assert_eq!(told(&mut second), ["+9"]);
}

#[tokio::test]
async fn an_ask_that_is_taken_back_is_resolved() {
    let channel = channel();
    let (mut client, mut slow) = (channel.connect(), channel.connect());
    let asked = put(&channel, 1).await;
    assert_eq!(told(&mut client), ["+1"]);
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    assert_eq!(client.try_answer(AskId(1), &accept()), Delivery::Ignored);
    assert_eq!(told(&mut client), ["-1"]);
    assert!(told(&mut slow).is_empty(), "what came and went costs a slow client nothing");
}

#[tokio::test]
async fn what_is_no_answer_fails_and_never_approves() {
    let channel = channel();
    let mut client = channel.connect();
    for (id, result) in [
        json!({ "decision": "yes" }),
        json!({ "decision": null }),
        json!({}),
        json!("accept"),
        json!({ "decision": "accept", "expires": 5 }),
        json!({ "permissions": {} }),
        json!(null),
    ]
    .iter()
    .enumerate()
    {
        let id = u64::try_from(id).unwrap();
        let answered = put(&channel, id).await;
        assert_eq!(told(&mut client), [format!("+{id}")]);
        assert_eq!(client.try_answer(AskId(id), result), Delivery::Taken);
        assert_eq!(told(&mut client), [format!("-{id}")]);
        let answer = answered.await.unwrap();
        assert!(matches!(answer, Err(ApproverError::Malformed(_))), "{result}: {answer:?}");
    }
}

#[tokio::test]
async fn an_error_is_a_failure_unless_the_turn_is_changing() {
    let channel = channel();
    let mut client = channel.connect();
    for (id, (data, is_changing)) in [
        (None, false),
        (Some(json!({ "reason": "turnTransition" })), true),
        (Some(json!({ "reason": "turn_transition" })), false),
        (Some(json!("turnTransition")), false),
    ]
    .into_iter()
    .enumerate()
    {
        let id = u64::try_from(id).unwrap();
        let answered = put(&channel, id).await;
        assert_eq!(told(&mut client), [format!("+{id}")]);
        assert_eq!(client.answer_error(AskId(id), "no\u{1b}[2J", data.as_ref()), Delivery::Taken);
        assert_eq!(told(&mut client), [format!("-{id}")]);
        match answered.await.unwrap() {
            Err(ApproverError::TurnTransition) => assert!(is_changing, "{data:?}"),
            Err(ApproverError::Failed { why }) => {
                assert!(!is_changing && !why.contains('\u{1b}'), "{data:?}: {why:?}");
            }
            other => panic!("{data:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn without_clients_an_ask_waits_or_is_refused() {
    let waits = channel();
    let answered = put(&waits, 1).await;
    let mut client = waits.connect();
    assert_eq!(told(&mut client), ["+1"]);
    assert_eq!(client.try_answer(AskId(1), &accept()), Delivery::Taken);
    assert_eq!(answered.await.unwrap(), Ok(Answer::Accept));

    let refuses = Channel::new(Audience::Program).without_clients(WithoutClients::Refuse);
    let refuses = Arc::new(refuses);
    let refused = put(&refuses, 1).await.await.unwrap();
    assert!(matches!(refused, Err(ApproverError::Absent { .. })), "{refused:?}");
    let client = refuses.connect();
    let open = put(&refuses, 2).await;
    drop(client);
    tokio::task::yield_now().await;
    assert!(!open.is_finished(), "losing the last client resolves nothing");
}

#[tokio::test]
async fn two_asks_with_one_id_are_not_mixed_up() {
    let channel = channel();
    let first = put(&channel, 1).await;
    let second = put(&channel, 1).await.await.unwrap();
    assert!(matches!(second, Err(ApproverError::Failed { .. })), "{second:?}");
    assert!(!first.is_finished());
}

#[tokio::test]
async fn a_waiting_client_is_woken_and_hears_of_the_end_of_the_channel() {
    let channel = channel();
    let mut client = channel.connect();
    let waiting = tokio::spawn(async move { (client.next().await, client) });
    tokio::task::yield_now().await;
    let asked = put(&channel, 1).await;
    let (event, mut client) = waiting.await.unwrap();
    assert!(matches!(event, Some(ClientEvent::Asked(ask)) if ask.id == AskId(1)));
    asked.abort();
    drop(asked.await);
    drop(channel);
    assert!(matches!(client.next().await, Some(ClientEvent::Resolved(AskId(1)))));
    assert!(client.next().await.is_none());
}
