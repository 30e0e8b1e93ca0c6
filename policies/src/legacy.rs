//! The older sandbox policy objects and the profiles that they stand for.
//!
//! Two spellings exist: the core form (`workspace-write`, `writable_roots`) and the app-server form
//! (`workspaceWrite`, `writableRoots`). Both are read; within one object they do not mix. Unknown types and
//! fields are errors, since they could carry a restriction.

use serde::{Deserialize, Serialize};

use crate::path::AbsolutePath;
use crate::profile::EntryPath;
use crate::profile::{
    Access, Entry, MissingPath, NetworkAccess, PROTECTED_NAMES, PermissionProfile, SpecialPath,
};
use crate::workspace_write::WorkspaceWrite;

/// A sandbox policy as older programs write it. Serialises to the core form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Wire", into = "Wire")]
pub enum LegacyPolicy {
    /// Everything readable, nothing writable.
    ReadOnly,
    /// Read-only plus the workspace.
    WorkspaceWrite(WorkspaceWrite),
    /// No sandbox.
    DangerFullAccess,
    /// The host program's own sandbox.
    ExternalSandbox {
        /// Whether it reaches the network.
        network: NetworkAccess,
    },
}

impl LegacyPolicy {
    /// The profile that this policy means for commands started in `cwd`.
    pub fn to_profile(&self, cwd: &AbsolutePath) -> PermissionProfile {
        match self {
            Self::ReadOnly => PermissionProfile::read_only(),
            Self::WorkspaceWrite(options) => workspace_profile(options, cwd),
            Self::DangerFullAccess => PermissionProfile::Disabled,
            Self::ExternalSandbox { network } => PermissionProfile::External { network: *network },
        }
    }

    /// The core form.
    ///
    /// # Errors
    /// When a writable root is not UTF-8.
    pub fn to_core_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The app-server form.
    ///
    /// # Errors
    /// When a writable root is not UTF-8.
    pub fn to_app_server_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Wire::app_server(self.clone()))
    }
}

/// Grants first, then the protected names of each root.
fn workspace_profile(options: &WorkspaceWrite, cwd: &AbsolutePath) -> PermissionProfile {
    let mut roots = vec![cwd];
    for root in &options.writable_roots {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let mut entries = vec![Entry::for_special(SpecialPath::Root, Access::Read)];
    entries.extend(roots.iter().map(|root| Entry::for_path((*root).clone(), Access::Write)));
    entries.extend(options.temporary_entries());
    for root in roots {
        entries.extend(PROTECTED_NAMES.map(|name| Entry {
            path: EntryPath::Path(root.child(name)),
            access: Access::Read,
            missing: MissingPath::Skip,
        }));
    }
    PermissionProfile::restricted(entries, options.network_access)
}

/// Both spellings as they stand in JSON. Empty braces, because serde ignores unknown fields of unit variants.
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Wire {
    /// Core.
    #[serde(rename = "read-only")]
    ReadOnly {},
    /// Core.
    #[serde(rename = "workspace-write")]
    WorkspaceWrite {
        /// Absolute.
        #[serde(default)]
        writable_roots: Vec<AbsolutePath>,
        /// On or off.
        #[serde(default)]
        network_access: bool,
        /// Leave `$TMPDIR` out.
        #[serde(default)]
        exclude_tmpdir_env_var: bool,
        /// Leave `/tmp` out.
        #[serde(default)]
        exclude_slash_tmp: bool,
    },
    /// Core.
    #[serde(rename = "danger-full-access")]
    DangerFullAccess {},
    /// Core.
    #[serde(rename = "external-sandbox")]
    ExternalSandbox {
        /// Absent means restricted.
        #[serde(default)]
        network_access: NetworkAccess,
    },
    /// App server.
    #[serde(rename = "readOnly")]
    AppReadOnly {},
    /// App server.
    #[serde(rename = "workspaceWrite", rename_all = "camelCase")]
    AppWorkspaceWrite {
        /// Absolute.
        #[serde(default)]
        writable_roots: Vec<AbsolutePath>,
        /// On or off.
        #[serde(default)]
        network_access: bool,
        /// Leave `$TMPDIR` out.
        #[serde(default)]
        exclude_tmpdir_env_var: bool,
        /// Leave `/tmp` out.
        #[serde(default)]
        exclude_slash_tmp: bool,
    },
    /// App server.
    #[serde(rename = "dangerFullAccess")]
    AppDangerFullAccess {},
    /// App server.
    #[serde(rename = "externalSandbox", rename_all = "camelCase")]
    AppExternalSandbox {
        /// Absent means restricted.
        #[serde(default)]
        network_access: NetworkAccess,
    },
}

impl Wire {
    /// In the app-server spelling.
    fn app_server(policy: LegacyPolicy) -> Self {
        match policy {
            LegacyPolicy::ReadOnly => Self::AppReadOnly {},
            LegacyPolicy::WorkspaceWrite(options) => Self::AppWorkspaceWrite {
                writable_roots: options.writable_roots,
                network_access: options.network_access.is_enabled(),
                exclude_tmpdir_env_var: options.exclude_tmpdir_env_var,
                exclude_slash_tmp: options.exclude_slash_tmp,
            },
            LegacyPolicy::DangerFullAccess => Self::AppDangerFullAccess {},
            LegacyPolicy::ExternalSandbox { network } => Self::AppExternalSandbox { network_access: network },
        }
    }
}

impl From<LegacyPolicy> for Wire {
    fn from(policy: LegacyPolicy) -> Self {
        match policy {
            LegacyPolicy::ReadOnly => Self::ReadOnly {},
            LegacyPolicy::WorkspaceWrite(options) => Self::WorkspaceWrite {
                writable_roots: options.writable_roots,
                network_access: options.network_access.is_enabled(),
                exclude_tmpdir_env_var: options.exclude_tmpdir_env_var,
                exclude_slash_tmp: options.exclude_slash_tmp,
            },
            LegacyPolicy::DangerFullAccess => Self::DangerFullAccess {},
            LegacyPolicy::ExternalSandbox { network } => Self::ExternalSandbox { network_access: network },
        }
    }
}

impl From<Wire> for LegacyPolicy {
    fn from(json: Wire) -> Self {
        match json {
            Wire::ReadOnly {} | Wire::AppReadOnly {} => Self::ReadOnly,
            Wire::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            }
            | Wire::AppWorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => Self::WorkspaceWrite(WorkspaceWrite {
                writable_roots,
                network_access: NetworkAccess::from_enabled(network_access),
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            }),
            Wire::DangerFullAccess {} | Wire::AppDangerFullAccess {} => Self::DangerFullAccess,
            Wire::ExternalSandbox { network_access } | Wire::AppExternalSandbox { network_access } => {
                Self::ExternalSandbox { network: network_access }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> LegacyPolicy {
        serde_json::from_str(json).expect(json)
    }

    /// The same policies in both spellings.
    const SPELLINGS: [(&str, &str); 5] = [
        (r#"{"type":"read-only"}"#, r#"{"type":"readOnly"}"#),
        (
            r#"{"type":"workspace-write","writable_roots":[],"network_access":false,"exclude_tmpdir_env_var":false,"exclude_slash_tmp":false}"#,
            r#"{"type":"workspaceWrite","writableRoots":[],"networkAccess":false,"excludeTmpdirEnvVar":false,"excludeSlashTmp":false}"#,
        ),
        (
            r#"{"type":"workspace-write","writable_roots":["/srv"],"network_access":true,"exclude_tmpdir_env_var":true,"exclude_slash_tmp":true}"#,
            r#"{"type":"workspaceWrite","writableRoots":["/srv"],"networkAccess":true,"excludeTmpdirEnvVar":true,"excludeSlashTmp":true}"#,
        ),
        (r#"{"type":"danger-full-access"}"#, r#"{"type":"dangerFullAccess"}"#),
        (
            r#"{"type":"external-sandbox","network_access":"enabled"}"#,
            r#"{"type":"externalSandbox","networkAccess":"enabled"}"#,
        ),
    ];

    #[test]
    fn both_spellings_are_read_and_written() {
        for (core, app) in SPELLINGS {
            assert_eq!(parse(core), parse(app));
            assert_eq!(parse(app).to_core_json().unwrap(), core);
            assert_eq!(parse(core).to_app_server_json().unwrap(), app);
        }
    }

    #[test]
    fn absent_options_are_off() {
        for json in [r#"{"type":"workspace-write"}"#, r#"{"type":"workspaceWrite"}"#] {
            assert_eq!(parse(json), LegacyPolicy::WorkspaceWrite(WorkspaceWrite::default()));
        }
        for json in [r#"{"type":"external-sandbox"}"#, r#"{"type":"externalSandbox"}"#] {
            assert_eq!(parse(json), LegacyPolicy::ExternalSandbox { network: NetworkAccess::Restricted });
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let rows = [
            (
                r#"{"type":"workspace_write"}"#,
                "unknown variant `workspace_write`, expected one of `read-only`",
            ),
            (r#"{}"#, "missing field `type`"),
            (r#"{"type":"read-only","access":{}}"#, "`access`"),
            (r#"{"type":"workspace-write","writableRoots":["/a"]}"#, "`writableRoots`"),
            (r#"{"type":"workspaceWrite","writable_roots":["/a"]}"#, "`writable_roots`"),
            (r#"{"type":"workspace-write","writable_roots":["a"]}"#, "path `a` is not absolute"),
            (r#"{"type":"workspace-write","network_access":"enabled"}"#, "expected a boolean"),
            (r#"{"type":"external-sandbox","network_access":true}"#, "boolean `true`"),
            (r#"{"type":"danger-full-access","network_access":false}"#, "`network_access`"),
        ];
        for (json, expect) in rows {
            let message = serde_json::from_str::<LegacyPolicy>(json).expect_err(json).to_string();
            assert!(message.contains(expect), "{json}\n{message}");
        }
    }

    #[test]
    fn workspace_write_projects_to_grants_then_protected_names() {
        let cwd = AbsolutePath::parse("/w").unwrap();
        let policy =
            parse(r#"{"type":"workspace-write","writable_roots":["/srv","/w"],"network_access":true}"#);
        let read_skip = |path: &str| {
            format!(
                r#"{{"path":{{"type":"path","path":"{path}"}},"access":"read","missing_path_behavior":"skip"}}"#
            )
        };
        let mut entries = vec![
            r#"{"path":{"type":"special","value":{"kind":"root"}},"access":"read"}"#.to_owned(),
            r#"{"path":{"type":"path","path":"/w"},"access":"write"}"#.to_owned(),
            r#"{"path":{"type":"path","path":"/srv"},"access":"write"}"#.to_owned(),
            r#"{"path":{"type":"special","value":{"kind":"slash_tmp"}},"access":"write"}"#.to_owned(),
            r#"{"path":{"type":"special","value":{"kind":"tmpdir"}},"access":"write"}"#.to_owned(),
        ];
        for root in ["/w", "/srv"] {
            entries.extend(
                [".git", ".agents", ".codex", ".aws"].map(|name| read_skip(&format!("{root}/{name}"))),
            );
        }
        let expect = format!(
            r#"{{"type":"managed","file_system":{{"type":"restricted","entries":[{}]}},"network":"enabled"}}"#,
            entries.join(",")
        );
        assert_eq!(policy.to_profile(&cwd).to_canonical_json().unwrap(), expect);
    }

    #[test]
    fn exclusions_drop_the_temporary_directories() {
        let cwd = AbsolutePath::parse("/w").unwrap();
        let rows = [
            (r#"{"type":"workspace-write","exclude_slash_tmp":true}"#, false, true),
            (r#"{"type":"workspace-write","exclude_tmpdir_env_var":true}"#, true, false),
        ];
        for (json, slash_tmp, tmpdir) in rows {
            let json = parse(json).to_profile(&cwd).to_canonical_json().unwrap();
            assert_eq!((json.contains("slash_tmp"), json.contains("tmpdir")), (slash_tmp, tmpdir));
        }
    }

    #[test]
    fn the_other_policies_have_their_own_profiles() {
        let cwd = AbsolutePath::parse("/w").unwrap();
        let network = NetworkAccess::Enabled;
        assert_eq!(LegacyPolicy::ReadOnly.to_profile(&cwd), PermissionProfile::read_only());
        assert_eq!(LegacyPolicy::DangerFullAccess.to_profile(&cwd), PermissionProfile::Disabled);
        assert_eq!(
            LegacyPolicy::ExternalSandbox { network }.to_profile(&cwd),
            PermissionProfile::External { network }
        );
    }
}
