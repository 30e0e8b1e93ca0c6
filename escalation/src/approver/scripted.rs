//! Answers that are known beforehand, for tests and examples.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Approver, ApproverError, Audience, BoxFuture};
use crate::answer::{Answer, MalformedAnswer};
use crate::ask::Ask;

/// What comes back for one ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// An answer.
    Answer(Answer),
    /// A failure.
    Error(ApproverError),
    /// Nothing, ever.
    Silence,
}

/// The most asks that are kept to look at; later ones are answered all the same.
pub const MAX_KEPT: usize = 100_000;

/// What makes a reply from an ask.
type Script = dyn FnMut(&Ask) -> Reply + Send;

/// An approver with a script, **for tests and examples only**: it says yes without looking.
pub struct Scripted {
    script: Mutex<Box<Script>>,
    asked: Mutex<Vec<Arc<Ask>>>,
    audience: Audience,
}

impl Scripted {
    /// These replies, one for each ask in turn. When they are used up, asking fails.
    pub fn new(replies: impl IntoIterator<Item = impl Into<Reply>>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().map(Into::into).collect();
        Self::with(move |_| {
            replies.pop_front().unwrap_or_else(|| {
                Reply::Error(ApproverError::Failed { why: "the script is at its end".to_owned() })
            })
        })
    }

    /// A reply for each ask, made from it. It is called for one ask at a time.
    pub fn with(script: impl FnMut(&Ask) -> Reply + Send + 'static) -> Self {
        Self {
            script: Mutex::new(Box::new(script)),
            asked: Mutex::new(Vec::new()),
            audience: Audience::Person,
        }
    }

    /// The same script, played by a program: it is not asked what only a person may answer.
    #[must_use]
    pub fn as_program(self) -> Self {
        Self { audience: Audience::Program, ..self }
    }

    fn reply(&self, ask: Arc<Ask>) -> Reply {
        let mut asked = lock(&self.asked);
        if asked.len() < MAX_KEPT {
            asked.push(Arc::clone(&ask));
        }
        drop(asked);
        (lock(&self.script))(&ask)
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Arc<Ask>> {
        lock(&self.asked).clone()
    }
}

/// A script that panicked is none that others should go on with less of: the next ask gets what it has then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Approver for Scripted {
    fn name(&self) -> &str {
        "script"
    }

    fn is_person(&self) -> bool {
        self.audience == Audience::Person
    }

    fn ask(&self, ask: Arc<Ask>) -> BoxFuture<'_, Result<Answer, ApproverError>> {
        Box::pin(async move {
            match self.reply(ask) {
                Reply::Answer(answer) => Ok(answer),
                Reply::Error(error) => Err(error),
                Reply::Silence => std::future::pending().await,
            }
        })
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<ApproverError> for Reply {
    fn from(error: ApproverError) -> Self {
        Self::Error(error)
    }
}

impl From<Result<Answer, MalformedAnswer>> for Reply {
    fn from(answer: Result<Answer, MalformedAnswer>) -> Self {
        answer.map_or_else(|error| Self::Error(error.into()), Self::Answer)
    }
}
