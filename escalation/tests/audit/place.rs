//! Where a log may be, and how long its records are.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use escalation::audit::{Audit, AuditError, LineHash, MAX_LINE_BYTES};

use crate::events::{decided, exec, revoked};
use crate::log::{Log, entries, session};

fn refused(log: &Log) -> AuditError {
    let error = Audit::open(log.folder(), session("s")).unwrap_err();
    assert!(!error.help().is_empty());
    error
}

#[test]
fn everything_is_made_for_us_alone() {
    let log = Log::short(1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&log.folder()), 0o700);
    assert_eq!(mode(&log.file()), 0o600);
    // A lock that nobody may open for reading: a command that can read everything cannot hold it.
    assert_eq!(mode(&log.folder().join("audit.lock")), 0o200);
}

#[test]
fn nobody_else_may_write() {
    let log = Log::short(1);
    for (path, good) in [(log.folder(), 0o750), (log.file(), 0o640)] {
        for bad in [0o720, 0o702, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(bad)).unwrap();
            let error = refused(&log);
            assert!(matches!(error, AuditError::Exposed { .. }), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(good)).unwrap();
        assert!(Audit::open(log.folder(), session("s")).is_ok());
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let log = Log::short(1);
    let bytes = log.bytes();
    let elsewhere = log.folder().with_file_name("elsewhere");
    for name in ["audit.jsonl", "audit.lock"] {
        let path = log.folder().join(name);
        fs::remove_file(&path).unwrap();
        fs::write(&elsewhere, "").unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(matches!(refused(&log), AuditError::WrongKind { .. }), "{name}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(refused(&log), AuditError::WrongKind { .. }), "{name}");
        fs::remove_dir(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(refused(&log), AuditError::WrongKind { .. }), "{name}");
        fs::remove_file(&path).unwrap();
        assert_eq!(fs::read(&elsewhere).unwrap(), b"");
    }
    log.set(&bytes);
    fs::set_permissions(log.file(), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(log.open().record(&revoked(2)).unwrap().seq, 2);
    fs::rename(log.folder(), elsewhere.with_extension("folder")).unwrap();
    symlink(elsewhere.with_extension("folder"), log.folder()).unwrap();
    assert!(matches!(refused(&log), AuditError::WrongKind { .. }));
    fs::remove_file(log.folder()).unwrap();
    fs::write(log.folder(), "").unwrap();
    assert!(matches!(refused(&log), AuditError::WrongKind { .. }));
}

/// Only root can make a file that belongs to somebody else.
#[test]
fn a_log_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let log = Log::short(1);
    for path in [log.file(), log.folder()] {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert!(matches!(refused(&log), AuditError::NotOurs { owner: 65534, .. }));
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    assert!(Audit::open(log.folder(), session("s")).is_ok());
}

#[test]
fn a_log_that_was_moved_away_is_begun_anew() {
    let log = Log::new();
    let audit = log.open();
    assert_eq!(audit.record(&revoked(1)).unwrap().seq, 1);
    assert_eq!(audit.record(&revoked(2)).unwrap().seq, 2);
    fs::rename(log.folder(), log.folder().with_extension("old")).unwrap();
    assert_eq!(audit.record(&revoked(3)).unwrap().seq, 1);
    fs::remove_file(log.file()).unwrap();
    assert_eq!(audit.record(&revoked(4)).unwrap().seq, 1);
    assert_eq!(log.verify().broken, None);
    assert_eq!(entries(&log.folder().with_extension("old")).len(), 2);
}

#[test]
fn long_records_are_cut_where_it_shows() {
    let log = Log::new();
    let audit = log.open();
    let long = "ab\"\n".repeat(100_000);
    let many = vec!["word"; 50_000];
    for argv in [vec!["git", long.as_str()], many, vec![&long[..600]; 600]] {
        assert!(audit.record(&decided(exec(&argv))).is_ok());
    }
    assert_eq!(log.verify().broken, None);
    for entry in entries(&log.folder()) {
        assert!(entry.text.len() < MAX_LINE_BYTES, "{}", entry.text.len());
        let cut = entry.record.unwrap().cut.unwrap();
        assert!(cut.bytes > 300_000 || cut.items > 500, "{cut:?}");
        assert!(cut.bytes == 0 || entry.text.contains(" bytes cut] …"));
        assert!(cut.sha256.is_some() && cut.argv_sha256.is_some());
    }
    // A record that is nearly too long is whole.
    let fits = "a".repeat(MAX_LINE_BYTES - 4096);
    assert!(audit.record(&decided(exec(&["git", &fits]))).is_ok());
    let last = entries(&log.folder()).pop().unwrap();
    assert!(last.record.unwrap().cut.is_none() && last.text.contains(&fits));
}

#[test]
fn what_is_cut_keeps_its_ends_and_a_digest_of_the_whole() {
    let log = Log::new();
    let audit = log.open();
    let record = |script: &str| {
        assert!(audit.record(&decided(exec(&["sh", "-c", script, "--password", script, "last"]))).is_ok());
        let text = entries(&log.folder()).pop().unwrap().text;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let middle = "true; ".repeat(40_000);
    let one = record(&format!("first; {middle} rm -rf here"));
    let argv = &one["about"]["argv"];
    let script = argv[2].as_str().unwrap();
    assert!(script.starts_with("first; true;") && script.ends_with("true;  rm -rf here"), "{script}");
    assert_eq!((&argv[4], &argv[5]), (&"[redacted]".into(), &"last".into()));
    // What the kernel shows of a process has the same form: words that end in a zero byte.
    let whole = format!("sh\0-c\0first; {middle} rm -rf here\0--password\0[redacted]\0last\0");
    assert_eq!(one["cut"]["argvSha256"], LineHash::of(whole.as_bytes()).to_string());
    // A change where it was cut shows.
    let other = record(&format!("first; {middle} ").replacen("true; true", "true; evil", 3));
    assert_ne!(one["cut"]["argvSha256"], other["cut"]["argvSha256"]);

    assert!(audit.record(&decided(exec(&vec!["word"; 50_000]))).is_ok());
    let text = entries(&log.folder()).pop().unwrap().text;
    assert!(text.contains("\"word\",\"… [49744 words cut] …\",\"word\""), "{text}");
}

#[test]
fn a_path_that_is_not_text_is_no_record() {
    use std::os::unix::ffi::OsStrExt;
    let log = Log::new();
    let cwd = policies::AbsolutePath::parse(std::ffi::OsStr::from_bytes(b"/a\xff")).unwrap();
    let about = escalation::audit::About::Unresolved { argv: vec![], cwd };
    let error = log.open().record(&decided(about)).unwrap_err();
    assert!(matches!(error, AuditError::Unwritable { .. }), "{error}");
    assert_eq!(log.bytes(), b"");
}

/// A reader can take a lease, and is told to give it up when a session opens the log.
#[test]
fn a_lease_on_the_log_is_waited_for() {
    const HOLDER: &str = "import fcntl, os, signal, sys\n\
        f = os.open(sys.argv[1], os.O_RDONLY)\n\
        give_up = lambda *_: fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_UNLCK)\n\
        signal.signal(signal.SIGIO, give_up)\n\
        fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_RDLCK)\n\
        print('held', flush=True)\n\
        sys.stdin.read()";
    let log = Log::short(1);
    #[expect(clippy::disallowed_methods, reason = "another process has to hold the lease")]
    let mut holder = Command::new("python3")
        .args(["-c", HOLDER])
        .arg(log.file())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    assert_eq!(log.open().record(&revoked(2)).unwrap().seq, 2);
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}
