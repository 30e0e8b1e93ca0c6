//! The built-in backend: our own namespaces and the kernel's mount API, no other binary.
//!
//! Called in the child that the guard cloned into new namespaces. Sources are opened by handle, without
//! following symlinks, and compared with the plan *before* anything is mounted; then the new tree is put
//! together, made the root, and the old one is let go. mount_namespaces(7), pivot_root(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};

use crate::helper::spec::{MountSpec, ProcView, User, ViewSpec};
use crate::helper::wire::{SetupFailure, Stage};
use crate::paths::{self, Kind};
use crate::plan::{Action, MINIMAL_DEVICES, Root};
use crate::proc_view::{self, ReadOnly};
use crate::sys::{self, Recursion};

/// `MOUNT_ATTR_*` of `<linux/mount.h>`.
const RDONLY: u64 = 0x1;
const NOSUID: u64 = 0x2;
const NODEV: u64 = 0x4;

/// Maps the user, builds the view and makes it the root.
///
/// # Errors
/// [`Stage::Namespaces`] or [`Stage::View`], naming the step.
pub(crate) fn enter(view: &ViewSpec, user: User) -> Result<(), SetupFailure> {
    own(user)
        .map_err(|error| SetupFailure::new(Stage::Namespaces, "take over the new namespaces", &error))?;
    let sources = view.mounts.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let devices = MINIMAL_DEVICES
        .iter()
        .map(|name| clone_tree(CWD, &Path::new("/dev").join(name), Recursion::One))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed("collect the device nodes"))?;
    // While the host's is still in view: without one, the kernel refuses another. mount_too_revealing
    // in fs/namespace.c.
    let proc = Proc::prepare(view.proc).map_err(failed("make a `/proc`"))?;
    let masks = Masks::make().map_err(failed("make the masks"))?;
    change_root(view.root).map_err(failed("change the root"))?;
    if view.root == Root::Empty {
        make_skeleton(view).map_err(failed("prepare the empty root"))?;
    }
    mount_dev(&devices).map_err(failed("fill `/dev`"))?;
    mount_steps(view, sources, &masks)?;
    proc.mount(&masks).map_err(failed("mount `/proc`"))
}

/// Takes possession of freshly cloned namespaces: the user's mapping, and mounts that nobody else's change.
///
/// # Errors
/// The system's; this is where a security module that lets the namespaces be made, but not be used,
/// shows itself.
pub(crate) fn own(user: User) -> io::Result<()> {
    map_user(user)?;
    Ok(rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> SetupFailure {
    move |error| SetupFailure::new(Stage::View, doing, &error)
}

/// The caller's own user and group, and nobody else's. user_namespaces(7).
fn map_user(user: User) -> io::Result<()> {
    let User { uid, gid } = user;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// The detached mount for a step that shows something of the host; masks have none.
fn source(mount: &MountSpec) -> Result<Option<OwnedFd>, SetupFailure> {
    let open = |attributes| -> io::Result<OwnedFd> {
        let handle = paths::open_resolved(Path::new(&mount.path))?;
        if mount.identity.is_some_and(|planned| paths::identity_of(&handle).ok() != Some(planned)) {
            return Err(io::Error::other("another file or folder took its place"));
        }
        let tree = clone_tree(handle.as_fd(), Path::new(""), Recursion::Tree)?;
        sys::mount_setattr(tree.as_fd(), attributes, 0, Recursion::Tree)?;
        Ok(tree)
    };
    match mount.action {
        Action::ReadOnly => open(RDONLY | NOSUID | NODEV).map(Some),
        Action::Writable => open(NOSUID | NODEV).map(Some),
        Action::Mask | Action::MaskWithPassage => Ok(None),
    }
    .map_err(|error| at(mount, &error))
}

fn at(mount: &MountSpec, error: &io::Error) -> SetupFailure {
    let path = policies::display::escape(&mount.path);
    SetupFailure::new(Stage::View, format!("mount `{path}`"), error)
}

/// A detached copy of the mount at `path` (relative to `base`, or `base` itself when empty). open_tree(2).
fn clone_tree(base: BorrowedFd<'_>, path: &Path, depth: Recursion) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_NO_AUTOMOUNT
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if path.as_os_str().is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    if depth == Recursion::Tree {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(rustix::mount::open_tree(base, path, flags)?)
}

/// Mounts a detached tree on an open mount point: no name is looked up. move_mount(2).
fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(tree, "", target, "", flags)?)
}

/// A new file system of its own, detached. fsopen(2), fsmount(2).
fn new_file_system(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&context, *key, *value)?;
    }
    rustix::mount::fsconfig_create(&context)?;
    Ok(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn tmpfs(mode: &str, attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    new_file_system(
        "tmpfs",
        &[("mode", mode)],
        attributes | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )
}

/// Puts the new tree over the old, and lets the old go. pivot_root(2), "pivot_root(".", ".")".
fn change_root(root: Root) -> io::Result<()> {
    let tree = match root {
        Root::HostReadOnly | Root::HostWritable => {
            let tree = clone_tree(CWD, Path::new("/"), Recursion::Tree)?;
            let read_only = if root == Root::HostReadOnly { RDONLY } else { 0 };
            sys::mount_setattr(tree.as_fd(), NOSUID | NODEV | read_only, 0, Recursion::Tree)?;
            tree
        }
        Root::Empty => tmpfs("0755", MountAttrFlags::empty())?,
    };
    rustix::mount::move_mount(&tree, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    rustix::process::fchdir(&tree)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

fn make_skeleton(view: &ViewSpec) -> io::Result<()> {
    for name in ["/dev", "/proc"] {
        std::fs::create_dir(name)?;
    }
    for (path, target) in &view.symlinks {
        let path = Path::new(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::os::unix::fs::symlink(target, path)?;
    }
    Ok(())
}

/// The usual few nodes, a private terminal file system and private shared memory.
fn mount_dev(devices: &[OwnedFd]) -> io::Result<()> {
    attach(
        tmpfs("0755", MountAttrFlags::MOUNT_ATTR_NOEXEC)?.as_fd(),
        open_place(Path::new("/dev"))?.as_fd(),
    )?;
    for (name, device) in MINIMAL_DEVICES.iter().zip(devices) {
        let path = Path::new("/dev").join(name);
        std::fs::File::create(&path)?;
        attach(device.as_fd(), open_place(&path)?.as_fd())?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, Path::new("/dev").join(name))?;
    }
    std::fs::create_dir("/dev/mqueue")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let queues = new_file_system("mqueue", &[], attributes)?;
    attach(queues.as_fd(), open_place(Path::new("/dev/mqueue"))?.as_fd())?;
    std::fs::create_dir("/dev/shm")?;
    std::fs::create_dir("/dev/pts")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = new_file_system("devpts", &[("ptmxmode", "0666"), ("mode", "620")], attributes)?;
    attach(terminals.as_fd(), open_place(Path::new("/dev/pts"))?.as_fd())
}

fn mount_steps(view: &ViewSpec, sources: Vec<Option<OwnedFd>>, masks: &Masks) -> Result<(), SetupFailure> {
    let mut passages = Vec::new();
    for (index, (mount, source)) in view.mounts.iter().zip(sources).enumerate() {
        let place = || -> io::Result<()> {
            let earlier = view.mounts.get(..index).unwrap_or_default();
            let target = mount_point(mount, earlier, view.root)?;
            match (source, mount.action) {
                (Some(tree), _) => attach(tree.as_fd(), target.as_fd()),
                (None, Action::MaskWithPassage) => {
                    let tree = tmpfs("0111", MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
                    attach(tree.as_fd(), target.as_fd())?;
                    passages.push(tree);
                    Ok(())
                }
                (None, Action::Mask | Action::ReadOnly | Action::Writable) => {
                    attach(masks.of(mount.kind)?.as_fd(), target.as_fd())
                }
            }
        };
        place().map_err(|error| at(mount, &error))?;
    }
    for passage in passages {
        sys::mount_setattr(passage.as_fd(), RDONLY, 0, Recursion::One).map_err(failed("close a mask"))?;
    }
    Ok(())
}

/// Opens the place for a mount. Where the surroundings are ours and empty, makes it first; on the host's
/// file systems never.
fn mount_point(mount: &MountSpec, earlier: &[MountSpec], root: Root) -> io::Result<OwnedFd> {
    let path = Path::new(&mount.path);
    match open_place(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_ours(path, earlier, root) => {}
        other => return other,
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match mount.kind {
        Kind::Directory => std::fs::create_dir(path)?,
        Kind::File => drop(std::fs::File::create_new(path)?),
    }
    open_place(path)
}

/// Whether what surrounds `path` is a throw-away file system: the deepest mount so far decides.
fn is_ours(path: &Path, earlier: &[MountSpec], root: Root) -> bool {
    let around = earlier.iter().rev().find(|mount| path.starts_with(&mount.path));
    match around {
        Some(mount) => mount.action == Action::MaskWithPassage,
        None => root == Root::Empty,
    }
}

fn open_place(path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?)
}

/// An empty directory and an empty file that nobody can open, to be mounted any number of times.
struct Masks {
    tree: OwnedFd,
}

impl Masks {
    const DIRECTORY: &str = "directory";
    const FILE: &str = "file";

    fn make() -> io::Result<Self> {
        let tree = tmpfs("0700", MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
        rustix::fs::mkdirat(&tree, Self::DIRECTORY, Mode::empty())?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&tree, Self::FILE, flags, Mode::empty())?;
        Ok(Self { tree })
    }

    fn of(&self, kind: Kind) -> io::Result<OwnedFd> {
        let name = match kind {
            Kind::Directory => Self::DIRECTORY,
            Kind::File => Self::FILE,
        };
        let tree = clone_tree(self.tree.as_fd(), Path::new(name), Recursion::One)?;
        sys::mount_setattr(tree.as_fd(), RDONLY, 0, Recursion::One)?;
        Ok(tree)
    }
}

/// What will be `/proc`.
enum Proc {
    Fresh(OwnedFd),
    Substitute(Vec<(&'static str, OwnedFd)>),
}

impl Proc {
    fn prepare(view: ProcView) -> io::Result<Self> {
        match view {
            ProcView::Fresh => {
                let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
                    | MountAttrFlags::MOUNT_ATTR_NODEV
                    | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                new_file_system("proc", &[], attributes).map(Self::Fresh)
            }
            ProcView::Substitute => proc_view::STATIC_FILES
                .iter()
                .filter_map(|name| {
                    let path = Path::new("/proc").join(name);
                    path.exists().then(|| Ok((*name, clone_tree(CWD, &path, Recursion::One)?)))
                })
                .collect::<io::Result<_>>()
                .map(Self::Substitute),
        }
    }

    fn mount(self, masks: &Masks) -> io::Result<()> {
        let place = open_place(Path::new("/proc"))?;
        match self {
            Self::Fresh(tree) => {
                attach(tree.as_fd(), place.as_fd())?;
                let keys = Path::new(proc_view::MASKED);
                if keys.exists() {
                    attach(masks.of(Kind::File)?.as_fd(), open_place(keys)?.as_fd())?;
                }
                match proc_view::read_only(rustix::process::getuid()) {
                    ReadOnly::Everything => sys::mount_setattr(tree.as_fd(), RDONLY, 0, Recursion::One),
                    ReadOnly::Switches => {
                        let path = Path::new(proc_view::SWITCHES);
                        let switches = clone_tree(CWD, path, Recursion::One)?;
                        sys::mount_setattr(switches.as_fd(), RDONLY, 0, Recursion::One)?;
                        attach(switches.as_fd(), open_place(path)?.as_fd())
                    }
                }
            }
            Self::Substitute(files) => {
                let tree = tmpfs("0555", MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
                attach(tree.as_fd(), place.as_fd())?;
                for (name, source) in &files {
                    let path = Path::new("/proc").join(name);
                    std::fs::File::create_new(&path)?;
                    sys::mount_setattr(source.as_fd(), RDONLY, 0, Recursion::One)?;
                    attach(source.as_fd(), open_place(&path)?.as_fd())?;
                }
                sys::mount_setattr(tree.as_fd(), RDONLY, 0, Recursion::One)
            }
        }
    }
}
