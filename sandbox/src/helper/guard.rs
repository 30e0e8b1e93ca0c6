//! The guard: starts the sandbox from outside, and makes sure that it ends and leaves nothing.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags};
use rustix::termios::{OptionalActions, Termios};

use super::spec::{Outer, Spec, ViewSpec};
use super::wire::{Channel, Instruction, MAX_TEXT_BYTES, Received, Report, SetupFailure, Stage};
use crate::backend::bwrap;
use crate::orphans;
use crate::placeholder::{Place, Placeholder};
use crate::sys::{self, Forked, Namespaces};

/// Runs as the guard. Its standard input is its end of the lifeline.
///
/// It is started before the launcher knows what to run, so that its own start costs no time; then it gets
/// instructions, and at their end, or if there are none, cleans up.
pub(super) fn main() -> ExitCode {
    let Ok(lifeline) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::from(125);
    };
    let lifeline = Channel::from_descriptor(lifeline);
    let mut outside = Some(Outside { intended: None, placeholders: Vec::new(), terminal: Terminal(None) });
    let outcome = run(&lifeline, &mut outside);
    if let Some(outside) = outside {
        outside.clean(&lifeline);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A launcher that is gone cannot be told; it does not need to know either.
            drop(lifeline.send(&Report::Failed(failure)));
            ExitCode::from(125)
        }
    }
}

fn run(lifeline: &Channel, outside: &mut Option<Outside>) -> Result<(), SetupFailure> {
    let internal =
        |doing: &'static str| move |error: io::Error| SetupFailure::new(Stage::Internal, doing, &error);
    // What came by inheritance must not travel further by it.
    sys::close_on_exec_from_3().map_err(internal("close inherited descriptors"))?;
    // The launcher may have blocked signals for itself; the command starts with none blocked.
    SigSet::all().thread_unblock().map_err(|error| internal("unblock signals")(error.into()))?;
    rustix::process::chdir("/").map_err(|error| internal("leave the working directory")(error.into()))?;
    // The terminal's signals are the launcher's to forward. (It fails for a group leader, which a process
    // that was just started is not.)
    rustix::process::setsid().ok();
    // What loses its parent inside is ours to wait for, so that "all dead" can be known.
    orphans::adopt(&[]).map_err(internal("become the subreaper"))?;
    while let Some((instruction, descriptors)) = lifeline.wait().map_err(internal("receive instructions"))? {
        match instruction {
            Instruction::Intend { name, missing } => {
                if let Some(outside) = outside {
                    outside.intend(name, missing, descriptors);
                }
            }
            Instruction::Hold { made_here } => {
                if let Some(outside) = outside {
                    outside.hold(made_here, descriptors);
                }
            }
            Instruction::Launch { terminal, limit } => {
                let mut descriptors = descriptors.into_iter();
                let mut next = || descriptors.next().ok_or(io::ErrorKind::InvalidData.into());
                let (spec_file, control) =
                    next().and_then(|spec| Ok((spec, next()?))).map_err(internal("receive instructions"))?;
                next()
                    .and_then(|stdin| Ok(rustix::stdio::dup2_stdin(&stdin)?))
                    .and_then(|()| Ok(rustix::stdio::dup2_stdout(&next()?)?))
                    .and_then(|()| Ok(rustix::stdio::dup2_stderr(&next()?)?))
                    .map_err(internal("take over the standard streams"))?;
                if let Some(outside) = outside.as_mut().filter(|_| terminal) {
                    outside.terminal = Terminal::take(next().ok());
                }
                let spec_copy = spec_file.try_clone().map_err(internal("duplicate a descriptor"))?;
                let spec = Spec::read(spec_copy).map_err(internal("read the launch description"))?;
                let watch =
                    Watch { lifeline, deadline: limit.and_then(|limit| Instant::now().checked_add(limit)) };
                return supervise(spec, spec_file, &watch, Channel::from_descriptor(control), outside);
            }
        }
    }
    Ok(()) // the launcher changed its mind, or is gone
}

/// What the guard alone holds: the sandbox's side of a fork lets go of it at once.
struct Outside {
    /// The name announced last, and whether what appears there is ours to remove.
    intended: Option<(Place, bool)>,
    placeholders: Vec<Placeholder>,
    terminal: Terminal,
}

impl Outside {
    fn intend(&mut self, name: OsString, missing: bool, descriptors: Vec<OwnedFd>) {
        self.intended =
            descriptors.into_iter().next().map(|parent| (Place::from_parts(parent, name), missing));
    }

    fn hold(&mut self, made_here: bool, descriptors: Vec<OwnedFd>) {
        if let (Some((place, _)), Some(handle)) = (self.intended.take(), descriptors.into_iter().next()) {
            self.placeholders.push(Placeholder::from_parts(place, handle, made_here));
        }
    }

    fn clean(self, lifeline: &Channel) {
        self.placeholders.iter().for_each(Placeholder::release);
        if let Some((place, true)) = self.intended {
            place.sweep();
        }
        self.terminal.restore_if_abandoned(lifeline);
    }
}

fn supervise(
    spec: Spec,
    spec_file: OwnedFd,
    watch: &Watch<'_>,
    control: Channel,
    outside: &mut Option<Outside>,
) -> Result<(), SetupFailure> {
    match spec.outer {
        Outer::Namespaces(user) => {
            // For the child, which cannot see us from its namespace.
            let guard = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
                .map_err(|error| SetupFailure::new(Stage::Internal, "name the guard", &error.into()))?;
            let pid = match sys::fork_into(Namespaces::of_a_run(spec.view.network)) {
                Ok(Forked::Child) => {
                    drop(outside.take());
                    super::inner::in_namespaces(spec, user, control, &guard)
                }
                Ok(Forked::Parent(pid)) => pid,
                Err(error) => {
                    return Err(SetupFailure::new(Stage::Namespaces, "create the namespaces", &error));
                }
            };
            drop((control, spec_file));
            watch.wait_for(pid);
            orphans::end();
            Ok(())
        }
        Outer::Bwrap(program) => {
            let mut bwrap =
                spawn_bwrap(&program, &spec.view, spec.keep, &spec_file, &control).map_err(|error| {
                    SetupFailure::new(Stage::Bwrap, format!("start `{}`", program.display()), &error)
                })?;
            drop((control, spec_file));
            let pid = Pid::from_child(&bwrap);
            watch.wait_for(pid);
            orphans::end();
            bwrap_said(bwrap.stderr.take())
        }
    }
}

/// The launcher's terminal, which the launcher puts into raw mode and restores; a killed one cannot.
struct Terminal(Option<(OwnedFd, Termios)>);

impl Terminal {
    fn take(terminal: Option<OwnedFd>) -> Self {
        Self(terminal.and_then(|terminal| {
            let modes = rustix::termios::tcgetattr(&terminal).ok()?;
            Some((terminal, modes))
        }))
    }

    fn restore_if_abandoned(self, lifeline: &Channel) {
        let abandoned = matches!(lifeline.receive::<()>(), Ok(Received::Closed));
        if let Some((terminal, modes)) = self.0.filter(|_| abandoned) {
            // A terminal that is gone too needs no restoring.
            rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &modes).ok();
        }
    }
}

/// Starts bubblewrap with an empty environment. Its own messages go to a pipe, never among the command's
/// output; the command's stderr travels as a spare descriptor, which the inner stage puts in place.
#[expect(clippy::disallowed_methods, reason = "a launcher")]
fn spawn_bwrap(
    program: &OsStr,
    view: &ViewSpec,
    keep: Vec<i32>,
    spec_file: &OwnedFd,
    control: &Channel,
) -> io::Result<Child> {
    let executable = super::own_executable()?;
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    let empty_files = (0..bwrap::file_masks(view))
        .map(|_| rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))
        .collect::<Result<Vec<_>, _>>()?;
    let empty_numbers: Vec<i32> = empty_files.iter().map(AsRawFd::as_raw_fd).collect();
    let inner = [spec_file.as_fd(), control.as_fd(), stderr.as_fd()].map(|descriptor| descriptor.as_raw_fd());
    let mut command = Command::new(program);
    command
        .env_clear()
        .args(bwrap::arguments(view, &mut empty_numbers.iter().copied()))
        .arg(format!("/proc/self/fd/{}", executable.as_raw_fd()))
        .arg(super::INNER)
        .args(inner.map(|number| number.to_string()))
        .stderr(Stdio::piped());
    let inherited = [vec![executable.as_raw_fd()], inner.to_vec(), empty_numbers, keep].concat();
    sys::keep_across_exec(&mut command, inherited);
    command.spawn()
}

/// What bubblewrap complained about, if it did. (When the inner stage ran, that one reports.)
fn bwrap_said(stderr: Option<ChildStderr>) -> Result<(), SetupFailure> {
    let mut said = Vec::new();
    if let Some(stderr) = stderr {
        // Everybody who could write is dead. What cannot be read is not repeated.
        drop(stderr.take(MAX_TEXT_BYTES as u64).read_to_end(&mut said));
    }
    if said.is_empty() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&said).trim().to_owned();
    Err(SetupFailure { stage: Stage::Bwrap, doing: text, errno: 0 })
}

/// What ends a run from outside.
struct Watch<'a> {
    lifeline: &'a Channel,
    deadline: Option<Instant>,
}

impl Watch<'_> {
    /// Returns when the sandbox has ended, the launcher is gone, or time is up.
    fn wait_for(&self, pid: Pid) {
        let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return };
        loop {
            let mut polled =
                [PollFd::new(&process, PollFlags::IN), PollFd::new(self.lifeline, PollFlags::IN)];
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match rustix::event::poll(&mut polled, left.map(crate::process::to_timespec).as_ref()) {
                Ok(0) => return,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            }
            let [process_event, lifeline_event] = polled.map(|event| !event.revents().is_empty());
            let launcher_gone = lifeline_event
                && !matches!(self.lifeline.receive::<()>(), Ok(Received::Nothing | Received::Message(..)));
            if process_event || launcher_gone {
                return;
            }
        }
    }
}
