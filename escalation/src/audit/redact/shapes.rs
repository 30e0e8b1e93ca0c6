//! Secrets that give themselves away: tokens with a known beginning, private keys, what stands in front of a host.

use std::ops::Range;

use super::values::ends_value;

/// A kind of token.
struct Shape {
    beginning: &'static str,
    /// How many characters follow at least.
    least: usize,
    /// How many at most.
    most: usize,
    /// Which.
    alphabet: fn(u8) -> bool,
}

const fn shape(beginning: &'static str, least: usize, alphabet: fn(u8) -> bool) -> Shape {
    Shape { beginning, least, most: usize::MAX, alphabet }
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

fn path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'/'
}

/// The lengths are below those that are handed out, so that a cut or longer one is found as well.
const SHAPES: [Shape; 43] = [
    // GitHub
    shape("ghp_", 20, plain),
    shape("gho_", 20, plain),
    shape("ghu_", 20, plain),
    shape("ghs_", 20, url_safe),
    shape("ghr_", 20, plain),
    shape("github_pat_", 20, url_safe),
    // GitLab
    shape("glpat-", 16, dotted),
    shape("gldt-", 16, url_safe),
    shape("glrt-", 16, dotted),
    shape("glcbt-", 16, url_safe),
    shape("glptt-", 16, url_safe),
    shape("gloas-", 16, url_safe),
    // AWS key identifiers
    Shape { beginning: "AKIA", least: 16, most: 16, alphabet: upper },
    Shape { beginning: "ASIA", least: 16, most: 16, alphabet: upper },
    Shape { beginning: "ABIA", least: 16, most: 16, alphabet: upper },
    // Slack
    shape("xoxa-", 10, url_safe),
    shape("xoxb-", 10, url_safe),
    shape("xoxc-", 10, url_safe),
    shape("xoxd-", 10, url_safe),
    shape("xoxe-", 10, url_safe),
    shape("xoxe.xox", 10, dotted),
    shape("xoxp-", 10, url_safe),
    shape("xoxr-", 10, url_safe),
    shape("xoxs-", 10, url_safe),
    shape("xapp-", 10, url_safe),
    shape("hooks.slack.com/services/", 20, path),
    // OpenAI, Anthropic, Stripe
    shape("sk-", 20, url_safe),
    shape("sk_live_", 16, plain),
    shape("sk_test_", 16, plain),
    shape("rk_live_", 16, plain),
    shape("whsec_", 16, plain),
    // Google
    shape("AIza", 30, url_safe),
    shape("GOCSPX-", 20, url_safe),
    shape("ya29.", 20, dotted),
    // JSON web tokens
    shape("eyJ", 30, dotted),
    // Package registries and others
    shape("npm_", 30, plain),
    shape("pypi-", 30, url_safe),
    shape("hf_", 30, plain),
    shape("hvs.", 20, url_safe),
    shape("dop_v1_", 30, plain),
    shape("SG.", 40, dotted),
    shape("shpat_", 30, plain),
    shape("AGE-SECRET-KEY-1", 30, upper),
];

/// The length of the shortest token that is found.
const SHORTEST: usize = 15;

/// Finds tokens. They begin where a word does. What a colon glues to one is the other half of a pair.
pub(super) fn tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut before = b' ';
    let mut next = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if at >= next
            && !url_safe(before)
            && byte.is_ascii_alphanumeric()
            && let Some(end) = token_at(bytes, at)
        {
            let glued = text.get(end..).filter(|rest| rest.starts_with(':')).unwrap_or_default();
            let end = end.saturating_add(glued.find(ends_value).unwrap_or(glued.len()));
            found.push(at..end);
            next = end;
        }
        before = *byte;
    }
}

fn token_at(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..).filter(|rest| rest.len() >= SHORTEST)?;
    SHAPES.iter().find_map(|shape| {
        let body = rest.strip_prefix(shape.beginning.as_bytes())?;
        let length = body.iter().take_while(|byte| (shape.alphabet)(**byte)).count();
        let end = at.checked_add(shape.beginning.len())?.checked_add(length)?;
        (shape.least..=shape.most).contains(&length).then_some(end)
    })
}

/// Finds the bodies of PEM blocks that hold a private key. One without an end goes on to the end of the text.
pub(super) fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    const BEGIN: &str = "-----BEGIN ";
    let mut from = 0;
    while let Some(begin) = find_from(text, BEGIN, from) {
        from = begin.saturating_add(BEGIN.len());
        let Some(label_end) = find_from(text, "-----", from) else { return };
        let private = text.get(from..label_end).is_some_and(|label| label.contains("PRIVATE"));
        let body = label_end.saturating_add(5);
        if private {
            let end = find_from(text, "-----END", body).unwrap_or(text.len());
            found.push(body..end);
            from = end;
        }
    }
}

/// Finds what stands in front of the host of a URL: `https://NAME:SECRET@host`. Also without a password, because
/// tokens are written that way; the name `git`, and names in URLs of other than web protocols, stay.
pub(super) fn user_information(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = find_from(text, "://", from) {
        let start = at.saturating_add(3);
        from = start;
        let rest = text.get(start..).unwrap_or_default();
        let ends =
            |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>' | '\\');
        let authority = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        let Some(length) = authority.rfind('@') else { continue };
        let information = authority.get(..length).unwrap_or_default();
        let scheme = text.get(..at).unwrap_or_default();
        let web = ["http", "https", "ftp"].iter().any(|name| scheme.ends_with(name));
        if information.contains(':') || (web && information != "git") {
            found.push(start..start.saturating_add(length));
        }
    }
}

pub(super) fn find_from(text: &str, what: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(what)?.checked_add(from)
}

#[cfg(test)]
mod tests {
    use super::{SHAPES, SHORTEST};

    #[test]
    fn no_shape_is_shorter_than_what_is_looked_at() {
        let shortest = SHAPES.iter().map(|shape| shape.beginning.len() + shape.least).min();
        assert_eq!(shortest, Some(SHORTEST));
    }
}
