//! The fresh directories of one run, and the search for what the run left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::binary::{self, Staged, open_folder};
use crate::case::{Backend, User};
use crate::identity::Identity;
use crate::process::{self, Finished};
use crate::say;
use crate::tools::STANDARD_PATH;
use crate::watch::{self, Files, PROTECTED};

/// Overrides the directory in which scratch directories are made.
const PARENT_VARIABLE: &str = "CODEX_TESTS_SCRATCH";

/// The variable that marks every process of one run.
const MARK_VARIABLE: &str = "CODEX_PROBE_MARK";

/// Where scratch directories are made. Not below `/tmp`, which is itself writable in
/// workspace-write: everything there would be inside a writable root.
#[must_use]
pub fn scratch_parent() -> PathBuf {
    env::var_os(PARENT_VARIABLE).map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

/// A scratch directory with a workspace, a home and an outside, owned by the user of the run.
///
/// Drop removes it in any case; [`Place::close`] also says what was left behind.
#[derive(Debug)]
pub struct Place {
    /// Who runs.
    pub identity: Identity,
    folder: Option<TempDir>,
    binary: Arc<Staged>,
    before: Files,
    mounts: BTreeSet<String>,
    may_change: Vec<PathBuf>,
    _occupied: Occupied,
}

impl Place {
    /// Makes the directories.
    ///
    /// # Errors
    /// When one cannot be made, or there is no program to test.
    pub fn new(identity: Identity) -> Result<Self> {
        let binary = binary::staged()?;
        let occupied = Occupied::enter()?;
        let folder = open_folder("codex-probe-")?;
        let mut place = Self {
            identity,
            folder: Some(folder),
            binary,
            before: Files::default(),
            mounts: watch::mounts()?,
            may_change: Vec::new(),
            _occupied: occupied,
        };
        for folder in [place.ws(), place.home(), place.config_home(), place.out(), place.host()] {
            fs::create_dir(&folder)?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            place.give(&folder)?;
        }
        place.give(&place.root())?;
        place.settle()?;
        Ok(place)
    }

    /// Takes the present state as the one that a run must leave as it is.
    ///
    /// # Errors
    /// When a file cannot be looked at.
    pub fn settle(&mut self) -> Result<()> {
        self.before = self.files()?;
        Ok(())
    }

    /// Allows changes at and below `path`.
    pub fn allow_change(&mut self, path: PathBuf) {
        self.may_change.push(path);
    }

    fn files(&self) -> Result<Files> {
        let mut roots = vec![self.root()];
        roots.extend(PROTECTED.map(|name| self.ws().join(name)));
        Files::below(&roots, &[self.ws(), self.host()])
    }

    /// Makes the user of the run the owner of `path`.
    ///
    /// # Errors
    /// When it cannot be changed, or is not of this place: root's harness could give away the machine.
    pub fn give(&self, path: &Path) -> Result<()> {
        ensure!(path.starts_with(self.root()), "`{}` is outside of the scratch directory", path.display());
        let (uid, gid) = (self.identity.uid, self.identity.gid);
        chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot give away `{}`", path.display()))
    }

    /// The scratch directory that holds all others.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default()
    }

    /// The workspace, in which commands start.
    #[must_use]
    pub fn ws(&self) -> PathBuf {
        self.root().join("ws")
    }

    /// HOME.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// CODEX_HOME.
    #[must_use]
    pub fn config_home(&self) -> PathBuf {
        self.home().join(".codex")
    }

    /// A directory that no run may change.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        self.root().join("out")
    }

    /// A directory for the harness and the scripts that run outside; not looked at.
    #[must_use]
    pub fn host(&self) -> PathBuf {
        self.root().join("host")
    }

    /// The program under test.
    #[must_use]
    pub fn binary(&self) -> PathBuf {
        self.binary.path()
    }

    /// A name that no other run has.
    #[must_use]
    pub fn mark(&self) -> String {
        self.root().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The environment of everything that runs here.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        let text = |value: &str| OsString::from(value);
        BTreeMap::from([
            (text("PATH"), text(STANDARD_PATH)),
            (text("HOME"), self.home().into()),
            (text("CODEX_HOME"), self.config_home().into()),
            (text("USER"), text(&self.identity.name)),
            (text("LOGNAME"), text(&self.identity.name)),
            (text("SHELL"), text("/bin/sh")),
            (text("LANG"), text("C.UTF-8")),
            (text("PWD"), self.ws().into()),
            (text(MARK_VARIABLE), self.mark().into()),
        ])
    }

    /// `program`, to run outside every sandbox, in the workspace, as the user of this place.
    #[must_use]
    pub fn outside(&self, program: &str) -> Command {
        let mut command = process::command(&self.identity, program);
        let _configured = command.envs(self.environment()).current_dir(self.ws());
        command
    }

    /// Runs a script outside every sandbox.
    ///
    /// # Errors
    /// When it fails.
    pub fn sh(&self, script: &str) -> Result<Finished> {
        let mut command = self.outside("/bin/sh");
        let _configured = command.args(["-euc", script]);
        process::finish(command, b"")?.success().with_context(|| format!("script: {script}"))
    }

    /// `codex sandbox --backend …`, to be given more arguments.
    #[must_use]
    pub fn sandbox(&self, backend: Backend) -> Command {
        let mut command = self.outside(&self.binary().to_string_lossy());
        let _configured = command.args(["sandbox", "--backend", backend.as_str()]);
        command
    }

    /// Waits until nothing of the runs is left, and says what is.
    #[must_use]
    pub fn residue(&self, patience: Duration) -> Vec<String> {
        let mut found = Vec::new();
        let _clean = process::eventually(patience, || {
            found = self.residue_now();
            found.is_empty()
        });
        found
    }

    fn residue_now(&self) -> Vec<String> {
        let mut found: Vec<String> = process::of_run(&self.mark(), &self.root())
            .into_iter()
            .map(|process| format!("process {} is still alive: {}", process.pid, process.command_line))
            .collect();
        match self.files() {
            Ok(files) => found.extend(files.differences(&self.before, &self.may_change)),
            Err(error) => found.push(format!("{error:#}")),
        }
        match watch::mounts() {
            Ok(mounts) => {
                found.extend(mounts.difference(&self.mounts).map(|mount| format!("mount: {mount}")))
            }
            Err(error) => found.push(format!("{error:#}")),
        }
        found
    }

    /// Looks for anything that was left behind, then removes the directories.
    ///
    /// # Errors
    /// When something was left behind.
    pub fn close(self) -> Result<()> {
        let mut found = self.residue(process::AFTERLIFE);
        drop(self);
        found.extend(Occupied::look_behind_the_last()?);
        ensure!(found.is_empty(), "left behind:\n  {}", found.join("\n  "));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let root = self.root();
        for process in process::of_run(&self.mark(), &root) {
            let pid = nix::unistd::Pid::from_raw(process.pid);
            let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        let Some(folder) = self.folder.take() else { return };
        if let Err(error) = remove(folder) {
            say(&format!("`{}` stays: {error:#}", root.display()));
        }
    }
}

/// Removes a scratch directory, also when a row took permissions away. Never reaches through a
/// mount: what a broken sandbox mounted there could be the machine's own root.
fn remove(folder: TempDir) -> Result<()> {
    let path = folder.keep();
    let inside = format!(" {}", path.display());
    if let Some(mount) = watch::mounts()?.into_iter().find(|mount| mount.contains(&inside)) {
        bail!("something is mounted below it: {mount}");
    }
    if fs::remove_dir_all(&path).is_err() {
        let mut command = process::command(&Identity::own()?, "/bin/chmod");
        let _configured = command.args(["-R", "u+rwX"]).arg(&path);
        let _tried = process::finish(command, b"")?;
        fs::remove_dir_all(&path)?;
    }
    Ok(())
}

/// Held while a run may have placeholders in directories that all runs of the machine share. Only
/// when nobody holds it can a placeholder there be told from one that was left behind.
///
/// It is a shared lock on the parent directory itself, so that it needs no file of its own.
#[derive(Debug)]
struct Occupied {
    _lock: File,
}

impl Occupied {
    fn enter() -> Result<Self> {
        let _first = Self::already_there();
        let lock = Self::open()?;
        lock.lock_shared().context("cannot lock the scratch directory")?;
        Ok(Self { _lock: lock })
    }

    fn open() -> Result<File> {
        let parent = scratch_parent();
        File::open(&parent).with_context(|| format!("cannot open `{}`", parent.display()))
    }

    /// What was in the shared directories before this process ran anything.
    fn already_there() -> &'static BTreeSet<PathBuf> {
        static THERE: OnceLock<BTreeSet<PathBuf>> = OnceLock::new();
        // In use or not.
        THERE.get_or_init(watch::shared_names)
    }

    /// If nobody is in, says what was left in the shared directories. A protected name counts even
    /// if it was there before: it may be of a run that ended while another was in.
    fn look_behind_the_last() -> Result<Vec<String>> {
        let lock = Self::open()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Vec::new()),
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the scratch directory");
            }
        }
        let protected = |path: &Path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| PROTECTED.contains(&name))
        };
        let mut left = BTreeSet::new();
        let _clean = process::eventually(process::AFTERLIFE, || {
            left = watch::shared_names();
            left.retain(|path: &PathBuf| protected(path) || !Self::already_there().contains(path));
            left.retain(|path| !watch::is_listed_as_locked(path));
            left.is_empty()
        });
        left.retain(|path| !watch::is_locked(path));
        let found: Vec<String> = left
            .iter()
            .map(|path| {
                let traits = watch::traits(path);
                format!(
                    "`{}` ({traits}), by this run or one that overlapped (or not by a run)",
                    path.display()
                )
            })
            .collect();
        for path in &left {
            // Reported once is enough: the runs after this one are not to blame.
            let _removed = fs::remove_dir(path).or_else(|_| fs::remove_file(path));
        }
        Ok(found)
    }
}

/// Runs `test` in a fresh place, closed afterwards. A user that this harness cannot become is
/// skipped aloud; in CI that is a failure.
///
/// # Errors
/// Those of the test, and anything left behind.
pub fn with_place(backend: Backend, user: User, test: fn(Backend, &mut Place) -> Result<()>) -> Result<()> {
    let Some(identity) = Identity::of(user)? else {
        return skip_user(user);
    };
    let mut place = Place::new(identity)?;
    test(backend, &mut place)?;
    place.close()
}

/// Runs `test` in a place of its own as each user that there is.
///
/// # Errors
/// What the test, or looking for left-overs, fails with.
pub fn as_each_user(test: fn(&Place) -> Result<()>) -> Result<()> {
    for user in User::ALL {
        match Identity::of(user)? {
            None => skip_user(user)?,
            Some(identity) => {
                let place = Place::new(identity)?;
                test(&place)?;
                place.close()?;
            }
        }
    }
    Ok(())
}

/// Says aloud that nothing can run as `user` here.
///
/// # Errors
/// In CI, where the whole table must run.
pub fn skip_user(user: User) -> Result<()> {
    say(&missing_user(user)?);
    Ok(())
}

/// Why nothing can run as `user` here.
///
/// # Errors
/// In CI, where the whole table must run.
pub fn missing_user(user: User) -> Result<String> {
    let message = format!("skipped: the harness cannot run anything as {}; start it as root", user.as_str());
    ensure!(env::var_os("CI").is_none(), "{message}");
    Ok(message)
}
