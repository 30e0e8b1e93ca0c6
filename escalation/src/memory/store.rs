//! The file that a session remembers in.
//!
//! One file for each session. It is never changed in its place: whoever changes it holds the lock of the folder,
//! reads it again, and puts a new one over it, so that readers need no lock and see all of a change or nothing.
//! Everything is opened below the folder's descriptor and without following a symlink, and what is judged is what
//! was opened.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::book::{Book, MAX_BYTES};
use super::error::MemoryError;
use crate::ids::SessionId;

/// How long somebody else may hold the lock. A change takes milliseconds; who holds it for longer gets questions
/// instead of grants.
const LOCK_DEADLINE: Duration = Duration::from_secs(2);

/// The lock of the folder. It is never removed, so that nobody locks a file that has no name any more.
const LOCK_FILE: &str = "lock";

/// Nobody may read it: whoever can open a file can lock it, and a sandboxed command can open for reading most of
/// what its user can, but not for writing. flock(2)
const LOCK_MODE: Mode = Mode::WUSR;

/// Of the name of a session's file, what follows the session.
pub(super) const SUFFIX: &str = ".json";

/// The file of one session.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    session: SessionId,
    /// What was there when it was read last.
    seen: Option<Stamp>,
    /// The file that was read last. As long as it is open, no other gets its inode number, so equal numbers mean
    /// the same file.
    held: Option<File>,
}

/// What tells whether something has changed, without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    folder: Result<Identity, Errno>,
    file: Result<(Identity, Version), Errno>,
}

/// Which object, and who may write it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
    owner: u32,
    mode: u32,
}

/// Which content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version {
    bytes: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Store {
    pub(super) fn new(folder: &Path, session: SessionId) -> Self {
        Self { folder: folder.to_owned(), session, seen: None, held: None }
    }

    /// What is remembered, if that may have changed since it was read last.
    ///
    /// # Errors
    /// [`MemoryError`], once for each state that cannot be believed.
    pub(super) fn refresh(&mut self) -> Result<Option<Book>, MemoryError> {
        let now = self.stamp();
        if self.seen == Some(now) {
            return Ok(None);
        }
        self.seen = Some(now);
        let Some(folder) = open_folder(&self.folder)? else { return Ok(Some(self.nothing())) };
        self.read(folder.as_fd()).map(Some)
    }

    /// Changes what is remembered, under the lock. Gives what `change` gives, and what is remembered now.
    ///
    /// # Errors
    /// Those of `change`, and [`MemoryError`] when the file cannot be believed or written. Then it is as it was.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Book) -> Result<T, MemoryError>,
    ) -> Result<(T, Book), MemoryError> {
        let changed = self.change_locked(change);
        if changed.is_err() {
            // It may have been read, and nobody was told what it says.
            self.seen = None;
        }
        changed
    }

    fn change_locked<T>(
        &mut self,
        change: impl FnOnce(&mut Book) -> Result<T, MemoryError>,
    ) -> Result<(T, Book), MemoryError> {
        let folder = self.make_folder()?;
        let _lock = self.lock(folder.as_fd())?;
        let before = self.read(folder.as_fd())?;
        let mut book = before.clone();
        let result = change(&mut book)?;
        if book != before {
            // What is not to be unlearnt came with it.
            book.make_room()?;
            self.write(folder.as_fd(), &book)?;
        }
        Ok((result, book))
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.name())
    }

    fn name(&self) -> String {
        format!("{}{SUFFIX}", self.session)
    }

    fn nothing(&mut self) -> Book {
        self.held = None;
        Book::new(self.session.clone())
    }

    fn stamp(&self) -> Stamp {
        let look = |path: &Path| rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
        Stamp {
            folder: look(&self.folder).map(|stat| Identity::of(&stat)),
            file: look(&self.path()).map(|stat| (Identity::of(&stat), Version::of(&stat))),
        }
    }

    /// Reads the file, and remembers which one it was.
    fn read(&mut self, folder: BorrowedFd<'_>) -> Result<Book, MemoryError> {
        let path = self.path();
        let failed = |source: io::Error| MemoryError::File { path: path.clone(), action: "read", source };
        let Some(file) = open_file(folder, &self.name(), OFlags::RDONLY, Mode::empty(), &path)? else {
            return Ok(self.nothing());
        };
        let mut file = File::from(file);
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        io::Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > MAX_BYTES {
            return Err(MemoryError::TooLarge { path });
        }
        let book = Book::parse(&bytes, &self.session, &path)?;
        self.see(folder, &stat, file)?;
        Ok(book)
    }

    fn see(&mut self, folder: BorrowedFd<'_>, file: &Stat, held: File) -> Result<(), MemoryError> {
        let stat = rustix::fs::fstat(folder).map_err(failed(&self.folder, "look at"))?;
        self.seen = Some(Stamp {
            folder: Ok(Identity::of(&stat)),
            file: Ok((Identity::of(file), Version::of(file))),
        });
        self.held = Some(held);
        Ok(())
    }

    /// Puts the book in the place of the file. When this returns, it is on the disk.
    fn write(&mut self, folder: BorrowedFd<'_>, book: &Book) -> Result<(), MemoryError> {
        let (name, path) = (self.name(), self.path());
        let draft = format!("{name}.new");
        // One that a crash left behind. Nobody else makes one now: we hold the lock.
        remove(folder, &draft, &path)?;
        if book.is_empty() {
            remove(folder, &name, &path)?;
            self.seen = None;
            return rustix::fs::fsync(folder).map_err(failed(&self.folder, "write"));
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, &*draft, flags, Mode::RUSR | Mode::WUSR)
            .map_err(failed(&path, "write"))?;
        let mut file = File::from(file);
        let written = file
            .write_all(&book.to_bytes()?)
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(rustix::fs::renameat(folder, &*draft, folder, &*name)?));
        if let Err(source) = written {
            remove(folder, &draft, &path)?;
            return Err(MemoryError::File { path, action: "write", source });
        }
        rustix::fs::fsync(folder).map_err(failed(&self.folder, "write"))?;
        let stat = rustix::fs::fstat(&file).map_err(failed(&path, "look at"))?;
        self.see(folder, &stat, file)
    }

    /// Opens the folder, and makes it if it is missing. What is above it is not made.
    fn make_folder(&self) -> Result<OwnedFd, MemoryError> {
        if let Some(folder) = open_folder(&self.folder)? {
            return Ok(folder);
        }
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(MemoryError::File { path: self.folder.clone(), action: "create", source });
            }
        }
        open_folder(&self.folder)?.ok_or_else(|| failed(&self.folder, "open")(Errno::NOENT))
    }

    /// Waits for the lock. It is held until the file is dropped.
    fn lock(&self, folder: BorrowedFd<'_>) -> Result<File, MemoryError> {
        let path = self.folder.join(LOCK_FILE);
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let file = open_file(folder, LOCK_FILE, flags, LOCK_MODE, &path)?
            .ok_or_else(|| failed(&path, "open")(Errno::NOENT))?;
        let (file, started) = (File::from(file), Instant::now());
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => {
                    return Err(MemoryError::File { path, action: "lock", source });
                }
                Err(TryLockError::WouldBlock) if started.elapsed() > LOCK_DEADLINE => {
                    return Err(MemoryError::Locked { path });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

/// Opens the folder and judges it; `None` when it is not there.
pub(super) fn open_folder(path: &Path) -> Result<Option<OwnedFd>, MemoryError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Err(MemoryError::Kind { path: path.to_owned(), expected: "a folder" });
        }
        Err(errno) => return Err(failed(path, "open")(errno)),
    };
    judge(&rustix::fs::fstat(&folder).map_err(failed(path, "look at"))?, path)?;
    Ok(Some(folder))
}

/// Opens a regular file of the folder and judges it; `None` when it is not there.
fn open_file(
    folder: BorrowedFd<'_>,
    name: &str,
    flags: OFlags,
    mode: Mode,
    path: &Path,
) -> Result<Option<OwnedFd>, MemoryError> {
    let irregular = || MemoryError::Kind { path: path.to_owned(), expected: "a regular file" };
    // Opening a pipe that nobody writes into would wait forever.
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, mode) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        // A symlink; a socket, or a pipe without a reader; a folder that is opened for writing. open(2)
        Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Err(irregular()),
        Err(errno) => return Err(failed(path, "open")(errno)),
    };
    let stat = rustix::fs::fstat(&file).map_err(failed(path, "look at"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(irregular());
    }
    judge(&stat, path)?;
    Ok(Some(file))
}

/// Whether nobody else can have written it. Beside an access control list the bits of the group are what anybody in
/// the list may do at most. acl(5)
fn judge(stat: &Stat, path: &Path) -> Result<(), MemoryError> {
    let identity = Identity::of(stat);
    if identity.owner != rustix::process::geteuid().as_raw() {
        return Err(MemoryError::Owner { path: path.to_owned(), found: identity.owner });
    }
    if identity.mode & 0o022 != 0 {
        return Err(MemoryError::Writable { path: path.to_owned(), mode: identity.mode & 0o7777 });
    }
    Ok(())
}

fn remove(folder: BorrowedFd<'_>, name: &str, path: &Path) -> Result<(), MemoryError> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed(path, "write")(errno)),
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(Errno) -> MemoryError {
    let path = path.to_owned();
    move |errno| MemoryError::File { path, action, source: errno.into() }
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino, owner: stat.st_uid, mode: stat.st_mode }
    }
}

impl Version {
    fn of(stat: &Stat) -> Self {
        Self {
            bytes: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec.try_into().unwrap_or(i64::MAX)),
            changed: (stat.st_ctime, stat.st_ctime_nsec.try_into().unwrap_or(i64::MAX)),
        }
    }
}
