//! What Git's configuration starts, if that lies where sandboxed commands could have put it. git-config(1).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::programs::ProgramFiles;
use super::repositories::read;

/// How large a file may be that is looked at.
const MAX_FILE: u64 = 1024 * 1024;

/// The last parts of the names of settings that Git executes, or reads more settings from. Lower case.
const EXECUTED: [&str; 21] = [
    "hookspath",
    "fsmonitor",
    "path",
    "editor",
    "pager",
    "sshcommand",
    "askpass",
    "gitproxy",
    "clean",
    "smudge",
    "process",
    "textconv",
    "command",
    "driver",
    "cmd",
    "program",
    "helper",
    "external",
    "alternaterefscommand",
    "uploadpack",
    "receivepack",
];

/// The files of the machine and of the user.
pub(super) fn of_the_user(environment: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let place =
        |name: &str| environment.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = place("HOME");
    let more = place("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let system = place("GIT_CONFIG_SYSTEM").unwrap_or_else(|| PathBuf::from("/etc/gitconfig"));
    let files = match place("GIT_CONFIG_GLOBAL") {
        Some(global) => vec![global],
        None => {
            let home = home.map(|home| home.join(".gitconfig"));
            more.map(|more| more.join("git/config")).into_iter().chain(home).collect()
        }
    };
    [system].into_iter().chain(files).collect()
}

/// A setting in this file that lets a workspace decide what Git starts in `cwd`, and why that is so.
pub(super) fn doubtful(
    file: &Path,
    programs: &ProgramFiles,
    environment: &BTreeMap<OsString, OsString>,
    cwd: &Path,
) -> Option<String> {
    let name = policies::escape(file);
    let text = match read(file, MAX_FILE) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("cannot read `{name}`: {error}")),
    };
    let home = environment.get(OsStr::new("HOME")).map(Path::new);
    let is_open = |key: &str, value: &str| match (value.trim_matches('"').strip_prefix("~/"), home) {
        (Some(below), Some(home)) => programs.is_open_home(&home.join(below)),
        (Some(_), None) => true,
        (None, _) => {
            let is_relative_place = is_place(key) && !value.trim_matches('"').starts_with('/');
            is_relative_place || programs.is_open_command(value, cwd)
        }
    };
    let mut settings = executed(&text);
    let (key, _) = settings.find(|(key, value)| match is_address(key) {
        true => is_open_address(value, programs, cwd),
        false => value.ends_with('\\') || is_open(key, value),
    })?;
    let key = policies::escape(&key);
    Some(format!("`{key}` in `{name}` leads to a place where commands could put code"))
}

/// The settings that name something to execute. A value that goes on in the next line ends with its backslash.
fn executed(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let line = match line.strip_prefix('[') {
            Some(section) => section.split_once(']')?.1,
            None => line,
        };
        let (key, value) = line.split_once('=')?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        let is_command = value.trim_start_matches('"').starts_with('!');
        (is_command || is_address(&key) || EXECUTED.contains(&key.as_str())).then_some((key, value))
    })
}

/// A folder or file, and no command line.
fn is_place(key: &str) -> bool {
    matches!(key, "hookspath" | "path")
}

/// Another repository, whose hooks run when this one is sent there.
fn is_address(key: &str) -> bool {
    matches!(key, "url" | "pushurl")
}

/// Whether that is a folder which commands could have changed, and no other machine. git-fetch(1), "Git URLs".
fn is_open_address(address: &str, programs: &ProgramFiles, cwd: &Path) -> bool {
    let address = address.trim_matches('"');
    let path = address.strip_prefix("file://").unwrap_or(address);
    let is_remote = path.split('/').next().is_some_and(|start| start.contains(':'));
    let place = cwd.join(path);
    !is_remote && programs.is_replaceable_place(&place.canonicalize().unwrap_or(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_workspace_is_found() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["project", "project/hooks", "home", "other"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let programs = ProgramFiles::below([path("project")]);
        let environment = BTreeMap::from([(OsString::from("HOME"), path("home").into_os_string())]);
        let found = |text: &str| {
            let text = text.replace("ROOT", folder.path().to_str().unwrap());
            std::fs::write(path("config"), text).unwrap();
            doubtful(&path("config"), &programs, &environment, &path("project")).is_some()
        };
        for text in [
            "[core]\n\thooksPath = .husky/_\n",
            "[core]\n\tHOOKSPATH=hooks\n",
            "[core] fsmonitor = ./watch\n",
            "[include]\n\tpath = ../.gitconfig\n",
            "[filter \"x\"]\n\tclean = \"node tools/clean.js\"\n",
            "[alias]\n\tgo = !./go.sh\n",
            "[core]\n\tpager = less \\\n\t./x\n",
            "[include]\n\tpath = ~/../project/hooks\n",
            "[remote \"origin\"]\n\turl = file://ROOT/project/x\n",
            "[remote \"origin\"]\n\tpushurl = sub/one:two\n",
        ] {
            assert!(found(text), "{text}");
        }
        for text in [
            "",
            "[core]\n\tbare = false\n\tworktree = ../x\n[remote \"origin\"]\n\turl = ../other\n",
            "[remote \"origin\"]\n\turl = git@example.com:me/x.git\n\tpushurl = https://example.com/x\n",
            "[core]\n\tfsmonitor = true\n\thooksPath = /usr/share/hooks\n",
            "[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n",
            "[include]\n\tpath = ~/.gitconfig.local\n",
            "[alias]\n\tco = checkout\n\tlast = \"!git log -1\"\n",
        ] {
            assert!(!found(text), "{text}");
        }
    }
}
