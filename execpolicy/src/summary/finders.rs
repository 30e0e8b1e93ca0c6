//! Tools that list names or look for something.

use super::meaning::Meaning;
use super::options::{Grammar, Words};

/// GNU and BSD `ls`: none of its options does more than print.
const LS: Grammar = Grammar {
    long_flags: "all almost-all classify color directory full-time group-directories-first human-readable \
        inode no-group numeric-uid-gid recursive reverse si size",
    long_values: "format hide ignore indicator-style quoting-style sort time time-style width",
    ..Grammar::short("1aAbBcCdfFgGhHiklLmnNopqQrRsStuUvxXZ", "IwT")
};

/// `eza` and `exa`.
const EZA: Grammar = Grammar {
    long_flags: "all git git-ignore group-directories-first icons long no-permissions no-time no-user \
        oneline only-dirs only-files recurse reverse tree",
    long_values: "color ignore-glob level sort time time-style width",
    ..Grammar::short("1aBbdDFghHilmnrRSTuUx", "LsItw")
};

/// `tree`. Left out: `-o`, which writes a file, and `-R`, which writes `00Tree.html` into directories.
const TREE: Grammar = Grammar {
    long_flags: "dirsfirst du gitignore inodes matchdirs noreport prune",
    long_values: "charset filelimit sort timefmt",
    ..Grammar::short("aACdDfFghiJlnNpqQrsStuvxX", "LPI")
};

/// `du`. Left out: `--files0-from`.
const DU: Grammar = Grammar {
    long_flags: "all apparent-size bytes human-readable one-file-system si summarize total",
    long_values: "block-size exclude max-depth threshold",
    ..Grammar::short("0abcDhHklLmPsSx", "dBt")
};

/// `rg`. Left out: `--pre`, `--hostname-bin` and `-z`, which run programs, and `-f`.
const RG: Grammar = Grammar {
    long_flags: "auto-hybrid-regex binary block-buffered byte-offset case-sensitive column count \
        count-matches crlf files files-with-matches files-without-match fixed-strings follow \
        glob-case-insensitive heading hidden ignore-case include-zero invert-match json \
        line-buffered line-number line-regexp max-columns-preview multiline multiline-dotall \
        no-binary no-column no-config no-filename no-heading no-hidden no-ignore no-ignore-dot \
        no-ignore-exclude no-ignore-files no-ignore-global no-ignore-messages no-ignore-parent \
        no-ignore-vcs no-line-number no-messages no-mmap no-pcre2 no-require-git no-unicode null \
        null-data one-file-system only-matching passthru pcre2 pretty quiet smart-case sort-files \
        stats stop-on-nonmatch text trim unrestricted vimgrep with-filename word-regexp",
    long_values: "after-context before-context color colors context context-separator dfa-size-limit encoding \
        engine field-context-separator field-match-separator glob iglob ignore-file max-columns \
        max-count max-depth max-filesize path-separator regex-size-limit regexp replace sort sortr \
        threads type type-add type-clear type-not",
    patterns: true,
    ..Grammar::short("0abcFHiIlLnNopPqsSuUvwx.", "ABCEMTdegjmrt")
};

/// GNU and BSD `grep`. Left out: `-f`.
const GREP: Grammar = Grammar {
    long_flags: "basic-regexp binary byte-offset color colour count dereference-recursive extended-regexp \
        files-with-matches files-without-match fixed-strings ignore-case initial-tab invert-match \
        line-buffered line-number line-regexp no-filename no-ignore-case no-messages null null-data \
        only-matching perl-regexp quiet recursive silent text with-filename word-regexp",
    long_values: "after-context before-context binary-files context devices directories exclude exclude-dir \
        include label max-count regexp",
    numbers: true,
    patterns: true,
    ..Grammar::short("abcEFGhHiIlLnoPqrRsTUvwxyzZ", "ABCDdem")
};

/// `ag`, `ack` and `pt`: what they share. Left out: `--pager`, and ack's `--output`, which is Perl.
const AG: Grammar = Grammar {
    long_flags: "case-sensitive column count files-with-matches hidden ignore-case literal nocolor nogroup \
        smart-case",
    long_values: "ignore",
    ..Grammar::short("cHhilLnQsSvw", "ABCm")
};

/// `fd`. Left out: `-x`, `-X` and `-l`, which run programs, and `--base-directory`.
const FD: Grammar = Grammar {
    long_flags: "absolute-path case-sensitive fixed-strings follow full-path glob hidden ignore-case \
        no-ignore no-ignore-parent no-ignore-vcs one-file-system print0 prune quiet regex \
        show-errors unrestricted",
    long_values: "and changed-after changed-before changed-within color exact-depth exclude extension \
        ignore-file max-depth max-results min-depth newer older owner path-separator size threads \
        type",
    ..Grammar::short("01agFHiILpqsu", "cdEejoSt")
};

/// `git ls-files`.
const GIT_LS_FILES: Grammar = Grammar {
    long_flags: "cached deduplicate deleted directory error-unmatch exclude-standard full-name ignored killed \
        modified no-empty-directory others stage unmerged",
    long_values: "exclude",
    ..Grammar::short("cdfikmostuvz", "x")
};

/// `git grep`. Left out: `-O`, which opens a pager, `--textconv`, which runs filters, and `-f`.
const GIT_GREP: Grammar = Grammar {
    long_flags: "all-match cached color column count extended-regexp files-with-matches files-without-match \
        fixed-strings full-name heading ignore-case invert-match line-number name-only no-color \
        no-index only-matching perl-regexp quiet recurse-submodules show-function text untracked \
        word-regexp",
    long_values: "after-context before-context context max-count max-depth",
    numbers: true,
    patterns: true,
    ..Grammar::short("acEFGhHiIlLnopPqrvwWz", "ABCem")
};

/// What a tool of this kind does with the arguments; `None` if it is none, or may do more than print.
pub(super) fn meaning<'a>(name: &str, arguments: &'a [String]) -> Option<Meaning<'a>> {
    match name {
        "ls" => Some(list(&LS.parse(arguments)?)),
        "eza" | "exa" => Some(list(&EZA.parse(arguments)?)),
        "tree" => tree(arguments),
        "du" => Some(list(&DU.parse(arguments)?)),
        "rg" => ripgrep(&RG.parse(arguments)?),
        "rga" => ripgrep_all(arguments),
        "grep" | "egrep" | "fgrep" => Some(search(pattern(&GREP.parse(arguments)?)?)),
        "ag" | "ack" | "pt" => ag(&AG.parse(arguments)?),
        "fd" => Some(fd(&FD.parse(arguments)?)),
        "find" => super::find::meaning(arguments),
        "git" => git(arguments),
        _ => None,
    }
}

fn list<'a>(words: &Words<'a>) -> Meaning<'a> {
    Meaning::List(words.operands.first().copied())
}

/// `tree`. Behind a letter with a value it goes on with the bundle, so that `-Lo 2 f` writes `f`.
fn tree(arguments: &[String]) -> Option<Meaning<'_>> {
    let is_attached = |word: &String| {
        let bundle = word.strip_prefix('-').filter(|bundle| !bundle.starts_with('-'));
        bundle
            .and_then(|bundle| bundle.split_once(['L', 'P', 'I']))
            .is_some_and(|(_, value)| !value.is_empty())
    };
    if arguments.iter().any(is_attached) { None } else { Some(list(&TREE.parse(arguments)?)) }
}

/// `rga`. It takes its own options out from everywhere, values and operands too, before ripgrep sees the rest;
/// one names a file of programs to run.
fn ripgrep_all(arguments: &[String]) -> Option<Meaning<'_>> {
    let own = arguments.iter().any(|word| word.starts_with("--rga"));
    if own { None } else { ripgrep(&RG.parse(arguments)?) }
}

fn ripgrep<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    if words.has('\0', &["files"]) { Some(list(words)) } else { pattern(words).map(search) }
}

/// What is looked for, and where.
type Pattern<'a> = (&'a str, Option<&'a str>);

fn search<'a>((query, path): Pattern<'a>) -> Meaning<'a> {
    Meaning::Search(Some(query), path)
}

/// `TOOL PATTERN [PATH]` or `TOOL -e PATTERN [PATH]`.
fn pattern<'a>(words: &Words<'a>) -> Option<Pattern<'a>> {
    match (words.values('e', "regexp").next(), words.operands.as_slice()) {
        (Some(query), operands) => Some((query, operands.first().copied())),
        (None, [query, paths @ ..]) => Some((query, paths.first().copied())),
        (None, []) => None,
    }
}

/// `ag`, whose numbers of lines are optional.
fn ag<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    if words.numeric("ABCm") { pattern(words).map(search) } else { None }
}

/// `fd [PATTERN [PATH]]`.
fn fd<'a>(words: &Words<'a>) -> Meaning<'a> {
    match words.operands.as_slice() {
        [] => Meaning::List(None),
        [query, paths @ ..] => Meaning::Search(Some(query), paths.first().copied()),
    }
}

/// The two subcommands that are known. Of what may stand before them only `--no-pager` is taken: `-c` can
/// name programs to run, and `-C` or `--git-dir` a repository whose configuration does.
fn git(arguments: &[String]) -> Option<Meaning<'_>> {
    let (subcommand, arguments) = match arguments.split_first()? {
        (option, rest) if option == "--no-pager" => rest.split_first()?,
        split => split,
    };
    match subcommand.as_str() {
        "ls-files" => Some(list(&GIT_LS_FILES.parse(arguments)?)),
        "grep" => git_grep(&GIT_GREP.parse(arguments)?),
        _ => None,
    }
}

/// `git grep PATTERN [REVISION...] [--] [PATH...]`: behind `--` there are only paths.
fn git_grep<'a>(words: &Words<'a>) -> Option<Meaning<'a>> {
    let (query, path) = pattern(words)?;
    let pattern_is_operand = words.values('e', "regexp").next().is_none();
    let path = match words.before_dashes {
        Some(before) => words.operands.get(before.max(usize::from(pattern_is_operand))).copied(),
        None => path,
    };
    Some(search((query, path)))
}

/// Whether `grep` with these arguments looks through nothing but what is given besides.
pub(super) fn greps_only_what_is_appended(arguments: &[String]) -> bool {
    GREP.parse(arguments).and_then(|words| pattern(&words)).is_some_and(|search| search.1.is_none())
}

/// Whether `ls` with these arguments lists nothing but what is given besides.
pub(super) fn lists_only_what_is_appended(arguments: &[String]) -> bool {
    LS.parse(arguments).is_some_and(|words| words.operands.is_empty())
}
