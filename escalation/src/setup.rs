//! A session on this machine, as its files say: configuration, requirements, rules.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policies::admin::AdminFolder;
use policies::effective::EffectivePolicy;
use policies::effective::load::{LoadError, Obey, PolicySources, RuleScope};
use policies::{AbsolutePath, Asked, ConfigError, ConfigSources, Purpose, SessionRequest};
use sandbox::BackendChoice;

use crate::approver::Approver;
use crate::ask::Lasting;
use crate::assess::RiskAssessor;
use crate::ids::SessionId;
use crate::session::{Session, SessionError, SessionParts, Storage, Surroundings};

/// What an agent runtime says to open a session; everything else is read from the files of the person, the
/// repository and the administrator.
///
/// Programs that open one call `sandbox::take_over` and `policies::rules::take_over` first thing in `main`.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The session's folder.
    pub cwd: AbsolutePath,
    /// The variables that commands may inherit, and that say where things are: `HOME`, `CODEX_HOME`, `TMPDIR`, `PATH`.
    pub variables: Vec<(OsString, OsString)>,
    /// The mode or profile to use instead of the configured one. Requirements limit it.
    pub asked: Option<Asked>,
    /// Settings for this session, as `key=value` with TOML values.
    pub overrides: Vec<String>,
    /// The session's name; one with a name finds what it remembered before.
    pub id: Option<SessionId>,
    /// Who answers.
    pub approver: Arc<dyn Approver>,
    /// Who has an opinion on risks.
    pub assessor: Option<Arc<dyn RiskAssessor>>,
    /// How long a question waits for its answer.
    pub answer_limit: Duration,
    /// What is to enforce the sandbox.
    pub backend: BackendChoice,
}

/// A session that cannot be opened. [`Self::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Nobody knows where the configuration is.
    #[error(transparent)]
    Home(#[from] ConfigError),
    /// The configuration home is not there and cannot be made.
    #[error("cannot create the configuration home `{}`, where decisions are put on record", policies::escape(.path))]
    MakeHome {
        /// Where it should be.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is wrong.
    #[error(transparent)]
    Load(Box<LoadError>),
    /// The session cannot begin.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl From<LoadError> for SetupError {
    fn from(error: LoadError) -> Self {
        Self::Load(Box::new(error))
    }
}

impl SetupError {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> String {
        match self {
            Self::Home(error) => error.help(),
            Self::MakeHome { .. } => {
                "make its parent writable, or set CODEX_HOME to another folder".to_owned()
            }
            Self::Load(error) => error.help(),
            Self::Session(error) => error.help(),
        }
    }
}

/// Makes the configuration home, for nobody else to look into, if it is missing: the first session on a machine finds
/// none.
///
/// # Errors
/// [`SetupError::MakeHome`].
pub fn make_config_home(path: &Path) -> Result<(), SetupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| SetupError::MakeHome { path: path.to_owned(), source })
}

impl Setup {
    /// As configured, with nothing remembered beyond this program.
    pub fn new(
        cwd: AbsolutePath,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        approver: Arc<dyn Approver>,
    ) -> Self {
        Self {
            cwd,
            variables: variables.into_iter().collect(),
            asked: None,
            overrides: Vec::new(),
            id: None,
            approver,
            assessor: None,
            answer_limit: Session::ANSWER_LIMIT,
            backend: BackendChoice::Auto,
        }
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Reads the files, and begins.
    ///
    /// # Errors
    /// [`SetupError`]. Nothing of a wrong file is used, and no file of an administrator is ever skipped.
    pub fn open(self) -> Result<Session, SetupError> {
        let place = |name: &str| self.variable(name).and_then(|value| AbsolutePath::parse(value).ok());
        let (home, tmpdir) = (place("HOME"), place("TMPDIR"));
        let config_home = policies::codex_home(|name| self.variable(name).cloned(), home.as_ref())?;
        make_config_home(&config_home)?;
        let admin = AdminFolder::system();
        let request = SessionRequest {
            purpose: Purpose::Session,
            asked: self.asked.clone(),
            cwd: self.cwd.clone(),
            home: home.clone(),
            tmpdir,
        };
        let hostname = sandbox::probe::hostname();
        let account_home = sandbox::probe::account_home();
        let sources = PolicySources {
            admin: &admin,
            managed: &[],
            mdm: None,
            legacy_mdm: None,
            hostname: &hostname,
            account_home: account_home.as_ref(),
            config: ConfigSources {
                codex_home: config_home.clone(),
                profile_file: None,
                overrides: self.overrides.clone(),
                cwd: self.cwd.clone(),
                home,
                system: Vec::new(),
                managed: Vec::new(),
            },
            obey: Obey::Requirements,
        };
        let policy = EffectivePolicy::load(sources, &request)?;
        let rules = policy.load_rules(&admin, &config_home, RuleScope::All)?;
        let remembers = self.id.is_some();
        Ok(Session::open(SessionParts {
            id: self.id.unwrap_or_else(SessionId::random),
            policy,
            rules,
            surroundings: Surroundings {
                cwd: self.cwd,
                variables: self.variables,
                config_home: AbsolutePath::parse(&config_home).ok(),
                executable: std::env::current_exe().ok().and_then(|path| AbsolutePath::parse(path).ok()),
                backend: self.backend,
            },
            approver: self.approver,
            assessor: self.assessor,
            storage: Storage::in_home(&config_home, remembers),
            answer_limit: self.answer_limit,
            lasting: Lasting::default(),
        })?)
    }
}
