//! What an approver may say, and how it is written.
//!
//! The JSON forms are those of OpenAI's Codex app-server. They are read strictly: what is not one of them is
//! [`MalformedAnswer`], which approves nothing and cancels nothing.

use std::time::Duration;

use policies::{AdditionalPermissions, GrantScope};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An answer to an ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Yes, to what is waiting for this answer, and to nothing later.
    Accept,
    /// Yes, and to the same question for the rest of the session.
    AcceptForSession(Terms),
    /// Yes, and write down a rule that allows this prefix.
    AcceptWithExecpolicyAmendment {
        /// One of the offered prefixes.
        prefix: Vec<String>,
    },
    /// Write down a rule for this host: a yes or a no for good.
    ApplyNetworkPolicyAmendment(HostAmendment),
    /// These permissions, of those that were asked for.
    Grant(PermissionsAnswer),
    /// No; the agent is told, and goes on.
    Decline,
    /// No, and the turn ends.
    Cancel,
}

/// How far an approval for the session reaches. The default is without limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// Not longer than this.
    pub expires_after: Option<Duration>,
    /// Not more often than this, the first time included.
    pub uses: Option<u32>,
    /// Only for calls that start in or below this folder.
    pub below: Option<policies::AbsolutePath>,
}

/// A rule for a host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HostAmendment {
    /// The host that was asked about.
    pub host: String,
    /// What the rule says.
    pub action: HostAction,
}

/// What a rule says of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostAction {
    /// It may be reached.
    Allow,
    /// It may not.
    Deny,
}

/// The answer to a question for more permissions. The default grants nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PermissionsAnswer {
    /// What is granted. Of this, what was not asked for is dropped.
    pub permissions: AdditionalPermissions,
    /// For how long.
    pub scope: GrantScope,
    /// Have each later command of this turn reviewed. Only for grants of one turn; for others, nothing is granted.
    pub strict_auto_review: bool,
}

/// Something that is no answer to this ask.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the approver's answer is not understood: {why}")]
pub struct MalformedAnswer {
    /// What is wrong with it, safe to print.
    pub why: String,
}

impl MalformedAnswer {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

impl Answer {
    /// Yes for the rest of the session.
    pub fn for_session() -> Self {
        Self::AcceptForSession(Terms::default())
    }

    /// Reads the JSON of a `decision`.
    ///
    /// # Errors
    /// [`MalformedAnswer`] for anything else.
    pub fn parse(decision: &Value) -> Result<Self, MalformedAnswer> {
        match decision {
            Value::String(word) => Self::parse_word(word),
            Value::Object(object) => match only_entry(object) {
                Some(("acceptWithExecpolicyAmendment", body)) => Self::parse_exec_amendment(body),
                Some(("applyNetworkPolicyAmendment", body)) => Self::parse_host_amendment(body),
                Some(("acceptForSession", body)) => Terms::parse(body).map(Self::AcceptForSession),
                Some((other, _)) => Err(unknown(other)),
                None => Err(MalformedAnswer::new("a decision has exactly one name")),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(MalformedAnswer::new("a decision is a word or an object"))
            }
        }
    }

    fn parse_word(word: &str) -> Result<Self, MalformedAnswer> {
        match word {
            "accept" => Ok(Self::Accept),
            "acceptForSession" => Ok(Self::for_session()),
            "decline" => Ok(Self::Decline),
            "cancel" => Ok(Self::Cancel),
            other => Err(unknown(other)),
        }
    }

    fn parse_exec_amendment(body: &Value) -> Result<Self, MalformedAnswer> {
        let prefix = body
            .as_object()
            .and_then(|body| match only_entry(body) {
                Some(("execpolicy_amendment", Value::Array(words))) => Some(words),
                Some(_) | None => None,
            })
            .and_then(|words| {
                words.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            });
        prefix
            .map(|prefix| Self::AcceptWithExecpolicyAmendment { prefix })
            .ok_or_else(|| MalformedAnswer::new("`execpolicy_amendment` is a list of words"))
    }

    fn parse_host_amendment(body: &Value) -> Result<Self, MalformedAnswer> {
        let wrong =
            || MalformedAnswer::new("`network_policy_amendment` is an object with `host` and `action`");
        let amendment = body.as_object().and_then(|body| match only_entry(body) {
            Some(("network_policy_amendment", Value::Object(amendment))) => Some(amendment),
            Some(_) | None => None,
        });
        let amendment = amendment.filter(|amendment| amendment.len() == 2).ok_or_else(wrong)?;
        let host = amendment.get("host").and_then(Value::as_str).ok_or_else(wrong)?.to_owned();
        let action = match amendment.get("action").and_then(Value::as_str) {
            Some("allow") => HostAction::Allow,
            Some("deny") => HostAction::Deny,
            Some(_) | None => return Err(wrong()),
        };
        Ok(Self::ApplyNetworkPolicyAmendment(HostAmendment { host, action }))
    }

    /// Reads the JSON that answers a question for permissions: `{permissions, scope, strictAutoReview}`.
    ///
    /// # Errors
    /// [`MalformedAnswer`].
    pub fn parse_permissions(response: &Value) -> Result<Self, MalformedAnswer> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Wire {
            permissions: AdditionalPermissions,
            #[serde(default)]
            scope: Option<GrantScope>,
            #[serde(default)]
            strict_auto_review: Option<bool>,
        }
        let wire: Wire = serde_json::from_value(response.clone()).map_err(|error| {
            MalformedAnswer::new(execpolicy::display::visible_up_to(&error.to_string(), 200))
        })?;
        Ok(Self::Grant(PermissionsAnswer {
            permissions: wire.permissions,
            scope: wire.scope.unwrap_or_default(),
            strict_auto_review: wire.strict_auto_review.unwrap_or(false),
        }))
    }

    /// The JSON of the answer.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Accept => json!("accept"),
            Self::AcceptForSession(terms) => terms.to_json(),
            Self::AcceptWithExecpolicyAmendment { prefix } => {
                json!({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": prefix}})
            }
            Self::ApplyNetworkPolicyAmendment(amendment) => {
                json!({"applyNetworkPolicyAmendment": {"network_policy_amendment": amendment}})
            }
            Self::Grant(answer) => json!({
                "permissions": answer.permissions,
                "scope": answer.scope,
                "strictAutoReview": answer.strict_auto_review,
            }),
            Self::Decline => json!("decline"),
            Self::Cancel => json!("cancel"),
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl Terms {
    /// Ours alone: `{"acceptForSession": {"expires_after_ms": 60000, "uses": 3, "below": "/ws"}}`, each optional.
    fn parse(body: &Value) -> Result<Self, MalformedAnswer> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            #[serde(default)]
            expires_after_ms: Option<u64>,
            #[serde(default)]
            uses: Option<u32>,
            #[serde(default)]
            below: Option<policies::AbsolutePath>,
        }
        let wire: Wire = serde_json::from_value(body.clone()).map_err(|error| {
            MalformedAnswer::new(execpolicy::display::visible_up_to(&error.to_string(), 200))
        })?;
        Ok(Self {
            expires_after: wire.expires_after_ms.map(Duration::from_millis),
            uses: wire.uses,
            below: wire.below,
        })
    }

    fn to_json(&self) -> Value {
        if *self == Self::default() {
            return json!("acceptForSession");
        }
        let mut terms = Map::new();
        if let Some(limit) = self.expires_after {
            let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            terms.insert("expires_after_ms".to_owned(), json!(limit));
        }
        if let Some(uses) = self.uses {
            terms.insert("uses".to_owned(), json!(uses));
        }
        if let Some(below) = &self.below {
            terms.insert("below".to_owned(), json!(below));
        }
        json!({"acceptForSession": terms})
    }
}

fn only_entry(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((name, value)), None) => Some((name, value)),
        (None | Some(_), _) => None,
    }
}

fn unknown(word: &str) -> MalformedAnswer {
    MalformedAnswer::new(format!("`{}` is not a decision", execpolicy::display::visible_up_to(word, 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_forms_are_read_and_printed() {
        for text in [
            r#""accept""#,
            r#""acceptForSession""#,
            r#""decline""#,
            r#""cancel""#,
            r#"{"acceptWithExecpolicyAmendment":{"execpolicy_amendment":["git","pull"]}}"#,
            r#"{"applyNetworkPolicyAmendment":{"network_policy_amendment":{"action":"deny","host":"h"}}}"#,
            r#"{"acceptForSession":{"below":"/ws","expires_after_ms":60000,"uses":3}}"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let answer = Answer::parse(&value).expect(text);
            assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        }
    }

    #[test]
    fn nothing_else_is_an_answer() {
        for text in [
            "null",
            "true",
            "1",
            "[]",
            r#"["accept"]"#,
            r#""Accept""#,
            r#""approved""#,
            r#""""#,
            "{}",
            r#"{"accept":null}"#,
            r#"{"accept":{},"decline":{}}"#,
            r#"{"acceptWithExecpolicyAmendment":["git"]}"#,
            r#"{"acceptWithExecpolicyAmendment":{"execpolicy_amendment":"git"}}"#,
            r#"{"acceptWithExecpolicyAmendment":{"execpolicy_amendment":[1]}}"#,
            r#"{"acceptWithExecpolicyAmendment":{"execpolicyAmendment":["git"]}}"#,
            r#"{"applyNetworkPolicyAmendment":{"network_policy_amendment":{"host":"h"}}}"#,
            r#"{"applyNetworkPolicyAmendment":{"network_policy_amendment":{"host":"h","action":"ALLOW"}}}"#,
            r#"{"applyNetworkPolicyAmendment":{"network_policy_amendment":{"host":"h","action":"allow","port":1}}}"#,
            r#"{"acceptForSession":{"forever":true}}"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(Answer::parse(&value).is_err(), "{text}");
        }
    }

    #[test]
    fn a_grant_names_permissions_and_scope() {
        let parse = |text: &str| Answer::parse_permissions(&serde_json::from_str(text).unwrap());
        let Answer::Grant(answer) = parse(r#"{"permissions":{"network":{"enabled":true}}}"#).unwrap() else {
            panic!("not a grant")
        };
        assert!(answer.permissions.network.is_enabled());
        assert_eq!((answer.scope, answer.strict_auto_review), (GrantScope::Turn, false));
        for text in
            [r#"{}"#, r#""accept""#, r#"{"permissions":{},"scope":"forever"}"#, r#"{"permissions":{},"x":1}"#]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
