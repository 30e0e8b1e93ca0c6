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
    let before = text.as_ref().iter().take(byte).filter(|byte| **byte == b'\n').count();
    u32::try_from(before.saturating_add(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Origin, line_of};

    #[test]
    fn lines_count_from_one() {
        assert_eq!([0, 1, 2, 9].map(|byte| line_of("a\nb", byte)), [1, 1, 2, 2]);
    }

    #[test]
    fn prints_file_and_line() {
        assert_eq!(Origin::new("a.rules", 7).to_string(), "a.rules:7");
        assert_eq!(Origin::new("requirements.toml", 0).to_string(), "requirements.toml");
    }
}
