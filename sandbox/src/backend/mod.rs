//! Which mechanism enforces a plan, and why that one.

pub(crate) mod bwrap;
pub(crate) mod namespaces;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use policies::display::escape;

use crate::helper::spec::ProcView;
use crate::plan::{Confinement, Plan};
use crate::{mounts, proc_view};

/// What the caller asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BackendChoice {
    /// The first that can enforce the whole plan: bubblewrap, then the built-in one.
    #[default]
    Auto,
    /// bubblewrap, or nothing.
    Bwrap,
    /// The built-in namespaces, or nothing.
    Namespaces,
}

impl FromStr for BackendChoice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "bwrap" => Ok(Self::Bwrap),
            "namespaces" => Ok(Self::Namespaces),
            other => Err(format!("unknown backend `{other}`: expected auto, bwrap or namespaces")),
        }
    }
}

/// A mechanism that was chosen for one plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backend {
    pub(crate) mechanism: Mechanism,
    pub(crate) proc: ProcView,
    pub(crate) host_mounts: Vec<OsString>,
    why: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mechanism {
    /// No sandbox: the plan asks for none.
    Unconfined,
    /// bubblewrap at this path.
    Bwrap(PathBuf),
    Namespaces,
}

impl Backend {
    /// Its name: `none`, `bwrap` or `namespaces`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.mechanism {
            Mechanism::Unconfined => "none",
            Mechanism::Bwrap(_) => "bwrap",
            Mechanism::Namespaces => "namespaces",
        }
    }

    /// Why it was chosen.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mechanism {
            Mechanism::Bwrap(path) => write!(f, "bwrap at {}", escape(path.as_os_str())),
            Mechanism::Unconfined | Mechanism::Namespaces => f.write_str(self.name()),
        }
    }
}

/// Why a backend cannot enforce this plan here (I1): nothing runs instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// There is no usable bubblewrap.
    #[error("the backend `bwrap` needs bubblewrap, and {reason}")]
    NoBwrap {
        /// What was found instead.
        reason: String,
    },
    /// bubblewrap cannot express part of the plan.
    #[error("the backend `bwrap` cannot enforce this profile: {part}")]
    BwrapCannot {
        /// The part.
        part: String,
    },
    /// The host's mount table cannot be read.
    #[error("cannot read the mount table")]
    Mounts(#[source] std::io::Error),
}

impl BackendError {
    /// The smallest thing that would change the outcome.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoBwrap { .. } => {
                "install it (`apt-get install bubblewrap`), or use `--backend namespaces`, which needs no other program"
            }
            Self::BwrapCannot { .. } => "use `--backend namespaces`",
            Self::Mounts(_) => "mount a procfs on `/proc`",
        }
    }
}

/// Chooses the mechanism for `plan`; `search` is the caller's `PATH`.
///
/// # Errors
/// [`BackendError`] when the one asked for cannot enforce the whole plan.
pub fn choose(choice: BackendChoice, plan: &Plan, search: Option<&OsStr>) -> Result<Backend, BackendError> {
    let Confinement::Confined(view) = &plan.confinement else {
        let why = "the profile asks for no sandbox".to_owned();
        return Ok(Backend {
            mechanism: Mechanism::Unconfined,
            proc: ProcView::Fresh,
            host_mounts: Vec::new(),
            why,
        });
    };
    let mounts = mounts::of_this_process().map_err(BackendError::Mounts)?;
    let proc = proc_view::obtainable(&mounts);
    let host_mounts: Vec<OsString> =
        mounts.into_iter().map(|mount| mount.point.into_path_buf().into_os_string()).collect();
    let backend = |mechanism, why: String| Backend { mechanism, proc, host_mounts: host_mounts.clone(), why };
    let built_in = |why: String| backend(Mechanism::Namespaces, why);
    if choice == BackendChoice::Namespaces {
        return Ok(built_in("asked for".to_owned()));
    }
    let found =
        bwrap::find(plan, search).map_err(|reason| BackendError::NoBwrap { reason }).and_then(|path| {
            match bwrap::cannot(view, proc) {
                Some(part) => Err(BackendError::BwrapCannot { part }),
                None => Ok(path),
            }
        });
    match (choice, found) {
        (BackendChoice::Auto | BackendChoice::Bwrap | BackendChoice::Namespaces, Ok(path)) => {
            let why = if choice == BackendChoice::Auto { "first choice" } else { "asked for" };
            Ok(backend(Mechanism::Bwrap(path), why.to_owned()))
        }
        (BackendChoice::Auto, Err(error)) => Ok(built_in(error.to_string())),
        (BackendChoice::Bwrap | BackendChoice::Namespaces, Err(error)) => Err(error),
    }
}
