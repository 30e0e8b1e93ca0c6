//! JSON that a terminal shows as it is.
//!
//! A command chooses its words, and JSON lets most characters stand for themselves: also those that steer a terminal,
//! reorder a line or cannot be seen.

use std::borrow::Cow;

use execpolicy::display::is_hidden;

/// JSON on one line with each hidden character of its texts written as `\uXXXX`, which means the same to every reader.
/// What is no JSON is made safe to print the same way.
pub fn printable(json: &str) -> Cow<'_, str> {
    // Most records are plain.
    let is_plain = json.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || !json.contains(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_is_hidden_is_escaped_and_means_the_same() {
        let text = "a\u{9b}2J\u{202e}\u{200b}\u{2028}\u{7f}\u{feff}\u{e0041}\\\"\u{1b}ä漢🦀";
        let json = serde_json::to_string(text).unwrap();
        let shown = printable(&json);
        assert_eq!(
            shown,
            "\"a\\u009b2J\\u202e\\u200b\\u2028\\u007f\\ufeff\\udb40\\udc41\\\\\\\"\\u001bä漢🦀\""
        );
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn the_rest_stays() {
        for same in ["", "{\"a\":[1,\"ä b\",null]}", "\"\\u001b\""] {
            assert!(matches!(printable(same), std::borrow::Cow::Borrowed(text) if text == same));
        }
    }
}
