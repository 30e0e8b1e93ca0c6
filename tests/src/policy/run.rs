//! Runs one row as one user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::query::find;
use super::{Row, Trust};
use crate::case::User;
use crate::identity::Identity;
use crate::place::{Place, missing_user};
use crate::probe::Outcome;
use crate::process::{self, Finished};
use crate::system::{self, SystemFolder, VARIABLE};
use crate::words::Words;

/// Runs the row.
///
/// # Errors
/// With everything that was not as expected.
pub fn run(row: &Row, user: User) -> Result<Outcome> {
    let Some(identity) = Identity::of(user)? else {
        return Ok(Outcome::Skipped(missing_user(user)?));
    };
    let scene = Scene::set(row, identity)?;
    let finished = scene.finish()?;
    let complaints = scene.complaints(&finished);
    ensure!(complaints.is_empty(), "{}\n  ({})\n{finished}", complaints.join("\n"), row.why);
    scene.place.close()?;
    Ok(Outcome::Passed)
}

struct Scene<'a> {
    row: &'a Row,
    place: Place,
    system: SystemFolder,
    words: Words,
}

impl<'a> Scene<'a> {
    fn set(row: &'a Row, identity: Identity) -> Result<Self> {
        let place = Place::new(identity)?;
        let system = SystemFolder::new()?;
        let mut words = Words::default();
        words.set("ws", place.ws().display());
        words.set("config", place.config_home().display());
        words.set("system", system.path().display());
        words.set("out", place.out().display());
        words.set("home", place.home().display());
        words.set("scratch", place.root().display());
        words.set("user", &place.identity.name);
        words.set("uid", place.identity.uid);
        let mut scene = Self { row, place, system, words };
        scene.write()?;
        scene.place.settle()?;
        Ok(scene)
    }

    fn write(&self) -> Result<()> {
        let mut files = self.row.files.clone();
        if !self.row.no_git {
            let _given =
                files.entry("ws/.git/HEAD".to_owned()).or_insert_with(|| "ref: refs/heads/main\n".to_owned());
        }
        let level = match self.row.trust {
            Trust::Trusted => Some("trusted"),
            Trust::Untrusted => Some("untrusted"),
            Trust::None => None,
        };
        if let Some(level) = level {
            let config = files.entry("home/config.toml".to_owned()).or_default();
            config.push_str(&format!("\n[projects.\"{{ws}}\"]\ntrust_level = \"{level}\"\n"));
        }
        for (name, text) in &files {
            let (base, path) = self.locate(name)?;
            system::write(&base, &path, &self.words.fill(text))?;
            if let Some(mode) = self.row.modes.get(name) {
                let mode = u32::from_str_radix(mode, 8).with_context(|| format!("mode of `{name}`"))?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            self.give(&base, &path)?;
        }
        for (name, target) in &self.row.links {
            let (base, path) = self.locate(name)?;
            system::make_folders(&base, &path)?;
            symlink(self.words.fill(target), &path).with_context(|| format!("cannot link `{name}`"))?;
            if let Some(parent) = path.parent() {
                self.give(&base, parent)?;
            }
        }
        let cwd = self.cwd()?;
        fs::create_dir_all(&cwd)?;
        let (base, _) = self.locate(self.row.cwd.as_deref().unwrap_or("ws"))?;
        self.give(&base, &cwd)
    }

    /// The directory of a name's first word, and the file.
    fn locate(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (first, rest) = name.split_once('/').unwrap_or((name, ""));
        let base = match first {
            "system" => self.system.path(),
            "home" => self.place.config_home(),
            "user" => self.place.home(),
            "ws" => self.place.ws(),
            "out" => self.place.out(),
            _ => bail!("`{name}` lies nowhere"),
        };
        let path = if rest.is_empty() { base.clone() } else { base.join(rest) };
        Ok((base, path))
    }

    /// Makes the user the owner of all between `base` and `path`; the system's folder stays the harness's.
    fn give(&self, base: &Path, path: &Path) -> Result<()> {
        if base == self.system.path() || !path.starts_with(base) {
            return Ok(());
        }
        path.ancestors().take_while(|path| *path != base).try_for_each(|path| self.place.give(path))
    }

    fn cwd(&self) -> Result<PathBuf> {
        Ok(self.locate(self.row.cwd.as_deref().unwrap_or("ws"))?.1)
    }

    fn finish(&self) -> Result<Finished> {
        let row = self.row;
        let mut command = self.place.outside(&self.place.binary().to_string_lossy());
        let cwd = self.cwd()?;
        let _configured = command.current_dir(&cwd).env("PWD", &cwd).env(VARIABLE, self.system.path());
        let _configured = command.envs(row.env.iter().map(|(name, value)| (name, self.words.fill(value))));
        let _configured = match &row.command {
            Some(words) => command.args(words.iter().map(|word| self.words.fill(word))),
            None => command.arg("debug-config").args(row.args.iter().map(|word| self.words.fill(word))),
        };
        // What is wrong is read as people read it.
        if row.command.is_none() && row.error.is_empty() {
            let _configured = command.arg("--json");
        }
        process::finish(command, b"")
    }

    fn complaints(&self, finished: &Finished) -> Vec<String> {
        let mut found = Vec::new();
        let status = if self.row.error.is_empty() { self.row.exit.unwrap_or(0) } else { 1 };
        if finished.code() != Some(status) {
            found.push(format!("expected status {status}"));
            return found;
        }
        if !self.row.error.is_empty() {
            self.judge_error(finished, &mut found);
            return found;
        }
        self.judge_text(finished, &mut found);
        match serde_json::from_str::<Value>(&finished.out()) {
            Ok(answer) => self.judge_answer(&answer, &mut found),
            Err(error) if self.needs_answer() => found.push(format!("not one JSON value: {error}")),
            Err(_) => {}
        }
        found
    }

    fn needs_answer(&self) -> bool {
        let row = self.row;
        row.command.is_none() || !(row.expect.is_empty() && row.contains.is_empty() && row.warns.is_empty())
    }

    fn judge_error(&self, finished: &Finished, found: &mut Vec<String>) {
        let said = finished.err();
        for part in &self.row.error {
            let part = self.words.fill(part);
            if !said.contains(&part) {
                found.push(format!("the message lacks {part:?}"));
            }
        }
        if !finished.stdout.is_empty() {
            found.push("something is on stdout".to_owned());
        }
        if !said.starts_with("codex: ") || said.contains("panicked") {
            found.push("the message is not ours".to_owned());
        }
        if !said.contains("help") {
            found.push("no way out is named".to_owned());
        }
        if said.chars().any(|c| c.is_control() && c != '\n') {
            found.push("the message is not clean text".to_owned());
        }
    }

    fn judge_text(&self, finished: &Finished, found: &mut Vec<String>) {
        let output = finished.out() + &finished.err();
        for part in &self.row.says {
            let part = self.words.fill(part);
            if !output.contains(&part) {
                found.push(format!("the output lacks {part:?}"));
            }
        }
        for part in &self.row.says_not {
            let part = self.words.fill(part);
            if output.contains(&part) {
                found.push(format!("the output has {part:?}"));
            }
        }
    }

    fn judge_answer(&self, answer: &Value, found: &mut Vec<String>) {
        let row = self.row;
        for (path, expected) in &row.expect {
            let expected = self.json(expected);
            let is = find(answer, path);
            if is != Some(&expected) {
                found.push(format!("`{path}` is {}, not {expected}", shown(is)));
            }
        }
        for (path, unwanted) in &row.never {
            let unwanted = self.json(unwanted);
            if find(answer, path) == Some(&unwanted) {
                found.push(format!("`{path}` is {unwanted}"));
            }
        }
        for (path, part) in &row.contains {
            let (part, is) = (self.words.fill(part), find(answer, path));
            let text = is.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            if !text.is_some_and(|text| text.contains(&part)) {
                found.push(format!("`{path}` is {}, without {part:?}", shown(is)));
            }
        }
        for path in &row.absent {
            if let Some(is) = find(answer, path) {
                found.push(format!("`{path}` is {is}"));
            }
        }
        self.judge_warnings(answer, found);
    }

    fn judge_warnings(&self, answer: &Value, found: &mut Vec<String>) {
        let row = self.row;
        if row.command.is_some() && row.warns.is_empty() {
            return;
        }
        let Some(warnings) = answer.get("warnings").and_then(Value::as_array) else {
            found.push("there is no list of warnings".to_owned());
            return;
        };
        let warnings: Vec<&str> = warnings.iter().filter_map(Value::as_str).collect();
        for wanted in &row.warns {
            let wanted = self.words.fill(wanted);
            if !warnings.iter().any(|warning| wanted.split(" … ").all(|part| warning.contains(part))) {
                found.push(format!("no warning has {wanted:?}"));
            }
        }
        for unwanted in &row.silent_about {
            let unwanted = self.words.fill(unwanted);
            found.extend(
                warnings
                    .iter()
                    .filter(|warning| warning.contains(&unwanted))
                    .map(|warning| format!("it warns: {warning}")),
            );
        }
        if row.no_warnings && !warnings.is_empty() {
            found.push(format!("there are warnings: {warnings:?}"));
        }
    }

    /// A value of a row, as the answer has it.
    fn json(&self, value: &toml::Value) -> Value {
        match value {
            toml::Value::String(text) => Value::String(self.words.fill(text)),
            toml::Value::Integer(number) => Value::from(*number),
            toml::Value::Float(number) => Value::from(*number),
            toml::Value::Boolean(on) => Value::Bool(*on),
            toml::Value::Datetime(time) => Value::String(time.to_string()),
            toml::Value::Array(values) => values.iter().map(|value| self.json(value)).collect(),
            toml::Value::Table(table) => {
                table.iter().map(|(key, value)| (self.words.fill(key), self.json(value))).collect()
            }
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}
