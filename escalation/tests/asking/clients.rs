//! Clients of a channel that come, answer, fail and go.

use std::sync::Arc;
use std::time::Duration;

use escalation::approver::{Audience, Channel, Client, ClientEvent, Delivery, WithoutClients};
use escalation::wire::request_approval;
use escalation::{Ask, AskId, ExecReport, NotRun, Refusal};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::ground::{Ground, Nothing, Wish, turn};

struct Stage {
    channel: Arc<Channel>,
    ground: Arc<Ground>,
}

fn stage() -> Stage {
    stage_with(Wish::policy("\"untrusted\""))
}

fn stage_with(wish: Wish) -> Stage {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Arc::new(Ground::new(&wish, channel.clone()));
    Stage { channel, ground }
}

impl Stage {
    /// A command that is asked about.
    async fn command(&self, script: &str) -> JoinHandle<ExecReport> {
        let ground = Arc::clone(&self.ground);
        let request = ground.script(script);
        let open = self.channel.open_asks();
        let task = tokio::spawn(async move { ground.session.exec(&request, &mut Nothing).await });
        while self.channel.open_asks() == open {
            tokio::task::yield_now().await;
        }
        task
    }
}

async fn asked(client: &mut Client) -> Arc<Ask> {
    match client.next().await {
        Some(ClientEvent::Asked(ask)) => ask,
        other => panic!("{other:?}"),
    }
}

async fn resolved(client: &mut Client) -> AskId {
    match client.next().await {
        Some(ClientEvent::Resolved(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn accept() -> Value {
    json!({ "decision": "accept" })
}

#[tokio::test]
async fn replay_is_identical_after_the_last_client_left() {
    let stage = stage();
    let (first, second) = (stage.command("true").await, stage.command("false").await);
    let mut client = stage.channel.connect();
    let before: Vec<_> =
        [asked(&mut client).await, asked(&mut client).await].map(|ask| request_approval(&ask, "t")).into();
    drop(client);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!first.is_finished() && !second.is_finished(), "nobody being there is no answer");
    let mut client = stage.channel.connect();
    let asks = [asked(&mut client).await, asked(&mut client).await];
    assert!(asks[0].id < asks[1].id);
    assert_eq!(asks.each_ref().map(|ask| request_approval(ask, "t")).to_vec(), before);
    for ask in &asks {
        assert_eq!(client.try_answer(ask.id, &accept()), Delivery::Taken);
    }
    assert!(first.await.unwrap().result.is_ok() && second.await.unwrap().result.is_ok());
}

#[tokio::test]
async fn a_late_answer_is_ignored_and_every_client_hears_of_the_end() {
    let stage = stage();
    let (mut quick, mut late) = (stage.channel.connect(), stage.channel.connect());
    let command = stage.command("true").await;
    let (ask, same) = (asked(&mut quick).await, asked(&mut late).await);
    assert_eq!(ask.id, same.id);
    assert_eq!(quick.try_answer(ask.id, &accept()), Delivery::Taken);
    assert_eq!(late.try_answer(ask.id, &json!({ "decision": "cancel" })), Delivery::Ignored);
    assert_eq!(late.answer_error(ask.id, "no", None), Delivery::Ignored);
    assert!(command.await.unwrap().result.is_ok());
    assert_eq!((resolved(&mut quick).await, resolved(&mut late).await), (ask.id, ask.id));
    stage.ground.session.broker().check_turn(&turn("1")).unwrap();
    // The answer to one question does not settle the next one, though the command is the same.
    let again = stage.command("true").await;
    let next = asked(&mut quick).await;
    assert_ne!(next.id, ask.id);
    assert_eq!(quick.try_answer(ask.id, &accept()), Delivery::Ignored);
    assert_eq!(quick.try_answer(next.id, &json!({ "decision": "decline" })), Delivery::Taken);
    assert!(matches!(again.await.unwrap().result, Err(NotRun::Declined { .. })));
}

#[tokio::test]
async fn an_error_or_nonsense_from_a_client_is_a_failure_and_no_cancellation() {
    let stage = stage();
    let mut client = stage.channel.connect();
    for nonsense in [false, true] {
        let command = stage.command("true").await;
        let ask = asked(&mut client).await;
        let delivery = match nonsense {
            true => client.try_answer(ask.id, &json!({ "decision": "approved" })),
            false => client.answer_error(ask.id, "boom", Some(&json!({ "reason": "other" }))),
        };
        assert_eq!(delivery, Delivery::Taken);
        let report = command.await.unwrap();
        assert!(matches!(report.result, Err(NotRun::ApprovalFailed(_))), "{report:?}");
        assert!(!report.ends_turn() && report.message_for_agent().is_some());
        stage.ground.session.broker().check_turn(&turn("1")).unwrap();
        assert_eq!(resolved(&mut client).await, ask.id);
    }
}

#[tokio::test]
async fn a_turn_transition_waits_for_the_end_of_the_turn() {
    let stage = stage();
    let mut client = stage.channel.connect();
    let command = stage.command("true").await;
    let ask = asked(&mut client).await;
    let data = json!({ "reason": "turnTransition" });
    assert_eq!(client.answer_error(ask.id, "the turn is changing", Some(&data)), Delivery::Taken);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!command.is_finished(), "that is no verdict");
    stage.ground.session.end_turn(&turn("1"));
    let report = command.await.unwrap();
    assert!(report.ends_turn() && report.message_for_agent().is_none(), "{report:?}");
}

#[tokio::test]
async fn the_end_of_a_turn_takes_its_questions_back() {
    let stage = stage();
    let mut client = stage.channel.connect();
    let commands = [stage.command("true").await, stage.command("false").await];
    let mut ids = [asked(&mut client).await.id, asked(&mut client).await.id];
    stage.ground.session.end_turn(&turn("1"));
    for command in commands {
        assert!(command.await.unwrap().ends_turn());
    }
    let mut ended = [resolved(&mut client).await, resolved(&mut client).await];
    ids.sort();
    ended.sort();
    assert_eq!(ids, ended);
    assert!(client.try_next().is_none(), "each once");
    assert_eq!(stage.channel.open_asks(), 0);
    let mut new = stage.channel.connect();
    assert!(new.try_next().is_none(), "what has ended is not replayed");
}

#[tokio::test]
async fn the_end_of_the_session_takes_its_questions_back() {
    let stage = stage();
    let mut client = stage.channel.connect();
    let command = stage.command("true").await;
    let ask = asked(&mut client).await;
    stage.ground.session.broker().close();
    let report = command.await.unwrap();
    assert!(matches!(&report.result, Err(NotRun::Refused(why, _)) if why.contains("session has ended")));
    assert_eq!(resolved(&mut client).await, ask.id);
    let refused = stage.ground.session.broker().check_turn(&turn("1"));
    assert!(matches!(refused, Err(Refusal::SessionEnded)));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_ends_at_its_deadline() {
    let limit = Duration::from_secs(7);
    let stage = stage_with(Wish { answer_limit: limit, ..Wish::policy("\"untrusted\"") });
    let mut client = stage.channel.connect();
    let started = tokio::time::Instant::now();
    let command = stage.command("true").await;
    let ask = asked(&mut client).await;
    assert_eq!(ask.deadline, limit);
    let report = command.await.unwrap();
    assert!(
        matches!(&report.result, Err(NotRun::Refused(why, _)) if why.contains("within 7 s")),
        "{report:?}"
    );
    assert!(!report.ends_turn());
    assert!(started.elapsed() >= limit && started.elapsed() < limit * 2);
    assert_eq!(resolved(&mut client).await, ask.id);
    assert_eq!(client.try_answer(ask.id, &accept()), Delivery::Ignored);
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_question_back() {
    let stage = stage();
    let mut client = stage.channel.connect();
    let command = stage.command("true").await;
    let ask = asked(&mut client).await;
    command.abort();
    assert_eq!(resolved(&mut client).await, ask.id);
    assert_eq!(stage.channel.open_asks(), 0);
}

#[tokio::test]
async fn without_any_client_a_channel_may_refuse_at_once() {
    let channel = Channel::new(Audience::Person).without_clients(WithoutClients::Refuse);
    let ground = Ground::new(&Wish::policy("\"untrusted\""), Arc::new(channel));
    let report = ground.session.exec(&ground.script("true"), &mut Nothing).await;
    assert!(matches!(&report.result, Err(NotRun::Refused(why, _)) if why.contains("no client is connected")));
}
