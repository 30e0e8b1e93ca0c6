//! Evaluating a rule file in a process of its own.
//!
//! A rule file is a program. The evaluator counts its steps and its heap, but between two steps a single
//! operation may still ask for any amount of memory, and a process that runs out of memory is ended, not
//! told. So whatever is more than plain data is evaluated by this same binary, started again under hard
//! limits of the kernel; what comes back is a [`RuleSet`] or an error, and a death is an error, too.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, Stdio};

use execpolicy::{HostExecutable, Limits, Policy, RuleFileError, RuleSet, rules_file};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use serde::{Deserialize, Serialize};

/// First argument that makes the binary a reader of one rule file. Nothing that a user would type.
const STAGE: &str = "__codex-rule-file";
/// Address space of the reader: its own text, the library's tables, and the heap that it may fill.
const MEMORY: u64 = 512 << 20;
/// Processor time of the reader, in seconds. It never waits for anything, so this is a deadline as well.
const SECONDS: u64 = 5;
/// The longest answer. A rule set is not much larger than the file that declares it.
const MAX_ANSWER: u64 = 64 << 20;

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
    // Past the soft limit of processor time comes SIGXCPU, which tells the parent what happened. setrlimit(2)
    for (resource, soft, hard) in [
        (Resource::As, MEMORY, MEMORY),
        (Resource::Cpu, SECONDS, SECONDS + 1),
        (Resource::Core, 0, 0),
        (Resource::Nofile, 3, 3),
    ] {
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    }
    let question: Question = serde_json::from_reader(io::stdin().lock())?;
    let earlier = RuleSet { host_executables: question.earlier, ..RuleSet::default() };
    let earlier = Policy::from_iter([earlier]);
    let answer = rules_file::load(&question.name, &question.text, &earlier, &Limits::default());
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
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
    let mut child = start()?;
    let result = exchange(&mut child, &question);
    // Nothing of it may stay behind, whatever went wrong.
    child.kill().ok();
    let status = child.wait()?;
    match result {
        Ok(answer) => Ok(answer),
        Err(_) if status.signal() == Some(Signal::XCPU.as_raw()) => Err(ContainError::Time),
        Err(_) if status.signal().is_some() => Err(ContainError::Memory),
        Err(error) => Err(error.into()),
    }
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

fn exchange(child: &mut Child, question: &Question) -> io::Result<Result<RuleSet, RuleFileError>> {
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let mut to = child.stdin.take().ok_or_else(missing)?;
    to.write_all(&serde_json::to_vec(question)?)?;
    drop(to);
    let mut text = Vec::new();
    child.stdout.take().ok_or_else(missing)?.take(MAX_ANSWER).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
