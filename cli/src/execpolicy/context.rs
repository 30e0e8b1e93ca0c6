//! The context of a verdict, from command-line words.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use execpolicy::{ApprovalPolicy, Context, Granular, Programs, Request, Sandboxing, WritableRoots};
use policies::effective::EffectivePolicy;
use policies::requirements::SandboxModeLimit;
use policies::{AbsolutePath, SandboxMode};

use super::arguments::ContextArguments;
use crate::caller::Caller;
use crate::report::Failure;

/// An approval policy as typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ApprovalWord(pub(crate) ApprovalPolicy);

impl FromStr for ApprovalWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let policy = match word {
            "untrusted" => ApprovalPolicy::Untrusted,
            "on-failure" => ApprovalPolicy::OnFailure,
            "on-request" => ApprovalPolicy::OnRequest,
            "never" => ApprovalPolicy::Never,
            _ => granular(word)?,
        };
        Ok(Self(policy))
    }
}

fn granular(word: &str) -> Result<ApprovalPolicy, String> {
    let wrong = || {
        "expected untrusted, on-failure, on-request, never, or granular:sandbox_approval,rules with the \
         categories that may ask"
            .to_owned()
    };
    let categories = word.strip_prefix("granular").ok_or_else(wrong)?;
    let mut granular = Granular { sandbox_approval: false, rules: false };
    if !categories.is_empty() {
        for category in categories.strip_prefix(':').ok_or_else(wrong)?.split(',') {
            match category {
                "sandbox_approval" => granular.sandbox_approval = true,
                "rules" => granular.rules = true,
                "" => {}
                _ => return Err(wrong()),
            }
        }
    }
    Ok(ApprovalPolicy::Granular(granular))
}

/// Looks where programs really lie: through symbolic links.
#[derive(Debug)]
struct OnDisk {
    roots: WritableRoots,
}

impl Programs for OnDisk {
    fn replaceable(&self, path: &str) -> bool {
        // What is not there can be put there, for all that is known.
        let real = Path::new(path).canonicalize().ok().and_then(|real| real.to_str().map(str::to_owned));
        self.roots.replaceable(path) || real.is_none_or(|real| self.roots.replaceable(&real))
    }
}

/// Owns what a [`Context`] borrows.
#[derive(Debug)]
pub(crate) struct Surroundings {
    approval: ApprovalPolicy,
    sandboxing: Sandboxing,
    cwd: String,
    programs: OnDisk,
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
            writable: session.profile.writable_paths(),
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
            approval: arguments.approval_policy.map_or(defaults.approval, |word| word.0),
            sandboxing,
            programs: OnDisk { roots: roots(caller, &defaults.writable) },
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
            programs: &self.programs,
            wanted_prefix: None,
        }
    }
}

/// What a command could have written, now or in an earlier run: the workspace, whatever the mode, because
/// the repository is the command's side, and the places for temporary files.
fn roots(caller: &Caller, writable: &[PathBuf]) -> WritableRoots {
    let temporary = caller.variable("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let named = [caller.cwd.as_path().to_owned(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
    let mut roots = Vec::new();
    for root in named.into_iter().chain(temporary).chain(writable.iter().cloned()) {
        roots.extend(root.canonicalize().ok().and_then(|real| real.to_str().map(str::to_owned)));
        roots.extend(root.to_str().map(str::to_owned));
    }
    WritableRoots(roots)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use execpolicy::{ApprovalPolicy, Granular, Programs, WritableRoots};

    use super::{ApprovalWord, OnDisk};

    #[test]
    fn a_program_lies_where_its_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned();
        for name in ["workspace", "bin"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["workspace/git", "bin/ls"] {
            std::fs::write(path(name), "").unwrap();
        }
        symlink(path("workspace/git"), path("bin/git")).unwrap();
        let programs = OnDisk { roots: WritableRoots(vec![path("workspace")]) };
        for (name, replaceable) in
            [("bin/ls", false), ("bin/git", true), ("workspace/git", true), ("bin/absent", true)]
        {
            assert_eq!(programs.replaceable(&path(name)), replaceable, "{name}");
        }
    }

    #[test]
    fn granular_names_what_may_ask() {
        let both = Granular { sandbox_approval: true, rules: true };
        let parse = |word: &str| word.parse::<ApprovalWord>().map(|word| word.0);
        assert_eq!(parse("granular:rules,sandbox_approval"), Ok(ApprovalPolicy::Granular(both)));
        let none = Granular { sandbox_approval: false, rules: false };
        assert_eq!(parse("granular"), Ok(ApprovalPolicy::Granular(none)));
        assert!(parse("granular:everything").is_err());
        assert!(parse("always").is_err());
    }
}
