//! Where programs lie, and who could have put them there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use execpolicy::{Programs, WritableRoots};
use policies::AbsolutePath;
use sandbox::{Boundaries, Program};

use super::interpreters::Lookup;
use super::other_names::Spots;

/// Looks where programs really lie, through symlinks. What the sandboxed side may write now, and what it could have
/// written in an earlier run, is replaceable: a rule that names a program does not mean what lies there.
#[derive(Clone, Debug)]
pub struct ProgramFiles {
    roots: WritableRoots,
    /// Those of them that are no places for temporary files.
    workspaces: WritableRoots,
    boundaries: Option<Boundaries>,
    /// Whether a rule is to be kept from files that have other names in these places.
    by_any_name: bool,
    /// Where these places lie; `None` when that cannot be told. Only looked at where it is needed.
    spots: OnceLock<Option<Spots>>,
}

/// Places for temporary files, which belong to everybody.
pub(crate) const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

impl ProgramFiles {
    /// `workspaces` are the folders that commands work in: whatever the profile lets them write today, the
    /// repository's author wrote what lies there. `TMPDIR` belongs to them.
    pub fn new(workspaces: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut programs = Self::below(workspaces);
        programs.roots.0.extend(Self::below(TEMPORARY.map(PathBuf::from)).roots.0);
        programs
    }

    /// What lies below these folders, by any name.
    pub(crate) fn below(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut roots = Vec::new();
        for root in folders {
            roots.extend(root.canonicalize().ok().and_then(|real| real.to_str().map(str::to_owned)));
            roots.extend(root.to_str().map(str::to_owned));
        }
        Self {
            workspaces: WritableRoots(roots.clone()),
            roots: WritableRoots(roots),
            boundaries: None,
            by_any_name: false,
            spots: OnceLock::new(),
        }
    }

    /// Also by what this plan lets a run write. One without a sandbox says nothing: there is no sandboxed side.
    #[must_use]
    pub fn within(self, boundaries: Boundaries) -> Self {
        Self { boundaries: Some(boundaries).filter(Boundaries::is_confined), ..self }
    }

    /// Also files that have other names there, which takes some time to tell.
    #[must_use]
    pub(crate) fn by_any_name(self) -> Self {
        Self { by_any_name: true, ..self }
    }

    /// The first folder on `PATH` from which the sandboxed side could answer to the name of a program.
    pub fn replaceable_search_folder(&self, environment: &BTreeMap<OsString, OsString>) -> Option<OsString> {
        let search = environment.get(OsStr::new("PATH"))?;
        // An empty or relative one is the working directory's.
        let replaceable = |folder: &PathBuf| !folder.is_absolute() || self.is_replaceable_place(folder);
        std::env::split_paths(search).find(replaceable).map(PathBuf::into_os_string)
    }

    /// Whether one of the symlinks on the way to this program could be made to lead elsewhere.
    pub(super) fn is_linked_by_others(&self, program: &Program) -> bool {
        program.links().iter().any(|link| self.is_replaceable_link(link))
    }

    /// What is in the way of taking the file at `path`, when it is executed, for what its name says: the file itself,
    /// a symlink to it, or an interpreter that its `#!` line names. `None` when it surely is that.
    pub(super) fn doubtful(&self, path: &Path, lookup: Lookup<'_>) -> Option<String> {
        let name = || policies::escape(path);
        if self.is_replaceable_file(path) {
            return Some(format!("`{}` lies where commands could have put it", name()));
        }
        match lookup.interpreters(path) {
            Ok(chain) => {
                let interpreter = chain.iter().find(|path| self.is_replaceable_file(path))?;
                let interpreter = policies::escape(interpreter);
                Some(format!(
                    "`{interpreter}`, which runs `{}`, lies where commands could have put it",
                    name()
                ))
            }
            Err(error) => Some(format!("cannot tell what runs `{}`: {error}", name())),
        }
    }

    /// Whether the file at `path` could be another one, or say something else, by any of its names.
    pub(super) fn is_replaceable_file(&self, path: &Path) -> bool {
        self.is_open_file(path) || self.is_named_elsewhere(path)
    }

    fn is_open_file(&self, path: &Path) -> bool {
        // What is not there can be put there, for all that is known.
        !path.exists()
            || self.is_open_place(path, &self.roots)
            || path.parent().is_none_or(|folder| self.is_open_place(folder, &self.roots))
    }

    fn is_named_elsewhere(&self, file: &Path) -> bool {
        self.is_mounted_from_there(file)
            || self.spots().is_none_or(|spots| spots.may_be_linked_to(file).unwrap_or(true))
    }

    fn is_mounted_from_there(&self, place: &Path) -> bool {
        self.spots().is_none_or(|spots| spots.hold(place).unwrap_or(true))
    }

    fn spots(&self) -> Option<&Spots> {
        self.spots.get_or_init(|| Spots::of(&self.roots.0).ok()).as_ref()
    }

    /// Whether a symlink could be made to lead elsewhere.
    pub(super) fn is_replaceable_link(&self, link: &AbsolutePath) -> bool {
        link.as_path().to_str().is_none_or(|path| self.roots.replaceable(path))
            || self
                .boundaries
                .as_ref()
                .is_some_and(|boundaries| boundaries.access(link) == Some(policies::Access::Write))
    }

    /// Whether a name in this place could be made to lead elsewhere: by what lies there, or by a symlink on the way. A
    /// place that does not exist is nobody's, unless it lies where somebody may make it.
    pub(super) fn is_replaceable_place(&self, place: &Path) -> bool {
        self.is_open_place(place, &self.roots) || self.is_mounted_from_there(place)
    }

    /// Whether commands were given this very place, or one in it.
    pub(super) fn opens_below(&self, place: &Path) -> bool {
        self.roots.0.iter().any(|root| Path::new(root).starts_with(place))
    }

    /// The same for what lies in a home directory. A place for temporary files says nothing here: what counts is
    /// whether a run may write there.
    pub(super) fn is_open_home(&self, place: &Path) -> bool {
        self.is_open_place(place, &self.workspaces)
    }

    fn is_open_place(&self, place: &Path, roots: &WritableRoots) -> bool {
        let within = |path: &Path| path.to_str().is_none_or(|path| roots.replaceable(path));
        let real = place.canonicalize();
        within(place)
            || real.as_deref().is_ok_and(within)
            || sandbox::links_on(place)
                .map_or(true, |links| links.iter().any(|link| self.is_replaceable_link(link)))
            || self
                .boundaries
                .as_ref()
                .is_some_and(|boundaries| boundaries.judge(place).map_or(true, |judged| judged.is_writable()))
    }
}

impl Programs for ProgramFiles {
    fn replaceable(&self, path: &str) -> bool {
        let path = Path::new(path);
        self.is_open_file(path) || (self.by_any_name && self.is_named_elsewhere(path))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_program_lies_where_its_links_lead() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned();
        for name in ["workspace", "bin"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["workspace/git", "bin/ls"] {
            std::fs::write(path(name), "").unwrap();
        }
        symlink(path("workspace/git"), path("bin/git")).unwrap();
        let programs = ProgramFiles::below([PathBuf::from(path("workspace"))]);
        for (name, replaceable) in
            [("bin/ls", false), ("bin/git", true), ("workspace/git", true), ("bin/absent", true)]
        {
            assert_eq!(programs.replaceable(&path(name)), replaceable, "{name}");
        }
        assert!(ProgramFiles::new([]).replaceable(&path("bin/ls")), "it is in a place for temporary files");
    }

    #[test]
    fn a_program_is_as_good_as_each_link_to_it() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned();
        for name in ["workspace", "bin", "release"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["bin/real", "release/tool"] {
            std::fs::write(path(name), "").unwrap();
        }
        symlink(path("bin/real"), path("bin/good")).unwrap();
        symlink(path("bin/real"), path("workspace/current")).unwrap();
        symlink(path("workspace/current"), path("bin/bad")).unwrap();
        symlink(path("release"), path("workspace/release")).unwrap();
        symlink(path("workspace/release"), path("usr")).unwrap();
        let programs = ProgramFiles::below([PathBuf::from(path("workspace"))]);
        for (name, replaceable) in
            [("bin/good", false), ("bin/bad", true), ("release/tool", false), ("usr/tool", true)]
        {
            assert_eq!(programs.replaceable(&path(name)), replaceable, "{name}");
        }
        let environment = BTreeMap::from([("PATH".into(), format!("/bin:{}", path("usr")).into())]);
        assert_eq!(programs.replaceable_search_folder(&environment), Some(path("usr").into()));
    }

    #[test]
    fn a_program_is_as_good_as_what_runs_it() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().canonicalize().unwrap().join(name);
        for name in ["workspace", "bin"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        std::fs::write(path("workspace/python"), "").unwrap();
        std::fs::write(path("bin/good"), "#!/bin/sh\n").unwrap();
        std::fs::write(path("bin/bad"), format!("#!{}\n", path("workspace/python").display())).unwrap();
        let programs = ProgramFiles::below([path("workspace")]);
        let (search, cwd) = (OsStr::new("/bin"), path("workspace"));
        let doubtful = |name: &str| programs.doubtful(&path(name), Lookup { search, cwd: &cwd });
        assert_eq!(doubtful("bin/good"), None);
        assert!(doubtful("bin/bad").unwrap().contains("workspace/python"));
    }

    #[test]
    fn a_search_path_is_as_good_as_its_folders() {
        let programs = ProgramFiles::new([PathBuf::from("/home/me/project")]);
        let found = |search: &str| {
            let environment = BTreeMap::from([(OsString::from("PATH"), OsString::from(search))]);
            programs.replaceable_search_folder(&environment)
        };
        assert_eq!(found("/usr/bin:/bin"), None);
        for (search, folder) in [
            ("/usr/bin:/home/me/project/bin", "/home/me/project/bin"),
            ("/usr/bin:", ""),
            ("bin:/usr/bin", "bin"),
            ("/tmp/x:/usr/bin", "/tmp/x"),
        ] {
            assert_eq!(found(search).as_deref(), Some(OsStr::new(folder)), "{search}");
        }
    }
}
