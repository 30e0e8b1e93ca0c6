//! Taking back an amendment: removing its line from the user's rule file.
//!
//! Bytes cannot be cut out of a file at once, so a new file takes the place of the old one, while its locks are held.
//! Whoever waits for a lock then finds that the name means another file, and opens that one, as `locked.rs` does. What
//! another program adds at that very moment, while a reader keeps us from locking the file, is lost: it is asked for
//! again, but a rule that was taken back must not stay because somebody reads it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use execpolicy::format::{AmendmentLine, amendment_lines};

use super::append::{AMENDMENTS_FILE, RULES_FOLDER, sync_folder};
use super::file::{RulesError, read};
use super::locked::{self, Locked, OpenError};
use crate::display::escape;

/// A rule that an acceptance wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AcceptedRule {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
    /// The rule as it is written there. Make it visible before it is printed.
    pub text: String,
    /// What it is about: the words of the prefix, or the host alone.
    pub words: Vec<String>,
}

/// A rule that could not be taken back. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The file cannot be read, or is no rule file.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The file could not be opened, locked or replaced.
    #[error("cannot {action} the rule file `{}`", escape(.path))]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The name leads elsewhere.
    #[error("refused to change `{}`: it is not a regular file", escape(.path))]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else holds the lock.
    #[error("the rule file `{}` is locked by another program", escape(.path))]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Somebody changed the file since the rule was found in it.
    #[error("line {line} of the rule file `{}` is not the rule that it was", escape(.path))]
    Changed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// The file belongs to somebody else, and would not any more.
    #[error("refused to replace the rule file `{}`: it belongs to somebody else", escape(.path))]
    Owner {
        /// The file.
        path: PathBuf,
        /// Why it cannot be given back to them.
        source: io::Error,
    },
}

impl RemoveError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Rules(error) => return error.help(),
            Self::File { .. } => "make the file and its folder writable, or remove the line by hand",
            Self::NotRegular { .. } => "remove the line by hand where it is",
            Self::Locked { .. } => "end the program that holds it, and try again",
            Self::Changed { .. } => "list the rules again",
            Self::Owner { .. } => "let its owner remove the line",
        };
        Some(help.to_owned())
    }
}

/// The rules that acceptances wrote, in the order of the file: none when there is no file.
///
/// # Errors
/// [`RemoveError::Rules`]: the file cannot be read, or does not parse.
pub fn accepted_rules(config_home: &Path) -> Result<Vec<AcceptedRule>, RemoveError> {
    let path = path(config_home);
    let file = match locked::open_regular(&path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(OpenError::Failed { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused(&path, error)),
    };
    let found = amendments(&path, &read(&path, file)?)?;
    Ok(found
        .into_iter()
        .map(|AmendmentLine { line, text, words, .. }| AcceptedRule { file: path.clone(), line, text, words })
        .collect())
}

/// Removes a rule that an acceptance wrote, and nothing else: all other bytes, the mode and the owner stay. The
/// lines behind it move up by one.
///
/// # Errors
/// [`RemoveError`]; nothing is changed then.
pub fn remove(config_home: &Path, rule: &AcceptedRule) -> Result<(), RemoveError> {
    let path = path(config_home);
    let changed = || RemoveError::Changed { path: path.clone(), line: rule.line };
    let Locked { mut file, lock: _lock, .. } = match locked::open(&path, OpenOptions::new().read(true)) {
        Ok(locked) => locked,
        Err(OpenError::Failed { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(changed());
        }
        Err(error) => return Err(refused(&path, error)),
    };
    let text = read(&path, Read::by_ref(&mut file))?;
    let is_it = |found: &AmendmentLine| (found.line, &found.text) == (rule.line, &rule.text);
    let found = amendments(&path, &text)?.into_iter().find(is_it).ok_or_else(changed)?;
    let kept = [text.get(..found.bytes.start), text.get(found.bytes.end..)];
    let kept: String = kept.into_iter().flatten().collect();
    let draft = Draft { old: &file, read: text.len(), text: kept.as_bytes() };
    replace(&path, &draft, &changed)
}

fn path(config_home: &Path) -> PathBuf {
    config_home.join(RULES_FOLDER).join(AMENDMENTS_FILE)
}

fn amendments(path: &Path, text: &str) -> Result<Vec<AmendmentLine>, RemoveError> {
    Ok(amendment_lines(&path.to_string_lossy(), text).map_err(RulesError::from)?)
}

/// A file that takes the place of another one.
struct Draft<'a> {
    /// Whose lock is held, if nobody who reads it kept us from that.
    old: &'a File,
    /// How much was read of it.
    read: usize,
    text: &'a [u8],
}

fn replace(path: &Path, new: &Draft<'_>, changed: &dyn Fn() -> RemoveError) -> Result<(), RemoveError> {
    // No rule file by its name, so nobody reads it. By the number of the process: one that a crash left behind is
    // removed by whoever has that number next.
    let draft = path.with_extension(format!("rules.{}.new", std::process::id()));
    std::fs::remove_file(&draft).or_else(absent).map_err(failed(path, "replace"))?;
    let replaced = write_draft(path, &draft, new.old, new.text)
        .and_then(|()| new.old.metadata().map_err(failed(path, "look at")))
        .and_then(|old| match usize::try_from(old.len()) == Ok(new.read) {
            true => std::fs::rename(&draft, path).map_err(failed(path, "replace")),
            false => Err(changed()),
        });
    if replaced.is_err() {
        std::fs::remove_file(&draft).or_else(absent).map_err(failed(path, "replace"))?;
    }
    replaced?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    sync_folder(folder).map_err(failed(path, "sync"))
}

fn write_draft(path: &Path, draft: &Path, old: &File, text: &[u8]) -> Result<(), RemoveError> {
    let failed = || failed(path, "replace");
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft).map_err(failed())?;
    file.write_all(text).map_err(failed())?;
    let (was, is) = (old.metadata().map_err(failed())?, file.metadata().map_err(failed())?);
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        fchown(&file, Some(was.uid()), Some(was.gid()))
            .map_err(|source| RemoveError::Owner { path: path.to_owned(), source })?;
    }
    // After the change of owners, which takes bits away. chown(2)
    file.set_permissions(was.permissions()).map_err(failed())?;
    file.sync_all().map_err(failed())
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn refused(path: &Path, error: OpenError) -> RemoveError {
    match error {
        OpenError::NotRegular => RemoveError::NotRegular { path: path.to_owned() },
        OpenError::Locked => RemoveError::Locked { path: path.to_owned() },
        OpenError::Failed { action, source } => failed(path, action)(source),
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> RemoveError {
    let path = path.to_owned();
    move |source| RemoveError::File { path, action, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Barrier;

    use execpolicy::{ApprovalPolicy, Context, Policy, Request, Sandboxing, WritableRoots};

    use super::super::{AppendError, append};
    use super::*;

    fn home(text: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("rules")).unwrap();
        std::fs::write(path(home.path()), text).unwrap();
        home
    }

    fn text(home: &Path) -> String {
        std::fs::read_to_string(path(home)).unwrap()
    }

    fn accept(home: &Path, word: &str) {
        let argv = ["touch".to_owned(), word.to_owned()];
        let context = Context {
            approval: ApprovalPolicy::Untrusted,
            sandboxing: Sandboxing::Restricted,
            request: Request::Default,
            cwd: "/project",
            moved: false,
            programs: &WritableRoots::default(),
            wanted_prefix: None,
        };
        let accepted = Policy::default().evaluate(&argv, &context).accept(&argv).unwrap();
        while let Err(error) = append(home, &accepted) {
            assert!(matches!(error, AppendError::Locked { .. }), "{error}");
        }
    }

    /// Removes the rule with this word, wherever it is by now.
    fn take_back(home: &Path, word: &str) {
        loop {
            let rules = accepted_rules(home).unwrap();
            let rule = rules.iter().find(|rule| rule.text.contains(&format!("\"{word}\"")));
            match remove(home, rule.expect("it is there")) {
                Ok(()) => return,
                // Many writers and a slow disk may keep the lock from one for so long that it is told.
                Err(RemoveError::Changed { .. } | RemoveError::Locked { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn exactly_the_line_goes() {
        let home = home("# mine\r\n\r\nhost_executable(name = 'git', paths = [])\n\n");
        let before = text(home.path());
        std::fs::set_permissions(path(home.path()), std::fs::Permissions::from_mode(0o640)).unwrap();
        accept(home.path(), "a");
        accept(home.path(), "b");
        take_back(home.path(), "a");
        let rules = accepted_rules(home.path()).unwrap();
        assert_eq!((rules[0].line, rules[0].words.join(" ").as_str()), (5, "touch b"));
        take_back(home.path(), "b");
        assert_eq!(text(home.path()), before);
        assert_eq!(path(home.path()).metadata().unwrap().mode() & 0o7777, 0o640);
        assert_eq!(home.path().join("rules").read_dir().unwrap().count(), 2, "only the lock is left behind");
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let written = "prefix_rule(pattern=['touch', 'a'], decision='allow')\n";
        let home = home(written);
        assert_eq!(accepted_rules(home.path()).unwrap(), []);
        let text_of_line = written.trim_end().to_owned();
        let rule = AcceptedRule { file: path(home.path()), line: 1, text: text_of_line, words: Vec::new() };
        let error = remove(home.path(), &rule).unwrap_err();
        assert!(matches!(error, RemoveError::Changed { .. }), "{error}");
        assert_eq!(text(home.path()), written);
    }

    #[test]
    fn a_rule_that_moved_is_not_taken_for_another() {
        let home = home("");
        accept(home.path(), "a");
        accept(home.path(), "b");
        let rules = accepted_rules(home.path()).unwrap();
        remove(home.path(), &rules[0]).unwrap();
        assert!(matches!(remove(home.path(), &rules[0]), Err(RemoveError::Changed { .. })));
        assert!(matches!(remove(home.path(), &rules[1]), Err(RemoveError::Changed { .. })));
        assert!(text(home.path()).contains("\"b\""));
    }

    #[test]
    fn there_may_be_no_file() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(accepted_rules(home.path()).unwrap(), []);
        let rule = AcceptedRule { file: path(home.path()), line: 1, text: String::new(), words: Vec::new() };
        assert!(matches!(remove(home.path(), &rule), Err(RemoveError::Changed { .. })));
        assert!(!home.path().join("rules").exists());
    }

    #[test]
    fn nothing_is_changed_elsewhere_or_in_what_does_not_parse() {
        let home = home("prefix_rule(\n");
        assert!(matches!(accepted_rules(home.path()), Err(RemoveError::Rules(_))));
        let elsewhere = home.path().join("elsewhere");
        std::fs::rename(path(home.path()), &elsewhere).unwrap();
        symlink(&elsewhere, path(home.path())).unwrap();
        let error = accepted_rules(home.path()).unwrap_err();
        assert!(matches!(error, RemoveError::NotRegular { .. }), "{error}");
        let rule = AcceptedRule { file: path(home.path()), line: 1, text: String::new(), words: Vec::new() };
        assert!(matches!(remove(home.path(), &rule), Err(RemoveError::NotRegular { .. })));
    }

    #[test]
    fn adding_and_removing_at_once_loses_nothing() {
        let home = home("# first\n");
        let (workers, each) = (4, 20);
        let barrier = Barrier::new(workers);
        std::thread::scope(|scope| {
            for worker in 0..workers {
                let (barrier, home) = (&barrier, home.path());
                scope.spawn(move || {
                    barrier.wait();
                    for number in 0..each {
                        accept(home, &format!("stays-{worker}-{number}"));
                        accept(home, &format!("goes-{worker}-{number}"));
                        take_back(home, &format!("goes-{worker}-{number}"));
                    }
                });
            }
        });
        let text = text(home.path());
        assert!(text.starts_with("# first\n"));
        assert!(!text.contains("goes"), "{text}");
        assert_eq!(text.lines().count(), workers * each + 1);
    }
}
