//! Tools that print one file; those that are filters as well are so without one.

use super::meaning::Meaning;
use super::options::{Grammar, Name, Words, is_number};
use super::{awk, sed};

/// GNU and BSD `cat`.
const CAT: Grammar = Grammar {
    long_flags: "number number-nonblank show-all show-ends show-nonprinting show-tabs squeeze-blank",
    ..Grammar::short("AbeEnstTuv", "")
};

/// `bat`. Left out: `--pager`, `--lessopen`, `--config-file`, `--diff`; `--paging` is looked at below.
const BAT: Grammar = Grammar {
    long_flags: "plain number show-all chop-long-lines",
    long_values: "language highlight-line line-range map-syntax style color theme tabs wrap decorations paging",
    ..Grammar::short("pnAPS", "lHrm")
};

/// `less` and `more`. Left out: `-o` and `-O`, which write a log, `-k`, whose file defines commands, `-t`.
const LESS: Grammar = Grammar::short("NSRFXEeMms", "");

/// `head` and `tail`.
const HEAD: Grammar = Grammar {
    long_flags: "quiet silent verbose zero-terminated",
    long_values: "lines bytes",
    numbers: true,
    ..Grammar::short("qvzfFr", "nc")
};

/// `nl`.
const NL: Grammar = Grammar {
    long_values: "body-numbering number-format number-separator number-width starting-line-number",
    ..Grammar::short("p", "bdfhilnsvw")
};

/// `awk`. Left out: `-f`, `-i`, `-l`, `-e` and everything long.
const AWK: Grammar = Grammar::short("", "Fv");

/// `sed`. Left out: `-i`, `-f`, and `-l`, which has a value in some versions only.
const SED: Grammar = Grammar {
    long_flags: "quiet silent regexp-extended separate unbuffered null-data",
    long_values: "expression",
    ..Grammar::short("nErsuz", "e")
};

/// What a tool of this kind does with the arguments; `None` if it is none, or may do more than print.
pub(super) fn meaning<'a>(name: &str, arguments: &'a [String]) -> Option<Meaning<'a>> {
    match name {
        "cat" => one_file(&CAT.parse(arguments)?.operands),
        "bat" | "batcat" => bat(&BAT.parse(arguments)?),
        "less" | "more" => pager(&LESS.parse(arguments)?),
        "head" | "tail" => head(&HEAD.parse(arguments)?),
        "nl" => file_or_filter(&NL.parse(arguments)?.operands),
        "awk" => awk(&AWK.parse(arguments)?),
        "sed" => sed(&SED.parse(arguments)?),
        _ => None,
    }
}

/// Exactly one file; `-` is standard input, which is none.
fn one_file<'a>(operands: &[&'a str]) -> Option<Meaning<'a>> {
    match operands {
        [file] if !matches!(*file, "" | "-") => Some(Meaning::Read(file)),
        _ => None,
    }
}

/// Exactly one file, or none.
fn file_or_filter<'a>(operands: &[&'a str]) -> Option<Meaning<'a>> {
    if operands.is_empty() { Some(Meaning::Filter) } else { one_file(operands) }
}

/// `bat FILE`, without a pager, and not its subcommand.
fn bat<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    let quiet = words.values('\0', "paging").all(|when| when == "never");
    if quiet && words.operands != ["cache"] { one_file(&words.operands) } else { None }
}

/// `less FILE`. An operand that begins with `+` is a command, and `+!id` runs a program.
fn pager<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    match words.operands.as_slice() {
        [file] if file.starts_with('+') => None,
        operands => one_file(operands),
    }
}

/// `head -n N FILE`, `head FILE`; without a file any listed option will do.
fn head<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    if words.operands.is_empty() {
        return Some(Meaning::Filter);
    }
    let only_lines = words.options().iter().all(|(name, value)| match (name, value) {
        (Name::Short('n') | Name::Long("lines"), Some(count)) => {
            is_number(count.strip_prefix(['+', '-']).unwrap_or(count))
        }
        _ => false,
    });
    if only_lines { one_file(&words.operands) } else { None }
}

/// `awk PROGRAM [FILE]`. An operand with `=` is an assignment.
fn awk<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    let (program, files) = words.operands.split_first()?;
    if !awk::only_prints(program) || files.iter().any(|file| file.contains('=')) {
        return None;
    }
    file_or_filter(files)
}

/// `sed -n RANGEp [FILE]`; other scripts without a file.
fn sed<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    let given: Vec<&str> = words.values('e', "expression").collect();
    let (scripts, files) = match (given.as_slice(), words.operands.split_first()) {
        ([], None) => return None,
        ([], Some((script, files))) => (vec![*script], files),
        (_, _) => (given, words.operands.as_slice()),
    };
    let quiet = words.has('n', &["quiet", "silent"]);
    let range = quiet && matches!(scripts.as_slice(), [script] if sed::is_range(script));
    if range {
        return if files.is_empty() { Some(Meaning::Lines) } else { one_file(files) };
    }
    (files.is_empty() && scripts.iter().all(|script| sed::only_prints(script))).then_some(Meaning::Filter)
}

/// Whether `program` with these arguments reads nothing but files that are given besides.
pub(super) fn reads_only_what_is_appended(program: &str, arguments: &[String]) -> bool {
    let grammar = match program {
        "cat" => CAT,
        "head" | "tail" => HEAD,
        "nl" => NL,
        _ => return false,
    };
    grammar.parse(arguments).is_some_and(|words| words.operands.is_empty())
}
