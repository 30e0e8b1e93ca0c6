//! A child without a sandbox: watched, signalled, and never left behind.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use super::failed;
use crate::error::LaunchError;
use crate::helper::Ended;
use crate::permit::Permit;
use crate::sys;

/// Whom signals reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// The child leads a process group, which is meant as a whole.
    Group,
    /// The child is in our own group.
    Alone,
}

/// A started child. Dropping it ends it, and its group if it leads one.
pub(super) struct Spawned {
    child: Child,
    process: OwnedFd,
    reach: Reach,
    is_reaped: bool,
}

impl Spawned {
    /// Starts `command`, which is the program of `permit`, if that is still the permitted version (I4). `command` is
    /// taken because it holds the child's ends of the streams.
    ///
    /// # Errors
    /// [`LaunchError::ProgramChanged`], [`LaunchError::Program`], [`LaunchError::Failed`].
    pub(super) fn start(mut command: Command, permit: &Permit, reach: Reach) -> Result<Self, LaunchError> {
        sys::start_with_no_signal_blocked(&mut command);
        permit.program.verify()?;
        let mut child = command
            .spawn()
            .map_err(|source| LaunchError::Program { path: permit.program.path().clone(), source })?;
        match rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(process) => Ok(Self { child, process, reach, is_reaped: false }),
            Err(error) => {
                // One that nobody watches must not go on.
                drop(child.kill());
                drop(child.wait());
                Err(failed("watch the command")(error.into()))
            }
        }
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// While it is not reaped its number names it, and its group, and no other. One that is gone needs no signal.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        match self.reach {
            Reach::Group => rustix::process::kill_process_group(pid, signal).ok(),
            Reach::Alone => rustix::process::kill_process(pid, signal).ok(),
        };
    }

    /// SIGTERM; a stopped one could not act on that alone.
    pub(super) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// Looks without taking note of an end, which is for [`Spawned::reap`].
    pub(super) fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::Pid(Pid::from_child(&self.child)), options);
        matches!(status, Ok(Some(status)) if status.stopped())
    }

    /// Takes the status of one that has ended.
    ///
    /// # Errors
    /// As waitpid(2).
    pub(super) fn reap(&mut self) -> Result<Ended, LaunchError> {
        let status = self.child.wait().map_err(failed("wait for the command"))?;
        self.is_reaped = true;
        Ok(Ended::from(status))
    }

    /// Kills it, and its group also when the leader has ended, and reaps it.
    pub(super) fn end(&mut self) {
        if !self.is_reaped {
            self.signal(Signal::KILL);
            drop(self.child.wait());
            self.is_reaped = true;
        }
    }
}

impl AsFd for Spawned {
    /// Readable when it has ended. pidfd_open(2).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.end();
    }
}
