//! What the profile and the administrator keep from everybody, by name: also where nothing of that name exists yet.

use policies::{
    AbsolutePath, Access, EntryPath, FileSystemPolicy, GlobMatcher, GlobPattern, PermissionProfile,
};

/// Names that no answer opens. A run finds these hidden as far as they exist when it starts; a patch could make those
/// that do not.
#[derive(Debug)]
pub(crate) struct Denials(Vec<Denial>);

#[derive(Debug)]
enum Denial {
    Path(AbsolutePath),
    Pattern {
        /// `None`: it cannot be used, and covers all there is.
        matcher: Option<GlobMatcher>,
        /// The fixed folder that it starts with, as written and where that leads.
        base: (AbsolutePath, AbsolutePath),
    },
}

impl Denials {
    /// The administrator's, and the patterns of a profile: its denied paths are known to its boundaries, which also
    /// know what it opens below them.
    pub(crate) fn of(profile: &PermissionProfile, never_readable: Vec<EntryPath>) -> Self {
        let own = match profile {
            PermissionProfile::Managed {
                file_system: FileSystemPolicy::Restricted { entries, .. }, ..
            } => entries.as_slice(),
            PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, .. }
            | PermissionProfile::Disabled
            | PermissionProfile::External { .. } => &[],
        };
        let own =
            own.iter().filter(|entry| entry.access == Access::Deny).filter_map(|entry| match &entry.path {
                EntryPath::Glob(pattern) => Some(Denial::pattern(pattern)),
                EntryPath::Path(_) | EntryPath::Special { .. } => None,
            });
        let required = never_readable.into_iter().flat_map(|denied| match denied {
            EntryPath::Path(path) => vec![Denial::Path(real(&path)), Denial::Path(path)],
            EntryPath::Glob(pattern) => vec![Denial::pattern(&pattern)],
            // Requirements cannot name those.
            EntryPath::Special { .. } => Vec::new(),
        });
        Self(own.chain(required).collect())
    }

    /// Whether a path without symlinks, or a folder above it, is denied.
    pub(crate) fn include(&self, path: &AbsolutePath) -> bool {
        self.0.iter().any(|denial| denial.includes(path))
    }
}

impl Denial {
    fn pattern(pattern: &GlobPattern) -> Self {
        let base = pattern.static_prefix();
        Self::Pattern { matcher: pattern.to_matcher().ok(), base: (base.clone(), real(base)) }
    }

    fn includes(&self, path: &AbsolutePath) -> bool {
        match self {
            Self::Path(denied) => path.starts_with(denied),
            Self::Pattern { matcher: None, .. } => true,
            Self::Pattern { matcher: Some(matcher), base: (spelled, real) } => {
                path.ancestors().any(|place| {
                    let below = place.as_path().strip_prefix(real.as_path());
                    matcher.is_match(place.as_path())
                        || below.is_ok_and(|below| matcher.is_match(spelled.as_path().join(below)))
                })
            }
        }
    }
}

/// Where a path leads, as far as it exists.
pub(crate) fn real(path: &AbsolutePath) -> AbsolutePath {
    path.ancestors()
        .find_map(|above| {
            let real = above.as_path().canonicalize().ok()?;
            let below = path.as_path().strip_prefix(above.as_path()).ok()?;
            AbsolutePath::parse(real.join(below)).ok()
        })
        .unwrap_or_else(|| path.clone())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_are_denied_before_they_exist() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("ws")).unwrap();
        symlink("ws", root.join("link")).unwrap();
        let path = |below: &str| AbsolutePath::parse(root.join(below)).unwrap();
        let pattern = |below: &str| GlobPattern::parse(root.join(below).to_str().unwrap()).unwrap();
        let denials = Denials::of(
            &PermissionProfile::Disabled,
            vec![
                EntryPath::Glob(pattern("link/**/*.env")),
                EntryPath::Glob(pattern("ws/x*")),
                EntryPath::Path(path("link/secret")),
            ],
        );
        for denied in ["ws/a.env", "ws/b/c/a.env", "ws/a.env/b", "ws/x1/y", "ws/secret", "ws/secret/new"] {
            assert!(denials.include(&path(denied)), "{denied}");
        }
        for free in ["a.env", "ws/a.envs", "ws", "ws/b/x1", "ws/secrets"] {
            assert!(!denials.include(&path(free)), "{free}");
        }
    }
}
