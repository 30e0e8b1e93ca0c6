//! What a run's `/proc` looks like, as data shared by the backends, and whether the kernel lets us have one.

use std::path::Path;

use rustix::process::Uid;

use crate::helper::spec::ProcView;
use crate::mounts::Mount;

/// How much of a run's fresh `/proc` is read-only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReadOnly {
    /// [`SWITCHES`].
    Switches,
    /// All of it.
    Everything,
}

/// The kernel's switches, which file ownership alone guards. proc(5).
pub(crate) const SWITCHES: &str = "/proc/sys";

/// What is read-only for `user`. uid 0 inside is the host's uid 0, which also owns `irq`, `bus`,
/// `sysrq-trigger` and others, so it gets all of `/proc` read-only. Other users own nothing there but their
/// own processes, to which they may write.
pub(crate) fn read_only(user: Uid) -> ReadOnly {
    if user.is_root() { ReadOnly::Everything } else { ReadOnly::Switches }
}

/// What nobody can read in a run's `/proc`: the keys of the host's user. (`kcore`, `kmsg` and the like
/// want capabilities, of which the command has none.) proc(5).
pub(crate) const MASKED: &str = "/proc/keys";

/// What the substitute shows: facts about the machine that name no process.
pub(crate) const STATIC_FILES: [&str; 9] =
    ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "swaps", "uptime", "version", "vmstat"];

/// Whether a new user namespace may mount a fresh procfs: only where one is in view that nothing covers.
/// mount_namespaces(7), "mount_too_revealing" in fs/namespace.c.
pub(crate) fn obtainable(mounts: &[Mount]) -> ProcView {
    let mut whole = false;
    for mount in mounts {
        let point = mount.point.as_path();
        if point == Path::new("/proc") && mount.root == b"/" && mount.kind == b"proc" && !mount.read_only {
            whole = true;
        } else if point.starts_with("/proc") && !harmless(point) {
            whole = false;
        }
    }
    if whole { ProcView::Fresh } else { ProcView::Substitute }
}

/// Mounts on directories that are always empty do not hide anything. proc_create_mount_point in fs/proc.
fn harmless(point: &Path) -> bool {
    ["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd", "/proc/openprom"]
        .iter()
        .any(|name| point == Path::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts;

    const PLAIN: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw";

    #[test]
    fn only_an_uncovered_writable_proc_gives_a_fresh_one() {
        for (mounts, expected) in [
            (vec![PLAIN], ProcView::Fresh),
            (vec![PLAIN, "30 22 0:40 / /proc/sys/fs/binfmt_misc rw - binfmt_misc x rw"], ProcView::Fresh),
            (vec![PLAIN, "30 22 0:40 / /proc/acpi ro - tmpfs tmpfs ro"], ProcView::Substitute),
            (vec![PLAIN, "30 22 0:21 /sys /proc/sys ro - proc proc rw"], ProcView::Substitute),
            (vec!["22 27 0:21 / /proc ro,relatime - proc proc rw"], ProcView::Substitute),
            (vec![], ProcView::Substitute),
        ] {
            assert_eq!(obtainable(&mounts::parse(mounts.join("\n").as_bytes())), expected, "{mounts:?}");
        }
    }
}
