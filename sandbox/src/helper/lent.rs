//! Files lent for reading, as standard input mostly (`codex sandbox -- CMD < file`).
//!
//! Such a descriptor belongs to the host's own mount, where the file's owner could still change its mode or
//! open it anew for writing. Where the file is in view, it is opened again there, through a mount that is as
//! read-only as the plan says, and the position goes along, back as well at the end.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

use crate::{paths, sys};

/// A stream that was opened again: where it came from, and what the command got instead.
#[derive(Debug)]
pub(super) struct Lent {
    original: File,
    inside: File,
}

/// Opens again what was lent for reading among the standard streams and `keep`.
///
/// A file that is not in view (deleted, or hidden by the profile) stays as it is: whoever lent it meant
/// this file.
///
/// # Errors
/// As dup(2) and dup2(2).
pub(super) fn open_again(keep: &[i32]) -> io::Result<Vec<Lent>> {
    let mut lent = Vec::new();
    for (number, stream) in [(0, io::stdin().as_fd()), (1, io::stdout().as_fd()), (2, io::stderr().as_fd())] {
        let Some(inside) = in_view(number, stream) else { continue };
        let original = File::from(stream.try_clone_to_owned()?);
        match number {
            0 => rustix::stdio::dup2_stdin(&inside)?,
            1 => rustix::stdio::dup2_stdout(&inside)?,
            _ => rustix::stdio::dup2_stderr(&inside)?,
        }
        lent.push(Lent { original, inside: File::from(inside) });
    }
    for number in keep {
        let stream = sys::borrow_open(*number)?;
        let Some(inside) = in_view(*number, stream) else { continue };
        let original = File::from(stream.try_clone_to_owned()?);
        sys::replace(*number, inside.as_fd())?;
        lent.push(Lent { original, inside: File::from(inside) });
    }
    Ok(lent)
}

/// The same file by its name in the view, at the same position; `None` when it is no file lent for reading,
/// or not to be found there.
fn in_view(number: i32, stream: BorrowedFd<'_>) -> Option<OwnedFd> {
    let is_file = FileType::from_raw_mode(rustix::fs::fstat(stream).ok()?.st_mode) == FileType::RegularFile;
    let for_reading = rustix::fs::fcntl_getfl(stream).ok()? & OFlags::ACCMODE == OFlags::RDONLY;
    if !is_file || !for_reading {
        return None;
    }
    let path = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let inside = rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve).ok()?;
    if paths::identity_of(&inside).ok()? != paths::identity_of(stream).ok()? {
        return None;
    }
    rustix::fs::fcntl_setfl(&inside, rustix::fs::fcntl_getfl(stream).ok()?).ok()?;
    let position = rustix::fs::seek(stream, rustix::fs::SeekFrom::Current(0)).ok()?;
    rustix::fs::seek(&inside, rustix::fs::SeekFrom::Start(position)).ok()?;
    Some(inside)
}

impl Lent {
    /// Moves the lender's position to where the command stopped reading, as if it had been one descriptor.
    pub(super) fn give_back(&mut self) {
        if let Ok(position) = self.inside.stream_position() {
            // A position that was reached inside exists outside too.
            self.original.seek(SeekFrom::Start(position)).ok();
        }
    }
}
