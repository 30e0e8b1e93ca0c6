//! `codex approvals` as its users see it: what is shown, what is taken back, and what is left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use tests::case::{Backend, User};
use tests::place::{Place, as_each_user};
use tests::process::{self, Finished};

const SESSION: &str = r#"{"version":1,"session":"work","grants":[
  {"id":"g1","what":{"root":"/data"},"label":"/data","issuedMs":1700000000000,"seenMs":1700000000000},
  {"id":"g2","what":{"root":"/more"},"label":"/more","issuedMs":1700000000000,"seenMs":1700000000000}
],"deniedHosts":[]}"#;

const RULES: &str = "\
# mine
prefix_rule(pattern=[\"git\", \"pull\"], decision=\"allow\")
prefix_rule(pattern=[\"git\"], decision=\"allow\", justification=\"mine\")
";

fn config_home(place: &Place) -> PathBuf {
    place.host()
}

fn approvals(place: &Place, arguments: &[&str]) -> Result<Finished> {
    let mut command = place.outside(&place.binary().to_string_lossy());
    let _configured = command.env("CODEX_HOME", config_home(place)).arg("approvals").args(arguments);
    process::finish(command, b"")
}

/// A file of the user of this place that nobody else may write, in a folder like it.
fn write(place: &Place, folder: &str, name: &str, text: &str) -> Result<PathBuf> {
    let folder = config_home(place).join(folder);
    if !folder.exists() {
        fs::create_dir(&folder)?;
        place.give(&folder)?;
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    let path = folder.join(name);
    fs::write(&path, text)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    place.give(&path)?;
    Ok(path)
}

fn refused(finished: &Finished, code: i32, part: &str) -> Result<()> {
    ensure!(finished.code() == Some(code), "expected {code}\n{finished}");
    ensure!(finished.err().starts_with("codex: ") && finished.err().contains(part), "{part}\n{finished}");
    ensure!(finished.err().contains("help: "), "no help\n{finished}");
    Ok(())
}

#[test]
fn approvals_are_shown_and_taken_back() -> Result<()> {
    as_each_user(|place| {
        let empty = approvals(place, &["list"])?.success()?;
        ensure!(empty.out() == "nothing is remembered\n", "{empty}");
        let session = write(place, "approvals", "work.json", SESSION)?;
        let rules = write(place, "rules", "default.rules", RULES)?;
        let list = approvals(place, &["list"])?.success()?.out();
        for part in ["session work", "g1", "/data", "g2", "default.rules:2: prefix_rule"] {
            ensure!(list.contains(part), "{part}\n{list}");
        }
        ensure!(!list.contains("default.rules:3"), "what a person wrote is not listed\n{list}");

        refused(&approvals(place, &["revoke", "g1", "g3"])?, 2, "`g3`")?;
        ensure!(fs::read_to_string(&session)? == SESSION, "something was revoked");
        let _one = approvals(place, &["revoke", "g1"])?.success()?;
        let left = fs::read_to_string(&session)?;
        ensure!(left.contains("g2") && !left.contains("g1"), "{left}");

        refused(&approvals(place, &["revoke", "--rule", "3"])?, 2, "line 3")?;
        refused(&approvals(place, &["revoke", "--rule", "2:git push"])?, 2, "it is `git pull`")?;
        ensure!(fs::read_to_string(&rules)? == RULES, "a rule was revoked");
        let _rule = approvals(place, &["revoke", "--rule", "2:git pull"])?.success()?;
        let without: String = RULES.split_inclusive('\n').filter(|line| !line.contains("pull")).collect();
        ensure!(fs::read_to_string(&rules)? == without, "more than the line is gone");
        Ok(())
    })
}

#[test]
fn what_others_could_have_written_is_told_and_left_alone() -> Result<()> {
    as_each_user(|place| {
        let session = write(place, "approvals", "work.json", SESSION)?;
        fs::set_permissions(&session, Permissions::from_mode(0o666))?;
        let list = approvals(place, &["list"])?;
        ensure!(list.code() == Some(1), "{list}");
        ensure!(list.err().contains("others may write to it") && list.err().contains("chmod"), "{list}");
        refused(&approvals(place, &["revoke", "--session", "work"])?, 1, "others may write to it")?;
        ensure!(fs::read_to_string(&session)? == SESSION, "it was changed");
        Ok(())
    })
}

#[test]
fn a_folder_that_cannot_be_used_is_told() -> Result<()> {
    as_each_user(|place| {
        let session = write(place, "approvals", "work.json", SESSION)?;
        let rules = write(place, "rules", "default.rules", RULES)?;
        if place.identity.user == User::Root {
            // Root may do everything; that it is nobody else's is judged all the same.
            return Ok(());
        }
        for folder in ["approvals", "rules"] {
            fs::set_permissions(config_home(place).join(folder), Permissions::from_mode(0o500))?;
        }
        let _list = approvals(place, &["list"])?.success()?;
        refused(&approvals(place, &["revoke", "g1"])?, 125, "approvals")?;
        refused(&approvals(place, &["revoke", "--rule", "2"])?, 125, "default.rules")?;
        ensure!(fs::read_to_string(&session)? == SESSION && fs::read_to_string(&rules)? == RULES, "changed");
        fs::set_permissions(config_home(place).join("approvals"), Permissions::from_mode(0o000))?;
        refused(&approvals(place, &["list"])?, 125, "cannot open")?;
        fs::set_permissions(config_home(place).join("approvals"), Permissions::from_mode(0o700))?;
        Ok(())
    })
}

#[test]
fn a_sandboxed_command_cannot_hold_the_lock() -> Result<()> {
    as_each_user(|place| {
        let _session = write(place, "approvals", "work.json", SESSION)?;
        let _made = approvals(place, &["revoke", "g1"])?.success()?;
        let folder = config_home(place).join("approvals");
        ensure!(folder.join("lock").exists(), "there is no lock");
        let mut command = place.sandbox(Backend::Namespaces);
        let script = "read -r x < work.json || exit 3; (: < lock) && exit 4; (: > lock) && exit 5; exit 0";
        let _configured = command.args(["--", "/bin/sh", "-c", script]).current_dir(&folder);
        let _ran = process::finish(command, b"")?.success()?;
        Ok(())
    })
}
