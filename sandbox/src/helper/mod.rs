//! The other stages of a launch: this same binary, executed again by descriptor.
//!
//! ```text
//! launcher ──spawn──▶ guard ──clone into namespaces──────────▶ inner (process 1) ──▶ command
//!                        └────spawn──▶ bwrap ──exec─────────▶ inner (process 1) ──▶ command
//! ```
//!
//! The *guard* stays outside: it outlives the launcher long enough to end the run and to remove the
//! placeholders. The *inner* stage finishes the confinement from within, starts the command and is its
//! init. Both start with an empty environment and get a [`spec::Spec`].

mod guard;
mod init;
mod inner;
mod lent;
mod privileges;
pub(crate) mod spec;
mod verify;
pub(crate) mod wire;

use std::ffi::OsString;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};

pub use wire::Ended;

/// First argument that makes the binary a helper. Nothing that a user would type.
pub(crate) const GUARD: &str = "__codex-sandbox-guard";
/// The same for the inner stage under bubblewrap.
pub(crate) const INNER: &str = "__codex-sandbox-inner";

/// Takes over when this process was started as a helper; returns `None` otherwise.
///
/// Every program that launches sandboxes calls this first in `main`, before it reads arguments or
/// starts threads.
#[must_use]
pub fn take_over() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let stage = arguments.next()?;
    match stage.to_str()? {
        GUARD => Some(guard::main()),
        // Started by hand, or by a launcher of another version: there is nobody to report to.
        INNER => Some(adopt(arguments).map_or(ExitCode::from(125), inner::main)),
        _ => None,
    }
}

fn adopt(arguments: impl Iterator<Item = OsString>) -> Option<Vec<OwnedFd>> {
    let numbers = arguments.map(|word| word.to_str()?.parse().ok()).collect::<Option<Vec<RawFd>>>()?;
    let distinct = numbers.iter().collect::<std::collections::BTreeSet<_>>().len() == numbers.len();
    if !distinct {
        return None;
    }
    numbers.into_iter().map(|number| crate::sys::adopt_inherited(number).ok()).collect()
}

/// A descriptor of this very file, whatever its path says by now. proc(5), `/proc/self/exe`.
///
/// # Errors
/// As open(2).
pub(crate) fn own_executable() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/proc/self/exe", flags, Mode::empty())?)
}
