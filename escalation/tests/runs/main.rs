//! Whole ways of commands: judged, asked about, permitted, run in the real sandbox, diagnosed, tried again.
//!
//! Without the test harness of the compiler, because the inner stages of the sandbox are this same program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, which clippy does not see without the usual harness"
)]

mod asked_each_time;
mod bench;
mod changing;
mod deciding;
mod installed;
mod leaving;
mod replaceable;
mod repositories;
mod retrying;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(code) = sandbox::take_over().or_else(policies::rules::take_over) {
        return code;
    }
    let behaviours = [
        asked_each_time::BEHAVIOURS,
        changing::BEHAVIOURS,
        installed::BEHAVIOURS,
        deciding::BEHAVIOURS,
        leaving::BEHAVIOURS,
        replaceable::BEHAVIOURS,
        repositories::BEHAVIOURS,
        retrying::BEHAVIOURS,
    ]
    .concat();
    let trials = behaviours.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
