//! Random sequences against a simple model: nothing is recalled that was not granted, and what was granted without
//! limits is recalled.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use escalation::memory::{GrantId, Memory, NewGrant, What};
use escalation::subject::SubjectKind;
use escalation::{Key, SessionId, Terms, TurnId};
use policies::{AbsolutePath, GrantScope};
use proptest::prelude::*;

const FOLDERS: [&str; 4] = ["/", "/a", "/a/b", "/ab"];

#[derive(Clone, Debug)]
enum Step {
    Remember { key: u8, turn: Option<u8>, uses: Option<u32>, seconds: Option<u64>, below: Option<usize> },
    Recall { keys: Vec<u8>, turn: u8, cwd: usize },
    Revoke { which: usize },
    EndTurn { turn: u8 },
    Wait { seconds: u64 },
    SetBack { seconds: u64 },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
    let key = 0..4_u8;
    let step = prop_oneof![
        4 => (
            key.clone(),
            prop::option::weighted(0.3, 0..2_u8),
            prop::option::weighted(0.4, 0..4_u32),
            prop::option::weighted(0.4, 0..50_u64),
            prop::option::weighted(0.4, 0..FOLDERS.len()),
        )
            .prop_map(|(key, turn, uses, seconds, below)| Step::Remember { key, turn, uses, seconds, below }),
        6 => (prop::collection::vec(key, 0..3), 0..2_u8, 0..FOLDERS.len())
            .prop_map(|(keys, turn, cwd)| Step::Recall { keys, turn, cwd }),
        1 => (0..20_usize).prop_map(|which| Step::Revoke { which }),
        1 => (0..2_u8).prop_map(|turn| Step::EndTurn { turn }),
        2 => (1..30_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => (1..30_u64).prop_map(|seconds| Step::SetBack { seconds }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec((any::<bool>(), step), 1..40)
}

/// What was granted, as somebody would write it on paper.
#[derive(Clone, Debug)]
struct Held {
    id: GrantId,
    key: u8,
    /// The turn, and in which of the two processes.
    turn: Option<(bool, u8)>,
    left: Option<u32>,
    issued: u64,
    end: Option<u64>,
    below: Option<usize>,
    /// Somebody looked when it had expired: it stays so, whatever the clock says later.
    seen_expired: bool,
}

#[derive(Debug)]
struct World {
    folder: tempfile::TempDir,
    /// Two processes with one session.
    memories: [Memory; 2],
    held: Vec<Held>,
    clock: u64,
    /// The latest time there ever was.
    latest: u64,
}

fn key(number: u8) -> Key {
    Key::try_from(format!("{number:064x}")).unwrap()
}

fn turn(number: u8) -> TurnId {
    TurnId(number.to_string())
}

fn folder(index: usize) -> AbsolutePath {
    AbsolutePath::parse(FOLDERS[index]).unwrap()
}

fn open(folder: &tempfile::TempDir) -> Memory {
    Memory::open(&folder.path().join("approvals"), SessionId::parse("s").unwrap())
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memories = [open(&folder), open(&folder)];
        Self { folder, memories, held: Vec::new(), clock: 1_000, latest: 1_000 }
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.clock)
    }

    /// Whether this was granted for such a call at all.
    fn covers(&self, held: &Held, key: u8, of: (bool, u8), cwd: usize) -> bool {
        held.key == key
            && held.turn.is_none_or(|turn| turn == of)
            && held.left != Some(0)
            && held.issued <= self.clock
            && !held.seen_expired
            && held.end.is_none_or(|end| self.clock < end)
            && held.below.is_none_or(|below| folder(cwd).starts_with(&folder(below)))
    }

    /// Takes note of what a process finds expired.
    fn look(&mut self, second: bool) {
        for held in &mut self.held {
            let is_known = held.turn.is_none_or(|(owner, _)| owner == second);
            held.seen_expired |= is_known && held.end.is_some_and(|end| end <= self.clock);
        }
    }

    fn step(&mut self, second: bool, step: &Step) {
        let now = self.now();
        match step {
            Step::Remember { .. } => self.look(second),
            Step::Recall { keys, .. } if !keys.is_empty() => self.look(second),
            Step::Recall { .. }
            | Step::Revoke { .. }
            | Step::EndTurn { .. }
            | Step::Wait { .. }
            | Step::SetBack { .. }
            | Step::Reopen => {}
        }
        let memory = &mut self.memories[usize::from(second)];
        match step {
            Step::Remember { key: number, turn: of_turn, uses, seconds, below } => {
                let scope = of_turn.map_or(GrantScope::Session, |_| GrantScope::Turn);
                let terms = Terms {
                    expires_after: seconds.map(Duration::from_secs),
                    uses: *uses,
                    below: below.map(folder),
                };
                let what = What::Key(SubjectKind::Exec, key(*number));
                let grant =
                    NewGrant { what, label: String::new(), scope, turn: turn(of_turn.unwrap_or(0)), terms };
                let remembered = memory.remember(grant, now).unwrap();
                let is_more = uses.is_none_or(|uses| uses > 1) && *seconds != Some(0);
                assert_eq!(remembered.is_some(), is_more, "{step:?}");
                let Some(id) = remembered else { return };
                if self.held.iter().any(|held| held.id == id) {
                    return;
                }
                self.held.push(Held {
                    id,
                    key: *number,
                    turn: of_turn.map(|turn| (second, turn)),
                    left: uses.map(|uses| uses - 1),
                    issued: self.clock,
                    end: seconds.map(|seconds| self.clock + seconds),
                    below: *below,
                    seen_expired: false,
                });
            }
            Step::Recall { keys, turn: number, cwd } => {
                let asked: Vec<Key> = keys.iter().map(|number| key(*number)).collect();
                let ids = memory.recall_all(&asked, &turn(*number), &folder(*cwd), now);
                self.judge(keys, (second, *number), *cwd, ids);
            }
            Step::Revoke { which } => {
                let Some(held) = self.held.get(*which).cloned() else { return };
                // Of a turn, only its own process knows.
                let owner = held.turn.map_or(second, |(owner, _)| owner);
                self.memories[usize::from(owner)].revoke(&[held.id]).unwrap();
                self.held.remove(*which);
            }
            Step::EndTurn { turn: number } => {
                memory.end_turn(&turn(*number));
                self.held.retain(|held| held.turn != Some((second, *number)));
            }
            Step::Wait { seconds } => self.clock += seconds,
            Step::SetBack { seconds } => self.clock -= seconds,
            Step::Reopen => {
                *memory = open(&self.folder);
                self.held.retain(|held| held.turn.is_none_or(|(owner, _)| owner != second));
            }
        }
        self.latest = self.latest.max(self.clock);
        for memory in &mut self.memories {
            assert!(memory.take_warnings().is_empty());
        }
    }

    fn judge(&mut self, keys: &[u8], of: (bool, u8), cwd: usize, ids: Option<Vec<GrantId>>) {
        let mut wanted = keys.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let Some(ids) = ids else {
            // Only a clock that was set back may keep what was granted from being found.
            let found = |key: &u8| self.held.iter().any(|held| self.covers(held, *key, of, cwd));
            let all = !wanted.is_empty() && wanted.iter().all(found);
            assert!(!all || self.clock < self.latest, "{keys:?} was granted: {:?}", self.held);
            return;
        };
        assert_eq!(ids.len(), wanted.len());
        for id in ids {
            let at = self.held.iter().position(|held| held.id == id).expect("it was granted");
            let held = self.held[at].clone();
            assert!(wanted.contains(&held.key));
            wanted.retain(|key| *key != held.key);
            assert!(self.covers(&held, held.key, of, cwd), "{held:?} at {}", self.clock);
            self.held[at].left = held.left.map(|left| left - 1);
        }
        assert!(wanted.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_recalled_beyond_what_was_granted(steps in steps()) {
        let mut world = World::new();
        for (second, step) in &steps {
            world.step(*second, step);
        }
    }
}
