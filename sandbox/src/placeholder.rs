//! Empty directories that hold a protected name while a run needs it held, and no longer (I8).
//!
//! A mount needs something to be mounted on. Where a protected name does not exist, an empty directory
//! takes its place on the host for the length of the run; inside it is read-only, so the name can be
//! neither created nor replaced. Two things make it leave no trace:
//!
//! * Every run that relies on it holds a shared lock on the directory itself, and only who can turn that
//!   into an exclusive lock removes it. The kernel drops the locks of the dead, so there is no registry
//!   to go stale and overlapping runs do not disturb each other. flock(2).
//! * It carries a mark ([`STICKY`] and [`MARK_SECONDS`]) that vanishes as soon as anything is put into it.
//!   If power fails, the next run in the same place recognises the left-over and removes it at its end.
//!
//! What a host program puts into it meanwhile is kept: only an empty directory can be removed. rmdir(2).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use policies::{AbsolutePath, PROTECTED_NAMES};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, StatxFlags, Timespec, Timestamps};
use rustix::io::Errno;
use rustix::process::Uid;

use crate::paths::Identity;

/// `drwxr-xr-t`. The sticky bit means nothing on a directory that only its owner can write; it is there
/// from the first moment, so that another run can tell a placeholder that is being made. The owner can
/// write, so that host programs (`git init`) work as ever.
const MODE: u32 = 0o1755;
const STICKY: u32 = 0o1000;

/// The time of last modification of an unused placeholder: 2005-03-18 01:58:30 UTC, in seconds since the
/// epoch, even because some file systems keep every second one only. Any use of the directory changes it.
/// Who can set it can also remove the directory, so a forged mark gains nothing.
const MARK_SECONDS: i64 = 1_111_111_110;

/// How often a name that other runs create and remove at the same time is tried before giving up.
const MAX_TRIES: usize = 64;

/// After so many of them there is a pause before each, so that two that take turns get out of step.
const QUICK_TRIES: usize = 16;

/// How long a lock that somebody else holds exclusively is waited for: a run that removes a placeholder
/// needs microseconds. Beyond that somebody is in the way on purpose.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
const FOREIGN_TRIES: usize = 8;

/// A held name.
#[derive(Debug)]
pub(crate) struct Placeholder {
    parent: OwnedFd,
    handle: OwnedFd,
    name: OsString,
    /// Whether this run made it, so that its mode is ours to change.
    made_here: bool,
}

/// What holding a name came to.
pub(crate) enum Held {
    /// An empty directory holds it.
    By(Placeholder, Identity),
    /// Nobody with our rights can create it, and nobody can change that: there is nothing to hold.
    Uncreatable,
    /// Something is there that we may not open, hence not lock: somebody else's. It stays as long as they
    /// like.
    Foreign,
}

/// A name in an open directory.
#[derive(Debug)]
pub(crate) struct Place {
    parent: OwnedFd,
    name: OsString,
    /// Whether the directory above belongs to us, so that the command could make it writable.
    parent_is_ours: bool,
}

impl Place {
    /// # Errors
    /// `ELOOP` when a component above has become a symlink; errors of openat2(2).
    pub(crate) fn open(path: &AbsolutePath) -> io::Result<Self> {
        let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
        let above = path.parent().ok_or_else(invalid)?;
        let name = path.as_path().file_name().ok_or_else(invalid)?.to_owned();
        let parent = crate::paths::open_resolved(above.as_path())?;
        Ok(Self { parent, name, parent_is_ours: crate::paths::is_ours(&above) })
    }

    /// Takes over what was handed over before anything was made.
    pub(crate) fn from_parts(parent: OwnedFd, name: OsString) -> Self {
        Self { parent, name, parent_is_ours: false }
    }

    pub(crate) fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    }

    /// Removes what a launcher made here and was killed before it could say so: an empty directory of the
    /// mode that only placeholders have from their first moment, where there was nothing before.
    pub(crate) fn sweep(&self) {
        let Ok(stat) = rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) else {
            return;
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory || stat.st_mode & STICKY == 0 {
            return;
        }
        // One that another run has taken up by now is locked, and that run's to remove.
        let Ok(Some((handle, _))) = lock(&self.parent, &self.name) else { return };
        if rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok() {
            rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR).ok(); // kept if in use
        }
    }
}

/// Makes sure that `place`, which was empty when the plan was made, stays out of the command's hands.
///
/// # Errors
/// `EEXIST` when something else appeared there meanwhile; `EACCES` when the directory above is ours but
/// not writable, so that the command could make it writable and then create the name; errors of
/// mkdirat(2), openat(2) and flock(2).
pub(crate) fn hold(place: Place) -> io::Result<Held> {
    let Place { parent, name, parent_is_ours } = place;
    let mut made_here;
    let mut closed = 0;
    for number in 0..MAX_TRIES {
        if number >= QUICK_TRIES {
            std::thread::sleep(LOCK_PAUSE);
        }
        match rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(MODE)) {
            Ok(()) => match mark_new(&parent, &name) {
                Ok(()) => made_here = true,
                // Whoever sweeps up behind a launcher that was killed cannot tell it from what that one had made, and
                // took it away; somebody else's may be there by now.
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            },
            Err(Errno::EXIST) => made_here = false,
            Err(Errno::ROFS) => return Ok(Held::Uncreatable),
            Err(Errno::ACCESS | Errno::PERM) if !parent_is_ours => {
                return Ok(Held::Uncreatable);
            }
            Err(error) => return Err(error.into()),
        }
        let locked = match lock(&parent, &name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !made_here => {
                closed += 1;
                if closed < FOREIGN_TRIES && is_being_made(&parent, &name) {
                    std::thread::sleep(LOCK_PAUSE);
                    continue;
                }
                return Ok(Held::Foreign);
            }
            other => other?,
        };
        if let Some((handle, identity)) = locked {
            return Ok(Held::By(Placeholder { parent, handle, name, made_here }, identity));
        }
    }
    Err(Errno::AGAIN.into())
}

/// Whether a name that was just made leads to it no more.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::EXIST))
}

/// Whether it may be one that another user's run is about to open to others: until then, the umask of that run may
/// keep everybody out.
fn is_being_made(parent: &OwnedFd, name: &OsStr) -> bool {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_mode & STICKY != 0
    })
}

/// Completes a directory that was just made: the caller's umask must not keep others from opening it, and
/// the mark must be there. Takes it away again if that fails.
///
/// By handle, because another run could put a symlink in its place at any moment: what is not a directory of
/// ours with the mode it was made with is left alone.
fn mark_new(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let marked = mark_directory(parent, name);
    if marked.as_ref().is_err_and(|error| !is_gone(error)) {
        // What cannot be removed either is reported by its cause.
        rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).ok();
    }
    marked
}

fn mark_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    // A path handle: the umask may have taken the right to open it.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & STICKY == 0 {
        return Err(Errno::EXIST.into());
    }
    // The kernel's own name for the handle; no other leads to the same object for sure. proc(5).
    let object = format!("/proc/self/fd/{}", handle.as_raw_fd());
    rustix::fs::chmod(object.as_str(), Mode::from_raw_mode(MODE))?;
    let time = Timespec { tv_sec: MARK_SECONDS, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, object.as_str(), &times, AtFlags::empty())?)
}

/// Opens and locks the directory `name`; `None` when it vanished before the lock was ours.
fn lock(parent: &OwnedFd, name: &OsStr) -> io::Result<Option<(OwnedFd, Identity)>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockShared) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE)
            }
            Err(error) => return Err(error.into()),
        }
    }
    let locked = Identity::of(&rustix::fs::fstat(&handle)?);
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if Identity::of(&there) == locked => Ok(Some((handle, locked))),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a directory that was there a moment ago may be a placeholder: of a run that goes on, or left by one
/// that was cut off. A plan then has [`hold`] take a lock on it. One that has vanished meanwhile was that of a run
/// that ended; without holding the name there would be nothing left to mount on.
pub(crate) fn may_be_one(path: &AbsolutePath) -> bool {
    match rustix::fs::lstat(path.as_path()) {
        Ok(stat) => {
            FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                && (stat.st_mode & STICKY != 0 || stat.st_mtime == MARK_SECONDS)
        }
        Err(errno) => errno == Errno::NOENT,
    }
}

/// Whether it certainly is one, and unused.
fn is_marked(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_mtime == MARK_SECONDS
}

/// Whether it is one whose launcher was killed before it could mark it. Its guard leaves it to a run that has taken
/// it up by then, which did not make it. Nothing was ever put into it: its time is still that of its birth. statx(2)
///
/// By another name it may be a folder of the user's that a profile denies.
fn is_unfinished(name: &OsStr, handle: &OwnedFd) -> bool {
    let is_metadata = PROTECTED_NAMES.iter().any(|protected| name == *protected);
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let stat = is_metadata.then(|| rustix::fs::statx(handle, "", AtFlags::EMPTY_PATH, wanted));
    stat.and_then(Result::ok).is_some_and(|stat| {
        let (birth, modified) = (stat.stx_btime, stat.stx_mtime);
        u32::from(stat.stx_mode) & STICKY != 0
            && StatxFlags::from_bits_retain(stat.stx_mask).contains(wanted)
            && (birth.tv_sec, birth.tv_nsec) == (modified.tv_sec, modified.tv_nsec)
    })
}

impl Placeholder {
    /// The placeholder itself, to be handed to the guard.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    pub(crate) fn is_made_here(&self) -> bool {
        self.made_here
    }

    /// Puts together again what was handed over. The lock is shared with whoever handed it over.
    pub(crate) fn from_parts(place: Place, handle: OwnedFd, made_here: bool) -> Self {
        Self { parent: place.parent, handle, name: place.name, made_here }
    }

    /// Removes the directory if no other run relies on it and nobody put anything into it.
    ///
    /// To be called when every process of the run is dead. Safe to call twice, and from two processes
    /// that share the lock.
    pub(crate) fn release(&self) {
        if !self.lock_alone() {
            return; // another run holds it, and will remove it
        }
        let (Ok(ours), Ok(there)) = (
            rustix::fs::fstat(&self.handle),
            rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW),
        ) else {
            return;
        };
        if Identity::of(&ours) != Identity::of(&there) {
            return; // the host's own by now
        }
        if (is_marked(&there) || is_unfinished(&self.name, &self.handle)) && self.remove(ours.st_uid) {
            return;
        }
        if self.made_here && there.st_mode & 0o7777 == MODE {
            // In use by the host: it stays, and stops looking like ours.
            rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(MODE & 0o777)).ok();
        }
    }
}

impl Placeholder {
    /// Takes the exclusive lock if no other run holds the directory. Trying gives up our shared lock, so of
    /// several runs that end at once the last one succeeds.
    ///
    /// In a shared folder such as `/tmp` only its owner may remove a directory. When root's run ends before
    /// another user's, that user gets it. (Between two ordinary users there is no such way: then the
    /// owner's next run removes it.)
    fn lock_alone(&self) -> bool {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            if rustix::fs::flock(&self.handle, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return true;
            }
            let Ok(stat) = rustix::fs::fstat(&self.handle) else { return false };
            let may_hand_over = rustix::process::geteuid().is_root()
                && stat.st_uid == 0
                && is_marked(&stat)
                && self.is_in_shared_folder();
            if !may_hand_over {
                return false;
            }
            let holders = lock_holders(stat.st_ino);
            if holders.iter().any(|user| user.is_root()) {
                return false; // the other run of root's sees to it
            }
            match holders.first() {
                Some(user) => {
                    // If that fails, it stays for our next run.
                    rustix::fs::fchown(&self.handle, Some(*user), None).ok();
                    return false;
                }
                // The holder is just ending: the process that took the lock is gone.
                None if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
                None => return false,
            }
        }
    }
}

impl Placeholder {
    /// Removes the directory. One of root's may be on its way to us (see [`Placeholder::lock_alone`]), so
    /// another's is tried for a moment.
    fn remove(&self, owner: u32) -> bool {
        let tries = if owner == rustix::process::geteuid().as_raw() { 1 } else { FOREIGN_TRIES };
        (0..tries).any(|attempt| {
            if attempt > 0 {
                std::thread::sleep(LOCK_PAUSE);
            }
            rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR).is_ok()
        })
    }

    /// Whether everybody may make names in the folder above (`/tmp`): only there does owning one give nobody
    /// anything, for a lock on it anybody can take who may read it.
    fn is_in_shared_folder(&self) -> bool {
        let (sticky, writable_by_all) = (0o1000, 0o002);
        rustix::fs::fstat(&self.parent)
            .is_ok_and(|stat| stat.st_mode & sticky != 0 && stat.st_mode & writable_by_all != 0)
    }
}

/// Who holds locks on the file with this inode number. proc_locks(5): `1: FLOCK ADVISORY READ 814 fe:00:42 0 EOF`,
/// with the lock's process and device:inode. (Two file systems can use one number; then a directory that
/// carries our mark goes to somebody who holds a lock elsewhere, and who could not abuse it.)
fn lock_holders(inode: u64) -> Vec<Uid> {
    use std::os::unix::fs::MetadataExt;
    let table = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let mut fields = line.split_whitespace().skip_while(|field| *field != "FLOCK").skip(3);
        let (process, file) = (fields.next()?, fields.next()?);
        let same = file.rsplit(':').next()?.parse() == Ok(inode);
        let owner = same.then(|| std::fs::metadata(format!("/proc/{process}")).ok()).flatten()?;
        Some(Uid::from_raw(owner.uid()))
    };
    table.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(path: &AbsolutePath) -> Placeholder {
        match hold(Place::open(path).unwrap()).unwrap() {
            Held::By(placeholder, _) => placeholder,
            Held::Uncreatable | Held::Foreign => panic!("ours to create"),
        }
    }

    fn name() -> (tempfile::TempDir, AbsolutePath) {
        let dir = tempfile::tempdir().unwrap();
        let path = AbsolutePath::parse(dir.path().canonicalize().unwrap().join(".codex")).unwrap();
        (dir, path)
    }

    #[test]
    fn the_last_of_two_runs_removes_it() {
        let (_dir, path) = name();
        let (first, second) = (held(&path), held(&path));
        first.release();
        assert!(path.as_path().exists(), "the second run still needs it");
        drop(first);
        second.release();
        assert!(!path.as_path().exists());
    }

    #[test]
    fn sweeping_up_behind_a_dead_launcher_stops_nobody() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let (_dir, path) = name();
        let over = AtomicBool::new(false);
        let failed = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    Place::open(&path).unwrap().sweep();
                    // Each is one launcher that was killed: without a pause nobody else would get a turn.
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            let failed = (0..300).find_map(|_| match hold(Place::open(&path).unwrap()) {
                Ok(Held::By(placeholder, _)) => {
                    placeholder.release();
                    None
                }
                Ok(Held::Uncreatable | Held::Foreign) => Some("not held".to_owned()),
                Err(error) => Some(error.to_string()),
            });
            over.store(true, Ordering::Relaxed);
            failed
        });
        assert_eq!(failed, None);
    }

    #[test]
    fn one_that_vanishes_while_a_plan_is_made_counts_as_one() {
        let (dir, path) = name();
        let real = AbsolutePath::parse(dir.path()).unwrap();
        assert!(!may_be_one(&real), "a directory of the user");
        let placeholder = held(&path);
        assert!(may_be_one(&path));
        placeholder.release();
        assert!(may_be_one(&path), "it was there when the plan looked");
        let again = held(&path);
        assert!(again.is_made_here());
        again.release();
    }

    #[test]
    fn what_the_host_puts_there_is_kept_and_loses_the_mark() {
        let (_dir, path) = name();
        let placeholder = held(&path);
        std::fs::write(path.as_path().join("kept"), "").unwrap();
        placeholder.release();
        assert!(path.as_path().join("kept").exists());
        assert!(!may_be_one(&path));
    }

    #[test]
    fn a_left_over_is_recognised_and_removed_and_an_empty_directory_of_the_user_is_not() {
        let (_dir, path) = name();
        drop(held(&path)); // as after a power failure: the locks are gone, the directory is left
        assert!(may_be_one(&path));
        held(&path).release();
        assert!(!path.as_path().exists());
        std::fs::create_dir(path.as_path()).unwrap();
        assert!(!may_be_one(&path));
        held(&path).release();
        assert!(path.as_path().exists());
    }

    #[test]
    fn one_that_its_maker_could_not_finish_goes_with_who_took_it_up() {
        let (_dir, path) = name();
        for used in [false, true] {
            let place = Place::open(&path).unwrap();
            rustix::fs::mkdirat(&place.parent, &place.name, Mode::from_raw_mode(MODE)).unwrap();
            let taken_up = held(&path);
            assert!(!taken_up.is_made_here());
            place.sweep(); // of the maker's guard
            assert!(path.as_path().exists(), "it is in use");
            // What a program of the host has used is not ours any more.
            if used {
                std::thread::sleep(Duration::from_millis(15));
                std::fs::write(path.as_path().join("file"), "").unwrap();
                std::fs::remove_file(path.as_path().join("file")).unwrap();
            }
            taken_up.release();
            assert_eq!(path.as_path().exists(), used);
        }
    }

    #[test]
    fn a_file_that_appeared_is_an_error_and_stays() {
        let (_dir, path) = name();
        std::fs::write(path.as_path(), "host").unwrap();
        assert!(hold(Place::open(&path).unwrap()).is_err());
        assert!(path.as_path().exists());
    }

    #[test]
    fn a_link_that_took_the_new_directorys_place_is_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, path) = name();
        let secret = dir.path().join("secret");
        std::fs::create_dir(&secret).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o1700)).unwrap();
        std::os::unix::fs::symlink("secret", path.as_path()).unwrap();
        let place = Place::open(&path).unwrap();
        assert!(mark_new(&place.parent, &place.name).is_err());
        assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o7777, 0o1700);
        assert!(path.as_path().is_symlink(), "what somebody put there is not ours to remove");
    }

    #[test]
    fn only_a_folder_where_everybody_may_make_names_is_shared() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, path) = name();
        for (mode, shared) in [(0o755, false), (0o777, false), (0o1755, false), (0o1777, true)] {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let placeholder = held(&path);
            assert_eq!(placeholder.is_in_shared_folder(), shared, "{mode:o}");
            placeholder.release();
        }
    }
}
