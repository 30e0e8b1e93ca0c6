//! A folder in the place of `/etc/codex`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::binary::open_folder;
use crate::case::Backend;
use crate::place::Place;

/// The variable that names it to a program that was built for tests; any other ignores it.
pub const VARIABLE: &str = "CODEX_TEST_SYSTEM_FOLDER";

/// The administrator's folder. It belongs to the harness, so that where the harness is root the ordinary user
/// cannot write it, as on a real machine, and it lies in no directory of a run, which its user could rename.
#[derive(Debug)]
pub struct SystemFolder {
    folder: TempDir,
}

impl SystemFolder {
    /// Makes it, empty.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: open_folder("codex-probe-system-")? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Writes a file in it that everybody may read and only its owner write, with the directories that it needs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        write(&self.path(), &path, text)?;
        Ok(path)
    }

    /// Writes `requirements.toml`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn requires(&self, text: &str) -> Result<PathBuf> {
        self.write("requirements.toml", text)
    }

    /// `codex sandbox` with `flags`, around `sh -c script`, started in the workspace of `place`, for which this is
    /// the system's folder.
    #[must_use]
    pub fn sandbox(&self, place: &Place, backend: Backend, flags: &[&str], script: &str) -> Command {
        let mut command = place.sandbox(backend);
        let _configured = command.env(VARIABLE, self.path()).args(flags);
        let _configured = command.args(["--", "/bin/sh", "-c", script]);
        command
    }

    /// `codex` with `arguments`, started in the workspace of `place`, for which this is the system's folder.
    #[must_use]
    pub fn codex(&self, place: &Place, arguments: &[&str]) -> Command {
        let mut command = place.outside(&place.binary().to_string_lossy());
        let _configured = command.args(arguments).env(VARIABLE, self.path());
        command
    }
}

/// Writes a file and the directories between it and `base`, with modes that do not depend on a umask. All of
/// them belong to the harness.
///
/// # Errors
/// When one cannot be made.
pub fn write(base: &Path, path: &Path, text: &str) -> Result<()> {
    make_folders(base, path)?;
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o644))?)
}

/// Makes the directories between `base` and `path`.
///
/// # Errors
/// When one cannot be made.
pub fn make_folders(base: &Path, path: &Path) -> Result<()> {
    let mut missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|folder| *folder != base && !folder.exists()).collect();
    while let Some(folder) = missing.pop() {
        fs::create_dir(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
