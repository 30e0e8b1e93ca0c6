//! Where in a configuration something stands, for messages.

use std::fmt;

use toml::Spanned;
use toml::de::DeTable;

use crate::display::escape_short;
use crate::keys::KeyPath;
use crate::layers::LayerSource;

/// A place in a layer. Shown as `file:line:column` with the line itself, or as the override.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    /// The layer.
    pub source: LayerSource,
    /// The place in its text; `None` when it has none or the place is not known.
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line, escaped and cut.
    pub snippet: String,
}

/// Whether a problem lies with a key or with its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Anchor {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Location {
    /// How a message about something here begins; empty when the place is not known.
    pub(crate) fn prefix(location: Option<&Self>) -> String {
        location.map_or_else(String::new, |location| format!("{location}: "))
    }
}

impl Position {
    /// The position of a byte offset; the end of the text when beyond it.
    pub(crate) fn at(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let (line_start, line_index) =
            before.rfind('\n').map_or((0, 0), |newline| (newline + 1, before.matches('\n').count()));
        let column = before.get(line_start..).map_or(0, |start| start.chars().count());
        let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Self { line: line_index + 1, column: column + 1, snippet: escape_short(line.trim()) }
    }

    /// Where a key of a TOML text stands, or the nearest table around it. Parses the text again, so it is for one
    /// error; who asks for more keeps a `SourceText`.
    pub(crate) fn of_key(text: &str, key: &KeyPath, anchor: Anchor) -> Option<Self> {
        let document = DeTable::parse(text).ok()?;
        let mut table = document.get_ref();
        let mut found = None;
        for part in key.parts() {
            let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref().as_ref() == part) else {
                break;
            };
            found = Some(start(name, value, anchor));
            let Some(inner) = value.get_ref().as_table() else { break };
            table = inner;
        }
        found.map(|offset| Self::at(text, offset))
    }
}

/// The offset of a key or its value.
fn start<Name, Value>(name: &Spanned<Name>, value: &Spanned<Value>, anchor: Anchor) -> usize {
    match anchor {
        Anchor::Key => name.span().start,
        Anchor::Value => value.span().start,
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            None => write!(formatter, "`{}`", self.source),
            Some(Position { line, column, snippet }) if snippet.is_empty() => {
                write!(formatter, "`{}:{line}:{column}`", self.source)
            }
            Some(Position { line, column, snippet }) => {
                write!(formatter, "`{}:{line}:{column}`: `{snippet}`", self.source)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "a = 1\n\n[t.\"x y\"]\n  b = \"ä\" # c\nd.e = [\n 1,\n]\n[other]\n\"ä\" = { f = true }\n";

    #[test]
    fn keys_and_values_are_found() {
        let rows: [(&[&str], Anchor, usize, usize, &str); 9] = [
            (&["a"], Anchor::Key, 1, 1, "a = 1"),
            (&["a"], Anchor::Value, 1, 5, "a = 1"),
            (&["t", "x y", "b"], Anchor::Key, 4, 3, "b = \"ä\" # c"),
            (&["t", "x y", "b"], Anchor::Value, 4, 7, "b = \"ä\" # c"),
            (&["t", "x y", "d", "e"], Anchor::Value, 5, 7, "d.e = ["),
            (&["other", "ä", "f"], Anchor::Value, 9, 13, "\"ä\" = { f = true }"),
            (&["other", "ä", "missing"], Anchor::Key, 9, 1, "\"ä\" = { f = true }"),
            (&["a", "b"], Anchor::Key, 1, 1, "a = 1"),
            (&["t", "x y"], Anchor::Key, 3, 4, "[t.\"x y\"]"),
        ];
        for (key, anchor, line, column, snippet) in rows {
            let expect = Position { line, column, snippet: snippet.to_owned() };
            assert_eq!(
                Position::of_key(TEXT, &KeyPath::new(key.iter().copied()), anchor),
                Some(expect),
                "{key:?}"
            );
        }
        assert_eq!(Position::of_key(TEXT, &KeyPath::new(["zz"]), Anchor::Key), None);
        assert_eq!(Position::of_key("not toml", &KeyPath::new(["zz"]), Anchor::Key), None);
    }

    #[test]
    fn any_offset_has_a_position() {
        for offset in 0..TEXT.len() + 3 {
            let position = Position::at(TEXT, offset);
            assert!(position.line >= 1 && position.column >= 1);
        }
        assert_eq!(Position::at("", 0), Position { line: 1, column: 1, snippet: String::new() });
    }

    #[test]
    fn the_line_is_shown_escaped() {
        let position = Position::at("a = '\x1b[2J`'", 4);
        let source = LayerSource::UserFile("/h/config.toml".into());
        let shown = Location { source, position: Some(position) }.to_string();
        assert_eq!(shown, "`/h/config.toml:1:5`: `a = '\\u{1b}[2J\\u{60}'`");
    }
}
