//! Builtins that a plain script must not use, with the reason for each.
//!
//! Two kinds of harm: a builtin may change what the words after it mean (`alias`, `set -k`, `hash -p`), and it
//! may run text that stands quoted among its arguments (`unset 'a[$(id)]'`: subscripts are arithmetic, and
//! arithmetic expands). What the real shells do with such arguments is asked in `tests/differential.rs`.

use super::strict::Command;
use super::{Construct, ConstructKind, Dialect};

use Dialect::{Bash, Dash, Ksh, Zsh};

/// The forms of a builtin that do no harm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Harmless {
    /// None.
    Never,
    /// Without options.
    WithoutOptions,
    /// With nothing but numbers as arguments.
    Numbers,
    /// `printf` with a literal format that prints strings and characters only.
    StringFormat,
    /// `set` with options that only end the script earlier.
    EndEarly,
    /// `test` with one operator that takes a file or compares text.
    FilesAndText,
    /// `command -v NAME`.
    Lookup,
}

/// Builtins of one kind.
struct Row {
    names: &'static [&'static str],
    dialects: &'static [Dialect],
    harmless: Harmless,
    why: &'static str,
}

const ALL: &[Dialect] = &[Bash, Dash, Ksh, Zsh];

const ROWS: &[Row] = &[
    Row {
        names: &["eval", "source", "."],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it runs text that is not written here as commands",
    },
    Row {
        names: &["exec"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it replaces the shell, or its descriptors",
    },
    Row {
        names: &["trap", "alarm", "sched"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it runs text later",
    },
    Row {
        names: &["command"],
        dialects: ALL,
        harmless: Harmless::Lookup,
        why: "it runs its arguments as a command",
    },
    Row {
        names: &["builtin"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it runs its arguments as a builtin",
    },
    Row {
        names: &["alias", "unalias"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it gives names of commands another meaning",
    },
    Row {
        names: &[
            "export", "readonly", "declare", "typeset", "local", "integer", "float", "nameref", "private",
            "compound", "enum", "global",
        ],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it sets variables, and evaluates subscripts in their names",
    },
    Row {
        names: &["set"],
        dialects: ALL,
        harmless: Harmless::EndEarly,
        why: "it changes how the shell reads and runs commands",
    },
    Row {
        names: &["shopt", "setopt", "unsetopt", "emulate"],
        dialects: &[Bash, Zsh],
        harmless: Harmless::Never,
        why: "it changes how the shell reads and runs commands",
    },
    Row {
        names: &["unset", "read", "readarray", "mapfile", "getopts", "let", "vared", "zparseopts", "getln"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it evaluates subscripts in its arguments, and changes variables",
    },
    Row {
        names: &["shift", "exit", "return", "break", "continue", "logout", "bye", "wait", "umask", "disown"],
        dialects: ALL,
        harmless: Harmless::Numbers,
        why: "some shells evaluate its arguments as arithmetic",
    },
    Row {
        names: &["ulimit", "limit", "unlimit", "sleep", "kill"],
        dialects: &[Ksh, Zsh],
        harmless: Harmless::Numbers,
        why: "some shells evaluate its arguments as arithmetic",
    },
    Row {
        names: &["ulimit"],
        dialects: &[Bash, Dash],
        harmless: Harmless::Never,
        why: "it limits the commands after it",
    },
    Row {
        names: &["hash", "rehash", "unhash", "enable", "disable", "autoload", "functions", "unfunction"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it changes which program a name stands for",
    },
    Row {
        names: &["printf"],
        dialects: ALL,
        harmless: Harmless::StringFormat,
        why: "`-v` sets a variable, and numeric formats evaluate arithmetic",
    },
    Row {
        names: &["print"],
        dialects: &[Ksh, Zsh],
        harmless: Harmless::WithoutOptions,
        why: "its options expand text and set variables",
    },
    Row {
        names: &["test"],
        dialects: ALL,
        harmless: Harmless::FilesAndText,
        why: "some operators evaluate their operands as arithmetic or subscripts",
    },
    Row {
        names: &["jobs", "type", "which", "whence", "where", "echotc", "echoti"],
        dialects: ALL,
        harmless: Harmless::WithoutOptions,
        why: "its options run commands or load functions",
    },
    Row {
        names: &["fg", "bg", "stop", "suspend"],
        dialects: ALL,
        harmless: Harmless::Never,
        why: "it continues other commands",
    },
    Row {
        names: &["fc", "hist", "history", "r"],
        dialects: &[Bash, Ksh, Zsh],
        harmless: Harmless::Never,
        why: "it runs or changes earlier commands",
    },
    Row {
        names: &["bind", "complete", "compgen", "compopt"],
        dialects: &[Bash, Ksh, Zsh],
        harmless: Harmless::Never,
        why: "it runs or keeps text as commands",
    },
    Row {
        names: &[
            "bindkey",
            "compadd",
            "comparguments",
            "compcall",
            "compctl",
            "compdescribe",
            "compfiles",
            "compgroups",
            "compquote",
            "compset",
            "comptags",
            "comptry",
            "compvalues",
            "log",
            "pushln",
            "ttyctl",
            "zcompile",
            "zformat",
            "zle",
            "zmodload",
            "zregexparse",
            "zstyle",
            "zftp",
            "zprof",
            "zpty",
            "zselect",
            "zsocket",
            "zsystem",
            "ztcp",
            "strftime",
            "stat",
            "zstat",
            "sysopen",
            "sysread",
            "syswrite",
            "syserror",
            "sysseek",
            "zcurses",
            "zgdbmpath",
            "ztie",
            "zuntie",
            "echotc",
            "echoti",
            "run-help",
            "which-command",
        ],
        dialects: &[Zsh],
        harmless: Harmless::Never,
        why: "it changes the shell, or evaluates its arguments",
    },
    Row {
        names: &["login", "newgrp", "redirect", "nohup", "vmap", "vpath"],
        dialects: &[Ksh],
        harmless: Harmless::Never,
        why: "ksh reads it as an alias, or replaces itself with it",
    },
];

/// The commands among these that keep a script from being plain.
pub(super) fn findings(commands: &[Command], dialect: Dialect) -> Vec<Construct> {
    commands.iter().filter_map(|command| finding(command, dialect)).collect()
}

fn finding(command: &Command, dialect: Dialect) -> Option<Construct> {
    let texts = command.texts();
    let (name, arguments) = texts.split_first()?;
    let row = ROWS.iter().find(|row| {
        dialect.may_be(row.dialects) && row.names.contains(name) && !row.harmless.permits(arguments)
    })?;
    let what = if *name == "test" { ConstructKind::Test } else { ConstructKind::Builtin };
    Some(Construct::new(what, command.span.clone(), format!("`{name}`: {}", row.why)))
}

impl Harmless {
    fn permits(self, arguments: &[&str]) -> bool {
        match self {
            Self::Never => false,
            Self::WithoutOptions => arguments.iter().all(|word| !word.starts_with(['-', '+'])),
            Self::Numbers => arguments.iter().all(|word| is_number(word)),
            Self::StringFormat => arguments.first().is_some_and(|format| is_string_format(format)),
            Self::EndEarly => ends_early(arguments),
            Self::FilesAndText => is_file_or_text_test(arguments),
            Self::Lookup => matches!(arguments, ["-v" | "-V", name] if !name.starts_with('-')),
        }
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.len() <= 9 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// A format that does not begin with an option and converts with `%s`, `%b`, `%c` and `%%` only, without
/// width or precision: those may be computed.
fn is_string_format(format: &str) -> bool {
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' && !matches!(bytes.next(), Some(b's' | b'b' | b'c' | b'%')) {
            return false;
        }
    }
    !format.starts_with(['-', '+'])
}

/// `set -e`, `set -eu`, `set -o pipefail`, `set -euo pipefail`.
fn ends_early(arguments: &[&str]) -> bool {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix('-') else { return false };
        let named = flags.ends_with('o');
        let letters = flags.strip_suffix('o').unwrap_or(flags);
        if flags.is_empty() || !letters.bytes().all(|letter| matches!(letter, b'e' | b'u')) {
            return false;
        }
        if named && !matches!(words.next(), Some(&("pipefail" | "errexit" | "nounset"))) {
            return false;
        }
    }
    !arguments.is_empty()
}

fn is_file_or_text_test(arguments: &[&str]) -> bool {
    match arguments {
        [operator, operand] => {
            let files = ["-e", "-f", "-d", "-r", "-w", "-x", "-s", "-L", "-h", "-n", "-z"];
            files.contains(operator) && !operand.starts_with('(')
        }
        [left, "=" | "!=", _] => !left.starts_with(['-', '(', '!']),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Harmless;

    #[test]
    fn harmless_forms_beside_harmful_ones() {
        for (form, yes, no) in [
            (Harmless::EndEarly, &["-euo", "pipefail"][..], &["-k"][..]),
            (Harmless::EndEarly, &["-e"], &["--", "x"]),
            (Harmless::StringFormat, &["%s\\n", "x"], &["-v", "a[$(id)]", "x"]),
            (Harmless::StringFormat, &["100%%"], &["%d", "a[$(id)]"]),
            (Harmless::FilesAndText, &["-f", "x"], &["-v", "a[$(id)]"]),
            (Harmless::FilesAndText, &["a", "=", "b"], &["a[$(id)]", "-eq", "1"]),
            (Harmless::Numbers, &["1"], &["a[$(id)]"]),
            (Harmless::Lookup, &["-v", "git"], &["git"]),
        ] {
            assert!(form.permits(yes), "{form:?} {yes:?}");
            assert!(!form.permits(no), "{form:?} {no:?}");
        }
    }
}
