//! What one layer says, typed.
//!
//! Every key is read by itself, so that a check of a file can list all that is wrong with it.

use std::cell::Cell;
use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::definition::ProfileDefinition;
use crate::display::escape_short;
use crate::entry::EntryPath;
use crate::expand::{ExpandError, expand};
use crate::keys::KeyPath;
use crate::mode::SandboxMode;
use crate::path::AbsolutePath;
use crate::reader::{Mismatch, Node, TableNode};
use crate::requirements::delivery_table;
use crate::requirements::deny_read::{self, Base};
use crate::requirements::hosts::modes_for_host;
use crate::requirements::limits::{Residency, SandboxModeLimit};
use crate::requirements::mcp::McpIdentity;
use crate::requirements::network::NetworkRequirement;
use crate::requirements::words::{
    approval_policies, approval_policy, not_empty, sandbox_modes, web_search_modes, words,
};
use crate::web_search::WebSearchMode;

/// Where the managed network may stand.
const NETWORK_KEYS: [&[&str]; 3] =
    [&["experimental_network"], &["network_proxy"], &["permissions", "network"]];

/// Keys whose values only need to be kept.
const KEPT: [&str; 22] = [
    "additional_developer_instructions",
    "allow_appshots",
    "allow_browser_and_computer_use",
    "allow_managed_hooks_only",
    "allow_remote_control",
    "allowed_chatgpt_workspaces",
    "allowed_login_methods",
    "application",
    "apps",
    "auto_review",
    "browser_use",
    "computer_use",
    "config_server",
    "guardian_extra_policy",
    "guardian_policy_config",
    "hooks",
    "in_app_browser",
    "marketplaces",
    "models",
    "otel",
    "plugins",
    "windows",
];

/// The keys of a profile, none of which has a meaning in `permissions.filesystem`.
const PROFILE_KEYS: [&str; 6] =
    ["description", "extends", "filesystem", "glob_scan_max_depth", "network", "workspace_roots"];

/// What one layer says. `None` and empty mean not set.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Not empty.
    pub(crate) approval_policies: Option<Vec<ApprovalPolicy>>,
    /// Not empty.
    pub(crate) reviewers: Option<Vec<ApprovalsReviewer>>,
    /// For this host, with read-only.
    pub(crate) sandbox_modes: Option<Vec<SandboxModeLimit>>,
    /// With `disabled`.
    pub(crate) web_search_modes: Option<Vec<WebSearchMode>>,
    /// The catalogue.
    pub(crate) catalogue: Option<BTreeMap<String, bool>>,
    /// The default of the catalogue.
    pub(crate) default_permissions: Option<String>,
    /// Managed profiles.
    pub(crate) permissions: BTreeMap<String, ProfileDefinition>,
    /// Not readable.
    pub(crate) deny_read: Vec<EntryPath>,
    /// The managed network.
    pub(crate) network: Option<NetworkRequirement>,
    /// Tool servers.
    pub(crate) mcp_servers: Option<BTreeMap<String, McpIdentity>>,
    /// Pinned flags.
    pub(crate) features: BTreeMap<String, bool>,
    /// Where data stays.
    pub(crate) residency: Option<Residency>,
    /// Values that replace those of the configuration.
    pub(crate) exact: BTreeMap<KeyPath, Value>,
    /// Kept as written.
    pub(crate) others: Table,
    /// Whether unknown keys are errors.
    pub(crate) is_strict: bool,
}

/// Reads keys one by one and collects what is wrong.
struct Reading<'a> {
    /// The layer.
    top: TableNode<'a>,
    /// What relative paths start from.
    base: Base<'a>,
    /// All that is wrong so far.
    problems: Vec<Mismatch>,
}

impl Values {
    /// Reads a layer of requirements. With problems, what is wrong is missing from the values, so they must not be
    /// used.
    pub(crate) fn read(table: &Table, base: Base<'_>, hostname: &str) -> (Self, Vec<Mismatch>) {
        let mut reading = Reading { top: TableNode::top(table), base, problems: Vec::new() };
        let mut values = Self {
            approval_policies: reading.key("allowed_approval_policies", approval_policies),
            reviewers: reading.key("allowed_approvals_reviewers", |node| {
                not_empty(node, words(node, &ApprovalsReviewer::WORDS)?)
            }),
            sandbox_modes: reading.key("allowed_sandbox_modes", sandbox_modes),
            web_search_modes: reading.key("allowed_web_search_modes", web_search_modes),
            catalogue: reading.key("allowed_permission_profiles", |node| node.map(Node::boolean)),
            default_permissions: reading.key("default_permissions", Node::string),
            mcp_servers: reading.key("mcp_servers", mcp_servers),
            residency: reading.key("enforce_residency", |node| node.word(&Residency::WORDS)),
            is_strict: reading.key("strict", Node::boolean).unwrap_or_default(),
            ..Self::default()
        };
        let for_host = reading.key("remote_sandbox_config", |node| modes_for_host(node, hostname));
        values.sandbox_modes = for_host.flatten().or(values.sandbox_modes);
        values.features = reading.features();
        values.network = reading.network();
        reading.permissions(&mut values);
        values.exact = reading.exact();
        reading.key("delivery", |node| delivery_table::read(node));
        reading.key("windows", windows);
        reading.key("allow_managed_hooks_only", Node::boolean);
        for name in ["hooks", "plugins", "marketplaces", "models"] {
            reading.key(name, |node| node.table().map(drop));
        }
        reading.key("apps", apps);
        reading.key("auto_review", |node| node.table()?.optional("required_on_models", Node::strings));
        values.others = kept(table);
        (values, reading.problems)
    }

    /// What a managed configuration requires: that its values are the only ones, next to read-only.
    pub(crate) fn read_legacy(table: &Table, base: Base<'_>) -> (Self, Vec<Mismatch>) {
        let mut reading = Reading { top: TableNode::top(table), base, problems: Vec::new() };
        let mode = reading.key("sandbox_mode", |node| node.word(&SandboxMode::WORDS));
        let values = Self {
            approval_policies: reading.key("approval_policy", approval_policy).map(|policy| vec![policy]),
            reviewers: reading
                .key("approvals_reviewer", |node| node.word(&ApprovalsReviewer::WORDS))
                .map(|reviewer| vec![reviewer]),
            sandbox_modes: mode.map(|mode| match mode {
                SandboxMode::ReadOnly => vec![SandboxModeLimit::ReadOnly],
                SandboxMode::WorkspaceWrite => {
                    vec![SandboxModeLimit::ReadOnly, SandboxModeLimit::WorkspaceWrite]
                }
                SandboxMode::DangerFullAccess => {
                    vec![SandboxModeLimit::ReadOnly, SandboxModeLimit::DangerFullAccess]
                }
            }),
            ..Self::default()
        };
        (values, reading.problems)
    }
}

impl<'a> Reading<'a> {
    /// Notes what is wrong.
    fn note<T>(&mut self, read: Result<T, Mismatch>) -> Option<T> {
        read.map_err(|mismatch| self.problems.push(mismatch)).ok()
    }

    /// Reads a key of the top.
    fn key<T>(&mut self, name: &str, read: impl FnOnce(&Node<'a>) -> Result<T, Mismatch>) -> Option<T> {
        let value = self.top.optional(name, read);
        self.note(value).flatten()
    }

    /// The pinned flags under either name.
    fn features(&mut self) -> BTreeMap<String, bool> {
        let flags = |node: &Node<'a>| node.map(Node::boolean);
        let features = self.key("features", flags);
        let alias = self.key("feature_requirements", flags);
        if let (Some(_), Some(node)) = (self.top.get("features"), self.top.get("feature_requirements")) {
            let problem = "is another name for `features`, and both are there";
            self.problems.push(node.key_mismatch(problem, "move its flags to `[features]`"));
        }
        features.or(alias).unwrap_or_default()
    }

    /// The managed network under one of its names.
    fn network(&mut self) -> Option<NetworkRequirement> {
        let mut found: Option<(&[&str], Node<'a>)> = None;
        for key in NETWORK_KEYS {
            let Some(node) = self.find(key) else { continue };
            if let Some((first, _)) = &found {
                let first = KeyPath::new(first.iter().copied());
                let problem = format!("is another name for `{first}`, and both are there");
                self.problems.push(node.key_mismatch(problem, "keep one of the two tables"));
                return None;
            }
            found = Some((key, node));
        }
        let (_, node) = found?;
        self.note(NetworkRequirement::read(&node))
    }

    /// The value of a key with several parts.
    fn find(&self, key: &[&str]) -> Option<Node<'a>> {
        let (last, tables) = key.split_last()?;
        let mut table = self.top.clone();
        for name in tables {
            table = table.get(name)?.table().ok()?;
        }
        table.get(last)
    }

    /// `[permissions]`: managed profiles, and what nobody may read.
    fn permissions(&mut self, values: &mut Values) {
        let Some(node) = self.top.get("permissions") else { return };
        let Some(table) = self.note(node.table()) else { return };
        for (name, node) in table.nodes() {
            match name {
                "network" => {}
                "filesystem" => {
                    let read = self.deny_read(&node);
                    values.deny_read = self.note(read).unwrap_or_default();
                }
                _ => {
                    let read = profile(name, &node, self.base);
                    if let Some(profile) = self.note(read) {
                        values.permissions.insert(name.to_owned(), profile);
                    }
                }
            }
        }
    }

    /// `permissions.filesystem`.
    fn deny_read(&self, node: &Node<'_>) -> Result<Vec<EntryPath>, Mismatch> {
        let table = node.table()?;
        if let Some(node) = PROFILE_KEYS.into_iter().find_map(|key| table.get(key)) {
            let problem = "cannot be there: `permissions.filesystem` is not a profile, it holds `deny_read`";
            return Err(node.key_mismatch(problem, "give the profile another name"));
        }
        table.or_default("deny_read", |list| deny_read::read(list, self.base))
    }

    /// Values that replace those of the configuration. Paths become absolute here, where it is known what they
    /// are relative to.
    fn exact(&mut self) -> BTreeMap<KeyPath, Value> {
        let base = self.base;
        let string = |node: &Node<'_>| node.string().map(Value::String);
        let boolean = |node: &Node<'_>| node.boolean().map(Value::Boolean);
        let path = |node: &Node<'_>| absolute(&node.string()?, node, base).map(Value::String);
        let mut exact = BTreeMap::new();
        let mut set = |name: &str, value: Option<Value>| {
            exact.extend(value.map(|value| (KeyPath::new(name.split('.')), value)));
        };
        for name in ["cli_auth_credentials_store", "chatgpt_base_url"] {
            set(name, self.key(name, string));
        }
        for name in ["sqlite_home", "log_dir", "model_catalog_json"] {
            set(name, self.key(name, path));
        }
        for name in ["check_for_update_on_startup", "allow_login_shell"] {
            set(name, self.key(name, boolean));
        }
        let enabled = self.key("feedback", |node| node.table()?.optional("enabled", boolean));
        set("feedback.enabled", enabled.flatten());
        exact
    }
}

/// `[mcp_servers]`.
fn mcp_servers(node: &Node<'_>) -> Result<BTreeMap<String, McpIdentity>, Mismatch> {
    let regexes = Cell::new(0);
    node.map(|server| McpIdentity::read(server, &regexes))
}

/// `[windows]`, which has no effect here and is still checked: the same file serves other machines.
fn windows(node: &Node<'_>) -> Result<(), Mismatch> {
    let table = node.table()?;
    table.optional("allowed_sandbox_implementations", |list| not_empty(list, list.strings()?))?;
    for name in ["sandbox_private_desktop", "allow_mxc", "require_mxc"] {
        table.optional(name, Node::boolean)?;
    }
    Ok(())
}

/// `[apps]`, of which only the switches have a meaning here.
fn apps(node: &Node<'_>) -> Result<(), Mismatch> {
    for (_, app) in node.table()?.nodes() {
        if app.is_table() {
            app.table()?.optional("enabled", Node::boolean)?;
        }
    }
    Ok(())
}

/// A managed profile. Workspace roots are the only relative paths that it can have.
fn profile(name: &str, node: &Node<'_>, base: Base<'_>) -> Result<ProfileDefinition, Mismatch> {
    if name.is_empty() || name.starts_with(':') {
        let problem = "is not a name for a profile: it is empty or starts with `:`, which is reserved for built-in profiles";
        return Err(node.key_mismatch(problem, "choose a name that starts with another character"));
    }
    let mut definition = ProfileDefinition::read(node)?;
    let mut roots: BTreeMap<String, bool> = BTreeMap::new();
    for (root, on) in std::mem::take(&mut definition.workspace_roots) {
        // `~` stands for the home directory of the run.
        let root = if root.starts_with('~') { root } else { absolute(&root, node, base)? };
        // Of two spellings of one path, off wins.
        roots.entry(root).and_modify(|kept| *kept &= on).or_insert(on);
    }
    definition.workspace_roots = roots;
    Ok(definition)
}

/// A path as text, made absolute.
fn absolute(text: &str, node: &Node<'_>, base: Base<'_>) -> Result<String, Mismatch> {
    let path: AbsolutePath = expand(text, base.folder, base.home).map_err(|error| {
        let is_empty = error == ExpandError::Empty;
        let fix = if is_empty { "write a path, or remove it" } else { error.help() };
        node.mismatch(format!("names `{}`, which is not usable: {error}", escape_short(text)), fix)
    })?;
    path.into_path_buf().into_os_string().into_string().map_err(|_| {
        node.mismatch("is relative to a folder whose name is not UTF-8", "write an absolute path")
    })
}

/// What is only kept. A policy text of spaces counts as absent.
fn kept(table: &Table) -> Table {
    let is_blank = |name: &str, value: &Value| {
        name == "guardian_policy_config" && value.as_str().is_some_and(|text| text.trim().is_empty())
    };
    KEPT.into_iter()
        .filter_map(|name| table.get(name).map(|value| (name, value)))
        .filter(|(name, value)| !is_blank(name, value))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}
