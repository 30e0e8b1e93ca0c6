//! How each tool writes its options: rows of `data/syntax/*.toml`, and which of them a command follows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{Item, What, read};
use super::tables::{Index, Table, table};
use crate::command::program_name;
use crate::{Origin, Word};

/// What follows an option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A value, attached or as the next word.
    Value,
    /// A value only if attached.
    Optional,
    /// The words of a command, up to `;`, or `+` behind `{}`, or the end.
    Command,
}

/// Where options may stand.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Anywhere before `--`, as GNU getopt permutes them.
    #[default]
    Permuted,
    /// Before the first operand only.
    Posix,
}

/// What a word that begins with `+` is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plus {
    /// An operand.
    #[default]
    Operand,
    /// One option, `+`, with the rest as its value.
    Attached,
    /// Letters like those behind `-`.
    Letters,
}

/// A row as it is written. `short` is like getopt's: a letter, then `:` for a value, `?` for one that must be
/// attached, `*` for a command. `long` and `words` (single-dash names) are separated by spaces, with `=`,
/// `?` or `*` behind the name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    short: String,
    #[serde(default)]
    long: String,
    #[serde(default)]
    words: String,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    plus: Plus,
    #[serde(default = "yes")]
    abbreviates: bool,
    #[serde(default)]
    numbers: bool,
    #[serde(default)]
    assignments: bool,
    #[serde(default)]
    bundle_first: bool,
    #[serde(default)]
    subcommands: bool,
    #[serde(default)]
    mixed: bool,
    #[serde(default)]
    nopt: bool,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the table; a test wants it present"))]
    reference: String,
}

fn yes() -> bool {
    true
}

/// How a command's words are read.
#[derive(Debug, Default)]
pub(crate) struct Syntax {
    /// Letters.
    pub(crate) short: BTreeMap<char, Takes>,
    /// Names behind `--`.
    pub(crate) long: BTreeMap<String, Takes>,
    /// Names of several letters behind one `-`.
    pub(crate) words: BTreeMap<String, Takes>,
    /// Where options may stand.
    pub(crate) order: Order,
    /// What `+x` is.
    pub(crate) plus: Plus,
    /// Whether an unambiguous beginning of a long name stands for it.
    pub(crate) abbreviates: bool,
    /// Whether `-5` is an option of its own.
    pub(crate) numbers: bool,
    /// Whether `NAME=VALUE` before the first operand is not an operand.
    pub(crate) assignments: bool,
    /// Whether the first word is a bundle of letters even without a dash, as for `tar xf`.
    pub(crate) bundle_first: bool,
    /// Whether the first operand names a sub-command.
    pub(crate) subcommands: bool,
    /// Whether the row speaks of tools that differ: what takes a value for one takes none for another, so the
    /// value is read as options, too.
    pub(crate) mixed: bool,
    /// Whether long names may stand behind one dash and be cut short, as npm reads them.
    pub(crate) nopt: bool,
}

impl Syntax {
    /// Whether an option of this spelling (`-o`, `--output`, `-exec`, `+`) is known.
    #[cfg(test)]
    pub(crate) fn knows(&self, option: &str) -> bool {
        if option == "+" {
            return self.plus == Plus::Attached;
        }
        if let Some(name) = option.strip_prefix("--") {
            return self.long.contains_key(name);
        }
        let Some(name) = option.strip_prefix('-') else { return false };
        let mut letters = name.chars();
        self.words.contains_key(name)
            || matches!((letters.next(), letters.next()), (Some(c), None) if self.short.contains_key(&c))
    }
}

impl From<(Row, Origin)> for Syntax {
    fn from((row, _): (Row, Origin)) -> Self {
        Self {
            short: letters(&row.short),
            long: names(&row.long),
            words: names(&row.words),
            order: row.order,
            plus: row.plus,
            abbreviates: row.abbreviates,
            numbers: row.numbers,
            assignments: row.assignments,
            bundle_first: row.bundle_first,
            subcommands: row.subcommands,
            mixed: row.mixed,
            nopt: row.nopt,
        }
    }
}

fn letters(text: &str) -> BTreeMap<char, Takes> {
    let mut found = BTreeMap::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let takes = match rest.peek() {
            Some(':') => Takes::Value,
            Some('?') => Takes::Optional,
            Some('*') => Takes::Command,
            Some(_) | None => Takes::Nothing,
        };
        if takes != Takes::Nothing {
            rest.next();
        }
        found.insert(letter, takes);
    }
    found
}

fn names(text: &str) -> BTreeMap<String, Takes> {
    let marks = [('=', Takes::Value), ('?', Takes::Optional), ('*', Takes::Command)];
    text.split_whitespace()
        .map(|name| {
            marks
                .iter()
                .find_map(|(mark, takes)| Some((name.strip_suffix(*mark)?.to_owned(), *takes)))
                .unwrap_or_else(|| (name.to_owned(), Takes::Nothing))
        })
        .collect()
}

pub(super) const TABLE: &Table = &table!("syntax");

static SYNTAX: LazyLock<Index<Syntax>> = LazyLock::new(|| Index::new::<Row>(TABLE));

static UNKNOWN: LazyLock<Syntax> = LazyLock::new(|| Syntax { abbreviates: true, ..Syntax::default() });

/// How a command is read; an unknown one is assumed to permute and abbreviate, and to take no values.
pub(crate) fn of(command: &str) -> &'static Syntax {
    SYNTAX.of(command).next().unwrap_or(&UNKNOWN)
}

/// Whether the table has a row for a command.
pub(crate) fn knows(command: &str) -> bool {
    SYNTAX.knows(command)
}

/// A tool, or one of its sub-commands, with its words.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// As in the tables: `git`, `git stash`, `git stash show`.
    pub(crate) key: String,
    /// Where the last word of `key` stands.
    pub(crate) at: usize,
    /// The words behind it, read.
    pub(crate) items: Vec<Item>,
    /// Whether this word is surely what names the level.
    pub(crate) sure: bool,
}

/// How many sub-commands below each other are looked for.
const LEVELS: usize = 4;

/// The tool and each sub-command that the words name, outermost first. Empty when the program is unknown.
pub(crate) fn levels(words: &[Word]) -> Vec<Level> {
    let mut found = Vec::new();
    if let Some(program) = words.first().and_then(Word::literal) {
        descend(words, tool_key(program), 0, true, &mut found);
    }
    found
}

fn descend(words: &[Word], key: String, at: usize, sure: bool, found: &mut Vec<Level>) {
    let syntax = of(&key);
    let items = read(syntax, words, at.saturating_add(1));
    let below: Vec<_> = if syntax.subcommands { named_below(&items) } else { Vec::new() };
    let depth = key.split(' ').count();
    found.push(Level { key: key.clone(), at, items, sure });
    if depth < LEVELS {
        for (name, place, certain) in below {
            descend(words, format!("{key} {name}"), place, sure && certain, found);
        }
    }
}

/// The operands that may name a sub-command: the first, and, once something is not understood, each later
/// one too, up to a bound.
fn named_below(items: &[Item]) -> Vec<(String, usize, bool)> {
    const CANDIDATES: usize = 8;
    let mut found = Vec::new();
    for item in items {
        if let What::Operand(text) = &item.what {
            found.push((text.clone(), item.words.start, item.sure && found.is_empty()));
            if item.sure || found.len() >= CANDIDATES {
                break;
            }
        }
    }
    found
}

/// The name under which the tables know a program: its last component, without `.exe`, and without a version
/// (`python3.12`, `gcc-13`) unless a row names the version.
pub(crate) fn tool_key(program: &str) -> String {
    let name = program_name(program);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    // git's sub-commands are programs, too: `/usr/lib/git-core/git-grep`.
    if let Some(subcommand) = name.strip_prefix("git-")
        && !subcommand.is_empty()
    {
        return format!("git {subcommand}");
    }
    if knows(name) {
        return name.to_owned();
    }
    let bare = without_version(name);
    if knows(bare) { bare.to_owned() } else { name.to_owned() }
}

/// The name without a version and without the kind of build: `python` for `python3.12-dbg`, `bash` for
/// `bash-5.2` and `bash-static`.
fn without_version(name: &str) -> &str {
    const BUILDS: &[&str] =
        &["-dbg", "-debug", "-static", "-minimal", "-dev", "-headless", "-stable", "-nightly"];
    let name = BUILDS.iter().find_map(|build| name.strip_suffix(build)).unwrap_or(name);
    if knows(name) {
        return name;
    }
    // `python3.13t`, `python3.8dm`
    let letters = name.trim_end_matches(['t', 'd', 'm', 'u']);
    let name = if letters.ends_with(|c: char| c.is_ascii_digit()) { letters } else { name };
    name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::{Row, SYNTAX, TABLE, Takes, letters, levels, names, tool_key};
    use crate::Word;

    #[test]
    fn every_command_has_one_row_with_a_reference() {
        for (command, rows) in SYNTAX.commands() {
            assert_eq!(rows, 1, "{command} stands in {rows} rows");
        }
        for place in TABLE.rows {
            let (row, origin) = TABLE.read::<Row>(place).unwrap();
            assert!(!row.reference.is_empty(), "{origin}");
        }
    }

    #[test]
    fn notation() {
        let short = letters("ab:c?d*");
        assert_eq!(
            [short[&'a'], short[&'b'], short[&'c'], short[&'d']],
            [Takes::Nothing, Takes::Value, Takes::Optional, Takes::Command]
        );
        assert_eq!(names("key= check? sort")["key"], Takes::Value);
        assert_eq!(names("key= check? sort")["sort"], Takes::Nothing);
    }

    #[test]
    fn versions_are_dropped_only_where_nothing_names_them() {
        for (program, key) in [
            ("/usr/bin/python3.12", "python"),
            ("git", "git"),
            ("base64", "base64"),
            ("git-grep", "git grep"),
            ("bash-5.2", "bash"),
            ("python3.12-dbg", "python"),
            ("python3.13t", "python"),
            ("dash-static", "dash"),
        ] {
            assert_eq!(tool_key(program), key);
        }
    }

    #[test]
    fn sub_commands_are_found_behind_global_options() {
        let words = Word::all(&["git", "-C", "log", "--no-pager", "diff", "x"]);
        let keys: Vec<_> =
            levels(&words).into_iter().map(|level| (level.key, level.at, level.sure)).collect();
        assert_eq!(keys, [("git".into(), 0, true), ("git diff".into(), 4, true)]);
    }
}
