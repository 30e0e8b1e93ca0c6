//! Shells and interpreters: which word holds the code that one of them would run.
//!
//! An allow rule that does not cover that word says nothing about what runs, and must not allow the call.

use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{Item, Value, What};
use super::syntax::{Level, levels, tool_key};
use super::tables::{Index, Note, Table, table};
use crate::{Origin, Word};

/// Where an interpreter's code is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Code {
    /// The place.
    pub place: Place,
    /// The row of the interpreter.
    pub note: &'static Note,
}

/// The place of code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// This word is the last that holds code, or names a file, module or package with code.
    Word(usize),
    /// The program reads its standard input.
    Stdin,
    /// It runs code, but the words do not say which: an option is unknown, or a word is.
    Unclear,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Options whose value is the program; then operands are only its arguments.
    #[serde(default)]
    code: Vec<String>,
    /// Options whose value is code that runs besides the program.
    #[serde(default)]
    loads: Vec<String>,
    /// First operands behind which the code stands somewhere.
    #[serde(default)]
    unclear: Vec<String>,
    /// Options that make it read standard input.
    #[serde(default)]
    stdin: Vec<String>,
    /// Options without which nothing that the words name, or that is read, is code.
    #[serde(default)]
    only_with: Vec<String>,
    /// How many operands come before the code, such as the database of `sqlite3`; the code behind them may be
    /// missing, and then it is read from standard input.
    #[serde(default)]
    skip: usize,
    /// Options with which, if there is nothing else, nothing runs.
    #[serde(default)]
    nothing: Vec<String>,
    why: String,
    reference: String,
}

struct Interpreter {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Interpreter {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("interpreters");

static INTERPRETERS: LazyLock<Index<Interpreter>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// The row of a program that exists to run code: shells and interpreters.
pub fn interpreter(program: &str) -> Option<&'static Note> {
    INTERPRETERS.of(&tool_key(program)).next().map(|interpreter| &interpreter.note)
}

/// Where the code is that these words run; none if the program is no interpreter, or only prints its version.
pub fn code_word(words: &[Word]) -> Option<Code> {
    let levels = levels(words);
    // The innermost that the table knows: `deno run` before `deno`.
    let found = levels.iter().rev().find_map(|level| Some((level, INTERPRETERS.of(&level.key).next()?)));
    let (level, interpreter) = found?;
    let place = place(level, &interpreter.row)?;
    Some(Code { place, note: &interpreter.note })
}

fn place(level: &Level, row: &Row) -> Option<Place> {
    let mut last: Option<usize> = None;
    let (mut program, mut stdin) = (false, false);
    let mut operands = 0_usize;
    let has = |names: &[String]| {
        level.items.iter().any(|item| {
            item.what == What::Unknown
                || matches!(&item.what, What::Option { name, .. } if names.contains(name))
        })
    };
    if !row.only_with.is_empty() && !has(&row.only_with) {
        return None;
    }
    // Beside anything else, `--version` may be a value, or come too late.
    let only = |item: &Item| matches!(&item.what, What::Option { name, .. } if row.nothing.contains(name));
    if !level.items.is_empty() && level.items.iter().all(only) {
        return None;
    }
    for item in &level.items {
        match &item.what {
            What::Unknown => return Some(Place::Unclear),
            What::Option { known: false, .. } if !program => return Some(Place::Unclear),
            // `bash -oc NAME CODE` takes the name from the next word, `zsh -oNAME` does not.
            What::Option { name, value: Value::Text { word, .. }, .. }
                if matches!(name.as_str(), "-o" | "-O" | "+o" | "+O")
                    && !row.stdin.is_empty()
                    && *word == item.words.start =>
            {
                return Some(Place::Unclear);
            }
            What::Option { name, .. } if row.stdin.contains(name) => stdin = true,
            What::Option { name, value, .. } if row.code.contains(name) || row.loads.contains(name) => {
                program = program || row.code.contains(name);
                last = last.max(Some(holder(item, value)?));
            }
            What::Operand(_) if !program && !item.sure => return Some(Place::Unclear),
            What::Operand(_) if !program && operands < row.skip => operands = operands.saturating_add(1),
            What::Operand(text) if !program => {
                return Some(match text.as_str() {
                    "-" => Place::Stdin,
                    _ if stdin || row.unclear.contains(text) => Place::Unclear,
                    _ => Place::Word(item.words.start),
                });
            }
            What::Option { .. } | What::Operand(_) | What::Assignment | What::End => {}
        }
    }
    Some(match last {
        Some(word) if program => Place::Word(word),
        Some(_) | None => Place::Stdin,
    })
}

/// The word with an option's value; without one, the tool only complains.
fn holder(item: &Item, value: &Value) -> Option<usize> {
    match value {
        Value::Text { word, .. } => Some(*word),
        Value::Command(range) => Some(range.end.saturating_sub(1)),
        Value::None | Value::Unknown => Some(item.words.end.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERPRETERS, Place, code_word};
    use crate::Word;
    use crate::knowledge::syntax::{knows, of};

    #[test]
    fn every_row_has_a_reason_and_a_syntax_that_knows_its_options() {
        for (commands, interpreter) in INTERPRETERS.rows() {
            let (row, note) = (&interpreter.row, &interpreter.note);
            assert!(!note.why.is_empty() && !note.reference.is_empty(), "{}", note.origin);
            for command in commands {
                assert!(knows(command), "{}: no syntax for {command}", note.origin);
                for option in row
                    .code
                    .iter()
                    .chain(&row.loads)
                    .chain(&row.stdin)
                    .chain(&row.nothing)
                    .chain(&row.only_with)
                {
                    assert!(of(command).knows(option), "{}: {command} has no {option}", note.origin);
                }
            }
        }
    }

    #[test]
    fn where_the_code_is() {
        let place = |text: &str| code_word(&Word::all(&shlex::split(text).unwrap())).map(|code| code.place);
        for (text, expected) in [
            ("python3 -c 'import os' x", Some(Place::Word(2))),
            ("python3 -Bc 'import os'", Some(Place::Word(2))),
            ("python3 -cimport", Some(Place::Word(1))),
            ("python3.12 -m http.server", Some(Place::Word(2))),
            ("/usr/bin/python3 -u manage.py test", Some(Place::Word(2))),
            ("python3 -W ignore x.py", Some(Place::Word(3))),
            ("python3 --version", None),
            ("python3", Some(Place::Stdin)),
            ("python3 -", Some(Place::Stdin)),
            ("python3 --unheard-of x y", Some(Place::Unclear)),
            ("bash -xc 'rm x'", Some(Place::Word(2))),
            ("bash -o errexit -c 'rm x'", Some(Place::Word(4))),
            ("bash script.sh", Some(Place::Word(1))),
            ("sh -s x", Some(Place::Unclear)),
            ("sh -s", Some(Place::Stdin)),
            ("bash", Some(Place::Stdin)),
            ("perl -lane 'print' f", Some(Place::Word(2))),
            ("perl -e a -e b f", Some(Place::Word(4))),
            ("perl -Mstrict x.pl", Some(Place::Word(2))),
            ("node -r ./x y.js", Some(Place::Word(3))),
            ("node --eval=1", Some(Place::Word(1))),
            ("ruby -rjson -e 'puts 1'", Some(Place::Word(3))),
            ("php -r 'x();'", Some(Place::Word(2))),
            ("deno run -A x.ts", Some(Place::Word(3))),
            ("deno eval 'x'", Some(Place::Word(2))),
            ("java -jar x.jar y", Some(Place::Word(2))),
            ("bash -oc pipefail x", Some(Place::Unclear)),
            ("node -pe 1", Some(Place::Word(2))),
            ("node -p 1", Some(Place::Word(2))),
            ("perl -I lib x.pl", Some(Place::Word(3))),
            ("lua -e 'x=1' y.lua", Some(Place::Word(3))),
            ("R CMD BATCH x.R", Some(Place::Unclear)),
            ("Rscript x.R", Some(Place::Word(1))),
            ("deno test", Some(Place::Word(1))),
            ("deno x.ts", Some(Place::Word(1))),
            ("git log", None),
            ("perl -V", Some(Place::Stdin)),
            ("perl -v", None),
            ("perl -I/x -v", Some(Place::Stdin)),
            ("perl -V -e1", Some(Place::Word(2))),
            ("sh --version -c x", Some(Place::Word(3))),
            ("sh --version", Some(Place::Stdin)),
            ("bash --version", None),
            ("bash-5.2 x.sh", Some(Place::Word(1))),
            ("tclsh --version", Some(Place::Stdin)),
            ("php -d extension=x -v", Some(Place::Stdin)),
            ("php -v", None),
            ("python3 -V x.py", Some(Place::Word(2))),
            ("python3.12-dbg x.py", Some(Place::Word(1))),
            ("sqlite3 x.db", Some(Place::Stdin)),
            ("sqlite3 x.db .tables", Some(Place::Word(2))),
            ("psql -c x", Some(Place::Word(2))),
            ("psql db", Some(Place::Stdin)),
            ("psql --version", None),
            ("mysql db", Some(Place::Stdin)),
            ("ed f", Some(Place::Stdin)),
            ("ex f", Some(Place::Stdin)),
            ("vim f", None),
            ("vim -es f", Some(Place::Stdin)),
            ("gdb x", Some(Place::Stdin)),
            ("at now", Some(Place::Stdin)),
            ("crontab -", Some(Place::Stdin)),
            ("crontab -l", None),
            ("crontab f", Some(Place::Word(1))),
            ("sftp h", Some(Place::Stdin)),
            ("fish -c x", Some(Place::Word(2))),
            ("tcsh -c x", Some(Place::Word(2))),
            ("nu -c x", Some(Place::Word(2))),
            ("m4 x", Some(Place::Word(1))),
        ] {
            assert_eq!(place(text), expected, "{text}");
        }
    }
}
