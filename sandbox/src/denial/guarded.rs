//! Places that no denial is a reason to open: they decide what runs later, or hold what is secret.
//!
//! The command chooses what it prints, so it chooses what is asked about (I5). A question about one of these would be a
//! question about all later commands.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use policies::{AbsolutePath, PROTECTED_NAMES};

use crate::paths::{self, Resolution, Target};
use crate::plan::{Boundaries, Judged, Why};

/// Programs, their configuration, and what is started by itself.
const SYSTEM: [&str; 8] = ["/bin", "/boot", "/etc", "/sbin", "/usr", "/var/spool", "/lib", "/root"];

/// Whether what is denied at `judged` should stay so. `needs_parent` says that the folder is what would have been
/// changed.
pub(super) fn is_guarded(judged: &Judged, needs_parent: bool, boundaries: &Boundaries) -> bool {
    let is_kept = match boundaries.kept(&judged.path).map(|(_, why)| why) {
        None | Some(Why::Profile | Why::Pin { .. } | Why::KernelInterface | Why::LinkTarget { .. }) => false,
        Some(
            Why::Metadata { .. }
            | Why::GitDirectory { .. }
            | Why::Glob { .. }
            | Why::Requirement { .. }
            | Why::ConfigHome
            | Why::AuditLog
            | Why::OwnExecutable
            | Why::ControlSocket { .. },
        ) => true,
    };
    let parent = judged.path.parent().filter(|_| needs_parent);
    is_kept || parent.iter().chain([&judged.path]).any(|path| is_guarded_place(path, judged, boundaries))
}

fn is_guarded_place(path: &AbsolutePath, judged: &Judged, boundaries: &Boundaries) -> bool {
    let homes: Vec<AbsolutePath> =
        boundaries.home().into_iter().flat_map(|home| [home.clone(), resolved(home)]).collect();
    if homes.iter().any(|home| is_hidden_below(path, home)) || is_hidden_in_a_home(path) {
        return true;
    }
    // To look at programs and settings is no danger.
    if judged.access.is_none() && judged.kind.is_some() {
        return false;
    }
    let own = boundaries.guarded().iter().flat_map(|place| [place.clone(), resolved(place)]);
    let is_ours = |top: &str| homes.iter().any(|home| home.as_path().starts_with(top));
    let system = SYSTEM.iter().filter(|top| **top != "/root" || !is_ours(top));
    own.into_iter().any(|place| path.starts_with(&place))
        || system.into_iter().any(|top| path.as_path().starts_with(top))
        || is_library(path)
        || path
            .as_path()
            .components()
            .any(|part| PROTECTED_NAMES.iter().any(|name| part.as_os_str() == *name))
}

/// `/lib32`, `/lib64` and whatever else begins with it.
fn is_library(path: &AbsolutePath) -> bool {
    let top = path.as_path().components().nth(1);
    top.is_some_and(|top| top.as_os_str().as_bytes().starts_with(b"lib"))
}

/// Settings, startup files and credentials have names that begin with a dot.
fn is_hidden_below(path: &AbsolutePath, home: &AbsolutePath) -> bool {
    let below = path.as_path().strip_prefix(home.as_path()).ok();
    below.and_then(|below| below.components().next()).is_some_and(|first| is_hidden(first.as_os_str()))
}

/// In anybody's home.
fn is_hidden_in_a_home(path: &AbsolutePath) -> bool {
    let Ok(below) = path.as_path().strip_prefix(Path::new("/home")) else { return false };
    below.components().nth(1).is_some_and(|first| is_hidden(first.as_os_str()))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

fn resolved(path: &AbsolutePath) -> AbsolutePath {
    match paths::resolve(path.as_path()) {
        Ok(Resolution { target: Target::Found(found), .. }) => found.path,
        Ok(Resolution { target: Target::Missing { .. }, .. }) | Err(_) => path.clone(),
    }
}
