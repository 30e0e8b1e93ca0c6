//! One thing that is remembered, and when it holds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use execpolicy::display::visible_up_to;
use policies::{AbsolutePath, AdditionalPermissions, GrantScope};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::Terms;
use crate::ids::TurnId;
use crate::key::Key;
use crate::subject::SubjectKind;

/// The longest label that is kept, in characters. A subject's own label is shorter.
const MAX_LABEL: usize = 300;

/// The name of something remembered, as `codex approvals list` shows it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct GrantId(pub String);

impl GrantId {
    /// A name that nothing else has, short enough to type.
    fn random() -> Self {
        let digits: String = Uuid::new_v4().simple().to_string().chars().take(12).collect();
        Self(format!("g{digits}"))
    }
}

impl std::fmt::Display for GrantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&policies::escape(&self.0))
    }
}

/// What an answer lets happen again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The question with this key.
    Key(SubjectKind, Key),
    /// Runs with these permissions.
    Permissions(AdditionalPermissions),
    /// Writing below this folder.
    Root(AbsolutePath),
}

/// Something to remember.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewGrant {
    /// What may happen again.
    pub what: What,
    /// One line for people.
    pub label: String,
    /// How long.
    pub scope: GrantScope,
    /// The turn that it was asked in. A grant with the scope of a turn holds in this one only.
    pub turn: TurnId,
    /// Within which limits.
    pub terms: Terms,
}

/// Something that is remembered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Remembered {
    /// Its name.
    pub id: GrantId,
    /// What may happen again.
    pub what: What,
    /// One line for people. From a file: make it visible before it is printed.
    pub label: String,
    /// When it was given, in milliseconds since 1970.
    pub issued_ms: u64,
    /// The latest time at which it was known to hold, in milliseconds since 1970. A clock that shows less was set
    /// back, and must not lengthen anything.
    pub seen_ms: u64,
    /// When it ends, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// How often it may still be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
    /// Only for calls that start in or below this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<AbsolutePath>,
}

/// Milliseconds since 1970. A clock before 1970 shows 0, so that nothing holds that was given later.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, whole_milliseconds)
}

fn whole_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Remembered {
    /// What is remembered of a grant that was given now; `None` when the answer itself was all of it.
    pub(super) fn new(grant: &NewGrant, now_ms: u64) -> Option<Self> {
        let Terms { expires_after, uses, below } = &grant.terms;
        let uses_left = uses.map(|uses| uses.saturating_sub(1));
        if uses_left == Some(0) || expires_after.is_some_and(|limit| limit.as_millis() == 0) {
            return None;
        }
        Some(Self {
            id: GrantId::random(),
            what: grant.what.clone(),
            label: visible_up_to(&grant.label, MAX_LABEL),
            issued_ms: now_ms,
            seen_ms: now_ms,
            expires_ms: expires_after.map(|limit| now_ms.saturating_add(whole_milliseconds(limit))),
            uses_left,
            below: below.clone(),
        })
    }

    /// Whether it is over for good: what has expired or was used up stays so.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.is_over_at(milliseconds(now))
    }

    pub(super) fn is_over_at(&self, now_ms: u64) -> bool {
        self.uses_left == Some(0) || self.expires_ms.is_some_and(|end| end <= now_ms.max(self.seen_ms))
    }

    /// Whether it holds for a call in this folder. A grant from a time that the clock has not reached is not used:
    /// the clock was set back.
    pub(super) fn holds(&self, cwd: &AbsolutePath, now_ms: u64) -> bool {
        !self.is_over_at(now_ms)
            && now_ms >= self.seen_ms.max(self.issued_ms)
            && self.below.as_ref().is_none_or(|folder| cwd.starts_with(folder))
    }

    /// Takes note that the clock has come this far. A grant that does not expire has no need of it, and a clock that
    /// ran ahead for a while must not end it.
    pub(super) fn notice(&mut self, now_ms: u64) {
        if self.expires_ms.is_some() {
            self.seen_ms = self.seen_ms.max(now_ms);
        }
    }

    /// Whether `other` adds nothing to it.
    pub(super) fn is_same_without_limits(&self, other: &Self) -> bool {
        let unlimited = |grant: &Self| grant.expires_ms.is_none() && grant.uses_left.is_none();
        unlimited(self) && unlimited(other) && (&self.what, &self.below) == (&other.what, &other.below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    fn grant(terms: Terms) -> Option<Remembered> {
        let what = What::Root(path("/ws"));
        let (label, turn) = ("a\u{1b}[2Jb".to_owned(), TurnId("t".to_owned()));
        Remembered::new(&NewGrant { what, label, scope: GrantScope::Session, turn, terms }, 1_000)
    }

    #[test]
    fn a_folder_is_compared_by_components() {
        let held = grant(Terms { below: Some(path("/ws/a")), ..Terms::default() }).unwrap();
        for (cwd, holds) in
            [("/ws/a", true), ("/ws/a/b", true), ("/ws/ab", false), ("/ws", false), ("/", false)]
        {
            assert_eq!(held.holds(&path(cwd), 1_000), holds, "{cwd}");
        }
    }

    #[test]
    fn the_end_of_a_grant_does_not_move() {
        let mut held =
            grant(Terms { expires_after: Some(Duration::from_millis(100)), ..Terms::default() }).unwrap();
        let cwd = path("/");
        assert!(!held.holds(&cwd, 999), "issued in the future");
        assert!(held.holds(&cwd, 1_000) && held.holds(&cwd, 1_099));
        assert!(!held.holds(&cwd, 1_100));
        held.notice(1_050);
        assert!(!held.holds(&cwd, 1_049), "the clock was set back");
        assert!(held.holds(&cwd, 1_050));
        held.notice(1_100);
        assert!(held.is_over_at(1_000), "and it stays over");
    }

    #[test]
    fn a_clock_that_ran_ahead_does_not_end_what_has_no_end() {
        let mut held = grant(Terms::default()).unwrap();
        held.notice(u64::MAX);
        assert!(held.holds(&path("/"), 1_000));
        assert!(!held.holds(&path("/"), 999));
    }

    #[test]
    fn the_answer_itself_is_the_first_use() {
        for (uses, left) in [(None, None), (Some(3), Some(2)), (Some(2), Some(1))] {
            assert_eq!(grant(Terms { uses, ..Terms::default() }).unwrap().uses_left, left);
        }
        for uses in [0, 1] {
            assert_eq!(grant(Terms { uses: Some(uses), ..Terms::default() }), None);
        }
        assert_eq!(grant(Terms { expires_after: Some(Duration::ZERO), ..Terms::default() }), None);
        let forever = grant(Terms { expires_after: Some(Duration::MAX), ..Terms::default() }).unwrap();
        assert_eq!(forever.expires_ms, Some(u64::MAX));
    }

    #[test]
    fn a_label_is_made_visible() {
        assert!(!grant(Terms::default()).unwrap().label.contains('\u{1b}'));
    }
}
