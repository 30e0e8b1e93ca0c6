//! Who answers.

mod channel;
mod deny_all;
mod scripted;
mod terminal;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use channel::{Audience, Channel, Client, ClientEvent, Delivery, WithoutClients};
pub use deny_all::DenyAll;
pub use scripted::{MAX_KEPT, Reply, Scripted};
pub use terminal::{Keys, Look, Terminal, TerminalError};

use crate::answer::{Answer, MalformedAnswer};
use crate::ask::Ask;

/// A future that may be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Somebody, or something, that answers asks.
///
/// The broker asks about each key once at a time, and several keys at once. It drops the future when the ask is
/// settled otherwise (the turn was interrupted, the deadline passed, nobody waits any more): then the question is to
/// be taken from the screen. What is returned later is not looked at.
pub trait Approver: Send + Sync + fmt::Debug {
    /// Who answers, for the record: `terminal`, `channel`.
    fn name(&self) -> &str;

    /// Whether a person answers. Some questions are for persons only.
    fn is_person(&self) -> bool;

    /// Asks.
    fn ask(&self, ask: Arc<Ask>) -> BoxFuture<'_, Result<Answer, ApproverError>>;
}

/// No answer. None of these approves anything, and none is a cancellation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApproverError {
    /// There is nobody to ask.
    #[error("there is nobody to ask: {why}")]
    Absent {
        /// Why, safe to print.
        why: String,
    },
    /// The approver failed.
    #[error("the approver failed: {why}")]
    Failed {
        /// Why, safe to print.
        why: String,
    },
    /// It answered something else.
    #[error(transparent)]
    Malformed(#[from] MalformedAnswer),
    /// The question is moot because the turn is changing. It stays open until the turn ends.
    #[error("the turn is changing")]
    TurnTransition,
}
