//! Why no plan could be made: in every case nothing runs.

use std::io;
use std::path::PathBuf;

use policies::display::escape;
use policies::{AbsolutePath, Access, PathError};

use super::globs::GlobError;

/// A profile that cannot be enforced as written, here and now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A path of the profile cannot be followed to an object.
    #[error("cannot resolve `{}`, which the profile names", escape(path.as_os_str()))]
    Unresolvable {
        /// The path as written.
        path: PathBuf,
        /// What the profile says about it.
        access: Access,
        /// The system's error.
        source: io::Error,
    },
    /// A path is no absolute path.
    #[error("unusable path")]
    Path(#[from] PathError),
    /// A protected or granted path leads through a symlink that the command could replace.
    #[error("refused `{path}`: it leads through the symlink `{link}`, which the command could replace")]
    WritableLink {
        /// The path as written.
        path: AbsolutePath,
        /// The symlink.
        link: AbsolutePath,
        /// What the profile says about the path.
        access: Access,
    },
    /// A kernel interface cannot be granted or hidden.
    #[error(
        "refused the entry for `{path}`: every run gets its own /proc and /dev, and /sys is never writable"
    )]
    KernelInterface {
        /// The path.
        path: AbsolutePath,
        /// What the profile says about it.
        access: Access,
    },
    /// A deny glob cannot be expanded.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The profile would open what the administrator keeps from being read.
    #[error(
        "refused to make `{path}`{} {}: the administrator requires that `{}` is never readable",
        leading(leads_to.as_ref()),
        opened(*access),
        escape(required)
    )]
    NeverReadable {
        /// The path as written.
        path: AbsolutePath,
        /// Where it leads, if elsewhere.
        leads_to: Option<AbsolutePath>,
        /// What the profile says about it.
        access: Access,
        /// The administrator's path or pattern.
        required: String,
    },
    /// The command would start in what the administrator keeps from being read.
    #[error(
        "refused the working directory `{path}`: the administrator requires that `{}` is never readable",
        escape(required)
    )]
    NeverReadableDirectory {
        /// The directory, resolved.
        path: AbsolutePath,
        /// The administrator's path or pattern.
        required: String,
    },
    /// The run needs something in a folder that has to be hidden, because what matches in it cannot be looked up.
    #[error(
        "refused `{path}`: it lies in `{folder}`, which can be entered and not listed, and may hold matches of `{}`, which the administrator requires to be never readable",
        escape(required)
    )]
    RequirementUnlisted {
        /// The folder.
        folder: AbsolutePath,
        /// The administrator's pattern.
        required: String,
        /// The working directory, or what the profile names.
        path: AbsolutePath,
    },
    /// The profile does not limit the file system, so nothing can be hidden.
    #[error(
        "refused a profile without limits to the file system: the administrator requires that `{}` is never readable",
        escape(required)
    )]
    NeverReadableUnlimited {
        /// The first of the administrator's paths and patterns.
        required: String,
    },
    /// A path of the administrator cannot be followed to an object, and so not be hidden.
    #[error("cannot resolve `{}`, which the administrator requires to be never readable", escape(path))]
    RequirementUnresolvable {
        /// The path.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A path of the administrator lies where each run gets its own.
    #[error(
        "cannot hide `{path}`, which the administrator requires to be never readable: every run gets its own /proc and /dev"
    )]
    RequirementInterface {
        /// The path, resolved.
        path: AbsolutePath,
    },
    /// The working directory is the root of the file system, and the profile makes it writable.
    #[error("refused the writable root `/`: it is only the working directory")]
    RootAsWorkspace,
    /// The working directory does not exist or is no directory.
    #[error("cannot use the working directory `{}`", escape(path.as_os_str()))]
    WorkingDirectory {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A directory above a protected path cannot be examined.
    #[error("cannot examine a directory above a protected path")]
    Examine {
        /// The system's error.
        source: io::Error,
    },
    /// The plan is too long.
    #[error("the profile needs {steps} mounts, more than the limit of {limit}")]
    TooManySteps {
        /// Mounts needed.
        steps: usize,
        /// Mounts allowed.
        limit: usize,
    },
}

fn leading(leads_to: Option<&AbsolutePath>) -> String {
    leads_to.map_or_else(String::new, |path| format!(", which leads to `{path}`,"))
}

fn opened(access: Access) -> &'static str {
    match access {
        Access::Read => "readable",
        Access::Write => "writable",
        Access::Deny => "denied",
    }
}

impl PlanError {
    /// The smallest thing that would change the outcome.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Unresolvable { .. } | Self::Examine { .. } => {
                "make the path reachable, or take its entry out of the profile".to_owned()
            }
            Self::Path(_) => "write an absolute path".to_owned(),
            Self::WritableLink { access: Access::Write, .. } => {
                "name the link's target in the profile instead of the link".to_owned()
            }
            Self::WritableLink { link, .. } => {
                format!("replace the symlink `{link}` by a real file or directory")
            }
            Self::NeverReadable { path, .. } => {
                format!("leave `{path}` out of the profile, of the writable roots and of `TMPDIR`")
            }
            Self::NeverReadableDirectory { .. } => "run from another directory".to_owned(),
            Self::NeverReadableUnlimited { .. } => {
                "choose a profile with limits, such as `:workspace` or `:read-only`".to_owned()
            }
            Self::RequirementUnlisted { folder, .. } => {
                format!("have `{folder}` made readable, or ask the administrator to narrow the pattern")
            }
            Self::RequirementUnresolvable { .. } => {
                "make the path reachable, or ask the administrator to correct it".to_owned()
            }
            Self::RequirementInterface { .. } => {
                "ask the administrator to take it out: what lies there is not the host's".to_owned()
            }
            Self::KernelInterface { path, .. } => format!("take the entry for `{path}` out of the profile"),
            Self::Glob(GlobError::Broken(error)) => error.help().to_owned(),
            Self::Glob(GlobError::Unanchored { .. }) => {
                "start the pattern with a folder, as in `/srv/data/**/*.key`".to_owned()
            }
            Self::Glob(GlobError::Unreadable { .. } | GlobError::TooLarge { .. }) => {
                "narrow the pattern's folder, or, where it is a profile's, set `glob_scan_max_depth`"
                    .to_owned()
            }
            Self::RootAsWorkspace => {
                "start in a project folder, or grant `\":root\" = \"write\"` in a profile if you mean it"
                    .to_owned()
            }
            Self::WorkingDirectory { .. } => "create it, or choose another folder".to_owned(),
            Self::TooManySteps { .. } => {
                "deny whole folders instead of many files, or narrow the deny globs".to_owned()
            }
        }
    }
}
