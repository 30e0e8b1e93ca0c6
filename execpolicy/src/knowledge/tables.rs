//! Reading the tables that are compiled in. Rows keep their line, so that a finding can name it.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::Origin;

/// Why a row of a table is there, and where one can look it up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// What would go wrong, in words for people.
    pub why: String,
    /// Man page with section, or document.
    pub reference: String,
    /// The row.
    pub origin: Origin,
}

/// A table: its name in findings, and its text.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    /// As findings cite it, such as `builtin/safe.toml`.
    pub(crate) name: &'static str,
    /// The file, compiled in.
    pub(crate) text: &'static str,
}

/// Names the file `data/$file` and compiles it in.
macro_rules! table {
    ($file:literal) => {
        crate::knowledge::tables::Table {
            name: concat!("builtin/", $file),
            text: include_str!(concat!("../../data/", $file)),
        }
    };
}
pub(crate) use table;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows<T> {
    row: Vec<Spanned<T>>,
}

/// The rows of a table with their places, in order.
pub(crate) fn parse<T: DeserializeOwned>(table: Table) -> Result<Vec<(T, Origin)>, toml::de::Error> {
    let rows: Rows<T> = toml::from_str(table.text)?;
    let file: Arc<str> = table.name.into();
    // Rows come in the order of the text, so each line is counted once.
    let (mut byte, mut line) = (0, 1);
    let place = |row: Spanned<T>| {
        let to = row.span().start;
        line += newlines(table.text.get(byte..to).unwrap_or_default());
        byte = to;
        (row.into_inner(), Origin::new(Arc::clone(&file), line))
    };
    Ok(rows.row.into_iter().map(place).collect())
}

fn newlines(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// The rows of several tables.
#[expect(clippy::panic, reason = "the text is compiled in, and a unit test of each table parses it")]
pub(crate) fn load<T: DeserializeOwned>(tables: &[Table]) -> Vec<(T, Origin)> {
    tables
        .iter()
        .flat_map(|table| parse(*table).unwrap_or_else(|error| panic!("{}: {error}", table.name)))
        .collect()
}

/// Rows by the commands that they speak of; a row may speak of several.
pub(crate) struct Index<T> {
    rows: Vec<T>,
    by_command: HashMap<String, Vec<usize>>,
    /// For each beginning of a command, some row.
    parents: HashMap<String, usize>,
}

impl<T> Index<T> {
    /// Indexes rows by what `commands` says of each.
    pub(crate) fn new(rows: Vec<T>, commands: impl Fn(&T) -> &[String]) -> Self {
        let mut by_command: HashMap<String, Vec<usize>> = HashMap::new();
        let mut parents = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            for command in commands(row) {
                by_command.entry(command.clone()).or_default().push(at);
                for (end, _) in command.match_indices(' ') {
                    parents.entry(command.chars().take(end).collect()).or_insert(at);
                }
            }
        }
        Self { rows, by_command, parents }
    }

    /// The rows for a command, in the order of the table.
    pub(crate) fn of(&self, command: &str) -> impl Iterator<Item = &T> {
        self.by_command.get(command).into_iter().flatten().filter_map(|at| self.rows.get(*at))
    }

    /// Whether there is a row for a command.
    pub(crate) fn knows(&self, command: &str) -> bool {
        self.by_command.contains_key(command)
    }

    /// A row for some sub-command of a command, if there is one.
    pub(crate) fn below(&self, command: &str) -> Option<&T> {
        self.parents.get(command).and_then(|at| self.rows.get(*at))
    }

    /// All rows.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// All commands.
    #[cfg(test)]
    pub(crate) fn commands(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_command.iter().map(|(command, rows)| (command.as_str(), rows.len()))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Table, parse};

    #[derive(Deserialize)]
    struct Row {
        a: u8,
    }

    #[test]
    fn a_row_knows_its_line() {
        let table = Table { name: "builtin/x.toml", text: "# one\n\n[[row]]\na = 1\n\n[[row]]\na = 2\n" };
        let rows = parse::<Row>(table).unwrap();
        let places: Vec<_> = rows.iter().map(|(row, origin)| (row.a, origin.to_string())).collect();
        assert_eq!(places, [(1, "builtin/x.toml:3".into()), (2, "builtin/x.toml:6".into())]);
    }
}
