//! The context of a verdict, from command-line words.

use std::path::PathBuf;

use escalation::ProgramFiles;
use execpolicy::{ApprovalPolicy, Context, Request, Sandboxing};
use policies::effective::EffectivePolicy;
use policies::requirements::SandboxModeLimit;
use policies::{AbsolutePath, SandboxMode};

use super::arguments::ContextArguments;
use crate::approval::ApprovalWord;
use crate::caller::Caller;
use crate::report::Failure;

/// Owns what a [`Context`] borrows.
#[derive(Debug)]
pub(crate) struct Surroundings {
    approval: ApprovalPolicy,
    sandboxing: Sandboxing,
    cwd: String,
    programs: ProgramFiles,
}

/// What holds where no flag says otherwise.
#[derive(Debug)]
pub(crate) struct Defaults {
    approval: ApprovalPolicy,
    sandboxing: Sandboxing,
    /// What commands may write besides the workspace.
    writable: Vec<PathBuf>,
}

impl Defaults {
    /// Those of a session.
    pub(crate) fn of(session: &EffectivePolicy) -> Self {
        let sandboxing = match session.profile.class {
            SandboxModeLimit::ReadOnly
            | SandboxModeLimit::WorkspaceWrite
            | SandboxModeLimit::ExternalSandbox => Sandboxing::Restricted,
            SandboxModeLimit::DangerFullAccess => Sandboxing::Unrestricted,
        };
        Self {
            approval: session.approval_policy.get().for_evaluation(),
            sandboxing,
            writable: session.declared_writable(),
        }
    }

    /// Those of nobody in particular.
    fn plain() -> Self {
        Self { approval: ApprovalPolicy::OnRequest, sandboxing: Sandboxing::Restricted, writable: Vec::new() }
    }
}

impl Surroundings {
    /// From arguments and from where the caller stands, for commands of nobody in particular. The working
    /// directory need not exist: recorded commands may have left theirs behind.
    pub(crate) fn plain(arguments: &ContextArguments) -> Result<Self, Failure> {
        let mut caller = Caller::look_around(None)?;
        if let Some(directory) = &arguments.cwd {
            caller.cwd = AbsolutePath::parse(caller.cwd.as_path().join(directory))?;
        }
        Ok(Self::new(arguments, &caller, &Defaults::plain()))
    }

    /// From arguments, for commands of a session in the caller's working directory.
    pub(crate) fn new(arguments: &ContextArguments, caller: &Caller, defaults: &Defaults) -> Self {
        let sandboxing = match arguments.sandbox_mode {
            Some(SandboxMode::ReadOnly | SandboxMode::WorkspaceWrite) => Sandboxing::Restricted,
            Some(SandboxMode::DangerFullAccess) => Sandboxing::Unrestricted,
            None => defaults.sandboxing,
        };
        Self {
            approval: arguments.approval_policy.map_or(defaults.approval, ApprovalWord::for_evaluation),
            sandboxing,
            programs: program_files(caller, &defaults.writable),
            cwd: caller.cwd.as_path().to_string_lossy().into_owned(),
        }
    }

    /// For one command; `cwd` replaces the working directory.
    pub(crate) fn context<'a>(&'a self, request: Request, cwd: Option<&'a str>) -> Context<'a> {
        Context {
            approval: self.approval,
            sandboxing: self.sandboxing,
            request,
            cwd: cwd.unwrap_or(&self.cwd),
            moved: false,
            programs: &self.programs,
            wanted_prefix: None,
        }
    }
}

/// What a command could have written, now or in an earlier run, is not what a rule names.
fn program_files(caller: &Caller, writable: &[PathBuf]) -> ProgramFiles {
    let temporary = caller.variable("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let workspace = caller.cwd.as_path().to_owned();
    ProgramFiles::new(std::iter::once(workspace).chain(temporary).chain(writable.iter().cloned()))
}
