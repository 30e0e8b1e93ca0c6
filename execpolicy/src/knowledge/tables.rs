//! The tables that are compiled in. A row is read when its command is asked about, and keeps its line, so that a
//! finding can name it: one process meets a few tools, and the tables know hundreds.
//!
//! `build.rs` writes down where the rows are.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use super::hash::bucket;
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

/// A table: a file, or all files of a folder, by name. Places are bytes in `text`.
pub(crate) struct Table {
    /// Its files as findings cite them, such as `builtin/safe.toml`.
    pub(crate) files: &'static [&'static str],
    /// The files, one after the other.
    pub(crate) text: &'static str,
    /// Each row, in order.
    pub(crate) rows: &'static [RowPlace],
    /// Each command of each row.
    pub(crate) commands: Names,
    /// Each beginning of a command, with the first row.
    pub(crate) beginnings: Names,
}

/// Names of rows. Places instead of text, because what points to text has to be relocated whenever a process starts.
pub(crate) struct Names {
    /// Where in `places` each bucket begins; behind the last one, where it ends.
    pub(crate) starts: &'static [usize],
    /// By bucket, then by name, then by row.
    pub(crate) places: &'static [NamePlace],
}

/// Where a row is.
pub(crate) struct RowPlace {
    /// Which of the table's files it is in.
    pub(crate) file: usize,
    /// The line of its header in this file.
    pub(crate) line: u32,
    /// The byte behind its commands.
    pub(crate) from: usize,
    /// The byte behind it.
    pub(crate) to: usize,
}

/// Where a name is.
pub(crate) struct NamePlace {
    /// The first byte of the name.
    pub(crate) from: usize,
    /// The byte behind it.
    pub(crate) to: usize,
    /// The row, counted from 0.
    pub(crate) row: usize,
}

/// Compiles in the table `data/$name.toml` or `data/$name/`.
macro_rules! table {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"))
    };
}
pub(crate) use table;

impl Table {
    fn name(&self, place: &NamePlace) -> &'static str {
        self.text.get(place.from..place.to).unwrap_or_default()
    }

    /// The numbers of the rows with this name, in order.
    fn rows_of(&self, names: &Names, name: &str) -> impl Iterator<Item = usize> {
        let bucket = bucket(name, names.starts.len().saturating_sub(1));
        let places = match names.starts.get(bucket..) {
            Some([from, to, ..]) => names.places.get(*from..*to).unwrap_or_default(),
            Some(_) | None => &[],
        };
        places.iter().filter(move |place| self.name(place) == name).map(|place| place.row)
    }

    /// A row as it is written, without its commands.
    pub(super) fn read<R: DeserializeOwned>(&self, place: &RowPlace) -> Result<(R, Origin), toml::de::Error> {
        let row = toml::from_str(self.text.get(place.from..place.to).unwrap_or_default())?;
        let file = self.files.get(place.file).copied().unwrap_or_default();
        Ok((row, Origin::new(file, place.line)))
    }
}

/// Rows by the commands that they speak of; a row may speak of several.
pub(crate) struct Index<T> {
    table: &'static Table,
    read: fn(&Table, &RowPlace) -> T,
    /// What was read so far.
    rows: Vec<OnceLock<Box<T>>>,
}

impl<T> Index<T> {
    /// A table whose rows are written as `R`.
    #[expect(
        clippy::panic,
        reason = "the text is compiled in, and a unit test of each table reads all of it"
    )]
    pub(crate) fn new<R: DeserializeOwned>(table: &'static Table) -> Self
    where
        T: From<(R, Origin)>,
    {
        let read = |table: &Table, place: &RowPlace| match table.read::<R>(place) {
            Ok(row) => T::from(row),
            Err(error) => panic!("{:?}, row in line {}: {error}", table.files, place.line),
        };
        Self { table, read, rows: table.rows.iter().map(|_| OnceLock::new()).collect() }
    }

    fn row(&self, number: usize) -> Option<&T> {
        let (place, row) = (self.table.rows.get(number)?, self.rows.get(number)?);
        Some(row.get_or_init(|| Box::new((self.read)(self.table, place))))
    }

    /// The rows for a command, in the order of the table.
    pub(crate) fn of(&self, command: &str) -> impl Iterator<Item = &T> {
        self.table.rows_of(&self.table.commands, command).filter_map(|number| self.row(number))
    }

    /// Whether there is a row for a command.
    pub(crate) fn knows(&self, command: &str) -> bool {
        self.table.rows_of(&self.table.commands, command).next().is_some()
    }

    /// The first row for some sub-command of a command, if there is one.
    pub(crate) fn below(&self, command: &str) -> Option<&T> {
        self.table.rows_of(&self.table.beginnings, command).next().and_then(|number| self.row(number))
    }

    /// All rows, with their commands.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Vec<&str>, &T)> {
        (0..self.rows.len()).map(|number| {
            let places = self.table.commands.places.iter().filter(|place| place.row == number);
            (places.map(|place| self.table.name(place)).collect(), self.row(number).unwrap())
        })
    }

    /// All commands, with how many rows each has.
    #[cfg(test)]
    pub(crate) fn commands(&self) -> impl Iterator<Item = (&str, usize)> {
        let same = |one: &NamePlace, other: &NamePlace| self.table.name(one) == self.table.name(other);
        self.table.commands.places.chunk_by(same).map(|places| (self.table.name(&places[0]), places.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde::Deserialize;
    use toml::Spanned;

    use super::super::*;
    use super::{Index, Table};
    use crate::Origin;
    use crate::origin::line_of;

    const TABLES: &[&Table] = &[
        banned::TABLE,
        dangerous::TABLE,
        environment::TABLE,
        guards::TABLE,
        interpreters::TABLE,
        offers::TABLE,
        safe::TABLE,
        subcommands::TABLE,
        syntax::TABLE,
        wrappers::TABLE,
    ];

    /// A row without its commands, and where it is.
    type Rest = (toml::Table, Origin);

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        row: Vec<Spanned<toml::Table>>,
    }

    /// What TOML reads in a file: of each row, its commands and the rest.
    fn whole(file: &str) -> Vec<(Vec<String>, Rest)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        let text = fs::read_to_string(folder.join(file.strip_prefix("builtin/").unwrap())).unwrap();
        let row = |row: Spanned<toml::Table>| {
            let line = line_of(&text, row.span().start);
            let mut row = row.into_inner();
            let commands = row.remove("command").unwrap().try_into().unwrap();
            (commands, (row, Origin::new(file, line)))
        };
        toml::from_str::<Whole>(&text).unwrap().row.into_iter().map(row).collect()
    }

    #[test]
    fn rows_are_those_that_toml_reads() {
        for table in TABLES {
            let index = Index::<Rest>::new::<toml::Table>(table);
            let rows: Vec<_> = table.files.iter().flat_map(|file| whole(file)).collect();
            assert_eq!(
                index.rows().map(|(_, rest)| rest).collect::<Vec<_>>(),
                rows.iter().map(|(_, rest)| rest).collect::<Vec<_>>()
            );

            let with = |names: &dyn Fn(&str) -> bool| -> Vec<&Rest> {
                let rows = rows.iter().filter(|(commands, _)| commands.iter().any(|name| names(name)));
                rows.map(|(_, rest)| rest).collect()
            };
            let named: BTreeSet<&str> =
                rows.iter().flat_map(|(commands, _)| commands).map(String::as_str).collect();
            let beginnings = named.iter().filter_map(|name| Some(name.rsplit_once(' ')?.0));
            let absent = ["", " ", "a", "zzzz", "git ", "gi"];
            for command in named.iter().copied().chain(beginnings).chain(absent) {
                assert_eq!(index.of(command).collect::<Vec<_>>(), with(&|name| name == command), "{command}");
                assert_eq!(index.knows(command), named.contains(command), "{command}");
                let start = format!("{command} ");
                assert_eq!(
                    index.below(command),
                    with(&|name| name.starts_with(&start)).first().copied(),
                    "{command}"
                );
            }
            assert_eq!(index.commands().map(|(command, _)| command).collect::<BTreeSet<_>>(), named);
        }
    }

    #[test]
    fn every_file_is_in_a_table() {
        fn count(folder: &Path) -> usize {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        let files: usize = TABLES.iter().map(|table| table.files.len()).sum();
        assert_eq!(files, count(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data")));
    }
}
