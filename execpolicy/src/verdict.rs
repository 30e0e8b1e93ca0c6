//! The answer, with everything that led to it.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::amendment::Amendment;
use crate::command::Span;
use crate::summary::Summary;
use crate::{Decision, Origin};

/// What kind of knowledge a finding rests on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A prefix rule.
    Rule,
    /// The fallback: the approval policy, the tables of dangerous and safe commands, and the rule files that
    /// could not be read.
    Heuristic,
    /// An option that makes a harmless tool run a program or write a file.
    Guard,
    /// What the shell's text turned out to be.
    Parse,
}

/// Where a run may happen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// In the sandbox that is in force.
    Inside,
    /// Without a sandbox.
    Outside,
}

/// One thing that was found out about one command, and what it means.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The sub-command; words that are known only when it runs are shown as `…`.
    pub command: Vec<String>,
    /// What kind of knowledge.
    pub by: By,
    /// The rule, or the row of a table, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub source: Option<Origin>,
    /// What it alone would decide.
    pub decision: Decision,
    /// Why, in words for people.
    pub why: String,
    /// Where in the script, in bytes; absent for what is not part of one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_pair")]
    pub span: Option<Span>,
}

/// What the evaluator says of a command.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// The strictest of the findings, after the approval policy.
    pub decision: Decision,
    /// Where it may run if it may.
    pub sandbox: Placement,
    /// The sentence for the approver or for the agent, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Everything that was found, in the order of the command.
    pub findings: Vec<Finding>,
    /// The rules that would settle it the next time, narrowest first. Empty when none may be offered.
    pub amendments: Vec<Amendment>,
    /// What the command does, for display.
    pub summary: Vec<Summary>,
}

fn as_text<S: Serializer>(origin: &Option<Origin>, serializer: S) -> Result<S::Ok, S::Error> {
    match origin {
        Some(origin) => serializer.collect_str(origin),
        None => serializer.serialize_none(),
    }
}

fn as_pair<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => [span.start, span.end].serialize(serializer),
        None => serializer.serialize_none(),
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        })
    }
}
