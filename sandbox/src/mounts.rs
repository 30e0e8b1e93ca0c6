//! The mount table, read once where needed: what is mounted where, and which of it is the kernel itself.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;

use policies::AbsolutePath;

/// One line of `/proc/self/mountinfo`. proc(5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mount {
    /// What of the file system is shown: `/` for all of it.
    pub(crate) root: Vec<u8>,
    pub(crate) point: AbsolutePath,
    pub(crate) read_only: bool,
    /// `ext4`, `proc`, …
    pub(crate) kind: Vec<u8>,
}

/// What a kernel file system lets a process do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Risk {
    /// Shows all processes of the host.
    ShowsProcesses,
    /// Has switches that are guarded by file ownership alone.
    Switches,
}

/// The mounts that this process sees, in the order in which they were made.
///
/// # Errors
/// When the table cannot be read.
pub(crate) fn of_this_process() -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read("/proc/self/mountinfo")?))
}

/// Lines that do not parse are left out: none occur, and the callers only ever add restrictions.
pub(crate) fn parse(table: &[u8]) -> Vec<Mount> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let (root, point, options) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mount {
        root: unescape(root),
        point: AbsolutePath::parse(OsString::from_vec(unescape(point))).ok()?,
        read_only: options.split(|byte| *byte == b',').any(|option| option == b"ro"),
        kind: kind.to_vec(),
    })
}

/// Space, tab, newline and backslash are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|_| *byte == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = match code {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    bytes
}

/// Places that every run replaces or that the plan treats by name.
pub(crate) fn is_usual_place(point: &AbsolutePath) -> bool {
    ["/proc", "/sys", "/dev"].iter().any(|top| point.as_path().starts_with(top))
}

/// What a file system of this type is good for in the wrong hands; `None` for ordinary ones.
pub(crate) fn risk(kind: &[u8]) -> Option<Risk> {
    const SWITCHES: [&str; 12] = [
        "sysfs",
        "cgroup",
        "cgroup2",
        "debugfs",
        "tracefs",
        "securityfs",
        "bpf",
        "binfmt_misc",
        "configfs",
        "efivarfs",
        "devtmpfs",
        "pstore",
    ];
    if kind == b"proc" {
        Some(Risk::ShowsProcesses)
    } else if SWITCHES.iter().any(|name| kind == name.as_bytes()) {
        Some(Risk::Switches)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names_are_unescaped_and_optional_fields_skipped() {
        let table = b"22 27 0:21 /a\\040b /mnt/x\\134y rw,noexec shared:7 master:2 - proc proc rw\n\
                      23 27 0:22 / /plain ro - ext4 /dev/vda ro\nnonsense\n";
        let mounts = parse(table);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].root, b"/a b");
        assert_eq!(mounts[0].point.as_path(), Path::new("/mnt/x\\y"));
        assert_eq!((mounts[0].kind.as_slice(), mounts[0].read_only), (&b"proc"[..], false));
        assert_eq!((mounts[1].kind.as_slice(), mounts[1].read_only), (&b"ext4"[..], true));
    }
}
