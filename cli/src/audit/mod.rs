//! `codex audit …`: the record of every decision, for people and programs.

pub(crate) mod arguments;
mod line;
mod show;
mod tail;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use escalation::audit::AUDIT_FOLDER;

use crate::caller::Caller;
use crate::report::{Failure, Format};
use arguments::{AuditArguments, AuditCommand};

/// Runs one of the sub-commands.
pub(crate) fn audit(arguments: &AuditArguments) -> ExitCode {
    let (format, result) = match &arguments.command {
        AuditCommand::Verify(arguments) => (Format::of(arguments.json), verify::verify(arguments)),
        AuditCommand::Show(arguments) => (Format::of(arguments.json), show::show(arguments)),
        AuditCommand::Tail(arguments) => (Format::of(arguments.json), tail::tail(arguments)),
    };
    result.unwrap_or_else(|failure| format.fail(&failure))
}

/// Where the log is.
fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(Caller::look_around(None)?.config_folder().join(AUDIT_FOLDER)),
    }
}
