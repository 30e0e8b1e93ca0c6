//! Questions for more permissions, for a turn or the session.

use policies::{AbsolutePath, AdditionalPermissions, GrantScope};
use serde::Serialize;

use crate::answer::{Answer, MalformedAnswer, PermissionsAnswer};
use crate::ask::Draft;
use crate::exec::{NotRun, canonical, granted};
use crate::gate;
use crate::ids::Call;
use crate::record;
use crate::session::Session;
use crate::settled::Category;
use crate::subject::{PermissionsSubject, Subject};

/// What the agent would like to have.
#[derive(Clone, Debug)]
pub struct PermissionsRequest {
    /// What the agent does.
    pub call: Call,
    /// Where the agent says that it is. Places of the session, such as `:project_roots`, are the session's.
    pub cwd: AbsolutePath,
    /// Which of the embedder's environments; `local` for this machine.
    pub environment_id: String,
    /// What is asked for.
    pub permissions: AdditionalPermissions,
    /// Why, in the agent's words.
    pub reason: Option<String>,
}

/// What it gets. The default is nothing.
#[derive(Debug, Default)]
pub struct PermissionsGrant {
    /// These, and no others.
    pub permissions: AdditionalPermissions,
    /// For how long.
    pub scope: GrantScope,
    /// Whether each later command of this turn is asked about.
    pub strict_auto_review: bool,
    /// Why it is not more, where that is known.
    pub reason: Option<NotRun>,
}

impl PermissionsGrant {
    /// As the agent sees it: `{"permissions": {"network": …, "file_system": …}, "scope": "turn"}`.
    pub fn to_agent_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        struct Told<'a> {
            network: Option<Network>,
            file_system: Option<FileSystem<'a>>,
        }
        #[derive(Serialize)]
        struct Network {
            enabled: bool,
        }
        #[derive(Serialize)]
        struct FileSystem<'a> {
            entries: &'a [policies::Entry],
        }
        let permissions = &self.permissions;
        let told = Told {
            network: permissions.network.is_enabled().then_some(Network { enabled: true }),
            file_system: Some(FileSystem { entries: &permissions.entries })
                .filter(|files| !files.entries.is_empty()),
        };
        serde_json::json!({ "permissions": told, "scope": self.scope })
    }
}

impl Session {
    /// Asks for more permissions. What is granted is what was asked for *and* answered; whatever goes wrong, it is
    /// nothing. Commands of the turn, or of the session, have it from then on.
    pub async fn request_permissions(&self, request: &PermissionsRequest) -> PermissionsGrant {
        match self.decide_permissions(request).await {
            Ok(grant) => grant,
            Err(reason) => {
                let subject =
                    Subject::Permissions(self.permissions_subject(request, request.permissions.clone()));
                let reason = self.refused(&request.call, &subject, reason);
                PermissionsGrant { reason: Some(reason), ..PermissionsGrant::default() }
            }
        }
    }

    async fn decide_permissions(&self, request: &PermissionsRequest) -> Result<PermissionsGrant, NotRun> {
        let refused = |refusal| NotRun::refused(&refusal);
        self.broker().check_turn(&request.call.turn).map_err(refused)?;
        gate::may_ask(*self.policy().approval_policy.get(), Category::RequestPermissions).map_err(refused)?;
        let wanted = self.in_session(request.permissions.clone())?.normalise(&canonical);
        self.admits(&wanted, &request.cwd)?;
        let subject = Subject::Permissions(self.permissions_subject(request, wanted.clone()));
        let draft = Draft {
            reason: request.reason.clone(),
            ..Draft::new(request.call.clone(), subject, request.cwd.clone())
        };
        let settled = self.broker().settle(draft).await;
        let grant = granted(&settled)?;
        let (Answer::Grant(answer), Some(ask)) = (&grant.answer, grant.ask) else {
            let error = MalformedAnswer::new("it names no permissions");
            return Err(NotRun::ApprovalFailed(error.into()));
        };
        // Each command of a turn can be asked about, and not of a session.
        let contradicts = answer.strict_auto_review && answer.scope == GrantScope::Session;
        let answer = if contradicts { &PermissionsAnswer::default() } else { answer };
        let PermissionsAnswer { permissions, scope, strict_auto_review } = answer;
        let answered = self.in_session(permissions.clone())?.normalise(&canonical);
        let effective = wanted.intersect(&answered, &self.surroundings().cwd);
        self.admits(&effective, &request.cwd)?;
        let about = Subject::Permissions(self.permissions_subject(request, effective.clone()));
        let _on_record = self
            .audit()
            .record(&record::decided(&request.call, &about, &grant, None))
            .map_err(NotRun::Unrecorded)?;
        if !effective.is_empty() {
            let turn = &request.call.turn;
            self.broker()
                .remember_permissions(effective.clone(), *scope, turn, ask)
                .map_err(|refusal| NotRun::refused(&refusal))?;
        }
        if *strict_auto_review {
            self.broker().review(&request.call.turn);
        }
        let strict_auto_review = *strict_auto_review;
        Ok(PermissionsGrant { permissions: effective, scope: *scope, strict_auto_review, reason: None })
    }

    /// Places that are relative are relative to the session's folder, as in its profile: where the agent says that it
    /// is widens nothing (I6).
    fn permissions_subject(
        &self,
        request: &PermissionsRequest,
        permissions: AdditionalPermissions,
    ) -> PermissionsSubject {
        PermissionsSubject {
            permissions,
            cwd: self.surroundings().cwd.clone(),
            environment_id: request.environment_id.clone(),
        }
    }
}
