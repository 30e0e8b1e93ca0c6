//! What a risk assessor is told: one JSON object. `docs/assessor.md` describes it.
//!
//! Values of environment variables are not in it.

use policies::{AbsolutePath, AdditionalPermissions};
use serde::Serialize;

use crate::ask::Ask;
use crate::subject::{ExecSubject, Reach, RetryWith, Subject, SubjectKind};

/// The version of the format.
const VERSION: u32 = 1;

/// A question, for somebody who gives an opinion.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    version: u32,
    platform: &'static str,
    kind: SubjectKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a AbsolutePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a AbsolutePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<&'a AbsolutePath>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variables: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<Sandbox<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<&'a AdditionalPermissions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<&'a [AbsolutePath]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<&'a [AbsolutePath]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

/// What a run is confined to.
#[derive(Debug, Serialize)]
struct Sandbox<'a> {
    confined: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writable_roots: Option<&'a [AbsolutePath]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<bool>,
}

impl<'a> Request<'a> {
    pub(super) fn of(ask: &'a Ask) -> Self {
        let empty = Self::empty(ask);
        match &ask.subject {
            Subject::Exec(exec) => empty.with_exec(exec),
            Subject::Retry(retry) => {
                let extra = match &retry.with {
                    RetryWith::Permissions { permissions } => Some(permissions),
                    RetryWith::Unsandboxed => None,
                };
                let told = empty.with_exec(&retry.exec);
                Self { failure: Some(&retry.denial), permissions: extra.or(told.permissions), ..told }
            }
            Subject::Subcommand(subcommand) => Self {
                program: Some(&subcommand.program),
                cwd: Some(&subcommand.cwd),
                sandbox: Some(Sandbox {
                    confined: subcommand.placement == execpolicy::Placement::Inside,
                    profile: None,
                    writable_roots: None,
                    network: None,
                }),
                ..empty.with_argv(&subcommand.argv)
            },
            Subject::StdinWrite(stdin) => Self { input: Some(&stdin.text), ..empty.with_argv(&stdin.argv) },
            Subject::FileChange(change) => Self {
                paths: Some(&change.paths),
                outside: Some(&change.outside),
                diff: change.diff.as_deref(),
                ..empty
            },
            Subject::Permissions(permissions) => {
                Self { permissions: Some(&permissions.permissions), cwd: Some(&permissions.cwd), ..empty }
            }
            Subject::Network(network) => Self {
                host: Some(&network.host),
                protocol: Some(network.protocol.word()),
                port: Some(network.port),
                ..empty
            },
        }
    }

    fn empty(ask: &'a Ask) -> Self {
        Self {
            version: VERSION,
            platform: std::env::consts::OS,
            kind: ask.subject.kind(),
            reason: ask.reason.as_deref(),
            argv: None,
            command: None,
            program: None,
            cwd: None,
            repository: None,
            variables: Vec::new(),
            sandbox: None,
            permissions: None,
            failure: None,
            input: None,
            paths: None,
            outside: None,
            diff: None,
            host: None,
            protocol: None,
            port: None,
        }
    }

    fn with_argv(self, argv: &'a [String]) -> Self {
        Self { argv: Some(argv), command: Some(execpolicy::shell::join(argv)), ..self }
    }

    fn with_exec(self, exec: &'a ExecSubject) -> Self {
        Self {
            program: Some(&exec.program.target),
            cwd: Some(&exec.cwd),
            repository: exec.repository.as_ref(),
            variables: exec.environment.keys().map(String::as_str).collect(),
            sandbox: Some(Sandbox::of(&exec.reach)),
            permissions: exec.additional.as_ref(),
            ..self.with_argv(&exec.argv)
        }
    }
}

impl<'a> Sandbox<'a> {
    fn of(reach: &'a Reach) -> Self {
        let confined = reach.sandboxed;
        Self {
            confined,
            profile: confined.then_some(reach.profile.as_str()),
            writable_roots: confined.then_some(reach.writable.as_slice()),
            network: Some(reach.network),
        }
    }
}
