//! Rule files whose rules are not known.

use std::fmt;

use crate::Origin;

/// A rule file, or a folder of them, that should have given rules and gave none.
///
/// What it would have restricted cannot be known, so a policy that has one asks about every command of which no
/// other rule speaks, see [`super::Policy::add_missing`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MissingRules {
    /// The file, and the line where reading it ended, if it got that far.
    pub origin: Origin,
    /// What is wrong with it, as a sentence's end: `it is not UTF-8`.
    pub why: String,
}

impl fmt::Display for MissingRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rules of `{}` are not known: {}", self.origin, self.why)
    }
}

/// What a question says that is asked because of these. None if there are none.
///
/// Only the first is named in full: one is enough to ask, and mending it leads to the next.
pub(crate) fn why(missing: &[MissingRules]) -> Option<(String, Origin)> {
    let (first, others) = missing.split_first()?;
    let others = match others.len() {
        0 => String::new(),
        1 => " (nor are those of one more)".to_owned(),
        more => format!(" (nor are those of {more} more)"),
    };
    let why = format!("{first}{others}; until it is mended, what no rule speaks of is asked about");
    Some((why, first.origin.clone()))
}
