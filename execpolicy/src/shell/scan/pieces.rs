//! The pieces that words are made of, for the lenient reader.

use super::{Close, Scanner};
use crate::shell::{Dialect, RedirectionKind, decode};

impl Scanner<'_> {
    /// One piece of a word outside of quotes.
    pub(super) fn word_piece(&mut self, byte: u8) {
        let start = self.position(self.at);
        match byte {
            b'\'' => self.single_quoted(start),
            b'"' => {
                self.frame.building.push_quoted("", start);
                self.frame.in_double_quotes = true;
                self.at += 1;
            }
            b'\\' => self.escape(start),
            b'$' => self.dollar(start),
            b'`' => self.backquoted(start, false),
            b'*' | b'?' => self.unknown_byte(start),
            b'[' if self.frame.building.in_word() || !self.ends_word(1) => self.unknown_byte(start),
            b'~' if !self.frame.building.in_word() => self.unknown_byte(start),
            b'=' if self.dialect == Dialect::Zsh && !self.frame.building.in_word() && !self.ends_word(1) => {
                // `=rm` is the path of `rm`: as the name of a command that is `rm`.
                if self.frame.building.is_empty() {
                    self.at += 1;
                } else {
                    self.unknown_byte(start);
                }
            }
            b'{' if self.dialect != Dialect::Dash && self.braces_expand() => self.braces(start),
            _ => {
                if let Some(c) = self.char() {
                    self.frame.building.push(c, start);
                    self.at += c.len_utf8();
                } else {
                    self.at += 1;
                }
            }
        }
    }

    /// One piece inside double quotes.
    pub(super) fn quoted_piece(&mut self, byte: u8) {
        let start = self.position(self.at);
        match byte {
            b'"' if !(self.body && self.outer.is_empty()) => {
                self.frame.in_double_quotes = false;
                self.at += 1;
            }
            b'$' => self.dollar(start),
            b'`' => self.backquoted(start, true),
            b'\\' => {
                match self.peek(1) {
                    Some(b'\n') => {}
                    Some(b'$') => self.frame.building.push_quoted("$", start),
                    Some(b'`') => self.frame.building.push_quoted("`", start),
                    Some(b'"') => self.frame.building.push_quoted("\"", start),
                    Some(b'\\') => self.frame.building.push_quoted("\\", start),
                    _ => {
                        self.frame.building.push_quoted("\\", start);
                        self.at += 1;
                        return;
                    }
                }
                self.at += 2;
            }
            _ => self.copy_quoted(start),
        }
    }

    fn copy_quoted(&mut self, start: usize) {
        if let Some(c) = self.char() {
            let mut buffer = [0; 4];
            self.frame.building.push_quoted(c.encode_utf8(&mut buffer), start);
            self.at += c.len_utf8();
        } else {
            self.at += 1;
        }
    }

    /// One piece of `${...}`: its quotes and substitutions are followed, the rest is not looked at.
    pub(super) fn brace_piece(&mut self, byte: u8) {
        match byte {
            b'}' => {
                self.frame.building.drop_words();
                self.at += 1;
                self.leave();
            }
            b'\'' | b'"' | b'\\' | b'$' | b'`' => self.word_piece(byte),
            _ => self.at += self.char().map_or(1, char::len_utf8),
        }
    }

    fn char(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn unknown_byte(&mut self, start: usize) {
        self.frame.building.unknown(start);
        self.at += 1;
    }

    /// Whether nothing more of the word comes after `ahead` bytes.
    fn ends_word(&self, ahead: usize) -> bool {
        matches!(
            self.peek(ahead),
            None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')')
        )
    }

    /// Braces that make several words: plain alternatives become these, anything else is unknown.
    fn braces(&mut self, start: usize) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let split =
            rest.split_once('}').filter(|(inner, _)| inner.contains(',') && inner.chars().all(is_plain));
        let Some((inner, behind)) = split else { return self.unknown_byte(start) };
        let suffix: String = behind.chars().take_while(|c| *c != ',' && is_plain(*c)).collect();
        let ends = behind.get(suffix.len()..).and_then(|rest| rest.bytes().next());
        let whole =
            matches!(ends, None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b')'));
        let alternatives: Vec<&str> = inner.split(',').collect();
        if !whole || !self.frame.building.branch(&alternatives, &suffix, start) {
            return self.unknown_byte(start);
        }
        self.at += inner.len() + 2;
    }

    /// Whether one word may become several here: `{a,b}`, `{1..3}`.
    fn braces_expand(&self) -> bool {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let inner = rest.iter().take(1024).take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b';'));
        let mut previous = 0;
        for byte in inner {
            if *byte == b',' || (*byte == b'.' && previous == b'.') || *byte == b'"' || *byte == b'\'' {
                return true;
            }
            if *byte == b'}' {
                return false;
            }
            previous = *byte;
        }
        false
    }

    fn single_quoted(&mut self, start: usize) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let (inner, length) = match rest.find('\'') {
            Some(end) => (rest.get(..end).unwrap_or_default(), end + 2),
            None => {
                self.found.unbalanced = true;
                (rest, rest.len() + 1)
            }
        };
        self.frame.building.push_quoted(inner, start);
        self.at += length;
    }

    fn escape(&mut self, start: usize) {
        self.at += 1;
        if self.peek(0) == Some(b'\n') {
            self.at += 1;
        } else {
            self.copy_quoted(start);
        }
    }

    fn dollar(&mut self, start: usize) {
        let quoted = self.frame.in_double_quotes;
        match self.peek(1) {
            Some(b'(') => {
                self.frame.building.unknown(start);
                let arithmetic = self.peek(2) == Some(b'(');
                self.at += 2;
                self.enter(Close::Parenthesis { in_word: true, arithmetic });
            }
            Some(b'{') => {
                self.frame.building.unknown(start);
                self.at += 2;
                self.enter(Close::Brace);
            }
            Some(b'\'') if !quoted => self.dollar_quoted(start),
            Some(b'"') if !quoted => self.at += 1,
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                self.frame.building.unknown(start);
                self.at += 1;
                while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    self.at += 1;
                }
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$![".contains(&byte) => {
                self.frame.building.unknown(start);
                self.at += 2;
            }
            _ => {
                self.frame.building.push('$', start);
                self.at += 1;
            }
        }
    }

    fn dollar_quoted(&mut self, start: usize) {
        let rest = self.text.get(self.at + 2..).unwrap_or_default();
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let closes = byte == b'\'' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        self.found.unbalanced |= end.is_none();
        let inner = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.frame.building.push_quoted("", start);
        match decode::dollar_quoted(inner) {
            Some(text) => self.frame.building.push_quoted(&text, start),
            None => self.frame.building.unknown(start),
        }
        self.at += inner.len() + 2 + usize::from(end.is_some());
    }

    /// The text between backquotes, one level of backslashes off, is a script.
    fn backquoted(&mut self, start: usize, quoted: bool) {
        let bytes = self.text.as_bytes();
        let mut inner = Vec::new();
        let mut at = self.at + 1;
        loop {
            match (bytes.get(at), bytes.get(at + 1)) {
                (None, _) => {
                    self.found.unbalanced = true;
                    break;
                }
                (Some(b'`'), _) => break,
                (Some(b'\\'), Some(next @ (b'`' | b'\\' | b'$'))) => {
                    inner.push(*next);
                    at += 2;
                }
                (Some(b'\\'), Some(b'"')) if quoted => {
                    inner.push(b'"');
                    at += 2;
                }
                (Some(byte), _) => {
                    inner.push(*byte);
                    at += 1;
                }
            }
        }
        self.at = (at + 1).min(bytes.len());
        self.frame.building.unknown(start);
        let inner = String::from_utf8_lossy(&inner).into_owned();
        self.read_inner(&inner, start);
    }

    /// `<`, `>` and everything that begins with them.
    pub(super) fn redirection(&mut self, byte: u8) {
        use RedirectionKind::{Append, Clobber, Duplicate, HereString, Read, ReadWrite, Write};
        if self.peek(1) == Some(b'(') {
            let start = self.position(self.at);
            self.frame.building.unknown(start);
            self.at += 2;
            self.enter(Close::Parenthesis { in_word: true, arithmetic: false });
            return;
        }
        if matches!(self.frame.close, Close::Parenthesis { arithmetic: true, .. })
            && self.peek(1) == Some(byte)
        {
            self.end_word_and_skip(2);
            return;
        }
        let descriptor = self.frame.building.take_descriptor();
        let (kind, length) = match (byte, self.peek(1), self.peek(2)) {
            (b'<', Some(b'<'), Some(b'<')) => (HereString, 3),
            (b'<', Some(b'<'), _) => {
                self.end_word();
                self.here_document(descriptor);
                return;
            }
            (b'<', Some(b'>'), _) => (ReadWrite, 2),
            (_, Some(b'&'), _) => (Duplicate, 2),
            (b'<', _, _) => (Read, 1),
            (_, Some(b'>'), Some(b'|' | b'!' | b'&')) => (Append, 3),
            (_, Some(b'>'), _) => (Append, 2),
            (_, Some(b'|'), _) => (Clobber, 2),
            (_, Some(b'!'), _) if self.dialect == Dialect::Zsh => (Clobber, 2),
            _ => (Write, 1),
        };
        self.begin_redirection(kind, length, descriptor);
    }

    /// Starts a redirection; the next word is its target.
    pub(super) fn begin_redirection(
        &mut self,
        kind: RedirectionKind,
        length: usize,
        descriptor: Option<(u8, usize)>,
    ) {
        self.end_word();
        let start = descriptor.map_or(self.position(self.at), |(_, start)| start);
        self.frame.building.open(kind, descriptor.map(|(fd, _)| fd), start);
        self.at += length;
    }
}

/// Whether a character is nothing but itself, also within braces.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ',' | '-' | '_' | '/' | '+' | ':' | '=' | '@' | '%')
}
