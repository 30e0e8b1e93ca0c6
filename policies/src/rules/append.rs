//! Writing an accepted amendment into the user's rule file.
//!
//! The file is shared with every other session and with other programs that write the same format, so it is
//! appended to and not replaced: under the locks of `locked.rs`, in a single write(2), and the data is on the disk
//! before anybody is told so. Whoever waits for a lock reads the file again when he has it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::MAX_FILE;
use super::locked::{self, Locked, OpenError};
use crate::display::escape;
use execpolicy::amendment::Accepted;

/// The folder of rule files in the configuration home.
pub const RULES_FOLDER: &str = "rules";
/// The file that accepted amendments are written to.
pub const AMENDMENTS_FILE: &str = "default.rules";

/// What became of an amendment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Appended {
    /// It is in the file now, on this line.
    Written {
        /// From 1.
        line: u32,
    },
    /// The same line was there already.
    Present {
        /// From 1.
        line: u32,
    },
}

/// An amendment that could not be written. The file is as it was, but for [`AppendError::Unsynced`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The folder could not be made.
    #[error("cannot create the rules folder `{}`", escape(.path))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be opened, locked, read or written.
    #[error("cannot {action} the rule file `{}`", escape(.path))]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The name leads elsewhere, where nobody would read the rule.
    #[error("refused to write to `{}`: it is not a regular file, and only regular files are read as rules", escape(.path))]
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
    /// The line is in the file, and may be gone with the file after a crash of the machine.
    #[error("wrote line {line} of the rule file `{}`, but cannot make sure that it stays on the disk", escape(.path))]
    Unsynced {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
        /// Why.
        source: io::Error,
    },
    /// It would not be read as the rule that it is meant to be, and with it no rule of the file.
    #[error("refused to write a rule that would not be read: {why}")]
    Unreadable {
        /// Why, on one line.
        why: String,
    },
    /// There is no room left for rules that would be read.
    #[error("the rule file `{}` is full: rule files of more than {MAX_FILE} bytes are not read", escape(.path))]
    Full {
        /// The file.
        path: PathBuf,
    },
}

impl AppendError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Folder { .. } | Self::File { .. } => "make it writable, or add the rule by hand",
            Self::NotRegular { .. } => "replace it with a regular file, and merge what it pointed to",
            Self::Locked { .. } => "end the program that holds it, and accept again",
            Self::Unsynced { .. } => {
                "check the disk; the rule holds until the machine is restarted, at least"
            }
            Self::Unreadable { .. } => "add the rule by hand, in other words",
            Self::Full { .. } => {
                "remove rules that are covered by others: `codex execpolicy lint` names them"
            }
        }
    }
}

/// Writes an accepted amendment to `rules/default.rules` below the configuration home.
///
/// The folder is made if it is missing, the configuration home is not. Returns when the line is on the disk.
/// The line stands by itself, whatever the file ends in; only in a file whose end lies within a string of
/// three quotes, which is no rule file, it has no effect.
///
/// A process with a limit on the size of its files (`ulimit -f`) gets SIGXFSZ when the file would grow beyond;
/// whoever must survive that ignores the signal, and gets [`AppendError::File`]. setrlimit(2)
///
/// # Errors
/// [`AppendError`]; nothing is half written.
pub fn append(config_home: &Path, accepted: &Accepted) -> Result<Appended, AppendError> {
    append_rule(config_home, &accepted.line())
}

/// Writes the rule for a host that a person was asked about, as [`append`] does: a line as
/// [`execpolicy::format::network_amendment_line`] makes it.
///
/// # Errors
/// [`AppendError`]; nothing is half written.
pub fn append_host_rule(config_home: &Path, line: &str) -> Result<Appended, AppendError> {
    append_rule(config_home, line)
}

fn append_rule(config_home: &Path, line: &str) -> Result<Appended, AppendError> {
    check(line)?;
    let folder = config_home.join(RULES_FOLDER);
    make_folder(&folder)?;
    let path = folder.join(AMENDMENTS_FILE);
    let mut locked = open_locked(&path)?;
    let result = append_line(&mut locked, &path, line)?;
    // A file that was just made is only there for good when its folder says so. fsync(2)
    match (sync_folder(&folder), result) {
        (Err(source), Appended::Written { line }) => Err(AppendError::Unsynced { path, line, source }),
        (Ok(()) | Err(_), result) => Ok(result),
    }
}

/// Whether it is one line and one rule. A file in which one line is wrong is not used at all.
fn check(line: &str) -> Result<(), AppendError> {
    let unreadable = |why: String| AppendError::Unreadable { why: escape(why) };
    if line.trim_end_matches('\n').contains(['\n', '\r']) {
        return Err(unreadable("it is more than one line".to_owned()));
    }
    let limits = execpolicy::Limits::default();
    let read =
        execpolicy::rules_file::load_data(AMENDMENTS_FILE, line, &execpolicy::Policy::default(), &limits);
    let rules = read.map_err(|error| unreadable(error.to_string()))?;
    match rules.map(|rules| rules.prefix.len().saturating_add(rules.network.len())) {
        Some(1) => Ok(()),
        Some(_) | None => Err(unreadable("it is not one rule".to_owned())),
    }
}

fn make_folder(folder: &Path) -> Result<(), AppendError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(AppendError::Folder { path: folder.to_owned(), source }),
    }
}

/// A folder that may be entered and written but not read cannot be opened, nor synced: the file itself is on
/// the disk by then.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

fn open_locked(path: &Path) -> Result<Locked, AppendError> {
    let mut options = OpenOptions::new();
    // The user's umask decides.
    options.read(true).append(true).create(true).mode(0o666);
    locked::open(path, &mut options).map_err(|error| match error {
        OpenError::NotRegular => AppendError::NotRegular { path: path.to_owned() },
        OpenError::Locked => AppendError::Locked { path: path.to_owned() },
        OpenError::Failed { action, source } => failed(path, action)(source),
    })
}

fn append_line(locked: &mut Locked, path: &Path, line: &str) -> Result<Appended, AppendError> {
    let Locked { file, alone, .. } = locked;
    let length = file.metadata().map_err(failed(path, "look at"))?.len();
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(failed(path, "read"))?;
    Read::by_ref(file)
        .take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(failed(path, "read"))?;
    let body = line.trim_end_matches('\n').as_bytes();
    if let Some(line) = present(&text, body) {
        return Ok(Appended::Present { line });
    }
    let mut addition = separator(&text).to_vec();
    let line = execpolicy::line_of(&text, text.len())
        .saturating_add(u32::try_from(addition.len()).unwrap_or(u32::MAX));
    addition.extend_from_slice(body);
    addition.push(b'\n');
    if length.saturating_add(addition.len() as u64) > MAX_FILE {
        return Err(AppendError::Full { path: path.to_owned() });
    }
    if let Err((written, source)) = write_through(file, &addition) {
        let size = file.metadata().map_err(failed(path, "restore"))?.len();
        // What another program added meanwhile, which we could not keep out, is not cut off.
        if !*alone && size != length.saturating_add(written) {
            return Err(failed(path, "restore")(source));
        }
        // A disk that is full takes the first bytes and not the rest: half a line would break every rule.
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed(path, "restore"))?;
        return Err(failed(path, "write")(source));
    }
    Ok(Appended::Written { line })
}

/// The number of the line that is this one, complete with its line break, and not the rest of the line before.
fn present(text: &[u8], body: &[u8]) -> Option<u32> {
    let mut continued = false;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').zip(1_u32..);
    lines.find_map(|(line, number)| {
        let complete = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n"));
        let found = complete == Some(body) && !continued;
        continued = complete.is_some_and(|line| line.ends_with(b"\\"));
        found.then_some(number)
    })
}

/// What ends the last line, so that the next begins one of its own. A backslash before a line break takes it
/// away.
fn separator(text: &[u8]) -> &'static [u8] {
    let complete = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n"));
    match complete.unwrap_or(text).ends_with(b"\\") {
        true if complete.is_some() => b"\n",
        true => b"\n\n",
        false if complete.is_some() || text.is_empty() => b"",
        false => b"\n",
    }
}

/// One write(2): on a local file system others see all of it or nothing. A failure says how much is in the file.
fn write_through(file: &mut File, addition: &[u8]) -> Result<(), (u64, io::Error)> {
    let all = addition.len();
    let written = file.write(addition).map_err(|source| (0, source))?;
    let failed = |source| (u64::try_from(written).unwrap_or(u64::MAX), source);
    if written == all {
        file.sync_all().map_err(failed)
    } else {
        Err(failed(io::ErrorKind::StorageFull.into()))
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> AppendError {
    let path = path.to_owned();
    move |source| AppendError::File { path, action, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Barrier;
    use std::time::Duration;

    use execpolicy::{ApprovalPolicy, Context, Policy, Request, Sandboxing, WritableRoots};

    use super::*;

    fn accepted(words: &[&str]) -> Accepted {
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let context = Context {
            approval: ApprovalPolicy::Untrusted,
            sandboxing: Sandboxing::Restricted,
            request: Request::Default,
            cwd: "/project",
            moved: false,
            programs: &WritableRoots::default(),
            wanted_prefix: None,
        };
        Policy::default().evaluate(&argv, &context).accept(&argv).unwrap()
    }

    fn home() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn text(home: &tempfile::TempDir) -> String {
        std::fs::read_to_string(home.path().join("rules/default.rules")).unwrap()
    }

    const LINE: &str = "prefix_rule(pattern=[\"touch\", \"a\"], decision=\"allow\")\n";

    #[test]
    fn the_folder_and_the_file_are_made_and_a_line_is_written_once() {
        let home = home();
        assert_eq!(append(home.path(), &accepted(&["touch", "a"])).unwrap(), Appended::Written { line: 1 });
        assert_eq!(append(home.path(), &accepted(&["touch", "a"])).unwrap(), Appended::Present { line: 1 });
        assert_eq!(append(home.path(), &accepted(&["touch", "b"])).unwrap(), Appended::Written { line: 2 });
        assert_eq!(text(&home), format!("{LINE}{}", LINE.replace("\"a\"", "\"b\"")));
    }

    #[test]
    fn what_would_not_be_read_is_not_written() {
        let home = home();
        append_host_rule(home.path(), "network_rule(host=\"a\", protocol=\"https\", decision=\"deny\")\n")
            .unwrap();
        let before = text(&home);
        for line in [
            "network_rule(host=\"a b\", protocol=\"https\", decision=\"deny\")\n",
            "network_rule(host=\"a\", protocol=\"https\", decision=\"deny\")\nx\n",
            "network_rule(host=\"a\"",
            "x = 1\n",
            "\n",
        ] {
            let refused = append_host_rule(home.path(), line);
            assert!(matches!(refused, Err(AppendError::Unreadable { .. })), "{line}: {refused:?}");
        }
        assert_eq!(text(&home), before);
    }

    #[test]
    fn a_file_without_a_final_newline_gets_one_first() {
        let home = home();
        std::fs::create_dir(home.path().join("rules")).unwrap();
        std::fs::write(home.path().join("rules/default.rules"), "# mine\n# yours").unwrap();
        assert_eq!(append(home.path(), &accepted(&["touch", "a"])).unwrap(), Appended::Written { line: 3 });
        assert_eq!(text(&home), format!("# mine\n# yours\n{LINE}"));
    }

    /// Each text, and what is in the file afterwards.
    #[test]
    fn the_line_stands_by_itself() {
        for (before, after, line) in [
            ("", LINE.to_owned(), 1),
            ("pass\\", format!("pass\\\n\n{LINE}"), 3),
            ("pass\\\n", format!("pass\\\n\n{LINE}"), 3),
            ("pass\\\r\n", format!("pass\\\r\n\n{LINE}"), 3),
            ("pass\r\n", format!("pass\r\n{LINE}"), 2),
        ] {
            let home = home();
            std::fs::create_dir(home.path().join("rules")).unwrap();
            std::fs::write(home.path().join("rules/default.rules"), before).unwrap();
            let written = append(home.path(), &accepted(&["touch", "a"])).unwrap();
            assert_eq!(written, Appended::Written { line }, "{before:?}");
            let text = text(&home);
            assert_eq!(text, after);
            let set = execpolicy::rules_file::load("a", &text, &Policy::default(), &Default::default());
            assert_eq!(set.unwrap().prefix.len(), 1, "{text:?}");
        }
    }

    #[test]
    fn only_a_complete_line_is_present() {
        let crlf = LINE.replace('\n', "\r\n");
        let open = LINE.trim_end();
        let continued = format!("# a comment \\\n{LINE}");
        for (before, present) in [(LINE, true), (&crlf, true), (open, false), (&continued, false)] {
            let home = home();
            std::fs::create_dir(home.path().join("rules")).unwrap();
            std::fs::write(home.path().join("rules/default.rules"), before).unwrap();
            let done = append(home.path(), &accepted(&["touch", "a"])).unwrap();
            assert_eq!(matches!(done, Appended::Present { .. }), present, "{before:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_written_into() {
        let home = home();
        let folder = home.path().join("rules");
        DirBuilder::new().mode(0o300).create(&folder).unwrap();
        assert_eq!(append(home.path(), &accepted(&["touch", "a"])).unwrap(), Appended::Written { line: 1 });
    }

    #[test]
    fn nothing_is_written_where_nobody_reads() {
        let home = home();
        std::fs::create_dir(home.path().join("rules")).unwrap();
        let target = home.path().join("elsewhere");
        std::fs::write(&target, "").unwrap();
        symlink(&target, home.path().join("rules/default.rules")).unwrap();
        let error = append(home.path(), &accepted(&["touch", "a"])).unwrap_err();
        assert!(matches!(error, AppendError::NotRegular { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(target).unwrap(), "");
    }

    #[test]
    fn the_configuration_home_is_not_made() {
        let home = home();
        let error = append(&home.path().join("absent"), &accepted(&["touch", "a"])).unwrap_err();
        assert!(matches!(error, AppendError::Folder { .. }), "{error}");
    }

    #[test]
    fn a_full_file_is_left_alone() {
        let home = home();
        std::fs::create_dir(home.path().join("rules")).unwrap();
        let full = "#".repeat(usize::try_from(MAX_FILE).unwrap());
        std::fs::write(home.path().join("rules/default.rules"), &full).unwrap();
        let error = append(home.path(), &accepted(&["touch", "a"])).unwrap_err();
        assert!(matches!(error, AppendError::Full { .. }), "{error}");
        assert_eq!(text(&home), full);
    }

    /// Many writers and a slow disk may keep the lock from one of them for so long that it is told.
    fn patiently(append: impl Fn() -> Result<Appended, AppendError>) {
        while let Err(error) = append() {
            assert!(matches!(error, AppendError::Locked { .. }), "{error}");
        }
    }

    #[test]
    fn concurrent_writers_lose_nothing() {
        let home = home();
        let (writers, each) = (8, 25);
        let barrier = Barrier::new(writers);
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let (barrier, home) = (&barrier, home.path());
                scope.spawn(move || {
                    barrier.wait();
                    for number in 0..each {
                        let own = format!("{writer}-{number}");
                        patiently(|| append(home, &accepted(&["touch", &own])));
                        patiently(|| append(home, &accepted(&["touch", "shared"])));
                    }
                });
            }
        });
        let text = text(&home);
        assert_eq!(text.lines().filter(|line| line.contains("shared")).count(), 1);
        assert_eq!(text.lines().count(), writers * each + 1);
        for writer in 0..writers {
            for number in 0..each {
                assert!(text.contains(&format!("\"{writer}-{number}\"")), "{writer}-{number} is lost");
            }
        }
    }

    /// What a command in a sandbox can do that reads the file.
    #[test]
    fn a_reader_that_holds_a_lock_stops_nobody() {
        let home = home();
        append(home.path(), &accepted(&["touch", "a"])).unwrap();
        let held = File::open(home.path().join("rules/default.rules")).unwrap();
        held.lock_shared().unwrap();
        assert_eq!(append(home.path(), &accepted(&["touch", "b"])).unwrap(), Appended::Written { line: 2 });
        let rules = super::super::accepted_rules(home.path()).unwrap();
        super::super::remove(home.path(), &rules[0]).unwrap();
        assert_eq!(text(&home), LINE.replace("\"a\"", "\"b\""));
    }

    #[test]
    fn the_lock_is_for_writers_only() {
        let home = home();
        append(home.path(), &accepted(&["touch", "a"])).unwrap();
        let path = home.path().join("rules/.lock");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o200);
        // Also a lock is nothing that leads elsewhere.
        std::fs::remove_file(&path).unwrap();
        let target = home.path().join("elsewhere");
        symlink(&target, &path).unwrap();
        let error = append(home.path(), &accepted(&["touch", "b"])).unwrap_err();
        assert!(matches!(error, AppendError::File { action: "lock", .. }), "{error}");
        assert!(!target.exists());
    }

    /// How often this process has the file open.
    fn times_open(path: &Path) -> usize {
        let path = path.canonicalize().unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path)).count()
    }

    #[test]
    fn a_writer_follows_a_file_that_an_editor_replaced() {
        let home = home();
        append(home.path(), &accepted(&["touch", "a"])).unwrap();
        let path = home.path().join("rules/default.rules");
        let held = File::open(&path).unwrap();
        held.lock().unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| append(home.path(), &accepted(&["touch", "b"])).unwrap());
            // It has opened the file, and waits for us.
            while times_open(&path) < 2 && !writer.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let draft = home.path().join("rules/draft");
            std::fs::write(&draft, LINE).unwrap();
            std::fs::rename(&draft, &path).unwrap();
            drop(held);
            assert_eq!(writer.join().unwrap(), Appended::Written { line: 2 });
        });
        assert!(text(&home).contains("\"b\""));
    }
}
