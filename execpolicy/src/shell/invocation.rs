//! From the argv of a shell to the text that it reads.

use super::{Construct, ConstructKind, Dialect, options, quote};
use crate::Word;

/// Where a shell takes its commands from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// This text.
    Script {
        /// The script.
        text: String,
        /// The index of its word in the argv.
        word: usize,
    },
    /// A file: the word with this index.
    File {
        /// The index of its word in the argv.
        word: usize,
    },
    /// Its standard input.
    Stdin,
    /// Nothing: it prints its version or help, or refuses its arguments.
    Nothing,
    /// It cannot be told. Any word may be a script.
    Unclear(Construct),
}

/// A shell, called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invocation {
    /// Its language.
    pub dialect: Dialect,
    /// Where its commands come from.
    pub source: Source,
    /// Options that keep the script from being plain, even when its text is.
    pub constructs: Vec<Construct>,
}

/// Reads the argv of a shell; `None` when it is the argv of something else.
///
/// In all of these shells `-c` only says *that* there is a script: the script is the first word after all
/// options, so `-c -e TEXT` and `-ec TEXT` are the same call. What follows the script are `$0`, `$1` and so
/// on, which a plain script cannot mention.
pub fn invocation(words: &[Word]) -> Option<Invocation> {
    let dialect = Dialect::of_program(words.first()?.literal()?)?;
    let mut reader = Reader {
        words,
        dialect,
        next: 1,
        command: false,
        stdin: false,
        short_seen: false,
        constructs: Vec::new(),
    };
    let source = reader.read();
    Some(Invocation { dialect, source, constructs: reader.constructs })
}

/// What an option says about those after it.
enum Step {
    /// More may follow.
    More,
    /// It was the last.
    Last,
    /// The answer is known.
    Done(Source),
}

/// The longest bundle of option letters that is read: no shell has half as many options.
const MOST_LETTERS: usize = 64;

struct Reader<'a> {
    words: &'a [Word],
    dialect: Dialect,
    next: usize,
    command: bool,
    stdin: bool,
    short_seen: bool,
    constructs: Vec<Construct>,
}

impl Reader<'_> {
    fn read(&mut self) -> Source {
        while let Some(word) = self.words.get(self.next) {
            let Some(text) = word.literal().map(str::to_owned) else { return unknown_word() };
            match self.option(&text) {
                Some(Step::More) => {}
                Some(Step::Last) => break,
                Some(Step::Done(source)) => return source,
                None => break,
            }
        }
        self.source()
    }

    fn source(&mut self) -> Source {
        if !self.command {
            return match self.words.get(self.next) {
                Some(Word::Unknown) if !self.stdin => unknown_word(),
                Some(Word::Literal(name)) if !self.stdin && self.dialect == Dialect::Ksh => {
                    self.command_of_ksh(&name.clone())
                }
                Some(_) if !self.stdin => Source::File { word: self.next },
                _ => Source::Stdin,
            };
        }
        match self.words.get(self.next) {
            Some(Word::Literal(text)) => Source::Script { text: text.clone(), word: self.next },
            Some(Word::Unknown) => unknown_word(),
            None => Source::Nothing,
        }
    }

    /// ksh93 evaluates the words as a command when there is no file by that name.
    fn command_of_ksh(&mut self, name: &str) -> Source {
        let arguments = self.words.get(self.next + 1..).unwrap_or_default();
        let mut text = name.to_owned();
        for word in arguments.iter().map_while(Word::literal) {
            text.push(' ');
            text.push_str(&quote(word));
        }
        self.deny(name, "ksh reads this file, or else runs this text");
        Source::Script { text, word: self.next }
    }

    /// Reads the next word if it is an option.
    fn option(&mut self, text: &str) -> Option<Step> {
        let on = text.starts_with('-');
        if !(on || text.starts_with('+')) {
            return None;
        }
        self.next += 1;
        if matches!(text, "-" | "--") {
            return Some(Step::Last);
        }
        if text == "+" {
            let why = "`+` ends the options in some shells only".to_owned();
            return Some(Step::Done(unclear(ConstructKind::ShellOption, why)));
        }
        let flags = text.get(1..).unwrap_or_default();
        if let Some(name) = flags.strip_prefix('-').filter(|_| on) {
            return Some(self.long(name, text));
        }
        if on && options::BASH_LONG.contains(&flags) {
            match self.dialect {
                Dialect::Bash => return Some(self.long(flags, text)),
                Dialect::Sh => {
                    let why = format!("`{text}` is one option in bash, and several in other shells");
                    return Some(Step::Done(unclear(ConstructKind::ShellOption, why)));
                }
                Dialect::Dash | Dialect::Ksh | Dialect::Zsh => {}
            }
        }
        self.short_seen = true;
        Some(self.letters(flags, text, on))
    }

    fn long(&mut self, name: &str, text: &str) -> Step {
        if self.short_seen && self.dialect == Dialect::Bash {
            self.deny(text, "bash takes long options before short ones only");
            return Step::More;
        }
        match options::long(name, self.dialect) {
            options::Long::Harmless => {}
            // busybox goes on to the script that may follow.
            options::Long::PrintsOnly
                if self.words.len() == 2
                    || (!self.command && matches!(self.dialect, Dialect::Bash | Dialect::Zsh)) =>
            {
                return Step::Done(Source::Nothing);
            }
            options::Long::TakesArgument => {
                self.deny(text, "it changes what is read before the script");
                self.next += 1;
            }
            options::Long::PrintsOnly | options::Long::Other => {
                self.deny(text, "it may change how the script is read");
            }
        }
        Step::More
    }

    fn letters(&mut self, flags: &str, text: &str, on: bool) -> Step {
        if flags.len() > MOST_LETTERS {
            let why = "more option letters than any shell has";
            return Step::Done(unclear(ConstructKind::ShellOption, why.to_owned()));
        }
        let attached = matches!(self.dialect, Dialect::Zsh | Dialect::Ksh);
        let mut letters = flags.chars();
        while let Some(letter) = letters.next() {
            match letter {
                'c' => {
                    // ksh93 forgets `-c` when it meets `+c`.
                    self.command = on || self.dialect != Dialect::Ksh;
                    if !on {
                        self.deny(text, "shells differ about it");
                    }
                }
                's' => {
                    self.stdin = true;
                    self.deny(text, "commands come from standard input");
                }
                'o' if attached && !letters.as_str().is_empty() => {
                    let name = letters.as_str().to_owned();
                    self.named(Some(&name), text, on);
                    return Step::More;
                }
                'o' | 'O' if letter == 'o' || self.dialect == Dialect::Bash => {
                    let name = self.words.get(self.next);
                    self.next += 1;
                    let Some(name) = name else { return Step::Done(Source::Nothing) };
                    let Some(name) = name.literal().map(str::to_owned) else {
                        return Step::Done(unknown_word());
                    };
                    self.named((letter == 'o').then_some(name.as_str()), text, on);
                }
                'b' if self.dialect == Dialect::Zsh => {
                    self.deny(text, "it ends the options in zsh");
                    return Step::Last;
                }
                _ if options::is_harmless_letter(letter, self.dialect) => {}
                _ => self.deny(text, "it may change how the script is read"),
            }
        }
        Step::More
    }

    fn named(&mut self, name: Option<&str>, text: &str, on: bool) {
        let harmless = on && name.is_some_and(|name| options::is_harmless_name(name, self.dialect));
        if !harmless {
            self.deny(text, "the option that it names may change how the script is read");
        }
    }

    fn deny(&mut self, option: &str, why: &str) {
        let why = format!("`{}`: {why}", option.escape_debug());
        self.constructs.push(Construct::new(ConstructKind::ShellOption, 0..0, why));
    }
}

fn unknown_word() -> Source {
    unclear(ConstructKind::UnknownWord, "a word of the shell's call is only known when it runs".to_owned())
}

fn unclear(what: ConstructKind, why: String) -> Source {
    Source::Unclear(Construct::new(what, 0..0, why))
}

#[cfg(test)]
mod tests {
    use super::{Source, invocation};
    use crate::Word;

    /// The script that is found, whether options keep it from being plain, or the other source.
    fn found(words: &[&str]) -> (String, bool) {
        let Some(read) = invocation(&Word::all(words)) else { return ("no shell".into(), false) };
        let source = match read.source {
            Source::Script { text, .. } => text,
            Source::File { word } => format!("file {word}"),
            Source::Stdin => "stdin".into(),
            Source::Nothing => "nothing".into(),
            Source::Unclear(construct) => format!("unclear: {:?}", construct.what),
        };
        (source, read.constructs.is_empty())
    }

    #[test]
    fn spellings() {
        let rows: &[(&[&str], &str, bool)] = &[
            (&["git", "status"], "no shell", false),
            (&["bash", "-c", "x"], "x", true),
            (&["/bin/sh", "-lc", "x", "zero", "one"], "x", true),
            (&["-bash", "-ec", "x"], "x", true),
            (&["bash", "-l", "-c", "x"], "x", true),
            (&["bash", "--login", "-c", "x"], "x", true),
            (&["bash", "--norc", "--noprofile", "-c", "x"], "x", true),
            (&["bash", "-o", "pipefail", "-c", "x"], "x", true),
            (&["bash", "-euo", "pipefail", "-c", "x"], "x", true),
            (&["bash", "-c", "--", "x"], "x", true),
            (&["bash", "-c", "-e", "x"], "x", true),
            (&["bash", "+e", "-c", "x"], "x", true),
            (&["zsh", "-fc", "x"], "x", true),
            (&["zsh", "-o", "PIPE_FAIL", "-c", "x"], "x", true),
            (&["zsh", "-o", "extendedglob", "-c", "x"], "x", false),
            (&["bash", "-O", "extglob", "-c", "x"], "x", false),
            (&["bash", "-kc", "x"], "x", false),
            (&["bash", "-ic", "x"], "x", false),
            (&["bash", "--rcfile", "y", "-ic", "x"], "x", false),
            (&["bash", "--rcfile", "y", "-c", "x"], "x", false),
            (&["sh", "--posix", "-c", "x"], "x", false),
            (&["sh", "-norc", "-c", "x"], "unclear: ShellOption", true),
            (&["bash", "script.sh", "-c", "x"], "file 1", true),
            (&["bash", "--", "-c"], "file 2", true),
            (&["ksh", "rm", "-rf", "x y"], "rm -rf 'x y'", false),
            (&["bash"], "stdin", true),
            (&["bash", "-s", "x"], "stdin", false),
            (&["bash", "-c"], "nothing", true),
            (&["bash", "--version"], "nothing", true),
            (&["sh", "--version", "-c", "x"], "x", false),
        ];
        for (words, source, harmless) in rows {
            assert_eq!(found(words), ((*source).to_owned(), *harmless), "{words:?}");
        }
    }

    #[test]
    fn a_word_that_is_not_known_may_be_the_script() {
        let literal = |word: &str| Word::Literal(word.into());
        for words in [
            vec![literal("bash"), Word::Unknown, literal("x")],
            vec![literal("bash"), literal("-c"), Word::Unknown],
            vec![literal("bash"), literal("-o"), Word::Unknown, literal("-c"), literal("x")],
        ] {
            let source = invocation(&words).map(|read| read.source);
            assert!(matches!(source, Some(Source::Unclear(_))), "{words:?}");
        }
        assert_eq!(invocation(&[Word::Unknown, literal("-c")]), None);
    }
}
