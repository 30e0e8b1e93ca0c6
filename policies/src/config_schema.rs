//! What a `config.toml` may say, as far as this program looks at it, as types: the JSON Schema that editors complete
//! and check with comes from here, and the descriptions in it are these comments.
//!
//! Layers are not read through these types. `settings.rs` does that, with errors that say where and what to write
//! instead; tests hold the two together. Keys that are not here are left open: the same file configures much else.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::environment::Inherit;
use crate::mode::SandboxMode;
use crate::project::TrustLevel;
use crate::requirements::schema::{AccessToml, NetworkModeToml, NetworkRuleToml};
use crate::schema_document;
use crate::web_search::WebSearchMode;

/// What is kept as written.
type Anything = serde_json::Value;

/// Configuration of Codex: how commands are sandboxed, when a person is asked, and what commands get to see. Other
/// keys configure the rest of the product and are not checked here.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "config.toml")]
#[serde(default)]
pub struct ConfigToml {
    /// When a person is asked before a command runs. Without it: `on-request`, or `untrusted` in a project that is
    /// marked as untrusted.
    pub approval_policy: Option<ApprovalPolicy>,
    /// Who answers what would be asked. Without it: `user`.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// The ready-made sandbox of sessions. `default_permissions` names a permission profile instead.
    pub sandbox_mode: Option<SandboxMode>,
    /// Options of the sandbox mode `workspace-write`.
    pub sandbox_workspace_write: Option<WorkspaceWriteToml>,
    /// The permission profile that is used where none is named: one of `[permissions]`, or a built-in one such as
    /// `:read-only` and `:workspace`.
    pub default_permissions: Option<String>,
    /// Permission profiles, by name. Names that begin with `:` are reserved.
    #[schemars(extend("propertyNames" = { "pattern": "^[^:]" }))]
    pub permissions: Option<BTreeMap<String, ProfileConfigToml>>,
    /// The environment variables of commands.
    pub shell_environment_policy: Option<EnvironmentToml>,
    /// Whether commands may run in a login shell, which reads the start-up files of the person. Without it: yes.
    pub allow_login_shell: Option<bool>,
    /// How far sessions may search the web. Without it: `cached`, or `live` in full access.
    pub web_search: Option<WebSearchMode>,
    /// Tool servers, by name. A server has a `command` or a `url`.
    pub mcp_servers: Option<BTreeMap<String, ServerToml>>,
    /// Feature flags, by name: `true`, `false`, or a table of options with `enabled`.
    pub features: Option<BTreeMap<String, FeatureToml>>,
    /// Projects, by absolute path. Only the configuration of trusted ones is read.
    pub projects: Option<BTreeMap<String, ProjectToml>>,
    /// Names of files or folders that mark the top of a project. Without it: `.git`.
    #[schemars(inner(length(min = 1)))]
    pub project_root_markers: Option<Vec<String>>,
}

/// Options of the sandbox mode `workspace-write`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WorkspaceWriteToml {
    /// Further directories that commands may write to: absolute, `~/…`, or relative to the folder of this file.
    /// Missing ones grant nothing.
    pub writable_roots: Option<Vec<String>>,
    /// Whether commands reach the network. Without it: no.
    pub network_access: Option<bool>,
    /// Whether the directory that `$TMPDIR` names stays read-only. Without it: no.
    pub exclude_tmpdir_env_var: Option<bool>,
    /// Whether `/tmp` stays read-only. Without it: no.
    pub exclude_slash_tmp: Option<bool>,
}

/// The environment variables of commands. The keys apply in this order: `inherit`, `ignore_default_excludes`,
/// `exclude`, `set`, `include_only`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EnvironmentToml {
    /// What to start from. Without it: `all`.
    pub inherit: Option<Inherit>,
    /// Whether names that look like credentials are kept: `*KEY*`, `*SECRET*`, `*TOKEN*`. Without it: yes.
    pub ignore_default_excludes: Option<bool>,
    /// Names to drop. `*` is any text and `?` any character, in any case.
    pub exclude: Option<Vec<String>>,
    /// Variables to set, after dropping.
    #[schemars(extend("propertyNames" = { "pattern": "^[^=]+$" }))]
    pub set: Option<BTreeMap<String, String>>,
    /// When not empty, the only names to keep, also of those that are set.
    pub include_only: Option<Vec<String>>,
}

/// A tool server, as far as limits of an administrator look at it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerToml {
    /// The program to start.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Option<Vec<String>>,
    /// Where the server is.
    pub url: Option<String>,
    /// Whether the server is used. Without it: yes.
    pub enabled: Option<bool>,
}

/// A feature flag.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FeatureToml {
    /// On or off.
    Flag(bool),
    /// A table of options.
    Options(FeatureOptionsToml),
}

/// Options of a feature.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FeatureOptionsToml {
    /// Whether the feature is on.
    pub enabled: Option<bool>,
}

/// What is recorded about a project.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProjectToml {
    /// Whether its configuration is read. That can only narrow, trusted or not.
    pub trust_level: Option<TrustLevel>,
}

/// A permission profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProfileConfigToml {
    /// The profile whose settings this one changes, as in `:workspace`.
    pub extends: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Further directories that `:workspace_roots` stands for; `false` switches one off.
    pub workspace_roots: Option<BTreeMap<String, bool>>,
    /// What commands may do with files.
    pub filesystem: Option<FilesystemConfigToml>,
    /// What commands may reach.
    pub network: Option<NetworkConfigToml>,
}

/// What commands may do with files, by absolute path, `~/…`, token (`:root`, `:minimal`, `:workspace_roots`, `:tmpdir`,
/// `:slash_tmp`) or pattern. What no key covers does not exist for them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FilesystemConfigToml {
    /// How many directories deep patterns are searched when a command starts.
    pub glob_scan_max_depth: Option<NonZeroUsize>,
    /// Places.
    #[serde(flatten)]
    pub places: BTreeMap<String, PlaceToml>,
}

/// What one place of `filesystem` says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PlaceToml {
    /// Access to the place.
    Access(AccessToml),
    /// Access to places below, by subpath or pattern; `"."` is the place itself.
    Scoped(BTreeMap<String, AccessToml>),
}

/// The network of a permission profile. All but `enabled` needs a proxy to mean anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NetworkConfigToml {
    /// Whether the network is reachable at all. Without it: no.
    pub enabled: Option<bool>,
    /// Which requests pass the proxy.
    pub mode: Option<NetworkModeToml>,
    /// Hosts, by pattern.
    pub domains: Option<BTreeMap<String, NetworkRuleToml>>,
    /// Unix sockets, by absolute path.
    pub unix_sockets: Option<BTreeMap<String, NetworkRuleToml>>,
    /// Whether commands may listen on and reach loopback and private addresses.
    pub allow_local_binding: Option<bool>,
    /// Whether the proxy may use another one.
    pub allow_upstream_proxy: Option<bool>,
    /// Whether SOCKS5 is offered.
    pub enable_socks5: Option<bool>,
    /// Whether SOCKS5 carries UDP.
    pub enable_socks5_udp: Option<bool>,
    /// Where the HTTP proxy listens.
    pub proxy_url: Option<String>,
    /// Where the SOCKS5 proxy listens.
    pub socks_url: Option<String>,
    /// Whether the proxy may listen on other than loopback addresses.
    pub dangerously_allow_non_loopback_proxy: Option<bool>,
    /// Whether every Unix socket is reachable.
    pub dangerously_allow_all_unix_sockets: Option<bool>,
    /// Interception of encrypted connections.
    pub mitm: Option<Anything>,
}

/// The JSON Schema of `config.toml`.
pub fn config_schema() -> serde_json::Value {
    schema_document::document::<ConfigToml>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jsonschema::Validator;
    use serde_json::{Value as Json, json};
    use toml::{Table, Value};

    use super::*;
    use crate::settings::{KNOWN_KEYS, Settings};
    use crate::toml_json::to_json;

    /// Whether the reader, the types and the schema take a table.
    fn verdicts(table: &Table, schema: &Validator) -> [bool; 3] {
        let json = to_json(&Value::Table(table.clone()));
        let is_valid = schema.is_valid(&json);
        [Settings::read(table).is_ok(), serde_json::from_value::<ConfigToml>(json).is_ok(), is_valid]
    }

    fn validator() -> Validator {
        jsonschema::draft202012::new(&config_schema()).unwrap()
    }

    #[test]
    fn the_schema_has_exactly_the_known_keys() {
        let schema = config_schema();
        let properties: BTreeSet<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(properties, BTreeSet::from(KNOWN_KEYS));
        assert_eq!(schema.get("additionalProperties"), None, "the file configures much else");
    }

    /// One reader reads profiles of both files, so keys that one schema has, the other must have.
    #[test]
    fn profiles_have_the_keys_that_they_have_in_requirements() {
        let (here, there) = (config_schema(), crate::requirements::schema::requirements_schema());
        let keys = |schema: &Json, name: &str| -> BTreeSet<String> {
            schema["$defs"][name]["properties"].as_object().unwrap().keys().cloned().collect()
        };
        for (config, required) in
            [("ProfileConfigToml", "ProfileToml"), ("NetworkConfigToml", "ProfileNetworkToml")]
        {
            assert_eq!(keys(&here, config), keys(&there, required), "{config}");
        }
        assert_eq!(here["$defs"]["Granular"], there["$defs"]["Granular"]);
    }

    /// All keys of a schema, with `name` for those that people choose.
    fn keys(schema: &Json, root: &Json, place: &[String], found: &mut Vec<Vec<String>>) {
        let below = |name: &str| [place, &[name.to_owned()]].concat();
        if let Some(reference) = schema["$ref"].as_str() {
            keys(root.pointer(reference.strip_prefix('#').unwrap()).unwrap(), root, place, found);
        }
        for kind in ["anyOf", "oneOf"] {
            schema[kind].as_array().into_iter().flatten().for_each(|one| keys(one, root, place, found));
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            found.push(below(name));
            keys(inner, root, &below(name), found);
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
            found.push(below("name"));
            keys(inner, root, &below("name"), found);
        }
    }

    /// Every key is read by the reader, so that a nought in its place is an error, and by the schema.
    #[test]
    fn the_reader_reads_what_the_schema_has() {
        let (schema, mut found) = (config_schema(), Vec::new());
        keys(&schema, &schema, &[], &mut found);
        assert!(found.len() > 50, "{}", found.len());
        let validator = validator();
        for key in found {
            let nested = key.iter().rev().fold(Value::Integer(0), |inner, name| {
                Value::Table([(name.to_owned(), inner)].into_iter().collect())
            });
            let expect = key.join(".") == "permissions.name.network.mitm";
            assert_eq!(verdicts(nested.as_table().unwrap(), &validator), [expect; 3], "{key:?}");
        }
    }

    #[test]
    fn the_reader_the_types_and_the_schema_agree() {
        let accepted = [
            "",
            "model = 'x'\nnewer = [1]\n[model_providers.a]\ncommand = 1",
            "approval_policy = 'untrusted'",
            "approval_policy = 'on-failure'",
            "approval_policy = 'on-request'",
            "approval_policy = 'never'",
            "approval_policy = { granular = { sandbox_approval = true, rules = false, mcp_elicitations = true } }",
            "approval_policy = { granular = { sandbox_approval = true, rules = false, mcp_elicitations = true, skill_approval = true, request_permissions = true, newer = 1 } }",
            "approvals_reviewer = 'user'",
            "approvals_reviewer = 'auto_review'",
            "sandbox_mode = 'read-only'",
            "sandbox_mode = 'workspace-write'",
            "sandbox_mode = 'danger-full-access'",
            "[sandbox_workspace_write]\nwritable_roots = ['a', '~/b']\nnetwork_access = true\nexclude_tmpdir_env_var = true\nexclude_slash_tmp = false\nnewer = []",
            "default_permissions = ':workspace'",
            "[permissions.w]\nextends = ':workspace'\ndescription = 'd'\nnewer = 1\n[permissions.w.workspace_roots]\n'../lib' = true",
            "[permissions.w.filesystem]\nglob_scan_max_depth = 3\n':root' = 'read'\n'/a' = 'none'\n'/b' = 'deny'\n[permissions.w.filesystem.':workspace_roots']\n'.' = 'write'",
            "[permissions.w.network]\nenabled = true\nmode = 'limited'\ndomains = { 'a.com' = 'allow', 'b.com' = 'deny' }\nunix_sockets = { '/run/x' = 'deny' }\nmitm = { hooks = {} }\nnewer = 1",
            "[permissions.w.network]\nmode = 'full'\nproxy_url = 'http://127.0.0.1:1'\nsocks_url = 'x'\nenable_socks5 = true\nenable_socks5_udp = false\nallow_upstream_proxy = true\nallow_local_binding = false\ndangerously_allow_non_loopback_proxy = false\ndangerously_allow_all_unix_sockets = false",
            "[shell_environment_policy]\ninherit = 'core'\nignore_default_excludes = false\nexclude = ['A*']\ninclude_only = ['B*']\nset = { X = 'y' }\nexperimental_use_profile = true",
            "[shell_environment_policy]\ninherit = 'all'",
            "[shell_environment_policy]\ninherit = 'none'",
            "allow_login_shell = false",
            "web_search = 'disabled'",
            "web_search = 'cached'",
            "web_search = 'indexed'",
            "web_search = 'live'",
            "[mcp_servers.a]\ncommand = 'x'\nargs = ['y']\nstartup_timeout_sec = 3\n[mcp_servers.b]\nurl = 'z'\nenabled = false",
            "[features]\nfast = true\nproxy = { enabled = true, domains = {} }\nother = {}",
            "[projects.'/a']\ntrust_level = 'trusted'\nnewer = 1\n[projects.'/b']\ntrust_level = 'untrusted'\n[projects.'/c']",
            "project_root_markers = ['.hg', 'WORKSPACE']",
            "project_root_markers = []",
        ];
        let refused = [
            "approval_policy = 'always'",
            "approval_policy = {}",
            "approval_policy = { granular = {} }",
            "approval_policy = { granular = { rules = true } }",
            "approval_policy = { granular = { rules = true, sandbox_approval = 1, mcp_elicitations = true } }",
            "approvals_reviewer = 'auto-review'",
            "sandbox_mode = 'readonly'",
            "sandbox_mode = 'external-sandbox'",
            "sandbox_mode = true",
            "[sandbox_workspace_write]\nwritable_roots = '/a'",
            "[sandbox_workspace_write]\nwritable_roots = [1]",
            "[sandbox_workspace_write]\nnetwork_access = 'no'",
            "[sandbox_workspace_write]\nexclude_slash_tmp = 1",
            "default_permissions = 1",
            "permissions = true",
            "[permissions]\nw = 1",
            "[permissions.w]\nextends = []",
            "[permissions.w]\nworkspace_roots = ['a']",
            "[permissions.w.filesystem]\n'/a' = 'rw'",
            "[permissions.w.filesystem]\n'/a' = 1",
            "[permissions.w.filesystem]\n'/a' = ['read']",
            "[permissions.w.filesystem.'/a'.b]\nc = 'read'",
            "[permissions.w.filesystem]\nglob_scan_max_depth = 0",
            "[permissions.w.filesystem]\nglob_scan_max_depth = 'read'",
            "[permissions.w.network]\nmode = 'open'",
            "[permissions.w.network]\ndomains = { x = 'maybe' }",
            "[permissions.w]\nnetwork = true",
            "[shell_environment_policy]\ninherit = 'some'",
            "[shell_environment_policy]\nset = { A = 1 }",
            "[shell_environment_policy]\nexclude = 'A*'",
            "allow_login_shell = 'no'",
            "web_search = true",
            "web_search = 'always'",
            "mcp_servers = ['a']",
            "[mcp_servers.a]\ncommand = 1",
            "[mcp_servers.a]\nenabled = 'no'",
            "[features]\na = 'on'",
            "[features.a]\nenabled = 'on'",
            "[projects.'/a']\ntrust_level = 'yes'",
            "projects = { '/a' = 'trusted' }",
            "project_root_markers = '.git'",
        ];
        let validator = validator();
        let rows = accepted.map(|toml| (toml, true)).into_iter().chain(refused.map(|toml| (toml, false)));
        for (toml, expect) in rows {
            assert_eq!(verdicts(&toml.parse().expect(toml), &validator), [expect; 3], "{toml}");
        }
    }

    /// What types cannot say, the schema says in other ways, as far as it can.
    #[test]
    fn the_schema_says_more_than_the_types() {
        let rows = [
            "[permissions.':w']",
            "[permissions.'']",
            "[shell_environment_policy]\nset = { 'A=B' = 'x' }",
            "[shell_environment_policy]\nset = { '' = 'x' }",
            "project_root_markers = ['']",
        ];
        let validator = validator();
        for toml in rows {
            assert_eq!(verdicts(&toml.parse().expect(toml), &validator), [false, true, false], "{toml}");
        }
    }

    #[test]
    fn every_key_is_described_in_words_for_people() {
        fn look(schema: &Json, place: &str, found: &mut Vec<String>) {
            let Some(object) = schema.as_object() else {
                schema.as_array().into_iter().flatten().for_each(|inner| look(inner, place, found));
                return;
            };
            for (name, inner) in object.get("properties").and_then(Json::as_object).into_iter().flatten() {
                // A variant with one key describes both at once.
                let is_variant = object.contains_key("description") && object.contains_key("required");
                if inner.get("description").is_none() && !is_variant {
                    found.push(format!("{place}.{name}"));
                }
            }
            let description = object.get("description").and_then(Json::as_str).unwrap_or_default();
            if description.contains("Self::") || description.contains("`]") {
                found.push(format!("{place}: {description}"));
            }
            object.iter().for_each(|(name, inner)| look(inner, &format!("{place}.{name}"), found));
        }
        let mut found = Vec::new();
        for schema in [config_schema(), crate::requirements::schema::requirements_schema()] {
            look(&schema, "", &mut found);
            assert!(!schema.to_string().contains("null"), "TOML has no null");
            assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
        }
        assert!(found.is_empty(), "{found:#?}");
    }
}
