//! Requirements for people and programs: each that is set, by the key that an administrator writes.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::display::escape_short;
use crate::network::NetworkRule;
use crate::requirements::{NetworkRequirement, RequirementSource, Requirements, Sourced};
use crate::toml_json::to_json;

/// Keys that are only said to be set: reports get pasted into tickets, and these may hold credentials or long texts.
const HIDDEN: [&str; 5] = [
    "additional_developer_instructions",
    "config_server",
    "guardian_extra_policy",
    "guardian_policy_config",
    "otel",
];

/// One requirement that is set.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its key.
    pub key: String,
    /// What it says; of rules only how many there are, and of what may be secret only that it is there.
    pub value: Json,
    /// Who says so.
    pub source: RequirementSource,
}

impl Requirements {
    /// All requirements that are set.
    pub fn described(&self) -> Vec<Described> {
        let mut all = Vec::new();
        let mut add = |key: &str, value: Json, source: RequirementSource| {
            all.push(Described { key: key.to_owned(), value, source });
        };
        fn list<T: serde::Serialize>(list: &Sourced<Vec<T>>) -> (Json, RequirementSource) {
            (json!(list.value), list.source.clone())
        }
        let lists = [
            ("allowed_approval_policies", self.allowed_approval_policies.as_ref().map(list)),
            ("allowed_approvals_reviewers", self.allowed_approvals_reviewers.as_ref().map(list)),
            ("allowed_sandbox_modes", self.allowed_sandbox_modes.as_ref().map(list)),
            ("allowed_web_search_modes", self.allowed_web_search_modes.as_ref().map(list)),
        ];
        for (key, list) in lists {
            if let Some((value, source)) = list {
                add(key, value, source);
            }
        }
        if let Some(catalogue) = &self.allowed_permission_profiles {
            add("allowed_permission_profiles", json!(catalogue.value), catalogue.source.clone());
        }
        if let Some(name) = &self.default_permissions {
            add("default_permissions", json!(name.value), name.source.clone());
        }
        for (name, profile) in &self.permissions {
            add(&format!("permissions.{}", escape_short(name)), json!("defined"), profile.source.clone());
        }
        if !self.deny_read.is_empty() {
            let places: Vec<String> = self.deny_read.iter().map(|denied| denied.value.to_string()).collect();
            add("permissions.filesystem.deny_read", json!(places), united(&self.deny_read));
        }
        if let Some(network) = &self.network {
            add("experimental_network", describe_network(&network.value), network.source.clone());
        }
        if !self.rules.is_empty() {
            let count: usize = self.rules.iter().map(|rules| rules.value.prefix.len()).sum();
            add("rules", json!(format!("configured ({count} rules)")), united(&self.rules));
        }
        if let Some(servers) = &self.mcp_servers {
            let identities: BTreeMap<String, String> =
                servers.value.iter().map(|(name, identity)| (name.clone(), identity.to_plain())).collect();
            add("mcp_servers", json!(identities), servers.source.clone());
        }
        if !self.features.is_empty() {
            let pins: BTreeMap<&String, bool> =
                self.features.iter().map(|(name, pin)| (name, pin.value)).collect();
            add("features", json!(pins), united(self.features.values()));
        }
        if let Some(residency) = &self.enforce_residency {
            add("enforce_residency", json!(residency.value.to_string()), residency.source.clone());
        }
        for (key, exact) in &self.exact {
            add(&key.to_string(), json!(exact.value), exact.source.clone());
        }
        for (key, other) in &self.others {
            let value =
                if HIDDEN.contains(&key.as_str()) { json!("configured") } else { to_json(&other.value) };
            add(key, value, other.source.clone());
        }
        all
    }
}

/// All layers that contribute, without repetition.
pub(crate) fn united<'a, T: 'a>(values: impl IntoIterator<Item = &'a Sourced<T>>) -> RequirementSource {
    let mut united = RequirementSource::default();
    for source in values.into_iter().flat_map(|value| &value.source.0) {
        if !united.0.contains(source) {
            united.0.push(source.clone());
        }
    }
    united
}

/// What is set of the managed network.
fn describe_network(network: &NetworkRequirement) -> Json {
    let rules = |rules: &BTreeMap<String, NetworkRule>| {
        let word = |rule: &NetworkRule| match rule {
            NetworkRule::Allow => "allow",
            NetworkRule::Deny => "deny",
        };
        let rows: BTreeMap<&String, &str> = rules.iter().map(|(name, rule)| (name, word(rule))).collect();
        json!(rows)
    };
    let NetworkRequirement {
        enabled,
        http_port,
        socks_port,
        allow_upstream_proxy,
        dangerously_allow_non_loopback_proxy,
        dangerously_allow_all_unix_sockets,
        domains,
        review_domains,
        managed_allowed_domains_only,
        unix_sockets,
        allow_local_binding,
        header_injections,
    } = network;
    let rows = [
        ("enabled", json!(enabled)),
        ("http_port", json!(http_port)),
        ("socks_port", json!(socks_port)),
        ("allow_upstream_proxy", json!(allow_upstream_proxy)),
        ("dangerously_allow_non_loopback_proxy", json!(dangerously_allow_non_loopback_proxy)),
        ("dangerously_allow_all_unix_sockets", json!(dangerously_allow_all_unix_sockets)),
        ("domains", json!(domains.as_ref().map(rules))),
        ("review_domains", json!(review_domains)),
        ("managed_allowed_domains_only", json!(managed_allowed_domains_only)),
        ("unix_sockets", json!(unix_sockets.as_ref().map(rules))),
        ("allow_local_binding", json!(allow_local_binding)),
        ("header_injections", json!(header_injections.as_ref().map(|_| "configured"))),
    ];
    let set = rows.into_iter().filter(|(_, value)| !value.is_null());
    Json::Object(set.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}
