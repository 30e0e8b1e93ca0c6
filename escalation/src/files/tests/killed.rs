//! A writer that is killed at any moment leaves every file whole.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;

/// Where the writer works. It is this test program, started again.
const PLACE: &str = "CODEX_TEST_KILLED_WRITER";
const KILLS: u64 = 25;
/// Many pages, so that half a file is a likely thing to see.
const LENGTH: usize = 256 * 1024;

fn is_whole(content: &[u8]) -> bool {
    content.len() == LENGTH && content.iter().all(|byte| Some(byte) == content.first())
}

fn content(letter: u8) -> String {
    String::from_utf8(vec![letter; LENGTH]).unwrap()
}

/// Does nothing but for [`PLACE`], where it goes on until it is killed.
#[test]
fn writer() {
    let Some(base) = std::env::var_os(PLACE) else { return };
    let cwd = AbsolutePath::parse(PathBuf::from(base)).unwrap();
    let zones = Zones(vec![(cwd.clone(), Access::Write)]);
    let write = |path: &str, letter| write(path, &content(letter));
    for number in 0.. {
        let letter = b'a' + u8::try_from(number % 20).unwrap();
        // From whatever the last one left.
        let mut patch = vec![write("one", letter), write("two", letter)];
        patch.push(match cwd.as_path().join("three").exists() {
            true => delete("three"),
            false => write("three", letter),
        });
        patch.push(match cwd.as_path().join("from").exists() {
            true => rename("from", "to", None),
            false => write("from", letter),
        });
        apply(Judged::resolve(patch, &cwd, &zones).unwrap()).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the process to kill is this test program itself")]
fn start(place: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "files::tests::killed::writer"])
        .env(PLACE, place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn every_file_is_whole_and_leftovers_go() {
    for bench in Bench::everywhere() {
        std::fs::create_dir(bench.path("work")).unwrap();
        let work = bench.path("work");
        let mut left_behind = 0;
        for round in 0..KILLS {
            let mut writer = start(&work);
            while !work.join("one").exists() {
                assert_eq!(writer.try_wait().unwrap(), None, "the writer ended by itself");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(5_000 + round * 1_237 % 17_000));
            writer.kill().unwrap();
            let status = writer.wait().unwrap();
            assert_eq!(status.code(), None, "the writer ended by itself");
            for name in ["one", "two", "three", "from", "to"] {
                if let Ok(content) = std::fs::read(work.join(name)) {
                    assert!(is_whole(&content), "{name} is half written");
                }
            }
            let others = bench.names("work").len();
            let handle = std::fs::File::open(&work).unwrap();
            super::super::leftovers::remove(std::os::fd::AsFd::as_fd(&handle), Duration::ZERO);
            let names = bench.names("work");
            left_behind += others - names.len();
            assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
        }
        say(&format!("{left_behind} passing names after {KILLS} kills"));
    }
}
