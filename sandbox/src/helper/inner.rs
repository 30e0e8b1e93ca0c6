//! The inner stage: process 1 of the sandbox. Finishes the confinement, then becomes the command's init.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{DumpableBehavior, PidfdFlags, Signal};

use super::lent::{self, Lent};
use super::spec::{CommandSpec, Spec, User};
use super::wire::{Channel, Report, SetupFailure, Stage};
use super::{init, privileges, verify};
use crate::backend::namespaces;
use crate::{landlock, paths, seccomp, sys};

/// Continues in the child of the guard: builds the view itself.
///
/// Never returns: the process ends with the run.
pub(super) fn in_namespaces(spec: Spec, user: User, control: Channel, guard: &OwnedFd) -> ! {
    let ready = die_with_parent()
        .and_then(|()| refuse_to_be_orphaned(guard))
        .and_then(|()| namespaces::enter(&spec.view, user))
        .and_then(|()| new_session());
    finish(spec, control, ready)
}

/// Runs under bubblewrap, which has built the view: descriptors are the spec, the control channel and
/// the command's stderr.
pub(super) fn main(descriptors: Vec<OwnedFd>) -> ExitCode {
    let Ok([spec_file, control, stderr]) = <[OwnedFd; 3]>::try_from(descriptors) else {
        return ExitCode::from(125);
    };
    let control = Channel::from_descriptor(control);
    let internal = |doing| move |error: io::Error| SetupFailure::new(Stage::Internal, doing, &error);
    let spec = Spec::read(spec_file).map_err(internal("read the launch description")).and_then(|spec| {
        rustix::stdio::dup2_stderr(&stderr).map_err(|error| internal("take over stderr")(error.into()))?;
        Ok(spec)
    });
    match spec {
        Ok(spec) => finish(spec, control, die_with_parent()),
        Err(failure) => {
            drop(control.send(&Report::Failed(failure)));
            ExitCode::from(125)
        }
    }
}

/// What both ways share, from a complete view to the command's end.
#[expect(clippy::exit, reason = "process 1: the run ends with it, and there is nothing to unwind to")]
fn finish(spec: Spec, control: Channel, ready: Result<(), SetupFailure>) -> ! {
    let started = ready.and_then(|()| confine_and_start(&spec, &control));
    let code = match started {
        Ok((command, mut lent)) => match init::run(command, &control) {
            Ok(ended) => {
                lent.iter_mut().for_each(Lent::give_back);
                // A launcher that is gone needs no answer.
                drop(control.send(&Report::Ended(ended)));
                0
            }
            Err(_) => 125, // the launcher sees the channel close without an end, and says so
        },
        Err(failure) => {
            drop(control.send(&Report::Failed(failure)));
            125
        }
    };
    std::process::exit(code)
}

fn confine_and_start(spec: &Spec, control: &Channel) -> Result<(init::Command, Vec<Lent>), SetupFailure> {
    verify::verify(&spec.view)?;
    enter_directory(&spec.command)?;
    let lent = lent::open_again(&spec.keep)
        .map_err(|error| SetupFailure::new(Stage::Restriction, "open the lent files again", &error))?;
    let terminal = init::open_terminal(&spec.command, control)?;
    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map_err(|error| SetupFailure::new(Stage::Internal, "name the sandbox's init", &error.into()))?;
    restrict(spec)?;
    close_on_exec(&spec.keep)?;
    let command = init::start(&spec.command, terminal)?;
    // The launcher uses it to know when all is dead, should the guard be killed.
    control
        .send_with(&Report::Started, &[own.as_fd()])
        .map_err(|error| SetupFailure::new(Stage::Internal, "report the start", &error))?;
    Ok((command, lent))
}

/// Whatever ends the guard, or bubblewrap, ends the sandbox. prctl(2), `PR_SET_PDEATHSIG`.
fn die_with_parent() -> Result<(), SetupFailure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
        SetupFailure::new(Stage::Restriction, "tie the sandbox to its parent", &error.into())
    })
}

/// A guard that was killed before [`die_with_parent`] leaves a process that nothing would end. From another PID namespace
/// getppid(2) says 0 for any parent, so it is asked by its descriptor, which is readable once it has ended. pidfd_open(2)
fn refuse_to_be_orphaned(guard: &OwnedFd) -> Result<(), SetupFailure> {
    let failed =
        |error: io::Error| SetupFailure::new(Stage::Restriction, "make sure that the guard is alive", &error);
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut [PollFd::new(guard, PollFlags::IN)], Some(&now)) {
        Ok(0) => Ok(()),
        Ok(_) => Err(failed(io::Error::other("it was killed"))),
        Err(error) => Err(failed(error.into())),
    }
}

/// Away from the caller's terminal, so that nothing inside can type into it. setsid(2).
fn new_session() -> Result<(), SetupFailure> {
    rustix::process::setsid()
        .map(drop)
        .map_err(|error| SetupFailure::new(Stage::Restriction, "start a session", &error.into()))
}

/// Goes to the working directory by the name that the caller used, and checks that it is the same one.
fn enter_directory(command: &CommandSpec) -> Result<(), SetupFailure> {
    let Some((path, planned)) = &command.cwd else {
        return rustix::process::chdir("/")
            .map_err(|error| SetupFailure::new(Stage::View, "enter `/`", &error.into()));
    };
    let failed = |error: &io::Error| {
        let doing = format!("enter the working directory `{}`", policies::display::escape(path));
        SetupFailure::new(Stage::View, doing, error)
    };
    rustix::process::chdir(Path::new(path)).map_err(|error| failed(&error.into()))?;
    let here = paths::identity_of(
        rustix::fs::open(".", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())
            .map_err(|error| failed(&error.into()))?,
    )
    .map_err(|error| failed(&error))?;
    if here == *planned { Ok(()) } else { Err(failed(&io::Error::other("another folder took its place"))) }
}

/// The last steps, which no later one may need to undo.
fn restrict(spec: &Spec) -> Result<(), SetupFailure> {
    let filter = spec.command.filter;
    let failed = |doing: &'static str| {
        move |error: rustix::io::Errno| SetupFailure::new(Stage::Restriction, doing, &error.into())
    };
    privileges::drop_capabilities()?;
    rustix::thread::set_no_new_privs(true).map_err(failed("set no_new_privs"))?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let mut handed_over = vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    for number in &spec.keep {
        handed_over.push(sys::borrow_open(*number).map_err(|error| {
            SetupFailure::new(Stage::Restriction, format!("keep the descriptor {number}"), &error)
        })?);
    }
    landlock::restrict_self(&spec.view, filter, &handed_over)?;
    // The init stays beside hostile code of the same user: no tracing it, no reading its memory or its
    // descriptors. The command's own exec makes the command dumpable again.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("hide the sandbox's init"))?;
    seccomp::restrict_self(filter).map_err(|error| {
        SetupFailure::new(
            Stage::Restriction,
            "install the system-call filter",
            &io::Error::other(describe(&error)),
        )
    })
}

fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Nothing but the standard streams, and what was asked for, reaches the command.
fn close_on_exec(keep: &[i32]) -> Result<(), SetupFailure> {
    let failed =
        |error: io::Error| SetupFailure::new(Stage::Restriction, "close inherited descriptors", &error);
    sys::close_on_exec_from_3().map_err(failed)?;
    for number in keep {
        sys::keep_at_exec(*number).map_err(failed)?;
    }
    Ok(())
}
