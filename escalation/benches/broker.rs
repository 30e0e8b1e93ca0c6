//! What asking and deciding cost, without the approver's time and without a run.
//!
//! `cargo bench -p escalation --bench broker`. The log is a real one, in a temporary folder.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark stops at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use escalation::approver::Scripted;
use escalation::audit::Audit;
use escalation::memory::Memory;
use escalation::subject::NetworkSubject;
use escalation::{
    Answer, Approver, BoxFuture, Broker, BrokerParts, Call, Draft, ExecRequest, Run, RunEnd, Runner, Session,
    SessionId, SessionRules, Setup, Subject, TurnId,
};
use execpolicy::Protocol;
use policies::{AbsolutePath, Asked, SandboxMode};
use sandbox::foreground::Outcome;
use sandbox::{Ended, LaunchError};
use tokio::runtime::Runtime;

/// So many calls wait for one answer.
const SHARED: usize = 100;
const ASKS: usize = 1_000;

fn turn() -> TurnId {
    TurnId("1".to_owned())
}

fn yes(answer: Answer) -> Arc<dyn Approver> {
    Arc::new(Scripted::with(move |_| answer.clone().into()))
}

fn broker(folder: &Path, answer: Answer) -> Broker {
    let audit = Audit::open(folder.join("audit"), SessionId::random()).unwrap();
    let rules = SessionRules::new(execpolicy::Policy::default(), execpolicy::NetworkHosts::default(), None);
    let broker = Broker::new(BrokerParts {
        approver: yes(answer),
        assessor: None,
        audit: Arc::new(audit),
        memory: Memory::ephemeral(),
        rules: Arc::new(rules),
        answer_limit: Session::ANSWER_LIMIT,
        lasting: escalation::Lasting::default(),
    });
    broker.begin_turn(&turn());
    broker
}

fn draft(port: usize) -> Draft {
    let subject = Subject::Network(NetworkSubject {
        host: "h.example".to_owned(),
        protocol: Protocol::Https,
        port: u16::try_from(port).unwrap(),
        environment_id: "local".to_owned(),
    });
    Draft::new(Call::new(&turn(), "item"), subject, AbsolutePath::root())
}

async fn ask(broker: &Broker, keys: usize) {
    let asking: Vec<_> = (0..ASKS)
        .map(|number| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.settle(draft(number % keys)).await })
        })
        .collect();
    for settled in asking {
        assert!(settled.await.unwrap().granted().is_some());
    }
}

/// Starts nothing.
struct Nothing;

impl Runner for Nothing {
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        drop(run);
        let ended = RunEnd { outcome: Outcome::Ended(Ended::Exited(0)), output: Vec::new() };
        Box::pin(std::future::ready(Ok(ended)))
    }
}

fn session(folder: &Path, policy: &str) -> Session {
    for name in ["project", "home"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let path = std::env::var_os("PATH").unwrap();
    let variables = [("PATH".into(), path), ("HOME".into(), folder.join("home").into())];
    let cwd = AbsolutePath::parse(folder.join("project")).unwrap();
    let setup = Setup {
        asked: Some(Asked::Mode(SandboxMode::WorkspaceWrite)),
        overrides: vec![format!("approval_policy={policy}")],
        ..Setup::new(cwd, variables, yes(Answer::for_session()))
    };
    let session = setup.open().unwrap_or_else(|error| panic!("{error}"));
    session.begin_turn(&turn());
    session
}

fn asking(c: &mut Criterion) {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("ask");
    group.throughput(Throughput::Elements(u64::try_from(ASKS).unwrap()));
    let once = broker(folder.path(), Answer::Accept);
    group.bench_function("each-its-own", |b| b.iter(|| runtime.block_on(ask(&once, ASKS))));
    group.bench_function("shared", |b| b.iter(|| runtime.block_on(ask(&once, ASKS / SHARED))));
    let session = broker(folder.path(), Answer::for_session());
    group.bench_function("remembered", |b| b.iter(|| runtime.block_on(ask(&session, ASKS / SHARED))));
    group.finish();
}

fn deciding(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("decide");
    for (name, policy) in [("allowed", "\"on-request\""), ("remembered", "\"untrusted\"")] {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let session = session(&folder.path().canonicalize().unwrap(), policy);
        let cwd = AbsolutePath::parse(folder.path().canonicalize().unwrap().join("project")).unwrap();
        let request = ExecRequest::new(Call::new(&turn(), "item"), ["bash", "-c", "git status"], cwd);
        group.bench_function(name, |b| {
            b.iter(|| {
                let report = runtime.block_on(session.exec(&request, &mut Nothing));
                assert!(report.result.is_ok());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, asking, deciding);
criterion_main!(benches);
