//! What an administrator requires: the limits that no layer of configuration can leave.
//!
//! Layers of `requirements.toml` go in, lowest precedence first, one [`Requirements`] comes out, each value with
//! the layers that set it. Requirements only narrow: nothing in here grants.

pub mod delivery;
pub mod limits;
pub mod load;
pub mod managed;
pub mod managed_config;
pub mod mcp;
pub mod mdm;
pub mod network;
mod source;
mod text;

use std::collections::BTreeMap;

use execpolicy::RuleSet;
use toml::Value;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::definition::ProfileDefinition;
use crate::entry::EntryPath;
use crate::keys::KeyPath;
use crate::web_search::WebSearchMode;

pub use delivery::{DeliveryError, FileDrop};
pub use limits::{Residency, SandboxModeLimit};
pub use load::{RequirementSources, SourceError, read_texts, system_config_layer};
pub use managed::{ManagedError, ManagedLayer, ManagedSource};
pub use managed_config::ManagedConfig;
pub use mcp::{Matcher, McpIdentity};
pub use mdm::{MdmError, MdmProblem};
pub use network::NetworkRequirement;
pub use source::{RequirementSource, Sourced};
pub use text::{Delivery, RequirementsText};

/// All layers, merged and checked. The default is that of no requirements at all.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// Never empty; the first is the fallback. `on-failure` has become `on-request`.
    pub allowed_approval_policies: Option<Sourced<Vec<ApprovalPolicy>>>,
    /// Never empty; the first is the fallback.
    pub allowed_approvals_reviewers: Option<Sourced<Vec<ApprovalsReviewer>>>,
    /// Always with read-only, which is the fallback; after `remote_sandbox_config`.
    pub allowed_sandbox_modes: Option<Sourced<Vec<SandboxModeLimit>>>,
    /// Always with `disabled`.
    pub allowed_web_search_modes: Option<Sourced<Vec<WebSearchMode>>>,
    /// Selectable profiles by name; `false` is not selectable, and neither is what is not listed.
    pub allowed_permission_profiles: Option<Sourced<BTreeMap<String, bool>>>,
    /// The profile where the user's choice is missing or not allowed; always there with a catalogue.
    pub default_permissions: Option<Sourced<String>>,
    /// Managed profiles by name.
    pub permissions: BTreeMap<String, Sourced<ProfileDefinition>>,
    /// Never readable: absolute paths and globs.
    pub deny_read: Vec<Sourced<EntryPath>>,
    /// The managed network.
    pub network: Option<Sourced<NetworkRequirement>>,
    /// Rules that restrict, highest layer first.
    pub rules: Vec<Sourced<RuleSet>>,
    /// The only servers that may be enabled, by name; empty disables all.
    pub mcp_servers: Option<Sourced<BTreeMap<String, McpIdentity>>>,
    /// Pinned feature flags.
    pub features: BTreeMap<String, Sourced<bool>>,
    /// Where data must stay.
    pub enforce_residency: Option<Sourced<Residency>>,
    /// Values that replace those of the configuration, by config key.
    pub exact: BTreeMap<KeyPath, Sourced<Value>>,
    /// What is outside this project's scope, merged and kept for embedders: `hooks`, `plugins`, `apps`, …
    pub others: BTreeMap<String, Sourced<Value>>,
    /// What the administrator should know, one sentence each, safe to print: unknown keys first of all.
    pub warnings: Vec<String>,
}
