//! Commands that are asked about whatever the sandbox, unless a rule decides. Deliberately few.

use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{What, read};
use super::syntax::of;
use super::tables::{Index, Note, Table, table};
use crate::command::program_name;
use crate::{Origin, Word};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    options: Vec<String>,
    why: String,
    reference: String,
}

struct Entry {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Entry {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("dangerous");

static DANGERS: LazyLock<Index<Entry>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// Why a command is dangerous.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Danger {
    /// The row.
    pub note: &'static Note,
    /// The word with the option that makes it dangerous: a rule that covers it speaks of the danger.
    pub word: usize,
}

/// Why this one command, run directly, is dangerous, if it is.
///
/// Words that are known only when the command runs are left out, so `rm $X` is not dangerous: nearly every
/// script would be, and the sandbox still limits it. Options are read as GNU reads them: abbreviated, bundled,
/// behind operands, up to `--`.
pub fn danger(words: &[Word]) -> Option<Danger> {
    let program = program_name(words.first()?.literal()?);
    let (places, known): (Vec<usize>, Vec<Word>) =
        words.iter().cloned().enumerate().filter(|(_, word)| word.literal().is_some()).unzip();
    let items = read(of(program), &known, 1);
    DANGERS.of(program).find_map(|entry| {
        let hit = items.iter().find(
            |item| matches!(&item.what, What::Option { name, .. } if entry.row.options.contains(name)),
        )?;
        Some(Danger { note: &entry.note, word: *places.get(hit.words.start)? })
    })
}

#[cfg(test)]
mod tests {
    use super::DANGERS;
    use crate::knowledge::syntax::of;

    #[test]
    fn every_row_has_a_reason_and_a_syntax_that_knows_its_options() {
        for (commands, danger) in DANGERS.rows() {
            let (row, note) = (&danger.row, &danger.note);
            assert!(!note.why.is_empty() && !note.reference.is_empty(), "{}", note.origin);
            for command in commands {
                assert!(row.options.iter().all(|option| of(command).knows(option)), "{}", note.origin);
            }
        }
    }
}
