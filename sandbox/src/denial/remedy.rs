//! The narrowest permissions that would lift a denial.

use std::path::Path;

use policies::{AbsolutePath, Access, AdditionalPermissions, Entry};

use crate::paths::{self, Kind, Resolution, Target};
use crate::plan::{Boundaries, Judged, Why};

/// Folders that hold a whole system, or everybody's files: never opened as a whole.
const TOO_WIDE: [&str; 19] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt",
    "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var",
];

/// Made for each run; no profile opens the host's for writing.
const INTERFACES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// What would let the run do what it was denied at `judged`: an entry for exactly that file when it exists, else for
/// the nearest folder above it. `needs_parent` says that the folder is what would have been changed.
///
/// `None` for what the profile or the administrator hides, for folders that are too wide, and for what the user could not
/// do without a sandbox either. What decides later runs is in `guarded.rs`.
pub(super) fn for_path(
    judged: &Judged,
    needs_parent: bool,
    boundaries: &Boundaries,
) -> Option<AdditionalPermissions> {
    let wanted = match judged.access {
        Some(Access::Deny) => return None,
        Some(Access::Read | Access::Write) => Access::Write,
        // Not mentioned: to be seen at all, or to be made.
        None if judged.kind.is_some() => Access::Read,
        None => Access::Write,
    };
    let (path, kind) = match judged.kind {
        Some(kind) if !needs_parent => (judged.path.clone(), kind),
        Some(_) => (judged.path.parent()?, Kind::Directory),
        None => (judged.existing.clone(), Kind::Directory),
    };
    let possible = match wanted {
        Access::Read => is_allowed(&path, rustix::fs::Access::READ_OK),
        Access::Write | Access::Deny => is_allowed(&path, rustix::fs::Access::WRITE_OK),
    };
    let is_interface = INTERFACES.iter().any(|top| path.as_path().starts_with(top));
    // Where it has that much already, more of the same lifts nothing.
    let is_idle =
        boundaries.access(&path).is_some_and(|access| access.covers(wanted) || access == Access::Deny);
    if !possible || is_interface || is_idle {
        return None;
    }
    if kind == Kind::Directory && is_too_wide(&path, boundaries) {
        return None;
    }
    match boundaries.kept(&judged.path).map(|(_, why)| why) {
        None | Some(Why::Profile | Why::Pin { .. }) => {}
        Some(
            Why::Metadata { .. }
            | Why::GitDirectory { .. }
            | Why::Glob { .. }
            | Why::Requirement { .. }
            | Why::LinkTarget { .. }
            | Why::ConfigHome
            | Why::AuditLog
            | Why::OwnExecutable
            | Why::KernelInterface
            | Why::ControlSocket { .. },
        ) => return None,
    }
    Some(AdditionalPermissions {
        entries: vec![Entry::for_path(path, wanted)],
        ..AdditionalPermissions::default()
    })
}

/// Whether the user could write, or create, it without a sandbox.
pub(super) fn is_writable_outside(judged: &Judged) -> bool {
    let place = if judged.kind.is_some() { &judged.path } else { &judged.existing };
    is_allowed(place, rustix::fs::Access::WRITE_OK)
}

fn is_allowed(path: &AbsolutePath, access: rustix::fs::Access) -> bool {
    rustix::fs::access(path.as_path(), access).is_ok()
}

/// A folder of the system, a home, or one that holds a home, a place that is writable already (and with it its
/// neighbours, whose metadata nobody protects), or the working directory.
fn is_too_wide(folder: &AbsolutePath, boundaries: &Boundaries) -> bool {
    let is_home = folder.parent().is_some_and(|parent| parent.as_path() == Path::new("/home"));
    let holds = |inner: &AbsolutePath| inner.starts_with(folder);
    let resolved = |path: &AbsolutePath| match paths::resolve(path.as_path()) {
        Ok(Resolution { target: Target::Found(found), .. }) => found.path,
        Ok(Resolution { target: Target::Missing { .. }, .. }) | Err(_) => path.clone(),
    };
    TOO_WIDE.iter().any(|wide| folder.as_path() == Path::new(wide))
        || is_home
        || boundaries.home().is_some_and(|home| holds(home) || holds(&resolved(home)))
        || boundaries.writable_roots().iter().any(holds)
        // A working directory that is not writable may become so; one below the folder would come with it.
        || (resolved(boundaries.cwd()) != *folder && holds(&resolved(boundaries.cwd())))
}
