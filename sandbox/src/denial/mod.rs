//! Whether a run failed because the sandbox said no, and what would have been enough.
//!
//! The kernel tells the command, not us: all there is to go by is how the run ended and what it wrote, and that is
//! hostile text (I5). A diagnosis therefore never grants anything. It is a reason to ask, and it names a path or the
//! network as the cause only where the plan really denies them.

mod guarded;
mod mention;
mod remedy;
mod words;

use std::fmt;
use std::path::Path;

use policies::{AbsolutePath, Access, AdditionalPermissions, NetworkAccess};
use serde::{Deserialize, Serialize};

use crate::helper::Ended;
use crate::plan::{Boundaries, Judged};
use mention::Mention;

/// How much of the end of the output is looked at.
pub const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// How many names found in the output are looked up in the file system.
pub const MAX_CANDIDATES: usize = 64;

/// The longest [`Denial::snippet`], in characters.
pub const MAX_SNIPPET_CHARS: usize = 512;

/// Longest name that a system call takes. limits.h(0p), `PATH_MAX`.
const MAX_PATH_BYTES: usize = 4096;

/// What is known of a run that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// How the command ended; `None` when we ended it, which proves nothing.
    pub ended: Option<Ended>,
    /// The last bytes that it wrote, of standard output and standard error together.
    pub output: &'a [u8],
}

/// What the kernel, or the tool that repeats it, said.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// `EPERM`.
    OperationNotPermitted,
    /// `EACCES`.
    PermissionDenied,
    /// `EROFS`.
    ReadOnlyFileSystem,
    /// The text names a sandbox mechanism.
    PolicyDenied,
    /// A tool could not write a file and does not say why.
    FailedToWriteFile,
    /// The system-call filter killed the command.
    Sigsys,
    /// A host could not be found or reached, and the network is off.
    NetworkUnreachable,
}

impl Reason {
    /// The word for it, as in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OperationNotPermitted => "operation_not_permitted",
            Self::PermissionDenied => "permission_denied",
            Self::ReadOnlyFileSystem => "read_only_file_system",
            Self::PolicyDenied => "policy_denied",
            Self::FailedToWriteFile => "failed_to_write_file",
            Self::Sigsys => "sigsys",
            Self::NetworkUnreachable => "network_unreachable",
        }
    }
}

/// A failure that looks like the sandbox's doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// What was said.
    pub reason: Reason,
    /// What it was said about: resolved, and really denied by the plan.
    pub path: Option<AbsolutePath>,
    /// The line that says so, escaped, at most [`MAX_SNIPPET_CHARS`] characters.
    pub snippet: String,
    /// The narrowest permissions that would lift it; `None` when nothing narrower than no sandbox is known, or when
    /// what is denied should stay so.
    pub remedy: Option<AdditionalPermissions>,
    /// What is denied decides about later runs, or is secret, and should stay denied: nothing is to be asked for, and
    /// no sandbox at all would be worse than any remedy.
    pub is_guarded: bool,
}

/// One line for people, safe to print: what the sandbox seems to have stopped, and the line that says so.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sandbox seems to have stopped it")?;
        match (&self.path, self.reason) {
            (Some(path), _) => write!(f, " at `{path}`")?,
            (None, Reason::NetworkUnreachable) => f.write_str(" from reaching the network, which is off")?,
            (
                None,
                Reason::OperationNotPermitted
                | Reason::PermissionDenied
                | Reason::ReadOnlyFileSystem
                | Reason::PolicyDenied
                | Reason::FailedToWriteFile
                | Reason::Sigsys,
            ) => {}
        }
        if self.snippet.is_empty() { Ok(()) } else { write!(f, ": {}", self.snippet) }
    }
}

/// Judges a run that has ended. `None` when nothing points to the sandbox.
///
/// It looks at the file system, to learn where the names that the output mentions lead now.
#[must_use]
pub fn diagnose(evidence: &Evidence<'_>, boundaries: &Boundaries) -> Option<Denial> {
    let ended = evidence.ended.filter(|ended| boundaries.is_confined() && *ended != Ended::Exited(0))?;
    let output = tail(evidence.output);
    let text = String::from_utf8_lossy(output);
    let mut findings = words::find(&text, boundaries.network());
    let said: Vec<_> = findings.by_ref().take(words::MAX_FINDINGS).collect();
    let mut budget = MAX_CANDIDATES;
    let about_path = said.iter().find_map(|finding| denied_path(finding, boundaries, &mut budget));
    if let Some((finding, mention, judged)) = about_path {
        let is_guarded = guarded::is_guarded(&judged, mention.needs_parent, boundaries);
        let remedy = || remedy::for_path(&judged, mention.needs_parent, boundaries);
        return Some(Denial {
            reason: finding.reason,
            remedy: if is_guarded { None } else { remedy() },
            is_guarded,
            path: Some(judged.path),
            snippet: snippet(finding.line),
        });
    }
    let network = said.iter().find(|finding| finding.reason == Reason::NetworkUnreachable);
    if let Some(finding) = network.or_else(|| said.first()) {
        let network = finding.reason == Reason::NetworkUnreachable;
        return Some(Denial {
            reason: finding.reason,
            path: None,
            snippet: snippet(finding.line),
            is_guarded: false,
            remedy: network.then(|| AdditionalPermissions {
                network: NetworkAccess::Enabled,
                ..AdditionalPermissions::default()
            }),
        });
    }
    is_sigsys(ended).then(|| Denial {
        reason: Reason::Sigsys,
        path: None,
        snippet: snippet(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()),
        remedy: None,
        is_guarded: false,
    })
}

fn tail(output: &[u8]) -> &[u8] {
    output.get(output.len().saturating_sub(MAX_OUTPUT_BYTES)..).unwrap_or(output)
}

/// A system call that the filter does not know how to refuse otherwise. seccomp(2), `SECCOMP_RET_KILL_PROCESS`.
fn is_sigsys(ended: Ended) -> bool {
    match ended {
        Ended::Signaled(number) => number == libc::SIGSYS,
        Ended::Exited(code) => code == 128 + libc::SIGSYS,
    }
}

/// The first name in the line that the plan denies.
fn denied_path<'a, 't>(
    finding: &'a words::Finding<'t>,
    boundaries: &Boundaries,
    budget: &mut usize,
) -> Option<(&'a words::Finding<'t>, Mention<'t>, Judged)> {
    if finding.reason == Reason::NetworkUnreachable {
        return None;
    }
    mention::paths(finding).into_iter().find_map(|mention| {
        *budget = budget.checked_sub(1)?;
        let judged = boundaries.judge(Path::new(mention.name)).ok()?;
        is_denied(finding.reason, &mention, &judged, boundaries).then_some((finding, mention, judged))
    })
}

fn is_denied(reason: Reason, mention: &Mention<'_>, judged: &Judged, boundaries: &Boundaries) -> bool {
    // A loose word is a name only if something bears it.
    if !mention.is_certain && judged.kind.is_none() {
        return false;
    }
    let access = match judged.path.parent() {
        Some(parent) if mention.needs_parent && judged.is_writable() => boundaries.access(&parent),
        Some(_) | None => judged.access,
    };
    match access {
        Some(Access::Write) => false,
        Some(Access::Deny) | None => true,
        Some(Access::Read) => match reason {
            Reason::ReadOnlyFileSystem | Reason::FailedToWriteFile => true,
            // It may be the file's own mode; then the user could not write it outside either.
            Reason::OperationNotPermitted | Reason::PermissionDenied | Reason::PolicyDenied => {
                remedy::is_writable_outside(judged)
            }
            Reason::Sigsys | Reason::NetworkUnreachable => false,
        },
    }
}

/// Escaped and cut; a cut never goes through an escape.
fn snippet(line: &str) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for character in line.trim().chars() {
        let mut buffer = [0; 4];
        let piece = policies::escape(&*character.encode_utf8(&mut buffer));
        length += piece.chars().count();
        // One place is kept for the mark.
        if length >= MAX_SNIPPET_CHARS {
            shown.push('…');
            break;
        }
        shown.push_str(&piece);
    }
    shown
}

#[cfg(test)]
mod messages;
#[cfg(test)]
mod tests;
