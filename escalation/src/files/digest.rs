//! What a patch is told from others by: one digest over all that it does.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use policies::AbsolutePath;
use sha2::{Digest, Sha256};

use super::judged::{Edit, Effect};

/// First in every digest, so that another form of it would give others.
const FORM: &[u8] = b"codex file change 1";

/// The digest of edits in order of their paths.
///
/// INVARIANT (prefix-free): every part has its length before it and every choice a word of its own, so two different
/// patches never give the same bytes.
pub(super) fn of(edits: &[Edit]) -> String {
    let mut hasher = Sha256::new();
    part(&mut hasher, FORM);
    for edit in edits {
        match &edit.effect {
            Effect::Write { content, mode } => {
                part(&mut hasher, b"write");
                path(&mut hasher, &edit.target.place.path);
                // Only these bits mean something.
                option(
                    &mut hasher,
                    mode.map(|mode| (mode & 0o111).to_be_bytes()).as_ref().map(<[u8; 4]>::as_slice),
                );
                part(&mut hasher, content);
            }
            Effect::Delete => {
                part(&mut hasher, b"delete");
                path(&mut hasher, &edit.target.place.path);
            }
            Effect::Rename { from, content } => {
                part(&mut hasher, b"rename");
                path(&mut hasher, &from.place.path);
                path(&mut hasher, &edit.target.place.path);
                option(&mut hasher, content.as_deref());
            }
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn path(hasher: &mut Sha256, path: &AbsolutePath) {
    part(hasher, path.as_path().as_os_str().as_bytes());
}

fn option(hasher: &mut Sha256, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            part(hasher, b"some");
            part(hasher, bytes);
        }
        None => part(hasher, b"none"),
    }
}

fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}
