//! The settings in one configuration table, typed.
//!
//! The same reading serves to check each layer by itself, where an error can point at the line, and to read the
//! merged table. Keys that we do not know are left alone: the same file configures much else. Relative paths stay
//! text here, because what they are relative to depends on the layer.

use std::collections::BTreeMap;

use toml::Table;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer, Granular};
use crate::definition::ProfileDefinition;
use crate::display::escape_short;
use crate::environment::{Inherit, ShellEnvironmentPolicy};
use crate::mcp::McpServer;
use crate::mode::SandboxMode;
use crate::project::TrustLevel;
use crate::reader::{Mismatch, Node, TableNode};
use crate::subpath::RelativeSubpath;
use crate::web_search::WebSearchMode;
use crate::wildcard::Wildcard;

/// The keys that [`Settings`] reads. All others configure something else.
pub(crate) const KNOWN_KEYS: [&str; 13] = [
    "allow_login_shell",
    "approval_policy",
    "approvals_reviewer",
    "default_permissions",
    "features",
    "mcp_servers",
    "permissions",
    "project_root_markers",
    "projects",
    "sandbox_mode",
    "sandbox_workspace_write",
    "shell_environment_policy",
    "web_search",
];

/// What a table says. The fields are named as the keys.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Whether commands may run in a login shell; unset means yes.
    pub(crate) allow_login_shell: Option<bool>,
    /// When a person is asked.
    pub(crate) approval_policy: Option<ApprovalPolicy>,
    /// Who answers.
    pub(crate) approvals_reviewer: Option<ApprovalsReviewer>,
    /// Tool servers by name.
    pub(crate) mcp_servers: BTreeMap<String, McpServer>,
    /// What marks the top of a project; unset means `.git`.
    pub(crate) project_root_markers: Option<Vec<String>>,
    /// By path as written: whether the project there is trusted; `None` for a table that does not say.
    pub(crate) projects: BTreeMap<String, Option<TrustLevel>>,
    /// How far the web is searched.
    pub(crate) web_search: Option<WebSearchMode>,
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
    /// As written; unset means none.
    pub(crate) writable_roots: Option<Vec<String>>,
    /// On or off; unset means off.
    pub(crate) network_access: Option<bool>,
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
            allow_login_shell: top.optional("allow_login_shell", Node::boolean)?,
            approval_policy: top.optional("approval_policy", approval_policy)?,
            approvals_reviewer: top
                .optional("approvals_reviewer", |node| node.word(&ApprovalsReviewer::WORDS))?,
            mcp_servers: top.or_default("mcp_servers", |servers| servers.map(mcp_server))?,
            project_root_markers: top.optional("project_root_markers", markers)?,
            projects: top.or_default("projects", |projects| projects.map(trust_level))?,
            web_search: top.optional("web_search", |node| node.word(&WebSearchMode::WORDS))?,
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
        writable_roots: table.optional("writable_roots", Node::strings)?,
        network_access: table.optional("network_access", Node::boolean)?,
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
        include_only_also: default.include_only_also,
    })
}

/// `approval_policy`: a word, or a table of the kinds of question. An unknown kind is nothing that we would ask.
fn approval_policy(node: &Node<'_>) -> Result<ApprovalPolicy, Mismatch> {
    const WORDS: [(&str, ApprovalPolicy); 4] = [
        ("untrusted", ApprovalPolicy::Untrusted),
        ("on-failure", ApprovalPolicy::OnFailure),
        ("on-request", ApprovalPolicy::OnRequest),
        ("never", ApprovalPolicy::Never),
    ];
    if !node.is_table() {
        return node.word(&WORDS);
    }
    let fix = "write `approval_policy = { granular = { sandbox_approval = true, rules = true, mcp_elicitations = true } }`";
    let missing = |what: &str| node.mismatch(format!("has no `{what}`"), fix);
    let granular = node.table()?.get("granular").ok_or_else(|| missing("granular"))?;
    let table = granular.table()?;
    let needed =
        |name: &str| table.optional(name, Node::boolean)?.ok_or_else(|| missing(&format!("granular.{name}")));
    Ok(ApprovalPolicy::Granular(Granular {
        sandbox_approval: needed("sandbox_approval")?,
        rules: needed("rules")?,
        mcp_elicitations: needed("mcp_elicitations")?,
        skill_approval: table.or_default("skill_approval", Node::boolean)?,
        request_permissions: table.or_default("request_permissions", Node::boolean)?,
    }))
}

/// `[mcp_servers.NAME]`; other keys say how to talk to the server.
fn mcp_server(node: &Node<'_>) -> Result<McpServer, Mismatch> {
    let table = node.table()?;
    Ok(McpServer {
        command: table.optional("command", Node::string)?,
        args: table.or_default("args", Node::strings)?,
        url: table.optional("url", Node::string)?,
        enabled: table.optional("enabled", Node::boolean)?.unwrap_or(true),
    })
}

/// `[projects."PATH"]`.
fn trust_level(node: &Node<'_>) -> Result<Option<TrustLevel>, Mismatch> {
    node.table()?.optional("trust_level", |level| level.word(&TrustLevel::WORDS))
}

/// `project_root_markers`: names of files or folders.
fn markers(node: &Node<'_>) -> Result<Vec<String>, Mismatch> {
    let markers = node.strings()?;
    let is_plain = |marker: &String| RelativeSubpath::parse(marker).is_ok_and(|marker| !marker.is_base());
    match markers.iter().find(|marker| !is_plain(marker)) {
        None => Ok(markers),
        Some(marker) => Err(node.mismatch(
            format!("has the marker `{}`, which is not a plain name", escape_short(marker)),
            "write names of files or folders, as in `[\".git\"]`",
        )),
    }
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
             [model_providers.a]\ncommand = 1\n
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
        assert_eq!(write.writable_roots.as_deref(), Some(["a", "~/b"].map(str::to_owned).as_slice()));
        assert!(
            write.network_access == Some(true) && write.exclude_slash_tmp && write.exclude_tmpdir_env_var
        );
        let features = [("fast", Some(true)), ("other", None), ("proxy", Some(true)), ("slow", Some(false))];
        assert_eq!(settings.features, features.map(|(name, on)| (name.to_owned(), on)).into());
        let environment = "inherit = 'core'\nignore_default_excludes = false\nexclude = ['A*']\ninclude_only = ['B*']\nset = { X = 'y' }";
        assert_eq!(settings.shell_environment_policy, toml::from_str(environment).unwrap());
    }

    #[test]
    fn session_settings_are_read() {
        let settings = read(
            "approvals_reviewer = 'auto_review'\nweb_search = 'indexed'\nallow_login_shell = false
             project_root_markers = ['.hg', 'WORKSPACE']\n[projects.'/a']\ntrust_level = 'trusted'\n[projects.'/b']\n
             [mcp_servers.a]\ncommand = 'x'\nargs = ['y']\nstartup_timeout_sec = 3\n[mcp_servers.b]\nurl = 'z'\nenabled = false",
        )
        .unwrap();
        assert_eq!(settings.approvals_reviewer, Some(ApprovalsReviewer::AutoReview));
        assert_eq!(settings.web_search, Some(WebSearchMode::Indexed));
        assert_eq!(settings.allow_login_shell, Some(false));
        let projects = [("/a".to_owned(), Some(TrustLevel::Trusted)), ("/b".to_owned(), None)];
        assert_eq!(settings.projects, projects.into());
        let server =
            McpServer { command: Some("x".to_owned()), args: vec!["y".to_owned()], url: None, enabled: true };
        assert_eq!(settings.mcp_servers.get("a"), Some(&server));
        assert!(settings.mcp_servers.get("b").is_some_and(|server| !server.enabled));
    }

    #[test]
    fn every_approval_policy_is_kept() {
        let words = ["untrusted", "on-failure", "on-request", "never"];
        for word in words {
            let policy = read(&format!("approval_policy = '{word}'")).unwrap().approval_policy.unwrap();
            assert_eq!(policy.to_string(), word);
        }
        let text = "{ granular = { sandbox_approval = true, rules = false, mcp_elicitations = true, skill_approval = false, request_permissions = false } }";
        let read = |toml: &str| read(toml).unwrap().approval_policy.unwrap().to_string();
        assert_eq!(read(&format!("approval_policy = {text}")), text);
        let short = "{ granular = { sandbox_approval = true, rules = false, mcp_elicitations = true, newer = true } }";
        assert_eq!(read(&format!("approval_policy = {short}")), text);
    }

    #[test]
    fn defaults_are_closed() {
        let settings = read("").unwrap();
        assert_eq!(settings.sandbox_mode, None);
        let write = settings.sandbox_workspace_write;
        assert!(write.writable_roots.is_none() && write.network_access.is_none());
        assert_eq!(
            (settings.approval_policy, settings.web_search, settings.allow_login_shell),
            (None, None, None)
        );
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
            ("approval_policy = 'always'", "approval_policy"),
            ("approval_policy = {}", "approval_policy"),
            ("approval_policy = { granular = { rules = true } }", "approval_policy"),
            (
                "approval_policy = { granular = { rules = true, sandbox_approval = 1, mcp_elicitations = true } }",
                "approval_policy.granular.sandbox_approval",
            ),
            ("approvals_reviewer = 'model'", "approvals_reviewer"),
            ("web_search = true", "web_search"),
            ("allow_login_shell = 'no'", "allow_login_shell"),
            ("mcp_servers = ['a']", "mcp_servers"),
            ("[mcp_servers.a]\ncommand = 1", "mcp_servers.a.command"),
            ("[mcp_servers.a]\nenabled = 'no'", "mcp_servers.a.enabled"),
            ("[projects.'/a']\ntrust_level = 'yes'", "projects.\"/a\".trust_level"),
            ("projects = { '/a' = 'trusted' }", "projects.\"/a\""),
            ("project_root_markers = '.git'", "project_root_markers"),
            ("project_root_markers = ['../x']", "project_root_markers"),
            ("project_root_markers = ['']", "project_root_markers"),
            ("project_root_markers = ['.']", "project_root_markers"),
        ];
        for (toml, key) in rows {
            assert_eq!(read(toml).expect_err(toml).key.to_string(), key, "{toml}");
        }
    }
}
