//! What a session remembers on the disk: found again, taken back by another process, never lost, never believed when
//! somebody else could have written it.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that starts itself as another process"
)]

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use escalation::memory::{GrantId, Memory, MemoryError, NewGrant, Stores, What};
use escalation::subject::SubjectKind;
use escalation::{Key, SessionId, Terms, TurnId};
use policies::{AbsolutePath, AdditionalPermissions, GrantScope};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("approvals")
    }

    fn file(&self) -> PathBuf {
        self.folder().join("s.json")
    }

    fn open(&self) -> Memory {
        Memory::open(&self.folder(), session())
    }
}

fn session() -> SessionId {
    SessionId::parse("s").unwrap()
}

fn turn() -> TurnId {
    TurnId("turn".to_owned())
}

fn path(text: &str) -> AbsolutePath {
    AbsolutePath::parse(text).unwrap()
}

fn key(number: usize) -> Key {
    Key::try_from(format!("{number:064x}")).unwrap()
}

fn grant(what: What, terms: Terms) -> NewGrant {
    NewGrant { what, label: "git push".to_owned(), scope: GrantScope::Session, turn: turn(), terms }
}

fn plain(number: usize) -> NewGrant {
    grant(What::Key(SubjectKind::Exec, key(number)), Terms::default())
}

fn counted(number: usize, uses: u32) -> NewGrant {
    let terms = Terms { uses: Some(uses), ..Terms::default() };
    grant(What::Key(SubjectKind::Exec, key(number)), terms)
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn remember(memory: &mut Memory, grant: NewGrant) -> GrantId {
    memory.remember(grant, now()).unwrap().unwrap()
}

fn recall(memory: &mut Memory, number: usize) -> Option<GrantId> {
    memory.recall(&key(number), &turn(), &path("/ws"), now())
}

/// Whether a count was used. A lock that others hold for too long is no answer: then it is tried again.
fn uses(memory: &mut Memory, number: usize) -> bool {
    loop {
        if recall(memory, number).is_some() {
            return true;
        }
        let warnings = memory.take_warnings();
        if warnings.is_empty() {
            return false;
        }
        let is_locked = |error| matches!(error, &MemoryError::Locked { .. });
        assert!(warnings.iter().all(is_locked), "{warnings:?}");
    }
}

/// Starts this test as another process, with a role to play; `None` for the user that we are.
fn start(test: &str, folder: &Path, role: &str, user: Option<u32>) -> Child {
    // By this name also a user can start it who may not enter the folders that lead to it.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).stdout(Stdio::null());
    command.env("ROLE", role).env("FOLDER", folder).current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.spawn().unwrap()
}

fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var("ROLE").ok()?, PathBuf::from(std::env::var_os("FOLDER")?)))
}

fn ended_well(mut child: Child) -> bool {
    child.wait().unwrap().success()
}

#[test]
fn a_session_that_is_opened_again_finds_what_it_remembered() {
    let home = Home::new();
    let mut memory = home.open();
    let id = remember(&mut memory, plain(1));
    let of_turn = NewGrant { scope: GrantScope::Turn, ..plain(2) };
    remember(&mut memory, of_turn);
    assert!(recall(&mut memory, 2).is_some());
    drop(memory);
    let mut memory = home.open();
    assert_eq!(recall(&mut memory, 1), Some(id));
    assert_eq!(recall(&mut memory, 2), None, "the turn is on no disk");
    assert!(!std::fs::read_to_string(home.file()).unwrap().contains(&key(2).to_string()));
    let mut other = Memory::open(&home.folder(), SessionId::parse("t").unwrap());
    assert_eq!(recall(&mut other, 1), None, "another session");
    assert!(memory.take_warnings().is_empty());
}

#[test]
fn nobody_else_reads_it_and_nothing_is_left_beside_it() {
    let home = Home::new();
    let mut memory = home.open();
    assert!(!home.folder().exists(), "nothing to remember, nothing made");
    std::fs::create_dir(home.folder()).unwrap();
    std::fs::set_permissions(home.folder(), Permissions::from_mode(0o700)).unwrap();
    std::fs::write(home.folder().join("s.json.new"), "what a crash left").unwrap();
    let id = remember(&mut memory, plain(1));
    assert_eq!(home.file().metadata().unwrap().mode() & 0o7777, 0o600);
    let names = || {
        let entries = home.folder().read_dir().unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["lock", "s.json"]);
    // A sandboxed command of the same user may open it for reading only, and so cannot lock it.
    assert_eq!(home.folder().join("lock").metadata().unwrap().mode() & 0o7777, 0o200);
    memory.revoke(&[id]).unwrap();
    assert_eq!(names(), ["lock"]);

    let home = Home::new();
    remember(&mut home.open(), plain(1));
    assert_eq!(home.folder().metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn what_another_process_revokes_does_not_hold_any_more() {
    const NAME: &str = "what_another_process_revokes_does_not_hold_any_more";
    if let Some((id, folder)) = role() {
        let revoked = Memory::open(&folder, session()).revoke(&[GrantId(id)]).unwrap();
        assert_eq!(revoked.len(), 1);
        return;
    }
    let home = Home::new();
    let mut memory = home.open();
    let (first, second) = (remember(&mut memory, plain(1)), remember(&mut memory, plain(2)));
    assert!(recall(&mut memory, 1).is_some());
    assert!(ended_well(start(NAME, &home.folder(), &first.0, None)));
    assert_eq!(recall(&mut memory, 1), None);
    assert_eq!(recall(&mut memory, 2), Some(second));
    assert_eq!(home.open().revoke(&[GrantId("g0".to_owned())]).unwrap(), [], "an unknown name");
    std::fs::remove_file(home.file()).unwrap();
    assert_eq!(recall(&mut memory, 2), None, "removing the file takes everything back");
}

#[test]
fn processes_that_remember_at_once_lose_nothing() {
    const NAME: &str = "processes_that_remember_at_once_lose_nothing";
    const EACH: usize = 15;
    if let Some((first, folder)) = role() {
        let first: usize = first.parse().unwrap();
        let mut memory = Memory::open(&folder, session());
        for number in first..first + EACH {
            // A slow disk may keep it from us for so long that we are told.
            while let Err(error) = memory.remember(plain(number), now()) {
                assert!(matches!(error, MemoryError::Locked { .. }), "{error}");
            }
        }
        return;
    }
    let home = Home::new();
    let children: Vec<Child> =
        (0..4).map(|child| start(NAME, &home.folder(), &(child * EACH).to_string(), None)).collect();
    assert!(children.into_iter().all(ended_well));
    let mut memory = home.open();
    for number in 0..4 * EACH {
        assert!(recall(&mut memory, number).is_some(), "{number} is lost");
    }
    assert_eq!(memory.list().count(), 4 * EACH);
}

#[test]
fn a_count_is_exact_across_processes() {
    const NAME: &str = "a_count_is_exact_across_processes";
    if let Some((tries, folder)) = role() {
        let mut memory = Memory::open(&folder, session());
        let used = (0..tries.parse().unwrap()).filter(|_| uses(&mut memory, 1)).count();
        let own = folder.join(format!("used-{}", std::process::id()));
        std::fs::write(own, used.to_string()).unwrap();
        return;
    }
    let home = Home::new();
    let mut memory = home.open();
    // The answer itself is one.
    remember(&mut memory, counted(1, 41));
    let children: Vec<Child> = (0..4).map(|_| start(NAME, &home.folder(), "20", None)).collect();
    assert!(children.into_iter().all(ended_well));
    let used: usize = home
        .folder()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("used-"))
        .map(|path| std::fs::read_to_string(path).unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(used, 40);
    assert_eq!(recall(&mut memory, 1), None);
}

#[test]
fn a_patch_uses_all_of_its_grants_or_none() {
    let home = Home::new();
    let mut memory = home.open();
    remember(&mut memory, counted(1, 2));
    remember(&mut memory, counted(2, 2));
    let mut all = |numbers: &[usize]| {
        let keys: Vec<Key> = numbers.iter().map(|number| key(*number)).collect();
        memory.recall_all(&keys, &turn(), &path("/"), now())
    };
    assert_eq!(all(&[1, 2, 3]), None);
    assert_eq!(all(&[]), None, "nothing covers nothing");
    assert_eq!(all(&[1, 2, 1]).unwrap().len(), 2);
    assert_eq!(all(&[1]), None);
    assert_eq!(all(&[2]), None);
}

#[test]
fn permissions_and_roots_are_merged_for_turn_and_session() {
    let permissions = |json: &str| AdditionalPermissions::parse(json).unwrap();
    let home = Home::new();
    let mut memory = home.open();
    let network = What::Permissions(permissions(r#"{"network":{"enabled":true}}"#));
    let files = What::Permissions(permissions(r#"{"fileSystem":{"write":["/w"]}}"#));
    remember(&mut memory, grant(network, Terms::default()));
    remember(&mut memory, NewGrant { scope: GrantScope::Turn, ..grant(files, Terms::default()) });
    let below = Terms { below: Some(path("/ws")), ..Terms::default() };
    remember(&mut memory, grant(What::Root(path("/root-a")), below));
    let held = memory.permissions(&turn(), &path("/"), now());
    assert!(held.network.is_enabled());
    assert_eq!(held.entries.len(), 1);
    let other_turn = TurnId("other".to_owned());
    assert_eq!(memory.permissions(&other_turn, &path("/"), now()).entries, []);
    assert_eq!(memory.roots(&turn(), &path("/ws/x"), now()), [path("/root-a")]);
    assert_eq!(memory.roots(&turn(), &path("/wsx"), now()), []);
    memory.end_turn(&turn());
    assert_eq!(memory.permissions(&turn(), &path("/"), now()).entries, []);
    assert!(home.open().permissions(&turn(), &path("/"), now()).network.is_enabled());
    let uses = Terms { uses: Some(5), ..Terms::default() };
    let error = memory.remember(grant(What::Root(path("/r")), uses), now()).unwrap_err();
    assert!(matches!(error, MemoryError::Uncountable { .. }), "{error}");
}

#[test]
fn what_has_expired_does_not_come_back_with_the_clock() {
    let home = Home::new();
    let mut memory = home.open();
    let start = now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let terms = Terms { expires_after: Some(Duration::from_secs(60)), ..Terms::default() };
    let expiring = grant(What::Key(SubjectKind::Exec, key(1)), terms);
    let mut recall = |seconds| memory.recall(&key(1), &turn(), &path("/"), at(seconds));
    assert_eq!(recall(0), None);
    memory.remember(expiring, at(100)).unwrap().unwrap();
    let mut recall = |seconds| memory.recall(&key(1), &turn(), &path("/"), at(seconds));
    assert_eq!(recall(99), None, "it was given in the future");
    assert!(recall(150).is_some());
    assert_eq!(recall(120), None, "the clock was set back");
    assert!(recall(151).is_some());
    assert_eq!(recall(160), None);
    assert_eq!(recall(151), None);
    assert_eq!(home.open().recall(&key(1), &turn(), &path("/"), at(151)), None);
}

#[test]
fn a_denied_host_stays_denied() {
    let home = Home::new();
    let (mut memory, mut other) = (home.open(), home.open());
    let id = remember(&mut memory, plain(1));
    memory.deny_host("evil.example");
    assert!(other.is_host_denied("Evil.Example."), "another process of the session");
    assert!(!other.is_host_denied("good.example"));
    other.revoke(&[id]).unwrap();
    assert!(home.open().is_host_denied("evil.example"), "revoking grants takes no denial back");
    std::fs::remove_file(home.file()).unwrap();
    assert!(memory.is_host_denied("evil.example"), "it was denied in this process");
    assert!(!home.open().is_host_denied("evil.example"));
    remember(&mut memory, plain(1));
    assert!(home.open().is_host_denied("evil.example"), "and it is written down with the next");
    assert_eq!(home.open().denied_hosts().collect::<Vec<_>>(), ["evil.example"]);
}

#[test]
fn where_commands_could_write_is_never_unlearnt() {
    let home = Home::new();
    let (mut memory, mut other) = (home.open(), home.open());
    memory.opens([path("/opt/a"), path("/opt/a/b")]);
    assert_eq!(other.opened(), [path("/opt/a")], "another process of the session");
    let written = home.file().metadata().unwrap().ino();
    other.opens([path("/opt/a/c")]);
    assert_eq!(home.file().metadata().unwrap().ino(), written, "it is no news");
    assert_eq!(Stores::read(&home.folder()).unwrap().sessions, [], "and nothing that could be taken back");

    let files = AdditionalPermissions::parse(r#"{"fileSystem":{"write":["/opt/c"],"read":["/opt/d"]}}"#);
    let for_turn = grant(What::Permissions(files.unwrap()), Terms::default());
    remember(&mut memory, NewGrant { scope: GrantScope::Turn, ..for_turn });
    memory.end_turn(&turn());
    let short = Terms { expires_after: Some(Duration::ZERO), ..Terms::default() };
    assert_eq!(memory.remember(grant(What::Root(path("/opt/e")), short), now()).unwrap(), None);
    let id = remember(&mut memory, grant(What::Root(path("/opt/f")), Terms::default()));
    assert_eq!(memory.revoke(&[id]).unwrap().len(), 1);
    let all = ["/opt/a", "/opt/c", "/opt/e", "/opt/f"].map(path);
    assert_eq!(home.open().opened(), all);
    assert_eq!(Memory::open(&home.folder(), SessionId::parse("t").unwrap()).opened(), [], "another session");
    std::fs::remove_file(home.file()).unwrap();
    assert_eq!(memory.opened(), all, "this process knows");
    assert_eq!(home.open().opened(), []);
}

#[test]
fn a_place_is_also_where_its_name_leads() {
    let home = Home::new();
    let folder = home.0.path().canonicalize().unwrap();
    symlink("target", folder.join("link")).unwrap();
    std::fs::create_dir(folder.join("target")).unwrap();
    let mut memory = home.open();
    let [link, target] = ["link/new", "target/new"].map(|name| path(folder.join(name).to_str().unwrap()));
    memory.opens([link.clone()]);
    assert_eq!(memory.opened(), [link, target]);
}

#[test]
fn a_file_that_does_not_say_where_commands_could_write_means_everywhere() {
    let home = Home::new();
    let id = remember(&mut home.open(), plain(1));
    let text = std::fs::read_to_string(home.file()).unwrap();
    let (before, _) = text.split_once(",\n  \"places\"").unwrap();
    std::fs::write(home.file(), format!("{before}}}\n")).unwrap();
    let mut memory = home.open();
    assert_eq!(recall(&mut memory, 1), Some(id));
    assert_eq!(memory.opened(), [path("/")]);
}

#[test]
fn what_commands_could_write_takes_room_from_the_oldest_grants() {
    let home = Home::new();
    let mut memory = home.open();
    let long = format!("/{}", "a".repeat(1_000_000));
    remember(
        &mut memory,
        grant(What::Key(SubjectKind::Exec, key(1)), Terms { below: Some(path(&long)), ..Terms::default() }),
    );
    memory.opens((0..900).map(|number| path(&format!("/{number:090}"))));
    assert!(matches!(memory.take_warnings()[..], [MemoryError::Forgot { .. }]));
    let mut memory = home.open();
    assert_eq!((memory.opened().len(), memory.list().count()), (900, 0));
    assert!(memory.take_warnings().is_empty());
    memory.opens((0..200).map(|number| path(&format!("/x{number}"))));
    assert_eq!(memory.opened(), [path("/")]);
    assert!(matches!(memory.take_warnings()[..], [MemoryError::AllOpened]));
}

/// A name, what is done, and what the warning says.
type Hostile = (&'static str, fn(&Home), &'static str);

/// Each does something to the folder of a session that remembers something.
const HOSTILE: &[Hostile] = &[
    (
        "a symlink",
        |home| {
            std::fs::rename(home.file(), home.0.path().join("x")).unwrap();
            symlink(home.0.path().join("x"), home.file()).unwrap();
        },
        "not a regular file",
    ),
    (
        "a folder that is a symlink",
        |home| {
            std::fs::rename(home.folder(), home.0.path().join("x")).unwrap();
            symlink(home.0.path().join("x"), home.folder()).unwrap();
        },
        "not a folder",
    ),
    (
        "a folder in its place",
        |home| {
            std::fs::remove_file(home.file()).unwrap();
            std::fs::create_dir(home.file()).unwrap();
        },
        "not a regular file",
    ),
    (
        "a pipe",
        |home| {
            std::fs::remove_file(home.file()).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, home.file(), rustix::fs::FileType::Fifo, 0o600.into(), 0)
                .unwrap();
        },
        "not a regular file",
    ),
    ("writable by the group", |home| chmod(&home.file(), 0o620), "others may write to it (mode 0620)"),
    ("writable by everybody", |home| chmod(&home.file(), 0o602), "others may write to it (mode 0602)"),
    ("a folder writable by others", |home| chmod(&home.folder(), 0o777), "others may write to it"),
    ("malformed", |home| std::fs::write(home.file(), "{\"version\":1}").unwrap(), "missing field"),
    (
        "cut",
        |home| {
            let text = std::fs::read_to_string(home.file()).unwrap();
            std::fs::write(home.file(), text.trim_end().trim_end_matches('}')).unwrap();
        },
        "it is not what was written",
    ),
    (
        "an unknown field",
        |home| {
            let text = std::fs::read_to_string(home.file()).unwrap();
            std::fs::write(home.file(), text.replace("\"label\"", "\"more\": 1, \"label\"")).unwrap();
        },
        "unknown field",
    ),
    (
        "from a newer version",
        |home| {
            let text = std::fs::read_to_string(home.file()).unwrap();
            std::fs::write(home.file(), text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        },
        "newer version",
    ),
    (
        "of another session",
        |home| {
            let text = std::fs::read_to_string(home.file()).unwrap();
            std::fs::write(home.file(), text.replace("\"s\"", "\"t\"")).unwrap();
        },
        "of the session `t`",
    ),
    (
        "too large",
        |home| {
            let text = std::fs::read_to_string(home.file()).unwrap();
            std::fs::write(home.file(), text + &" ".repeat(1 << 20)).unwrap();
        },
        "more than 1048576 bytes",
    ),
];

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A state that is not believed: no grants, one warning that says what to do, and nothing is changed.
fn refuses(home: &Home, memory: &mut Memory, name: &str, message: &str) {
    let state = || {
        let metadata = std::fs::symlink_metadata(home.file()).unwrap();
        (metadata.ino(), metadata.mtime_nsec(), metadata.size())
    };
    let before = state();
    for _ in 0..3 {
        assert_eq!(recall(memory, 1), None, "{name}");
    }
    let warnings = memory.take_warnings();
    assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
    let warning = warnings.first().unwrap();
    assert!(warning.to_string().contains(message), "{name}: {warning}");
    assert!(!warning.help().is_empty());
    assert!(memory.remember(plain(2), now()).is_err(), "{name}");
    memory.deny_host("evil.example");
    assert!(memory.is_host_denied("evil.example"), "{name}");
    assert_eq!(memory.opened(), [path("/")], "{name}: nobody knows what its commands could write");
    assert_eq!(state(), before, "{name}: it was changed");
}

#[test]
fn what_somebody_else_could_have_written_grants_nothing() {
    for (name, spoil, message) in HOSTILE {
        let home = Home::new();
        remember(&mut home.open(), plain(1));
        assert!(recall(&mut home.open(), 1).is_some());
        let mut running = home.open();
        spoil(&home);
        refuses(&home, &mut home.open(), name, message);
        refuses(&home, &mut running, name, message);
        let stores = Stores::read(&home.folder());
        assert!(stores.is_err() || stores.is_ok_and(|stores| stores.errors.len() == 1), "{name}");
    }
}

#[test]
fn what_is_put_right_is_believed_again() {
    let home = Home::new();
    let mut memory = home.open();
    remember(&mut memory, plain(1));
    chmod(&home.file(), 0o666);
    assert_eq!(recall(&mut memory, 1), None);
    chmod(&home.file(), 0o600);
    assert!(recall(&mut memory, 1).is_some());
}

#[test]
fn what_belongs_to_somebody_else_grants_nothing() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    for whole_folder in [false, true] {
        let home = Home::new();
        let mut memory = home.open();
        remember(&mut memory, plain(1));
        let given = if whole_folder { home.folder() } else { home.file() };
        chown(&given, Some(65534), None).unwrap();
        refuses(&home, &mut memory, "chown", "belongs to the user 65534");
    }
}

/// Root may write everywhere, so this one plays in a process of an ordinary user.
#[test]
fn a_home_that_cannot_be_written_or_read_grants_nothing_more() {
    const NAME: &str = "a_home_that_cannot_be_written_or_read_grants_nothing_more";
    if let Some((_, home)) = role() {
        let folder = home.join("approvals");
        chmod(&home, 0o500);
        let mut memory = Memory::open(&folder, session());
        let error = memory.remember(plain(1), now()).unwrap_err();
        assert!(error.to_string().starts_with("cannot create"), "{error}");
        assert!(memory.take_warnings().is_empty());
        memory.opens([path("/opt/a")]);
        memory.opens([path("/opt/a")]);
        assert_eq!(memory.opened(), [path("/opt/a")], "it holds here");
        let warnings = memory.take_warnings();
        assert!(matches!(warnings[..], [MemoryError::File { action: "create", .. }]), "{warnings:?}");
        chmod(&home, 0o700);
        memory.opens([]);
        assert_eq!(Memory::open(&folder, session()).opened(), [path("/opt/a")], "and is made up for");
        remember(&mut memory, plain(1));
        remember(&mut memory, counted(2, 9));
        chmod(&folder, 0o500);
        assert!(recall(&mut memory, 1).is_some(), "it can be read");
        assert_eq!(recall(&mut memory, 2), None, "and no use can be counted");
        assert!(memory.remember(plain(3), now()).is_err());
        chmod(&folder, 0o000);
        let mut memory = Memory::open(&folder, session());
        assert_eq!(recall(&mut memory, 1), None);
        assert_eq!(memory.take_warnings().len(), 1);
        chmod(&folder, 0o700);
        assert!(recall(&mut memory, 1).is_some());
        return;
    }
    let home = Home::new();
    let user = rustix::process::geteuid().is_root().then_some(65534);
    chown(home.0.path(), user, user).unwrap();
    assert!(ended_well(start(NAME, home.0.path(), "ordinary", user)));
}

fn hold_lock(home: &Home) -> File {
    let held = File::options().write(true).open(home.folder().join("lock")).unwrap();
    held.lock().unwrap();
    held
}

#[test]
fn a_lock_that_somebody_holds_means_a_question_and_no_hang() {
    let home = Home::new();
    let mut memory = home.open();
    remember(&mut memory, plain(1));
    remember(&mut memory, counted(2, 9));
    let held = hold_lock(&home);
    let started = Instant::now();
    assert!(recall(&mut memory, 1).is_some());
    assert_eq!(recall(&mut memory, 2), None);
    assert!(started.elapsed() < Duration::from_secs(60));
    let warnings = memory.take_warnings();
    assert!(matches!(warnings[..], [MemoryError::Locked { .. }]), "{warnings:?}");
    drop(held);
    assert!(recall(&mut memory, 2).is_some());
}

#[test]
fn what_could_not_be_revoked_on_the_disk_does_not_hold_here() {
    let home = Home::new();
    let mut memory = home.open();
    let id = remember(&mut memory, plain(1));
    let held = hold_lock(&home);
    assert!(memory.revoke(&[id]).is_err());
    assert_eq!(recall(&mut memory, 1), None);
    drop(held);
    assert_eq!(recall(&mut memory, 1), None);
    remember(&mut memory, plain(2));
    assert_eq!(recall(&mut home.open(), 1), None, "with the next change it is gone");
}

#[test]
fn all_sessions_are_listed() {
    let home = Home::new();
    assert!(Stores::read(&home.folder()).unwrap().sessions.is_empty());
    for name in ["b", "a"] {
        let mut memory = Memory::open(&home.folder(), SessionId::parse(name).unwrap());
        remember(&mut memory, plain(1));
    }
    DirBuilder::new().mode(0o700).create(home.folder().join("a.b.json")).unwrap();
    std::fs::write(home.folder().join("notes"), "").unwrap();
    std::fs::write(home.folder().join("c.json"), "").unwrap();
    let stores = Stores::read(&home.folder()).unwrap();
    let names: Vec<&str> = stores.sessions.iter().map(|stored| stored.session.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(stores.errors.len(), 1);
}

#[test]
fn nothing_of_an_ephemeral_session_is_written() {
    let mut memory = Memory::ephemeral();
    let id = remember(&mut memory, counted(1, 3));
    assert_eq!(recall(&mut memory, 1), Some(id.clone()));
    assert_eq!(memory.list().count(), 1);
    assert_eq!(recall(&mut memory, 1), Some(id));
    assert_eq!(recall(&mut memory, 1), None);
    memory.deny_host("h");
    assert!(memory.is_host_denied("h"));
}
