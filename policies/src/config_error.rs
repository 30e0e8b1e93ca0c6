//! Everything that can be wrong with the configuration as a whole.

use std::io;
use std::path::PathBuf;

use crate::config_file::MAX_CONFIG_BYTES;
use crate::display::{escape, escape_message, escape_short};
use crate::layers::Layer;
use crate::location::Location;
use crate::overrides::OverrideError;
use crate::path::AbsolutePath;
use crate::project::MAX_PROJECT_FILES;
use crate::reader::Mismatch;

/// Why no configuration could be loaded. [`Self::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Failed: the system would not let us read the file.
    #[error("cannot read config file `{}`", escape(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Invalid: a directory, pipe or device stands in its place.
    #[error("config file `{}` is {kind}, not a regular file", escape(path))]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Invalid: see [`MAX_CONFIG_BYTES`].
    #[error("config file `{}` is larger than {MAX_CONFIG_BYTES} bytes", escape(path))]
    TooBig {
        /// The file.
        path: PathBuf,
    },
    /// Invalid: not text.
    #[error("{location}: the file is not UTF-8 here")]
    NotUtf8 {
        /// The first bad byte.
        location: Location,
    },
    /// Invalid: not TOML.
    #[error("{location}: invalid TOML: {}", escape_message(message))]
    Syntax {
        /// Where reading stopped.
        location: Location,
        /// As the TOML parser says it.
        message: String,
    },
    /// Invalid: TOML, but not a value that the key takes.
    #[error(transparent)]
    Value(Box<InvalidValue>),
    /// Invalid: `-c`.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// Refused: the name of a profile file would lead outside the config home.
    #[error("refused config profile `{}`: it is not a plain file name", escape_short(name))]
    ProfileName {
        /// As given.
        name: String,
    },
    /// Invalid: the config home is not usable as a path.
    #[error("config home `{}` contains a NUL byte", escape(path))]
    ConfigHome {
        /// As given.
        path: PathBuf,
    },
    /// Refused: each working directory would have a config home of its own.
    #[error(
        "`CODEX_HOME` is relative, so `{}` would be another folder in each working directory",
        escape(path)
    )]
    RelativeConfigHome {
        /// As given.
        path: PathBuf,
    },
    /// One of a trusted project, whose author is not the person who reads this.
    #[error(transparent)]
    InProject(Box<ConfigError>),
    /// Refused: a repository's settings are those in it.
    #[error(
        "refused config file `{}`: it leads to `{}`, outside the project `{root}`",
        escape(path),
        escape(target)
    )]
    OutsideProject {
        /// The file.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// The project.
        root: AbsolutePath,
    },
    /// Refused: see [`MAX_PROJECT_FILES`].
    #[error(
        "the project `{root}` has more than {MAX_PROJECT_FILES} config files above the working directory"
    )]
    TooManyProjectFiles {
        /// The project.
        root: AbsolutePath,
    },
    /// Refused: see [`MAX_CONFIG_BYTES`].
    #[error("the config files of the project `{root}` are larger than {MAX_CONFIG_BYTES} bytes together")]
    ProjectTooBig {
        /// The project.
        root: AbsolutePath,
    },
    /// Failed: nowhere to look.
    #[error("no config home: `CODEX_HOME` is not set and the home directory is not known")]
    NoConfigHome,
}

/// A value that its key does not take.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}`{key}` {problem}", Location::prefix(location.as_ref()))]
pub struct InvalidValue {
    /// Where it stands, if in one layer.
    pub location: Option<Location>,
    /// Its key.
    pub key: crate::keys::KeyPath,
    /// What is wrong, after the key.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl ConfigError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "mend the link, or remove it".to_owned()
            }
            Self::Read { .. } => {
                "make the file readable, or set `CODEX_HOME` to another directory".to_owned()
            }
            Self::NotAFile { .. } => {
                "replace it with a file, or set `CODEX_HOME` to another directory".to_owned()
            }
            Self::InProject(_) => {
                "mend or remove that file, or remove `trust_level = \"trusted\"` of its project".to_owned()
            }
            Self::ProjectTooBig { .. } => "shorten them; a config file holds settings, not data".to_owned(),
            Self::TooBig { .. } => "split it up; a config file holds settings, not data".to_owned(),
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::Syntax { .. } => "correct the line; strings need quotes, tables a `[name]` line".to_owned(),
            Self::Value(invalid) => invalid.fix.clone(),
            Self::Override(error) => error.help().to_owned(),
            Self::ProfileName { .. } => {
                "give the NAME of a file `NAME.config.toml` in the config home, without `/` or `..`"
                    .to_owned()
            }
            Self::OutsideProject { .. } => {
                "replace the link by a file, or remove `trust_level = \"trusted\"` of that project".to_owned()
            }
            Self::TooManyProjectFiles { .. } => {
                "remove some `.codex/config.toml`, or start nearer to the root of the project".to_owned()
            }
            Self::RelativeConfigHome { .. } => "set `CODEX_HOME` to an absolute path".to_owned(),
            Self::ConfigHome { .. } | Self::NoConfigHome => {
                "set `HOME`, or `CODEX_HOME`, to an absolute path".to_owned()
            }
        }
    }

    /// A mismatch in a layer.
    pub(crate) fn in_layer(layer: &Layer, mismatch: Mismatch) -> Self {
        Self::invalid(Some(layer.locate(&mismatch.key, mismatch.anchor)), mismatch)
    }

    /// A mismatch at a place.
    pub(crate) fn invalid(location: Option<Location>, mismatch: Mismatch) -> Self {
        let Mismatch { key, problem, fix, .. } = mismatch;
        Self::Value(Box::new(InvalidValue { location, key, problem, fix }))
    }
}
