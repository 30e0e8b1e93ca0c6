//! Proof, from inside and before the command starts, that the view is the planned one (I7).
//!
//! Between planning and mounting, a process of an earlier run could have put another object at a planned
//! path, and put the first one back since. The backend that is ours opens by handle; bubblewrap takes
//! names. Either way the finished mounts are compared with the plan, when nobody can change them any more:
//! each planned one must be there, and none that was not planned.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags};

use super::spec::{MountSpec, ProcView, ViewSpec};
use super::wire::{SetupFailure, Stage};
use crate::plan::Action;
use crate::{mounts, paths};

/// Compares the mounts with their plan.
///
/// # Errors
/// [`Stage::Verification`], naming the first path that differs.
pub(super) fn verify(view: &ViewSpec) -> Result<(), SetupFailure> {
    for (index, mount) in view.mounts.iter().enumerate() {
        let earlier = view.mounts.get(..index).unwrap_or_default();
        verify_one(mount, earlier).map_err(|error| {
            let path = policies::escape(&mount.path);
            SetupFailure::new(Stage::Verification, format!("check the mount on `{path}`"), &error)
        })?;
    }
    nothing_else(view)?;
    read_only(Path::new("/sys"))
        .or_else(absent_is_fine)
        .map_err(|error| SetupFailure::new(Stage::Verification, "check that `/sys` is read-only", &error))
}

/// Refuses mounts that are neither planned nor the host's nor made for every run.
fn nothing_else(view: &ViewSpec) -> Result<(), SetupFailure> {
    let failed = |doing: String, error: io::Error| SetupFailure::new(Stage::Verification, doing, &error);
    let present = match (mounts::of_this_process(), view.proc) {
        (Ok(present), _) => present,
        // Without a procfs there is no table; the backend that works there attaches by handle only.
        (Err(_), ProcView::Substitute) => return Ok(()),
        (Err(error), ProcView::Fresh) => return Err(failed("read the mount table".to_owned(), error)),
    };
    let planned: HashSet<&OsStr> = view.mounts.iter().map(|mount| mount.path.as_os_str()).collect();
    let hosts: HashSet<&OsStr> = view.host_mounts.iter().map(OsString::as_os_str).collect();
    let stranger = present.iter().map(|mount| mount.point.as_path()).find(|point| {
        let known = planned.contains(point.as_os_str()) || hosts.contains(point.as_os_str());
        !known && point.parent().is_some() && !point.starts_with("/proc") && !point.starts_with("/dev")
    });
    match stranger {
        None => Ok(()),
        Some(point) => {
            let doing = format!("check the mount on `{}`", policies::escape(point.as_os_str()));
            Err(failed(doing, io::Error::other("it was not planned")))
        }
    }
}

fn verify_one(mount: &MountSpec, earlier: &[MountSpec]) -> io::Result<()> {
    let path = Path::new(&mount.path);
    let found =
        match rustix::fs::statx(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
            // Below a denied folder, where nobody gets to see it.
            Err(rustix::io::Errno::ACCESS) if is_below_mask(path, earlier) => return Ok(()),
            other => other?,
        };
    if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
        && !found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    {
        return Err(io::Error::other("nothing is mounted there"));
    }
    match mount.action {
        Action::ReadOnly | Action::Writable => {
            if mount.identity.is_some_and(|planned| Ok(planned) != paths::identity_at(path).map_err(drop)) {
                return Err(io::Error::other("another file or folder took its place"));
            }
            if mount.action == Action::ReadOnly { read_only(path) } else { Ok(()) }
        }
        Action::Mask | Action::MaskWithPassage => {
            let expected = if mount.action == Action::Mask { 0o000 } else { 0o111 };
            if found.stx_mode & 0o777 != expected {
                return Err(io::Error::other("it is not masked"));
            }
            read_only(path)
        }
    }
}

fn is_below_mask(path: &Path, earlier: &[MountSpec]) -> bool {
    earlier.iter().any(|mount| mount.action == Action::Mask && path.starts_with(&mount.path))
}

fn read_only(path: &Path) -> io::Result<()> {
    let flags = rustix::fs::statvfs(path)?.f_flag;
    if flags.contains(StatVfsMountFlags::RDONLY) { Ok(()) } else { Err(io::Error::other("it is writable")) }
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
