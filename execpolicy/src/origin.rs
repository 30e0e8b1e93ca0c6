//! Where something that decides was written, so that every verdict can name it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a rule file, a requirements file or one of this crate's own tables.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Origin {
    /// The file as people know it. Display only: it is never opened.
    pub file: Arc<str>,
    /// The line, from 1; 0 when the place is not known any closer.
    pub line: u32,
}

impl Origin {
    /// A place in `file`.
    pub fn new(file: impl Into<Arc<str>>, line: u32) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// The line of a byte of a text, from 1.
pub fn line_of(text: impl AsRef<[u8]>, byte: usize) -> u32 {
    Lines::new(text.as_ref()).line_of(byte)
}

/// Lines of many bytes of one text. Each look-up counts from the one before, so that asking for every item of a
/// long list reads the text once and not once an item.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    text: &'a [u8],
    /// Up to where lines are counted.
    byte: usize,
    /// Line ends before that.
    before: usize,
}

impl<'a> Lines<'a> {
    /// Nothing is counted yet.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, byte: 0, before: 0 }
    }

    /// The line of a byte, from 1. A byte before the last one asked for is counted from the start.
    pub(crate) fn line_of(&mut self, byte: usize) -> u32 {
        if byte < self.byte {
            (self.byte, self.before) = (0, 0);
        }
        let between = self.text.iter().take(byte).skip(self.byte);
        self.before = self.before.saturating_add(between.filter(|byte| **byte == b'\n').count());
        self.byte = byte;
        u32::try_from(self.before.saturating_add(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Origin, line_of};

    #[test]
    fn lines_count_from_one() {
        assert_eq!([0, 1, 2, 9].map(|byte| line_of("a\nb", byte)), [1, 1, 2, 2]);
    }

    #[test]
    fn lines_do_not_depend_on_what_was_asked_before() {
        let text = "\na\n\nbc\n";
        let mut lines = Lines::new(text.as_bytes());
        for byte in [0, 1, 1, 3, 5, 9, 9, 4, 0, 6, 2] {
            assert_eq!(lines.line_of(byte), line_of(text, byte), "{byte}");
        }
    }

    #[test]
    fn prints_file_and_line() {
        assert_eq!(Origin::new("a.rules", 7).to_string(), "a.rules:7");
        assert_eq!(Origin::new("requirements.toml", 0).to_string(), "requirements.toml");
    }
}
