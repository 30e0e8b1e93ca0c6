//! Names that a file uses and nothing gives a meaning to.

use std::collections::HashSet;
use std::ops::Range;

use starlark::environment::Globals;
use starlark::syntax::AstModule;
use starlark::syntax::ast::{AstExpr, AstStmt, ExprP, StmtP};

use super::collector::byte_range;

/// The first name of a [`super::Workload::Data`] file that is neither assigned anywhere in it nor one of
/// `globals`, and its place.
pub(super) fn unknown(ast: &AstModule, globals: &Globals) -> Option<(String, Range<usize>)> {
    let mut known: HashSet<String> = globals.names().map(|name| name.as_str().to_owned()).collect();
    assigned(ast.statement(), &mut known);
    let mut found = None;
    ast.statement().visit_expr(|expression| find(expression, &known, &mut found));
    found
}

fn assigned(statement: &AstStmt, known: &mut HashSet<String>) {
    if let StmtP::Assign(assign) = &statement.node {
        assign.lhs.visit_lvalue(|name| {
            known.insert(name.node.ident.clone());
        });
    }
    statement.visit_stmt(|inner| assigned(inner, known));
}

fn find(expression: &AstExpr, known: &HashSet<String>, found: &mut Option<(String, Range<usize>)>) {
    if found.is_some() {
        return;
    }
    if let ExprP::Identifier(name) = &expression.node {
        let name = &name.node.ident;
        if !known.contains(name) {
            *found = Some((name.clone(), byte_range(expression.span)));
        }
    }
    expression.visit_expr(|inner| find(inner, known, found));
}
