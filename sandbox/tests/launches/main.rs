//! Real launches through the API of the crate: each behaviour on both backends, as root and as an ordinary user.
//!
//! The program calls `sandbox::take_over` first, like every program that launches sandboxes. Run as root, a test for
//! the ordinary user is this program again, as the user `codex-probe`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by them; clippy knows tests by the harness that this program goes without"
)]

mod bench;
mod captured;
mod denials;
mod observed;
mod versions;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(code) = sandbox::take_over() {
        return code;
    }
    if let Some(code) = observed::play() {
        return code;
    }
    let arguments = Arguments::from_args();
    let behaviours = [captured::BEHAVIOURS, denials::BEHAVIOURS, observed::BEHAVIOURS, versions::BEHAVIOURS];
    let trials: Vec<Trial> = behaviours.concat().into_iter().flat_map(bench::trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
