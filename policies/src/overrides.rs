//! Settings from the command line: `-c key=value`.

use crate::display::escape_short;
use crate::keys::{KeyError, KeyPath, quote_part};
use crate::layers::{Layer, LayerSource};
use crate::toml_text::parse_value;

/// Why an override cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OverrideError {
    /// There is no value.
    #[error("invalid override `{}`: there is no `=`", escape_short(text))]
    NoValue {
        /// As typed.
        text: String,
    },
    /// The key cannot be read.
    #[error("invalid override `{}`", escape_short(text))]
    Key {
        /// As typed.
        text: String,
        /// Why.
        source: KeyError,
    },
}

impl OverrideError {
    /// How to write it instead.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoValue { .. } => "write `-c key=value`, for example `-c sandbox_mode=read-only`",
            Self::Key { .. } => {
                "write `-c key=value`, and put parts with dots, spaces or slashes in quotes: `-c 'permissions.work.filesystem.\"/srv/data.d\"=read'`"
            }
        }
    }
}

/// Reads one override as a layer with one value: TOML when it parses as a TOML value, else the text itself.
///
/// # Errors
/// See [`OverrideError`].
pub fn parse_override(text: &str) -> Result<Layer, OverrideError> {
    let key_error = |source| OverrideError::Key { text: text.to_owned(), source };
    let (key, value) = KeyPath::parse_assignment(text).map_err(key_error)?;
    let value = value.ok_or_else(|| OverrideError::NoValue { text: text.to_owned() })?.trim();
    let mut value = parse_value(value).unwrap_or_else(|_| toml::Value::from(value));
    for part in key.parts().iter().rev() {
        value = toml::Value::Table(toml::Table::from_iter([(part.clone(), value)]));
    }
    let table = match value {
        toml::Value::Table(table) => table,
        // A key has at least one part, so the loop has made a table.
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_) => return Err(key_error(KeyError::EmptyPart)),
    };
    Ok(Layer::new(LayerSource::Override(text.to_owned()), table))
}

/// The override that `--enable NAME` and `--disable NAME` stand for.
pub fn feature_override(name: &str, enabled: bool) -> String {
    format!("features.{}={enabled}", quote_part(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_else_text() {
        let rows = [
            ("a=1", "a = 1"),
            ("a=true", "a = true"),
            ("a = \"x\"", "a = 'x'"),
            ("a=read-only", "a = 'read-only'"),
            ("a=", "a = ''"),
            ("a= spaced text ", "a = 'spaced text'"),
            ("a=[\"/x\", '/y']", "a = ['/x', '/y']"),
            ("a=[/x", "a = '[/x'"),
            ("a={b=1}", "a = { b = 1 }"),
            ("a.b.\"c d\"=1", "[a.b]\n'c d' = 1"),
            ("a=1\nb=2", "a = \"1\\nb=2\""),
            ("a=~/x", "a = '~/x'"),
        ];
        for (text, toml) in rows {
            let layer = parse_override(text).expect(text);
            assert_eq!(layer.table, toml.parse::<toml::Table>().unwrap(), "{text}");
            assert_eq!(layer.source, LayerSource::Override(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_an_assignment_is_refused() {
        for text in ["", "a", "a.b", "=1", "a..b=1", ".=1", "\"a=1"] {
            let error = parse_override(text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("invalid override `{text}`")), "{error}");
            assert!(error.help().contains("-c key=value"));
        }
    }

    #[test]
    fn hostile_values_become_text_or_errors() {
        let deep = format!("a={}", "[".repeat(100_000));
        assert!(parse_override(&deep).unwrap().table.get("a").is_some_and(toml::Value::is_str));
        assert!(parse_override(&format!("{}a=1", "a.".repeat(100_000))).is_err());
        let error = parse_override("\x1b[2J").unwrap_err().to_string();
        assert!(!error.contains('\x1b'), "{error}");
    }

    #[test]
    fn feature_flags_are_overrides() {
        for (name, key) in [("network_proxy", "network_proxy"), ("a.b", "a.b"), ("x\"y", "x\"y")] {
            let layer = parse_override(&feature_override(name, true)).unwrap();
            let features = layer.table.get("features").and_then(toml::Value::as_table).unwrap();
            assert_eq!(features.get(key), Some(&toml::Value::Boolean(true)));
        }
        assert_eq!(feature_override("a", false), "features.a=false");
    }
}
