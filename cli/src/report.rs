//! What a person, or a program, is told when a run does not happen, and the exit status that goes with it.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use execpolicy::display::visible;
use policies::{ConfigError, PathError, StateError};
use sandbox::{BackendError, LaunchError, PlanError, ProgramError};
use serde_json::json;

/// Who is to blame, and with which exit status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blame {
    /// The configuration does not say something that can be used.
    Invalid,
    /// The command line does not.
    Usage,
    /// A limit says no, or this machine cannot enforce what was asked for.
    Refused,
    /// The program does not exist.
    NotFound,
    /// We, or the system, failed.
    Failed,
}

impl Blame {
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Failed => 125,
            Self::Refused => 126,
            Self::NotFound => 127,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Usage => "usage",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
        }
    }
}

/// A run that does not happen.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) blame: Blame,
    message: String,
    help: Vec<String>,
}

impl Failure {
    pub(crate) fn new(blame: Blame, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { blame, message: message.into(), help: vec![help.into()] }
    }

    /// An error with everything that caused it, on one line.
    pub(crate) fn of(blame: Blame, error: &dyn Error, help: impl IntoIterator<Item = String>) -> Self {
        Self { blame, message: policies::display::with_causes(error), help: help.into_iter().collect() }
    }

    /// Adds lines that show the place in question; they are clean text.
    pub(crate) fn with_lines(mut self, lines: &str) -> Self {
        if !lines.is_empty() {
            self.message = format!("{}\n{lines}", self.message);
        }
        self
    }

    /// Adds advice.
    pub(crate) fn with_help(mut self, help: impl IntoIterator<Item = String>) -> Self {
        self.help.extend(help);
        self
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(Blame::Invalid, &error, [error.help()])
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::of(Blame::Invalid, &error, [error.help().to_owned()])
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        Self::of(Blame::Usage, &error, [error.help().to_owned()])
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let missing = matches!(error, PlanError::WorkingDirectory { .. });
        let blame = if missing { Blame::Failed } else { Blame::Refused };
        Self::of(blame, &error, [error.help()])
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        let missing = matches!(error, ProgramError::NotFound { .. });
        let blame = if missing { Blame::NotFound } else { Blame::Refused };
        Self::of(blame, &error, [error.help()])
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::of(Blame::Refused, &error, [error.help().to_owned()])
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let refused = error.exec_errno().is_some()
            || matches!(
                error,
                LaunchError::WayOut { .. }
                    | LaunchError::ProgramChanged { .. }
                    | LaunchError::DirectoryChanged { .. }
            );
        let blame = if refused { Blame::Refused } else { Blame::Failed };
        Self::of(blame, &error, error.help())
    }
}

/// Prints what the argument parser has to say: help to stdout, errors to stderr like all of ours.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // It repeats the words of the command line.
    let text = visible_lines(&error.render().to_string());
    if !error.use_stderr() {
        return match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => Format::Text.fail(&failure),
        };
    }
    say(&format!("codex: {}", text.strip_prefix("error: ").unwrap_or(&text).trim_end()));
    ExitCode::from(Blame::Usage.status())
}

/// How our own words are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Tells why nothing runs, and gives the exit status.
    pub(crate) fn fail(self, failure: &Failure) -> ExitCode {
        match self {
            Self::Text => {
                say(&format!("codex: {}", failure.message));
                for help in &failure.help {
                    say(&format!("codex: help: {help}"));
                }
            }
            Self::Json => say(&json!({
                "event": "error",
                "kind": failure.blame.word(),
                "message": failure.message,
                "help": failure.help,
                "exitStatus": failure.blame.status(),
            })
            .to_string()),
        }
        ExitCode::from(failure.blame.status())
    }

    /// Something that does not stop the run.
    pub(crate) fn warn(self, message: &str) {
        match self {
            Self::Text => say(&format!("codex: warning: {message}")),
            Self::Json => say(&json!({ "event": "warning", "message": message }).to_string()),
        }
    }
}

/// Text of several lines, each made safe to print.
pub(crate) fn visible_lines(text: &str) -> String {
    text.lines().map(|line| visible(line) + "\n").collect()
}

/// Writes a value as one line of JSON to stdout.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| {
        Failure::new(Blame::Failed, format!("cannot write the answer as JSON: {error}"), "report this")
    })?;
    print(&format!("{text}\n"))
}

/// Writes a line to stderr, which is for people; stdout belongs to the command.
pub(crate) fn say(line: &str) {
    // With stderr gone there is nobody left to tell.
    writeln!(std::io::stderr().lock(), "{line}").ok();
}

/// Writes a result to stdout.
///
/// # Errors
/// The result did not get there: half a report must not look like a whole one.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_to_reader(text).map(|_| ())
}

/// Writes a part of a result to stdout, and answers whether anybody reads on: a reader that has gone away
/// (`| head`) has what it wanted.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_to_reader(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            let message = format!("cannot write the result to standard output: {error}");
            Err(Failure::new(Blame::Failed, message, "make room, or name another place"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_the_approved_one_is_refused() {
        let path = policies::AbsolutePath::parse("/ws/run.sh").unwrap();
        let failure = Failure::from(LaunchError::ProgramChanged { path });
        assert_eq!(failure.blame.status(), 126);
        assert_eq!(
            (failure.message.as_str(), failure.help.as_slice()),
            (
                "refused `/ws/run.sh`: the file is not the one that was approved any more",
                ["look at it again and run it once more".to_owned()].as_slice()
            )
        );
        let failure = Failure::from(LaunchError::Lost);
        assert_eq!(failure.blame.status(), 125);
    }
}
