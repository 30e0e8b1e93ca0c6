//! Where commands could write in any mode or profile that is declared, whichever is selected.
//!
//! What lies there may be somebody's who ran in a wider mode before. So a narrower one, which a person or a repository
//! asks for (I10), must not make it worth more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::definition::ProfileDefinition;
use crate::entry::{Access, Entry, EntryPath, SpecialPath};
use crate::path::AbsolutePath;
use crate::profile::{FileSystemPolicy, PermissionProfile};
use crate::resolve::{Surroundings, written_by};

/// What all layers of configuration declare, also where a higher one says something else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Of `[sandbox_workspace_write]`.
    pub(crate) writable_roots: Vec<AbsolutePath>,
    /// Of `[permissions]`, as far as each layer defines them.
    pub(crate) profiles: Vec<BTreeMap<String, ProfileDefinition>>,
}

impl Declared {
    /// The places, as far as they are known before the run. Workspace roots count also where a profile only reads
    /// them.
    pub(crate) fn writable(&self, surroundings: Surroundings<'_>) -> BTreeSet<PathBuf> {
        let roots = self.writable_roots.iter().map(|root| root.as_path().to_owned());
        let definitions = self.profiles.iter().flat_map(BTreeMap::values);
        roots.chain(definitions.flat_map(|definition| writable_by(definition, surroundings))).collect()
    }
}

/// Where a definition lets write, without what it inherits.
pub(crate) fn writable_by(definition: &ProfileDefinition, surroundings: Surroundings<'_>) -> Vec<PathBuf> {
    let (places, roots) = written_by(definition, surroundings);
    let places = places.iter().filter_map(|place| path_of(place, surroundings.cwd));
    places.chain(roots.into_iter().map(AbsolutePath::into_path_buf)).collect()
}

/// Where a profile lets write.
pub(crate) fn writable_in(profile: &PermissionProfile, cwd: &AbsolutePath) -> Vec<PathBuf> {
    let PermissionProfile::Managed { file_system: FileSystemPolicy::Restricted { entries, .. }, .. } =
        profile
    else {
        return Vec::new();
    };
    let written = |entry: &&Entry| entry.access == Access::Write;
    entries.iter().filter(written).filter_map(|entry| path_of(&entry.path, cwd)).collect()
}

/// `None` for what is no place, or another one in each run: `:tmpdir` is for the caller to know.
fn path_of(place: &EntryPath, cwd: &AbsolutePath) -> Option<PathBuf> {
    let (base, subpath) = match place {
        EntryPath::Path(path) => return Some(path.as_path().to_owned()),
        EntryPath::Glob(_) => return None,
        EntryPath::Special { path, subpath } => {
            let base = match path {
                SpecialPath::Root => AbsolutePath::root(),
                SpecialPath::SlashTmp => AbsolutePath::parse("/tmp").ok()?,
                SpecialPath::ProjectRoots => cwd.clone(),
                SpecialPath::Tmpdir | SpecialPath::Minimal | SpecialPath::Unknown(_) => return None,
            };
            (base, subpath)
        }
    };
    let place = subpath.as_ref().map_or_else(|| base.clone(), |below| base.join(below));
    Some(place.into_path_buf())
}
