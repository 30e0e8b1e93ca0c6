//! Answers from clients: an embedder's own, or those of a service.
//!
//! Any number of clients may connect, and come and go. Each is shown every open ask; the first answer counts.
//!
//! INVARIANT (no verdict from silence): no client, none any more, a slow one: each leaves the ask open. Only an
//! answer, or whoever takes the ask back, ends it.
//!
//! INVARIANT (bounded, I12): nothing is queued for a client. It pulls, and what it gets is made from the asks that
//! are open and those that it was shown. So a client that never pulls costs nothing, and one that does costs at most
//! [`MAX_OPEN_ASKS`](crate::MAX_OPEN_ASKS) ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use execpolicy::display::visible_up_to;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::{Approver, ApproverError, BoxFuture};
use crate::answer::{Answer, MalformedAnswer};
use crate::ask::Ask;
use crate::ids::AskId;
use crate::subject::Subject;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// A person, who sees what clients show.
    Person,
    /// A program. It is not asked what only a person may answer.
    Program,
}

/// What becomes of an ask while no client is connected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WithoutClients {
    /// It waits, until its deadline, for a client to connect.
    #[default]
    Wait,
    /// It is refused at once: there is nobody to ask. One that a client has been able to see stays open, also when
    /// that client goes.
    Refuse,
}

/// An approver whose answers come from [`Client`]s. For one broker: ids of several would be mixed up, and an ask with
/// the id of one that is open fails.
#[derive(Debug)]
pub struct Channel {
    shared: Arc<Shared>,
    audience: Audience,
    without_clients: WithoutClients,
}

/// One connection to a [`Channel`]. Dropping it answers nothing and takes nothing back.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    /// What it was shown, and not yet told the end of.
    shown: BTreeSet<AskId>,
}

/// What a client is told.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// A question: the same one, with the same id, for each client and after each connection.
    Asked(Arc<Ask>),
    /// The end of a question that this client was shown, whoever answered it, and also when nobody did. Once for
    /// each.
    Resolved(AskId),
}

/// What became of a client's answer.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// It was the first, and counts.
    Taken,
    /// It was not looked at: the ask is no longer open, or this client was never shown it. No error.
    Ignored,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<AskId, Open>,
    clients: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Open {
    ask: Arc<Ask>,
    answered: oneshot::Sender<Result<Answer, ApproverError>>,
}

/// The longest message of a client's error that is kept, in characters.
const MAX_ERROR: usize = 200;

impl Channel {
    /// A channel without clients. Asks wait for the first one.
    pub fn new(audience: Audience) -> Self {
        let shared = Shared { state: Mutex::default(), changed: watch::Sender::new(()) };
        Self { shared: Arc::new(shared), audience, without_clients: WithoutClients::default() }
    }

    /// The channel, with this for asks that come while no client is connected.
    #[must_use]
    pub fn without_clients(mut self, without_clients: WithoutClients) -> Self {
        self.without_clients = without_clients;
        self
    }

    /// A new client. It is shown all open asks first, in order of their ids.
    pub fn connect(&self) -> Client {
        // Subscribed first: nothing that changes from here on is missed.
        let changed = self.shared.changed.subscribe();
        let mut state = self.shared.lock();
        state.clients = state.clients.saturating_add(1);
        drop(state);
        Client { shared: Arc::clone(&self.shared), changed, shown: BTreeSet::new() }
    }

    /// How many clients are connected.
    pub fn clients(&self) -> usize {
        self.shared.lock().clients
    }

    /// How many asks are open.
    pub fn open_asks(&self) -> usize {
        self.shared.lock().open.len()
    }

    fn open(&self, ask: Arc<Ask>) -> Result<Asking, ApproverError> {
        let id = ask.id;
        let (answered, answer) = oneshot::channel();
        let mut state = self.shared.lock();
        if state.clients == 0 && self.without_clients == WithoutClients::Refuse {
            return Err(ApproverError::Absent { why: "no client is connected".to_owned() });
        }
        if state.open.contains_key(&id) {
            return Err(ApproverError::Failed { why: format!("another ask has the id {id}") });
        }
        state.open.insert(id, Open { ask, answered });
        drop(state);
        self.shared.changed.send_replace(());
        Ok(Asking { taken_back: TakenBack { shared: Arc::clone(&self.shared), id }, answer })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.send_replace(());
    }
}

impl Approver for Channel {
    fn name(&self) -> &str {
        "channel"
    }

    fn is_person(&self) -> bool {
        self.audience == Audience::Person
    }

    fn ask(&self, ask: Arc<Ask>) -> BoxFuture<'_, Result<Answer, ApproverError>> {
        Box::pin(async move {
            let Asking { taken_back, answer } = self.open(ask)?;
            let answer = answer.await;
            drop(taken_back);
            answer.unwrap_or_else(|_| Err(ApproverError::Failed { why: "the channel is gone".to_owned() }))
        })
    }
}

/// An ask that waits for its answer.
struct Asking {
    taken_back: TakenBack,
    answer: oneshot::Receiver<Result<Answer, ApproverError>>,
}

/// Closes an ask when nobody waits for its answer any more. This does nothing for one that was answered.
struct TakenBack {
    shared: Arc<Shared>,
    id: AskId,
}

impl Drop for TakenBack {
    fn drop(&mut self) {
        if self.shared.lock().open.remove(&self.id).is_some() {
            self.shared.changed.send_replace(());
        }
    }
}

impl Shared {
    /// INVARIANT (whole): nothing that can panic runs while the lock is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Waits for what this client is to be told next: first the ends of questions, then questions, each in order of
    /// their ids. `None` when the channel is gone.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        loop {
            // Before looking: what changes after the look is then news.
            self.changed.mark_unchanged();
            match self.look() {
                Look::Event(event) => return Some(event),
                Look::Closed => return None,
                Look::Nothing => {}
            }
            // The sender is in `self.shared`, so it cannot be gone.
            if self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// What this client is to be told next, if there is something already.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        match self.look() {
            Look::Event(event) => Some(event),
            Look::Closed | Look::Nothing => None,
        }
    }

    fn look(&mut self) -> Look {
        let state = self.shared.lock();
        let ended = self.shown.iter().find(|id| !state.open.contains_key(id)).copied();
        if let Some(id) = ended {
            self.shown.remove(&id);
            return Look::Event(ClientEvent::Resolved(id));
        }
        if let Some((id, open)) = state.open.iter().find(|(id, _)| !self.shown.contains(id)) {
            self.shown.insert(*id);
            return Look::Event(ClientEvent::Asked(Arc::clone(&open.ask)));
        }
        if state.is_closed { Look::Closed } else { Look::Nothing }
    }

    /// Answers an ask with the result of a response: `{"decision": …}`, or for a question for permissions
    /// `{"permissions": …, "scope": …}`. What is neither is an answer too, a malformed one: the ask fails.
    pub fn try_answer(&self, id: AskId, result: &Value) -> Delivery {
        self.deliver(id, |ask| {
            let answer = match &ask.subject {
                Subject::Permissions(_) => Answer::parse_permissions(result)?,
                Subject::Exec(_)
                | Subject::Retry(_)
                | Subject::Subcommand(_)
                | Subject::StdinWrite(_)
                | Subject::FileChange(_)
                | Subject::Network(_) => Answer::parse(decision(result)?)?,
            };
            Ok(answer)
        })
    }

    /// Answers an ask with an error: its message, and its `data`. Data with the reason `turnTransition` says that the
    /// turn is changing: then there is no verdict, and the call waits for the turn's end. All others fail the ask.
    pub fn answer_error(&self, id: AskId, message: &str, data: Option<&Value>) -> Delivery {
        let reason = data.and_then(|data| data.get("reason")).and_then(Value::as_str);
        self.deliver(id, |_| match reason {
            Some("turnTransition") => Err(ApproverError::TurnTransition),
            Some(_) | None => Err(ApproverError::Failed { why: visible_up_to(message, MAX_ERROR) }),
        })
    }

    /// INVARIANT (first answer): whoever takes the ask out of the open ones, answers it.
    fn deliver(&self, id: AskId, read: impl FnOnce(&Ask) -> Result<Answer, ApproverError>) -> Delivery {
        if !self.shown.contains(&id) {
            return Delivery::Ignored;
        }
        let Some(Open { ask, answered }) = self.shared.lock().open.remove(&id) else {
            return Delivery::Ignored;
        };
        self.shared.changed.send_replace(());
        match answered.send(read(&ask)) {
            Ok(()) => Delivery::Taken,
            // It was taken back in this moment.
            Err(_) => Delivery::Ignored,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.clients = state.clients.saturating_sub(1);
    }
}

enum Look {
    Event(ClientEvent),
    Nothing,
    Closed,
}

/// The decision in a response. What stands beside it could be meant to limit it, and is not understood.
fn decision(result: &Value) -> Result<&Value, MalformedAnswer> {
    let object = result.as_object().filter(|object| object.len() == 1);
    object
        .and_then(|object| object.get("decision"))
        .ok_or_else(|| MalformedAnswer::new("an answer is an object with `decision`"))
}

#[cfg(test)]
mod tests;
