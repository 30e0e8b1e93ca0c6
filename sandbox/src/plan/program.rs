//! Which file a command name means, inside the plan's view (I4: the name is looked up once).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use policies::display::escape;
use policies::{AbsolutePath, Access};

use super::{Confinement, Plan};
use crate::error::LaunchError;
use crate::paths::{self, FileVersion, Kind, Target};

/// The file to execute: an absolute path, the version of the file that it led to, and proof that it was looked up
/// in a plan's view.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    path: AbsolutePath,
    target: AbsolutePath,
    version: FileVersion,
    is_bound: bool,
    links: Vec<AbsolutePath>,
}

impl Program {
    /// The path to execute. It may be a symlink: programs such as busybox look at the name they got.
    #[must_use]
    pub fn path(&self) -> &AbsolutePath {
        &self.path
    }

    /// Where the path led, through every symlink, when it was looked up.
    #[must_use]
    pub fn target(&self) -> &AbsolutePath {
        &self.target
    }

    /// The file that it led to when it was looked up.
    #[must_use]
    pub fn version(&self) -> FileVersion {
        self.version
    }

    /// The symlinks that were crossed on the way, each where it lies itself. Whoever can replace one of them decides
    /// what runs.
    #[must_use]
    pub fn links(&self) -> &[AbsolutePath] {
        &self.links
    }

    /// The same file, executed by the path that it was found at: no symlink of [`Program::links`] matters any more.
    /// Argument 0 stays what the caller makes it.
    #[must_use]
    pub fn by_target(self) -> Self {
        Self { path: self.target.clone(), ..self }
    }

    /// The same path, and whatever version of the file lies there when it starts, as execve(2) would take it. For
    /// those who decided on the name and never looked at the file: a new hard link to it changes its version, too.
    #[must_use]
    pub fn in_any_version(self) -> Self {
        Self { is_bound: false, ..self }
    }

    /// The version that must be there when it starts; `None` for any.
    pub(crate) fn required_version(&self) -> Option<FileVersion> {
        self.is_bound.then_some(self.version)
    }

    /// Compares the file at the path with the one that was looked up, for a run without a sandbox.
    ///
    /// # Errors
    /// [`LaunchError::ProgramChanged`] when it is another version, [`LaunchError::Program`] when it cannot be examined.
    pub(crate) fn verify(&self) -> Result<(), LaunchError> {
        let Some(required) = self.required_version() else { return Ok(()) };
        let path = || self.path.clone();
        match FileVersion::at(self.path.as_path()) {
            Ok(present) if present == required => Ok(()),
            Ok(_) => Err(LaunchError::ProgramChanged { path: path() }),
            Err(source) => Err(LaunchError::Program { path: path(), source }),
        }
    }
}

/// Why a command name leads to nothing that can run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// No such program.
    #[error("cannot find the program `{}`{}", escape(name), searched(*on_path))]
    NotFound {
        /// The name as given.
        name: std::ffi::OsString,
        /// Whether `PATH` was searched.
        on_path: bool,
    },
    /// The profile hides it.
    #[error("the program `{path}` is outside what the profile makes readable")]
    Hidden {
        /// Where it is.
        path: AbsolutePath,
    },
    /// It cannot be executed.
    #[error("cannot execute `{}`", escape(path.as_os_str()))]
    NotExecutable {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

fn searched(on_path: bool) -> &'static str {
    if on_path { " on PATH" } else { "" }
}

impl ProgramError {
    /// The smallest thing that would change the outcome.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NotFound { on_path: true, .. } => {
                "install it, or give its path; inside, PATH is what `shell_environment_policy` leaves of yours".to_owned()
            }
            Self::NotFound { on_path: false, .. } => "check the path; it is relative to the command's working directory".to_owned(),
            Self::Hidden { path } => {
                format!("grant it in the profile, for example `\"{path}\" = \"read\"`")
            }
            Self::NotExecutable { .. } => "make it an executable file (`chmod +x`), or run it by its interpreter".to_owned(),
        }
    }
}

/// Where a shell looks when `PATH` is unset. confstr(3), `_CS_PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

impl Plan {
    /// Looks up `name` as execvp(3) would inside: with a slash it is a path from the working directory,
    /// without one the first hit on the command's own `PATH` that the profile lets it see.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn resolve_program(&self, name: &OsStr) -> Result<Program, ProgramError> {
        if name.as_bytes().contains(&b'/') {
            let path = self.cwd.logical.as_path().join(name);
            return match self.candidate(&path) {
                Candidate::Usable(program) => Ok(program),
                Candidate::Hidden(path) => Err(ProgramError::Hidden { path }),
                Candidate::Absent => Err(ProgramError::NotFound { name: name.to_owned(), on_path: false }),
                Candidate::Unusable(source) => Err(ProgramError::NotExecutable { path, source }),
            };
        }
        let mut worse = ProgramError::NotFound { name: name.to_owned(), on_path: true };
        if name.is_empty() {
            return Err(worse);
        }
        let search = self.environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), AsRef::as_ref);
        for folder in std::env::split_paths(search) {
            let path = self.cwd.logical.as_path().join(folder).join(name);
            match self.candidate(&path) {
                Candidate::Usable(program) => return Ok(program),
                Candidate::Absent => {}
                Candidate::Hidden(path) => worse = ProgramError::Hidden { path },
                Candidate::Unusable(source) => {
                    if !matches!(worse, ProgramError::Hidden { .. }) {
                        worse = ProgramError::NotExecutable { path, source };
                    }
                }
            }
        }
        Err(worse)
    }

    fn candidate(&self, path: &Path) -> Candidate {
        let (Ok(name), Ok(resolved)) = (AbsolutePath::parse(path), paths::resolve(path)) else {
            return Candidate::Absent;
        };
        let links = resolved.links.into_iter().map(|link| link.at).collect();
        let Target::Found(found) = resolved.target else { return Candidate::Absent };
        if let Confinement::Confined(view) = &self.confinement
            && !matches!(view.access.access(&found.path), Some(Access::Read | Access::Write))
        {
            return Candidate::Hidden(found.path);
        }
        if found.kind == Kind::Directory {
            return Candidate::Unusable(io::Error::from_raw_os_error(libc::EISDIR));
        }
        if let Err(error) = rustix::fs::access(path, rustix::fs::Access::EXEC_OK) {
            return Candidate::Unusable(error.into());
        }
        let version = match FileVersion::at(found.path.as_path()) {
            Ok(version) => version,
            Err(error) => return Candidate::Unusable(error),
        };
        // `AbsolutePath` drops `..` by spelling; where that occurs, only the resolved name is right.
        let is_spelled_out = path.components().any(|part| part == Component::ParentDir);
        let path = if is_spelled_out { found.path.clone() } else { name };
        Candidate::Usable(Program { path, target: found.path, version, is_bound: true, links })
    }
}

enum Candidate {
    Usable(Program),
    Hidden(AbsolutePath),
    Absent,
    Unusable(io::Error),
}
