//! A session in folders of its own, with a script in the place of a person.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use escalation::approver::{Reply, Scripted};
use escalation::files::{Action, FileChange};
use escalation::{
    Answer, Ask, BoxFuture, Call, Captured, ExecReport, ExecRequest, FileChangeRequest, Run, RunEnd, Runner,
    SandboxPermissions, Session, SessionId, Setup, TurnId,
};
use policies::{AbsolutePath, Asked, SandboxMode};
use sandbox::foreground::Outcome;
use sandbox::{Ended, LaunchError};

/// A test: its name and what it does.
pub(crate) type Behaviour = (&'static str, fn());

pub(crate) struct Bench {
    _folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) session: Session,
    setup: Setup,
    pub(crate) approver: Arc<Scripted>,
    pub(crate) turn: TurnId,
}

/// What makes one session different from another.
pub(crate) struct Wish {
    pub(crate) policy: &'static str,
    pub(crate) mode: SandboxMode,
    pub(crate) rules: &'static str,
    pub(crate) config: &'static str,
    /// Put in front of `PATH`.
    pub(crate) path: Option<&'static str>,
    /// In the place of the mode.
    pub(crate) profile: Option<&'static str>,
    /// More variables of the user's, or other ones. `ROOT` stands for the folder.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// The name of a session that remembers.
    pub(crate) name: Option<&'static str>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            policy: "\"on-request\"",
            mode: SandboxMode::WorkspaceWrite,
            rules: "",
            config: "",
            path: None,
            profile: None,
            variables: &[],
            name: None,
        }
    }
}

/// What came of a command, in a form that is easy to compare.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) report: ExecReport,
    pub(crate) output: String,
    pub(crate) asked: usize,
}

impl Came {
    pub(crate) fn code(&self) -> Option<i32> {
        match self.report.result.as_ref().ok()?.outcome {
            Outcome::Ended(Ended::Exited(code)) => Some(code),
            Outcome::Ended(Ended::Signaled(_)) | Outcome::TimedOut | Outcome::Interrupted(_) => None,
        }
    }

    pub(crate) fn why_not(&self) -> String {
        self.report.result.as_ref().err().map(ToString::to_string).unwrap_or_default()
    }
}

impl Bench {
    pub(crate) fn new(wish: Wish, answers: impl FnMut(&Ask) -> Reply + Send + 'static) -> Self {
        // Not below /tmp, which commands may write.
        let folder = tempfile::Builder::new().prefix("runs-").tempdir_in("/var/tmp").unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["project", "outside", "home", "home/.codex", "home/.codex/rules"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let config = wish.config.replace("ROOT", root.to_str().unwrap());
        std::fs::write(root.join("home/.codex/config.toml"), config).unwrap();
        std::fs::write(root.join("home/.codex/rules/default.rules"), wish.rules).unwrap();
        let path = std::env::var("PATH").unwrap();
        let path = match wish.path {
            Some(first) => format!("{}:{path}", root.join(first).display()),
            None => path,
        };
        let mut variables: Vec<(OsString, OsString)> =
            vec![("PATH".into(), path.into()), ("HOME".into(), root.join("home").into())];
        for (name, value) in wish.variables {
            variables.retain(|(other, _)| other != name);
            variables.push((name.into(), value.replace("ROOT", root.to_str().unwrap()).into()));
        }
        let approver = Arc::new(Scripted::with(answers));
        let cwd = AbsolutePath::parse(root.join("project")).unwrap();
        let setup = Setup {
            asked: Some(match wish.profile {
                Some(name) => Asked::Named(name.to_owned()),
                None => Asked::Mode(wish.mode),
            }),
            overrides: vec![format!("approval_policy={}", wish.policy)],
            id: wish.name.map(|name| SessionId::parse(name).unwrap()),
            ..Setup::new(cwd, variables, approver.clone())
        };
        let session = setup.clone().open().unwrap();
        let turn = TurnId("turn".to_owned());
        session.begin_turn(&turn);
        Self { _folder: folder, root, session, setup, approver, turn }
    }

    /// Ends the session, and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.reopen_with(|_| ());
    }

    /// Ends the session, and opens it again with something different.
    pub(crate) fn reopen_with(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.session = self.setup.clone().open().unwrap();
        self.session.begin_turn(&self.turn);
    }

    /// One with a profile of this configuration.
    pub(crate) fn named(
        profile: &'static str,
        config: &'static str,
        answers: impl FnMut(&Ask) -> Reply + Send + 'static,
    ) -> Self {
        let wish = Wish { config, profile: Some(profile), ..Wish::default() };
        Self::new(wish, answers)
    }

    /// One whose approver must not be asked.
    pub(crate) fn silent(wish: Wish) -> Self {
        Self::new(wish, |ask| panic!("asked: {}", ask.subject.label()))
    }

    pub(crate) fn path(&self, name: &str) -> AbsolutePath {
        AbsolutePath::parse(self.root.join(name)).unwrap()
    }

    pub(crate) fn request(&self, script: &str) -> ExecRequest {
        let script = script.replace("ROOT", self.root.to_str().unwrap());
        let call = Call::new(&self.turn, "item");
        ExecRequest::new(call, ["bash", "-c", &script], self.path("project"))
    }

    pub(crate) fn escalated(&self, script: &str) -> ExecRequest {
        ExecRequest { permissions: SandboxPermissions::RequireEscalated, ..self.request(script) }
    }

    pub(crate) fn run(&self, request: &ExecRequest) -> Came {
        self.run_after(request, || ())
    }

    /// Does something when a run was permitted and has not started yet.
    pub(crate) fn run_after(&self, request: &ExecRequest, meanwhile: impl FnMut() + Send) -> Came {
        let before = self.approver.asked().len();
        let output = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&output);
        let runner = Captured::new(move |_, _, bytes| seen.lock().unwrap().extend_from_slice(bytes));
        let mut runner = Late { runner, meanwhile };
        let report = block_on(self.session.exec(request, &mut runner));
        let output = String::from_utf8_lossy(&output.lock().unwrap()).into_owned();
        Came { report, output, asked: self.approver.asked().len() - before }
    }

    pub(crate) fn script(&self, script: &str) -> Came {
        self.run(&self.request(script))
    }

    /// Writes a file by a patch; answers how often that was asked about.
    pub(crate) fn patch(
        &self,
        turn: &TurnId,
        cwd: &str,
        file: &Path,
        text: &str,
        root: Option<&Path>,
    ) -> usize {
        let before = self.approver.asked().len();
        let content = text.as_bytes().to_vec();
        let request = FileChangeRequest {
            call: Call::new(turn, "patch"),
            cwd: self.path(cwd),
            changes: vec![FileChange {
                path: file.to_owned(),
                action: Action::Write { content, mode: None },
            }],
            grant_root: root.map(Path::to_owned),
            diff: None,
            reason: None,
        };
        block_on(self.session.change_files(request)).unwrap();
        self.approver.asked().len() - before
    }

    /// The records of the log, in order.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.root.join("home/.codex/audit/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn with_variables(&self, script: &str, variables: &[(&str, &str)]) -> ExecRequest {
        let environment: BTreeMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.replace("ROOT", self.root.to_str().unwrap())))
            .collect();
        ExecRequest { environment, ..self.request(script) }
    }
}

/// A folder for what is installed outside of every workspace.
///
/// That is in no place for temporary files. Where there is only such a place, everything below is suspicious, and there
/// is nothing to tell apart: the last part says so.
pub(crate) fn installed() -> (tempfile::TempDir, PathBuf, bool) {
    let is_temporary =
        |path: &PathBuf| ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|place| path.starts_with(place));
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let built = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let places = [Some(built.clone()).filter(|built| !is_temporary(built)), home, Some(built)];
    let folder = places.into_iter().flatten().find_map(|place| tempfile::tempdir_in(place).ok()).unwrap();
    let path = folder.path().canonicalize().unwrap();
    let is_temporary = is_temporary(&path);
    (folder, path, is_temporary)
}

/// A runner that takes its time.
struct Late<F> {
    runner: Captured,
    meanwhile: F,
}

impl<F: FnMut() + Send> Runner for Late<F> {
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        (self.meanwhile)();
        self.runner.run(run)
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

pub(crate) fn yes(_: &Ask) -> Reply {
    Reply::Answer(Answer::Accept)
}

pub(crate) fn no(_: &Ask) -> Reply {
    Reply::Answer(Answer::Decline)
}
