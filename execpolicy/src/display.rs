//! Showing foreign text to a person.
//!
//! Commands and rule files may be hostile. Printed raw, they could move the cursor, recolour or reorder a
//! line, or hide a word. Nothing here decides anything.

use unicode_width::UnicodeWidthChar;

/// Whether printing this character could move the cursor, reorder the line or show nothing: control
/// characters, and those without width or with a direction of their own (Unicode general categories Cf, Zl and
/// Zp, variation selectors), and those that are blank without being the space: other spaces, and letters and
/// patterns without ink.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}'
            | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether this character is drawn onto the one before it, such as an accent.
pub fn is_mark(c: char) -> bool {
    !is_hidden(c) && c.width() == Some(0)
}

/// How many marks one character may carry. Writing needs two or three; a heap of them covers the lines above.
const MAX_MARKS: usize = 3;

/// Text for one line of a terminal: what is hidden is written as its code point, and so are marks that have no
/// character of this text to sit on, or that are too many on one.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // In front of the text may stand something of ours.
    let mut marks = MAX_MARKS;
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c if is_mark(c) && marks == MAX_MARKS => {
                out.extend(c.escape_unicode());
                continue;
            }
            c => out.push(c),
        }
        marks = match (is_mark(c), is_hidden(c)) {
            (true, _) => marks.saturating_add(1),
            (false, true) => MAX_MARKS,
            (false, false) => 0,
        };
    }
    out
}

/// [`visible`], cut behind that many characters of the text.
pub fn visible_up_to(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => visible(text),
        Some((end, _)) => visible(text.get(..end).unwrap_or_default()) + "…",
    }
}

#[cfg(test)]
mod tests {
    use super::{is_hidden, is_mark, visible, visible_up_to};

    #[test]
    fn foreign_text_cannot_forge_a_line() {
        assert_eq!(visible("a\u{202e}b\r\n\u{1b}[2J\u{3164}"), "a\\u{202e}b\\r\\n\\u{1b}[2J\\u{3164}");
        assert_eq!(visible_up_to("abcdef", 3), "abc…");
        assert_eq!(visible_up_to("abc", 3), "abc");
    }

    #[test]
    fn nothing_that_steers_a_line_is_shown_as_it_is() {
        let hidden = [
            "\u{0}\u{7}\u{8}\u{1b}\u{7f}\u{85}\u{9b}\u{9d}",
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}",
            "\u{2066}\u{2067}\u{2068}\u{2069}",
            "\u{200b}\u{200c}\u{200d}\u{2060}\u{2063}\u{feff}\u{ad}\u{34f}",
            "\u{2028}\u{2029}",
            "\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}\u{fe00}\u{fe0f}\u{180f}",
            "\u{a0}\u{1680}\u{2000}\u{200a}\u{202f}\u{205f}\u{3000}\u{2800}\u{3164}\u{ffa0}",
            "\u{890}\u{8e2}\u{110bd}\u{13430}\u{1bca0}\u{1d173}\u{16fe4}",
        ];
        for c in hidden.concat().chars() {
            assert!(is_hidden(c), "{c:?}");
            assert!(visible(&format!("a{c}b")).chars().all(|shown| shown.is_ascii_graphic()), "{c:?}");
        }
        for c in " aäß漢字кирא→│…\u{301}\u{e001}🦀".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
    }

    #[test]
    fn marks_stay_on_the_characters_of_the_text() {
        assert!(is_mark('\u{301}') && is_mark('\u{e47}') && !is_mark('e') && !is_mark('\u{200d}'));
        assert_eq!(visible("e\u{302}\u{301}x"), "e\u{302}\u{301}x");
        assert_eq!(visible("\u{301}x"), "\\u{301}x");
        assert_eq!(visible("\u{1b}\u{301}"), "\\u{1b}\\u{301}");
        assert_eq!(visible("\n\u{301}\u{301}"), "\\n\\u{301}\\u{301}");
        let flood = format!("e{}x\u{301}", "\u{301}".repeat(100));
        let shown = visible(&flood);
        assert!(shown.starts_with("e\u{301}\u{301}\u{301}\\u{301}\\u{301}"), "{shown}");
        assert!(shown.ends_with("\\u{301}x\u{301}"), "{shown}");
        assert_eq!(shown.chars().filter(|c| is_mark(*c)).count(), 4);
    }
}
