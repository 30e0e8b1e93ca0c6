//! What reports hide: settings that were typed and may be secrets. Reports get pasted into tickets.
//!
//! Messages about a mistake still repeat what was typed: whoever reads them has just typed it.

use toml::Value;

use crate::display::escape_short;
use crate::keys::KeyPath;
use crate::toml_text::parse_value;

/// What stands for a value that may be a secret.
pub(crate) const HIDDEN: &str = "(hidden)";

/// Parts of names that usually hold credentials, in small letters.
const SECRET_NAMES: [&str; 8] =
    ["key", "token", "secret", "password", "passwd", "credential", "auth", "header"];

/// What of a tool server is shown; arguments, addresses and variables can hold credentials.
const SHOWN_OF_SERVERS: [&str; 2] = ["enabled", "command"];

/// A typed `-c KEY=VALUE`, without a value that may be a secret; safe to print.
pub(crate) fn typed(text: &str) -> String {
    let Ok((key, Some(value))) = KeyPath::parse_assignment(text) else { return HIDDEN.to_owned() };
    let value = value.trim();
    let hides = match parse_value(value) {
        Ok(value) => holds_secret(key.parts(), &value),
        // Text, unless it was meant to be a table.
        Err(_) => is_secret(key.parts()) || value.starts_with(['{', '[']),
    };
    if hides { format!("{key}={HIDDEN}") } else { escape_short(text) }
}

/// Whether anything in a value may be a secret. Recursion is as deep as the value, which the parser limits.
fn holds_secret(key: &[String], value: &Value) -> bool {
    is_secret(key)
        || match value {
            Value::Table(table) => table
                .iter()
                .any(|(name, inner)| holds_secret(&[key, std::slice::from_ref(name)].concat(), inner)),
            Value::Array(list) => list.iter().any(|inner| holds_secret(key, inner)),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => false,
        }
}

/// Whether the value of a key may be a secret.
fn is_secret(key: &[String]) -> bool {
    let parts: Vec<&str> = key.iter().map(String::as_str).collect();
    let by_place = match parts.as_slice() {
        ["shell_environment_policy", "set", ..] => true,
        ["mcp_servers", _, field, ..] => !SHOWN_OF_SERVERS.contains(field),
        _ => false,
    };
    let has_secret_name = |part: &&str| {
        let part = part.to_lowercase();
        SECRET_NAMES.iter().any(|name| part.contains(name))
    };
    by_place || parts.iter().any(has_secret_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSource;

    #[test]
    fn values_that_may_be_secrets_are_hidden() {
        let hidden = [
            "shell_environment_policy.set.CI=s3cr3t",
            "shell_environment_policy.\"set\".\"a b\"='s3cr3t'",
            "shell_environment_policy.set={CI='s3cr3t'}",
            "shell_environment_policy={inherit='all', set={CI='s3cr3t'}}",
            "shell_environment_policy={inherit='all', set={CI='s3cr3t'}",
            "mcp_servers.docs.env.CI=s3cr3t",
            "mcp_servers.docs.env={CI='s3cr3t'}",
            "mcp_servers.docs={command='x', args=['s3cr3t']}",
            "mcp_servers={docs={url='s3cr3t'}}",
            "model_providers.x.api_key=s3cr3t",
            "GITHUB_TOKEN=s3cr3t",
            "x=[{password='s3cr3t'}]",
            "a.Http_Headers={x='s3cr3t'}",
        ];
        for text in hidden {
            let shown = LayerSource::Override(text.to_owned()).in_report();
            assert!(shown.starts_with("-c ") && shown.ends_with(HIDDEN), "{shown}");
            assert!(!shown.contains("s3cr3t"), "{shown}");
            // Whoever typed it gets it back in an error.
            assert!(LayerSource::Override(text.to_owned()).to_string().contains("s3cr3t"));
        }
        let shown = [
            "sandbox_mode=read-only",
            "shell_environment_policy.inherit=none",
            "shell_environment_policy={inherit='none', exclude=['A']}",
            "mcp_servers.docs.enabled=false",
            "mcp_servers.docs={enabled=false}",
            "sandbox_workspace_write.writable_roots=['/x']",
            "features.x=true",
        ];
        for text in shown {
            assert_eq!(LayerSource::Override(text.to_owned()).in_report(), format!("-c {text}"));
        }
        assert_eq!(LayerSource::UserFile("/token".into()).in_report(), "/token");
    }
}
