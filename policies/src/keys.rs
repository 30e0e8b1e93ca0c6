//! Dotted keys of configuration: `permissions."my profile".network.enabled`.

use std::fmt;

use execpolicy::display::is_hidden;

use crate::display::escape_short;
use crate::toml_text::parse_value;

/// The most parts of a dotted key. Deeper tables have no meaning here, and nesting is walked recursively.
pub const MAX_PARTS: usize = 32;

/// The way from the top of a configuration to one value.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct KeyPath(Vec<String>);

/// Why text is not a dotted key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing at the start, at the end or between two dots.
    #[error("the key has an empty part")]
    EmptyPart,
    /// A quote without its partner, or text directly after a closing quote.
    #[error("the key has a quote that does not enclose a whole part")]
    Quote,
    /// A dot after a part that only quoting makes unambiguous.
    #[error("the key has a dot after a part with unusual characters")]
    Ambiguous,
    /// More than [`MAX_PARTS`].
    #[error("the key has more than {MAX_PARTS} parts")]
    TooDeep,
}

impl KeyPath {
    /// From parts that need no parsing.
    pub fn new<Part: Into<String>>(parts: impl IntoIterator<Item = Part>) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }

    /// Reads a dotted key and whatever follows it after `=`: `a."b c".d = value`.
    ///
    /// Parts are bare or quoted as in TOML. The last one may hold other characters unquoted, such as `:root` or
    /// `/srv/data`; an earlier one may not, since `/srv/data.d` would quietly become two keys.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse_assignment(text: &str) -> Result<(Self, Option<&str>), KeyError> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, is_plain, after) = next_part(rest)?;
            parts.push(part);
            if parts.len() > MAX_PARTS {
                return Err(KeyError::TooDeep);
            }
            match after {
                After::Dot(_) if !is_plain => return Err(KeyError::Ambiguous),
                After::Dot(next) => rest = next,
                After::Value(value) => return Ok((Self(parts), Some(value))),
                After::Nothing => return Ok((Self(parts), None)),
            }
        }
    }

    /// This key with one more part.
    #[must_use]
    pub fn child(&self, part: impl Into<String>) -> Self {
        let mut parts = self.0.clone();
        parts.push(part.into());
        Self(parts)
    }

    /// The parts, outermost first.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

/// As one would write it in TOML, escaped and with long parts cut.
impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match is_bare(part) {
                true => write!(formatter, "{dot}{}", escape_short(part))?,
                false => write!(formatter, "{dot}\"{}\"", escape_short(part).replace('"', "\\\""))?,
            }
        }
        Ok(())
    }
}

/// A part as it must be written before `.` or `=`, quoted when needed; safe to print between backticks.
pub(crate) fn quote_part(part: &str) -> String {
    if is_bare(part) {
        return part.to_owned();
    }
    let escaped = part.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        _ if character == '`' || is_hidden(character) => format!("\\U{:08x}", u32::from(character)),
        _ => character.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// What follows a part.
enum After<'a> {
    /// Another part.
    Dot(&'a str),
    /// The value.
    Value(&'a str),
    /// The end of the text.
    Nothing,
}

/// Splits off the first part; answers also whether a dot may follow it.
fn next_part(text: &str) -> Result<(String, bool, After<'_>), KeyError> {
    let text = text.trim_start();
    let (part, is_plain, rest) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let end = closing_quote(text, quote).ok_or(KeyError::Quote)?;
            let (quoted, rest) = text.split_at_checked(end).ok_or(KeyError::Quote)?;
            let part = parse_value(quoted).map_err(|_| KeyError::Quote)?;
            (part.as_str().ok_or(KeyError::Quote)?.to_owned(), true, rest)
        }
        _ => {
            let end = text.find(['.', '=']).unwrap_or(text.len());
            let (bare, rest) = text.split_at_checked(end).ok_or(KeyError::EmptyPart)?;
            let bare = bare.trim();
            if bare.is_empty() {
                return Err(KeyError::EmptyPart);
            }
            if bare.contains(['"', '\'']) {
                return Err(KeyError::Quote);
            }
            (bare.to_owned(), is_bare(bare.trim_start_matches(':')), rest)
        }
    };
    let rest = rest.trim_start();
    let after = match (rest.strip_prefix('.'), rest.strip_prefix('=')) {
        (Some(next), _) => After::Dot(next),
        (None, Some(value)) => After::Value(value),
        (None, None) if rest.is_empty() => After::Nothing,
        (None, None) => return Err(KeyError::Quote),
    };
    Ok((part, is_plain, after))
}

/// The offset after the quote that closes the one at the start. Only in double quotes does a backslash escape.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (offset, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if character == quote => return Some(offset + character.len_utf8()),
            _ => {}
        }
    }
    None
}

/// Whether TOML takes this part without quotes.
fn is_bare(part: &str) -> bool {
    !part.is_empty()
        && part.chars().all(|character| matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_are_split_at_dots_outside_quotes() {
        let rows: [(&str, &[&str], Option<&str>); 13] = [
            ("a=1", &["a"], Some("1")),
            ("a.b-c.d_1 = 2", &["a", "b-c", "d_1"], Some(" 2")),
            (" a . b = x", &["a", "b"], Some(" x")),
            ("a", &["a"], None),
            ("a=b=c", &["a"], Some("b=c")),
            ("a=", &["a"], Some("")),
            (r#"permissions."my profile".x=1"#, &["permissions", "my profile", "x"], Some("1")),
            (r#""a.b"."c=d" = 1"#, &["a.b", "c=d"], Some(" 1")),
            (r#""a\"b\\".c=1"#, &["a\"b\\", "c"], Some("1")),
            ("'C:\\x'.c=1", &["C:\\x", "c"], Some("1")),
            ("a.:workspace_roots.docs=read", &["a", ":workspace_roots", "docs"], Some("read")),
            ("a./srv/data=read", &["a", "/srv/data"], Some("read")),
            (r#""".a=1"#, &["", "a"], Some("1")),
        ];
        for (text, parts, value) in rows {
            let (key, rest) = KeyPath::parse_assignment(text).expect(text);
            assert_eq!((key, rest), (KeyPath::new(parts.iter().copied()), value), "{text}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let deep = "a.".repeat(MAX_PARTS) + "a=1";
        let huge = "a.".repeat(1_000_000);
        let rows = [
            ("", KeyError::EmptyPart),
            ("=1", KeyError::EmptyPart),
            (".a=1", KeyError::EmptyPart),
            ("a..b=1", KeyError::EmptyPart),
            ("a.=1", KeyError::EmptyPart),
            ("..=1", KeyError::EmptyPart),
            ("\"a=1", KeyError::Quote),
            ("'a=1", KeyError::Quote),
            ("\"a\"b=1", KeyError::Quote),
            ("a\"b\"=1", KeyError::Quote),
            ("\"\\q\"=1", KeyError::Quote),
            ("/srv/data.d=1", KeyError::Ambiguous),
            ("~/.ssh=1", KeyError::Ambiguous),
            ("**/*.env=1", KeyError::Ambiguous),
            (&deep, KeyError::TooDeep),
            (&huge, KeyError::TooDeep),
        ];
        for (text, expect) in rows {
            assert_eq!(KeyPath::parse_assignment(text), Err(expect), "{text:.40}");
        }
    }

    #[test]
    fn keys_are_shown_as_they_would_be_written() {
        let key = KeyPath::new(["permissions", "my profile", ":root", "a\"b", "x\x1b", ""]);
        assert_eq!(key.to_string(), r#"permissions."my profile".":root"."a\"b"."x\u{1b}"."""#);
        for part in ["plain", "with space", "a\"b\\c", "", "ä", "a\nb\u{1}", "`\u{202e}"] {
            let text = quote_part(part) + "=1";
            assert_eq!(KeyPath::parse_assignment(&text).unwrap().0, KeyPath::new([part]), "{text}");
        }
    }
}
