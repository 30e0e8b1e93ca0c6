//! What this kernel and host offer, and who stands in the way when they do not.
//!
//! What belongs here: reading switches and trying calls in a throw-away child. What does not: choosing;
//! a probe explains a failure or fills `doctor`'s report, and never weakens anything.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use policies::{AbsolutePath, NetworkAccess};
use rustix::process::WaitOptions;
use serde::Serialize;

use crate::backend::{bwrap, namespaces};
use crate::helper::spec::{ProcView, User};
use crate::sys::{self, Forked, Namespaces};
use crate::{mounts, proc_view};

/// What the host offers.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// `uname -r`.
    pub kernel: String,
    /// `x86_64`, `aarch64`, …
    pub architecture: &'static str,
    /// Whether the filter has a table for this architecture.
    pub filter: bool,
    /// Actions that the kernel's seccomp knows, as it spells them; empty when it has none.
    pub seccomp_actions: String,
    /// Landlock ABI, 0 for none. From 3 on it is a second wall around writable places, from 6 on it cuts off
    /// abstract sockets.
    pub landlock_abi: u32,
    /// `user.max_user_namespaces`; `None` when the kernel has no such switch.
    pub max_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, a Debian switch.
    pub unprivileged_userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, an Ubuntu switch.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// What kind of container this runs in, as far as it shows.
    pub container: Option<&'static str>,
    /// Whether this process already runs under somebody else's seccomp filter.
    pub filtered: bool,
    /// Windows Subsystem for Linux: 1 or 2.
    pub wsl: Option<u8>,
    /// Whether the kernel would give a run a fresh `/proc`.
    pub fresh_proc: bool,
    /// The first `bwrap` on PATH, links resolved, trusted or not.
    pub bwrap: Option<PathBuf>,
    /// What it says its version is; `None` also when it is not trusted enough to be asked.
    pub bwrap_version: Option<String>,
    /// Whether this user can make a user namespace, and what it takes; the system's error otherwise.
    pub user_namespaces: Result<(), String>,
}

/// A layer that stands in the way, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Obstacle {
    /// Which layer.
    pub layer: &'static str,
    /// The smallest fix.
    pub fix: String,
}

impl Host {
    /// Looks at the host. Runs `bwrap --version` and `unshare`-like calls in a throw-away child.
    #[must_use]
    pub fn examine(search: Option<&OsStr>) -> Self {
        let bwrap = search.and_then(find_bwrap);
        let trusted = bwrap.as_deref().filter(|path| bwrap::untrusted(path).is_none());
        let kernel_version = std::fs::read_to_string("/proc/version").unwrap_or_default();
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            architecture: std::env::consts::ARCH,
            filter: crate::seccomp::compile(crate::seccomp::Filter::NetworkOff).is_ok(),
            seccomp_actions: read_line("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default(),
            landlock_abi: crate::landlock::abi(),
            max_user_namespaces: read_number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: read_number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: read_number(
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            ),
            container: container(),
            filtered: std::fs::read_to_string("/proc/self/status")
                .is_ok_and(|status| status.lines().any(|line| line == "Seccomp:\t2")),
            wsl: wsl(&kernel_version),
            fresh_proc: mounts::of_this_process()
                .is_ok_and(|mounts| proc_view::obtainable(&mounts) == ProcView::Fresh),
            bwrap_version: trusted.and_then(bwrap_version),
            bwrap,
            user_namespaces: try_user_namespace().map_err(|error| error.to_string()),
        }
    }

    /// Why sandboxes cannot be made here, most likely first; empty when nothing is known to be in the way.
    #[must_use]
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let mut found = Vec::new();
        let mut add = |layer, fix: &str| found.push(Obstacle { layer, fix: fix.to_owned() });
        if self.wsl == Some(1) {
            add("WSL 1 has no Linux kernel", "convert the distribution to WSL 2: `wsl --set-version NAME 2`");
        }
        if !self.filter {
            add("this architecture has no system-call table", "use x86_64 or aarch64");
        }
        if self.seccomp_actions.is_empty() {
            add("the kernel has no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER");
        }
        if self.user_namespaces.is_ok() {
            return found;
        }
        if self.max_user_namespaces == Some(0) {
            add(
                "the kernel switch user.max_user_namespaces is 0",
                "as root: `sysctl -w user.max_user_namespaces=10000`",
            );
        }
        if self.unprivileged_userns_clone == Some(0) {
            add(
                "the kernel switch kernel.unprivileged_userns_clone is 0",
                "as root: `sysctl -w kernel.unprivileged_userns_clone=1`",
            );
        }
        if self.apparmor_restrict_unprivileged_userns == Some(1) {
            add(
                "AppArmor restricts user namespaces",
                "as root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or add an AppArmor profile \
                 with `userns,` for this program",
            );
        }
        if !found.is_empty() {
            return found;
        }
        match self.container {
            Some(container) => found.push(Obstacle {
                layer: "the container's own seccomp filter or capabilities",
                fix: format!(
                    "start the {container} container with `--security-opt seccomp=unconfined` (or a profile that \
                     allows unshare, clone and mount), or run outside it"
                ),
            }),
            None if self.filtered => found.push(Obstacle {
                layer: "a seccomp filter that this program was started under",
                fix: "start it outside that sandbox or container, or let its filter allow unshare, clone and mount".to_owned(),
            }),
            None => {}
        }
        found
    }
}

fn read_line(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn read_number(path: &str) -> Option<u64> {
    read_line(path)?.parse().ok()
}

/// Marks that container engines leave.
fn container() -> Option<&'static str> {
    let marks =
        [("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman"), ("/run/systemd/container", "systemd")];
    let marked = marks.into_iter().find(|(path, _)| Path::new(path).exists()).map(|(_, name)| name);
    marked.or_else(|| std::env::var_os("KUBERNETES_SERVICE_HOST").map(|_| "Kubernetes"))
}

/// WSL 1 translates system calls; WSL 2 is a kernel of its own, and says so in its version.
fn wsl(version: &str) -> Option<u8> {
    let lower = version.to_lowercase();
    if !lower.contains("microsoft") {
        None
    } else if lower.contains("microsoft-standard") || lower.contains("wsl2") {
        Some(2)
    } else {
        Some(1)
    }
}

fn find_bwrap(search: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .filter_map(|folder| folder.join("bwrap").canonicalize().ok())
        .find(|path| path.is_file())
}

#[expect(clippy::disallowed_methods, reason = "asks bubblewrap for its version; no command of a model's")]
fn bwrap_version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").env_clear().stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Makes the namespaces of a run in a child, which ends at once; its status is the system's error number.
fn try_user_namespace() -> io::Result<()> {
    let user = User::current();
    let pid = match sys::fork_into(Namespaces::of_a_run(NetworkAccess::Restricted))? {
        Forked::Child => {
            let errno =
                namespaces::own(user).err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
            sys::exit_at_once(errno)
        }
        Forked::Parent(pid) => pid,
    };
    let status = rustix::process::waitpid(Some(pid), WaitOptions::empty())?
        .and_then(|(_, status)| status.exit_status());
    match status {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::Error::other("the trial was killed")),
    }
}

/// The home directory of our user, as `/etc/passwd` has it; `None` for a user who is not in it. passwd(5). It is read
/// by hand because the resolver of a static libc needs modules that are not there.
pub fn account_home() -> Option<AbsolutePath> {
    let users = std::fs::read("/etc/passwd").ok()?;
    let uid = rustix::process::getuid().as_raw().to_string();
    let home = users.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        match fields.as_slice() {
            [_, _, id, _, _, home, ..] if *id == uid.as_bytes() => Some(*home),
            _ => None,
        }
    })?;
    AbsolutePath::parse(Path::new(OsStr::from_bytes(home))).ok()
}

/// The name of this machine, as the kernel has it. uname(2), `nodename`.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wsl_one_and_two_are_told_apart() {
        assert_eq!(wsl("Linux version 6.1.0 (gcc)"), None);
        assert_eq!(wsl("Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com)"), Some(1));
        assert_eq!(wsl("Linux version 5.15.90.1-microsoft-standard-WSL2"), Some(2));
    }
}
