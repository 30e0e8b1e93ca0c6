//! Repositories that somebody else filled, and what is in force inside of them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::case::{Backend, User};
use crate::identity::Identity;
use crate::place::{Place, skip_user};
use crate::policy::query::find;
use crate::process::{self, Finished};
use crate::system::{self, SystemFolder};

/// What the user's configuration says of the workspace.
#[derive(Clone, Copy, Debug)]
pub enum Trust {
    /// That it is trusted.
    Trusted,
    /// That it is not.
    Untrusted,
    /// Nothing.
    Unlisted,
}

impl Trust {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Trusted, Self::Untrusted, Self::Unlisted];
}

/// A workspace that somebody else filled, and the user's own files.
#[derive(Debug)]
pub struct Repository<'a> {
    place: &'a Place,
    /// The administrator's folder, empty at first.
    pub system: SystemFolder,
}

impl<'a> Repository<'a> {
    /// A repository with these files, in which `@WS@` and `@OUT@` are the workspace and the directory beside it,
    /// and a user with this configuration.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn new(place: &'a Place, trust: Trust, config: &str, files: &[(&str, &str)]) -> Result<Self> {
        let new = Self { place, system: SystemFolder::new()? };
        new.empty()?;
        new.write(&place.ws(), ".git/HEAD", "ref: refs/heads/main\n")?;
        for (name, text) in files {
            let text = text.replace("@WS@", &place.ws().to_string_lossy());
            new.write(&place.ws(), name, &text.replace("@OUT@", &place.out().to_string_lossy()))?;
        }
        let level = match trust {
            Trust::Trusted => "trusted",
            Trust::Untrusted => "untrusted",
            Trust::Unlisted => "",
        };
        let mut config = config.to_owned();
        if !level.is_empty() {
            let root = place.ws();
            config.push_str(&format!("\n[projects.\"{}\"]\ntrust_level = \"{level}\"\n", root.display()));
        }
        new.own("config.toml", &config)?;
        Ok(new)
    }

    /// Removes what another repository of the same test left.
    fn empty(&self) -> Result<()> {
        let _done = self.place.sh("find . -mindepth 1 -delete; find \"$CODEX_HOME\" -mindepth 1 -delete")?;
        Ok(())
    }

    /// A file of the user's, in the config home.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn own(&self, name: &str, text: &str) -> Result<()> {
        self.write(&self.place.config_home(), name, text)
    }

    /// A file at or below `base`, which becomes the user's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, base: &Path, name: &str, text: &str) -> Result<()> {
        let path = base.join(name);
        system::write(base, &path, text)?;
        path.ancestors().take_while(|path| *path != base).try_for_each(|path| self.place.give(path))
    }

    /// `codex`, started in the workspace.
    ///
    /// # Errors
    /// When it cannot be run to its end.
    pub fn codex(&self, arguments: &[&str]) -> Result<Finished> {
        process::finish(self.system.codex(self.place, arguments), b"")
    }

    /// What is in force.
    ///
    /// # Errors
    /// When it is not told.
    pub fn policy(&self) -> Result<Value> {
        answer(self.codex(&["debug-config", "--json"])?)
    }

    /// What would become of a command.
    ///
    /// # Errors
    /// When it is not told.
    pub fn verdict(&self, command: &[&str]) -> Result<Value> {
        let mut arguments = vec!["execpolicy", "explain", "--json", "--"];
        arguments.extend(command);
        answer(self.codex(&arguments)?)
    }

    /// Runs a script in the sandbox.
    ///
    /// # Errors
    /// When it cannot be run to its end.
    pub fn sandbox(&self, flags: &[&str], script: &str) -> Result<Finished> {
        process::finish(self.system.sandbox(self.place, Backend::Namespaces, flags, script), b"")
    }
}

/// The JSON that a program answered with.
///
/// # Errors
/// When it failed, or answered with anything else.
pub fn answer(finished: Finished) -> Result<Value> {
    let finished = finished.success()?;
    serde_json::from_str(&finished.out()).with_context(|| format!("not JSON\n{finished}"))
}

/// A value of an answer is this text.
///
/// # Errors
/// When it is another one, or absent.
pub fn is(answer: &Value, path: &str, expected: &str) -> Result<()> {
    let found = find(answer, path);
    ensure!(
        found.and_then(Value::as_str) == Some(expected),
        "`{path}` is {found:?}, not {expected}\n{answer:#}"
    );
    Ok(())
}

/// Runs `test` as each user that there is, where the configuration and the repository's own folders may change.
///
/// # Errors
/// What the test, or looking for left-overs, fails with.
pub fn as_each(test: fn(&Place) -> Result<()>) -> Result<()> {
    for user in User::ALL {
        match Identity::of(user)? {
            None => skip_user(user)?,
            Some(identity) => {
                let mut place = Place::new(identity)?;
                for folder in [place.config_home(), place.ws()] {
                    place.allow_change(folder);
                }
                test(&place)?;
                place.close()?;
            }
        }
    }
    Ok(())
}

/// The user's prohibitions.
pub const OWN_RULES: &str = "prefix_rule(pattern=[\"git\", \"push\"], decision=\"forbidden\")\n\
                         prefix_rule(pattern=[\"cargo\", \"build\"], decision=\"allow\")\n\
                         host_executable(name=\"cargo\", paths=[\"/usr/bin/cargo\"])\n";
