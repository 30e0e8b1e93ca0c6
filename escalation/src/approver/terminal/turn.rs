//! One question at a time on one terminal, whichever programs ask.
//!
//! INVARIANT (turn): whoever changes the modes of the controlling terminal, shows a question there and reads its keys
//! holds the [`Turn`] of that terminal. So two programs neither take each other's keys, nor restore each other's
//! modes. It is a lock on a file of ours: on the terminal itself, a command that has it could hold one too.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The folder with the locks, in a folder that belongs to the person.
const FOLDER: &str = "terminals";
/// Written and never read: nobody locks what he cannot open, and sandboxed commands may only read.
const LOCK_MODE: Mode = Mode::WUSR;
/// What the kernel says of this process. proc_pid_stat(5).
const OWN_STATE: &str = "/proc/self/stat";
/// Which field behind the name is the number of the controlling terminal.
const TERMINAL_FIELD: usize = 4;

/// Where the turns of the controlling terminal are taken.
#[derive(Debug)]
pub(super) struct Turns {
    file: PathBuf,
}

/// The right to ask, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    lock: OwnedFd,
}

impl Turns {
    /// In the private folder `home`, which is made if it is missing.
    ///
    /// # Errors
    /// When there is no controlling terminal, or no folder can be made.
    pub(super) fn within(home: &Path) -> io::Result<Self> {
        let state = std::fs::read_to_string(OWN_STATE)?;
        let terminal = terminal_number(&state).ok_or(Errno::NOTTY)?;
        let folder = home.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { file: folder.join(format!("{terminal}.lock")) })
    }

    #[cfg(test)]
    pub(super) fn at(file: PathBuf) -> Self {
        Self { file }
    }

    /// Takes the turn, if nobody has it.
    ///
    /// # Errors
    /// As open(2) and flock(2).
    pub(super) fn take(&self) -> io::Result<Option<Turn>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(&self.file, flags, LOCK_MODE)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Turn { lock })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Also where a process that was just forked has the descriptor still. Closing it does the same, if not.
        rustix::fs::flock(&self.lock, FlockOperation::Unlock).ok();
    }
}

/// Reads the number of the controlling terminal; 0 stands for none. A name may contain anything.
fn terminal_number(state: &str) -> Option<u32> {
    let (_, fields) = state.rsplit_once(") ")?;
    let number: i32 = fields.split(' ').nth(TERMINAL_FIELD)?.parse().ok()?;
    Some(number.cast_unsigned()).filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn() {
        let folder = tempfile::tempdir().unwrap();
        let turns = Turns { file: folder.path().join("1.lock") };
        let turn = turns.take().unwrap().unwrap();
        assert!(turns.take().unwrap().is_none());
        assert!(Turns { file: folder.path().join("2.lock") }.take().unwrap().is_some());
        drop(turn);
        assert!(turns.take().unwrap().is_some());
        std::os::unix::fs::symlink("elsewhere", folder.path().join("3.lock")).unwrap();
        assert!(Turns { file: folder.path().join("3.lock") }.take().is_err());
    }

    #[test]
    fn the_number_of_the_terminal_stands_behind_any_name() {
        assert_eq!(terminal_number("7 (a) 9 (b)) S 1 7 7 34816 7 4194304"), Some(34816));
        assert_eq!(terminal_number("7 (a) S 1 7 7 0 -1 4194304"), None);
        assert_eq!(terminal_number("7 (a) S 1"), None);
        assert_eq!(terminal_number(""), None);
    }
}
