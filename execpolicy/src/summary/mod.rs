//! What a command does, in a few words for display. Never an input to a decision.
//!
//! INVARIANT (known or unknown): a call is described by its parts only if every part is known, from its
//! program and every one of its options, to print and nothing else. One part that writes, starts a program
//! or is not in our tables makes the whole call one [`Summary::Unknown`] with its original text, so that no
//! label ever speaks for less than what runs. Hence the tables list what is accepted, never what is refused.
//!
//! What stays out of sight by design: configuration (of git, ripgrep, less) and `CDPATH`, which are not part
//! of the command; and whether a `cd` before `;` succeeds: it is taken to.

mod awk;
mod call;
mod filters;
mod find;
mod finders;
mod meaning;
mod options;
mod readers;
mod sed;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;
use serde_json::{Value, json};

use call::Call;

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

/// How a part follows the one before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Joined {
    /// It is the first.
    First,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `;` or a newline.
    Sequence,
    /// `|`
    Pipe,
}

/// One simple command of a call, all of its words known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// How it follows the part before it.
    pub joined: Joined,
    /// Whether a redirection writes a file. One that reads a file behind a pipe must count as well: it feeds a
    /// filter with what no part of the call shows.
    pub writes: bool,
}

/// What the call `script` does, given its `parts` in order; `None` when it could not be taken apart.
///
/// `script` is the whole original text: the shell's script, or the argv, shell-quoted. The list is empty for
/// a call that only changes its directory.
pub fn summarize(script: &str, parts: Option<&[Part<'_>]>) -> Vec<Summary> {
    parts
        .filter(|parts| !parts.is_empty())
        .and_then(|parts| Call::describe(script, parts))
        .unwrap_or_else(|| vec![Summary::Unknown { cmd: script.to_owned() }])
}

/// The form in which the app API shows a summary of a command that ran in `cwd`.
///
/// A path that was read becomes absolute; `..` stays in it, because what it means depends on symbolic links.
pub fn to_app_api(summary: &Summary, cwd: &str) -> Value {
    match summary {
        Summary::Read { cmd, name, path } => {
            json!({ "type": "read", "command": cmd, "name": name, "path": text::absolute(cwd, path) })
        }
        Summary::ListFiles { cmd, path } => json!({ "type": "listFiles", "command": cmd, "path": path }),
        Summary::Search { cmd, query, path } => {
            json!({ "type": "search", "command": cmd, "query": query, "path": path })
        }
        Summary::Unknown { cmd } => json!({ "type": "unknown", "command": cmd }),
    }
}
