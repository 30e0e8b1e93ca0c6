//! The broker: from a question to its end.
//!
//! # Invariants
//! - One prompt a key: whoever asks what is being asked already waits for that answer. A plain yes holds for those
//!   who waited, and for nobody who comes later. A counted one holds for as many of them, the first ones; the others
//!   are asked about anew.
//! - Nobody waits for ever: an answer, the deadline, the end of the turn, the end of the session or the death of the
//!   approver ends every question; and none of these but an answer says yes (I2).
//! - On record before anybody acts on it (I9): the question before it is shown, the answer before it is passed on.
//!   What cannot be recorded is refused.
//! - A no that holds for the session is looked at before any yes that is remembered (I3).

mod driver;
mod state;
mod warnings;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use policies::display::with_causes;
use policies::{AbsolutePath, AdditionalPermissions, GrantScope};
use tokio::sync::{oneshot, watch};

use crate::answer::{Answer, Terms};
use crate::approver::Approver;
use crate::ask::{Ask, Draft, Lasting};
use crate::assess::RiskAssessor;
use crate::audit::{Audit, AuditError, Event};
use crate::ids::{AskId, TurnId};
use crate::key::Key;
use crate::memory::{Memory, NewGrant, What};
use crate::open_asks::{Closed, Next, OpenAsks, Place};
use crate::record;
use crate::rules::SessionRules;
use crate::settled::{Authority, Grant, Refusal, Settled};
use driver::{Answered, Driver, Leaver};
use state::{State, session_grants};
use warnings::Warnings;

/// How long a question waits for its answer, if nobody says otherwise.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60 * 60);

/// The one door for all asks of a session.
#[derive(Clone, Debug)]
pub struct Broker {
    inner: Arc<Inner>,
}

/// What a broker is made of.
#[derive(Debug)]
pub struct BrokerParts {
    /// Who answers.
    pub approver: Arc<dyn Approver>,
    /// Who has an opinion on risks.
    pub assessor: Option<Arc<dyn RiskAssessor>>,
    /// Where everything is put on record.
    pub audit: Arc<Audit>,
    /// What the session remembers.
    pub memory: Memory,
    /// The rules in force.
    pub rules: Arc<SessionRules>,
    /// How long a question waits.
    pub answer_limit: Duration,
    /// Which answers are more than a plain yes.
    pub lasting: Lasting,
}

#[derive(Debug)]
struct Inner {
    approver: Arc<dyn Approver>,
    assessor: Option<Arc<dyn RiskAssessor>>,
    audit: Arc<Audit>,
    rules: Arc<SessionRules>,
    answer_limit: Duration,
    lasting: Lasting,
    state: Mutex<State>,
    /// Of its own, since there is something to say while the state is locked.
    warnings: Mutex<Warnings>,
}

impl Broker {
    /// A broker without turns.
    pub fn new(parts: BrokerParts) -> Self {
        let BrokerParts { approver, assessor, audit, memory, rules, answer_limit, lasting } = parts;
        let state = State {
            asks: OpenAsks::default(),
            memory,
            turns: HashMap::new(),
            reviewed: HashSet::new(),
            is_closed: false,
        };
        let state = Mutex::new(state);
        let warnings = Mutex::default();
        let inner = Inner { approver, assessor, audit, rules, answer_limit, lasting, state, warnings };
        Self { inner: Arc::new(inner) }
    }

    /// Begins a turn. Questions are asked in turns that have begun and not ended; beginning one twice is no error, and
    /// in a broker that is closed none begins.
    pub fn begin_turn(&self, turn: &TurnId) {
        let mut state = self.inner.lock();
        if !state.is_closed {
            state.turns.entry(turn.clone()).or_insert_with(|| watch::channel(false).0);
        }
    }

    /// Ends a turn, as it does when the agent is done or is interrupted: its open questions are taken back, and what
    /// was granted for it is forgotten.
    pub fn end_turn(&self, turn: &TurnId) {
        self.inner.end_turn(turn);
    }

    /// Resolves when the turn is over; at once if it never began.
    pub fn turn_ended(&self, turn: &TurnId) -> impl Future<Output = ()> + Send + use<> {
        let watched = self.inner.lock().turns.get(turn).map(watch::Sender::subscribe);
        async move {
            if let Some(mut watched) = watched {
                // The sender goes when the turn does, and says so first.
                drop(watched.wait_for(|is_over| *is_over).await);
            }
        }
    }

    /// Whether a turn has begun and not ended.
    ///
    /// # Errors
    /// [`Refusal::NoTurn`], [`Refusal::SessionEnded`].
    pub fn check_turn(&self, turn: &TurnId) -> Result<(), Refusal> {
        self.inner.lock().check_turn(turn)
    }

    /// Has each later command of this turn asked about, also those that policy allows.
    pub(crate) fn review(&self, turn: &TurnId) {
        let mut state = self.inner.lock();
        if state.check_turn(turn).is_ok() {
            state.reviewed.insert(turn.clone());
        }
    }

    /// Whether each command of this turn is asked about.
    pub(crate) fn is_reviewed(&self, turn: &TurnId) -> bool {
        self.inner.lock().reviewed.contains(turn)
    }

    /// Ends the session: all turns end, and nothing is asked any more.
    pub fn close(&self) {
        self.inner.close();
    }

    /// What was granted for this turn and for the session, for a call in `cwd`.
    pub fn granted_permissions(&self, turn: &TurnId, cwd: &AbsolutePath) -> AdditionalPermissions {
        self.inner.lock().memory.permissions(turn, cwd, SystemTime::now())
    }

    /// Whether somebody denied this host for the session.
    pub(crate) fn is_host_denied(&self, host: &str) -> bool {
        self.inner.lock().memory.is_host_denied(host)
    }

    /// Takes note of where a sandboxed command or a patch is about to write.
    pub(crate) fn opens(&self, places: Vec<AbsolutePath>) {
        self.inner.lock().memory.opens(places);
    }

    /// Where sandboxed commands and patches of the session could write so far, in any process.
    pub(crate) fn opened(&self) -> Vec<AbsolutePath> {
        self.inner.lock().memory.opened()
    }

    /// The folders that may be written for the rest of the session, for a call of this turn in `cwd`.
    pub fn granted_roots(&self, turn: &TurnId, cwd: &AbsolutePath) -> Vec<AbsolutePath> {
        self.inner.lock().memory.roots(turn, cwd, SystemTime::now())
    }

    /// Asks, unless the answer is known: remembered, or being asked for already.
    ///
    /// Dropping the future gives the place up; when nobody waits any more, the question is taken back.
    pub async fn settle(&self, draft: Draft) -> Arc<Settled> {
        let draft = Draft { lasting: self.inner.lasting, ..draft };
        match self.inner.enter(&draft) {
            Entered::Settled(settled) => Arc::new(settled),
            Entered::Waiting(place, told) => {
                let (key, ask, is_first) = (place.key, place.ask, place.is_first);
                let turn = draft.call.turn.clone();
                let leaver = Leaver { inner: Arc::downgrade(&self.inner), place };
                if is_first {
                    Driver { inner: Arc::downgrade(&self.inner), key, ask }.start(&self.inner, draft);
                }
                let settled = told.await;
                drop(leaver);
                match settled {
                    Ok(settled) => match settled.granted() {
                        Some(grant) => {
                            let ask = grant.ask.unwrap_or(ask);
                            self.inner.still(settled, &turn, ask)
                        }
                        None => settled,
                    },
                    Err(_) => Arc::new(Settled::Refused(Refusal::SessionEnded)),
                }
            }
        }
    }

    /// What people should know: what could not be remembered, written down or put on record, each in a sentence that
    /// is safe to print, with what to do about it. Each is given once.
    pub fn take_warnings(&self) -> Vec<String> {
        let of_memory = self.inner.lock().memory.take_warnings();
        let of_memory = of_memory.iter().map(|error| format!("{}; {}", with_causes(error), error.help()));
        of_memory.chain(self.inner.warnings().take()).collect()
    }

    /// Has people know something that is safe to print.
    pub(crate) fn warn(&self, warning: String) {
        self.inner.warn(warning);
    }

    /// Puts something on record that needs no record to be over, or to stay undone. What cannot be put on record is a
    /// warning.
    pub(crate) fn note(&self, event: &Event) {
        self.inner.note(event);
    }

    /// Remembers permissions that were granted.
    pub(crate) fn remember_permissions(
        &self,
        permissions: AdditionalPermissions,
        scope: GrantScope,
        turn: &TurnId,
        ask: AskId,
    ) -> Result<(), Refusal> {
        let what = What::Permissions(permissions);
        let label = "more permissions".to_owned();
        let grant = NewGrant { what, label, scope, turn: turn.clone(), terms: Terms::default() };
        let mut state = self.inner.lock();
        // What was granted for a turn that is over would hold in the next one of that name.
        state.check_turn(turn)?;
        self.inner.remember(&mut state, grant, ask)
    }
}

/// Whether there is something to wait for.
enum Entered {
    Settled(Settled),
    Waiting(Place, oneshot::Receiver<Arc<Settled>>),
}

impl Inner {
    /// INVARIANT (whole): nothing that can panic runs while the lock is held, so that a poisoned lock still guards
    /// whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warnings(&self) -> MutexGuard<'_, Warnings> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, warning: String) {
        tracing::warn!("{warning}");
        self.warnings().push(warning);
    }

    fn note(&self, event: &Event) {
        if let Err(error) = self.audit.record(event) {
            self.warn_unrecorded(event, &error);
        }
    }

    fn warn_unrecorded(&self, event: &Event, error: &AuditError) {
        let (what, why) = (event.kind().word(), with_causes(error));
        self.warn(format!("an event `{what}` is missing in the audit log: {why}; {}", error.help()));
    }

    /// The one order: no beats yes, then what is remembered, then the queue.
    fn enter(&self, draft: &Draft) -> Entered {
        let refused = |refusal| Entered::Settled(Settled::Refused(refusal));
        let mut state = self.lock();
        if let Err(refusal) = state.check_turn(&draft.call.turn) {
            return refused(refusal);
        }
        if let Err(refusal) = state.check_host(&draft.subject) {
            return refused(refusal);
        }
        if draft.person_only() && !self.approver.is_person() {
            return refused(Refusal::PersonNeeded { approver: self.approver.name().to_owned() });
        }
        let key = Key::of(&draft.subject);
        if let Some(grant) = state.recall(draft, &key) {
            let by = Authority::Remembered { grant };
            return Entered::Settled(Settled::Granted(Grant { ask: None, by, answer: Answer::Accept }));
        }
        match state.asks.enter(key, &draft.call, draft.approval_id) {
            Ok((place, told)) => Entered::Waiting(place, told),
            Err(refusal) => refused(refusal),
        }
    }

    fn end_turn(&self, turn: &TurnId) {
        let closed = {
            let mut state = self.lock();
            state.memory.end_turn(turn);
            state.reviewed.remove(turn);
            if let Some(is_over) = state.turns.remove(turn) {
                is_over.send_replace(true);
            }
            state.asks.remove_turn(turn)
        };
        for closed in closed {
            closed.withdraw();
            let ask = closed.ask;
            self.tell(closed, Settled::Refused(Refusal::Interrupted { ask }));
        }
    }

    fn close(&self) {
        let closed = {
            let mut state = self.lock();
            state.is_closed = true;
            for (_, is_over) in state.turns.drain() {
                is_over.send_replace(true);
            }
            state.asks.remove_all()
        };
        for closed in closed {
            closed.withdraw();
            self.tell(closed, Settled::Refused(Refusal::SessionEnded));
        }
    }

    /// Ends an ask, if it is still open, and takes what its answer says into memory. A yes with a count is one for as
    /// many of those who wait; the rest wait on, and what this gives is to be started, to ask about them.
    fn finish(
        self: &Arc<Self>,
        key: &Key,
        ask: AskId,
        subject: Option<&Ask>,
        Answered { settled, uses }: Answered,
    ) -> Option<(Driver, Next)> {
        let (closed, next, settled) = {
            let mut state = self.lock();
            if !state.asks.is_open(key, ask) {
                return None;
            }
            let counted = uses.map(|uses| usize::try_from(uses).unwrap_or(usize::MAX));
            let most = counted.unwrap_or(usize::MAX).min(state.asks.waiting_for(key, ask));
            // First of all: whoever comes next finds either the open ask or what came of it.
            let settled = match (&settled, subject) {
                (Settled::Granted(grant), Some(subject)) => {
                    // It may have been denied while this question waited (I3).
                    let allowed = state.check_host(&subject.subject);
                    match allowed.and_then(|()| self.take_into_memory(&mut state, subject, grant, most)) {
                        Ok(()) => settled,
                        Err(refusal) => Settled::Refused(refusal),
                    }
                }
                (_, _) => settled,
            };
            let most = if settled.granted().is_some() { most } else { usize::MAX };
            let (closed, next) = state.asks.close_for(key, ask, most)?;
            (closed, next, settled)
        };
        // From here on somebody is there to end it.
        let next = next.map(|next| (Driver { inner: Arc::downgrade(self), key: *key, ask: next.ask }, next));
        let ended = match &settled {
            Settled::Cancelled { .. } => closed.turns(),
            Settled::Granted(_) | Settled::Declined { .. } | Settled::Failed { .. } | Settled::Refused(_) => {
                Vec::new()
            }
        };
        let settled = self.put_on_record(&closed, settled);
        // Before anybody hears of it: whoever was told that the turn is over must not find it going on.
        for turn in ended {
            self.end_turn(&turn);
        }
        closed.tell(&Arc::new(settled));
        next
    }

    /// A yes, if its turn has not ended between the answer and now.
    fn still(&self, settled: Arc<Settled>, turn: &TurnId, ask: AskId) -> Arc<Settled> {
        match self.lock().check_turn(turn) {
            Ok(()) => settled,
            Err(Refusal::SessionEnded) => Arc::new(Settled::Refused(Refusal::SessionEnded)),
            Err(_) => Arc::new(Settled::Refused(Refusal::Interrupted { ask })),
        }
    }

    /// Puts the end on record, and then tells those who wait for it.
    fn tell(&self, closed: Closed, settled: Settled) {
        let settled = if closed.is_last { self.put_on_record(&closed, settled) } else { settled };
        closed.tell(&Arc::new(settled));
    }

    /// What cannot be put on record is no yes.
    fn put_on_record(&self, closed: &Closed, settled: Settled) -> Settled {
        let event = record::settled(closed.ask, &settled, closed.waiting());
        match (self.audit.record(&event), settled) {
            (Ok(_), settled) => settled,
            (Err(error), Settled::Granted(_)) => Settled::Refused(Refusal::Unrecorded(error)),
            // What does not happen needs no record to stay undone.
            (Err(error), settled) => {
                self.warn_unrecorded(&event, &error);
                settled
            }
        }
    }

    /// `used` is how many calls the answer is the yes for.
    fn take_into_memory(
        &self,
        state: &mut State,
        ask: &Ask,
        grant: &Grant,
        used: usize,
    ) -> Result<(), Refusal> {
        let Answer::AcceptForSession(terms) = &grant.answer else { return Ok(()) };
        // The first of them is counted when it is remembered.
        let more = u32::try_from(used.saturating_sub(1)).unwrap_or(u32::MAX);
        let uses = terms.uses.map(|uses| uses.saturating_sub(more));
        let terms = Terms { uses, ..terms.clone() };
        let turn = &ask.call.turn;
        for (what, label) in session_grants(&ask.subject) {
            let scope = GrantScope::Session;
            let grant = NewGrant { what, label, scope, turn: turn.clone(), terms: terms.clone() };
            self.remember(state, grant, ask.id)?;
        }
        Ok(())
    }

    /// Remembers, and puts that on record; what cannot be put on record is not remembered. What cannot be remembered
    /// is asked again: no harm, and a warning.
    fn remember(&self, state: &mut State, grant: NewGrant, ask: AskId) -> Result<(), Refusal> {
        let (what, scope) = (grant.label.clone(), grant.scope);
        match state.memory.remember(grant, SystemTime::now()) {
            Ok(None) => Ok(()),
            Ok(Some(id)) => match self.audit.record(&record::remembered(&id, ask, what, scope)) {
                Ok(_) => Ok(()),
                Err(error) => {
                    // It does not hold in this process either way.
                    if let Err(error) = state.memory.revoke(&[id]) {
                        let why = with_causes(&error);
                        self.warn(format!(
                            "an approval that is not on record is still written down: {why}; {}",
                            error.help()
                        ));
                    }
                    Err(Refusal::Unrecorded(error))
                }
            },
            Err(error) => {
                let why = with_causes(&error);
                self.warn(format!(
                    "the approval is not remembered, so it is asked again: {why}; {}",
                    error.help()
                ));
                Ok(())
            }
        }
    }
}
