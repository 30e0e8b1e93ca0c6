//! A session: one policy, its rules, one broker, and everything that an agent may ask for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policies::AbsolutePath;
use policies::effective::EffectivePolicy;
use policies::rules::LayeredRules;
use sandbox::BackendChoice;

use crate::approver::Approver;
use crate::ask::Lasting;
use crate::assess::RiskAssessor;
use crate::audit::{AUDIT_FOLDER, Audit, AuditError, Event};
use crate::broker::{ANSWER_LIMIT, Broker, BrokerParts};
use crate::denials::real;
use crate::exec::TEMPORARY;
use crate::ids::{SessionId, TurnId};
use crate::memory::{APPROVALS_FOLDER, Memory};
use crate::rules::SessionRules;

/// Where a session takes place.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The session's folder, which `:project_roots` stands for.
    pub cwd: AbsolutePath,
    /// The variables that commands may inherit.
    pub variables: Vec<(OsString, OsString)>,
    /// The configuration home: kept read-only inside writable roots. Rules, grants and the audit log are there.
    pub config_home: Option<AbsolutePath>,
    /// The executable of this program, kept read-only inside writable roots.
    pub executable: Option<AbsolutePath>,
    /// What is to enforce the sandbox.
    pub backend: BackendChoice,
}

impl Surroundings {
    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// What a session is made of.
#[derive(Debug)]
pub struct SessionParts {
    /// Its name.
    pub id: SessionId,
    /// What holds.
    pub policy: EffectivePolicy,
    /// The rule files of all layers.
    pub rules: LayeredRules,
    /// Where it takes place.
    pub surroundings: Surroundings,
    /// Who answers.
    pub approver: Arc<dyn Approver>,
    /// Who has an opinion on risks.
    pub assessor: Option<Arc<dyn RiskAssessor>>,
    /// Where decisions are put on record, and where the session's memory is kept.
    pub storage: Storage,
    /// How long a question waits for its answer.
    pub answer_limit: Duration,
    /// Which answers are more than a plain yes.
    pub lasting: Lasting,
}

/// Where a session keeps what outlives it.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The folder of the audit log.
    pub audit: PathBuf,
    /// The folder of remembered approvals; `None` remembers them until this program ends.
    pub approvals: Option<PathBuf>,
    /// Where accepted rules are written; `None` keeps them until this program ends.
    pub rules_home: Option<PathBuf>,
}

impl Storage {
    /// All of it in the configuration home. A session without a name of its own has nobody to remember it.
    pub fn in_home(config_home: &Path, remembers: bool) -> Self {
        Self {
            audit: config_home.join(AUDIT_FOLDER),
            approvals: remembers.then(|| config_home.join(APPROVALS_FOLDER)),
            rules_home: Some(config_home.to_owned()),
        }
    }
}

/// A session that cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Nothing could be put on record (I9).
    #[error("cannot begin the session")]
    Audit(#[from] AuditError),
}

impl SessionError {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> String {
        match self {
            Self::Audit(error) => error.help(),
        }
    }
}

/// What an agent does, is asked about here. Cheap to share; all methods take `&self`.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    policy: EffectivePolicy,
    rules: Arc<SessionRules>,
    broker: Broker,
    audit: Arc<Audit>,
    surroundings: Surroundings,
    warnings: Vec<String>,
    storage: Storage,
}

impl Session {
    /// Begins a session, and puts that on record.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn open(parts: SessionParts) -> Result<Self, SessionError> {
        let SessionParts {
            id,
            policy,
            rules,
            surroundings,
            approver,
            assessor,
            storage,
            answer_limit,
            lasting,
        } = parts;
        let audit = Arc::new(Audit::open(storage.audit.clone(), id.clone())?);
        let _on_record = audit.record(&Event::SessionOpened {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            approval_policy: policy.approval_policy.get().to_string(),
            profile: policy.profile.resolved.name.clone(),
            approver: approver.name().to_owned(),
            cwd: surroundings.cwd.clone(),
        })?;
        let memory = match &storage.approvals {
            Some(folder) => Memory::open(folder, id.clone()),
            None => Memory::ephemeral(),
        };
        let warnings = policy.warnings.iter().chain(&rules.warnings).cloned().collect();
        let rules = Arc::new(SessionRules::new(rules.policy, rules.hosts, storage.rules_home.clone()));
        let broker = Broker::new(BrokerParts {
            approver,
            assessor,
            audit: Arc::clone(&audit),
            memory,
            rules: Arc::clone(&rules),
            answer_limit,
            lasting,
        });
        Ok(Self { id, policy, rules, broker, audit, surroundings, warnings, storage })
    }

    /// The default for [`SessionParts::answer_limit`].
    pub const ANSWER_LIMIT: Duration = ANSWER_LIMIT;

    /// Its name.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What holds.
    pub fn policy(&self) -> &EffectivePolicy {
        &self.policy
    }

    /// What people should know of the configuration and the rules, one sentence each, safe to print.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its broker, for questions that are not the session's own.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Begins a turn of the agent. Nothing is asked outside of one.
    pub fn begin_turn(&self, turn: &TurnId) {
        self.broker.begin_turn(turn);
    }

    /// Ends a turn, also one that is interrupted: open questions are taken back, running commands end, and what was
    /// granted for the turn is forgotten.
    pub fn end_turn(&self, turn: &TurnId) {
        self.broker.end_turn(turn);
    }

    /// Where what outlives it is kept, by name and by where that leads.
    pub(crate) fn stored_in(&self) -> impl Iterator<Item = AbsolutePath> {
        let Storage { audit, approvals, rules_home } = &self.storage;
        let folders = std::iter::once(audit).chain(approvals).chain(rules_home);
        folders
            .filter_map(|folder| AbsolutePath::parse(folder).ok())
            .flat_map(|folder| [real(&folder), folder])
    }

    /// Takes note of where a sandboxed command or a patch is about to write.
    pub(crate) fn opens(&self, places: impl IntoIterator<Item = AbsolutePath>) {
        // Those for temporary files count anyway.
        let is_temporary =
            |place: &AbsolutePath| TEMPORARY.iter().any(|folder| place.as_path().starts_with(folder));
        self.broker.opens(places.into_iter().filter(|place| !is_temporary(place)).collect());
    }

    /// Where sandboxed commands and patches of this session could write so far, whatever they may now.
    pub(crate) fn opened(&self) -> Vec<AbsolutePath> {
        self.broker.opened()
    }

    pub(crate) fn rules(&self) -> &SessionRules {
        &self.rules
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The repository around a folder, as far as it is that of the session.
    pub(crate) fn repository(&self, cwd: &AbsolutePath) -> Option<AbsolutePath> {
        let root = &self.policy.config.project.as_ref()?.root;
        // Without a repository the folder itself stands for one.
        let is_one = root.as_path().join(".git").symlink_metadata().is_ok();
        (is_one && cwd.starts_with(root)).then(|| root.clone())
    }
}

impl Drop for Session {
    /// Whoever still waits for an answer is told that there will be none.
    fn drop(&mut self) {
        self.broker.close();
    }
}
