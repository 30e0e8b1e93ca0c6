//! What was done so far, so that it can be undone.

use rustix::fs::{AtFlags, Stat};

use super::applied::Note;
use super::apply_error::{Cause, InPlace};
use super::entries::Spot;
use super::version::{Identity, Version};

/// One thing that was done.
#[derive(Debug)]
pub(super) enum Step {
    /// A file got this name, which is a passing one.
    Passing { spot: Spot, identity: Identity },
    /// A file got this name, which nothing had.
    Created { spot: Spot, version: Version },
    /// A folder got this name.
    MadeFolder(Spot),
    /// A file got another name.
    Moved { from: Spot, to: Spot, version: Version },
    /// Two files exchanged their names; the first name is the one of this file now.
    Exchanged { spot: Spot, other: Spot, version: Version },
    /// A file took the name of another, which has this one too.
    Overwritten { spot: Spot, backup: Spot, version: Version },
    /// Old content that nobody needs once all is done.
    Discard { spot: Spot, identity: Identity },
}

/// Steps in the order in which they were done.
#[derive(Debug, Default)]
pub(super) struct Journal(Vec<Step>);

impl Journal {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Undoes everything, the last step first. What cannot be undone.
    pub(super) fn undo(self) -> Vec<InPlace> {
        self.0.into_iter().rev().filter_map(Step::undo).collect()
    }

    /// Everything is done: removes what was only kept to undo it.
    pub(super) fn finish(self) -> Vec<Note> {
        let mut notes = Vec::new();
        for step in self.0 {
            if let Step::Discard { spot, identity } = step
                && remove(&spot, |now| Identity::of(now) == identity).is_err()
            {
                notes.push(Note::LeftBehind { path: spot.path() });
            }
        }
        notes
    }
}

impl Step {
    fn undo(self) -> Option<InPlace> {
        match self {
            Self::Passing { spot, identity } => {
                let left = InPlace { path: spot.path(), kept_as: None };
                remove(&spot, |now| Identity::of(now) == identity).err().map(|_| left)
            }
            Self::Created { spot, version } => {
                let left = InPlace { path: spot.path(), kept_as: None };
                remove(&spot, |now| version.is_renamed(now)).err().map(|_| left)
            }
            Self::MadeFolder(folder) => {
                let removed = folder.folder.open().and_then(|handle| {
                    rustix::fs::unlinkat(handle, &folder.name, AtFlags::REMOVEDIR)
                        .map_err(Cause::system(&folder.path(), "remove"))
                });
                removed.err().map(|_| InPlace { path: folder.path(), kept_as: None })
            }
            Self::Moved { from, to, version } => {
                let back = holds(&to, &version).and_then(|()| to.move_to(&from));
                back.err().map(|_| InPlace { path: from.path(), kept_as: Some(to.path()) })
            }
            Self::Exchanged { spot, other, version } => {
                let back = holds(&spot, &version).and_then(|()| spot.exchange(&other));
                let left = InPlace { path: spot.path(), kept_as: Some(other.path()) };
                (!matches!(back, Ok(true))).then_some(left)
            }
            Self::Overwritten { spot, backup, version } => {
                let back = holds(&spot, &version).and_then(|()| restore(&backup, &spot));
                back.err().map(|_| InPlace { path: spot.path(), kept_as: Some(backup.path()) })
            }
            Self::Discard { .. } => None,
        }
    }
}

/// Removes a file of ours. One that somebody put in its place is theirs, and stays.
fn remove(spot: &Spot, is_ours: impl FnOnce(&Stat) -> bool) -> Result<(), Cause> {
    match spot.look()? {
        Some(now) if is_ours(&now) => spot.unlink(),
        Some(_) | None => Ok(()),
    }
}

/// An inode number alone proves little here: when our file is removed, the next one may get its number.
fn holds(spot: &Spot, version: &Version) -> Result<(), Cause> {
    match spot.look()? {
        Some(now) if version.is_renamed(&now) => Ok(()),
        Some(_) | None => Err(Cause::Changed { path: spot.path(), what: "somebody wrote it meanwhile" }),
    }
}

fn restore(backup: &Spot, spot: &Spot) -> Result<(), Cause> {
    let (from, to) = (backup.folder.open()?, spot.folder.open()?);
    rustix::fs::renameat(from, &backup.name, to, &spot.name).map_err(Cause::system(&spot.path(), "restore"))
}
