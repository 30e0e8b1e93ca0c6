//! A TOML text that remembers where its keys stand.
//!
//! Reports ask for the place of thousands of keys. Parsing the text for each would make a hostile file of some
//! kilobytes cost minutes (I12), and keeping all places from the start would slow every start for a message that
//! is rarely shown: so they are found once, when the first is asked for.

use std::collections::HashMap;
use std::sync::OnceLock;

use toml::de::DeTable;

use crate::display::escape_short;
use crate::keys::{KeyPath, MAX_PARTS};
use crate::location::{Anchor, Position};

/// How many bytes of a line are counted at most to tell a column.
const STRIDE: usize = 1 << 10;

/// A text of one layer.
#[derive(Debug)]
pub(crate) struct SourceText {
    text: String,
    index: OnceLock<Index>,
}

impl SourceText {
    /// Nothing is looked at yet.
    pub(crate) fn new(text: String) -> Self {
        Self { text, index: OnceLock::new() }
    }

    /// The length of the text in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Where a key stands, or the nearest table around it. `None` when the text is no TOML.
    pub(crate) fn of_key(&self, key: &KeyPath, anchor: Anchor) -> Option<Position> {
        let index = self.index.get_or_init(|| Index::of(&self.text));
        index.offset(key, anchor).map(|offset| index.position(&self.text, offset))
    }
}

/// The places of a text.
#[derive(Debug)]
struct Index {
    keys: Keys,
    /// The offset of each line.
    lines: Vec<usize>,
    /// How many characters begin before each multiple of [`STRIDE`].
    characters: Vec<usize>,
}

/// The keys of one table.
type Keys = HashMap<String, Place>;

/// Where one key stands.
#[derive(Debug)]
struct Place {
    key: usize,
    value: usize,
    /// The keys in its value.
    inner: Keys,
}

impl Index {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let mut characters = vec![0];
        let mut count = 0;
        for stride in text.as_bytes().chunks(STRIDE) {
            count += starts(stride);
            characters.push(count);
        }
        let keys =
            DeTable::parse(text).map(|document| keys(document.get_ref(), MAX_PARTS)).unwrap_or_default();
        Self { keys, lines: std::iter::once(0).chain(breaks).collect(), characters }
    }

    /// The offset of a key, or of the nearest table around it.
    fn offset(&self, key: &KeyPath, anchor: Anchor) -> Option<usize> {
        let mut keys = &self.keys;
        let mut found = None;
        for part in key.parts() {
            let Some(place) = keys.get(part) else { break };
            found = Some(match anchor {
                Anchor::Key => place.key,
                Anchor::Value => place.value,
            });
            keys = &place.inner;
        }
        found
    }

    /// As [`Position::at`], for an offset in this text.
    fn position(&self, text: &str, offset: usize) -> Position {
        let number = self.lines.partition_point(|start| *start <= offset);
        let start =
            number.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default();
        let end = self.lines.get(number).copied().unwrap_or(text.len());
        let line = text.get(start..end).unwrap_or_default();
        let before = self.characters_before(text, offset).saturating_sub(self.characters_before(text, start));
        Position { line: number, column: before + 1, snippet: escape_short(line.trim()) }
    }

    /// How many characters begin before an offset.
    fn characters_before(&self, text: &str, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let rest = text.as_bytes().get(stride * STRIDE..offset).unwrap_or_default();
        self.characters.get(stride).copied().unwrap_or_default() + starts(rest)
    }
}

/// The keys of a table, of `depth` levels: what is deeper has no meaning here.
fn keys(table: &DeTable<'_>, depth: usize) -> Keys {
    let Some(depth) = depth.checked_sub(1) else { return Keys::new() };
    let place = |(name, value): (&toml::Spanned<_>, &toml::Spanned<toml::de::DeValue<'_>>)| {
        let inner = value.get_ref().as_table().map(|table| keys(table, depth)).unwrap_or_default();
        let name: &toml::Spanned<std::borrow::Cow<'_, str>> = name;
        let place = Place { key: name.span().start, value: value.span().start, inner };
        (name.get_ref().clone().into_owned(), place)
    };
    table.iter().map(place).collect()
}

/// How many characters of UTF-8 begin in these bytes: those that do not continue one.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn places_are_those_of_a_search() {
        let long = format!("x = 'äöü{}'\n", "ß".repeat(3 * STRIDE));
        let one_line = format!("x = {{ a = '{}', \"ö\" = {{ z = 1 }} }}", "€".repeat(STRIDE));
        let texts = [
            "a = 1\n\n[t.\"x y\"]\n  b = \"ä\" # c\r\nd.e = [\n 1,\n]\n[other]\n\"ä\" = { f = true }\n"
                .to_owned(),
            format!("{long}y = 1\n[[list]]\nz = 1\n[t]\n{long}"),
            one_line,
            "no toml".to_owned(),
            String::new(),
        ];
        let keys: [&[&str]; 13] = [
            &["a"],
            &["a", "b"],
            &["t", "x y", "b"],
            &["t", "x y", "d", "e"],
            &["other", "ä", "f"],
            &["other", "ä", "missing"],
            &["x"],
            &["x", "a"],
            &["x", "ö", "z"],
            &["y"],
            &["list", "z"],
            &["t", "x"],
            &[],
        ];
        for text in texts {
            let indexed = SourceText::new(text.clone());
            for key in keys {
                let key = KeyPath::new(key.iter().copied());
                for anchor in [Anchor::Key, Anchor::Value] {
                    assert_eq!(indexed.of_key(&key, anchor), Position::of_key(&text, &key, anchor), "{key}");
                }
            }
        }
    }

    #[test]
    fn many_keys_are_found_in_one_go() {
        let servers = |between: &str| {
            (0..10_000).map(|number| format!("s{number}.command = 'x'")).collect::<Vec<_>>().join(between)
        };
        let texts =
            [format!("[mcp_servers]\n{}", servers("\n")), format!("mcp_servers = {{ {} }}", servers(", "))];
        for text in texts {
            let (text, since) = (SourceText::new(text), Instant::now());
            for number in 0..10_000 {
                let key = KeyPath::new(["mcp_servers".to_owned(), format!("s{number}")]);
                assert!(text.of_key(&key, Anchor::Key).is_some());
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
        }
    }
}
