//! `codex approvals …`: what was approved for longer than once, and taking it back.

pub(crate) mod arguments;
mod date;
mod list;
mod revoke;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use escalation::SessionId;
use escalation::audit::AuditError;
use escalation::memory::{APPROVALS_FOLDER, MemoryError, Stores};
use policies::rules::RemoveError;

use crate::caller::Caller;
use crate::report::{Blame, Failure, Format};
use arguments::{ApprovalsArguments, ApprovalsCommand};

/// Runs one of the sub-commands.
pub(crate) fn approvals(arguments: &ApprovalsArguments) -> ExitCode {
    let (format, result) = match &arguments.command {
        ApprovalsCommand::List(arguments) => (Format::of(arguments.json), list::list(arguments)),
        ApprovalsCommand::Revoke(arguments) => (Format::Text, revoke::revoke(arguments)),
    };
    result.unwrap_or_else(|failure| format.fail(&failure))
}

/// Where approvals are, below the configuration home.
struct Places {
    config_home: PathBuf,
}

impl Places {
    fn look_up() -> Result<Self, Failure> {
        Ok(Self { config_home: Caller::look_around(None)?.config_folder() })
    }

    fn approvals(&self) -> PathBuf {
        self.config_home.join(APPROVALS_FOLDER)
    }

    fn audit(&self) -> PathBuf {
        self.config_home.join("audit")
    }

    /// What sessions remember: all, or one that must be there.
    fn stores(&self, session: Option<&SessionId>) -> Result<Stores, Failure> {
        let mut stores = Stores::read(&self.approvals())?;
        let Some(session) = session else { return Ok(stores) };
        stores.errors.retain(|error| error.session().as_ref() == Some(session));
        stores.sessions.retain(|stored| stored.session == *session);
        match (stores.sessions.is_empty(), stores.errors.pop()) {
            (_, Some(error)) => Err(error.into()),
            (false, None) => Ok(stores),
            (true, None) => {
                let message = format!("nothing is remembered for a session `{session}`");
                Err(Failure::new(Blame::Usage, message, "`codex approvals list` shows the sessions"))
            }
        }
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let is_unfit = matches!(
            error,
            MemoryError::Kind { .. }
                | MemoryError::Owner { .. }
                | MemoryError::Writable { .. }
                | MemoryError::TooLarge { .. }
                | MemoryError::Malformed { .. }
                | MemoryError::Newer { .. }
                | MemoryError::TooMany { .. }
        );
        let blame = if is_unfit { Blame::Invalid } else { Blame::Failed };
        Self::of(blame, &error, [error.help()])
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::of(Blame::Failed, &error, [error.help()])
    }
}

impl From<RemoveError> for Failure {
    fn from(error: RemoveError) -> Self {
        let is_refused = matches!(error, RemoveError::NotRegular { .. } | RemoveError::Owner { .. });
        let blame = if is_refused { Blame::Refused } else { Blame::Failed };
        if let RemoveError::Rules(error) = error {
            return error.into();
        }
        Self::of(blame, &error, error.help())
    }
}

/// An error on one line, with what to do about it.
fn on_one_line(error: &dyn std::error::Error, help: &str) -> String {
    format!("{}; {help}", policies::display::with_causes(error))
}
