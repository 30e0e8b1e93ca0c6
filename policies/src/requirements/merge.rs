//! All layers as one.
//!
//! Tables merge key by key, anything else is replaced by the higher layer. The exceptions are those where
//! replacing would loosen what a lower layer forbids: rules, places that nobody may read, apps that are off.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::definition::{EntryDefinition, ProfileDefinition};
use crate::keys::KeyPath;
use crate::layers::{Layer, LayerSource, Layers};
use crate::requirements::error::{RequirementsError, list_unknown};
use crate::requirements::layer::RequirementsLayer;
use crate::requirements::mcp::McpIdentity;
use crate::requirements::network::NetworkRequirement;
use crate::requirements::{RequirementSource, Requirements, Sourced, hooks};

/// Merges layers, lowest first.
pub(crate) fn merge(layers: Vec<RequirementsLayer>) -> Result<Requirements, RequirementsError> {
    let mut merged = Requirements {
        layers: layers.iter().map(|layer| layer.source.clone()).collect(),
        warnings: layers.iter().flat_map(warnings).collect(),
        others: others(&layers)?,
        ..Requirements::default()
    };
    for layer in layers {
        merged.lay_over(layer)?;
    }
    Ok(merged)
}

impl Requirements {
    /// Lays the next higher layer on the ones so far.
    fn lay_over(&mut self, layer: RequirementsLayer) -> Result<(), RequirementsError> {
        let RequirementsLayer { source, values, rules, .. } = layer;
        let from = &source;
        replace(&mut self.allowed_approval_policies, values.approval_policies, from);
        replace(&mut self.allowed_approvals_reviewers, values.reviewers, from);
        replace(&mut self.allowed_sandbox_modes, values.sandbox_modes, from);
        replace(&mut self.allowed_web_search_modes, values.web_search_modes, from);
        replace(&mut self.default_permissions, values.default_permissions, from);
        replace(&mut self.enforce_residency, values.residency, from);
        lay(&mut self.allowed_permission_profiles, values.catalogue, from, |below, above| {
            below.extend(above)
        });
        lay(&mut self.network, values.network, from, NetworkRequirement::lay_over);
        if let Some(servers) = values.mcp_servers {
            self.lay_servers(servers, from)?;
        }
        for (name, above) in values.permissions {
            let mut below = self.permissions.remove(&name);
            lay(&mut below, Some(above), from, lay_profile);
            self.permissions.extend(below.map(|profile| (name, profile)));
        }
        self.features.extend(values.features.into_iter().map(|(name, on)| (name, sourced(on, from))));
        self.exact.extend(values.exact.into_iter().map(|(key, value)| (key, sourced(value, from))));
        if let Some(rules) = rules {
            self.rules.insert(0, sourced(rules, from));
        }
        self.lay_denied(values.deny_read, from);
        Ok(())
    }

    /// Puts a higher layer's places first; those known already move there.
    fn lay_denied(&mut self, above: Vec<crate::entry::EntryPath>, source: &LayerSource) {
        if above.is_empty() {
            return;
        }
        let below = std::mem::take(&mut self.deny_read);
        let mut known: BTreeMap<_, _> = below.iter().map(|entry| (&entry.value, &entry.source)).collect();
        let mut seen = BTreeSet::new();
        let mut denied = Vec::with_capacity(above.len() + below.len());
        for place in &above {
            if seen.insert(place) {
                let mut entry = sourced(place.clone(), source);
                entry.source.0.extend(known.remove(place).into_iter().flat_map(|lower| lower.0.clone()));
                denied.push(entry);
            }
        }
        denied.extend(below.iter().filter(|entry| !seen.contains(&entry.value)).cloned());
        self.deny_read = denied;
    }

    /// Lays a higher layer's tool servers on those so far.
    fn lay_servers(
        &mut self,
        above: BTreeMap<String, McpIdentity>,
        source: &LayerSource,
    ) -> Result<(), RequirementsError> {
        let Some(Sourced { value: below, source: sources }) = &mut self.mcp_servers else {
            self.mcp_servers = Some(sourced(above, source));
            return Ok(());
        };
        for (name, above) in above {
            let identity = match (below.remove(&name), above) {
                // Tables merge, so a lower layer's arguments stay required.
                (Some(McpIdentity::Command { args: lower, .. }), McpIdentity::Command { command, args }) => {
                    McpIdentity::Command { command, args: args.or(lower) }
                }
                (None, above) | (Some(McpIdentity::Url(_)), above @ McpIdentity::Url(_)) => above,
                (Some(McpIdentity::Command { .. }), McpIdentity::Url(_))
                | (Some(McpIdentity::Url(_)), McpIdentity::Command { .. }) => {
                    let lower = sources.0.first().unwrap_or(source);
                    let key = KeyPath::new(["mcp_servers", name.as_str(), "identity"]);
                    return Err(RequirementsError::conflict(key, source, lower));
                }
            };
            below.insert(name, identity);
        }
        sources.0.insert(0, source.clone());
        Ok(())
    }
}

/// A value of one layer.
fn sourced<T>(value: T, source: &LayerSource) -> Sourced<T> {
    Sourced { value, source: source.clone().into() }
}

/// A higher layer's value replaces the one below.
fn replace<T>(slot: &mut Option<Sourced<T>>, above: Option<T>, source: &LayerSource) {
    if let Some(above) = above {
        *slot = Some(sourced(above, source));
    }
}

/// A higher layer's table is laid on the one below, and both are its source.
fn lay<T>(
    slot: &mut Option<Sourced<T>>,
    above: Option<T>,
    source: &LayerSource,
    lay_over: impl FnOnce(&mut T, T),
) {
    match (slot, above) {
        (_, None) => {}
        (slot @ None, Some(above)) => *slot = Some(sourced(above, source)),
        (Some(below), Some(above)) => {
            lay_over(&mut below.value, above);
            below.source.0.insert(0, source.clone());
        }
    }
}

/// Lays a profile on the one of that name below, as tables merge.
fn lay_profile(below: &mut ProfileDefinition, above: ProfileDefinition) {
    below.extends = above.extends.or(below.extends.take());
    below.description = above.description.or(below.description.take());
    below.workspace_roots.extend(above.workspace_roots);
    below.glob_scan_max_depth = above.glob_scan_max_depth.or(below.glob_scan_max_depth);
    below.network = above.network.inherit(std::mem::take(&mut below.network));
    for (key, entry) in above.filesystem {
        match (below.filesystem.get_mut(&key), entry) {
            (Some(EntryDefinition::Scoped(below)), EntryDefinition::Scoped(above)) => below.extend(above),
            (_, entry) => {
                below.filesystem.insert(key, entry);
            }
        }
    }
}

/// What is only kept.
fn others(layers: &[RequirementsLayer]) -> Result<BTreeMap<String, Sourced<Value>>, RequirementsError> {
    let kept = |layer: &RequirementsLayer| Layer::new(layer.source.clone(), layer.values.others.clone());
    let mut merged = Layers::new(layers.iter().map(kept)).merged();
    if let Some(hooks) = hooks::merge(layers)? {
        merged.insert("hooks".to_owned(), Value::Table(hooks));
    }
    keep_apps_off(&mut merged, layers);
    unite_models(&mut merged, layers);
    let with_source = |(name, value): (String, Value)| {
        let source = contributors(&name, layers);
        (name, Sourced { value, source })
    };
    Ok(merged.into_iter().map(with_source).collect())
}

/// The layers that a kept value comes from, highest first: the topmost, and for a table those below it too.
fn contributors(name: &str, layers: &[RequirementsLayer]) -> RequirementSource {
    let mut sources = Vec::new();
    for layer in layers.iter().rev() {
        let Some(value) = layer.values.others.get(name) else { continue };
        if sources.is_empty() || value.is_table() {
            sources.push(layer.source.clone());
        }
        if !value.is_table() {
            break;
        }
    }
    RequirementSource(sources)
}

/// An app that any layer switches off is off.
fn keep_apps_off(merged: &mut Table, layers: &[RequirementsLayer]) {
    let Some(Value::Table(apps)) = merged.get_mut("apps") else { return };
    for layer in layers {
        for (name, app) in layer.values.others.get("apps").and_then(Value::as_table).into_iter().flatten() {
            let is_off = app.get("enabled").and_then(Value::as_bool) == Some(false);
            if let (true, Some(Value::Table(app))) = (is_off, apps.get_mut(name)) {
                app.insert("enabled".to_owned(), Value::Boolean(false));
            }
        }
    }
}

/// A model that any layer wants reviewed is reviewed.
fn unite_models(merged: &mut Table, layers: &[RequirementsLayer]) {
    let mut seen = BTreeSet::new();
    let mut models = Vec::new();
    for layer in layers.iter().rev() {
        let review = layer.values.others.get("auto_review");
        let list = review.and_then(|review| review.get("required_on_models")).and_then(Value::as_array);
        let names = list.into_iter().flatten().filter_map(Value::as_str);
        models.extend(names.filter(|name| seen.insert(*name)).map(|name| Value::String(name.to_owned())));
    }
    if let (false, Some(Value::Table(review))) = (models.is_empty(), merged.get_mut("auto_review")) {
        review.insert("required_on_models".to_owned(), Value::Array(models));
    }
}

/// What is to be said of a layer.
fn warnings(layer: &RequirementsLayer) -> impl Iterator<Item = String> {
    unknown_warning(layer).into_iter().chain(layer.warnings.iter().cloned())
}

/// The warning about keys without a meaning.
fn unknown_warning(layer: &RequirementsLayer) -> Option<String> {
    let (keys, are) = match layer.unknown.len() {
        0 => return None,
        1 => ("key", "is"),
        _ => ("keys", "are"),
    };
    Some(format!(
        "`{}` has {} unknown {keys}, which {are} ignored: {}",
        layer.source,
        layer.unknown.len(),
        list_unknown(&layer.unknown)
    ))
}
