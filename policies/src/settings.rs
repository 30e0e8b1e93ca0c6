//! The settings in one configuration table, typed.
//!
//! The same reading serves to check each layer by itself, where an error can point at the line, and to read the
//! merged table. Keys that we do not know are left alone: the same file configures much else. Relative paths stay
//! text here, because what they are relative to depends on the layer.

use std::collections::BTreeMap;

use toml::Table;

use crate::definition::ProfileDefinition;
use crate::environment::{Inherit, ShellEnvironmentPolicy};
use crate::mode::SandboxMode;
use crate::reader::{Mismatch, Node, TableNode};
use crate::wildcard::Wildcard;

/// What a table says.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The name of a profile.
    pub(crate) default_permissions: Option<String>,
    /// A ready-made profile.
    pub(crate) sandbox_mode: Option<SandboxMode>,
    /// The options of one mode.
    pub(crate) sandbox_workspace_write: WorkspaceWriteSettings,
    /// The environment of commands.
    pub(crate) shell_environment_policy: ShellEnvironmentPolicy,
    /// Profiles by name.
    pub(crate) permissions: BTreeMap<String, ProfileDefinition>,
    /// Feature flags; `None` for a table that does not say.
    pub(crate) features: BTreeMap<String, Option<bool>>,
}

/// `[sandbox_workspace_write]`.
#[derive(Debug, Default)]
pub(crate) struct WorkspaceWriteSettings {
    /// As written.
    pub(crate) writable_roots: Vec<String>,
    /// On or off.
    pub(crate) network_access: bool,
    /// Leave `$TMPDIR` out.
    pub(crate) exclude_tmpdir_env_var: bool,
    /// Leave `/tmp` out.
    pub(crate) exclude_slash_tmp: bool,
}

impl Settings {
    /// Reads a table.
    pub(crate) fn read(table: &Table) -> Result<Self, Mismatch> {
        let top = TableNode::top(table);
        Ok(Self {
            default_permissions: top.optional("default_permissions", Node::string)?,
            sandbox_mode: top.optional("sandbox_mode", |node| node.word(&SandboxMode::WORDS))?,
            sandbox_workspace_write: top.or_default("sandbox_workspace_write", workspace_write)?,
            shell_environment_policy: top.or_default("shell_environment_policy", environment)?,
            permissions: top.or_default("permissions", ProfileDefinition::read_all)?,
            features: top.or_default("features", |features| features.map(feature))?,
        })
    }
}

/// `[sandbox_workspace_write]`.
fn workspace_write(node: &Node<'_>) -> Result<WorkspaceWriteSettings, Mismatch> {
    let table = node.table()?;
    Ok(WorkspaceWriteSettings {
        writable_roots: table.or_default("writable_roots", Node::strings)?,
        network_access: table.or_default("network_access", Node::boolean)?,
        exclude_tmpdir_env_var: table.or_default("exclude_tmpdir_env_var", Node::boolean)?,
        exclude_slash_tmp: table.or_default("exclude_slash_tmp", Node::boolean)?,
    })
}

/// `[shell_environment_policy]`.
fn environment(node: &Node<'_>) -> Result<ShellEnvironmentPolicy, Mismatch> {
    let patterns = |node: &Node<'_>| Ok(node.strings()?.into_iter().map(Wildcard::new).collect());
    let table = node.table()?;
    let default = ShellEnvironmentPolicy::default();
    Ok(ShellEnvironmentPolicy {
        inherit: table.or_default("inherit", |node| node.word(&Inherit::WORDS))?,
        ignore_default_excludes: table
            .optional("ignore_default_excludes", Node::boolean)?
            .unwrap_or(default.ignore_default_excludes),
        exclude: table.or_default("exclude", patterns)?,
        set: table.or_default("set", variables)?,
        include_only: table.or_default("include_only", patterns)?,
    })
}

/// Variables to set. A name with `=` would set another variable than it says, and NUL ends a C string.
fn variables(node: &Node<'_>) -> Result<BTreeMap<String, String>, Mismatch> {
    let mut variables = BTreeMap::new();
    for (name, node) in node.table()?.nodes() {
        let value = node.string()?;
        if name.is_empty() || name.contains(['=', '\0']) {
            let problem = "cannot be the name of a variable: it is empty or contains `=` or NUL";
            return Err(node.key_mismatch(problem, "write `NAME = \"value\"`"));
        }
        if value.contains('\0') {
            return Err(node.mismatch("must not contain a NUL byte", "remove the NUL byte"));
        }
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// A flag, written plainly or as `enabled` in a table of options.
fn feature(node: &Node<'_>) -> Result<Option<bool>, Mismatch> {
    if node.is_table() { node.table()?.optional("enabled", Node::boolean) } else { node.boolean().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Settings, Mismatch> {
        Settings::read(&toml.parse().expect(toml))
    }

    #[test]
    fn known_keys_are_read_and_others_left_alone() {
        let settings = read(
            "model = 'x'\ndefault_permissions = ':workspace'\nsandbox_mode = 'workspace-write'\n
             [mcp_servers.a]\ncommand = 1\n
             [sandbox_workspace_write]\nwritable_roots = ['a', '~/b']\nnetwork_access = true\n
             exclude_tmpdir_env_var = true\nexclude_slash_tmp = true\nnewer = []\n
             [shell_environment_policy]\ninherit = 'core'\nignore_default_excludes = false\nexclude = ['A*']\n
             include_only = ['B*']\nset = { X = 'y' }\nexperimental_use_profile = true\n
             [features]\nfast = true\nslow = false\nproxy = { enabled = true, domains = {} }\nother = {}\n",
        )
        .unwrap();
        assert_eq!(settings.default_permissions.as_deref(), Some(":workspace"));
        assert_eq!(settings.sandbox_mode, Some(SandboxMode::WorkspaceWrite));
        let write = settings.sandbox_workspace_write;
        assert_eq!(write.writable_roots, ["a", "~/b"]);
        assert!(write.network_access && write.exclude_slash_tmp && write.exclude_tmpdir_env_var);
        let features = [("fast", Some(true)), ("other", None), ("proxy", Some(true)), ("slow", Some(false))];
        assert_eq!(settings.features, features.map(|(name, on)| (name.to_owned(), on)).into());
        let environment = "inherit = 'core'\nignore_default_excludes = false\nexclude = ['A*']\ninclude_only = ['B*']\nset = { X = 'y' }";
        assert_eq!(settings.shell_environment_policy, toml::from_str(environment).unwrap());
    }

    #[test]
    fn defaults_are_closed() {
        let settings = read("").unwrap();
        assert_eq!(settings.sandbox_mode, None);
        let write = settings.sandbox_workspace_write;
        assert!(write.writable_roots.is_empty() && !write.network_access);
        assert_eq!(settings.shell_environment_policy, ShellEnvironmentPolicy::default());
    }

    #[test]
    fn wrong_types_and_words_are_refused_at_their_key() {
        let rows = [
            ("default_permissions = 1", "default_permissions"),
            ("sandbox_mode = 'readonly'", "sandbox_mode"),
            ("sandbox_mode = 'external-sandbox'", "sandbox_mode"),
            ("sandbox_mode = true", "sandbox_mode"),
            ("sandbox_workspace_write = 'x'", "sandbox_workspace_write"),
            ("[sandbox_workspace_write]\nwritable_roots = '/a'", "sandbox_workspace_write.writable_roots"),
            ("[sandbox_workspace_write]\nwritable_roots = [1]", "sandbox_workspace_write.writable_roots"),
            ("[sandbox_workspace_write]\nnetwork_access = 'no'", "sandbox_workspace_write.network_access"),
            ("[sandbox_workspace_write]\nexclude_slash_tmp = 1", "sandbox_workspace_write.exclude_slash_tmp"),
            ("[shell_environment_policy]\ninherit = 'some'", "shell_environment_policy.inherit"),
            ("[shell_environment_policy]\nset = { A = 1 }", "shell_environment_policy.set.A"),
            ("[shell_environment_policy]\nset = { 'A=B' = 'x' }", "shell_environment_policy.set.\"A=B\""),
            ("[shell_environment_policy]\nset = { '' = 'x' }", "shell_environment_policy.set.\"\""),
            ("[shell_environment_policy]\nset = { A = \"\\u0000\" }", "shell_environment_policy.set.A"),
            ("[shell_environment_policy]\nexclude = 'A*'", "shell_environment_policy.exclude"),
            ("features = ['a']", "features"),
            ("[features]\na = 'on'", "features.a"),
            ("[features.a]\nenabled = 'on'", "features.a.enabled"),
            ("permissions = true", "permissions"),
        ];
        for (toml, key) in rows {
            assert_eq!(read(toml).expect_err(toml).key.to_string(), key, "{toml}");
        }
    }
}
