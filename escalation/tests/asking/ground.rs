//! A session in folders of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use escalation::{
    Approver, BoxFuture, Call, ExecRequest, NetworkRequest, Run, RunEnd, Runner, Session, SessionId,
    SessionParts, Storage, Surroundings, TurnId,
};
use execpolicy::Protocol;
use policies::admin::AdminFolder;
use policies::effective::EffectivePolicy;
use policies::effective::load::{Obey, PolicySources, RuleScope};
use policies::{AbsolutePath, ConfigSources, Purpose, SessionRequest};
use sandbox::foreground::Outcome;
use sandbox::{BackendChoice, Ended, LaunchError};

/// What makes one session different from another.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// A TOML value.
    pub(crate) policy: String,
    pub(crate) config: String,
    pub(crate) rules: String,
    pub(crate) requirements: String,
    pub(crate) answer_limit: Duration,
    /// Sessions of this name remember what earlier ones were granted.
    pub(crate) id: Option<&'static str>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            policy: "\"on-request\"".to_owned(),
            config: "sandbox_mode = 'workspace-write'\n[sandbox_workspace_write]\nexclude_slash_tmp = true"
                .to_owned(),
            rules: String::new(),
            requirements: String::new(),
            answer_limit: Session::ANSWER_LIMIT,
            id: None,
        }
    }
}

impl Wish {
    pub(crate) fn policy(policy: &str) -> Self {
        Self { policy: policy.to_owned(), ..Self::default() }
    }
}

pub(crate) struct Ground {
    folder: tempfile::TempDir,
    pub(crate) session: Session,
}

impl Ground {
    pub(crate) fn new(wish: &Wish, approver: Arc<dyn Approver>) -> Self {
        let folder = tempfile::Builder::new().prefix("asking-").tempdir_in("/var/tmp").unwrap();
        let session = open(folder.path(), wish, approver);
        session.begin_turn(&turn("1"));
        Self { folder, session }
    }

    pub(crate) fn path(&self, name: &str) -> AbsolutePath {
        absolute(&self.folder.path().canonicalize().unwrap().join(name))
    }

    pub(crate) fn project(&self) -> AbsolutePath {
        self.path("project")
    }

    /// The text with the names of folders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("ROOT", &self.folder.path().canonicalize().unwrap().display().to_string())
    }

    pub(crate) fn script(&self, script: &str) -> ExecRequest {
        ExecRequest::new(Call::new(&turn("1"), "item"), ["bash", "-c", &self.fill(script)], self.project())
    }

    pub(crate) fn user_rules(&self) -> String {
        std::fs::read_to_string(self.path("home/rules/default.rules").as_path()).unwrap_or_default()
    }

    /// Another session in the same folders.
    pub(crate) fn reopen(&self, wish: &Wish, approver: Arc<dyn Approver>) -> Session {
        let session = open(self.folder.path(), wish, approver);
        session.begin_turn(&turn("1"));
        session
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home").as_path().to_owned()
    }
}

pub(crate) fn turn(name: &str) -> TurnId {
    TurnId(name.to_owned())
}

pub(crate) fn absolute(path: &Path) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

fn open(folder: &Path, wish: &Wish, approver: Arc<dyn Approver>) -> Session {
    let root = folder.canonicalize().unwrap();
    for name in ["project/.git", "project/below", "outside", "home/rules", "etc"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    let fill = |text: &str| text.replace("ROOT", root.to_str().unwrap());
    let home = root.join("home");
    std::fs::write(home.join("config.toml"), fill(&wish.config)).unwrap();
    if !wish.rules.is_empty() {
        std::fs::write(home.join("rules/default.rules"), &wish.rules).unwrap();
    }
    std::fs::write(root.join("etc/requirements.toml"), fill(&wish.requirements)).unwrap();
    let admin = AdminFolder::at(absolute(&root.join("etc")), rustix::process::getuid().as_raw());
    let cwd = absolute(&root.join("project"));
    let request = SessionRequest {
        purpose: Purpose::Session,
        asked: None,
        cwd: cwd.clone(),
        home: Some(absolute(&home)),
        tmpdir: None,
    };
    let sources = PolicySources {
        admin: &admin,
        managed: &[],
        mdm: None,
        legacy_mdm: None,
        hostname: "asking",
        account_home: None,
        config: ConfigSources {
            system: Vec::new(),
            codex_home: home.clone(),
            profile_file: None,
            overrides: vec![format!("approval_policy={}", wish.policy)],
            managed: Vec::new(),
            cwd: cwd.clone(),
            home: Some(absolute(&home)),
        },
        obey: Obey::Requirements,
    };
    let policy = EffectivePolicy::load(sources, &request).unwrap();
    let rules = policy.load_rules(&admin, &home, RuleScope::All).unwrap();
    Session::open(SessionParts {
        id: wish.id.map_or_else(SessionId::random, |id| SessionId::parse(id).unwrap()),
        policy,
        rules,
        surroundings: Surroundings {
            cwd,
            variables: std::env::vars_os().filter(|(name, _)| name == "PATH").collect(),
            config_home: Some(absolute(&home)),
            executable: None,
            backend: BackendChoice::Auto,
        },
        approver,
        assessor: None,
        storage: Storage::in_home(&home, wish.id.is_some()),
        answer_limit: wish.answer_limit,
        lasting: escalation::Lasting::default(),
    })
    .unwrap()
}

/// Starts nothing: for questions that come before.
pub(crate) struct Nothing;

impl Runner for Nothing {
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        drop(run);
        let ended = RunEnd { outcome: Outcome::Ended(Ended::Exited(0)), output: Vec::new() };
        Box::pin(std::future::ready(Ok(ended)))
    }
}

/// A host, as `protocol://host:port` has it.
pub(crate) fn host(authority: &str, turn_name: &str) -> NetworkRequest {
    let (protocol, rest) = authority.split_once("://").unwrap();
    let (name, port) = rest.rsplit_once(':').unwrap();
    let protocol = match protocol {
        "http" => Protocol::Http,
        "https" => Protocol::Https,
        "socks5Tcp" => Protocol::Socks5Tcp,
        "socks5Udp" => Protocol::Socks5Udp,
        other => panic!("{other}"),
    };
    NetworkRequest {
        call: Call::new(&turn(turn_name), "item"),
        host: name.to_owned(),
        protocol,
        port: port.parse().unwrap(),
        environment_id: "local".to_owned(),
    }
}
