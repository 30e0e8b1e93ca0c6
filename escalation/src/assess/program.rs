//! Which program an assessor is, and that it is still that one.
//!
//! INVARIANT (operator's own): the program runs with all rights of this process. So neither it nor what interprets it
//! lies where sandboxed commands could have written it, and each start is of the version that was looked at.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use execpolicy::Programs as _;
use policies::AbsolutePath;
use sandbox::FileVersion;

use crate::exec::ProgramFiles;

/// The longest first line that names an interpreter: `BINPRM_BUF_SIZE` of Linux. execve(2).
const MAX_FIRST_LINE: u64 = 256;
/// How many interpreters may interpret each other. execve(2).
const MAX_INTERPRETERS: usize = 5;
/// The variable with the folders of programs.
const SEARCH: &str = "PATH";

/// A program is not used as a risk assessor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssessorError {
    /// Somebody else could have written it.
    #[error("the risk assessor `{program}` is not used: `{what}` lies where sandboxed commands may write", what = policies::escape(what))]
    Replaceable {
        /// The program.
        program: AbsolutePath,
        /// It, or what interprets it.
        what: PathBuf,
    },
    /// It is no file that we may execute.
    #[error("the risk assessor `{program}` is not used: `{what}` is not a file that may be executed", what = policies::escape(what))]
    NotExecutable {
        /// The program.
        program: AbsolutePath,
        /// It, or what interprets it.
        what: PathBuf,
    },
    /// It cannot be looked at.
    #[error("the risk assessor `{program}` cannot be used")]
    Unusable {
        /// The program.
        program: AbsolutePath,
        /// Why.
        source: io::Error,
    },
}

impl AssessorError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Replaceable { .. } => {
                "keep it outside of the workspace and of places for temporary files, or leave it out"
            }
            Self::NotExecutable { .. } => "name a program, or make it executable with `chmod +x`",
            Self::Unusable { .. } => "name a program that exists",
        }
    }
}

/// A program in the version that was looked at, with what interprets it.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    files: Vec<(PathBuf, FileVersion)>,
    search: Option<OsString>,
}

impl Bound {
    /// # Errors
    /// [`AssessorError`].
    pub(super) fn to(program: &AbsolutePath, places: &ProgramFiles) -> Result<Self, AssessorError> {
        let unusable = |source| AssessorError::Unusable { program: program.clone(), source };
        let mut files = Vec::new();
        let mut next = Some(program.as_path().to_owned());
        while let Some(path) = next {
            if files.len() > MAX_INTERPRETERS {
                return Err(unusable(io::Error::other("its interpreters have too many interpreters")));
            }
            // What is executed is where it leads now.
            let real = path.canonicalize().map_err(unusable)?;
            let lies_badly = |path: &Path| path.to_str().is_none_or(|path| places.replaceable(path));
            if lies_badly(&path) || lies_badly(&real) {
                return Err(AssessorError::Replaceable { program: program.clone(), what: path });
            }
            // Found out now, and not at the first question. execve(2) decides.
            if !real.is_file() || rustix::fs::access(&real, rustix::fs::Access::EXEC_OK).is_err() {
                return Err(AssessorError::NotExecutable { program: program.clone(), what: path });
            }
            let version = FileVersion::at(&real).map_err(unusable)?;
            next = interpreter(&real);
            files.push((real, version));
        }
        Ok(Self { files, search: search(places) })
    }

    /// The file to execute.
    pub(super) fn file(&self) -> Option<&Path> {
        self.files.first().map(|(path, _)| path.as_path())
    }

    /// The folders on `PATH` that are nobody else's.
    pub(super) fn search(&self) -> Option<&OsStr> {
        self.search.as_deref()
    }

    /// The first file that is not what it was.
    pub(super) fn changed(&self) -> Option<&Path> {
        let changed = |(path, version): &&(PathBuf, FileVersion)| {
            FileVersion::at(path).map_or(true, |now| now != *version)
        };
        self.files.iter().find(changed).map(|(path, _)| path.as_path())
    }
}

/// What a first line that begins with `#!` names. What cannot be read has none that we could know.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut first = Vec::new();
    File::open(file).ok()?.take(MAX_FIRST_LINE).read_to_end(&mut first).ok()?;
    let line = first.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
    let name = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).next().filter(|name| !name.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

fn search(places: &ProgramFiles) -> Option<OsString> {
    let all = std::env::var_os(SEARCH)?;
    let is_ours = |folder: &PathBuf| {
        let only = BTreeMap::from([(OsString::from(SEARCH), folder.clone().into_os_string())]);
        places.replaceable_search_folder(&only).is_none()
    };
    std::env::join_paths(std::env::split_paths(&all).filter(is_ours)).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn script(path: &Path, text: &str) -> AbsolutePath {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        AbsolutePath::parse(path).unwrap()
    }

    #[test]
    fn it_lies_where_nobody_else_writes() {
        let folder = tempfile::tempdir().unwrap();
        let (own, workspace) = (folder.path().join("own"), folder.path().join("workspace"));
        std::fs::create_dir(&own).unwrap();
        std::fs::create_dir(&workspace).unwrap();
        let places = ProgramFiles::below([workspace.clone()]);
        let good = script(&own.join("good"), "#!/bin/sh\n");
        assert!(Bound::to(&good, &places).is_ok());
        let inside = script(&workspace.join("assess"), "#!/bin/sh\n");
        symlink(inside.as_path(), own.join("link")).unwrap();
        let through = script(&own.join("through"), &format!("#! {inside} -x\n"));
        let link = AbsolutePath::parse(own.join("link")).unwrap();
        for bad in [&inside, &link, &through] {
            let error = Bound::to(bad, &places).unwrap_err();
            assert!(matches!(error, AssessorError::Replaceable { .. }), "{bad}: {error}");
        }
        let absent = AbsolutePath::parse(own.join("absent")).unwrap();
        assert!(matches!(Bound::to(&absent, &places), Err(AssessorError::Unusable { .. })));
        let itself = own.join("itself");
        let itself = script(&itself, &format!("#!{}\n", itself.display()));
        assert!(matches!(Bound::to(&itself, &places), Err(AssessorError::Unusable { .. })));
    }

    #[test]
    fn what_cannot_be_executed_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let places = ProgramFiles::below([]);
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "#!/bin/sh\n").unwrap();
        let through = script(&folder.path().join("through"), &format!("#!{}\n", plain.display()));
        let plain = AbsolutePath::parse(&plain).unwrap();
        let itself = AbsolutePath::parse(folder.path()).unwrap();
        let passwd = AbsolutePath::parse("/etc/passwd").unwrap();
        for bad in [&plain, &through, &itself, &passwd] {
            let error = Bound::to(bad, &places).unwrap_err();
            assert!(matches!(error, AssessorError::NotExecutable { .. }), "{bad}: {error}");
            assert!(error.to_string().contains("may be executed") && error.help().contains("chmod +x"));
        }
        script(plain.as_path(), "#!/bin/sh\n");
        for good in [&plain, &through] {
            assert!(Bound::to(good, &places).is_ok(), "{good}");
        }
    }

    #[test]
    fn another_version_is_another_program() {
        let folder = tempfile::tempdir().unwrap();
        let interpreter = folder.path().join("interpreter");
        std::fs::copy("/bin/sh", &interpreter).unwrap();
        let program = script(&folder.path().join("program"), &format!("#!{}\n", interpreter.display()));
        let places = ProgramFiles::below([]);
        let bound = Bound::to(&program, &places).unwrap();
        assert_eq!(bound.changed(), None);
        std::fs::write(&interpreter, "#!/bin/sh\n").unwrap();
        assert_eq!(bound.changed(), Some(interpreter.canonicalize().unwrap().as_path()));
        let bound = Bound::to(&program, &places).unwrap();
        std::fs::remove_file(program.as_path()).unwrap();
        assert!(bound.changed().is_some());
    }
}
