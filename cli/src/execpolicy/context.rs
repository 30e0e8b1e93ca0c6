//! The context of a verdict, from command-line words.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use execpolicy::{ApprovalPolicy, Context, Granular, Programs, Request, Sandboxing, WritableRoots};
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

impl Surroundings {
    /// From arguments, and from where the caller stands.
    pub(crate) fn new(arguments: &ContextArguments) -> Result<Self, Failure> {
        let caller = Caller::look_around(None)?;
        let cwd = match &arguments.cwd {
            Some(directory) => AbsolutePath::parse(caller.cwd.as_path().join(directory))?,
            None => caller.cwd.clone(),
        };
        let sandboxing = match arguments.sandbox_mode {
            SandboxMode::ReadOnly | SandboxMode::WorkspaceWrite => Sandboxing::Restricted,
            SandboxMode::DangerFullAccess => Sandboxing::Unrestricted,
        };
        Ok(Self {
            approval: arguments.approval_policy.0,
            sandboxing,
            programs: OnDisk { roots: roots(&cwd, &caller) },
            cwd: cwd.as_path().to_string_lossy().into_owned(),
        })
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
fn roots(cwd: &AbsolutePath, caller: &Caller) -> WritableRoots {
    let temporary = caller.variable("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let named = [cwd.as_path().to_owned(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
    let mut roots = Vec::new();
    for root in named.into_iter().chain(temporary) {
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
