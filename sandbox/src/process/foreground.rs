//! A run in the foreground of whoever called: signals passed on, a terminal relayed, a deadline kept.
//!
//! The caller's terminal never reaches the sandbox: a descriptor of it would let the command read the keys
//! of the next password prompt, and type commands into the shell. Where a standard stream is a terminal,
//! the command gets a pseudo-terminal of its own, and this module carries the bytes.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};

use super::terminal::{self, RawMode, Relay};
use super::{Child, Event, Helper, LaunchOptions, Stream, Streams, TerminalSize, failed, to_timespec};
use crate::backend::Backend;
use crate::error::LaunchError;
use crate::helper::Ended;
use crate::orphans;
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

/// How much longer than ours the guard's patience is.
const GUARD_MARGIN: Duration = Duration::from_secs(1);

/// Signals that ask us to end.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
/// Signals that are only passed on.
const PASSED_ON: [Signal; 2] = [Signal::SIGUSR1, Signal::SIGUSR2];
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
        let Self { console, helper } = self;
        let signals = Signals::listen().map_err(failed("listen for signals"))?;
        orphans::adopt(&[helper.guard_id()]).map_err(failed("become the subreaper"))?;
        let limit = timeout.map(|timeout| timeout.saturating_add(GRACE).saturating_add(GUARD_MARGIN));
        let mut child = helper.launch(permit, backend, console.launch_options(limit))?;
        let relay = match (child.take_terminal(), &console.screen) {
            (Some(master), Some(screen)) => {
                let relay = Relay::new(master, screen.as_fd(), console.interactive);
                Some(relay.map_err(failed("relay the terminal"))?)
            }
            (None | Some(_), _) => None,
        };
        let session = Session {
            child,
            signals,
            raw: console.enter_raw_mode().map_err(failed("set up the terminal"))?,
            console,
            relay,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            ending: None,
        };
        session.serve()
    }
}

/// Signals taken as events instead of interruptions, until dropped.
struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let mut mask = SigSet::empty();
        ENDING.into_iter().chain(PASSED_ON).chain(CONTROL).for_each(|signal| mask.add(signal));
        let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let descriptor = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { descriptor, before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // A mask that was in force before can be in force again. sigprocmask(2) fails for bad pointers only.
        self.before.thread_set_mask().ok();
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
    fn serve(mut self) -> Result<Outcome, LaunchError> {
        loop {
            match self.step()? {
                Step::GoOn => {}
                Step::Done => break,
                Step::GiveUp(outcome) => {
                    drop(self.raw);
                    self.child.kill();
                    return Ok(outcome);
                }
            }
        }
        let timed_out = matches!(self.ending, Some(Ending { because: Outcome::TimedOut, .. }))
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let ended = self.child.finish();
        if let Some(relay) = &mut self.relay {
            while relay.copy_output() {}
        }
        drop(self.raw);
        if timed_out { Ok(Outcome::TimedOut) } else { ended.map(Outcome::Ended) }
    }

    fn step(&mut self) -> Result<Step, LaunchError> {
        if let Some(step) = self.check_time() {
            return Ok(step);
        }
        let ready = self.poll()?;
        if ready.output
            && let Some(relay) = &mut self.relay
        {
            relay.copy_output();
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
                Event::Stopped if self.raw.is_some() => self.suspend()?,
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
            PollFd::new(&self.signals.descriptor, PollFlags::IN),
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
        while let Some(info) =
            self.signals.descriptor.read_signal().map_err(|error| LaunchError::Protocol(error.into()))?
        {
            let number = i32::try_from(info.ssi_signo).unwrap_or(libc::SIGTERM);
            let Ok(signal) = Signal::try_from(number) else { continue };
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

/// What a poll found.
struct Ready {
    child: bool,
    signal: bool,
    output: bool,
    room: bool,
    keys: bool,
}
