//! The command and the word that the lenient reader is building.

use crate::Word;
use crate::shell::word::is_name;
use crate::shell::{
    Assignment, Dialect, Directory, Operator, Redirection, RedirectionKind, SimpleCommand, Target,
};

/// What the end of a word means for the reader.
pub(super) enum Pending {
    /// The command before it ends here.
    Separate,
    /// `case` begins.
    Case,
    /// `esac`.
    EndCase,
    /// A pattern of `case` follows.
    PatternNext,
}

/// A word, so far.
#[derive(Debug)]
struct Partial {
    text: String,
    known: bool,
    bare: bool,
    /// How much of the text came before the first quote.
    unquoted: usize,
    start: usize,
}

/// A redirection whose target follows.
#[derive(Debug)]
struct Opened {
    fd: Option<u8>,
    operator: RedirectionKind,
    start: usize,
}

/// A command, so far.
#[derive(Debug, Default)]
pub(super) struct Building {
    word: Option<Partial>,
    words: Vec<Word>,
    redirections: Vec<Redirection>,
    assignments: Vec<Assignment>,
    opened: Option<Opened>,
    start: Option<usize>,
    end: usize,
    operator: Option<Operator>,
    /// The reserved word it began with, whose words are no command: `for`, `case`.
    header: Option<Header>,
    /// Words to leave out: the name after `function`, the number after `repeat`.
    skip: usize,
    /// The last command that ended here.
    pub(super) last: Option<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Header {
    Loop,
    Case,
}

impl Building {
    /// Whether a word is being built.
    pub(super) fn in_word(&self) -> bool {
        self.word.is_some()
    }

    /// Whether nothing of a command was read yet.
    pub(super) fn is_empty(&self) -> bool {
        self.word.is_none() && self.words.is_empty() && self.opened.is_none()
    }

    /// Makes several words of the one that is being built: all but the last alternative are complete with the
    /// suffix, the last goes on being built. False where the word is no argument or not known.
    pub(super) fn branch(&mut self, alternatives: &[&str], suffix: &str, start: usize) -> bool {
        let usable = self.opened.is_none() && self.header.is_none() && self.skip == 0;
        let prefix = self.word.as_ref().map_or(Some(""), |word| word.known.then_some(word.text.as_str()));
        let (Some(prefix), Some((last, others)), true) = (prefix, alternatives.split_last(), usable) else {
            return false;
        };
        let complete: Vec<Word> =
            others.iter().map(|other| Word::Literal(format!("{prefix}{other}{suffix}"))).collect();
        self.start.get_or_insert(start);
        self.words.extend(complete);
        self.partial(start).text.push_str(last);
        true
    }

    /// Whether all there is, is one word: a function may be defined.
    pub(super) fn is_name(&self) -> bool {
        self.words.len() + usize::from(self.word.is_some()) <= 1
            && (self.word.is_some() || !self.words.is_empty())
            && self.assignments.is_empty()
            && !self.word.as_ref().is_some_and(|word| word.text.contains('='))
    }

    /// Forgets the words so far.
    pub(super) fn drop_words(&mut self) {
        self.word = None;
        self.words.clear();
        self.header = None;
        self.start = None;
    }

    fn partial(&mut self, start: usize) -> &mut Partial {
        self.word.get_or_insert_with(|| Partial {
            text: String::new(),
            known: true,
            bare: true,
            unquoted: 0,
            start,
        })
    }

    /// Adds a character that is not quoted.
    pub(super) fn push(&mut self, c: char, start: usize) {
        self.partial(start).text.push(c);
    }

    /// Adds quoted text.
    pub(super) fn push_quoted(&mut self, text: &str, start: usize) {
        let word = self.partial(start);
        if std::mem::take(&mut word.bare) {
            word.unquoted = word.text.len();
        }
        word.text.push_str(text);
    }

    /// The word holds something that is only known when it runs.
    pub(super) fn unknown(&mut self, start: usize) {
        self.partial(start).known = false;
    }

    /// Takes the word that is being built if it is the number of a descriptor. Of more than one digit it is
    /// one in some shells, and an argument in others.
    pub(super) fn take_descriptor(&mut self) -> Option<(u8, usize)> {
        let word = self.word.as_mut()?;
        if !word.bare || !word.known || !word.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if word.text.len() > 1 {
            word.known = false;
            return None;
        }
        let descriptor = (word.text.parse().ok()?, word.start);
        self.word = None;
        Some(descriptor)
    }

    /// The next word is the target of a redirection.
    pub(super) fn open(&mut self, operator: RedirectionKind, fd: Option<u8>, start: usize) {
        self.opened = Some(Opened { fd, operator, start });
    }

    /// Adds a redirection whose target is known.
    pub(super) fn redirect(&mut self, redirection: Redirection) -> usize {
        self.start.get_or_insert(redirection.span.start);
        self.end = self.end.max(redirection.span.end);
        self.redirections.push(redirection);
        self.redirections.len() - 1
    }

    /// Ends the word, if there is one.
    pub(super) fn end_word(&mut self, dialect: Dialect, end: usize) -> Option<Pending> {
        let word = self.word.take()?;
        self.end = end;
        let value = if word.known { Word::Literal(word.text.clone()) } else { Word::Unknown };
        if let Some(opened) = self.opened.take() {
            self.close(&opened, value, end);
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if word.bare && matches!(word.text.as_str(), "{" | "}") {
            return Some(Pending::Separate);
        }
        if self.header == Some(Header::Case) && word.bare && word.text == "in" {
            self.drop_words();
            return Some(Pending::PatternNext);
        }
        if self.words.is_empty() {
            if let Some(pending) = self.reserved(&word, dialect) {
                return pending;
            }
            if self.assignment(&word, &value, end) {
                return None;
            }
        }
        self.start.get_or_insert(word.start);
        self.words.push(value);
        None
    }

    /// Handles a word that is none where a command begins.
    fn reserved(&mut self, word: &Partial, dialect: Dialect) -> Option<Option<Pending>> {
        if !word.bare || !word.known {
            return None;
        }
        match word.text.as_str() {
            "if" | "then" | "elif" | "else" | "fi" | "while" | "until" | "do" | "done" | "!" | "coproc"
            | "always" => Some(None),
            "noglob" | "nocorrect" | "-" | "end" if dialect == Dialect::Zsh => Some(None),
            "function" => {
                self.skip = 1;
                Some(None)
            }
            "repeat" if dialect == Dialect::Zsh => {
                self.skip = 1;
                Some(None)
            }
            "for" | "select" | "foreach" => {
                self.header = Some(Header::Loop);
                None
            }
            "case" => {
                self.header = Some(Header::Case);
                self.words.push(Word::Literal("case".into()));
                Some(Some(Pending::Case))
            }
            "esac" => Some(Some(Pending::EndCase)),
            _ => None,
        }
    }

    fn assignment(&mut self, word: &Partial, value: &Word, end: usize) -> bool {
        let Some((name, text)) = word.text.split_once('=') else { return false };
        if !word.bare && name.len() >= word.unquoted {
            return false;
        }
        let name = name.strip_suffix('+').unwrap_or(name);
        let plain = name.split_once('[').map_or(name, |(name, _)| name);
        if !is_name(plain) || (plain != name && !name.ends_with(']')) {
            return false;
        }
        let value = match value {
            Word::Literal(_) => Word::Literal(text.to_owned()),
            Word::Unknown => Word::Unknown,
        };
        self.assignments.push(Assignment { name: plain.to_owned(), value, span: word.start..end });
        self.start.get_or_insert(word.start);
        true
    }

    fn close(&mut self, opened: &Opened, value: Word, end: usize) {
        let target = match (opened.operator, value) {
            (RedirectionKind::HereString, Word::Literal(text)) => Target::HereDocument(Some(text)),
            (RedirectionKind::HereString, Word::Unknown) => Target::HereDocument(None),
            (RedirectionKind::Duplicate, Word::Literal(text))
                if text == "-" || text.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Target::Descriptor
            }
            (_, Word::Literal(text)) if text == "/dev/null" => Target::Null,
            (_, Word::Literal(text)) => Target::File(text),
            (_, Word::Unknown) => Target::Unknown,
        };
        let reads = matches!(opened.operator, RedirectionKind::Read | RedirectionKind::HereString);
        let writes = !reads && matches!(target, Target::File(_) | Target::Unknown);
        let Opened { fd, operator, start } = *opened;
        self.redirect(Redirection { fd, operator, target, writes, span: start..end });
    }

    /// Ends the command; `None` when it has no words.
    pub(super) fn end_command(
        &mut self,
        next: Operator,
        index: usize,
        dialect: Dialect,
    ) -> Option<SimpleCommand> {
        let last = self.last.take();
        let mut done = std::mem::take(self);
        // Redirections alone start the program that `NULLCMD` or `READNULLCMD` names.
        if dialect == Dialect::Zsh && done.words.is_empty() && !done.redirections.is_empty() {
            done.words.push(Word::Unknown);
        }
        self.operator = Some(next);
        let operator = done.operator.unwrap_or(Operator::Sequence);
        let empty = done.words.is_empty() || done.header.is_some();
        if empty {
            let idle = done.redirections.is_empty() && done.assignments.is_empty();
            self.last = last;
            if idle && next == Operator::Sequence {
                self.operator = done.operator;
            }
            return None;
        }
        self.last = Some(index);
        Some(SimpleCommand {
            words: done.words,
            span: done.start.unwrap_or(done.end)..done.end,
            redirections: done.redirections,
            assignments: done.assignments,
            directory: Directory::Unknown,
            operator,
            fed_by: if operator == Operator::Pipe { last } else { None },
        })
    }

    /// The redirection at this index, to fill in the text of a here-document.
    pub(super) fn redirection_mut(&mut self, index: usize) -> Option<&mut Redirection> {
        self.redirections.get_mut(index)
    }
}

/// Splits at everything that could separate commands, and takes quotes and backslashes off.
pub(super) fn flat(text: &str, base: usize) -> Vec<SimpleCommand> {
    let mut commands = Vec::new();
    let mut start = 0;
    let separator = |c: char| matches!(c, ';' | '|' | '&' | '\n' | '(' | ')' | '{' | '}' | '`');
    for segment in text.split(separator) {
        let words: Vec<Word> = segment.split_whitespace().filter_map(flat_word).collect();
        let begin = start + (segment.len() - segment.trim_start().len());
        let end = start + segment.trim_end().len();
        start += segment.len() + 1;
        let reserved = ["if", "then", "elif", "else", "while", "until", "do", "!", "coproc"];
        let skip = words.iter().take_while(|word| word.literal().is_some_and(|w| reserved.contains(&w)));
        let skip = skip.count();
        let words: Vec<Word> = words.into_iter().skip(skip).collect();
        if words.is_empty() {
            continue;
        }
        commands.push(SimpleCommand {
            words,
            span: base + begin..base + end.max(begin),
            redirections: Vec::new(),
            assignments: Vec::new(),
            directory: Directory::Unknown,
            operator: Operator::Sequence,
            fed_by: None,
        });
    }
    commands
}

fn flat_word(raw: &str) -> Option<Word> {
    let text: String = raw.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    if text.is_empty() {
        return None;
    }
    if text.contains(['$', '*', '?', '[', '<', '>', '~']) {
        return Some(Word::Unknown);
    }
    Some(Word::Literal(text))
}
