//! `find`: its expression is a language of its own. POSIX `find`, and the GNU manual for what it adds.

use super::meaning::Meaning;

/// Tests that look for a name, each with one argument.
const NAMES: [&str; 8] =
    ["-name", "-iname", "-path", "-ipath", "-regex", "-iregex", "-wholename", "-iwholename"];

/// Other words that take one argument. Left out, among others: `-exec`, `-ok` and their kin, `-delete`,
/// everything that begins with `-fprint`, `-fls` and `-files0-from`.
const WITH_ARGUMENT: [&str; 23] = [
    "-amin",
    "-anewer",
    "-atime",
    "-cmin",
    "-cnewer",
    "-ctime",
    "-gid",
    "-group",
    "-inum",
    "-links",
    "-lname",
    "-maxdepth",
    "-mindepth",
    "-mmin",
    "-mtime",
    "-newer",
    "-perm",
    "-printf",
    "-regextype",
    "-size",
    "-type",
    "-uid",
    "-user",
];

/// Words that stand alone.
const ALONE: [&str; 24] = [
    "(",
    ")",
    "-a",
    "-and",
    "-daystart",
    "-depth",
    "-empty",
    "-executable",
    "-false",
    "-follow",
    "-ls",
    "-mount",
    "-nogroup",
    "-noleaf",
    "-nouser",
    "-nowarn",
    "-o",
    "-or",
    "-print",
    "-print0",
    "-prune",
    "-quit",
    "-readable",
    "-xdev",
];

/// What it does; `None` if a word is not listed.
pub(super) fn meaning(arguments: &[String]) -> Option<Meaning<'_>> {
    let mut words = arguments.iter().map(String::as_str).peekable();
    while words.next_if(|word| matches!(*word, "-H" | "-L" | "-P")).is_some() {}
    let path = words.next_if(|word| starts_path(word));
    while words.next_if(|word| starts_path(word)).is_some() {}
    Some(match first_name(words)? {
        Some(query) => Meaning::Search(Some(query), path),
        None => Meaning::List(path),
    })
}

/// Whether a word before the expression is a path.
fn starts_path(word: &str) -> bool {
    !word.starts_with('-') && !matches!(word, "(" | ")" | "!" | ",")
}

/// The first name that is looked for, rather than left out.
fn first_name<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Option<&'a str>> {
    let mut name = None;
    let mut negated = false;
    let mut last_named = false;
    while let Some(word) = words.next() {
        let follows_name = std::mem::take(&mut last_named);
        if NAMES.contains(&word) {
            let value = words.next()?;
            last_named = name.is_none() && !negated;
            name = name.or((!negated).then_some(value));
        } else if word == "-prune" && follows_name {
            name = None;
        } else if WITH_ARGUMENT.contains(&word) {
            words.next()?;
        } else if matches!(word, "!" | "-not") {
            negated = !negated;
            continue;
        } else if !ALONE.contains(&word) || (word == "(" && negated) {
            // What the negation of a group looks for is not for us to say.
            return None;
        }
        negated = false;
    }
    Some(name)
}
