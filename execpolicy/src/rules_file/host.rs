//! The host of a network rule.

/// The host in the one form in which hosts are compared: lower case, without port, brackets and trailing
/// dots. What cannot be a single host is refused.
pub(crate) fn parse(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("`host` is empty");
    }
    if text.contains("://") || text.contains(['/', '?', '#']) {
        return Err("`host` must be a host, not an address with scheme or path");
    }
    if text.contains('*') {
        return Err("`host` must be one host, not a pattern");
    }
    if text.contains(char::is_whitespace) {
        return Err("`host` has white space in it");
    }
    let host = without_port(text)?.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() { Err("`host` is empty") } else { Ok(host) }
}

fn without_port(text: &str) -> Result<&str, &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, suffix) = rest.split_once(']').ok_or("`host` lacks its closing bracket")?;
        return match suffix.strip_prefix(':') {
            Some(port) if is_port(port) => Ok(address),
            None if suffix.is_empty() => Ok(address),
            Some(_) | None => Err("`host` has something other than a port behind its bracket"),
        };
    }
    Ok(match text.split_once(':') {
        Some((name, port)) if !name.is_empty() && is_port(port) => name,
        Some(_) | None => text,
    })
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn hosts() {
        for (text, host) in [
            (" Example.COM. ", "example.com"),
            ("example.com:443", "example.com"),
            ("x:", "x:"),
            ("x:abc", "x:abc"),
            (":80", ":80"),
            ("[::1]", "::1"),
            ("[2001:DB8::1]:443", "2001:db8::1"),
            ("::1", "::1"),
            ("a:1:2", "a:1:2"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(host), "{text}");
        }
        for text in
            ["", "  ", "http://x", "x/y", "x?y", "x#y", "*.x", "a b", "[::1", "[::1]x", "[::1]:", "[]", "."]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
