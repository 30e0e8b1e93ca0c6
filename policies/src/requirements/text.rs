//! One layer of requirements before it is read.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::layers::LayerSource;
use crate::path::AbsolutePath;

/// One layer of requirements as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequirementsText {
    /// Where it comes from. A legacy managed file is configuration, and is mapped to requirements.
    pub source: LayerSource,
    /// TOML.
    pub text: String,
    /// Where its relative paths start: its own folder, or the config home for device management.
    pub folder: AbsolutePath,
}

/// `[delivery]`: a folder in which a service of the enterprise drops signed layers. Only the system file may
/// have it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Absolute. It has to be there, with a signed `index.toml`.
    pub folder: String,
    /// Minisign public keys, base64 as in the second line of a `.pub` file. One of them has to have signed the
    /// index.
    pub public_keys: Vec<String>,
}
