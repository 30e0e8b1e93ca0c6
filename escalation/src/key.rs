//! The canonical key of a question: equal keys are the same question (I4).
//!
//! Two asks with one key that wait at the same time share one prompt, and what was approved for the session is
//! remembered by key. So everything belongs to the key that an answer could depend on, and nothing that two ways of
//! writing the same thing differ in: how a plain command is quoted, whether the shell is a login shell, why the
//! agent wants it.

use std::collections::BTreeMap;
use std::fmt;

use execpolicy::command::all_literal;
use execpolicy::shell::{self, Dialect, Directory, Source};
use execpolicy::{Placement, Word};
use policies::{AbsolutePath, AdditionalPermissions};
use sandbox::{FileVersion, Identity};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::exec::Inputs;
use crate::subject::{ExecSubject, FileAction, RetryWith, Subject, SubjectKind};

/// The SHA-256 digest of a subject's canonical form.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a subject.
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Exec(exec) => Self::digest(SubjectKind::Exec, &CanonicalExec::of(exec)),
            Subject::Retry(retry) => {
                Self::digest(SubjectKind::Retry, &(CanonicalExec::of(&retry.exec), With::of(&retry.with)))
            }
            Subject::Subcommand(subcommand) => Self::digest(SubjectKind::Subcommand, subcommand),
            Subject::StdinWrite(stdin) => Self::digest(SubjectKind::StdinWrite, stdin),
            Subject::FileChange(change) => Self::digest(
                SubjectKind::FileChange,
                &(&change.paths, &change.outside, &change.grant_root, &change.digest),
            ),
            Subject::Permissions(permissions) => Self::digest(SubjectKind::Permissions, permissions),
            Subject::Network(network) => Self::digest(SubjectKind::Network, network),
        }
    }

    /// The key of a permission to do this with one file, however the change looks.
    pub fn of_file(path: &AbsolutePath, action: FileAction) -> Self {
        Self::digest(SubjectKind::FileChange, &(path, action))
    }

    /// INVARIANT (kinds): the kind is part of what is hashed, so no two kinds share a key.
    fn digest(kind: SubjectKind, canonical: &impl Serialize) -> Self {
        let mut hasher = Hasher(Sha256::new());
        // Neither writing to a hasher nor the forms of this module can fail to serialise: their maps have text keys.
        // If one ever did, the key would be one that nothing else has.
        if serde_json::to_writer(&mut hasher, &(kind, canonical)).is_err() {
            hasher.0.update(uuid::Uuid::new_v4().as_bytes());
        }
        Self(hasher.0.finalize().into())
    }
}

struct Hasher(Sha256);

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A command, without what two ways of writing it differ in.
#[derive(Serialize)]
struct CanonicalExec<'a> {
    environment_id: &'a str,
    program: &'a AbsolutePath,
    version: FileVersion,
    command: CanonicalCommand<'a>,
    cwd: &'a AbsolutePath,
    cwd_target: Option<&'a AbsolutePath>,
    cwd_identity: Option<Identity>,
    inputs: &'a Inputs,
    tty: bool,
    placement: Placement,
    additional: Option<&'a AdditionalPermissions>,
    environment: &'a BTreeMap<String, String>,
    profile: &'a str,
}

impl<'a> CanonicalExec<'a> {
    fn of(exec: &'a ExecSubject) -> Self {
        Self {
            environment_id: &exec.environment_id,
            program: &exec.program.path,
            version: exec.program.version,
            command: CanonicalCommand::of(&exec.argv),
            cwd: &exec.cwd,
            cwd_target: exec.cwd_target.as_ref(),
            cwd_identity: exec.cwd_identity,
            inputs: &exec.inputs,
            tty: exec.tty,
            placement: exec.placement,
            additional: exec.additional.as_ref(),
            environment: &exec.environment,
            profile: &exec.reach.fingerprint,
        }
    }
}

/// The words of a command.
#[derive(Debug, Eq, PartialEq, Serialize)]
enum CanonicalCommand<'a> {
    /// The words of the one plain command that a shell runs. A login shell reads files before that: where commands could
    /// change those, the inputs are in doubt, and a yes is good for one run.
    Plain(Vec<String>),
    /// A script: its language, what the shell is told besides, and the exact text. A login shell may make something
    /// else of a script than another one.
    Script(&'static str, &'a [String], String),
    /// Any other command, word for word.
    Words(&'a [String]),
}

impl<'a> CanonicalCommand<'a> {
    fn of(argv: &'a [String]) -> Self {
        Self::of_shell(argv).unwrap_or(Self::Words(argv))
    }

    /// Of a shell that gets a script, and nothing else that the script could look at.
    fn of_shell(argv: &'a [String]) -> Option<Self> {
        let words = Word::all(argv);
        let invocation = shell::invocation(&words)?;
        let Source::Script { text, word } = invocation.source else { return None };
        if !invocation.constructs.is_empty() || word.saturating_add(1) != argv.len() {
            return None;
        }
        let options = argv.get(1..word)?;
        let plain = plain_command(&text, invocation.dialect);
        Some(plain.map_or_else(|| Self::Script(invocation.dialect.word(), options, text), Self::Plain))
    }
}

/// The one command that the script consists of, if that is all there is to it.
fn plain_command(script: &str, dialect: Dialect) -> Option<Vec<String>> {
    let script = shell::read(script, dialect);
    let [command] = script.commands.as_slice() else { return None };
    let alone = script.is_plain()
        && command.redirections.is_empty()
        && command.assignments.is_empty()
        && command.directory == Directory::Initial;
    alone.then(|| all_literal(&command.words)).flatten()
}

#[derive(Serialize)]
enum With<'a> {
    Permissions(&'a AdditionalPermissions),
    Unsandboxed,
}

impl<'a> With<'a> {
    fn of(with: &'a RetryWith) -> Self {
        match with {
            RetryWith::Permissions { permissions } => Self::Permissions(permissions),
            RetryWith::Unsandboxed => Self::Unsandboxed,
        }
    }
}

/// The text is not a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key is 64 hexadecimal digits")]
pub struct InvalidKey;

impl TryFrom<String> for Key {
    type Error = InvalidKey;

    fn try_from(text: String) -> Result<Self, InvalidKey> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(InvalidKey);
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidKey)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidKey)?;
        }
        Ok(Self(key))
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::{CanonicalCommand, Key};

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn quoting_and_login_shells_make_no_difference() {
        let plain = argv(&["bash", "-c", "git push"]);
        let same = [argv(&["bash", "-lc", "git   'push'"]), argv(&["bash", "-c", " git \"push\" "])];
        for other in &same {
            assert_eq!(CanonicalCommand::of(&plain), CanonicalCommand::of(other), "{other:?}");
        }
    }

    #[test]
    fn what_a_yes_could_depend_on_makes_a_difference() {
        let plain = argv(&["bash", "-c", "git push"]);
        let others = [
            argv(&["bash", "-c", "git push > /etc/x"]),
            argv(&["bash", "-c", "A=b git push"]),
            argv(&["bash", "-c", "cd /tmp && git push"]),
            argv(&["bash", "-c", "git push; git push"]),
            argv(&["bash", "-c", "git pus[h]"]),
            argv(&["bash", "-c", "git push", "git"]),
            argv(&["bash", "--rcfile", "x", "-ic", "git push"]),
            argv(&["git", "push "]),
        ];
        for other in &others {
            assert_ne!(CanonicalCommand::of(&plain), CanonicalCommand::of(other), "{other:?}");
        }
    }

    #[test]
    fn a_script_is_its_text_and_how_the_shell_reads_it() {
        let script = argv(&["bash", "-c", "git pull && git push"]);
        assert_eq!(CanonicalCommand::of(&script), CanonicalCommand::of(&script.clone()));
        for other in [
            argv(&["bash", "-lc", "git pull && git push"]),
            argv(&["bash", "-c", "git pull  && git push"]),
            argv(&["zsh", "-c", "git pull && git push"]),
        ] {
            assert_ne!(CanonicalCommand::of(&script), CanonicalCommand::of(&other), "{other:?}");
        }
    }

    #[test]
    fn a_key_reads_what_it_prints() {
        let key = Key([0xa5; 32]);
        assert_eq!(serde_json::from_str::<Key>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
        for bad in ["", "zz", &"g".repeat(64), &"é".repeat(32)] {
            assert!(Key::try_from(bad.to_owned()).is_err());
        }
    }
}
