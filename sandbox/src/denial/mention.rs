//! The names of files that an error line mentions, as tools write them.

use super::MAX_PATH_BYTES;
use super::words::Finding;

/// A name in an error line.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Mention<'t> {
    pub(super) name: &'t str,
    /// Whether the line sets it off as a name; otherwise it is a word that may be one.
    pub(super) is_certain: bool,
    /// Whether the folder above is what would have been changed, as for removing or renaming.
    pub(super) needs_parent: bool,
}

/// Opening and closing quotes: coreutils and most others, the same in UTF-8, GNU's old style, Rust's.
const QUOTES: [(char, char); 5] = [('\'', '\''), ('"', '"'), ('‘', '’'), ('`', '\''), ('`', '`')];

/// What stands right before a name without quotes, in lower case.
const LEADS: [&str; 6] = [
    "cannot create ",
    "cannot open ",
    "cannot open output file ",
    "could not open ",
    "could not create ",
    "could not lock config file ",
];

/// What changes the folder and not the file, in lower case.
const OF_THE_FOLDER: [&str; 6] = ["remove", "unlink", "rename", "move", "delete", "rmdir"];

/// How much of a line is searched: a name and what is said about it.
const MAX_LINE_BYTES: usize = 2 * MAX_PATH_BYTES;

/// The names in a line, the surest first.
pub(super) fn paths<'t>(finding: &Finding<'t>) -> Vec<Mention<'t>> {
    let line = start(finding.line, MAX_LINE_BYTES);
    let needs_parent = is_of_the_folder(line);
    let quoted = quoted(line);
    let loose = if quoted.is_empty() { unquoted(line) } else { Vec::new() };
    let names = quoted.into_iter().map(|name| (name, true)).chain(loose);
    let mut mentions: Vec<Mention<'_>> = Vec::new();
    for (name, is_certain) in names {
        let known = mentions.iter().any(|mention| mention.name == name);
        if !known && is_name(name) {
            mentions.push(Mention { name, is_certain, needs_parent });
        }
    }
    mentions
}

/// Whether the line's own words, not the names in it, speak of a change to the folder.
fn is_of_the_folder(line: &str) -> bool {
    let is_name = |word: &&str| word.contains('/') || word.starts_with(QUOTES.map(|(open, _)| open));
    line.split_whitespace().filter(|word| !is_name(word)).any(|word| {
        let word = word.to_ascii_lowercase();
        OF_THE_FOLDER.iter().any(|verb| word.contains(verb))
    })
}

fn start(line: &str, limit: usize) -> &str {
    let end = (0..=limit.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    line.get(..end).unwrap_or_default()
}

/// Whether this can be a name that we can look up as the command wrote it: the replacement character stands for bytes
/// that are lost.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < MAX_PATH_BYTES
        && !name.chars().any(|character| character.is_control() || character == '\u{fffd}')
        && !name.contains("://")
}

/// What stands in quotes. An apostrophe in a word (`couldn't`) opens none.
fn quoted(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        let end = QUOTES
            .iter()
            .filter(|(open, _)| *open == first && !before.is_alphanumeric())
            .filter_map(|(_, close)| Some((after.find(*close)?, *close)))
            .min_by_key(|(end, _)| *end);
        match end {
            Some((end, close)) => {
                found.extend(after.get(..end));
                rest = after.get(end + close.len_utf8()..).unwrap_or_default();
                before = close;
            }
            None => {
                rest = after;
                before = first;
            }
        }
    }
    found
}

/// Names without quotes: between colons (`tee: NAME: Permission denied`), after the words that lead to one, and
/// whatever starts like a path.
fn unquoted(line: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    // `/usr/bin/ld: cannot open x: Permission denied`: whoever speaks is not what it is about.
    let line = match line.split_once(": ") {
        Some((_, rest)) if rest.contains(": ") => rest,
        Some(_) | None => line,
    };
    let segments: Vec<&str> = line.split(": ").map(str::trim).collect();
    for segment in &segments {
        let segment = segment.trim_end_matches(':').trim();
        let lower = segment.to_ascii_lowercase();
        let lead = LEADS.iter().filter(|lead| lower.starts_with(**lead)).max_by_key(|lead| lead.len());
        if let Some(name) = lead.and_then(|lead| segment.get(lead.len()..)) {
            found.push((name.trim(), true));
        } else if segment.starts_with('/') || segment.starts_with("./") || segment.starts_with("../") {
            found.push((segment, true));
        }
    }
    let words = line.split_whitespace().map(|word| word.trim_matches([':', ',', ';', '(', ')', '[', ']']));
    found.extend(
        words.filter(|word| word.starts_with('/') || word.starts_with("../")).map(|word| (word, true)),
    );
    // A single word before what was said, as shells write it; or several, if there is a file of that name.
    for pair in segments.windows(2) {
        if let [name, said] = pair {
            let is_redirection = said.to_ascii_lowercase().starts_with("read-only file system");
            let is_one_word = !name.contains(char::is_whitespace);
            found.push((name, is_one_word && (is_redirection || name.contains('/'))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    fn names(line: &str) -> Vec<&str> {
        let finding = Finding { line, reason: Reason::PermissionDenied };
        paths(&finding).into_iter().filter(|mention| mention.is_certain).map(|mention| mention.name).collect()
    }

    #[test]
    fn each_way_to_write_a_name_is_read() {
        let rows: [(&str, &[&str]); 15] = [
            ("touch: cannot touch '/x/new': Read-only file system", &["/x/new"]),
            ("mkdir: cannot create directory ‘/x/a b’: Permission denied", &["/x/a b"]),
            ("rsync: mkstemp \"/x/.new\" failed: Permission denied (13)", &["/x/.new"]),
            ("old: cannot open `/x/y': Permission denied", &["/x/y"]),
            ("sh: 1: cannot create ../new: Read-only file system", &["../new"]),
            ("sh: 1: cannot create new file: Read-only file system", &["new file"]),
            ("tee: /x/with space/y: Read-only file system", &["/x/with space/y", "/x/with"]),
            ("cat: a/b: Permission denied", &["a/b"]),
            ("/x/ld: cannot open output file /x/y: Read-only file system", &["/x/y"]),
            ("bash: line 1: new: Read-only file system", &["new"]),
            ("sed: couldn't open temporary file /x/sedA: Read-only file system", &["/x/sedA"]),
            ("patch: **** Can't create temporary file /tmp/p : Read-only file system", &["/tmp/p"]),
            ("EACCES: permission denied, open '/x'", &["/x"]),
            ("fatal: unable to access 'https://github.com/a/b/': permission denied", &[]),
            ("permission denied: '\u{1b}[2J/x' and '/y\u{fffd}'", &[]),
        ];
        for (line, expect) in rows {
            assert_eq!(names(line), expect, "{line}");
        }
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let line = format!("{}'/x'", "ä".repeat(MAX_LINE_BYTES));
        assert_eq!(names(&line), [""; 0]);
        let name = format!("/{}", "x".repeat(MAX_PATH_BYTES));
        assert_eq!(names(&format!("cannot touch '{name}': permission denied")), [""; 0]);
    }

    #[test]
    fn removing_is_about_the_folder() {
        let finding = |line| Finding { line, reason: Reason::ReadOnlyFileSystem };
        assert!(paths(&finding("rm: cannot remove '/x/y': Read-only file system"))[0].needs_parent);
        assert!(!paths(&finding("touch: cannot touch '/x/removed': Read-only file system"))[0].needs_parent);
    }
}
