//! What a run will see, write and be refused: a profile, a working directory and an environment,
//! resolved once into an ordered list that can be printed, compared and enforced.
//!
//! A plan decides nothing about *how*: every backend enforces the same list (I11).

mod boundaries;
mod build;
mod devices;
mod error;
mod globs;
mod layout;
mod metadata;
mod never_readable;
mod print;
mod program;
mod sockets;
mod why;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use policies::{
    AbsolutePath, Access, AccessMap, Entry, EntryPath, FileSystemPolicy, MissingPath, NetworkAccess,
    PermissionProfile, SpecialPath,
};
use serde::{Deserialize, Serialize};

pub use boundaries::{Boundaries, Judged};
pub use error::PlanError;
pub use globs::GlobError;
pub use layout::{Action, Root, Step};
pub use program::{Program, ProgramError};
pub use why::Why;

pub(crate) use devices::MINIMAL_DEVICES;

use crate::paths::{self, Found, Identity, Kind, Target};
use crate::seccomp::Filter;

/// What a plan is made from.
#[derive(Debug)]
pub struct PlanRequest<'a> {
    /// The profile to enforce.
    pub profile: &'a PermissionProfile,
    /// Where the command starts, as the caller spells it (the name is kept, its target is judged).
    pub cwd: &'a AbsolutePath,
    /// What `:project_roots` stands for. Where a command starts is its own wish, and widens nothing (I6).
    pub workspace: &'a AbsolutePath,
    /// The command's whole environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// What `:tmpdir` stands for: the caller's `TMPDIR`.
    pub tmpdir: Option<&'a OsStr>,
    /// The configuration home, kept read-only inside writable roots.
    pub config_home: Option<&'a AbsolutePath>,
    /// The launcher's executable, kept read-only inside writable roots.
    pub executable: Option<&'a AbsolutePath>,
    /// What the administrator keeps from being read, with all below it: absolute paths and patterns. No entry of
    /// the profile opens any of it, and no profile without limits goes with it. As with every pattern, what
    /// exists when the run starts is hidden; a missing path is nothing to hide, and its name stays free.
    pub never_readable: &'a [EntryPath],
}

/// A run, resolved.
#[derive(Debug)]
pub struct Plan {
    pub(crate) profile: PermissionProfile,
    pub(crate) confinement: Confinement,
    pub(crate) cwd: WorkingDirectory,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    pub(crate) notes: Vec<Note>,
}

/// Whether the kernel confines the run.
#[derive(Debug)]
pub(crate) enum Confinement {
    /// The profile asks for no sandbox at all.
    Unconfined,
    /// Namespaces, mounts and the filter.
    Confined(View),
}

/// What a confined run sees.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
    pub(crate) symlinks: Vec<Symlink>,
    /// Names that do not exist and must not be created: held by an empty directory during the run.
    pub(crate) placeholders: Vec<AbsolutePath>,
    pub(crate) network: NetworkAccess,
    pub(crate) access: AccessMap,
}

impl View {
    pub(crate) fn filter(&self) -> Filter {
        match self.network {
            NetworkAccess::Restricted => Filter::NetworkOff,
            NetworkAccess::Enabled => Filter::NetworkOn,
        }
    }
}

/// A symlink of an empty root.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Symlink {
    pub(crate) path: AbsolutePath,
    pub(crate) target: PathBuf,
}

/// Where the command starts.
#[derive(Clone, Debug)]
pub(crate) struct WorkingDirectory {
    /// The name that the command sees.
    pub(crate) logical: AbsolutePath,
    /// Where this name led, through every symlink.
    pub(crate) target: AbsolutePath,
    /// The object that this name must lead to; `None` when the profile hides the directory, and the
    /// command starts in `/`.
    pub(crate) identity: Option<Identity>,
}

/// Something that the reader of a plan should know.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Note {
    /// A token that this version does not know was ignored.
    UnknownToken {
        /// The token.
        token: String,
    },
    /// `TMPDIR` names no usable folder, so it grants nothing.
    TmpdirIgnored {
        /// Its value, escaped.
        value: String,
    },
    /// A grant for a missing path grants nothing.
    MissingGrant {
        /// The path, escaped.
        path: String,
    },
    /// A denied file has other names, which are not hidden.
    HardLinks {
        /// The file.
        path: AbsolutePath,
    },
    /// A deny glob covers what exists now.
    GlobCoversPresent {
        /// The pattern.
        pattern: String,
    },
    /// Files of a folder may match a deny glob and are not hidden: it cannot be listed, and can be entered.
    GlobNotSearched {
        /// The pattern.
        pattern: String,
        /// The folder.
        folder: AbsolutePath,
    },
    /// The host promised its own sandbox, which nobody can check here.
    ExternalIsReadOnly,
    /// The working directory is hidden.
    WorkingDirectoryHidden,
}

impl Plan {
    /// Resolves a profile against the file system as it is now.
    ///
    /// # Errors
    /// [`PlanError`] when the profile cannot be enforced as written.
    pub fn resolve(request: PlanRequest<'_>) -> Result<Self, PlanError> {
        let places = Places::find(&request)?;
        let cwd = &places.cwd;
        let mut notes = Vec::new();
        let everything = |access| {
            let path = EntryPath::Special { path: SpecialPath::Root, subpath: None };
            vec![Entry { path, access, missing: MissingPath::Block }]
        };
        let (entries, depth, network) = match request.profile {
            PermissionProfile::Disabled => {
                never_readable::refuse_unlimited(request.never_readable)?;
                return Ok(Self::unconfined(request, cwd));
            }
            PermissionProfile::Managed { file_system, network } => match file_system {
                FileSystemPolicy::Unrestricted => (everything(Access::Write), None, *network),
                FileSystemPolicy::Restricted { entries, glob_scan_max_depth } => {
                    (entries.clone(), *glob_scan_max_depth, *network)
                }
            },
            PermissionProfile::External { .. } => {
                notes.push(Note::ExternalIsReadOnly);
                (everything(Access::Read), None, NetworkAccess::Restricted)
            }
        };
        refuse_root_as_workspace(&places.workspace, &entries)?;
        let built = build::build(&request, &places, &entries, depth, network)?;
        notes.extend(built.notes);
        let narrowed = built.layout.steps.iter().any(|step| !is_ours(&step.why));
        if built.layout.root == Root::HostWritable && network == NetworkAccess::Enabled && !narrowed {
            return Ok(Self { notes, ..Self::unconfined(request, cwd) });
        }
        let visible = matches!(built.access.access(&cwd.path), Some(Access::Read | Access::Write));
        if !visible {
            notes.push(Note::WorkingDirectoryHidden);
        }
        Ok(Self {
            profile: request.profile.clone(),
            confinement: Confinement::Confined(View {
                root: built.layout.root,
                steps: built.layout.steps,
                symlinks: built.symlinks,
                placeholders: built.placeholders,
                network,
                access: built.access,
            }),
            cwd: WorkingDirectory {
                logical: request.cwd.clone(),
                target: cwd.path.clone(),
                identity: visible.then_some(cwd.identity),
            },
            environment: request.environment,
            notes,
        })
    }

    fn unconfined(request: PlanRequest<'_>, cwd: &Found) -> Self {
        Self {
            profile: request.profile.clone(),
            confinement: Confinement::Unconfined,
            cwd: WorkingDirectory {
                logical: request.cwd.clone(),
                target: cwd.path.clone(),
                identity: Some(cwd.identity),
            },
            environment: request.environment,
            notes: Vec::new(),
        }
    }

    /// Whether the kernel will confine the run.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        matches!(self.confinement, Confinement::Confined(_))
    }

    /// Where the working directory led, through every symlink, when the plan was made.
    #[must_use]
    pub fn cwd_target(&self) -> &AbsolutePath {
        &self.cwd.target
    }

    /// Which directory the run starts in; `None` when the profile hides it.
    #[must_use]
    pub fn cwd_identity(&self) -> Option<Identity> {
        self.cwd.identity
    }

    /// The profile that this plan enforces.
    #[must_use]
    pub fn profile(&self) -> &PermissionProfile {
        &self.profile
    }

    /// What the reader should know.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

/// The folders that a run belongs to.
#[derive(Debug)]
pub(crate) struct Places {
    /// Where it starts.
    pub(crate) cwd: Found,
    /// Where the session works.
    pub(crate) workspace: Found,
}

impl Places {
    fn find(request: &PlanRequest<'_>) -> Result<Self, PlanError> {
        let cwd = working_directory(request.cwd)?;
        let workspace = match request.workspace == request.cwd {
            true => cwd.clone(),
            false => working_directory(request.workspace)?,
        };
        Ok(Self { cwd, workspace })
    }
}

/// Whether a step is a protection that every run gets, and not the profile's wish.
fn is_ours(why: &Why) -> bool {
    matches!(why, Why::KernelInterface | Why::ControlSocket { .. } | Why::AuditLog | Why::Pin { .. })
}

fn working_directory(path: &AbsolutePath) -> Result<Found, PlanError> {
    let unusable = |source| PlanError::WorkingDirectory { path: path.as_path().to_owned(), source };
    match paths::resolve(path.as_path()).map_err(unusable)?.target {
        Target::Found(found) if found.kind == Kind::Directory => Ok(found),
        Target::Found(_) => Err(unusable(io::Error::from_raw_os_error(libc::ENOTDIR))),
        Target::Missing { .. } => Err(unusable(io::Error::from_raw_os_error(libc::ENOENT))),
    }
}

/// A working directory is a request, not policy (I6): being in `/` must not make the disk writable.
fn refuse_root_as_workspace(workspace: &Found, entries: &[Entry]) -> Result<(), PlanError> {
    let writes = |wanted: &SpecialPath| {
        entries.iter().any(|entry| {
            entry.access == Access::Write
                && matches!(&entry.path, EntryPath::Special { path, subpath: None } if path == wanted)
        })
    };
    if workspace.path.parent().is_none() && writes(&SpecialPath::ProjectRoots) && !writes(&SpecialPath::Root)
    {
        return Err(PlanError::RootAsWorkspace);
    }
    Ok(())
}
