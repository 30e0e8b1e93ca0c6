//! What people should know, until somebody takes it.

/// How many different warnings are kept. More than that say nothing new.
const MAX_WARNINGS: usize = 20;

/// Sentences that are safe to print, the same one once.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    kept: Vec<String>,
    left_out: usize,
}

impl Warnings {
    pub(super) fn push(&mut self, warning: String) {
        if self.kept.contains(&warning) {
            return;
        }
        if self.kept.len() < MAX_WARNINGS {
            self.kept.push(warning);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// All of them, and nothing is left.
    pub(super) fn take(&mut self) -> Vec<String> {
        let Self { mut kept, left_out } = std::mem::take(self);
        if left_out > 0 {
            kept.push(format!("{left_out} more warnings are not shown"));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_once() {
        let mut warnings = Warnings::default();
        assert!(warnings.take().is_empty());
        for _ in 0..3 {
            warnings.push("a".to_owned());
            warnings.push("b".to_owned());
        }
        assert_eq!(warnings.take(), ["a", "b"]);
        assert!(warnings.take().is_empty());
    }

    #[test]
    fn a_flood_is_counted() {
        let mut warnings = Warnings::default();
        for number in 0..MAX_WARNINGS + 7 {
            warnings.push(number.to_string());
        }
        let taken = warnings.take();
        assert_eq!(taken.len(), MAX_WARNINGS + 1);
        assert_eq!(taken.last().unwrap(), "7 more warnings are not shown");
    }
}
