//! What one command of a call means: from its words alone.

use super::{filters, finders, readers};

/// What one command does. It prints, or changes the shell's directory, and does nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning<'a> {
    /// Prints the file.
    Read(&'a str),
    /// Lists names at the path.
    List(Option<&'a str>),
    /// Looks for something at the path.
    Search(Option<&'a str>, Option<&'a str>),
    /// Changes to the directory; `None` if the words do not say to which.
    Enter(Option<&'a str>),
    /// Does nothing at all.
    Nothing,
    /// Prints words of its own, or counts: nothing that would have to be shown.
    Decoration,
    /// Reshapes what the pipe brings.
    Filter,
    /// A filter that names the lines to print, and so belongs to what is shown.
    Lines,
    /// Prints more about each name that the pipe brings.
    Each,
}

/// Directories whose programs are what their names say, whoever wrote the repository.
const TRUSTED: [&str; 2] = ["/bin/", "/usr/bin/"];

/// The name of a program that is named bare or in a directory of the system: `./cat` may be anything.
fn tool(program: &str) -> Option<&str> {
    let name = TRUSTED.iter().find_map(|directory| program.strip_prefix(directory)).unwrap_or(program);
    (!name.contains('/')).then_some(name)
}

/// What the command does; `None` if it is not known to only print.
pub(super) fn meaning(argv: &[String]) -> Option<Meaning<'_>> {
    let (program, arguments) = argv.split_first()?;
    if program == "cd" {
        return Some(Meaning::Enter(target(arguments)));
    }
    let name = tool(program)?;
    readers::meaning(name, arguments)
        .or_else(|| finders::meaning(name, arguments))
        .or_else(|| filters::meaning(name, arguments))
}

/// Where `cd` goes, if its words alone say so: not home, not the last directory, and not through `-P`, with
/// which a later `..` depends on symbolic links.
fn target(arguments: &[String]) -> Option<&str> {
    let arguments = match arguments.split_first() {
        Some((first, rest)) if matches!(first.as_str(), "--" | "-L") => rest,
        _ => arguments,
    };
    match arguments {
        [target] if !target.is_empty() && !target.starts_with(['-', '+']) => Some(target),
        _ => None,
    }
}
