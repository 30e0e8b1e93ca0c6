//! One literal word of a plain script: the strict reader's lexer.
//!
//! A character that is not named here makes the script opaque. What is named means the same in every shell
//! of the dialect; `tests/differential.rs` asks the real ones.

use super::{Construct, ConstructKind, Dialect};
use crate::Span;

/// Why reading stopped. Boxed, since it is the rare way out.
pub(crate) type Refusal = Box<Construct>;

/// A word whose text is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Literal {
    /// What the program gets.
    pub(crate) text: String,
    /// The bytes of the script that it is written with.
    pub(crate) span: Span,
    /// Whether no character of it is quoted or escaped: only then can it be a reserved word, an alias or the
    /// number of a descriptor.
    pub(crate) bare: bool,
    /// Whether a line continuation runs through it.
    pub(crate) continued: bool,
}

/// Where a word stands: some characters are literal in arguments only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The name of a command.
    Name,
    /// An argument.
    Argument,
    /// The target of a redirection.
    Target,
}

/// A position in the text.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    /// The next byte.
    pub(crate) at: usize,
    /// The language.
    pub(crate) dialect: Dialect,
}

/// What a word holds so far.
struct Parts {
    text: String,
    start: usize,
    bare: bool,
    continued: bool,
    /// Where the last piece ended that is not a line continuation.
    end: usize,
    /// Where the last single-quoted piece ended.
    quote_end: Option<usize>,
}

impl<'a> Cursor<'a> {
    /// The start of `text`.
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    /// The byte `ahead` of the next one.
    pub(crate) fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Whether the text goes on with this.
    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(prefix.as_bytes()))
    }

    /// Refuses because of the next `length` bytes.
    pub(crate) fn refuse<T>(
        &self,
        what: ConstructKind,
        length: usize,
        why: impl Into<String>,
    ) -> Result<T, Refusal> {
        let mut end = (self.at + length).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Err(Box::new(Construct::new(what, self.at..end, why)))
    }

    /// Skips blanks and line continuations between words.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.peek(1) == Some(b'\n') => self.at += 2,
                _ => return,
            }
        }
    }

    /// Skips a comment up to its newline. A control character in it is refused: shells differ about where
    /// a line ends.
    pub(crate) fn skip_comment(&mut self) -> Result<(), Refusal> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => return Ok(()),
                _ => self.check_control(byte)?,
            }
            self.at += 1;
        }
        Ok(())
    }

    fn check_control(&self, byte: u8) -> Result<(), Refusal> {
        if byte == b'\r' {
            return self.refuse(
                ConstructKind::ControlCharacter,
                1,
                "a carriage return belongs to the word before it, invisibly",
            );
        }
        if byte.is_ascii_control() && byte != b'\n' && byte != b'\t' {
            return self.refuse(
                ConstructKind::ControlCharacter,
                1,
                "shells drop some control characters and keep others",
            );
        }
        Ok(())
    }

    /// Reads the word that starts here; `None` when an operator, a blank or the end does.
    pub(crate) fn word(&mut self, place: Place) -> Result<Option<Literal>, Refusal> {
        let start = self.at;
        let mut parts =
            Parts { text: String::new(), start, bare: true, continued: false, end: start, quote_end: None };
        while let Some(byte) = self.peek(0) {
            if matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')') {
                break;
            }
            let continuation = byte == b'\\' && self.peek(1) == Some(b'\n');
            self.piece(byte, place, &mut parts)?;
            if !continuation {
                parts.end = self.at;
            }
        }
        if self.at == start {
            return Ok(None);
        }
        let Parts { text, bare, continued, end, .. } = parts;
        Ok(Some(Literal { text, span: start..end, bare, continued }))
    }

    fn piece(&mut self, byte: u8, place: Place, parts: &mut Parts) -> Result<(), Refusal> {
        match byte {
            b'\'' => self.single_quoted(parts),
            b'"' => self.double_quoted(parts),
            b'\\' => self.escape(parts),
            b'$' => self.refuse_dollar(),
            b'`' => self.refuse(ConstructKind::CommandSubstitution, 1, "what stands here is its output"),
            b'*' | b'?' | b'[' | b']' => {
                self.refuse(ConstructKind::Glob, 1, "what stands here is the names of the files that match")
            }
            b'{' => self.brace(place, parts),
            b'}' => self.refuse(ConstructKind::BraceExpansion, 1, "a brace may end a group"),
            b'~' | b'^' | b'#' | b'=' | b'!' | b'%' | b'@' => self.sometimes_special(byte, place, parts),
            _ if byte.is_ascii_alphanumeric() || b"_-./:,+".contains(&byte) => {
                self.push_ascii(byte, parts);
                Ok(())
            }
            _ if byte.is_ascii() => {
                self.check_control(byte)?;
                self.refuse(ConstructKind::ParseError, 1, "this character is not known to be literal")
            }
            _ => self.beyond_ascii(parts),
        }
    }

    fn push_ascii(&mut self, byte: u8, parts: &mut Parts) {
        parts.text.push(char::from(byte));
        self.at += 1;
    }

    /// Everything up to the next single quote is literal.
    fn single_quoted(&mut self, parts: &mut Parts) -> Result<(), Refusal> {
        if self.dialect == Dialect::Zsh && parts.quote_end == Some(self.at) {
            return self.refuse(ConstructKind::AdjacentQuotes, 1, "one quote where `RC_QUOTES` is set");
        }
        let open = self.at;
        self.at += 1;
        let from = self.at;
        loop {
            match self.peek(0) {
                Some(b'\'') => break,
                Some(0) => return self.refuse_nul(),
                Some(_) => {}
                None => {
                    self.at = open;
                    return self.refuse(ConstructKind::ParseError, 1, "this quote does not end");
                }
            }
            self.at += 1;
        }
        parts.text.push_str(self.text.get(from..self.at).unwrap_or_default());
        self.at += 1;
        parts.bare = false;
        parts.quote_end = Some(self.at);
        Ok(())
    }

    /// In double quotes a backslash escapes `$`, a backquote, `"`, itself and a newline, and stays before
    /// anything else (POSIX XCU 2.2.3).
    fn double_quoted(&mut self, parts: &mut Parts) -> Result<(), Refusal> {
        let open = self.at;
        self.at += 1;
        parts.bare = false;
        loop {
            let Some(byte) = self.peek(0) else {
                self.at = open;
                return self.refuse(ConstructKind::ParseError, 1, "this quote does not end");
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'$' => return self.refuse_dollar(),
                b'`' => {
                    return self.refuse(
                        ConstructKind::CommandSubstitution,
                        1,
                        "what stands here is its output",
                    );
                }
                b'\\' => self.escape_in_double_quotes(parts),
                0 => return self.refuse_nul(),
                _ => self.copy_char(parts),
            }
        }
    }

    fn refuse_nul<T>(&self) -> Result<T, Refusal> {
        self.refuse(ConstructKind::ControlCharacter, 1, "no argument can hold it")
    }

    fn escape_in_double_quotes(&mut self, parts: &mut Parts) {
        match self.peek(1) {
            Some(b'\n') => self.at += 2,
            Some(next @ (b'$' | b'`' | b'"' | b'\\')) => {
                parts.text.push(char::from(next));
                self.at += 2;
            }
            _ => {
                parts.text.push('\\');
                self.at += 1;
            }
        }
    }

    /// Copies one character as it stands.
    fn copy_char(&mut self, parts: &mut Parts) {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => {
                parts.text.push(c);
                self.at += c.len_utf8();
            }
            None => self.at += 1,
        }
    }

    /// A backslash outside quotes: the next character is literal, a newline is nothing at all.
    fn escape(&mut self, parts: &mut Parts) -> Result<(), Refusal> {
        match self.peek(1) {
            Some(b'\n') => {
                parts.continued = true;
                self.at += 2;
                Ok(())
            }
            Some(next) if next == b' ' || next.is_ascii_graphic() => {
                parts.text.push(char::from(next));
                parts.bare = false;
                self.at += 2;
                Ok(())
            }
            _ => self.refuse(ConstructKind::Escape, 2, "shells differ about a backslash here"),
        }
    }

    /// Letters and digits of any script are literal. Other characters look like blanks or operators to
    /// people, and the bytes 0x85 and 0xA0 are blanks to shells that ask a C library about single bytes.
    fn beyond_ascii(&mut self, parts: &mut Parts) -> Result<(), Refusal> {
        let Some(c) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else {
            return self.refuse(ConstructKind::Unicode, 1, "no character starts here");
        };
        let mut buffer = [0; 4];
        let blank = c.encode_utf8(&mut buffer).bytes().any(|byte| byte == 0x85 || byte == 0xA0);
        if blank || !c.is_alphanumeric() {
            return self.refuse(ConstructKind::Unicode, c.len_utf8(), "some shells may take it for a blank");
        }
        parts.text.push(c);
        self.at += c.len_utf8();
        Ok(())
    }

    /// `{}` for `find -exec` and `@{1}` for git: braces around at most one plain word are literal.
    fn brace(&mut self, place: Place, parts: &mut Parts) -> Result<(), Refusal> {
        let inner = (1..)
            .map_while(|ahead| self.peek(ahead))
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_');
        let length = inner.count();
        let closed = self.peek(length + 1) == Some(b'}');
        let literal = if length == 0 { self.alone(parts) } else { parts.text.ends_with('@') && parts.bare };
        if place != Place::Argument || !closed || !literal {
            return self.refuse(ConstructKind::BraceExpansion, 1, "one word may become several");
        }
        for _ in 0..length + 2 {
            self.copy_char(parts);
        }
        Ok(())
    }

    /// Whether the two next bytes are a whole word.
    fn alone(&self, parts: &Parts) -> bool {
        parts.start == self.at
            && matches!(self.peek(2), None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>'))
    }

    fn sometimes_special(&mut self, byte: u8, place: Place, parts: &mut Parts) -> Result<(), Refusal> {
        let first = parts.start == self.at || parts.text.is_empty();
        let zsh = self.dialect == Dialect::Zsh;
        match byte {
            b'=' | b'%' | b'@' | b'!' if place == Place::Name => return self.refuse_in_name(byte, parts),
            b'=' if zsh && first => {
                return self.refuse(ConstructKind::EqualsExpansion, 1, "zsh puts the path of a program here");
            }
            b'!' if place == Place::Target && first => {
                return self.refuse(ConstructKind::Redirection, 1, "`>!` is one operator in zsh");
            }
            b'~' if zsh || place == Place::Name || !after_plain(&parts.text) => {
                return self.refuse(ConstructKind::Tilde, 1, "a home directory may stand here");
            }
            b'^' | b'#' if zsh || place == Place::Name || (byte == b'#' && first) => {
                return self.refuse(ConstructKind::Glob, 1, "some shells take it for a pattern");
            }
            _ => {}
        }
        self.push_ascii(byte, parts);
        Ok(())
    }

    fn refuse_in_name(&self, byte: u8, parts: &Parts) -> Result<(), Refusal> {
        match byte {
            b'!' if parts.text.is_empty() && matches!(self.peek(1), None | Some(b' ' | b'\t' | b'\n')) => {
                self.refuse(ConstructKind::Negation, 1, "the pipeline's outcome is turned around")
            }
            b'=' if is_name(parts.text.trim_end_matches('+')) => {
                let start = parts.start;
                let why = "a variable is set, which may change what programs run and do";
                Err(Box::new(Construct::new(ConstructKind::Assignment, start..self.at + 1, why)))
            }
            b'=' if parts.text.is_empty() => {
                self.refuse(ConstructKind::EqualsExpansion, 1, "zsh puts the path of a program here")
            }
            _ => self.refuse(
                ConstructKind::CommandName,
                1,
                "no program is called so, but a job or a variable is",
            ),
        }
    }

    fn refuse_dollar<T>(&self) -> Result<T, Refusal> {
        let (what, length, why) = match self.peek(1) {
            Some(b'(') if self.peek(2) == Some(b'(') => {
                (ConstructKind::Arithmetic, 3, "it is computed, and may run commands on the way")
            }
            Some(b'(') => (ConstructKind::CommandSubstitution, 2, "what stands here is its output"),
            Some(b'[') => (ConstructKind::Arithmetic, 2, "it is computed, and may run commands on the way"),
            Some(b'{') => (ConstructKind::Expansion, 2, "its value is only known when it runs"),
            Some(b'\'' | b'"') => (ConstructKind::DollarQuote, 2, "shells read it differently"),
            _ => (ConstructKind::Expansion, 1, "its value is only known when it runs"),
        };
        self.refuse(what, length, why)
    }
}

/// Whether a tilde after this text stays one: `HEAD~1`, but neither `a=~` nor `a:~`.
fn after_plain(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains(['=', ':'])
}

/// Whether it is the name of a variable.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
