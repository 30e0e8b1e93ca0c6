//! How much work a rule file can make.

use starlark::syntax::AstModule;
use starlark::syntax::ast::{
    Argument, ArgumentP, AssignP, AssignTargetP, AstExpr, AstLiteral, AstStmt, CallArgsP, ExprP, StmtP,
};

use super::builtins::FUNCTIONS;

/// What evaluating a file can cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Workload {
    /// Names for literals, and calls of the three functions with literals and such names: work and memory
    /// are within a fixed multiple of the text and of [`super::Limits`]. Safe in this process.
    Data,
    /// A program. Steps and heap are counted, but a single operation of the language, such as `*=` or
    /// `str.join`, can use more than any limit before it is counted: evaluate it in a process of its own
    /// with a limit on its address space and its time.
    Program,
}

pub(super) fn of(ast: &AstModule, text: &str) -> Workload {
    if is_data(ast.statement()) && !text.contains(super::STATIC_TYPES) {
        Workload::Data
    } else {
        Workload::Program
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not known to be data is a program")]
fn is_data(statement: &AstStmt) -> bool {
    match &statement.node {
        StmtP::Statements(statements) => statements.iter().all(is_data),
        StmtP::Pass => true,
        // Only literals: a list of lists of names would be exponential in the text.
        StmtP::Assign(AssignP { lhs, ty: None, rhs }) => {
            matches!(lhs.node, AssignTargetP::Identifier(_)) && is_literal(rhs)
        }
        StmtP::Expression(expression) => match &expression.node {
            ExprP::Call(function, CallArgsP { args }) => {
                is_function(function) && args.iter().all(|argument| is_plain_argument(argument))
            }
            _ => is_literal(expression),
        },
        _ => false,
    }
}

fn is_function(expression: &AstExpr) -> bool {
    matches!(&expression.node, ExprP::Identifier(name)
        if FUNCTIONS.iter().any(|(function, _)| *function == name.node.ident))
}

fn is_plain_argument(argument: &Argument) -> bool {
    match argument {
        ArgumentP::Positional(value) | ArgumentP::Named(_, value) => is_plain(value),
        ArgumentP::Args(_) | ArgumentP::KwArgs(_) => false,
    }
}

/// A literal in which names may stand.
#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not known to be data is a program")]
fn is_plain(expression: &AstExpr) -> bool {
    match &expression.node {
        ExprP::Identifier(_) => true,
        ExprP::List(items) | ExprP::Tuple(items) => items.iter().all(is_plain),
        _ => is_literal(expression),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not known to be data is a program")]
pub(super) fn is_literal(expression: &AstExpr) -> bool {
    match &expression.node {
        ExprP::Literal(AstLiteral::String(_) | AstLiteral::Int(_)) => true,
        ExprP::Identifier(name) => matches!(name.node.ident.as_str(), "True" | "False" | "None"),
        ExprP::List(items) | ExprP::Tuple(items) => items.iter().all(is_literal),
        _ => false,
    }
}
