//! Reading `[delivery]`.

use std::ffi::OsStr;

use crate::layers::LayerSource;
use crate::path::AbsolutePath;
use crate::reader::{Mismatch, Node, TableNode};
use crate::requirements::delivery::public_key;
use crate::requirements::error::RequirementsError;
use crate::requirements::layer::parse;
use crate::requirements::load::DROP_FOLDER;
use crate::requirements::text::{Delivery, RequirementsText};

/// Its keys.
const KEYS: [&str; 2] = ["folder", "public_keys"];

impl Delivery {
    /// What a layer says about delivery. Only the requirements file of the system may say something.
    ///
    /// # Errors
    /// As [`Requirements::from_texts`](crate::Requirements::from_texts), as far as this table is concerned.
    pub fn in_text(text: &RequirementsText) -> Result<Option<Self>, RequirementsError> {
        let table = parse(text)?;
        let read = TableNode::top(&table).optional("delivery", |node| {
            check_source(node, text)?;
            self::read(node)
        });
        read.map_err(|mismatch| RequirementsError::in_text(text, mismatch))
    }
}

/// Refuses the table where a delivered layer could point at another delivery, and where nobody would look at it:
/// what a file of the drop folder names would never be read.
pub(crate) fn check_source(node: &Node<'_>, text: &RequirementsText) -> Result<(), Mismatch> {
    let is_system_file = matches!(text.source, LayerSource::RequirementsFile(_))
        && text.folder.as_path().file_name() != Some(OsStr::new(DROP_FOLDER));
    if is_system_file {
        return Ok(());
    }
    Err(node.key_mismatch(
        "may only stand in the requirements file of the system",
        "move the table to `requirements.toml` of the system folder",
    ))
}

/// Reads the table.
pub(crate) fn read(node: &Node<'_>) -> Result<Delivery, Mismatch> {
    let table = node.table()?;
    // An option that is not known here could be one that demands more.
    if let Some((_, node)) = table.nodes().find(|(name, _)| !KEYS.contains(name)) {
        return Err(node.key_mismatch(
            "is not known, and could be a demand",
            "remove it; the table has `folder` and `public_keys`",
        ));
    }
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
        match keys.iter().find_map(|key| public_key(key).err()) {
            None => Ok(keys),
            Some(error) => Err(node.mismatch(format!("is not usable: {error}"), error.help())),
        }
    })?;
    Ok(Delivery {
        folder: folder.ok_or_else(|| missing("folder", "\"/var/lib/…\""))?,
        public_keys: public_keys.ok_or_else(|| missing("public_keys", "[\"…\"]"))?,
    })
}
