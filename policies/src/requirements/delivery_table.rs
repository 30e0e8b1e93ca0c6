//! Reading `[delivery]`.

use crate::layers::LayerSource;
use crate::path::AbsolutePath;
use crate::reader::{Mismatch, Node, TableNode};
use crate::requirements::error::RequirementsError;
use crate::requirements::layer::parse;
use crate::requirements::text::{Delivery, RequirementsText};

impl Delivery {
    /// What a layer says about delivery. Only a requirements file may say something.
    ///
    /// # Errors
    /// As [`Requirements::from_texts`](crate::Requirements::from_texts), as far as this table is concerned.
    pub fn in_text(text: &RequirementsText) -> Result<Option<Self>, RequirementsError> {
        let table = parse(text)?;
        let read = TableNode::top(&table).optional("delivery", |node| {
            check_source(node, &text.source)?;
            self::read(node)
        });
        read.map_err(|mismatch| RequirementsError::in_text(text, mismatch))
    }
}

/// Refuses the table where a delivered layer could point at another delivery.
pub(crate) fn check_source(node: &Node<'_>, source: &LayerSource) -> Result<(), Mismatch> {
    if matches!(source, LayerSource::RequirementsFile(_)) {
        return Ok(());
    }
    Err(node.key_mismatch(
        "may only stand in a requirements file of the system",
        "move the table to the requirements file of the machine",
    ))
}

/// Reads the table.
pub(crate) fn read(node: &Node<'_>) -> Result<Delivery, Mismatch> {
    let table = node.table()?;
    let missing = |name: &str, example: &str| {
        node.mismatch(format!("has no `{name}`"), format!("write `{name} = {example}`"))
    };
    let folder = table.optional("folder", |node| {
        let folder = node.string()?;
        match AbsolutePath::parse(&folder) {
            Ok(_) => Ok(folder),
            Err(error) => Err(node.mismatch(format!("is not usable: {error}"), error.help())),
        }
    })?;
    let public_keys = table.optional("public_keys", |node| {
        let keys = node.strings()?;
        if keys.iter().all(|key| key.trim().is_empty()) {
            return Err(node.mismatch("cannot be empty", "name the key that signs the layers"));
        }
        Ok(keys)
    })?;
    Ok(Delivery {
        folder: folder.ok_or_else(|| missing("folder", "\"/var/lib/…\""))?,
        public_keys: public_keys.ok_or_else(|| missing("public_keys", "[\"…\"]"))?,
    })
}
