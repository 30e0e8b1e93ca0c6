//! `file://` URIs (RFC 8089) as paths.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::display::escape_short;
use crate::path::{AbsolutePath, PathError};

/// Why text is not the URI of a local file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FileUriError {
    /// Another scheme, or none.
    #[error("`{}` is not a `file://` URI", escape_short(uri))]
    Scheme {
        /// As given.
        uri: String,
    },
    /// A file on another machine.
    #[error("`{}` names another host", escape_short(uri))]
    Host {
        /// As given.
        uri: String,
    },
    /// A query or fragment, which a file has not; the path may have meant a literal `?` or `#`.
    #[error("`{}` has a query or fragment", escape_short(uri))]
    Query {
        /// As given.
        uri: String,
    },
    /// A percent sign that does not start two hexadecimal digits.
    #[error("`{}` has a `%` without two hexadecimal digits", escape_short(uri))]
    Percent {
        /// As given.
        uri: String,
    },
    /// What it decodes to.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// The path of a URI such as `file:///home/u/my%20project`. The host may be empty or `localhost`.
///
/// # Errors
/// See [`FileUriError`].
pub fn parse_file_uri(uri: &str) -> Result<AbsolutePath, FileUriError> {
    let own = || uri.to_owned();
    let (scheme, rest) = uri.split_once("://").ok_or_else(|| FileUriError::Scheme { uri: own() })?;
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(FileUriError::Scheme { uri: own() });
    }
    let start = rest.find('/').ok_or_else(|| FileUriError::Host { uri: own() })?;
    let (host, path) = rest.split_at_checked(start).ok_or_else(|| FileUriError::Host { uri: own() })?;
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return Err(FileUriError::Host { uri: own() });
    }
    if path.contains(['?', '#']) {
        return Err(FileUriError::Query { uri: own() });
    }
    let bytes = percent_decode(path).ok_or_else(|| FileUriError::Percent { uri: own() })?;
    Ok(AbsolutePath::parse(OsString::from_vec(bytes))?)
}

/// Decodes `%41` and the like; `None` for a stray percent sign.
fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            _ => byte,
        };
        decoded.push(byte);
    }
    Some(decoded)
}

/// The value of a hexadecimal digit.
fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn local_files_become_paths() {
        let rows: [(&str, &[u8]); 8] = [
            ("file:///w", b"/w"),
            ("file:///", b"/"),
            ("FILE://LOCALHOST/w/x", b"/w/x"),
            ("file:///a%20b/%C3%a4", "/a b/ä".as_bytes()),
            ("file:///a/%FF", b"/a/\xff"),
            ("file:///a/%2e%2e/b", b"/b"),
            ("file:///a%3Fb%23c", b"/a?b#c"),
            ("file:////a//b/", b"/a/b"),
        ];
        for (uri, path) in rows {
            assert_eq!(parse_file_uri(uri).expect(uri).as_path().as_os_str().as_bytes(), path, "{uri}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let own = |uri: &str| uri.to_owned();
        for uri in ["", "/w", "w", "file:/w", "http:///w", "ssh://localhost/w", "file"] {
            assert_eq!(parse_file_uri(uri), Err(FileUriError::Scheme { uri: own(uri) }));
        }
        for uri in ["file://w", "file://", "file://host/w", "file://localhost:80/w", "file://u@localhost/w"] {
            assert_eq!(parse_file_uri(uri), Err(FileUriError::Host { uri: own(uri) }));
        }
        for uri in ["file:///w?x", "file:///w#x"] {
            assert_eq!(parse_file_uri(uri), Err(FileUriError::Query { uri: own(uri) }));
        }
        for uri in ["file:///%", "file:///%4", "file:///%zz", "file:///%+1", "file:///%ä"] {
            assert_eq!(parse_file_uri(uri), Err(FileUriError::Percent { uri: own(uri) }));
        }
        assert!(matches!(parse_file_uri("file:///a%00b"), Err(FileUriError::Path(PathError::Nul { .. }))));
    }
}
