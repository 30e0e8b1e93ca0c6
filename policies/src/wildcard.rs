//! Patterns for names of environment variables.
//!
//! Only `*` and `?` are special and case does not matter. File globs are in `glob.rs`.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

/// A pattern in which `*` is any run of characters, `?` is one, and every other character is itself in either
/// case.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Wildcard(String);

impl Wildcard {
    /// Any text is a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole name matches. Bytes that are not UTF-8 count as characters, so `*` and `?` match them.
    ///
    /// Takes time proportional to the product of the lengths at worst: a mismatch goes back to the last `*` only.
    pub fn is_match(&self, name: impl AsRef<OsStr>) -> bool {
        let name = name.as_ref().to_string_lossy();
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        // Where to go on after a mismatch: behind the last `*`, one character further in the name.
        let mut retry = None;
        loop {
            let before = rest.clone();
            let matched = match pattern.next() {
                Some('*') => {
                    retry = Some((pattern.clone(), before.clone()));
                    rest = before;
                    continue;
                }
                Some('?') => rest.next().is_some(),
                Some(expected) => rest.next().is_some_and(|found| same(expected, found)),
                None if rest.next().is_none() => return true,
                None => false,
            };
            if !matched {
                let Some((after_star, from)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                rest = from.clone();
            }
        }
    }
}

/// Whether two characters differ at most in case.
fn same(left: char, right: char) -> bool {
    left == right || left.to_lowercase().eq(right.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_are_the_only_wildcards() {
        let rows = [
            ("", "", true),
            ("", "A", false),
            ("*", "", true),
            ("*", "ANY", true),
            ("A*", "A", true),
            ("A*", "BA", false),
            ("*KEY*", "my_key_id", true),
            ("*KEY*", "KE_Y", false),
            ("a?c", "ABC", true),
            ("a?c", "AC", false),
            ("a**c", "abbc", true),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("[ab]", "a", false),
            ("[ab]", "[AB]", true),
            ("{a,b}", "a", false),
            ("a\\*", "a*", false),
            ("ÄPFEL", "äpfel", true),
        ];
        for (pattern, name, expect) in rows {
            assert_eq!(Wildcard::new(pattern).is_match(name), expect, "{pattern:?} on {name:?}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = Wildcard::new("*a".repeat(500) + "b");
        assert!(!pattern.is_match("a".repeat(5000)));
    }
}
