//! A run without a sandbox, for profiles that ask for none: same permit, same outcome, no wrapping.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::foreground::{GRACE, Outcome};
use super::{failed, to_timespec};
use crate::error::LaunchError;
use crate::helper::Ended;
use crate::paths;
use crate::permit::Permit;
use crate::plan::Confinement;
use crate::sys;

pub use super::unconfined_observed::observe;

/// Runs what `permit` allows with all of the caller's rights.
///
/// Without a deadline the program takes this process over, so that not even its process id differs from a
/// plain start; then this returns only to report why it could not.
///
/// # Errors
/// [`LaunchError::Program`] when the program cannot be executed; [`LaunchError::ProgramChanged`] when its file is not the
/// permitted one; [`LaunchError::DirectoryChanged`] when its working directory is not; [`LaunchError::Confined`] for a plan that asks for a sandbox.
pub fn run(permit: Permit, timeout: Option<Duration>) -> Result<Outcome, LaunchError> {
    let Confinement::Unconfined = permit.plan.confinement else {
        return Err(LaunchError::Confined);
    };
    let path = permit.program.path().clone();
    let mut command = prepare(&permit)?;
    permit.program.verify()?;
    let Some(timeout) = timeout else {
        return Err(LaunchError::Program { path, source: command.exec() });
    };
    // A group of its own, so that its children end with it; not at a terminal, where a background group
    // could not read.
    let group = !std::io::IsTerminal::is_terminal(&io::stdin());
    if group {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(|source| LaunchError::Program { path, source })?;
    let pid = Pid::from_child(&child);
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|error| failed("watch the command")(error.into()))?;
    let deadline = Instant::now().checked_add(timeout);
    let in_time = ends_by(&process, deadline)?;
    if !in_time {
        // What has ended meanwhile needs no signal.
        let send = |signal| match group {
            true => rustix::process::kill_process_group(pid, signal).ok(),
            false => rustix::process::kill_process(pid, signal).ok(),
        };
        send(Signal::TERM);
        ends_by(&process, Instant::now().checked_add(GRACE))?;
        send(Signal::KILL);
    }
    let status = child.wait().map_err(failed("wait for the command"))?;
    Ok(if in_time { Outcome::Ended(Ended::from(status)) } else { Outcome::TimedOut })
}

/// The program with the arguments, environment and working directory of its permit. The directory is looked at once
/// more, and held: its name may lead elsewhere a moment later.
///
/// # Errors
/// [`LaunchError::DirectoryChanged`]; [`LaunchError::Failed`] when the directory cannot be opened.
#[expect(clippy::disallowed_methods, reason = "a launcher")]
pub(super) fn prepare(permit: &Permit) -> Result<Command, LaunchError> {
    let Permit { plan, program, argv } = permit;
    let mut command = Command::new(program.path().as_path());
    if let Some((name, arguments)) = argv.split_first() {
        command.arg0(name).args(arguments);
    }
    command.env_clear().envs(&plan.environment);
    let name = &plan.cwd.logical;
    let directory = paths::open_directory(name.as_path()).map_err(failed("open the working directory"))?;
    let found = paths::identity_of(&directory).map_err(failed("examine the working directory"))?;
    if plan.cwd.identity != Some(found) {
        return Err(LaunchError::DirectoryChanged { path: name.clone() });
    }
    sys::start_in(&mut command, directory);
    Ok(command)
}

/// Whether the process ends before `deadline`; no deadline is never reached.
fn ends_by(process: &impl std::os::fd::AsFd, deadline: Option<Instant>) -> Result<bool, LaunchError> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.map(to_timespec);
        match rustix::event::poll(&mut [PollFd::new(process, PollFlags::IN)], limit.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("wait for the command")(io::Error::from(error))),
        }
    }
}
