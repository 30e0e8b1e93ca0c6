//! A run without a sandbox in the caller's foreground, as a child, with the end of its output kept.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::captured::Finished;
use super::foreground::{GRACE, Outcome};
use super::signals::{ENDING, PASSED_ON, Signals};
use super::spawned::{Reach, Spawned};
use super::tap::Taps;
use super::{failed, to_timespec, unconfined};
use crate::error::LaunchError;
use crate::permit::Permit;
use crate::plan::Confinement;

/// Like [`super::unconfined::run`], as a child of this process also without a deadline, and keeps the end of what it
/// wrote.
///
/// A stream that leads to a terminal stays as it is, and nothing of what goes there is kept; before one that leads to a
/// pipe or a file a pipe is put. The child shares this process's group, so that the terminal's keys mean to it what
/// they mean to a plain program: Control-C reaches it and not us, and when it stops this process stops with it.
/// Signals that somebody sends to this process are passed on, and the command decides what they mean. With a deadline,
/// and standard input not at a terminal, it leads a group of its own, which ends with it.
///
/// What a process that the command left behind writes into such a pipe is passed on for
/// [`LINGER`](super::captured::LINGER); then the pipe is closed.
///
/// # Errors
/// [`LaunchError`], as for [`super::unconfined::run`] and [`super::foreground::Foreground::observe`].
pub fn observe(permit: Permit, timeout: Option<Duration>) -> Result<Finished, LaunchError> {
    let Confinement::Unconfined = permit.plan.confinement else {
        return Err(LaunchError::Confined);
    };
    let (taps, [stdout, stderr]) = Taps::insert().map_err(failed("watch the output"))?;
    let mut command = unconfined::prepare(&permit)?;
    if let Some(stdout) = stdout {
        command.stdout(stdout);
    }
    if let Some(stderr) = stderr {
        command.stderr(stderr);
    }
    let leads = timeout.is_some() && !std::io::stdin().is_terminal();
    let reach = if leads { Reach::Group } else { Reach::Alone };
    if reach == Reach::Group {
        command.process_group(0);
    }
    let signals = Signals::listen(&[Signal::SIGCHLD]).map_err(failed("listen for signals"))?;
    let child = Spawned::start(command, &permit, reach)?;
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut run = Observed { child, signals, taps, deadline, is_late: false };
    let outcome = run.serve()?;
    let limit = deadline.map(|deadline| deadline.max(Instant::now() + GRACE));
    let Observed { signals, mut taps, .. } = run;
    taps.drain(limit, signals.as_fd(), &mut || signals.ask_to_end());
    Ok(Finished { outcome, tail: taps.into_tail().map_err(failed("pass the output on"))? })
}

struct Observed {
    child: Spawned,
    signals: Signals,
    taps: Taps,
    deadline: Option<Instant>,
    /// The first deadline has passed, and the command was asked to end.
    is_late: bool,
}

impl Observed {
    fn serve(&mut self) -> Result<Outcome, LaunchError> {
        loop {
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                if self.is_late {
                    self.child.end();
                    return Ok(Outcome::TimedOut);
                } else {
                    self.child.ask_to_end();
                    self.is_late = true;
                    self.deadline = Some(Instant::now() + GRACE);
                }
            }
            let (has_ended, has_signals) = self.poll()?;
            if has_signals {
                self.take_signals()?;
            }
            if has_ended {
                if self.is_late {
                    self.child.end();
                    return Ok(Outcome::TimedOut);
                }
                return self.child.reap().map(Outcome::Ended);
            }
        }
    }

    /// Carries output; whether the command has ended, and whether signals came.
    fn poll(&mut self) -> Result<(bool, bool), LaunchError> {
        let mut polled =
            vec![PollFd::new(&self.child, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
        self.taps.watch(&mut polled);
        let left = self.deadline.map(|at| to_timespec(at.saturating_duration_since(Instant::now())));
        match rustix::event::poll(&mut polled, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok((false, false)),
            Err(error) => return Err(failed("wait for the command")(error.into())),
        }
        let mut found = polled.iter().map(PollFd::revents).collect::<Vec<_>>().into_iter();
        let mut next = || found.next().is_some_and(|found| !found.is_empty());
        let news = (next(), next());
        self.taps.serve(found);
        Ok(news)
    }

    fn take_signals(&mut self) -> Result<(), LaunchError> {
        while let Some(arrived) = self.signals.next().map_err(failed("listen for signals"))? {
            let signal = arrived.signal;
            if signal == Signal::SIGCHLD {
                self.stop_with_child()?;
            } else if (ENDING.contains(&signal) || PASSED_ON.contains(&signal))
                // The terminal sends to the whole group: the command has it already.
                && (self.child.reach() == Reach::Group || !arrived.is_from_terminal)
            {
                self.pass_on(signal);
            }
        }
        Ok(())
    }

    /// The caller's shell sees a job stop only when all of it has.
    fn stop_with_child(&self) -> Result<(), LaunchError> {
        // One that leads a group of its own is nobody's job, and its deadline must be kept.
        if self.child.reach() == Reach::Group || !self.child.is_stopped() {
            return Ok(());
        }
        nix::sys::signal::raise(Signal::SIGSTOP)
            .map_err(|error| failed("stop with the command")(error.into()))?;
        self.pass_on(Signal::SIGCONT);
        Ok(())
    }

    fn pass_on(&self, signal: Signal) {
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
            self.child.signal(signal);
        }
    }
}
