//! Programs that run other programs: what they would run, for danger and for rules that restrict.
//!
//! Shells are not wrappers here; the reader of shell text handles `sh -c`. Nothing found here may ever allow.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{Item, Value, What};
use super::syntax::{Level, levels, tool_key};
use super::tables::{Index, Note, Table, table};
use crate::{Origin, Word};

/// How many wrappers, shells and traps may stand in front of each other before a command counts as dangerous
/// whatever is inside.
pub const WRAPPER_DEPTH_LIMIT: usize = 8;

/// How many places are tried as the beginning of the inner command when a wrapper's options are not
/// understood. What lies behind is reported as unclear.
const CANDIDATES: usize = 24;

/// What a command runs besides itself.
#[derive(Clone, Debug, Default)]
pub struct LookThrough {
    /// Each command or script found; too many rather than too few.
    pub inner: Vec<Inner>,
    /// Why something may run that is not listed, if so.
    pub unclear: Option<Unclear>,
    /// Set when a shell is started that reads its standard input as a script: an interactive, login or default
    /// shell without a command. `unclear` is set then, too.
    pub shell: Option<&'static Note>,
}

/// Something runs that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unclear {
    /// The word that hides it, if it is one.
    pub word: Option<usize>,
    /// The row of the wrapper.
    pub how: &'static Note,
}

/// One thing that a wrapper runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Inner {
    /// A program with arguments.
    Command {
        /// The words, program first.
        words: Vec<Word>,
        /// Where the program stands in the outer words; none when it comes out of a word that was split.
        first: Option<usize>,
        /// Whether the wrapper's options leave no other reading.
        certain: bool,
        /// The row of the wrapper.
        how: &'static Note,
    },
    /// Text for a shell.
    Script {
        /// The text.
        text: String,
        /// The shell that reads it, as far as the wrapper decides that.
        shell: &'static str,
        /// The word that holds it; the first, if it is joined from several.
        word: usize,
        /// Whether the wrapper's options leave no other reading.
        certain: bool,
        /// The row of the wrapper.
        how: &'static Note,
    },
}

impl Inner {
    /// The row of the wrapper.
    pub fn how(&self) -> &'static Note {
        match self {
            Self::Command { how, .. } | Self::Script { how, .. } => how,
        }
    }
}

/// What a wrapper does with its words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Runs {
    /// The operands are a command.
    Operands,
    /// The operands, joined by spaces, are text for a shell.
    Joined,
    /// The first operand is text for a shell.
    FirstOperand,
    /// Each operand is text for a shell.
    EachOperand,
    /// The value of one of `options` is text for a shell.
    Script,
    /// The value of one of `options` is split into more words for the wrapper itself.
    Split,
    /// The words behind one of `options`, up to `;`, are a command.
    OptionCommand,
    /// The value of `-c` sets a variable that holds a command (git).
    GitConfig,
    /// With no more operands than `skip` says, and, if there are `options`, with one of them, a shell that reads
    /// standard input.
    Shell,
    /// The value of one of `options` is a program, and the operands are its arguments.
    OptionProgram,
    /// Operands before `:::` are text for a shell, or each one behind it (GNU parallel).
    Parallel,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    runs: Runs,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default = "no_skip")]
    skip: Vec<usize>,
    #[serde(default)]
    appends: bool,
    #[serde(default)]
    before: String,
    why: String,
    reference: String,
}

fn no_skip() -> Vec<usize> {
    vec![0]
}

struct Wrapper {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Wrapper {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("wrappers");

static WRAPPERS: LazyLock<Index<Wrapper>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// Whether a program exists to run other programs: `sudo`, `env`, `xargs`. Not `git` or `find`, which only can.
pub fn is_wrapper(program: &str) -> bool {
    WRAPPERS.of(&tool_key(program)).any(|wrapper| match wrapper.row.runs {
        Runs::Operands | Runs::Joined | Runs::FirstOperand | Runs::EachOperand | Runs::Parallel => true,
        Runs::Shell => wrapper.row.options.is_empty(),
        Runs::OptionProgram => true,
        Runs::Script | Runs::Split | Runs::OptionCommand | Runs::GitConfig => false,
    })
}

/// The program and sub-command of the innermost wrapper row, if the words name one such as `npm exec`.
pub(crate) fn wraps(words: &[Word]) -> Option<&'static Note> {
    let by_operands =
        |runs| !matches!(runs, Runs::Script | Runs::OptionCommand | Runs::GitConfig | Runs::Shell);
    let levels = levels(words);
    let rows = levels.iter().flat_map(|level| WRAPPERS.of(&level.key));
    rows.filter(|wrapper| by_operands(wrapper.row.runs)).map(|wrapper| &wrapper.note).next()
}

/// What the command runs besides itself: the next layer only.
pub fn look_through(words: &[Word]) -> LookThrough {
    let mut found = LookThrough::default();
    for level in &levels(words) {
        for wrapper in WRAPPERS.of(&level.key) {
            Search { words, level, wrapper, found: &mut found }.run();
        }
        let unknown = level.items.iter().find(|item| item.what == What::Unknown);
        if let (Some(wrapper), Some(item)) = (WRAPPERS.below(&level.key), unknown) {
            let how = &wrapper.note;
            found.unclear.get_or_insert(Unclear { word: Some(item.words.start), how });
        }
    }
    found
}

struct Search<'a> {
    words: &'a [Word],
    level: &'a Level,
    wrapper: &'static Wrapper,
    found: &'a mut LookThrough,
}

impl Search<'_> {
    fn run(&mut self) {
        if self.switched_off() {
            return;
        }
        match self.wrapper.row.runs {
            Runs::Operands => self.operands(),
            Runs::Joined => self.joined(),
            Runs::FirstOperand => self.first_operand(),
            Runs::EachOperand => self.each_operand(),
            Runs::Script => self.option_values(Self::script_value),
            Runs::Split => self.option_values(Self::split_value),
            Runs::OptionCommand => self.option_commands(),
            Runs::GitConfig => self.option_values(Self::git_variable),
            Runs::Parallel => self.parallel(),
            Runs::Shell => self.shell(),
            Runs::OptionProgram => self.option_program(),
        }
    }

    /// Whether an option turns the wrapper into something that runs nothing, such as `command -v`.
    fn switched_off(&self) -> bool {
        let off = &self.wrapper.row.unless;
        self.level
            .items
            .iter()
            .take_while(|item| item.sure)
            .any(|item| matches!(&item.what, What::Option { name, known: true, .. } if off.contains(name)))
    }

    /// The operands, without a lone `-` in front, with whether their places are certain.
    fn operand_places(&self) -> Vec<(usize, bool)> {
        let mut places: Vec<(usize, bool)> = Vec::new();
        for item in &self.level.items {
            match &item.what {
                What::Operand(text) if text == "-" && places.is_empty() => {}
                What::Operand(_) => places.push((item.words.start, self.level.sure && item.sure)),
                What::Unknown if item.sure && !places.is_empty() => places.push((item.words.start, false)),
                What::Unknown | What::Option { .. } | What::Assignment | What::End => {}
            }
        }
        places
    }

    fn operands(&mut self) {
        if let Some(unknown) = self.unknown_program() {
            self.unclear(Some(unknown));
        }
        let places = self.operand_places();
        let mut starts: BTreeSet<(usize, bool)> = BTreeSet::new();
        let skips = &self.wrapper.row.skip;
        for skip in skips {
            if let Some((at, sure)) = places.get(*skip) {
                // `mise exec node -- rm`: behind an operand, `--` still ends what is the wrapper's.
                let ends = self.words.get(*at).and_then(Word::literal) == Some("--");
                let at = if ends { at.saturating_add(1) } else { *at };
                starts.insert((at, *sure && skips.len() == 1));
            }
        }
        starts.extend(places.iter().filter(|(_, sure)| !sure));
        if starts.len() > CANDIDATES {
            self.unclear(None);
        }
        for (at, certain) in starts.into_iter().take(CANDIDATES) {
            self.command(at, self.words.len(), certain);
        }
    }

    /// A word that is known only when it runs, where the program might stand.
    fn unknown_program(&self) -> Option<usize> {
        let first =
            self.level.items.iter().find(|item| !matches!(item.what, What::Option { .. } | What::End))?;
        (first.what == What::Unknown).then_some(first.words.start)
    }

    /// Reports the words from `from` to `to` as a command.
    fn command(&mut self, from: usize, to: usize, certain: bool) {
        let holes = self.placeholders();
        let mut words: Vec<Word> = self
            .words
            .iter()
            .take(to)
            .skip(from)
            .map(|word| match word {
                Word::Literal(text) if holes.contains(text) => Word::Unknown,
                Word::Literal(_) | Word::Unknown => word.clone(),
            })
            .collect();
        // `sh -c 'rm -rf {}'`: what stands around the hole is known, and is what matters.
        let filled = |word: &Word| {
            word.literal().is_some_and(|text| holes.iter().any(|hole| text.contains(hole.as_str())))
        };
        let certain = certain && !words.iter().any(filled);
        if words.is_empty() {
            return;
        }
        if self.wrapper.row.appends {
            words.push(Word::Unknown);
        }
        let how = &self.wrapper.note;
        self.found.inner.push(Inner::Command { words, first: Some(from), certain, how });
    }

    /// Text that the wrapper replaces by what it reads: `{}`, and what `xargs -I` names.
    fn placeholders(&self) -> Vec<String> {
        let row = &self.wrapper.row;
        if !row.appends && row.runs != Runs::OptionCommand {
            return Vec::new();
        }
        let mut holes = vec!["{}".to_owned()];
        for item in &self.level.items {
            if let What::Option { name, value: Value::Text { text, .. }, .. } = &item.what
                && matches!(name.as_str(), "-I" | "-i" | "-J" | "--replace")
                && !text.is_empty()
            {
                holes.push(text.clone());
            }
        }
        holes
    }

    fn joined(&mut self) {
        let places = self.operand_places();
        let skip = self.wrapper.row.skip.first().copied().unwrap_or(0);
        if let Some(unknown) = self.unknown_program() {
            self.unclear(Some(unknown));
        }
        let Some((from, certain)) = places.get(skip).copied() else { return };
        self.text_from(from, self.words.len(), certain);
        for (at, _) in places.iter().skip(skip.saturating_add(1)).filter(|(_, sure)| !sure).take(CANDIDATES) {
            self.command(*at, self.words.len(), false);
        }
    }

    /// Reports words, joined by spaces, as a script; as a command if not all are known.
    fn text_from(&mut self, from: usize, to: usize, certain: bool) {
        let part = self.words.get(from..to).unwrap_or_default();
        let known: Option<Vec<&str>> = part.iter().map(Word::literal).collect();
        match known {
            Some(words) => self.script(words.join(" "), from, certain),
            None => {
                self.unclear(
                    part.iter().position(|word| word.literal().is_none()).map(|at| at.saturating_add(from)),
                );
                self.command(from, to, false);
                let head: Vec<&str> = part.iter().map_while(Word::literal).collect();
                if !head.is_empty() {
                    self.script(head.join(" "), from, false);
                }
            }
        }
    }

    /// The action of `trap`; a lone `-` resets instead.
    fn first_operand(&mut self) {
        let first =
            self.level.items.iter().find(|item| !matches!(item.what, What::Option { .. } | What::End));
        match first.map(|item| (&item.what, item)) {
            Some((What::Operand(text), item)) if text != "-" => {
                self.script(text.clone(), item.words.start, item.sure);
            }
            Some((What::Unknown, item)) => self.unclear(Some(item.words.start)),
            Some(_) | None => {}
        }
    }

    fn each_operand(&mut self) {
        for item in &self.level.items {
            match &item.what {
                What::Operand(text) => self.script(text.clone(), item.words.start, item.sure),
                What::Unknown => self.unclear(Some(item.words.start)),
                What::Option { .. } | What::Assignment | What::End => {}
            }
        }
    }

    fn script(&mut self, text: String, word: usize, certain: bool) {
        let how = &self.wrapper.note;
        let before = &self.wrapper.row.before;
        let text = if before.is_empty() { text } else { format!("{before} {text}") };
        self.found.inner.push(Inner::Script { text, shell: "sh", word, certain, how });
    }

    /// Hands the value of each of the row's options on; also of what only looks like one behind the operands,
    /// because `su USER -- -c X` and `flock FILE -c X` read those too.
    fn option_values(&mut self, each: fn(&mut Self, &str, usize, &Item)) {
        for item in &self.level.items {
            match &item.what {
                What::Option { name, value, .. } if self.wrapper.row.options.contains(name) => match value {
                    Value::Text { text, word } => each(self, text, *word, item),
                    Value::Unknown => self.unclear(Some(item.words.end.saturating_sub(1))),
                    Value::None | Value::Command(_) => {}
                },
                What::Operand(text) if self.wrapper.row.options.contains(text) => {
                    let next = item.words.end;
                    match self.words.get(next) {
                        Some(Word::Literal(value)) => each(self, value, next, item),
                        Some(Word::Unknown) => self.unclear(Some(next)),
                        None => {}
                    }
                }
                What::Unknown => self.unclear(Some(item.words.start)),
                What::Option { .. } | What::Operand(_) | What::Assignment | What::End => {}
            }
        }
    }

    fn script_value(&mut self, text: &str, word: usize, item: &Item) {
        let optional = matches!(&item.what, What::Option { .. });
        self.script(text.to_owned(), word, optional && item.sure && self.level.sure);
    }

    /// `env -S 'a b' c` is `env a b c`, and the new words may be options again.
    fn split_value(&mut self, text: &str, word: usize, item: &Item) {
        if self.found.inner.len() >= CANDIDATES {
            self.unclear(Some(word));
            return;
        }
        let parts = shlex::split(text).filter(|_| !text.contains(['$', '\\', '#']));
        let Some(parts) = parts else {
            self.unclear(Some(word));
            return;
        };
        let mut words = vec![Word::Literal(self.level.key.clone())];
        words.extend(parts.into_iter().map(Word::Literal));
        words.extend(self.words.iter().skip(item.words.end).cloned());
        let how = &self.wrapper.note;
        self.found.inner.push(Inner::Command { words, first: None, certain: item.sure, how });
    }

    fn option_commands(&mut self) {
        for item in &self.level.items {
            let What::Option { name, value, .. } = &item.what else { continue };
            if !self.wrapper.row.options.contains(name) {
                continue;
            }
            match value {
                Value::Command(range) => self.command(range.start, range.end, item.sure && self.level.sure),
                // `fd -xrm`: the program is attached, its arguments follow.
                Value::Text { text, .. } => self.attached_command(text, item.words.end),
                Value::None | Value::Unknown => {}
            }
        }
    }

    fn attached_command(&mut self, program: &str, rest: usize) {
        let mut words = vec![Word::Literal(program.to_owned())];
        words.extend(self.words.iter().skip(rest).cloned());
        words.push(Word::Unknown);
        let how = &self.wrapper.note;
        self.found.inner.push(Inner::Command { words, first: None, certain: false, how });
    }

    /// `-c alias.x='!cmd'` and other variables whose value git gives to a shell.
    fn git_variable(&mut self, text: &str, word: usize, item: &Item) {
        let Some((name, value)) = text.split_once('=') else { return };
        let name = name.to_lowercase();
        let alias = name.starts_with("alias.");
        match value.trim_start().strip_prefix('!') {
            Some(command) => self.script(command.to_owned(), word, item.sure),
            None if alias => self.script(format!("git {value}"), word, item.sure),
            None if runs_a_program(&name) => self.script(value.to_owned(), word, item.sure),
            None => {}
        }
    }

    /// `sudo -s`, `su`, `unshare -r`: what the shell runs is in its standard input.
    fn shell(&mut self) {
        let row = &self.wrapper.row;
        let asked = row.options.is_empty()
            || self.level.items.iter().any(|item| match &item.what {
                What::Option { name, .. } => row.options.contains(name),
                What::Unknown => true,
                What::Operand(_) | What::Assignment | What::End => false,
            });
        let most = row.skip.iter().copied().max().unwrap_or(0);
        // Each option that is not known may take an operand as its value.
        let loose = |item: &&Item| item.sure && matches!(item.what, What::Option { known: false, .. });
        let values = self.level.items.iter().filter(loose).count();
        let hidden = self.level.items.iter().any(|item| item.what == What::Unknown);
        let places = self.operand_places();
        let fewest = match hidden {
            true => places.iter().filter(|(_, sure)| *sure).count(),
            false => places.len().saturating_sub(values),
        };
        if asked && fewest <= most {
            self.found.shell.get_or_insert(&self.wrapper.note);
            self.unclear(None);
        }
    }

    /// `start-stop-daemon -x PROGRAM -- ARGUMENTS`.
    fn option_program(&mut self) {
        let arguments = self.operand_places().first().map_or(self.words.len(), |(at, _)| *at);
        for item in &self.level.items {
            match &item.what {
                What::Option { name, value: Value::Text { text, .. }, .. }
                    if self.wrapper.row.options.contains(name) =>
                {
                    let mut words = vec![Word::Literal(text.clone())];
                    words.extend(self.words.iter().skip(arguments).cloned());
                    let how = &self.wrapper.note;
                    let certain = item.sure && self.level.sure;
                    self.found.inner.push(Inner::Command { words, first: None, certain, how });
                }
                What::Option { name, value: Value::Unknown, .. }
                    if self.wrapper.row.options.contains(name) =>
                {
                    self.unclear(Some(item.words.end.saturating_sub(1)));
                }
                What::Unknown => self.unclear(Some(item.words.start)),
                What::Option { .. } | What::Operand(_) | What::Assignment | What::End => {}
            }
        }
    }

    fn parallel(&mut self) {
        let places = self.operand_places();
        let is_separator = |at: usize| {
            self.words.get(at).and_then(Word::literal).is_some_and(|text| text.starts_with(":::"))
        };
        let separator = places.iter().map(|(at, _)| *at).find(|at| is_separator(*at));
        let end = separator.unwrap_or(self.words.len());
        match places.first().copied() {
            Some((from, certain)) if from < end => {
                self.text_from(from, end, certain);
                self.command(from, end, false);
            }
            Some(_) | None => self.commands_behind(end),
        }
        if separator.is_none() && places.is_empty() {
            self.unclear(None);
        }
    }

    /// Without a command, each argument of `parallel` is one.
    fn commands_behind(&mut self, separator: usize) {
        let arguments: Vec<_> = self.words.iter().enumerate().skip(separator.saturating_add(1)).collect();
        for (at, word) in arguments {
            match word.literal() {
                Some(text) => self.script(text.to_owned(), at, true),
                None => self.unclear(Some(at)),
            }
        }
    }

    fn unclear(&mut self, word: Option<usize>) {
        let how = &self.wrapper.note;
        self.found.unclear.get_or_insert(Unclear { word, how });
    }
}

/// Whether git gives this variable's value to a shell, or runs it. git-config(1).
pub(crate) fn runs_a_program(name: &str) -> bool {
    const WHOLE: &[&str] = &[
        "core.alternaterefscommand",
        "core.askpass",
        "core.editor",
        "core.fsmonitor",
        "core.gitproxy",
        "core.pager",
        "core.sshcommand",
        "credential.helper",
        "diff.external",
        "diff.guitool",
        "gpg.program",
        "imap.tunnel",
        "interactive.difffilter",
        "sendemail.sendmailcmd",
        "sendemail.tocmd",
        "sendemail.cccmd",
        "sequence.editor",
        "ssh.variant",
        "uploadpack.packobjectshook",
        "web.browser",
    ];
    const ENDS: &[&str] = &[
        ".clean",
        ".smudge",
        ".process",
        ".command",
        ".textconv",
        ".driver",
        ".cmd",
        ".helper",
        ".program",
        ".uploadpack",
        ".receivepack",
        ".vcs",
        ".update",
        ".proxycommand",
        ".editor",
        ".defaultkeycommand",
    ];
    WHOLE.contains(&name)
        || name.starts_with("pager.")
        || name.starts_with("trailer.")
        || name.starts_with("hook.")
        || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::WRAPPERS;
    use crate::knowledge::syntax::{knows, of};

    #[test]
    fn every_row_has_a_reason_and_a_syntax_that_knows_its_options() {
        for (commands, wrapper) in WRAPPERS.rows() {
            let note = &wrapper.note;
            assert!(!note.why.is_empty() && !note.reference.is_empty(), "{}", note.origin);
            for command in commands {
                assert!(knows(command), "{}: no syntax for {command}", note.origin);
                for option in wrapper.row.options.iter().chain(&wrapper.row.unless) {
                    assert!(of(command).knows(option), "{}: {command} has no {option}", note.origin);
                }
            }
        }
    }
}
