//! Absolute glob patterns.
//!
//! What a pattern means is here; walking the disk for matches is the launcher's work.

use std::fmt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::display::{escape, escape_short};
use crate::path::AbsolutePath;

/// The longest pattern accepted: as long as the longest path that Linux takes (`PATH_MAX`).
pub const MAX_PATTERN_BYTES: usize = 4096;

/// An absolute pattern: `*` and `?` stay inside one component, `[...]` is one character, `{a,b}` is a choice, a
/// backslash takes the next character literally, and `**` as a whole component is any number of directories.
///
/// INVARIANT (compiles): the pattern was compiled once, every component is a valid pattern by itself, and its
/// components before the first wildcard are normalised.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GlobPattern {
    /// The normalised pattern.
    pattern: String,
    /// The directory below which everything matched lies.
    static_prefix: AbsolutePath,
}

/// A compiled [`GlobPattern`].
#[derive(Clone, Debug)]
pub struct GlobMatcher(GlobSet);

/// The folders in which matches of a [`GlobPattern`] can lie.
#[derive(Clone, Debug)]
pub struct FolderMatcher {
    /// The pattern up to each of its components but the last.
    beginnings: GlobSet,
    /// Whether each of them ends in `**`.
    spans: Vec<bool>,
}

/// How far into a pattern the path of a folder leads: which of its beginnings it matches. Equal values leave the same
/// names to match below.
pub type Progress = Vec<usize>;

/// Why text is not a pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// The pattern does not start at `/`.
    #[error("glob `{}` is not absolute", escape_short(pattern))]
    Relative {
        /// As given.
        pattern: String,
    },
    /// The pattern is longer than [`MAX_PATTERN_BYTES`].
    #[error("glob `{}` is longer than {MAX_PATTERN_BYTES} bytes", escape_short(pattern))]
    TooLong {
        /// As given.
        pattern: String,
    },
    /// The pattern cannot be read.
    #[error("glob `{}` is invalid: {why}", escape_short(pattern))]
    Invalid {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern is text, so it cannot be placed below such a directory.
    #[error("glob `{}` cannot be placed under `{}`, which is not UTF-8", escape_short(pattern), escape(base))]
    BaseNotUtf8 {
        /// As given.
        pattern: String,
        /// The directory.
        base: PathBuf,
    },
}

impl GlobError {
    /// The smallest change that makes the pattern acceptable.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Relative { .. } => "start the pattern with `/`",
            Self::TooLong { .. } => "split it into several shorter patterns",
            Self::Invalid { .. } => {
                "close every `[` and `{` within its component, and write `**` as a component of its own, as in `/srv/**/*.env`"
            }
            Self::BaseNotUtf8 { .. } => "list the paths one by one, or work in a directory with a UTF-8 name",
        }
    }
}

impl GlobPattern {
    /// Whether text would be read as a pattern rather than as a literal path: it has `*`, `?` or `[`.
    pub fn looks_like_glob(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }

    /// Takes an absolute pattern; `.` and repeated slashes are dropped and `..` is followed in the literal prefix.
    ///
    /// # Errors
    /// See [`GlobError`]. `**` inside a component and `..` after a wildcard are refused: they would match less
    /// than they seem to, and a pattern mostly says what must not be read.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(GlobError::TooLong { pattern: pattern.to_owned() });
        }
        if !pattern.starts_with('/') {
            return Err(GlobError::Relative { pattern: pattern.to_owned() });
        }
        let invalid = |why: String| GlobError::Invalid { pattern: pattern.to_owned(), why };
        let components = normalise(pattern).map_err(invalid)?;
        let normal = format!("/{}", components.join("/"));
        check(&normal).map_err(invalid)?;
        let mut prefix = PathBuf::from("/");
        prefix.extend(components.iter().map_while(|component| literal(component)));
        let static_prefix = AbsolutePath::parse(prefix).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { pattern: normal, static_prefix })
    }

    /// Places a relative pattern below `base`, whose own name is taken literally whatever characters it has.
    ///
    /// # Errors
    /// As [`Self::parse`], and [`GlobError::BaseNotUtf8`]. A relative pattern may not be empty or absolute or have a `.` or `..` component.
    pub fn parse_under(base: &AbsolutePath, pattern: &str) -> Result<Self, GlobError> {
        let invalid = |why: &str| GlobError::Invalid { pattern: pattern.to_owned(), why: why.to_owned() };
        if pattern.is_empty() || pattern.starts_with('/') {
            return Err(invalid("it must be relative to its base"));
        }
        if pattern.split('/').any(|component| component == "." || component == "..") {
            return Err(invalid("it has a `.` or `..` component"));
        }
        let not_utf8 =
            || GlobError::BaseNotUtf8 { pattern: pattern.to_owned(), base: base.as_path().to_owned() };
        let text = base.as_path().to_str().ok_or_else(not_utf8)?;
        Self::parse(&format!("{}/{pattern}", escape_literal(text)))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// The deepest directory known to hold every match (the path itself when nothing in it is a wildcard).
    /// Depth limits count from here.
    pub fn static_prefix(&self) -> &AbsolutePath {
        &self.static_prefix
    }

    /// The same pattern below another directory than its fixed one; `None` for one without wildcards.
    pub(crate) fn below(&self, directory: &AbsolutePath) -> Option<Self> {
        let rest: Vec<&str> =
            self.pattern.split('/').skip(self.static_prefix.depth().saturating_add(1)).collect();
        Self::parse_under(directory, &rest.join("/")).ok()
    }

    /// One matcher for all of these: it matches what any of them does.
    ///
    /// # Errors
    /// As [`Self::to_matcher`], and when together they are too large.
    pub(crate) fn matcher_of<'a>(
        patterns: impl IntoIterator<Item = &'a Self>,
    ) -> Result<GlobMatcher, GlobError> {
        let mut set = GlobSetBuilder::new();
        let mut last = String::new();
        for Self { pattern, .. } in patterns {
            let invalid = |why| GlobError::Invalid { pattern: pattern.clone(), why };
            set.add(build(pattern).map_err(invalid)?);
            last.clone_from(pattern);
        }
        set.build()
            .map(GlobMatcher)
            .map_err(|error| GlobError::Invalid { pattern: last, why: error.kind().to_string() })
    }

    /// Whether the pattern reaches any number of directories deep.
    pub fn is_unbounded(&self) -> bool {
        self.pattern.split('/').any(|component| component == "**")
    }

    /// Compiles the pattern, for many paths.
    ///
    /// # Errors
    /// None in practice (INVARIANT compiles); kept so that no caller has to believe it.
    pub fn to_matcher(&self) -> Result<GlobMatcher, GlobError> {
        compile(&self.pattern)
            .map(GlobMatcher)
            .map_err(|why| GlobError::Invalid { pattern: self.pattern.clone(), why })
    }
}

impl GlobPattern {
    /// Compiles the beginnings of the pattern, for many folders.
    ///
    /// # Errors
    /// None in practice (INVARIANT compiles).
    pub fn to_folder_matcher(&self) -> Result<FolderMatcher, GlobError> {
        let invalid = |why| GlobError::Invalid { pattern: self.pattern.clone(), why };
        let mut set = GlobSetBuilder::new();
        let mut spans = Vec::new();
        for (end, _) in self.pattern.match_indices('/').skip(1) {
            let beginning = self.pattern.get(..end).unwrap_or_default();
            set.add(build(beginning).map_err(invalid)?);
            spans.push(beginning.ends_with("/**"));
        }
        let beginnings = set.build().map_err(|error| invalid(error.kind().to_string()))?;
        Ok(FolderMatcher { beginnings, spans })
    }
}

impl FolderMatcher {
    /// How far this folder leads, `None` when nothing below it can match.
    pub fn progress(&self, folder: impl AsRef<Path>) -> Option<Progress> {
        let progress = self.beginnings.matches(folder);
        (!progress.is_empty()).then_some(progress)
    }

    /// Whether a folder is there by a component of its own, and not only as one of the many of `**`.
    pub fn is_named(&self, progress: &Progress) -> bool {
        progress.iter().any(|index| self.spans.get(*index) == Some(&false))
    }
}

impl GlobMatcher {
    /// Whether exactly this path matches; a match of a directory says nothing about what is in it.
    pub fn is_match(&self, path: impl AsRef<Path>) -> bool {
        self.0.is_match(path)
    }
}

impl fmt::Display for GlobPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&escape(&self.pattern))
    }
}

impl Serialize for GlobPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pattern)
    }
}

impl<'de> Deserialize<'de> for GlobPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The normal components of an absolute pattern, each checked by itself.
fn normalise(pattern: &str) -> Result<Vec<&str>, String> {
    let mut components: Vec<&str> = Vec::new();
    for component in pattern.split('/') {
        match component {
            "" | "." => {}
            ".." if components.iter().all(|kept| literal(kept).is_some()) => {
                components.pop();
            }
            ".." => return Err("`..` after a wildcard".to_owned()),
            "**" => components.push(component),
            _ if component.contains('\0') => return Err("it contains a NUL byte".to_owned()),
            _ if component.contains("**") => {
                return Err(format!("`**` is not a whole component in `{}`", escape_short(component)));
            }
            // A class or choice that spans `/` ends up unclosed here, and is refused.
            _ => {
                build(component)?;
                components.push(component);
            }
        }
    }
    Ok(components)
}

/// The name that a component without wildcards stands for, `None` when it has any. `[*]` and `\*` are literal.
fn literal(component: &str) -> Option<String> {
    let mut name = String::with_capacity(component.len());
    let mut characters = component.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' | '{' | '}' => return None,
            '\\' => name.push(characters.next()?),
            '[' => {
                let only = characters.next().filter(|only| !matches!(only, '!' | '^'))?;
                characters.next().filter(|end| *end == ']')?;
                name.push(only);
            }
            _ => name.push(character),
        }
    }
    Some(name)
}

/// Writes `text` so that a pattern matches it and nothing else.
fn escape_literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Reads one pattern.
fn build(pattern: &str) -> Result<globset::Glob, String> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| error.kind().to_string())
}

/// Below this length a pattern without alternatives compiles to a small automaton, so building it proves nothing.
const SURELY_SMALL_BYTES: usize = 256;

/// Whether a pattern compiles. Building the automaton of each would be most of the cost of a start, and is only
/// needed where it could get too large.
fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() <= SURELY_SMALL_BYTES && !pattern.contains('{') {
        return build(pattern).map(drop);
    }
    compile(pattern).map(drop)
}

/// Compiles one pattern. A set, because compiling a lone `Glob` panics where a set answers with an error.
fn compile(pattern: &str) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    set.add(build(pattern)?);
    set.build().map_err(|error| error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        GlobPattern::parse(pattern).unwrap().to_matcher().unwrap().is_match(path)
    }

    #[test]
    fn wildcards_stay_in_their_component_and_double_stars_span() {
        let rows = [
            ("/w/*.env", "/w/a.env", true),
            ("/w/*.env", "/w/.env", true),
            ("/w/*.env", "/w/sub/a.env", false),
            ("/w/?", "/w/a", true),
            ("/w/?", "/w/ab", false),
            ("/w/[ab]x", "/w/bx", true),
            ("/w/[!ab]x", "/w/bx", false),
            ("/w/{a,b}.key", "/w/b.key", true),
            ("/w/**/*.env", "/w/a.env", true),
            ("/w/**/*.env", "/w/a/b/c.env", true),
            ("/w/**/*.env", "/w/a/b/c.envx", false),
            ("/w/**", "/w/a/b", true),
            ("/w/../x/*.pem", "/x/a.pem", true),
            ("/w/\\*", "/w/*", true),
            ("/w/\\*", "/w/a", false),
        ];
        for (pattern, path, expect) in rows {
            assert_eq!(matches(pattern, path), expect, "{pattern} on {path}");
        }
    }

    #[test]
    fn folders_that_can_hold_matches_are_told_from_others() {
        let rows = [
            ("/w/*/x.pem", "/w", true, true),
            ("/w/*/x.pem", "/w/a", true, true),
            ("/w/*/x.pem", "/w/a/b", false, false),
            ("/w/*/x.pem", "/v", false, false),
            ("/w/*.pem", "/w/a", false, false),
            ("/w/**/x.pem", "/w/a/b", true, false),
            ("/w/**/s/x.pem", "/w/a/s", true, true),
            ("/w/**", "/w", true, true),
            ("/w/**", "/w/a", false, false),
            ("/w/**/*", "/w/a", true, false),
            ("/w/{a,b}/c/*.pem", "/w/b/c", true, true),
            ("/w/\\*/x?", "/w/*", true, true),
        ];
        for (pattern, folder, can_hold, is_named) in rows {
            let matcher = GlobPattern::parse(pattern).unwrap().to_folder_matcher().unwrap();
            let progress = matcher.progress(folder);
            assert_eq!(progress.is_some(), can_hold, "{pattern} on {folder}");
            assert_eq!(progress.is_some_and(|it| matcher.is_named(&it)), is_named, "{pattern} on {folder}");
        }
    }

    #[test]
    fn the_static_prefix_is_what_comes_before_the_first_wildcard() {
        let rows = [
            ("/srv/data/*.env", "/srv/data", false),
            ("/srv/**/x", "/srv", true),
            ("/**/*.env", "/", true),
            ("/*.env", "/", false),
            ("/srv/../etc//./*.key", "/etc", false),
            ("/srv/[x]/\\*/*.key", "/srv/x/*", false),
            ("/srv/a?/b", "/srv", false),
            ("/srv/{a,b}/c", "/srv", false),
            ("/srv/plain", "/srv/plain", false),
        ];
        for (pattern, prefix, unbounded) in rows {
            let glob = GlobPattern::parse(pattern).unwrap();
            assert_eq!(glob.static_prefix().as_path().as_os_str(), prefix, "{pattern}");
            assert_eq!(glob.is_unbounded(), unbounded, "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_are_errors_not_panics() {
        let nested = format!("/{}a{}", "{".repeat(1000), "}".repeat(1000));
        let long = format!("/{}", "a".repeat(MAX_PATTERN_BYTES));
        let rows = [
            "",
            "a/*",
            "*",
            "~/*",
            "/w/[",
            "/w/[a",
            "/w/{a",
            "/w/a}",
            "/w/[a/b]",
            "/w/{a/b,c}",
            "/w/**.env",
            "/w/a**",
            "/w/***",
            "/w/*/../x",
            "/w/\0*",
            "/w/a\\",
            &nested,
            &long,
        ];
        for pattern in rows {
            let error = GlobPattern::parse(pattern).expect_err(pattern);
            assert!(!error.to_string().contains('\0') && !error.help().is_empty());
        }
        // Many choices are only text to us.
        assert!(GlobPattern::parse(&format!("/w/{}", "{a,b}".repeat(500))).is_ok());
    }

    #[test]
    fn a_base_with_wildcards_in_its_name_is_literal() {
        for base in ["/home/u/[proj]", "/home/u/*", "/home/u/{a,b}", "/home/u/a\\b", "/home/u/x]"] {
            let base = AbsolutePath::parse(base).unwrap();
            let glob = GlobPattern::parse_under(&base, "**/*.env").unwrap();
            assert_eq!(glob.static_prefix(), &base);
            let matcher = glob.to_matcher().unwrap();
            assert!(matcher.is_match(base.as_path().join("a/b.env")), "{glob}");
            assert!(!matcher.is_match("/home/u/p/b.env") && !matcher.is_match("/home/u/a/b.env"), "{glob}");
        }
    }

    #[test]
    fn relative_patterns_cannot_leave_their_base() {
        let base = AbsolutePath::parse("/w").unwrap();
        for pattern in ["", "/x/*", "../*", "a/../*", "./*"] {
            assert!(GlobPattern::parse_under(&base, pattern).is_err(), "{pattern:?}");
        }
        let root = GlobPattern::parse_under(&AbsolutePath::root(), "*.env").unwrap();
        assert_eq!(root.as_str(), "/*.env");
    }

    #[test]
    fn a_base_that_is_not_utf8_fails_closed() {
        use std::os::unix::ffi::OsStrExt as _;
        let base = AbsolutePath::parse(std::ffi::OsStr::from_bytes(b"/w\xff")).unwrap();
        assert!(matches!(GlobPattern::parse_under(&base, "*"), Err(GlobError::BaseNotUtf8 { .. })));
    }

    #[test]
    fn what_is_surely_small_compiles() {
        for unit in ["*", "?", "/**", "[a-z]", "[!/]", "/*x", "\u{10fff}"] {
            let count = (SURELY_SMALL_BYTES - 2) / unit.len();
            let pattern = format!("/{}", unit.repeat(count));
            let Ok(pattern) = GlobPattern::parse(&pattern) else { continue };
            assert!(pattern.to_matcher().is_ok(), "{}", pattern.as_str());
        }
    }
}
