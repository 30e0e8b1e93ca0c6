//! `codex execpolicy fmt`: rule files in one style.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use execpolicy::format;

use super::arguments::FmtArguments;
use super::read_text;
use crate::report::{Blame, Failure, print};

/// Rewrites the files, or with `--check` tells which ones it would.
pub(super) fn fmt(arguments: &FmtArguments) -> Result<ExitCode, Failure> {
    let mut unformatted = false;
    for path in &arguments.files {
        let text = read_text(path, policies::rules::MAX_FILE)?;
        let name = path.to_string_lossy();
        let formatted = format::format_file(&name, &text).map_err(policies::rules::RulesError::from)?;
        if formatted == text {
            continue;
        }
        unformatted = true;
        if arguments.check {
            print(&format!("{}\n", policies::escape(path)));
        } else {
            replace(path, &text, &formatted)?;
        }
    }
    let failed = arguments.check && unformatted;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Puts a new text in the place of the old one: whole, or not at all. The file keeps its mode, a symbolic
/// link stays one, and whoever adds a rule at the same time loses nothing: he holds the same lock.
fn replace(path: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let message = format!("cannot rewrite `{}`: {error}", policies::escape(path));
        Failure::new(Blame::Failed, message, "make the file and its folder writable, or use --check")
    };
    let real = path.canonicalize().map_err(failed)?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    let file = std::fs::File::open(&real).map_err(failed)?;
    file.lock().map_err(failed)?;
    if std::fs::read_to_string(&real).map_err(failed)? != old {
        let message = format!("`{}` was changed by somebody else just now", policies::escape(path));
        return Err(Failure::new(Blame::Failed, message, "try again"));
    }
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    draft.write_all(new.as_bytes()).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions();
    draft.as_file().set_permissions(mode).map_err(failed)?;
    draft.as_file().sync_all().map_err(failed)?;
    draft.persist(&real).map_err(|error| failed(error.error))?;
    Ok(())
}
