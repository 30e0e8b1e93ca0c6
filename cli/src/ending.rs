//! Signals that ask this program to end while a question is on the screen.
//!
//! Without this they would end it at once, and leave the terminal in the modes of the prompt. While a command runs they
//! are the launcher's, which passes them on.

use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals.
const ENDING: [Signal; 8] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGPIPE,
];

/// How often is looked: nobody notices it, and it costs nothing while nothing is asked.
const INTERVAL: Duration = Duration::from_millis(50);

/// Keeps the signals from ending this thread's program, until dropped.
pub(crate) struct Ending {
    descriptor: SignalFd,
    before: SigSet,
}

impl Ending {
    /// Takes them as events from now on. Threads that start later inherit that.
    pub(crate) fn take() -> nix::Result<Self> {
        let signals = set();
        let before = signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&signals, flags)?;
        Ok(Self { descriptor, before })
    }

    /// Waits for one of them; answers with its number.
    pub(crate) async fn wait(&self) -> i32 {
        loop {
            if let Ok(Some(signal)) = self.descriptor.read_signal() {
                return i32::try_from(signal.ssi_signo).unwrap_or(Signal::SIGTERM as i32);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Gives the signals back while `work` runs, on this thread: for what takes them itself, and for what it starts.
pub(crate) fn released<T>(work: impl FnOnce() -> T) -> T {
    let signals = set();
    // sigprocmask(2) fails for bad arguments only.
    signals.thread_unblock().ok();
    let result = work();
    signals.thread_block().ok();
    result
}

fn set() -> SigSet {
    ENDING.into_iter().collect()
}

impl Drop for Ending {
    fn drop(&mut self) {
        // A mask that was in force before can be in force again.
        self.before.thread_set_mask().ok();
    }
}
