//! Bounds for the rule files of one start together (I12); one file has bounds of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use super::file::RulesError;

/// Time for all rule files of one start (I12). The next file is not begun then; one file has bounds of its own.
/// Plain data takes microseconds, so only programs come near it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Text of all rule files of one start, in bytes (I12).
const MAX_TOTAL: usize = 32 << 20;

/// What is left for further files.
#[derive(Debug)]
pub(super) struct Budget {
    since: Instant,
    time: Duration,
    bytes: usize,
    total: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(PATIENCE, MAX_TOTAL)
    }
}

impl Budget {
    /// Bounds that begin now.
    fn new(time: Duration, bytes: usize) -> Self {
        Self { since: Instant::now(), time, bytes, total: bytes }
    }

    /// Takes the text of one file out of what is left.
    ///
    /// # Errors
    /// [`RulesError::Beyond`]; the file may not be begun then.
    pub(super) fn take(&mut self, path: &Path, text: &str) -> Result<(), RulesError> {
        let beyond = |limit| RulesError::Beyond { path: path.to_owned(), limit };
        if self.since.elapsed() > self.time {
            return Err(beyond(format!("took more than {} s", self.time.as_secs())));
        }
        let left = self.bytes.checked_sub(text.len());
        self.bytes = left.ok_or_else(|| beyond(format!("leave too little of {} bytes", self.total)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_together_have_bounds() {
        let text = "prefix_rule(['git'])";
        let mut bytes = Budget::new(PATIENCE, text.len());
        assert!(bytes.take(Path::new("a"), text).is_ok());
        let error = bytes.take(Path::new("b"), text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "did not read the rule file `b`: those before it leave too little of 20 bytes"
        );
        let mut time = Budget::new(Duration::ZERO, MAX_TOTAL);
        std::thread::sleep(Duration::from_millis(2));
        assert!(matches!(time.take(Path::new("a"), text), Err(RulesError::Beyond { .. })));
    }
}
