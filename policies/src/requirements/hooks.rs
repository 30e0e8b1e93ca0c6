//! `[hooks]` of all layers: what runs before and after the agent's tools.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::keys::KeyPath;
use crate::layers::LayerSource;
use crate::requirements::error::RequirementsError;
use crate::requirements::layer::RequirementsLayer;

/// The hooks of all layers: the groups of an event one after the other, higher layers first. Anything else, such
/// as the managed directory, has to be the same wherever it is said: hooks of one layer would otherwise run
/// programs out of another's folder.
pub(crate) fn merge(layers: &[RequirementsLayer]) -> Result<Option<Table>, RequirementsError> {
    let mut merged: Option<Table> = None;
    let mut set_by: BTreeMap<&str, &LayerSource> = BTreeMap::new();
    for layer in layers.iter().rev() {
        let Some(Value::Table(hooks)) = layer.values.others.get("hooks") else { continue };
        let merged = merged.get_or_insert_default();
        for (name, lower) in hooks {
            match (merged.get_mut(name), lower) {
                (None, _) => {
                    merged.insert(name.clone(), lower.clone());
                    set_by.insert(name, &layer.source);
                }
                (Some(Value::Array(groups)), Value::Array(lower)) => groups.extend(lower.iter().cloned()),
                (Some(higher), lower) if higher == lower => {}
                (Some(_), _) => {
                    let higher = set_by.get(name.as_str()).copied().unwrap_or(&layer.source);
                    let key = KeyPath::new(["hooks", name.as_str()]);
                    return Err(RequirementsError::conflict(key, higher, &layer.source));
                }
            }
        }
    }
    Ok(merged)
}
