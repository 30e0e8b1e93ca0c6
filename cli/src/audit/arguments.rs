//! `codex audit …`, as types.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use escalation::SessionId;
use escalation::audit::{EventKind, LineHash};

use crate::arguments::parse_duration;

/// `codex audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

/// The record of every decision.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no record was changed, removed, added or moved
    Verify(VerifyArguments),
    /// Print records
    Show(ShowArguments),
    /// Print the last records, and those that are written from now on
    Tail(TailArguments),
}

/// `codex audit verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each record holds the digest of the line before it. That proves everything but the end: who can
write the log can cut records off there. Keep the head that this prints somewhere else, and pass
it with --head the next time.

Exit status: 0 if the log is sound, 1 if it is not, 2 wrong usage, 125 if it cannot be read.")]
pub(crate) struct VerifyArguments {
    /// The digest of a record that has to be in the log: the head that an earlier run printed
    #[arg(long, value_name = "HASH")]
    pub(crate) head: Option<LineHash>,

    /// The folder of the log, instead of `audit` in the configuration home
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Write the result as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `codex audit show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  codex audit show --last 20
  codex audit show --event decided --since 2h
  codex audit show --session SESSION --json")]
pub(crate) struct ShowArguments {
    /// Only records of this session
    #[arg(long, value_name = "SESSION", value_parser = SessionId::parse)]
    pub(crate) session: Option<SessionId>,

    /// Only events of this kind: sessionOpened, asked, settled, decided, ended, amended, remembered or revoked
    /// (repeatable)
    #[arg(long, value_name = "EVENT")]
    pub(crate) event: Vec<EventKind>,

    /// Only records about this item of the agent
    #[arg(long, value_name = "ITEM")]
    pub(crate) call: Option<String>,

    /// Only records of the last time: 90s, 15m, 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) since: Option<Duration>,

    /// Only the last ones that match
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,

    /// The folder of the log, instead of `audit` in the configuration home
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Print the lines as they are in the log
    #[arg(long)]
    pub(crate) json: bool,
}

/// `codex audit tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArguments {
    /// How many records to begin with; no more than the two newest files hold
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,

    /// Go on with those that are written from now on
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,

    /// The folder of the log, instead of `audit` in the configuration home
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Print the lines as they are in the log
    #[arg(long)]
    pub(crate) json: bool,
}
