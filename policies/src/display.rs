//! Showing untrusted bytes to a person.
//!
//! Paths, keys and names come from files and commands that may be hostile. Printed raw, they could move the
//! cursor, recolour or reorder a line, or close the backticks that set them off in a message. Nothing here
//! decides anything; it only makes text safe to print on one line.

use std::error::Error;
use std::ffi::OsStr;

use execpolicy::display::is_hidden;

/// The most characters of foreign text that one message repeats; longer text ends in `…`.
pub(crate) const SHOWN_CHARS: usize = 120;

/// Escapes everything that a terminal or a reader could misread.
///
/// Control characters, characters without width or that reorder text (bidirectional controls, joiners, line
/// separators) and backticks become `\n`, `\u{1b}` and the like, a backslash is doubled, and bytes that are not
/// UTF-8 become `\xff`. Distinct inputs give distinct outputs.
pub fn escape(text: impl AsRef<OsStr>) -> String {
    push_all(text.as_ref(), usize::MAX, Backticks::Escaped)
}

/// Escapes like [`escape`] and cuts after [`SHOWN_CHARS`], for text of any length such as a line of a file.
pub(crate) fn escape_short(text: impl AsRef<OsStr>) -> String {
    push_all(text.as_ref(), SHOWN_CHARS, Backticks::Escaped)
}

/// The message of an error with those of its causes, on one line and without what a terminal could misread.
pub fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        next = cause.source();
    }
    execpolicy::display::visible(&message)
}

/// Escapes a message of a parser, which holds foreign text between backticks of its own, and cuts it.
pub(crate) fn escape_message(message: impl std::fmt::Display) -> String {
    push_all(OsStr::new(&message.to_string()), SHOWN_CHARS, Backticks::Kept)
}

/// Whether backticks belong to the text.
#[derive(Clone, Copy)]
enum Backticks {
    /// They would close those around it.
    Escaped,
    /// They are its own.
    Kept,
}

/// Escapes up to `limit` characters of output; a cut never goes through an escape.
fn push_all(text: &OsStr, limit: usize, backticks: Backticks) -> String {
    let mut shown = String::new();
    let mut length = 0_usize;
    // Answers whether there was room.
    let mut push = |piece: &str| {
        length = length.saturating_add(piece.chars().count());
        let fits = length <= limit;
        shown.push_str(if fits { piece } else { "…" });
        fits
    };
    let mut piece = String::new();
    'text: for chunk in text.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            piece.clear();
            match (character, backticks) {
                ('`', Backticks::Kept) => piece.push('`'),
                _ => push_escaped(&mut piece, character),
            }
            if !push(&piece) {
                break 'text;
            }
        }
        for byte in chunk.invalid() {
            if !push(&format!("\\x{byte:02x}")) {
                break 'text;
            }
        }
    }
    shown
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
    fn no_escape_is_cut_in_two() {
        for shorter in 1..12 {
            let start = "a".repeat(SHOWN_CHARS - shorter);
            let cut = escape_short(format!("{start}\u{202e}b```"));
            let rest = cut.strip_prefix(&start).unwrap().strip_suffix('…').unwrap();
            assert!(["", "\\u{202e}", "\\u{202e}b"].contains(&rest), "{cut}");
            let cut = escape_message(format!("{start}{}", "`".repeat(12)));
            assert_eq!(cut, format!("{start}{}…", "`".repeat(shorter)));
        }
    }

    #[test]
    fn messages_keep_their_backticks() {
        assert_eq!(escape_message("unknown field `a\x1b`"), "unknown field `a\\u{1b}`");
        assert_eq!(escape_message("a literal `\\u{60}`"), "a literal `\\\\u{60}`");
    }

    #[test]
    fn alternatives_read_like_a_sentence() {
        assert_eq!(alternatives(&["a"]), "`a`");
        assert_eq!(alternatives(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
