//! Signals taken as events instead of interruptions.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals that ask us to end.
pub(super) const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
/// Signals that are only passed on.
pub(super) const PASSED_ON: [Signal; 2] = [Signal::SIGUSR1, Signal::SIGUSR2];

/// Signals of this thread as events, until dropped.
pub(super) struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

/// One that came.
#[derive(Clone, Copy)]
pub(super) struct Arrived {
    pub(super) signal: Signal,
    /// Whether the terminal sent it, and hence to the whole foreground group.
    pub(super) is_from_terminal: bool,
}

impl Signals {
    /// Takes these signals, and [`ENDING`] and [`PASSED_ON`]. signalfd(2).
    ///
    /// # Errors
    /// As signalfd(2).
    pub(super) fn listen(more: &[Signal]) -> io::Result<Self> {
        let mut mask = SigSet::empty();
        ENDING.iter().chain(&PASSED_ON).chain(more).for_each(|signal| mask.add(*signal));
        let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let descriptor = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { descriptor, before })
    }

    /// The next that came, if one did.
    ///
    /// # Errors
    /// As read(2).
    pub(super) fn next(&self) -> io::Result<Option<Arrived>> {
        while let Some(info) = self.descriptor.read_signal()? {
            let number = i32::try_from(info.ssi_signo).unwrap_or(libc::SIGTERM);
            if let Ok(signal) = Signal::try_from(number) {
                return Ok(Some(Arrived { signal, is_from_terminal: info.ssi_code == SI_KERNEL }));
            }
        }
        Ok(None)
    }

    /// Takes all that came, and says whether one of them asks to end.
    pub(super) fn ask_to_end(&self) -> bool {
        let mut asked = false;
        while let Ok(Some(arrived)) = self.next() {
            asked |= ENDING.contains(&arrived.signal);
        }
        asked
    }
}

/// The code of signals that no process sent. sigaction(2), `SI_KERNEL`.
const SI_KERNEL: i32 = 0x80;

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // A mask that was in force before can be in force again. sigprocmask(2) fails for bad pointers only.
        self.before.thread_set_mask().ok();
    }
}
