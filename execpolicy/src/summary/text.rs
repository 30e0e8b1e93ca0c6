//! Paths as text. Nothing here looks at a disk.

/// Names of directories that say little about what lies in them.
const WEAK_NAMES: [&str; 4] = ["build", "dist", "node_modules", "src"];

/// What people call `path`: its last component that says something. The root is the empty string.
pub(super) fn short_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    trimmed.rsplit('/').find(|part| !part.is_empty() && !WEAK_NAMES.contains(part)).unwrap_or(trimmed)
}

/// `path` as seen from the directory `base`; an empty `base` is the one where the call started.
pub(super) fn join(base: &str, path: &str) -> String {
    match base {
        _ if path.starts_with('/') => path.to_owned(),
        "" => path.to_owned(),
        base => format!("{}/{path}", base.trim_end_matches('/')),
    }
}

/// The directory after `cd target` in `base`. Shells drop the component before a `..` from the name of the
/// directory without following links (POSIX, `cd`, step 8), so this does too.
pub(super) fn enter(base: &str, target: &str) -> String {
    let joined = join(base, target);
    let mut kept: Vec<&str> = Vec::new();
    for part in joined.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, kept.last()) {
            ("..", Some(last)) if *last != ".." => {
                kept.pop();
            }
            ("..", None) if joined.starts_with('/') => {}
            _ => kept.push(part),
        }
    }
    let root = if joined.starts_with('/') { "/" } else { "" };
    format!("{root}{}", kept.join("/"))
}

/// `path` from the absolute directory `cwd`, without components that mean nothing.
pub(super) fn absolute(cwd: &str, path: &str) -> String {
    let joined = join(cwd, path);
    let parts: Vec<&str> = joined.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{absolute, enter, join, short_name};

    #[test]
    fn short_names() {
        for (path, name) in [
            ("src/a/b.rs", "b.rs"),
            ("packages/app/src", "app"),
            ("packages/app/node_modules/", "app"),
            ("src", "src"),
            ("dist/src", "dist/src"),
            ("/src", "/src"),
            ("/", ""),
            (".", "."),
            ("a/", "a"),
        ] {
            assert_eq!(short_name(path), name, "{path}");
        }
    }

    #[test]
    fn directories() {
        for (base, target, directory) in [
            ("", "foo", "foo"),
            ("foo", "bar/", "foo/bar"),
            ("foo", "..", ""),
            ("", "..", ".."),
            ("..", "..", "../.."),
            ("foo", "/etc", "/etc"),
            ("/etc", "../..", "/"),
            ("", ".", ""),
        ] {
            assert_eq!(enter(base, target), directory, "{base} {target}");
        }
    }

    #[test]
    fn joined_and_absolute() {
        assert_eq!(join("foo", "../x"), "foo/../x");
        assert_eq!(join("/", "x"), "/x");
        assert_eq!(absolute("/w", "./a//b"), "/w/a/b");
        assert_eq!(absolute("/w/", "../a"), "/w/../a");
        assert_eq!(absolute("/w", "/a"), "/a");
    }
}
