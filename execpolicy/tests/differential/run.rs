//! Running a script in a real shell, and seeing what it starts.

use std::cell::Cell;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use execpolicy::shell::Dialect;

use super::stub;

/// How long a script may take of which it is not known that it ends.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long one may take that ends.
const LONG: Duration = Duration::from_secs(60);

/// The programs that exist while a script runs.
pub(crate) const PROGRAMS: [&str; 14] =
    ["git", "apple", "cat", "ls", "make", "cargo", "grep", "find", "tee", "sort", "if", "time", "a.b", "x-y"];

/// A shell that is installed.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    path: PathBuf,
    arg0: &'static str,
    before: &'static [&'static str],
    locale: &'static str,
    /// The dialect that its scripts are read in.
    pub(crate) dialect: Dialect,
}

impl Shell {
    /// The name that its own arguments follow.
    pub(crate) fn arg0(&self) -> &'static str {
        if self.before.is_empty() { self.arg0 } else { "ash" }
    }

    pub(crate) fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{file}::as_{}::{:?}::{}", self.arg0, self.dialect, self.locale).to_lowercase()
    }
}

/// The shells of this machine. In CI a missing one is an error.
pub(crate) fn installed() -> Vec<Shell> {
    const WANTED: [(&str, &str, &[&str], &str, Dialect); 11] = [
        ("bash", "bash", &[], "C", Dialect::Bash),
        ("bash", "bash", &[], "C.UTF-8", Dialect::Bash),
        ("zsh", "zsh", &[], "C", Dialect::Zsh),
        ("zsh", "zsh", &[], "C.UTF-8", Dialect::Zsh),
        ("dash", "dash", &[], "C.UTF-8", Dialect::Dash),
        ("busybox", "busybox", &["sh"], "C.UTF-8", Dialect::Dash),
        ("ksh", "ksh", &[], "C.UTF-8", Dialect::Ksh),
        ("mksh", "mksh", &[], "C.UTF-8", Dialect::Ksh),
        ("bash", "sh", &[], "C.UTF-8", Dialect::Sh),
        ("dash", "sh", &[], "C", Dialect::Sh),
        ("busybox", "busybox", &["sh"], "C", Dialect::Sh),
    ];
    let mut shells = Vec::new();
    for (program, arg0, before, locale, dialect) in WANTED {
        let path =
            ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists());
        match path {
            Some(path) => shells.push(Shell { path, arg0, before, locale, dialect }),
            None => {
                assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
                println!("SKIPPED: {program} is not installed, so nobody asked it about {dialect:?} scripts");
            }
        }
    }
    shells
}

/// How long programs may take to start after the shell ended: not all shells wait for all members of a
/// pipeline.
const PATIENCE: Duration = LONG;

/// What a script did.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The argvs of the programs that it started.
    pub(crate) started: Vec<Vec<String>>,
    /// The files that it left.
    pub(crate) files: Vec<String>,
    /// What it said on standard error.
    pub(crate) errors: String,
}

/// Directories for the runs of one thread.
pub(crate) struct Workplace {
    root: tempfile::TempDir,
    runs: Cell<usize>,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bin")).unwrap();
        let this = std::env::current_exe().unwrap();
        for program in PROGRAMS {
            std::os::unix::fs::symlink(&this, root.path().join("bin").join(program)).unwrap();
        }
        Self { root, runs: Cell::new(0) }
    }

    /// Whether a stub is called so.
    pub(crate) fn has(&self, program: &str) -> bool {
        PROGRAMS.contains(&program)
    }

    /// The path of a stub.
    pub(crate) fn stub(&self, program: &str) -> String {
        self.root.path().join("bin").join(program).display().to_string()
    }

    /// Runs a script that ends, and waits for as many programs as are wanted. `None` when the shell did not end.
    pub(crate) fn run(&self, shell: &Shell, script: &str, wanted: usize) -> Option<Outcome> {
        self.start(shell, &["-c".to_owned(), script.to_owned()], wanted, LONG)
    }

    /// Calls a shell with these arguments, of which nothing is known. `None` when it did not end.
    pub(crate) fn call(&self, shell: &Shell, arguments: &[String]) -> Option<Outcome> {
        self.start(shell, arguments, 0, TIMEOUT)
    }

    fn start(&self, shell: &Shell, arguments: &[String], wanted: usize, limit: Duration) -> Option<Outcome> {
        // A log and a directory of its own for each run: a straggler of the last one must not write into
        // those of this one.
        let run = self.runs.replace(self.runs.get() + 1);
        let log = self.root.path().join(format!("log{run}"));
        let errors = self.root.path().join("errors");
        let cwd = self.root.path().join(format!("cwd{run}"));
        std::fs::create_dir(&cwd).unwrap();
        std::fs::write(&log, "").unwrap();
        #[expect(clippy::disallowed_methods, reason = "the point of this test is to run real shells")]
        let mut child = Command::new(&shell.path)
            .arg0(shell.arg0)
            .args(shell.before)
            .args(arguments)
            .current_dir(&cwd)
            .env_clear()
            .env("PATH", self.root.path().join("bin"))
            .env("LC_ALL", shell.locale)
            .env("HOME", "/nonexistent")
            .env(stub::LOG, &log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&errors).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + limit;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                end(&child);
                child.wait().unwrap();
                return None;
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        let patience = Instant::now() + PATIENCE;
        let mut started = std::fs::read_to_string(&log).unwrap();
        while started.lines().count() < wanted && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
            started = std::fs::read_to_string(&log).unwrap();
        }
        // Loops in pipelines and in the background outlive the shell.
        end(&child);
        std::fs::remove_file(&log).unwrap();
        let started = started.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let files = std::fs::read_dir(&cwd).unwrap();
        let files = files.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        // A straggler may put something there meanwhile; it all goes away with the root.
        drop(std::fs::remove_dir_all(&cwd));
        let errors = String::from_utf8_lossy(&std::fs::read(&errors).unwrap_or_default()).into_owned();
        Some(Outcome { started, files, errors })
    }
}

/// Ends everything that a shell started: it leads a process group of its own, which lives on in its members.
fn end(child: &std::process::Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    // Without members there is no group left.
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
}
