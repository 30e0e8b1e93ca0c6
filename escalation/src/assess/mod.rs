//! A second opinion on the risk, for the eyes of the approver. It decorates a question and never decides: whatever
//! goes wrong, the ordinary question is asked, and what went wrong is on record.

mod command;
mod opinion;
mod program;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use command::CommandAssessor;
pub use opinion::opinion;
pub(crate) use opinion::status;
pub use program::AssessorError;

use crate::approver::BoxFuture;
use crate::ask::Ask;

/// How long an assessment may take.
pub const ASSESSMENT_LIMIT: Duration = Duration::from_secs(5);

/// How risky something seems.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskLevel {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

/// What could happen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskCategory {
    /// Data is lost.
    DataDeletion,
    /// Data leaves the machine.
    DataExfiltration,
    /// Rights are gained.
    PrivilegeEscalation,
    /// The system is changed.
    SystemModification,
    /// The network is used.
    NetworkAccess,
    /// Resources are used up.
    ResourceExhaustion,
    /// Rules of the organisation are broken.
    Compliance,
}

impl RiskLevel {
    /// The word for it, as in answers and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl RiskCategory {
    /// The word for it, as in answers and records.
    pub fn word(self) -> &'static str {
        match self {
            Self::DataDeletion => "data_deletion",
            Self::DataExfiltration => "data_exfiltration",
            Self::PrivilegeEscalation => "privilege_escalation",
            Self::SystemModification => "system_modification",
            Self::NetworkAccess => "network_access",
            Self::ResourceExhaustion => "resource_exhaustion",
            Self::Compliance => "compliance",
        }
    }
}

/// An opinion.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Assessment {
    /// What it would do, in 1 to 500 characters. Foreign text.
    pub description: String,
    /// How risky that is.
    pub risk_level: RiskLevel,
    /// What could happen.
    #[serde(default)]
    pub risk_categories: Vec<RiskCategory>,
}

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 500;

impl Assessment {
    /// Reads the JSON object of an answer. Fields that are not known are ignored.
    ///
    /// # Errors
    /// [`AssessError::NoOutput`] for nothing but white space, [`AssessError::Malformed`] for anything that is not
    /// such an object.
    pub fn parse(answer: &[u8]) -> Result<Self, AssessError> {
        if answer.trim_ascii().is_empty() {
            return Err(AssessError::NoOutput);
        }
        let assessment: Self = serde_json::from_slice(answer)
            .map_err(|error| malformed(execpolicy::display::visible_up_to(&error.to_string(), 200)))?;
        assessment.checked()
    }

    /// The same with each category once, if its description has a length that may be shown.
    ///
    /// # Errors
    /// [`AssessError::Malformed`].
    fn checked(mut self) -> Result<Self, AssessError> {
        // A set, in the order of ours: saying one again and again makes no long rows.
        self.risk_categories.sort_unstable();
        self.risk_categories.dedup();
        match self.description.chars().count() {
            1..=MAX_DESCRIPTION => Ok(self),
            0 => Err(malformed("`description` is empty")),
            length => {
                Err(malformed(format!("`description` has {length} characters, more than {MAX_DESCRIPTION}")))
            }
        }
    }
}

fn malformed(why: impl Into<String>) -> AssessError {
    AssessError::Malformed { why: why.into() }
}

/// Somebody with an opinion: a model of the embedder, or a program ([`CommandAssessor`]).
pub trait RiskAssessor: Send + Sync + fmt::Debug {
    /// Forms an opinion about a question. The broker waits no longer than [`ASSESSMENT_LIMIT`], and drops the future
    /// then.
    fn assess<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Assessment, AssessError>>;
}

/// No opinion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssessError {
    /// The assessor did not answer in time.
    #[error("the risk assessor did not answer within {} s", ASSESSMENT_LIMIT.as_secs())]
    TimedOut,
    /// It failed.
    #[error("the risk assessor failed: {why}")]
    Failed {
        /// How, safe to print.
        why: String,
    },
    /// It said nothing.
    #[error("the risk assessor said nothing")]
    NoOutput,
    /// It said something else.
    #[error("the risk assessor's answer is not understood: {why}")]
    Malformed {
        /// What is wrong with it, safe to print.
        why: String,
    },
}

impl AssessError {
    /// One word for logs and counters.
    pub fn status(&self) -> &'static str {
        match self {
            Self::TimedOut => "timeout",
            Self::Failed { .. } => "model_error",
            Self::NoOutput => "no_output",
            Self::Malformed { .. } => "parse_error",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::TimedOut => "make it faster, or do without: the ordinary question was asked",
            Self::Failed { .. } => "run the program by hand with a question on its standard input",
            Self::NoOutput | Self::Malformed { .. } => {
                "let it print one JSON object with `description` and `risk_level`"
            }
        }
    }
}
