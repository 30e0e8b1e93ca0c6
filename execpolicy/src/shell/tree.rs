//! The second reader: tree-sitter-bash. It confirms what the strict reader saw, and finds commands in scripts
//! that are opaque.

use std::collections::HashSet;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, Parser};

use super::strict::Command;
use super::{Construct, ConstructKind, Operator};
use crate::Span;

/// How often the parser may report progress: once for every hundred operations, so this many for a script
/// of ordinary text is several times what it takes. A count instead of a time limit keeps reading pure, the
/// same on every machine.
fn progress_limit(bytes: usize) -> usize {
    1_000 + bytes / 4
}

/// The most characters that can open, close or join something. The parser's time grows with their square (8,000 of
/// `a|` take it three seconds, 2,000 commands in one pipeline 15 ms), and it reports no progress on the way.
/// With this many the worst text known takes about a second.
const MOST_OPENERS: usize = 3_000;

fn has_too_many_openers(script: &str) -> bool {
    let openers = script.bytes().filter(|byte| b"|()<{[`".contains(byte));
    openers.count() > MOST_OPENERS
}

/// A parsed script.
pub(super) struct Tree(tree_sitter::Tree);

/// Parses a script. `None` when the parser gave up.
pub(super) fn parse(script: &str) -> Option<Tree> {
    if has_too_many_openers(script) {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
    let mut left = progress_limit(script.len());
    let mut progress = |_: &tree_sitter::ParseState| match left.checked_sub(1) {
        Some(rest) => {
            left = rest;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let mut input = |at: usize, _| script.as_bytes().get(at..).unwrap_or_default();
    parser.parse_with_options(&mut input, None, Some(options)).map(Tree)
}

impl Tree {
    /// Whether all of the text fits the grammar.
    pub(super) fn is_clean(&self) -> bool {
        !self.0.root_node().has_error()
    }

    /// Where commands are, by the bytes of their node, inner ones after outer ones.
    pub(super) fn command_spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        walk(&self.0, |node| {
            let interesting = matches!(
                node.kind(),
                "command" | "redirected_statement" | "declaration_command" | "unset_command"
            );
            if interesting {
                spans.push(node.byte_range());
            }
            Visit::Children
        });
        spans
    }
}

/// Whether to look at a node's children.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Visit {
    Children,
    Next,
}

/// Visits every node in order, without recursion: a script of `a && a && ...` is a deep tree.
fn walk(tree: &tree_sitter::Tree, mut visit: impl FnMut(Node<'_>) -> Visit) {
    let mut cursor = tree.walk();
    loop {
        if visit(cursor.node()) == Visit::Children && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

/// What both readers must see the same, in order of position.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Mark {
    /// The name of a command.
    Name(usize, usize),
    /// An argument, or the target of a redirection.
    Word(usize, usize),
    /// `&&`, `||` or `|`.
    Join(Operator),
}

/// Says where the tree does not confirm the strict reader's commands.
pub(super) fn disagreement(tree: Option<&Tree>, commands: &[Command]) -> Option<Construct> {
    let end = commands.last().map_or(0, |command| command.span.end);
    let Some(tree) = tree else {
        return Some(Construct::new(ConstructKind::TooBig, 0..end, "reading it takes too long"));
    };
    if !tree.is_clean() {
        let span = first_error(&tree.0).unwrap_or(0..end);
        return Some(Construct::new(ConstructKind::ParseError, span, "tree-sitter-bash cannot read this"));
    }
    let why = "two readers understand it differently";
    let theirs = match their_marks(&tree.0) {
        Ok(marks) => marks,
        Err(span) => return Some(Construct::new(ConstructKind::Disagreement, span, why)),
    };
    let ours = our_marks(commands);
    if ours == theirs {
        return None;
    }
    let differing = ours.iter().zip(&theirs).find(|(our, their)| our != their);
    let span = match differing {
        Some((Mark::Name(start, end) | Mark::Word(start, end), _)) => *start..*end,
        Some((Mark::Join(_), Mark::Name(start, end) | Mark::Word(start, end))) => *start..*end,
        Some((Mark::Join(_), Mark::Join(_))) | None => 0..end,
    };
    Some(Construct::new(ConstructKind::Disagreement, span, why))
}

fn first_error(tree: &tree_sitter::Tree) -> Option<Span> {
    let mut first = None;
    walk(tree, |node| {
        if first.is_none() && (node.is_error() || node.is_missing()) {
            first = Some(node.byte_range());
        }
        if first.is_none() && node.has_error() { Visit::Children } else { Visit::Next }
    });
    first
}

fn our_marks(commands: &[Command]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for command in commands {
        match command.operator {
            Operator::Sequence => {}
            Operator::And | Operator::Or | Operator::Pipe => marks.push(Mark::Join(command.operator)),
        }
        let mut words: Vec<(usize, usize, bool)> =
            command.words.iter().enumerate().map(|(i, w)| (w.span.start, w.span.end, i == 0)).collect();
        words.extend(command.targets.iter().map(|target| (target.start, target.end, false)));
        words.sort_unstable();
        marks.extend(
            words.into_iter().map(
                |(start, end, name)| {
                    if name { Mark::Name(start, end) } else { Mark::Word(start, end) }
                },
            ),
        );
    }
    marks
}

/// The marks of a tree; the place of the first thing that no plain script has.
fn their_marks(tree: &tree_sitter::Tree) -> Result<Vec<Mark>, Span> {
    let mut marks = Vec::new();
    let mut foreign = None;
    // The node after `>&`, `<&`: a descriptor, compared by neither side.
    let mut skip = HashSet::new();
    walk(tree, |node| {
        let span = node.byte_range();
        match node.kind() {
            "program" | "list" | "pipeline" | "command" | "redirected_statement" | "file_redirect" => {
                return Visit::Children;
            }
            "command_name" => marks.push(Mark::Name(span.start, span.end)),
            "word" | "number" | "string" | "raw_string" | "concatenation" => {
                if !skip.contains(&node.id()) {
                    marks.push(Mark::Word(span.start, span.end));
                }
            }
            ">&" | "<&" => skip.extend(node.next_sibling().map(|next| next.id())),
            "&&" => marks.push(Mark::Join(Operator::And)),
            "||" => marks.push(Mark::Join(Operator::Or)),
            "|" => marks.push(Mark::Join(Operator::Pipe)),
            "comment" | "file_descriptor" | ";" | "\n" | "<" | ">" | ">>" | ">|" | "&>" | "&>>" | "<&-"
            | ">&-" => {}
            _ => {
                foreign.get_or_insert(span);
            }
        }
        Visit::Next
    });
    foreign.map_or(Ok(marks), Err)
}
