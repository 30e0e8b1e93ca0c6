//! Other names of what commands could have changed: by a mount of its folder elsewhere, or by a hard link.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatxFlags};

/// How many names are looked at in search of those of one file.
const MAX_NAMES: usize = 16_384;

/// A place in a file system, whatever name it has here.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Spot {
    /// `major:minor`.
    device: Vec<u8>,
    /// From the root of the file system.
    path: PathBuf,
}

/// Where folders lie in their file systems.
#[derive(Clone, Debug)]
pub(super) struct Spots {
    mounts: Vec<Mount>,
    folders: Vec<Spot>,
    devices: BTreeSet<u64>,
}

impl Spots {
    /// Those of these folders. What does not exist has none.
    ///
    /// # Errors
    /// When the mounts of this process cannot be read, or the folders cannot be found among them.
    pub(super) fn of(folders: &[String]) -> io::Result<Self> {
        // Of this thread, which may have mounts of its own.
        let table = std::fs::read("/proc/thread-self/mountinfo")?;
        let mounts = table.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect();
        let mut spots = Self { mounts, folders: Vec::new(), devices: BTreeSet::new() };
        for folder in folders {
            let Ok(real) = Path::new(folder).canonicalize() else { continue };
            spots.devices.insert(real.metadata()?.dev());
            let spot = spots.spot(&real)?;
            spots.folders.push(spot);
        }
        Ok(spots)
    }

    /// Whether this lies in one of the folders, by a mount of it or of a part of it. What does not exist lies where its
    /// folder is.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) fn hold(&self, path: &Path) -> io::Result<bool> {
        let real = path.ancestors().find_map(|path| path.canonicalize().ok());
        let spot = self.spot(&real.unwrap_or_else(|| PathBuf::from("/")))?;
        let holds = |folder: &Spot| folder.device == spot.device && spot.path.starts_with(&folder.path);
        Ok(self.folders.iter().any(holds))
    }

    /// Whether this file may have a name in one of the folders: it has names that are not found where programs are
    /// installed together, and this user could have made them. The superuser could have made all; only those count that
    /// may lie there.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) fn may_be_linked_to(&self, file: &Path) -> io::Result<bool> {
        let metadata = file.metadata()?;
        if metadata.is_dir() || metadata.nlink() < 2 {
            return Ok(false);
        }
        let us = rustix::process::geteuid();
        let could = match us.is_root() {
            true => self.devices.contains(&metadata.dev()),
            false => metadata.uid() == us.as_raw() || rustix::fs::access(file, Access::WRITE_OK).is_ok(),
        };
        Ok(could && !self.knows_all_names(file)?)
    }

    /// Whether each hard link to this file is found, and lies in none of the folders.
    fn knows_all_names(&self, file: &Path) -> io::Result<bool> {
        let real = file.canonicalize()?;
        let metadata = real.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        let mut missing = metadata.nlink();
        let folders = installed_with(&real).filter(|folder| !folder.is_symlink());
        let names = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
        for entry in names.take(MAX_NAMES) {
            let path = entry?.path();
            let is_other = |other: std::fs::Metadata| (other.dev(), other.ino()) == identity;
            if path.symlink_metadata().is_ok_and(is_other) {
                if self.hold(&path)? {
                    return Ok(false);
                }
                missing = missing.saturating_sub(1);
            }
            if missing == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn spot(&self, real: &Path) -> io::Result<Spot> {
        let found = rustix::fs::statx(CWD, real, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
        let is_known = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
        let mount = self.mounts.iter().find(|mount| is_known && mount.id == found.stx_mnt_id);
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "it lies in no mount that is known");
        let mount = mount.ok_or_else(unknown)?;
        let below = real.strip_prefix(&mount.point).map_err(|_| unknown())?;
        Ok(Spot { device: mount.device.clone(), path: mount.root.join(below) })
    }
}

/// Where the other names of an installed program are: in its own folder (`bzip2` and `bunzip2`), or in those of the
/// same installation (`bin/git` and `libexec/git-core/git-add`).
fn installed_with(file: &Path) -> impl Iterator<Item = PathBuf> {
    let own = file.parent().map(Path::to_owned);
    let prefix = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let tops = ["libexec", "lib", "bin", "sbin"]
        .into_iter()
        .filter_map(move |name| Some(prefix.as_ref()?.join(name)));
    let below = |folder: &PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let known = own.clone();
    let others = tops.flat_map(move |top| std::iter::once(top.clone()).chain(below(&top)));
    own.into_iter().chain(others.filter(move |folder| Some(folder) != known.as_ref()))
}

/// A line of the table. proc_pid_mountinfo(5).
#[derive(Clone, Debug)]
struct Mount {
    id: u64,
    device: Vec<u8>,
    /// What of the file system is shown.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let device = fields.nth(1)?.to_vec();
        let mut path = || fields.next().map(unescape);
        Some(Self { id, device, root: path()?, point: path()? })
    }
}

/// Space, tab, newline and backslash are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *byte == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*byte));
        rest = if code.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use nix::mount::MsFlags;

    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let mount = Mount::parse(b"22 27 0:21 /a\\040b /mnt/x\\134y rw shared:7 - ext4 /dev/vda rw").unwrap();
        assert_eq!((mount.id, mount.device.as_slice()), (22, &b"0:21"[..]));
        assert_eq!((mount.root, mount.point), (PathBuf::from("/a b"), PathBuf::from("/mnt/x\\y")));
        assert!(Mount::parse(b"").is_none());
    }

    #[test]
    fn a_hard_link_into_a_workspace_is_doubtful() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["project", "bin", "libexec/tools"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for name in ["project/tool", "bin/one", "bin/alone"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::hard_link(path("project/tool"), path("bin/tool")).unwrap();
        std::fs::hard_link(path("bin/one"), path("bin/two")).unwrap();
        std::fs::hard_link(path("bin/one"), path("libexec/tools/one")).unwrap();
        let spots = Spots::of(&[path("project").to_str().unwrap().to_owned()]).unwrap();
        assert!(spots.may_be_linked_to(&path("bin/tool")).unwrap());
        for name in ["bin/one", "bin/two", "bin/alone"] {
            assert!(!spots.may_be_linked_to(&path(name)).unwrap(), "{name}");
        }
        for name in ["perl", "bash", "git"] {
            assert!(!spots.may_be_linked_to(&Path::new("/usr/bin").join(name)).unwrap_or(false), "{name}");
        }
        assert!(spots.hold(&path("project/tool")).unwrap());
        assert!(!spots.hold(&path("bin/tool")).unwrap());
    }

    #[test]
    fn a_mount_of_a_workspace_elsewhere_is_the_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["project", "project/bin", "all", "bin", "other"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["project/bin/tool", "file", "other/tool"] {
            std::fs::write(path(name), "").unwrap();
        }
        let mount = |from: &Path, to: &Path, flags: MsFlags| {
            nix::mount::mount(Some(from), to, None::<&str>, flags, None::<&str>).unwrap();
        };
        // For this thread alone, which ends with the test. An ordinary user may not.
        if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).is_err() {
            return;
        }
        mount(Path::new("none"), Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        let bind = |from: &str, to: &str| mount(&path(from), &path(to), MsFlags::MS_BIND);
        bind("project", "all");
        bind("project/bin", "bin");
        bind("project/bin/tool", "file");
        let spots = Spots::of(&[path("project").to_str().unwrap().to_owned()]).unwrap();
        for name in ["project/bin/tool", "all/bin/tool", "bin/tool", "file", "all", "bin"] {
            assert!(spots.hold(&path(name)).unwrap(), "{name}");
        }
        assert!(spots.hold(&path("bin/missing")).unwrap());
        for name in ["other/tool", "other", "missing"] {
            assert!(!spots.hold(&path(name)).unwrap(), "{name}");
        }
    }
}
