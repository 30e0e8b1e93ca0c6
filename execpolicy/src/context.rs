//! What a verdict depends on besides the command and the rules: when to ask, and what contains a run.

use serde::{Deserialize, Serialize};

/// When a person is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ApprovalPolicy {
    /// Ask before every command that no rule allows.
    Untrusted,
    /// Run inside the sandbox; ask when that failed. Judged like `OnRequest`.
    OnFailure,
    /// Run inside the sandbox; ask when the agent wants out of it, or a rule or a danger says so.
    OnRequest,
    /// Ask nothing: what would need a question is forbidden.
    Never,
    /// Like `OnRequest`, where some kinds of question are refused unasked.
    Granular(Granular),
}

/// Which kinds of question may be asked at all.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Granular {
    /// Questions about leaving the sandbox. A dangerous command is still shown when this is false, but
    /// without an amendment.
    pub sandbox_approval: bool,
    /// Questions that a rule asks for.
    pub rules: bool,
}

/// How far the sandbox lets a run go. It decides nothing about danger.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Sandboxing {
    /// A sandbox limits what the run can do.
    Restricted,
    /// There are no limits to leave: full access.
    Unrestricted,
}

/// What the agent asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Request {
    /// The sandbox that is in force.
    Default,
    /// A run outside of it.
    Escalate,
}

/// Answers where a program's file lies. The evaluator never looks at the file system; its caller may.
pub trait Programs {
    /// Whether the sandboxed side could have put the file at this absolute path there, or could change it.
    /// `path` is absolute and lexically normal. True when in doubt.
    fn replaceable(&self, path: &str) -> bool;
}

/// Judges by the text of paths alone: what lies below one of these roots can be replaced.
#[derive(Clone, Debug, Default)]
pub struct WritableRoots(pub Vec<String>);

impl Programs for WritableRoots {
    fn replaceable(&self, path: &str) -> bool {
        self.0.iter().any(|root| {
            let root = root.trim_end_matches('/');
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Everything around a command that its verdict depends on.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// When a person is asked.
    pub approval: ApprovalPolicy,
    /// Whether a sandbox limits the run.
    pub sandboxing: Sandboxing,
    /// What the agent asks for.
    pub request: Request,
    /// The working directory: absolute.
    pub cwd: &'a str,
    /// Whether that is another directory than the one in which rules are meant, chosen by the agent: then a rule does
    /// not cover what trusts the content of its directory, as after `cd`.
    pub moved: bool,
    /// Where programs lie.
    pub programs: &'a dyn Programs,
    /// The prefix that the model would like a rule for, if it named one. Only ever offered, see `amendment`.
    pub wanted_prefix: Option<&'a [String]>,
}

#[cfg(test)]
mod tests {
    use super::{Programs, WritableRoots};

    #[test]
    fn a_root_covers_what_is_below_it_and_nothing_beside_it() {
        let roots = WritableRoots(vec!["/project/".into()]);
        assert!(roots.replaceable("/project/bin/git"));
        assert!(roots.replaceable("/project"));
        assert!(!roots.replaceable("/projector/git"));
        assert!(WritableRoots(vec!["/".into()]).replaceable("/usr/bin/git"));
    }
}
