//! Process 1 of the sandbox: starts the command, reaps orphans, passes signals, reports the end.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, OutputModes, Winsize};

use super::spec::{CommandSpec, StreamSpec};
use super::wire::{Channel, Ended, Order, Received, Report, SetupFailure, Stage};
use crate::paths::FileVersion;
use crate::sys;

/// The started command.
pub(super) struct Command {
    pid: Pid,
    children: SignalFd,
}

/// Makes the command's terminal from the sandbox's own pseudo-terminals, puts it in place of the streams
/// that lead there, and sends the master side out. pty(7).
///
/// # Errors
/// [`Stage::Terminal`].
pub(super) fn open_terminal(
    command: &CommandSpec,
    control: &Channel,
) -> Result<Option<OwnedFd>, SetupFailure> {
    let Some(wanted) = command.terminal else { return Ok(None) };
    let failed =
        |error: rustix::io::Errno| SetupFailure::new(Stage::Terminal, "make a terminal", &error.into());
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty()).map_err(failed)?;
    rustix::pty::unlockpt(&master).map_err(failed)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(failed)?;
    let size = Winsize { ws_row: wanted.rows, ws_col: wanted.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).map_err(failed)?;
    if !wanted.interactive {
        // The caller's terminal translates newlines already; twice would stagger the lines.
        let mut modes = rustix::termios::tcgetattr(&terminal).map_err(failed)?;
        modes.output_modes.remove(OutputModes::OPOST);
        rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &modes).map_err(failed)?;
    }
    rustix::process::ioctl_tiocsctty(&terminal).map_err(failed)?;
    let [stdin, stdout, stderr] = command.streams.map(|stream| stream == StreamSpec::Terminal);
    if stdin {
        rustix::stdio::dup2_stdin(&terminal).map_err(failed)?;
    }
    if stdout {
        rustix::stdio::dup2_stdout(&terminal).map_err(failed)?;
    }
    if stderr {
        rustix::stdio::dup2_stderr(&terminal).map_err(failed)?;
    }
    control
        .send_with(&Report::Terminal, &[master.as_fd()])
        .map_err(|error| SetupFailure::new(Stage::Terminal, "hand out the terminal", &error))?;
    Ok(Some(terminal))
}

/// Executes the command's program in a process group of its own.
///
/// The file is compared with the permitted version last, when nothing is left to do but to execute it: the workspace
/// may belong to other runs as well, which go on meanwhile.
///
/// # Errors
/// [`Stage::Exec`] with the system's error when the program cannot be executed, [`Stage::Program`] when it is not the
/// permitted one.
#[expect(clippy::disallowed_methods, reason = "a launcher")]
pub(super) fn start(command: &CommandSpec, terminal: Option<OwnedFd>) -> Result<Command, SetupFailure> {
    let failed = |error: &io::Error| {
        SetupFailure::new(
            Stage::Exec,
            format!("execute `{}`", policies::display::escape(&command.program)),
            error,
        )
    };
    let (name, arguments) = match command.argv.split_first() {
        Some((name, arguments)) => (name.as_os_str(), arguments),
        None => (OsStr::new(""), [].as_slice()),
    };
    let mut process = std::process::Command::new(&command.program);
    process
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(command.environment.iter().map(|(key, value)| (key, value)));
    match &terminal {
        Some(terminal) => sys::start_in_foreground(&mut process, terminal.as_raw_fd()),
        None => {
            process.process_group(0);
        }
    }
    if let Some(required) = command.version {
        let present = FileVersion::at(Path::new(&command.program)).map_err(|error| failed(&error))?;
        if present != required {
            let doing = format!("execute `{}`", policies::display::escape(&command.program));
            return Err(SetupFailure { stage: Stage::Program, doing, errno: 0 });
        }
    }
    let child = process.spawn().map_err(|error| failed(&error))?;
    // Only now, because a child inherits the mask. `run` looks for one that has ended already.
    let mut child_signals = SigSet::empty();
    child_signals.add(nix::sys::signal::Signal::SIGCHLD);
    child_signals.thread_block().map_err(|error| failed(&error.into()))?;
    let children = SignalFd::with_flags(&child_signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|error| failed(&error.into()))?;
    Ok(Command { pid: Pid::from_child(&child), children })
}

/// Serves until the command ends.
///
/// # Errors
/// When the launcher is gone or a wait fails: then this process must end, and everything with it.
pub(super) fn run(command: Command, control: &Channel) -> io::Result<Ended> {
    if let Some(ended) = reap(&command, control)? {
        return Ok(ended);
    }
    loop {
        let mut polled = [PollFd::new(&command.children, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        match rustix::event::poll(&mut polled, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [child_event, order_event] = polled.map(|event| !event.revents().is_empty());
        if child_event {
            while command.children.read_signal()?.is_some() {}
            if let Some(ended) = reap(&command, control)? {
                return Ok(ended);
            }
        }
        if order_event {
            match control.receive()? {
                Received::Message(Order::Signal(number), _) => signal(&command, number),
                Received::Message(Order::Continue, _) => signal(&command, libc::SIGCONT),
                Received::Nothing => {}
                Received::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }
}

/// Reaps whatever ended; `Some` when it was the command.
fn reap(command: &Command, control: &Channel) -> io::Result<Option<Ended>> {
    while let Some((pid, status)) = rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED)? {
        if pid != command.pid {
            continue;
        }
        if let Some(code) = status.exit_status() {
            return Ok(Some(Ended::Exited(code)));
        }
        if let Some(number) = status.terminating_signal() {
            return Ok(Some(Ended::Signaled(number)));
        }
        if let Some(number) = status.stopping_signal() {
            control.send(&Report::Stopped(number))?;
        }
    }
    Ok(None)
}

/// To the command's process group, or to the command alone if it left it.
fn signal(command: &Command, number: i32) {
    let Some(named) = Signal::from_named_raw(number) else { return };
    if rustix::process::kill_process_group(command.pid, named).is_err() {
        // It may have ended; then its end is reported next.
        rustix::process::kill_process(command.pid, named).ok();
    }
}
