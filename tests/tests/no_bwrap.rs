//! A machine without bubblewrap, or with one that is too old.

use std::process::Command;

use anyhow::{Result, ensure};
use tests::case::Backend;
use tests::place::{Place, as_each_user};
use tests::process::{self, Finished};

/// `codex sandbox` with `flags`, a PATH without bubblewrap, and a command that tries to write outside.
fn run(place: &Place, flags: &[&str], path: &str) -> Result<Finished> {
    let mut command: Command = place.outside(&place.binary().to_string_lossy());
    let script = format!("echo x > x && echo inside; echo x > {}/x || echo refused", place.out().display());
    let _configured = command
        .arg("sandbox")
        .args(flags)
        .args(["--mode", "workspace-write", "--", "/bin/sh", "-c", &script])
        .env("PATH", path);
    process::finish(command, b"")
}

fn says_how_to_get_bubblewrap(finished: &Finished) -> Result<()> {
    ensure!(matches!(finished.code(), Some(125 | 126)), "the status is wrong\n{finished}");
    ensure!(finished.stdout.is_empty(), "the command ran\n{finished}");
    let said = finished.err();
    ensure!(said.starts_with("codex: "), "the message does not say who speaks\n{finished}");
    ensure!(said.contains("bubblewrap"), "the message does not name the package\n{finished}");
    ensure!(
        ["install", "--backend", "namespaces"].iter().any(|way| said.contains(way)),
        "the message names no way out\n{finished}"
    );
    Ok(())
}

#[test]
fn auto_confines_without_bubblewrap() -> Result<()> {
    as_each_user(|place| {
        for flags in [&[][..], &["--backend", "auto"], &["--backend", Backend::Namespaces.as_str()]] {
            place.sh("rm -f x")?;
            let finished = run(place, flags, "/nonexistent")?.success()?;
            ensure!(finished.out() == "inside\nrefused\n", "{flags:?}: {finished}");
        }
        Ok(())
    })
}

#[test]
fn an_empty_or_missing_path_is_no_obstacle() -> Result<()> {
    as_each_user(|place| {
        let finished = run(place, &[], "")?.success()?;
        ensure!(finished.out() == "inside\nrefused\n", "{finished}");
        Ok(())
    })
}

#[test]
fn the_bwrap_backend_says_what_is_missing() -> Result<()> {
    as_each_user(|place| says_how_to_get_bubblewrap(&run(place, &["--backend", "bwrap"], "/nonexistent")?))
}

#[test]
fn a_bwrap_without_the_needed_options_is_not_used() -> Result<()> {
    as_each_user(|place| {
        let folder = place.home().join("bin");
        place.sh(&format!(
            "mkdir {0}; printf '#!/bin/sh\\necho usage: bwrap --bind --ro-bind\\nexit 1\\n' > {0}/bwrap; chmod 755 {0}/bwrap",
            folder.display()
        ))?;
        let path = folder.display().to_string();
        let finished = run(place, &[], &path)?.success()?;
        ensure!(finished.out() == "inside\nrefused\n", "{finished}");
        let finished = run(place, &["--backend", "bwrap"], &path)?;
        ensure!(matches!(finished.code(), Some(125 | 126)), "{finished}");
        ensure!(finished.stdout.is_empty() && finished.err().contains("bubblewrap"), "{finished}");
        place.sh(&format!("rm -r {}", folder.display()))?;
        Ok(())
    })
}

/// A program of the caller's could be an earlier command's: what it writes belongs to the caller.
#[test]
fn a_bwrap_that_is_not_the_systems_is_not_executed() -> Result<()> {
    as_each_user(|place| {
        let folder = place.home().join("bin");
        let options = r"\0--as-pid-1\0--perms\0--remount-ro\0--ro-bind-data\0--disable-userns\0";
        place.sh(&format!(
            "mkdir {0}; printf '#!/bin/sh\\ntouch {1}/planted\\nexit 1\\n{options}' > {0}/bwrap; chmod 755 {0}/bwrap",
            folder.display(),
            place.out().display()
        ))?;
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let finished = run(place, &[], &path)?.success()?;
        ensure!(finished.out() == "inside\nrefused\n", "{finished}");
        let mut doctor = place.outside(&place.binary().to_string_lossy());
        let _configured = doctor.args(["doctor", "--no-self-test"]).env("PATH", &path);
        let _report = process::finish(doctor, b"")?;
        ensure!(!place.out().join("planted").exists(), "the planted bwrap was executed\n{finished}");
        place.sh(&format!("rm -r {}; rm -f x", folder.display()))?;
        Ok(())
    })
}
