//! The commands that a command starts, or may start: behind wrappers, in scripts, on a shell's input.
//!
//! Nothing here allows. So whatever cannot be told counts as there, up to limits that, when they are
//! reached, count as danger.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::dissect::{self, Feed};
use crate::command::{Span, Word, program_name};
use crate::knowledge::{self, Inner, WRAPPER_DEPTH_LIMIT};
use crate::shell::{self, Dialect, Invocation, Source};

/// How many commands are looked at within one part.
const MAX_COMMANDS: usize = 20_000;
/// How many words of commands within one part are kept. Wrappers whose options are not understood may start
/// their command at many places, so words within words would grow with the square of a command's length.
const MAX_WORDS: usize = 200_000;
/// How many dark places are reported.
const MAX_BLIND: usize = 100;

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
    pub(super) in_script: bool,
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

/// A script that a part hands to a shell, other than as the script of a shell call.
#[derive(Debug)]
pub(super) struct InnerScript {
    pub(super) text: String,
    pub(super) dialect: Dialect,
    /// As [`Within::named_at`].
    pub(super) named_at: Option<usize>,
    /// Whether it is surely run, and all that is.
    pub(super) certain: bool,
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
    /// The scripts that the part itself has run.
    pub(super) scripts: Vec<InnerScript>,
    /// The commands by their words, to keep each once.
    seen: HashMap<u64, Vec<usize>>,
    words: usize,
    /// Whether a limit was reached: then nothing more is looked into.
    full: bool,
}

/// Looks through a part. `in_script` is where it stands.
pub(super) fn explore(words: &[Word], feed: &Feed, in_script: Option<&Span>) -> Exploration {
    let mut found = Exploration::default();
    let outermost = Within {
        words: words.to_vec(),
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
    while let Some(command) = found.commands.get(next).filter(|_| !found.full).cloned() {
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
            self.unclear.extend(through.shell.map(|note| note.why.clone()));
        }
        if through.shell.is_some() {
            self.standard_input(Dialect::Sh, outer);
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
                    let at = position(outer, Some(word));
                    if outer.depth == 0 {
                        let text = text.clone();
                        self.scripts.push(InnerScript { text, dialect, named_at: at, certain });
                    }
                    let place = Place { at, certain, located: false, behind: &how.why };
                    self.script(&text, dialect, outer, &place);
                }
            }
        }
    }

    /// Builtins that run text, or a command, that their arguments hold.
    fn builtin(&mut self, outer: &Within) {
        let literals: Vec<&str> = outer.words.iter().map_while(Word::literal).collect();
        let Some((name, arguments)) = literals.split_first() else { return };
        match *name {
            "source" | "." if arguments.first().copied().is_some_and(is_standard_input) => {
                self.standard_input(Dialect::Sh, outer);
            }
            // Some shells expand aliases on the next line.
            "alias" => {
                for value in arguments.iter().filter_map(|word| Some(word.split_once('=')?.1)) {
                    self.perhaps(value, "in the value of an alias", outer);
                }
            }
            // `mapfile -C CALLBACK`, `compgen -C COMMAND`, `emulate SHELL -c TEXT`.
            "mapfile" | "readarray" | "compgen" | "complete" | "emulate" | "bind" => {
                for text in arguments {
                    self.perhaps(text, "in an argument that the shell may run", outer);
                }
            }
            // `set -- COMMAND; "$@"`.
            "set" => {
                if let Some(end) = outer.words.iter().position(|word| word.literal() == Some("--")) {
                    self.positional(outer.words.get(end.saturating_add(1)..).unwrap_or_default(), outer);
                }
            }
            // Subscripts are arithmetic, where substitutions run even if they were quoted. bash(1), Arrays.
            "test" | "[" | "[[" | "unset" | "printf" | "let" | "declare" | "typeset" | "local"
            | "readonly" | "export" | "read" | "wait" => {
                for text in arguments.iter().filter(|text| text.contains("$(") || text.contains('`')) {
                    self.perhaps(&format!(": \"{text}\""), "in an argument that the shell may expand", outer);
                }
            }
            name => self.other_shell(program_name(name), arguments, outer),
        }
    }

    /// Shells whose language is not read here: enough of it is the same to look for commands.
    fn other_shell(&mut self, name: &str, arguments: &[&str], outer: &Within) {
        let plain = name.split(['-', '.']).next().unwrap_or(name);
        let related = name != plain && Dialect::of_program(plain).is_some() && name.starts_with(plain);
        if !related && !OTHER_SHELLS.contains(&name) {
            return;
        }
        for text in arguments.iter().filter(|text| !text.starts_with('-')) {
            self.perhaps(text, "in an argument of a shell", outer);
        }
        if arguments.iter().all(|word| word.starts_with('-')) {
            self.standard_input(Dialect::Sh, outer);
        }
    }

    /// Text that may be run.
    fn perhaps(&mut self, text: &str, behind: &str, outer: &Within) {
        let place = Place { at: None, certain: false, located: false, behind };
        self.script(text, Dialect::Sh, outer, &place);
    }

    /// Words that a script may run as `"$@"`.
    fn positional(&mut self, words: &[Word], outer: &Within) {
        let within = Within {
            words: words.to_vec(),
            named_at: None,
            span: outer.span.clone(),
            certain: false,
            behind: "in the arguments of a script".to_owned(),
            in_script: true,
            feed: Feed::Nothing,
            depth: outer.depth.saturating_add(1),
        };
        self.push(within, outer);
    }

    fn shell(&mut self, invocation: Invocation, outer: &Within) {
        let dialect = invocation.dialect;
        let behind = format!("in the script of `{}`", dialect.word());
        let mut read = |text: &str, word, certain| {
            let place = Place { at: position(outer, Some(word)), certain, located: certain, behind: &behind };
            self.script(text, dialect, outer, &place);
        };
        match invocation.source {
            Source::Script { text, word } => {
                read(&text, word, true);
                if text.contains("$@") || text.contains("$*") || text.contains("$1") {
                    // The first word behind the script is its `$0`.
                    self.positional(outer.words.get(word.saturating_add(2)..).unwrap_or_default(), outer);
                }
            }
            // Any word may be the script.
            Source::Unclear(_) => {
                for (word, text) in outer.words.iter().enumerate().skip(1) {
                    if let Some(text) = text.literal() {
                        read(text, word, false);
                    }
                }
                let asked =
                    |word: &Word| word.literal().is_some_and(|text| is_letters(text) && text.contains('c'));
                if outer.words.iter().any(asked) && outer.words.contains(&Word::Unknown) {
                    let why = format!("`{}` runs a text that is known only when it runs", dialect.word());
                    self.blind(outer, None, why);
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
                let behind = "in the text that the shell reads";
                let place = Place { at: None, certain: true, located: false, behind };
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
            for value in command.assignments.iter().filter_map(|assignment| assignment.value.literal()) {
                // Prompts and start-up files are expanded later, although the value was quoted.
                if value.contains("$(") || value.contains('`') {
                    self.perhaps(&format!(": \"{value}\""), "in the value of a variable", outer);
                }
            }
            // Places in a script within a script mean nothing to people: the outer one is shown.
            let span = match (outer.depth, &outer.span) {
                (0, None) if place.located => Some(command.span.clone()),
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
        if within.words.is_empty() || self.full || self.is_known(&within) {
            return;
        }
        self.words = self.words.saturating_add(within.words.len());
        if within.depth > WRAPPER_DEPTH_LIMIT {
            let why = format!("more than {WRAPPER_DEPTH_LIMIT} commands stand one behind the other");
            self.blind(outer, None, why);
        } else if self.commands.len() >= MAX_COMMANDS || self.words > MAX_WORDS {
            self.full = true;
            self.blind.clear();
            self.blind(outer, None, "it starts, or may start, more commands than are looked at".to_owned());
        } else {
            self.seen.entry(fingerprint(&within)).or_default().push(self.commands.len());
            self.commands.push(within);
        }
    }

    /// Whether the same was found before, with as much certainty and no more of it named.
    fn is_known(&self, within: &Within) -> bool {
        let same = |known: &Within| {
            known.words == within.words
                && known.certain >= within.certain
                && known.named_at == within.named_at
                && known.feed == within.feed
                && known.depth <= within.depth
        };
        let alike = self.seen.get(&fingerprint(within)).into_iter().flatten();
        alike.filter_map(|index| self.commands.get(*index)).any(same)
    }

    fn blind(&mut self, outer: &Within, named_at: Option<usize>, why: String) {
        if self.blind.len() < MAX_BLIND {
            self.blind.push(Blind { why, named_at, span: outer.span.clone() });
        }
    }
}

/// A hash of the words. It only narrows down what is then compared.
fn fingerprint(within: &Within) -> u64 {
    let mut hasher = DefaultHasher::new();
    within.words.hash(&mut hasher);
    hasher.finish()
}

/// Shells that are not read, but whose `-c` or standard input holds commands.
const OTHER_SHELLS: [&str; 12] =
    ["fish", "tcsh", "csh", "yash", "posh", "hush", "osh", "ysh", "nu", "elvish", "xonsh", "pwsh"];

/// Whether a word is a bundle of option letters.
fn is_letters(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|letters| !letters.is_empty() && letters.chars().all(|c| c.is_ascii_alphabetic()))
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
    /// Whether places in it are places in the script of the call.
    located: bool,
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
