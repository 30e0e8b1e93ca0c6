//! Showing untrusted bytes to a person.
//!
//! Paths, keys and names come from files and commands that may be hostile. Printed raw, they could move the
//! cursor, recolour or reorder a line, or close the backticks that set them off in a message. Nothing here
//! decides anything; it only makes text safe to print on one line.

use std::ffi::OsStr;
use std::fmt::Write as _;

use execpolicy::display::is_hidden;

/// The most characters of foreign text that one message repeats; longer text ends in `…`.
pub(crate) const SHOWN_CHARS: usize = 120;

/// Escapes everything that a terminal or a reader could misread.
///
/// Control characters, characters without width or that reorder text (bidirectional controls, joiners, line
/// separators) and backticks become `\n`, `\u{1b}` and the like, a backslash is doubled, and bytes that are not
/// UTF-8 become `\xff`. Distinct inputs give distinct outputs.
pub fn escape(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_encoded_bytes();
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push_escaped(&mut shown, character));
        for byte in chunk.invalid() {
            // Writing to a `String` cannot fail.
            write!(shown, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    shown
}

/// Escapes like [`escape`] and cuts after [`SHOWN_CHARS`], for text of any length such as a line of a file.
pub(crate) fn escape_short(text: impl AsRef<OsStr>) -> String {
    let shown = escape(text);
    match shown.char_indices().nth(SHOWN_CHARS) {
        None => shown,
        Some((end, _)) => shown.get(..end).unwrap_or_default().to_owned() + "…",
    }
}

/// Escapes a message of a parser, which holds foreign text between backticks of its own, and cuts it.
pub(crate) fn escape_message(message: impl std::fmt::Display) -> String {
    escape_short(message.to_string()).replace("\\u{60}", "`")
}

/// Lists `words` as `` `a`, `b` or `c` ``.
pub(crate) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// Appends one character, escaped when it is not plain visible text.
fn push_escaped(shown: &mut String, character: char) {
    match character {
        '\\' => shown.push_str("\\\\"),
        '\n' | '\r' | '\t' => shown.extend(character.escape_default()),
        '`' => shown.extend(character.escape_unicode()),
        _ if is_hidden(character) => shown.extend(character.escape_unicode()),
        _ => shown.push(character),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn hostile_bytes_are_shown_as_escapes() {
        let rows: &[(&[u8], &str)] = &[
            (b"/srv/data", "/srv/data"),
            ("/srv/späß dir".as_bytes(), "/srv/späß dir"),
            (b"a\x1b[2Jb", "a\\u{1b}[2Jb"),
            (b"a\nb\tc\r", "a\\nb\\tc\\r"),
            (b"a\\nb", "a\\\\nb"),
            (b"x` is fine, `y", "x\\u{60} is fine, \\u{60}y"),
            (b"\xff\xfe/ok", "\\xff\\xfe/ok"),
            ("abc\u{202e}txt".as_bytes(), "abc\\u{202e}txt"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"nul\0", "nul\\u{0}"),
            (b"", ""),
        ];
        for (bytes, expect) in rows {
            assert_eq!(escape(OsStr::from_bytes(bytes)), *expect, "{bytes:?}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = "ä".repeat(SHOWN_CHARS + 1);
        assert_eq!(escape_short(&long), "ä".repeat(SHOWN_CHARS) + "…");
        let exact = "ä".repeat(SHOWN_CHARS);
        assert_eq!(escape_short(&exact), exact);
    }

    #[test]
    fn messages_keep_their_backticks() {
        assert_eq!(escape_message("unknown field `a\x1b`"), "unknown field `a\\u{1b}`");
    }

    #[test]
    fn alternatives_read_like_a_sentence() {
        assert_eq!(alternatives(&["a"]), "`a`");
        assert_eq!(alternatives(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
