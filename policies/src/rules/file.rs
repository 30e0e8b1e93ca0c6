//! Reading a rule file from the disk.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use execpolicy::{Limits, Policy, RuleFileError, RuleSet, rules_file};

use super::contain::{self, ContainError};
use super::input::{Input, NotUtf8, text_of};
use crate::display::escape;

/// A rule file that gives no rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rule file `{}`", escape(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too large.
    #[error("refused the rule file `{}`: it has more than {} bytes", escape(.path), super::MAX_FILE)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not text.
    #[error("the rule file `{}` is {}", escape(.path), .place)]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Where.
        place: NotUtf8,
    },
    /// It is wrong.
    #[error(transparent)]
    Rules(#[from] RuleFileError),
    /// Those before it took all there is for rule files.
    #[error("did not read the rule file `{}`: those before it {limit}", escape(.path))]
    Beyond {
        /// The file.
        path: PathBuf,
        /// What they did.
        limit: String,
    },
    /// It was stopped.
    #[error("stopped the rule file `{}`", escape(.path))]
    Stopped {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContainError,
    },
}

impl RulesError {
    /// What to do about it, where there is more to say than the message does.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "name a file that exists"
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                "name the rule files in the folder one by one"
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "make it readable"
            }
            Self::Read { .. } => "name a readable text file",
            Self::TooLarge { .. } => "split it: each rule file is read on its own",
            Self::Encoding { .. } => "save it as UTF-8",
            Self::Rules(error) => return error.help().map(str::to_owned),
            Self::Beyond { .. } => "use fewer and smaller rule files, and write rules out as plain data",
            Self::Stopped { source: ContainError::Time | ContainError::Memory, .. } => {
                "write the rules out, or compute them with fewer steps and less memory"
            }
            Self::Stopped { .. } => "try again, or write the rules out as plain data",
        };
        Some(help.to_owned())
    }
}

/// Reads and evaluates one rule file.
///
/// `earlier` holds the files read before this one: the examples may depend on their host executables. A file
/// that is more than plain data is evaluated in a process of its own, see `contain.rs`: programs that call
/// this call [`super::take_over`] first in `main`.
///
/// # Errors
/// [`RulesError`]. Nothing of a wrong file is used.
pub fn load_rule_file(path: &Path, earlier: &Policy) -> Result<RuleSet, RulesError> {
    let file = Input::open(path).map_err(|source| RulesError::Read { path: path.to_owned(), source })?;
    evaluate(path, &read(path, file)?, earlier)
}

/// Evaluates the text of a rule file, in a process of its own unless it is plain data.
///
/// # Errors
/// [`RulesError`].
pub(super) fn evaluate(path: &Path, text: &str, earlier: &Policy) -> Result<RuleSet, RulesError> {
    let name = path.to_string_lossy();
    if let Some(rules) = rules_file::load_data(&name, text, earlier, &Limits::default())? {
        return Ok(rules);
    }
    let stopped = |source| RulesError::Stopped { path: path.to_owned(), source };
    Ok(contain::evaluate(&name, text, earlier).map_err(stopped)??)
}

/// The text of an open rule file.
///
/// # Errors
/// [`RulesError`] for what cannot be read, has more than [`super::MAX_FILE`] bytes or is no text.
pub(super) fn read(path: &Path, file: impl Read) -> Result<String, RulesError> {
    let failed = |source| RulesError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    file.take(super::MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > super::MAX_FILE {
        return Err(RulesError::TooLarge { path: path.to_owned() });
    }
    text_of(bytes).map_err(|place| RulesError::Encoding { path: path.to_owned(), place })
}
