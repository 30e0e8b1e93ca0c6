//! The table of what layers of configuration and of requirements come to: a row is some files, and what
//! `codex debug-config` (or another command) says of them. Running a row is in [`run`], the paths into its answer
//! in [`query`].

pub mod query;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::words;

pub use run::run;

/// Some files, one command, and what it must say.
///
/// Strings may hold the placeholders of [`crate::words`]: `{ws}`, `{config}`, `{system}`, `{out}`, `{home}` and
/// `{scratch}`. Names of files begin with `system/` (the folder in the place of `/etc/codex`), `home/` (the
/// CODEX_HOME), `user/` (HOME), `ws/` (the workspace) or `out/` (beside it).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Unique, in `snake_case`; part of the name of each test.
    pub name: String,
    /// What would be broken if the row failed.
    pub why: String,
    /// The nearest row that is accepted, in the same file. A row with `error` must name one.
    pub twin: Option<String>,

    /// Files by name, with their text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Symbolic links by name, with what they point to.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Octal modes of files, when not 0644.
    #[serde(default)]
    pub modes: BTreeMap<String, String>,
    /// Adds an entry for the workspace to the user's configuration.
    #[serde(default)]
    pub trust: Trust,
    /// Leaves the workspace without `.git`, which otherwise makes it a project's root.
    #[serde(default)]
    pub no_git: bool,
    /// Where the command starts; `ws` if absent.
    pub cwd: Option<String>,
    /// Set in its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,

    /// Flags of `codex debug-config`.
    #[serde(default)]
    pub args: Vec<String>,
    /// Another command of `codex` instead, with all its words.
    pub command: Option<Vec<String>>,

    /// The exit status; only with `command`, and 0 if absent.
    pub exit: Option<i32>,
    /// Values in the JSON answer, by path.
    #[serde(default)]
    pub expect: BTreeMap<String, toml::Value>,
    /// Values that must not be in the answer at this path: it is absent, or another.
    #[serde(default)]
    pub never: BTreeMap<String, toml::Value>,
    /// Text that the value at this path holds; for other than strings, their JSON.
    #[serde(default)]
    pub contains: BTreeMap<String, String>,
    /// Paths at which there is nothing, or null.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Each is in one of the warnings. Several parts, joined by ` … `, must be in the same one.
    #[serde(default)]
    pub warns: Vec<String>,
    /// None of these is in any warning.
    #[serde(default)]
    pub silent_about: Vec<String>,
    /// There are no warnings at all.
    #[serde(default)]
    pub no_warnings: bool,
    /// It fails with status 1, and each of these is in the message.
    #[serde(default)]
    pub error: Vec<String>,
    /// Each is somewhere in the output; only with `command`.
    #[serde(default)]
    pub says: Vec<String>,
    /// None is anywhere in the output; only with `command`.
    #[serde(default)]
    pub says_not: Vec<String>,
}

/// What the user's configuration says of the workspace.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// That it is trusted.
    Trusted,
    /// That it is not.
    Untrusted,
    /// Nothing.
    #[default]
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Row>,
}

/// The beginnings of file names.
const BASES: [&str; 5] = ["system/", "home/", "user/", "ws/", "out/"];

/// The rows of every file in `cases/policy/`, in the order of the file names.
///
/// # Errors
/// When a file cannot be read or parsed, or a row does not hold together.
pub fn load() -> Result<Vec<Row>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases/policy");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot list `{}`", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let File { case } =
            toml::from_str(&text).with_context(|| format!("cannot parse `{}`", file.display()))?;
        check(&case).with_context(|| format!("in `{}`", file.display()))?;
        all.extend(case);
    }
    let mut names = BTreeSet::new();
    for row in &all {
        ensure!(names.insert(row.name.as_str()), "two rows are named `{}`", row.name);
    }
    Ok(all)
}

/// Checks the rows of one file against each other.
fn check(rows: &[Row]) -> Result<()> {
    let accepted: BTreeMap<&str, bool> =
        rows.iter().map(|row| (row.name.as_str(), row.is_accepted())).collect();
    for row in rows {
        row.check(&accepted).with_context(|| format!("row `{}`", row.name))?;
    }
    Ok(())
}

impl Row {
    /// Whether its files are valid.
    fn is_accepted(&self) -> bool {
        self.error.is_empty() && self.exit.unwrap_or(0) == 0
    }

    fn check(&self, accepted: &BTreeMap<&str, bool>) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ensure!(!self.name.is_empty() && self.name.chars().all(plain), "the name is not in snake_case");
        ensure!(!self.why.trim().is_empty(), "`why` is empty");
        ensure!(self.is_accepted() || self.twin.is_some(), "a row that is refused needs an accepted twin");
        if let Some(twin) = &self.twin {
            let other =
                accepted.get(twin.as_str()).with_context(|| format!("no row here is named `{twin}`"))?;
            ensure!(*other, "its twin `{twin}` is refused, too");
        }
        let answers = !self.expect.is_empty() || !self.contains.is_empty() || !self.warns.is_empty();
        let weak = !self.never.is_empty() || !self.absent.is_empty() || self.no_warnings;
        let weak = weak || !self.silent_about.is_empty();
        ensure!(
            self.error.is_empty() || !(answers || weak || self.command.is_some()),
            "`error` stands alone: nothing is answered"
        );
        ensure!(
            answers || !self.error.is_empty() || !self.says.is_empty() || self.exit.is_some(),
            "it would pass whatever is answered"
        );
        let raw = self.exit.is_some() || !self.says.is_empty() || !self.says_not.is_empty();
        ensure!(!raw || self.command.is_some(), "`exit`, `says` and `says_not` go with `command`");
        for name in self.files.keys().chain(self.links.keys()).chain(self.modes.keys()).chain(&self.cwd) {
            let known = name == "ws" || name == "user" || BASES.iter().any(|base| name.starts_with(base));
            ensure!(known, "`{name}` begins with none of {BASES:?}");
        }
        for name in self.modes.keys() {
            ensure!(self.files.contains_key(name), "`{name}` has a mode but no text");
        }
        for text in self.texts() {
            words::check(text)?;
        }
        Ok(())
    }

    /// Every string in which placeholders are replaced.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.args, &self.warns, &self.silent_about, &self.error, &self.says, &self.says_not];
        lists
            .into_iter()
            .flatten()
            .chain(self.command.iter().flatten())
            .chain(self.files.values())
            .chain(self.links.values())
            .chain(self.env.values())
            .chain(self.contains.values())
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "name = 'a'\nwhy = 'b'\nexpect.x = 1\n";

    fn parse(rows: &[&str]) -> Result<()> {
        let text: String = rows.iter().map(|row| format!("[[case]]\n{row}\n")).collect();
        check(&toml::from_str::<File>(&text)?.case)
    }

    #[test]
    fn the_table_holds_together() {
        assert!(!load().unwrap().is_empty());
    }

    #[test]
    fn a_plain_row_is_accepted_and_its_faulty_twins_are_not() {
        parse(&[ROW]).unwrap();
        parse(&[&ROW.replace("expect.x = 1", "")]).unwrap_err();
        parse(&[&ROW.replace("expect.x = 1", "error = ['x']")]).unwrap_err();
        parse(&[&format!("{ROW}error = ['x']")]).unwrap_err();
        parse(&[&format!("{ROW}exit = 1")]).unwrap_err();
        parse(&[&format!("{ROW}colour = 'red'")]).unwrap_err();
        parse(&[&format!("{ROW}files.'etc/x' = ''")]).unwrap_err();
        parse(&[&format!("{ROW}files.'ws/x' = '{{workspace}}'")]).unwrap_err();
        parse(&[&format!("{ROW}modes.'ws/x' = '0600'")]).unwrap_err();
        let refused = "name = 'c'\nwhy = 'd'\nerror = ['x']\ntwin = 'a'\n";
        parse(&[ROW, refused]).unwrap();
        parse(&[refused]).unwrap_err();
    }
}
