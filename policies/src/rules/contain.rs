//! Evaluating a rule file in a process of its own.
//!
//! A rule file is a program. The evaluator counts its steps and its heap, but between two steps a single
//! operation may still ask for any amount of memory, and a process that runs out of memory is ended, not
//! told. So whatever is more than plain data is evaluated by this same binary, started again under hard
//! limits of the kernel; what comes back is a [`RuleSet`] or an error, and a death is an error, too.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use execpolicy::{HostExecutable, Limits, Origin, Policy, RuleFileError, RuleSet, rules_file};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::input::until;

/// First argument that makes the binary a reader of one rule file. Nothing that a user would type.
const STAGE: &str = "__codex-rule-file";
/// Address space of the reader: its own text, the library's tables, and the heap that it may fill.
const MEMORY: u64 = 512 << 20;
/// Processor time of the reader, in seconds.
const SECONDS: u64 = 5;
/// How long the reader may take in all. It never waits for anything, so that only one that was stopped, or is no reader
/// at all, takes longer: its processor time twelve times over, for machines that are overloaded.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer: [`Limits::word_bytes`] for the words, without escapes, and as much again for what is
/// between them, twice.
const MAX_ANSWER: usize = 64 << 20;

#[derive(Deserialize, Serialize)]
struct Question {
    name: String,
    text: String,
    earlier: Vec<HostExecutable>,
}

/// Why a contained evaluation gave no answer of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainError {
    /// The process could not be started or talked to.
    #[error("cannot evaluate the rule file in a process of its own")]
    Process(#[from] io::Error),
    /// It took too long.
    #[error("evaluating the rule file takes more than {SECONDS} s of processor time")]
    Time,
    /// It did nothing.
    #[error("evaluating the rule file is not done after {} s", PATIENCE.as_secs())]
    Stuck,
    /// It ended without an answer.
    #[error("the process that evaluates the rule file ended without an answer")]
    NoAnswer,
    /// It used up its memory, or broke otherwise.
    #[error("evaluating the rule file needs more than {} MiB of memory, or breaks its evaluator", MEMORY >> 20)]
    Memory,
}

/// Takes over when this process was started to evaluate a rule file; returns `None` otherwise.
///
/// Every program that loads rule files calls this first in `main`.
#[must_use]
pub fn take_over() -> Option<ExitCode> {
    let stage = std::env::args_os().nth(1)?;
    (stage == STAGE).then(|| match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn answer() -> io::Result<()> {
    // Past the soft limit of processor time comes SIGXCPU, past the hard one SIGKILL. setrlimit(2)
    for (resource, soft, hard) in [
        (Resource::As, MEMORY, MEMORY),
        (Resource::Cpu, SECONDS, SECONDS + 1),
        (Resource::Core, 0, 0),
        (Resource::Nofile, 3, 3),
    ] {
        let hard = getrlimit(resource).maximum.unwrap_or(hard).min(hard);
        setrlimit(resource, Rlimit { current: Some(soft.min(hard)), maximum: Some(hard) })?;
    }
    let mut question = Vec::new();
    io::stdin().lock().read_to_end(&mut question)?;
    let question: Question = postcard::from_bytes(&question).map_err(io::Error::other)?;
    let earlier = RuleSet { host_executables: question.earlier, ..RuleSet::default() };
    let earlier = Policy::from_iter([earlier]);
    let mut answer = rules_file::load(&question.name, &question.text, &earlier, &Limits::default());
    // The parent knows the name, and a hundred thousand copies of a long one would not fit.
    answer.iter_mut().for_each(|rules| rename(rules, ""));
    let answer = postcard::to_stdvec(&answer).map_err(io::Error::other)?;
    io::stdout().lock().write_all(&answer)
}

/// Gives the file another name in all places.
fn rename(rules: &mut RuleSet, file: &str) {
    let file: Arc<str> = file.into();
    let rename = |origin: &mut Origin| origin.file = Arc::clone(&file);
    rules.prefix.iter_mut().for_each(|rule| rename(&mut rule.origin));
    rules.network.iter_mut().for_each(|rule| rename(&mut rule.origin));
    rules.host_executables.iter_mut().for_each(|host| rename(&mut host.origin));
}

/// Evaluates a rule file under hard limits.
///
/// # Errors
/// [`ContainError`] if there is no answer; the inner error if the file is wrong.
pub(super) fn evaluate(
    name: &str,
    text: &str,
    earlier: &Policy,
) -> Result<Result<RuleSet, RuleFileError>, ContainError> {
    let question = Question {
        name: name.to_owned(),
        text: text.to_owned(),
        earlier: earlier.host_executables().values().cloned().collect(),
    };
    let question = postcard::to_stdvec(&question).map_err(io::Error::other)?;
    let answer = ask(start()?, &question, Instant::now().checked_add(PATIENCE))?;
    let (mut answer, rest): (Result<RuleSet, RuleFileError>, &[u8]) =
        postcard::take_from_bytes(&answer).map_err(|_| ContainError::NoAnswer)?;
    if !rest.is_empty() {
        return Err(ContainError::NoAnswer);
    }
    answer.iter_mut().for_each(|rules| rename(rules, name));
    Ok(answer)
}

#[expect(
    clippy::disallowed_methods,
    reason = "it starts this very binary, which drops what it does not need"
)]
fn start() -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg(STAGE)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// Hands the child its input and takes its output. The child is gone when this returns.
fn ask(mut child: Child, question: &[u8], deadline: Option<Instant>) -> Result<Vec<u8>, ContainError> {
    let exchanged = exchange(&mut child, question, deadline);
    let ended = match exchanged {
        Ok(_) => ended(&mut child, deadline),
        Err(_) => None,
    };
    if ended.is_none() {
        // Nothing of it may stay behind, whatever went wrong.
        child.kill().ok();
        child.wait().ok();
    }
    let answer = exchanged.map_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut { ContainError::Stuck } else { error.into() }
    })?;
    match ended {
        None => Err(ContainError::Stuck),
        // Whoever ignores SIGCHLD learns of no status. The answer speaks for itself. wait(2)
        Some(None) => Ok(answer),
        Some(Some(status)) if status.success() => Ok(answer),
        Some(Some(status)) => Err(death(status)),
    }
}

/// Not by our hand, so SIGKILL is the hard limit's: it comes where SIGXCPU is ignored, too.
fn death(status: ExitStatus) -> ContainError {
    match status.signal().and_then(Signal::from_named_raw) {
        Some(Signal::XCPU | Signal::KILL) => ContainError::Time,
        Some(_) => ContainError::Memory,
        None if status.signal().is_some() => ContainError::Memory,
        None => ContainError::NoAnswer,
    }
}

/// Waits for the end of a child that has closed its output. `None` if it does not come; the status is
/// missing where the kernel keeps none.
fn ended(child: &mut Child, deadline: Option<Instant>) -> Option<Option<ExitStatus>> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Some(status)),
            Err(_) => return Some(None),
            Ok(None) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                std::thread::sleep(Duration::from_micros(200));
            }
            Ok(None) => return None,
        }
    }
}

/// Writes and reads at once, so that neither side waits for the other.
fn exchange(child: &mut Child, question: &[u8], deadline: Option<Instant>) -> io::Result<Vec<u8>> {
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let mut from = child.stdout.take().ok_or_else(missing)?;
    let to = child.stdin.take().ok_or_else(missing)?;
    for end in [from.as_fd(), to.as_fd()] {
        rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK)?;
    }
    let mut to = Some(to);
    let mut left = question;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut ends = vec![PollFd::new(&from, PollFlags::IN)];
        ends.extend(to.as_ref().map(|to| PollFd::new(to, PollFlags::OUT)));
        until(&mut ends, deadline)?;
        if let Some(end) = &mut to {
            match end.write(left) {
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(error) if is_for_later(&error) => {}
                // It reads no more; its end says why.
                Err(_) => left = &[],
            }
            if left.is_empty() {
                to = None;
            }
        }
        match from.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if is_for_later(&error) => {}
            Err(error) => return Err(error),
        }
        if answer.len() > MAX_ANSWER {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a stand-in for the reader")]
    fn asked(script: &str, question: &[u8], patience: Duration) -> Result<Vec<u8>, ContainError> {
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        ask(child, question, Instant::now().checked_add(patience))
    }

    #[test]
    fn a_reader_is_answered_for() {
        let long = Duration::from_secs(60);
        let much = vec![b'x'; 1 << 20];
        assert_eq!(asked("exec cat", &much, long).unwrap(), much);
        assert_eq!(asked("echo a", &much, long).unwrap(), b"a\n");
        assert!(matches!(asked("echo a; exit 3", b"", long), Err(ContainError::NoAnswer)));
        assert!(matches!(asked("kill -XCPU $$", b"", long), Err(ContainError::Time)));
        // What the hard limit sends where SIGXCPU is ignored.
        assert!(matches!(asked("kill -KILL $$", b"", long), Err(ContainError::Time)));
        assert!(matches!(asked("kill -ABRT $$", b"", long), Err(ContainError::Memory)));
    }

    #[test]
    fn a_reader_that_stands_still_is_ended() {
        let short = Duration::from_millis(200);
        let much = vec![b'x'; 1 << 20];
        assert!(matches!(asked("kill -STOP $$", &much, short), Err(ContainError::Stuck)));
        assert!(matches!(asked("exec sleep 600", &much, short), Err(ContainError::Stuck)));
        assert!(matches!(asked("exec >&-; exec sleep 600", b"", short), Err(ContainError::Stuck)));
    }
}
