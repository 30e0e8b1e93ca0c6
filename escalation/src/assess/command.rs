//! An assessor that is a program: a question on its standard input, an opinion on its standard output.
//!
//! INVARIANT (nothing stays): the program leads a session and group of its own, which is killed and whose leader is
//! reaped before the thread that serves it ends: when it has answered, when it fails, when its time is up, and when
//! nobody waits for it any more.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use policies::AbsolutePath;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::sync::oneshot;

use super::program::{AssessorError, Bound};
use super::request::Request;
use super::{ASSESSMENT_LIMIT, AssessError, Assessment, RiskAssessor, malformed};
use crate::approver::BoxFuture;
use crate::ask::Ask;
use crate::exec::ProgramFiles;

/// The longest answer.
const MAX_OUTPUT: usize = 64 * 1024;
/// The most programs that run at once.
const MAX_RUNNING: usize = 8;
/// What the program gets of our environment, besides the folders of `PATH` that are nobody else's.
const VARIABLES: [&str; 2] = ["HOME", "LANG"];
/// Bytes moved at a time.
const CHUNK: usize = 16 * 1024;

/// A program with an opinion.
///
/// It runs outside every sandbox, with the rights of this process, in a session of its own without a terminal,
/// in `/`, with
/// nothing of our environment but `PATH`, `HOME` and `LANG`. It gets one JSON object on its standard input and prints
/// one; `docs/assessor.md` describes both. What it writes to its standard error is dropped.
#[derive(Clone)]
pub struct CommandAssessor {
    program: AbsolutePath,
    bound: Arc<Bound>,
    arguments: Vec<String>,
    limit: Duration,
    running: Arc<AtomicUsize>,
}

impl CommandAssessor {
    /// The program and its arguments. `places` knows where sandboxed commands may write: what lies there is refused,
    /// and so is each start after the program has changed.
    ///
    /// # Errors
    /// [`AssessorError`].
    pub fn new(
        program: AbsolutePath,
        arguments: Vec<String>,
        places: &ProgramFiles,
    ) -> Result<Self, AssessorError> {
        let bound = Arc::new(Bound::to(&program, places)?);
        Ok(Self { program, bound, arguments, limit: ASSESSMENT_LIMIT, running: Arc::default() })
    }

    /// With another limit than [`ASSESSMENT_LIMIT`], which is still the most that anybody waits.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit: limit.min(ASSESSMENT_LIMIT), ..self }
    }

    fn start(&self, ask: &Ask) -> Result<Waiting, AssessError> {
        let slot = Slot::take(&self.running).ok_or_else(|| {
            let why = format!("{MAX_RUNNING} of them are running already");
            AssessError::Failed { why }
        })?;
        let mut question =
            serde_json::to_vec(&Request::of(ask)).map_err(|error| failed("write the question", &error))?;
        question.push(b'\n');
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| failed("make an event descriptor", &error))?;
        let bell = Arc::new(bell);
        let (reply, answer) = oneshot::channel();
        let (assessor, rung) = (self.clone(), Arc::clone(&bell));
        let thread = thread::Builder::new().name("risk-assessor".to_owned());
        thread
            .spawn(move || {
                // Signals stay with the threads that take them. It cannot fail for a set of the C library.
                SigSet::all().thread_block().ok();
                let outcome = assessor.run(&question, &rung);
                drop(slot);
                // Nobody may be waiting any more.
                reply.send(outcome).ok();
            })
            .map_err(|error| failed("start a thread", &error))?;
        Ok(Waiting { answer, bell })
    }

    fn run(&self, question: &[u8], bell: &OwnedFd) -> Result<Assessment, AssessError> {
        if let Some(path) = self.bound.changed() {
            let why = format!("`{}` changed after this program started", policies::escape(path));
            return Err(AssessError::Failed { why });
        }
        let deadline = Instant::now().checked_add(self.limit);
        let mut running = Running::start(self, deadline)?;
        let answer = running.converse(question, bell);
        let status = running.end().map_err(|error| failed("wait for the program", &error))?;
        let answer = answer?;
        if !status.success() {
            return Err(AssessError::Failed { why: format!("the program ended with {status}") });
        }
        Assessment::parse(&answer)
    }

    #[expect(clippy::disallowed_methods, reason = "the operator's own program, not a command of the agent")]
    fn command(&self) -> Command {
        let mut command = Command::new(self.bound.file().unwrap_or_else(|| self.program.as_path()));
        command.arg0(self.program.as_path()).args(&self.arguments).env_clear().current_dir("/");
        for name in VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some(search) = self.bound.search() {
            command.env("PATH", search);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        sandbox::lead_own_session(&mut command);
        command
    }
}

impl fmt::Debug for CommandAssessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandAssessor").field("program", &self.program).finish_non_exhaustive()
    }
}

impl RiskAssessor for CommandAssessor {
    fn assess<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Assessment, AssessError>> {
        Box::pin(async move {
            let mut waiting = self.start(ask)?;
            let gone = |_| AssessError::Failed { why: "the thread that served it is gone".to_owned() };
            (&mut waiting.answer).await.map_err(gone)?
        })
    }
}

fn failed(action: &str, error: &dyn fmt::Display) -> AssessError {
    let error = execpolicy::display::visible_up_to(&error.to_string(), 200);
    AssessError::Failed { why: format!("cannot {action}: {error}") }
}

/// The right to run one program.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |count: usize| (count < MAX_RUNNING).then(|| count.saturating_add(1));
        running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(running)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Somebody who waits for an opinion. Dropping it ends the program.
struct Waiting {
    answer: oneshot::Receiver<Result<Assessment, AssessError>>,
    bell: Arc<OwnedFd>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It fails when the counter is full: then it has been rung.
        rustix::io::write(&*self.bell, &1_u64.to_ne_bytes()).ok();
    }
}

/// A running program.
struct Running {
    child: Child,
    ended: OwnedFd,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    output: Vec<u8>,
    deadline: Option<Instant>,
}

impl Running {
    fn start(assessor: &CommandAssessor, deadline: Option<Instant>) -> Result<Self, AssessError> {
        let mut child = assessor
            .command()
            .spawn()
            .map_err(|error| failed(&format!("run `{}`", assessor.program), &error))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        match watch(&child, stdin.as_ref(), stdout.as_ref()) {
            Ok(ended) => Ok(Self { child, ended, stdin, stdout, output: Vec::new(), deadline }),
            Err(error) => {
                end(&mut child).ok();
                Err(failed("watch the program", &error))
            }
        }
    }

    /// Passes the question and collects the answer, until the program has ended.
    fn converse(&mut self, question: &[u8], bell: &OwnedFd) -> Result<Vec<u8>, AssessError> {
        let mut question = question;
        loop {
            let has_ended = self.wait(!question.is_empty(), bell)?;
            self.write(&mut question);
            // What it wrote before it ended is there; what is still open then is held by somebody else.
            self.read()?;
            if has_ended {
                return Ok(std::mem::take(&mut self.output));
            }
        }
    }

    /// Waits for something to do; true once the program has ended.
    fn wait(&self, has_question: bool, bell: &OwnedFd) -> Result<bool, AssessError> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.filter(|left| !left.is_zero()).ok_or(AssessError::TimedOut)?;
        let mut events = vec![PollFd::new(bell, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
        events.extend(self.stdout.as_ref().map(|stdout| PollFd::new(stdout, PollFlags::IN)));
        let stdin = self.stdin.as_ref().filter(|_| has_question);
        events.extend(stdin.map(|stdin| PollFd::new(stdin, PollFlags::OUT)));
        let limit = Timespec::try_from(left).map_err(|error| failed("wait for the program", &error))?;
        match rustix::event::poll(&mut events, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("wait for the program", &error)),
        }
        let mut happened = events.iter().map(|event| !event.revents().is_empty());
        let (rung, ended) = (happened.next(), happened.next());
        match rung {
            Some(true) => Err(AssessError::Failed { why: "nobody waits for it any more".to_owned() }),
            Some(false) | None => Ok(ended == Some(true)),
        }
    }

    /// Passes on what the program takes now. One that takes nothing, or closes its input, may still answer.
    fn write(&mut self, question: &mut &[u8]) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(question) {
            Ok(count) => *question = question.get(count..).unwrap_or_default(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => *question = &[],
        }
        if question.is_empty() {
            self.stdin = None;
        }
    }

    /// Takes all that is there.
    fn read(&mut self) -> Result<(), AssessError> {
        let mut chunk = [0; CHUNK];
        while let Some(stdout) = &mut self.stdout {
            match stdout.read(&mut chunk) {
                Ok(0) => self.stdout = None,
                Ok(count) => self.output.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(failed("read the answer", &error)),
            }
            if self.output.len() > MAX_OUTPUT {
                return Err(malformed(format!("it is longer than {} KiB", MAX_OUTPUT / 1024)));
            }
        }
        Ok(())
    }

    fn end(mut self) -> io::Result<std::process::ExitStatus> {
        end(&mut self.child)
    }
}

/// Kills the group, then reaps its leader. In this order: as long as the leader is not reaped, nobody else has its
/// number.
fn end(child: &mut Child) -> io::Result<std::process::ExitStatus> {
    // A group without living processes is none, and one that changed its user cannot be killed by us.
    kill_process_group(Pid::from_child(child), Signal::KILL).ok();
    child.wait()
}

/// A descriptor that tells when the program has ended; and reading and writing that do not wait.
fn watch(child: &Child, stdin: Option<&ChildStdin>, stdout: Option<&ChildStdout>) -> io::Result<OwnedFd> {
    for stream in [stdin.map(AsFd::as_fd), stdout.map(AsFd::as_fd)].into_iter().flatten() {
        let flags = rustix::fs::fcntl_getfl(stream)?;
        rustix::fs::fcntl_setfl(stream, flags | OFlags::NONBLOCK)?;
    }
    Ok(pidfd_open(Pid::from_child(child), PidfdFlags::empty())?)
}
