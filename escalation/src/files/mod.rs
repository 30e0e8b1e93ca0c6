//! Changing files for an agent: a patch is judged by where its paths lead, and written so that nothing can redirect it.
//!
//! What belongs here: resolving the paths of a patch, judging them, and applying a judged patch. What does not: asking
//! whether a patch that leaves the writable roots may be applied, which is the broker's business, and reading patches,
//! which is the agent's.
//!
//! # Invariants
//! - A path is resolved once (I7). What it led to is judged, and only that is written: from the directory handle of
//!   its anchor (`anchor.rs`), through openat2(2) without symlinks, into the very directory that was judged.
//! - Files appear whole. Content is complete before it gets its name, and a file that was replaced since it was judged
//!   is put back (I8).
//! - [`Judged::apply`] needs [`Approved`], which only this crate makes, for one digest.
//!
//! # Limits
//! - Names are compared byte for byte. On a file system that ignores case, a second spelling of a name is taken for
//!   another name; do not make such a folder a writable root.
//! - Files are not synced to the disk.

mod anchor;
mod applied;
mod apply;
mod apply_error;
mod approved;
mod attributes;
mod boundary;
mod content;
mod digest;
mod entries;
mod error;
mod journal;
mod judged;
mod leftovers;
mod special;
#[cfg(test)]
mod tests;
mod version;
mod walk;

use std::path::PathBuf;

pub use applied::{Applied, Changed, How, Note};
pub use apply_error::{ApplyError, Cause, InPlace};
pub use approved::Approved;
pub use boundary::{Boundary, Standing};
pub use error::{FileChangeError, FileKind};
pub use judged::{GrantRoot, HardLinked, Judged, resolve_root};

/// The most changes in one patch: more than a person can look at, few enough to hold.
pub const MAX_CHANGES: usize = 1_000;
/// The most content in one patch, in bytes, all files together.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// One change of a patch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileChange {
    /// The file as the agent spells it, absolute or relative to its working directory.
    pub path: PathBuf,
    /// What happens to it.
    pub action: Action,
}

/// What a patch does to a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It gets this content. Where its name is a symlink, the file that this leads to does.
    Write {
        /// All of it.
        content: Vec<u8>,
        /// Who may execute it; without it, whoever could before. Other bits mean nothing.
        mode: Option<u32>,
    },
    /// The name goes away. Where it is a symlink, only the symlink does.
    Delete,
    /// It gets another name, and perhaps other content. A symlink cannot be renamed.
    Rename {
        /// The other name, read like the first.
        to: PathBuf,
        /// The new content; without it the file is moved as it is.
        content: Option<Vec<u8>>,
    },
}
