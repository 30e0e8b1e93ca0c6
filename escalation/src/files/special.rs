//! File systems whose files are no files: writing to them is an order to the kernel or a device.

use std::os::fd::BorrowedFd;
use std::path::Path;

/// Where they are mounted. With `/proc`, no link of it is ever followed: `/proc/self/root` leads anywhere.
const TREES: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Memory for files, kept among the devices.
const SHARED_MEMORY: &str = "/dev/shm";

/// Whether everything at `path` belongs to a device or the kernel, going by its name.
pub(super) fn is_special_name(path: &Path) -> bool {
    TREES.iter().any(|tree| path.starts_with(tree)) && !path.starts_with(SHARED_MEMORY)
}

/// Whether the folder lies on such a file system, wherever that is mounted.
///
/// # Errors
/// As fstatfs(2).
#[cfg(target_os = "linux")]
pub(super) fn is_special(folder: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    /// statfs(2), and `linux/magic.h` for those that it does not list.
    const MAGIC: [u64; 17] = [
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x1cd1,      // devpts
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0x6265_6570, // configfs
        0xcafe_4a11, // bpf
        0x4249_4e4d, // binfmt_misc
        0x1980_0202, // mqueue
        0x6e73_6673, // nsfs
        0x6165_676c, // pstore
        0xde5e_81e4, // efivarfs
        0xf97c_ff8c, // selinuxfs
        0x6573_5543, // fusectl
    ];
    // The field is signed on some machines; a magic number has 32 bits on all.
    let magic = u64::from_ne_bytes(rustix::fs::fstatfs(folder)?.f_type.to_ne_bytes()) & 0xffff_ffff;
    Ok(MAGIC.contains(&magic))
}

/// Whether the folder lies on such a file system. Other systems than Linux mount theirs at the known names only.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_special(_folder: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    Ok(false)
}
