//! Whoever exchanges files and folders while a patch is judged and applied redirects nothing.

use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags};

use super::*;

/// How long each race runs.
const RACE: Duration = Duration::from_millis(600);

/// Keeps exchanging two names while patches are applied to the workspace. The folder beside it never changes.
fn race(bench: &Bench, one: &str, other: &str, patch: impl Fn(usize) -> Vec<FileChange>) {
    let (one, other) = (bench.path(one), bench.path(other));
    let victim = || {
        let stat = bench.path("out/victim").metadata().unwrap();
        (
            stat.ino(),
            stat.ctime(),
            stat.ctime_nsec(),
            stat.nlink(),
            bench.read("out/victim"),
            bench.names("out"),
        )
    };
    let before = victim();
    let is_over = AtomicBool::new(false);
    let (mut applied, mut failed, mut skipped, mut kept) = (0, 0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).ok();
            }
        });
        let started = Instant::now();
        for number in 0.. {
            if started.elapsed() > RACE {
                break;
            }
            match bench.judge(patch(number)) {
                // Nobody approves what leads outside.
                Ok(judged) if !judged.outside().is_empty() => skipped += 1,
                Err(_) => skipped += 1,
                Ok(judged) => match apply(judged) {
                    Ok(done) => {
                        applied += 1;
                        let is_left = |note: &&Note| matches!(note, Note::LeftBehind { .. });
                        kept += done.notes.iter().filter(is_left).count();
                    }
                    Err(error) => {
                        failed += 1;
                        kept += error.in_place.len();
                    }
                },
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    say(&format!("{applied} applied, {failed} failed, {skipped} not tried"));
    assert_eq!(victim(), before);
    // What was exchanged is put back. Where that failed, it was said.
    let passing = [bench.names("ws"), names_below(bench)].concat();
    let passing = passing.iter().filter(|name| name.starts_with(".codex-patch-")).count();
    assert!(passing <= kept, "{passing} files were left, and {kept} named");
}

/// The names in the folder that is exchanged, under whichever of its names it is.
fn names_below(bench: &Bench) -> Vec<String> {
    let folders = ["ws/src", "ws/planted", "ws/top/src", "ws/planted/src"];
    let folders = folders.into_iter().filter(|folder| bench.path(folder).is_dir());
    folders.flat_map(|folder| bench.names(folder)).collect()
}

/// Writes, renames and deletes in turn.
fn every_change(number: usize) -> Vec<FileChange> {
    match number % 4 {
        0 => vec![write("src/victim", "evil"), write("src/deep/new", "evil")],
        1 => vec![rename("src/victim", "src/renamed", None)],
        2 => vec![write("src/victim", "evil"), delete("src/renamed")],
        _ => vec![delete("src/victim"), delete("src/deep/new")],
    }
}

#[test]
fn a_folder_that_becomes_a_link_to_the_outside() {
    for bench in Bench::everywhere() {
        symlink("../out", bench.path("ws/planted")).unwrap();
        race(&bench, "ws/src", "ws/planted", every_change);
    }
}

#[test]
fn a_folder_above_that_becomes_a_link_to_the_outside() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("ws/top")).unwrap();
    std::fs::rename(bench.path("ws/src"), bench.path("ws/top/src")).unwrap();
    std::fs::create_dir_all(bench.path("out/src")).unwrap();
    std::fs::write(bench.path("out/src/victim"), "victim").unwrap();
    symlink("../out", bench.path("ws/planted")).unwrap();
    let inner = |change: FileChange| FileChange { path: Path::new("top").join(change.path), ..change };
    race(&bench, "ws/top", "ws/planted", |number| every_change(number * 2).into_iter().map(inner).collect());
    assert_eq!(
        (bench.names("out/src"), bench.read("out/src/victim")),
        (vec!["victim".into()], "victim".into())
    );
}

#[test]
fn a_file_that_becomes_a_link_to_the_outside() {
    for bench in Bench::everywhere() {
        symlink("../out/victim", bench.path("ws/planted")).unwrap();
        race(&bench, "ws/file", "ws/planted", |number| vec![write("file", &number.to_string())]);
    }
}

#[test]
fn a_file_that_becomes_another_name_of_one_outside() {
    let bench = Bench::new();
    std::fs::hard_link(bench.path("out/victim"), bench.path("ws/planted")).unwrap();
    let victim = bench.read("out/victim");
    let stat = || bench.path("out/victim").metadata().unwrap().ino();
    let before = stat();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                std::fs::remove_file(bench.path("ws/file")).ok();
                std::fs::hard_link(bench.path("out/victim"), bench.path("ws/file")).ok();
            }
        });
        let started = Instant::now();
        while started.elapsed() < RACE {
            if let Ok(judged) = bench.judge(vec![write("file", "evil")]) {
                apply(judged).ok();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!((bench.read("out/victim"), stat()), (victim, before));
}
