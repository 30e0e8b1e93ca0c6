//! `codex debug-config` and `codex requirements …`, as types.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::arguments::Overrides;

/// `codex debug-config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Shows what an agent session in this folder would have. Exit status: 0, or 1 when a file cannot be used.")]
pub(crate) struct DebugConfigArguments {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    /// Also read NAME.config.toml of the configuration home
    #[arg(short = 'p', long = "profile", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Write the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `codex requirements`.
#[derive(Debug, Args)]
pub(crate) struct RequirementsArguments {
    #[command(subcommand)]
    pub(crate) command: RequirementsCommand,
}

/// Limits of an administrator.
#[derive(Debug, Subcommand)]
pub(crate) enum RequirementsCommand {
    /// Find mistakes in requirements files before they are rolled out
    Check(CheckArguments),
    /// Say what may be set for a key here, and why
    Explain(ExplainArguments),
}

/// `codex requirements check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each file is judged alone. Exit status: 0 when all could be used, also with warnings; 1 when one could not, which
would stop every start on the machines it reaches.")]
pub(crate) struct CheckArguments {
    /// Count warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,

    /// Write the remarks as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `codex requirements explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  codex requirements explain sandbox_mode
  codex requirements explain mcp_servers.docs
  codex requirements explain allowed_approval_policies --json")]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    /// Also read NAME.config.toml of the configuration home
    #[arg(short = 'p', long = "profile", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Write the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// A key of the configuration, or of requirements
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}
