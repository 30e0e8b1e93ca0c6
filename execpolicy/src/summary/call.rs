//! A whole call: the meanings of its parts put together.

use super::meaning::{Meaning, meaning};
use super::{Joined, Part, Summary, text};

/// The longest directory that is followed, `PATH_MAX` of Linux. It keeps a script of many `cd` from taking time
/// that grows with the square of its length.
const MAX_DIRECTORY_BYTES: usize = 4096;

/// Where the next part runs.
#[derive(Debug)]
enum Directory {
    /// Here, from the directory of the call; empty for that directory itself.
    At(String),
    /// It depends on what succeeds, or on more than the command's words.
    Unsure,
}

/// What is known of a call behind some of its parts.
#[derive(Debug)]
pub(super) struct Call {
    shown: Vec<Summary>,
    directory: Directory,
    /// Whether a `cd` stands in this list of `&&` and `||`.
    moved: bool,
    /// Whether that `cd` runs only if something before it succeeds.
    doubtful: bool,
    /// Whether something that may fail stands in this list.
    ran: bool,
    /// Whether this pipeline has something to show.
    pipe_shown: bool,
    /// Whether something that did run is not shown.
    dropped: bool,
}

impl Call {
    /// The summaries of a call; `None` if any part of it is not known to only print.
    pub(super) fn describe(script: &str, parts: &[Part<'_>]) -> Option<Vec<Summary>> {
        if parts.iter().any(|part| part.writes) {
            return None;
        }
        let meanings: Vec<Meaning<'_>> =
            parts.iter().map(|part| meaning(part.argv)).collect::<Option<_>>()?;
        let mut call = Self::new();
        for (index, (part, meaning)) in parts.iter().zip(&meanings).enumerate() {
            let feeds = parts.get(index.saturating_add(1)).is_some_and(|next| next.joined == Joined::Pipe);
            call.join(part.joined);
            call.add(part, *meaning, feeds)?;
        }
        if matches!(*meanings, [Meaning::Read(_), Meaning::Lines]) {
            call.widen(script);
        }
        call.finish()
    }

    fn new() -> Self {
        Self {
            shown: Vec::new(),
            directory: Directory::At(String::new()),
            moved: false,
            doubtful: false,
            ran: false,
            pipe_shown: false,
            dropped: false,
        }
    }

    /// Takes note of what the operator before a part says about the directory in which it runs.
    fn join(&mut self, joined: Joined) {
        match joined {
            Joined::First | Joined::Sequence => {
                if self.doubtful {
                    self.directory = Directory::Unsure;
                }
                (self.moved, self.doubtful, self.ran) = (false, false, false);
            }
            // What follows may run because the `cd` failed.
            Joined::Or if self.moved => self.directory = Directory::Unsure,
            Joined::Or | Joined::And | Joined::Pipe => {}
        }
        if joined != Joined::Pipe {
            self.pipe_shown = false;
        }
    }

    /// Adds one part, whose output goes into a pipe if it `feeds` one.
    fn add(&mut self, part: &Part<'_>, meaning: Meaning<'_>, feeds: bool) -> Option<()> {
        let piped = part.joined == Joined::Pipe;
        match meaning {
            Meaning::Enter(target) => {
                self.enter(part.joined, if piped || feeds { None } else { target });
                return Some(());
            }
            Meaning::Nothing => return Some(()),
            Meaning::Read(file) => self.read(part, file)?,
            Meaning::List(path) => {
                let path = path.map(|path| text::short_name(path).to_owned());
                self.show(Summary::ListFiles { cmd: command(part)?, path });
            }
            Meaning::Search(query, path) => {
                let path = path.map(|path| text::short_name(path).to_owned());
                self.show(Summary::Search { cmd: command(part)?, query: query.map(str::to_owned), path });
            }
            Meaning::Decoration => self.dropped = true,
            // Without a pipe it reads what no part of the call shows.
            Meaning::Filter | Meaning::Lines if piped => self.dropped = true,
            Meaning::Each if piped && self.pipe_shown => self.dropped = true,
            Meaning::Filter | Meaning::Lines | Meaning::Each => return None,
        }
        self.ran = true;
        Some(())
    }

    fn enter(&mut self, joined: Joined, target: Option<&str>) {
        self.moved = true;
        self.doubtful |= joined == Joined::And && self.ran;
        self.directory = match (&self.directory, target) {
            // It runs only if what stands before it fails.
            _ if joined == Joined::Or => Directory::Unsure,
            (_, None) => Directory::Unsure,
            (_, Some(target)) if target.starts_with('/') => Directory::At(text::enter("", target)),
            (Directory::Unsure, Some(_)) => Directory::Unsure,
            (Directory::At(base), Some(_)) if base.len() > MAX_DIRECTORY_BYTES => Directory::Unsure,
            (Directory::At(base), Some(target)) => Directory::At(text::enter(base, target)),
        };
    }

    fn read(&mut self, part: &Part<'_>, file: &str) -> Option<()> {
        let path = match &self.directory {
            _ if file.starts_with('/') => file.to_owned(),
            Directory::At(base) => text::join(base, file),
            Directory::Unsure => return None,
        };
        self.show(Summary::Read { cmd: command(part)?, name: text::short_name(file).to_owned(), path });
        Some(())
    }

    fn show(&mut self, summary: Summary) {
        self.pipe_shown = true;
        self.shown.push(summary);
    }

    /// Shows the whole call for its only summary: the part alone would hide which lines are read.
    fn widen(&mut self, script: &str) {
        if let [Summary::Read { cmd, .. }] = self.shown.as_mut_slice() {
            script.clone_into(cmd);
        }
    }

    fn finish(mut self) -> Option<Vec<Summary>> {
        if self.shown.is_empty() && self.dropped {
            return None;
        }
        self.shown.dedup();
        Some(self.shown)
    }
}

/// The text of one part; `None` if it has a NUL, which no command can.
fn command(part: &Part<'_>) -> Option<String> {
    shlex::try_join(part.argv.iter().map(String::as_str)).ok()
}
