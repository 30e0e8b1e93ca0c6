//! The commands that a command starts, or may start: behind wrappers, in scripts, on a shell's input.
//!
//! Nothing here allows. So whatever cannot be told counts as there, up to limits that, when they are
//! reached, count as danger.

use super::dissect::{self, Feed};
use crate::command::{Span, Word};
use crate::knowledge::{self, Inner, WRAPPER_DEPTH_LIMIT};
use crate::shell::{self, Dialect, Invocation, Source};

/// How many commands are looked at within one part. A script of 256 KiB cannot hold more of a useful length.
const MAX_COMMANDS: usize = 20_000;

/// A command within another.
#[derive(Clone, Debug)]
pub(super) struct Within {
    /// What is known of its words.
    pub(super) words: Vec<Word>,
    /// The word of the *part* that a rule has to cover for its author to have named this command.
    /// `None` if no rule can.
    pub(super) named_at: Option<usize>,
    /// Where it stands in the script of the call, if there is one.
    pub(super) span: Option<Span>,
    /// Whether it would surely be started with these words.
    pub(super) certain: bool,
    /// What it stands behind, for people.
    pub(super) behind: String,
    /// Whether it stands in a script: whoever names that, names all of it.
    in_script: bool,
    feed: Feed,
    depth: usize,
}

/// Something that could not be looked through, and so is dangerous.
#[derive(Clone, Debug)]
pub(super) struct Blind {
    /// In words for people.
    pub(super) why: String,
    /// As [`Within::named_at`].
    pub(super) named_at: Option<usize>,
    /// Where.
    pub(super) span: Option<Span>,
}

/// Everything within one part.
#[derive(Debug, Default)]
pub(super) struct Exploration {
    /// The commands, outer before inner.
    pub(super) commands: Vec<Within>,
    /// What stayed dark.
    pub(super) blind: Vec<Blind>,
    /// What the part itself may start besides, in words for people.
    pub(super) unclear: Vec<String>,
}

/// Looks through a part. `in_script` is where it stands.
pub(super) fn explore(argv: &[String], feed: &Feed, in_script: Option<&Span>) -> Exploration {
    let mut found = Exploration::default();
    let outermost = Within {
        words: Word::all(argv),
        named_at: Some(0),
        span: in_script.cloned(),
        certain: true,
        behind: String::new(),
        in_script: false,
        feed: feed.clone(),
        depth: 0,
    };
    found.look_into(&outermost);
    let mut next = 0;
    while let Some(command) = found.commands.get(next).cloned() {
        next = next.saturating_add(1);
        found.look_into(&command);
    }
    found
}

impl Exploration {
    /// What the part starts itself.
    pub(super) fn direct(&self) -> impl Iterator<Item = &Within> {
        self.commands.iter().filter(|command| command.depth == 1)
    }

    fn look_into(&mut self, outer: &Within) {
        if let Some(invocation) = shell::invocation(&outer.words) {
            self.shell(invocation, outer);
            return;
        }
        self.builtin(outer);
        let through = knowledge::look_through(&outer.words);
        if outer.depth == 0 {
            self.unclear.extend(through.unclear.map(|unclear| unclear.how.why.clone()));
        }
        for inner in through.inner {
            match inner {
                Inner::Command { words, first, certain, how } => {
                    let within = Within {
                        words,
                        named_at: position(outer, first),
                        span: outer.span.clone(),
                        certain: outer.certain && certain,
                        behind: how.why.clone(),
                        in_script: outer.in_script,
                        feed: outer.feed.clone(),
                        depth: outer.depth.saturating_add(1),
                    };
                    self.push(within, outer);
                }
                Inner::Script { text, shell, word, certain, how } => {
                    let dialect = Dialect::of_program(shell).unwrap_or(Dialect::Sh);
                    let place = Place { at: position(outer, Some(word)), certain, behind: &how.why };
                    self.script(&text, dialect, outer, &place);
                }
            }
        }
    }

    /// Builtins that run what a shell reads: `source /dev/stdin`, and the values of aliases, which some shells
    /// expand on the next line.
    fn builtin(&mut self, outer: &Within) {
        let mut words = outer.words.iter().filter_map(Word::literal);
        match words.next() {
            Some("source" | ".") if words.next().is_some_and(is_standard_input) => {
                self.standard_input(Dialect::Sh, outer);
            }
            Some("alias") => {
                let values: Vec<&str> = words.filter_map(|word| Some(word.split_once('=')?.1)).collect();
                for value in values {
                    let place = Place { at: None, certain: false, behind: "in the value of an alias" };
                    self.script(value, Dialect::Sh, outer, &place);
                }
            }
            _ => {}
        }
    }

    fn shell(&mut self, invocation: Invocation, outer: &Within) {
        let dialect = invocation.dialect;
        let behind = format!("in the script of `{}`", dialect.word());
        let mut read = |text: &str, word, certain| {
            let place = Place { at: position(outer, Some(word)), certain, behind: &behind };
            self.script(text, dialect, outer, &place);
        };
        match invocation.source {
            Source::Script { text, word } => read(&text, word, true),
            // Any word may be the script.
            Source::Unclear(_) => {
                for (word, text) in outer.words.iter().enumerate().skip(1) {
                    if let Some(text) = text.literal() {
                        read(text, word, false);
                    }
                }
            }
            Source::Stdin => self.standard_input(dialect, outer),
            Source::File { word } => {
                if outer.words.get(word).and_then(Word::literal).is_some_and(is_standard_input) {
                    self.standard_input(dialect, outer);
                }
            }
            Source::Nothing => {}
        }
    }

    /// What a shell reads from its standard input is a script like any other; if it is not known, it may be
    /// any script.
    fn standard_input(&mut self, dialect: Dialect, outer: &Within) {
        match &outer.feed {
            Feed::Nothing => {}
            Feed::Text(text) => {
                let place = Place { at: None, certain: true, behind: "in the text that the shell reads" };
                self.script(text, dialect, outer, &place);
            }
            Feed::Unknown => {
                let why = format!("`{}` runs whatever another command writes to it", dialect.word());
                self.blind(outer, None, why);
            }
        }
    }

    fn script(&mut self, text: &str, dialect: Dialect, outer: &Within, place: &Place<'_>) {
        let script = shell::read(text, dialect);
        let unread = !script.parsed || is_two_languages(text, dialect);
        // In a compound command it is not told which of them reads the pipe.
        let piped = !script.is_plain() && text.contains('|');
        // A word that is a script only perhaps need not be one that can be read.
        if unread && place.certain {
            let why =
                format!("what stands {} cannot be read to its end: it may hide a command", place.behind);
            self.blind(outer, place.at, why);
        }
        for command in &script.commands {
            // Places in a script within a script mean nothing to people: the outer one is shown.
            let span = match (outer.depth, &outer.span) {
                (0, None) => Some(command.span.clone()),
                _ => outer.span.clone(),
            };
            let within = Within {
                words: named(&command.words, dialect),
                named_at: place.at,
                span,
                certain: outer.certain && place.certain,
                behind: place.behind.to_owned(),
                in_script: true,
                feed: match dissect::feed(&script, command) {
                    Feed::Nothing if piped => Feed::Unknown,
                    feed @ (Feed::Nothing | Feed::Text(_) | Feed::Unknown) => feed,
                },
                depth: outer.depth.saturating_add(1),
            };
            self.push(within, outer);
        }
    }

    fn push(&mut self, within: Within, outer: &Within) {
        if within.words.is_empty() {
            return;
        }
        if within.depth > WRAPPER_DEPTH_LIMIT {
            self.blind(
                outer,
                None,
                format!("more than {WRAPPER_DEPTH_LIMIT} commands stand one behind the other"),
            );
        } else if self.commands.len() >= MAX_COMMANDS {
            if self.blind.is_empty() {
                self.blind(outer, None, format!("more than {MAX_COMMANDS} commands stand in it"));
            }
        } else {
            self.commands.push(within);
        }
    }

    fn blind(&mut self, outer: &Within, named_at: Option<usize>, why: String) {
        self.blind.push(Blind { why, named_at, span: outer.span.clone() });
    }
}

/// Names of a process's own standard input. proc(5), null(4).
fn is_standard_input(path: &str) -> bool {
    matches!(path, "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" | "/proc/thread-self/fd/0")
}

/// Whether the text ends its quotes in other places in this shell than in the one whose grammar it is read
/// with: dash takes `$'a\'` for a dollar sign and a quoted `a\`.
fn is_two_languages(text: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Sh | Dialect::Dash => text.contains("$'"),
        Dialect::Bash | Dialect::Ksh | Dialect::Zsh => false,
    }
}

/// The words with the program's name as the shell finds it: zsh takes `=rm` for the path of `rm`. zshexpn(1),
/// "= expansion".
fn named(words: &[Word], dialect: Dialect) -> Vec<Word> {
    let mut words = words.to_vec();
    if let (Dialect::Zsh, Some(Word::Literal(name))) = (dialect, words.first_mut())
        && let Some(rest) = name.strip_prefix('=').filter(|rest| !rest.is_empty())
    {
        *name = rest.to_owned();
    }
    words
}

/// Where a script stands.
struct Place<'a> {
    /// As [`Within::named_at`].
    at: Option<usize>,
    /// Whether it is surely run.
    certain: bool,
    /// What it stands behind, for people.
    behind: &'a str,
}

/// The word of the part, for a word of a command within it.
fn position(outer: &Within, word: Option<usize>) -> Option<usize> {
    match outer.in_script {
        true => outer.named_at,
        false => outer.named_at?.checked_add(word?),
    }
}
