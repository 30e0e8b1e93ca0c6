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

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn prints_file_and_line() {
        assert_eq!(Origin::new("a.rules", 7).to_string(), "a.rules:7");
        assert_eq!(Origin::new("requirements.toml", 0).to_string(), "requirements.toml");
    }
}
