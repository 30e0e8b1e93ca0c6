//! Asks a person at the terminal.
//!
//! One question is on the screen at a time; others wait in the order in which they came. A thread of its own reads
//! the keys, with every signal blocked, so that signals stay with whoever takes them. What is foreign in a question is
//! shown so that it cannot look like ours: see [`page`]. When a key answers: see [`prompt`]. What happens to the
//! terminal's modes: see [`device`].

mod device;
mod fresh;
mod keys;
mod look;
mod offer;
mod page;
mod prompt;
mod render;
mod sheet;
mod short;
#[cfg(test)]
mod tests;
mod turn;
mod variables;
mod words;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::SigSet;
use rustix::fs::{Mode, OFlags};
use tokio::sync::oneshot;

pub use look::{Keys, Look};

use crate::answer::Answer;
use crate::approver::{Approver, ApproverError, BoxFuture};
use crate::ask::Ask;
use device::Device;
use prompt::End;
use turn::Turns;

/// The terminal of this process's session, whatever its streams are. tty(4).
const CONTROLLING_TERMINAL: &str = "/dev/tty";
/// The most questions that wait.
const MAX_WAITING: usize = 1024;
/// How long dropping a terminal waits for its modes to be restored.
const FAREWELL: Duration = Duration::from_secs(2);

/// A person at a terminal.
///
/// Drop it before the process ends: then the question is taken away and the terminal's modes are restored. Dropping
/// the future of a question takes that question away.
pub struct Terminal {
    shared: Arc<Shared>,
}

/// There is no terminal to ask at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TerminalError {
    /// This process has no controlling terminal: nobody is there to ask.
    #[error("there is no terminal to ask at")]
    NoTerminal {
        /// Why it cannot be opened.
        source: io::Error,
    },
    /// It is there, and cannot be used.
    #[error("cannot {action}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl TerminalError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoTerminal { .. } => {
                "run it from a terminal, or use an approval policy that asks nobody: `never`"
            }
            Self::Failed { .. } => "try again in another terminal",
        }
    }
}

impl Terminal {
    /// The controlling terminal of this process, shown as the environment says: `TERM`, `NO_COLOR`, and the locale.
    ///
    /// `home` is a folder that belongs to the person alone, such as the configuration home. Programs that ask on one
    /// terminal, and were given the same folder, wait for each other there.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub fn open(home: &Path) -> Result<Self, TerminalError> {
        // An open of our own: being non-blocking is nobody else's business.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let input = rustix::fs::open(CONTROLLING_TERMINAL, flags, Mode::empty())
            .map_err(|error| TerminalError::NoTerminal { source: error.into() })?;
        let output = input.try_clone().map_err(failed("duplicate the terminal's descriptor"))?;
        let turns = Turns::within(home).map_err(failed("make a lock for the terminal"))?;
        Self::start(Device::new(input, output), Some(turns), Look::from_environment())
    }

    /// Any terminal, which nobody else asks at. When `input` is none, answers are lines.
    ///
    /// # Errors
    /// [`TerminalError::Failed`].
    pub fn on(input: OwnedFd, output: OwnedFd, look: Look) -> Result<Self, TerminalError> {
        Self::start(Device::new(input, output), None, look)
    }

    fn start(device: io::Result<Device>, turns: Option<Turns>, look: Look) -> Result<Self, TerminalError> {
        let device = device.map_err(failed("make an event descriptor"))?;
        let shared = Arc::new(Shared { device, turns, queue: Mutex::default(), changed: Condvar::new() });
        let served = Arc::clone(&shared);
        let thread = thread::Builder::new().name("approvals".to_owned());
        thread.spawn(move || serve(&served, look)).map_err(failed("start a thread"))?;
        Ok(Self { shared })
    }
}

fn failed<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> TerminalError {
    move |error| TerminalError::Failed { action, source: error.into() }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.waiting.clear();
        self.shared.device.ring();
        self.shared.changed.notify_all();
        // A terminal that takes nothing any more does not keep the process.
        let left = self.shared.changed.wait_timeout_while(queue, FAREWELL, |queue| !queue.is_over);
        drop(left);
    }
}

impl Approver for Terminal {
    fn name(&self) -> &str {
        "terminal"
    }

    fn is_person(&self) -> bool {
        true
    }

    fn ask(&self, ask: Arc<Ask>) -> BoxFuture<'_, Result<Answer, ApproverError>> {
        let waiting = self.shared.enqueue(ask);
        Box::pin(async move { waiting?.answer().await })
    }
}

/// What the approver and its thread share.
struct Shared {
    device: Device,
    /// Where other programs may ask too.
    turns: Option<Turns>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Question>,
    /// No more questions.
    is_closed: bool,
    /// The thread is gone.
    is_over: bool,
}

/// A question, and where its answer goes.
struct Question {
    ask: Arc<Ask>,
    reply: oneshot::Sender<Result<Answer, ApproverError>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(self: &Arc<Self>, ask: Arc<Ask>) -> Result<Waiting, ApproverError> {
        let (reply, answer) = oneshot::channel();
        let mut queue = self.lock();
        queue.waiting.retain(|question| !question.reply.is_closed());
        if queue.is_closed || queue.is_over {
            return Err(ApproverError::Failed { why: "the terminal is not in use any more".to_owned() });
        }
        if queue.waiting.len() >= MAX_WAITING {
            return Err(ApproverError::Failed { why: format!("{MAX_WAITING} questions wait already") });
        }
        queue.waiting.push_back(Question { ask, reply });
        drop(queue);
        self.changed.notify_all();
        Ok(Waiting { answer, shared: Arc::clone(self) })
    }

    /// The next question that somebody waits for, and how many wait behind it. `None` at the end.
    fn next(&self) -> Option<(Question, usize)> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            queue.waiting.retain(|question| !question.reply.is_closed());
            if let Some(question) = queue.waiting.pop_front() {
                return Some((question, queue.waiting.len()));
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Somebody who waits for an answer. Dropping it takes the question away.
struct Waiting {
    answer: oneshot::Receiver<Result<Answer, ApproverError>>,
    shared: Arc<Shared>,
}

impl Waiting {
    async fn answer(mut self) -> Result<Answer, ApproverError> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            Err(_) => Err(ApproverError::Failed { why: "the terminal was given up".to_owned() }),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer.close();
        self.shared.device.ring();
    }
}

/// Says that the thread is gone, also when it panicked: nobody may wait for it then.
struct Farewell<'a>(&'a Shared);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_over = true;
        queue.waiting.clear();
        drop(queue);
        self.0.changed.notify_all();
    }
}

/// Asks one question after the other.
fn serve(shared: &Shared, look: Look) {
    let _farewell = Farewell(shared);
    // SIGTTOU and SIGTTIN too: a job in the background gets an error instead of being stopped. It cannot fail for a
    // set that the C library made; if it did, signals would come as they come elsewhere.
    SigSet::all().thread_block().ok();
    while let Some((question, waiting)) = shared.next() {
        let is_wanted = || !question.reply.is_closed() && !shared.lock().is_closed;
        let turn = match prompt::await_turn(&shared.device, shared.turns.as_ref(), &is_wanted) {
            Ok(turn) => turn,
            Err(end) => {
                conclude(question, end);
                continue;
            }
        };
        let end = prompt::ask(&shared.device, &question.ask, look, waiting, &is_wanted);
        drop(turn);
        conclude(question, end);
    }
}

/// Tells whoever asked how it ended.
fn conclude(question: Question, end: End) {
    let answer = match end {
        End::Answered(answer) => Ok(answer),
        End::NotNeeded => return,
        End::Elsewhere => {
            let why = "another job has the terminal; bring this one to the foreground".to_owned();
            Err(ApproverError::Absent { why })
        }
        End::Failed(why) => Err(ApproverError::Failed { why: why.to_owned() }),
        End::Device(error) => {
            Err(ApproverError::Failed { why: format!("the terminal cannot be used: {error}") })
        }
    };
    // Whoever asked may have gone meanwhile.
    question.reply.send(answer).ok();
}
