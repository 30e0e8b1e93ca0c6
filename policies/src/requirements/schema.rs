//! What a `requirements.toml` may say, as types: the JSON Schema that editors complete and check with comes from
//! here, and the descriptions in it are these comments.
//!
//! Layers are not read through these types. `values.rs` does that, with errors that say where and what to write
//! instead; a test holds the two together.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::requirements::limits::{Residency, SandboxModeLimit};
use crate::requirements::text::Delivery;
use crate::schema_document;
use crate::web_search::WebSearchMode;

/// What is kept as written.
type Anything = serde_json::Value;

/// A table that is kept as written.
type AnyTable = BTreeMap<String, Anything>;

/// What an administrator requires of every session on this machine. Users cannot leave these limits; they can
/// only choose among what is allowed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "requirements.toml")]
#[serde(default, deny_unknown_fields)]
pub struct RequirementsToml {
    /// The approval policies that users may choose. The first one takes the place of a choice that is not
    /// allowed.
    #[schemars(length(min = 1))]
    pub allowed_approval_policies: Option<Vec<ApprovalPolicy>>,
    /// Who may answer what would be asked. The first one takes the place of a choice that is not allowed.
    #[schemars(length(min = 1))]
    pub allowed_approvals_reviewers: Option<Vec<ApprovalsReviewer>>,
    /// The sandbox modes that users may choose. `read-only` has to be among them: it takes the place of a choice
    /// that is not allowed.
    #[schemars(extend("contains" = { "const": "read-only" }))]
    pub allowed_sandbox_modes: Option<Vec<SandboxModeLimit>>,
    /// Other sandbox modes on machines with certain names. The first entry that fits replaces
    /// `allowed_sandbox_modes` of this file.
    pub remote_sandbox_config: Option<Vec<RemoteSandboxToml>>,
    /// The permission profiles that users may choose, by name: `true` for those allowed. What is not listed is not
    /// allowed. Needs `default_permissions`, unless it allows both `:workspace` and `:read-only`.
    pub allowed_permission_profiles: Option<BTreeMap<String, bool>>,
    /// The permission profile where users chose none, or one that is not allowed.
    pub default_permissions: Option<String>,
    /// Permission profiles of the administrator, and what nobody may read.
    pub permissions: Option<PermissionsToml>,
    /// The managed network: commands reach it only through a proxy that applies these rules.
    pub experimental_network: Option<NetworkToml>,
    /// Another name for `experimental_network`. Only one of the two can be there.
    pub network_proxy: Option<NetworkToml>,
    /// How far sessions may search the web. `disabled` is always allowed; an empty list allows nothing else.
    pub allowed_web_search_modes: Option<Vec<WebSearchMode>>,
    /// Rules about commands. They are added to those of the user, and the strictest decision wins.
    pub rules: Option<RulesToml>,
    /// The tool servers that may be enabled, by name. With this table, even an empty one, every other server is
    /// disabled.
    pub mcp_servers: Option<BTreeMap<String, McpServerToml>>,
    /// Feature flags that users cannot change, by name.
    pub features: Option<BTreeMap<String, bool>>,
    /// Another name for `features`. Only one of the two can be there.
    pub feature_requirements: Option<BTreeMap<String, bool>>,
    /// Where data must stay.
    pub enforce_residency: Option<Residency>,
    /// Hooks of the administrator, by event. Kept for the host program.
    pub hooks: Option<AnyTable>,
    /// Whether only the hooks of the administrator run. Kept for the host program.
    pub allow_managed_hooks_only: Option<bool>,
    /// Plugins. Kept for the host program.
    pub plugins: Option<AnyTable>,
    /// Marketplaces of plugins. Kept for the host program.
    pub marketplaces: Option<AnyTable>,
    /// Apps, by id; one that any file switches off with `enabled = false` is off. Kept for the host program.
    pub apps: Option<AnyTable>,
    /// Models. Kept for the host program.
    pub models: Option<ModelsToml>,
    /// Reviews by a model. Kept for the host program.
    pub auto_review: Option<AnyTable>,
    /// Exactly this value of the configuration key of the same name.
    pub cli_auth_credentials_store: Option<String>,
    /// Exactly this value of the configuration key of the same name.
    pub chatgpt_base_url: Option<String>,
    /// Exactly this folder; a relative path starts at the folder of this file.
    pub sqlite_home: Option<String>,
    /// Exactly this folder; a relative path starts at the folder of this file.
    pub log_dir: Option<String>,
    /// Exactly this file; a relative path starts at the folder of this file.
    pub model_catalog_json: Option<String>,
    /// Exactly this value of the configuration key of the same name.
    pub check_for_update_on_startup: Option<bool>,
    /// Exactly this value of the configuration key of the same name.
    pub allow_login_shell: Option<bool>,
    /// Exactly these values of the configuration table of the same name.
    pub feedback: Option<FeedbackToml>,
    /// Limits of the sandbox on Windows. Without an effect elsewhere.
    pub windows: Option<WindowsToml>,
    /// Kept for the host program.
    pub allowed_login_methods: Option<Anything>,
    /// Kept for the host program.
    pub allowed_chatgpt_workspaces: Option<Anything>,
    /// Kept for the host program.
    pub allow_appshots: Option<Anything>,
    /// Kept for the host program.
    pub allow_remote_control: Option<Anything>,
    /// Kept for the host program.
    pub allow_browser_and_computer_use: Option<Anything>,
    /// Kept for the host program.
    pub computer_use: Option<Anything>,
    /// Kept for the host program.
    pub browser_use: Option<Anything>,
    /// Kept for the host program.
    pub in_app_browser: Option<Anything>,
    /// Kept for the host program.
    pub application: Option<Anything>,
    /// Kept for the host program.
    pub otel: Option<Anything>,
    /// Kept for the host program.
    pub config_server: Option<Anything>,
    /// Kept for the host program.
    pub additional_developer_instructions: Option<Anything>,
    /// Kept for the host program. A text of spaces counts as absent.
    pub guardian_policy_config: Option<Anything>,
    /// Kept for the host program.
    pub guardian_extra_policy: Option<Anything>,
    /// An old key without an effect: write `allowed_permission_profiles`.
    #[schemars(extend("deprecated" = true))]
    pub allowed_permissions: Option<Anything>,
    /// Whether keys that are not known stop every start, in all files of requirements, instead of being ignored
    /// with a warning.
    pub strict: Option<bool>,
    /// Where a service of the enterprise drops further signed layers. Only in a requirements file of the machine.
    pub delivery: Option<Delivery>,
}

/// Other sandbox modes on machines with certain names.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteSandboxToml {
    /// Names of machines: `*` is any text and `?` any character; case and a dot at the end do not matter.
    pub hostname_patterns: Vec<String>,
    /// The sandbox modes that users may choose there; `read-only` has to be among them.
    #[schemars(extend("contains" = { "const": "read-only" }))]
    pub allowed_sandbox_modes: Vec<SandboxModeLimit>,
}

/// Permission profiles of the administrator, by name, beside two tables with a meaning of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PermissionsToml {
    /// What holds for every profile. Not a profile.
    pub filesystem: Option<FilesystemToml>,
    /// Another name for `experimental_network`. Not a profile.
    pub network: Option<NetworkToml>,
    /// Profiles.
    #[serde(flatten)]
    pub profiles: BTreeMap<String, ProfileToml>,
}

/// What holds for the files of every profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilesystemToml {
    /// What no command may read: paths that are absolute, start with `~/` or at the folder of this file; `*`, `?`
    /// and `[` make a pattern.
    pub deny_read: Option<Vec<String>>,
}

/// A permission profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileToml {
    /// The profile whose settings this one changes, as in `:workspace`.
    pub extends: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Further directories that `:workspace_roots` stands for; `false` switches one off. A relative path starts
    /// at the folder of this file.
    pub workspace_roots: Option<BTreeMap<String, bool>>,
    /// What commands may do with files, by path, token or pattern.
    pub filesystem: Option<BTreeMap<String, EntryToml>>,
    /// What commands may reach.
    pub network: Option<ProfileNetworkToml>,
}

/// What one key of `filesystem` says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EntryToml {
    /// Access to the place.
    Access(AccessToml),
    /// For `glob_scan_max_depth`: how many directories deep patterns are searched.
    Depth(NonZeroUsize),
    /// Access to places below, by subpath or pattern.
    Scoped(BTreeMap<String, AccessToml>),
}

/// An access.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccessToml {
    /// Read only.
    Read,
    /// Read and write.
    Write,
    /// Neither.
    Deny,
    /// Neither; another word for `deny`.
    None,
}

/// The network of a permission profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileNetworkToml {
    /// Whether the network is reachable at all.
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
    pub mitm: Option<AnyTable>,
}

/// Which requests pass the proxy.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkModeToml {
    /// All, as far as hosts are allowed.
    Full,
    /// Only those that read.
    Limited,
}

/// What is said of a host or socket.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkRuleToml {
    /// Reachable.
    Allow,
    /// Not reachable; beats every allow.
    Deny,
}

/// The managed network. The table alone puts all commands behind the proxy, in every sandbox mode.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkToml {
    /// Whether the network is reachable through the proxy.
    pub enabled: Option<bool>,
    /// Where the HTTP proxy listens.
    pub http_port: Option<u16>,
    /// Where the SOCKS5 proxy listens.
    pub socks_port: Option<u16>,
    /// Whether the proxy may use another one.
    pub allow_upstream_proxy: Option<bool>,
    /// Whether the proxy may listen on other than loopback addresses.
    pub dangerously_allow_non_loopback_proxy: Option<bool>,
    /// Whether every Unix socket is reachable.
    pub dangerously_allow_all_unix_sockets: Option<bool>,
    /// Hosts, by pattern: `host`, `*.host` for what is below it, `**.host` for both, `*` for all (only to allow).
    pub domains: Option<BTreeMap<String, NetworkRuleToml>>,
    /// The old form of `domains`: hosts that are allowed.
    pub allowed_domains: Option<Vec<String>>,
    /// The old form of `domains`: hosts that are denied.
    pub denied_domains: Option<Vec<String>>,
    /// Hosts that are asked about although they are allowed, by pattern.
    pub review_domains: Option<Vec<String>>,
    /// Whether hosts that users allow are left out of account.
    pub managed_allowed_domains_only: Option<bool>,
    /// Unix sockets, by absolute path.
    pub unix_sockets: Option<BTreeMap<String, NetworkRuleToml>>,
    /// The old form of `unix_sockets`: absolute paths that are allowed.
    pub allow_unix_sockets: Option<Vec<String>>,
    /// Whether commands may listen on and reach loopback and private addresses.
    pub allow_local_binding: Option<bool>,
    /// Headers to add to requests.
    pub header_injections: Option<Anything>,
}

/// Rules about commands.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesToml {
    /// Rules about commands that begin with certain words.
    #[schemars(length(min = 1))]
    pub prefix_rules: Vec<PrefixRuleToml>,
}

/// A rule about commands that begin with certain words.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrefixRuleToml {
    /// The words, the program first.
    #[schemars(length(min = 1))]
    pub pattern: Vec<TokenToml>,
    /// What happens to such a command.
    pub decision: DecisionToml,
    /// Why, for those who are refused or asked.
    #[schemars(length(min = 1))]
    pub justification: Option<String>,
    /// Whether other spellings of the same words count as well.
    pub canonical_matching: Option<bool>,
}

/// A word of a pattern: exactly one of the two keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
#[serde(deny_unknown_fields)]
pub struct TokenToml {
    /// This word.
    #[schemars(length(min = 1))]
    pub token: Option<String>,
    /// One of these words.
    #[schemars(length(min = 1))]
    pub any_of: Option<Vec<String>>,
}

/// What happens to a command. Requirements can only tighten, so there is no `allow`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecisionToml {
    /// It is asked about.
    Prompt,
    /// The person is asked, no model in their stead.
    PromptUser,
    /// It is refused.
    Forbidden,
}

/// A tool server that may be enabled.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpServerToml {
    /// What the configured server must be.
    pub identity: IdentityToml,
}

/// What a tool server must be: a program or a place, not both.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1))]
#[serde(default, deny_unknown_fields)]
pub struct IdentityToml {
    /// Exactly this command word.
    pub command: Option<String>,
    /// One matcher for each argument, in order. Without this key any arguments are admitted.
    pub args: Option<Vec<MatcherToml>>,
    /// Where the server is.
    pub url: Option<MatcherToml>,
}

/// What a text must be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MatcherToml {
    /// Exactly this text.
    Text(String),
    /// One kind of match.
    Matcher(MatcherTableToml),
}

/// One kind of match.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatcherTableToml {
    /// How the text is compared.
    pub r#match: MatchToml,
    /// For `exact` and `prefix`: the text.
    pub value: Option<String>,
    /// For `regex`: an expression that the whole text must match.
    pub expression: Option<String>,
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatchToml {
    /// It is the same.
    Exact,
    /// It begins the same.
    Prefix,
    /// An expression matches the whole of it.
    Regex,
}

/// Models.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsToml {
    /// Models of new threads. Kept for the host program.
    pub new_thread: Option<Anything>,
}

/// Values of the configuration table `feedback`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeedbackToml {
    /// Exactly this value.
    pub enabled: Option<bool>,
}

/// Limits of the sandbox on Windows.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WindowsToml {
    /// The implementations that users may choose.
    #[schemars(length(min = 1))]
    pub allowed_sandbox_implementations: Option<Vec<String>>,
    /// Whether sandboxed programs get a desktop of their own.
    pub sandbox_private_desktop: Option<bool>,
    /// Whether this implementation may be used.
    pub allow_mxc: Option<bool>,
    /// Whether this implementation has to be used.
    pub require_mxc: Option<bool>,
}

/// The JSON Schema of `requirements.toml`.
pub fn requirements_schema() -> serde_json::Value {
    schema_document::document::<RequirementsToml>()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value as Json;
    use toml::{Table, Value};

    use super::*;
    use crate::path::AbsolutePath;
    use crate::requirements::deny_read::Base;
    use crate::requirements::known::{REQUIREMENTS, Shape};
    use crate::requirements::values::Values;

    /// What one place of the schema says, through references and alternatives.
    #[derive(Default)]
    struct Said<'a> {
        properties: BTreeMap<&'a str, &'a Json>,
        names: Option<&'a Json>,
        items: Option<&'a Json>,
    }

    fn gather<'a>(schema: &'a Json, root: &'a Json, said: &mut Said<'a>) {
        if let Some(reference) = schema["$ref"].as_str() {
            gather(root.pointer(reference.strip_prefix('#').unwrap()).unwrap(), root, said);
        }
        for kind in ["anyOf", "oneOf"] {
            schema[kind].as_array().into_iter().flatten().for_each(|one| gather(one, root, said));
        }
        let properties = schema["properties"].as_object().into_iter().flatten();
        said.properties.extend(properties.map(|(name, inner)| (name.as_str(), inner)));
        said.names = said.names.or(schema.get("additionalProperties").filter(|names| names.is_object()));
        said.items = said.items.or(schema.get("items"));
    }

    /// Compares the schema with what is known, and collects all keys.
    fn compare(schema: &Json, root: &Json, shape: &Shape, place: &[&str], keys: &mut Vec<Vec<String>>) {
        let mut said = Said::default();
        gather(schema, root, &mut said);
        match shape {
            Shape::Any => {
                // The keys of rules are known where rules are read.
                assert!(said.properties.is_empty() || place == ["rules"], "{place:?} has keys in the schema");
                keys.push(place.iter().map(|part| (*part).to_owned()).collect());
            }
            Shape::Table { keys: known, others } => {
                let names: BTreeSet<&str> = known.iter().map(|(name, _)| *name).collect();
                assert_eq!(said.properties.keys().copied().collect::<BTreeSet<_>>(), names, "{place:?}");
                for (name, shape) in *known {
                    compare(said.properties[name], root, shape, &[place, &[name]].concat(), keys);
                }
                assert_eq!(said.names.is_some(), others.is_some(), "{place:?}");
                if let (Some(schema), Some(shape)) = (said.names, others) {
                    compare(schema, root, shape, &[place, &["name"]].concat(), keys);
                }
            }
            Shape::List(shape) => {
                compare(said.items.unwrap(), root, shape, &[place, &["[]"]].concat(), keys);
            }
        }
    }

    /// All keys, with the schema and the list of known keys compared on the way.
    fn all_keys() -> Vec<Vec<String>> {
        let schema = requirements_schema();
        let mut keys = Vec::new();
        compare(&schema, &schema, &REQUIREMENTS, &[], &mut keys);
        keys
    }

    #[test]
    fn the_schema_has_exactly_the_known_keys() {
        assert!(all_keys().len() > 100);
    }

    /// Every key is either read, so that a date in its place is an error, or kept as it is.
    #[test]
    fn the_reader_reads_what_the_schema_has() {
        let mut kept: BTreeSet<String> = [
            "additional_developer_instructions",
            "allow_appshots",
            "allow_browser_and_computer_use",
            "allow_remote_control",
            "allowed_chatgpt_workspaces",
            "allowed_login_methods",
            "allowed_permissions",
            "application",
            "browser_use",
            "computer_use",
            "config_server",
            "experimental_network.header_injections",
            "guardian_extra_policy",
            "guardian_policy_config",
            "in_app_browser",
            "models.new_thread",
            "network_proxy.header_injections",
            "otel",
            "permissions.name.network.mitm",
            "permissions.network.header_injections",
            // Read where rules are read.
            "rules",
        ]
        .map(str::to_owned)
        .into();
        let folder = AbsolutePath::parse("/etc/codex").unwrap();
        for key in all_keys() {
            let date: Value = "d = 1979-05-27".parse::<Table>().unwrap()["d"].clone();
            let nested = key.iter().rev().fold(date, |inner, part| match part.as_str() {
                "[]" => Value::Array(vec![inner]),
                name => Value::Table([(name.to_owned(), inner)].into_iter().collect()),
            });
            let (_, problems) = Values::read(
                nested.as_table().unwrap(),
                Base { folder: &folder, home: None, account_home: None },
                "host",
            );
            assert_eq!(problems.is_empty(), kept.remove(&key.join(".")), "{key:?}");
        }
        assert!(kept.is_empty(), "{kept:?}");
    }

    #[test]
    fn every_key_is_described() {
        fn undescribed(schema: &Json, place: &str, found: &mut Vec<String>) {
            let Some(object) = schema.as_object() else { return };
            for (name, inner) in object.get("properties").and_then(Json::as_object).into_iter().flatten() {
                if inner.get("description").is_none() {
                    found.push(format!("{place}.{name}"));
                }
            }
            for (name, inner) in object {
                undescribed(inner, &format!("{place}.{name}"), found);
            }
        }
        let mut found = Vec::new();
        undescribed(&requirements_schema(), "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }
}
