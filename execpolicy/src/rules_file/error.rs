//! What is wrong with a rule file, where, and the smallest thing that mends it.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::display::{is_hidden, visible, visible_up_to};

/// The width of the source excerpt; longer lines are cut around the place in question.
const SNIPPET_COLUMNS: usize = 100;
/// The longest piece of a file's own text that a message repeats.
const QUOTED_CHARS: usize = 80;

/// A rule file that is refused as a whole. Positions count from 1; columns count characters.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct RuleFileError {
    /// The file as it was named.
    pub file: String,
    /// The line of the first character in question.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// The line of the character behind the last one in question.
    pub end_line: u32,
    /// Its column.
    pub end_column: u32,
    /// What is wrong. One line; text of the file in it is escaped.
    pub message: String,
    /// The smallest fix, if there is one to name. One line; text of the file in it is escaped.
    pub help: Option<String>,
    /// The line in question and a line of carets below it.
    pub snippet: String,
}

impl RuleFileError {
    /// The smallest fix, if there is one to name.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Everything, over several lines, for people.
    pub fn report(&self) -> String {
        let help = self.help().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        format!("{self}\n{}{help}", self.snippet)
    }
}

/// A file's text and name, for turning byte ranges into positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// An error about these bytes of the file.
    pub(crate) fn error(
        &self,
        bytes: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> RuleFileError {
        let (line, column) = self.position(bytes.start);
        let (end_line, end_column) = self.position(bytes.end.max(bytes.start));
        RuleFileError {
            file: visible(self.name),
            line,
            column,
            end_line,
            end_column,
            message: visible(&message.into()),
            help: help.as_deref().map(visible),
            snippet: self.snippet(&bytes, line, column),
        }
    }

    fn position(&self, byte: usize) -> (u32, u32) {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    fn snippet(&self, bytes: &Range<usize>, line: u32, column: u32) -> String {
        let text = self.text.split('\n').nth(to_index(line)).unwrap_or_default().trim_end_matches('\r');
        let length = self
            .text
            .get(bytes.clone())
            .map_or(1, |text| text.lines().next().map_or(1, |first| first.chars().count()));
        let column = to_index(column);
        let skipped = column.saturating_sub(SNIPPET_COLUMNS / 2);
        let shown: String = text.chars().skip(skipped).take(SNIPPET_COLUMNS).map(one_column).collect();
        let indent = column.saturating_sub(skipped);
        let carets = length.max(1).min(SNIPPET_COLUMNS.saturating_sub(indent).max(1));
        let gutter = " ".repeat(line.to_string().len());
        format!("{line} | {shown}\n{gutter} | {}{}", " ".repeat(indent), "^".repeat(carets))
    }
}

fn to_index(from_one: u32) -> usize {
    usize::try_from(from_one).unwrap_or(usize::MAX).saturating_sub(1)
}

/// One column for one character, so that the carets stay below what they point at.
fn one_column(c: char) -> char {
    if is_hidden(c) { '\u{fffd}' } else { c }
}

/// A piece of the file for a message: escaped, cut and in backticks.
pub(crate) fn quoted(text: &str) -> impl fmt::Display + use<> {
    format!("`{}`", visible_up_to(text, QUOTED_CHARS))
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn an_error_repeats_nothing_raw() {
        let source = Source { name: "\u{1b}a", text: "\u{1b}" };
        let error = source.error(0..1, "\u{1b}m", Some("use \u{1b}h".to_owned()));
        assert!(!error.report().contains('\u{1b}'), "{}", error.report());
    }

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source { name: "a.rules", text: "x\näö = (\r\n" };
        let error = source.error(8..9, "m", None);
        assert_eq!((error.line, error.column, error.end_column), (2, 5, 6));
        assert_eq!(error.snippet, "2 | äö = (\n  |     ^");
    }
}
