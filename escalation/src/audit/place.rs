//! Where the log is: its folder, the names in it, and whom they have to belong to.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::error::AuditError;

/// The folder of the log in the configuration home.
pub const AUDIT_FOLDER: &str = "audit";
/// The file that is written to.
pub const AUDIT_FILE: &str = "audit.jsonl";
/// The file that writers and readers lock, always empty.
///
/// It is one of its own, and nobody may read it: a lock needs an open file, and a command in a sandbox that can read
/// everything and write nothing could otherwise lock the log, and with it every other command.
pub(super) const LOCK_FILE: &str = "audit.lock";

const LOG_MODE: Mode = Mode::from_raw_mode(0o600);
const LOCK_MODE: Mode = Mode::from_raw_mode(0o200);
/// How long somebody may take to give up a lease, and how long to wait before trying again.
const LEASE_DEADLINE: Duration = Duration::from_secs(2);
const LEASE_PAUSE: Duration = Duration::from_millis(2);
/// Others may write.
const SHARED_WRITE: u32 = 0o022;

/// Which file something is, whatever its name.
pub(super) type FileId = (u64, u64);

pub(super) fn id_of(stat: &Stat) -> FileId {
    (stat.st_dev, stat.st_ino)
}

/// The folder, checked and open.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) handle: OwnedFd,
    pub(super) id: FileId,
}

impl Folder {
    /// Makes it if it is missing, for us alone, with the folders above it.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        if let Err(source) = DirBuilder::new().recursive(true).mode(0o700).create(path) {
            // Whatever is in the way instead is found out below.
            if source.kind() != io::ErrorKind::AlreadyExists && source.kind() != io::ErrorKind::NotADirectory
            {
                return Err(AuditError::File {
                    path: path.to_owned(),
                    action: "create the folder of",
                    source,
                });
            }
        }
        let folder = Self::open_existing(path)?;
        let stat =
            rustix::fs::fstat(&folder.handle).map_err(AuditError::file(path, "look at the folder of"))?;
        check_owner(path, &stat)?;
        Ok(folder)
    }

    /// For reading: whoever may read it.
    pub(super) fn open_existing(path: &Path) -> Result<Self, AuditError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let handle = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(AuditError::WrongKind { path: path.to_owned(), wanted: "folder" });
            }
            Err(Errno::NOENT) => return Err(AuditError::Missing { folder: path.to_owned() }),
            Err(source) => return Err(AuditError::file(path, "open the folder of")(source)),
        };
        let stat = rustix::fs::fstat(&handle).map_err(AuditError::file(path, "look at the folder of"))?;
        Ok(Self { path: path.to_owned(), id: id_of(&stat), handle })
    }

    pub(super) fn name(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The log, made if it is missing.
    pub(super) fn open_log(&self) -> Result<(File, Stat), AuditError> {
        self.open_ours(AUDIT_FILE, OFlags::RDWR | OFlags::APPEND, LOG_MODE)
    }

    /// The file to lock, made if it is missing.
    pub(super) fn open_lock(&self) -> Result<File, AuditError> {
        self.open_ours(LOCK_FILE, OFlags::WRONLY, LOCK_MODE).map(|(file, _)| file)
    }

    /// A regular file of ours that nobody else may write.
    fn open_ours(&self, name: &str, access: OFlags, mode: Mode) -> Result<(File, Stat), AuditError> {
        let path = self.name(name);
        // Without waiting for the other end of a pipe.
        let flags = OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match open_leased(|| rustix::fs::openat(&self.handle, name, access | flags, mode)) {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => {
                return Err(AuditError::WrongKind { path, wanted: "regular file" });
            }
            Err(source) => return Err(AuditError::file(path, "open")(source)),
        };
        let stat = regular(&file, &path)?;
        check_owner(&path, &stat)?;
        Ok((file.into(), stat))
    }

    /// One of its files for reading; `None` if it is not there.
    pub(super) fn open_to_read(&self, name: &str) -> Result<Option<(File, Stat)>, AuditError> {
        let path = self.name(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(AuditError::WrongKind { path, wanted: "regular file" }),
            Err(source) => return Err(AuditError::file(path, "open")(source)),
        };
        let stat = regular(&file, &path)?;
        Ok(Some((file.into(), stat)))
    }

    /// The lock, for a reader; `None` where there is none to wait for: in a copy, or on a disk that is not written.
    pub(super) fn open_lock_to_read(&self) -> Option<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.handle, LOCK_FILE, flags, Mode::empty()).ok().map(File::from)
    }

    /// The numbers of the older files, oldest first.
    pub(super) fn old_files(&self) -> Result<Vec<u64>, AuditError> {
        let failed = || AuditError::file(&self.path, "list the files of");
        let mut numbers = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            numbers.extend(entry.file_name().to_str().ok().and_then(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The name of an older file.
pub(super) fn old_name(number: u64) -> String {
    format!("audit.{number:06}.jsonl")
}

fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix("audit.")?.strip_suffix(".jsonl")?.parse().ok()?;
    // Each number has one name.
    (old_name(number) == name).then_some(number)
}

/// Opens a file, and tries again for a while if somebody holds a lease on it: whoever can read it can take one, and is
/// told by the kernel, each time, to give it up. fcntl(2)
fn open_leased(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    let deadline = Instant::now().checked_add(LEASE_DEADLINE);
    loop {
        match open() {
            Err(Errno::WOULDBLOCK) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                std::thread::sleep(LEASE_PAUSE);
            }
            done => return done,
        }
    }
}

fn regular(file: impl AsFd, path: &Path) -> Result<Stat, AuditError> {
    let stat = rustix::fs::fstat(file).map_err(AuditError::file(path, "look at"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat),
        FileType::Directory
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err(AuditError::WrongKind { path: path.to_owned(), wanted: "regular file" }),
    }
}

fn check_owner(path: &Path, stat: &Stat) -> Result<(), AuditError> {
    let (owner, me) = (stat.st_uid, rustix::process::geteuid().as_raw());
    if owner != me {
        return Err(AuditError::NotOurs { path: path.to_owned(), owner, me });
    }
    if stat.st_mode & SHARED_WRITE != 0 {
        return Err(AuditError::Exposed { path: path.to_owned(), mode: stat.st_mode & 0o7777 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{number_of, old_name};

    #[test]
    fn each_number_has_one_name() {
        for number in [0, 1, 999_999, 1_000_000] {
            assert_eq!(number_of(&old_name(number)), Some(number));
        }
        for name in
            ["audit.jsonl", "audit.1.jsonl", "audit.0000001.jsonl", "audit.+00001.jsonl", "audit.lock"]
        {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
