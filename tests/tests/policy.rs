//! Runs the table of policies: one test per row and user, named `policy::ROW::USER`.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tests::case::User;
use tests::policy;
use tests::probe::Outcome;

/// How many rows the table must at least hold. A loader that lost rows would otherwise pass.
const FEWEST_ROWS: usize = 400;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let rows = policy::load()?;
    let count = rows.len();
    let mut trials = vec![Trial::test("table::is_complete", move || {
        if count < FEWEST_ROWS {
            Err(format!("{count} rows, fewer than {FEWEST_ROWS}").into())
        } else {
            Ok(())
        }
    })];
    for row in rows {
        for user in User::ALL {
            let row = row.clone();
            let name = format!("policy::{}::{}", row.name, user.as_str());
            trials.push(Trial::ignorable_test(name, move || match policy::run(&row, user) {
                Ok(Outcome::Passed) => Ok(Completion::Completed),
                Ok(Outcome::Skipped(reason)) => {
                    tests::say(&format!("{}: {reason}", row.name));
                    Ok(Completion::ignored_with(reason))
                }
                Err(error) => Err(Failed::from(format!("{error:#}"))),
            }));
        }
    }
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
