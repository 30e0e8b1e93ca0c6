//! Reading typed values out of a configuration table, with errors that say where and what to write instead.
//!
//! Serde could do the reading, but not the errors: after layers are merged it no longer knows the key, and its
//! words are those of Rust types.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::display::{alternatives, escape_short};
use crate::keys::KeyPath;
use crate::location::Anchor;

/// What is wrong with one value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mismatch {
    /// Its key.
    pub(crate) key: KeyPath,
    /// Whether to point at the key or the value.
    pub(crate) anchor: Anchor,
    /// What is wrong, after the key: "must be …".
    pub(crate) problem: String,
    /// What to write instead.
    pub(crate) fix: String,
}

/// A value and the key that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    /// The key.
    key: KeyPath,
    /// The value.
    value: &'a Value,
}

/// A table and the key that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct TableNode<'a> {
    /// The key; empty at the top.
    key: KeyPath,
    /// The table.
    table: &'a Table,
}

impl<'a> TableNode<'a> {
    /// The top of a configuration.
    pub(crate) fn top(table: &'a Table) -> Self {
        Self { key: KeyPath::default(), table }
    }

    /// The value of a key, if set.
    pub(crate) fn get(&self, name: &str) -> Option<Node<'a>> {
        self.table.get(name).map(|value| Node { key: self.key.child(name), value })
    }

    /// Reads a key if set.
    pub(crate) fn optional<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Mismatch>,
    ) -> Result<Option<T>, Mismatch> {
        self.get(name).map(|node| read(&node)).transpose()
    }

    /// Reads a key, or takes the default.
    pub(crate) fn or_default<T: Default>(
        &self,
        name: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Mismatch>,
    ) -> Result<T, Mismatch> {
        Ok(self.optional(name, read)?.unwrap_or_default())
    }

    /// All keys with their values.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> + use<'a, '_> {
        self.table.iter().map(|(name, value)| (name.as_str(), Node { key: self.key.child(name), value }))
    }
}

impl<'a> Node<'a> {
    /// A problem with this value.
    pub(crate) fn mismatch(&self, problem: impl Into<String>, fix: impl Into<String>) -> Mismatch {
        Mismatch { key: self.key.clone(), anchor: Anchor::Value, problem: problem.into(), fix: fix.into() }
    }

    /// A problem with the key of this value.
    pub(crate) fn key_mismatch(&self, problem: impl Into<String>, fix: impl Into<String>) -> Mismatch {
        Mismatch { anchor: Anchor::Key, ..self.mismatch(problem, fix) }
    }

    /// A value of another type than expected.
    fn wrong_type(&self, expected: &str, example: &str) -> Mismatch {
        let found = match self.value {
            Value::String(text) => format!("the string `{}`", escape_short(text)),
            Value::Integer(number) => format!("the number `{number}`"),
            Value::Float(number) => format!("the number `{number}`"),
            Value::Boolean(value) => format!("`{value}`"),
            Value::Datetime(_) => "a date or time".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        };
        let name = self.key.parts().last().map(|part| KeyPath::new([part.as_str()]).to_string());
        let fix = format!("write `{} = {example}`", name.unwrap_or_default());
        self.mismatch(format!("must be {expected}, not {found}"), fix)
    }

    /// A table.
    pub(crate) fn table(&self) -> Result<TableNode<'a>, Mismatch> {
        match self.value.as_table() {
            Some(table) => Ok(TableNode { key: self.key.clone(), table }),
            None => {
                Err(self.wrong_type("a table", "{ … }").with_fix(format!("start a section `[{}]`", self.key)))
            }
        }
    }

    /// The value as it is.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// Whether this is a table.
    /// Whether this is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, Mismatch> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("`true` or `false`", "true"))
    }

    /// A string.
    pub(crate) fn string(&self) -> Result<String, Mismatch> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.wrong_type("a string", "\"…\""))
    }

    /// A list of strings.
    pub(crate) fn strings(&self) -> Result<Vec<String>, Mismatch> {
        let wrong = || self.wrong_type("a list of strings", "[\"…\"]");
        let list = self.value.as_array().ok_or_else(wrong)?;
        let string = |(index, value): (usize, &Value)| {
            value.as_str().map(str::to_owned).ok_or_else(|| {
                let problem = format!("must be a list of strings, but element {} is not a string", index + 1);
                Mismatch { problem, ..wrong() }
            })
        };
        list.iter().enumerate().map(string).collect()
    }

    /// A whole number of at least 1.
    pub(crate) fn positive(&self) -> Result<std::num::NonZeroUsize, Mismatch> {
        let number = self.value.as_integer().and_then(|number| usize::try_from(number).ok());
        number
            .and_then(std::num::NonZeroUsize::new)
            .ok_or_else(|| self.wrong_type("a whole number of at least 1", "1"))
    }

    /// One of these words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Mismatch> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let wrong = || {
            let example = known.first().map_or_else(String::new, |word| format!("\"{word}\""));
            self.wrong_type(&alternatives(&known), &example)
        };
        let text = self.value.as_str().ok_or_else(wrong)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(wrong)
    }

    /// A table whose values are all read the same way.
    pub(crate) fn map<T>(
        &self,
        read: impl Fn(&Node<'a>) -> Result<T, Mismatch>,
    ) -> Result<BTreeMap<String, T>, Mismatch> {
        self.table()?.nodes().map(|(name, node)| Ok((name.to_owned(), read(&node)?))).collect()
    }
}

impl Mismatch {
    /// With a better fix.
    fn with_fix(self, fix: String) -> Self {
        Self { fix, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T>(toml: &str, read: impl Fn(&Node<'static>) -> Result<T, Mismatch>) -> (String, String) {
        let table: &Table = Box::leak(Box::new(toml.parse().unwrap()));
        let mismatch = read(&TableNode::top(table).get("k").unwrap()).err().expect("a mismatch");
        assert_eq!(mismatch.key, KeyPath::new(["k"]));
        (mismatch.problem, mismatch.fix)
    }

    #[test]
    fn wrong_types_are_named_with_a_fix() {
        let expect = |(problem, fix): (String, String), problem_text: &str, fix_text: &str| {
            assert_eq!((problem.as_str(), fix.as_str()), (problem_text, fix_text));
        };
        expect(
            problem("k = 'yes'", Node::boolean),
            "must be `true` or `false`, not the string `yes`",
            "write `k = true`",
        );
        expect(problem("k = 1", Node::string), "must be a string, not the number `1`", "write `k = \"…\"`");
        expect(
            problem("k = '/a'", Node::strings),
            "must be a list of strings, not the string `/a`",
            "write `k = [\"…\"]`",
        );
        expect(
            problem("k = ['/a', 2]", Node::strings),
            "must be a list of strings, but element 2 is not a string",
            "write `k = [\"…\"]`",
        );
        expect(
            problem("k = true", |node| node.table().map(drop)),
            "must be a table, not `true`",
            "start a section `[k]`",
        );
        expect(
            problem("k = 'c'", |node| node.word(&[("a", 1), ("b", 2)])),
            "must be `a` or `b`, not the string `c`",
            "write `k = \"a\"`",
        );
        for toml in ["k = 0", "k = -1", "k = 1.5", "k = '1'", "k = []"] {
            let (text, _) = problem(toml, Node::positive);
            assert!(text.starts_with("must be a whole number of at least 1, not"), "{text}");
        }
    }

    #[test]
    fn foreign_text_is_escaped() {
        let (text, _) = problem("k = \"\\u001b[2J\"", Node::boolean);
        assert_eq!(text, "must be `true` or `false`, not the string `\\u{1b}[2J`");
    }
}
