//! From a request to something that could run: profile, plan, program.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use execpolicy::Placement;
use policies::admin::AdminFolder;
use policies::constrained::Rejection;
use policies::effective::{DeniedGrant, ProxyMissing};
use policies::{
    AbsolutePath, Access, AdditionalPermissions, Entry, EntryPath, FileSystemPolicy, MissingPath,
    NetworkAccess, PermissionProfile, SpecialPath, child_environment,
};
use sandbox::{Backend, BackendError, Boundaries, Plan, PlanError, PlanRequest, Program, ProgramError};

use super::interpreters::Lookup;
use super::{ExecRequest, Inputs, length};
use crate::denials::real;
use crate::session::Session;
use crate::subject::{ExecSubject, ProgramFile, Reach};

/// A command that could run, if it may.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) program: Program,
    pub(super) backend: Backend,
    pub(super) boundaries: Boundaries,
    pub(super) environment: BTreeMap<OsString, OsString>,
    pub(super) placement: Placement,
    pub(super) additional: AdditionalPermissions,
    /// As [`ExecSubject::inputs`].
    pub(super) inputs: Inputs,
    pub(super) fingerprint: String,
}

/// Why a command cannot run, whoever says yes.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// There is no command.
    #[error("there is no command to run")]
    Empty,
    /// It is too long to be looked at.
    #[error("cannot run a command with {what} of more than {limit} bytes")]
    TooLong {
        /// What is.
        what: &'static str,
        /// How long it may be.
        limit: usize,
    },
    /// A word or variable cannot be passed to a program.
    #[error("cannot run a command with a NUL character in {place}")]
    Nul {
        /// Where.
        place: &'static str,
    },
    /// A variable's name is none.
    #[error("cannot set the variable `{}`", policies::escape(.name))]
    Variable {
        /// The name.
        name: String,
    },
    /// The profile cannot be enforced.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The program cannot be run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Nothing here can enforce the profile.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Requirements refuse the profile.
    #[error(transparent)]
    Profile(#[from] Rejection),
    /// Requirements refuse a grant.
    #[error(transparent)]
    Grant(#[from] DeniedGrant),
    /// The network needs a proxy.
    #[error(transparent)]
    Network(#[from] ProxyMissing),
    /// More permissions would open what the profile denies, which no approval does (I3).
    #[error("refused to grant `{path}`: the profile `{profile}` denies it")]
    Denied {
        /// The place.
        path: AbsolutePath,
        /// The profile, escaped.
        profile: String,
    },
    /// More permissions would open what decides about later commands, or keeps the record of them.
    #[error("refused to grant `{path}`: approvals, their record, or the requirements are kept there")]
    Kept {
        /// The place.
        path: AbsolutePath,
    },
    /// A grant names no place of this session.
    #[error("refused to grant `{token}`: it is no place that can be granted")]
    NoPlace {
        /// What it names, safe to print.
        token: String,
    },
    /// A granted place cannot be looked at.
    #[error("cannot look at `{path}`, which is to be granted")]
    Unseen {
        /// The place.
        path: AbsolutePath,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Unprepared {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> String {
        match self {
            Self::Empty => "name a program".to_owned(),
            Self::TooLong { .. } => "put what is long into a file, and name that".to_owned(),
            Self::Nul { .. } => "leave it out".to_owned(),
            Self::Variable { .. } => "a name is not empty and holds no `=`".to_owned(),
            Self::Plan(error) => error.help(),
            Self::Program(error) => error.help(),
            Self::Backend(error) => error.help().to_owned(),
            Self::Profile(_) => {
                "ask the administrator; `codex requirements explain sandbox_mode` says more".to_owned()
            }
            Self::Grant(_) => "leave that path out".to_owned(),
            Self::Network(error) => error.help().to_owned(),
            Self::Denied { .. } => "remove the `deny` entry from the profile, if that is meant".to_owned(),
            Self::Kept { .. } | Self::Unseen { .. } => "leave that path out".to_owned(),
            Self::NoPlace { .. } => "name an absolute path".to_owned(),
        }
    }

    /// Whether the program was not found.
    pub fn is_missing_program(&self) -> bool {
        matches!(self, Self::Program(ProgramError::NotFound { .. }))
    }
}

impl Session {
    /// Resolves a request: in the sandbox of the session with `additional`, or outside of it.
    ///
    /// # Errors
    /// [`Unprepared`].
    pub(super) fn prepare(
        &self,
        request: &ExecRequest,
        placement: Placement,
        additional: AdditionalPermissions,
    ) -> Result<Prepared, Unprepared> {
        check_words(request)?;
        let base = &self.policy().profile.resolved.profile;
        let profile = match placement {
            Placement::Inside => additional.apply_to(base.clone()),
            Placement::Outside => outside(base.clone()),
        };
        self.check_profile(&profile)?;
        self.refuse_denied(&additional, &request.cwd)?;
        let surroundings = self.surroundings();
        let mut environment = child_environment(
            &self.policy().config.shell_environment_policy,
            surroundings.variables.iter().cloned(),
            profile.network(),
        );
        environment.extend(request.environment.iter().map(|(name, value)| (name.into(), value.into())));
        // The shell's word for the working directory only makes sense if it is right.
        if let Some(value) = environment.get_mut(OsStr::new("PWD")) {
            *value = request.cwd.as_path().as_os_str().to_owned();
        }
        let plan = self.plan(&profile, &request.cwd, environment.clone())?;
        let name = request.argv.first().map(OsStr::new).unwrap_or_default();
        let program = plan.resolve_program(name)?;
        let search = surroundings.variable("PATH").map(OsString::as_os_str);
        let backend = sandbox::choose(surroundings.backend, &plan, search)?;
        let boundaries = plan.boundaries().guarding(self.home(), self.guarded_places());
        let fingerprint = fingerprint(&profile, &surroundings.cwd);
        let has_more = placement == Placement::Outside || !boundaries.is_confined() || !additional.is_empty();
        let (program, inputs) = match has_more {
            true => self.pinned(request, program, &environment)?,
            false => (program, Inputs::default()),
        };
        Ok(Prepared {
            plan,
            program,
            backend,
            boundaries,
            environment,
            placement,
            additional,
            inputs,
            fingerprint,
        })
    }

    /// The program, by a path that nobody can turn elsewhere, and what else decides what a run with more than the
    /// sandbox does.
    fn pinned(
        &self,
        request: &ExecRequest,
        program: Program,
        environment: &BTreeMap<OsString, OsString>,
    ) -> Result<(Program, Inputs), Unprepared> {
        let boundaries = self.boundaries(&self.policy().profile.resolved.profile, &request.cwd)?;
        let programs = self.program_files(&request.cwd).within(boundaries);
        let lookup = Lookup::of(environment, &request.cwd);
        let inputs = Inputs::of(&request.argv, &request.environment, program.target(), lookup, &programs);
        let is_looked_up_elsewhere = programs.replaceable_search_folder(environment).is_some()
            || programs.replaceable_loader(environment, request.cwd.as_path()).is_some();
        let inputs = if is_looked_up_elsewhere { inputs.in_doubt() } else { inputs };
        let program = if programs.is_linked_by_others(&program) { program.by_target() } else { program };
        Ok((program, inputs))
    }

    /// Whether requirements allow a profile.
    pub(crate) fn check_profile(&self, profile: &PermissionProfile) -> Result<(), Unprepared> {
        let limit = &self.policy().profile.limit;
        limit.admits(profile)?;
        limit.admits_grants(profile)?;
        self.policy().admits_network(profile)?;
        Ok(())
    }

    /// Refuses grants of what the profile denies (the most specific entry decides in a profile, so such a grant would
    /// win), and of what is kept from grants.
    pub(crate) fn refuse_denied(
        &self,
        granted: &AdditionalPermissions,
        cwd: &AbsolutePath,
    ) -> Result<(), Unprepared> {
        let mut grants = granted.entries.iter().filter(|entry| entry.access != Access::Deny).peekable();
        if grants.peek().is_none() {
            return Ok(());
        }
        let kept = self.kept_from_grants();
        let base = &self.policy().profile.resolved.profile;
        let boundaries = self.boundaries(base, cwd)?;
        let mut above = None;
        let places =
            |entry: &Entry| self.places(&entry.path).into_iter().map(|path| (path, entry.access)).collect();
        for (path, access) in grants.flat_map::<Vec<_>, _>(places) {
            let judged = boundaries
                .judge(path.as_path())
                .map_err(|source| Unprepared::Unseen { path: path.clone(), source })?;
            if judged.access == Some(Access::Deny) {
                let profile = policies::escape(&self.policy().profile.resolved.name);
                return Err(Unprepared::Denied { path, profile });
            }
            let is_kept = |kept: &AbsolutePath| path.starts_with(kept) || judged.path.starts_with(kept);
            if access == Access::Write && kept.iter().any(is_kept) {
                return Err(Unprepared::Kept { path });
            }
            if access == Access::Write && kept.iter().any(|kept| kept.starts_with(&judged.path)) {
                above = Some(path);
            }
        }
        // A plan keeps what is ours inside most of what it opens, but not in the whole disk.
        let Some(path) = above else { return Ok(()) };
        let opened = self.boundaries(&granted.apply_to(base.clone()), cwd)?;
        let is_writable = |boundaries: &Boundaries, kept| boundaries.access(kept) == Some(Access::Write);
        let mut resolved = kept.iter().filter(|kept| real(kept) == **kept);
        match resolved.any(|kept| is_writable(&opened, kept) && !is_writable(&boundaries, kept)) {
            true => Err(Unprepared::Kept { path }),
            false => Ok(()),
        }
    }

    /// Where decisions are made and put on record: the configuration home, the administrator's folder and our own
    /// program, as they are named and where they lead. Nobody is granted these, or anything in them.
    pub(crate) fn kept_from_grants(&self) -> Vec<AbsolutePath> {
        let surroundings = self.surroundings();
        let named = surroundings.config_home.iter().chain(&surroundings.executable).cloned();
        let named = named.chain([AdminFolder::system().path().clone()]);
        named.flat_map(|path| [real(&path), path]).collect()
    }

    /// The home directory of the person, which is not for the agent to choose.
    fn home(&self) -> Option<AbsolutePath> {
        self.surroundings().variable("HOME").and_then(|home| AbsolutePath::parse(home).ok())
    }

    /// What no denial is a reason to open: what is kept from grants, and the folders of programs.
    fn guarded_places(&self) -> Vec<AbsolutePath> {
        let search = self.surroundings().variable("PATH").map(std::env::split_paths);
        let folders = search.into_iter().flatten().filter_map(|folder| AbsolutePath::parse(folder).ok());
        self.kept_from_grants().into_iter().chain(folders).collect()
    }

    /// Permissions with the session's places by their paths, so that what is shown is what is granted wherever a
    /// command starts (I6).
    ///
    /// # Errors
    /// [`Unprepared::NoPlace`]: a grant of something that is no place of this session.
    pub(crate) fn in_session(
        &self,
        wanted: AdditionalPermissions,
    ) -> Result<AdditionalPermissions, Unprepared> {
        let absolute = |entry: Entry| match &entry.path {
            EntryPath::Path(_) | EntryPath::Glob(_) => Ok(entry),
            EntryPath::Special { .. } => match self.places(&entry.path).pop() {
                Some(path) => Ok(Entry { path: EntryPath::Path(path), ..entry }),
                None if entry.access == Access::Deny => Ok(entry),
                None => Err(Unprepared::NoPlace { token: entry.path.to_string() }),
            },
        };
        let entries = wanted.entries.into_iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
        Ok(AdditionalPermissions { entries, ..wanted })
    }

    /// Where an entry lies, as a plan of this session would have it. Patterns never grant, and the system's own places
    /// hold nothing that a profile denies.
    fn places(&self, path: &EntryPath) -> Vec<AbsolutePath> {
        let surroundings = self.surroundings();
        let (base, subpath) = match path {
            EntryPath::Path(path) => return vec![path.clone()],
            EntryPath::Glob(_) => return Vec::new(),
            EntryPath::Special { path, subpath } => {
                let base = match path {
                    SpecialPath::Root => Some(AbsolutePath::root()),
                    SpecialPath::SlashTmp => AbsolutePath::parse("/tmp").ok(),
                    SpecialPath::ProjectRoots => Some(surroundings.cwd.clone()),
                    SpecialPath::Tmpdir => {
                        surroundings.variable("TMPDIR").and_then(|value| AbsolutePath::parse(value).ok())
                    }
                    SpecialPath::Minimal | SpecialPath::Unknown(_) => None,
                };
                (base, subpath)
            }
        };
        let place = base.map(|base| subpath.as_ref().map_or_else(|| base.clone(), |below| base.join(below)));
        place.into_iter().collect()
    }

    /// What a run in this profile may touch.
    pub(crate) fn boundaries(
        &self,
        profile: &PermissionProfile,
        cwd: &AbsolutePath,
    ) -> Result<Boundaries, PlanError> {
        Ok(self.plan(profile, cwd, BTreeMap::new())?.boundaries())
    }

    fn plan(
        &self,
        profile: &PermissionProfile,
        cwd: &AbsolutePath,
        environment: BTreeMap<OsString, OsString>,
    ) -> Result<Plan, PlanError> {
        let surroundings = self.surroundings();
        Plan::resolve(PlanRequest {
            profile,
            cwd,
            workspace: &surroundings.cwd,
            environment,
            tmpdir: surroundings.variable("TMPDIR").map(OsString::as_os_str),
            config_home: surroundings.config_home.as_ref(),
            executable: surroundings.executable.as_ref(),
            never_readable: &self.policy().profile.limit.never_readable(),
        })
    }
}

impl Prepared {
    /// As an approver sees it.
    pub(super) fn subject(&self, session: &Session, request: &ExecRequest) -> ExecSubject {
        let sandboxed = self.boundaries.is_confined();
        ExecSubject {
            program: ProgramFile::from(&self.program),
            argv: request.argv.clone(),
            cwd: request.cwd.clone(),
            cwd_target: Some(self.plan.cwd_target()).filter(|target| **target != request.cwd).cloned(),
            cwd_identity: self.plan.cwd_identity(),
            inputs: self.inputs.clone(),
            environment: request.environment.clone(),
            tty: request.tty,
            environment_id: request.environment_id.clone(),
            placement: self.placement,
            additional: Some(&self.additional).filter(|additional| !additional.is_empty()).cloned(),
            reach: Reach {
                profile: session.policy().profile.resolved.name.clone(),
                fingerprint: self.fingerprint.clone(),
                sandboxed,
                writable: if sandboxed { self.boundaries.writable_roots() } else { Vec::new() },
                network: self.boundaries.network().is_enabled(),
            },
            repository: session.repository(&request.cwd),
            summary: Vec::new(),
        }
    }
}

/// What "outside the sandbox" is for a session: no sandbox. Where the profile hides files, the sandbox stays and
/// hides them, and everything else is open: a yes to leaving the sandbox is none to reading what is denied (I3).
fn outside(base: PermissionProfile) -> PermissionProfile {
    let PermissionProfile::Managed {
        file_system: FileSystemPolicy::Restricted { entries, glob_scan_max_depth },
        ..
    } = base
    else {
        return PermissionProfile::Disabled;
    };
    let mut kept: Vec<Entry> = entries.into_iter().filter(|entry| entry.access == Access::Deny).collect();
    if kept.is_empty() {
        return PermissionProfile::Disabled;
    }
    let root = EntryPath::Special { path: SpecialPath::Root, subpath: None };
    kept.push(Entry { path: root, access: Access::Write, missing: MissingPath::Block });
    let file_system = FileSystemPolicy::Restricted { entries: kept, glob_scan_max_depth };
    PermissionProfile::Managed { file_system, network: NetworkAccess::Enabled }
}

/// What two runs with the same limits have in common.
fn fingerprint(profile: &PermissionProfile, workspace: &AbsolutePath) -> String {
    // A profile with a path that is not Unicode has no JSON form.
    let json = profile.to_canonical_json().unwrap_or_else(|_| format!("{profile:?}"));
    format!("{json} in {}", policies::escape(workspace.as_path()))
}

fn check_words(request: &ExecRequest) -> Result<(), Unprepared> {
    length::check(request)?;
    if request.argv.first().is_none_or(String::is_empty) {
        return Err(Unprepared::Empty);
    }
    if request.argv.iter().any(|word| word.contains('\0')) {
        return Err(Unprepared::Nul { place: "its words" });
    }
    for (name, value) in &request.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Unprepared::Variable { name: name.clone() });
        }
        if value.contains('\0') {
            return Err(Unprepared::Nul { place: "its environment" });
        }
    }
    Ok(())
}
