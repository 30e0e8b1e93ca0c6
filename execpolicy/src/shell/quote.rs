//! From words back to text.

use super::strict;

/// Quotes one word so that every shell reads it as this text. It may still be a reserved word, see [`join`].
pub fn quote(word: &str) -> String {
    let literal = |c: char| c.is_ascii_alphanumeric() || "_-./:,+".contains(c);
    if !word.is_empty() && word.chars().all(literal) {
        return word.to_owned();
    }
    single_quoted(word)
}

/// The text of a command with these words.
///
/// For every dialect [`read`](super::read) gives the words back, unless the command is a builtin that is never
/// plain, a word holds NUL, or the name is empty.
pub fn join(argv: &[String]) -> String {
    let mut out = String::new();
    for (index, word) in argv.iter().enumerate() {
        if index == 0 && must_quote_name(word) {
            out.push_str(&single_quoted(word));
        } else {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(&quote(word));
        }
    }
    out
}

/// Reserved words, numbers, and names with a character that tree-sitter-bash expects in assignments only.
fn must_quote_name(name: &str) -> bool {
    strict::is_reserved(name)
        || name.bytes().all(|byte| byte.is_ascii_digit())
        || name.contains(['+', ':', ','])
}

/// Single quotes around everything but single quotes, which stand in double ones: no shell option changes
/// what that means, unlike `''` and backslashes.
fn single_quoted(word: &str) -> String {
    let mut out = String::from("'");
    for c in word.chars() {
        match c {
            '\'' => out.push_str("'\"'\"'"),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
}
