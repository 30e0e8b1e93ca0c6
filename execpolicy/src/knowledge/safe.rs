//! Commands that only read and print. They run unasked where everything else would be asked about.

use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{What, read};
use super::syntax::of;
use super::tables::{Index, Note, Table, table};
use crate::command::program_name;
use crate::{Origin, Word};

/// Directories whose programs are the system's own. A name without a directory is found by the search path,
/// which the caller vouches for.
const TRUSTED: &[&str] = &["/bin/", "/usr/bin/"];

/// A special form that the arguments must have.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// `-n RANGEp [FILE]`, where the file does not begin with a dash.
    SedPrint,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Options with which it is not safe. Then options that the table does not know are not safe either.
    #[serde(default)]
    unless: Vec<String>,
    /// How many operands it may have.
    max_operands: Option<usize>,
    form: Option<Form>,
    why: String,
    reference: String,
}

struct Safe {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Safe {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("safe");

static SAFE: LazyLock<Index<Safe>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// Why this one command is known to be safe, if it is. Every word has to be known.
pub fn known_safe(words: &[Word]) -> Option<&'static Note> {
    let program = words.first()?.literal()?;
    let name = program_name(program);
    let trusted = TRUSTED.iter().any(|directory| program.strip_prefix(directory) == Some(name));
    if !(program == name || trusted) || words.iter().any(|word| word.literal().is_none()) {
        return None;
    }
    SAFE.of(name).find(|safe| fits(&safe.row, name, words)).map(|safe| &safe.note)
}

fn fits(row: &Row, name: &str, words: &[Word]) -> bool {
    let items = read(of(name), words, 1);
    let strict = !row.unless.is_empty() || row.max_operands.is_some();
    let mut operands = 0_usize;
    for item in &items {
        match &item.what {
            What::Option { name, known, .. } if strict && (!known || row.unless.contains(name)) => {
                return false;
            }
            What::Unknown => return false,
            What::Operand(_) => operands = operands.saturating_add(1),
            What::Option { .. } | What::Assignment | What::End => {}
        }
    }
    row.max_operands.is_none_or(|most| operands <= most)
        && match row.form {
            Some(Form::SedPrint) => prints_lines(words),
            None => true,
        }
}

/// `sed -n 1,5p [FILE]`: one literal range, and nothing that could be an option of its own.
fn prints_lines(words: &[Word]) -> bool {
    let literal: Vec<&str> = words.iter().filter_map(Word::literal).collect();
    match literal.as_slice() {
        [_, "-n", script] => is_range(script),
        [_, "-n", script, file] => is_range(script) && !file.starts_with('-'),
        _ => false,
    }
}

fn is_range(script: &str) -> bool {
    let Some(range) = script.strip_suffix('p') else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match range.split_once(',') {
        Some((from, to)) => number(from) && number(to),
        None => number(range),
    }
}

#[cfg(test)]
mod tests {
    use super::SAFE;
    use crate::knowledge::syntax::of;

    #[test]
    fn every_row_has_a_reason_and_a_syntax_that_knows_its_options() {
        for (commands, safe) in SAFE.rows() {
            let (row, note) = (&safe.row, &safe.note);
            assert!(!note.why.is_empty() && !note.reference.is_empty(), "{}", note.origin);
            for command in commands {
                assert!(row.unless.iter().all(|option| of(command).knows(option)), "{}", note.origin);
            }
        }
        for (command, rows) in SAFE.commands() {
            assert_eq!(rows, 1, "{command}");
        }
    }
}
