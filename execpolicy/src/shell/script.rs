//! The commands of a script, and whether they are all there is.

use std::collections::HashSet;

use super::{Construct, ConstructKind, Dialect, builtins, directory, scan, strict, tree};
use crate::{Span, Word};

/// The longest script that is read. The longest scripts in use are here-documents of some tens of KiB;
/// reading costs time and memory in proportion to this.
pub const MAX_SCRIPT_BYTES: usize = 256 * 1024;

/// What joins a command to the one before it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operator {
    /// `;`, a newline, or the start of the script.
    Sequence,
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `|`: it runs at the same time and reads what the other writes.
    Pipe,
}

/// The directory that a command runs in.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Directory {
    /// The one that the shell was started in.
    Initial,
    /// The argument of the `cd` before it: absolute, or relative to the start. Not normalised; shells resolve
    /// `..` in it by text (POSIX `cd -L`).
    Path(String),
    /// It cannot be told.
    Unknown,
}

/// What a redirection does with its target.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RedirectionKind {
    /// `<`.
    Read,
    /// `>`.
    Write,
    /// `>>`.
    Append,
    /// `>|`: as `>`, even where `noclobber` is set.
    Clobber,
    /// `<>`.
    ReadWrite,
    /// `>&N`, `<&N`, `>&-`.
    Duplicate,
    /// `&>`, `>&FILE`: standard output and standard error together.
    WriteBoth,
    /// `&>>`.
    AppendBoth,
    /// `<<`, `<<-`.
    HereDocument,
    /// `<<<`.
    HereString,
}

/// What a redirection points at.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// A file by this name, relative to the command's directory. `/dev/stdout` and `/dev/fd/1` are files, too:
    /// opening them truncates.
    File(String),
    /// `/dev/null`.
    Null,
    /// An open descriptor, or none (`-`).
    Descriptor,
    /// The text of a here-document or here-string; `None` when it is only known when it runs.
    HereDocument(Option<String>),
    /// Known only when it runs.
    Unknown,
}

/// One redirection of a command.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Redirection {
    /// The descriptor before the operator, if one is written there.
    pub fd: Option<u8>,
    /// What it does.
    pub operator: RedirectionKind,
    /// What it points at.
    pub target: Target,
    /// Whether it creates, truncates or extends a file. False for `/dev/null`.
    pub writes: bool,
    /// Its bytes, from the descriptor to the end of the target.
    pub span: Span,
}

/// A variable that is set for a command, or by it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: Word,
    /// Its bytes.
    pub span: Span,
}

/// A program with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SimpleCommand {
    /// The name and the arguments, as the program gets them. Never empty.
    pub words: Vec<Word>,
    /// From its first byte to its last, redirections included.
    pub span: Span,
    /// Its redirections, in the order in which they are made.
    pub redirections: Vec<Redirection>,
    /// `NAME=value` before the name. Never there in a plain script.
    pub assignments: Vec<Assignment>,
    /// Where it runs.
    pub directory: Directory,
    /// What joins it to the command before it in the list.
    pub operator: Operator,
    /// The index of the command whose output it reads.
    pub fed_by: Option<usize>,
}

/// A script, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Script {
    /// Plain: all commands, in order. Opaque: what was found anywhere in it, in order of position.
    pub commands: Vec<SimpleCommand>,
    /// Why it is opaque; empty when it is plain.
    pub constructs: Vec<Construct>,
    /// Whether tree-sitter-bash made sense of all of it. Only when this is false may commands have been
    /// missed altogether.
    pub parsed: bool,
}

impl Script {
    /// Whether the commands are proven to be what runs.
    pub fn is_plain(&self) -> bool {
        self.constructs.is_empty()
    }
}

/// Reads a script as this dialect does.
///
/// Never fails: what cannot be read is opaque. Time and memory are bounded by a multiple of
/// [`MAX_SCRIPT_BYTES`].
pub fn read(script: &str, dialect: Dialect) -> Script {
    if script.len() > MAX_SCRIPT_BYTES {
        return too_big(script, dialect);
    }
    let commands = match strict::read(script, dialect) {
        Ok(commands) => commands,
        Err(construct) => {
            let tree = tree::parse(&scan::without_literal_bodies(script, dialect));
            let parsed = tree.as_ref().is_some_and(tree::Tree::is_clean);
            let commands = found(script, dialect, tree.as_ref());
            return Script { commands, constructs: vec![*construct], parsed };
        }
    };
    let tree = tree::parse(script);
    let parsed = tree.as_ref().is_some_and(tree::Tree::is_clean);
    let mut constructs: Vec<Construct> = builtins::findings(&commands, dialect).into_iter().collect();
    if constructs.is_empty() {
        constructs.extend(tree::disagreement(tree.as_ref(), &commands));
    }
    let mut commands = commands;
    directory::assign(&mut commands);
    let mut commands: Vec<SimpleCommand> = commands.into_iter().map(strict::Command::into_simple).collect();
    if !constructs.is_empty() {
        commands = merge(commands, found(script, dialect, tree.as_ref()));
    }
    Script { commands, constructs, parsed }
}

/// A script that is longer than is read: its beginning is searched, and nothing is known of it.
fn too_big(script: &str, dialect: Dialect) -> Script {
    let mut end = MAX_SCRIPT_BYTES;
    while !script.is_char_boundary(end) {
        end -= 1;
    }
    let head = script.get(..end).unwrap_or_default();
    let why = format!("scripts of more than {MAX_SCRIPT_BYTES} bytes are not read to the end");
    Script {
        commands: found(head, dialect, None),
        constructs: vec![Construct::new(ConstructKind::TooBig, end..script.len(), why)],
        parsed: false,
    }
}

/// Every command that any reader finds in an opaque script.
fn found(script: &str, dialect: Dialect, tree: Option<&tree::Tree>) -> Vec<SimpleCommand> {
    let scanned = scan::scan(script, 0, dialect);
    let doubtful = scanned.unbalanced || scanned.too_deep || !tree.is_some_and(tree::Tree::is_clean);
    let mut commands = scanned.commands;
    if let Some(tree) = tree {
        let missed = missed_by_scan(script, dialect, tree, &commands);
        commands = append(commands, missed);
    }
    if doubtful {
        commands.extend(scan::scan_flat(script, 0));
    }
    scan::tidy(commands)
}

/// How many bytes are read again, at most, for each byte of the script: nodes lie in each other.
const REREAD_FACTOR: usize = 4;

/// The commands that tree-sitter-bash sees where the lenient reader saw none begin.
fn missed_by_scan(
    script: &str,
    dialect: Dialect,
    tree: &tree::Tree,
    commands: &[SimpleCommand],
) -> Vec<SimpleCommand> {
    let known: HashSet<usize> = commands.iter().map(|command| command.span.start).collect();
    let mut left = script.len() * REREAD_FACTOR;
    let mut missed = Vec::new();
    for span in tree.command_spans() {
        let Some(text) = script.get(span.clone()) else { continue };
        if known.contains(&span.start) {
            continue;
        }
        let Some(rest) = left.checked_sub(text.len()) else { break };
        left = rest;
        missed = append(missed, scan::scan(text, span.start, dialect).commands);
    }
    missed
}

/// Puts lists together whose commands refer to each other by index.
fn append(mut first: Vec<SimpleCommand>, second: Vec<SimpleCommand>) -> Vec<SimpleCommand> {
    let offset = first.len();
    first.extend(second.into_iter().map(|mut command| {
        command.fed_by = command.fed_by.map(|index| index + offset);
        command
    }));
    first
}

/// The strict reader's commands, and what else was found.
fn merge(strict: Vec<SimpleCommand>, found: Vec<SimpleCommand>) -> Vec<SimpleCommand> {
    scan::tidy(append(strict, found))
}
