//! What links the records: the digest of a line, the part of a record that the chain consists of, and what a line
//! looks like that was not written to its end.

use std::fmt;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest line, its newline included. Longer records are cut before they are written.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// The SHA-256 digest of a record's line, without its newline. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9a-f]{64}$"))]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// What the first record of all has in place of a digest.
    pub const GENESIS: Self = Self([0; 32]);

    /// The digest of a line.
    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }
}

impl From<Sha256> for LineHash {
    fn from(digest: Sha256) -> Self {
        Self(digest.finalize().into())
    }
}

/// The text is not the digest of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits in lower case")]
pub struct InvalidHash;

impl TryFrom<String> for LineHash {
    type Error = InvalidHash;

    fn try_from(text: String) -> Result<Self, InvalidHash> {
        text.parse()
    }
}

impl std::str::FromStr for LineHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidHash),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(InvalidHash) };
        let bytes: Result<Vec<u8>, _> =
            pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect();
        bytes?.try_into().map(Self).map_err(|_| InvalidHash)
    }
}

impl From<LineHash> for String {
    fn from(hash: LineHash) -> Self {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        hash.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineHash({self})")
    }
}

/// Something in front of a record that is no record, because its writer was stopped or the disk was full. The
/// record that follows vouches for it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Torn {
    /// Where it begins in the file, in bytes from 0.
    pub offset: u64,
    /// How long it is, without the newline that ends it.
    pub bytes: u64,
    /// The SHA-256 digest of these bytes.
    pub sha256: LineHash,
}

/// The version of the format, which every record names. There is one.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(with = "u32", extend("const" = 1))]
pub struct Version;

/// A record of a version that this program does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("version {0} of the audit log is not known: a newer release wrote it")]
pub struct UnknownVersion(u32);

impl TryFrom<u32> for Version {
    type Error = UnknownVersion;

    fn try_from(number: u32) -> Result<Self, UnknownVersion> {
        if number == 1 { Ok(Self) } else { Err(UnknownVersion(number)) }
    }
}

impl From<Version> for u32 {
    fn from(Version: Version) -> Self {
        1
    }
}

/// The part of a record that the chain consists of. What happened is not looked at: a kind of event that is not
/// known breaks nothing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    #[serde(rename = "v")]
    _version: Version,
    pub(super) seq: u64,
    pub(super) prev: LineHash,
    pub(super) torn: Option<Torn>,
}

impl Link {
    /// Of a whole line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// What every line begins with.
const BEGINNING: &[u8] = b"{\"v\":1,";

/// Whether this can be what a writer left that did not get to the end of its line: its beginning, and perhaps
/// zeros, which a file system shows for what did not reach the disk. Whatever else was done to a line is no accident.
///
/// INVARIANT (torn): no record is a proper prefix of another, so a torn line is never taken for a record.
pub(super) fn is_torn(line: &[u8]) -> bool {
    let end = line.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    let Some(text) = line.get(..end) else { return false };
    if text.len() <= BEGINNING.len() {
        return !line.is_empty() && BEGINNING.starts_with(text);
    }
    // A lone minus is the one place where the parser takes the end of the text for a mistake in it.
    let text = text.strip_suffix(b"-").unwrap_or(text);
    text.starts_with(BEGINNING)
        && serde_json::from_slice::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use super::{BEGINNING, LineHash, Link, is_torn};

    const LINE: &str = r#"{"v":1,"seq":7,"prev":"0000000000000000000000000000000000000000000000000000000000000000","a":[true,null,-1,"\u00e4\\\"ä",{}]}"#;

    #[test]
    fn every_beginning_of_a_line_is_torn_and_the_line_is_not() {
        let line = LINE.as_bytes();
        assert!(Link::parse(line).is_ok() && !is_torn(line));
        for end in 1..line.len() {
            assert!(is_torn(&line[..end]), "{}", String::from_utf8_lossy(&line[..end]));
            assert!(Link::parse(&line[..end]).is_err(), "{end}");
            assert!(is_torn(&[&line[..end], &[0; 9]].concat()), "{end}");
        }
        assert!(is_torn(&[0; 30]));
    }

    #[test]
    fn nothing_else_is_torn() {
        for line in
            ["", " ", "x", "{}", "{\"v\":2,", "{\"v\":1}", "\"v\":1,", "{\"v\":1,]", "{\"v\":1,\"a\":tru}"]
        {
            assert!(!is_torn(line.as_bytes()), "{line}");
        }
        assert!(!is_torn(&[&[0], BEGINNING].concat()));
    }

    #[test]
    fn a_digest_reads_what_it_prints() {
        let hash = LineHash::of(b"a");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string(), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        for bad in ["", "ca", &"CA".repeat(32), &"é".repeat(32), &"a".repeat(63)] {
            assert!(bad.parse::<LineHash>().is_err(), "{bad}");
        }
    }
}
