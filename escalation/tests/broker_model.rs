//! Random sequences against a simple model of the broker: what becomes of each question is what the model says.
//!
//! So no question is put twice at a time, no yes comes from anywhere but an answer or a grant that the model remembers
//! too, everybody who waits is told once, and nothing stays open.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use escalation::approver::{Audience, Channel, Client, ClientEvent, Delivery};
use escalation::audit::{Audit, Event, Filter, Records, verify};
use escalation::memory::Memory;
use escalation::subject::{FileChangeSubject, NetworkSubject, StdinSubject};
use escalation::{
    ApproverError, AskId, Authority, Broker, BrokerParts, Call, Draft, Refusal, SessionId, SessionRules,
    Settled, Subject, TurnId,
};
use execpolicy::Protocol;
use policies::AbsolutePath;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long a question waits; never a sum of whole steps.
const LIMIT_MS: u64 = 10_500;

/// What is asked about. Two of the hosts are one host at two ports.
const KEYS: usize = 5;
const HOSTS: [(&str, u16); 3] = [("a.example", 1), ("a.example", 2), ("b.example", 1)];
const FILE: usize = 3;
const STDIN: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Begin(u8),
    End(u8),
    Ask { key: usize, turn: u8 },
    Answer { which: usize, client: usize, say: Say },
    Connect,
    Disconnect(usize),
    Wait(u64),
    GiveUp(usize),
    BreakLog,
    MendLog,
    Close,
}

#[derive(Clone, Debug)]
enum Say {
    Accept,
    ForSession { uses: Option<u32>, at_once_over: bool },
    Decline,
    Cancel,
    Nonsense,
    Error,
    TurnTransition,
    Rule { allows: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let say = prop_oneof![
        4 => Just(Say::Accept),
        4 => (prop::option::of(0..4_u32), prop::bool::weighted(0.2))
            .prop_map(|(uses, at_once_over)| Say::ForSession { uses, at_once_over }),
        2 => Just(Say::Decline),
        1 => Just(Say::Cancel),
        1 => Just(Say::Nonsense),
        1 => Just(Say::Error),
        1 => Just(Say::TurnTransition),
        2 => any::<bool>().prop_map(|allows| Say::Rule { allows }),
    ];
    let answer = (0..8_usize, 0..4_usize, say);
    prop_oneof![
        4 => (0..3_u8).prop_map(Step::Begin),
        1 => (0..3_u8).prop_map(Step::End),
        14 => (0..KEYS, 0..3_u8).prop_map(|(key, turn)| Step::Ask { key, turn }),
        14 => answer.prop_map(|(which, client, say)| Step::Answer { which, client, say }),
        2 => Just(Step::Connect),
        1 => (0..4_usize).prop_map(Step::Disconnect),
        2 => (1..8_u64).prop_map(Step::Wait),
        2 => (0..20_usize).prop_map(Step::GiveUp),
        1 => Just(Step::BreakLog),
        2 => Just(Step::MendLog),
        1 => prop::bool::weighted(0.05).prop_map(|close| if close { Step::Close } else { Step::Connect }),
    ]
}

/// What whoever asked is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Yes,
    Remembered,
    No,
    Cancelled,
    Failed,
    Denied,
    NoTurn,
    Interrupted,
    TimedOut,
    Unrecorded,
    Ended,
}

impl Told {
    fn of(settled: &Settled) -> Self {
        match settled {
            Settled::Granted(grant) => match (&grant.by, grant.ask) {
                (Authority::Approver { .. }, Some(_)) => Self::Yes,
                (Authority::Remembered { .. }, None) => Self::Remembered,
                other => panic!("a yes by {other:?}"),
            },
            Settled::Declined { .. } => Self::No,
            Settled::Cancelled { .. } => Self::Cancelled,
            Settled::Failed { error: ApproverError::Failed { .. } | ApproverError::Malformed(_), .. } => {
                Self::Failed
            }
            Settled::Failed { error, .. } => panic!("{error:?}"),
            Settled::Refused(refusal) => match refusal {
                Refusal::DeniedForSession { .. } => Self::Denied,
                Refusal::NoTurn { .. } => Self::NoTurn,
                Refusal::Interrupted { .. } => Self::Interrupted,
                Refusal::TimedOut { .. } => Self::TimedOut,
                Refusal::Unrecorded(_) => Self::Unrecorded,
                Refusal::SessionEnded => Self::Ended,
                other => panic!("{other:?}"),
            },
        }
    }
}

/// The broker, as somebody would play it on paper.
#[derive(Default)]
struct Model {
    turns: BTreeSet<u8>,
    is_closed: bool,
    is_log_broken: bool,
    now_ms: u64,
    denied: BTreeSet<&'static str>,
    /// How often each may still be used.
    remembered: BTreeMap<usize, Option<u32>>,
    open: BTreeMap<usize, Open>,
    /// Of each who asked: what he is told, once he is.
    told: Vec<Option<Told>>,
    gave_up: BTreeSet<usize>,
}

struct Open {
    waiting: Vec<(usize, u8)>,
    since_ms: u64,
    /// A client has said that the turn is changing.
    is_moot: bool,
}

fn name_of(key: usize) -> Option<&'static str> {
    HOSTS.get(key).map(|(host, _)| *host)
}

impl Model {
    fn ask(&mut self, key: usize, turn: u8) {
        let who = self.told.len();
        let at_once = if self.is_closed {
            Some(Told::Ended)
        } else if !self.turns.contains(&turn) {
            Some(Told::NoTurn)
        } else if name_of(key).is_some_and(|host| self.denied.contains(host)) {
            Some(Told::Denied)
        } else if self.recall(key) {
            Some(Told::Remembered)
        } else if !self.open.contains_key(&key) && self.is_log_broken {
            Some(Told::Unrecorded)
        } else {
            None
        };
        self.told.push(at_once);
        if at_once.is_none() {
            let since_ms = self.now_ms;
            let new = || Open { waiting: Vec::new(), since_ms, is_moot: false };
            self.open.entry(key).or_insert_with(new).waiting.push((who, turn));
        }
    }

    fn recall(&mut self, key: usize) -> bool {
        match self.remembered.get_mut(&key) {
            None => false,
            Some(None) => true,
            Some(Some(left)) => {
                *left -= 1;
                if *left == 0 {
                    self.remembered.remove(&key);
                }
                true
            }
        }
    }

    fn answer(&mut self, key: usize, say: &Say) {
        let host = name_of(key);
        let is_denied = host.is_some_and(|host| self.denied.contains(host));
        let yes = match (self.is_log_broken, is_denied) {
            (_, true) => Told::Denied,
            (true, false) => Told::Unrecorded,
            (false, false) => Told::Yes,
        };
        let told = match say {
            Say::TurnTransition => {
                self.open.get_mut(&key).unwrap().is_moot = true;
                return;
            }
            Say::Nonsense | Say::Error | Say::ForSession { uses: Some(0), .. } => Told::Failed,
            Say::Rule { .. } if host.is_none() => Told::Failed,
            Say::Rule { allows: true } if self.is_log_broken => Told::Unrecorded,
            Say::Rule { allows: true } | Say::Accept => yes,
            Say::Rule { allows: false } => {
                self.denied.extend(host);
                if self.is_log_broken { Told::Unrecorded } else { Told::No }
            }
            Say::ForSession { uses, at_once_over } => {
                let waiting = u32::try_from(self.open[&key].waiting.len()).unwrap();
                let used = uses.map_or(waiting, |uses| uses.min(waiting));
                let left = uses.map(|uses| uses - used);
                if yes == Told::Yes && key != STDIN && left != Some(0) && !at_once_over {
                    self.remembered.insert(key, left);
                }
                if yes == Told::Yes {
                    self.answer_first(key, used);
                    return;
                }
                yes
            }
            Say::Decline => Told::No,
            Say::Cancel => Told::Cancelled,
        };
        let open = self.open.remove(&key).unwrap();
        for (who, _) in &open.waiting {
            self.told[*who] = Some(told);
        }
        if told == Told::Cancelled {
            let turns: BTreeSet<u8> = open.waiting.iter().map(|(_, turn)| *turn).collect();
            turns.into_iter().for_each(|turn| self.end(turn));
        }
    }

    /// A yes for so many; whoever is left is asked about now.
    fn answer_first(&mut self, key: usize, used: u32) {
        let open = self.open.get_mut(&key).unwrap();
        for (who, _) in open.waiting.drain(..usize::try_from(used).unwrap()) {
            self.told[who] = Some(Told::Yes);
        }
        (open.since_ms, open.is_moot) = (self.now_ms, false);
        self.open.retain(|_, open| !open.waiting.is_empty());
    }

    fn end(&mut self, ended: u8) {
        self.turns.remove(&ended);
        for open in self.open.values_mut() {
            for (who, _) in open.waiting.iter().filter(|(_, turn)| *turn == ended) {
                self.told[*who] = Some(Told::Interrupted);
            }
            open.waiting.retain(|(_, turn)| *turn != ended);
        }
        self.open.retain(|_, open| !open.waiting.is_empty());
    }

    fn end_all(&mut self, told: Told, which: impl Fn(&Open) -> bool) {
        for open in self.open.values().filter(|open| which(open)) {
            for (who, _) in &open.waiting {
                self.told[*who] = Some(told);
            }
        }
        self.open.retain(|_, open| !which(open));
    }

    fn give_up(&mut self, who: usize) {
        self.gave_up.insert(who);
        self.open.values_mut().for_each(|open| open.waiting.retain(|(waiter, _)| *waiter != who));
        self.open.retain(|_, open| !open.waiting.is_empty());
    }
}

/// A client, and what it was told.
struct Watched {
    client: Client,
    open: BTreeMap<AskId, usize>,
    seen: BTreeSet<AskId>,
}

impl Watched {
    fn pull(&mut self) {
        while let Some(event) = self.client.try_next() {
            match event {
                ClientEvent::Asked(ask) => {
                    let key = key_of(&ask.subject);
                    assert!(self.seen.insert(ask.id), "shown twice");
                    assert!(!self.open.values().any(|open| *open == key), "two prompts for one key");
                    self.open.insert(ask.id, key);
                }
                ClientEvent::Resolved(id) => {
                    assert!(
                        self.open.remove(&id).is_some(),
                        "the end of what was not shown, or a second one"
                    );
                }
            }
        }
    }
}

fn subject(key: usize) -> Subject {
    match key {
        FILE => Subject::FileChange(FileChangeSubject {
            paths: vec![AbsolutePath::parse("/f").unwrap()],
            outside: vec![AbsolutePath::parse("/f").unwrap()],
            is_guarded: false,
            actions: std::collections::BTreeMap::new(),
            grant_root: None,
            diff: None,
            digest: "d".to_owned(),
        }),
        STDIN => Subject::StdinWrite(StdinSubject {
            process: "7".to_owned(),
            argv: vec!["python3".to_owned()],
            text: "y".to_owned(),
        }),
        host => Subject::Network(NetworkSubject {
            host: HOSTS[host].0.to_owned(),
            protocol: Protocol::Https,
            port: HOSTS[host].1,
            environment_id: "local".to_owned(),
        }),
    }
}

fn key_of(found: &Subject) -> usize {
    (0..KEYS).find(|key| subject(*key) == *found).unwrap()
}

struct Real {
    _folder: tempfile::TempDir,
    log: PathBuf,
    channel: Arc<Channel>,
    broker: Broker,
    clients: Vec<Watched>,
    asked: Vec<Option<JoinHandle<Arc<Settled>>>>,
    told: Vec<Option<Told>>,
}

fn turn(number: u8) -> TurnId {
    TurnId(number.to_string())
}

impl Real {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit/audit.jsonl");
        let audit = Audit::open(folder.path().join("audit"), SessionId::random()).unwrap();
        let channel = Arc::new(Channel::new(Audience::Person));
        let rules =
            SessionRules::new(execpolicy::Policy::default(), execpolicy::NetworkHosts::default(), None);
        let broker = Broker::new(BrokerParts {
            approver: channel.clone(),
            assessor: None,
            audit: Arc::new(audit),
            memory: Memory::ephemeral(),
            rules: Arc::new(rules),
            answer_limit: Duration::from_millis(LIMIT_MS),
            lasting: escalation::Lasting::default(),
        });
        Self {
            _folder: folder,
            log,
            channel,
            broker,
            clients: Vec::new(),
            asked: Vec::new(),
            told: Vec::new(),
        }
    }

    fn ask(&mut self, key: usize, turn_number: u8) {
        let call = Call::new(&turn(turn_number), "item");
        let draft = Draft::new(call, subject(key), AbsolutePath::root());
        let broker = self.broker.clone();
        self.asked.push(Some(tokio::spawn(async move { broker.settle(draft).await })));
        self.told.push(None);
    }

    /// Answers with what this client was shown last; the key that was answered for.
    fn answer(&mut self, which: usize, client: usize, say: &Say) -> Option<usize> {
        let count = self.clients.len().max(1);
        let watched = self.clients.get_mut(client % count)?;
        watched.pull();
        let (id, key) = watched.open.iter().nth(which % watched.open.len().max(1))?;
        let delivery = match say {
            Say::Error => watched.client.answer_error(*id, "x", Some(&json!({ "reason": "x" }))),
            Say::TurnTransition => {
                watched.client.answer_error(*id, "x", Some(&json!({ "reason": "turnTransition" })))
            }
            say => watched.client.try_answer(*id, &response(*key, say)),
        };
        assert_eq!(delivery, Delivery::Taken);
        Some(*key)
    }

    /// Lets everything happen until those are told who should be, and then some more.
    async fn settle_down(&mut self, model: &Model) {
        let patience = Instant::now() + Duration::from_secs(60);
        let mut rest = 25;
        while rest > 0 && Instant::now() < patience {
            tokio::task::yield_now().await;
            self.look().await;
            if self.told == model.told {
                rest -= 1;
            }
            // Those who were told already are told nothing else.
            let wrong =
                self.told.iter().zip(&model.told).any(|(told, right)| told.is_some() && told != right);
            assert!(!wrong, "{:?}, not {:?}", self.told, model.told);
        }
        assert_eq!(self.told, model.told);
        let open = model.open.values().filter(|open| !open.is_moot).count();
        assert_eq!(self.channel.open_asks(), open);
        self.clients.iter_mut().for_each(Watched::pull);
        for watched in &self.clients {
            let shown: BTreeSet<usize> = watched.open.values().copied().collect();
            let expected = model.open.iter().filter(|(_, open)| !open.is_moot).map(|(key, _)| *key);
            assert_eq!(shown, expected.collect());
        }
    }

    async fn look(&mut self) {
        for (asked, told) in self.asked.iter_mut().zip(&mut self.told) {
            let Some(task) = asked.take_if(|task| task.is_finished()) else { continue };
            let settled = match task.await {
                Ok(settled) => settled,
                Err(error) => {
                    assert!(error.is_cancelled(), "{error}");
                    continue;
                }
            };
            *told = Some(Told::of(&settled));
            if let Some(id) = settled.granted().and_then(|grant| grant.ask) {
                assert!(is_on_record(&self.log, id), "told before it was on record");
            }
        }
    }

    fn break_log(&self) {
        if self.log.is_file() {
            fs::rename(&self.log, self.log.with_extension("away")).unwrap();
            fs::create_dir(&self.log).unwrap();
        }
    }

    fn mend_log(&self) {
        if self.log.is_dir() {
            fs::remove_dir(&self.log).unwrap();
            fs::rename(self.log.with_extension("away"), &self.log).unwrap();
        }
    }
}

fn response(key: usize, say: &Say) -> Value {
    let decision = match say {
        Say::Accept => json!("accept"),
        Say::ForSession { uses, at_once_over } => {
            let mut terms = serde_json::Map::new();
            if let Some(uses) = uses {
                terms.insert("uses".to_owned(), json!(uses));
            }
            if *at_once_over {
                terms.insert("expires_after_ms".to_owned(), json!(0));
            }
            json!({ "acceptForSession": terms })
        }
        Say::Decline => json!("decline"),
        Say::Cancel => json!("cancel"),
        Say::Rule { allows } => {
            let action = if *allows { "allow" } else { "deny" };
            let host = name_of(key).unwrap_or("a.example");
            json!({ "applyNetworkPolicyAmendment": {
                "network_policy_amendment": { "host": host, "action": action }
            } })
        }
        Say::Nonsense | Say::Error | Say::TurnTransition => json!("yes!"),
    };
    json!({ "decision": decision })
}

/// Whether the log says that this question was asked, and then that it was granted.
fn is_on_record(log: &std::path::Path, id: AskId) -> bool {
    let mut was_asked = false;
    for entry in Records::open(log.parent().unwrap(), Filter::default()).unwrap() {
        match entry.unwrap().record.unwrap().event {
            Event::Asked { ask, .. } if ask == id => was_asked = true,
            Event::Settled { ask, outcome, .. } if ask == id => {
                let is_yes = ["accept", "acceptForSession", "applyNetworkPolicyAmendment"];
                return was_asked && is_yes.contains(&outcome.as_str());
            }
            _ => {}
        }
    }
    false
}

async fn play(steps: &[Step]) {
    let (mut real, mut model) = (Real::new(), Model::default());
    for step in steps {
        match step {
            Step::Begin(number) => {
                real.broker.begin_turn(&turn(*number));
                if !model.is_closed {
                    model.turns.insert(*number);
                }
            }
            Step::End(number) => {
                real.broker.end_turn(&turn(*number));
                model.end(*number);
            }
            Step::Ask { key, turn } => {
                real.ask(*key, *turn);
                model.ask(*key, *turn);
            }
            Step::Answer { which, client, say } => {
                if let Some(key) = real.answer(*which, *client, say) {
                    model.answer(key, say);
                }
            }
            Step::Connect if real.clients.len() < 4 => real.clients.push(Watched {
                client: real.channel.connect(),
                open: BTreeMap::new(),
                seen: BTreeSet::new(),
            }),
            Step::Connect => {}
            Step::Disconnect(which) => {
                if *which < real.clients.len() {
                    real.clients.remove(*which);
                }
            }
            Step::Wait(seconds) => {
                tokio::time::advance(Duration::from_secs(*seconds)).await;
                model.now_ms += seconds * 1_000;
                let now_ms = model.now_ms;
                model.end_all(Told::TimedOut, |open| open.since_ms + LIMIT_MS <= now_ms);
            }
            Step::GiveUp(who) => {
                if let Some(task) = real.asked.get(*who).and_then(Option::as_ref) {
                    task.abort();
                    model.give_up(*who);
                }
            }
            Step::BreakLog => {
                real.break_log();
                model.is_log_broken = true;
            }
            Step::MendLog => {
                real.mend_log();
                model.is_log_broken = false;
            }
            Step::Close => {
                real.broker.close();
                model.turns.clear();
                model.is_closed = true;
                model.end_all(Told::Ended, |_| true);
            }
        }
        real.settle_down(&model).await;
    }
    real.mend_log();
    real.broker.close();
    model.end_all(Told::Ended, |_| true);
    real.settle_down(&model).await;
    assert!(real.asked.iter().all(Option::is_none), "somebody still waits");
    assert_eq!(real.channel.open_asks(), 0);
    assert!(real.clients.iter().all(|watched| watched.open.is_empty()));
    assert!(verify(real.log.parent().unwrap(), None).unwrap().is_sound());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_broker_does_what_the_model_says(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        // Something to begin with: most sequences that begin with nothing come to nothing.
        let begun = [Step::Begin(0), Step::Begin(1), Step::Begin(2), Step::Connect];
        runtime.block_on(play(&[begun.as_slice(), &steps].concat()));
    }
}
