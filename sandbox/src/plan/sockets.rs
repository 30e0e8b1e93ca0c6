//! Sockets of the host that run commands for whoever connects: as data, reviewed like code.
//!
//! With the network off nothing can be connected to. With it on, a socket file that is merely *readable*
//! can be: a read-only mount does not stop connect(2). Behind each of these sits a service that would start
//! a process outside the sandbox, so they are hidden unless the profile names them.

use std::path::{Path, PathBuf};

/// (path, what serves it). Absolute.
const SYSTEM: &[(&str, &str)] = &[
    ("/run/docker.sock", "Docker"),
    ("/run/containerd/containerd.sock", "containerd"),
    ("/run/podman/podman.sock", "Podman"),
    ("/run/crio/crio.sock", "CRI-O"),
    ("/run/buildkit/buildkitd.sock", "BuildKit"),
    ("/run/libvirt", "libvirt"),
    ("/run/incus", "Incus"),
    ("/var/lib/incus/unix.socket", "Incus"),
    ("/var/lib/lxd/unix.socket", "LXD"),
    ("/var/snap/lxd/common/lxd/unix.socket", "LXD"),
    ("/run/snapd.socket", "snapd"),
    ("/run/dbus/system_bus_socket", "the system message bus"),
    ("/run/systemd/private", "systemd"),
    ("/run/WSL", "WSL interoperability, which starts Windows programs"),
    ("/tmp/.X11-unix", "the X server, which lets clients type into each other's windows"),
];

/// The same, relative to the user's runtime folder (`$XDG_RUNTIME_DIR`, else `/run/user/UID`).
const USER: &[(&str, &str)] = &[
    ("bus", "the session message bus"),
    ("dbus-1", "the session message bus"),
    ("systemd/private", "the user's systemd"),
    ("docker.sock", "Docker"),
    ("podman/podman.sock", "Podman"),
    ("containerd/containerd.sock", "containerd"),
    ("libvirt", "libvirt"),
];

/// Terminal multiplexers: their sockets take keys for the shells inside. `{}` is the user's id.
const MULTIPLEXERS: &[(&str, &str)] =
    &[("/tmp/tmux-{}", "tmux"), ("/run/screen", "screen"), ("/tmp/screens", "screen")];

/// What to hide, for a user whose runtime folder the environment names (or not).
pub(super) fn control_sockets(runtime_dir: Option<&Path>) -> impl Iterator<Item = (PathBuf, &'static str)> {
    let own = PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    let named = runtime_dir.filter(|folder| folder.is_absolute() && *folder != own).map(Path::to_owned);
    let users = [Some(own), named].into_iter().flatten();
    let system = SYSTEM.iter().map(|(path, service)| (PathBuf::from(path), *service));
    let uid = rustix::process::geteuid().as_raw().to_string();
    let multiplexers =
        MULTIPLEXERS.iter().map(move |(path, service)| (PathBuf::from(path.replace("{}", &uid)), *service));
    let own = users.flat_map(|folder| USER.iter().map(move |(name, service)| (folder.join(name), *service)));
    system.chain(multiplexers).chain(own)
}
