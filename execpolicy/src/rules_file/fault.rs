//! The interpreter's own errors in this crate's form, with the fix where one is known.

use std::ops::Range;

use starlark::ErrorKind;
use starlark::syntax::AstModule;
use starlark::syntax::ast::{ArgumentP, AstStmt, ExprP};

use super::builtins::FUNCTIONS;
use super::collector::byte_range;
use super::error::{RuleFileError, Source, quoted};
use super::place;

/// What the language has elsewhere and rule files do not.
const ABSENT: [(&str, &str); 6] = [
    ("print", "take it out: a rule file prints nothing"),
    ("struct", "use a dict"),
    ("set", "use a list"),
    ("json", "write the values down as literals"),
    ("map", "use a comprehension: [f(x) for x in xs]"),
    ("partial", "use a lambda"),
];
/// The longest message of the interpreter that is passed on; some contain whole values.
const MESSAGE_CHARS: usize = 300;

/// An error of evaluation. The second tree is that of the same text: the first was consumed.
pub(super) fn of_evaluation(
    source: &Source<'_>,
    error: &starlark::Error,
    ast: Result<AstModule, RuleFileError>,
) -> RuleFileError {
    let unknown = match (error.kind(), ast, error.span()) {
        (ErrorKind::Function(_), Ok(ast), Some(span)) => {
            unknown_parameter(source, ast.statement(), byte_range(span.span))
        }
        _ => None,
    };
    unknown.unwrap_or_else(|| from_interpreter(source, error))
}

/// A name that nothing in the file gives a meaning to.
pub(super) fn of_unknown_name(source: &Source<'_>, name: &str, bytes: Range<usize>) -> RuleFileError {
    source.error(bytes, format!("variable {} not found", quoted(name)), unknown_name(name))
}

/// An error of the parser or of evaluation.
pub(super) fn from_interpreter(source: &Source<'_>, error: &starlark::Error) -> RuleFileError {
    let bytes = error.span().map_or(0..0, |span| byte_range(span.span));
    let text = error.without_diagnostic().to_string();
    let (message, help) = explain(error.kind(), &text);
    let mut shown: String = message.chars().take(MESSAGE_CHARS).collect();
    if shown.len() < message.len() {
        shown.push('…');
    }
    source.error(bytes, shown, help)
}

fn explain(kind: &ErrorKind, text: &str) -> (String, Option<String>) {
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_end_matches('.');
    if let ErrorKind::StackOverflow(_) = kind {
        return ("functions call each other too deeply".to_owned(), Some("end the recursion".to_owned()));
    }
    if line.contains("ticks has been exceeded") {
        return ("the file takes too many steps".to_owned(), Some("shorten its loops".to_owned()));
    }
    if line.starts_with(super::HEAP_EXHAUSTED) {
        return ("the file uses too much memory".to_owned(), Some("build smaller values".to_owned()));
    }
    (lower_first(line), help_for(line))
}

fn lower_first(line: &str) -> String {
    let mut chars = line.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => line.to_owned(),
    }
}

fn help_for(line: &str) -> Option<String> {
    if line.starts_with("Variable") {
        return unknown_name(in_backticks(line).next()?);
    }
    if line.starts_with("Missing") {
        let parameter = in_backticks(line).next()?;
        return Some(format!("add `{parameter}=…`"));
    }
    let fixes = [
        ("load", "put the rules into one file: a rule file loads no other"),
        ("abs are not allowed", "indent with spaces"),
        ("eserved", "this word has no meaning in rule files: use another"),
        ("unexpected string", "join strings with `+`"),
    ];
    fixes.iter().find(|(part, _)| line.contains(part)).map(|(_, help)| (*help).to_owned())
}

/// The first argument of a call of one of the three functions that has a name of no parameter. The
/// interpreter may complain about a missing parameter first, which is how a misspelling shows.
fn unknown_parameter(source: &Source<'_>, statement: &AstStmt, call: Range<usize>) -> Option<RuleFileError> {
    let (function, arguments) = place::call_at(statement, &call)?;
    let ExprP::Identifier(function) = &function.node else { return None };
    let (function, parameters) = FUNCTIONS.iter().find(|(name, _)| *name == function.node.ident)?;
    let name = arguments.args.iter().find_map(|argument| match &argument.node {
        ArgumentP::Named(name, _) if !parameters.contains(&name.node.as_str()) => Some(name),
        ArgumentP::Named(..) | ArgumentP::Positional(_) | ArgumentP::Args(_) | ArgumentP::KwArgs(_) => None,
    })?;
    let help = match closest(&name.node, parameters.iter().copied()) {
        Some(meant) => format!("use `{meant}`"),
        None => format!("take it out; there are {}", parameters.join(", ")),
    };
    let message = format!("`{function}` has no parameter {}", quoted(&name.node));
    Some(source.error(byte_range(name.span), message, Some(help)))
}

fn unknown_name(name: &str) -> Option<String> {
    if let Some((_, help)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
        return Some((*help).to_owned());
    }
    let meant = closest(name, FUNCTIONS.iter().map(|(function, _)| *function))?;
    Some(format!("use `{meant}`"))
}

fn in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The known name that is meant. One that differs in more than half of its letters is not, so that a name of
/// more than twice its length need not be compared.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter(|known| name.len() <= known.len().saturating_mul(2))
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|&(distance, known)| distance.saturating_mul(2) < known.len())
        .min()
        .map(|(_, known)| known)
}
