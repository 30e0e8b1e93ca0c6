//! What is put on record. The schema of the audit log.
//!
//! No event holds the value of a variable, and everything that came from a command goes through redaction before it
//! is written.

use execpolicy::{Decision, Placement};
use policies::{AbsolutePath, AdditionalPermissions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::LineHash;
use crate::assess::{RiskCategory, RiskLevel};
use crate::ids::{AskId, Call};
use crate::key::Key;
use crate::subject::FileAction;
use form::{AnyObject, CallFields, DecisionWord};

/// What happened.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A session began.
    SessionOpened {
        /// The version of this program.
        version: String,
        /// When a person is asked.
        approval_policy: String,
        /// The profile's name.
        profile: String,
        /// Who answers.
        approver: String,
        /// The working directory.
        #[schemars(with = "String", extend("pattern" = "^/"))]
        cwd: AbsolutePath,
    },
    /// A question was put to an approver.
    Asked {
        /// Which.
        #[schemars(with = "u64")]
        ask: AskId,
        /// What the agent does.
        #[serde(flatten)]
        #[schemars(with = "CallFields")]
        call: Call,
        /// The question's canonical key.
        #[schemars(with = "LineHash")]
        key: Key,
        /// What it was about.
        about: About,
        /// Why it was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What the risk assessor said; absent when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assessment: Option<RecordedAssessment>,
        /// Who was asked.
        approver: String,
    },
    /// A question ended.
    Settled {
        /// Which.
        #[schemars(with = "u64")]
        ask: AskId,
        /// How: `accept`, `acceptForSession`, … as in [`crate::Answer`]; `failed`, `timedOut`, `interrupted`,
        /// `withdrawn`.
        outcome: String,
        /// Who said so.
        by: String,
        /// How many calls waited for it.
        waiting: usize,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A call was decided on. Written before its effect.
    Decided {
        /// What the agent does.
        #[serde(flatten)]
        #[schemars(with = "CallFields")]
        call: Call,
        /// What it was about.
        about: About,
        /// What came of it.
        outcome: DecidedAs,
        /// Who decided: `policy`, `approver NAME`, `grant ID`.
        by: String,
        /// Which ask was answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<u64>")]
        ask: Option<AskId>,
        /// What the evaluator said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<RecordedVerdict>,
        /// Why, where there is more to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A run ended.
    Ended {
        /// What the agent does.
        #[serde(flatten)]
        #[schemars(with = "CallFields")]
        call: Call,
        /// The exit status, as a shell would give it; absent when there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        /// What the sandbox seems to have stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        denial: Option<String>,
        /// Why it did not start, or got lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A rule was written down because somebody said so.
    Amended {
        /// Which ask was answered.
        #[schemars(with = "u64")]
        ask: AskId,
        /// The line.
        rule: String,
        /// The file.
        file: String,
        /// What went wrong: then the rule holds for the session only, or, for a refusal, is remembered anyway.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Something is remembered.
    Remembered {
        /// By which name.
        grant: String,
        /// Which ask was answered.
        #[schemars(with = "u64")]
        ask: AskId,
        /// What, in one line.
        what: String,
        /// For how long: `turn` or `session`.
        scope: String,
    },
    /// Something is not remembered any more.
    Revoked {
        /// By which name.
        grant: String,
        /// What, in one line.
        what: String,
    },
}

/// What an event is about.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum About {
    /// A command, or the second attempt of one.
    Exec {
        /// The file that is executed.
        #[schemars(with = "String", extend("pattern" = "^/"))]
        program: AbsolutePath,
        /// Its arguments, redacted.
        argv: Vec<String>,
        /// Where it starts.
        #[schemars(with = "String", extend("pattern" = "^/"))]
        cwd: AbsolutePath,
        /// The names of the variables that the agent adds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        environment: Vec<String>,
        /// In the sandbox or not.
        placement: PlacementWord,
        /// The profile's name.
        profile: String,
        /// The digest of the profile with everything granted: two runs with one digest had the same limits.
        profile_digest: String,
        /// What the agent asked for beyond the profile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<AnyObject>")]
        additional: Option<AdditionalPermissions>,
        /// Whether it is the second attempt.
        #[serde(default)]
        retry: bool,
    },
    /// A program that a running command starts.
    Subcommand {
        /// The file that is executed.
        #[schemars(with = "String", extend("pattern" = "^/"))]
        program: AbsolutePath,
        /// Its arguments, redacted.
        argv: Vec<String>,
        /// Where it starts.
        #[schemars(with = "String", extend("pattern" = "^/"))]
        cwd: AbsolutePath,
        /// In the sandbox or not.
        placement: PlacementWord,
    },
    /// Keys for a running command. The keys are not recorded: they may be a password.
    StdinWrite {
        /// Which process.
        process: String,
        /// How much.
        bytes: usize,
    },
    /// Files.
    FileChange {
        /// Which.
        #[schemars(with = "Vec<String>")]
        paths: Vec<AbsolutePath>,
        /// What happens to each of them, in the same order. Not in records of older releases.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        actions: Vec<FileAction>,
        /// A folder that is asked for with them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        grant_root: Option<AbsolutePath>,
        /// The digest of what is written.
        digest: String,
    },
    /// More permissions.
    Permissions {
        /// Which; of a decision, those that were granted.
        #[schemars(with = "AnyObject")]
        permissions: AdditionalPermissions,
    },
    /// A host.
    Network {
        /// The host.
        host: String,
        /// By which protocol.
        protocol: String,
        /// At which port.
        port: u16,
    },
    /// Something that could not even be looked at: a command whose program does not exist, or whose profile cannot
    /// be enforced.
    Unresolved {
        /// What was asked for, redacted.
        argv: Vec<String>,
        /// Where.
        #[schemars(with = "String", extend("pattern" = "^/"))]
        cwd: AbsolutePath,
    },
}

/// [`Placement`], readable.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlacementWord {
    /// In the sandbox.
    Inside,
    /// Without one.
    Outside,
}

impl From<Placement> for PlacementWord {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::Inside => Self::Inside,
            Placement::Outside => Self::Outside,
        }
    }
}

/// What came of a decision.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DecidedAs {
    /// It happens.
    Allowed,
    /// It does not.
    Refused,
    /// It does not, and the turn ends.
    Cancelled,
    /// It does not, because the approver failed.
    Failed,
}

/// What the evaluator said, as far as the record needs it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedVerdict {
    /// The decision.
    #[schemars(with = "DecisionWord")]
    pub decision: Decision,
    /// What led to it.
    pub findings: Vec<RecordedFinding>,
}

/// What a risk assessor said, or how it failed. It decided nothing.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedAssessment {
    /// How it went: `success`, `parse_error`, `no_output`, `model_error` or `timeout`.
    pub status: String,
    /// How risky it seemed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<RiskLevel>,
    /// What could happen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<RiskCategory>,
    /// What it said, redacted: 500 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One finding.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedFinding {
    /// The sub-command, redacted.
    pub command: Vec<String>,
    /// What it alone would decide.
    #[schemars(with = "DecisionWord")]
    pub decision: Decision,
    /// The rule: `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Why.
    pub why: String,
}

/// The form of types of other crates in the schema.
mod form {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde_json::Value as Json;

    /// Additional permissions: an object in the form that they have in requests.
    pub(super) type AnyObject = BTreeMap<String, Json>;

    /// What the agent does: the embedder's names of it.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its schema is used")]
    pub(super) struct CallFields {
        /// The turn.
        turn_id: String,
        /// The item in it.
        item_id: String,
    }

    /// What is decided about a command.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its schema is used")]
    pub(super) enum DecisionWord {
        /// It may run without a question.
        Allow,
        /// An approver has to say yes first.
        Prompt,
        /// A person has to say yes first, every time.
        PromptUser,
        /// It may not run.
        Forbidden,
    }
}
