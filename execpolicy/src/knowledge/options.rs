//! Reads the words of one command as options and operands, the way the tool itself would.
//!
//! What a tool's row does not know, and what is known only when it runs, makes the reading *unsure* from
//! there on: then no word is skipped as a value, `--` ends nothing, and every word is looked at.

use std::ops::Range;

use super::syntax::{Order, Plus, Syntax, Takes};
use crate::Word;

/// What one word, or an option with its value, is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Item {
    /// The words that carry it. The letters of a bundle share one word.
    pub(crate) words: Range<usize>,
    /// What it is.
    pub(crate) what: What,
    /// Whether everything before it was understood.
    pub(crate) sure: bool,
}

/// The parts of a command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// An option.
    Option {
        /// As the table spells it: `-o`, `--output`, `-exec`, `+`; `-5` for numbers.
        name: String,
        /// Whether the table has it.
        known: bool,
        /// Its value.
        value: Value,
    },
    /// `NAME=VALUE` before the first operand, for tools that take such.
    Assignment,
    /// An operand.
    Operand(String),
    /// `--`.
    End,
    /// A word that is known only when it runs.
    Unknown,
}

/// What follows an option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    None,
    /// This text, in this word.
    Text {
        /// The value.
        text: String,
        /// The word that holds it.
        word: usize,
    },
    /// The words of a command.
    Command(Range<usize>),
    /// Not known before it runs.
    Unknown,
}

/// Reads `words` from `from` on.
pub(crate) fn read(syntax: &Syntax, words: &[Word], from: usize) -> Vec<Item> {
    let mut reader = Reader { syntax, words, items: Vec::new(), sure: true, loose: false };
    reader.run(from);
    reader.items
}

/// Whether a word looks like `NAME=VALUE`.
pub(crate) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| !c.is_whitespace() && c != '/')
    })
}

struct Reader<'a> {
    syntax: &'a Syntax,
    words: &'a [Word],
    items: Vec<Item>,
    /// Nothing so far was known only at run time.
    sure: bool,
    /// The word before was an option that the table does not know: this word may be its value.
    loose: bool,
}

impl Reader<'_> {
    fn run(&mut self, from: usize) {
        let mut at = self.first_bundle(from).unwrap_or(from);
        while let Some(word) = self.words.get(at) {
            let Some(text) = word.literal() else {
                self.push(at..at.saturating_add(1), What::Unknown);
                self.sure = false;
                at = at.saturating_add(1);
                continue;
            };
            let loose = std::mem::take(&mut self.loose);
            if self.sure && !loose && self.ends_options(text, at) {
                return;
            }
            at = self.one(text, at, loose);
        }
    }

    /// `tar xf A`: letters without a dash, whose values are the next words, in order. tar(1), Traditional usage.
    fn first_bundle(&mut self, from: usize) -> Option<usize> {
        let letters = self.words.get(from)?.literal().filter(|text| !text.starts_with('-'))?;
        if !self.syntax.bundle_first || letters.is_empty() {
            return None;
        }
        let mut next = from.saturating_add(1);
        let mut shifted = false;
        for letter in letters.chars() {
            let takes = self.syntax.short.get(&letter).copied();
            let name = format!("-{letter}");
            if takes != Some(Takes::Value) {
                self.option(name, takes.is_some(), Value::None, from..from.saturating_add(1));
                // It may take the word that would be the next letter's.
                shifted = shifted || takes.is_none();
                continue;
            }
            if shifted && let Some(Word::Literal(text)) = self.words.get(next.saturating_add(1)) {
                let word = next.saturating_add(1);
                let value = Value::Text { text: text.clone(), word };
                self.option(name.clone(), true, value, from..word.saturating_add(1));
            }
            let value = match self.words.get(next) {
                Some(Word::Literal(text)) => Value::Text { text: text.clone(), word: next },
                Some(Word::Unknown) => Value::Unknown,
                None => Value::None,
            };
            self.option(name, true, value, from..next.saturating_add(1));
            if self.words.get(next).is_some_and(|word| word.literal().is_none()) {
                // It may be several words or none: read everything behind the letters without trust.
                self.sure = false;
                return Some(from.saturating_add(1));
            }
            next = next.saturating_add(1);
        }
        Some(next)
    }

    /// Whether this word ends the options; if so, the rest are operands.
    fn ends_options(&mut self, text: &str, at: usize) -> bool {
        let end = text == "--";
        let first_operand = self.syntax.order == Order::Posix && self.is_operand(text);
        if !end && !first_operand {
            return false;
        }
        if end {
            self.push(at..at.saturating_add(1), What::End);
        }
        let mut assignments = self.syntax.assignments;
        for (place, word) in self.words.iter().enumerate().skip(if end { at.saturating_add(1) } else { at }) {
            let what = match word.literal() {
                Some(text) if assignments && is_assignment(text) => What::Assignment,
                Some(text) => What::Operand(text.to_owned()),
                None => What::Unknown,
            };
            assignments = assignments && what == What::Assignment;
            self.push(place..place.saturating_add(1), what.clone());
            if what == What::Unknown {
                self.sure = false;
            }
        }
        true
    }

    fn is_operand(&self, text: &str) -> bool {
        if self.syntax.assignments && is_assignment(text) {
            return false;
        }
        let plus = text.starts_with('+') && text.len() > 1 && self.syntax.plus != Plus::Operand;
        !(plus || text.starts_with('-') && text.len() > 1)
    }

    /// Reads the word at `at`; gives the place of the next.
    fn one(&mut self, text: &str, at: usize, loose: bool) -> usize {
        let next = at.saturating_add(1);
        let assignment = self.syntax.assignments && is_assignment(text);
        if assignment || self.is_operand(text) {
            // Behind an option of which nothing is known, an operand may be its value.
            let was = self.sure;
            self.sure = was && !loose;
            let what = if assignment { What::Assignment } else { What::Operand(text.to_owned()) };
            self.push(at..next, what);
            self.sure = was && !(loose && self.syntax.order == Order::Posix);
            return next;
        }
        if let Some(rest) = text.strip_prefix('+') {
            return match self.syntax.plus {
                Plus::Letters => self.bundle(rest, '+', at),
                Plus::Attached | Plus::Operand => {
                    let value = Value::Text { text: rest.to_owned(), word: at };
                    self.option("+".into(), true, value, at..next);
                    next
                }
            };
        }
        match text.strip_prefix("--") {
            Some("") => {
                self.push(at..next, What::End);
                next
            }
            Some(name) if self.syntax.nopt => self.nopt(name, at),
            Some(name) if self.syntax.words.is_empty() || !self.syntax.long.is_empty() => self.long(name, at),
            Some(name) => self.word_option(name, at).unwrap_or_else(|| self.long(name, at)),
            None => {
                let rest = text.strip_prefix('-').unwrap_or(text);
                if self.syntax.nopt {
                    return self.nopt(rest, at);
                }
                self.word_option(rest, at).unwrap_or_else(|| self.short(rest, at))
            }
        }
    }

    /// Names behind any number of dashes, cut short or whole, else letters: what npm makes of its words.
    fn nopt(&mut self, text: &str, at: usize) -> usize {
        let text = text.trim_start_matches('-');
        let (name, _) = split(text);
        if name.chars().count() > 1 && !self.candidates(name).is_empty() {
            return self.long(text, at);
        }
        let letters = name.chars().all(|letter| self.syntax.short.contains_key(&letter));
        if letters { self.short(text, at) } else { self.long(text, at) }
    }

    /// `-name`, `-name value` or `-name=value`, where the tool has such a name.
    fn word_option(&mut self, text: &str, at: usize) -> Option<usize> {
        let (name, attached) = split(text);
        let takes = *self.syntax.words.get(name)?;
        Some(self.take(format!("-{name}"), takes, attached, at))
    }

    fn short(&mut self, letters: &str, at: usize) -> usize {
        if self.syntax.numbers && letters.chars().all(|c| c.is_ascii_digit()) {
            self.option(format!("-{letters}"), true, Value::None, at..at.saturating_add(1));
            return at.saturating_add(1);
        }
        self.bundle(letters, '-', at)
    }

    fn bundle(&mut self, letters: &str, sign: char, at: usize) -> usize {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let name = format!("{sign}{letter}");
            let attached = Some(rest.as_str()).filter(|rest| !rest.is_empty()).map(str::to_owned);
            match self.syntax.short.get(&letter) {
                Some(Takes::Nothing) => self.option(name, true, Value::None, at..at.saturating_add(1)),
                Some(takes) if self.syntax.mixed && attached.is_some() => {
                    // The rest is its value for one of the tools, and more letters for another.
                    self.take(name, *takes, attached, at);
                    self.loose = true;
                }
                Some(takes) => return self.take(name, *takes, attached, at),
                None => {
                    self.option(name, false, Value::None, at..at.saturating_add(1));
                    self.loose = true;
                }
            }
        }
        at.saturating_add(1)
    }

    fn long(&mut self, text: &str, at: usize) -> usize {
        let (name, attached) = split(text);
        let candidates = self.candidates(name);
        match candidates.as_slice() {
            [(name, takes)] => self.take(format!("--{name}"), *takes, attached, at),
            // Nothing we know, or several: any of them, and the next word may or may not be a value.
            [] => {
                self.loose = attached.is_none();
                let value = text_value(attached, at);
                self.option(format!("--{name}"), false, value, at..at.saturating_add(1));
                at.saturating_add(1)
            }
            several => {
                for (name, _) in several {
                    let value = text_value(attached.clone(), at);
                    self.option(format!("--{name}"), true, value, at..at.saturating_add(1));
                }
                self.loose = attached.is_none();
                at.saturating_add(1)
            }
        }
    }

    fn candidates(&self, typed: &str) -> Vec<(String, Takes)> {
        if let Some(takes) = self.syntax.long.get(typed) {
            return vec![(typed.to_owned(), *takes)];
        }
        if !self.syntax.abbreviates {
            return Vec::new();
        }
        let fits = self.syntax.long.iter().filter(|(name, _)| name.starts_with(typed));
        fits.map(|(name, takes)| (name.clone(), *takes)).collect()
    }

    /// Records an option that is known, with what follows it; gives the place of the next word.
    fn take(&mut self, name: String, takes: Takes, attached: Option<String>, at: usize) -> usize {
        let next = at.saturating_add(1);
        if let Some(text) = attached {
            self.option(name, true, Value::Text { text, word: at }, at..next);
            return next;
        }
        match takes {
            Takes::Nothing | Takes::Optional => {
                self.option(name, true, Value::None, at..next);
                next
            }
            Takes::Value => self.separate(name, at),
            Takes::Command => {
                let end = command_end(self.words, next);
                self.option(name, true, Value::Command(next..end), at..end);
                if self.sure { end.saturating_add(1) } else { next }
            }
        }
    }

    /// An option whose value is the next word.
    fn separate(&mut self, name: String, at: usize) -> usize {
        let next = at.saturating_add(1);
        match self.words.get(next) {
            Some(Word::Literal(text)) => {
                let after = next.saturating_add(1);
                self.option(name, true, Value::Text { text: text.clone(), word: next }, at..after);
                self.loose = self.syntax.mixed;
                if self.sure && !self.syntax.mixed { after } else { next }
            }
            Some(Word::Unknown) => {
                self.option(name, true, Value::Unknown, at..next.saturating_add(1));
                next
            }
            None => {
                self.option(name, true, Value::None, at..next);
                next
            }
        }
    }

    fn option(&mut self, name: String, known: bool, value: Value, words: Range<usize>) {
        self.push(words, What::Option { name, known, value });
    }

    fn push(&mut self, words: Range<usize>, what: What) {
        // A value that is missing at the end is no word.
        let words = words.start..words.end.min(self.words.len());
        self.items.push(Item { words, what, sure: self.sure });
    }
}

fn split(text: &str) -> (&str, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    }
}

fn text_value(attached: Option<String>, at: usize) -> Value {
    attached.map_or(Value::None, |text| Value::Text { text, word: at })
}

/// Where the command that begins at `from` ends: at `;`, or at `+` behind `{}`.
fn command_end(words: &[Word], from: usize) -> usize {
    let mut before = None;
    for (at, word) in words.iter().enumerate().skip(from) {
        let text = word.literal();
        if text == Some(";") || text == Some("+") && before == Some("{}") {
            return at;
        }
        before = text;
    }
    words.len()
}
