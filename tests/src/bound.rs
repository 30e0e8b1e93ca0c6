//! What must be seen of a run that an administrator's requirements bind.

use anyhow::{Result, ensure};

use crate::case::Backend;
use crate::place::Place;
use crate::process::{self, Finished};
use crate::system::SystemFolder;

/// What no command may see.
pub const SECRET: &str = "the-secret-of-the-administrator";

/// How a refusal to begin may end.
pub const REFUSED: &[i32] = &[1, 125, 126];

/// Runs a script in the sandbox, where this is the system's folder.
///
/// # Errors
/// When it cannot be run to its end.
pub fn run(
    place: &Place,
    system: &SystemFolder,
    backend: Backend,
    flags: &[&str],
    script: &str,
) -> Result<Finished> {
    process::finish(system.sandbox(place, backend, flags, script), b"")
}

/// The command ran, and the kernel kept the secret from it.
///
/// # Errors
/// When it was otherwise.
pub fn hidden(finished: &Finished) -> Result<()> {
    let said = finished.err();
    ensure!(finished.code().is_some_and(|code| code != 0), "it went well\n{finished}");
    ensure!(!finished.out().contains(SECRET), "the secret is out\n{finished}");
    ensure!(!said.contains("codex: error"), "it did not run\n{finished}");
    ensure!(
        said.contains("Permission denied") || said.contains("No such file"),
        "it failed for another reason\n{finished}"
    );
    Ok(())
}

/// The command ran and read the secret: there was nothing else in its way.
///
/// # Errors
/// When it was otherwise.
pub fn read(finished: Finished) -> Result<()> {
    let finished = finished.success()?;
    ensure!(finished.out().contains(SECRET), "it read something else\n{finished}");
    Ok(())
}

/// Nothing ran, for a reason that is told.
///
/// # Errors
/// When it was otherwise.
pub fn refused(place: &Place, finished: &Finished, codes: &[i32], names: &[&str]) -> Result<()> {
    let said = finished.err();
    ensure!(finished.code().is_some_and(|code| codes.contains(&code)), "not in {codes:?}\n{finished}");
    ensure!(finished.stdout.is_empty(), "something is on stdout\n{finished}");
    ensure!(!place.ws().join("marker").exists(), "the command ran\n{finished}");
    ensure!(said.starts_with("codex: ") && !said.contains("panicked"), "not our words\n{finished}");
    ensure!(said.contains("help"), "no way out is named\n{finished}");
    for name in names {
        ensure!(said.contains(name), "the message lacks {name:?}\n{finished}");
    }
    Ok(())
}

/// It fell back to read-only, with a word.
///
/// # Errors
/// When it was otherwise.
pub fn fell_back(place: &Place, finished: &Finished, names: &[&str]) -> Result<()> {
    let said = finished.err();
    ensure!(finished.code().is_some_and(|code| code != 0), "it went well\n{finished}");
    ensure!(!place.ws().join("marker").exists(), "it wrote\n{finished}");
    ensure!(said.contains("Read-only file system"), "it failed for another reason\n{finished}");
    ensure!(
        said.contains(
            "codex: warning: configured value for `permission_profile` is disallowed by requirements"
        ),
        "nobody said so\n{finished}"
    );
    for name in names {
        ensure!(said.contains(name), "the warning lacks {name:?}\n{finished}");
    }
    Ok(())
}
