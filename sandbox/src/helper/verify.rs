//! Proof, from inside and before the command starts, that the view is the planned one (I7).
//!
//! Between planning and mounting, a process of an earlier run could have put another object at a planned
//! path. The backend that is ours opens by handle; bubblewrap takes names. Either way the finished mounts
//! are compared with the plan, when nobody can change them any more.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, StatVfsMountFlags};

use super::spec::{MountSpec, ViewSpec};
use super::wire::{SetupFailure, Stage};
use crate::paths;
use crate::plan::Action;

/// Compares every mount with its plan.
///
/// # Errors
/// [`Stage::Verification`], naming the first path that differs.
pub(super) fn verify(view: &ViewSpec) -> Result<(), SetupFailure> {
    for mount in &view.mounts {
        verify_one(mount).map_err(|error| {
            let path = policies::display::escape(&mount.path);
            SetupFailure::new(Stage::Verification, format!("check the mount on `{path}`"), &error)
        })?;
    }
    read_only(Path::new("/sys"))
        .or_else(absent_is_fine)
        .map_err(|error| SetupFailure::new(Stage::Verification, "check that `/sys` is read-only", &error))
}

fn verify_one(mount: &MountSpec) -> io::Result<()> {
    let path = Path::new(&mount.path);
    match mount.action {
        Action::ReadOnly | Action::Writable => {
            let found = match paths::identity_at(path) {
                // Below a mask that nothing but a deeper mount can be seen through.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
                other => other?,
            };
            if mount.identity.is_some_and(|planned| planned != found) {
                return Err(io::Error::other("another file or folder took its place"));
            }
            if mount.action == Action::ReadOnly { read_only(path) } else { Ok(()) }
        }
        Action::Mask | Action::MaskWithPassage => {
            let mode = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW)?.st_mode & 0o777;
            let expected = if mount.action == Action::Mask { 0o000 } else { 0o111 };
            if mode != expected {
                return Err(io::Error::other("it is not masked"));
            }
            read_only(path)
        }
    }
}

fn read_only(path: &Path) -> io::Result<()> {
    let flags = rustix::fs::statvfs(path)?.f_flag;
    if flags.contains(StatVfsMountFlags::RDONLY) { Ok(()) } else { Err(io::Error::other("it is writable")) }
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
