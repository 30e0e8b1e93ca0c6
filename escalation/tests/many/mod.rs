//! A broker, and many questions for it.

use std::sync::Arc;
use std::time::Duration;

use escalation::approver::{Client, ClientEvent, Delivery};
use escalation::audit::Audit;
use escalation::memory::Memory;
use escalation::subject::NetworkSubject;
use escalation::{Approver, Broker, BrokerParts, Call, Draft, SessionId, SessionRules, Subject, TurnId};
use execpolicy::Protocol;
use policies::AbsolutePath;
use serde_json::json;

pub(crate) fn broker(approver: Arc<dyn Approver>) -> (tempfile::TempDir, Broker) {
    let folder = tempfile::tempdir().unwrap();
    let audit = Audit::open(folder.path().join("audit"), SessionId::random()).unwrap();
    let rules = SessionRules::new(execpolicy::Policy::default(), execpolicy::NetworkHosts::default(), None);
    let broker = Broker::new(BrokerParts {
        approver,
        assessor: None,
        audit: Arc::new(audit),
        memory: Memory::ephemeral(),
        rules: Arc::new(rules),
        answer_limit: Duration::from_secs(600),
        lasting: escalation::Lasting::default(),
    });
    broker.begin_turn(&turn());
    (folder, broker)
}

fn turn() -> TurnId {
    TurnId("turn".to_owned())
}

pub(crate) fn draft(port: usize) -> Draft {
    let subject = Subject::Network(NetworkSubject {
        host: "h.example".to_owned(),
        protocol: Protocol::Https,
        port: u16::try_from(port).unwrap(),
        environment_id: "local".to_owned(),
    });
    Draft::new(Call::new(&turn(), "item"), subject, AbsolutePath::root())
}

/// Says yes to all that is open; how many that was.
pub(crate) fn answer_all(client: &mut Client) -> usize {
    let mut prompts = 0;
    while let Some(event) = client.try_next() {
        if let ClientEvent::Asked(ask) = event {
            prompts += 1;
            let (Delivery::Taken | Delivery::Ignored) =
                client.try_answer(ask.id, &json!({ "decision": "accept" }));
        }
    }
    prompts
}
