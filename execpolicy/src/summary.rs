//! What a command does, in a few words for display. Never an input to a decision.

use serde::Serialize;

/// One thing that a command does.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Summary {
    /// It prints one file.
    Read {
        /// The part of the command line that does it.
        cmd: String,
        /// The file's name for people.
        name: String,
        /// The file as named, behind any `cd`.
        path: String,
    },
    /// It lists names.
    ListFiles {
        /// The part of the command line that does it.
        cmd: String,
        /// What it lists.
        path: Option<String>,
    },
    /// It looks for something.
    Search {
        /// The part of the command line that does it.
        cmd: String,
        /// What it looks for.
        query: Option<String>,
        /// Where.
        path: Option<String>,
    },
    /// Anything else, and everything that writes or starts a program.
    Unknown {
        /// The whole command line.
        cmd: String,
    },
}
