//! What became of each rule file, as data and in words. Nothing here decides anything.

use std::path::{Path, PathBuf};

use execpolicy::Dropped;

use super::file::RulesError;
use super::folder::RuleFolderError;
use super::layers::RuleLayer;
use crate::display::escape;

/// What became of one rule file, or of a folder of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleFileReport {
    /// The file or folder.
    pub path: PathBuf,
    /// Whose it is.
    pub layer: RuleLayer,
    /// What became of it.
    pub state: RuleFileState,
}

/// Whether a rule file counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RuleFileState {
    /// It does.
    Loaded {
        /// Prefix rules in force.
        rules: usize,
        /// Network rules in force.
        network: usize,
        /// Lists of host executables in force.
        host_executables: usize,
        /// What is not in force, because a repository can only narrow.
        ignored: usize,
    },
    /// Nothing in it does.
    Broken {
        /// What is wrong, in one line, with the file's name; safe to print.
        error: String,
        /// Where in the file, if that can be told.
        location: Option<TextRange>,
        /// What to do about it.
        help: Option<String>,
    },
}

/// A part of a text, from 1. Columns count characters; bytes in a text that is not UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TextRange {
    /// The line of the first character.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// The line of the character behind the last one.
    pub end_line: u32,
    /// Its column.
    pub end_column: u32,
}

/// Rules of the administrator that could not be loaded: nothing starts without them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayeredRulesError {
    /// A file of his is broken.
    #[error("cannot use the administrator's rule file `{}`", escape(.path))]
    File {
        /// The file.
        path: PathBuf,
        /// Why. Boxed for its size.
        source: Box<RulesError>,
    },
    /// His folder is.
    #[error("cannot use the administrator's rules folder `{}`", escape(.source.path()))]
    Folder {
        /// Why.
        source: RuleFolderError,
    },
    /// An entry of his folder looks like a rule file and is none.
    #[error("refused the administrator's rule file `{}`: it is {kind}, and rule files are regular files", escape(.path))]
    NotRegular {
        /// The entry.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
}

impl LayeredRulesError {
    /// What to do about it, where there is more to say than the message does.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::File { source, .. } => source.help(),
            Self::Folder { source } => Some(source.help().to_owned()),
            Self::NotRegular { .. } => {
                Some("replace it by a regular file, or give it another name".to_owned())
            }
        }
    }
}

/// What is wrong, for a sentence that has named the file already.
pub(super) fn why(error: &RulesError) -> String {
    match error {
        RulesError::Read { source, .. } => format!("it cannot be read: {source}"),
        RulesError::TooLarge { .. } => format!("it has more than {} bytes", super::MAX_FILE),
        RulesError::Encoding { place, .. } => format!("it is {place}"),
        RulesError::Rules(error) => error.message.clone(),
        RulesError::Beyond { limit, .. } => format!("the files before it {limit}"),
        RulesError::Stopped { source, .. } => source.to_string(),
    }
}

pub(super) fn place(error: &RulesError) -> Option<TextRange> {
    match error {
        RulesError::Rules(error) => Some(TextRange {
            line: error.line,
            column: error.column,
            end_line: error.end_line,
            end_column: error.end_column,
        }),
        RulesError::Encoding { place, .. } => {
            let column = u32::try_from(place.byte).unwrap_or(u32::MAX);
            let end_column = column.saturating_add(1);
            Some(TextRange { line: place.line, column, end_line: place.line, end_column })
        }
        RulesError::Read { .. }
        | RulesError::TooLarge { .. }
        | RulesError::Beyond { .. }
        | RulesError::Stopped { .. } => None,
    }
}

/// What is said of a repository's file that does more than narrow.
pub(super) fn ignored(path: &Path, dropped: &Dropped) -> Option<String> {
    let first = dropped.origins().map(|origin| origin.line).min()?;
    let rules = dropped.prefix.len().saturating_add(dropped.network.len());
    let lists = dropped.host_executables.len();
    let rules = match rules {
        0 => None,
        1 => Some("1 rule that allows".to_owned()),
        many => Some(format!("{many} rules that allow")),
    };
    let lists = match lists {
        0 => None,
        1 => Some("1 list of host executables".to_owned()),
        many => Some(format!("{many} lists of host executables")),
    };
    let what: Vec<String> = [rules, lists].into_iter().flatten().collect();
    let are = if dropped.count() == 1 { "is" } else { "are" };
    Some(format!(
        "{} in `{}`, from line {first}, {are} ignored: a repository can only narrow; if you want them, copy \
         them to your own rules folder",
        what.join(" and "),
        escape(path)
    ))
}
