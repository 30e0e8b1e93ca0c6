//! Finding the grants for a question, and counting their use.

use std::collections::BTreeSet;

use policies::AbsolutePath;

use super::grant::{GrantId, Remembered, What};
use crate::ids::TurnId;
use crate::key::Key;

/// What is asked of the memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) keys: &'a BTreeSet<Key>,
    pub(super) turn: &'a TurnId,
    pub(super) cwd: &'a AbsolutePath,
    pub(super) now_ms: u64,
}

/// A grant that answers a part of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) id: GrantId,
    /// Whether it is one of the session with a count, so that others may use it up as well.
    pub(super) shared_count: bool,
}

/// The grants that cover all keys, one for each. Those without a count come first, since using them costs nothing,
/// and then those of the turn, which end sooner.
pub(super) fn find(
    question: Question<'_>,
    turns: &[(TurnId, Remembered)],
    of_session: &[Remembered],
    over: &BTreeSet<GrantId>,
) -> Option<Vec<Found>> {
    let of_turn = turns.iter().filter(|(turn, _)| turn == question.turn).map(|(_, grant)| (grant, false));
    let of_session = of_session.iter().filter(|grant| !over.contains(&grant.id)).map(|grant| (grant, true));
    let all: Vec<(&Remembered, bool)> =
        of_turn.chain(of_session).filter(|(grant, _)| grant.holds(question.cwd, question.now_ms)).collect();
    let covers = |grant: &Remembered, key: &Key| matches!(&grant.what, What::Key(_, held) if held == key);
    let one_for = |key: &Key| {
        let covering = all.iter().filter(|(grant, _)| covers(grant, key));
        let (grant, is_shared) = covering.min_by_key(|(grant, _)| grant.uses_left.is_some())?;
        Some(Found { id: grant.id.clone(), shared_count: *is_shared && grant.uses_left.is_some() })
    };
    question.keys.iter().map(one_for).collect()
}

/// Counts one use of each of these grants.
pub(super) fn use_up<'a>(grants: impl Iterator<Item = &'a mut Remembered>, used: &[Found]) {
    for grant in grants.filter(|grant| used.iter().any(|found| found.id == grant.id)) {
        grant.uses_left = grant.uses_left.map(|left| left.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use policies::GrantScope;

    use super::*;
    use crate::answer::Terms;
    use crate::memory::NewGrant;
    use crate::subject::SubjectKind;

    fn key(digit: &str) -> Key {
        Key::try_from(digit.repeat(64)).unwrap()
    }

    fn turn(name: &str) -> TurnId {
        TurnId(name.to_owned())
    }

    fn grant(digit: &str, uses: Option<u32>) -> Remembered {
        let what = What::Key(SubjectKind::Exec, key(digit));
        let (scope, terms) = (GrantScope::Session, Terms { uses, ..Terms::default() });
        let grant = NewGrant { what, label: "l".to_owned(), scope, turn: turn("t"), terms };
        Remembered::new(&grant, 5).unwrap()
    }

    fn ids(turns: &[(TurnId, Remembered)], session: &[Remembered], digits: &[&str]) -> Option<Vec<GrantId>> {
        let keys = digits.iter().map(|digit| key(digit)).collect();
        let (cwd, turn) = (AbsolutePath::root(), turn("t"));
        let question = Question { keys: &keys, turn: &turn, cwd: &cwd, now_ms: 5 };
        let found = find(question, turns, session, &BTreeSet::new())?;
        Some(found.into_iter().map(|found| found.id).collect())
    }

    #[test]
    fn a_count_is_spared_where_it_can_be() {
        let (counted, plain) = (grant("a", Some(2)), grant("a", None));
        let both = [counted.clone(), plain.clone()];
        assert_eq!(ids(&[], &both, &["a"]), Some(vec![plain.id]));
        let mut one = [counted.clone()];
        assert_eq!(ids(&[], &one, &["a"]), Some(vec![counted.id.clone()]));
        use_up(one.iter_mut(), &[Found { id: counted.id, shared_count: true }]);
        assert_eq!(ids(&[], &one, &["a"]), None);
    }

    #[test]
    fn all_keys_or_none() {
        let held = [grant("a", None), grant("b", Some(3))];
        assert_eq!(ids(&[], &held, &["b", "a"]), Some(vec![held[0].id.clone(), held[1].id.clone()]));
        assert_eq!(ids(&[], &held, &["a", "b", "c"]), None);
    }

    #[test]
    fn a_grant_of_another_turn_is_not_found() {
        let held = grant("a", None);
        assert!(ids(&[(turn("t"), held.clone())], &[], &["a"]).is_some());
        assert!(ids(&[(turn("u"), held)], &[], &["a"]).is_none());
    }
}
