//! The calls of a file that consist of literals.

use std::ops::Range;

use starlark::syntax::AstModule;
use starlark::syntax::ast::{
    Argument, ArgumentP, AstAssignIdent, AstExpr, AstLiteral, AstStmt, CallArgsP, ExprP, ForP, StmtP,
};

use super::{Literal, LiteralCall};
use crate::Limits;
use crate::rules_file::{FUNCTIONS, RuleFileError, Source, byte_range, on_enough_stack};

/// One statement of the top level, as far as formatting may not change it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Statement {
    Call(LiteralCall),
    Other(String),
}

/// The statements of the top level in order.
pub(super) fn outline(name: &str, text: &str) -> Result<Vec<Statement>, RuleFileError> {
    on_enough_stack(&Source { name, text }, &Limits::default(), |ast, source| {
        Ok(top_level(ast.statement())
            .iter()
            .map(|statement| match literal_call(statement) {
                Some(call) => Statement::Call(call),
                None => {
                    let text = source.text.get(byte_range(statement.span)).unwrap_or_default();
                    Statement::Other(text.trim_end().to_owned())
                }
            })
            .collect())
    })
}

/// The calls of the top level that are all literals and hold no comment, with their places.
pub(super) fn literal_calls(
    name: &str,
    text: &str,
    limits: &Limits,
) -> Result<Vec<(Range<usize>, LiteralCall)>, RuleFileError> {
    on_enough_stack(&Source { name, text }, limits, |ast, _| {
        if rebinds_function(ast.statement()) {
            return Ok(Vec::new());
        }
        Ok(top_level(ast.statement())
            .iter()
            .filter_map(|statement| Some((place(statement)?, literal_call(statement)?)))
            .filter(|(bytes, _)| !holds_comment(&ast, bytes))
            .collect())
    })
}

/// Whether the file gives one of the three names a meaning of its own, with parameters of its own.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other statement binds names of the module")]
fn rebinds_function(statement: &AstStmt) -> bool {
    let mut rebinds = false;
    let mut check = |name: &AstAssignIdent| {
        rebinds |= FUNCTIONS.iter().any(|(function, _)| *function == name.node.ident);
    };
    match &statement.node {
        StmtP::Assign(assign) => assign.lhs.visit_lvalue(&mut check),
        StmtP::AssignModify(target, _, _) => target.visit_lvalue(&mut check),
        StmtP::For(ForP { var, .. }) => var.visit_lvalue(&mut check),
        StmtP::Def(def) => {
            check(&def.name);
            return rebinds;
        }
        _ => {}
    }
    statement.visit_stmt(|inner| rebinds |= rebinds_function(inner));
    rebinds
}

fn holds_comment(ast: &AstModule, bytes: &Range<usize>) -> bool {
    let comments = ast.comments();
    let next = comments.partition_point(|comment| byte_range(*comment).start < bytes.start);
    comments.get(next).is_some_and(|comment| byte_range(*comment).start < bytes.end)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other statement stands for itself")]
fn top_level(statement: &AstStmt) -> Vec<&AstStmt> {
    match &statement.node {
        StmtP::Statements(statements) => statements.iter().flat_map(top_level).collect(),
        _ => vec![statement],
    }
}

/// The bytes of the expression: a statement's may include the line break behind it.
fn place(statement: &AstStmt) -> Option<Range<usize>> {
    let StmtP::Expression(expression) = &statement.node else { return None };
    Some(byte_range(expression.span))
}

fn literal_call(statement: &AstStmt) -> Option<LiteralCall> {
    let StmtP::Expression(expression) = &statement.node else { return None };
    let ExprP::Call(function, CallArgsP { args }) = &expression.node else { return None };
    let ExprP::Identifier(function) = &function.node else { return None };
    let (function, parameters) = FUNCTIONS.iter().find(|(name, _)| *name == function.node.ident)?;
    let mut arguments: Vec<(usize, &'static str, Literal)> = Vec::with_capacity(args.len());
    for (at, argument) in args.iter().enumerate() {
        let (position, value) = argument_of(argument, at, parameters)?;
        arguments.push((position, parameters.get(position)?, literal(value)?));
    }
    arguments.sort_by_key(|(position, _, _)| *position);
    let arguments = arguments.into_iter().map(|(_, name, value)| (name, value)).collect();
    Some(LiteralCall { function, arguments })
}

fn argument_of<'a>(
    argument: &'a Argument,
    at: usize,
    parameters: &[&'static str],
) -> Option<(usize, &'a AstExpr)> {
    match argument {
        ArgumentP::Positional(value) => Some((at, value)),
        ArgumentP::Named(name, value) => {
            Some((parameters.iter().position(|parameter| *parameter == name.node)?, value))
        }
        ArgumentP::Args(_) | ArgumentP::KwArgs(_) => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is left alone")]
fn literal(expression: &AstExpr) -> Option<Literal> {
    match &expression.node {
        ExprP::Literal(AstLiteral::String(text)) => Some(Literal::Text(text.node.clone())),
        ExprP::Identifier(name) => match name.node.ident.as_str() {
            "True" => Some(Literal::Bool(true)),
            "False" => Some(Literal::Bool(false)),
            _ => None,
        },
        ExprP::List(items) => Some(Literal::List(items.iter().map(literal).collect::<Option<_>>()?)),
        _ => None,
    }
}
