//! What a broker knows, under its lock: who waits, what is remembered, which turns go on.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use policies::AbsolutePath;
use tokio::sync::watch;

use crate::ask::Draft;
use crate::ids::TurnId;
use crate::key::Key;
use crate::memory::{GrantId, Memory, What};
use crate::open_asks::OpenAsks;
use crate::settled::Refusal;
use crate::subject::Subject;

/// The state of a broker.
#[derive(Debug)]
pub(super) struct State {
    pub(super) asks: OpenAsks,
    pub(super) memory: Memory,
    /// Turns that go on. What is sent, once, is that it is over.
    pub(super) turns: HashMap<TurnId, watch::Sender<bool>>,
    /// Turns of which every command is asked about.
    pub(super) reviewed: HashSet<TurnId>,
    pub(super) is_closed: bool,
}

impl State {
    pub(super) fn check_turn(&self, turn: &TurnId) -> Result<(), Refusal> {
        if self.is_closed {
            return Err(Refusal::SessionEnded);
        }
        match self.turns.contains_key(turn) {
            true => Ok(()),
            false => Err(Refusal::NoTurn { turn: turn.clone() }),
        }
    }

    /// Whether the host in question, if there is one, was not denied for the session.
    pub(super) fn check_host(&mut self, subject: &Subject) -> Result<(), Refusal> {
        match subject {
            Subject::Network(network) if self.memory.is_host_denied(&network.host) => {
                Err(Refusal::DeniedForSession { what: network.to_string() })
            }
            Subject::Network(_)
            | Subject::Exec(_)
            | Subject::Retry(_)
            | Subject::Subcommand(_)
            | Subject::StdinWrite(_)
            | Subject::FileChange(_)
            | Subject::Permissions(_) => Ok(()),
        }
    }

    /// The approval of the session that covers a question. Of a turn that is reviewed everything is asked about that is
    /// done, each time.
    pub(super) fn recall(&mut self, draft: &Draft, key: &Key) -> Option<GrantId> {
        let (now, turn) = (SystemTime::now(), &draft.call.turn);
        let is_reviewed = self.reviewed.contains(turn) && !matches!(draft.subject, Subject::Network(_));
        if draft.person_only() || is_reviewed {
            return None;
        }
        match &draft.subject {
            Subject::Exec(_) | Subject::Retry(_) | Subject::Network(_) => {
                self.memory.recall(key, turn, &draft.cwd, now)
            }
            // A folder that is asked for is a question of its own.
            Subject::FileChange(change) if change.grant_root.is_none() && !change.is_guarded => {
                let key = |path| Key::of_file(path, change.action(path));
                let keys: Vec<Key> = change.paths.iter().map(key).collect();
                self.memory.recall_all(&keys, turn, &draft.cwd, now)?.into_iter().next()
            }
            Subject::FileChange(_)
            | Subject::Subcommand(_)
            | Subject::StdinWrite(_)
            | Subject::Permissions(_) => None,
        }
    }
}

/// What a yes for the session is remembered as.
pub(super) fn session_grants(subject: &Subject) -> Vec<(What, String)> {
    match subject {
        Subject::Exec(_) | Subject::Retry(_) | Subject::Network(_) => {
            vec![(What::Key(subject.kind(), Key::of(subject)), subject.label_to_keep())]
        }
        Subject::FileChange(change) => {
            let file = |path: &AbsolutePath| {
                let action = change.action(path);
                let what = What::Key(subject.kind(), Key::of_file(path, action));
                (what, format!("{} {path}", action.word()))
            };
            let root = change.grant_root.iter();
            let root = root.map(|root| (What::Root(root.clone()), format!("write anything below {root}")));
            change.paths.iter().map(file).chain(root).collect()
        }
        Subject::Subcommand(_) | Subject::StdinWrite(_) | Subject::Permissions(_) => Vec::new(),
    }
}
