//! Reads the probe table and refuses one that does not hold together: a row that could pass for the
//! wrong reason is worse than no row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::case::{Case, Verdict};
use crate::words;

/// Text that every `python` row starts with.
pub const PREAMBLE: &str = include_str!("../cases/preamble.py");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// The rows of every file in `cases/`, in the order of the file names.
///
/// # Errors
/// When a file cannot be read or parsed, or a row breaks one of the rules in `check`.
pub fn load() -> Result<Vec<Case>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot list `{}`", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();

    let mut all = Vec::new();
    for file in files {
        let rows = load_file(&file)?;
        check(&rows).with_context(|| format!("in `{}`", file.display()))?;
        all.extend(rows);
    }
    let mut names = BTreeSet::new();
    for case in &all {
        ensure!(names.insert(case.name.as_str()), "two rows are named `{}`", case.name);
    }
    Ok(all)
}

fn load_file(file: &Path) -> Result<Vec<Case>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let File { case } =
        toml::from_str(&text).with_context(|| format!("cannot parse `{}`", file.display()))?;
    Ok(case)
}

/// Checks the rows of one file against each other.
fn check(rows: &[Case]) -> Result<()> {
    let verdicts: BTreeMap<&str, Verdict> = rows.iter().map(|row| (row.name.as_str(), row.verdict)).collect();
    for row in rows {
        check_row(row, &verdicts).with_context(|| format!("row `{}`", row.name))?;
    }
    Ok(())
}

fn check_row(row: &Case, verdicts: &BTreeMap<&str, Verdict>) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    ensure!(!row.name.is_empty() && row.name.chars().all(plain), "the name is not in snake_case");
    ensure!(!row.why.trim().is_empty(), "`why` is empty");

    match (&row.twin, row.verdict) {
        (None, Verdict::Allowed) => {}
        (None, Verdict::Refused) => bail!("a refused row needs an allowed twin"),
        (Some(twin), verdict) => {
            let other =
                verdicts.get(twin.as_str()).with_context(|| format!("no row here is named `{twin}`"))?;
            ensure!(*other != verdict, "its twin `{twin}` has the same verdict");
        }
    }

    let commands = [row.run.is_some(), row.script.is_some(), row.python.is_some()]
        .into_iter()
        .filter(|given| *given)
        .count();
    ensure!(commands == 1, "one of `run`, `script` and `python` must be given, not {commands}");
    ensure!(row.users.is_some() == row.users_why.is_some(), "`users` and `users_why` go together");
    ensure!(
        row.backends.is_some() == row.backends_why.is_some(),
        "`backends` and `backends_why` go together"
    );
    ensure!(!row.users().is_empty() && !row.backends().is_empty(), "the row would never run");
    ensure!(
        row.stdout.is_some()
            || !row.stdout_contains.is_empty()
            || row.after.is_some()
            || !row.reaches.is_empty()
            || !row.stderr_contains.is_empty(),
        "only the exit status is looked at, which many other failures share"
    );
    for text in texts(row) {
        words::check(text)?;
    }
    Ok(())
}

/// Every string of a row in which placeholders are replaced.
fn texts(row: &Case) -> impl Iterator<Item = &str> {
    let single = [
        &row.config,
        &row.setup,
        &row.through,
        &row.cwd,
        &row.stdin,
        &row.script,
        &row.python,
        &row.stdout,
        &row.after,
    ];
    let lists = [&row.args, &row.stdout_contains, &row.stdout_lacks, &row.stderr_contains, &row.changes];
    single
        .into_iter()
        .flatten()
        .chain(lists.into_iter().flatten())
        .chain(row.run.iter().flatten())
        .chain(row.env.values())
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str =
        "name = 'a'\nwhy = 'b'\nverdict = 'allowed'\nexit = 'zero'\nscript = 'true'\nstdout = ''\n";

    fn parse(rows: &[&str]) -> Result<()> {
        let text: String = rows.iter().map(|row| format!("[[case]]\n{row}\n")).collect();
        check(&toml::from_str::<File>(&text)?.case)
    }

    #[test]
    fn the_table_holds_together() {
        load().unwrap();
    }

    #[test]
    fn a_plain_row_is_accepted_and_its_faulty_twins_are_not() {
        parse(&[ROW]).unwrap();
        parse(&[&ROW.replace("'allowed'", "'refused'")]).unwrap_err();
        parse(&[&ROW.replace("stdout = ''", "")]).unwrap_err();
        parse(&[&format!("{ROW}run = ['true']")]).unwrap_err();
        parse(&[&format!("{ROW}users = ['root']")]).unwrap_err();
        parse(&[&format!("{ROW}colour = 'red'")]).unwrap_err();
        parse(&[&format!("{ROW}twin = 'nobody'")]).unwrap_err();
        parse(&[&ROW.replace("'true'", "'touch {workspace}/x'")]).unwrap_err();
    }

    #[test]
    fn twins_must_disagree() {
        let refused = ROW.replace("'a'", "'c'").replace("'allowed'", "'refused'") + "twin = 'a'";
        parse(&[ROW, &refused]).unwrap();
        parse(&[&ROW.replace("'allowed'", "'refused'"), &refused]).unwrap_err();
    }
}
