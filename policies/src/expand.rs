//! Paths as people write them in a config: absolute, `~`, `~/x` or relative.

use std::path::PathBuf;

use crate::path::{AbsolutePath, PathError};

/// Why such text is not a path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// Empty text would quietly mean the base itself.
    #[error("the path is empty")]
    Empty,
    /// `~` without a home directory.
    #[error("`~` cannot be expanded because the home directory is not known")]
    NoHome,
    /// `~name`.
    #[error("`~` is only understood alone or before `/`")]
    OtherUser,
    /// As a path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl ExpandError {
    /// How to write it instead.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Empty => "write `.` for the base itself",
            Self::NoHome => "set HOME to an absolute path, or write the path out",
            Self::OtherUser => "write the path out, or start it with `./` if the name really begins with `~`",
            Self::Path(error) => error.help(),
        }
    }
}

/// Expands text that starts with `~`; `None` when it does not.
pub(crate) fn expand_home(
    text: &str,
    home: Option<&AbsolutePath>,
) -> Result<Option<AbsolutePath>, ExpandError> {
    let Some(below) = text.strip_prefix('~') else { return Ok(None) };
    if !below.is_empty() && !below.starts_with('/') {
        return Err(ExpandError::OtherUser);
    }
    let home = home.ok_or(ExpandError::NoHome)?;
    // Trimmed, so that `~//etc` stays below the home directory.
    Ok(Some(home.join_normalised(PathBuf::from(below.trim_start_matches('/')))?))
}

/// Expands any of the accepted forms; relative text starts at `base`.
pub(crate) fn expand(
    text: &str,
    base: &AbsolutePath,
    home: Option<&AbsolutePath>,
) -> Result<AbsolutePath, ExpandError> {
    if text.is_empty() {
        return Err(ExpandError::Empty);
    }
    match expand_home(text, home)? {
        Some(path) => Ok(path),
        None => Ok(base.join_normalised(text)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    #[test]
    fn every_form_becomes_absolute() {
        let rows = [
            ("/srv/../x/", "/x"),
            ("~", "/home/u"),
            ("~/", "/home/u"),
            ("~/a/../b", "/home/u/b"),
            ("~//etc", "/home/u/etc"),
            ("a", "/w/a"),
            ("../lib", "/lib"),
            (".", "/w"),
            ("./~x", "/w/~x"),
            ("a~", "/w/a~"),
        ];
        for (text, expect) in rows {
            assert_eq!(
                expand(text, &absolute("/w"), Some(&absolute("/home/u"))),
                Ok(absolute(expect)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_has_no_clear_meaning_is_refused() {
        let home = absolute("/home/u");
        let rows = [
            ("", Some(&home), ExpandError::Empty),
            ("~", None, ExpandError::NoHome),
            ("~/x", None, ExpandError::NoHome),
            ("~root", Some(&home), ExpandError::OtherUser),
            ("~root/x", Some(&home), ExpandError::OtherUser),
            ("a\0", Some(&home), ExpandError::Path(PathError::Nul { path: "a\0".into() })),
        ];
        for (text, home, expect) in rows {
            let error = expand(text, &absolute("/w"), home).unwrap_err();
            assert!(!error.help().is_empty());
            assert_eq!(error, expect, "{text:?}");
        }
        assert_eq!(expand("/x", &absolute("/w"), None), Ok(absolute("/x")));
    }
}
