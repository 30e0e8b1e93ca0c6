//! The program under test: found (or built), and staged where the ordinary user can execute it.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::identity::Identity;
use crate::place::scratch_parent;
use crate::process;

/// Overrides where the program is.
const PATH_VARIABLE: &str = "CODEX_BIN";

/// A second name or a copy of the program, removed with the last user of it.
#[derive(Debug)]
pub struct Staged {
    folder: TempDir,
}

impl Staged {
    /// The program.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("codex")
    }
}

/// The program under test. A checkout may lie below a home that only its owner may enter, so it is
/// staged in a directory of its own; everything in this process shares one.
///
/// # Errors
/// When there is no program and it cannot be built, or it cannot be staged.
pub fn staged() -> Result<Arc<Staged>> {
    static CURRENT: Mutex<Weak<Staged>> = Mutex::new(Weak::new());
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(staged) = current.upgrade() {
        return Ok(staged);
    }
    let program = locate()?;
    let folder = open_folder("codex-probe-bin-")?;
    let staged = Staged { folder };
    // A second link suffices: cargo replaces its output, it does not write into it.
    if fs::hard_link(&program, staged.path()).is_err() {
        let _bytes = fs::copy(&program, staged.path())
            .with_context(|| format!("cannot copy `{}`", program.display()))?;
    }
    let staged = Arc::new(staged);
    *current = Arc::downgrade(&staged);
    Ok(staged)
}

/// A new directory that everybody may enter.
pub(crate) fn open_folder(prefix: &str) -> Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(scratch_parent())
        .context("cannot make a scratch directory")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn locate() -> Result<PathBuf> {
    if let Some(path) = env::var_os(PATH_VARIABLE) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            bail!("{PATH_VARIABLE}: no file `{}`", path.display())
        };
    }
    let own = env::current_exe().context("cannot find the test program")?;
    // `<target>/<profile>/deps/<test>`, and the program is `<target>/<profile>/codex`.
    let profile =
        own.parent().and_then(Path::parent).context("the test program lies in no target directory")?;
    let program = profile.join("codex");
    if !is_fresh(&program) {
        build(profile)?;
    }
    if program.is_file() { Ok(program) } else { bail!("building made no `{}`", program.display()) }
}

/// Whether no source file is newer than the program, by the list that cargo keeps beside it.
/// Otherwise yesterday's program would pass today's tests.
fn is_fresh(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(built) = modified(program) else { return false };
    let Ok(listed) = fs::read_to_string(program.with_extension("d")) else { return false };
    let Some((_, sources)) = listed.split_once(": ") else { return false };
    sources
        .split_whitespace()
        .all(|source| modified(Path::new(source)).unwrap_or_else(|_| SystemTime::now()) <= built)
}

fn build(profile: &Path) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = process::command(&Identity::own()?, cargo);
    let _configured = command.envs(env::vars_os()).current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--quiet",
        "--package",
        "codex",
    ]);
    match profile.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(name) => {
            let _configured = command.args(["--profile", name]);
        }
    }
    let status = command.status().context("cannot run cargo")?;
    if status.success() { Ok(()) } else { bail!("`cargo build --package codex` failed") }
}
