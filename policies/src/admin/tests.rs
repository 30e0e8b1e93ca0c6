//! Real files with real modes. Where chown(2) is not for us, a file of somebody else is one that this user owns
//! and another should.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::time::{Duration, Instant};

use super::*;
use crate::test_dir::TestDir;

/// A user who is neither root nor likely to be us.
const STRANGER: u32 = 54_321;

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A trusted folder, whatever the umask.
fn folder(name: &str) -> (TestDir, AdminFolder) {
    let dir = TestDir::new(&format!("admin-{name}"));
    mode(&dir, "", 0o755);
    let folder = AdminFolder::at(AbsolutePath::parse(dir.path("")).unwrap(), me());
    (dir, folder)
}

fn mode(dir: &TestDir, name: &str, mode: u32) {
    fs::set_permissions(dir.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

fn write(dir: &TestDir, name: &str, content: impl AsRef<[u8]>) {
    dir.write(name, content);
    mode(dir, name, 0o644);
}

fn subfolder(dir: &TestDir, name: &str) {
    fs::create_dir(dir.path(name)).unwrap();
    mode(dir, name, 0o755);
}

fn fifo(dir: &TestDir, name: &str) {
    let mode = Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(CWD, dir.path(name), FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn what_only_the_administrator_writes_is_read() {
    let (dir, folder) = folder("ok");
    write(&dir, "a.toml", "a = 1");
    write(&dir, "empty.toml", "");
    let path = dir.path("a.toml");
    assert_eq!(folder.read("a.toml").unwrap(), Some(AdminFile { path, text: "a = 1".to_owned() }));
    assert_eq!(folder.read("empty.toml").unwrap().unwrap().text, "");
}

#[test]
fn what_is_not_there_is_absent() {
    let (dir, folder) = folder("absent");
    assert_eq!(folder.read("a.toml").unwrap(), None);
    assert_eq!(folder.read_all("a.d", ".toml").unwrap(), []);
    for path in [dir.path("nowhere"), dir.path("nowhere/below")] {
        let nowhere = AdminFolder::at(AbsolutePath::parse(path).unwrap(), me());
        assert_eq!(nowhere.read("a.toml").unwrap(), None);
        assert_eq!(nowhere.read_all("a.d", ".toml").unwrap(), []);
    }
    let judged = AdminFolder {
        path: AbsolutePath::parse("/etc/no-such-folder/codex").unwrap(),
        owner: 0,
        above: Above::Judged,
    };
    assert_eq!(judged.read("a.toml").unwrap(), None);
}

#[test]
fn what_others_may_write_is_refused() {
    let (dir, folder) = folder("mode");
    write(&dir, "a.toml", "a = 1");
    let group = rustix::fs::stat(dir.path("a.toml")).unwrap().st_gid;
    for (bits, is_open) in [(0o644, true), (0o444, true), (0o600, true), (0o646, false), (0o642, false)] {
        mode(&dir, "a.toml", bits);
        assert_eq!(folder.read("a.toml").is_ok(), is_open, "{bits:o}");
    }
    let error = folder.read("a.toml").unwrap_err();
    let path = dir.path("a.toml").display().to_string();
    assert_eq!(error.to_string(), format!("refused `{path}`: it is writable by everybody"));
    assert_eq!(error.help(), format!("run `chmod o-w {path}`"));
    mode(&dir, "a.toml", 0o664);
    let is_root_s = group == 0 && rustix::process::geteuid().is_root();
    assert_eq!(folder.read("a.toml").is_ok(), is_root_s, "root's group counts as root");
    if chown(dir.path("a.toml"), None, Some(STRANGER)).is_ok() {
        let error = folder.read("a.toml").unwrap_err();
        assert_eq!(error.to_string(), format!("refused `{path}`: it is writable by group {STRANGER}"));
        assert_eq!(error.help(), format!("run `chmod g-w {path}`"));
    }
}

#[test]
fn root_s_group_counts_as_root_only_where_it_is() {
    for (is_root, groups, expect) in
        [(true, &[0][..], false), (true, &[], false), (false, &[1000], false), (false, &[1000, 0], true)]
    {
        assert_eq!(is_shared(is_root, groups.iter().copied()), expect, "{is_root} {groups:?}");
    }
    let (dir, folder) = folder("shared");
    write(&dir, "a.toml", "");
    mode(&dir, "a.toml", 0o664);
    let (descriptor, path) = (File::open(dir.path("a.toml")).unwrap().into(), dir.path("a.toml"));
    let seen = examine(&descriptor, &path).unwrap();
    if seen.stat.st_gid == 0 {
        assert!(folder.judge(&path, &Seen { is_shared: false, ..seen }).is_ok());
        let seen = examine(&descriptor, &path).unwrap();
        let refused = folder.judge(&path, &Seen { is_shared: true, ..seen });
        assert!(matches!(refused, Err(AdminError::Writable { writer: Writer::Group(0), .. })));
    }
}

#[test]
fn the_folders_have_to_keep_the_promise_too() {
    let (dir, folder) = folder("folder-mode");
    write(&dir, "a.toml", "");
    subfolder(&dir, "a.d");
    write(&dir, "a.d/a.toml", "");
    assert_eq!(folder.read_all("a.d", ".toml").unwrap().len(), 1);
    mode(&dir, "a.d", 0o757);
    assert!(matches!(folder.read_all("a.d", ".toml"), Err(AdminError::Writable { .. })));
    mode(&dir, "a.d", 0o755);
    for bits in [0o757, 0o1777] {
        mode(&dir, "", bits);
        assert!(matches!(folder.read("a.toml"), Err(AdminError::Writable { .. })), "{bits:o}");
        assert!(matches!(folder.read_all("a.d", ".toml"), Err(AdminError::Writable { .. })), "{bits:o}");
        assert!(matches!(folder.read("absent.toml"), Err(AdminError::Writable { .. })), "{bits:o}");
    }
}

/// An access control list as the kernel takes it, with these rights for [`STRANGER`]. linux/posix_acl_xattr.h.
#[cfg(target_os = "linux")]
fn listed(rights: u16) -> Vec<u8> {
    let nobody = u32::MAX;
    let rows: [(u16, u16, u32); 5] =
        [(1, 6, nobody), (2, rights, STRANGER), (4, 4, nobody), (16, rights, nobody), (32, 4, nobody)];
    let row = |(tag, rights, user): (u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &user.to_le_bytes()].concat()
    };
    [2_u32.to_le_bytes().to_vec(), rows.into_iter().flat_map(row).collect()].concat()
}

#[cfg(target_os = "linux")]
#[test]
fn whom_a_list_lets_write_is_noticed_in_root_s_group_too() {
    use rustix::fs::{XattrFlags, setxattr};
    let (dir, folder) = folder("list");
    write(&dir, "a.toml", "");
    subfolder(&dir, "a.d");
    write(&dir, "a.d/a.toml", "");
    let set = |name: &str, kind: &str, rights: u16| {
        setxattr(dir.path(name), format!("system.posix_acl_{kind}"), &listed(rights), XattrFlags::empty())
    };
    if set("a.toml", "access", 4).is_err() {
        // This file system has no lists, so nobody is in one.
        return;
    }
    assert!(folder.read("a.toml").is_ok(), "it lets them read");
    set("a.toml", "access", 6).unwrap();
    let error = folder.read("a.toml").unwrap_err();
    let path = dir.path("a.toml").display().to_string();
    assert_eq!(
        error.to_string(),
        format!("refused `{path}`: it is writable by whom its access control list names")
    );
    assert_eq!(error.help(), format!("run `setfacl -b {path}`"));
    // What new files get is not what may be done with the folder.
    set("a.d", "default", 6).unwrap();
    assert!(folder.read_all("a.d", ".toml").is_ok());
    set("a.d", "access", 7).unwrap();
    assert!(matches!(
        folder.read_all("a.d", ".toml"),
        Err(AdminError::Writable { writer: Writer::Listed, .. })
    ));
}

#[test]
fn what_somebody_else_owns_is_refused() {
    let (dir, folder) = folder("owner");
    write(&dir, "a.toml", "");
    let (refused, path) = if chown(dir.path("a.toml"), Some(STRANGER), None).is_ok() {
        let theirs = AdminFolder { owner: STRANGER, ..folder.clone() };
        assert!(theirs.read("a.toml").is_ok(), "root's folder, their file");
        (folder.read("a.toml").unwrap_err(), dir.path("a.toml"))
    } else if me() == 0 {
        // Root of a namespace without other users, whose own files are good for everybody.
        return;
    } else {
        let theirs = AdminFolder { owner: STRANGER, ..folder };
        (theirs.read("a.toml").unwrap_err(), dir.path(""))
    };
    let AdminError::Owner { path: found, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*found, path);
    assert!(refused.help().starts_with("run `chown "), "{}", refused.help());
    assert_eq!(refused.help().contains("namespace"), me() == 65534);
}

#[test]
fn the_help_names_the_user_namespace_in_which_root_is_nobody() {
    let error = AdminError::Owner { path: "/etc/codex".into(), found: 65534, required: 0 };
    assert_eq!(error.to_string(), "refused `/etc/codex`: it is owned by user 65534, not by root");
    assert!(error.help().contains("user namespace in which root has no number"));
}

#[test]
fn symlinks_are_refused_even_to_good_files() {
    let (dir, folder) = folder("link");
    write(&dir, "a.toml", "");
    symlink("a.toml", dir.path("link.toml")).unwrap();
    symlink("nowhere", dir.path("dangling.toml")).unwrap();
    subfolder(&dir, "a.d");
    symlink("a.d", dir.path("link.d")).unwrap();
    for name in ["link.toml", "dangling.toml"] {
        assert!(matches!(folder.read(name), Err(AdminError::Link { .. })), "{name}");
    }
    assert!(matches!(folder.read_all("link.d", ".toml"), Err(AdminError::Link { .. })));
    let linked = AdminFolder::at(AbsolutePath::parse(dir.path("link.d")).unwrap(), me());
    assert!(matches!(linked.read("a.toml"), Err(AdminError::Link { .. })));
    // Above the folder the caller vouches.
    symlink(dir.path(""), dir.path("self")).unwrap();
    let below = AdminFolder::at(AbsolutePath::parse(dir.path("self/a.d")).unwrap(), me());
    assert!(below.read("a.toml").unwrap().is_none());
}

#[test]
fn folders_above_the_system_folder_are_judged() {
    let above = tempfile::tempdir_in("/tmp").unwrap();
    let below = above.path().join("codex");
    fs::create_dir(&below).unwrap();
    fs::set_permissions(&below, fs::Permissions::from_mode(0o755)).unwrap();
    let vouched = AdminFolder::at(AbsolutePath::parse(&below).unwrap(), me());
    assert!(vouched.read("a.toml").unwrap().is_none());
    let judged = AdminFolder { above: Above::Judged, ..vouched };
    // Everybody may write `/tmp`; in a user namespace nobody may own `/`.
    let error = judged.read("a.toml").unwrap_err();
    let (AdminError::Writable { path, .. } | AdminError::Owner { path, .. }) = &error else {
        panic!("{error}")
    };
    assert!(path.as_path() == Path::new("/tmp") || path.as_path() == Path::new("/"), "{error}");
    let link = above.path().join("link");
    symlink(above.path(), &link).unwrap();
    let linked = AdminFolder {
        path: AbsolutePath::parse(link.join("codex")).unwrap(),
        owner: me(),
        above: Above::Judged,
    };
    assert!(matches!(linked.read("a.toml"), Err(AdminError::Link { .. })));
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let started = Instant::now();
    let (dir, folder) = folder("kind");
    fifo(&dir, "fifo.toml");
    subfolder(&dir, "dir.toml");
    let _socket = std::os::unix::net::UnixListener::bind(dir.path("socket.toml")).unwrap();
    let rows = [("fifo.toml", "a pipe"), ("dir.toml", "a folder"), ("socket.toml", "a socket")];
    for (name, expect) in rows {
        let error = folder.read(name).unwrap_err();
        let AdminError::NotAFile { kind, .. } = error else { panic!("{name}: {error}") };
        assert_eq!(kind, expect, "{name}");
    }
    write(&dir, "file.d", "");
    assert!(matches!(folder.read_all("file.d", ".toml"), Err(AdminError::NotAFolder { kind: "a file", .. })));
    let file = AdminFolder::at(AbsolutePath::parse(dir.path("file.d")).unwrap(), me());
    assert!(matches!(file.read("a.toml"), Err(AdminError::NotAFolder { .. })));
    assert!(matches!(
        AdminFolder::at(AbsolutePath::parse(dir.path("file.d/x")).unwrap(), me()).read("a.toml"),
        Err(AdminError::Read { .. })
    ));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn content_that_is_no_text_is_refused() {
    let (dir, folder) = folder("content");
    let most = usize::try_from(MAX_ADMIN_BYTES).unwrap();
    write(&dir, "most.toml", "#".repeat(most));
    assert_eq!(folder.read("most.toml").unwrap().unwrap().text.len(), most);
    write(&dir, "big.toml", "#".repeat(most + 1));
    write(&dir, "bytes.toml", b"a = 1\n# \xff");
    write(&dir, "nul.toml", "\n\na = '\0'");
    let rows = [
        ("big.toml", "`: it is larger than 1048576 bytes"),
        ("bytes.toml", "`: it is not UTF-8: byte 3 of line 2"),
        ("nul.toml", "`: line 3 contains a NUL byte"),
    ];
    for (name, expect) in rows {
        let error = folder.read(name).unwrap_err();
        assert!(error.to_string().ends_with(expect), "{name}: {error}");
        assert!(!error.help().is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_not_absent() {
    let (dir, folder) = folder("unreadable");
    if me() == 0 {
        // Modes do not bind root.
        return;
    }
    write(&dir, "a.toml", "");
    mode(&dir, "a.toml", 0o000);
    let error = folder.read("a.toml").unwrap_err();
    assert!(error.help().starts_with("run `chmod a+rX "), "{}", error.help());
    for bits in [0o000, 0o600, 0o100] {
        mode(&dir, "", bits);
        assert!(matches!(folder.read("absent.toml"), Err(AdminError::Read { .. })), "{bits:o}");
    }
    mode(&dir, "", 0o755);
    subfolder(&dir, "a.d");
    mode(&dir, "a.d", 0o000);
    assert!(matches!(folder.read_all("a.d", ".toml"), Err(AdminError::Read { .. })));
    mode(&dir, "a.d", 0o755);
}

#[test]
fn a_name_leads_nowhere_else() {
    let (dir, folder) = folder("name");
    write(&dir, "a.toml", "");
    for name in ["", ".", "..", "../a.toml", "/etc/passwd", "./a.toml", "b/a.toml", "a.toml/", "a\0"] {
        assert!(matches!(folder.read(name), Err(AdminError::Name { .. })), "{name:?}");
        assert!(matches!(folder.read_all(name, ".toml"), Err(AdminError::Name { .. })), "{name:?}");
    }
}

#[test]
fn a_folder_is_read_whole_or_not_at_all() {
    let (dir, folder) = folder("all");
    subfolder(&dir, "a.d");
    for name in ["20-b.toml", "10-a.toml", "9.toml", ".hidden.toml", "notes.txt"] {
        write(&dir, &format!("a.d/{name}"), name);
    }
    subfolder(&dir, "a.d/other");
    let read = || folder.read_all("a.d", ".toml");
    let texts: Vec<String> = read().unwrap().into_iter().map(|file| file.text).collect();
    assert_eq!(texts, [".hidden.toml", "10-a.toml", "20-b.toml", "9.toml"]);
    assert_eq!(read().unwrap()[1].path, dir.path("a.d/10-a.toml"));

    let bad = dir.path("a.d/50-bad.toml");
    symlink("10-a.toml", &bad).unwrap();
    assert!(matches!(read(), Err(AdminError::Link { .. })));
    fs::remove_file(&bad).unwrap();
    fs::create_dir(&bad).unwrap();
    assert!(matches!(read(), Err(AdminError::NotAFile { .. })));
    fs::remove_dir(&bad).unwrap();
    fifo(&dir, "a.d/50-bad.toml");
    assert!(matches!(read(), Err(AdminError::NotAFile { .. })));
    fs::remove_file(&bad).unwrap();
    write(&dir, "a.d/50-bad.toml", "");
    mode(&dir, "a.d/50-bad.toml", 0o666);
    assert!(matches!(read(), Err(AdminError::Writable { .. })));
    fs::remove_file(&bad).unwrap();

    for number in 4..MAX_ADMIN_FILES {
        write(&dir, &format!("a.d/{number:03}-more.toml"), "");
    }
    assert_eq!(read().unwrap().len(), MAX_ADMIN_FILES);
    write(&dir, "a.d/more.toml", "");
    assert!(matches!(read(), Err(AdminError::TooMany { .. })));
}

#[test]
fn the_system_folder_is_the_system_s() {
    if std::env::var_os("CODEX_TEST_SYSTEM_FOLDER").is_some() {
        return;
    }
    let system = AdminFolder::system();
    assert!(system.path().as_path().ends_with("etc/codex"));
    assert_eq!((system.owner, system.above), (0, Above::Judged));
}
