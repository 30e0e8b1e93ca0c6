//! Paths as text. Nothing here looks at the file system, so `..` behind a symbolic link is taken at its
//! word: callers that *allow* something must not rely on that.

use crate::command::program_name;

/// `path` seen from `cwd`, absolute and without `//`, `.` and `..`. Steps above the root stay at the root.
pub(crate) fn absolute(cwd: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let base = if path.starts_with('/') { "" } else { cwd };
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The last component of an absolute, normal path; none for the root.
pub(crate) fn last_component(absolute: &str) -> Option<&str> {
    absolute.rsplit('/').next().filter(|name| !name.is_empty())
}

/// Whether what the kernel opens for `path` can be told from its text: absolute, without `..`, which leads
/// elsewhere when the component before it is a symbolic link, and not below `/proc` or `/dev`, where names
/// such as `/proc/self/cwd` and `/dev/fd/3` mean what the process that uses them has. proc(5).
pub(crate) fn plainly_absolute(path: &str) -> bool {
    let normal = absolute("/", path);
    let first = normal.split('/').nth(1).unwrap_or_default();
    path.starts_with('/') && path.split('/').all(|part| part != "..") && !matches!(first, "proc" | "dev")
}

/// Every name under which people could have written a prohibition of this program, the text itself first.
pub(crate) fn names_of(program: &str) -> Vec<String> {
    let mut names = vec![program.to_owned()];
    if !program.contains('/') {
        return names;
    }
    let normal = absolute("/", program);
    let mut add = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    if program.starts_with('/') {
        add(&normal);
    }
    add(program_name(program));
    last_component(&normal).map(&mut add);
    names
}

#[cfg(test)]
mod tests {
    use super::{absolute, last_component, names_of, plainly_absolute};

    #[test]
    fn absolute_paths_are_normal() {
        for (path, normal) in [
            ("git", "/w/git"),
            ("./git", "/w/git"),
            ("../git", "/git"),
            ("/usr//bin/./git/", "/usr/bin/git"),
            ("/usr/bin/git/.", "/usr/bin/git"),
            ("/../git", "/git"),
            ("", "/w"),
            ("/", "/"),
        ] {
            assert_eq!(absolute("/w", path), normal, "{path}");
        }
        assert_eq!(last_component("/usr/git"), Some("git"));
        assert_eq!(last_component("/"), None);
    }

    #[test]
    fn a_path_with_dots_up_is_not_plain() {
        assert!(plainly_absolute("/usr/bin/git"));
        assert!(plainly_absolute("/usr//bin/./git"));
        for path in ["git", "./git", "/usr/link/../bin/git", ""] {
            assert!(!plainly_absolute(path), "{path}");
        }
    }

    #[test]
    fn prohibitions_find_a_program_by_each_of_its_names() {
        assert_eq!(names_of("git"), ["git"]);
        assert_eq!(names_of("./bin/git"), ["./bin/git", "git"]);
        assert_eq!(names_of("/usr//bin/git"), ["/usr//bin/git", "/usr/bin/git", "git"]);
        assert_eq!(names_of("/x/git/."), ["/x/git/.", "/x/git", "git"]);
        assert_eq!(names_of("/x/git/y/.."), ["/x/git/y/..", "/x/git", "..", "git"]);
    }
}
