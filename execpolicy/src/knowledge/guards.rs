//! Options that make a harmless tool run a program or write a file. They turn an allow into a question unless
//! the rule names the option.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::options::{Value, What};
use super::scripts::{awk_effect, sed_effect};
use super::syntax::{Level, levels};
use super::tables::{Index, Note, Table, table};
use crate::{Origin, Word};

/// What an option makes a tool do. The order is severity.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It reads settings, plug-ins or a program text from a place that the command names.
    ReadsConfig,
    /// It talks to another machine where the tool alone would not, or to another than expected.
    Network,
    /// It writes, changes or deletes a file that the command names.
    WritesFile,
    /// It runs a program, or code.
    RunsProgram,
}

/// One option of a command that does more than its tool is known for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GuardHit {
    /// The words that carry it, with its separate value: a rule that covers them all names the option.
    pub words: Range<usize>,
    /// Its canonical name, such as `--output` for `--outpu=x`; `…` for a word known only when it runs.
    pub option: String,
    /// What it does.
    pub effect: Effect,
    /// The row.
    pub note: &'static Note,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Language {
    Sed,
    Awk,
}

/// Which operands may name a repository.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Repository {
    /// The first; a word without a slash is the name of a remote.
    First,
    /// The first, and a word without a slash is a directory.
    FirstPath,
    /// Each.
    Any,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Options, each with any value.
    #[serde(default)]
    options: Vec<String>,
    /// Only with these values; `*` stands for anything, upper case for lower.
    #[serde(default)]
    values: Vec<String>,
    /// Not with these values.
    #[serde(default)]
    except: Vec<String>,
    /// Operands of this form.
    #[serde(default)]
    operands: Vec<String>,
    /// The operand of this number, from 1, and all behind it.
    from_operand: Option<usize>,
    /// The operand of this number, from 1.
    operand: Option<usize>,
    /// Operands that name a repository on this machine.
    repository: Option<Repository>,
    /// The sub-command itself unless its words only read variables (`git config`).
    #[serde(default)]
    unless_it_reads: bool,
    /// The sub-command itself, whatever its options.
    #[serde(default)]
    always: bool,
    /// All sub-commands of the tool's own: any other is an alias or a program of that name.
    #[serde(default)]
    known: Vec<String>,
    /// The program text that the first operand, or an option, holds.
    language: Option<Language>,
    effect: Effect,
    why: String,
    reference: String,
}

struct Guard {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Guard {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("guards");

static GUARDS: LazyLock<Index<Guard>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// Every option, operand and sub-command of these words that the tables warn of, in the order of the words.
pub fn guard_hits(words: &[Word]) -> Vec<GuardHit> {
    let mut hits = Vec::new();
    for level in &levels(words) {
        for guard in GUARDS.of(&level.key) {
            Search { level, guard, hits: &mut hits }.run();
        }
        // An unknown word may name a sub-command that is guarded.
        if let Some(guard) = GUARDS.below(&level.key) {
            let unknown = level.items.iter().filter(|item| item.what == What::Unknown);
            hits.extend(unknown.map(|item| GuardHit {
                words: item.words.clone(),
                option: "…".to_owned(),
                effect: Effect::RunsProgram,
                note: &guard.note,
            }));
        }
    }
    hits.sort_by_key(|hit| (hit.words.start, hit.words.end));
    let mut seen = BTreeSet::new();
    hits.retain(|hit| seen.insert((hit.words.start, hit.words.end, hit.option.clone())));
    hits
}

/// The row against a sub-command that is not the tool's own, if the words name one.
pub(crate) fn unknown_subcommand(words: &[Word]) -> Option<&'static Note> {
    levels(words).iter().find_map(|level| {
        let guard = GUARDS.of(&level.key).find(|guard| !guard.row.known.is_empty())?;
        let mut hits = Vec::new();
        Search { level, guard, hits: &mut hits }.unknown_subcommand();
        // One with rows of its own is known for what it is.
        hits.iter().any(|hit| !GUARDS.knows(&hit.option)).then_some(&guard.note)
    })
}

struct Search<'a> {
    level: &'a Level,
    guard: &'static Guard,
    hits: &'a mut Vec<GuardHit>,
}

impl Search<'_> {
    fn run(&mut self) {
        let row = &self.guard.row;
        if row.always && self.level.key.contains(' ') {
            self.hit(self.level.at..self.level.at.saturating_add(1), &self.level.key, row.effect);
        }
        if !row.known.is_empty() {
            self.unknown_subcommand();
        }
        if row.unless_it_reads {
            self.unless_it_reads();
        }
        match row.language {
            Some(language) => self.program_text(language),
            None => self.items(),
        }
    }

    fn items(&mut self) {
        let row = &self.guard.row;
        let mut operands = 0_usize;
        for item in &self.level.items {
            match &item.what {
                What::Option { name, value, .. } => {
                    if row.options.contains(name) && fits(row, value) {
                        self.hit(item.words.clone(), name, row.effect);
                    }
                }
                What::Operand(text) => {
                    operands = operands.saturating_add(1);
                    let counted = row.from_operand.is_some_and(|from| operands >= from)
                        || row.operand.is_some_and(|number| operands == number || !item.sure);
                    let named = row.operands.iter().any(|form| glob(form, text))
                        || row.repository.is_some_and(|which| {
                            let may_be = which == Repository::Any || operands == 1 || !item.sure;
                            may_be && is_here(text, which == Repository::FirstPath)
                        });
                    if (counted || named) && !harmless(row, text) {
                        self.hit(item.words.clone(), text, row.effect);
                    }
                }
                What::Unknown => self.hit(item.words.clone(), "…", row.effect),
                What::Assignment | What::End => {}
            }
        }
    }

    /// The word that names the sub-command; where that is not certain, each that may.
    fn unknown_subcommand(&mut self) {
        for item in &self.level.items {
            let What::Operand(name) = &item.what else { continue };
            if !self.guard.row.known.contains(name) {
                self.hit(item.words.clone(), &format!("{} {name}", self.level.key), self.guard.row.effect);
            }
            if item.sure {
                return;
            }
        }
    }

    /// `git config` reads with `--get`, `list` and their like, and with a name alone; anything else writes, and
    /// nearly every variable can hold, or lead to, a command. git-config(1).
    fn unless_it_reads(&mut self) {
        const READS: &[&str] = &[
            "--get",
            "--get-all",
            "--get-regexp",
            "--get-urlmatch",
            "--get-color",
            "--get-colorbool",
            "--list",
            "-l",
        ];
        const OTHERS: &[&str] = &[
            "-f",
            "--file",
            "-z",
            "-t",
            "--global",
            "--system",
            "--local",
            "--worktree",
            "--blob",
            "--type",
            "--null",
            "--name-only",
            "--show-origin",
            "--show-scope",
            "--show-names",
            "--includes",
            "--no-includes",
            "--default",
            "--bool",
            "--int",
            "--bool-or-int",
            "--bool-or-str",
            "--path",
            "--expiry-date",
            "--all",
            "--regexp",
            "--url",
            "--fixed-value",
            "--value",
        ];
        let mut reads = false;
        let mut operands: Vec<(&str, Range<usize>)> = Vec::new();
        for item in &self.level.items {
            match &item.what {
                What::Option { name, known: true, .. } if READS.contains(&name.as_str()) => reads = true,
                What::Option { name, known: true, .. } if OTHERS.contains(&name.as_str()) => {}
                What::Option { name, .. } => {
                    let (words, name) = (item.words.clone(), name.clone());
                    return self.hit(words, &name, self.guard.row.effect);
                }
                What::Operand(text) => operands.push((text, item.words.clone())),
                What::Unknown => return self.hit(item.words.clone(), "…", self.guard.row.effect),
                What::Assignment | What::End => {}
            }
        }
        let harmless = match operands.as_slice() {
            _ if reads => true,
            [] | [("get" | "list", _), ..] => true,
            [("set" | "unset" | "edit" | "rename-section" | "remove-section", _), ..] => false,
            [_] => true,
            [(name, _), _] => ["user.name", "user.email"].iter().any(|own| name.eq_ignore_ascii_case(own)),
            _ => false,
        };
        let first = operands.first().map(|(text, words)| ((*text).to_owned(), words.clone()));
        if let (false, Some((text, words))) = (harmless, first) {
            self.hit(words, &text, self.guard.row.effect);
        }
    }

    /// Reads the program text in the row's options, or else in the first operand.
    fn program_text(&mut self, language: Language) {
        let options = &self.guard.row.options;
        let mut texts: Vec<(String, Range<usize>)> = Vec::new();
        for item in &self.level.items {
            match &item.what {
                What::Option { name, value: Value::Text { text, .. }, .. } if options.contains(name) => {
                    texts.push((text.clone(), item.words.clone()));
                }
                What::Option { name, value: Value::Unknown, .. } if options.contains(name) => {
                    self.hit(item.words.clone(), "…", Effect::RunsProgram);
                }
                What::Unknown => self.hit(item.words.clone(), "…", Effect::RunsProgram),
                What::Option { .. } | What::Operand(_) | What::Assignment | What::End => {}
            }
        }
        if let Some((_, last)) = texts.last() {
            // Together they are one program: who names it names the last of them, too.
            let joined = texts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("\n");
            self.program(language, &joined, last.clone());
        } else if !self.has_program_file() {
            for (text, words) in self.first_operands() {
                self.program(language, &text, words);
            }
        }
    }

    fn program(&mut self, language: Language, text: &str, words: Range<usize>) {
        let effect = match language {
            Language::Sed => sed_effect(text),
            Language::Awk => awk_effect(text),
        };
        if let Some(effect) = effect {
            self.hit(words, text, effect);
        }
    }

    /// The first operand, and those before it that may be the value of an option which is not known.
    fn first_operands(&self) -> Vec<(String, Range<usize>)> {
        let mut found = Vec::new();
        for item in &self.level.items {
            if let What::Operand(text) = &item.what {
                found.push((text.clone(), item.words.clone()));
                if item.sure {
                    break;
                }
            }
        }
        found
    }

    /// Whether the program is in a file, which a row of its own reports.
    fn has_program_file(&self) -> bool {
        self.level.items.iter().any(|item| {
            matches!(&item.what, What::Option { name, .. } if matches!(name.as_str(), "-f" | "--file" | "-E" | "--exec")
                && !(name == "-E" && self.level.key.ends_with("sed")))
        })
    }

    fn hit(&mut self, words: Range<usize>, option: &str, effect: Effect) {
        self.hits.push(GuardHit { words, option: option.to_owned(), effect, note: &self.guard.note });
    }
}

fn fits(row: &Row, value: &Value) -> bool {
    match value {
        Value::Text { text, .. } => {
            (row.values.is_empty() || row.values.iter().any(|form| glob(form, text))) && !harmless(row, text)
        }
        Value::Command(_) | Value::Unknown => true,
        Value::None => row.values.is_empty(),
    }
}

fn harmless(row: &Row, text: &str) -> bool {
    row.effect == Effect::WritesFile && text == "/dev/null" || row.except.iter().any(|form| glob(form, text))
}

/// Whether an operand of git names a repository on this machine, whose hooks and settings then count, or a
/// transport that runs a program. git-clone(1), GIT URLS: `host:path` is on another machine unless a slash
/// stands before the colon.
fn is_here(text: &str, names_are_paths: bool) -> bool {
    let lower = text.to_ascii_lowercase();
    let remote = text.find(':').is_some_and(|colon| text.find('/').is_none_or(|slash| colon < slash));
    text.contains("::")
        || lower.starts_with("file:")
        || text.starts_with(['/', '.', '~'])
        || !remote && (names_are_paths || text.contains('/'))
}

/// Whether a text has a form in which `*` stands for any text; letters in either case.
fn glob(form: &str, text: &str) -> bool {
    let (form, text) = (form.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = form.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{GUARDS, glob};
    use crate::knowledge::syntax::{knows, of};

    #[test]
    fn every_row_has_a_reason_and_a_syntax_that_knows_its_options() {
        let mut missing = Vec::new();
        for (commands, guard) in GUARDS.rows() {
            let (row, note) = (&guard.row, &guard.note);
            assert!(!note.why.is_empty() && !note.reference.is_empty(), "{}", note.origin);
            let matches = !row.options.is_empty() || !row.operands.is_empty() || row.from_operand.is_some();
            let matches = matches || row.operand.is_some() || row.repository.is_some() || row.unless_it_reads;
            assert!(
                matches || row.always || row.language.is_some() || !row.known.is_empty(),
                "{}: matches nothing",
                note.origin
            );
            for command in commands.into_iter().filter(|_| !row.options.is_empty()) {
                assert!(knows(command), "{}: no syntax for {command}", note.origin);
                for option in row.options.iter().filter(|option| !of(command).knows(option)) {
                    missing.push(format!("{}: {command} has no {option}", note.origin));
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }

    #[test]
    fn forms() {
        for (form, text) in
            [("of=*", "of=x"), ("*::*", "ext::sh"), ("ProxyCommand*", "proxycommand=x"), ("a", "a")]
        {
            assert!(glob(form, text), "{form} {text}");
        }
        for (form, text) in [("of=*", "if=x"), ("a", "ab"), ("a*b", "a")] {
            assert!(!glob(form, text), "{form} {text}");
        }
    }
}
