//! Files that a command names, as they are when an approver is asked.
//!
//! With more than the sandbox gives, a yes to `bash -c ./deploy.sh` is one to what `deploy.sh` says now. What lies where
//! sandboxed commands can write could say something else the next time, so such files belong to the question's key, and
//! are compared once more before the run. What a tool reads without being told by its words or by the agent's variables
//! (a makefile, a configuration) is beyond this.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policies::AbsolutePath;
use sandbox::FileVersion;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::inner::Commands;
use super::interpreters::Lookup;
use super::names;
use super::programs::ProgramFiles;

/// How much content of all these files together is looked at. A command that names more is compared by the versions of
/// the files alone, and asked about each time.
const MAX_CONTENT: u64 = 8 * 1024 * 1024;

/// What a run depends on and sandboxed commands could change. The default is nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Inputs {
    files: BTreeMap<PathBuf, Content>,
    is_in_doubt: bool,
}

/// A file as it was. Writing through a mapping that is shared leaves the version as it is (mmap(2): the times of a
/// file are updated some time later), so what it says is compared, too.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Content {
    version: FileVersion,
    /// SHA-256.
    digest: Option<[u8; 32]>,
}

impl Inputs {
    /// Those of a command: `program` is where its program lies, `variables` is what the agent sets.
    pub(super) fn of(
        argv: &[String],
        variables: &BTreeMap<String, String>,
        program: &AbsolutePath,
        lookup: Lookup<'_>,
        programs: &ProgramFiles,
    ) -> Self {
        let commands = Commands::of(argv);
        let mut is_in_doubt = commands.is_in_doubt;
        let mut paths = BTreeSet::from([program.as_path().to_owned()]);
        for (index, words) in commands.list.iter().enumerate() {
            // The first word of the whole command is the program.
            let inner = words.first().filter(|_| index > 0);
            match inner.map(|name| lookup.program(OsStr::new(name))) {
                Some(Some(path)) => paths.extend([path]),
                Some(None) => is_in_doubt = true,
                None => {}
            }
        }
        let words = commands.list.iter().enumerate();
        let words = words.flat_map(|(index, words)| words.iter().skip(usize::from(index == 0)));
        match names::all(words.chain(variables.values()).map(String::as_str)) {
            Some(names) => {
                for path in names.into_iter().map(|name| lookup.cwd.join(name)) {
                    match Named::at(&path, programs) {
                        Named::Nothing => {}
                        Named::File => {
                            paths.insert(path);
                        }
                        Named::Folder => is_in_doubt |= programs.is_replaceable_file(&path),
                        Named::Doubtful => is_in_doubt = true,
                    }
                }
            }
            None => is_in_doubt = true,
        }
        is_in_doubt |= commands.code_files.iter().any(|name| !lookup.cwd.join(name).is_file());
        for path in paths.clone() {
            match lookup.interpreters(&path) {
                Ok(chain) => paths.extend(chain),
                // What cannot be read is no script that anybody runs, but who knows what it is the next time.
                Err(_) => is_in_doubt |= programs.is_replaceable_file(&path),
            }
        }
        paths.retain(|path| programs.is_replaceable_file(path));
        let mut left = MAX_CONTENT;
        let mut files = BTreeMap::new();
        for path in paths {
            match Content::of(&path, &mut left) {
                Ok(content) => {
                    is_in_doubt |= content.digest.is_none();
                    files.insert(path, content);
                }
                Err(_) => is_in_doubt = true,
            }
        }
        Self { files, is_in_doubt }
    }

    /// The same, and something else decides what runs, too.
    #[must_use]
    pub(super) fn in_doubt(self) -> Self {
        Self { is_in_doubt: true, ..self }
    }

    /// Whether these files and the command decide what runs, as far as the command line tells. Else a yes is good for
    /// one run.
    pub fn decide_alone(&self) -> bool {
        !self.is_in_doubt
    }

    /// A file that is another one than in `before`.
    pub(super) fn changed_since(&self, before: &Self) -> Option<PathBuf> {
        let names = self.files.keys().chain(before.files.keys());
        names.into_iter().find(|path| self.files.get(*path) != before.files.get(*path)).cloned()
    }
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Named {
    Nothing,
    File,
    Folder,
    /// Whatever this is, it may be something else for the command, or at the next time: a pipe, a place of the kernel,
    /// a link that leads nowhere yet.
    Doubtful,
}

impl Named {
    fn at(path: &Path, programs: &ProgramFiles) -> Self {
        if names::is_shifting(path) {
            return Self::Doubtful;
        }
        // Where a component cannot be looked at, there is nothing to run either.
        let Ok(links) = sandbox::links_on(path) else { return Self::Nothing };
        if links.iter().any(|link| names::is_shifting(link.as_path())) {
            return Self::Doubtful;
        }
        let Ok(metadata) = path.metadata() else {
            let leads_nowhere = |link: &&AbsolutePath| link.as_path().metadata().is_err();
            let is_open = links.iter().filter(leads_nowhere).any(|link| programs.is_replaceable_link(link));
            return if is_open { Self::Doubtful } else { Self::Nothing };
        };
        let leads_to = if links.is_empty() { None } else { path.canonicalize().ok() };
        if leads_to.is_some_and(|real| names::is_shifting(&real)) {
            Self::Doubtful
        } else if metadata.is_file() {
            Self::File
        } else if metadata.is_dir() {
            Self::Folder
        } else if path == Path::new("/dev/null") {
            Self::Nothing
        } else {
            Self::Doubtful
        }
    }
}

impl Content {
    fn of(path: &Path, left: &mut u64) -> io::Result<Self> {
        let version = FileVersion::at(path)?;
        Ok(Self { version, digest: digest(path, left) })
    }
}

/// Of what a file says, if that can be read and is not more than what is `left`.
fn digest(path: &Path, left: &mut u64) -> Option<[u8; 32]> {
    // Whatever it has become meanwhile: opening it does not wait.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(left.saturating_add(1)).read_to_end(&mut content).ok()?;
    *left = left.checked_sub(u64::try_from(content.len()).ok()?)?;
    Some(Sha256::digest(&content).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(folder: &Path, argv: &[&str]) -> Inputs {
        with_variables(folder, argv, &[])
    }

    fn with_variables(folder: &Path, argv: &[&str], variables: &[(&str, &str)]) -> Inputs {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let programs = ProgramFiles::new([folder.to_owned()]);
        let lookup = Lookup { search: OsStr::new("/usr/bin:/bin"), cwd: folder };
        let program = AbsolutePath::parse("/bin/sh").unwrap();
        Inputs::of(&argv, &variables.collect(), &program, lookup, &programs)
    }

    #[test]
    fn scripts_and_arguments_are_found_wherever_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["deploy.sh", "input", "other"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let found = |argv: &[&str]| -> Vec<String> {
            let files = inputs(folder.path(), argv).files;
            files.keys().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(found(&["bash", "deploy.sh"]), ["deploy.sh"]);
        assert_eq!(
            found(&["bash", "-lc", "./deploy.sh && cat other | sort --files=input"]),
            ["deploy.sh", "input", "other"]
        );
        assert_eq!(found(&["bash", "-c", "sh -c 'sh ./deploy.sh'"]), ["deploy.sh"]);
        assert_eq!(found(&["env", "-S", "bash deploy.sh"]), ["deploy.sh"]);
        assert_eq!(found(&["python3", "-c", "run(['./deploy.sh'])"]), ["deploy.sh"]);
        assert!(found(&["git", "push", "--all"]).is_empty());
    }

    #[test]
    fn what_the_agents_variables_name_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), "x").unwrap();
        let files =
            |value: &str| with_variables(folder.path(), &["git", "push"], &[("A", value)]).files.len();
        assert_eq!(files("config"), 1);
        assert_eq!(files("include.path=./config"), 1);
        assert_eq!(files("another"), 0);
        assert!(!with_variables(folder.path(), &["git", "push"], &[("GIT_DIR", ".")]).decide_alone());
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("x.mk"), "x").unwrap();
        for (link, target) in [
            ("proc", "/proc/self/cwd"),
            ("gone", "/proc/0/cwd"),
            ("null", "/dev/null"),
            ("folder", "nowhere"),
            ("good", "x.mk"),
        ] {
            std::os::unix::fs::symlink(target, path(link)).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for word in [
            "/proc/self/cwd/x.mk",
            "/proc/thread-self/cwd/x.mk",
            "-f/dev/stdin",
            "proc/x.mk",
            "gone",
            "folder/x.mk",
            "null",
            "socket",
        ] {
            assert!(!inputs(folder.path(), &["make", word]).decide_alone(), "{word}");
        }
        for word in ["x.mk", "good", "/dev/null", "x.mk/y", "/bin/nothing"] {
            assert!(inputs(folder.path(), &["make", word]).decide_alone(), "{word}");
        }
    }

    #[test]
    fn another_content_is_another_input() {
        let folder = tempfile::tempdir().unwrap();
        let now = || inputs(folder.path(), &["bash", "run.sh"]);
        std::fs::write(folder.path().join("run.sh"), "echo good").unwrap();
        let before = now();
        assert!(before.decide_alone());
        assert_eq!(now().changed_since(&before), None);
        std::fs::write(folder.path().join("run.sh"), "echo evil").unwrap();
        assert_ne!(now(), before);
        assert_eq!(now().changed_since(&before), Some(folder.path().join("run.sh")));
        // The same version of the file, as after a write through a mapping.
        let path = folder.path().join("run.sh");
        let mut mapped = now();
        mapped.files.get_mut(&path).unwrap().digest = Some([0; 32]);
        assert_eq!(now().changed_since(&mapped), Some(path));
    }

    #[test]
    fn what_is_too_much_to_look_at_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let size = |size| std::fs::File::create(folder.path().join("run.sh")).unwrap().set_len(size).unwrap();
        size(MAX_CONTENT);
        assert!(inputs(folder.path(), &["bash", "run.sh"]).decide_alone());
        size(MAX_CONTENT + 1);
        let inputs = inputs(folder.path(), &["bash", "run.sh"]);
        assert!(!inputs.decide_alone());
        assert_eq!(inputs.files.len(), 1);
    }

    #[test]
    fn an_interpreter_is_an_input() {
        let folder = tempfile::tempdir().unwrap();
        let interpreter = folder.path().join("interpreter");
        std::fs::write(&interpreter, "#!/bin/sh\n").unwrap();
        std::fs::write(folder.path().join("tool"), format!("#!{}\n", interpreter.display())).unwrap();
        assert!(inputs(folder.path(), &["sh", "tool"]).files.contains_key(&interpreter));
    }

    #[test]
    fn a_folder_says_nothing_of_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("package")).unwrap();
        assert!(!inputs(folder.path(), &["python3", "package"]).decide_alone());
        assert!(!inputs(folder.path(), &["python3", "-c", "import x"]).decide_alone());
        assert!(inputs(folder.path(), &["git", "push"]).decide_alone());
    }
}
