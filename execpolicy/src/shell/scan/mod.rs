//! The lenient reader: every simple command that can be found anywhere in an opaque script.
//!
//! It follows quotes, substitutions, groups and here-documents, does not insist on grammar, and takes a
//! doubtful piece of text for a command rather than for nothing: its list serves only rules that restrict.
//! It proves nothing.

mod build;
mod heredoc;
mod pieces;

use std::collections::HashSet;

use super::{Dialect, Operator, SimpleCommand};
use crate::Span;
use build::{Building, Pending};

/// Substitutions inside of each other that are followed. Deeper ones are read as flat text.
const MAX_FRAMES: usize = 100;

/// Texts inside of texts (backquotes, here-documents) that are followed.
const MAX_TEXTS: usize = 6;

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The commands, inner ones before outer ones.
    pub(super) commands: Vec<SimpleCommand>,
    /// Whether something is open at the end, or was closed that is not open: quotes were perhaps not what
    /// they seem.
    pub(super) unbalanced: bool,
    /// Whether it is nested deeper than is followed.
    pub(super) too_deep: bool,
    /// Bodies of here-documents that are text and nothing else.
    literal_bodies: Vec<Span>,
}

/// The script with spaces for the bodies of here-documents that are mere text: files that are written this
/// way are long, and their brackets are not the shell's.
pub(super) fn without_literal_bodies(script: &str, dialect: Dialect) -> String {
    let mut bytes = script.as_bytes().to_vec();
    for body in scan(script, 0, dialect).literal_bodies {
        for byte in bytes.get_mut(body).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // Whole characters became spaces, so it is still text.
    String::from_utf8(bytes).unwrap_or_else(|_| script.to_owned())
}

/// Finds the commands of a script. Positions are counted from `base`.
pub(super) fn scan(text: &str, base: usize, dialect: Dialect) -> Found {
    Scanner::new(text, base, dialect, 0).run()
}

/// Splits at everything that could separate commands, quotes or not: for text that makes no sense.
pub(super) fn scan_flat(text: &str, base: usize) -> Vec<SimpleCommand> {
    build::flat(text, base)
}

/// What closes the innermost open thing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Close {
    /// The end of the text.
    End,
    /// `)`.
    Parenthesis {
        /// Whether it stands in a word, which then goes on.
        in_word: bool,
        /// Whether `<<` is a shift here.
        arithmetic: bool,
    },
    /// `}` of `${`.
    Brace,
}

/// Something open, and what is being built in it.
struct Frame {
    close: Close,
    building: Building,
    in_double_quotes: bool,
    cases: usize,
    /// Whether a pattern of `case` may stand here.
    pattern: bool,
}

impl Frame {
    fn new(close: Close) -> Self {
        Self { close, building: Building::default(), in_double_quotes: false, cases: 0, pattern: false }
    }
}

/// The state of one text.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    base: usize,
    /// Whether all positions are `base`: the text is not a slice of the script, but decoded from it.
    decoded: bool,
    dialect: Dialect,
    texts: usize,
    /// Whether this is the body of a here-document: read like the inside of double quotes, except that
    /// nothing ends it.
    body: bool,
    outer: Vec<Frame>,
    frame: Frame,
    found: Found,
    documents: Vec<heredoc::Document>,
    /// How many there were so far.
    document_count: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, base: usize, dialect: Dialect, texts: usize) -> Self {
        Self {
            text,
            at: 0,
            base,
            decoded: false,
            dialect,
            texts,
            body: false,
            outer: Vec::new(),
            frame: Frame::new(Close::End),
            found: Found::default(),
            documents: Vec::new(),
            document_count: 0,
        }
    }

    /// Reads all of it.
    fn run(mut self) -> Found {
        self.frame.in_double_quotes = self.body;
        while let Some(byte) = self.peek(0) {
            if self.frame.in_double_quotes {
                self.quoted_piece(byte);
            } else if self.frame.close == Close::Brace {
                self.brace_piece(byte);
            } else {
                self.piece(byte);
            }
        }
        self.found.unbalanced |=
            !self.outer.is_empty() || self.frame.in_double_quotes != self.body || !self.documents.is_empty();
        while !self.outer.is_empty() {
            self.end_command(Operator::Sequence);
            self.leave();
        }
        if self.body {
            self.frame.building.drop_words();
        }
        self.end_command(Operator::Sequence);
        self.found
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn starts_with(&self, prefix: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(prefix.as_bytes()))
    }

    /// The position in the script of a position in this text.
    fn position(&self, at: usize) -> usize {
        if self.decoded { self.base } else { self.base + at.min(self.text.len()) }
    }

    /// Opens something.
    fn enter(&mut self, close: Close) {
        if self.outer.len() >= MAX_FRAMES {
            self.found.too_deep = true;
            self.found.unbalanced = true;
            self.end_command(Operator::Sequence);
            return;
        }
        let outer = std::mem::replace(&mut self.frame, Frame::new(close));
        self.outer.push(outer);
    }

    /// Closes the innermost open thing.
    fn leave(&mut self) {
        let Some(outer) = self.outer.pop() else {
            self.found.unbalanced = true;
            return;
        };
        let inner = std::mem::replace(&mut self.frame, outer);
        if matches!(inner.close, Close::Parenthesis { in_word: false, .. }) {
            self.frame.building.last = inner.building.last;
        }
    }

    /// One piece outside of quotes.
    fn piece(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' => self.end_word_and_skip(1),
            b'\n' => {
                self.end_command_and_skip(Operator::Sequence, 1);
                self.documents();
            }
            b'\r' if matches!(self.peek(1), Some(b'\n') | None) => self.end_word_and_skip(1),
            b'#' if !self.frame.building.in_word() => self.skip_comment(),
            b';' => self.semicolon(),
            b'&' => self.ampersand(),
            b'|' => match self.peek(1) {
                Some(b'|') => self.end_command_and_skip(Operator::Or, 2),
                Some(b'&') => self.end_command_and_skip(Operator::Pipe, 2),
                _ => self.end_command_and_skip(Operator::Pipe, 1),
            },
            b'<' | b'>' => self.redirection(byte),
            b'(' => self.open_parenthesis(),
            b')' => self.close_parenthesis(),
            _ => self.word_piece(byte),
        }
    }

    fn end_word_and_skip(&mut self, length: usize) {
        self.end_word();
        self.at += length;
    }

    fn end_command_and_skip(&mut self, next: Operator, length: usize) {
        self.end_command(next);
        self.at += length;
    }

    fn skip_comment(&mut self) {
        while self.peek(0).is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn semicolon(&mut self) {
        let length = match (self.peek(1), self.peek(2)) {
            (Some(b';'), Some(b'&' | b'|')) => 3,
            (Some(b';' | b'&' | b'|'), _) => 2,
            _ => 1,
        };
        self.end_command_and_skip(Operator::Sequence, length);
        self.frame.pattern = length > 1 && self.frame.cases > 0;
    }

    fn ampersand(&mut self) {
        let both = matches!(self.dialect, Dialect::Bash | Dialect::Zsh);
        match self.peek(1) {
            Some(b'&') => self.end_command_and_skip(Operator::And, 2),
            Some(b'>') if both => {
                let length = if self.peek(2) == Some(b'>') { 3 } else { 2 };
                self.begin_redirection(super::RedirectionKind::WriteBoth, length, None);
            }
            Some(b'|' | b'!') if self.dialect == Dialect::Zsh => {
                self.end_command_and_skip(Operator::Sequence, 2);
            }
            _ => self.end_command_and_skip(Operator::Sequence, 1),
        }
    }

    /// `(`: the parentheses of a function are skipped; everything else is taken for a list of commands, also
    /// the members of an array and of a pattern.
    fn open_parenthesis(&mut self) {
        if self.frame.building.is_name()
            && self.text.as_bytes().get(self.at + 1..).is_some_and(closes_at_once)
        {
            self.frame.building.drop_words();
            while self.peek(0).is_some_and(|byte| byte != b')') {
                self.at += 1;
            }
            self.at += 1;
            return;
        }
        let in_word = self.frame.building.in_word();
        let arithmetic = self.starts_with("((");
        if in_word {
            self.frame.building.unknown(self.at);
        } else {
            self.end_command(Operator::Sequence);
        }
        self.at += 1;
        self.enter(Close::Parenthesis { in_word, arithmetic });
    }

    fn close_parenthesis(&mut self) {
        if self.frame.pattern {
            self.frame.building.drop_words();
            self.frame.pattern = false;
            self.at += 1;
            return;
        }
        self.end_command(Operator::Sequence);
        self.at += 1;
        match self.frame.close {
            Close::Parenthesis { .. } if self.frame.cases == 0 => self.leave(),
            Close::Parenthesis { .. } | Close::Brace => {}
            Close::End => self.found.unbalanced |= self.frame.cases == 0,
        }
    }

    /// Ends the word that is being built, if one is.
    fn end_word(&mut self) {
        let (dialect, end) = (self.dialect, self.position(self.at));
        let ended = self.frame.building.end_word(dialect, end);
        match ended {
            Some(Pending::Separate) => self.end_command(Operator::Sequence),
            Some(Pending::Case) => {
                self.frame.cases += 1;
            }
            Some(Pending::EndCase) => {
                self.frame.cases = self.frame.cases.saturating_sub(1);
                self.frame.pattern = false;
            }
            Some(Pending::PatternNext) => self.frame.pattern = true,
            None => {}
        }
    }

    /// Ends the command that is being built, if one is.
    fn end_command(&mut self, next: Operator) {
        self.end_word();
        let index = self.found.commands.len();
        if let Some(command) = self.frame.building.end_command(next, index, self.dialect) {
            self.found.commands.push(command);
        }
    }

    /// Reads a script that stands in this text in another form.
    fn read_inner(&mut self, text: &str, base: usize) {
        let mut inner = Scanner::new(text, base, self.dialect, self.texts + 1);
        inner.decoded = true;
        self.take_over(inner);
    }

    /// Reads the substitutions in the body of a here-document.
    fn read_body(&mut self, text: &str, base: usize) {
        let mut inner = Scanner::new(text, base, self.dialect, self.texts + 1);
        inner.decoded = self.decoded;
        inner.body = true;
        self.take_over(inner);
    }

    /// Reads another text, and takes over what is found in it.
    fn take_over(&mut self, inner: Scanner<'_>) {
        if inner.texts > MAX_TEXTS {
            self.found.too_deep = true;
            self.found.commands.extend(build::flat(inner.text, inner.base));
            return;
        }
        let found = inner.run();
        self.found.unbalanced |= found.unbalanced;
        self.found.too_deep |= found.too_deep;
        let offset = self.found.commands.len();
        self.found.commands.extend(found.commands.into_iter().map(|mut command| {
            command.fed_by = command.fed_by.map(|index| index + offset);
            command
        }));
    }
}

/// Whether the next thing is `)`, blanks aside.
fn closes_at_once(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) == Some(&b')')
}

/// Puts commands in order of position and drops those that were found twice.
pub(super) fn tidy(commands: Vec<SimpleCommand>) -> Vec<SimpleCommand> {
    let mut order: Vec<usize> = (0..commands.len()).collect();
    order.sort_by_key(|index| commands.get(*index).map(|command| (command.span.start, command.span.end)));
    let mut seen = HashSet::new();
    order.retain(|index| {
        commands.get(*index).is_some_and(|command| seen.insert((command.span.start, command.words.clone())))
    });
    let mut new_index = vec![None; commands.len()];
    for (new, old) in order.iter().enumerate() {
        if let Some(slot) = new_index.get_mut(*old) {
            *slot = Some(new);
        }
    }
    let mut slots: Vec<Option<SimpleCommand>> = commands.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|old| slots.get_mut(old).and_then(Option::take))
        .map(|mut command| {
            command.fed_by = command.fed_by.and_then(|old| new_index.get(old).copied().flatten());
            command
        })
        .collect()
}
