//! Which object, and which version of it.

use rustix::fs::{FileType, Stat};

use super::error::FileKind;

/// Which object: device and inode number. stat(2)
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Identity {
    device: rustix::fs::Dev,
    inode: u64,
}

impl Identity {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }

    pub(super) fn is_on_same_file_system(self, other: Self) -> bool {
        self.device == other.device
    }
}

/// What was found under a name when it was judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version(Stat);

impl Version {
    pub(super) fn of(stat: Stat) -> Self {
        Self(stat)
    }

    pub(super) fn stat(&self) -> &Stat {
        &self.0
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::of(&self.0)
    }

    pub(super) fn kind(&self) -> FileKind {
        FileType::from_raw_mode(self.0.st_mode).into()
    }

    /// Whether it is a file with more names than the one that led to it.
    pub(super) fn has_other_names(&self) -> bool {
        self.kind() == FileKind::File && self.0.st_nlink > 1
    }

    /// Whether `now` is the same version. The time of the last change cannot be set by whoever may write the file.
    /// inode(7), `ctime`
    pub(super) fn is_unchanged(&self, now: &Stat) -> bool {
        (self.0.st_ctime, self.0.st_ctime_nsec) == (now.st_ctime, now.st_ctime_nsec) && self.is_renamed(now)
    }

    /// Whether `now` is the same version under another name: a rename counts as a change of the inode.
    pub(super) fn is_renamed(&self, now: &Stat) -> bool {
        self.identity() == Identity::of(now)
            && self.0.st_mode == now.st_mode
            && self.0.st_size == now.st_size
            && (self.0.st_mtime, self.0.st_mtime_nsec) == (now.st_mtime, now.st_mtime_nsec)
    }
}
