//! The calls that no library wraps safely, one to a function: the only unsafe code of this crate.
//!
//! What belongs here: a raw system call or a promise to `std` about a descriptor, behind a safe
//! signature. What does not: any decision.

#![expect(unsafe_code, reason = "the one module that may hold it; each block carries its proof")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal};
use policies::NetworkAccess;
use rustix::process::Pid;

/// The namespaces that a sandboxed command gets of its own. clone(2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Namespaces(libc::c_int);

impl Namespaces {
    /// User, mount, PID and IPC namespaces, and a network namespace with nothing but a loopback that is
    /// down unless the host's network is granted.
    pub(crate) fn of_a_run(network: NetworkAccess) -> Self {
        let always = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
        match network {
            NetworkAccess::Restricted => Self(always | libc::CLONE_NEWNET),
            NetworkAccess::Enabled => Self(always),
        }
    }
}

/// Which side of a fork this is.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one, with the child's process id.
    Parent(Pid),
}

/// Forks a child into new namespaces, while the caller stays in its own. clone(2).
///
/// The child is process 1 of its PID namespace.
///
/// # Errors
/// `EPERM`/`ENOSPC`/`EUSERS` when the kernel, its limits or a security module refuse the namespaces;
/// a caller with more than one thread is refused with `EBUSY`, since a lock held by another thread
/// would stay locked for ever in the child.
pub(crate) fn fork_into(namespaces: Namespaces) -> io::Result<Forked> {
    if !single_threaded()? {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    let flags = libc::c_long::from(namespaces.0 | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM the child gets a copy of our memory and runs on its copy of this very
    // stack (a null stack means "the same address"), so nothing is shared; the remaining pointers are
    // unused because none of the flags that read them is set. There is one thread (checked above), so
    // no lock can be left held.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // Process ids are positive `int`s; were one not, the child could not be waited for.
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    Ok(Pid::from_raw(pid).map_or(Forked::Child, Forked::Parent))
}

/// Whether this process has exactly one thread, read from `/proc/self/task`. proc(5).
fn single_threaded() -> io::Result<bool> {
    Ok(std::fs::read_dir("/proc/self/task")?.take(2).count() == 1)
}

/// Sets attributes of the mount at `tree`, and of all below it when `recursive`. mount_setattr(2),
/// Linux 5.12.
///
/// # Errors
/// `ENOSYS` before Linux 5.12; `EPERM` when clearing an attribute that the outer mount namespace locked.
pub(crate) fn mount_setattr(
    tree: BorrowedFd<'_>,
    set: u64,
    clear: u64,
    recursive: Recursion,
) -> io::Result<()> {
    /// `struct mount_attr` of `<linux/mount.h>`: four `__u64`, which is `MOUNT_ATTR_SIZE_VER0`.
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    let attr = MountAttr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH
        | match recursive {
            Recursion::Tree => libc::AT_RECURSIVE,
            Recursion::One => 0,
        };
    // SAFETY: the path is a NUL-terminated literal; `attr` is a live structure of the layout and size
    // that the kernel reads (`size_of` is passed along, so a longer kernel structure is zero-extended);
    // the kernel writes to neither. `tree` is open for the length of the call because it is borrowed.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How far a mount attribute reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Recursion {
    /// The one mount.
    One,
    /// The mount and every mount below it.
    Tree,
}

/// Makes every descriptor from 3 upwards close itself at the next exec. close_range(2), Linux 5.11.
///
/// # Errors
/// `ENOSYS`/`EINVAL` on older kernels.
pub(crate) fn close_on_exec_from_3() -> io::Result<()> {
    let (first, last) = (3 as libc::c_uint, libc::c_uint::MAX);
    // CLOSE_RANGE_CLOEXEC is a flag bit (4); its constant is signed in libc.
    let flags = 4 as libc::c_int;
    // SAFETY: integers only, and no descriptor is closed now, so nobody's ownership changes.
    let rc = unsafe { libc::close_range(first, last, flags) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes over a descriptor that this process was started with under an agreed number.
///
/// # Errors
/// `EBADF` when there is no such descriptor, or when it is a standard stream.
pub(crate) fn adopt_inherited(number: RawFd) -> io::Result<OwnedFd> {
    let bad = || io::Error::from_raw_os_error(libc::EBADF);
    if number < 3 {
        return Err(bad());
    }
    // SAFETY: the borrow ends with this statement; F_GETFD only asks whether the number is open.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if open < 0 {
        return Err(bad());
    }
    // SAFETY: the number is open (checked above) and came to us through exec, so no other owner exists
    // in this process; each number is adopted once, by the helper's start-up, which reads them from the
    // command line that our launcher wrote.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets `command`'s child keep `descriptors` under their present numbers across its exec.
///
/// The flag is cleared in the child only, after fork, so no other child started meanwhile by another
/// thread can inherit them. The caller keeps them open until the spawn is done.
pub(crate) fn keep_across_exec(command: &mut Command, descriptors: Vec<RawFd>) {
    let hook = move || {
        for number in &descriptors {
            // SAFETY: fcntl is async-signal-safe and takes integers; clearing FD_CLOEXEC shares no memory.
            if unsafe { libc::fcntl(*number, libc::F_SETFD, 0) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the hook makes only fcntl calls and reads an existing vector: no
    // allocation, no lock, nothing that another thread could have left half-done.
    unsafe { command.pre_exec(hook) };
}

/// Puts `command`'s child into a process group of its own that is the terminal's foreground group.
///
/// Done in the child before its exec, so that it cannot read or write the terminal as a background
/// process first. `terminal` must be the caller's controlling terminal and stay open until the spawn.
pub(crate) fn start_in_foreground(command: &mut Command, terminal: RawFd) {
    let hook = move || {
        // SAFETY: integers only; async-signal-safe.
        if unsafe { libc::setpgid(0, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no arguments, cannot fail, async-signal-safe.
        let group = unsafe { libc::getpgrp() };
        // The new group is a background group until the call succeeds, and a background process that
        // calls tcsetpgrp is stopped by SIGTTOU unless it blocks it; the guard has emptied the mask.
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGTTOU);
        blocked.thread_block()?;
        // SAFETY: integers only; an ioctl, hence async-signal-safe.
        let rc = unsafe { libc::tcsetpgrp(terminal, group) };
        let outcome = if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        blocked.thread_unblock()?;
        outcome?;
        Ok(())
    };
    // SAFETY: the hook makes only the calls above and pthread_sigmask, on values of its own stack: no
    // allocation, no lock.
    unsafe { command.pre_exec(hook) };
}

/// Makes `command`'s child the leader of a session that `terminal` controls. setsid(2), ioctl_tty(2).
pub(crate) fn start_session_at(command: &mut Command, terminal: OwnedFd) {
    let hook = move || {
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(&terminal)?;
        Ok(())
    };
    // SAFETY: both are plain system calls on integers, which is async-signal-safe: no allocation, no lock. The
    // descriptor is owned by the hook, so it is open when the child runs it.
    unsafe { command.pre_exec(hook) };
}

/// Starts `command`'s child in this very directory, whatever its name leads to by then. fchdir(2).
pub(crate) fn start_in(command: &mut Command, directory: OwnedFd) {
    let hook = move || Ok(rustix::process::fchdir(&directory)?);
    // SAFETY: one plain system call on an integer, which is async-signal-safe: no allocation, no lock. The descriptor is
    // owned by the hook, so it is open when the child runs it.
    unsafe { command.pre_exec(hook) };
}

/// Starts `command`'s child with no signal blocked: this thread may have blocked some for itself, and most programs
/// never look at the mask that they were started with. sigprocmask(2).
pub(crate) fn start_with_no_signal_blocked(command: &mut Command) {
    let hook = || Ok(SigSet::empty().thread_set_mask()?);
    // SAFETY: between fork and exec the hook makes only one pthread_sigmask call, on a set of its own stack: no
    // allocation, no lock. It is on the list of async-signal-safe functions, signal-safety(7).
    unsafe { command.pre_exec(hook) };
}

/// Lets `command`'s child lead a session and a process group of its own, without a terminal and with no signal blocked,
/// whatever the thread that starts it blocks. setsid(2).
///
/// For programs of the operator's, such as a risk assessor, that a thread starts which leaves signals to others.
pub fn lead_own_session(command: &mut Command) {
    let hook = || {
        rustix::process::setsid()?;
        Ok(())
    };
    // SAFETY: a plain system call without arguments, which is async-signal-safe: no allocation, no lock.
    unsafe { command.pre_exec(hook) };
    start_with_no_signal_blocked(command);
}

/// Lets one descriptor survive the next exec.
///
/// # Errors
/// `EBADF` when it is not open.
pub(crate) fn keep_at_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: integers only; the descriptor's ownership does not change.
    let rc = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends this process without running anything of the parent's that it was forked with. _exit(2).
pub(crate) fn exit_at_once(status: i32) -> ! {
    // SAFETY: takes an integer and does not return; exit handlers and buffers are left alone, which is
    // the purpose.
    unsafe { libc::_exit(status) }
}

/// Looks at a descriptor of this process by number.
///
/// # Errors
/// `EBADF` when it is not open.
pub(crate) fn borrow_open<'a>(number: RawFd) -> io::Result<BorrowedFd<'a>> {
    // SAFETY: integers only.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open (checked above), and a number that the operator named belongs to no owner in
    // this process that could close it while it is looked at.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// The kernel's Landlock ABI, 0 when it has none. landlock_create_ruleset(2).
pub(crate) fn landlock_abi() -> u32 {
    // LANDLOCK_CREATE_RULESET_VERSION of <linux/landlock.h>.
    const VERSION: libc::c_uint = 1;
    let (no_attributes, no_size): (*const libc::c_void, libc::size_t) = (std::ptr::null(), 0);
    // SAFETY: with this flag the kernel requires a null pointer and a zero size, reads no memory, makes no
    // descriptor, and returns a version or an error.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, no_attributes, no_size, VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// Whether two descriptors share one open file: its position, its modes, and the order of what is written. kcmp(2),
/// `KCMP_FILE`. False also where the kernel does not tell.
pub(crate) fn is_same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    // KCMP_FILE of <linux/kcmp.h>.
    const FILE: libc::c_long = 0;
    let own = libc::c_long::from(rustix::process::getpid().as_raw_pid());
    let numbers = [one, other].map(|descriptor| libc::c_long::from(descriptor.as_raw_fd()));
    let [one, other] = numbers;
    // SAFETY: integers only; both descriptors are borrowed, hence open, and are only compared.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, own, own, FILE, one, other) };
    order == 0
}

/// Puts `by` in the place of the open descriptor `number`. dup3(2).
///
/// # Errors
/// `EBADF`/`EINVAL` for a number that cannot be one.
pub(crate) fn replace(number: RawFd, by: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: integers only. The number is one that the operator asked to keep: no owner in this process
    // exists for it, so none is left with another file than it believes to have.
    let rc = unsafe { libc::dup3(by.as_raw_fd(), number, libc::O_CLOEXEC) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
