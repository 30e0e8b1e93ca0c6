//! From a profile's entries to judged, resolved rows.
//!
//! Every name is resolved here, once, against the real file system; what the entry *leads to* is judged,
//! never how it is spelled (I7). A name that cannot be resolved is a refusal, except that a grant for
//! something missing grants nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use policies::{
    AbsolutePath, Access, AccessMap, Entry, EntryPath, GlobPattern, MissingPath, NetworkAccess,
    PROTECTED_NAMES, SpecialPath,
};
use rustix::fs::FileType;

use super::devices::is_minimal_device;
use super::error::PlanError;
use super::globs::{self, Searcher};
use super::layout::{self, Layout, Row};
use super::metadata;
use super::never_readable::{self, Grant, Place};
use super::sockets;
use super::why::Why;
use super::{Note, Places, PlanRequest, Symlink};
use crate::mounts::{self, Risk};
use crate::paths::{self, Found, Kind, Link, Target};
use crate::placeholder;

/// What `:minimal` shows: enough to start ordinary programs. Those that exist.
const MINIMAL: [&str; 6] = ["/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"];

/// Mounts in one plan (I12). Each costs kernel memory and start-up time; the kernel's own limit is
/// 100,000 (`fs.mount-max`), shared with everything else in the namespace.
const MAX_STEPS: usize = 4096;

/// What the rows of a profile amount to.
pub(super) struct Built {
    pub(super) layout: Layout,
    pub(super) access: AccessMap,
    pub(super) symlinks: Vec<Symlink>,
    pub(super) placeholders: Vec<AbsolutePath>,
    pub(super) notes: Vec<Note>,
}

/// Resolves `entries` and everything that they imply.
pub(super) fn build(
    request: &PlanRequest<'_>,
    places: &Places,
    entries: &[Entry],
    glob_scan_max_depth: Option<NonZeroUsize>,
    network: NetworkAccess,
) -> Result<Built, PlanError> {
    let mut builder = Builder::new(request, places);
    for entry in entries {
        builder.add_entry(entry)?;
    }
    builder.expand_globs(entries, glob_scan_max_depth)?;
    let never_readable = builder.hide_never_readable()?;
    builder.refuse_kernel_interfaces()?;
    builder.refuse_replaceable_links()?;
    builder.cover_kernel_file_systems()?;
    builder.protect_metadata()?;
    builder.protect_own_files()?;
    builder.hide_audit_log()?;
    if network == NetworkAccess::Enabled {
        builder.hide_control_sockets()?;
    }
    builder.block_missing();
    builder.refuse_openings(&never_readable)?;
    builder.finish()
}

/// A path entry after resolution, kept for the symlink checks.
struct Walked {
    path: AbsolutePath,
    /// The object, or the first component that is missing.
    leads_to: AbsolutePath,
    access: Access,
    links: Vec<Link>,
}

/// Where the log of decisions is in the configuration home.
const AUDIT_FOLDER: &str = "audit";

struct Builder<'a> {
    request: &'a PlanRequest<'a>,
    places: &'a Places,
    rows: BTreeMap<AbsolutePath, Row>,
    /// Paths that the profile itself grants for writing, missing ones included: the protection of
    /// metadata yields to them, and to nothing else.
    opened: BTreeSet<AbsolutePath>,
    walked: Vec<Walked>,
    /// First missing components of read and deny entries.
    missing: Vec<(AbsolutePath, Access, Why)>,
    placeholders: BTreeSet<AbsolutePath>,
    notes: Vec<Note>,
}

impl<'a> Builder<'a> {
    fn new(request: &'a PlanRequest<'a>, places: &'a Places) -> Self {
        Self {
            request,
            places,
            rows: BTreeMap::new(),
            opened: BTreeSet::new(),
            walked: Vec::new(),
            missing: Vec::new(),
            placeholders: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    fn add_entry(&mut self, entry: &Entry) -> Result<(), PlanError> {
        match &entry.path {
            EntryPath::Path(path) => self.add_path(path.as_path(), entry.access, entry.missing),
            EntryPath::Glob(_) => Ok(()), // after all paths, by `expand_globs`
            EntryPath::Special { path, subpath } => {
                for base in self.special(path)? {
                    let path = subpath.as_ref().map_or_else(|| base.clone(), |below| base.join(below));
                    self.add_path(path.as_path(), entry.access, entry.missing)?;
                }
                Ok(())
            }
        }
    }

    /// What a token stands for here and now.
    fn special(&mut self, token: &SpecialPath) -> Result<Vec<AbsolutePath>, PlanError> {
        let parse = |path: &str| AbsolutePath::parse(path).map_err(PlanError::from);
        Ok(match token {
            SpecialPath::Root => vec![parse("/")?],
            SpecialPath::SlashTmp => vec![parse("/tmp")?],
            SpecialPath::Minimal => MINIMAL.iter().map(|path| parse(path)).collect::<Result<_, _>>()?,
            SpecialPath::ProjectRoots => vec![self.places.workspace.path.clone()],
            SpecialPath::Tmpdir => self.tmpdir().into_iter().collect(),
            SpecialPath::Unknown(name) => {
                self.notes.push(Note::UnknownToken { token: name.clone() });
                Vec::new()
            }
        })
    }

    /// The caller's `TMPDIR`, when it names a folder. The environment is not policy, so it can name a
    /// folder but never hand out the whole disk.
    fn tmpdir(&mut self) -> Option<AbsolutePath> {
        let value = self.request.tmpdir.filter(|value| !value.is_empty())?;
        let usable = AbsolutePath::parse(Path::new(value)).ok().filter(|path| {
            paths::resolve(path.as_path()).is_ok_and(|resolved| {
                matches!(&resolved.target, Target::Found(found)
                    if found.kind == Kind::Directory && found.path.parent().is_some())
            })
        });
        if usable.is_none() {
            self.notes.push(Note::TmpdirIgnored { value: policies::display::escape(value) });
        }
        usable
    }

    fn add_path(&mut self, path: &Path, access: Access, missing: MissingPath) -> Result<(), PlanError> {
        let resolved = paths::resolve(path).map_err(|source| PlanError::Unresolvable {
            path: path.to_owned(),
            access,
            source,
        })?;
        // A grant below a missing name opens nothing, least of all that name.
        let is_itself = match &resolved.target {
            Target::Found(_) => true,
            Target::Missing { rest, .. } => rest.as_os_str().is_empty(),
        };
        if access == Access::Write && is_itself {
            self.opened.insert(resolved.path().clone());
        }
        let leads_to = resolved.path().clone();
        match resolved.target {
            Target::Found(found) => {
                self.note_other_names(&found, access);
                self.share_placeholder(&found, access);
                self.insert(found, access, Why::Profile);
            }
            Target::Missing { ref first, .. } => match (access, missing) {
                (Access::Write, _) => {
                    self.notes.push(Note::MissingGrant { path: policies::display::escape(path.as_os_str()) });
                }
                (Access::Read | Access::Deny, MissingPath::Skip) => {}
                (Access::Read | Access::Deny, MissingPath::Block) => {
                    self.missing.push((first.clone(), access, Why::Profile));
                }
            },
        }
        let path = AbsolutePath::parse(path)?;
        self.walked.push(Walked { path, leads_to, access, links: resolved.links });
        Ok(())
    }

    /// A directory that looks like another run's placeholder is held by this run too, so that it stays
    /// until both have ended. Should it be the user's own, a shared lock does it no harm.
    fn share_placeholder(&mut self, found: &Found, access: Access) {
        if access != Access::Write && found.kind == Kind::Directory && placeholder::may_be_one(&found.path) {
            self.placeholders.insert(found.path.clone());
        }
    }

    /// Adds a row; of two for one path the stricter stays (deny > write > read).
    fn insert(&mut self, found: Found, access: Access, why: Why) {
        let row =
            Row { path: found.path.clone(), access, kind: found.kind, identity: Some(found.identity), why };
        match self.rows.get(&found.path).map(|present| present.access) {
            Some(present) if stronger(present, access) => {}
            Some(_) | None => {
                self.rows.insert(found.path, row);
            }
        }
    }

    fn note_other_names(&mut self, found: &Found, access: Access) {
        if access == Access::Deny && found.kind == Kind::File && found.has_other_names {
            self.notes.push(Note::HardLinks { path: found.path.clone() });
        }
    }

    fn access(&self) -> AccessMap {
        AccessMap::new(self.rows.values().map(|row| (row.path.clone(), row.access)))
    }

    fn expand_globs(&mut self, entries: &[Entry], depth: Option<NonZeroUsize>) -> Result<(), PlanError> {
        let mut budget = globs::MAX_SCANNED;
        for entry in entries {
            let EntryPath::Glob(pattern) = &entry.path else { continue };
            // Those of the administrator are searched for by `hide_never_readable`, and more thoroughly.
            if self.request.never_readable.contains(&entry.path) {
                continue;
            }
            let found = globs::expand(pattern, Searcher::Profile { max_depth: depth }, &mut budget)?;
            for path in &found.matches {
                self.add_match(pattern, path)?;
            }
            let pattern_text = || pattern.as_str().to_owned();
            let unlisted = found.unlisted.into_iter();
            self.notes
                .extend(unlisted.map(|folder| Note::GlobNotSearched { pattern: pattern_text(), folder }));
            self.notes.push(Note::GlobCoversPresent { pattern: pattern.as_str().to_owned() });
        }
        Ok(())
    }

    /// Denies one match of a glob; of a symlink, what it leads to.
    fn add_match(&mut self, pattern: &GlobPattern, path: &AbsolutePath) -> Result<(), PlanError> {
        let resolved = paths::resolve(path.as_path()).map_err(|source| PlanError::Unresolvable {
            path: path.as_path().to_owned(),
            access: Access::Deny,
            source,
        })?;
        let Target::Found(found) = resolved.target else { return Ok(()) };
        let why = if found.path == *path {
            Why::Glob { pattern: pattern.as_str().to_owned() }
        } else {
            Why::LinkTarget { link: path.clone() }
        };
        self.note_other_names(&found, Access::Deny);
        self.insert(found, Access::Deny, why);
        Ok(())
    }

    /// Denies what the administrator requires, for good: protections that are derived from the rows see it.
    fn hide_never_readable(&mut self) -> Result<Vec<Place>, PlanError> {
        let places = never_readable::resolve(self.request.never_readable)?;
        never_readable::refuse_inside(&places, &self.places.cwd.path)?;
        self.refuse_openings(&places)?;
        for place in &places {
            self.note_other_names(&place.found, Access::Deny);
            self.insert(place.found.clone(), Access::Deny, place.why());
            self.walked.push(Walked {
                path: place.named.clone(),
                leads_to: place.found.path.clone(),
                access: Access::Deny,
                links: place.links.clone(),
            });
        }
        self.notes.extend(self.request.never_readable.iter().filter_map(|required| match required {
            EntryPath::Glob(pattern) => {
                Some(Note::GlobCoversPresent { pattern: pattern.as_str().to_owned() })
            }
            EntryPath::Path(_) | EntryPath::Special { .. } => None,
        }));
        Ok(places)
    }

    /// Refuses whatever shows something of these places: once for the profile, by its own names, and once for
    /// all rows of the plan, wherever they come from (I3).
    fn refuse_openings(&self, places: &[Place]) -> Result<(), PlanError> {
        if self.rows.values().any(|row| row.access == Access::Write && row.path.parent().is_none()) {
            never_readable::refuse_unlimited(self.request.never_readable)?;
        }
        let named = self.walked.iter().map(|walked| Grant {
            path: &walked.path,
            leads_to: &walked.leads_to,
            access: walked.access,
            identity: None,
        });
        let rows = self.rows.values().map(|row| Grant {
            path: &row.path,
            leads_to: &row.path,
            access: row.access,
            identity: row.identity,
        });
        named.chain(rows).try_for_each(|grant| never_readable::refuse_opening(places, &grant))
    }

    /// `/proc`, `/sys` and `/dev` are made for each run; what a profile may say about them is little.
    fn refuse_kernel_interfaces(&mut self) -> Result<(), PlanError> {
        for (path, row) in &self.rows {
            let below = |top: &str| path.as_path().starts_with(top);
            let refused = match row.access {
                Access::Read => false,
                Access::Write => {
                    below("/proc")
                        || below("/sys")
                        || below("/dev") && !below("/dev/shm") && !is_minimal_device(path)
                }
                Access::Deny => below("/proc") || below("/dev") && is_minimal_device(path),
            };
            if refused {
                return Err(PlanError::KernelInterface { path: path.clone(), access: row.access });
            }
        }
        self.rows.retain(|path, _| {
            !(path.as_path().starts_with("/proc")
                || path.as_path().starts_with("/dev") && !path.as_path().starts_with("/dev/shm"))
        });
        let sys = Path::new("/sys");
        if let Ok(paths::Resolution { target: Target::Found(found), .. }) = paths::resolve(sys)
            && self.access().access(&found.path) == Some(Access::Write)
        {
            self.insert(found, Access::Read, Why::KernelInterface);
        }
        Ok(())
    }

    /// Kernel interfaces that are mounted elsewhere (in a chroot, say): a procfs shows the host's processes
    /// and, to uid 0, hands out the host's switches; others are at least never writable.
    fn cover_kernel_file_systems(&mut self) -> Result<(), PlanError> {
        let mounts = mounts::of_this_process().map_err(|source| PlanError::Examine { source })?;
        for mount in mounts.iter().filter(|mount| !mounts::is_usual_place(&mount.point)) {
            let cover = match mounts::risk(&mount.kind) {
                Some(Risk::ShowsProcesses) => Access::Deny,
                Some(Risk::Switches) => Access::Read,
                None => continue,
            };
            // What cannot be reached from here cannot be reached from inside.
            let Ok(paths::Resolution { target: Target::Found(found), .. }) =
                paths::resolve(mount.point.as_path())
            else {
                continue;
            };
            let present = self.access().access(&found.path);
            let needed = match cover {
                Access::Deny => matches!(present, Some(Access::Read | Access::Write)),
                Access::Read | Access::Write => present == Some(Access::Write),
            };
            if needed {
                self.rows.remove(&found.path);
                self.insert(found, cover, Why::KernelInterface);
            }
        }
        Ok(())
    }

    /// A symlink that a command can replace must not decide where a carve-out or a grant lands: not one in
    /// a writable folder and, for grants, not one that lies in the workspace, which earlier runs and the
    /// repository's author could write (I6, I10).
    fn refuse_replaceable_links(&self) -> Result<(), PlanError> {
        let access = self.access();
        let workspace = &self.places.workspace.path;
        let in_workspace = |link: &Link| workspace.parent().is_some() && link.at.starts_with(workspace);
        for walked in &self.walked {
            let replaceable = |link: &&Link| {
                let folder = link.at.parent();
                folder.and_then(|folder| access.access(&folder)) == Some(Access::Write)
                    || walked.access == Access::Write && in_workspace(link)
            };
            if let Some(link) = walked.links.iter().find(replaceable) {
                return Err(PlanError::WritableLink {
                    path: walked.path.clone(),
                    link: link.at.clone(),
                    access: walked.access,
                });
            }
        }
        Ok(())
    }

    fn protect_metadata(&mut self) -> Result<(), PlanError> {
        let roots: Vec<AbsolutePath> = self
            .rows
            .values()
            .filter(|row| row.access == Access::Write && row.kind == Kind::Directory)
            .map(|row| row.path.clone())
            .filter(|path| path.parent().is_some())
            .collect();
        for root in &roots {
            for name in PROTECTED_NAMES {
                self.protect_name(root, name)?;
            }
        }
        Ok(())
    }

    fn protect_name(&mut self, root: &AbsolutePath, name: &str) -> Result<(), PlanError> {
        let path = AbsolutePath::parse(root.as_path().join(name))?;
        if self.opened.contains(&path) {
            return Ok(());
        }
        let why = Why::Metadata { root: root.clone() };
        let unresolvable = |source| PlanError::Unresolvable {
            path: path.as_path().to_owned(),
            access: Access::Read,
            source,
        };
        let child = match paths::child_type(root, OsStr::new(name)) {
            // A folder of somebody else that we cannot enter, and hence the command cannot either.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !paths::is_ours(root) => {
                return Ok(());
            }
            other => other.map_err(unresolvable)?,
        };
        match child {
            None => self.missing.push((path, Access::Read, why)),
            Some(FileType::Symlink) => {
                return Err(PlanError::WritableLink { path: path.clone(), link: path, access: Access::Read });
            }
            Some(kind) => {
                let resolved = paths::resolve(path.as_path()).map_err(unresolvable)?;
                if let Target::Found(found) = resolved.target {
                    self.share_placeholder(&found, Access::Read);
                    self.insert(found, Access::Read, why);
                }
                if name == ".git" && kind == FileType::RegularFile {
                    self.protect_git_directories(&path)?;
                }
            }
        }
        Ok(())
    }

    /// A `.git` file is only a pointer: the hooks and the configuration lie where it points.
    fn protect_git_directories(&mut self, pointer: &AbsolutePath) -> Result<(), PlanError> {
        let unresolvable =
            |path: PathBuf| move |source| PlanError::Unresolvable { path, access: Access::Read, source };
        let targets =
            metadata::git_directories(pointer).map_err(unresolvable(pointer.as_path().to_owned()))?;
        for target in targets {
            let resolved = paths::resolve(&target).map_err(unresolvable(target.clone()))?;
            let access = self.access();
            let writable = |path: &AbsolutePath| access.access(path) == Some(Access::Write);
            if let Some(link) =
                resolved.links.iter().find(|link| link.at.parent().is_some_and(|parent| writable(&parent)))
            {
                return Err(PlanError::WritableLink {
                    path: AbsolutePath::parse(&target)?,
                    link: link.at.clone(),
                    access: Access::Read,
                });
            }
            let why = Why::GitDirectory { pointer: pointer.clone() };
            if self.opened.contains(resolved.path()) || !writable(resolved.path()) {
                continue;
            }
            match resolved.target {
                Target::Found(found) => self.insert(found, Access::Read, why),
                Target::Missing { first, .. } => self.missing.push((first, Access::Read, why)),
            }
        }
        Ok(())
    }

    /// Our configuration and our executable decide the next run. A profile that grants the whole disk
    /// for writing has said that it does not mind.
    fn protect_own_files(&mut self) -> Result<(), PlanError> {
        let own =
            [(self.request.config_home, Why::ConfigHome), (self.request.executable, Why::OwnExecutable)];
        for (path, why) in own {
            let Some(path) = path else { continue };
            let resolved = paths::resolve(path.as_path()).map_err(|source| PlanError::Unresolvable {
                path: path.as_path().to_owned(),
                access: Access::Read,
                source,
            })?;
            let access = self.access();
            let granted = |path: &AbsolutePath| matches!(access.deciding(path), Some((row, Access::Write)) if row.parent().is_some());
            if let Some(link) =
                resolved.links.iter().find(|link| link.at.parent().is_some_and(|folder| granted(&folder)))
            {
                return Err(PlanError::WritableLink {
                    path: path.clone(),
                    link: link.at.clone(),
                    access: Access::Read,
                });
            }
            let by_root = access.deciding(resolved.path()).is_none_or(|(row, _)| row.parent().is_none());
            if by_root
                || access.access(resolved.path()) != Some(Access::Write)
                || self.opened.contains(resolved.path()) && why == Why::OwnExecutable
            {
                continue;
            }
            match resolved.target {
                Target::Found(found) => {
                    self.rows.remove(&found.path);
                    self.insert(found, Access::Read, why);
                }
                Target::Missing { first, .. } => self.missing.push((first, Access::Read, why)),
            }
        }
        Ok(())
    }

    /// Hides the record of what was decided. Like [`Self::protect_own_files`], not from a profile that grants the whole
    /// disk for writing, nor from one that names it.
    fn hide_audit_log(&mut self) -> Result<(), PlanError> {
        let Some(home) = self.request.config_home else { return Ok(()) };
        let path = home.as_path().join(AUDIT_FOLDER);
        let found = match paths::resolve(&path) {
            Ok(paths::Resolution { target: Target::Found(found), .. }) if found.kind == Kind::Directory => {
                found
            }
            // There is no log yet, or nobody could write it there.
            Ok(paths::Resolution { target: Target::Found(_) | Target::Missing { .. }, .. }) => return Ok(()),
            // What we cannot look at, the command cannot open.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(());
            }
            Err(source) => return Err(PlanError::Unresolvable { path, access: Access::Deny, source }),
        };
        let access = self.access();
        let works_there = [&self.places.cwd.path, &self.places.workspace.path]
            .into_iter()
            .any(|place| place.as_path().starts_with(&found.path));
        let shown = access.access(&found.path);
        if works_there || self.rows.contains_key(&found.path) || !matches!(shown, Some(Access::Read)) {
            return Ok(());
        }
        self.insert(found, Access::Deny, Why::AuditLog);
        Ok(())
    }

    /// Hides the sockets through which the host would run commands, unless the profile names them.
    fn hide_control_sockets(&mut self) -> Result<(), PlanError> {
        let runtime_dir = self.request.environment.get(OsStr::new("XDG_RUNTIME_DIR")).map(Path::new);
        for (path, service) in sockets::control_sockets(runtime_dir) {
            let found = match paths::resolve(&path) {
                Ok(paths::Resolution { target: Target::Found(found), .. }) => found,
                Ok(paths::Resolution { target: Target::Missing { .. }, .. }) => continue,
                // What we cannot look at, the command cannot connect to.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotADirectory
                    ) =>
                {
                    continue;
                }
                Err(source) => return Err(PlanError::Unresolvable { path, access: Access::Deny, source }),
            };
            if !self.rows.contains_key(&found.path) {
                self.insert(found, Access::Deny, Why::ControlSocket { service: service.to_owned() });
            }
        }
        Ok(())
    }

    /// Makes what does not exist impossible to create, where the command could create it.
    fn block_missing(&mut self) {
        let access = self.access();
        for (path, entry_access, why) in std::mem::take(&mut self.missing) {
            let creatable = path.parent().and_then(|parent| access.access(&parent)) == Some(Access::Write);
            if !creatable {
                continue;
            }
            self.placeholders.insert(path.clone());
            let row =
                Row { path: path.clone(), access: entry_access, kind: Kind::Directory, identity: None, why };
            match self.rows.get(&path).map(|present| present.access) {
                Some(present) if stronger(present, entry_access) => {}
                Some(_) | None => {
                    self.rows.insert(path, row);
                }
            }
        }
    }

    fn finish(self) -> Result<Built, PlanError> {
        let access = self.access();
        let rows: Vec<Row> = self.rows.into_values().collect();
        let describe = |path: &AbsolutePath| match paths::resolve(path.as_path())?.target {
            Target::Found(found) if found.path == *path => Ok((found.kind, found.identity)),
            Target::Found(_) | Target::Missing { .. } => {
                Err(std::io::Error::other("it changed while the plan was made"))
            }
        };
        let layout =
            layout::lay_out(&rows, &access, &describe).map_err(|source| PlanError::Examine { source })?;
        if layout.steps.len() > MAX_STEPS {
            return Err(PlanError::TooManySteps { steps: layout.steps.len(), limit: MAX_STEPS });
        }
        let symlinks = match layout.root {
            layout::Root::Empty => symlinks(&self.walked, &access),
            layout::Root::HostReadOnly | layout::Root::HostWritable => Vec::new(),
        };
        Ok(Built {
            layout,
            access,
            symlinks,
            placeholders: self.placeholders.into_iter().collect(),
            notes: self.notes,
        })
    }
}

/// Whether `present` outranks `new` on one path.
fn stronger(present: Access, new: Access) -> bool {
    match (present, new) {
        (Access::Deny, _) | (Access::Write, Access::Read | Access::Write) | (Access::Read, Access::Read) => {
            true
        }
        (Access::Write, Access::Deny) | (Access::Read, Access::Write | Access::Deny) => false,
    }
}

/// In an empty root, the symlinks that the granted names need in order to work as spelled (`/bin`).
fn symlinks(walked: &[Walked], access: &AccessMap) -> Vec<Symlink> {
    let links: BTreeMap<AbsolutePath, PathBuf> = walked
        .iter()
        .filter(|walked| walked.access != Access::Deny)
        .flat_map(|walked| &walked.links)
        .filter(|link| access.access(&link.at).is_none())
        .map(|link| (link.at.clone(), link.target.clone()))
        .collect();
    links.into_iter().map(|(path, target)| Symlink { path, target }).collect()
}
