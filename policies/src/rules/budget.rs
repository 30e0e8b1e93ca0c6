//! Bounds for the rule files of one start together (I12); one file has bounds of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use super::file::RulesError;

/// Processor time for all rule files of one start, that of their readers included (I12). The next file is not begun
/// then; one file has bounds of its own. Plain data takes microseconds, so only programs come near it. It is not the
/// time on the clock: on a machine that is busy, a slow file must not keep the rules of others from being read.
const WORK: Duration = Duration::from_secs(10);
/// How long all that may take on the clock (I12).
const PATIENCE: Duration = Duration::from_secs(120);
/// Text of all rule files of one start, in bytes (I12).
const MAX_TOTAL: usize = 32 << 20;

/// What is left for further files.
#[derive(Debug)]
pub(super) struct Budget {
    since: Instant,
    /// What was spent before; `None` where nobody tells.
    before: Option<Duration>,
    work: Duration,
    patience: Duration,
    bytes: usize,
    total: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(WORK, PATIENCE, MAX_TOTAL)
    }
}

impl Budget {
    /// Bounds that begin now.
    fn new(work: Duration, patience: Duration, bytes: usize) -> Self {
        Self { since: Instant::now(), before: spent(), work, patience, bytes, total: bytes }
    }

    /// The processor time since the beginning, or all time where nobody tells.
    fn worked(&self) -> Duration {
        match (self.before, spent()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            (None, _) | (_, None) => self.since.elapsed(),
        }
    }

    /// Takes the text of one file out of what is left.
    ///
    /// # Errors
    /// [`RulesError::Beyond`]; the file may not be begun then.
    pub(super) fn take(&mut self, path: &Path, text: &str) -> Result<(), RulesError> {
        let beyond = |limit| RulesError::Beyond { path: path.to_owned(), limit };
        if self.worked() > self.work {
            return Err(beyond(format!("took more than {} s of processor time", self.work.as_secs())));
        }
        if self.since.elapsed() > self.patience {
            return Err(beyond(format!("took more than {} s", self.patience.as_secs())));
        }
        let left = self.bytes.checked_sub(text.len());
        self.bytes = left.ok_or_else(|| beyond(format!("leave too little of {} bytes", self.total)))?;
        Ok(())
    }
}

/// The processor time of this process, and of its children that have ended. `proc_pid_stat(5)`
fn spent() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // A name may contain anything. Behind it: the state, ten fields, and the times of user, system, and of both for
    // the children.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(4).map(|field| field.parse::<u64>().ok());
    let ticks = times.sum::<Option<u64>>()?;
    let milliseconds = ticks.checked_mul(1000)?.checked_div(rustix::param::clock_ticks_per_second())?;
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_together_have_bounds() {
        let text = "prefix_rule(['git'])";
        let mut bytes = Budget::new(WORK, PATIENCE, text.len());
        assert!(bytes.take(Path::new("a"), text).is_ok());
        let error = bytes.take(Path::new("b"), text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "did not read the rule file `b`: those before it leave too little of 20 bytes"
        );
        let mut patience = Budget::new(WORK, Duration::ZERO, MAX_TOTAL);
        std::thread::sleep(Duration::from_millis(2));
        assert!(matches!(patience.take(Path::new("a"), text), Err(RulesError::Beyond { .. })));
    }

    #[test]
    fn what_waits_does_not_work() {
        let text = "prefix_rule(['git'])";
        let mut work = Budget::new(Duration::from_millis(50), PATIENCE, MAX_TOTAL);
        std::thread::sleep(Duration::from_millis(200));
        assert!(work.take(Path::new("a"), text).is_ok(), "{:?}", work.worked());
        let begun = Instant::now();
        while work.worked() <= Duration::from_millis(50) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", spent());
        }
        let error = work.take(Path::new("b"), text).unwrap_err();
        assert!(error.to_string().ends_with("took more than 0 s of processor time"), "{error}");
    }
}
