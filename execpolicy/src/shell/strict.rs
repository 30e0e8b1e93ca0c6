//! The strict reader: commands of literal words, joined by `&&`, `||`, `;`, `|` and newlines.
//!
//! It stops at the first thing that is not that, and knows no error recovery: whatever is not provably plain
//! is refused here.

use super::word::{Cursor, Literal, Place, Refusal};
use super::{
    Assignment, Construct, ConstructKind, Dialect, Directory, Operator, Redirection, RedirectionKind,
    SimpleCommand, Target,
};
use crate::{Span, Word};

/// A command of a plain script.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// Its name and arguments; never empty once read.
    pub(crate) words: Vec<Literal>,
    /// Its redirections.
    pub(crate) redirections: Vec<Redirection>,
    /// Where the files are written that it is redirected to; descriptors are not among them.
    pub(crate) targets: Vec<Span>,
    /// Where it runs; `directory::assign` fills it in.
    pub(crate) directory: Directory,
    /// What joins it to the one before.
    pub(crate) operator: Operator,
    /// The command whose output it reads.
    pub(crate) fed_by: Option<usize>,
    /// From its first byte to its last.
    pub(crate) span: Span,
}

impl Command {
    fn starting(operator: Operator, fed_by: Option<usize>) -> Self {
        Self {
            words: Vec::new(),
            redirections: Vec::new(),
            targets: Vec::new(),
            directory: Directory::Unknown,
            operator,
            fed_by,
            span: 0..0,
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirections.is_empty()
    }

    fn covers(&mut self, span: &Span) {
        if self.is_empty() {
            self.span.start = span.start;
        }
        self.span.end = span.end;
    }

    /// The texts of its words.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }

    /// The form that leaves this module.
    pub(crate) fn into_simple(self) -> SimpleCommand {
        SimpleCommand {
            words: self.words.into_iter().map(|word| Word::Literal(word.text)).collect(),
            span: self.span,
            redirections: self.redirections,
            assignments: Vec::<Assignment>::new(),
            directory: self.directory,
            operator: self.operator,
            fed_by: self.fed_by,
        }
    }
}

/// Reads a script, or says what keeps it from being plain.
pub(crate) fn read(script: &str, dialect: Dialect) -> Result<Vec<Command>, Refusal> {
    let mut reader = Reader {
        cursor: Cursor::new(script, dialect),
        commands: Vec::new(),
        current: Command::starting(Operator::Sequence, None),
    };
    while reader.step()? {}
    if reader.commands.is_empty() {
        return Err(Box::new(Construct::new(ConstructKind::Empty, 0..script.len(), "no command is in it")));
    }
    Ok(reader.commands)
}

/// The reader's state: what is finished, and the command that is being read.
struct Reader<'a> {
    cursor: Cursor<'a>,
    commands: Vec<Command>,
    current: Command,
}

impl Reader<'_> {
    /// Reads one token. False at the end of the script.
    fn step(&mut self) -> Result<bool, Refusal> {
        self.cursor.skip_blanks();
        match self.cursor.peek(0) {
            None => self.end(),
            Some(b'\n') => self.newline(),
            Some(b'#') => self.cursor.skip_comment().map(|()| true),
            Some(b';') => self.semicolon(),
            Some(b'&') => self.ampersand(),
            Some(b'|') => self.bar(),
            Some(b'<' | b'>') => self.redirection(None, self.cursor.at),
            Some(b'(') => self.refuse_parenthesis(),
            Some(b')') => self.cursor.refuse(ConstructKind::ParseError, 1, "nothing is open here"),
            Some(_) => self.word(),
        }
    }

    fn end(&mut self) -> Result<bool, Refusal> {
        if self.current.is_empty() {
            return match self.current.operator {
                Operator::Sequence => Ok(false),
                Operator::And | Operator::Or | Operator::Pipe => {
                    self.cursor.refuse(ConstructKind::ParseError, 0, "a command is missing at the end")
                }
            };
        }
        self.finish(Operator::Sequence, 0)?;
        Ok(false)
    }

    fn newline(&mut self) -> Result<bool, Refusal> {
        if self.current.is_empty() {
            self.cursor.at += 1;
        } else {
            self.finish(Operator::Sequence, 1)?;
        }
        Ok(true)
    }

    fn semicolon(&mut self) -> Result<bool, Refusal> {
        if matches!(self.cursor.peek(1), Some(b';' | b'&' | b'|')) {
            return self.cursor.refuse(ConstructKind::ParseError, 2, "this belongs into `case`");
        }
        self.finish(Operator::Sequence, 1).map(|()| true)
    }

    fn ampersand(&mut self) -> Result<bool, Refusal> {
        match self.cursor.peek(1) {
            Some(b'&') => self.finish(Operator::And, 2).map(|()| true),
            Some(b'>') if matches!(self.cursor.dialect, Dialect::Bash | Dialect::Zsh) => self.both_outputs(),
            Some(b'>') => self.cursor.refuse(
                ConstructKind::Background,
                2,
                "`&>` is one operator in bash and zsh, and two in other shells",
            ),
            _ => self.cursor.refuse(ConstructKind::Background, 1, "the command before it goes on by itself"),
        }
    }

    fn bar(&mut self) -> Result<bool, Refusal> {
        match self.cursor.peek(1) {
            Some(b'|') => self.finish(Operator::Or, 2).map(|()| true),
            Some(b'&') => self.cursor.refuse(
                ConstructKind::PipeBoth,
                2,
                "a pipe for both outputs, a co-process or an error, depending on the shell",
            ),
            _ => self.finish(Operator::Pipe, 1).map(|()| true),
        }
    }

    /// Ends the command being read before an operator of `length` bytes.
    fn finish(&mut self, next: Operator, length: usize) -> Result<(), Refusal> {
        if self.current.is_empty() {
            return self.cursor.refuse(ConstructKind::ParseError, length, "a command is missing before this");
        }
        if self.current.words.is_empty() {
            let why =
                "without a command some shells only open the file, others run one that reads or fills it";
            let construct = Construct::new(ConstructKind::Redirection, self.current.span.clone(), why);
            return Err(Box::new(construct));
        }
        let fed_by = (next == Operator::Pipe).then_some(self.commands.len());
        let done = std::mem::replace(&mut self.current, Command::starting(next, fed_by));
        self.commands.push(done);
        self.cursor.at += length;
        Ok(())
    }

    fn refuse_parenthesis(&self) -> Result<bool, Refusal> {
        let at = self.cursor.at;
        let touches = self.current.words.last().is_some_and(|word| word.span.end == at);
        let (what, why) = if self.cursor.starts_with("((") {
            (ConstructKind::Arithmetic, "it is computed, and may run commands on the way")
        } else if self.current.is_empty() {
            (ConstructKind::Subshell, "a shell of its own")
        } else if self.current.words.len() == 1 {
            (ConstructKind::Function, "a name gets a new meaning")
        } else if touches {
            (ConstructKind::Glob, "an extended pattern or a glob qualifier, which may run commands")
        } else {
            (ConstructKind::ParseError, "nothing can be opened here")
        };
        self.cursor.refuse(what, 1, why)
    }

    fn word(&mut self) -> Result<bool, Refusal> {
        let naming = self.current.words.is_empty();
        let place = if naming { Place::Name } else { Place::Argument };
        if naming && self.cursor.peek(0) == Some(b'[') {
            return self.cursor.refuse(ConstructKind::Test, 1, "some shells evaluate its operands");
        }
        if naming && self.cursor.peek(0) == Some(b'{') {
            return self.cursor.refuse(ConstructKind::Group, 1, "a list of commands");
        }
        let start = self.cursor.at;
        let Some(word) = self.cursor.word(place)? else {
            return self.cursor.refuse(ConstructKind::ParseError, 1, "no word starts here");
        };
        let redirects = matches!(self.cursor.peek(0), Some(b'<' | b'>'));
        if redirects && word.text.bytes().all(|byte| byte.is_ascii_digit()) && !word.text.is_empty() {
            return self.descriptor(&word, start);
        }
        if naming {
            check_name(&word)?;
        }
        self.current.covers(&word.span);
        self.current.words.push(word);
        Ok(true)
    }

    /// A number right before `<` or `>`. One bare digit is a descriptor everywhere; more are one in bash
    /// and an argument in dash, and quoted ones are an argument that people take for a descriptor.
    fn descriptor(&mut self, word: &Literal, start: usize) -> Result<bool, Refusal> {
        match (word.text.parse::<u8>(), word.text.len()) {
            (Ok(fd), 1) if word.bare && !word.continued => self.redirection(Some(fd), start),
            _ => {
                let why = "a descriptor in some shells, an argument in others";
                Err(Box::new(Construct::new(ConstructKind::Redirection, word.span.clone(), why)))
            }
        }
    }

    fn redirection(&mut self, fd: Option<u8>, start: usize) -> Result<bool, Refusal> {
        let (operator, length) = self.redirection_operator()?;
        self.cursor.at += length;
        self.target(fd, operator, start)
    }

    fn redirection_operator(&self) -> Result<(RedirectionKind, usize), Refusal> {
        use RedirectionKind::{Append, Clobber, Duplicate, Read, Write};
        let refuse = |what, length, why: &str| self.cursor.refuse(what, length, why);
        let bytes = (self.cursor.peek(0), self.cursor.peek(1), self.cursor.peek(2));
        match bytes {
            (Some(b'<'), Some(b'<'), Some(b'<')) => {
                refuse(ConstructKind::HereString, 3, "text for standard input")
            }
            (Some(b'<'), Some(b'<'), _) => refuse(ConstructKind::HereDocument, 2, "text for standard input"),
            (Some(_), Some(b'('), _) => {
                refuse(ConstructKind::ProcessSubstitution, 2, "a command stands for a file here")
            }
            (Some(b'<'), Some(b'>'), _) => {
                refuse(ConstructKind::Redirection, 2, "opened for both directions")
            }
            (Some(_), Some(b'&'), _) => Ok((Duplicate, 2)),
            (Some(b'>'), Some(b'>'), Some(b'|' | b'&' | b'!' | b'(' | b'>' | b'<')) => {
                refuse(ConstructKind::Redirection, 3, "zsh has more operators that begin so")
            }
            (Some(b'>'), Some(b'>'), _) => Ok((Append, 2)),
            (Some(b'>'), Some(b'|'), _) => Ok((Clobber, 2)),
            (Some(b'>'), _, _) => Ok((Write, 1)),
            _ => Ok((Read, 1)),
        }
    }

    /// `&>` and `&>>`, where the dialect has them. zsh takes a digit right before it for a descriptor.
    fn both_outputs(&mut self) -> Result<bool, Refusal> {
        let start = self.cursor.at;
        let number = |word: &&Literal| word.text.bytes().all(|byte| byte.is_ascii_digit());
        if self
            .current
            .words
            .last()
            .filter(number)
            .is_some_and(|word| word.span.end == start || word.continued)
        {
            let why = "a descriptor in zsh, an argument in bash";
            return self.cursor.refuse(ConstructKind::Redirection, 2, why);
        }
        let (operator, length) = match (self.cursor.peek(2), self.cursor.peek(3)) {
            (Some(b'>'), Some(b'|' | b'&' | b'!' | b'(' | b'>' | b'<'))
            | (Some(b'|' | b'&' | b'!' | b'(' | b'<'), _) => {
                return self.cursor.refuse(
                    ConstructKind::Redirection,
                    4,
                    "zsh has more operators that begin so",
                );
            }
            (Some(b'>'), _) => (RedirectionKind::AppendBoth, 3),
            _ => (RedirectionKind::WriteBoth, 2),
        };
        self.cursor.at += length;
        self.target(None, operator, start)
    }

    fn target(&mut self, fd: Option<u8>, operator: RedirectionKind, start: usize) -> Result<bool, Refusal> {
        self.cursor.skip_blanks();
        let Some(word) = self.cursor.word(Place::Target)? else {
            return self.cursor.refuse(ConstructKind::ParseError, 1, "a redirection to nothing");
        };
        let span = start..word.span.end;
        let refuse = |what, why: &str| Err(Box::new(Construct::new(what, span.clone(), why)));
        if word.text.is_empty() {
            return refuse(ConstructKind::Redirection, "a file without a name");
        }
        let target = if operator == RedirectionKind::Duplicate {
            let number = word.text.len() == 1 && word.text.bytes().all(|byte| byte.is_ascii_digit());
            if !(word.bare && (number || word.text == "-")) {
                return refuse(ConstructKind::Redirection, "a descriptor in some shells, a file in others");
            }
            Target::Descriptor
        } else if NETWORK_FILES.iter().any(|prefix| word.text.starts_with(prefix)) {
            return refuse(ConstructKind::Network, "bash and ksh open a connection here");
        } else if word.text == "/dev/null" {
            Target::Null
        } else {
            Target::File(word.text)
        };
        if operator != RedirectionKind::Duplicate {
            self.current.targets.push(word.span.clone());
        }
        let writes = operator != RedirectionKind::Read && matches!(target, Target::File(_));
        self.current.covers(&span);
        self.current.redirections.push(Redirection { fd, operator, target, writes, span });
        Ok(true)
    }
}

/// Files that shells open as connections, where they were built to. bash(1), REDIRECTION; ksh(1),
/// Input/Output.
const NETWORK_FILES: [&str; 3] = ["/dev/tcp/", "/dev/udp/", "/dev/sctp/"];

/// Words that shells treat specially where a command begins, unless something in them is quoted. One list
/// for all dialects: a program that has such a name is started by quoting it.
const CONTROL_FLOW: [&str; 19] = [
    "if",
    "then",
    "elif",
    "else",
    "fi",
    "for",
    "foreach",
    "while",
    "until",
    "repeat",
    "do",
    "done",
    "end",
    "case",
    "esac",
    "select",
    "in",
    "always",
    "namespace",
];

/// Words that change how the rest of a command is read.
const PRECOMMANDS: [&str; 5] = ["time", "coproc", "nocorrect", "noglob", "-"];

/// Whether a shell of some dialect reads this word as grammar where a command begins.
pub(super) fn is_reserved(text: &str) -> bool {
    CONTROL_FLOW.contains(&text) || PRECOMMANDS.contains(&text) || text == "function"
}

fn check_name(word: &Literal) -> Result<(), Refusal> {
    let refuse = |what, why: &str| Err(Box::new(Construct::new(what, word.span.clone(), why)));
    let text = word.text.as_str();
    if text.is_empty() {
        return refuse(ConstructKind::CommandName, "a command without a name");
    }
    if !word.bare {
        return Ok(());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse(ConstructKind::CommandName, "a number");
    }
    if CONTROL_FLOW.contains(&text) {
        return refuse(ConstructKind::ControlFlow, "what runs depends on what happens");
    }
    if text == "function" {
        return refuse(ConstructKind::Function, "a name gets a new meaning");
    }
    if PRECOMMANDS.contains(&text) {
        return refuse(ConstructKind::ReservedWord, "it changes how the rest of the command is read");
    }
    Ok(())
}
