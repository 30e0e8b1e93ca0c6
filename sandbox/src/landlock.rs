//! Landlock as a second wall, where the kernel has it: landlock(7).
//!
//! Mounts decide what is writable by *where a path leads*; a descriptor that came from outside leads
//! through the host's own mounts (`echo >> /proc/self/fd/0`), and so does what the host mounts later.
//! Landlock judges the file itself, whichever way it is reached: writing works below the planned writable
//! places, in the run's own `/dev` and `/proc`, and to what was handed over open for writing.
//!
//! With the host's network, abstract Unix sockets of the host are in reach: an X server or a message bus
//! there would run commands outside. They have no path that a mount could hide; a Landlock scope can.
//!
//! Older kernels have neither, and `codex doctor` says so.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use rustix::fs::{FileType, OFlags};

use crate::helper::spec::ViewSpec;
use crate::helper::wire::{SetupFailure, Stage};
use crate::plan::{Action, Root};
use crate::seccomp::Filter;
use crate::sys;

/// The first ABI that can tell renames across folders (2) and truncation (3) apart: Linux 6.2.
pub(crate) const WRITE_WALL_ABI: u32 = 3;
/// The first with scopes: Linux 6.12.
pub(crate) const SCOPE_ABI: u32 = 6;

/// Puts up the walls that this kernel has, for this thread and all that it starts, for good. `handed_over`
/// are the descriptors that the command gets.
///
/// # Errors
/// [`Stage::Restriction`] when the kernel has Landlock but refuses the rules.
pub(crate) fn restrict_self(
    view: &ViewSpec,
    filter: Filter,
    handed_over: &[BorrowedFd<'_>],
) -> Result<(), SetupFailure> {
    let abi = sys::landlock_abi();
    // Where the host's tree is writable there is nothing to wall off.
    let wall = abi >= WRITE_WALL_ABI && view.root != Root::HostWritable;
    let scope = abi >= SCOPE_ABI && filter == Filter::NetworkOn;
    if !wall && !scope {
        return Ok(());
    }
    restrict(view, wall, scope, handed_over).map_err(|error| {
        let error = std::io::Error::other(error.to_string());
        SetupFailure::new(Stage::Restriction, "put up the Landlock rules", &error)
    })
}

fn restrict(
    view: &ViewSpec,
    wall: bool,
    scope: bool,
    handed_over: &[BorrowedFd<'_>],
) -> Result<(), RulesetError> {
    let writes = AccessFs::from_write(ABI::V3);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if wall {
        ruleset = ruleset.handle_access(writes)?;
    }
    if scope {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
    }
    let mut created = ruleset.create()?;
    if wall {
        created = allow_planned(created, view, writes)?;
        for descriptor in handed_over.iter().filter(|descriptor| is_file_for_writing(**descriptor)) {
            created =
                created.add_rule(PathBeneath::new(descriptor, writes & AccessFs::from_file(ABI::V3)))?;
        }
    }
    created.restrict_self().map(drop)
}

fn allow_planned(
    mut created: RulesetCreated,
    view: &ViewSpec,
    writes: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let planned = view.mounts.iter().filter(|mount| mount.action == Action::Writable);
    // POSIX message queues are reached through a mount of the kernel's own; the rule is about its root.
    let own = ["/dev", "/dev/mqueue", "/proc"].map(Path::new);
    // In a root of the run's own the mounts decide; what lies outside it is reached by descriptor only.
    let whole_view = (view.root == Root::Empty).then_some(Path::new("/"));
    let places = planned.map(|mount| Path::new(&mount.path)).chain(own).chain(whole_view);
    for place in places {
        // One that cannot be opened (below a denied folder) cannot be written either.
        let Ok(handle) = PathFd::new(place) else { continue };
        let is_folder = rustix::fs::fstat(&handle)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let access = if is_folder { writes } else { writes & AccessFs::from_file(ABI::V3) };
        created = created.add_rule(PathBeneath::new(handle, access))?;
    }
    Ok(created)
}

/// Whether it is a regular file that whoever handed it over opened for writing.
fn is_file_for_writing(descriptor: BorrowedFd<'_>) -> bool {
    let is_file = rustix::fs::fstat(descriptor.as_fd())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    let mode = rustix::fs::fcntl_getfl(descriptor).map(|flags| flags & OFlags::ACCMODE);
    is_file && mode.is_ok_and(|mode| mode == OFlags::WRONLY || mode == OFlags::RDWR)
}

/// The Landlock ABI of this kernel; 0 for none. landlock_create_ruleset(2).
#[must_use]
pub fn abi() -> u32 {
    sys::landlock_abi()
}
