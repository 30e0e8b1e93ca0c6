//! Changing files for an agent: judged, asked about where it leaves the writable roots, on record, applied.

use std::path::PathBuf;

use policies::display::with_causes;
use policies::{AbsolutePath, Access, ApprovalPolicy, PROTECTED_NAMES};
use sandbox::Boundaries;

use crate::answer::Answer;
use crate::ask::Draft;
use crate::denials::Denials;
use crate::exec::{NotRun, granted};
use crate::files::{
    Applied, ApplyError, Approved, Boundary, FileChange, FileChangeError, GrantRoot, Judged, Standing,
    resolve_root,
};
use crate::gate;
use crate::held::{Held, writing};
use crate::ids::Call;
use crate::record;
use crate::session::Session;
use crate::settled::{Authority, Category, Grant};
use crate::subject::{FileChangeSubject, Subject};

/// Files that an agent wants to change.
#[derive(Debug)]
pub struct FileChangeRequest {
    /// What the agent does.
    pub call: Call,
    /// What relative paths are relative to.
    pub cwd: AbsolutePath,
    /// The changes.
    pub changes: Vec<FileChange>,
    /// A folder that the agent would like to write to for the rest of the session.
    pub grant_root: Option<PathBuf>,
    /// The changes in unified form, for display.
    pub diff: Option<String>,
    /// Why, in the agent's words.
    pub reason: Option<String>,
}

/// A patch that was not applied, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It touches what no answer can open, or is no patch.
    #[error(transparent)]
    Judged(#[from] FileChangeError),
    /// There was no yes.
    #[error(transparent)]
    NotRun(#[from] NotRun),
    /// It failed; the error says what is in place.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl PatchError {
    /// The smallest thing that would change the outcome, where one is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Judged(error) => Some(error.help()),
            Self::NotRun(reason) => reason.help(),
            Self::Apply(error) => Some(error.help()),
        }
    }
}

/// What a session may write: its profile with what was granted, and the folders that were granted.
struct Writable {
    boundaries: Boundaries,
    /// Names that are denied also where nothing exists yet.
    denials: Denials,
    roots: Vec<AbsolutePath>,
    /// Our own: no folder that is granted opens them.
    own: Vec<AbsolutePath>,
}

impl Boundary for Writable {
    /// A granted folder opens what is only readable; what is denied stays denied (I3), and what is protected in every
    /// writable folder (the repository's own configuration, ours) is asked about each time.
    fn access(&self, resolved: &AbsolutePath) -> Option<Access> {
        match self.boundaries.access(resolved) {
            Some(Access::Deny) => Some(Access::Deny),
            Some(Access::Read | Access::Write) | None if self.denials.include(resolved) => Some(Access::Deny),
            Some(Access::Write) => Some(Access::Write),
            access @ (Some(Access::Read) | None) => {
                let is_own = self.own.iter().any(|own| resolved.starts_with(own));
                let is_granted = self.roots.iter().any(|root| is_plainly_below(resolved, root));
                if is_granted && !is_own { Some(Access::Write) } else { access }
            }
        }
    }
}

fn is_plainly_below(path: &AbsolutePath, root: &AbsolutePath) -> bool {
    let Ok(below) = path.as_path().strip_prefix(root.as_path()) else { return false };
    below.components().all(|part| PROTECTED_NAMES.iter().all(|name| part.as_os_str() != *name))
}

impl Session {
    /// Changes files: all of them, or none.
    ///
    /// Files inside what is writable are changed without a question, unless the approval policy is `untrusted`. Paths
    /// are judged by where they lead, and a file or folder that is exchanged after that makes the patch fail.
    /// Looking at files and writing them happens on the calling thread.
    ///
    /// # Errors
    /// [`PatchError`].
    pub async fn change_files(&self, request: FileChangeRequest) -> Result<Applied, PatchError> {
        self.broker().check_turn(&request.call.turn).map_err(|refusal| NotRun::refused(&refusal))?;
        let FileChangeRequest { call, cwd, changes, grant_root, diff, reason } = request;
        let writable = self.writable(&call, &cwd)?;
        let judged = Judged::resolve(changes, &cwd, &writable)?;
        let root = grant_root.map(|root| resolve_root(&root, &cwd, &writable)).transpose()?;
        // One that is writable anyway is nothing to ask for.
        let root = root.filter(|root| root.standing == Standing::Outside);
        let subject = self.patch_subject(&judged, root, diff);
        if let Err(reason) = self.admits_patch(&subject, &cwd) {
            return Err(self.refused(&call, &Subject::FileChange(subject), reason).into());
        }
        let grant = match self.decide_patch(&call, &cwd, &subject, reason).await {
            Ok(grant) => grant,
            Err(reason) => return Err(self.refused(&call, &Subject::FileChange(subject), reason).into()),
        };
        let decided = record::decided(&call, &Subject::FileChange(subject), &grant, None);
        let on_record = self.audit().record(&decided).map_err(NotRun::Unrecorded)?;
        // Whether it succeeds or not, and also what it deletes: somebody else may put something else there.
        self.opens(judged.paths().iter().cloned());
        let approved = Approved::for_patch(&judged, &on_record);
        let applied = judged.apply(&approved);
        let error = applied.as_ref().err().map(|error| with_causes(error));
        self.broker().note(&record::patched(&call, error));
        Ok(applied?)
    }

    fn writable(&self, call: &Call, cwd: &AbsolutePath) -> Result<Writable, NotRun> {
        let Held { permissions, roots, notes } = self.held(&call.turn, cwd);
        for note in notes {
            self.broker().warn(note);
        }
        let base = &self.policy().profile.resolved.profile;
        let profile = permissions.apply_to(base.clone());
        let boundaries = self.boundaries(&profile, cwd).map_err(|error| NotRun::Unprepared(error.into()))?;
        let denials = Denials::of(base, self.policy().profile.limit.never_readable());
        Ok(Writable { boundaries, denials, roots, own: self.kept_from_grants() })
    }

    /// Whether requirements leave room for a yes: what would be refused as a grant is not asked about (I3). A folder
    /// is one; a file outside is what one would have to open, each time that it is asked about.
    fn admits_patch(&self, subject: &FileChangeSubject, cwd: &AbsolutePath) -> Result<(), NotRun> {
        if !subject.outside.is_empty() {
            let base = self.policy().profile.resolved.profile.clone();
            self.check_profile(&writing(&subject.outside).apply_to(base))?;
        }
        if let Some(root) = &subject.grant_root {
            self.admits(&writing([root]), cwd)?;
        }
        Ok(())
    }

    async fn decide_patch(
        &self,
        call: &Call,
        cwd: &AbsolutePath,
        subject: &FileChangeSubject,
        reason: Option<String>,
    ) -> Result<Grant, NotRun> {
        let policy = *self.policy().approval_policy.get();
        let asks = policy == ApprovalPolicy::Untrusted
            || !subject.outside.is_empty()
            || subject.grant_root.is_some()
            || self.broker().is_reviewed(&call.turn);
        if !asks {
            return Ok(Grant { ask: None, by: Authority::Policy, answer: Answer::Accept });
        }
        gate::may_ask(policy, Category::SandboxApproval).map_err(|refusal| NotRun::refused(&refusal))?;
        let subject = Subject::FileChange(subject.clone());
        let draft = Draft { reason, ..Draft::new(call.clone(), subject, cwd.clone()) };
        granted(self.broker().settle(draft).await.as_ref())
    }

    fn patch_subject(
        &self,
        judged: &Judged,
        root: Option<GrantRoot>,
        diff: Option<String>,
    ) -> FileChangeSubject {
        let grant_root = root.map(|root| root.path);
        let mut touched = judged.paths().iter().chain(&grant_root);
        let kept: Vec<AbsolutePath> = self.kept_from_grants().into_iter().chain(self.stored_in()).collect();
        let is_guarded = |path: &AbsolutePath| {
            !is_plainly_below(path, &AbsolutePath::root()) || kept.iter().any(|kept| path.starts_with(kept))
        };
        FileChangeSubject {
            paths: judged.paths().to_vec(),
            outside: judged.outside().to_vec(),
            is_guarded: touched.any(is_guarded),
            actions: judged.actions(),
            grant_root,
            diff,
            digest: judged.digest().to_owned(),
        }
    }
}
