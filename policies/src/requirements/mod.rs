//! What an administrator requires: the limits that no layer of configuration can leave.
//!
//! Layers of `requirements.toml` go in, lowest precedence first, one [`Requirements`] comes out, each value with
//! the layers that set it. Requirements only narrow: nothing in here grants.

mod catalogue;
pub mod delivery;
mod delivery_table;
mod deny_read;
pub mod described;
pub mod error;
mod hooks;
mod hosts;
mod known;
mod layer;
pub mod limits;
pub mod lint;
pub mod load;
pub mod managed;
pub mod managed_config;
mod managed_profiles;
pub mod mcp;
pub mod mdm;
mod merge;
pub mod network;
pub mod schema;
mod source;
mod text;
mod values;
mod words;

use std::collections::BTreeMap;

use execpolicy::RuleSet;
use toml::Value;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::definition::ProfileDefinition;
use crate::entry::EntryPath;
use crate::keys::KeyPath;
use crate::layers::LayerSource;
use crate::location::{Anchor, Location, Position};
use crate::path::AbsolutePath;
use crate::requirements::error::list_unknown;
use crate::requirements::layer::RequirementsLayer;
use crate::web_search::WebSearchMode;

pub use delivery::{DeliveryError, FileDrop};
pub use error::{InvalidRequirement, RequirementsConflict, RequirementsError};
pub use limits::{Residency, SandboxModeLimit};
pub use lint::{Remark, Severity, lint};
pub use load::{RequirementSources, SourceError, read_texts, system_config_layer};
pub use managed::{ManagedError, ManagedLayer, ManagedSource};
pub use managed_config::ManagedConfig;
pub use mcp::{Matcher, McpIdentity, WholeRegex};
pub use mdm::{MdmError, MdmProblem};
pub use network::NetworkRequirement;
pub use schema::{RequirementsToml, requirements_schema};
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
    /// The layers, lowest precedence first, also those that say nothing.
    pub layers: Vec<LayerSource>,
}

/// What the meaning of a layer depends on besides its text.
#[derive(Clone, Copy, Debug)]
pub struct RequirementsContext<'a> {
    /// The name of this machine, for `remote_sandbox_config`.
    pub hostname: &'a str,
    /// The home directory, if known.
    pub home: Option<&'a AbsolutePath>,
    /// The home directory in the user database, if known: what `~` stands for in denials, besides `home`.
    pub account_home: Option<&'a AbsolutePath>,
}

impl Requirements {
    /// Reads, checks and merges layers, lowest precedence first.
    ///
    /// # Errors
    /// See [`RequirementsError`]. There is no way to go on with part of the layers: what could not be read might
    /// have forbidden anything.
    pub fn from_texts(
        texts: &[RequirementsText],
        context: RequirementsContext<'_>,
    ) -> Result<Self, RequirementsError> {
        let mut layers = Vec::with_capacity(texts.len());
        for text in texts {
            let (layer, problems) = RequirementsLayer::read(text, context, 1)?;
            if let Some(problem) = problems.into_iter().next() {
                return Err(problem);
            }
            layers.push(layer);
        }
        check_strict(texts, &layers)?;
        let mut merged = merge::merge(layers)?;
        merged.check_catalogue()?;
        merged.check_profiles(texts, context)?;
        Ok(merged)
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        let Self {
            allowed_approval_policies,
            allowed_approvals_reviewers,
            allowed_sandbox_modes,
            allowed_web_search_modes,
            allowed_permission_profiles,
            default_permissions,
            permissions,
            deny_read,
            network,
            rules,
            mcp_servers,
            features,
            enforce_residency,
            exact,
            others,
            warnings: _,
            layers: _,
        } = self;
        allowed_approval_policies.is_none()
            && allowed_approvals_reviewers.is_none()
            && allowed_sandbox_modes.is_none()
            && allowed_web_search_modes.is_none()
            && allowed_permission_profiles.is_none()
            && default_permissions.is_none()
            && permissions.is_empty()
            && deny_read.is_empty()
            && network.is_none()
            && rules.is_empty()
            && mcp_servers.is_none()
            && features.is_empty()
            && enforce_residency.is_none()
            && exact.is_empty()
            && others.is_empty()
    }

    /// The layers, lowest precedence first, also those that say nothing.
    pub fn layers(&self) -> &[LayerSource] {
        &self.layers
    }
}

/// Refuses unknown keys of all layers if any layer is strict.
fn check_strict(texts: &[RequirementsText], layers: &[RequirementsLayer]) -> Result<(), RequirementsError> {
    let Some(strict) = layers.iter().find(|layer| layer.values.is_strict) else { return Ok(()) };
    let mut faulty = texts.iter().zip(layers).filter(|(_, layer)| !layer.unknown.is_empty()).peekable();
    let Some((text, unknown)) = faulty.peek().map(|(text, layer)| (*text, &layer.unknown)) else {
        return Ok(());
    };
    let position = unknown.first().and_then(|it| Position::of_key(&text.text, &it.key, Anchor::Key));
    let location = Box::new(Location { source: text.source.clone(), position });
    let names = faulty.map(|(_, layer)| format!("{} in `{}`", list_unknown(&layer.unknown), layer.source));
    Err(RequirementsError::UnknownKeys {
        location,
        strict: strict.source.clone(),
        names: names.collect::<Vec<_>>().join(", "),
    })
}
