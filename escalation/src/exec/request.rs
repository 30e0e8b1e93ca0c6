//! What the agent asks for.

use std::collections::BTreeMap;

use policies::{AbsolutePath, AdditionalPermissions};

use crate::ids::Call;

/// A command that the agent wants to run.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// What the agent does.
    pub call: Call,
    /// The command's words, argument 0 included.
    pub argv: Vec<String>,
    /// Where it starts. What is writable comes from the session, whatever this is (I6).
    pub cwd: AbsolutePath,
    /// Variables to set on top of what policy gives.
    pub environment: BTreeMap<String, String>,
    /// Which of the embedder's environments; `local` for this machine.
    pub environment_id: String,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// What it should have.
    pub permissions: SandboxPermissions,
    /// Why, in the agent's words.
    pub justification: Option<String>,
    /// A prefix that the agent would like a rule for.
    pub prefix_rule: Option<Vec<String>>,
}

/// What a command should have, in the agent's opinion.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum SandboxPermissions {
    /// The sandbox of the session.
    #[default]
    UseDefault,
    /// No sandbox.
    RequireEscalated,
    /// The sandbox of the session, with more.
    WithAdditional(AdditionalPermissions),
}

/// The environment of commands on this machine.
pub(crate) const LOCAL: &str = "local";

impl ExecRequest {
    /// A command in the sandbox of the session, with nothing special about it.
    pub fn new(call: Call, argv: impl IntoIterator<Item = impl Into<String>>, cwd: AbsolutePath) -> Self {
        Self {
            call,
            argv: argv.into_iter().map(Into::into).collect(),
            cwd,
            environment: BTreeMap::new(),
            environment_id: LOCAL.to_owned(),
            tty: false,
            permissions: SandboxPermissions::UseDefault,
            justification: None,
            prefix_rule: None,
        }
    }
}
