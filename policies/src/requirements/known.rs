//! The keys that a requirements file may have, and those of a file that are none of them.

use toml::{Table, Value};

use crate::display::escape_short;
use crate::keys::KeyPath;

/// What may stand in a value.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything: it has no keys, or keys of others.
    Any,
    /// These keys, and others only with the shape given for them.
    Table {
        /// By name.
        keys: &'static [(&'static str, Shape)],
        /// What names that people choose stand for.
        others: Option<&'static Shape>,
    },
    /// A list of such values.
    List(&'static Shape),
}

/// A table with fixed keys.
const fn table(keys: &'static [(&'static str, Shape)]) -> Shape {
    Shape::Table { keys, others: None }
}

/// A table with names that people choose.
const fn map(others: &'static Shape) -> Shape {
    Shape::Table { keys: &[], others: Some(others) }
}

use Shape::Any;

/// `{ granular = { … } }`.
const APPROVAL_POLICY: Shape = table(&[(
    "granular",
    table(&[
        ("sandbox_approval", Any),
        ("rules", Any),
        ("mcp_elicitations", Any),
        ("skill_approval", Any),
        ("request_permissions", Any),
    ]),
)]);

/// A managed profile.
const PROFILE: Shape = table(&[
    ("extends", Any),
    ("description", Any),
    ("workspace_roots", Any),
    ("filesystem", Any),
    (
        "network",
        table(&[
            ("enabled", Any),
            ("mode", Any),
            ("domains", Any),
            ("unix_sockets", Any),
            ("allow_local_binding", Any),
            ("allow_upstream_proxy", Any),
            ("enable_socks5", Any),
            ("enable_socks5_udp", Any),
            ("proxy_url", Any),
            ("socks_url", Any),
            ("dangerously_allow_non_loopback_proxy", Any),
            ("dangerously_allow_all_unix_sockets", Any),
            ("mitm", Any),
        ]),
    ),
]);

/// The managed network.
const NETWORK: Shape = table(&[
    ("enabled", Any),
    ("http_port", Any),
    ("socks_port", Any),
    ("allow_upstream_proxy", Any),
    ("dangerously_allow_non_loopback_proxy", Any),
    ("dangerously_allow_all_unix_sockets", Any),
    ("domains", Any),
    ("allowed_domains", Any),
    ("denied_domains", Any),
    ("review_domains", Any),
    ("managed_allowed_domains_only", Any),
    ("unix_sockets", Any),
    ("allow_unix_sockets", Any),
    ("allow_local_binding", Any),
    ("header_injections", Any),
]);

/// What a text must be.
const MATCHER: Shape = table(&[("match", Any), ("value", Any), ("expression", Any)]);

/// A tool server.
const MCP_SERVER: Shape =
    table(&[("identity", table(&[("command", Any), ("args", Shape::List(&MATCHER)), ("url", MATCHER)]))]);

/// A requirements file. The keys of `rules` are looked at where rules are read.
pub(crate) const REQUIREMENTS: Shape = table(&[
    ("allowed_approval_policies", Shape::List(&APPROVAL_POLICY)),
    ("allowed_approvals_reviewers", Any),
    ("allowed_sandbox_modes", Any),
    (
        "remote_sandbox_config",
        Shape::List(&table(&[("hostname_patterns", Any), ("allowed_sandbox_modes", Any)])),
    ),
    ("allowed_permission_profiles", Any),
    ("default_permissions", Any),
    (
        "permissions",
        Shape::Table {
            keys: &[("filesystem", table(&[("deny_read", Any)])), ("network", NETWORK)],
            others: Some(&PROFILE),
        },
    ),
    ("experimental_network", NETWORK),
    ("network_proxy", NETWORK),
    ("allowed_web_search_modes", Any),
    ("rules", Any),
    ("mcp_servers", map(&MCP_SERVER)),
    ("features", Any),
    ("feature_requirements", Any),
    ("enforce_residency", Any),
    ("hooks", Any),
    ("allow_managed_hooks_only", Any),
    ("plugins", Any),
    ("marketplaces", Any),
    ("apps", Any),
    ("models", table(&[("new_thread", Any)])),
    ("auto_review", Any),
    ("cli_auth_credentials_store", Any),
    ("chatgpt_base_url", Any),
    ("sqlite_home", Any),
    ("log_dir", Any),
    ("model_catalog_json", Any),
    ("check_for_update_on_startup", Any),
    ("allow_login_shell", Any),
    ("feedback", table(&[("enabled", Any)])),
    (
        "windows",
        table(&[
            ("allowed_sandbox_implementations", Any),
            ("sandbox_private_desktop", Any),
            ("allow_mxc", Any),
            ("require_mxc", Any),
        ]),
    ),
    ("allowed_login_methods", Any),
    ("allowed_chatgpt_workspaces", Any),
    ("allow_appshots", Any),
    ("allow_remote_control", Any),
    ("allow_browser_and_computer_use", Any),
    ("computer_use", Any),
    ("browser_use", Any),
    ("in_app_browser", Any),
    ("application", Any),
    ("otel", Any),
    ("config_server", Any),
    ("additional_developer_instructions", Any),
    ("guardian_policy_config", Any),
    ("guardian_extra_policy", Any),
    ("allowed_permissions", Any),
    ("strict", Any),
    ("delivery", table(&[("folder", Any), ("public_keys", Any)])),
]);

/// The longest key that is compared with the known ones, which takes time with its length.
const MAX_COMPARED_BYTES: usize = 64;

/// How alike two words must be for one to be a likely slip for the other.
const ALIKE: f64 = 0.75;

/// A key without a meaning.
#[derive(Clone, Debug)]
pub(crate) struct UnknownKey {
    /// As people would write it, with indices of lists, escaped.
    pub(crate) shown: String,
    /// The nearest place that can be looked up.
    pub(crate) key: KeyPath,
    /// Its own name, the last part.
    name: String,
    /// The keys that could have stood in its place.
    known: &'static [(&'static str, Shape)],
}

impl UnknownKey {
    /// A key that the reading of rules reported.
    pub(crate) fn of_rules(shown: String) -> Self {
        Self { shown: escape_short(shown), key: KeyPath::new(["rules"]), name: String::new(), known: &[] }
    }

    /// The known key that was probably meant. Takes its time, so it is for the keys that a message names.
    pub(crate) fn meant(&self) -> Option<&'static str> {
        let name = Some(self.name.as_str()).filter(|name| name.len() <= MAX_COMPARED_BYTES)?;
        let alike = |known: &'static str| (strsim::normalized_damerau_levenshtein(name, known), known);
        let best = self
            .known
            .iter()
            .map(|(known, _)| alike(known))
            .max_by(|left, right| left.0.total_cmp(&right.0))?;
        (best.0 >= ALIKE).then_some(best.1)
    }
}

/// All keys of a layer that have no meaning, those of `rules` and `delivery` apart.
pub(crate) fn unknown_keys(table: &Table) -> Vec<UnknownKey> {
    let mut unknown = Vec::new();
    let shape = &REQUIREMENTS;
    if let Shape::Table { keys, others } = shape {
        look_through(table, keys, *others, &Place::default(), &mut unknown);
    }
    // Those of `delivery` are errors where it is read.
    unknown.retain(|unknown| unknown.key.parts().first().is_none_or(|part| part != "delivery"));
    unknown
}

/// Where a walk is.
#[derive(Clone, Debug, Default)]
struct Place {
    /// To look up.
    key: KeyPath,
    /// To show.
    shown: String,
}

impl Place {
    /// Below this, by name.
    fn child(&self, name: &str, can_be_looked_up: bool) -> Self {
        let part = KeyPath::new([name]).to_string();
        let dot = if self.shown.is_empty() { "" } else { "." };
        let key = if can_be_looked_up { self.key.child(name) } else { self.key.clone() };
        Self { key, shown: format!("{}{dot}{part}", self.shown) }
    }
}

/// Walks a table.
fn look_through(
    table: &Table,
    keys: &'static [(&'static str, Shape)],
    others: Option<&'static Shape>,
    place: &Place,
    unknown: &mut Vec<UnknownKey>,
) {
    for (name, value) in table {
        // Below a list nothing can be looked up by name.
        let child = place.child(name, !place.shown.contains('['));
        match keys.iter().find(|(known, _)| known == name).map(|(_, shape)| shape).or(others) {
            Some(shape) => look_into(value, shape, &child, unknown),
            None => unknown.push(UnknownKey {
                name: name.clone(),
                known: keys,
                shown: child.shown,
                key: child.key,
            }),
        }
    }
}

/// Walks a value. Recursion is as deep as the shape.
fn look_into(value: &Value, shape: &'static Shape, place: &Place, unknown: &mut Vec<UnknownKey>) {
    match shape {
        Shape::Any => {}
        Shape::Table { keys, others } => {
            if let Some(table) = value.as_table() {
                look_through(table, keys, *others, place, unknown);
            }
        }
        Shape::List(shape) => {
            for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                let shown = format!("{}[{index}]", place.shown);
                look_into(value, shape, &Place { shown, key: place.key.clone() }, unknown);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(toml: &str) -> Vec<String> {
        unknown_keys(&toml.parse().expect(toml)).into_iter().map(|unknown| unknown.shown).collect()
    }

    #[test]
    fn unknown_keys_are_found_at_every_depth() {
        let rows: [(&str, &[&str]); 11] = [
            ("allowed_sandbox_modes = []", &[]),
            ("allowed_permissions = ['x']", &[]),
            ("newer = 1", &["newer"]),
            ("experimental_network.foo = 1", &["experimental_network.foo"]),
            ("permissions.network.foo = 1", &["permissions.network.foo"]),
            ("permissions.filesystem.foo = 1", &["permissions.filesystem.foo"]),
            ("[permissions.'a b']\nfilesytem = {}", &["permissions.\"a b\".filesytem"]),
            (
                "mcp_servers.x.y = 1\nmcp_servers.x.identity.z = 1",
                &["mcp_servers.x.identity.z", "mcp_servers.x.y"],
            ),
            (
                "allowed_approval_policies = ['never', { granular = { foo = true } }]",
                &["allowed_approval_policies[1].granular.foo"],
            ),
            ("[[remote_sandbox_config]]\nfoo = 1", &["remote_sandbox_config[0].foo"]),
            ("hooks.anything = 1\napps.x.y = 1\nfeatures.unknown = true", &[]),
        ];
        for (toml, expect) in rows {
            assert_eq!(shown(toml), expect, "{toml}");
        }
    }

    #[test]
    fn a_slip_is_recognised_and_a_new_word_is_not() {
        let rows = [
            ("allowed_sandbox_mode = 1", Some("allowed_sandbox_modes")),
            ("alowed_sandbox_modes = 1", Some("allowed_sandbox_modes")),
            ("permissions.filesystem.denyread = 1", Some("deny_read")),
            ("remote_sandbox_config = [{ hostname_pattern = 1 }]", Some("hostname_patterns")),
            ("something_else = 1", None),
        ];
        for (toml, expect) in rows {
            assert_eq!(unknown_keys(&toml.parse().unwrap())[0].meant(), expect, "{toml}");
        }
        let long = "x".repeat(100_000);
        assert_eq!(unknown_keys(&format!("{long} = 1").parse().unwrap())[0].meant(), None);
    }
}
