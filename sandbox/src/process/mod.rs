//! From a permit to a running command.

pub mod captured;
pub mod foreground;
mod signals;
mod spawned;
mod tail;
mod tap;
mod terminal;
pub mod unconfined;
mod unconfined_observed;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::Command;
use std::time::{Duration, Instant};

use policies::AbsolutePath;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::Pid;

use crate::backend::{Backend, Mechanism};
use crate::error::LaunchError;
use crate::helper::spec::{CommandSpec, MountSpec, Outer, Spec, StreamSpec, TerminalSpec, User, ViewSpec};
use crate::helper::wire::{Channel, Ended, Instruction, Order, Received, Report, SetupFailure};
use crate::helper::{self, GUARD};
use crate::orphans;
use crate::paths::Identity;
use crate::permit::Permit;
use crate::placeholder::{self, Held, Place, Placeholder};
use crate::plan::{Confinement, View};
use crate::sys;

/// Where the command's standard streams lead.
#[derive(Debug)]
pub struct Streams {
    /// Descriptor 0.
    pub stdin: Stream,
    /// Descriptor 1.
    pub stdout: Stream,
    /// Descriptor 2.
    pub stderr: Stream,
}

impl Streams {
    /// All where the caller's lead, as they are.
    ///
    /// Not for a terminal: the command would hold the caller's. See [`foreground`].
    #[must_use]
    pub fn inherited() -> Self {
        Self { stdin: Stream::Inherited, stdout: Stream::Inherited, stderr: Stream::Inherited }
    }
}

/// Where one standard stream leads.
#[derive(Debug)]
pub enum Stream {
    /// Where the caller's leads.
    Inherited,
    /// To a terminal made inside the sandbox; see [`Child::take_terminal`].
    Terminal,
    /// To this descriptor: a pipe, a file.
    To(OwnedFd),
}

/// The terminal for streams that ask for one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Whether keys come from a person; otherwise the terminal only carries output, untranslated.
    pub interactive: bool,
}

/// What belongs to a launch besides the permit.
#[derive(Debug)]
pub struct LaunchOptions {
    /// The standard streams.
    pub streams: Streams,
    /// The terminal, when a stream asks for one.
    pub terminal: Option<TerminalSize>,
    /// The caller's terminal, so that its modes are restored if the caller is killed.
    pub restore: Option<OwnedFd>,
    /// When the guard ends the run by itself, should the caller not have done so: a caller that job
    /// control has stopped keeps no deadlines.
    pub limit: Option<Duration>,
}

/// A guard that waits for instructions.
///
/// Its start takes about as long as making a plan, so callers start it first and plan meanwhile. Dropping
/// it ends the guard.
#[derive(Debug)]
pub struct Helper {
    lifeline: Channel,
    guard: Guard,
    keep: Vec<RawFd>,
    adopts: bool,
}

/// The guard's process, reaped when dropped: whoever holds it has closed the lifeline before, which ends it.
#[derive(Debug)]
struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // A second wait for the same process gives the first one's answer.
        drop(self.0.wait());
    }
}

/// A running sandbox.
///
/// Dropping it ends the run, and everything that the command started: the guard sees the connection
/// close.
#[derive(Debug)]
pub struct Child {
    control: Channel,
    lifeline: Channel,
    guard: Guard,
    /// Whether what the run leaves becomes our child, and all our children that are not from before are the run's.
    adopts: bool,
    placeholders: Vec<Placeholder>,
    terminal: Option<OwnedFd>,
    init: Option<OwnedFd>,
    ended: Option<Ended>,
    /// What the guard had to say before it ended.
    last_words: Option<SetupFailure>,
    reaped: bool,
}

/// How long to wait, after the guard was killed, for the sandbox to follow it.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// How long a sandbox may take to start: far more than any does, unless a file system it needs is dead.
const START_LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn to_timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> LaunchError {
    move |source| LaunchError::Failed { doing, source }
}

impl Helper {
    /// Starts a guard: this binary again, by descriptor, with an empty environment.
    ///
    /// `keep` are descriptors that the command will have under the same numbers; all others are closed.
    ///
    /// # Errors
    /// [`LaunchError::Failed`].
    #[expect(clippy::disallowed_methods, reason = "a launcher")]
    pub fn start(keep: Vec<RawFd>) -> Result<Self, LaunchError> {
        for number in &keep {
            let shown = sys::borrow_open(*number).map_err(failed("examine a descriptor to keep"))?;
            refuse_ways_out([(shown, *number)])?;
        }
        let (lifeline, guard_lifeline) = Channel::pair().map_err(failed("connect to the sandbox"))?;
        let executable = helper::own_executable().map_err(failed("open the launcher's own executable"))?;
        let mut command = Command::new(format!("/proc/self/fd/{}", executable.as_raw_fd()));
        command.env_clear().arg(GUARD).stdin(guard_lifeline.into_descriptor());
        if !keep.is_empty() {
            sys::keep_across_exec(&mut command, keep.clone());
        }
        let guard = command.spawn().map_err(failed("start the sandbox's guard"))?;
        Ok(Self { lifeline, guard: Guard(guard), keep, adopts: false })
    }

    /// Makes this process the one to which what the run leaves is orphaned, should the guard be killed: for a program
    /// that does nothing else meanwhile.
    ///
    /// # Errors
    /// As prctl(2).
    fn adopt_orphans(&mut self) -> io::Result<()> {
        orphans::adopt(&[Pid::from_child(&self.guard.0)])?;
        self.adopts = true;
        Ok(())
    }

    /// Starts the run that `permit` allows, and returns when its program executes.
    ///
    /// # Errors
    /// [`LaunchError`]; then nothing runs and nothing is left behind.
    pub fn launch(
        self,
        permit: Permit,
        backend: &Backend,
        options: LaunchOptions,
    ) -> Result<Child, LaunchError> {
        let (control, inner_control) = Channel::pair().map_err(failed("connect to the sandbox"))?;
        let mut child = Child {
            control,
            lifeline: self.lifeline,
            guard: self.guard,
            adopts: self.adopts,
            placeholders: Vec::new(),
            terminal: None,
            init: None,
            ended: None,
            last_words: None,
            reaped: false,
        };
        let streams = &options.streams;
        let Permit { plan, program, argv } = permit;
        let Confinement::Confined(view) = plan.confinement else {
            return Err(LaunchError::Unconfined);
        };
        let outer = match &backend.mechanism {
            Mechanism::Bwrap(path) => Outer::Bwrap(path.clone().into_os_string()),
            Mechanism::Namespaces => Outer::Namespaces(User::current()),
            Mechanism::Unconfined => return Err(LaunchError::Unconfined),
        };
        let held = child.hold_names(&view)?;
        let cwd =
            plan.cwd.identity.map(|identity| (plan.cwd.logical.into_path_buf().into_os_string(), identity));
        let spec = Spec {
            outer,
            view: describe_view(&view, backend, &held),
            command: CommandSpec {
                program: program.path().as_path().as_os_str().to_owned(),
                version: program.required_version(),
                argv,
                environment: plan.environment.into_iter().collect(),
                cwd,
                filter: view.filter(),
                streams: [&streams.stdin, &streams.stdout, &streams.stderr].map(to_spec),
                terminal: options.terminal.map(|terminal| TerminalSpec {
                    rows: terminal.rows,
                    columns: terminal.columns,
                    interactive: terminal.interactive,
                }),
            },
            keep: self.keep,
        };
        let spec_file = spec.to_sealed_file().map_err(failed("describe the launch"))?;
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed("open `/dev/null`")(error.into()))?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let mut descriptors = vec![
            spec_file.as_fd(),
            inner_control.as_fd(),
            streams.stdin.descriptor(stdin.as_fd(), &null),
            streams.stdout.descriptor(stdout.as_fd(), &null),
            streams.stderr.descriptor(stderr.as_fd(), &null),
        ];
        descriptors.extend(options.restore.as_ref().map(AsFd::as_fd));
        refuse_ways_out(descriptors.iter().skip(2).take(3).copied().zip(0..))?;
        let launch = Instruction::Launch { terminal: options.restore.is_some(), limit: options.limit };
        child.lifeline.send_with(&launch, &descriptors).map_err(failed("instruct the sandbox's guard"))?;
        drop(inner_control);
        match child.await_start() {
            Ok(()) => Ok(child),
            Err(error) if error.is_about_the_version() => {
                Err(LaunchError::ProgramChanged { path: program.path().clone() })
            }
            Err(error) => Err(error),
        }
    }
}

/// Refuses descriptors that lead past the view: from an open directory (or a path handle) every file below
/// and above it can be opened by relative names, through the host's own mounts.
fn refuse_ways_out<'a>(
    descriptors: impl IntoIterator<Item = (BorrowedFd<'a>, RawFd)>,
) -> Result<(), LaunchError> {
    for (descriptor, number) in descriptors {
        let examine = |error: rustix::io::Errno| failed("examine a descriptor")(error.into());
        let kind = FileType::from_raw_mode(rustix::fs::fstat(descriptor).map_err(examine)?.st_mode);
        let is_handle = rustix::fs::fcntl_getfl(descriptor).map_err(examine)?.contains(OFlags::PATH);
        if kind == FileType::Directory || is_handle {
            return Err(LaunchError::WayOut { number });
        }
    }
    Ok(())
}

/// A missing name and what holds it: `None` where nobody can create it.
type HeldName = (AbsolutePath, Option<Identity>);

fn describe_view(view: &View, backend: &Backend, held: &[HeldName]) -> ViewSpec {
    let mounts = view.steps.iter().filter_map(|step| {
        let identity = match held.iter().find(|(path, _)| *path == step.path) {
            Some((_, None)) => return None, // nothing there, and nobody can put anything there
            Some((_, identity)) => *identity,
            None => step.identity,
        };
        let path = step.path.as_path().as_os_str().to_owned();
        Some(MountSpec { path, action: step.action, kind: step.kind, identity })
    });
    ViewSpec {
        root: view.root,
        mounts: mounts.collect(),
        symlinks: view
            .symlinks
            .iter()
            .map(|link| (link.path.as_path().as_os_str().to_owned(), link.target.clone().into_os_string()))
            .collect(),
        proc: backend.proc,
        host_mounts: backend.host_mounts.clone(),
        network: view.network,
    }
}

fn to_spec(stream: &Stream) -> StreamSpec {
    match stream {
        Stream::Inherited | Stream::To(_) => StreamSpec::Inherited,
        Stream::Terminal => StreamSpec::Terminal,
    }
}

impl Stream {
    /// What the guard gets for this stream. It never sees the caller's terminal: the inner stage puts the
    /// sandbox's own in place of `null`.
    fn descriptor<'a>(&'a self, ours: BorrowedFd<'a>, null: &'a OwnedFd) -> BorrowedFd<'a> {
        match self {
            Self::Inherited => ours,
            Self::Terminal => null.as_fd(),
            Self::To(descriptor) => descriptor.as_fd(),
        }
    }
}

impl Child {
    /// Holds every missing name of the plan. The guard is told before and after each, so that what is made
    /// goes when we go, at whatever moment that is.
    fn hold_names(&mut self, view: &View) -> Result<Vec<HeldName>, LaunchError> {
        let mut held = Vec::new();
        for path in &view.placeholders {
            let failed = |source| LaunchError::Placeholder { path: path.clone(), source };
            let place = Place::open(path).map_err(failed)?;
            let intend = Instruction::Intend { name: place.name().to_owned(), missing: place.is_missing() };
            self.lifeline.send_with(&intend, &[place.parent()]).map_err(failed)?;
            match placeholder::hold(place).map_err(failed)? {
                Held::By(placeholder, identity) => {
                    let hold = Instruction::Hold { made_here: placeholder.is_made_here() };
                    let told = self.lifeline.send_with(&hold, &[placeholder.handle()]);
                    self.placeholders.push(placeholder);
                    told.map_err(failed)?;
                    held.push((path.clone(), Some(identity)));
                }
                Held::Uncreatable => held.push((path.clone(), None)),
                Held::Foreign => {}
            }
        }
        Ok(held)
    }

    /// Waits until the program executes, or takes the reason why it does not.
    fn await_start(&mut self) -> Result<(), LaunchError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LaunchError::Slow { limit: START_LIMIT });
            }
            if !self.wait_readable(Some(&to_timespec(left)))? {
                continue;
            }
            match self.control.receive().map_err(LaunchError::Protocol)? {
                Received::Message(Report::Started, init) => {
                    self.init = init.into_iter().next();
                    return Ok(());
                }
                Received::Message(Report::Terminal, master) => self.terminal = master.into_iter().next(),
                Received::Message(Report::Failed(failure), _) => return Err(self.failed(failure)),
                Received::Nothing if self.guard_is_gone() => return Err(self.lost()),
                Received::Message(Report::Stopped(_) | Report::Ended(_), _) | Received::Nothing => {}
                Received::Closed => return Err(self.lost()),
            }
        }
    }

    /// The master side of the command's terminal, if there is one. At most once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Sends a signal to the command's process group.
    ///
    /// # Errors
    /// `EPIPE` when the run has ended.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        self.control.send(&Order::Signal(number))
    }

    /// Continues a command that job control stopped.
    ///
    /// # Errors
    /// `EPIPE` when the run has ended.
    pub fn resume(&self) -> io::Result<()> {
        self.control.send(&Order::Continue)
    }

    /// Waits for the command's end and for everything that it started to be gone.
    ///
    /// # Errors
    /// [`LaunchError::Lost`] when the sandbox was killed from outside.
    pub fn wait(mut self) -> Result<Ended, LaunchError> {
        while self.ended.is_none() {
            self.wait_readable(None)?;
            if let Event::Closed = self.next_event()? {
                break;
            }
        }
        self.finish()
    }

    /// What the sandbox has to say, without waiting.
    pub(crate) fn next_event(&mut self) -> Result<Event, LaunchError> {
        match self.control.receive().map_err(LaunchError::Protocol)? {
            Received::Message(Report::Ended(ended), _) => {
                self.ended = Some(ended);
                Ok(Event::Ended)
            }
            Received::Message(Report::Stopped(_), _) => Ok(Event::Stopped),
            Received::Message(Report::Started | Report::Terminal | Report::Failed(_), _) => {
                Ok(Event::Nothing)
            }
            // Nobody would end the run, or clean up after it, should we be killed.
            Received::Nothing if self.guard_is_gone() => Ok(Event::Closed),
            Received::Nothing => Ok(Event::Nothing),
            Received::Closed => Ok(Event::Closed),
        }
    }

    /// Waits until the guard is gone, and with it the whole run.
    pub(crate) fn finish(mut self) -> Result<Ended, LaunchError> {
        match self.ended.take() {
            Some(ended) => {
                self.reap();
                Ok(ended)
            }
            None => Err(self.lost()),
        }
    }

    /// Ends the run at once.
    pub(crate) fn kill(mut self) {
        self.hang_up();
        self.reap();
    }

    /// Hangs up: the guard and the sandbox's init both take that as the order to end everything.
    /// shutdown(2), which needs no new descriptor and hence cannot fail for want of one.
    fn hang_up(&self) {
        self.control.hang_up();
        self.lifeline.hang_up();
    }

    /// The guard's own report, where there is one, says why the sandbox did not start.
    fn lost(&mut self) -> LaunchError {
        // The control channel may have closed first; that alone makes the guard end, unless it is hung up on.
        let report = self.guards_last_words();
        self.hang_up();
        self.reap();
        match report {
            Some(failure) => LaunchError::Setup(failure.into()),
            None => LaunchError::Lost,
        }
    }

    fn failed(&mut self, failure: SetupFailure) -> LaunchError {
        self.hang_up();
        self.reap();
        LaunchError::Setup(failure.into())
    }

    /// Whether the guard has ended, without waiting.
    fn guard_is_gone(&mut self) -> bool {
        match self.lifeline.receive() {
            Ok(Received::Message(Report::Failed(failure), _)) => {
                self.last_words = Some(failure);
                true
            }
            Ok(Received::Message(..) | Received::Nothing) => false,
            Ok(Received::Closed) | Err(_) => true,
        }
    }

    /// Waits for what the guard has to say; it is about to end.
    fn guards_last_words(&mut self) -> Option<SetupFailure> {
        while self.last_words.is_none() && !self.guard_is_gone() {
            let mut polled = [PollFd::new(&self.lifeline, PollFlags::IN)];
            rustix::event::poll(&mut polled, None).ok();
        }
        self.last_words.take()
    }

    /// Waits for the guard; if it was killed, waits for the sandbox to follow and does its cleaning.
    fn reap(&mut self) {
        let status = self.guard.0.wait();
        let clean = status.as_ref().is_ok_and(|status| status.code().is_some());
        // Then it has released what it was told of, and that was all.
        let done = status.is_ok_and(|status| status.success());
        if !clean && self.adopts {
            orphans::end();
        }
        if !clean && let Some(init) = self.init.take() {
            let mut polled = [PollFd::new(&init, PollFlags::IN)];
            let limit = to_timespec(LAST_BREATH);
            rustix::event::poll(&mut polled, Some(&limit)).ok();
        }
        if !done {
            self.placeholders.iter().for_each(Placeholder::release);
        }
        self.placeholders.clear();
        self.reaped = true;
    }

    /// Whether the sandbox or the guard has something; false when `limit` passed or a signal came.
    fn wait_readable(&self, limit: Option<&Timespec>) -> Result<bool, LaunchError> {
        let mut polled =
            [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.lifeline, PollFlags::IN)];
        match rustix::event::poll(&mut polled, limit) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(LaunchError::Protocol(error.into())),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.hang_up();
            self.reap();
        }
    }
}

/// What the sandbox said.
pub(crate) enum Event {
    Ended,
    Stopped,
    Nothing,
    Closed,
}
