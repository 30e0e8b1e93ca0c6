// Runs a fuzz target for a few seconds over mutations of a corpus, in the test suite of the crate that includes
// this. `FUZZ_SECONDS` sets how long, `FUZZ_SEED` repeats a run. Nothing here knows what is being read.

use std::time::{Duration, Instant};

/// How long, unless the environment says otherwise.
const SECONDS: u64 = 5;

/// The longest input: short ones find more per second.
const LONGEST: usize = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// xorshift64*.
fn next(state: &mut u64) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    usize::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16).unwrap()
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], pieces: &[&str], state: &mut u64) {
    let at = next(state) % (input.len() + 1);
    match next(state) % 6 {
        0 => input.truncate(at),
        1 if at < input.len() => input[at] = u8::try_from(next(state) % 256).unwrap(),
        2 => {
            let end = (at + 1 + next(state) % 8).min(input.len());
            drop(input.drain(at..end));
        }
        3 => {
            let other = &corpus[next(state) % corpus.len()];
            let from = next(state) % (other.len() + 1);
            let piece = other[from..].to_vec();
            input.splice(at..at, piece).for_each(drop);
        }
        _ => {
            let piece = pieces[next(state) % pieces.len()];
            input.splice(at..at, piece.bytes()).for_each(drop);
        }
    }
    input.truncate(LONGEST);
}

/// Runs a target over a directory of `tests/data/corpus` until the time is up. `pieces` is what its texts are
/// likely to be sensitive to.
pub(crate) fn run(target: fn(&[u8]), corpus: &str, pieces: &[&str]) {
    let seed = number("FUZZ_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos()) | 1
    });
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus").join(corpus);
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.into_iter().map(|path| std::fs::read(path).unwrap()).collect();
    for input in &corpus {
        target(input);
    }
    let until = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    let (mut state, mut count) = (seed, 0_u64);
    println!("FUZZ_SEED={seed}");
    while Instant::now() < until {
        let mut input = corpus[next(&mut state) % corpus.len()].clone();
        for _ in 0..=next(&mut state) % 6 {
            mutate(&mut input, &corpus, pieces, &mut state);
        }
        let kept = input.clone();
        let outcome = std::panic::catch_unwind(|| target(&input));
        assert!(outcome.is_ok(), "FUZZ_SEED={seed}: {:?}", String::from_utf8_lossy(&kept));
        count += 1;
    }
    println!("{count} inputs");
}
