//! `codex execpolicy fmt`: rule files in one style.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;
use std::process::ExitCode;

use execpolicy::format;
use policies::rules::RulesError;

use super::arguments::FmtArguments;
use super::read_text;
use crate::report::{Blame, Failure, print};

/// A file that is not in the style.
struct Unformatted<'a> {
    path: &'a Path,
    old: String,
    new: String,
}

/// Rewrites the files, or with `--check` tells which ones it would. Nothing is written unless all are right.
pub(super) fn fmt(arguments: &FmtArguments) -> Result<ExitCode, Failure> {
    let mut unformatted = Vec::new();
    for path in &arguments.files {
        let old = read_text(path, policies::rules::MAX_FILE)?;
        let new = format::format_file(&path.to_string_lossy(), &old).map_err(RulesError::from)?;
        if new != old {
            unformatted.push(Unformatted { path, old, new });
        }
    }
    for file in &unformatted {
        if arguments.check {
            print(&format!("{}\n", policies::escape(file.path)))?;
        } else {
            file.replace()?;
        }
    }
    let failed = arguments.check && !unformatted.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Unformatted<'_> {
    /// Puts the new text in the place of the old one: whole, or not at all. The file keeps its mode and its
    /// owners, a symbolic link stays one, and whoever adds a rule at the same time loses nothing: he holds
    /// the same lock.
    fn replace(&self) -> Result<(), Failure> {
        let shown = policies::escape(self.path);
        let failed = |error: io::Error| {
            let message = format!("cannot rewrite `{shown}`: {error}");
            Failure::new(Blame::Failed, message, "make the file and its folder writable, or use --check")
        };
        let refused = |why: &str, help: &str| Failure::new(Blame::Failed, format!("`{shown}` {why}"), help);
        let real = self.path.canonicalize().map_err(failed)?;
        if !real.metadata().map_err(failed)?.is_file() {
            return Err(refused("cannot be rewritten: it is not a regular file", "use --check"));
        }
        let mut file = File::open(&real).map_err(failed)?;
        policies::rules::lock(&file).map_err(|error| match error {
            TryLockError::WouldBlock => refused("is locked by another program", "end it, and try again"),
            TryLockError::Error(error) => failed(error),
        })?;
        let (held, named) = (file.metadata().map_err(failed)?, real.metadata().map_err(failed)?);
        let mut text = Vec::new();
        Read::by_ref(&mut file)
            .take(policies::rules::MAX_FILE.saturating_add(1))
            .read_to_end(&mut text)
            .map_err(failed)?;
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) && text == self.new.as_bytes() {
            // It was named twice.
            return Ok(());
        }
        if (held.dev(), held.ino()) != (named.dev(), named.ino()) || text != self.old.as_bytes() {
            return Err(refused("was changed by somebody else just now", "try again"));
        }
        let folder = real.parent().unwrap_or(Path::new("/"));
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        draft.write_all(self.new.as_bytes()).map_err(failed)?;
        let made = draft.as_file().metadata().map_err(failed)?;
        if (made.uid(), made.gid()) != (held.uid(), held.gid()) {
            fchown(draft.as_file(), Some(held.uid()), Some(held.gid())).map_err(|error| {
                let why = format!("belongs to somebody else, and would not any more: {error}");
                refused(&why, "let its owner format it, or use --check")
            })?;
        }
        // After the change of owners, which takes bits away. chown(2)
        draft.as_file().set_permissions(held.permissions()).map_err(failed)?;
        draft.as_file().sync_all().map_err(failed)?;
        draft.persist(&real).map_err(|error| failed(error.error))?;
        Ok(())
    }
}
