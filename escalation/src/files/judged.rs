//! A patch whose paths were resolved once and judged by where they lead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use policies::AbsolutePath;

use super::anchor::{Anchor, Folder};
use super::boundary::{self, Boundary, Standing};
use super::digest;
use super::error::{FileChangeError, FileKind};
use super::walk::{LastLink, Place, Walked, walk, walk_to_file};
use super::{Action, FileChange, MAX_BYTES, MAX_CHANGES};
use crate::subject::FileAction;

/// A patch that may be applied: inside the boundaries at once, outside after a yes.
///
/// It holds what was found, so a file or folder that is exchanged afterwards makes [`Judged::apply`] fail.
#[derive(Debug)]
pub struct Judged {
    pub(super) edits: Vec<Edit>,
    paths: Vec<AbsolutePath>,
    outside: Vec<AbsolutePath>,
    hard_linked: Vec<HardLinked>,
    digest: String,
}

/// Who may execute a file: all three. inode(7)
const EXECUTABLE: u32 = 0o111;

/// A file with other names, one of which may lie anywhere. Writing gives the name in the patch a file of its own and
/// leaves the others as they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HardLinked {
    /// The name in the patch, resolved.
    pub path: AbsolutePath,
}

/// A change of one file, resolved.
#[derive(Debug)]
pub(super) struct Edit {
    /// What is written or deleted; for a rename the new name.
    pub(super) target: Target,
    pub(super) effect: Effect,
}

/// A place together with the way to it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) place: Place,
    /// The nearest folder above that exists.
    pub(super) folder: Folder,
}

/// What happens to a target.
#[derive(Debug)]
pub(super) enum Effect {
    Write { content: Vec<u8>, mode: Option<u32> },
    Delete,
    Rename { from: Box<Target>, content: Option<Vec<u8>> },
}

impl Judged {
    /// Resolves every path of a patch and judges it. Relative paths start at `cwd`.
    ///
    /// # Errors
    /// [`FileChangeError`]: the patch is malformed, or touches what no answer can open.
    pub fn resolve(
        changes: Vec<FileChange>,
        cwd: &AbsolutePath,
        boundaries: &dyn Boundary,
    ) -> Result<Self, FileChangeError> {
        check_size(&changes)?;
        let mut judge = Judge { cwd, boundaries, anchors: BTreeMap::new(), seen: BTreeMap::new() };
        let mut edits =
            changes.into_iter().map(|change| judge.edit(change)).collect::<Result<Vec<_>, _>>()?;
        refuse_overlaps(&judge.seen)?;
        edits.sort_by(|one, other| one.target.place.path.cmp(&other.target.place.path));
        let outside = judge.seen.iter().filter(|(_, standing)| **standing == Standing::Outside);
        Ok(Self {
            outside: outside.map(|(path, _)| path.clone()).collect(),
            paths: judge.seen.keys().cloned().collect(),
            hard_linked: edits.iter().filter_map(Edit::hard_linked).collect(),
            digest: digest::of(&edits),
            edits,
        })
    }

    /// Every file that it writes, deletes or renames, and every new name: resolved, each once, in order.
    pub fn paths(&self) -> &[AbsolutePath] {
        &self.paths
    }

    /// Those of [`Judged::paths`] that policy does not allow writing by itself. Empty: there is nothing to ask.
    pub fn outside(&self) -> &[AbsolutePath] {
        &self.outside
    }

    /// What happens to those of [`Judged::paths`] that are not only written.
    pub fn actions(&self) -> BTreeMap<AbsolutePath, FileAction> {
        self.edits.iter().flat_map(Edit::actions).filter(|(_, action)| *action != FileAction::Write).collect()
    }

    /// Files of the patch that have other names.
    pub fn hard_linked(&self) -> &[HardLinked] {
        &self.hard_linked
    }

    /// The SHA-256 digest of paths, actions and content in hexadecimal digits. Neither the order of the changes nor
    /// how their paths are spelled makes a difference.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl Edit {
    /// Every place that it is about.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        let from = match &self.effect {
            Effect::Rename { from, .. } => Some(from.as_ref()),
            Effect::Write { .. } | Effect::Delete => None,
        };
        from.into_iter().chain([&self.target])
    }

    fn actions(&self) -> impl Iterator<Item = (AbsolutePath, FileAction)> {
        let target = match &self.effect {
            Effect::Write { mode, .. } if mode.is_some_and(|mode| mode & EXECUTABLE != 0) => {
                FileAction::WriteExecutable
            }
            Effect::Write { .. } => FileAction::Write,
            Effect::Delete => FileAction::Delete,
            // The file keeps its mode, whatever was there before.
            Effect::Rename { .. } => FileAction::WriteExecutable,
        };
        let from = match &self.effect {
            Effect::Rename { from, .. } => Some((from.place.path.clone(), FileAction::Delete)),
            Effect::Write { .. } | Effect::Delete => None,
        };
        from.into_iter().chain([(self.target.place.path.clone(), target)])
    }

    fn hard_linked(&self) -> Option<HardLinked> {
        let place = &self.target.place;
        let has_other_names = place.found.is_some_and(|found| found.has_other_names());
        has_other_names.then(|| HardLinked { path: place.path.clone() })
    }
}

fn check_size(changes: &[FileChange]) -> Result<(), FileChangeError> {
    match changes.len() {
        0 => return Err(FileChangeError::Empty),
        count if count > MAX_CHANGES => return Err(FileChangeError::TooMany { count }),
        _ => {}
    }
    let lengths = changes.iter().map(|change| match &change.action {
        Action::Write { content, .. } | Action::Rename { content: Some(content), .. } => content.len(),
        Action::Delete | Action::Rename { content: None, .. } => 0,
    });
    match lengths.fold(0, usize::saturating_add) > MAX_BYTES {
        true => Err(FileChangeError::TooLarge),
        false => Ok(()),
    }
}

/// Every path is looked for among the ones above each other, which costs its depth and not the size of the patch.
fn refuse_overlaps(seen: &BTreeMap<AbsolutePath, Standing>) -> Result<(), FileChangeError> {
    for below in seen.keys() {
        if let Some(path) = below.ancestors().skip(1).find(|above| seen.contains_key(above)) {
            return Err(FileChangeError::Overlapping { path, below: below.clone() });
        }
    }
    Ok(())
}

/// The state of judging one patch.
struct Judge<'a> {
    cwd: &'a AbsolutePath,
    boundaries: &'a dyn Boundary,
    anchors: BTreeMap<AbsolutePath, Arc<Anchor>>,
    seen: BTreeMap<AbsolutePath, Standing>,
}

impl Judge<'_> {
    fn edit(&mut self, change: FileChange) -> Result<Edit, FileChangeError> {
        match change.action {
            Action::Write { content, mode } => {
                let target = self.written(&change.path)?;
                Ok(Edit { target, effect: Effect::Write { content, mode } })
            }
            Action::Delete => {
                let target = self.existing(&change.path, &[FileKind::File, FileKind::Symlink])?;
                Ok(Edit { target, effect: Effect::Delete })
            }
            Action::Rename { to, content } => {
                let from = self.existing(&change.path, &[FileKind::File])?;
                let target = self.written(&to)?;
                let is_near = from.place.identity.is_on_same_file_system(target.place.identity);
                if content.is_none() && !is_near {
                    let (from, to) = (from.place.path, target.place.path);
                    return Err(FileChangeError::AcrossFileSystems { from, to });
                }
                Ok(Edit { target, effect: Effect::Rename { from: Box::new(from), content } })
            }
        }
    }

    /// A file that gets content, or will.
    fn written(&mut self, spelled: &Path) -> Result<Target, FileChangeError> {
        let place = walk_to_file(spelled, self.cwd, LastLink::Followed)?;
        if let Some(found) = &place.found
            && found.kind() != FileKind::File
        {
            return Err(FileChangeError::NotAFile { path: place.path, kind: found.kind() });
        }
        self.target(place, Write::Content)
    }

    /// A name that goes away.
    fn existing(&mut self, spelled: &Path, allowed: &[FileKind]) -> Result<Target, FileChangeError> {
        let place = walk_to_file(spelled, self.cwd, LastLink::Kept)?;
        match place.found {
            None => Err(FileChangeError::Missing { path: place.path }),
            Some(found) if allowed.contains(&found.kind()) => self.target(place, Write::Name),
            Some(found) => Err(FileChangeError::NotAFile { path: place.path, kind: found.kind() }),
        }
    }

    fn target(&mut self, place: Place, write: Write) -> Result<Target, FileChangeError> {
        let made = place.path.ancestors().skip(1).take(place.missing.len()).collect::<Vec<_>>();
        let standing = boundary::judge(self.boundaries, &place.path, &made)?;
        if self.seen.insert(place.path.clone(), standing).is_some() {
            return Err(FileChangeError::Twice { path: place.path });
        }
        let unresolved =
            |source| FileChangeError::Unresolved { path: place.path.as_path().to_owned(), source };
        let anchor = self.anchor(&place.folder, standing).map_err(unresolved)?;
        let folder = Folder::new(anchor, place.folder.clone(), place.identity).map_err(unresolved)?;
        if write == Write::Content && place.found.is_some() {
            check_writable(&folder, &place)?;
        }
        Ok(Target { place, folder })
    }

    /// The handle from which `folder` is reached.
    fn anchor(&mut self, folder: &AbsolutePath, standing: Standing) -> std::io::Result<Arc<Anchor>> {
        let is_writable = |path: &AbsolutePath| self.boundaries.access(path) == Some(policies::Access::Write);
        let topmost = match standing {
            Standing::Inside => folder.ancestors().take_while(is_writable).last(),
            Standing::Outside => None,
        };
        let path = topmost.unwrap_or_else(AbsolutePath::root);
        if let Some(anchor) = self.anchors.get(&path) {
            return Ok(Arc::clone(anchor));
        }
        let anchor = Arc::new(Anchor::open(path)?);
        self.anchors.insert(anchor.path().clone(), Arc::clone(&anchor));
        Ok(anchor)
    }
}

/// What of a file is written.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Write {
    /// What it holds.
    Content,
    /// The folder that it is in.
    Name,
}

/// A file is replaced and not written to, which needs no permission of the file's own. Whoever took it away meant to.
fn check_writable(folder: &Folder, place: &Place) -> Result<(), FileChangeError> {
    let not_writable = |source| FileChangeError::NotWritable { path: place.path.clone(), source };
    let handle = folder.open().map_err(|cause| not_writable(std::io::Error::other(cause)))?;
    let wanted = rustix::fs::Access::WRITE_OK;
    rustix::fs::accessat(handle, &place.name, wanted, rustix::fs::AtFlags::empty())
        .map_err(|error| not_writable(error.into()))
}

/// A folder that an agent would like to write to for the rest of a session, judged like a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrantRoot {
    /// Where it leads.
    pub path: AbsolutePath,
    /// Whether it is writable anyway.
    pub standing: Standing,
}

/// Judges a folder by where it leads. The folder exists.
///
/// # Errors
/// [`FileChangeError`]: there is no such folder, or no answer can open it.
pub fn resolve_root(
    spelled: &Path,
    cwd: &AbsolutePath,
    boundaries: &dyn Boundary,
) -> Result<GrantRoot, FileChangeError> {
    let path = match walk(spelled, cwd, LastLink::Followed)? {
        Walked::Folder(path) => path,
        Walked::Entry(place) => {
            let path = place.path;
            return Err(match place.found {
                None => FileChangeError::Missing { path },
                Some(found) => FileChangeError::NotAFolder { path, kind: found.kind() },
            });
        }
    };
    let standing = boundary::judge(boundaries, &path, &BTreeSet::new())?;
    Ok(GrantRoot { path, standing })
}
