//! What a run's `/proc` looks like, as data shared by the backends, and whether the kernel lets us have one.

use std::io;
use std::path::Path;

use rustix::process::Uid;

use crate::helper::spec::ProcView;

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
///
/// # Errors
/// When `/proc/self/mountinfo` cannot be read.
pub(crate) fn obtainable() -> io::Result<ProcView> {
    Ok(judge(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// proc(5), `/proc/pid/mountinfo`: field 4 is the root, 5 the mount point, 6 the options; after ` - ` the type.
fn judge(mountinfo: &str) -> ProcView {
    let mut whole = false;
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(3);
        let (Some(root), Some(point), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let kind = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').next());
        let read_only = options.split(',').any(|option| option == "ro");
        if point == "/proc" && root == "/" && kind == Some("proc") && !read_only {
            whole = true;
        } else if Path::new(point).starts_with("/proc") && !harmless(point) {
            whole = false;
        }
    }
    if whole { ProcView::Fresh } else { ProcView::Substitute }
}

/// Mounts on directories that are always empty do not hide anything. proc_create_mount_point in fs/proc.
fn harmless(point: &str) -> bool {
    matches!(point, "/proc/sys/fs/binfmt_misc" | "/proc/fs/nfsd" | "/proc/openprom")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(judge(&mounts.join("\n")), expected, "{mounts:?}");
        }
    }
}
