//! A run whose output somebody else sees: read from pipes or a terminal of its own, and handed on in chunks.
//!
//! For programs that do more than one thing: nothing of the process changes (no signal mask, no adopted children), and
//! runs on several threads do not know of each other.

mod pump;
mod unconfined;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;

use super::foreground::{GRACE, GUARD_MARGIN, Outcome};
use super::{Child, Event, Helper, LaunchOptions, Stream, Streams, TerminalSize, failed};
use crate::backend::Backend;
use crate::error::LaunchError;
use crate::helper::Ended;
use crate::permit::Permit;
use crate::plan::Confinement;
use pump::{Feed, Pump};

pub use super::tail::TAIL_BYTES;
pub use pump::{CHUNK, LINGER};

/// Where bytes came from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The command's terminal, which joins the two.
    Terminal,
}

/// What the command reads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Input {
    /// An end of file at once; at a terminal, no keys.
    #[default]
    Nothing,
    /// These bytes, then an end of file; at a terminal they are keys, and no end follows.
    Bytes(Vec<u8>),
}

/// What belongs to a captured run besides the permit.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// What the command reads.
    pub input: Input,
    /// Gives the command a terminal of this size instead of pipes.
    pub terminal: Option<TerminalSize>,
    /// How long the command may take, from the start of its program.
    pub timeout: Option<Duration>,
    /// Ends the run when it becomes readable or is hung up: the end of a pipe, an event descriptor.
    pub cancel: Option<BorrowedFd<'a>>,
}

/// A captured run that is over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// The last [`TAIL_BYTES`] of its output, all streams together as they arrived.
    pub tail: Vec<u8>,
}

/// Runs what `permit` allows and hands its output to `sink`, until the command has ended and its output is read.
///
/// `helper` is one that was started early; a run without a sandbox needs none. A sink that takes its time slows the
/// command down, and delays the deadline and the cancelling too.
///
/// At the deadline, and when cancelled, the command gets SIGTERM and has [`GRACE`]; then everything is killed: in a
/// sandbox all that it started, without one its process group. The outcome then says [`Outcome::TimedOut`] or, when
/// cancelled, [`Outcome::Interrupted`] with SIGTERM, also when the command ended by itself in that time. A run that is
/// cancelled before it starts does not start.
///
/// In a sandbox everything is dead when this returns. Without one, a process that the command left running may hold the
/// output open: what it writes is read for [`LINGER`] more, and then its pipe is closed.
///
/// # Errors
/// [`LaunchError`].
pub fn run(
    helper: Option<Helper>,
    permit: Permit,
    backend: &Backend,
    options: Options<'_>,
    sink: &mut dyn FnMut(StreamName, &[u8]),
) -> Result<Finished, LaunchError> {
    let mut limits = Limits { deadline: None, ending: None, cancel: options.cancel };
    if limits.is_cancelled()? {
        return Ok(Finished { outcome: CANCELLED, tail: Vec::new() });
    }
    match &permit.plan.confinement {
        Confinement::Unconfined => {
            drop(helper);
            let (running, pump) = unconfined::start(permit, &options, sink)?;
            limits.start(options.timeout);
            serve(running, pump, limits)
        }
        Confinement::Confined(_) => {
            let helper = helper.map_or_else(|| Helper::start(Vec::new()), Ok)?;
            let (running, pump) = start(helper, permit, backend, &options, sink)?;
            limits.start(options.timeout);
            serve(running, pump, limits)
        }
    }
}

/// What is said of a run that was cancelled.
const CANCELLED: Outcome = Outcome::Interrupted(libc::SIGTERM);

/// What can end a run before it ends by itself.
struct Limits<'a> {
    deadline: Option<Instant>,
    /// The command was asked to end: why, and how long it has.
    ending: Option<(Outcome, Instant)>,
    cancel: Option<BorrowedFd<'a>>,
}

/// What is to be done now.
enum Step {
    GoOn,
    AskToEnd,
    Kill(Outcome),
}

impl Limits<'_> {
    fn start(&mut self, timeout: Option<Duration>) {
        self.deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    }

    fn is_cancelled(&self) -> Result<bool, LaunchError> {
        let Some(cancel) = self.cancel else { return Ok(false) };
        let mut polled = [PollFd::from_borrowed_fd(cancel, PollFlags::IN)];
        match rustix::event::poll(&mut polled, Some(&super::to_timespec(Duration::ZERO))) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(failed("watch for the order to end")(error.into())),
        }
    }

    /// The descriptor to watch, until it has spoken: it stays readable.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.cancel.filter(|_| self.ending.is_none())
    }

    fn next(&self) -> Option<Instant> {
        self.ending.map_or(self.deadline, |(_, until)| Some(until))
    }

    fn step(&mut self, cancelled: bool) -> Step {
        let now = Instant::now();
        let because = match self.ending {
            Some((because, until)) if now >= until => return Step::Kill(because),
            Some(_) => return Step::GoOn,
            None if cancelled => CANCELLED,
            None if self.deadline.is_some_and(|deadline| now >= deadline) => Outcome::TimedOut,
            None => return Step::GoOn,
        };
        self.ending = Some((because, now + GRACE));
        Step::AskToEnd
    }
}

/// A command that runs.
trait Running {
    /// What becomes readable when there is news of it.
    fn watched(&self) -> Vec<BorrowedFd<'_>>;
    /// Takes the news: whether it has ended.
    fn has_ended(&mut self) -> Result<bool, LaunchError>;
    /// SIGTERM to all of it.
    fn ask_to_end(&mut self);
    /// Ends all of it at once.
    fn kill(self);
    /// The status of one that has ended by itself.
    fn finish(self) -> Result<Ended, LaunchError>;
}

fn serve(
    mut running: impl Running,
    mut pump: Pump<'_>,
    mut limits: Limits<'_>,
) -> Result<Finished, LaunchError> {
    let mut cancelled = false;
    let outcome = loop {
        match limits.step(cancelled) {
            Step::GoOn => {}
            Step::AskToEnd => running.ask_to_end(),
            Step::Kill(because) => {
                running.kill();
                break because;
            }
        }
        let mut others = running.watched();
        let news = others.len();
        others.extend(limits.watched());
        let ready = pump.step(&others, limits.next())?;
        cancelled = ready.get(news).copied().unwrap_or(false);
        if ready.iter().take(news).any(|ready| *ready) && running.has_ended()? {
            break match limits.ending {
                Some((because, _)) => {
                    running.kill();
                    because
                }
                None => Outcome::Ended(running.finish()?),
            };
        }
    };
    pump.linger(limits.watched())?;
    Ok(Finished { outcome, tail: pump.into_tail() })
}

/// Starts a run in a sandbox.
fn start<'s>(
    helper: Helper,
    permit: Permit,
    backend: &Backend,
    options: &Options<'_>,
    sink: &'s mut dyn FnMut(StreamName, &[u8]),
) -> Result<(Child, Pump<'s>), LaunchError> {
    let limit = options.timeout.map(|timeout| timeout.saturating_add(GRACE).saturating_add(GUARD_MARGIN));
    let launch = |streams, terminal| LaunchOptions { streams, terminal, restore: None, limit };
    let mut pump = Pump::new(sink);
    let child = match options.terminal {
        Some(size) => {
            let terminal = || Stream::Terminal;
            let streams = Streams { stdin: terminal(), stdout: terminal(), stderr: terminal() };
            let mut child = helper.launch(permit, backend, launch(streams, Some(size)))?;
            if let Some(master) = child.take_terminal() {
                attach_terminal(&mut pump, master, &options.input)?;
            }
            child
        }
        None => {
            let [stdin, stdout, stderr] = pipes(&mut pump, &options.input)?.map(Stream::To);
            helper.launch(permit, backend, launch(Streams { stdin, stdout, stderr }, None))?
        }
    };
    Ok((child, pump))
}

impl Running for Child {
    fn watched(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.control.as_fd(), self.lifeline.as_fd()]
    }

    fn has_ended(&mut self) -> Result<bool, LaunchError> {
        match self.next_event()? {
            Event::Ended | Event::Closed => Ok(true),
            // There is nobody who could continue it; the deadline will end it.
            Event::Stopped | Event::Nothing => Ok(false),
        }
    }

    fn ask_to_end(&mut self) {
        // One that has just ended cannot be asked; the next event says so. A stopped one could not act on it.
        drop(self.signal(libc::SIGTERM));
        drop(self.resume());
    }

    fn kill(self) {
        Self::kill(self);
    }

    fn finish(self) -> Result<Ended, LaunchError> {
        Self::finish(self)
    }
}

/// Makes the command's three streams, and gives our ends of them to `pump`.
fn pipes(pump: &mut Pump<'_>, input: &Input) -> Result<[OwnedFd; 3], LaunchError> {
    let failed = failed("make the pipes");
    let stdin = match input {
        Input::Nothing => rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed(error.into()))?,
        Input::Bytes(bytes) => {
            let (far, near) = pipe().map_err(&failed)?;
            pump.feed = Some(Feed::new(near, bytes.clone()).map_err(&failed)?);
            far
        }
    };
    let mut output = |name| -> io::Result<OwnedFd> {
        let (near, far) = pipe()?;
        pump.read_from(name, near)?;
        Ok(far)
    };
    let stdout = output(StreamName::Stdout).map_err(&failed)?;
    let stderr = output(StreamName::Stderr).map_err(&failed)?;
    Ok([stdin, stdout, stderr])
}

/// The reading and the writing end.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?)
}

/// Reads from a terminal's near side, and types on it.
fn attach_terminal(pump: &mut Pump<'_>, master: OwnedFd, input: &Input) -> Result<(), LaunchError> {
    let failed = failed("relay the terminal");
    if let Input::Bytes(bytes) = input {
        let keyboard = master.try_clone().map_err(&failed)?;
        pump.feed = Some(Feed::new(keyboard, bytes.clone()).map_err(&failed)?);
    }
    pump.read_from(StreamName::Terminal, master).map_err(&failed)
}
