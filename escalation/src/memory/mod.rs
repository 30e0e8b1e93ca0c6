//! What a session remembers of the answers that it got: for the turn, or for the session.
//!
//! What holds for a turn is in memory only. What holds for the session is in a file (`store.rs`), so that another
//! process can show it and take it back; that takes effect at the next question. What cannot be read, or could have
//! been written by somebody else, grants nothing.
//!
//! There too is where sandboxed commands and patches of the session could ever write (`places.rs`): what lies there is
//! nothing that a rule names. Where that cannot be read, it is everywhere.

mod book;
mod error;
mod grant;
mod places;
mod recall;
mod store;
mod stored;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use policies::{AbsolutePath, Access, AdditionalPermissions, EntryPath, GrantScope};

pub use book::{MAX_BYTES, MAX_DENIED_HOSTS, MAX_GRANTS};
pub use error::MemoryError;
pub use grant::{GrantId, NewGrant, Remembered, What};
pub use places::MAX_PLACES;
pub use stored::{MAX_SESSIONS, StoredSession, Stores};

use crate::denials::real;
use crate::ids::{SessionId, TurnId};
use crate::key::Key;
use book::Book;
use grant::milliseconds;
use recall::{Found, Question};
use store::Store;

/// The folder in the configuration home that sessions remember in.
pub const APPROVALS_FOLDER: &str = "approvals";

/// The most warnings that wait for somebody who takes them.
const MAX_WARNINGS: usize = 16;

/// What one session remembers.
///
/// Not for use from several threads at once: the broker holds it under its own lock. A call may wait up to two
/// seconds for another process that changes the same folder.
#[derive(Debug)]
pub struct Memory {
    store: Option<Store>,
    /// What holds for the session: as it was read last, or all there is.
    book: Book,
    turns: Vec<(TurnId, Remembered)>,
    /// What is over, though the file may say otherwise because it could not be written.
    over: BTreeSet<GrantId>,
    /// Whether the file cannot be believed, so that nobody knows what commands could write.
    is_unknown: bool,
    /// Whether the file may lack places that are known here.
    is_unwritten: bool,
    warnings: Vec<MemoryError>,
}

impl Memory {
    /// Remembers nothing on the disk.
    pub fn ephemeral() -> Self {
        Self::new(None, SessionId::random())
    }

    /// Finds what the session remembered before in this folder: [`APPROVALS_FOLDER`] of the configuration home. The
    /// folder is made when there is something to remember.
    ///
    /// What is there and cannot be believed gives no grants, and a warning.
    pub fn open(folder: &Path, session: SessionId) -> Self {
        let mut memory = Self::new(Some(Store::new(folder, session.clone())), session);
        memory.reload();
        memory
    }

    fn new(store: Option<Store>, session: SessionId) -> Self {
        Self {
            store,
            book: Book::new(session),
            turns: Vec::new(),
            over: BTreeSet::new(),
            is_unknown: false,
            is_unwritten: false,
            warnings: Vec::new(),
        }
    }

    /// The grant that covers this question for a call of this turn in this folder. A counted one is used once by
    /// this, and that is on the disk when this returns.
    ///
    /// `None` when there is none, when it has expired, was used up or was revoked by anybody, and when the file
    /// cannot be believed or changed.
    pub fn recall(
        &mut self,
        key: &Key,
        turn: &TurnId,
        cwd: &AbsolutePath,
        now: SystemTime,
    ) -> Option<GrantId> {
        self.recall_all(std::slice::from_ref(key), turn, cwd, now)?.pop()
    }

    /// The grants that cover all of these questions, one for each different one; or none, and then none is used.
    /// Nothing covers no questions.
    pub fn recall_all(
        &mut self,
        keys: &[Key],
        turn: &TurnId,
        cwd: &AbsolutePath,
        now: SystemTime,
    ) -> Option<Vec<GrantId>> {
        let keys: BTreeSet<Key> = keys.iter().copied().collect();
        if keys.is_empty() {
            return None;
        }
        let now_ms = self.settle(now);
        let question = Question { keys: &keys, turn, cwd, now_ms };
        let found = recall::find(question, &self.turns, &self.book.grants, &self.over)?;
        let found = match found.iter().any(|found| found.shared_count) {
            true => self.use_shared(question)?,
            false => found,
        };
        recall::use_up(self.turns.iter_mut().map(|(_, grant)| grant), &found);
        Some(found.into_iter().map(|found| found.id).collect())
    }

    /// Counts one use of the session's grants for a question. Another process may have used them meanwhile, so only
    /// what is found under the lock is used.
    fn use_shared(&mut self, question: Question<'_>) -> Option<Vec<Found>> {
        let (turns, over) = (&self.turns, &self.over);
        let use_of = |book: &mut Book| {
            let found = recall::find(question, turns, &book.grants, over);
            recall::use_up(book.grants.iter_mut(), found.as_deref().unwrap_or_default());
            book.grants.retain(|grant| !grant.is_over_at(question.now_ms));
            found
        };
        let Some(store) = &mut self.store else { return use_of(&mut self.book) };
        let used = store.change(|book| {
            book.learn(&self.book);
            Ok(use_of(book))
        });
        match used {
            Ok((found, book)) => {
                self.take(book);
                found
            }
            Err(error) => {
                self.warn(error);
                None
            }
        }
    }

    /// Remembers an answer, and gives it a name. `None` when the answer itself was all of it: one use, or no time.
    ///
    /// The oldest go when there are more than [`MAX_GRANTS`] for the session, or more than fit into
    /// [`MAX_BYTES`]; that gives a warning. For turns there is as much room again.
    ///
    /// # Errors
    /// [`MemoryError`]; then it is not remembered.
    pub fn remember(&mut self, grant: NewGrant, now: SystemTime) -> Result<Option<GrantId>, MemoryError> {
        if grant.terms.uses.is_some() && !matches!(grant.what, What::Key(..)) {
            let label = execpolicy::display::visible_up_to(&grant.label, 200);
            return Err(MemoryError::Uncountable { label });
        }
        // Before anything can be written there.
        self.opens(grant.what.places());
        let now_ms = self.settle(now);
        let Some(remembered) = Remembered::new(&grant, now_ms) else { return Ok(None) };
        let (id, forgotten) = match grant.scope {
            GrantScope::Turn => self.add_to_turn(grant.turn, remembered),
            GrantScope::Session => self.add_to_session(remembered, now_ms)?,
        };
        self.warn_of(forgotten);
        Ok(Some(id))
    }

    fn warn_of(&mut self, forgotten: Vec<Remembered>) {
        if let Some(first) = forgotten.into_iter().next() {
            let label = execpolicy::display::visible(&first.label);
            self.warn(MemoryError::Forgot { label });
        }
    }

    fn add_to_turn(&mut self, turn: TurnId, grant: Remembered) -> (GrantId, Vec<Remembered>) {
        let id = grant.id.clone();
        self.turns.push((turn, grant));
        let excess = self.turns.len().saturating_sub(MAX_GRANTS);
        (id, self.turns.drain(..excess).map(|(_, grant)| grant).collect())
    }

    fn add_to_session(
        &mut self,
        grant: Remembered,
        now_ms: u64,
    ) -> Result<(GrantId, Vec<Remembered>), MemoryError> {
        let Some(store) = &mut self.store else { return self.book.add(grant, now_ms) };
        let over = &self.over;
        let (added, book) = store.change(|book| {
            book.learn(&self.book);
            book.grants.retain(|grant| !over.contains(&grant.id));
            book.add(grant, now_ms)
        })?;
        self.take(book);
        Ok(added)
    }

    /// What was granted on top of the profile for a call of this turn in this folder, merged: for the turn, and for
    /// the session.
    pub fn permissions(
        &mut self,
        turn: &TurnId,
        cwd: &AbsolutePath,
        now: SystemTime,
    ) -> AdditionalPermissions {
        self.holding(turn, cwd, now)
            .filter_map(|grant| match &grant.what {
                What::Permissions(permissions) => Some(permissions.clone()),
                What::Key(..) | What::Root(_) => None,
            })
            .fold(AdditionalPermissions::default(), AdditionalPermissions::merge)
    }

    /// The folders that may be written for a call of this turn in this folder, each once.
    pub fn roots(&mut self, turn: &TurnId, cwd: &AbsolutePath, now: SystemTime) -> Vec<AbsolutePath> {
        let roots: BTreeSet<AbsolutePath> = self
            .holding(turn, cwd, now)
            .filter_map(|grant| match &grant.what {
                What::Root(root) => Some(root.clone()),
                What::Key(..) | What::Permissions(_) => None,
            })
            .collect();
        roots.into_iter().collect()
    }

    fn holding<'a>(
        &'a mut self,
        turn: &'a TurnId,
        cwd: &'a AbsolutePath,
        now: SystemTime,
    ) -> impl Iterator<Item = &'a Remembered> {
        let now_ms = self.settle(now);
        let of_turn = self.turns.iter().filter(move |(held, _)| held == turn).map(|(_, grant)| grant);
        let of_session = self.book.grants.iter().filter(|grant| !self.over.contains(&grant.id));
        of_session.chain(of_turn).filter(move |grant| grant.holds(cwd, now_ms))
    }

    /// Takes note of places, with what lies below them, that sandboxed commands or patches of the session can write from
    /// now on. It is never unlearnt: not when a grant ends, is revoked or forgotten. When it cannot be written down it
    /// holds in this process, and there is a warning.
    pub fn opens(&mut self, places: impl IntoIterator<Item = AbsolutePath>) {
        self.reload();
        let was_told_apart = !self.book.places.is_everywhere();
        let mut is_news = false;
        for place in places {
            // A name may lead elsewhere later.
            for place in [real(&place), place] {
                is_news |= self.book.places.add(&place);
            }
        }
        if was_told_apart && self.book.places.is_everywhere() {
            self.warn(MemoryError::AllOpened);
        }
        let Some(store) = self.store.as_mut().filter(|_| is_news || self.is_unwritten) else { return };
        let written = store.change(|book| {
            book.learn(&self.book);
            book.make_room()
        });
        match written {
            Ok((forgotten, book)) => {
                self.is_unwritten = false;
                self.take(book);
                self.warn_of(forgotten);
            }
            Err(error) => {
                self.is_unwritten = true;
                if is_news {
                    self.warn(error);
                }
            }
        }
    }

    /// Where sandboxed commands and patches of the session could write so far, in this process or another one,
    /// whatever they may now. `/` when the file cannot be believed.
    pub fn opened(&mut self) -> Vec<AbsolutePath> {
        self.reload();
        match self.is_unknown {
            true => vec![AbsolutePath::root()],
            false => self.book.places.iter().cloned().collect(),
        }
    }

    /// Denies a host for the session. It beats every grant (I3), stays when grants are revoked, and holds in this
    /// process also when it cannot be written down; that gives a warning.
    pub fn deny_host(&mut self, host: &str) {
        let was_open = !self.book.all_denied();
        self.book.deny(host);
        if let Some(store) = &mut self.store {
            let denied = store.change(|book| {
                book.learn(&self.book);
                Ok(())
            });
            match denied {
                Ok(((), book)) => self.take(book),
                Err(error) => self.warn(error),
            }
        }
        if was_open && self.book.all_denied() {
            self.warn(MemoryError::AllDenied { limit: MAX_DENIED_HOSTS });
        }
    }

    /// Whether a host was denied for the session, here or in another process.
    pub fn is_host_denied(&mut self, host: &str) -> bool {
        self.reload();
        self.book.denies(host)
    }

    /// Forgets what was granted for a turn.
    pub fn end_turn(&mut self, turn: &TurnId) {
        self.turns.retain(|(held, _)| held != turn);
    }

    /// Everything that is remembered, the oldest first, with the turn that it is for. What is over may be among it,
    /// see [`Remembered::is_over`].
    pub fn list(&mut self) -> impl Iterator<Item = (Option<&TurnId>, &Remembered)> {
        self.reload();
        let of_session = self.book.grants.iter().filter(|grant| !self.over.contains(&grant.id));
        of_session
            .map(|grant| (None, grant))
            .chain(self.turns.iter().map(|(turn, grant)| (Some(turn), grant)))
    }

    /// The hosts that were denied for the session, in order of name.
    pub fn denied_hosts(&mut self) -> impl Iterator<Item = &str> {
        self.reload();
        self.book.denied_hosts()
    }

    /// Forgets these grants; answers with those that were remembered. Put them on record first (I9).
    ///
    /// # Errors
    /// [`MemoryError`]: the file cannot be changed. In this process they do not hold any more, even so.
    pub fn revoke(&mut self, ids: &[GrantId]) -> Result<Vec<Remembered>, MemoryError> {
        self.reload();
        let mut revoked: Vec<Remembered> = Vec::new();
        self.turns.retain(|(_, grant)| keep(grant, ids, &mut revoked));
        let Some(store) = &mut self.store else {
            self.book.grants.retain(|grant| keep(grant, ids, &mut revoked));
            return Ok(revoked);
        };
        let changed = store.change(|book| {
            book.learn(&self.book);
            let mut revoked = Vec::new();
            book.grants.retain(|grant| keep(grant, ids, &mut revoked));
            Ok(revoked)
        });
        match changed {
            Ok((of_session, book)) => {
                self.take(book);
                revoked.extend(of_session);
                Ok(revoked)
            }
            Err(error) => {
                let held = self.book.grants.iter().map(|grant| &grant.id);
                self.over.extend(held.filter(|id| ids.contains(id)).cloned());
                Err(error)
            }
        }
    }

    /// What people should know. Each is given once.
    pub fn take_warnings(&mut self) -> Vec<MemoryError> {
        std::mem::take(&mut self.warnings)
    }

    fn warn(&mut self, error: MemoryError) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(error);
        }
    }

    /// Reads the file again if it has changed.
    fn reload(&mut self) {
        match self.store.as_mut().map(Store::refresh) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(book))) => self.take(book),
            Some(Err(error)) => {
                self.book.grants.clear();
                self.is_unknown = true;
                self.warn(error);
            }
        }
    }

    /// Takes what was read, and keeps what must not be unlearnt.
    fn take(&mut self, mut book: Book) {
        self.is_unknown = false;
        book.learn(&self.book);
        self.over.retain(|id| book.grants.iter().any(|grant| grant.id == *id));
        self.book = book;
    }

    /// Brings everything up to date: what others changed, and what is over now. What is over is forgotten on the
    /// disk as well, so that it cannot come back when the clock does.
    fn settle(&mut self, now: SystemTime) -> u64 {
        let now_ms = milliseconds(now);
        self.reload();
        self.turns.iter_mut().for_each(|(_, grant)| grant.notice(now_ms));
        self.turns.retain(|(_, grant)| !grant.is_over_at(now_ms));
        self.book.grants.iter_mut().for_each(|grant| grant.notice(now_ms));
        let over: Vec<GrantId> = self
            .book
            .grants
            .iter()
            .filter(|grant| grant.is_over_at(now_ms) && !self.over.contains(&grant.id))
            .map(|grant| grant.id.clone())
            .collect();
        if over.is_empty() {
            return now_ms;
        }
        let Some(store) = &mut self.store else {
            self.book.grants.retain(|grant| !over.contains(&grant.id));
            return now_ms;
        };
        let forgotten = store.change(|book| {
            book.learn(&self.book);
            book.grants.retain(|grant| !over.contains(&grant.id));
            Ok(())
        });
        match forgotten {
            Ok(((), book)) => self.take(book),
            Err(error) => {
                self.over.extend(over);
                self.warn(error);
            }
        }
        now_ms
    }
}

impl What {
    /// Where it lets write.
    fn places(&self) -> Vec<AbsolutePath> {
        match self {
            Self::Key(..) => Vec::new(),
            Self::Root(root) => vec![root.clone()],
            Self::Permissions(permissions) => {
                let written = permissions.entries.iter().filter(|entry| entry.access == Access::Write);
                let place = |path: &EntryPath| match path {
                    EntryPath::Path(path) => path.clone(),
                    EntryPath::Glob(glob) => glob.static_prefix().clone(),
                    // Permissions are remembered by path. One that is not may lead anywhere.
                    EntryPath::Special { .. } => AbsolutePath::root(),
                };
                written.map(|entry| place(&entry.path)).collect()
            }
        }
    }
}

/// Whether a grant is none of these; if it is, it goes over to the revoked.
fn keep(grant: &Remembered, ids: &[GrantId], revoked: &mut Vec<Remembered>) -> bool {
    let keep = !ids.contains(&grant.id);
    if !keep {
        revoked.push(grant.clone());
    }
    keep
}
