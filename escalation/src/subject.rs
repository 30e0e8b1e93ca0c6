//! What is asked about: one type for each kind of question, complete enough to decide on.
//!
//! A subject holds what was resolved, not what was typed: the program's file, the absolute directory, the finished
//! permissions. What an approver sees is made from it, and so is its [`Key`](crate::Key).

use std::collections::BTreeMap;

use execpolicy::{Placement, Protocol, Summary};
use policies::{AbsolutePath, AdditionalPermissions};
use sandbox::{FileVersion, Identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{HostAction, HostAmendment};
use crate::audit::redacted_argv;
use crate::exec::Inputs;

/// What an approver is asked about.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Subject {
    /// A command.
    Exec(Box<ExecSubject>),
    /// A program that a running command starts.
    Subcommand(SubcommandSubject),
    /// Keys for a running command.
    StdinWrite(StdinSubject),
    /// Writing files.
    FileChange(FileChangeSubject),
    /// More permissions, for a turn or the session.
    Permissions(PermissionsSubject),
    /// A host.
    Network(NetworkSubject),
    /// The second attempt of a command that the sandbox stopped.
    Retry(Box<RetrySubject>),
}

/// The program of a command: the file that its name led to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramFile {
    /// The path that is executed.
    pub path: AbsolutePath,
    /// Where it led.
    pub target: AbsolutePath,
    /// Which version of which file that is.
    #[serde(skip)]
    pub version: FileVersion,
}

impl From<&sandbox::Program> for ProgramFile {
    fn from(program: &sandbox::Program) -> Self {
        Self { path: program.path().clone(), target: program.target().clone(), version: program.version() }
    }
}

/// A command, as it would run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecSubject {
    /// The resolved program.
    pub program: ProgramFile,
    /// Its arguments, argument 0 included.
    pub argv: Vec<String>,
    /// Where it starts.
    pub cwd: AbsolutePath,
    /// Where that name leads, through every symlink, where it is not the place itself.
    pub cwd_target: Option<AbsolutePath>,
    /// Which folder that is; `None` when the profile hides it.
    #[serde(skip)]
    pub cwd_identity: Option<Identity>,
    /// Files that it names and that sandboxed commands could change, as they are now, if it would have more than the
    /// sandbox gives.
    #[serde(skip)]
    pub inputs: Inputs,
    /// What the agent adds to the environment that policy gives. Values are shown to the approver and never
    /// recorded.
    pub environment: BTreeMap<String, String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Which of the embedder's environments; `local` for this machine.
    pub environment_id: String,
    /// Whether it would run in the sandbox.
    pub placement: Placement,
    /// What it would have beyond the profile of the session, together with what was granted before.
    pub additional: Option<AdditionalPermissions>,
    /// What it could touch.
    pub reach: Reach,
    /// The repository around the working directory.
    pub repository: Option<AbsolutePath>,
    /// What it does, for display.
    pub summary: Vec<Summary>,
}

/// What a run could touch.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// The profile's name.
    pub profile: String,
    /// The profile's own JSON, with all that was granted.
    #[serde(skip)]
    pub fingerprint: String,
    /// Whether the kernel confines it.
    pub sandboxed: bool,
    /// Where it may write, resolved. Without a sandbox: everywhere, and this is empty.
    pub writable: Vec<AbsolutePath>,
    /// Whether it reaches the network.
    pub network: bool,
}

/// A program that a running command wants to start.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubcommandSubject {
    /// The file to execute.
    pub program: AbsolutePath,
    /// Its arguments.
    pub argv: Vec<String>,
    /// Where it starts.
    pub cwd: AbsolutePath,
    /// Whether it would leave the sandbox that its parent runs in.
    pub placement: Placement,
}

/// Text for the standard input of a running command.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StdinSubject {
    /// Which process, in the embedder's words.
    pub process: String,
    /// What that process was started as.
    pub argv: Vec<String>,
    /// What would be written.
    pub text: String,
}

/// Files that would be written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChangeSubject {
    /// The files, where their names lead, each once, in order of name.
    pub paths: Vec<AbsolutePath>,
    /// Those of them that lie outside what is writable.
    pub outside: Vec<AbsolutePath>,
    /// Whether one of them, or the folder, decides about later commands or keeps the record of them: rules, hooks, the
    /// configuration home. Such a change is asked about each time.
    #[serde(skip)]
    pub is_guarded: bool,
    /// What happens to those of them that are not only written.
    #[serde(skip)]
    pub actions: BTreeMap<AbsolutePath, FileAction>,
    /// A folder that the agent would like to write to for the rest of the session.
    pub grant_root: Option<AbsolutePath>,
    /// The change in unified form, for display.
    pub diff: Option<String>,
    /// Which exact change: the digest of all that would be written.
    #[serde(skip)]
    pub digest: String,
}

/// What a change does with a file, as far as a yes to one is none to another.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum FileAction {
    /// It gets content.
    #[default]
    Write,
    /// It gets content, and may be one to execute.
    WriteExecutable,
    /// Its name goes away.
    Delete,
}

impl FileAction {
    /// The word for it, before the name of the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::WriteExecutable => "write and make executable",
            Self::Delete => "delete",
        }
    }
}

impl FileChangeSubject {
    /// What happens to one of its files.
    pub fn action(&self, path: &AbsolutePath) -> FileAction {
        self.actions.get(path).copied().unwrap_or_default()
    }
}

/// More permissions, asked for by themselves.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionsSubject {
    /// What is asked for, normalised.
    pub permissions: AdditionalPermissions,
    /// What relative places are relative to.
    pub cwd: AbsolutePath,
    /// Which of the embedder's environments.
    pub environment_id: String,
}

/// A host that a command wants to reach.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSubject {
    /// Lower case, without port, brackets and trailing dot.
    pub host: String,
    /// By which protocol.
    #[serde(serialize_with = "protocol_word")]
    pub protocol: Protocol,
    /// At which port.
    pub port: u16,
    /// Which of the embedder's environments.
    pub environment_id: String,
}

/// The second attempt of a command.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrySubject {
    /// The command as it would run now.
    pub exec: ExecSubject,
    /// What stopped the first attempt, in words for people.
    pub denial: String,
    /// What is different.
    pub with: RetryWith,
}

/// What a second attempt has more.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum RetryWith {
    /// These permissions, in the sandbox.
    Permissions {
        /// Which.
        permissions: AdditionalPermissions,
    },
    /// Everything: no sandbox.
    Unsandboxed,
}

/// The kinds of subjects, without what they are about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SubjectKind {
    /// A command.
    Exec,
    /// A program that a running command starts.
    Subcommand,
    /// Keys for a running command.
    StdinWrite,
    /// Writing files.
    FileChange,
    /// More permissions.
    Permissions,
    /// A host.
    Network,
    /// A second attempt.
    Retry,
}

impl Subject {
    /// Its kind.
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Exec(_) => SubjectKind::Exec,
            Self::Subcommand(_) => SubjectKind::Subcommand,
            Self::StdinWrite(_) => SubjectKind::StdinWrite,
            Self::FileChange(_) => SubjectKind::FileChange,
            Self::Permissions(_) => SubjectKind::Permissions,
            Self::Network(_) => SubjectKind::Network,
            Self::Retry(_) => SubjectKind::Retry,
        }
    }

    /// One line for messages, safe to print.
    pub fn label(&self) -> String {
        self.label_of(<[String]>::to_vec)
    }

    /// [`Subject::label`] without the secrets that the audit log hides, for what is kept.
    pub(crate) fn label_to_keep(&self) -> String {
        self.label_of(redacted_argv)
    }

    fn label_of(&self, shown: fn(&[String]) -> Vec<String>) -> String {
        let command = |argv: &[String]| {
            execpolicy::display::visible_up_to(&execpolicy::shell::join(&shown(argv)), LABEL)
        };
        match self {
            Self::Exec(exec) => command(&exec.argv),
            Self::Retry(retry) => format!("{} (second attempt)", command(&retry.exec.argv)),
            Self::Subcommand(subcommand) => command(&subcommand.argv),
            Self::StdinWrite(stdin) => format!("input for {}", command(&stdin.argv)),
            Self::FileChange(change) => match change.paths.as_slice() {
                [path] => format!("{} {path}", change.action(path).word()),
                paths => {
                    let deleted =
                        paths.iter().filter(|path| change.action(path) == FileAction::Delete).count();
                    let deed = match deleted {
                        0 => "write",
                        some if some < paths.len() => "write and delete",
                        _ => "delete",
                    };
                    format!("{deed} {} files", paths.len())
                }
            },
            Self::Permissions(_) => "more permissions".to_owned(),
            Self::Network(network) => network.to_string(),
        }
    }
}

impl Subject {
    /// The rules that would settle a question about a host, as offered: the one that allows, then the one that
    /// denies.
    pub fn host_amendments(&self) -> Vec<HostAmendment> {
        match self {
            Self::Network(network) => [HostAction::Allow, HostAction::Deny]
                .map(|action| HostAmendment { host: network.host.clone(), action })
                .into(),
            Self::Exec(_)
            | Self::Retry(_)
            | Self::Subcommand(_)
            | Self::StdinWrite(_)
            | Self::FileChange(_)
            | Self::Permissions(_) => Vec::new(),
        }
    }
}

/// The longest command in a label, in characters.
const LABEL: usize = 200;

impl std::fmt::Display for NetworkSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = execpolicy::display::visible(&self.host);
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.protocol.word(), self.port),
            false => write!(f, "{}://{host}:{}", self.protocol.word(), self.port),
        }
    }
}

fn protocol_word<S: serde::Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(protocol_name(*protocol))
}

/// A protocol, as JSON has it.
fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::Socks5Tcp => "socks5Tcp",
        Protocol::Socks5Udp => "socks5Udp",
    }
}

impl NetworkSubject {
    /// The protocol, as JSON has it: `http`, `https`, `socks5Tcp`, `socks5Udp`.
    pub fn protocol_name(&self) -> &'static str {
        protocol_name(self.protocol)
    }
}
