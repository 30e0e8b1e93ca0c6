//! Many questions at a time, on real threads: what shares a prompt, and what that costs.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop at the first surprise"
)]

mod many;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use escalation::approver::{Audience, Channel};
use escalation::{
    Answer, Approver, ApproverError, Ask, Authority, BoxFuture, MAX_WAITING, Refusal, Settled, Subject,
};

use many::{answer_all, broker, draft};

/// The port of a question.
fn port(ask: &Ask) -> usize {
    match &ask.subject {
        Subject::Network(network) => usize::from(network.port),
        other => panic!("{other:?}"),
    }
}

/// Says yes after a moment, and looks whether two prompts for one key are open meanwhile.
#[derive(Debug, Default)]
struct Watching {
    open: Mutex<BTreeSet<usize>>,
    prompts: AtomicUsize,
}

struct Shown<'a>(&'a Watching, usize);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.open.lock().unwrap().remove(&self.1);
    }
}

impl Approver for Watching {
    fn name(&self) -> &str {
        "watching"
    }

    fn is_person(&self) -> bool {
        true
    }

    fn ask(&self, ask: Arc<Ask>) -> BoxFuture<'_, Result<Answer, ApproverError>> {
        Box::pin(async move {
            let port = port(&ask);
            self.prompts.fetch_add(1, Ordering::Relaxed);
            if !self.open.lock().unwrap().insert(port) {
                return Ok(Answer::Cancel);
            }
            let shown = Shown(self, port);
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(shown);
            Ok(Answer::Accept)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_never_open_two_prompts_for_one_key() {
    const ASKS: usize = 4_000;
    const KEYS: usize = 16;
    let approver = Arc::new(Watching::default());
    let (_folder, broker) = broker(approver.clone());
    let asking: Vec<_> = (0..ASKS)
        .map(|number| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.settle(draft(number % KEYS)).await })
        })
        .collect();
    let mut by_ask: BTreeMap<_, usize> = BTreeMap::new();
    for settled in asking {
        let settled = settled.await.unwrap();
        let grant = settled.granted().unwrap_or_else(|| panic!("{settled:?}"));
        assert!(matches!(grant.by, Authority::Approver { .. }), "a plain yes is not remembered");
        *by_ask.entry(grant.ask.unwrap()).or_default() += 1;
    }
    assert_eq!(by_ask.len(), approver.prompts.load(Ordering::Relaxed), "each prompt was somebody's");
    assert!(by_ask.values().any(|told| *told > 1), "and shared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_give_up_leave_nothing_behind() {
    const ROUNDS: usize = 20;
    const ASKS: usize = 200;
    const KEYS: usize = 8;
    let channel = Arc::new(Channel::new(Audience::Person));
    let (_folder, broker) = broker(channel.clone());
    let mut client = channel.connect();
    let mut told = 0;
    for round in 0..ROUNDS {
        let asking: Vec<_> = (0..ASKS)
            .map(|number| {
                let broker = broker.clone();
                tokio::spawn(async move { broker.settle(draft(number % KEYS)).await })
            })
            .collect();
        for (number, task) in asking.iter().enumerate() {
            if (number * 7 + round) % 3 == 0 {
                task.abort();
            }
            if number % 16 == 0 {
                answer_all(&mut client);
                tokio::task::yield_now().await;
            }
        }
        for task in asking {
            let waiting = async {
                while !task.is_finished() {
                    answer_all(&mut client);
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
                task.await
            };
            match tokio::time::timeout(Duration::from_secs(120), waiting).await.expect("somebody is lost") {
                Ok(settled) => {
                    assert!(settled.granted().is_some(), "{settled:?}");
                    told += 1;
                }
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
    }
    assert!(told > ROUNDS * ASKS / 2, "{told}");
    for _ in 0..12_000 {
        if channel.open_asks() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} questions without anybody who waits", channel.open_asks());
}

#[tokio::test]
async fn there_is_an_end_to_who_may_wait() {
    let channel = Arc::new(Channel::new(Audience::Person));
    let (_folder, broker) = broker(channel.clone());
    // Polled once each, and held: no tasks, to keep it small.
    let mut waiting = Vec::new();
    for _ in 0..MAX_WAITING {
        let broker = broker.clone();
        let mut settling = Box::pin(async move { broker.settle(draft(1)).await });
        assert!(is_pending(&mut settling).await);
        waiting.push(settling);
    }
    let refused = broker.settle(draft(1)).await;
    assert!(matches!(&*refused, Settled::Refused(Refusal::TooMany { .. })), "{refused:?}");
    waiting.pop();
    let mut settling = Box::pin(broker.settle(draft(1)));
    assert!(is_pending(&mut settling).await, "there is room again");
}

async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}
