//! Starts programs, waits for them with a deadline, and finds what they left running.
//!
//! The one door: no other module of this crate makes a `Command`.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::identity::Identity;

/// How long one program may take before it is killed and the test fails.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// How long, after the end of a run, its last processes may take to be gone. Killing a PID
/// namespace is not synchronous with the death of the process that asked for it. Less than the 10 s after which the
/// launcher itself gives up waiting, which is not to be needed.
pub const AFTERLIFE: Duration = Duration::from_secs(8);

/// How much of each output stream is kept.
const OUTPUT_LIMIT_BYTES: u64 = 1 << 20;

const POLL: Duration = Duration::from_millis(2);

/// A command that runs as `identity` with an empty environment.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests start processes")]
pub fn command(identity: &Identity, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let _emptied = command.env_clear();
    if identity.change {
        // The standard library drops the supplementary groups with the user id.
        let _changed = command.uid(identity.uid).gid(identity.gid);
    }
    command
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Finished {
    /// The status as the kernel reports it.
    pub status: ExitStatus,
    /// At most the first mebibyte of standard output.
    pub stdout: Vec<u8>,
    /// At most the first mebibyte of standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// The exit status, or `None` if a signal ended the program.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output, with bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error, with bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Fails, with all that is known, unless the program ended with status 0.
    ///
    /// # Errors
    /// When it did not.
    pub fn success(self) -> Result<Self> {
        if self.status.success() { Ok(self) } else { bail!("it failed\n{self}") }
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => writeln!(f, "exit: {code}")?,
            (None, signal) => writeln!(f, "killed by signal: {}", signal.unwrap_or_default())?,
        }
        writeln!(f, "stdout: {}", self.out().escape_debug().to_string().replace("\\n", "\n        "))?;
        write!(f, "stderr: {}", self.err().escape_debug().to_string().replace("\\n", "\n        "))
    }
}

/// A program that was started as the leader of its own process group, which is killed on drop.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    ended: Option<ExitStatus>,
}

/// Starts `command` with `input` as its standard input.
///
/// # Errors
/// When it cannot be started.
pub fn start(mut command: Command, input: &[u8]) -> Result<Running> {
    let _configured =
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // A program may end without having read all; that is its business.
        let _writer = thread::spawn(move || stdin.write_all(&input));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    Ok(Running { child, stdout, stderr, ended: None })
}

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started, does not end within [`DEADLINE`], or leaves its output open.
pub fn finish(command: Command, input: &[u8]) -> Result<Finished> {
    start(command, input)?.wait(DEADLINE)
}

impl Running {
    /// The process id of the program.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Sends `signal` to the program alone.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid()), signal).with_context(|| format!("cannot send {signal}"))
    }

    /// Whether the program has ended.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("cannot wait")?;
        }
        Ok(self.ended.is_some())
    }

    /// Waits for the end of the program and of its output.
    ///
    /// # Errors
    /// When either does not come in time. The process group is killed then.
    pub fn wait(mut self, deadline: Duration) -> Result<Finished> {
        let end = Instant::now() + deadline;
        while !self.has_ended()? {
            if Instant::now() > end {
                self.kill_group();
                let (stdout, stderr) = (self.output(&self.stdout), self.output(&self.stderr));
                let status = self.child.wait().context("cannot wait")?;
                let finished = Finished {
                    status,
                    stdout: stdout.unwrap_or_default(),
                    stderr: stderr.unwrap_or_default(),
                };
                bail!("it did not end within {deadline:?} and was killed\n{finished}");
            }
            thread::sleep(POLL);
        }
        let Some(status) = self.ended else { bail!("the status got lost") };
        let (stdout, stderr) = (self.output(&self.stdout), self.output(&self.stderr));
        if stdout.is_none() || stderr.is_none() {
            bail!("it ended ({status}), but something still holds its output open {AFTERLIFE:?} later");
        }
        Ok(Finished { status, stdout: stdout.unwrap_or_default(), stderr: stderr.unwrap_or_default() })
    }

    fn output(&self, stream: &Receiver<Vec<u8>>) -> Option<Vec<u8>> {
        stream.recv_timeout(AFTERLIFE).ok()
    }

    fn kill_group(&self) {
        // It may be gone already, which is as good.
        let _gone = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill_group();
            let _reaped = self.child.wait();
        }
    }
}

/// Reads a stream to its end in the background, keeping the first part.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let _reader = thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut stream) = stream {
            let _read = stream.by_ref().take(OUTPUT_LIMIT_BYTES).read_to_end(&mut kept);
            let _discarded = std::io::copy(&mut stream, &mut std::io::sink());
        }
        // Nobody listens any more when the wait was given up.
        let _sent = sender.send(kept);
    });
    receiver
}

/// A process, as `/proc` shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Its id outside every sandbox.
    pub pid: i32,
    /// The id of its parent.
    pub parent: i32,
    /// Its argv, joined with spaces.
    pub command_line: String,
}

/// Every live process that belongs to the run with this `mark`: it has the mark in its environment
/// or its argv, or stands in a directory below `root`.
#[must_use]
pub fn of_run(mark: &str, root: &Path) -> Vec<Seen> {
    all()
        .into_iter()
        .filter(|process| {
            let folder = Path::new("/proc").join(process.pid.to_string());
            let environment = fs::read(folder.join("environ")).unwrap_or_default();
            contains(&environment, mark.as_bytes())
                || process.command_line.contains(mark)
                || fs::read_link(folder.join("cwd")).is_ok_and(|cwd| cwd.starts_with(root))
        })
        .collect()
}

/// The processes below `pid`, parents before children.
#[must_use]
pub fn descendants(pid: i32) -> Vec<Seen> {
    let all = all();
    let mut found: Vec<Seen> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid);
            found.push(process.clone());
        }
    }
    found
}

/// Whether the keys of the process's terminal reach it: its group is the terminal's. `proc_pid_stat(5)`
#[must_use]
pub fn is_in_foreground(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // State, parent, group, session, terminal, group of the terminal.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
    let fields: Vec<&str> = fields.split(' ').collect();
    fields.len() > 5 && fields.get(2) == fields.get(5)
}

/// Asks `condition` until it holds, for at most `limit`.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Every live process; zombies are not.
fn all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| {
            let folder = Path::new("/proc").join(pid.to_string());
            let stat = fs::read_to_string(folder.join("stat")).ok()?;
            // The name in parentheses may hold anything, so the fields are counted from its end.
            let (_, fields) = stat.rsplit_once(") ")?;
            let mut fields = fields.split(' ');
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            let arguments = fs::read(folder.join("cmdline")).ok()?;
            let command_line = String::from_utf8_lossy(&arguments).replace('\0', " ").trim_end().to_owned();
            (!matches!(state, "Z" | "X")).then_some(Seen { pid, parent, command_line })
        })
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
