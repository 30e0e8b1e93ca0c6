//! Rule files that only state facts, read off their syntax tree.
//!
//! Almost all rule files are a list of calls with literals. Setting up the interpreter takes hundreds of times
//! as long as reading one, so these do without it. Whatever is not plainly right is left to the interpreter,
//! from the start: it alone knows what is an error and how to say so.

use std::collections::HashMap;

use starlark::syntax::AstModule;
use starlark::syntax::ast::{
    ArgumentP, AssignP, AssignTargetP, AstArgument, AstExpr, AstLiteral, AstStmt, ExprP, StmtP,
};
use starlark::values::list::AllocList;
use starlark::values::{Heap, Value};

use super::builtins::{self, FUNCTIONS};
use super::collector::{Call, Collector, byte_range};
use crate::Origin;

/// Declares what the file states. `None`, and something or nothing declared, if it takes an interpreter.
pub(super) fn declare(ast: &AstModule, collector: &Collector) -> Option<()> {
    Heap::temp(|heap| {
        let mut reader = Reader { ast, collector, heap, names: HashMap::new() };
        reader.statement(ast.statement())
    })
}

struct Reader<'a, 'v> {
    ast: &'a AstModule,
    collector: &'a Collector,
    heap: Heap<'v>,
    /// What names were assigned, so far.
    names: HashMap<&'a str, Value<'v>>,
}

impl<'a, 'v> Reader<'a, 'v> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for the interpreter")]
    fn statement(&mut self, statement: &'a AstStmt) -> Option<()> {
        match &statement.node {
            StmtP::Statements(statements) => statements.iter().try_for_each(|inner| self.statement(inner)),
            StmtP::Pass => Some(()),
            StmtP::Assign(AssignP { lhs, ty: None, rhs }) => {
                let AssignTargetP::Identifier(name) = &lhs.node else { return None };
                let name = name.node.ident.as_str();
                let taken = FUNCTIONS.iter().any(|(function, _)| *function == name);
                let value = self.value(rhs).filter(|_| !taken && !is_constant(name))?;
                self.names.insert(name, value);
                Some(())
            }
            StmtP::Expression(expression) => match &expression.node {
                ExprP::Call(function, arguments) => self.call(expression, function, &arguments.args),
                ExprP::Literal(AstLiteral::String(_)) => Some(()),
                _ => None,
            },
            _ => None,
        }
    }

    fn call(&mut self, call: &AstExpr, function: &AstExpr, arguments: &'a [AstArgument]) -> Option<()> {
        let ExprP::Identifier(name) = &function.node else { return None };
        let (name, parameters) = FUNCTIONS.iter().find(|(function, _)| *function == name.node.ident)?;
        let mut values: Vec<Option<Value<'v>>> = vec![None; parameters.len()];
        for (at, argument) in arguments.iter().enumerate() {
            let (at, value) = match &argument.node {
                ArgumentP::Positional(value) => (at, value),
                ArgumentP::Named(name, value) => {
                    (parameters.iter().position(|parameter| **parameter == *name.node)?, value)
                }
                ArgumentP::Args(_) | ArgumentP::KwArgs(_) => return None,
            };
            let value = self.value(value)?;
            let place = values.get_mut(at).filter(|place| place.is_none())?;
            *place = Some(value);
        }
        let line = self.ast.file_span(call.span).resolve_span().begin.line.saturating_add(1);
        let origin =
            Origin::new(std::sync::Arc::clone(&self.collector.file), u32::try_from(line).unwrap_or(u32::MAX));
        let call = Call { collector: self.collector, bytes: byte_range(call.span), origin };
        builtins::apply(name, &call, &values)?.ok()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for the interpreter")]
    fn value(&self, expression: &'a AstExpr) -> Option<Value<'v>> {
        match &expression.node {
            ExprP::Literal(AstLiteral::String(text)) => Some(self.heap.alloc(text.node.as_str())),
            ExprP::List(items) => {
                let items: Option<Vec<Value<'v>>> = items.iter().map(|item| self.value(item)).collect();
                Some(self.heap.alloc(AllocList(items?)))
            }
            ExprP::Identifier(name) => match name.node.ident.as_str() {
                "True" => Some(Value::new_bool(true)),
                "False" => Some(Value::new_bool(false)),
                name => self.names.get(name).copied(),
            },
            _ => None,
        }
    }
}

fn is_constant(name: &str) -> bool {
    matches!(name, "True" | "False" | "None")
}

#[cfg(test)]
mod tests {
    use starlark::values::any::StarlarkAny;

    use super::*;
    use crate::rules_file::{Limits, Source, Workload, parse, run};

    /// What each of the two makes of a text: none, or everything that it declares, places included.
    fn both(text: &str) -> (Option<String>, Option<String>) {
        let source = Source { name: "a.rules", text };
        let shown = |collector: &Collector| format!("{:?}", *collector.declared());
        let facts = Collector::new("a.rules", Limits::default());
        let stated = declare(&parse(&source).unwrap(), &facts).map(|()| shown(&facts));
        let run_by = StarlarkAny::new(Collector::new("a.rules", Limits::default()));
        let ran = run(parse(&source).unwrap(), Workload::Data, &run_by).ok().map(|()| shown(&run_by));
        (stated, ran)
    }

    #[test]
    fn facts_are_what_the_interpreter_makes_of_them() {
        for text in [
            "",
            "# nothing\n'''a word on it'''\npass\n",
            "prefix_rule([\"git\"])\n",
            "\n\nprefix_rule(\n    pattern=['git', ['push', 'pull'], ['x']],\n    decision='prompt',\n)\n",
            "prefix_rule([['a', 'b', 'a'], ''], 'forbidden', ['a \\'\\' c'], [['b', 'c']], ' why\\n', True)\n",
            "V = ['push']\nW = ['git', V]\nprefix_rule(pattern=['git', V]); V = ['x']\nprefix_rule(pattern=['git', V])\n",
            "ON = True\nprefix_rule(['STRASSE'], canonical_matching=ON, match=[])\n",
            "network_rule('EXAMPLE.com.', 'https_connect', 'deny', justification='j')\r\nnetwork_rule(host='[::1]:8', decision='allow', protocol='http')\n",
            "host_executable('git', ['/usr//bin/git', '/usr/bin/./git'])\nhost_executable(paths=[], name='x')\n",
            r#"prefix_rule([r'\n', "\x41\u00e9\U0001F600", """a
b"""])"#,
        ] {
            let (stated, ran) = both(text);
            assert!(stated.is_some(), "left to the interpreter: {text}");
            assert_eq!(stated, ran, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_or_more_than_facts_is_left_to_the_interpreter() {
        for text in [
            "prefix_rule()\n",
            "prefix_rule([])\n",
            "prefix_rule(['a'], 'deny')\n",
            "prefix_rule(['a'], decision=None)\n",
            "prefix_rule(('a',))\n",
            "prefix_rule(['a', 1])\n",
            "prefix_rule(['a'], pattern=['b'])\n",
            "prefix_rule(['a'], reviewer='x')\n",
            "prefix_rule(*[['a']])\n",
            "prefix_rule(X)\nX = ['a']\n",
            "prefix_rule = 1\n",
            "True = 1\n",
            "prefix_rule(['a'] + ['b'])\n",
            "rule = prefix_rule\nrule(['a'])\n",
            "network_rule('x', 'ftp', 'allow')\n",
            "host_executable('git', ['~/git'])\n",
        ] {
            let Ok(ast) = parse(&Source { name: "a.rules", text }) else { continue };
            assert!(declare(&ast, &Collector::new("a.rules", Limits::default())).is_none(), "{text}");
        }
    }
}
