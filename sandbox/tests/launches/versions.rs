//! A permit holds for one version of the program's file (I4).

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use policies::PermissionProfile;
use sandbox::foreground::Outcome;
use sandbox::{Backend, Ended, Helper, LaunchError, LaunchOptions, Permit, Streams};

use crate::bench::{Behaviour, Bench, exists};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("versions::an_untouched_file_runs", an_untouched_file_runs),
    ("versions::a_changed_file_is_refused", a_changed_file_is_refused),
    ("versions::a_name_is_any_version", a_name_is_any_version),
    ("versions::a_program_of_the_system_runs", a_program_of_the_system_runs),
    ("versions::a_folder_is_the_one_that_was_found", a_folder_is_the_one_that_was_found),
    ("versions::a_file_that_is_gone_cannot_be_executed", a_file_that_is_gone_cannot_be_executed),
];

const LIMIT: Duration = Duration::from_secs(20);

fn launch(bench: &Bench, permit: Permit, backend: &Backend) -> Result<Ended, LaunchError> {
    if !bench.way.is_confined() {
        return match sandbox::unconfined::run(permit, Some(LIMIT))? {
            Outcome::Ended(ended) => Ok(ended),
            other @ (Outcome::TimedOut | Outcome::Interrupted(_)) => panic!("{other:?}"),
        };
    }
    let options =
        LaunchOptions { streams: Streams::inherited(), terminal: None, restore: None, limit: Some(LIMIT) };
    Helper::start(Vec::new())?.launch(permit, backend, options)?.wait()
}

/// The host's root, and an empty one into which the workspace is bound.
fn profiles(bench: &Bench) -> [PermissionProfile; 2] {
    [bench.profile(), bench.narrow_profile()]
}

fn an_untouched_file_runs(bench: &Bench) {
    let script = bench.script("run.sh", "exit 7");
    symlink(&script, bench.ws("link")).unwrap();
    for profile in profiles(bench) {
        for name in ["./run.sh", "./link"] {
            let (permit, backend) = bench.permit(&profile, &[name]);
            assert_eq!(launch(bench, permit, &backend).unwrap(), Ended::Exited(7), "{name}");
        }
    }
}

/// The host's own file systems may be layered; what is seen through a bind must still be the same version.
fn a_program_of_the_system_runs(bench: &Bench) {
    for profile in profiles(bench) {
        let (permit, backend) = bench.permit(&profile, &["true"]);
        assert_eq!(launch(bench, permit, &backend).unwrap(), Ended::Exited(0));
    }
}

fn a_changed_file_is_refused(bench: &Bench) {
    type Change = fn(&Bench, &Path);
    let changes: [(&str, Change); 6] = [
        ("replaced", |bench, script| {
            let other = bench.script("other", "touch ran; exit 0");
            std::fs::rename(other, script).unwrap();
        }),
        ("written in place", |_, script| {
            let mut file = std::fs::OpenOptions::new().append(true).open(script).unwrap();
            file.write_all(b"touch ran\n").unwrap();
        }),
        ("written, with the same length and time", |_, script| {
            let before = script.metadata().unwrap();
            let mut text = std::fs::read(script).unwrap();
            text.reverse();
            let file = std::fs::OpenOptions::new().write(true).open(script).unwrap();
            (&file).write_all(&text).unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
        }),
        ("given another mode", |_, script| {
            std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o700)).unwrap();
        }),
        ("given another name", |bench, script| {
            // Nothing tells it from a file that was written and had its times set back.
            std::fs::remove_file(bench.ws("second")).ok();
            std::fs::hard_link(script, bench.ws("second")).unwrap();
        }),
        ("another link", |bench, script| {
            let other = bench.script("other", "touch ran");
            std::fs::remove_file(script).unwrap();
            symlink(other, script).unwrap();
        }),
    ];
    for profile in profiles(bench) {
        for (what, change) in changes {
            let target = bench.script("target", "touch ran");
            let script = bench.ws("run.sh");
            std::fs::remove_file(&script).ok();
            match what {
                "another link" => symlink(&target, &script).unwrap(),
                _ => std::fs::rename(&target, &script).unwrap(),
            }
            let (permit, backend) = bench.permit(&profile, &["./run.sh"]);
            // File systems of coarse time: what is made and changed within one tick looks the same.
            std::thread::sleep(Duration::from_millis(15));
            change(bench, &script);
            let error = launch(bench, permit, &backend).unwrap_err();
            assert!(
                matches!(&error, LaunchError::ProgramChanged { path } if path.as_path() == script),
                "{what}: {error}"
            );
            assert!(error.to_string().ends_with("the file is not the one that was approved any more"));
            assert_eq!(error.help().as_deref(), Some("look at it again and run it once more"));
            assert!(!exists(&bench.ws("ran")), "{what}");
        }
    }
}

/// Whoever decided on the name alone takes the file that is there, with a new hard link or written anew.
fn a_name_is_any_version(bench: &Bench) {
    for profile in profiles(bench) {
        let script = bench.script("run.sh", "exit 7");
        std::fs::remove_file(bench.ws("second")).ok();
        for change in ["linked", "replaced"] {
            let (permit, backend) = bench.permit_for_any_version(&profile, &["./run.sh"]);
            std::thread::sleep(Duration::from_millis(15));
            match change {
                "linked" => std::fs::hard_link(&script, bench.ws("second")).unwrap(),
                _ => std::fs::rename(bench.script("other", "exit 7"), &script).unwrap(),
            }
            assert_eq!(launch(bench, permit, &backend).unwrap(), Ended::Exited(7), "{change}");
        }
    }
}

fn a_folder_is_the_one_that_was_found(bench: &Bench) {
    for name in ["folder", "other"] {
        std::fs::create_dir(bench.ws(name)).unwrap();
    }
    let link = bench.ws("link");
    symlink("folder", &link).unwrap();
    let permit = || bench.permit_in(&bench.profile(), &link, &["touch", "made"]);
    let (held, backend) = permit();
    assert_eq!(launch(bench, held, &backend).unwrap(), Ended::Exited(0));
    assert!(exists(&bench.ws("folder/made")));

    let (held, backend) = permit();
    std::fs::remove_file(&link).unwrap();
    symlink("other", &link).unwrap();
    let error = launch(bench, held, &backend).unwrap_err();
    if !bench.way.is_confined() {
        assert!(
            matches!(&error, LaunchError::DirectoryChanged { path } if path.as_path() == link),
            "{error}"
        );
    }
    assert!(!exists(&bench.ws("other/made")));
}

fn a_file_that_is_gone_cannot_be_executed(bench: &Bench) {
    let script = bench.script("run.sh", "exit 7");
    let (permit, backend) = bench.permit(&bench.profile(), &["./run.sh"]);
    std::fs::remove_file(script).unwrap();
    let error = launch(bench, permit, &backend).unwrap_err();
    assert_eq!(error.exec_errno(), Some(libc::ENOENT), "{error}");
}
