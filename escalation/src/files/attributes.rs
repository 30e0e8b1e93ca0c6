//! What a file keeps when its content is replaced: mode, owner, extended attributes. Never a privilege.

use std::os::fd::BorrowedFd;

use policies::AbsolutePath;
use rustix::fs::{Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

use super::applied::Note;
use super::version::Version;

/// The most that a list of names, and one value, can take. xattr(7), `XATTR_LIST_MAX` and `XATTR_SIZE_MAX`
const MAX_ATTRIBUTES: usize = 65_536;
/// The list of who else may do what. acl(5)
const ACL: &str = "system.posix_acl_access";
/// What a program may do beyond its user. capabilities(7)
const CAPABILITY: &str = "security.capability";
/// Seals over the old content. They would be wrong.
const SEALS: [&str; 2] = ["security.ima", "security.evm"];

/// What could not be kept.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Lost {
    Owner,
    Privilege,
    Attributes(Vec<String>),
}

impl Lost {
    pub(super) fn note(self, path: &AbsolutePath) -> Note {
        let path = path.clone();
        match self {
            Self::Owner => Note::OwnerLost { path },
            Self::Privilege => Note::PrivilegeDropped { path },
            Self::Attributes(names) => Note::AttributesLost { path, names },
        }
    }
}

/// The mode to create a new file with; the umask, or the list of its folder, takes from it.
pub(super) fn new_mode(wanted: Option<u32>) -> Mode {
    let everybody = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    everybody | executable(wanted.unwrap_or(0))
}

/// The bits of `mode` that say who may execute a file.
fn executable(mode: u32) -> Mode {
    let bits = [(0o100, Mode::XUSR), (0o010, Mode::XGRP), (0o001, Mode::XOTH)];
    bits.into_iter().filter(|(bit, _)| mode & bit != 0).fold(Mode::empty(), |all, (_, flag)| all | flag)
}

/// Makes `file` look like the file that was `found`, of which `model` is a handle for reading, if there is one.
///
/// # Errors
/// As fchmod(2). What else cannot be kept is returned.
pub(super) fn keep(
    file: BorrowedFd<'_>,
    model: Option<BorrowedFd<'_>>,
    found: &Version,
    wanted: Option<u32>,
) -> rustix::io::Result<Vec<Lost>> {
    let mut lost = Vec::new();
    let old = found.stat();
    let owner = keep_owner(file, old.st_uid, old.st_gid)?;
    if owner != Owner::Kept {
        lost.push(Lost::Owner);
    }
    if Mode::from_raw_mode(old.st_mode).intersects(Mode::SUID | Mode::SGID) {
        lost.push(Lost::Privilege);
    }
    keep_attributes(file, model, owner, &mut lost)?;
    let mut mode = Mode::from_raw_mode(old.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO);
    if let Some(wanted) = wanted {
        mode = (mode - (Mode::XUSR | Mode::XGRP | Mode::XOTH)) | executable(wanted);
    }
    if owner == Owner::GroupLost {
        // The group is another one now, and may do no more than everybody.
        for (group, everybody) in
            [(Mode::RGRP, Mode::ROTH), (Mode::WGRP, Mode::WOTH), (Mode::XGRP, Mode::XOTH)]
        {
            mode.set(group, mode.contains(group | everybody));
        }
    }
    // Last: changing the owner, or a list, changes the mode.
    rustix::fs::fchmod(file, mode)?;
    Ok(lost)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owner {
    Kept,
    UserLost,
    GroupLost,
}

fn keep_owner(file: BorrowedFd<'_>, user: u32, group: u32) -> rustix::io::Result<Owner> {
    let now = rustix::fs::fstat(file)?;
    if (now.st_uid, now.st_gid) == (user, group) {
        return Ok(Owner::Kept);
    }
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    match rustix::fs::fchown(file, Some(user), Some(group)) {
        Ok(()) => Ok(Owner::Kept),
        Err(_not_permitted) => match rustix::fs::fchown(file, None, Some(group)) {
            Ok(()) => Ok(Owner::UserLost),
            Err(_not_permitted) => Ok(Owner::GroupLost),
        },
    }
}

fn keep_attributes(
    file: BorrowedFd<'_>,
    model: Option<BorrowedFd<'_>>,
    owner: Owner,
    lost: &mut Vec<Lost>,
) -> rustix::io::Result<()> {
    // What the folder gives to new files, this one did not have.
    match rustix::fs::fremovexattr(file, ACL) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error),
    }
    let Some(model) = model else {
        lost.push(Lost::Attributes(Vec::new()));
        return Ok(());
    };
    let mut names = vec![0; MAX_ATTRIBUTES];
    let length = match rustix::fs::flistxattr(model, names.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        Err(_unlisted) => {
            lost.push(Lost::Attributes(Vec::new()));
            0
        }
    };
    names.truncate(length);
    let mut dropped = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let text = String::from_utf8_lossy(name).into_owned();
        match text.as_str() {
            CAPABILITY => lost.push(Lost::Privilege),
            seal if SEALS.contains(&seal) => dropped.push(text),
            ACL if owner == Owner::GroupLost => dropped.push(text),
            _another => {
                if copy(file, model, name).is_err() {
                    dropped.push(text);
                }
            }
        }
    }
    if !dropped.is_empty() {
        lost.push(Lost::Attributes(dropped));
    }
    Ok(())
}

fn copy(file: BorrowedFd<'_>, model: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let mut value = vec![0; MAX_ATTRIBUTES];
    let length = rustix::fs::fgetxattr(model, name, value.as_mut_slice())?;
    value.truncate(length);
    rustix::fs::fsetxattr(file, name, &value, XattrFlags::empty())
}
