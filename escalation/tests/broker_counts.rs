//! A yes with a count, when more calls wait for it than it counts: as many have it, the first ones, and the rest are
//! asked about anew.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::future::Future as _;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use escalation::approver::{Audience, Channel, Client, ClientEvent, Delivery, Reply, Scripted};
use escalation::audit::Audit;
use escalation::memory::Memory;
use escalation::subject::{NetworkSubject, StdinSubject};
use escalation::{
    Answer, Approver, Ask, Broker, BrokerParts, Call, Draft, Session, SessionId, SessionRules, Settled,
    Subject, Terms, TurnId,
};
use execpolicy::Protocol;
use policies::AbsolutePath;
use serde_json::{Value, json};

struct Bench {
    _folder: tempfile::TempDir,
    broker: Broker,
    client: Client,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let channel = Arc::new(Channel::new(Audience::Person));
        let client = channel.connect();
        let broker = broker(channel, folder.path());
        Self { _folder: folder, broker, client }
    }

    fn call(&self, number: usize, subject: &Subject) -> Waiting {
        let turn = turn(if number.is_multiple_of(2) { "even" } else { "odd" });
        let draft = Draft::new(Call::new(&turn, number.to_string()), subject.clone(), AbsolutePath::root());
        let broker = self.broker.clone();
        let mut settle: Waiting = Box::pin(async move { broker.settle(draft).await });
        assert!(poll(&mut settle).is_none(), "it waits from now on");
        settle
    }

    /// The one question that is open, and the name of its call.
    async fn asked(&mut self) -> (Arc<Ask>, String) {
        loop {
            match self.client.next().await.unwrap() {
                ClientEvent::Asked(ask) => {
                    let item = ask.call.item.clone();
                    return (ask, item);
                }
                ClientEvent::Resolved(_) => {}
            }
        }
    }

    async fn answer(&mut self, ask: &Ask, decision: Value) {
        assert_eq!(self.client.try_answer(ask.id, &json!({ "decision": decision })), Delivery::Taken);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

fn broker(approver: Arc<dyn Approver>, folder: &Path) -> Broker {
    let rules = SessionRules::new(execpolicy::Policy::default(), execpolicy::NetworkHosts::default(), None);
    let broker = Broker::new(BrokerParts {
        approver,
        assessor: None,
        audit: Arc::new(Audit::open(folder.join("audit"), SessionId::random()).unwrap()),
        memory: Memory::ephemeral(),
        rules: Arc::new(rules),
        answer_limit: Session::ANSWER_LIMIT,
        lasting: escalation::Lasting::default(),
    });
    broker.begin_turn(&turn("odd"));
    broker.begin_turn(&turn("even"));
    broker
}

type Waiting = Pin<Box<dyn Future<Output = Arc<Settled>> + Send>>;

fn poll(waiting: &mut Waiting) -> Option<bool> {
    match pin!(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(settled) => Some(settled.granted().is_some()),
        Poll::Pending => None,
    }
}

fn poll_all(waiting: &mut [Waiting]) -> Vec<Option<bool>> {
    waiting.iter_mut().map(poll).collect()
}

fn turn(name: &str) -> TurnId {
    TurnId(name.to_owned())
}

fn host() -> Subject {
    Subject::Network(NetworkSubject {
        host: "a.example".to_owned(),
        protocol: Protocol::Https,
        port: 443,
        environment_id: "local".to_owned(),
    })
}

/// One that is never remembered.
fn stdin() -> Subject {
    let (process, argv, text) = ("7".to_owned(), vec!["python3".to_owned()], "y".to_owned());
    Subject::StdinWrite(StdinSubject { process, argv, text })
}

fn uses(count: u32) -> Value {
    json!({ "acceptForSession": { "uses": count } })
}

#[tokio::test]
async fn as_many_have_it_as_it_counts_and_the_rest_are_asked_about() {
    for subject in [host(), stdin()] {
        let mut bench = Bench::new();
        let mut waiting: Vec<Waiting> = (0..6).map(|number| bench.call(number, &subject)).collect();
        let (first, item) = bench.asked().await;
        assert_eq!(item, "0");
        bench.answer(&first, uses(2)).await;
        let (second, item) = bench.asked().await;
        assert_ne!(second.id, first.id);
        assert_eq!((item.as_str(), second.call.turn.0.as_str()), ("2", "even"));
        let mut rest = waiting.split_off(2);
        assert_eq!(poll_all(&mut waiting), [Some(true); 2], "{subject:?}");
        assert_eq!(poll_all(&mut rest), [None; 4]);
        // Whoever comes now waits with them.
        rest.push(bench.call(6, &subject));
        bench.answer(&second, uses(1)).await;
        let (third, item) = bench.asked().await;
        assert_eq!(item, "3");
        assert_eq!(poll(&mut rest.remove(0)), Some(true));
        assert_eq!(poll_all(&mut rest), [None; 4]);
        bench.answer(&third, json!("accept")).await;
        assert_eq!(poll_all(&mut rest), [Some(true); 4], "a plain yes is one for all who wait");
    }
}

#[tokio::test]
async fn what_is_left_of_a_count_is_remembered() {
    let mut bench = Bench::new();
    let mut waiting: Vec<Waiting> = (0..3).map(|number| bench.call(number, &host())).collect();
    let (ask, _) = bench.asked().await;
    bench.answer(&ask, uses(5)).await;
    assert_eq!(poll_all(&mut waiting), [Some(true); 3]);
    for number in 3..5 {
        let draft = Draft::new(Call::new(&turn("odd"), number.to_string()), host(), AbsolutePath::root());
        assert!(bench.broker.settle(draft).await.granted().is_some());
    }
    let mut waiting = bench.call(5, &host());
    let (ask, item) = bench.asked().await;
    assert_eq!(item, "5");
    bench.answer(&ask, json!("decline")).await;
    assert_eq!(poll(&mut waiting), Some(false));
}

#[tokio::test]
async fn those_who_are_left_can_leave_and_be_interrupted() {
    let mut bench = Bench::new();
    let mut waiting: Vec<Waiting> = (0..6).map(|number| bench.call(number, &host())).collect();
    let (ask, _) = bench.asked().await;
    bench.answer(&ask, uses(1)).await;
    let (ask, item) = bench.asked().await;
    assert_eq!(item, "1");
    let mut rest = waiting.split_off(1);
    assert_eq!(poll_all(&mut waiting), [Some(true)]);
    // The one that is asked about gives up; the question is that of the others too.
    drop(rest.remove(0));
    bench.broker.end_turn(&turn("odd"));
    let told = poll_all(&mut rest);
    assert_eq!(told, [None, Some(false), None, Some(false)], "2 and 4 wait on");
    bench.answer(&ask, uses(1)).await;
    let mut rest = [rest.remove(0), rest.remove(1)];
    let (ask, item) = bench.asked().await;
    assert_eq!(item, "4");
    assert_eq!(poll_all(&mut rest), [Some(true), None]);
    let [_, mut last] = rest;
    bench.broker.close();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(poll(&mut last), Some(false));
    assert_eq!(bench.client.try_answer(ask.id, &json!({ "decision": "accept" })), Delivery::Ignored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_have_no_more_than_was_counted() {
    const CALLS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let answer = Answer::AcceptForSession(Terms { uses: Some(3), ..Terms::default() });
    let approver = Arc::new(Scripted::with(move |_| Reply::Answer(answer.clone())));
    let broker = broker(approver.clone(), folder.path());
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let broker = broker.clone();
            let call = Call::new(&turn("odd"), number.to_string());
            let draft = Draft::new(call, host(), AbsolutePath::root());
            tokio::spawn(async move { broker.settle(draft).await.granted().is_some() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap(), "nobody is lost");
    }
    assert!(3 * approver.asked().len() >= CALLS, "{} prompts", approver.asked().len());
}
