//! The end of what a command wrote, kept for a diagnosis.

/// How much is kept: what a diagnosis looks at.
pub const TAIL_BYTES: usize = crate::denial::MAX_OUTPUT_BYTES;

/// The last bytes of all streams together, in the order in which they arrived here.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Adds what arrived. At most twice [`TAIL_BYTES`] are held, so that old bytes are moved rarely.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let last = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or(bytes);
        if self.0.len() + last.len() > 2 * TAIL_BYTES {
            self.cut();
        }
        self.0.extend_from_slice(last);
    }

    /// At most [`TAIL_BYTES`].
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.cut();
        self.0
    }

    fn cut(&mut self) {
        drop(self.0.drain(..self.0.len().saturating_sub(TAIL_BYTES)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_memory_is_bounded() {
        let all: Vec<u8> = (0..5 * TAIL_BYTES).map(|n| u8::try_from(n % 251).unwrap()).collect();
        for size in [1_000, TAIL_BYTES - 1, TAIL_BYTES, TAIL_BYTES + 1, all.len()] {
            let mut tail = Tail::default();
            for chunk in all.chunks(size) {
                tail.push(chunk);
                assert!(tail.0.len() <= 2 * TAIL_BYTES);
            }
            assert_eq!(tail.into_bytes(), all[all.len() - TAIL_BYTES..], "{size}");
        }
        let mut tail = Tail::default();
        tail.push(b"short");
        assert_eq!(tail.into_bytes(), b"short");
    }
}
