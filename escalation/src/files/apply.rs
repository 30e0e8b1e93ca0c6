//! Applying a judged patch: all of it, or nothing.
//!
//! First all content is written, where nobody sees it. Then one file after the other gets its name; each of these
//! steps is one call that the kernel does at once, and is looked at afterwards. Whatever goes wrong, the steps that
//! were done are undone.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use policies::AbsolutePath;
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::anchor::Folder;
use super::applied::{Applied, Changed, How, Note};
use super::apply_error::{ApplyError, Cause};
use super::approved::Approved;
use super::content::{MAX_NAMELESS, Staged, Wanted};
use super::entries::Spot;
use super::journal::{Journal, Step};
use super::judged::{Edit, Effect, Judged, Target};
use super::leftovers;
use super::version::{Identity, Version};

impl Judged {
    /// Applies the patch. Files that it replaces or deletes are the versions that were judged, folders that it writes
    /// to are the ones that were judged, and missing folders are made.
    ///
    /// A file that is replaced keeps its mode, owner and attributes where that is permitted, else a [`Note`] says so;
    /// set-user-ID and other privileges are dropped. Nothing is synced to the disk. This blocks until it is done.
    ///
    /// After SIGKILL every file is as it was or as it should be. Files named `.codex-patch-…` may be left, and go when a
    /// patch is applied to their folder ten minutes later.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing was changed, but for what it names.
    pub fn apply(self, approved: &Approved) -> Result<Applied, ApplyError> {
        if !approved.covers(&self) {
            return Err(ApplyError { cause: Cause::NotApproved, in_place: Vec::new() });
        }
        let mut applying = Applying::default();
        match applying.run(&self.edits) {
            Ok(()) => {
                applying.applied.notes.extend(applying.journal.finish());
                Ok(applying.applied)
            }
            Err(cause) => Err(ApplyError { cause, in_place: applying.journal.undo() }),
        }
    }
}

/// The state of applying one patch.
#[derive(Default)]
struct Applying {
    journal: Journal,
    /// Folders that were missing, by path.
    made: BTreeMap<AbsolutePath, Folder>,
    /// Files that this patch gave other names: for the system that is a change, also of their other names.
    renamed: BTreeSet<Identity>,
    applied: Applied,
}

impl Applying {
    fn run(&mut self, edits: &[Edit]) -> Result<(), Cause> {
        remove_leftovers(edits)?;
        check_versions(edits)?;
        let staged = self.stage(edits)?;
        for (edit, staged) in edits.iter().zip(staged) {
            self.place(edit, staged)?;
        }
        Ok(())
    }

    fn stage(&mut self, edits: &[Edit]) -> Result<Vec<Option<Staged>>, Cause> {
        let mut all = Vec::with_capacity(edits.len());
        for (number, edit) in edits.iter().enumerate() {
            let target = &edit.target;
            let replaced = target.place.found.is_some().then_some(target);
            let wanted = match &edit.effect {
                Effect::Write { content, mode } => {
                    Some(Wanted { content, like: replaced, mode: *mode, target })
                }
                Effect::Rename { from, content: Some(content) } => {
                    Some(Wanted { content, like: Some(from), mode: None, target })
                }
                Effect::Rename { content: None, .. } | Effect::Delete => None,
            };
            let nameless = number < MAX_NAMELESS;
            let mut write = |wanted: &Wanted<'_>| {
                Staged::write(wanted, nameless, &mut self.journal, &mut self.applied.notes)
            };
            all.push(wanted.as_ref().map(&mut write).transpose()?);
        }
        Ok(all)
    }

    fn place(&mut self, edit: &Edit, staged: Option<Staged>) -> Result<(), Cause> {
        let spot = self.spot(&edit.target)?;
        if let Some(staged) = &staged {
            match &edit.target.place.found {
                None => self.create(staged, &spot)?,
                Some(found) => self.replace(staged, &spot, found)?,
            }
        }
        let how = match &edit.effect {
            Effect::Write { .. } if edit.target.place.found.is_some() => How::Replaced,
            Effect::Write { .. } => How::Created,
            Effect::Delete => {
                self.discard(&edit.target)?;
                How::Deleted
            }
            Effect::Rename { from, content } => {
                match content {
                    Some(_) => self.discard(from)?,
                    None => self.rename(from, &edit.target, &spot)?,
                }
                How::Moved { from: from.place.path.clone() }
            }
        };
        let path = edit.target.place.path.clone();
        if how != How::Deleted && edit.target.place.found.is_some_and(|found| found.has_other_names()) {
            self.applied.notes.push(Note::LinkBroken { path: path.clone() });
        }
        self.applied.changed.push(Changed { path, how });
        Ok(())
    }

    fn create(&mut self, staged: &Staged, spot: &Spot) -> Result<(), Cause> {
        staged.place(spot)?;
        self.journal.push(Step::Created { spot: spot.clone(), version: staged.version });
        Ok(())
    }

    /// Exchanges the new file with the old one, and then looks at what came back: whatever it is, it can be put back,
    /// and only the judged version is given up.
    fn replace(&mut self, staged: &Staged, spot: &Spot, found: &Version) -> Result<(), Cause> {
        let new = staged.named_beside(spot, &mut self.journal)?;
        self.check_version(spot, found)?;
        self.swap_in(&new, staged, spot, found)
    }

    fn swap_in(&mut self, new: &Spot, staged: &Staged, spot: &Spot, found: &Version) -> Result<(), Cause> {
        if !new.exchange(spot)? {
            return self.overwrite(new, &staged.version, spot, found);
        }
        self.journal.push(Step::Exchanged {
            spot: spot.clone(),
            other: new.clone(),
            version: staged.version,
        });
        self.renamed.insert(found.identity());
        check_moved(new, spot, found)?;
        self.journal.push(Step::Discard { spot: new.clone(), identity: found.identity() });
        Ok(())
    }

    /// For file systems that cannot exchange names: the old file gets a second name first. What somebody writes under
    /// the first one between these two calls is lost.
    fn overwrite(&mut self, new: &Spot, ours: &Version, spot: &Spot, found: &Version) -> Result<(), Cause> {
        let backup = spot.passing();
        let (from, to) = (spot.folder.open()?, backup.folder.open()?);
        rustix::fs::linkat(&from, &spot.name, &to, &backup.name, AtFlags::empty())
            .map_err(|_| Cause::Unsupported { path: spot.path() })?;
        self.renamed.insert(found.identity());
        let replaced = check_moved(&backup, spot, found).and_then(|()| {
            rustix::fs::renameat(new.folder.open()?, &new.name, &from, &spot.name)
                .map_err(Cause::system(&spot.path(), "replace"))
        });
        if let Err(cause) = replaced {
            // Until here it is a second name, and nobody needs it.
            backup.unlink()?;
            return Err(cause);
        }
        self.journal.push(Step::Overwritten { spot: spot.clone(), backup: backup.clone(), version: *ours });
        self.journal.push(Step::Discard { spot: backup, identity: found.identity() });
        Ok(())
    }

    /// Takes a name away: the file gets a passing one, so that it can come back.
    fn discard(&mut self, target: &Target) -> Result<(), Cause> {
        let spot = Spot::new(&target.folder, &target.place.name);
        let found = judged(target)?;
        self.check_version(&spot, &found)?;
        self.set_aside(&spot, &spot, &found)
    }

    fn set_aside(&mut self, spot: &Spot, judged_at: &Spot, found: &Version) -> Result<(), Cause> {
        let aside = spot.passing();
        self.move_file(spot, &aside, judged_at, found)?;
        self.journal.push(Step::Discard { spot: aside, identity: found.identity() });
        Ok(())
    }

    fn move_file(&mut self, from: &Spot, to: &Spot, judged_at: &Spot, found: &Version) -> Result<(), Cause> {
        from.move_to(to)?;
        // Whatever it was that moved, it goes back if it is not the judged file.
        let version = found_now(to, found);
        self.journal.push(Step::Moved { from: from.clone(), to: to.clone(), version });
        self.renamed.insert(found.identity());
        check_moved(to, judged_at, found)
    }

    fn rename(&mut self, from: &Target, to: &Target, spot: &Spot) -> Result<(), Cause> {
        let source = Spot::new(&from.folder, &from.place.name);
        let moved = judged(from)?;
        self.check_version(&source, &moved)?;
        let Some(replaced) = &to.place.found else {
            return self.move_file(&source, spot, &source, &moved);
        };
        self.check_version(spot, replaced)?;
        if moved.identity() == replaced.identity() {
            // Two names of one file: the new one stays.
            return self.set_aside(&source, &source, &moved);
        }
        if !source.exchange(spot)? {
            return Err(Cause::Unsupported { path: spot.path() });
        }
        self.journal.push(Step::Exchanged {
            spot: spot.clone(),
            other: source.clone(),
            version: found_now(spot, &moved),
        });
        self.renamed.extend([moved.identity(), replaced.identity()]);
        check_moved(spot, &source, &moved)?;
        check_moved(&source, spot, replaced)?;
        self.set_aside(&source, spot, replaced)
    }

    /// Whether the judged version is still there.
    fn check_version(&self, spot: &Spot, found: &Version) -> Result<(), Cause> {
        let was_renamed = self.renamed.contains(&found.identity());
        check(spot, |now| found.is_unchanged(now) || (was_renamed && found.is_renamed(now)))
    }

    /// The name of a target, in a folder that exists now.
    fn spot(&mut self, target: &Target) -> Result<Spot, Cause> {
        let mut folder = target.folder.clone();
        for name in &target.place.missing {
            let spot = Spot::new(&folder, name);
            folder = match self.made.get(&spot.path()) {
                Some(made) => made.clone(),
                None => self.make_folder(&folder, &spot)?,
            };
        }
        Ok(Spot::new(&folder, &target.place.name))
    }

    /// Makes a folder that was missing when the patch was judged; if it is there now, it was not judged.
    fn make_folder(&mut self, parent: &Folder, spot: &Spot) -> Result<Folder, Cause> {
        let handle = parent.open()?;
        rustix::fs::mkdirat(&handle, &spot.name, Mode::RWXU | Mode::RWXG | Mode::RWXO).map_err(|error| {
            match error {
                Errno::EXIST => Cause::Changed { path: spot.path(), what: "something is there now" },
                error => Cause::system(&spot.path(), "make the folder")(error),
            }
        })?;
        self.journal.push(Step::MadeFolder(spot.clone()));
        let made = parent.made(handle.as_fd(), &spot.name)?;
        self.made.insert(spot.path(), made.clone());
        Ok(made)
    }
}

/// A patch for files that are other ones by now is refused before anything is written.
fn check_versions(edits: &[Edit]) -> Result<(), Cause> {
    for target in edits.iter().flat_map(Edit::targets) {
        if let Some(found) = &target.place.found {
            let spot = Spot::new(&target.folder, &target.place.name);
            check(&spot, |now| found.is_unchanged(now))?;
        }
    }
    Ok(())
}

fn remove_leftovers(edits: &[Edit]) -> Result<(), Cause> {
    let mut seen = BTreeSet::new();
    for target in edits.iter().flat_map(Edit::targets) {
        if seen.insert(target.folder.path()) {
            leftovers::remove(target.folder.open()?.as_fd(), leftovers::STALE);
        }
    }
    Ok(())
}

fn judged(target: &Target) -> Result<Version, Cause> {
    let gone = || Cause::Changed { path: target.place.path.clone(), what: "nothing was there" };
    target.place.found.ok_or_else(gone)
}

fn check(spot: &Spot, is_judged: impl FnOnce(&rustix::fs::Stat) -> bool) -> Result<(), Cause> {
    match spot.look()? {
        Some(now) if is_judged(&now) => Ok(()),
        Some(_) | None => Err(changed(spot)),
    }
}

/// Whether what is at `spot` now is what was judged at another name.
fn check_moved(spot: &Spot, judged_at: &Spot, found: &Version) -> Result<(), Cause> {
    check(spot, |now| found.is_renamed(now)).map_err(|_| changed(judged_at))
}

/// What is at `spot`; if it cannot be looked at, what should be there. A step that was done is always on record.
fn found_now(spot: &Spot, expected: &Version) -> Version {
    spot.look().ok().flatten().map_or(*expected, Version::of)
}

fn changed(spot: &Spot) -> Cause {
    Cause::Changed { path: spot.path(), what: "the file is another version" }
}

/// Applies the first changes of a patch, calls `meddle`, and undoes them.
#[cfg(test)]
pub(super) fn fail_after(judged: Judged, changes: usize, meddle: impl FnOnce()) -> ApplyError {
    let mut applying = Applying::default();
    let staged = applying.stage(&judged.edits).unwrap();
    for (edit, staged) in judged.edits.iter().zip(staged).take(changes) {
        applying.place(edit, staged).unwrap();
    }
    meddle();
    ApplyError { cause: Cause::NotApproved, in_place: applying.journal.undo() }
}

/// How [`replace_late`] replaces.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Exchange,
    Overwrite,
}

/// Replaces the one file that a patch writes; `meddle` is called after the last look at it. An error is undone.
#[cfg(test)]
pub(super) fn replace_late(judged: Judged, way: Way, meddle: impl FnOnce()) -> Result<Journal, Cause> {
    let mut applying = Applying::default();
    let staged = applying.stage(&judged.edits).unwrap().remove(0).unwrap();
    let target = &judged.edits.first().unwrap().target;
    let (spot, found) = (applying.spot(target).unwrap(), target.place.found.unwrap());
    let new = staged.named_beside(&spot, &mut applying.journal).unwrap();
    applying.check_version(&spot, &found).unwrap();
    meddle();
    let done = match way {
        Way::Exchange => applying.swap_in(&new, &staged, &spot, &found),
        Way::Overwrite => applying.overwrite(&new, &staged.version, &spot, &found),
    };
    match done {
        Ok(()) => Ok(applying.journal),
        Err(cause) => {
            assert_eq!(applying.journal.undo(), []);
            Err(cause)
        }
    }
}
