//! Whether a command may run, and with what: evaluate, then ask where that is needed.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use execpolicy::{Context, Decision, Placement, Request, Sandboxing, Verdict};
use policies::display::with_causes;
use policies::{AbsolutePath, AdditionalPermissions};

use super::inner::Commands;
use super::interpreters::Lookup;
use super::prepare::Prepared;
use super::programs::ProgramFiles;
use super::repositories::GitPlace;
use super::{ExecRequest, NotRun, SandboxPermissions};
use crate::answer::Answer;
use crate::ask::Draft;
use crate::denials::real;
use crate::gate;
use crate::held::Held;
use crate::session::Session;
use crate::settled::{Authority, Category, Grant, Settled};
use crate::subject::Subject;

/// A command that may run.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) prepared: Prepared,
    pub(super) verdict: Arc<Verdict>,
    pub(super) grant: Grant,
    pub(super) notes: Vec<String>,
}

/// A command that may not, with what is known of it for the record.
#[derive(Debug)]
pub(super) struct Undecided {
    pub(super) reason: NotRun,
    pub(super) subject: Option<Subject>,
    pub(super) verdict: Option<Arc<Verdict>>,
}

impl<E: Into<NotRun>> From<E> for Undecided {
    fn from(reason: E) -> Self {
        Self { reason: reason.into(), subject: None, verdict: None }
    }
}

/// A command that was judged.
struct Judged {
    prepared: Prepared,
    verdict: Arc<Verdict>,
    /// What the agent asks for and neither rules nor anybody granted yet, so that a yes is needed even if nothing else
    /// speaks against it.
    wants: Option<Category>,
    /// Whether the agent asks to leave a sandbox.
    is_escalated: bool,
    notes: Vec<String>,
}

impl Session {
    /// Decides, asking where that is needed.
    pub(super) async fn decide(&self, request: &ExecRequest) -> Result<Decided, Undecided> {
        self.broker().check_turn(&request.call.turn).map_err(|refusal| NotRun::refused(&refusal))?;
        let Judged { prepared, verdict, wants, is_escalated, notes } = self.judge(request)?;
        let subject = || self.exec_subject(&prepared, request, &verdict);
        let undecided = |reason| Undecided {
            reason,
            subject: Some(Subject::Exec(Box::new(subject()))),
            verdict: Some(Arc::clone(&verdict)),
        };
        // Whatever rules say: an agent under such a policy is told that it need not try.
        if is_escalated && verdict.decision != Decision::Forbidden {
            gate::may_ask(*self.policy().approval_policy.get(), Category::SandboxApproval)
                .map_err(|refusal| undecided(NotRun::refused(&refusal)))?;
        }
        let asks = match (verdict.decision, wants) {
            (Decision::Forbidden, _) => {
                let reason = verdict.reason.clone().unwrap_or_else(|| "refused by policy".to_owned());
                return Err(undecided(NotRun::Forbidden { reason: execpolicy::display::visible(&reason) }));
            }
            // A yes to what a rule asks would be one to what the agent wants too.
            (Decision::Allow | Decision::Prompt | Decision::PromptUser, Some(category)) => {
                gate::may_ask(*self.policy().approval_policy.get(), category)
                    .map_err(|refusal| undecided(NotRun::refused(&refusal)))?;
                true
            }
            (Decision::Prompt | Decision::PromptUser, None) => true,
            (Decision::Allow, None) => self.broker().is_reviewed(&request.call.turn),
        };
        if !asks {
            let grant = Grant { ask: None, by: Authority::Policy, answer: Answer::Accept };
            return Ok(Decided { prepared, verdict, grant, notes });
        }
        let draft = Draft {
            approval_id: None,
            reason: reason(&verdict, request),
            verdict: Some(Arc::clone(&verdict)),
            ..Draft::new(request.call.clone(), Subject::Exec(Box::new(subject())), request.cwd.clone())
        };
        let settled = self.broker().settle(draft).await;
        let grant = granted(&settled).map_err(undecided)?;
        // Minutes may have passed.
        let again = self.prepare(request, prepared.placement, prepared.additional.clone());
        let again = again.map_err(|error| undecided(error.into()))?;
        again.same_as(&prepared).map_err(undecided)?;
        Ok(Decided { prepared: again, verdict, grant, notes })
    }

    /// Evaluates, and finds out where it would run.
    fn judge(&self, request: &ExecRequest) -> Result<Judged, NotRun> {
        let Held { permissions: granted, mut notes, roots: _ } = self.held(&request.call.turn, &request.cwd);
        let (additional, mut wants) = match &request.permissions {
            SandboxPermissions::UseDefault | SandboxPermissions::RequireEscalated => (granted, None),
            SandboxPermissions::WithAdditional(wanted) => {
                let wanted = self.in_session(wanted.clone())?.normalise(&canonical);
                let both = granted.clone().merge(wanted);
                let is_new = both != granted;
                (both, is_new.then_some(Category::RequestPermissions))
            }
        };
        let inside = self.prepare(request, Placement::Inside, additional)?;
        let inside_is_confined = inside.boundaries.is_confined();
        let programs = self.program_files(&request.cwd).within(inside.boundaries.clone());
        let cwd = request.cwd.as_path().to_string_lossy();
        let context = Context {
            approval: self.policy().approval_policy.get().for_evaluation(),
            sandboxing: match inside_is_confined {
                true => Sandboxing::Restricted,
                false => Sandboxing::Unrestricted,
            },
            request: match request.permissions {
                SandboxPermissions::RequireEscalated => Request::Escalate,
                SandboxPermissions::UseDefault | SandboxPermissions::WithAdditional(_) => Request::Default,
            },
            cwd: &cwd,
            moved: false,
            programs: &programs,
            wanted_prefix: request.prefix_rule.as_deref(),
        };
        let verdict = Arc::new(self.rules().evaluate(&request.argv, &context));
        let leaves = verdict.sandbox == Placement::Outside && inside_is_confined;
        let outside = || self.prepare(request, Placement::Outside, AdditionalPermissions::default());
        let prepared = match verdict.decision {
            Decision::Allow if leaves && wants.is_none() => {
                let sure = self.leaves_by_rule(request, &inside, &programs, context);
                match sure.and_then(|()| outside().map_err(|error| with_causes(&error))) {
                    Ok(outside) => outside,
                    // The agent wants it outside: whether it may is a question, then.
                    Err(_) if request.permissions == SandboxPermissions::RequireEscalated => {
                        wants = Some(Category::SandboxApproval);
                        outside()?
                    }
                    Err(why) => {
                        let allowed = "a rule allows it outside the sandbox, but it runs inside";
                        notes.push(format!("{allowed}: {why}"));
                        inside
                    }
                }
            }
            Decision::Prompt | Decision::PromptUser if leaves => outside()?,
            Decision::Allow | Decision::Prompt | Decision::PromptUser | Decision::Forbidden => inside,
        };
        let is_escalated = request.permissions == SandboxPermissions::RequireEscalated;
        let is_escalated = is_escalated && inside_is_confined;
        Ok(Judged { prepared, verdict, wants, is_escalated, notes })
    }

    /// Whether a command that rules allow is surely what they name, so that it may leave the sandbox.
    fn leaves_by_rule(
        &self,
        request: &ExecRequest,
        inside: &Prepared,
        programs: &ProgramFiles,
        context: Context<'_>,
    ) -> Result<(), String> {
        if !self.is_at_home(inside) {
            let moved = self.rules().evaluate(&request.argv, &Context { moved: true, ..context });
            if moved.decision != Decision::Allow || moved.sandbox != Placement::Outside {
                let home = &self.surroundings().cwd;
                return Err(format!(
                    "it starts outside of `{home}`, and what it does depends on what lies there"
                ));
            }
        }
        if let Some(name) = request.environment.keys().next() {
            return Err(format!("the agent sets `{}`, of which no rule speaks", policies::escape(name)));
        }
        if let Some(folder) = programs.replaceable_search_folder(&inside.environment) {
            let folder = policies::escape(folder);
            return Err(format!("`{folder}` on PATH is a place where commands could put programs"));
        }
        let cwd = request.cwd.as_path();
        if let Some((name, why)) = programs.replaceable_loader(&inside.environment, cwd) {
            return Err(format!("`{name}` leads to a place where commands could put code, and {why}"));
        }
        // It may be pinned to its file already, so the path alone does not tell.
        if programs.is_linked_by_others(&inside.program) {
            let path = inside.program.path();
            return Err(format!("a symlink to `{path}` lies where commands could have put it"));
        }
        // By the path that is executed, so that each symlink on the way is looked at.
        let lookup = Lookup::of(&inside.environment, &request.cwd);
        let commands = Commands::of(&request.argv);
        let inner = commands.list.iter().enumerate().flat_map(|(index, words)| {
            // A later word may be a program, too (`env`, `xargs`); one with a slash is a file that is worked on.
            let named = move |(at, word): (usize, &String)| match index + at {
                0 => None,
                _ if at > 0 && word.contains('/') => None,
                _ => lookup.program(OsStr::new(word)),
            };
            words.iter().enumerate().filter_map(named).collect::<Vec<_>>()
        });
        let own = [inside.program.path(), inside.program.target()].map(|path| path.as_path().to_owned());
        let doubtful = own.into_iter().chain(inner).find_map(|path| programs.doubtful(&path, lookup));
        let git =
            GitPlace { lookup, boundaries: &inside.boundaries, programs, environment: &inside.environment };
        doubtful.or_else(|| git.doubtful(&commands)).map_or(Ok(()), Err)
    }

    /// Whether a command starts in the folder of the session, which is the one that rules are about.
    fn is_at_home(&self, prepared: &Prepared) -> bool {
        let home = self.surroundings().cwd.as_path().canonicalize();
        home.is_ok_and(|home| home == prepared.plan.cwd_target().as_path())
    }

    pub(super) fn exec_subject(
        &self,
        prepared: &Prepared,
        request: &ExecRequest,
        verdict: &Verdict,
    ) -> crate::subject::ExecSubject {
        crate::subject::ExecSubject { summary: verdict.summary.clone(), ..prepared.subject(self, request) }
    }

    /// Where commands could have put programs, for a call in `cwd`. Where something was written once stays suspicious,
    /// whoever allowed it and for how long: who knows what was left there.
    pub(crate) fn program_files(&self, cwd: &AbsolutePath) -> ProgramFiles {
        let surroundings = self.surroundings();
        let named = [surroundings.cwd.as_path().to_owned(), cwd.as_path().to_owned()];
        let project = self.policy().config.project.as_ref().map(|project| project.root.as_path().to_owned());
        let temporary = surroundings.variable("TMPDIR").map(PathBuf::from);
        let temporary = temporary.filter(|path| path.is_absolute());
        let writable = self.policy().declared_writable();
        let opened = self.opened().into_iter().map(AbsolutePath::into_path_buf);
        let written: Vec<PathBuf> = writable.into_iter().chain(opened).collect();
        let search = self.search_folders_of(&written);
        let places = named.into_iter().chain(project).chain(temporary).chain(search).chain(written);
        ProgramFiles::new(places)
    }

    /// The folders on `PATH` that one of these is a file of. It answers to a name there, also to that of a program
    /// that has none yet, or that another program starts.
    fn search_folders_of(&self, places: &[PathBuf]) -> Vec<PathBuf> {
        let search = self.surroundings().variable("PATH").map(std::env::split_paths);
        let folders = search.into_iter().flatten().filter_map(|folder| AbsolutePath::parse(folder).ok());
        let files: Vec<&PathBuf> = places.iter().filter(|place| !place.is_dir()).collect();
        let holds = |folder: &AbsolutePath| {
            let real = real(folder);
            let is_one = |parent| parent == folder.as_path() || parent == real.as_path();
            files.iter().any(|file| file.parent().is_some_and(is_one))
        };
        folders.filter(holds).map(AbsolutePath::into_path_buf).collect()
    }
}

/// Where a path leads, but for its last component: a link there may be swapped between question and run, and is
/// judged when the plan is made.
pub(crate) fn canonical(path: &policies::AbsolutePath) -> policies::AbsolutePath {
    let Some((parent, name)) = path.as_path().parent().zip(path.as_path().file_name()) else {
        return path.clone();
    };
    let real = parent.canonicalize().ok().map(|parent| parent.join(name));
    real.and_then(|real| policies::AbsolutePath::parse(real).ok()).unwrap_or_else(|| path.clone())
}

impl Prepared {
    /// Whether what was approved is still what would run.
    pub(super) fn same_as(&self, approved: &Self) -> Result<(), NotRun> {
        if self.program != approved.program {
            return Err(NotRun::Changed { what: approved.program.path().to_string() });
        }
        let cwd = |prepared: &Self| (prepared.plan.cwd_target().clone(), prepared.plan.cwd_identity());
        if cwd(self) != cwd(approved) {
            return Err(NotRun::Changed { what: approved.plan.cwd_target().to_string() });
        }
        if self.fingerprint != approved.fingerprint {
            return Err(NotRun::Changed { what: "the profile".to_owned() });
        }
        if self.inputs != approved.inputs {
            let changed = self.inputs.changed_since(&approved.inputs);
            let what =
                changed.map_or_else(|| "a file that it names".to_owned(), |path| policies::escape(&path));
            return Err(NotRun::Changed { what });
        }
        Ok(())
    }
}

/// What the approver is told: what the rule or heuristic says, and what the agent says.
fn reason(verdict: &Verdict, request: &ExecRequest) -> Option<String> {
    match (&verdict.reason, &request.justification) {
        (Some(reason), Some(said)) => Some(format!("{reason} (the agent says: {said})")),
        (Some(reason), None) => Some(reason.clone()),
        (None, Some(said)) => Some(format!("the agent says: {said}")),
        (None, None) => None,
    }
}

/// The yes, or why there is none.
pub(crate) fn granted(settled: &Settled) -> Result<Grant, NotRun> {
    match settled {
        Settled::Granted(grant) => Ok(grant.clone()),
        Settled::Declined { by, .. } => Err(NotRun::Declined { by: by.clone() }),
        Settled::Cancelled { by, .. } => Err(NotRun::Cancelled { by: by.clone() }),
        Settled::Failed { error, .. } => Err(NotRun::ApprovalFailed(error.clone())),
        Settled::Refused(refusal) => Err(NotRun::refused(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::Arc;

    use policies::{AdditionalPermissions, NetworkAccess};

    use super::*;
    use crate::approver::DenyAll;
    use crate::fixtures::path;
    use crate::ids::{Call, TurnId};
    use crate::setup::Setup;

    /// Within a session, what a question was about is prepared again from the same profile and the same permissions.
    /// If that ever changes, a yes is to what was shown.
    #[test]
    fn a_yes_is_for_the_limits_that_were_shown() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("PATH", "/usr/bin:/bin"), ("HOME", home.path().to_str().unwrap())];
        let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let cwd = path(home.path().canonicalize().unwrap());
        let approver = Arc::new(DenyAll::because("nobody is there".to_owned()));
        let session = Setup::new(cwd.clone(), variables, approver).open().unwrap();
        let request = ExecRequest::new(Call::new(&TurnId("1".to_owned()), "item"), ["true"], cwd);
        let prepare = |additional: &AdditionalPermissions| {
            session.prepare(&request, Placement::Inside, additional.clone()).unwrap()
        };
        let plain = AdditionalPermissions::default();
        let network = AdditionalPermissions { network: NetworkAccess::Enabled, ..plain.clone() };
        for (approved, now) in [(&plain, &network), (&network, &plain)] {
            let changed = prepare(now).same_as(&prepare(approved)).unwrap_err();
            assert!(matches!(&changed, NotRun::Changed { what } if what == "the profile"), "{changed}");
            assert!(prepare(now).same_as(&prepare(now)).is_ok());
        }
    }
}
