//! Whether Git, when a rule lets it leave the sandbox, works in the repository that the person has: the configuration of
//! a repository names programs, which Git starts on its own, in submodules too. gitrepository-layout(5), git-config(1).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policies::escape;
use sandbox::Boundaries;

use super::inner::Commands;
use super::interpreters::Lookup;
use super::programs::ProgramFiles;
use super::{git_config, git_index, names};

/// How long a file that leads to another place may be.
const MAX_POINTER: u64 = 8 * 1024;

/// What in a repository decides which programs run.
const DECIDES: [&str; 10] =
    ["", "config", "config.worktree", "hooks", "info", "index", "HEAD", "refs", "objects", "commondir"];

/// Options before Git's command that do not change where it works.
const HARMLESS_OPTIONS: [&str; 8] = [
    "--no-pager",
    "-P",
    "-p",
    "--paginate",
    "--no-optional-locks",
    "--literal-pathspecs",
    "--version",
    "--help",
];

/// Git's commands that neither write the index nor look at the work tree.
const REMOTE: [&str; 10] =
    ["push", "fetch", "log", "show", "branch", "tag", "remote", "ls-remote", "rev-parse", "rev-list"];

/// Git's commands that look at the work tree, and write nothing there nor into the index.
const LOOKS: [&str; 6] = ["status", "diff", "ls-files", "describe", "blame", "grep"];

/// Where Git works.
#[derive(Clone, Copy, Debug)]
pub(super) struct GitPlace<'a> {
    pub(super) lookup: Lookup<'a>,
    /// What a run inside the sandbox may write.
    pub(super) boundaries: &'a Boundaries,
    pub(super) programs: &'a ProgramFiles,
    /// The run's variables.
    pub(super) environment: &'a BTreeMap<OsString, OsString>,
}

impl GitPlace<'_> {
    /// What is in the way of letting Git run outside of the sandbox; `None` when Git is not among these commands, or its
    /// repository is surely the person's.
    pub(super) fn doubtful(&self, commands: &Commands) -> Option<String> {
        let mut gits = BTreeSet::new();
        for words in &commands.list {
            let Some(at) = words.iter().position(|word| self.is_git(word)) else { continue };
            let (before, git) = words.split_at(at);
            if before.iter().any(|word| word.starts_with('-') || word.contains('=')) {
                return Some("what stands before `git` may lead it to another repository".to_owned());
            }
            gits.insert(git);
        }
        if gits.is_empty() {
            return None;
        }
        if commands.is_in_doubt {
            return Some("it does not say plainly in which repository `git` works".to_owned());
        }
        let other = gits.iter().find_map(|git| self.leads_elsewhere(git));
        other.or_else(|| changes_what_comes_next(&gits)).or_else(|| self.doubtful_here())
    }

    /// By its name, or by where that leads.
    fn is_git(&self, word: &str) -> bool {
        let named = Path::new(word);
        let is_git = |path: &Path| path.file_name().is_some_and(|name| name == "git");
        let is_part = |path: &Path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"git-"));
        if is_git(named) {
            return true;
        }
        let file = self.lookup.program(OsStr::new(word)).and_then(|path| path.canonicalize().ok());
        file.is_some_and(|file| is_git(&file) || is_part(named) || is_part(&file))
    }

    /// Whether the words of this Git name another repository.
    fn leads_elsewhere(&self, git: &[String]) -> Option<String> {
        let mut words = git.iter().skip(1).map(String::as_str);
        let options = words.clone().take_while(|word| word.starts_with('-'));
        if let Some(option) = options.into_iter().find(|word| !HARMLESS_OPTIONS.contains(word)) {
            return Some(format!("`git {}` may work in another repository", escape(option)));
        }
        let Some(named) = names::all(words.by_ref()) else {
            return Some("`git` has too many words to look at".to_owned());
        };
        let here = self.lookup.cwd.canonicalize();
        let another = named.into_iter().find(|name| {
            let place = self.lookup.cwd.join(name);
            let with_suffix = PathBuf::from([place.as_os_str(), OsStr::new(".git")].join(OsStr::new("")));
            let is_there = |place: &Path| place.symlink_metadata().is_ok();
            let is_here =
                place.canonicalize().is_ok_and(|place| here.as_ref().is_ok_and(|here| place == *here));
            let places = [place.join(".git"), place.join("HEAD"), with_suffix];
            let is_repository = places.iter().any(|place| is_there(place));
            is_repository && !is_here && self.programs.is_replaceable_place(&place)
        });
        another.map(|name| format!("`{}` is another repository", escape(name)))
    }

    /// Whether the repository in the working directory could be another one than the person's.
    fn doubtful_here(&self) -> Option<String> {
        let cwd = self.lookup.cwd.canonicalize().unwrap_or_else(|_| self.lookup.cwd.to_owned());
        let place = cwd.join(".git");
        let open = || Some(format!("commands could have changed `{}`", escape(&place)));
        let Ok(metadata) = place.symlink_metadata() else {
            // From the folder above as well: what is missing here can be put here until Git looks.
            return Some(format!(
                "`{}` is missing, so commands could put a repository there",
                escape(&place)
            ));
        };
        let metadata_folder = match metadata.file_type() {
            kind if kind.is_dir() => place.clone(),
            kind if kind.is_file() => match pointer(&place, "gitdir:") {
                Ok(Some(folder)) => match cwd.join(folder).canonicalize() {
                    Ok(folder) => folder,
                    Err(_) => return open(),
                },
                Ok(None) | Err(_) => return open(),
            },
            // A link leads where it leads now.
            _ => return open(),
        };
        let is_writable =
            |path: &Path| self.boundaries.judge(path).map_or(true, |judged| judged.is_writable());
        let decides = DECIDES.map(|name| metadata_folder.join(name));
        if is_writable(&place)
            || decides.iter().any(|path| is_writable(path))
            || self.programs.opens_below(&place)
        {
            return open();
        }
        if metadata_folder != place && self.programs.is_replaceable_place(&metadata_folder) {
            return open();
        }
        let common = match pointer(&metadata_folder.join("commondir"), "") {
            Ok(Some(folder)) => match metadata_folder.join(folder).canonicalize() {
                Ok(folder) => folder,
                Err(_) => return open(),
            },
            Ok(None) => return open(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => metadata_folder.clone(),
            Err(_) => return open(),
        };
        if common != place && self.programs.is_replaceable_place(&common) {
            return open();
        }
        if !is_repository(&metadata_folder, &common) {
            // Git would go on, and take the working directory itself for a repository.
            return Some(format!("`{}` is no repository", escape(&place)));
        }
        match git_index::names_other_repositories(&metadata_folder) {
            Ok(false) => {}
            Ok(true) => {
                return Some("the repository has submodules, which commands could have changed".to_owned());
            }
            Err(error) => return Some(format!("cannot look for submodules in the repository: {error}")),
        }
        let own = [common.join("config"), metadata_folder.join("config.worktree")];
        let mut files = own.into_iter().chain(git_config::of_the_user(self.environment));
        files.find_map(|file| git_config::doubtful(&file, self.programs, self.environment, &cwd))
    }
}

/// Whether one of these could make another repository a part of the index, which the next one would look into.
fn changes_what_comes_next(gits: &BTreeSet<&[String]>) -> Option<String> {
    let commands = gits.iter().map(|git| {
        let word = git.iter().skip(1).find(|word| !word.starts_with('-'));
        word.map_or("", String::as_str)
    });
    let local: Vec<&str> = commands.filter(|command| !REMOTE.contains(command)).collect();
    let changes = local.len() > 1 && local.iter().any(|command| !LOOKS.contains(command));
    changes
        .then(|| "one `git` could make another repository a part of this one for the next `git`".to_owned())
}

/// Whether Git takes this for a repository.
fn is_repository(folder: &Path, common: &Path) -> bool {
    let is_name = |text: &[u8]| match text.strip_prefix(b"ref:") {
        Some(name) => name.trim_ascii_start().starts_with(b"refs/"),
        None => text.get(..40).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
    };
    let head = folder.join("HEAD");
    let is_link = head.is_symlink();
    !is_link
        && read(&head, MAX_POINTER).is_ok_and(|text| is_name(&text))
        && ["objects", "refs"].iter().all(|name| common.join(name).is_dir())
}

/// What a file of one line says after `prefix`. `None` for one that says something else.
fn pointer(file: &Path, prefix: &str) -> io::Result<Option<PathBuf>> {
    let text = read(file, MAX_POINTER)?;
    let line = std::str::from_utf8(&text).ok().map(|text| text.trim_end_matches(['\n', '\r']));
    let line = line.and_then(|line| line.strip_prefix(prefix)).map(str::trim_start);
    Ok(line.filter(|line| !line.is_empty() && !line.contains('\n')).map(PathBuf::from))
}

/// An ordinary file of not more than `limit` bytes.
pub(super) fn read(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Whatever it has become meanwhile: opening it does not wait.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no ordinary file"));
    }
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    match u64::try_from(content.len()).is_ok_and(|length| length <= limit) {
        true => Ok(content),
        false => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes"))),
    }
}
