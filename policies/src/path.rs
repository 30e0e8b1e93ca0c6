//! Absolute, lexically normalised paths.
//!
//! Everything here is text: no symlink is followed and nothing is looked up, so a path must be resolved before
//! it is trusted as a boundary. Plain descendants are in [`crate::subpath`].

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::display::escape;
use crate::subpath::RelativeSubpath;

/// A path that starts at `/` and has no `.`, `..`, empty component, trailing slash or NUL.
///
/// INVARIANT (normal): two values are equal exactly when they name the same place lexically, so comparing
/// components decides containment. Lexical only: symlinks are not followed. Bytes that are not UTF-8 are kept;
/// only serialising such a path fails. `Display` escapes, so it is safe on a terminal but not parseable.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AbsolutePath(PathBuf);

/// Why text is not the path that was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path does not start at `/`.
    #[error("path `{}` is not absolute", escape(path))]
    Relative {
        /// As given.
        path: PathBuf,
    },
    /// No system call takes a path with a NUL byte.
    #[error("path `{}` contains a NUL byte", escape(path))]
    Nul {
        /// As given.
        path: PathBuf,
    },
    /// A subpath that could leave its base, or is not written plainly.
    #[error("subpath `{}` is not a plain descendant: it {why}", escape(path))]
    NotDescendant {
        /// As given.
        path: PathBuf,
        /// What makes it not plain, after "it".
        why: &'static str,
    },
}

impl PathError {
    /// The smallest change that makes the path acceptable.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Relative { .. } => "start the path with `/`",
            Self::Nul { .. } => "remove the NUL byte",
            Self::NotDescendant { .. } => {
                "name something below the base, such as `docs/api`, or `.` for the base itself"
            }
        }
    }
}

impl AbsolutePath {
    /// Takes text that starts with `/` and normalises it: `..` removes the component before it and stays at `/`.
    ///
    /// # Errors
    /// [`PathError::Relative`] when it does not start at `/`, [`PathError::Nul`] when it holds a NUL byte.
    pub fn parse(path: impl AsRef<Path>) -> Result<Self, PathError> {
        let path = path.as_ref();
        if !path.has_root() {
            return Err(PathError::Relative { path: path.to_owned() });
        }
        Self::root().join_normalised(path)
    }

    /// The path `/`.
    pub fn root() -> Self {
        Self(PathBuf::from("/"))
    }

    /// Reads `path` the way a process with this working directory would, lexically: a relative path starts here,
    /// an absolute one stands for itself, and `..` removes the component before it even where that is a symlink.
    ///
    /// # Errors
    /// [`PathError::Nul`] when `path` holds a NUL byte.
    pub fn join_normalised(&self, path: impl AsRef<Path>) -> Result<Self, PathError> {
        let path = path.as_ref();
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(PathError::Nul { path: path.to_owned() });
        }
        let mut joined = self.0.clone();
        for component in path.components() {
            match component {
                Component::Prefix(_) | Component::RootDir => joined = PathBuf::from("/"),
                Component::CurDir => {}
                Component::ParentDir => {
                    // `pop` answers false at `/`, which is where `..` stays.
                    joined.pop();
                }
                Component::Normal(name) => joined.push(name),
            }
        }
        Ok(Self(joined))
    }

    /// The place that `subpath` names below this one; never outside it.
    #[must_use]
    pub fn join(&self, subpath: &RelativeSubpath) -> Self {
        if subpath.is_base() { self.clone() } else { Self(self.0.join(subpath.as_path())) }
    }

    /// The place with this one-component name in this directory. For names in our own tables only.
    #[must_use]
    pub(crate) fn child(&self, name: &'static str) -> Self {
        debug_assert!(RelativeSubpath::parse(name).is_ok(), "not a plain name");
        Self(self.0.join(name))
    }

    /// The directory that holds this path; `None` for `/`.
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(|parent| Self(parent.to_owned()))
    }

    /// This path, then each directory above it, ending with `/`.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.ancestors().map(|path| Self(path.to_owned()))
    }

    /// Whether this path is `base` or lies below it, by whole components.
    pub fn starts_with(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }

    /// The number of components below `/`.
    pub fn depth(&self) -> usize {
        self.0.components().count().saturating_sub(1)
    }

    /// As a std path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Into a std path.
    pub fn into_path_buf(self) -> PathBuf {
        self.0
    }
}

impl AsRef<Path> for AbsolutePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&escape(&self.0))
    }
}

impl TryFrom<PathBuf> for AbsolutePath {
    type Error = PathError;

    fn try_from(path: PathBuf) -> Result<Self, PathError> {
        Self::parse(path)
    }
}

impl Serialize for AbsolutePath {
    /// As a string. Fails for a path that is not UTF-8, because replacing its bytes would name another place.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => Err(ser::Error::custom(format!("path `{self}` is not UTF-8"))),
        }
    }
}

impl<'de> Deserialize<'de> for AbsolutePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    #[test]
    fn absolute_paths_are_normalised() {
        let rows = [
            ("/", "/"),
            ("//", "/"),
            ("/srv/data/", "/srv/data"),
            ("/srv//data/./x", "/srv/data/x"),
            ("/srv/data/../x", "/srv/x"),
            ("/../../etc", "/etc"),
            ("/a/b/../../..", "/"),
            ("/with space/ä", "/with space/ä"),
            ("/...", "/..."),
        ];
        for (text, expect) in rows {
            assert_eq!(absolute(text).as_path().as_os_str(), expect, "{text}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for text in ["", ".", "..", "a", "./a", "~", "~/a", ":root", " /a"] {
            assert!(matches!(AbsolutePath::parse(text), Err(PathError::Relative { .. })), "{text:?}");
        }
        assert!(matches!(AbsolutePath::parse("/a\0b"), Err(PathError::Nul { .. })));
        assert!(matches!(absolute("/a").join_normalised("b\0"), Err(PathError::Nul { .. })));
    }

    #[test]
    fn relative_text_starts_at_the_working_directory() {
        let cwd = absolute("/home/u/p");
        for (text, expect) in [
            ("../lib", "/home/u/lib"),
            (".", "/home/u/p"),
            ("a/b", "/home/u/p/a/b"),
            ("/x", "/x"),
            ("../../../..", "/"),
        ] {
            assert_eq!(cwd.join_normalised(text).unwrap(), absolute(expect), "{text}");
        }
    }

    #[test]
    fn containment_is_by_component() {
        let base = absolute("/srv/data");
        assert!(absolute("/srv/data").starts_with(&base));
        assert!(absolute("/srv/data/x").starts_with(&base));
        assert!(!absolute("/srv/database").starts_with(&base));
        assert!(!absolute("/srv").starts_with(&base));
        assert!(base.starts_with(&AbsolutePath::root()));
    }

    #[test]
    fn parents_end_at_the_root() {
        assert_eq!(absolute("/a/b").parent(), Some(absolute("/a")));
        assert_eq!(absolute("/a").parent(), Some(AbsolutePath::root()));
        assert_eq!(AbsolutePath::root().parent(), None);
        let chain: Vec<_> = absolute("/a/b").ancestors().collect();
        assert_eq!(chain, [absolute("/a/b"), absolute("/a"), AbsolutePath::root()]);
        assert_eq!((AbsolutePath::root().depth(), absolute("/a/b").depth()), (0, 2));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_kept_shown_escaped_and_not_serialised() {
        let path = AbsolutePath::parse(OsStr::from_bytes(b"/srv/\xff\x1b")).unwrap();
        assert_eq!(path.as_path().as_os_str().as_bytes(), b"/srv/\xff\x1b");
        assert_eq!(path.to_string(), "/srv/\\xff\\u{1b}");
        assert!(serde_json::to_string(&path).unwrap_err().to_string().contains("is not UTF-8"));
    }

    #[test]
    fn json_form_is_the_normal_string() {
        assert_eq!(serde_json::from_str::<AbsolutePath>("\"/a/./b/\"").unwrap(), absolute("/a/b"));
        assert_eq!(serde_json::to_string(&absolute("/a/b")).unwrap(), "\"/a/b\"");
        let error = serde_json::from_str::<AbsolutePath>("\"a\"").unwrap_err().to_string();
        assert!(error.contains("path `a` is not absolute"), "{error}");
        assert!(serde_json::from_str::<AbsolutePath>("\"/a\\u0000\"").is_err());
    }
}
