//! What many questions cost. In a program of its own, since it looks at all memory of the program.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod many;

use std::sync::Arc;

use escalation::approver::{Audience, Channel};

use many::{answer_all, broker, draft};

#[tokio::test]
async fn ten_thousand_asks_on_a_hundred_keys_give_a_hundred_prompts() {
    const ASKS: usize = 10_000;
    const KEYS: usize = 100;
    const ROUNDS: usize = 5;
    /// Per ask: the task with its draft, and a place in a queue. In debug builds that is some 3 kB.
    const BYTES_AN_ASK: usize = 16 * 1024;
    /// What may stay of a round, for an allocator's sake.
    const BYTES_LEFT: usize = 8 * 1024 * 1024;
    let channel = Arc::new(Channel::new(Audience::Person));
    let (_folder, broker) = broker(channel.clone());
    let mut client = channel.connect();
    let before = resident_bytes();
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        let asking: Vec<_> = (0..ASKS)
            .map(|number| {
                let broker = broker.clone();
                tokio::spawn(async move { broker.settle(draft(number % KEYS)).await })
            })
            .collect();
        while channel.open_asks() < KEYS {
            tokio::task::yield_now().await;
        }
        assert_eq!(channel.open_asks(), KEYS);
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < ASKS * BYTES_AN_ASK, "{grown} bytes for {ASKS} asks");
        assert_eq!(answer_all(&mut client), KEYS);
        for settled in asking {
            assert!(settled.await.unwrap().granted().is_some());
        }
        assert_eq!(answer_all(&mut client), 0);
        after.push(resident_bytes());
    }
    let (first, last) = (after.first().unwrap(), after.last().unwrap());
    assert!(last.saturating_sub(*first) < BYTES_LEFT, "it grows: {after:?}");
}

/// A page of x86-64. Where pages are larger, less is counted than there is.
const PAGE_BYTES: usize = 4096;

/// proc_pid_statm(5), the second field, in pages.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * PAGE_BYTES
}
