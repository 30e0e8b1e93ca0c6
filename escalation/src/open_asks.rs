//! The asks that wait for an answer, and who waits for them. Pure bookkeeping: no clock, no approver.
//!
//! INVARIANT (one ask a key): while an ask of a key is open, whoever comes with that key waits for it.
//! INVARIANT (nobody is lost): a waiter is told exactly once, or has left.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::ids::{AskId, Call, TurnId};
use crate::key::Key;
use crate::settled::{Refusal, Settled};

/// How many asks may wait at once. Each is a question on somebody's screen.
pub const MAX_OPEN_ASKS: usize = 1_000;
/// How many calls may wait at once, for all asks together.
pub const MAX_WAITING: usize = 100_000;

/// All open asks of a broker.
#[derive(Debug, Default)]
pub(crate) struct OpenAsks {
    next_ask: u64,
    next_waiter: u64,
    by_key: HashMap<Key, OpenAsk>,
    waiting: usize,
}

#[derive(Debug)]
struct OpenAsk {
    id: AskId,
    waiters: BTreeMap<u64, Waiter>,
    /// What asks; aborting it takes the question back.
    task: Option<AbortHandle>,
}

#[derive(Debug)]
struct Waiter {
    call: Call,
    approval_id: Option<Uuid>,
    told: oneshot::Sender<Arc<Settled>>,
}

/// A place in the queue of an ask.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) ask: AskId,
    waiter: u64,
    /// Whether the ask is new: whoever comes first has it asked.
    pub(crate) is_first: bool,
}

/// An ask for those whom an answer was not enough for: that of the first of them, who is to be asked about.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) ask: AskId,
    pub(crate) call: Call,
    pub(crate) approval_id: Option<Uuid>,
}

/// An ask that is not open any more.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) ask: AskId,
    /// Whether nobody else waits for it, so that the ask itself has ended.
    pub(crate) is_last: bool,
    task: Option<AbortHandle>,
    waiters: Vec<Waiter>,
}

impl OpenAsks {
    /// Waits for the answer to `key`, for this call, which the approver knows by that name.
    ///
    /// # Errors
    /// [`Refusal::TooMany`].
    pub(crate) fn enter(
        &mut self,
        key: Key,
        call: &Call,
        approval_id: Option<Uuid>,
    ) -> Result<(Place, oneshot::Receiver<Arc<Settled>>), Refusal> {
        if self.waiting >= MAX_WAITING {
            return Err(Refusal::TooMany { limit: MAX_WAITING });
        }
        let is_first = !self.by_key.contains_key(&key);
        if is_first && self.by_key.len() >= MAX_OPEN_ASKS {
            return Err(Refusal::TooMany { limit: MAX_OPEN_ASKS });
        }
        let next_ask = &mut self.next_ask;
        let open = self.by_key.entry(key).or_insert_with(|| OpenAsk {
            id: next_id(next_ask),
            waiters: BTreeMap::new(),
            task: None,
        });
        let waiter = self.next_waiter;
        self.next_waiter = waiter.wrapping_add(1);
        let (told, receiver) = oneshot::channel();
        open.waiters.insert(waiter, Waiter { call: call.clone(), approval_id, told });
        self.waiting = self.waiting.saturating_add(1);
        Ok((Place { key, ask: open.id, waiter, is_first }, receiver))
    }

    /// Says what to abort if the ask is taken back.
    pub(crate) fn set_task(&mut self, key: Key, ask: AskId, task: AbortHandle) {
        match self.by_key.get_mut(&key) {
            Some(open) if open.id == ask => open.task = Some(task),
            // Everybody left meanwhile.
            Some(_) | None => task.abort(),
        }
    }

    /// Whether the ask still waits.
    pub(crate) fn is_open(&self, key: &Key, ask: AskId) -> bool {
        self.by_key.get(key).is_some_and(|open| open.id == ask)
    }

    /// How many calls wait for the ask.
    pub(crate) fn waiting_for(&self, key: &Key, ask: AskId) -> usize {
        self.by_key.get(key).filter(|open| open.id == ask).map_or(0, |open| open.waiters.len())
    }

    /// Takes the ask away, to tell the first `most` of those who wait. The others wait on, in their order, for an ask
    /// that whoever calls this has asked.
    pub(crate) fn close_for(&mut self, key: &Key, ask: AskId, most: usize) -> Option<(Closed, Option<Next>)> {
        let open = self.by_key.get_mut(key).filter(|open| open.id == ask)?;
        let Some((first, waiter)) = open.waiters.iter().nth(most) else {
            return self.remove(key).map(|closed| (closed, None));
        };
        let (first, call, approval_id) = (*first, waiter.call.clone(), waiter.approval_id);
        let others = open.waiters.split_off(&first);
        let waiters: Vec<Waiter> = std::mem::replace(&mut open.waiters, others).into_values().collect();
        let task = open.task.take();
        open.id = next_id(&mut self.next_ask);
        self.waiting = self.waiting.saturating_sub(waiters.len());
        let next = Next { ask: open.id, call, approval_id };
        Some((Closed { ask, is_last: true, task, waiters }, Some(next)))
    }

    /// Gives a place up. The ask that nobody waits for any more is closed.
    pub(crate) fn leave(&mut self, place: &Place) -> Option<Closed> {
        // Of whatever ask it is in the meantime: no two have one number.
        let open = self.by_key.get_mut(&place.key)?;
        open.waiters.remove(&place.waiter)?;
        self.waiting = self.waiting.saturating_sub(1);
        match open.waiters.is_empty() {
            true => self.remove(&place.key),
            false => None,
        }
    }

    /// Takes everybody of this turn out of the queues: with each ask, who waited for it in that turn. An ask that
    /// others wait for too stays open.
    pub(crate) fn remove_turn(&mut self, turn: &TurnId) -> Vec<Closed> {
        let mut closed = Vec::new();
        let mut abandoned = Vec::new();
        for (key, open) in &mut self.by_key {
            let (gone, stay) = std::mem::take(&mut open.waiters)
                .into_iter()
                .partition::<BTreeMap<_, _>, _>(|(_, waiter)| waiter.call.turn == *turn);
            open.waiters = stay;
            if gone.is_empty() {
                continue;
            }
            let is_last = open.waiters.is_empty();
            let task = is_last.then(|| open.task.take()).flatten();
            if is_last {
                abandoned.push(*key);
            }
            closed.push(Closed { ask: open.id, is_last, task, waiters: gone.into_values().collect() });
        }
        for key in abandoned {
            self.by_key.remove(&key);
        }
        let gone: usize = closed.iter().map(|closed| closed.waiters.len()).sum();
        self.waiting = self.waiting.saturating_sub(gone);
        closed.sort_by_key(|closed| closed.ask);
        closed
    }

    /// Closes everything.
    pub(crate) fn remove_all(&mut self) -> Vec<Closed> {
        self.waiting = 0;
        let all = self.by_key.drain();
        all.map(|(_, open)| Closed::whole(open)).collect()
    }

    fn remove(&mut self, key: &Key) -> Option<Closed> {
        let open = self.by_key.remove(key)?;
        self.waiting = self.waiting.saturating_sub(open.waiters.len());
        Some(Closed::whole(open))
    }
}

impl Closed {
    fn whole(open: OpenAsk) -> Self {
        let waiters = open.waiters.into_values().collect();
        Self { ask: open.id, is_last: true, task: open.task, waiters }
    }

    /// How many calls waited.
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// The turns of those who waited, each once.
    pub(crate) fn turns(&self) -> Vec<TurnId> {
        let mut turns: Vec<TurnId> = self.waiters.iter().map(|waiter| waiter.call.turn.clone()).collect();
        turns.sort();
        turns.dedup();
        turns
    }

    /// Tells everybody who waited.
    pub(crate) fn tell(self, settled: &Arc<Settled>) {
        for waiter in self.waiters {
            // One that left in this moment needs no answer.
            drop(waiter.told.send(Arc::clone(settled)));
        }
    }

    /// Takes the question back from the approver.
    pub(crate) fn withdraw(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn next_id(next: &mut u64) -> AskId {
    let id = AskId(*next);
    *next = next.wrapping_add(1);
    id
}
