//! A disk that is full.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use escalation::audit::{AUDIT_FILE, Audit, verify};

use crate::events::revoked;
use crate::log::session;

/// Where the part of the test that has a file system of its own finds it.
const FOLDER: &str = "FULL_FOLDER";
/// How much a file grows by at a time there.
const PAGE: u64 = 4096;

/// What fits of a record that does not fit would be a torn line, for which nobody was stopped.
///
/// A file system in memory, in namespaces of its own: that is what any user may fill.
#[test]
fn the_beginning_of_a_record_that_did_not_fit_is_taken_back() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size=64k audit \"${FOLDER}\" && exec \"$@\"");
    let name = "full::the_beginning_of_a_record_that_did_not_fit_is_taken_back";
    let own: OsString = std::env::current_exe().unwrap().into();
    #[expect(clippy::disallowed_methods, reason = "the test itself, where it may mount")]
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(own)
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}{output:?}");
}

fn fill(folder: &Path) {
    let (home, filler) = (folder.join("audit"), folder.join("filler"));
    fs::write(&filler, vec![0; 16 * 1024]).unwrap();
    let audit = Audit::open(home.clone(), session("s")).unwrap();
    let size = || fs::metadata(home.join(AUDIT_FILE)).unwrap().len();
    let (mut written, mut whole) = (0, 0);
    let error = loop {
        match audit.record(&revoked(written)) {
            Ok(_) => (written, whole) = (written + 1, size()),
            Err(error) => break error,
        }
        assert!(written < 1000, "it is never full");
    };
    assert!(error.to_string().contains(AUDIT_FILE), "{error}");
    assert_ne!(whole % PAGE, 0, "nothing of it fitted, so this shows nothing");
    assert_eq!(size(), whole);
    fs::remove_file(filler).unwrap();
    assert_eq!(audit.record(&revoked(written)).unwrap().seq, written + 1);
    let report = verify(&home, None).unwrap();
    assert!(report.is_sound() && report.torn.is_empty(), "{report:?}");
    assert_eq!(report.records, written + 1);
}
