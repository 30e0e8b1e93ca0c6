//! Showing foreign text to a person.
//!
//! Commands and rule files may be hostile. Printed raw, they could move the cursor, recolour or reorder a
//! line, or hide a word. Nothing here decides anything.

/// Whether printing this character could move the cursor, reorder the line or show nothing: control
/// characters, and those without width or with a direction of their own (Unicode general categories Cf, Zl and
/// Zp, variation selectors, and the letters that are blank).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}'
            | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Text for one line of a terminal: what is hidden is written as its code point.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
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
    use super::{visible, visible_up_to};

    #[test]
    fn foreign_text_cannot_forge_a_line() {
        assert_eq!(visible("a\u{202e}b\r\n\u{1b}[2J\u{3164}"), "a\\u{202e}b\\r\\n\\u{1b}[2J\\u{3164}");
        assert_eq!(visible_up_to("abcdef", 3), "abc…");
        assert_eq!(visible_up_to("abc", 3), "abc");
    }
}
