//! Names of sessions, turns, calls and asks.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which session. Chosen by whoever opens it; one that is opened again under its name finds what it remembered.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// The name cannot be one of a session.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{}` cannot name a session", policies::escape(.name))]
pub struct InvalidSessionId {
    /// What was given.
    pub name: String,
}

impl InvalidSessionId {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        "use 1 to 64 letters, digits, `-` and `_`"
    }
}

/// The longest name of a session, which is also a file name.
const MAX_SESSION_NAME: usize = 64;

impl SessionId {
    /// A name that nobody else has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// A name of 1 to 64 ASCII letters, digits, `-` and `_`: it becomes part of a file name.
    ///
    /// # Errors
    /// [`InvalidSessionId`] for anything else.
    pub fn parse(name: &str) -> Result<Self, InvalidSessionId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match !name.is_empty() && name.len() <= MAX_SESSION_NAME && name.bytes().all(plain) {
            true => Ok(Self(name.to_owned())),
            false => Err(InvalidSessionId { name: name.to_owned() }),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidSessionId;

    fn try_from(name: String) -> Result<Self, InvalidSessionId> {
        Self::parse(&name)
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which turn of the agent. Opaque text of the embedder.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct TurnId(pub String);

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&policies::escape(&self.0))
    }
}

/// One thing that the agent does: the turn that it belongs to, and the item in it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The turn.
    #[serde(rename = "turnId")]
    pub turn: TurnId,
    /// The item, opaque text of the embedder.
    #[serde(rename = "itemId")]
    pub item: String,
}

impl Call {
    /// The item of a turn.
    pub fn new(turn: &TurnId, item: impl Into<String>) -> Self {
        Self { turn: turn.clone(), item: item.into() }
    }
}

/// Which ask of a broker, counted from 0. Never used twice, so that an answer to one ask cannot settle another.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct AskId(pub u64);

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::SessionId;

    #[test]
    fn a_session_name_is_a_plain_file_name() {
        for good in ["a", "Work-1_x", &"a".repeat(64)] {
            assert_eq!(SessionId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a.json", "ä", "a b", "a\n", &"a".repeat(65)] {
            assert!(SessionId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<SessionId>("\"../x\"").is_err());
    }
}
