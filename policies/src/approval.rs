//! When a person is asked, as configured.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `approval_policy`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalPolicy {
    /// Ask before every command that no rule allows.
    Untrusted,
    /// Run inside the sandbox; judged like `on-request`.
    OnFailure,
    /// Run inside the sandbox; ask when the agent wants out of it, or a rule or a danger says so.
    #[default]
    OnRequest,
    /// Ask nothing: what would need a question is refused.
    Never,
    /// Like `on-request`, where some kinds of question are refused unasked.
    Granular(Granular),
}

/// Which kinds of question may be asked: `{ granular = { … } }`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub struct Granular {
    /// About leaving the sandbox.
    pub sandbox_approval: bool,
    /// That a rule asks for.
    pub rules: bool,
    /// That a tool server asks.
    pub mcp_elicitations: bool,
    /// Before a skill is used.
    #[serde(default)]
    pub skill_approval: bool,
    /// About wider permissions for one command.
    #[serde(default)]
    pub request_permissions: bool,
}

/// Who answers what would be asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalsReviewer {
    /// The person.
    #[default]
    User,
    /// A model, in the person's stead.
    AutoReview,
}

impl ApprovalPolicy {
    /// As the evaluator takes it.
    pub fn for_evaluation(self) -> execpolicy::ApprovalPolicy {
        match self {
            Self::Untrusted => execpolicy::ApprovalPolicy::Untrusted,
            Self::OnFailure => execpolicy::ApprovalPolicy::OnFailure,
            Self::OnRequest => execpolicy::ApprovalPolicy::OnRequest,
            Self::Never => execpolicy::ApprovalPolicy::Never,
            Self::Granular(Granular { sandbox_approval, rules, .. }) => {
                execpolicy::ApprovalPolicy::Granular(execpolicy::Granular { sandbox_approval, rules })
            }
        }
    }

    /// Whether a change to `other` lets nothing happen that would not have happened, or been asked about,
    /// before. A partial order: `never` and `untrusted` exclude each other, because the one runs silently what
    /// the other asks about, and the other may ask where the one refuses.
    pub fn narrows_to(self, other: Self) -> bool {
        match (self, other) {
            (Self::OnRequest | Self::OnFailure, _) | (Self::Granular(_), Self::Never) => true,
            (Self::Granular(from), Self::Granular(to)) => to.allowed() & !from.allowed() == 0,
            (Self::Untrusted | Self::Never | Self::Granular(_), _) => self == other,
        }
    }
}

impl Granular {
    /// The categories as bits.
    fn allowed(self) -> u8 {
        let Self { sandbox_approval, rules, mcp_elicitations, skill_approval, request_permissions } = self;
        [sandbox_approval, rules, mcp_elicitations, skill_approval, request_permissions]
            .into_iter()
            .fold(0, |bits, on| bits << 1 | u8::from(on))
    }
}

impl ApprovalsReviewer {
    /// The accepted words.
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("user", Self::User), ("auto_review", Self::AutoReview)];
}

impl fmt::Display for ApprovalPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => formatter.write_str("untrusted"),
            Self::OnFailure => formatter.write_str("on-failure"),
            Self::OnRequest => formatter.write_str("on-request"),
            Self::Never => formatter.write_str("never"),
            Self::Granular(Granular {
                sandbox_approval,
                rules,
                mcp_elicitations,
                skill_approval,
                request_permissions,
            }) => write!(
                formatter,
                "{{ granular = {{ sandbox_approval = {sandbox_approval}, rules = {rules}, mcp_elicitations = {mcp_elicitations}, skill_approval = {skill_approval}, request_permissions = {request_permissions} }} }}"
            ),
        }
    }
}

impl fmt::Display for ApprovalsReviewer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::User => "user",
            Self::AutoReview => "auto_review",
        })
    }
}
