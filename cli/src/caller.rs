//! Who calls: working directory, home, configuration home and environment, read once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use policies::AbsolutePath;

use crate::report::{Blame, Failure};

/// The caller's surroundings.
#[derive(Debug)]
pub(crate) struct Caller {
    /// As the caller spells it: `$PWD` where that is right.
    pub(crate) cwd: AbsolutePath,
    pub(crate) home: Option<AbsolutePath>,
    pub(crate) config_home: PathBuf,
    pub(crate) executable: Option<AbsolutePath>,
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Caller {
    /// Looks around; `cd` is a folder to go to first.
    pub(crate) fn look_around(cd: Option<&Path>) -> Result<Self, Failure> {
        let cwd = working_directory(cd)?;
        let home = std::env::var_os("HOME").and_then(|home| AbsolutePath::parse(home).ok());
        let config_home = policies::codex_home(|name| std::env::var_os(name), home.as_ref())?;
        Ok(Self {
            config_home,
            home,
            executable: executable(),
            variables: std::env::vars_os().collect(),
            cwd,
        })
    }

    /// The configuration home, as files are opened in it.
    pub(crate) fn config_folder(&self) -> PathBuf {
        self.config_home.clone()
    }

    /// The configuration home as an absolute path.
    pub(crate) fn config_home(&self) -> Option<AbsolutePath> {
        AbsolutePath::parse(&self.config_home).ok()
    }

    /// `TMPDIR`, if it names a place.
    pub(crate) fn tmpdir(&self) -> Option<AbsolutePath> {
        self.variable("TMPDIR").and_then(|value| AbsolutePath::parse(value).ok())
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

fn working_directory(cd: Option<&Path>) -> Result<AbsolutePath, Failure> {
    let help = "change to a folder that exists";
    let here = match std::env::current_dir() {
        Ok(here) => here,
        Err(error) => {
            let message = format!("cannot use the working directory: {error}");
            return Err(Failure::new(Blame::Failed, message, help));
        }
    };
    // The shell's name for it keeps symlinks, which programs show and expect. POSIX `pwd -L`.
    let logical = std::env::var_os("PWD")
        .map(PathBuf::from)
        .filter(|name| name.is_absolute() && same_object(name, &here))
        .unwrap_or(here);
    let wanted = cd.map_or_else(|| logical.clone(), |cd| logical.join(cd));
    if !wanted.is_dir() {
        let shown = policies::escape(wanted.as_os_str());
        let problem = match wanted.metadata() {
            Ok(_) => "it is not a folder".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!("cannot use the working directory `{shown}`: {problem}");
        return Err(Failure::new(Blame::Failed, message, help));
    }
    // Spelling out `..` is only right after resolving what comes before it.
    let wanted = if cd.is_some_and(|cd| cd.components().any(|part| part.as_os_str() == "..")) {
        wanted.canonicalize().unwrap_or(wanted)
    } else {
        wanted
    };
    Ok(AbsolutePath::parse(wanted)?)
}

/// Our own file, if it still has its name: the kernel appends a word to the name of a deleted one.
fn executable() -> Option<AbsolutePath> {
    let path = std::env::current_exe().ok()?;
    same_object(&path, Path::new("/proc/self/exe")).then(|| AbsolutePath::parse(path).ok()).flatten()
}

fn same_object(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), _) | (_, Err(_)) => false,
    }
}
