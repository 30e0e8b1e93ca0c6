//! What may be the name of a file in a word: the word itself, and each part that an option or a line of code could
//! hold.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// How many parts of one command are looked at.
const MAX_PARTS: usize = 16_384;

/// No longer name leads to anything. path_resolution(7), `PATH_MAX`.
const MAX_LENGTH: usize = 4_096;

/// Where the kernel shows each process something else, or something that nobody can compare with what it was.
const SHIFTING: [&str; 2] = ["/proc", "/dev"];

/// The names that these words could hold. `None` when there are too many to look at.
pub(super) fn all<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<BTreeSet<&'a str>> {
    let mut left = MAX_PARTS;
    let mut names = BTreeSet::new();
    for part in words.into_iter().flat_map(parts) {
        left = left.checked_sub(1)?;
        if !part.is_empty() && part.len() <= MAX_LENGTH {
            names.insert(part);
        }
    }
    Some(names)
}

/// Whole words of code, and whatever stands behind a sign or an option letter: that one may hold any character.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let code = word.split(|c: char| c.is_whitespace() || "=:,;|&()[]{}<>'\"`@".contains(c));
    let is_short = word.starts_with('-') && !word.starts_with("--");
    let starts = word.char_indices().filter_map(move |(at, c)| match c {
        '=' | '@' | ':' | ',' => Some(at.saturating_add(1)),
        _ if at == 0 || (is_short && at > 1) => Some(at),
        _ => None,
    });
    let spans = starts.flat_map(move |start| {
        let near = word.char_indices().skip_while(move |(at, _)| *at <= start);
        let near = near.take_while(move |(at, _)| at.saturating_sub(start) <= MAX_LENGTH);
        let ends = near.filter(|(_, c)| matches!(c, ':' | ','));
        let ends = ends.map(|(at, _)| at).chain([word.len()]);
        ends.filter_map(move |end| word.get(start..end))
    });
    code.chain(spans)
}

/// Whether this path leads through a place that is another one for each process, by how it is spelled.
pub(super) fn is_shifting(path: &Path) -> bool {
    if path == Path::new("/dev/null") {
        return false;
    }
    let mut here = PathBuf::new();
    path.components().any(|component| {
        match component {
            Component::ParentDir => {
                here.pop();
            }
            Component::RootDir | Component::Normal(_) => here.push(component),
            Component::CurDir | Component::Prefix(_) => {}
        }
        SHIFTING.iter().any(|place| here == Path::new(place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_behind_any_sign_or_letter() {
        for (word, name) in [
            ("x.mk", "x.mk"),
            ("-fx.mk", "x.mk"),
            ("-sfx.mk", "x.mk"),
            ("-sfx y.mk", "x y.mk"),
            ("--file=x y.mk", "x y.mk"),
            ("--file=x@1.mk", "x@1.mk"),
            ("--form=a=@x;y", "x;y"),
            ("a:x y:b", "x y"),
            ("run(['./x.sh'])", "./x.sh"),
            ("-é,x", "x"),
        ] {
            assert!(all([word]).unwrap().contains(name), "{word}");
        }
        assert!(!all(["--file=x"]).unwrap().contains("le=x"));
        assert!(all([":".repeat(1_000).as_str()]).is_none());
        assert!(all(["x"].repeat(MAX_PARTS)).is_none());
    }

    #[test]
    fn places_of_the_kernel_are_known_by_their_names() {
        for path in ["/proc/self/cwd/x", "/proc", "/w/../proc/1", "/proc/self/cwd/../../../x", "/dev/fd/3"] {
            assert!(is_shifting(Path::new(path)), "{path}");
        }
        for path in ["/dev/null", "/w/proc/x", "/process", "/w/dev/../x"] {
            assert!(!is_shifting(Path::new(path)), "{path}");
        }
    }
}
