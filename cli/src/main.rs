//! The `codex` binary: arguments, terminal, exit codes. Nothing else.

#![forbid(unsafe_code)]

mod approval;
mod approvals;
mod arguments;
mod asking;
mod audit;
mod caller;
mod doctor;
mod ending;
mod execpolicy;
mod policy;
mod report;
mod run;
mod selftest;
mod session;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Cli, Command};

fn main() -> ExitCode {
    // The sandbox's inner stages, and the reader of a rule file, are this same binary; they come before
    // everything else.
    if let Some(code) = sandbox::take_over().or_else(policies::rules::take_over) {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    match cli.command {
        Command::Sandbox(arguments) => run::sandbox(arguments.with(cli.overrides)),
        Command::Execpolicy(arguments) => execpolicy::execpolicy(&arguments, &cli.overrides),
        Command::DebugConfig(arguments) => policy::debug_config(&arguments, &cli.overrides),
        Command::Approvals(arguments) => approvals::approvals(&arguments),
        Command::Requirements(arguments) => policy::requirements(&arguments, &cli.overrides),
        Command::Audit(arguments) => audit::audit(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
    }
}
