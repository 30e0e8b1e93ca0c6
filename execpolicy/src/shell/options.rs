//! The options of shells: which take an argument, and which leave a plain script what it is.
//!
//! Sources: bash(1), dash(1), zshoptions(1), mksh(1), ksh(1), section OPTIONS or INVOCATION of each. An option
//! that is not listed keeps a script from being plain.

use super::Dialect;

/// What a word that begins with two dashes (in bash: or one) means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Long {
    /// Nothing for a plain script.
    Harmless,
    /// The shell prints something and runs nothing.
    PrintsOnly,
    /// It takes the next word.
    TakesArgument,
    /// Not known, or it changes how scripts are read.
    Other,
}

/// Letters that leave a plain script what it is, or make it end earlier. `c`, `s`, `o` and `O` are not among
/// them: they say where the script is, or take a name.
pub(super) fn is_harmless_letter(letter: char, dialect: Dialect) -> bool {
    let letters = match dialect {
        // -i reads start-up files and turns aliases on; -k makes every NAME=value an assignment.
        Dialect::Bash => "abefhlmnprtuvxBCET",
        Dialect::Dash | Dialect::Sh => "abeflmnuvxC",
        Dialect::Ksh => "abeflmnpruvxC",
        // In zsh -h, -k, -m, -y and upper-case letters are other options than elsewhere.
        Dialect::Zsh => "adeflnpruvxC",
    };
    letters.contains(letter)
}

/// Names after `-o` that leave a plain script what it is.
pub(super) fn is_harmless_name(name: &str, dialect: Dialect) -> bool {
    let name = match dialect {
        Dialect::Zsh => name.to_ascii_lowercase().replace('_', ""),
        Dialect::Sh | Dialect::Bash | Dialect::Dash | Dialect::Ksh => name.to_owned(),
    };
    let everywhere =
        ["pipefail", "errexit", "nounset", "noexec", "noclobber", "verbose", "xtrace", "allexport"];
    let zsh = ["norcs", "noglobalrcs", "login"];
    everywhere.contains(&name.as_str()) || (dialect == Dialect::Zsh && zsh.contains(&name.as_str()))
}

/// What a long option means; the name comes without its dashes.
pub(super) fn long(name: &str, dialect: Dialect) -> Long {
    match (name, dialect) {
        ("version" | "help", _) => Long::PrintsOnly,
        ("login" | "norc" | "noprofile" | "noediting" | "verbose" | "restricted", Dialect::Bash) => {
            Long::Harmless
        }
        ("dump-strings" | "dump-po-strings", Dialect::Bash) => Long::PrintsOnly,
        ("rcfile" | "init-file", Dialect::Bash) => Long::TakesArgument,
        ("emulate", Dialect::Zsh) => Long::TakesArgument,
        ("login" | "no-rcs" | "no-global-rcs", Dialect::Zsh) => Long::Harmless,
        _ => Long::Other,
    }
}

/// Long options of bash, which may also be written with one dash.
pub(super) const BASH_LONG: [&str; 17] = [
    "login",
    "norc",
    "noprofile",
    "noediting",
    "verbose",
    "restricted",
    "dump-strings",
    "dump-po-strings",
    "rcfile",
    "init-file",
    "posix",
    "debug",
    "debugger",
    "help",
    "version",
    "wordexp",
    "pretty-print",
];
