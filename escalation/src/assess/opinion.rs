//! Asks an assessor, and takes no for an answer.

use std::time::Instant;

use super::{ASSESSMENT_LIMIT, AssessError, Assessment, RiskAssessor};
use crate::ask::Ask;

/// What the assessor thinks of a question, if there is one: `None` is nobody to ask.
///
/// It takes no longer than [`ASSESSMENT_LIMIT`]. How it went is traced with the words `success`, `parse_error`,
/// `no_output`, `model_error` and `timeout`, and how long it took. Needs a tokio runtime with time.
///
/// # Errors
/// Inside: why there is no opinion. The ordinary question is asked then.
pub async fn opinion(
    assessor: Option<&dyn RiskAssessor>,
    ask: &Ask,
) -> Option<Result<Assessment, AssessError>> {
    let assessor = assessor?;
    let began = Instant::now();
    let outcome = match tokio::time::timeout(ASSESSMENT_LIMIT, assessor.assess(ask)).await {
        Ok(outcome) => outcome.and_then(Assessment::checked),
        Err(_) => Err(AssessError::TimedOut),
    };
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let ask_id = ask.id.0;
    let status = status(&outcome);
    tracing::info!(ask_id, latency_ms, status, "risk assessment");
    Some(outcome)
}

/// How it went, in a word.
pub(crate) fn status(outcome: &Result<Assessment, AssessError>) -> &'static str {
    match outcome {
        Ok(_) => "success",
        Err(error) => error.status(),
    }
}
