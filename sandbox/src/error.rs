//! Why a run did not start, or got lost.

use std::io;

use policies::AbsolutePath;

use crate::helper::wire::{SetupFailure, Stage};

/// A launch that failed. Nothing of the command ran, except for [`LaunchError::Lost`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The plan asks for no sandbox; the caller executes the program itself.
    #[error("the profile asks for no sandbox, so there is none to start")]
    Unconfined,
    /// The plan asks for a sandbox, and the caller for none.
    #[error("the profile asks for a sandbox, so the program is not started without one")]
    Confined,
    /// The program cannot be executed.
    #[error("cannot execute `{path}`")]
    Program {
        /// The program.
        path: AbsolutePath,
        /// The system's error.
        source: io::Error,
    },
    /// The file at the program's path was replaced, written or had its mode or owner changed after it was looked up
    /// (I4).
    #[error("refused `{path}`: the file is not the one that was approved any more")]
    ProgramChanged {
        /// The program.
        path: AbsolutePath,
    },
    /// The working directory is not the one that was permitted.
    #[error("`{path}` leads to another folder than the one that was approved")]
    DirectoryChanged {
        /// Its name.
        path: AbsolutePath,
    },
    /// A missing protected name cannot be held.
    #[error("cannot keep the missing `{path}` from being created")]
    Placeholder {
        /// The name.
        path: AbsolutePath,
        /// The system's error.
        source: io::Error,
    },
    /// Something of ours failed.
    #[error("cannot {doing}")]
    Failed {
        /// What.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The sandbox could not be set up.
    #[error("{0}")]
    Setup(Setup),
    /// A descriptor that the command would keep leads past the sandbox.
    #[error("refused descriptor {number}: it is an open directory, from which every file could be reached")]
    WayOut {
        /// The descriptor's number; 0, 1 and 2 are the standard streams.
        number: i32,
    },
    /// The sandbox did not get ready in time.
    #[error("the sandbox did not start within {} s", limit.as_secs())]
    Slow {
        /// The time it had.
        limit: std::time::Duration,
    },
    /// The helper's message is not one.
    #[error("lost touch with the sandbox")]
    Protocol(#[source] io::Error),
    /// The sandbox ended without saying how: something killed it from outside.
    #[error("the sandbox was killed from outside before the command ended")]
    Lost,
}

/// A failed step of the set-up.
#[derive(Debug)]
pub struct Setup(SetupFailure);

impl From<SetupFailure> for Setup {
    fn from(failure: SetupFailure) -> Self {
        Self(failure)
    }
}

impl std::fmt::Display for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SetupFailure { stage, doing, errno } = &self.0;
        match stage {
            Stage::Bwrap if *errno == 0 => {
                write!(f, "bubblewrap failed: {}", policies::display::escape(doing))?
            }
            Stage::Namespaces
            | Stage::View
            | Stage::Verification
            | Stage::Restriction
            | Stage::Terminal
            | Stage::Program
            | Stage::Exec
            | Stage::Bwrap
            | Stage::Internal => write!(f, "cannot {doing}")?,
        }
        if *errno != 0 {
            write!(f, ": {}", io::Error::from_raw_os_error(*errno))?;
        }
        Ok(())
    }
}

impl LaunchError {
    /// Whether the program itself could not be executed, with the system's error number.
    #[must_use]
    pub fn exec_errno(&self) -> Option<i32> {
        match self {
            Self::Setup(Setup(SetupFailure { stage: Stage::Exec, errno, .. })) => Some(*errno),
            Self::Program { source, .. } => source.raw_os_error(),
            Self::Setup(_)
            | Self::Unconfined
            | Self::Confined
            | Self::ProgramChanged { .. }
            | Self::DirectoryChanged { .. }
            | Self::Placeholder { .. }
            | Self::Failed { .. }
            | Self::Slow { .. }
            | Self::WayOut { .. }
            | Self::Protocol(_)
            | Self::Lost => None,
        }
    }

    /// Whether the inner stage found another version of the program than the permitted one.
    pub(crate) fn is_about_the_version(&self) -> bool {
        matches!(self, Self::Setup(Setup(SetupFailure { stage: Stage::Program, .. })))
    }

    /// Whether the kernel or something on the host refused the namespaces, so that the host is worth a look.
    #[must_use]
    pub fn is_about_the_host(&self) -> bool {
        matches!(
            self,
            Self::Setup(Setup(SetupFailure { stage: Stage::Namespaces | Stage::View | Stage::Bwrap, .. }))
        )
    }

    /// The smallest thing that would change the outcome, where one is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Placeholder { path, source } if source.kind() == io::ErrorKind::PermissionDenied => Some(format!(
                "the folder above is yours but not writable: make it writable, or grant `{path}` explicitly in the profile"
            )),
            Self::Placeholder { path, .. } => {
                Some(format!("grant `{path}` explicitly in the profile, or take its folder out of the writable roots"))
            }
            Self::Setup(Setup(SetupFailure { stage: Stage::Exec, errno, .. })) if *errno == libc::ENOENT => Some(
                "the program's interpreter (its `#!` line) or loader is missing or outside what the profile makes readable"
                    .to_owned(),
            ),
            Self::ProgramChanged { .. } | Self::DirectoryChanged { .. } => Some("look at it again and run it once more".to_owned()),
            Self::WayOut { .. } => Some("redirect a file or a pipe instead".to_owned()),
            Self::Setup(Setup(SetupFailure { stage: Stage::Verification, .. })) => {
                Some("something changed the workspace meanwhile; run it again".to_owned())
            }
            Self::Setup(_)
            | Self::Unconfined
            | Self::Confined
            | Self::Program { .. }
            | Self::Failed { .. }
            | Self::Slow { .. }
            | Self::Protocol(_)
            | Self::Lost => None,
        }
    }
}
