//! The rule that would settle a question for good, as it is offered and as it is written down.

use serde::Serialize;

/// How much an offered rule would cover.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This command, word for word, and whatever follows it.
    Command,
    /// The program with its sub-command.
    Subcommand,
    /// The program, whatever its arguments.
    Program,
}

/// An allowing prefix rule that may be offered.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amendment {
    /// How much it covers.
    pub scope: Scope,
    /// The words.
    pub prefix: Vec<String>,
    /// Other commands that it would allow too, so that nobody accepts more than he sees.
    pub also_matches: Vec<String>,
}
