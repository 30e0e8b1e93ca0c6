//! Files that an application which was killed left behind.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::entries::{PREFIX, look};

/// How old a passing name is before nobody can be using it: applying a patch takes seconds at most.
pub(super) const STALE: Duration = Duration::from_secs(600);
/// Entries of a folder that are looked at. In a larger one leftovers may stay.
const MAX_ENTRIES: usize = 10_000;
/// The digits after the prefix. uuid(7), without hyphens
const DIGITS: usize = 32;

/// Removes our user's leftovers from a folder, if they are older than `age`. Nothing depends on it, so what fails is
/// left for the next time.
pub(super) fn remove(folder: BorrowedFd<'_>, age: Duration) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(handle) = rustix::fs::openat(folder, ".", flags, Mode::empty()) else { return };
    let Ok(entries) = Dir::read_from(&handle) else { return };
    for entry in entries.take(MAX_ENTRIES).flatten() {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !is_passing(name) {
            continue;
        }
        if let Ok(Some(stat)) = look(handle.as_fd(), name)
            && is_leftover(&stat, age)
        {
            rustix::fs::unlinkat(&handle, name, AtFlags::empty()).ok();
        }
    }
}

fn is_passing(name: &OsStr) -> bool {
    let digits = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// A file or symlink of ours that got its name long ago: a rename counts as a change of the inode. inode(7)
fn is_leftover(stat: &Stat, age: Duration) -> bool {
    let is_file = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Symlink => true,
        FileType::Directory
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => false,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let limit = now.checked_sub(age).unwrap_or_default().as_secs();
    let is_old = u64::try_from(stat.st_ctime).is_ok_and(|changed| changed <= limit);
    is_file && is_old && stat.st_uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_old_files_with_our_names_go() {
        let dir = tempfile::tempdir().unwrap();
        let ours = crate::files::entries::passing_name();
        let others = [".codex-patch-1", ".codex", "a", ".codex-patch-zz000000000000000000000000000000"];
        for name in others.into_iter().map(OsStr::new).chain([ours.as_os_str()]) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let folder_like_ours = crate::files::entries::passing_name();
        std::fs::create_dir(dir.path().join(&folder_like_ours)).unwrap();
        let handle = File::open(dir.path()).unwrap();
        remove(handle.as_fd(), STALE);
        assert!(dir.path().join(&ours).exists(), "it may be in use");
        remove(handle.as_fd(), Duration::ZERO);
        assert!(!dir.path().join(&ours).exists());
        for name in others.into_iter().map(OsStr::new).chain([folder_like_ours.as_os_str()]) {
            assert!(dir.path().join(name).exists(), "{name:?}");
        }
    }
}
