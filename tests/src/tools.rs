//! The programs of the machine that rows run.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::binary::open_folder;
use crate::identity::Identity;
use crate::process;

/// Where programs are looked for, the same for every user and on every machine.
pub const STANDARD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// With this set to 1, a row whose tool is missing is skipped aloud instead of failed.
const ALLOW_SKIP_VARIABLE: &str = "CODEX_TESTS_ALLOW_SKIP";

/// Whether missing tools may skip rows.
#[must_use]
pub fn skipping_is_allowed() -> bool {
    env::var(ALLOW_SKIP_VARIABLE).is_ok_and(|value| value == "1")
}

/// Where a program is on [`STANDARD_PATH`] or, failing that, on the PATH of the harness, provided
/// that everybody can reach it.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let own = env::var_os("PATH").unwrap_or_default();
    env::split_paths(STANDARD_PATH)
        .chain(env::split_paths(&own))
        .map(|folder| folder.join(program))
        .find(|path| path.is_absolute() && everybody_may_execute(path))
}

/// Whether every directory on the way, links resolved, may be entered by everybody.
fn everybody_may_execute(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    path.is_file()
        && path
            .ancestors()
            .all(|part| fs::metadata(part).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0))
}

/// A Rust toolchain that everybody can execute.
#[derive(Debug)]
pub struct Toolchain {
    bin: PathBuf,
    _folder: Option<TempDir>,
}

impl Toolchain {
    /// The directory that holds `cargo` and `rustc`.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }
}

/// The toolchain that runs the tests. If it lies where only its owner may go, its parts that are
/// needed to build are linked (or copied) into a scratch directory.
///
/// # Errors
/// When there is none, or it cannot be staged.
pub fn toolchain() -> Result<Arc<Toolchain>> {
    static CURRENT: Mutex<Weak<Toolchain>> = Mutex::new(Weak::new());
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(toolchain) = current.upgrade() {
        return Ok(toolchain);
    }
    let sysroot = sysroot()?;
    let bin = sysroot.join("bin");
    let toolchain = if everybody_may_execute(&bin.join("cargo")) {
        Toolchain { bin, _folder: None }
    } else {
        let folder = open_folder("codex-probe-rust-")?;
        stage(&sysroot, folder.path())?;
        Toolchain { bin: folder.path().join("bin"), _folder: Some(folder) }
    };
    let toolchain = Arc::new(toolchain);
    *current = Arc::downgrade(&toolchain);
    Ok(toolchain)
}

fn sysroot() -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = process::command(&Identity::own()?, rustc);
    let _configured = command.envs(env::vars_os()).args(["--print", "sysroot"]);
    let finished = process::finish(command, b"").context("cannot ask rustc for its sysroot")?.success()?;
    Ok(PathBuf::from(finished.out().trim_end()))
}

/// Links the two programs, the compiler's libraries, and the standard library and linker of this
/// machine.
fn stage(sysroot: &Path, to: &Path) -> Result<()> {
    let host = format!("lib/rustlib/{}-unknown-linux-gnu", env::consts::ARCH);
    for program in ["bin/cargo", "bin/rustc"] {
        link(&sysroot.join(program), &to.join(program))?;
    }
    link_files(&sysroot.join("lib"), &to.join("lib"), false)?;
    link_files(&sysroot.join(&host), &to.join(&host), true)?;
    if everybody_may_execute(&to.join("bin/cargo")) {
        Ok(())
    } else {
        bail!("cannot stage the Rust toolchain")
    }
}

fn link_files(from: &Path, to: &Path, deep: bool) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot list `{}`", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_file() {
            link(&source, &target)?;
        } else if deep {
            link_files(&source, &target, deep)?;
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::hard_link(from, to).is_err() {
        let _bytes = fs::copy(from, to).with_context(|| format!("cannot copy `{}`", from.display()))?;
    }
    Ok(())
}
