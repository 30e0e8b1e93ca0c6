//! TOML values as JSON, for reports.

use serde_json::{Value as Json, json};
use toml::Value;

/// A TOML value as JSON; dates become text.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Datetime(date) => json!(date.to_string()),
        Value::Array(list) => list.iter().map(to_json).collect(),
        Value::Table(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => json!(value),
    }
}
