//! A captured run without a sandbox: a child in a process group of its own.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;

use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

use super::pump::Pump;
use super::{Options, Running, StreamName, TerminalSize, attach_terminal, pipes};
use crate::error::LaunchError;
use crate::helper::Ended;
use crate::permit::Permit;
use crate::process::spawned::{Reach, Spawned};
use crate::process::{failed, unconfined};
use crate::sys;

/// Starts the program of `permit`.
pub(super) fn start<'s>(
    permit: Permit,
    options: &Options<'_>,
    sink: &'s mut dyn FnMut(StreamName, &[u8]),
) -> Result<(Spawned, Pump<'s>), LaunchError> {
    let mut pump = Pump::new(sink);
    let mut command = unconfined::prepare(&permit)?;
    let far = match options.terminal {
        Some(size) => {
            let (master, terminal) =
                open_terminal(size).map_err(|error| failed("make a terminal")(error.into()))?;
            attach_terminal(&mut pump, master, &options.input)?;
            let again = || terminal.try_clone().map_err(failed("duplicate a descriptor"));
            let far = [again()?, again()?, again()?];
            sys::start_session_at(&mut command, terminal);
            far
        }
        None => {
            command.process_group(0);
            pipes(&mut pump, &options.input)?
        }
    };
    let [stdin, stdout, stderr] = far;
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    Ok((Spawned::start(command, &permit, Reach::Group)?, pump))
}

/// Both sides of a new terminal. pty(7).
fn open_terminal(size: TerminalSize) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::unlockpt(&master)?;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    if !size.interactive {
        let mut modes = rustix::termios::tcgetattr(&terminal)?;
        modes.output_modes.remove(OutputModes::OPOST);
        rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    }
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size)?;
    Ok((master, terminal))
}

impl Running for Spawned {
    fn watched(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.as_fd()]
    }

    fn has_ended(&mut self) -> Result<bool, LaunchError> {
        Ok(true)
    }

    fn ask_to_end(&mut self) {
        Self::ask_to_end(self);
    }

    fn kill(mut self) {
        self.end();
    }

    fn finish(mut self) -> Result<Ended, LaunchError> {
        self.reap()
    }
}
