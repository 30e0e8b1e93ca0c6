//! Plain descendants of a base that is known only later.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::display::escape;
use crate::path::PathError;

/// A path below some base: no `.` or `..` component, not absolute, no NUL.
///
/// INVARIANT (descendant): joining it to a base never leaves the base lexically. Text `.` alone is the base
/// itself, held as the empty path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelativeSubpath(PathBuf);

impl RelativeSubpath {
    /// Takes plain text such as `docs/api`; repeated and trailing slashes are dropped.
    ///
    /// # Errors
    /// [`PathError::Nul`] for a NUL byte, [`PathError::NotDescendant`] for empty text, an absolute path or a `.`
    /// or `..` component (except `.` alone).
    pub fn parse(path: impl AsRef<Path>) -> Result<Self, PathError> {
        let path = path.as_ref();
        let bytes = path.as_os_str().as_encoded_bytes();
        let refuse = |why| Err(PathError::NotDescendant { path: path.to_owned(), why });
        if bytes.contains(&0) {
            return Err(PathError::Nul { path: path.to_owned() });
        }
        if bytes.is_empty() {
            return refuse("is empty");
        }
        if path.has_root() {
            return refuse("is absolute");
        }
        if bytes == b"." {
            return Ok(Self::base());
        }
        // `Path::components` hides a `.` in the middle, so look at the bytes themselves.
        if bytes.split(|byte| *byte == b'/').any(|component| component == b"." || component == b"..") {
            return refuse("has a `.` or `..` component");
        }
        Ok(Self(path.components().collect()))
    }

    /// The base itself, written `.`.
    pub fn base() -> Self {
        Self(PathBuf::new())
    }

    /// Whether this is the base itself.
    pub fn is_base(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    /// As a std path; empty for the base itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// `None` for the base itself, so that `.` and no subpath are one value.
    pub fn into_option(self) -> Option<Self> {
        if self.is_base() { None } else { Some(self) }
    }
}

impl fmt::Display for RelativeSubpath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_base() { formatter.write_str(".") } else { formatter.write_str(&escape(&self.0)) }
    }
}

impl Serialize for RelativeSubpath {
    /// As a string, `.` for the base itself. Fails for a subpath that is not UTF-8.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some("") => serializer.serialize_str("."),
            Some(text) => serializer.serialize_str(text),
            None => Err(ser::Error::custom(format!("subpath `{self}` is not UTF-8"))),
        }
    }
}

impl<'de> Deserialize<'de> for RelativeSubpath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::AbsolutePath;

    #[test]
    fn plain_descendants_stay_below_their_base() {
        let base = AbsolutePath::parse("/w").unwrap();
        let rows = [
            ("docs", "/w/docs"),
            ("docs/", "/w/docs"),
            ("docs//api", "/w/docs/api"),
            (".git", "/w/.git"),
            ("...", "/w/..."),
            (".", "/w"),
            ("~", "/w/~"),
        ];
        for (text, expect) in rows {
            let joined = base.join(&RelativeSubpath::parse(text).unwrap());
            assert_eq!(joined.as_path().as_os_str(), expect, "{text}");
            assert!(joined.starts_with(&base));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "/", "/etc", "..", "../x", "a/..", "a/../b", "./a", "a/./b", "a/.", "a\0"] {
            let error = RelativeSubpath::parse(text).unwrap_err();
            assert!(!error.help().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn json_form_round_trips() {
        for text in ["docs/api", "."] {
            let subpath = RelativeSubpath::parse(text).unwrap();
            let json = serde_json::to_string(&subpath).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<RelativeSubpath>(&json).unwrap(), subpath);
        }
        let error = serde_json::from_str::<RelativeSubpath>("\"../x\"").unwrap_err().to_string();
        assert!(error.contains("subpath `../x` is not a plain descendant"), "{error}");
    }
}
