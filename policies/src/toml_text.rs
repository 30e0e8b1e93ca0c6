//! TOML text into values, with a bound on nesting.
//!
//! The parser limits brackets and the parts of one key, but not their product: inline tables under long dotted
//! keys nest thousands deep, and everything that later walks, copies or drops such a value recurses. So the depth
//! is measured first, and a value that is too deep is taken apart without recursion.

use std::ops::Range;

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue, Deserializer, ValueDeserializer};
use toml::{Spanned, Table, Value};

/// The deepest nesting accepted. The documented settings need seven levels.
const MAX_DEPTH: usize = 64;

/// Why text is not TOML that we take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TomlError {
    /// Where in the text, if known.
    pub(crate) span: Option<Range<usize>>,
    /// What is wrong.
    pub(crate) message: String,
}

/// Reads a document.
pub(crate) fn parse_table(text: &str) -> Result<Table, TomlError> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let span = document.span();
    let document = limit(Spanned::new(span.clone(), DeValue::Table(document.into_inner())), errors)?;
    match document {
        DeValue::Table(table) => {
            Table::deserialize(Deserializer::from(Spanned::new(span, table))).map_err(TomlError::from)
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => Err(TomlError { span: None, message: "not a table".to_owned() }),
    }
}

/// Reads a single value.
pub(crate) fn parse_value(text: &str) -> Result<Value, TomlError> {
    let (value, errors) = DeValue::parse_recoverable(text);
    let span = value.span();
    let value = limit(value, errors)?;
    Value::deserialize(ValueDeserializer::from(Spanned::new(span, value))).map_err(TomlError::from)
}

impl From<toml::de::Error> for TomlError {
    fn from(error: toml::de::Error) -> Self {
        Self { span: error.span(), message: error.message().to_owned() }
    }
}

/// The value, unless there were errors or it is too deep; then it is taken apart. That holds for what was read of
/// an invalid text too, which would otherwise be dropped recursively.
fn limit<'a>(value: Spanned<DeValue<'a>>, errors: Vec<toml::de::Error>) -> Result<DeValue<'a>, TomlError> {
    let error = match errors.into_iter().next() {
        Some(error) => TomlError::from(error),
        None if depth(value.get_ref()) <= MAX_DEPTH => return Ok(value.into_inner()),
        None => TomlError { span: None, message: format!("nested more than {MAX_DEPTH} levels deep") },
    };
    take_apart(value.into_inner());
    Err(error)
}

/// How many tables and lists lie inside each other.
fn depth(value: &DeValue<'_>) -> usize {
    let mut deepest = 0;
    let mut pending = vec![(value, 0)];
    while let Some((value, depth)) = pending.pop() {
        deepest = deepest.max(depth);
        if let Some(table) = value.as_table() {
            pending.extend(table.iter().map(|(_, inner)| (inner.get_ref(), depth + 1)));
        } else if let Some(list) = value.as_array() {
            pending.extend(list.iter().map(|inner| (inner.get_ref(), depth + 1)));
        }
    }
    deepest
}

/// Drops a value level by level.
fn take_apart(value: DeValue<'_>) {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            DeValue::Table(table) => {
                pending.extend(table.into_iter().map(|(_, inner)| inner.into_inner()));
            }
            DeValue::Array(list) => pending.extend(list.into_iter().map(Spanned::into_inner)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_read() {
        let table = parse_table("a = 1\n[b]\nc = ['x', { d = true }]").unwrap();
        assert_eq!(table, "a = 1\nb = { c = ['x', { d = true }] }".parse().unwrap());
        assert_eq!(parse_value("[1, 2]").unwrap(), Value::Array(vec![Value::Integer(1), Value::Integer(2)]));
        for text in ["a", "", "1 2", "[", "a = 1", "99999999999999999999"] {
            assert!(parse_value(text).is_err(), "{text:?}");
        }
        let error = parse_table("a = 1\nb = 99999999999999999999").unwrap_err();
        assert_eq!(error.span.unwrap().start, 10);
    }

    #[test]
    fn the_bound_is_on_all_kinds_of_nesting_together() {
        let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_value(&lists(MAX_DEPTH)).is_ok());
        assert!(parse_value(&lists(MAX_DEPTH + 2)).is_err());
        assert!(parse_table(&format!("{}a = 1", "a.".repeat(MAX_DEPTH - 1))).is_ok());
        assert!(parse_table(&format!("{}a = 1", "a.".repeat(MAX_DEPTH))).is_err());
        assert!(parse_table(&format!("{}a = {{ b.c = 1 }}", "a.".repeat(MAX_DEPTH - 2))).is_err());
    }

    #[test]
    fn hostile_nesting_is_an_error_not_a_crash() {
        let long_key = vec!["a"; 79].join(".");
        let nested = (0..75).fold("1".to_owned(), |inner, _| format!("{{ {long_key} = {inner} }}"));
        let texts = [
            format!("a = {}", "[".repeat(500_000)),
            format!("a = {}", "{a=".repeat(200_000)),
            format!("a = {}1{}", "[".repeat(300_000), "]".repeat(300_000)),
            format!("{}a = 1", "a.".repeat(500_000)),
            format!("[{}a]", "a.".repeat(500_000)),
            format!("a = {nested}"),
            format!("a = {nested}\n="),
            format!("[{long_key}]\n{long_key} = {nested}"),
        ];
        for text in texts {
            assert!(parse_table(&text).is_err());
            assert!(parse_value(text.strip_prefix("a = ").unwrap_or(&text)).is_err());
        }
    }
}
