//! What becomes of a second opinion on a question: it is shown, it is on record, and a failure is told.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::sync::Arc;

use escalation::approver::{Reply, Scripted};
use escalation::assess::{AssessError, Assessment, RiskAssessor, RiskCategory, RiskLevel};
use escalation::audit::{Audit, Event, Filter, RecordedAssessment, Records};
use escalation::memory::Memory;
use escalation::subject::{StdinSubject, Subject};
use escalation::{
    ANSWER_LIMIT, Answer, Ask, BoxFuture, Broker, BrokerParts, Call, Draft, SessionId, SessionRules, TurnId,
};
use policies::AbsolutePath;

/// Says this, or fails.
#[derive(Debug)]
struct Says(Option<&'static str>);

impl RiskAssessor for Says {
    fn assess<'a>(&'a self, _: &'a Ask) -> BoxFuture<'a, Result<Assessment, AssessError>> {
        Box::pin(async {
            let description = self.0.ok_or(AssessError::NoOutput)?.to_owned();
            let risk_categories = vec![RiskCategory::Compliance];
            Ok(Assessment { description, risk_level: RiskLevel::High, risk_categories })
        })
    }
}

/// What one question shows, what is on record of it, and what the person is told besides.
async fn asked(
    assessor: Option<Arc<dyn RiskAssessor>>,
) -> (Option<Assessment>, Option<RecordedAssessment>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit");
    let approver = Arc::new(Scripted::with(|_| Reply::Answer(Answer::Accept)));
    let rules = SessionRules::new(execpolicy::Policy::default(), execpolicy::NetworkHosts::default(), None);
    let broker = Broker::new(BrokerParts {
        approver: approver.clone(),
        assessor,
        audit: Arc::new(Audit::open(log.clone(), SessionId::random()).unwrap()),
        memory: Memory::ephemeral(),
        rules: Arc::new(rules),
        answer_limit: ANSWER_LIMIT,
        lasting: escalation::Lasting::default(),
    });
    let turn = TurnId("1".to_owned());
    broker.begin_turn(&turn);
    let subject = Subject::StdinWrite(StdinSubject {
        process: "7".to_owned(),
        argv: vec!["python3".to_owned()],
        text: "y".to_owned(),
    });
    let settled = broker.settle(Draft::new(Call::new(&turn, "item"), subject, AbsolutePath::root())).await;
    assert!(settled.granted().is_some(), "{settled:?}");
    let recorded = Records::open(&log, Filter::default()).unwrap().find_map(|entry| {
        let event = entry.unwrap().record.unwrap().event;
        if let Event::Asked { assessment, .. } = event { Some(assessment) } else { None }
    });
    (approver.asked().remove(0).assessment.clone(), recorded.unwrap(), broker.take_warnings())
}

#[tokio::test]
async fn it_is_shown_and_on_record_without_secrets() {
    let (shown, recorded, warnings) = asked(Some(Arc::new(Says(Some("It sends --token hunter2."))))).await;
    assert_eq!(shown.unwrap().description, "It sends --token hunter2.");
    let recorded = recorded.unwrap();
    assert_eq!(recorded.status, "success");
    assert_eq!(
        (recorded.level, recorded.categories),
        (Some(RiskLevel::High), vec![RiskCategory::Compliance])
    );
    assert_eq!(recorded.description.unwrap(), "It sends --token [redacted]");
    assert_eq!((recorded.error, warnings), (None, Vec::new()));
}

#[tokio::test]
async fn a_failure_is_on_record_and_told() {
    let (shown, recorded, warnings) = asked(Some(Arc::new(Says(None)))).await;
    assert_eq!(shown, None);
    let recorded = recorded.unwrap();
    assert_eq!((recorded.status.as_str(), recorded.level), ("no_output", None));
    assert_eq!(recorded.error.unwrap(), "the risk assessor said nothing");
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.starts_with("no second opinion: the risk assessor said nothing; let it"), "{warning}");
}

#[tokio::test]
async fn without_an_assessor_there_is_nothing_to_say() {
    assert_eq!(asked(None).await, (None, None, Vec::new()));
}
