//! Runs the probe table: one test per row, backend and user, named `probe::ROW::BACKEND::USER`.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tests::probe::{self, Outcome};
use tests::table;

/// How many rows the table must at least hold. A loader that lost rows would otherwise pass.
const FEWEST_ROWS: usize = 150;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let cases = table::load()?;
    let count = cases.len();
    let mut trials = vec![Trial::test("table::is_complete", move || {
        if count < FEWEST_ROWS {
            Err(format!("{count} rows, fewer than {FEWEST_ROWS}").into())
        } else {
            Ok(())
        }
    })];
    for case in cases {
        for backend in case.backends() {
            for user in case.users() {
                let (case, backend, user) = (case.clone(), *backend, *user);
                let name = format!("probe::{}::{}::{}", case.name, backend.as_str(), user.as_str());
                trials.push(Trial::ignorable_test(name, move || match probe::run(&case, backend, user) {
                    Ok(Outcome::Passed) => Ok(Completion::Completed),
                    Ok(Outcome::Skipped(reason)) => {
                        tests::say(&format!("{}: {reason}", case.name));
                        Ok(Completion::ignored_with(reason))
                    }
                    Err(error) => Err(Failed::from(format!("{error:#}"))),
                }));
            }
        }
    }
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
