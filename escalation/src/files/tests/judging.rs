//! A path is judged by where it leads, whatever it looks like.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode};

use super::*;

/// Links and special files for the tables below.
fn bench() -> Bench {
    let bench = Bench::new();
    for (target, link) in [
        ("../out/victim", "ws/to_victim"),
        ("../out", "ws/to_out"),
        ("src", "ws/to_src"),
        ("../ws", "out/to_ws"),
        ("secret", "ws/to_secret"),
        (".git", "ws/to_git"),
        ("gone", "ws/dangling"),
        ("../out/gone", "ws/dangling_out"),
        ("secret/gone", "ws/dangling_secret"),
        ("gone/gone/file", "ws/dangling_deep"),
        ("loop", "ws/loop"),
        ("file", "ws/to_file"),
        ("/proc/self/root", "ws/to_proc"),
        ("/dev/null", "ws/to_null"),
    ] {
        symlink(target, bench.path(link)).unwrap();
    }
    rustix::fs::mknodat(CWD, bench.path("ws/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    drop(UnixListener::bind(bench.path("ws/socket")).unwrap());
    std::fs::hard_link(bench.path("out/victim"), bench.path("ws/hard")).unwrap();
    bench
}

#[test]
fn writing_is_judged_where_it_leads() {
    let bench = bench();
    let rows = [
        // As spelled, where it leads, whether that is inside.
        ("file", "ws/file", true),
        ("./src/../file", "ws/file", true),
        ("new", "ws/new", true),
        ("a/b/c", "ws/a/b/c", true),
        ("../ws/file", "ws/file", true),
        ("../out/victim", "out/victim", false),
        ("../out/new", "out/new", false),
        ("../out/new/deep", "out/new/deep", false),
        ("to_victim", "out/victim", false),
        ("to_out/new", "out/new", false),
        // `..` is taken where the link leads, not where it lies.
        ("to_out/../ws/file", "ws/file", true),
        ("to_src/../file", "ws/file", true),
        ("to_out/../file", "file", false),
        ("to_src/new", "ws/src/new", true),
        ("../out/to_ws/new", "ws/new", true),
        (".git/config", "ws/.git/config", false),
        (".git/hooks/pre-commit", "ws/.git/hooks/pre-commit", false),
        ("to_git/config", "ws/.git/config", false),
        ("dangling", "ws/gone", true),
        ("dangling_out", "out/gone", false),
        ("dangling_deep", "ws/gone/gone/file", true),
        ("to_file", "ws/file", true),
        ("hard", "ws/hard", true),
        ("../missing_root/file", "missing_root/file", false),
    ];
    for (spelled, leads_to, is_inside) in rows {
        let judged =
            bench.judge(vec![write(spelled, "x")]).unwrap_or_else(|error| panic!("{spelled}: {error}"));
        assert_eq!(judged.paths(), [bench.absolute(leads_to)], "{spelled}");
        let outside: &[_] = if is_inside { &[] } else { judged.paths() };
        assert_eq!(judged.outside(), outside, "{spelled}");
    }
}

#[test]
fn what_no_answer_opens_is_refused() {
    use FileChangeError as E;
    type Expected = fn(&E) -> bool;
    let bench = bench();
    let rows: [(&str, Expected); 30] = [
        ("secret/key", |e| matches!(e, E::Denied { .. })),
        ("secret/new/key", |e| matches!(e, E::Denied { .. })),
        ("to_secret/key", |e| matches!(e, E::Denied { .. })),
        ("to_out/../ws/secret/key", |e| matches!(e, E::Denied { .. })),
        ("dangling_secret", |e| matches!(e, E::Denied { .. })),
        ("", |e| matches!(e, E::InvalidPath { .. })),
        (".", |e| matches!(e, E::InvalidPath { .. })),
        ("..", |e| matches!(e, E::InvalidPath { .. })),
        ("/", |e| matches!(e, E::InvalidPath { .. })),
        ("new/", |e| matches!(e, E::InvalidPath { .. })),
        ("file/.", |e| matches!(e, E::InvalidPath { .. })),
        ("to_src/", |e| matches!(e, E::InvalidPath { .. })),
        ("nul\0byte", |e| matches!(e, E::InvalidPath { .. })),
        ("src", |e| matches!(e, E::NotAFile { kind: FileKind::Folder, .. })),
        ("to_src", |e| matches!(e, E::NotAFile { kind: FileKind::Folder, .. })),
        ("fifo", |e| matches!(e, E::NotAFile { kind: FileKind::Fifo, .. })),
        ("socket", |e| matches!(e, E::NotAFile { kind: FileKind::Socket, .. })),
        ("to_null", |e| matches!(e, E::Special { .. })),
        ("file/below", |e| matches!(e, E::BelowFile { .. })),
        ("to_file/below", |e| matches!(e, E::BelowFile { .. })),
        ("fifo/below", |e| matches!(e, E::BelowFile { .. })),
        ("loop", |e| matches!(e, E::Unresolved { .. })),
        ("loop/below", |e| matches!(e, E::Unresolved { .. })),
        ("gone/../file", |e| matches!(e, E::Unresolved { .. })),
        ("/proc/self/comm", |e| matches!(e, E::Special { .. })),
        ("/proc/self/cwd/file", |e| matches!(e, E::Special { .. })),
        ("to_proc/etc/passwd", |e| matches!(e, E::Special { .. })),
        ("/sys/kernel/x", |e| matches!(e, E::Special { .. })),
        ("/dev/null", |e| matches!(e, E::Special { .. })),
        ("/dev/stdout", |e| matches!(e, E::Special { .. })),
    ];
    for (spelled, is_expected) in rows {
        let error = bench.judge(vec![write(spelled, "x")]).expect_err(spelled);
        assert!(is_expected(&error), "{spelled}: {error:?}");
        assert!(!error.to_string().contains(['\n', '\0']) && !error.help().is_empty(), "{error}");
        // One refused path refuses the patch.
        assert!(bench.judge(vec![write("new", "x"), write(spelled, "x")]).is_err(), "{spelled}");
    }
}

/// Policy may open a place in a folder that is missing, and whose parent it does not open.
#[test]
fn the_folders_on_the_way_are_judged_too() {
    let mut bench = Bench::new();
    bench.zones.0.push((bench.absolute("out/made/deep"), Access::Write));
    bench.zones.0.push((bench.absolute("ws/shut"), Access::Deny));
    bench.zones.0.push((bench.absolute("ws/shut/open"), Access::Write));
    let judge = |path: &str| bench.judge(vec![write(path, "x")]);
    assert_eq!(judge("../out/made/deep/new").unwrap().outside().len(), 1);
    assert!(matches!(judge("shut/open/new"), Err(FileChangeError::Denied { .. })));
    std::fs::create_dir_all(bench.path("out/made/deep")).unwrap();
    std::fs::create_dir_all(bench.path("ws/shut/open")).unwrap();
    assert_eq!(judge("../out/made/deep/new").unwrap().outside().len(), 0);
    assert_eq!(judge("shut/open/new").unwrap().outside().len(), 0);
    apply(judge("../out/made/deep/new").unwrap()).unwrap();
    assert_eq!(bench.read("out/made/deep/new"), "x");
}

#[test]
fn long_names_and_names_without_text_are_refused() {
    let bench = bench();
    let rows = [
        "a".repeat(256).into(),
        format!("gone/{}", "a".repeat(256)).into(),
        "a/".repeat(2048).into(),
        format!("{}a", "a/".repeat(2047)).into(),
        std::ffi::OsString::from_vec(b"\xff".to_vec()),
    ];
    for spelled in rows {
        bench.judge(vec![write(&spelled, "x")]).expect_err("it cannot be put on record");
    }
    bench.judge(vec![write("a".repeat(255), "x")]).unwrap();
}

#[test]
fn deleting_is_about_the_name() {
    let bench = bench();
    for (spelled, leads_to, is_inside) in [
        ("file", "ws/file", true),
        // Only the link goes away.
        ("to_victim", "ws/to_victim", true),
        ("dangling_secret", "ws/dangling_secret", true),
        ("to_out/victim", "out/victim", false),
        (".git/config", "ws/.git/config", false),
    ] {
        std::fs::write(bench.path("ws/.git/config"), "").unwrap();
        let judged = bench.judge(vec![delete(spelled)]).unwrap();
        assert_eq!(judged.paths(), [bench.absolute(leads_to)], "{spelled}");
        assert_eq!(judged.outside().is_empty(), is_inside, "{spelled}");
    }
    for spelled in ["gone", "src", "fifo", "secret/key", "to_out/gone", "to_src/"] {
        bench.judge(vec![delete(spelled)]).expect_err(spelled);
    }
}

#[test]
fn renaming_is_judged_at_both_ends() {
    let bench = bench();
    for (from, to, outside) in [
        ("file", "new", &[][..]),
        ("file", "to_out/new", &["out/new"]),
        ("to_out/victim", "new", &["out/victim"]),
        ("file", ".git/hooks/pre-commit", &["ws/.git/hooks/pre-commit"]),
        ("file", "to_victim", &["out/victim"]),
    ] {
        let judged = bench.judge(vec![rename(from, to, None)]).unwrap();
        let outside: Vec<_> = outside.iter().map(|name| bench.absolute(name)).collect();
        assert_eq!(judged.outside(), outside, "{from} {to}");
        assert_eq!(judged.paths().len(), 2);
    }
    for (from, to) in [
        ("gone", "new"),
        ("file", "secret/new"),
        ("to_file", "new"),
        ("file", "src"),
        ("file", "file"),
        ("src", "new"),
    ] {
        bench.judge(vec![rename(from, to, None)]).expect_err(from);
    }
}

#[test]
fn one_file_is_changed_once() {
    use FileChangeError as E;
    let bench = bench();
    for (one, other) in [
        (write("file", "1"), write("./file", "2")),
        (write("file", "1"), write("to_file", "2")),
        (write("dangling", "1"), write("gone", "2")),
        (write("file", "1"), delete("file")),
        (delete("file"), rename("../ws/file", "new", None)),
        (rename("file", "new", None), write("new", "2")),
    ] {
        let error = bench.judge(vec![one, other]).unwrap_err();
        assert!(matches!(error, E::Twice { .. }), "{error}");
    }
    for (one, other) in [(write("a", "1"), write("a/b", "2")), (write("a/b/c", "1"), write("a", "2"))] {
        let error = bench.judge(vec![one, other]).unwrap_err();
        assert!(matches!(error, E::Overlapping { .. }), "{error}");
    }
    // Neighbours, and a link beside what it leads to, are different files.
    bench.judge(vec![write("a/b", "1"), write("a/b2", "2"), write("file", "3"), delete("to_file")]).unwrap();
}

#[test]
fn a_file_with_other_names_is_named() {
    let bench = bench();
    let judged = bench.judge(vec![write("hard", "x"), write("file", "x")]).unwrap();
    assert_eq!(judged.hard_linked(), [HardLinked { path: bench.absolute("ws/hard") }]);
}

#[test]
fn patches_have_limits() {
    use FileChangeError as E;
    let bench = bench();
    assert!(matches!(bench.judge(Vec::new()), Err(E::Empty)));
    let many = |count: usize| (0..count).map(|number| write(format!("n{number}"), "")).collect::<Vec<_>>();
    assert_eq!(bench.judge(many(MAX_CHANGES)).unwrap().paths().len(), MAX_CHANGES);
    assert!(matches!(bench.judge(many(MAX_CHANGES + 1)), Err(E::TooMany { count: 1_001 })));
    let large = |bytes: usize| {
        let action = Action::Write { content: vec![0; bytes], mode: None };
        vec![FileChange { path: "new".into(), action }, rename("file", "other", Some("x"))]
    };
    assert!(bench.judge(large(MAX_BYTES - 1)).is_ok());
    assert!(matches!(bench.judge(large(MAX_BYTES)), Err(E::TooLarge)));
}

#[test]
fn the_digest_is_about_what_happens() {
    let bench = bench();
    let digest = |changes| bench.judge(changes).unwrap().digest().to_owned();
    let mode = |mode| FileChange {
        path: "file".into(),
        action: Action::Write { content: b"x".to_vec(), mode: Some(mode) },
    };
    let base = digest(vec![write("file", "x"), write("new", "y")]);
    assert_eq!(base.len(), 64);
    assert_eq!(base, digest(vec![write("src/../new", "y"), write("to_file", "x")]));
    assert_eq!(digest(vec![mode(0o755)]), digest(vec![mode(0o100_777)]), "only the executable bits matter");
    let others = [
        vec![write("file", "x")],
        vec![write("file", "x"), write("new", "z")],
        vec![write("file", "xy"), write("new", "")],
        vec![write("file", "y"), write("new", "x")],
        vec![mode(0o644)],
        vec![mode(0o755)],
        vec![delete("file")],
        vec![rename("file", "new", None)],
        vec![rename("file", "new", Some(""))],
        vec![rename("file", "new", Some("x"))],
    ];
    let digests: std::collections::BTreeSet<_> = others.into_iter().map(digest).chain([base]).collect();
    assert_eq!(digests.len(), 11);
}

#[test]
fn a_root_for_the_session_is_judged_alike() {
    let bench = bench();
    let root = |spelled: &str| resolve_root(Path::new(spelled), &bench.absolute("ws"), &bench.zones);
    for (spelled, leads_to, standing) in [
        ("src/", "ws/src", Standing::Inside),
        (".", "ws", Standing::Inside),
        ("to_out", "out", Standing::Outside),
        ("..", "", Standing::Outside),
        (".git", "ws/.git", Standing::Outside),
    ] {
        let judged = root(spelled).unwrap();
        assert_eq!(judged, GrantRoot { path: bench.absolute(leads_to), standing }, "{spelled}");
    }
    for spelled in
        ["gone", "file", "to_secret", "secret", "dangling", "/proc/self", "to_proc", "/dev", "loop", ""]
    {
        root(spelled).expect_err(spelled);
    }
}

#[test]
fn messages_show_what_they_are_about() {
    let bench = bench();
    let error = bench.judge(vec![write("a\x1b[2J\u{202e}\n/", "x")]).unwrap_err().to_string();
    assert!(!error.contains(['\x1b', '\u{202e}', '\n']), "{error}");
    let error = bench.judge(vec![write("secret/key", "x")]).unwrap_err();
    let place = bench.path("ws/secret/key");
    assert_eq!(error.to_string(), format!("refused to change `{}`: policy denies it", place.display()));
}
