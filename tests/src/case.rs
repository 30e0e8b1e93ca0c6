//! What a row of the probe table may say. Reading the files is in [`crate::table`], running a row in
//! [`crate::probe`].

use std::collections::BTreeMap;

use serde::Deserialize;

/// One probe: a command, the profile it runs in, and the effect that must (or must not) be seen.
///
/// Strings may hold the placeholders of [`crate::words`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique, in `snake_case`; part of the name of each test.
    pub name: String,
    /// What would be broken if the row failed.
    pub why: String,
    /// Whether the sandbox must let the probed thing happen.
    pub verdict: Verdict,
    /// The nearest row of the other verdict, in the same file. A refused row must name one: only
    /// beside it does the refusal prove that it was the sandbox that refused.
    pub twin: Option<String>,

    /// `read-only`, `workspace-write` or `danger-full-access` become `--mode`, any other name
    /// `--permission-profile`. Absent: neither flag is given.
    pub profile: Option<String>,
    /// More flags for `codex sandbox`, after `--backend`.
    #[serde(default)]
    pub args: Vec<String>,
    /// The text of `config.toml`.
    pub config: Option<String>,
    /// Runs outside (`sh -eu`) before the probe.
    pub setup: Option<String>,
    /// Runs the setup as root also for the ordinary user's probe, which then needs a root harness.
    #[serde(default)]
    pub setup_as_root: bool,
    /// `sh` text that launches the launcher as `exec "$@"`: for what only a shell can arrange, such
    /// as descriptors, limits and bytes that are not UTF-8.
    pub through: Option<String>,
    /// Where the launcher starts; `{ws}` if absent.
    pub cwd: Option<String>,
    /// Set in the environment of the launcher.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Standard input; empty if absent.
    pub stdin: Option<String>,

    /// The probed command: its argv. Exactly one of `run`, `script`, `python` is given.
    pub run: Option<Vec<String>>,
    /// The probed command: text for `/bin/sh -c`.
    pub script: Option<String>,
    /// The probed command: text for `python3 -c`, after `cases/preamble.py`.
    pub python: Option<String>,

    /// How the launcher must end.
    pub exit: Exit,
    /// The whole standard output.
    pub stdout: Option<String>,
    /// Each must occur in standard output.
    #[serde(default)]
    pub stdout_contains: Vec<String>,
    /// None may occur in standard output.
    #[serde(default)]
    pub stdout_lacks: Vec<String>,
    /// Each must occur in standard error.
    #[serde(default)]
    pub stderr_contains: Vec<String>,
    /// Runs outside (`sh -eu`) after the probe and must succeed: the effect, seen from outside.
    pub after: Option<String>,
    /// Host endpoints that must have been reached. Any other that was reached fails the row.
    #[serde(default)]
    pub reaches: Vec<Endpoint>,
    /// Paths outside the workspace (and protected ones in it) that the command may change. Any
    /// other change fails the row.
    #[serde(default)]
    pub changes: Vec<String>,

    /// As whom; everybody if absent. A restriction is explained in `users_why`.
    pub users: Option<Vec<User>>,
    /// Why the row makes sense for some users only.
    pub users_why: Option<String>,
    /// On which backends; all if absent. A restriction is explained in `backends_why`.
    pub backends: Option<Vec<Backend>>,
    /// Why the row makes sense on some backends only.
    pub backends_why: Option<String>,
    /// Programs that must be there. One that is missing fails the row.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The only processor architecture on which the row has a meaning.
    pub arch: Option<String>,
}

impl Case {
    /// The users that the row is for.
    #[must_use]
    pub fn users(&self) -> &[User] {
        self.users.as_deref().unwrap_or(&User::ALL)
    }

    /// The backends that the row is for.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        self.backends.as_deref().unwrap_or(&Backend::ALL)
    }
}

/// What the sandbox must do about the probed thing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It happens.
    Allowed,
    /// It does not.
    Refused,
}

/// The user as whom a run is started.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub enum User {
    /// User 0.
    #[serde(rename = "root")]
    Root,
    /// Anybody else.
    #[serde(rename = "user")]
    Ordinary,
}

impl User {
    /// Everybody.
    pub const ALL: [Self; 2] = [Self::Root, Self::Ordinary];

    /// The word in test names and rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Ordinary => "user",
        }
    }
}

/// What builds the sandbox.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The program `bwrap`.
    Bwrap,
    /// System calls made by `codex` itself.
    Namespaces,
}

impl Backend {
    /// Every backend that can enforce all of what the rows ask for.
    pub const ALL: [Self; 2] = [Self::Bwrap, Self::Namespaces];

    /// The value of `--backend`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bwrap => "bwrap",
            Self::Namespaces => "namespaces",
        }
    }
}

/// Something that the harness listens on, outside every sandbox.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// TCP on 127.0.0.1.
    Tcp,
    /// UDP on 127.0.0.1.
    Udp,
    /// A stream socket with a path.
    UnixStream,
    /// A datagram socket with a path.
    UnixDatagram,
    /// A stream socket in the abstract namespace.
    UnixAbstract,
}

/// The expected end of a run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum Exit {
    /// Exactly this status.
    Status(i32),
    /// One of a class.
    Class(ExitClass),
}

/// A class of exit statuses.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ExitClass {
    /// Success.
    Zero,
    /// Any other status; not the death of the launcher by a signal.
    Nonzero,
}

impl Exit {
    /// Whether an exit with `status` is what was expected.
    #[must_use]
    pub fn admits(self, status: i32) -> bool {
        match self {
            Self::Status(expected) => status == expected,
            Self::Class(ExitClass::Zero) => status == 0,
            Self::Class(ExitClass::Nonzero) => status != 0,
        }
    }
}
