//! Asks an assessor, and takes no for an answer.

use std::time::Instant;

use super::{ASSESSMENT_LIMIT, AssessError, Assessment, RiskAssessor};
use crate::ask::Ask;

/// What the assessor thinks of a question, if there is one and it says so in time.
///
/// It never fails and takes no longer than [`ASSESSMENT_LIMIT`]: without an opinion the ordinary question is asked.
/// How it went is logged with the words `success`, `parse_error`, `no_output`, `model_error` and `timeout`, and how
/// long it took. Needs a tokio runtime with time.
pub async fn opinion(assessor: Option<&dyn RiskAssessor>, ask: &Ask) -> Option<Assessment> {
    let assessor = assessor?;
    let began = Instant::now();
    let outcome = match tokio::time::timeout(ASSESSMENT_LIMIT, assessor.assess(ask)).await {
        Ok(outcome) => outcome.and_then(Assessment::checked),
        Err(_) => Err(AssessError::TimedOut),
    };
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let ask_id = ask.id.0;
    match outcome {
        Ok(assessment) => {
            tracing::info!(ask_id, latency_ms, status = "success", risk = ?assessment.risk_level, "risk assessment");
            Some(assessment)
        }
        Err(error) => {
            let status = error.status();
            tracing::warn!(ask_id, latency_ms, status, %error, "no risk assessment");
            None
        }
    }
}
