//! A file that is replaced looks as it did, and gains no privilege.

use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::fs::XattrFlags;
use rustix::thread::CapabilitySet;

use super::*;
use crate::files::attributes::{Lost, keep};
use crate::files::version::Version;

fn mode(bench: &Bench, name: &str) -> u32 {
    bench.path(name).metadata().unwrap().mode() & 0o7777
}

fn chmod(bench: &Bench, name: &str, mode: u32) {
    std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn write_mode(path: &str, mode: u32) -> FileChange {
    FileChange { path: path.into(), action: Action::Write { content: b"x".to_vec(), mode: Some(mode) } }
}

#[test]
fn modes_are_kept_and_only_execution_is_chosen() {
    for bench in Bench::everywhere() {
        for (before, wanted, after) in [
            (0o600, None, 0o600),
            (0o664, None, 0o664),
            (0o755, None, 0o755),
            (0o640, Some(0o755), 0o751),
            (0o755, Some(0o644), 0o644),
            (0o600, Some(0o7777), 0o711),
            (0o4755, None, 0o755),
            (0o2755, None, 0o755),
        ] {
            chmod(&bench, "ws/file", before);
            let change = match wanted {
                Some(wanted) => write_mode("file", wanted),
                None => write("file", "x"),
            };
            let applied = bench.apply(vec![change]).unwrap();
            assert_eq!(mode(&bench, "ws/file"), after, "{before:o} {wanted:?}");
            let dropped = Note::PrivilegeDropped { path: bench.absolute("ws/file") };
            assert_eq!(applied.notes.contains(&dropped), before > 0o777, "{before:o}");
        }
    }
}

#[test]
fn new_files_get_what_the_umask_leaves_and_no_privilege() {
    let bench = Bench::new();
    // What the system gives to such files here and now.
    std::fs::write(bench.path("ws/plain"), "").unwrap();
    let plain = mode(&bench, "ws/plain");
    bench.apply(vec![write("new", "x"), write_mode("tool", 0o7755), write_mode("text", 0o4644)]).unwrap();
    assert_eq!(mode(&bench, "ws/new"), plain);
    assert_eq!(mode(&bench, "ws/text"), plain);
    let tool = mode(&bench, "ws/tool");
    assert_eq!((tool & 0o7100, tool & 0o666), (0o100, plain));
}

#[test]
fn a_renamed_file_with_new_content_keeps_its_mode() {
    let bench = Bench::new();
    chmod(&bench, "ws/file", 0o750);
    bench.apply(vec![rename("file", "tool", Some("new"))]).unwrap();
    assert_eq!((mode(&bench, "ws/tool"), bench.read("ws/tool")), (0o750, "new".into()));
}

#[test]
fn attributes_are_kept_where_the_file_system_has_them() {
    for bench in Bench::everywhere() {
        let file = bench.path("ws/file");
        if rustix::fs::setxattr(&file, "user.origin", b"here", XattrFlags::empty()).is_err() {
            say(&format!("skipped: {} has no user attributes", bench.base.display()));
            continue;
        }
        assert_eq!(bench.apply(vec![write("file", "x")]).unwrap().notes, []);
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&file, "user.origin", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"here");
    }
}

/// A list that lets one more user read: the version, then a tag, permissions and user for each row. acl(5)
fn list_of_others() -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, user) in [
        (0x01_u16, 6_u16, u32::MAX),
        (0x02, 4, 12_345),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 0, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(user.to_le_bytes());
    }
    list
}

#[test]
fn lists_of_who_may_read_are_kept_and_not_inherited() {
    for bench in Bench::everywhere() {
        let (file, plain) = (bench.path("ws/file"), bench.path("ws/plain"));
        let list = list_of_others();
        if rustix::fs::setxattr(&file, "system.posix_acl_access", &list, XattrFlags::empty()).is_err() {
            say(&format!("skipped: {} has no such lists", bench.base.display()));
            continue;
        }
        std::fs::write(&plain, "").unwrap();
        chmod(&bench, "ws/plain", 0o640);
        rustix::fs::setxattr(bench.path("ws"), "system.posix_acl_default", &list, XattrFlags::empty())
            .unwrap();
        assert_eq!(bench.apply(vec![write("file", "x"), write("plain", "x")]).unwrap().notes, []);
        let mut value = [0; 64];
        let length = rustix::fs::getxattr(&file, "system.posix_acl_access", &mut value[..]).unwrap();
        assert_eq!(&value[..length], list);
        rustix::fs::getxattr(&plain, "system.posix_acl_access", &mut value[..])
            .expect_err("it had none before");
        assert_eq!(mode(&bench, "ws/plain"), 0o640);
    }
}

#[test]
fn the_owner_is_kept_by_those_who_may() {
    let bench = Bench::new();
    if !rustix::process::geteuid().is_root() {
        say("skipped: only root gives files away");
        return;
    }
    std::os::unix::fs::chown(bench.path("ws/file"), Some(12_345), Some(23_456)).unwrap();
    bench.apply(vec![write("file", "x")]).unwrap();
    let now = bench.path("ws/file").metadata().unwrap();
    assert_eq!((now.uid(), now.gid()), (12_345, 23_456));
}

/// Takes the right to give files away from this thread, also if it is root's.
fn as_one_who_gives_nothing_away<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let without_right = move || {
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::CHOWN);
        rustix::thread::set_capabilities(None, sets).unwrap();
        act()
    };
    std::thread::spawn(without_right).join().unwrap()
}

/// What a file of this mode becomes when it is replaced, and what got lost.
fn replaced(bench: &Bench, group: Option<u32>, before: u32) -> (u32, Vec<Lost>) {
    let path = bench.path("ws/file");
    chmod(bench, "ws/file", before);
    as_one_who_gives_nothing_away(move || {
        let model = std::fs::File::open(&path).unwrap();
        let mut found = rustix::fs::fstat(&model).unwrap();
        found.st_gid = group.unwrap_or(found.st_gid);
        let new = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
        let lost = keep(new.as_file().as_fd(), Some(model.as_fd()), &Version::of(found), None).unwrap();
        (new.as_file().metadata().unwrap().mode() & 0o7777, lost)
    })
}

/// A group that no user is in.
const NOBODYS: u32 = 3_999_999_999;

/// What its group could do, ours may not: it is another one.
#[test]
fn a_group_that_cannot_be_kept_has_no_rights_that_not_everybody_has() {
    for bench in Bench::everywhere() {
        for (before, after) in
            [(0o660, 0o600), (0o664, 0o644), (0o674, 0o644), (0o675, 0o655), (0o640, 0o600), (0o604, 0o604)]
        {
            let (mode, lost) = replaced(&bench, Some(NOBODYS), before);
            assert_eq!(mode, after, "{before:o}");
            assert_eq!(lost, [Lost::Owner], "{before:o}");
            // The same file in a group that is ours.
            assert_eq!(replaced(&bench, None, before), (before, Vec::new()), "{before:o}");
        }
    }
}

/// The list has a row for that group, too.
#[test]
fn a_list_goes_with_its_group() {
    const ACL: &str = "system.posix_acl_access";
    for bench in Bench::everywhere() {
        let file = bench.path("ws/file");
        if rustix::fs::setxattr(&file, ACL, &list_of_others(), XattrFlags::empty()).is_err() {
            say(&format!("skipped: {} has no such lists", bench.base.display()));
            continue;
        }
        let (mode, lost) = replaced(&bench, Some(NOBODYS), 0o640);
        assert_eq!((mode, lost), (0o600, vec![Lost::Owner, Lost::Attributes(vec![ACL.to_owned()])]));
        assert_eq!(replaced(&bench, None, 0o640).1, []);
    }
}

#[test]
fn a_file_that_its_owner_closed_is_not_written() {
    let bench = Bench::new();
    chmod(&bench, "ws/file", 0o444);
    let judged = bench.judge(vec![write("file", "x")]);
    match rustix::process::geteuid().is_root() {
        true => drop(judged.unwrap()),
        false => assert!(matches!(judged, Err(FileChangeError::NotWritable { .. }))),
    }
}
