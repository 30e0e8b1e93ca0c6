//! What a key in `[permissions.NAME.filesystem]` is about.
//!
//! INVARIANT (one key): two spellings of one place give equal targets, so that a child profile overrides its
//! parent also when they spell a path differently.

use crate::display::escape_short;
use crate::expand::{ExpandError, expand_home};
use crate::glob::{GlobError, GlobPattern};
use crate::path::{AbsolutePath, PathError};
use crate::profile::{Access, SpecialPath};
use crate::subpath::RelativeSubpath;

/// A place, before it is known what the workspace roots are.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Target {
    /// A special location or a place below it.
    Special(SpecialPath, Option<RelativeSubpath>),
    /// A path.
    Path(AbsolutePath),
    /// What matches below each workspace root.
    WorkspaceGlob(String),
    /// What matches.
    Glob(GlobPattern),
}

/// Why a key is about nothing. Messages follow the key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TargetError {
    /// No form fits.
    #[error("is not a place: a path must be absolute, use `~/`, or start with `:`")]
    NotAPlace,
    /// `~` that cannot be expanded.
    #[error("is not usable: {0}")]
    Expand(#[from] ExpandError),
    /// Not a path or subpath.
    #[error("is not usable: {0}")]
    Path(#[from] PathError),
    /// Not a pattern.
    #[error("is not usable: {0}")]
    Glob(#[from] GlobError),
    /// A pattern that grants.
    #[error("is a glob, and globs are only for `deny`")]
    GrantingGlob,
    /// A table where there is nothing below.
    #[error("cannot have a table of scoped entries")]
    NoScopes,
}

impl TargetError {
    /// What to write instead.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::NotAPlace => {
                "write `/srv/data`, `~/data`, `:root`, or put subpaths of the workspace under `\":workspace_roots\"`"
            }
            Self::Expand(error) => error.help(),
            Self::Path(error) => error.help(),
            Self::Glob(error) => error.help(),
            Self::GrantingGlob => "name the paths one by one, or end one in `/**` for its whole subtree",
            Self::NoScopes => "write scoped entries under an absolute path or `\":workspace_roots\"`",
        }
    }
}

impl Target {
    /// The place that a key names.
    pub(crate) fn of_key(
        key: &str,
        access: Access,
        home: Option<&AbsolutePath>,
    ) -> Result<Self, TargetError> {
        if !GlobPattern::looks_like_glob(key) || key.starts_with(':') {
            return Ok(match Base::parse(key, home)? {
                Base::Token(token) => Self::Special(token, None),
                Base::Path(path) => Self::Path(path),
            });
        }
        match (access, key.strip_suffix("/**")) {
            (Access::Deny, _) => Ok(Self::Glob(absolute_glob(key, home)?)),
            (Access::Read | Access::Write, Some("")) => Ok(Self::Path(AbsolutePath::root())),
            (Access::Read | Access::Write, Some(base)) if !GlobPattern::looks_like_glob(base) => {
                Self::of_key(base, access, home)
            }
            (Access::Read | Access::Write, _) => Err(TargetError::GrantingGlob),
        }
    }

    /// The place that a key in a scoped table names.
    pub(crate) fn of_scoped(base: &Base, scope: &str, access: Access) -> Result<Self, TargetError> {
        let is_glob = GlobPattern::looks_like_glob(scope);
        match (is_glob, access) {
            (true, Access::Deny) => match base {
                Base::Path(path) => Ok(Self::Glob(GlobPattern::parse_under(path, scope)?)),
                Base::Token(SpecialPath::Root) => {
                    Ok(Self::Glob(GlobPattern::parse_under(&AbsolutePath::root(), scope)?))
                }
                Base::Token(SpecialPath::ProjectRoots) => {
                    // Checked here once; the roots come later.
                    let checked = GlobPattern::parse_under(&AbsolutePath::root(), scope)?;
                    Ok(Self::WorkspaceGlob(checked.as_str().trim_start_matches('/').to_owned()))
                }
                Base::Token(token) => Ok(Self::Special(token.clone(), None)),
            },
            (true, Access::Read | Access::Write) => match scope.strip_suffix("**") {
                Some("") => base.below(RelativeSubpath::base()),
                Some(prefix) if prefix.ends_with('/') && !GlobPattern::looks_like_glob(prefix) => {
                    base.below(RelativeSubpath::parse(prefix)?)
                }
                Some(_) | None => Err(TargetError::GrantingGlob),
            },
            (false, _) => base.below(RelativeSubpath::parse(scope)?),
        }
    }
}

/// What a scoped table stands under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Base {
    /// A special location.
    Token(SpecialPath),
    /// A path.
    Path(AbsolutePath),
}

impl Base {
    /// Reads a key without wildcards.
    fn parse(key: &str, home: Option<&AbsolutePath>) -> Result<Self, TargetError> {
        if key.starts_with(':') {
            return Ok(Self::Token(token(key)));
        }
        if let Some(path) = expand_home(key, home)? {
            return Ok(Self::Path(path));
        }
        match AbsolutePath::parse(key) {
            Ok(path) => Ok(Self::Path(path)),
            Err(PathError::Relative { .. }) => Err(TargetError::NotAPlace),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the key of a scoped table.
    pub(crate) fn of_table(key: &str, home: Option<&AbsolutePath>) -> Result<Self, TargetError> {
        if GlobPattern::looks_like_glob(key) && !key.starts_with(':') {
            return Err(TargetError::NoScopes);
        }
        match Self::parse(key, home)? {
            Self::Token(SpecialPath::Minimal | SpecialPath::Tmpdir | SpecialPath::SlashTmp) => {
                Err(TargetError::NoScopes)
            }
            base @ (Self::Token(_) | Self::Path(_)) => Ok(base),
        }
    }

    /// A plain place below this one.
    fn below(&self, subpath: RelativeSubpath) -> Result<Target, TargetError> {
        Ok(match self {
            Self::Path(path) => Target::Path(path.join(&subpath)),
            Self::Token(SpecialPath::Root) if !subpath.is_base() => {
                Target::Path(AbsolutePath::root().join(&subpath))
            }
            Self::Token(token) => Target::Special(token.clone(), subpath.into_option()),
        })
    }
}

/// A special location by its word.
fn token(word: &str) -> SpecialPath {
    match word {
        ":root" => SpecialPath::Root,
        ":minimal" => SpecialPath::Minimal,
        ":workspace_roots" | ":project_roots" => SpecialPath::ProjectRoots,
        ":tmpdir" => SpecialPath::Tmpdir,
        ":slash_tmp" => SpecialPath::SlashTmp,
        _ => SpecialPath::Unknown(word.to_owned()),
    }
}

/// A pattern that starts with `/` or `~/`.
fn absolute_glob(key: &str, home: Option<&AbsolutePath>) -> Result<GlobPattern, TargetError> {
    match (key.strip_prefix("~/"), home) {
        (Some(pattern), Some(home)) => Ok(GlobPattern::parse_under(home, pattern.trim_start_matches('/'))?),
        (Some(_), None) => Err(ExpandError::NoHome.into()),
        (None, _) if key.starts_with('~') => Err(ExpandError::OtherUser.into()),
        (None, _) if key.starts_with('/') => Ok(GlobPattern::parse(key)?),
        (None, _) => Err(TargetError::NotAPlace),
    }
}

/// The warning about a word that this release does not know.
pub(crate) fn unknown_warning(profile: &str, word: &str) -> String {
    let below =
        if word.contains('/') { "; places below a token are written in a table under it" } else { "" };
    format!(
        "profile `{}`: `{}` is not known to this release and is ignored, so it neither grants nor denies anything{below}",
        escape_short(profile),
        escape_short(word)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use Access::{Deny, Read, Write};

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    fn glob(text: &str) -> Target {
        Target::Glob(GlobPattern::parse(text).unwrap())
    }

    fn path(text: &str) -> Target {
        Target::Path(absolute(text))
    }

    fn special(token: SpecialPath, subpath: &str) -> Target {
        Target::Special(token, RelativeSubpath::parse(subpath).unwrap().into_option())
    }

    #[test]
    fn keys_name_places() {
        let home = absolute("/home/u");
        let rows = [
            ("/srv/data", Read, path("/srv/data")),
            ("/srv/x/../data/", Read, path("/srv/data")),
            ("/", Write, path("/")),
            ("~", Read, path("/home/u")),
            ("~/x", Deny, path("/home/u/x")),
            (":root", Read, special(SpecialPath::Root, ".")),
            (":minimal", Read, special(SpecialPath::Minimal, ".")),
            (":workspace_roots", Write, special(SpecialPath::ProjectRoots, ".")),
            (":project_roots", Write, special(SpecialPath::ProjectRoots, ".")),
            (":tmpdir", Write, special(SpecialPath::Tmpdir, ".")),
            (":slash_tmp", Write, special(SpecialPath::SlashTmp, ".")),
            (":cwd", Write, special(SpecialPath::Unknown(":cwd".to_owned()), ".")),
            (":new*", Deny, special(SpecialPath::Unknown(":new*".to_owned()), ".")),
            ("/srv/**/*.env", Deny, glob("/srv/**/*.env")),
            ("/srv/**", Deny, glob("/srv/**")),
            ("~/*.key", Deny, glob("/home/u/*.key")),
            ("~//*.key", Deny, glob("/home/u/*.key")),
            ("/srv/**", Read, path("/srv")),
            ("/**", Read, path("/")),
            ("~/**", Write, path("/home/u")),
        ];
        for (key, access, expect) in rows {
            assert_eq!(Target::of_key(key, access, Some(&home)), Ok(expect), "{key}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let home = absolute("/home/u");
        let rows = [
            ("", Read, "must be absolute"),
            ("srv", Read, "must be absolute, use `~/`, or start with `:`"),
            ("./srv", Read, "must be absolute"),
            ("*.env", Deny, "must be absolute"),
            ("**", Read, "globs are only for `deny`"),
            ("a/**", Read, "must be absolute"),
            ("/srv/*.rs", Write, "globs are only for `deny`"),
            ("/srv/*/**", Read, "globs are only for `deny`"),
            ("~root/x", Read, "only understood alone"),
            ("~root/*", Deny, "only understood alone"),
            ("/a\0", Read, "NUL"),
            ("/srv/[", Deny, "invalid"),
        ];
        for (key, access, expect) in rows {
            let error = Target::of_key(key, access, Some(&home)).unwrap_err();
            assert!(error.to_string().contains(expect), "{key:?}: {error}");
            assert!(!error.help().is_empty());
        }
        for key in ["~/x", "~/*"] {
            let error = Target::of_key(key, Deny, None).unwrap_err().to_string();
            assert!(error.contains("home directory is not known"), "{error}");
        }
    }

    #[test]
    fn scoped_keys_name_places_below() {
        let unknown = || SpecialPath::Unknown(":cwd".to_owned());
        let rows = [
            ("/srv", ".", Read, path("/srv")),
            ("/srv", "a/b", Read, path("/srv/a/b")),
            ("/srv", "*.env", Deny, glob("/srv/*.env")),
            ("/srv", "a/**", Write, path("/srv/a")),
            ("/srv", "**", Write, path("/srv")),
            ("/srv", "**", Deny, glob("/srv/**")),
            (":root", ".", Read, special(SpecialPath::Root, ".")),
            (":root", "etc", Deny, path("/etc")),
            (":workspace_roots", ".", Write, special(SpecialPath::ProjectRoots, ".")),
            (":workspace_roots", "**", Write, special(SpecialPath::ProjectRoots, ".")),
            (":workspace_roots", "docs", Read, special(SpecialPath::ProjectRoots, "docs")),
            (":project_roots", "docs/**", Read, special(SpecialPath::ProjectRoots, "docs")),
            (":workspace_roots", "**/*.env", Deny, Target::WorkspaceGlob("**/*.env".to_owned())),
            (":cwd", "x", Deny, special(unknown(), "x")),
            (":cwd", "*", Deny, special(unknown(), ".")),
        ];
        for (base, scope, access, expect) in rows {
            let base = Base::of_table(base, None).unwrap();
            assert_eq!(Target::of_scoped(&base, scope, access), Ok(expect), "{base:?} {scope}");
        }
    }

    #[test]
    fn scopes_stay_below_a_place_that_can_have_them() {
        for base in [":minimal", ":tmpdir", ":slash_tmp", "/srv/*", "/srv/**"] {
            assert_eq!(Base::of_table(base, None), Err(TargetError::NoScopes), "{base}");
        }
        assert_eq!(Base::of_table("docs", None), Err(TargetError::NotAPlace));
        for base in ["/srv", ":workspace_roots"] {
            let base = Base::of_table(base, None).unwrap();
            for scope in ["", "..", "../x", "a/../b", "./a", "/etc", "a\0"] {
                assert!(Target::of_scoped(&base, scope, Read).is_err(), "{scope:?}");
            }
            for scope in ["../*", "/etc/*", "./*", "a/../*"] {
                assert!(Target::of_scoped(&base, scope, Deny).is_err(), "{scope:?}");
            }
            for scope in ["*.rs", "a/*/**", "x**", "/**", "../**"] {
                assert!(Target::of_scoped(&base, scope, Write).is_err(), "{scope:?}");
            }
        }
    }
}
