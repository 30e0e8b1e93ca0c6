//! Behaviour of file changes, on real files.

mod applying;
mod judging;
mod killed;
mod looks;
mod races;
mod trees;
mod undoing;

use std::path::{Path, PathBuf};

use policies::{AbsolutePath, Access};
use tempfile::TempDir;

use super::*;
use crate::audit::Recorded;

/// Places and what policy says about them; the most specific one decides.
#[derive(Clone, Debug, Default)]
struct Zones(Vec<(AbsolutePath, Access)>);

impl Boundary for Zones {
    fn access(&self, resolved: &AbsolutePath) -> Option<Access> {
        let around = self.0.iter().filter(|(zone, _)| resolved.starts_with(zone));
        around.max_by_key(|(zone, _)| zone.depth()).map(|(_, access)| *access)
    }
}

/// A workspace that is writable, and a folder beside it that is not.
struct Bench {
    _dir: TempDir,
    base: PathBuf,
    zones: Zones,
}

impl Bench {
    fn new() -> Self {
        Self::on(&std::env::temp_dir())
    }

    /// One on every kind of file system that is at hand: a disk, and memory.
    fn everywhere() -> Vec<Self> {
        let mut all = vec![Self::on(Path::new("/var/tmp"))];
        if Path::new("/dev/shm").is_dir() {
            all.push(Self::on(Path::new("/dev/shm")));
        }
        all
    }

    fn on(place: &Path) -> Self {
        Self::below(place, 0)
    }

    /// One with so many folders of its own above it.
    fn below(place: &Path, depth: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("file-changes-").tempdir_in(place).unwrap();
        let mut base = dir.path().canonicalize().unwrap();
        base.extend(vec!["d"; depth]);
        for folder in ["ws/.git/hooks", "ws/src", "ws/secret", "out"] {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        std::fs::write(base.join("ws/file"), "old").unwrap();
        std::fs::write(base.join("out/victim"), "victim").unwrap();
        let at = |name: &str| AbsolutePath::parse(base.join(name)).unwrap();
        let zones = Zones(vec![
            (AbsolutePath::root(), Access::Read),
            (at("ws"), Access::Write),
            (at("ws/.git"), Access::Read),
            (at("ws/secret"), Access::Deny),
        ]);
        Self { _dir: dir, base, zones }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    fn absolute(&self, name: &str) -> AbsolutePath {
        AbsolutePath::parse(self.base.join(name)).unwrap()
    }

    fn judge(&self, changes: Vec<FileChange>) -> Result<Judged, FileChangeError> {
        Judged::resolve(changes, &self.absolute("ws"), &self.zones)
    }

    fn apply(&self, changes: Vec<FileChange>) -> Result<Applied, ApplyError> {
        apply(self.judge(changes).unwrap())
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Every name in it, hidden ones too.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

fn apply(judged: Judged) -> Result<Applied, ApplyError> {
    let approved = Approved::for_patch(&judged, &Recorded { seq: 1 });
    judged.apply(&approved)
}

/// Says what a test did not try, or how often it tried.
#[expect(clippy::print_stderr, reason = "a skipped or degraded test must be heard")]
fn say(what: &str) {
    eprintln!("{what}");
}

fn write(path: impl Into<PathBuf>, content: &str) -> FileChange {
    let action = Action::Write { content: content.as_bytes().to_vec(), mode: None };
    FileChange { path: path.into(), action }
}

fn delete(path: impl Into<PathBuf>) -> FileChange {
    FileChange { path: path.into(), action: Action::Delete }
}

fn rename(path: impl Into<PathBuf>, to: impl Into<PathBuf>, content: Option<&str>) -> FileChange {
    let content = content.map(|content| content.as_bytes().to_vec());
    FileChange { path: path.into(), action: Action::Rename { to: to.into(), content } }
}
