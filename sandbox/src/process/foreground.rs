//! A run in the foreground of whoever called: signals passed on, a terminal relayed, a deadline kept.
//!
//! The caller's terminal never reaches the sandbox: a descriptor of it would let the command read the keys
//! of the next password prompt, and type commands into the shell. Where a standard stream is a terminal,
//! the command gets a pseudo-terminal of its own, and this module carries the bytes.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags};

use super::captured::Finished;
use super::signals::{ENDING, PASSED_ON, Signals};
use super::tap::Taps;
use super::terminal::{self, RawMode, Relay};
use super::{Child, Event, Helper, LaunchOptions, Stream, Streams, TerminalSize, failed, to_timespec};
use crate::backend::Backend;
use crate::error::LaunchError;
use crate::helper::Ended;
use crate::permit::Permit;

/// How a run in the foreground ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The command ended.
    Ended(Ended),
    /// The deadline passed, and the command was ended.
    TimedOut,
    /// This signal told us to end, and the command did not by itself.
    Interrupted(i32),
}

/// How long a command has to end by itself after it was asked to.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long output is still passed on when the run was ended by force.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How much longer than ours the guard's patience is.
pub(super) const GUARD_MARGIN: Duration = Duration::from_secs(1);

/// Job control and the terminal's size.
const CONTROL: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGCONT, Signal::SIGWINCH];

/// A foreground run in preparation.
pub struct Foreground {
    console: Console,
    helper: Helper,
}

impl Foreground {
    /// Looks at the caller's streams and starts the guard, which gets ready while the caller plans.
    ///
    /// `keep` as in [`Helper::start`].
    ///
    /// # Errors
    /// [`LaunchError::Failed`].
    pub fn prepare(keep: Vec<RawFd>) -> Result<Self, LaunchError> {
        let console = Console::detect().map_err(failed("examine the terminal"))?;
        let helper = Helper::start(keep)?;
        Ok(Self { console, helper })
    }

    /// Runs what `permit` allows, with the caller's standard streams.
    ///
    /// Takes signals as events and adopts what the run leaves: meant for a program that does nothing else
    /// meanwhile. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed to the command, and end everything after [`GRACE`]
    /// or when they come again. `timeout` counts from the start of the program.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn run(
        self,
        permit: Permit,
        backend: &Backend,
        timeout: Option<Duration>,
    ) -> Result<Outcome, LaunchError> {
        self.start(permit, backend, timeout, None)?.serve().map(|(outcome, _)| outcome)
    }

    /// Like [`Foreground::run`], and keeps the end of the output for a diagnosis.
    ///
    /// A stream that leads to a terminal is seen on its way through the relay. Before one that leads to a pipe or a file
    /// a pipe is put, which the command can notice; what it wrote is passed on in order and in full, also when it has
    /// ended before its reader has read.
    ///
    /// # Errors
    /// As [`Foreground::run`]; [`LaunchError::Failed`] also when output could not be passed on (a full disk), except to
    /// a reader that has gone, which the command itself gets to know.
    pub fn observe(
        self,
        permit: Permit,
        backend: &Backend,
        timeout: Option<Duration>,
    ) -> Result<Finished, LaunchError> {
        let (taps, [stdout, stderr]) = Taps::insert().map_err(failed("watch the output"))?;
        let (outcome, taps) = self.start(permit, backend, timeout, Some((taps, stdout, stderr)))?.serve()?;
        let tail = taps.map_or_else(|| Ok(Vec::new()), Taps::into_tail);
        Ok(Finished { outcome, tail: tail.map_err(failed("pass the output on"))? })
    }

    fn start(
        self,
        permit: Permit,
        backend: &Backend,
        timeout: Option<Duration>,
        observed: Option<(Taps, Option<OwnedFd>, Option<OwnedFd>)>,
    ) -> Result<Session, LaunchError> {
        let Self { console, mut helper } = self;
        let signals = Signals::listen(&CONTROL).map_err(failed("listen for signals"))?;
        helper.adopt_orphans().map_err(failed("become the subreaper"))?;
        let limit = timeout.map(|timeout| timeout.saturating_add(GRACE).saturating_add(GUARD_MARGIN));
        let mut options = console.launch_options(limit);
        let taps = observed.map(|(taps, stdout, stderr)| {
            if let Some(stdout) = stdout {
                options.streams.stdout = Stream::To(stdout);
            }
            if let Some(stderr) = stderr {
                options.streams.stderr = Stream::To(stderr);
            }
            taps
        });
        let mut child = helper.launch(permit, backend, options)?;
        let relay = match (child.take_terminal(), &console.screen) {
            (Some(master), Some(screen)) => {
                let relay = Relay::new(master, screen.as_fd(), console.interactive);
                Some(relay.map_err(failed("relay the terminal"))?)
            }
            (None | Some(_), _) => None,
        };
        Ok(Session {
            child,
            signals,
            raw: console.enter_raw_mode().map_err(failed("set up the terminal"))?,
            console,
            relay,
            taps,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            ending: None,
        })
    }
}

/// Which of our standard streams are terminals.
struct Console {
    terminals: [bool; 3],
    /// Keys come from a person at standard input.
    interactive: bool,
    /// The terminal to write to.
    screen: Option<OwnedFd>,
}

impl Console {
    fn detect() -> io::Result<Self> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let terminals = [stdin.is_terminal(), stdout.is_terminal(), stderr.is_terminal()];
        let candidates = [stdout.as_fd(), stderr.as_fd(), stdin.as_fd()];
        let screen = candidates.into_iter().find(|stream| stream.is_terminal());
        let screen = screen.map(|stream| stream.try_clone_to_owned()).transpose()?;
        Ok(Self { terminals, interactive: stdin.is_terminal(), screen })
    }

    fn streams(&self) -> Streams {
        let [stdin, stdout, stderr] =
            self.terminals.map(|terminal| if terminal { Stream::Terminal } else { Stream::Inherited });
        Streams { stdin, stdout, stderr }
    }

    fn launch_options(&self, limit: Option<Duration>) -> LaunchOptions {
        let terminal = self.screen.as_ref().map(|screen| {
            let size = terminal::size(screen.as_fd());
            TerminalSize {
                rows: size.map_or(24, |size| size.ws_row),
                columns: size.map_or(80, |size| size.ws_col),
                interactive: self.interactive,
            }
        });
        let restore = self.interactive.then(|| io::stdin().as_fd().try_clone_to_owned().ok()).flatten();
        LaunchOptions { streams: self.streams(), terminal, restore, limit }
    }

    fn enter_raw_mode(&self) -> io::Result<Option<RawMode>> {
        if self.interactive { RawMode::enter(io::stdin().as_fd()) } else { Ok(None) }
    }
}

/// A run being served.
struct Session {
    child: Child,
    signals: Signals,
    console: Console,
    relay: Option<Relay>,
    /// Of an observed run.
    taps: Option<Taps>,
    raw: Option<RawMode>,
    deadline: Option<Instant>,
    ending: Option<Ending>,
}

/// The command was asked to end.
#[derive(Clone, Copy)]
struct Ending {
    because: Outcome,
    until: Instant,
}

/// Whether to go on.
enum Step {
    GoOn,
    Done,
    GiveUp(Outcome),
}

impl Session {
    fn serve(mut self) -> Result<(Outcome, Option<Taps>), LaunchError> {
        loop {
            match self.step()? {
                Step::GoOn => {}
                Step::Done => break,
                Step::GiveUp(outcome) => {
                    drop(self.raw);
                    self.child.kill();
                    // Whoever asks again to end does not want to wait for a reader.
                    let now = Some(Instant::now() + LAST_WORDS);
                    drain(&mut self.taps, now, &self.signals);
                    return Ok((outcome, self.taps));
                }
            }
        }
        let timed_out = matches!(self.ending, Some(Ending { because: Outcome::TimedOut, .. }))
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let ended = self.child.finish();
        if let Some(relay) = &mut self.relay {
            while relay.copy_output(self.taps.as_mut().map(|taps| &mut taps.tail)) {}
        }
        let limit = self.deadline.map(|deadline| deadline.max(Instant::now() + GRACE));
        drain(&mut self.taps, limit, &self.signals);
        drop(self.raw);
        let outcome = if timed_out { Outcome::TimedOut } else { ended.map(Outcome::Ended)? };
        Ok((outcome, self.taps))
    }

    fn step(&mut self) -> Result<Step, LaunchError> {
        if let Some(step) = self.check_time() {
            return Ok(step);
        }
        let ready = self.poll()?;
        if let Some(taps) = &mut self.taps {
            taps.serve(ready.taps);
        }
        if ready.output
            && let Some(relay) = &mut self.relay
        {
            relay.copy_output(self.taps.as_mut().map(|taps| &mut taps.tail));
        }
        if ready.room
            && let Some(relay) = &mut self.relay
        {
            relay.write_keys();
        }
        if ready.keys
            && let Some(relay) = &mut self.relay
        {
            relay.read_keys(io::stdin().as_fd());
        }
        if ready.signal
            && let Some(step) = self.take_signals()?
        {
            return Ok(step);
        }
        if ready.child {
            match self.child.next_event()? {
                Event::Ended | Event::Closed => return Ok(Step::Done),
                // Only a person at a terminal can continue it again.
                Event::Stopped if self.raw.is_some() => {
                    stop_neighbours();
                    self.suspend()?;
                }
                Event::Stopped => {}
                Event::Nothing => {}
            }
        }
        Ok(Step::GoOn)
    }

    fn poll(&self) -> Result<Ready, LaunchError> {
        let stdin = io::stdin();
        let nothing = PollFlags::empty();
        let when = |wanted: bool, flags| if wanted { flags } else { nothing };
        let mut polled = vec![
            PollFd::new(&self.child.control, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.child.lifeline, PollFlags::IN),
        ];
        // A descriptor without wanted events would still report a hang-up and make the loop spin.
        let mut master = None;
        let mut keyboard = None;
        if let Some(relay) = &self.relay {
            let wanted =
                when(relay.wants_output(), PollFlags::IN) | when(relay.has_pending(), PollFlags::OUT);
            if !wanted.is_empty() {
                master = Some(polled.len());
                polled.push(PollFd::from_borrowed_fd(relay.master(), wanted));
            }
            if relay.wants_keys() && self.raw.is_some() {
                keyboard = Some(polled.len());
                polled.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
            }
        }
        let tapped = polled.len();
        if let Some(taps) = &self.taps {
            taps.watch(&mut polled);
        }
        let limit = self.next_deadline().map(|at| to_timespec(at.saturating_duration_since(Instant::now())));
        match rustix::event::poll(&mut polled, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(LaunchError::Protocol(error.into())),
        }
        let events =
            |index: Option<usize>| index.and_then(|index| polled.get(index)).map_or(nothing, PollFd::revents);
        let from_master = events(master);
        Ok(Ready {
            child: !events(Some(0)).is_empty() || !events(Some(2)).is_empty(),
            signal: !events(Some(1)).is_empty(),
            output: from_master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            room: from_master.contains(PollFlags::OUT),
            keys: !events(keyboard).is_empty(),
            taps: polled.iter().skip(tapped).map(PollFd::revents).collect(),
        })
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self.ending {
            Some(ending) => Some(ending.until),
            None => self.deadline,
        }
    }

    fn check_time(&mut self) -> Option<Step> {
        if self.next_deadline().is_none_or(|at| Instant::now() < at) {
            return None;
        }
        match self.ending {
            Some(ending) => Some(Step::GiveUp(ending.because)),
            None => {
                self.ask_to_end(Signal::SIGTERM, Outcome::TimedOut);
                None
            }
        }
    }

    fn ask_to_end(&mut self, signal: Signal, because: Outcome) {
        // One that has just ended cannot be asked; the next event says so.
        drop(self.child.signal(signal as i32));
        // A stopped command could not act on it.
        drop(self.child.resume());
        self.ending = Some(Ending { because, until: Instant::now() + GRACE });
    }

    fn take_signals(&mut self) -> Result<Option<Step>, LaunchError> {
        while let Some(arrived) = self.signals.next().map_err(LaunchError::Protocol)? {
            let signal = arrived.signal;
            let number = signal as i32;
            if ENDING.contains(&signal) {
                let because = Outcome::Interrupted(number);
                if self.ending.is_some() {
                    return Ok(Some(Step::GiveUp(because)));
                }
                self.ask_to_end(signal, because);
            } else if PASSED_ON.contains(&signal) {
                drop(self.child.signal(number)); // as above
            } else if signal == Signal::SIGWINCH {
                self.resize();
            } else if signal == Signal::SIGTSTP {
                drop(self.child.signal(libc::SIGSTOP)); // as above
                self.suspend()?;
            } else if signal == Signal::SIGCONT {
                self.resume()?;
            }
        }
        Ok(None)
    }

    fn resize(&self) {
        if let (Some(relay), Some(screen)) = (&self.relay, &self.console.screen)
            && let Some(size) = terminal::size(screen.as_fd())
        {
            relay.resize(size);
        }
    }

    /// Stops ourselves like the command, so that the caller's shell takes over; continues with it.
    fn suspend(&mut self) -> Result<(), LaunchError> {
        self.raw = None;
        nix::sys::signal::raise(Signal::SIGSTOP)
            .map_err(|error| LaunchError::Failed { doing: "stop with the command", source: error.into() })?;
        self.resume()
    }

    fn resume(&mut self) -> Result<(), LaunchError> {
        if self.raw.is_none() {
            self.raw = self
                .console
                .enter_raw_mode()
                .map_err(|source| LaunchError::Failed { doing: "set up the terminal", source })?;
        }
        self.resize();
        drop(self.child.resume()); // one that has ended needs none
        Ok(())
    }
}

/// Stops the rest of the caller's job, such as the other end of a pipe, as the key would have without raw mode: a shell
/// waits until all of a job has stopped. Our own copy of the signal waits, and SIGCONT discards it. signal(7).
fn stop_neighbours() {
    // There is a group, and we may signal ourselves.
    rustix::process::kill_current_process_group(rustix::process::Signal::TSTP).ok();
}

/// Passes on what is left of the output; a signal that asks to end stops that.
fn drain(taps: &mut Option<Taps>, limit: Option<Instant>, signals: &Signals) {
    if let Some(taps) = taps {
        taps.drain(limit, signals.as_fd(), &mut || signals.ask_to_end());
    }
}

/// What a poll found.
struct Ready {
    child: bool,
    signal: bool,
    output: bool,
    room: bool,
    keys: bool,
    /// Of an observed run.
    taps: Vec<PollFlags>,
}
