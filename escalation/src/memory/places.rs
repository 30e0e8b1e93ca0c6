//! Where sandboxed commands and patches of a session could write, ever. No files here.
//!
//! INVARIANT (grows): a place is never taken out, only covered by one around it. What was once open may hold anything.

use std::collections::BTreeSet;

use policies::AbsolutePath;
use serde::{Deserialize, Serialize};

/// The most places that are told apart; then all of the disk counts as one.
pub const MAX_PLACES: usize = 1_000;

/// The most bytes of their names. Written down, a byte takes six at most (`\u0001`), so that three fifths of the
/// largest file hold them.
const MAX_PLACE_BYTES: usize = 100 << 10;

/// Places, each with everything below it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Places(BTreeSet<AbsolutePath>);

impl Places {
    /// Everything: also what is not known.
    pub(super) fn everywhere() -> Self {
        Self(BTreeSet::from([AbsolutePath::root()]))
    }

    pub(super) fn is_everywhere(&self) -> bool {
        self.0.contains(&AbsolutePath::root())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &AbsolutePath> {
        self.0.iter()
    }

    /// Adds a place. Answers whether that is news. One whose name is no text is the folder around it.
    pub(super) fn add(&mut self, place: &AbsolutePath) -> bool {
        let named = place.ancestors().find(|above| above.as_path().to_str().is_some());
        let place = named.unwrap_or_else(AbsolutePath::root);
        if place.ancestors().any(|above| self.0.contains(&above)) {
            return false;
        }
        self.0.retain(|held| !held.starts_with(&place));
        self.0.insert(place);
        let bytes: usize = self.0.iter().map(|held| held.as_path().as_os_str().len()).sum();
        if self.0.len() > MAX_PLACES || bytes > MAX_PLACE_BYTES {
            *self = Self::everywhere();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::fixtures::path;

    fn places(names: &[&str]) -> Places {
        let mut places = Places::default();
        for name in names {
            places.add(&path(name));
        }
        places
    }

    #[test]
    fn what_lies_in_a_place_is_no_news() {
        let mut places = places(&["/a/b", "/a/b/c", "/ab"]);
        assert!(!places.add(&path("/a/b")) && !places.add(&path("/a/b/x/y")));
        assert_eq!(places.iter().collect::<Vec<_>>(), [&path("/a/b"), &path("/ab")]);
        assert!(places.add(&path("/a")));
        assert_eq!(places.iter().collect::<Vec<_>>(), [&path("/a"), &path("/ab")]);
    }

    #[test]
    fn nothing_is_forgotten_to_make_room() {
        let mut places = Places::default();
        for number in 0..MAX_PLACES {
            assert!(places.add(&path(format!("/{number}"))));
        }
        assert!(!places.is_everywhere());
        assert!(places.add(&path("/one/more")) && places.is_everywhere());
        assert!(!places.add(&path("/another")));

        let mut places = Places::default();
        for letter in ["a", "b", "c"] {
            places.add(&path(format!("/{}", letter.repeat(MAX_PLACE_BYTES / 2))));
        }
        assert!(places.is_everywhere());
    }

    #[test]
    fn a_name_that_is_no_text_counts_with_what_is_around_it() {
        let mut places = Places::default();
        assert!(places.add(&path(OsStr::from_bytes(b"/a/\xff/b"))));
        assert_eq!(places.iter().collect::<Vec<_>>(), [&path("/a")]);
    }
}
