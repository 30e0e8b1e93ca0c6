//! Writes down where each row of the tables in `data/` stands and which commands it speaks of, so that a process reads
//! only the rows of the tools that it meets.
//!
//! A table is a file, or a folder whose files are taken together by name. For `data/x.toml` and for `data/x/` the result is
//! `OUT_DIR/x.rs`, an expression for `knowledge::tables::Table`, which says what its parts are. A unit test there reads
//! the files as TOML and compares.

#[path = "src/knowledge/hash.rs"]
mod hash;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "[[row]]\n";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=data");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    for path in entries(Path::new("data"))? {
        let files = if path.is_dir() { entries(&path)? } else { vec![path.clone()] };
        let name = path.file_stem().ok_or("no name")?;
        fs::write(out.join(name).with_extension("rs"), Table::read(&files)?.expression()?)?;
    }
    Ok(())
}

/// The tables and folders in a folder, by name. What editors leave behind is no table.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut found = paths.collect::<Result<Vec<_>, std::io::Error>>()?;
    found.retain(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "toml"));
    found.sort();
    Ok(found)
}

/// Places are bytes in `text`.
#[derive(Default)]
struct Table {
    files: Vec<String>,
    text: String,
    rows: Vec<Row>,
    /// In the order of the rows.
    commands: Vec<Name>,
}

struct Row {
    file: usize,
    line: usize,
    from: usize,
    to: usize,
}

#[derive(Clone)]
struct Name {
    name: String,
    from: usize,
    row: usize,
}

impl Table {
    fn read(files: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let mut table = Self::default();
        for path in files {
            let name = path.strip_prefix("data")?.to_str().ok_or("a name that is not UTF-8")?;
            table.files.push(format!("builtin/{name}"));
            table.add(&fs::read_to_string(path)?).map_err(|line| {
                format!(
                    "{}:{line}: a row is `[[row]]`, and then `command = [\"…\"]` on one line",
                    path.display()
                )
            })?;
        }
        Ok(table)
    }

    /// Adds a file. An error is the line that is no row's beginning.
    fn add(&mut self, text: &str) -> Result<(), usize> {
        let file = self.files.len().saturating_sub(1);
        let mut begins = false;
        for (line, content) in (1..).zip(text.split_inclusive('\n')) {
            let from = self.text.len();
            self.text.push_str(content);
            let to = self.text.len();
            if content == HEADER && !begins {
                self.rows.push(Row { file, line, from: to, to });
                begins = true;
            } else if content.starts_with('[') {
                return Err(line);
            } else if begins && !content.starts_with('#') {
                if !self.add_commands(content, from) {
                    return Err(line);
                }
                begins = false;
                if let Some(row) = self.rows.last_mut() {
                    row.from = to;
                }
            }
            // A row reaches up to the next one.
            if let Some(row) = self.rows.last_mut().filter(|row| row.file == file) {
                row.to = to;
            }
        }
        if begins { Err(text.lines().count()) } else { Ok(()) }
    }

    /// Adds the commands of the last row. Whether the line, which begins at this byte, lists any.
    fn add_commands(&mut self, line: &str, mut from: usize) -> bool {
        const BEFORE: &str = "command = [\"";
        const BETWEEN: &str = "\", \"";
        let list = line.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix("\"]\n"));
        let Some(list) = list else { return false };
        let row = self.rows.len().saturating_sub(1);
        from = from.saturating_add(BEFORE.len());
        for name in list.split(BETWEEN) {
            if name.is_empty() || name.contains(['"', '\\']) {
                return false;
            }
            self.commands.push(Name { name: name.to_owned(), from, row });
            from = from.saturating_add(name.len()).saturating_add(BETWEEN.len());
        }
        true
    }

    /// For each beginning of a command, its first row.
    fn beginnings(&self) -> Vec<Name> {
        let mut found = BTreeMap::new();
        for Name { name, from, row } in &self.commands {
            for start in name.match_indices(' ').filter_map(|(end, _)| name.get(..end)) {
                let beginning = || Name { name: start.to_owned(), from: *from, row: *row };
                found.entry(start).or_insert_with(beginning);
            }
        }
        found.into_values().collect()
    }

    fn expression(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::from("{\nuse crate::knowledge::tables::{NamePlace, Names, RowPlace, Table};\n");
        writeln!(out, "Table {{\nfiles: &{:?},\ntext: {:?},\nrows: &[", self.files, self.text)?;
        for Row { file, line, from, to } in &self.rows {
            writeln!(out, "RowPlace {{ file: {file}, line: {line}, from: {from}, to: {to} }},")?;
        }
        writeln!(out, "],\ncommands: {},", names(self.commands.clone())?)?;
        writeln!(out, "beginnings: {},\n}}\n}}", names(self.beginnings())?)?;
        Ok(out)
    }
}

/// As many buckets as names, one behind the other.
fn names(mut names: Vec<Name>) -> Result<String, std::fmt::Error> {
    let count = names.len();
    let bucket = |name: &Name| hash::bucket(&name.name, count);
    names.sort_by(|one, other| {
        (bucket(one), &one.name, one.row).cmp(&(bucket(other), &other.name, other.row))
    });
    let starts: Vec<usize> = (0..=count).map(|at| names.partition_point(|name| bucket(name) < at)).collect();
    let mut out = format!("Names {{\nstarts: &{starts:?},\nplaces: &[\n");
    for Name { name, from, row } in &names {
        let to = from.saturating_add(name.len());
        writeln!(out, "NamePlace {{ from: {from}, to: {to}, row: {row} }},")?;
    }
    out.push_str("],\n}");
    Ok(out)
}
