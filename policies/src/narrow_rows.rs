//! What two lists of rows both permit, as one list.
//!
//! INVARIANT (I10): the result gives no place more than the person's rows do, also where the repository put
//! symlinks: no path that the repository chose becomes a grant. Its rows take away. Below a place that they took
//! something from, only the special locations open again, since it is not the repository that says where these are.
//!
//! Rows are compared by name. What a row of either side takes away through a symlink is taken away where that leads
//! too, though it may add nothing at its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::glob::{GlobMatcher, GlobPattern};
use crate::narrow_profile::Places;
use crate::path::AbsolutePath;
use crate::precedence::AccessMap;
use crate::profile::{Access, Entry, EntryPath, MissingPath, SpecialPath};

/// The folders of `:minimal`, for comparing.
const MINIMAL: [&str; 6] = ["bin", "etc", "lib", "lib64", "sbin", "usr"];

/// How much is permitted, in an order that can be compared.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Level {
    /// Neither read nor write.
    Nothing,
    /// Read.
    Read,
    /// Read and write.
    Write,
}

impl Level {
    /// Of a row that decides, or none.
    pub(crate) fn of(access: Option<Access>) -> Self {
        match access {
            None | Some(Access::Deny) => Self::Nothing,
            Some(Access::Read) => Self::Read,
            Some(Access::Write) => Self::Write,
        }
    }

    /// The access word for it.
    fn access(self) -> Access {
        match self {
            Self::Nothing => Access::Deny,
            Self::Read => Access::Read,
            Self::Write => Access::Write,
        }
    }
}

/// What one side permits by name.
struct Permitted {
    rows: AccessMap,
    /// Its patterns: what matches is denied with all below, whatever its rows open there, since a row of the other
    /// side would open it. `None` if they cannot be used, and then everything is denied.
    denied: Option<GlobMatcher>,
}

impl Permitted {
    /// Of rows with their places.
    fn new(rows: AccessMap, entries: &[Entry]) -> Self {
        let patterns = entries.iter().filter_map(|entry| match &entry.path {
            EntryPath::Glob(glob) => Some(glob),
            EntryPath::Path(_) | EntryPath::Special { .. } => None,
        });
        Self { rows, denied: GlobPattern::matcher_of(patterns).ok() }
    }

    /// How much at this path.
    fn level(&self, path: &AbsolutePath) -> Level {
        let is_denied =
            |above: AbsolutePath| self.denied.as_ref().is_none_or(|globs| globs.is_match(above.as_path()));
        if path.ancestors().any(is_denied) { Level::Nothing } else { Level::of(self.rows.access(path)) }
    }
}

/// A row of either side, in the order in which they are taken in: shallow before deep, ours first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Row {
    Ours(usize),
    Theirs(usize),
}

/// Two sets of rows on their way to one.
pub(crate) struct Narrowing<'a> {
    places: Places<'a>,
    ours: &'a [Entry],
    theirs: &'a [Entry],
    our_map: Permitted,
    their_map: Permitted,
    /// The result so far, by path.
    current: BTreeMap<AbsolutePath, Access>,
    /// Where the result permits less than ours.
    lowered: BTreeSet<AbsolutePath>,
    /// What became of our rows, in their order.
    kept: Vec<Vec<Entry>>,
    /// What theirs add.
    added: Vec<Entry>,
}

impl<'a> Narrowing<'a> {
    /// The person's rows and the repository's.
    pub(crate) fn new(ours: &'a [Entry], theirs: &'a [Entry], places: Places<'a>) -> Self {
        let map = |entries: &[Entry]| {
            let rows = entries.iter().flat_map(|entry| {
                locations(&entry.path, places).into_iter().map(|path| (path, entry.access))
            });
            Permitted::new(AccessMap::new(rows.collect::<Vec<_>>()), entries)
        };
        Self {
            places,
            ours,
            theirs,
            our_map: map(ours),
            their_map: map(theirs),
            current: BTreeMap::new(),
            lowered: BTreeSet::new(),
            kept: vec![Vec::new(); ours.len()],
            added: Vec::new(),
        }
    }

    /// What is left.
    pub(crate) fn run(mut self) -> Vec<Entry> {
        let depth =
            |entry: &Entry| locations(&entry.path, self.places).first().map_or(0, AbsolutePath::depth);
        let ours = self.ours.iter().enumerate().map(|(at, entry)| (depth(entry), Row::Ours(at), entry));
        let theirs = self.theirs.iter().enumerate().map(|(at, entry)| (depth(entry), Row::Theirs(at), entry));
        let mut rows: Vec<_> = ours.chain(theirs).collect();
        rows.sort_by_key(|(depth, row, _)| (*depth, *row));
        for (_, row, entry) in rows {
            match row {
                Row::Ours(at) => {
                    let kept = self.take_ours(entry);
                    if let Some(place) = self.kept.get_mut(at) {
                        *place = kept;
                    }
                }
                Row::Theirs(_) => {
                    let added = self.take_theirs(entry);
                    self.added.extend(added);
                }
            }
        }
        self.kept.into_iter().flatten().chain(self.added).collect()
    }

    /// What becomes of one of our rows.
    fn take_ours(&mut self, entry: &Entry) -> Vec<Entry> {
        let paths = locations(&entry.path, self.places);
        if entry.access == Access::Deny {
            paths.into_iter().for_each(|path| self.note(path, Access::Deny));
            return vec![entry.clone()];
        }
        match paths.as_slice() {
            [] => self.unplaced(entry).into_iter().collect(),
            [path] => self.lower(entry, path).or_else(|| self.behind_link(entry, path)).into_iter().collect(),
            several => {
                let whole = several.iter().all(|path| self.theirs_at(path) >= Level::of(Some(entry.access)));
                if whole {
                    several.iter().for_each(|path| self.note(path.clone(), entry.access));
                    return vec![entry.clone()];
                }
                // Folder by folder. These paths are ours, not the repository's.
                let folder = |path: &AbsolutePath| Entry {
                    missing: MissingPath::Skip,
                    ..Entry::for_path(path.clone(), entry.access)
                };
                several.iter().filter_map(|path| self.lower(&folder(path), path)).collect()
            }
        }
    }

    /// One of our grants at one place.
    fn lower(&mut self, entry: &Entry, path: &AbsolutePath) -> Option<Entry> {
        let own = Level::of(Some(entry.access));
        let target = own.min(self.theirs_at(path));
        let current = self.at(path);
        self.lower_note(path);
        let opens = target > current;
        let keep = match (target, current) {
            (Level::Nothing, Level::Nothing) => false,
            (Level::Nothing, Level::Read | Level::Write) => true,
            _ if opens && !self.may_open(entry, path, target < own) => {
                self.lowered.insert(path.clone());
                false
            }
            // As good as there, so a row of ours stays, and a weaker one adds nothing.
            (Level::Read | Level::Write, _) => target == own || target != current,
        };
        keep.then(|| {
            self.note(path.clone(), target.access());
            if target == own { entry.clone() } else { Entry { access: target.access(), ..entry.clone() } }
        })
    }

    /// Whether a row of ours may permit more than what is around it in the result. In our profile the launcher
    /// would have refused a symlink in a writable folder on the way to it; where that folder is no longer writable,
    /// or the row no longer writes, it would not notice.
    fn may_open(&self, entry: &Entry, path: &AbsolutePath, is_lowered: bool) -> bool {
        if is_special(entry) {
            return true;
        }
        let inside_cwd = path != self.places.cwd && path.starts_with(self.places.cwd);
        let below_lowered = path.ancestors().skip(1).any(|above| self.lowered.contains(&above));
        !(below_lowered || is_lowered && inside_cwd)
    }

    /// One of our rows whose place is not known here: a pattern, an unknown word, `$TMPDIR`.
    fn unplaced(&self, entry: &Entry) -> Option<Entry> {
        match &entry.path {
            EntryPath::Special { path: SpecialPath::Tmpdir, .. } => {
                let named = self.theirs.iter().filter(|row| row.path == entry.path);
                let said = named.map(|row| row.access).max();
                let level = Level::of(said.or_else(|| self.their_least()));
                let target = level.min(Level::of(Some(entry.access)));
                (target > Level::Nothing).then(|| Entry { access: target.access(), ..entry.clone() })
            }
            EntryPath::Path(_) | EntryPath::Glob(_) | EntryPath::Special { .. } => Some(entry.clone()),
        }
    }

    /// What the repository's profile permits everywhere.
    fn their_least(&self) -> Option<Access> {
        let root = self.their_map.rows.access(&AbsolutePath::root())?;
        let all = self.their_map.rows.rows().map(|(_, access)| access).chain([root]);
        let least = all.map(|access| Level::of(Some(access))).min()?;
        let globs = self.theirs.iter().any(|entry| matches!(entry.path, EntryPath::Glob(_)));
        (!globs).then(|| least.access())
    }

    /// What one of the repository's rows takes away, or opens again.
    fn take_theirs(&mut self, entry: &Entry) -> Vec<Entry> {
        let paths = locations(&entry.path, self.places);
        let is_new = || !self.ours.contains(entry);
        match (&entry.path, paths.as_slice()) {
            (EntryPath::Glob(_), _) => is_new().then(|| entry.clone()).into_iter().collect(),
            // Wherever it is.
            (EntryPath::Special { path: SpecialPath::Tmpdir, .. }, []) if entry.access == Access::Deny => {
                is_new().then(|| entry.clone()).into_iter().collect()
            }
            (EntryPath::Path(_) | EntryPath::Special { .. }, []) => Vec::new(),
            (EntryPath::Path(_) | EntryPath::Special { .. }, [path]) => {
                self.take_at(entry, path).into_iter().collect()
            }
            (EntryPath::Path(_) | EntryPath::Special { .. }, several) => {
                let open = several.iter().all(|path| self.our_map.level(path) >= Level::Read);
                let folder = |path: &AbsolutePath| Entry {
                    missing: MissingPath::Skip,
                    ..Entry::for_path(path.clone(), entry.access)
                };
                let before: Vec<Level> = several.iter().map(|path| self.at(path)).collect();
                let targets: Vec<Level> = several.iter().map(|path| self.target(path)).collect();
                let opens = targets.iter().zip(&before).all(|(target, before)| target > before);
                if let [first, ..] = targets.as_slice()
                    && opens
                    && open
                    && targets.iter().all(|target| target == first)
                {
                    let access = first.access();
                    several.iter().for_each(|path| {
                        self.lower_note(path);
                        self.note(path.clone(), access);
                    });
                    return vec![Entry { access, ..entry.clone() }];
                }
                several.iter().filter_map(|path| self.restrict(&folder(path), path)).collect()
            }
        }
    }

    /// One of the repository's rows at one place.
    fn take_at(&mut self, entry: &Entry, path: &AbsolutePath) -> Option<Entry> {
        let target = self.target(path);
        if target > self.at(path) && is_special(entry) && self.is_plainly_ours(path, target) {
            self.lower_note(path);
            self.note(path.clone(), target.access());
            return Some(Entry { access: target.access(), ..entry.clone() });
        }
        self.restrict(entry, path).or_else(|| self.behind_link(entry, path))
    }

    /// What is left of a row that takes nothing away at its name, where a symlink leads it elsewhere: a denial stays
    /// one, and what is only readable there stays so if both would write it by its other name.
    fn behind_link(&self, entry: &Entry, path: &AbsolutePath) -> Option<Entry> {
        if is_special(entry) || !path.ancestors().any(|above| above.as_path().is_symlink()) {
            return None;
        }
        match entry.access {
            Access::Deny => Some(entry.clone()),
            Access::Read => {
                let real = leads_to(path);
                let is_written = self.target(&real) == Level::Write;
                is_written.then(|| Entry { path: EntryPath::Path(real), ..entry.clone() })
            }
            Access::Write => None,
        }
    }

    /// A row that takes away what is too much at a place, if it is.
    fn restrict(&mut self, entry: &Entry, path: &AbsolutePath) -> Option<Entry> {
        let target = self.target(path);
        self.lower_note(path);
        (target < self.at(path)).then(|| {
            self.note(path.clone(), target.access());
            Entry { access: target.access(), ..entry.clone() }
        })
    }

    /// Whether our profile permits this at a special location whatever symlinks lead there: by a row for the very
    /// place, or because nothing in it permits less.
    fn is_plainly_ours(&self, path: &AbsolutePath, level: Level) -> bool {
        let at_place = self.ours.iter().any(|entry| locations(&entry.path, self.places).contains(path));
        at_place || self.ours.iter().all(|entry| Level::of(Some(entry.access)) >= level)
    }

    /// What both permit at a path.
    fn target(&self, path: &AbsolutePath) -> Level {
        self.our_map.level(path).min(self.theirs_at(path))
    }

    fn theirs_at(&self, path: &AbsolutePath) -> Level {
        self.their_map.level(path)
    }

    /// What the result permits so far.
    fn at(&self, path: &AbsolutePath) -> Level {
        Level::of(path.ancestors().find_map(|above| self.current.get(&above).copied()))
    }

    /// Remembers a row of the result; of several for one path the stronger word counts.
    fn note(&mut self, path: AbsolutePath, access: Access) {
        let kept = self.current.entry(path).or_insert(access);
        *kept = access.max(*kept);
    }

    /// Remembers a place if both permit less there than ours.
    fn lower_note(&mut self, path: &AbsolutePath) {
        if self.target(path) < self.our_map.level(path) {
            self.lowered.insert(path.clone());
        }
    }
}

/// Where a path leads, as far as it exists.
fn leads_to(path: &AbsolutePath) -> AbsolutePath {
    let real = path.ancestors().find_map(|above| {
        let real = std::fs::canonicalize(above.as_path()).ok()?;
        let below = path.as_path().strip_prefix(above.as_path()).ok()?;
        AbsolutePath::parse(real.join(below)).ok()
    });
    real.unwrap_or_else(|| path.clone())
}

/// Whether the entry is about a special location itself.
pub(crate) fn is_special(entry: &Entry) -> bool {
    match &entry.path {
        EntryPath::Special { path, subpath: None } => match path {
            SpecialPath::Minimal
            | SpecialPath::ProjectRoots
            | SpecialPath::SlashTmp
            | SpecialPath::Tmpdir => true,
            SpecialPath::Root | SpecialPath::Unknown(_) => false,
        },
        EntryPath::Special { .. } | EntryPath::Path(_) | EntryPath::Glob(_) => false,
    }
}

/// The paths that an entry is about; none for patterns and for what is not known.
pub(crate) fn locations(place: &EntryPath, places: Places<'_>) -> Vec<AbsolutePath> {
    let (special, subpath) = match place {
        EntryPath::Path(path) => return vec![path.clone()],
        EntryPath::Glob(_) => return Vec::new(),
        EntryPath::Special { path, subpath } => (path, subpath),
    };
    let root = AbsolutePath::root();
    let base = match special {
        SpecialPath::Root => root,
        SpecialPath::SlashTmp => root.child("tmp"),
        SpecialPath::ProjectRoots => places.cwd.clone(),
        SpecialPath::Minimal => return MINIMAL.iter().map(|name| root.child(name)).collect(),
        SpecialPath::Tmpdir => match places.tmpdir {
            Some(path) => path.clone(),
            None => return Vec::new(),
        },
        SpecialPath::Unknown(_) => return Vec::new(),
    };
    vec![subpath.as_ref().map_or_else(|| base.clone(), |subpath| base.join(subpath))]
}
