//! What stands for one character in `$'...'`: for finding commands, never for proving a script plain.

/// Decodes the text between `$'` and `'`. Where shells differ (`\c`, `\u` beyond the locale), one reading is
/// taken; `None` when it is not text at all.
pub(super) fn dollar_quoted(inner: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = inner.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(escaped) = rest.next() else {
            out.push('\\');
            return Some(out);
        };
        match escaped {
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'e' | 'E' => out.push('\u{1b}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            'x' => out.push(number(&mut rest, 16, 2, 0)?),
            'u' => out.push(number(&mut rest, 16, 4, 0)?),
            'U' => out.push(number(&mut rest, 16, 8, 0)?),
            '0'..='7' => out.push(number(&mut rest, 8, 2, escaped.to_digit(8)?)?),
            '\\' | '\'' | '"' | '?' => out.push(escaped),
            'c' => {
                let next = rest.next()?;
                out.push(char::from_u32(u32::from(next) & 0x1f)?);
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Some(out)
}

/// Up to `digits` more digits.
fn number(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    digits: usize,
    first: u32,
) -> Option<char> {
    let mut value = first;
    for _ in 0..digits {
        let Some(digit) = rest.peek().and_then(|c| c.to_digit(radix)) else { break };
        value = value.checked_mul(radix)?.checked_add(digit)?;
        rest.next();
    }
    match value {
        0 => None,
        value => char::from_u32(value),
    }
}

#[cfg(test)]
mod tests {
    use super::dollar_quoted;

    #[test]
    fn escapes() {
        for (inner, text) in [
            ("-f", Some("-f")),
            (r"\x72m", Some("rm")),
            (r"\162m", Some("rm")),
            (r"\u0072\U0000006d", Some("rm")),
            (r"a\'b", Some("a'b")),
            (r"\n", Some("\n")),
            (r"\0", None),
            (r"\q", Some(r"\q")),
        ] {
            assert_eq!(dollar_quoted(inner).as_deref(), text, "{inner}");
        }
    }
}
