//! Helpers that are not worth showing, as long as they do nothing but help.

use super::finders;
use super::meaning::Meaning;
use super::options::Grammar;

/// `wc`. Left out: `--files0-from`.
const WC: Grammar =
    Grammar { long_flags: "bytes chars lines max-line-length words", ..Grammar::short("clmwL", "") };

/// `tr`.
const TR: Grammar =
    Grammar { long_flags: "complement delete squeeze-repeats truncate-set1", ..Grammar::short("cCdst", "") };

/// `cut`.
const CUT: Grammar = Grammar {
    long_flags: "complement only-delimited",
    long_values: "bytes characters delimiter fields output-delimiter",
    ..Grammar::short("nsz", "bcdf")
};

/// `sort`. Left out: `-o`, which writes, `--compress-program`, which runs, `-T` and `--files0-from`.
const SORT: Grammar = Grammar {
    long_flags: "check dictionary-order general-numeric-sort human-numeric-sort ignore-case \
        ignore-leading-blanks month-sort numeric-sort random-sort reverse stable unique version-sort \
        zero-terminated",
    long_values: "field-separator key parallel",
    ..Grammar::short("bcCdfghiMnrRsuVz", "ktS")
};

/// `uniq`.
const UNIQ: Grammar = Grammar {
    long_flags: "all-repeated count ignore-case repeated unique zero-terminated",
    long_values: "check-chars skip-chars skip-fields",
    ..Grammar::short("cdDiuz", "fsw")
};

/// `tee`.
const TEE: Grammar = Grammar { long_flags: "append ignore-interrupts", ..Grammar::short("aip", "") };

/// `column`.
const COLUMN: Grammar = Grammar {
    long_flags: "table",
    long_values: "output-separator separator",
    ..Grammar::short("tx", "cosNR")
};

/// `xargs`. Left out: `-a`, which reads names that are not shown, `-o`, `-p`, and `-i`, `-l`, `-e` and
/// their long forms, whose values are optional: of `--max-lines rm cat` the program is `rm`.
const XARGS: Grammar = Grammar {
    long_flags: "exit no-run-if-empty null verbose",
    long_values: "delimiter max-args max-chars max-procs",
    operand_ends: true,
    ..Grammar::short("0rtx", "dILnPs")
};

/// What a helper does with the arguments; `None` if it is none, or may do more than help.
pub(super) fn meaning<'a>(name: &str, arguments: &'a [String]) -> Option<Meaning<'a>> {
    match name {
        "true" => Some(Meaning::Nothing),
        "yes" => Some(Meaning::Decoration),
        "printf" => prints_text(arguments).then_some(Meaning::Decoration),
        // It says no more of a file than its size.
        "wc" => WC.parse(arguments).map(|_| Meaning::Decoration),
        "tr" => TR.parse(arguments).map(|_| Meaning::Filter),
        "cut" => without_file(&CUT, arguments),
        "sort" => without_file(&SORT, arguments),
        "uniq" => without_file(&UNIQ, arguments),
        "tee" => without_file(&TEE, arguments),
        "column" => without_file(&COLUMN, arguments),
        "xargs" => runs_a_reader(arguments).then_some(Meaning::Each),
        _ => None,
    }
}

/// A filter of its input. With a file it would print that, or write it: `tee f`, `uniq f g`.
fn without_file<'a>(grammar: &Grammar, arguments: &[String]) -> Option<Meaning<'a>> {
    grammar.parse(arguments)?.operands.is_empty().then_some(Meaning::Filter)
}

/// Whether `printf` only prints. `-v` and `%n` set variables of the shell, and zsh evaluates an argument of
/// a numeric conversion, down to the commands in `a[$(id)]`.
fn prints_text(arguments: &[String]) -> bool {
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        Some((first, _)) if first.starts_with('-') => return false,
        _ => arguments,
    };
    let Some((format, values)) = arguments.split_first() else { return false };
    let is_plain_number = |value: &String| value.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    conversions(format).all(|conversion| match conversion {
        Some('s' | 'b' | 'q' | '%') => true,
        Some('c' | 'd' | 'i' | 'o' | 'u' | 'x' | 'X' | 'e' | 'E' | 'f' | 'g' | 'G') => {
            values.iter().all(is_plain_number)
        }
        Some(_) | None => false,
    })
}

/// The conversion behind each `%` of a format and its flags, width and precision.
fn conversions(format: &str) -> impl Iterator<Item = Option<char>> {
    let mut rest = format.chars();
    std::iter::from_fn(move || {
        rest.find(|c| *c == '%')?;
        Some(rest.find(|c| !(c.is_ascii_digit() || matches!(c, '-' | '+' | ' ' | '#' | '.'))))
    })
}

/// Whether what `xargs` starts only prints, whatever words are appended to it, and nothing besides what the
/// pipe names. The names may look like options, so only tools without any harmful option will do.
fn runs_a_reader(arguments: &[String]) -> bool {
    let Some(words) = XARGS.parse(arguments).filter(|words| words.numeric("LnPs")) else { return false };
    let places: Vec<&str> = words.values('I', "").collect();
    let Some((program, rest)) = words.operands.split_first() else { return true };
    // With two places only the last counts, and a word equal to the first is a name of its own.
    if places.len() > 1 || places.iter().any(|place| program.contains(place)) {
        return false;
    }
    let rest: Vec<String> =
        rest.iter().filter(|word| !places.contains(word)).map(|word| (*word).to_owned()).collect();
    match *program {
        "cat" | "head" | "tail" | "nl" => super::readers::reads_only_what_is_appended(program, &rest),
        "wc" => WC.parse(&rest).is_some_and(|words| words.operands.is_empty()),
        "grep" | "egrep" | "fgrep" => finders::greps_only_what_is_appended(&rest),
        "ls" => finders::lists_only_what_is_appended(&rest),
        _ => false,
    }
}
