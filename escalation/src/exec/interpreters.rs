//! What the kernel starts for a script: the chain of `#!` lines. execve(2), "Interpreter scripts".

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policies::AbsolutePath;

/// How much of a file the kernel looks at.
const MAX_LINE: u64 = 256;

/// How many scripts in a row it follows.
const MAX_DEPTH: usize = 5;

/// Where a shell looks when `PATH` is unset. confstr(3), `_CS_PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Where the names of programs are looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a> {
    /// The run's `PATH`.
    pub(super) search: &'a OsStr,
    /// Where it starts.
    pub(super) cwd: &'a Path,
}

impl<'a> Lookup<'a> {
    /// As in a run with this environment that starts in `cwd`.
    pub(super) fn of(environment: &'a BTreeMap<OsString, OsString>, cwd: &'a AbsolutePath) -> Self {
        let search = environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), AsRef::as_ref);
        Self { search, cwd: cwd.as_path() }
    }

    /// The file that would be executed for this name, if there is one.
    pub(super) fn program(&self, name: &OsStr) -> Option<PathBuf> {
        if name.is_empty() {
            return None;
        }
        if name.as_bytes().contains(&b'/') {
            return Some(self.cwd.join(name));
        }
        std::env::split_paths(self.search)
            .map(|folder| self.cwd.join(folder).join(name))
            .find(|path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok())
    }

    /// The interpreters of `program` and theirs, in order; with `env`, also what it looks up. Empty for a binary.
    ///
    /// # Errors
    /// Where they cannot be told.
    pub(super) fn interpreters(&self, program: &Path) -> io::Result<Vec<PathBuf>> {
        let mut chain = Vec::new();
        let mut next = Some(program.to_owned());
        while let Some(script) = next.take() {
            let Some(line) = first_line(&script)? else { break };
            if chain.len() >= MAX_DEPTH {
                return Err(io::Error::from_raw_os_error(nix::libc::ELOOP));
            }
            let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
            let Some(path) = words.next() else { break };
            let interpreter = self.cwd.join(OsStr::from_bytes(path));
            let is_env = interpreter.file_name() == Some(OsStr::new("env"));
            chain.push(interpreter.clone());
            next = match is_env {
                false => Some(interpreter),
                true => {
                    let named = named_by_env(words)?;
                    let found = named.and_then(|name| self.program(&name));
                    chain.extend(found.iter().cloned());
                    found
                }
            };
        }
        Ok(chain)
    }
}

/// The line after `#!`; `None` for what is no script.
fn first_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // Whatever it has become meanwhile: opening it does not wait.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut start = Vec::new();
    file.take(MAX_LINE).read_to_end(&mut start)?;
    let Some(rest) = start.strip_prefix(b"#!") else { return Ok(None) };
    match rest.split(|byte| *byte == b'\n').next() {
        // It goes on, and how much of it counts is another question.
        Some(line) if line.len() == rest.len() && u64::try_from(start.len()) == Ok(MAX_LINE) => {
            Err(unclear())
        }
        line => Ok(line.map(<[u8]>::to_vec)),
    }
}

/// The program that `env` starts.
fn named_by_env<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> io::Result<Option<OsString>> {
    let first = words.next();
    let name = match first {
        Some(b"-S" | b"--split-string") => words.next(),
        Some(word) => Some(word.strip_prefix(b"-S".as_slice()).unwrap_or(word)),
        None => None,
    };
    match name {
        // Another option, or a variable, which may be the search path.
        Some(word) if word.starts_with(b"-") || word.iter().any(|byte| b"='\"\\$".contains(byte)) => {
            Err(unclear())
        }
        name => Ok(name.map(|name| OsStr::from_bytes(name).to_owned())),
    }
}

fn unclear() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its `#!` line is not clear")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interpreter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let script = |name: &str, line: &str| std::fs::write(path(name), format!("{line}\nrest\n")).unwrap();
        script("inner", "#!/bin/sh -e");
        script("outer", &format!("#! {} x", path("inner").display()));
        script("by-env", "#!/usr/bin/env -S sh -e");
        script("loop", &format!("#!{}", path("loop").display()));
        script("option", "#!/usr/bin/env -u PATH sh");
        script("variable", "#!/usr/bin/env -S PATH=. sh");
        script("long", &format!("#!/bin/{}", "x".repeat(300)));
        std::fs::write(path("binary"), b"\x7fELF").unwrap();
        let lookup = Lookup { search: OsStr::new("/bin"), cwd: folder.path() };
        let chain = |name: &str| lookup.interpreters(&path(name));
        assert_eq!(chain("inner").unwrap(), [PathBuf::from("/bin/sh")]);
        assert_eq!(chain("outer").unwrap(), [path("inner"), PathBuf::from("/bin/sh")]);
        assert_eq!(chain("by-env").unwrap(), [PathBuf::from("/usr/bin/env"), PathBuf::from("/bin/sh")]);
        assert!(chain("binary").unwrap().is_empty());
        for name in ["loop", "option", "variable", "long", "missing"] {
            assert!(chain(name).is_err(), "{name}");
        }
    }
}
