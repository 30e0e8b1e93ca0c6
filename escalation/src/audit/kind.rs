//! The kinds of events, to look for.

use super::event::Event;
use crate::ids::Call;

/// The kinds of events.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EventKind {
    /// A session began.
    SessionOpened,
    /// A question was put to an approver.
    Asked,
    /// A question ended.
    Settled,
    /// A call was decided on.
    Decided,
    /// A run ended.
    Ended,
    /// A rule was written down.
    Amended,
    /// Something is remembered.
    Remembered,
    /// Something is not remembered any more.
    Revoked,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SessionOpened,
        Self::Asked,
        Self::Settled,
        Self::Decided,
        Self::Ended,
        Self::Amended,
        Self::Remembered,
        Self::Revoked,
    ];

    /// The word in the field `event`.
    pub fn word(self) -> &'static str {
        match self {
            Self::SessionOpened => "sessionOpened",
            Self::Asked => "asked",
            Self::Settled => "settled",
            Self::Decided => "decided",
            Self::Ended => "ended",
            Self::Amended => "amended",
            Self::Remembered => "remembered",
            Self::Revoked => "revoked",
        }
    }
}

impl Event {
    /// Which kind of event it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::SessionOpened { .. } => EventKind::SessionOpened,
            Self::Asked { .. } => EventKind::Asked,
            Self::Settled { .. } => EventKind::Settled,
            Self::Decided { .. } => EventKind::Decided,
            Self::Ended { .. } => EventKind::Ended,
            Self::Amended { .. } => EventKind::Amended,
            Self::Remembered { .. } => EventKind::Remembered,
            Self::Revoked { .. } => EventKind::Revoked,
        }
    }

    /// What the agent does, if the event is about that.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Self::Asked { call, .. } | Self::Decided { call, .. } | Self::Ended { call, .. } => Some(call),
            Self::SessionOpened { .. }
            | Self::Settled { .. }
            | Self::Amended { .. }
            | Self::Remembered { .. }
            | Self::Revoked { .. } => None,
        }
    }
}

/// The word is no kind of event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected one of {}", EventKind::ALL.map(EventKind::word).join(", "))]
pub struct UnknownKind;

impl std::str::FromStr for EventKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.word() == word).ok_or(UnknownKind)
    }
}
