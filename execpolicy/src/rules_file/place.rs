//! Where in the text an argument of a call stands.

use std::ops::Range;

use starlark::syntax::ast::{ArgumentP, AstExpr, AstNoPayload, AstStmt, CallArgsP, ExprP};

use super::builtins::FUNCTIONS;
use super::collector::{Fault, byte_range};

/// The bytes that the fault is about: the item, else the argument, else the call.
pub(super) fn of(statement: &AstStmt, call: Range<usize>, fault: &Fault) -> Range<usize> {
    let argument = fault.parameter.and_then(|parameter| {
        let (function, arguments) = call_at(statement, &call)?;
        argument(function, arguments, parameter)
    });
    match argument {
        Some(argument) => byte_range(item(argument, &fault.items).span),
        None => call,
    }
}

/// The call that stands exactly there: the called expression and the arguments.
pub(super) fn call_at<'a>(
    statement: &'a AstStmt,
    call: &Range<usize>,
) -> Option<(&'a AstExpr, &'a CallArgsP<AstNoPayload>)> {
    let mut found = None;
    statement.visit_expr(|expression| {
        if found.is_none() {
            found = within(expression, call);
        }
    });
    found
}

fn within<'a>(
    expression: &'a AstExpr,
    call: &Range<usize>,
) -> Option<(&'a AstExpr, &'a CallArgsP<AstNoPayload>)> {
    let bytes = byte_range(expression.span);
    if let ExprP::Call(function, arguments) = &expression.node
        && bytes == *call
    {
        return Some((function, arguments));
    }
    if bytes.start > call.start || bytes.end < call.end {
        return None;
    }
    let mut found = None;
    expression.visit_expr(|inner| {
        if found.is_none() {
            found = within(inner, call);
        }
    });
    found
}

fn argument<'a>(
    function: &AstExpr,
    arguments: &'a CallArgsP<AstNoPayload>,
    parameter: &str,
) -> Option<&'a AstExpr> {
    let named = arguments.args.iter().find_map(|argument| match &argument.node {
        ArgumentP::Named(name, value) if name.node == parameter => Some(value),
        ArgumentP::Named(..) | ArgumentP::Positional(_) | ArgumentP::Args(_) | ArgumentP::KwArgs(_) => None,
    });
    named.or_else(|| {
        let ExprP::Identifier(name) = &function.node else { return None };
        let (_, parameters) = FUNCTIONS.iter().find(|(function, _)| *function == name.node.ident)?;
        let at = parameters.iter().position(|name| *name == parameter)?;
        match arguments.args.get(at).map(|argument| &argument.node) {
            Some(ArgumentP::Positional(value)) => Some(value),
            Some(ArgumentP::Named(..) | ArgumentP::Args(_) | ArgumentP::KwArgs(_)) | None => None,
        }
    })
}

fn item<'a>(mut expression: &'a AstExpr, items: &[usize]) -> &'a AstExpr {
    for &at in items {
        let ExprP::List(inner) = &expression.node else { break };
        let Some(inner) = inner.get(at) else { break };
        expression = inner;
    }
    expression
}
