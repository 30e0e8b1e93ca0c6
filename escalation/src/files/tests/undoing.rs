//! A patch that cannot be applied whole changes nothing.

use std::os::unix::fs::symlink;

use super::super::apply::{Way, fail_after, replace_late};
use super::*;

/// Every file and link in a folder, with what it holds.
fn snapshot(bench: &Bench) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    let mut folders = vec![bench.base.clone()];
    while let Some(folder) = folders.pop() {
        all.push((folder.clone(), String::new()));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.symlink_metadata().unwrap().file_type() {
                kind if kind.is_dir() => folders.push(path),
                kind if kind.is_symlink() => {
                    all.push((path.clone(), path.read_link().unwrap().display().to_string()));
                }
                _ => all.push((path.clone(), std::fs::read_to_string(&path).unwrap())),
            }
        }
    }
    all.sort_unstable();
    all
}

/// Steps of every kind; the file `z` comes last.
fn patch() -> Vec<FileChange> {
    vec![
        write("a/b/new", "1"),
        write("a/new", "2"),
        delete("deleted"),
        write("file", "3"),
        rename("moved", "m", None),
        rename("over", "under", None),
        rename("rewritten", "r", Some("4")),
        write("z", "5"),
    ]
}

fn bench() -> Bench {
    let bench = Bench::new();
    for name in ["deleted", "moved", "over", "under", "rewritten", "z"] {
        std::fs::write(bench.path("ws").join(name), name).unwrap();
    }
    bench
}

#[test]
fn what_changed_since_it_was_judged_is_left_alone() {
    type Meddle = fn(&Bench);
    let meddles: [(&str, Meddle); 10] = [
        ("content of the same length, at the same time", |bench| {
            let file = std::fs::File::options().write(true).open(bench.path("ws/z")).unwrap();
            let time = file.metadata().unwrap().modified().unwrap();
            std::io::Write::write_all(&mut &file, b"Z").unwrap();
            file.set_modified(time).unwrap();
        }),
        ("other content", |bench| std::fs::write(bench.path("ws/z"), "edited").unwrap()),
        ("content of the same length", |bench| std::fs::write(bench.path("ws/z"), "Z").unwrap()),
        ("another file", |bench| {
            std::fs::write(bench.path("ws/z2"), "z").unwrap();
            std::fs::rename(bench.path("ws/z2"), bench.path("ws/z")).unwrap();
        }),
        ("no file", |bench| std::fs::remove_file(bench.path("ws/z")).unwrap()),
        ("a link", |bench| {
            std::fs::remove_file(bench.path("ws/z")).unwrap();
            symlink("../out/victim", bench.path("ws/z")).unwrap();
        }),
        ("a folder", |bench| {
            std::fs::remove_file(bench.path("ws/z")).unwrap();
            std::fs::create_dir(bench.path("ws/z")).unwrap();
        }),
        ("a new file taken", |bench| std::fs::write(bench.path("ws/r"), "theirs").unwrap()),
        ("a new folder taken", |bench| {
            std::fs::create_dir_all(bench.path("ws/a/b")).unwrap();
        }),
        ("a new folder taken by a link", |bench| symlink("../out", bench.path("ws/a")).unwrap()),
    ];
    for (name, meddle) in meddles {
        let bench = bench();
        let judged = bench.judge(patch()).unwrap();
        meddle(&bench);
        let before = snapshot(&bench);
        let error = apply(judged).expect_err(name);
        assert!(matches!(error.cause, Cause::Changed { .. }), "{name}: {error:?}");
        assert_eq!(error.in_place, [], "{name}");
        assert_eq!(snapshot(&bench), before, "{name}");
        assert!(!error.help().is_empty());
    }
}

#[test]
fn the_folder_is_the_one_that_was_judged() {
    for is_link in [false, true] {
        let bench = Bench::new();
        let judged = bench.judge(vec![write("src/new", "x")]).unwrap();
        std::fs::rename(bench.path("ws/src"), bench.path("ws/src2")).unwrap();
        match is_link {
            true => symlink("../out", bench.path("ws/src")).unwrap(),
            false => std::fs::create_dir(bench.path("ws/src")).unwrap(),
        }
        let before = snapshot(&bench);
        let error = apply(judged).unwrap_err();
        assert!(matches!(error.cause, Cause::Changed { .. }), "{error:?}");
        assert_eq!(snapshot(&bench), before);
    }
}

/// The folder that was judged is still there, under another name.
#[test]
fn the_workspace_is_where_it_was_judged() {
    let bench = Bench::new();
    let judged = bench.judge(vec![write("src/new", "x")]).unwrap();
    std::fs::rename(bench.path("ws"), bench.path("ws2")).unwrap();
    std::fs::create_dir_all(bench.path("ws/src")).unwrap();
    let before = snapshot(&bench);
    let error = apply(judged).unwrap_err();
    assert!(matches!(error.cause, Cause::Changed { .. }), "{error:?}");
    assert_eq!(snapshot(&bench), before);
}

#[test]
fn the_workspace_is_the_one_that_was_judged() {
    let bench = Bench::new();
    let judged = bench.judge(vec![write("file", "x")]).unwrap();
    std::fs::rename(bench.path("ws"), bench.path("ws2")).unwrap();
    symlink("ws2", bench.path("ws")).unwrap();
    let error = apply(judged).unwrap_err();
    assert!(matches!(error.cause, Cause::Changed { .. }), "{error:?}");
    assert_eq!(bench.read("ws2/file"), "old");
}

/// Each step of a patch is made to fail in turn, after those before it were done.
#[test]
fn every_step_is_undone() {
    let bench = bench();
    let before = snapshot(&bench);
    for last in 0..=patch().len() {
        let judged = bench.judge(patch()).unwrap();
        let error = fail_after(judged, last, || ());
        assert_eq!(error.in_place, [], "{last}");
        assert_eq!(snapshot(&bench), before, "{last}");
    }
    apply(bench.judge(patch()).unwrap()).unwrap();
}

#[test]
fn what_somebody_writes_over_ours_is_theirs_and_named() {
    let bench = Bench::new();
    let judged = bench.judge(vec![write("file", "ours"), write("z", "x")]).unwrap();
    let path = bench.path("ws/file");
    let error = fail_after(judged, 1, || {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
    });
    assert_eq!(bench.read("ws/file"), "theirs");
    let [left] = error.in_place.as_slice() else { panic!("{error:?}") };
    assert_eq!(left.path, bench.absolute("ws/file"));
    let kept = left.kept_as.as_ref().unwrap();
    assert_eq!(std::fs::read_to_string(kept.as_path()).unwrap(), "old");
    assert!(error.help().contains(&kept.to_string()), "{}", error.help());
    assert!(error.to_string().contains("could not be put back"), "{error}");
}

/// As above, with more files than are held without a name.
#[test]
fn large_patches_are_undone() {
    let bench = Bench::new();
    for number in 0..200 {
        std::fs::write(bench.path(&format!("ws/src/{number}")), number.to_string()).unwrap();
    }
    let before = snapshot(&bench);
    for last in [0, 1, 250, 400] {
        let patch = (0..400).map(|number| write(format!("src/{number}"), "new")).collect();
        let error = fail_after(bench.judge(patch).unwrap(), last, || ());
        assert_eq!(error.in_place, [], "{last}");
        assert_eq!(snapshot(&bench), before, "{last}");
    }
}

#[test]
fn both_ways_of_replacing_can_be_undone() {
    for way in [Way::Exchange, Way::Overwrite] {
        for bench in Bench::everywhere() {
            let before = snapshot(&bench);
            let judged = || bench.judge(vec![write("file", "new")]).unwrap();
            assert_eq!(replace_late(judged(), way, || ()).unwrap().undo(), []);
            assert_eq!(snapshot(&bench), before, "{way:?}");
            assert_eq!(replace_late(judged(), way, || ()).unwrap().finish(), []);
            assert_eq!(bench.read("ws/file"), "new", "{way:?}");
            assert_eq!(bench.names("ws"), [".git", "file", "secret", "src"], "{way:?}");
        }
    }
}

/// Between the last look at a file and the call that replaces it.
#[test]
fn what_takes_the_place_of_a_file_at_the_last_moment_comes_back() {
    type Meddle = fn(&Bench);
    let meddles: [(&str, Meddle); 4] = [
        ("a link", |bench| symlink("../out/victim", bench.path("ws/file")).unwrap()),
        ("a folder", |bench| std::fs::create_dir(bench.path("ws/file")).unwrap()),
        ("a file", |bench| std::fs::write(bench.path("ws/file"), "theirs").unwrap()),
        ("another name", |bench| {
            std::fs::hard_link(bench.path("out/victim"), bench.path("ws/file")).unwrap()
        }),
    ];
    for way in [Way::Exchange, Way::Overwrite] {
        for (name, meddle) in meddles {
            let bench = Bench::new();
            let judged = bench.judge(vec![write("file", "new")]).unwrap();
            let mut meddled = Vec::new();
            let done = replace_late(judged, way, || {
                std::fs::remove_file(bench.path("ws/file")).unwrap();
                meddle(&bench);
                meddled = snapshot(&bench);
            });
            done.expect_err(name);
            meddled.retain(|(path, _)| {
                !path.file_name().unwrap().to_str().unwrap().starts_with(".codex-patch-")
            });
            assert_eq!(snapshot(&bench), meddled, "{way:?} {name}");
        }
    }
}

/// The first file is written by then.
#[test]
fn a_folder_that_takes_no_files_stops_the_patch() {
    if rustix::process::geteuid().is_root() {
        say("skipped: root writes to every folder");
        return;
    }
    let bench = Bench::new();
    let closed = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o555);
    std::fs::set_permissions(bench.path("ws/src"), closed).unwrap();
    let before = snapshot(&bench);
    let error = bench.apply(vec![write("file", "new"), write("src/new", "new")]).unwrap_err();
    assert!(matches!(error.cause, Cause::System { .. }), "{error:?}");
    assert_eq!(snapshot(&bench), before);
}
