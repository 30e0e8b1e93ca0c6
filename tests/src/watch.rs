//! What must be the same after a run as before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The names that are protected directly below every writable root.
pub const PROTECTED: [&str; 4] = [".git", ".agents", ".codex", ".aws"];

/// One file, as far as a command could have changed it. Times of directories are left out: a
/// placeholder that came and went moves them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    mode: u32,
    owner: (u32, u32),
    links: Option<u64>,
    modified: Option<(i64, i64)>,
    content: Content,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Content {
    File(Vec<u8>),
    Link(PathBuf),
    Unreadable,
    Other,
}

/// All files below some paths at one moment.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<PathBuf, Entry>);

impl Files {
    /// Looks at everything below `roots` except below `skipped`. A root that does not exist has no
    /// files.
    ///
    /// # Errors
    /// When a file is there and cannot be looked at.
    pub fn below(roots: &[PathBuf], skipped: &[PathBuf]) -> Result<Self> {
        let mut files = Self::default();
        for root in roots {
            files.add(root, skipped)?;
        }
        Ok(files)
    }

    fn add(&mut self, path: &Path, skipped: &[PathBuf]) -> Result<()> {
        if skipped.iter().any(|skipped| path == skipped) {
            return Ok(());
        }
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot look at `{}`", path.display())),
        };
        let _first = self.0.insert(path.to_owned(), entry(path, &metadata));
        // A directory that denies being listed has an entry, but nothing is known of its inside.
        if metadata.is_dir()
            && let Ok(entries) = fs::read_dir(path)
        {
            for entry in entries {
                self.add(&entry?.path(), skipped)?;
            }
        }
        Ok(())
    }

    /// Says what differs from `before`, except at or below the paths in `may_change`. One line each.
    #[must_use]
    pub fn differences(&self, before: &Self, may_change: &[PathBuf]) -> Vec<String> {
        let paths: BTreeSet<&PathBuf> = self.0.keys().chain(before.0.keys()).collect();
        paths
            .into_iter()
            .filter(|path| !may_change.iter().any(|allowed| path.starts_with(allowed)))
            .filter_map(|path| match (before.0.get(path), self.0.get(path)) {
                (None, Some(_)) => Some(format!("`{}` appeared", path.display())),
                (Some(_), None) => Some(format!("`{}` is gone", path.display())),
                (Some(before), Some(after)) if before != after => {
                    Some(format!("`{}` changed from {before:?} to {after:?}", path.display()))
                }
                (Some(_), Some(_)) | (None, None) => None,
            })
            .collect()
    }
}

fn entry(path: &Path, metadata: &Metadata) -> Entry {
    let kind = metadata.file_type();
    let content = if kind.is_file() {
        fs::read(path).map_or(Content::Unreadable, Content::File)
    } else if kind.is_symlink() {
        fs::read_link(path).map_or(Content::Unreadable, Content::Link)
    } else {
        Content::Other
    };
    Entry {
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        links: kind.is_file().then(|| metadata.nlink()),
        modified: kind.is_file().then(|| (metadata.mtime(), metadata.mtime_nsec())),
        content,
    }
}

/// The mounts of the host, one line each as in `/proc/self/mountinfo`.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn mounts() -> Result<BTreeSet<String>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("cannot read `/proc/self/mountinfo`")?;
    Ok(text.lines().map(ToOwned::to_owned).collect())
}

/// Names in the shared temporary directories that only a sandbox run would have made: protected
/// names, and leftovers that carry the name of the program or its backend.
#[must_use]
pub fn shared_names() -> BTreeSet<PathBuf> {
    let suspicious = |name: &str| {
        let bare = name.trim_start_matches('.');
        PROTECTED.contains(&name)
            || (["codex-", "bwrap-", "bubblewrap-"].iter().any(|prefix| bare.starts_with(prefix))
                && !["codex-probe", "codex-test."].iter().any(|own| bare.starts_with(own)))
    };
    ["/tmp", "/dev/shm", "/run"]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(suspicious))
        .collect()
}

/// Whether the kernel lists a lock on it, as a run has one on its placeholders as long as it lives. (The machine may
/// have runs that are not ours.) Looking disturbs nobody; but a lock whose taker has ended may not be listed.
/// `proc_locks(5)`
#[must_use]
pub fn is_listed_as_locked(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    let inode = format!(":{}", metadata.ino());
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    table.split_whitespace().any(|field| field.ends_with(&inode))
}

/// Whether somebody holds a lock on it. To ask is to lock for a moment: a run that ends in this moment takes us for
/// another run, and leaves the placeholder to us.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Mode, owner and age of a file, for a report.
#[must_use]
pub fn traits(path: &Path) -> String {
    let Ok(metadata) = fs::symlink_metadata(path) else { return "gone by now".to_owned() };
    let age = metadata.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
    format!("mode {:o}, user {}, {age:.1?} old", metadata.mode(), metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_seen_except_where_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["kept", "changed", "removed", "allowed"] {
            fs::write(path(name), "before").unwrap();
        }
        fs::create_dir(path("skipped")).unwrap();
        let look = || Files::below(&[folder.path().to_owned()], &[path("skipped")]).unwrap();
        let before = look();
        assert!(look().differences(&before, &[]).is_empty());

        fs::write(path("changed"), "after").unwrap();
        fs::remove_file(path("removed")).unwrap();
        fs::write(path("allowed"), "after").unwrap();
        fs::write(path("skipped/new"), "").unwrap();
        fs::create_dir(path("new")).unwrap();
        let differences = look().differences(&before, &[path("allowed")]);
        assert_eq!(differences.len(), 3, "{differences:?}");
        for name in ["changed", "removed", "new"] {
            let named = format!("`{}`", path(name).display());
            assert!(differences.iter().any(|line| line.starts_with(&named)), "{named}: {differences:?}");
        }
    }

    #[test]
    fn a_link_and_its_target_are_two_things() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("one", &link).unwrap();
        let look = || Files::below(std::slice::from_ref(&link), &[]).unwrap();
        let before = look();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("two", &link).unwrap();
        assert_eq!(look().differences(&before, &[]).len(), 1);
    }
}
