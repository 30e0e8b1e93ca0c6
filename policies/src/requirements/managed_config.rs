//! `managed_config.toml`, from before there were requirements: configuration above everything else, and limits.

use super::load::{SourceError, layer};
use super::mdm;
use super::text::RequirementsText;
use crate::admin::{AdminFile, AdminFolder};
use crate::layers::{Layer, LayerSource};
use crate::path::AbsolutePath;

/// The file of the system folder.
const FILE: &str = "managed_config.toml";

/// The texts of `managed_config.toml`, from the system folder and from device management.
///
/// They are read once and used twice, as the highest layers of configuration and as requirements, so that both
/// uses see the same content whatever happens to the file in between.
#[derive(Clone, Debug, Default)]
pub struct ManagedConfig {
    file: Option<AdminFile>,
    mdm: Option<String>,
}

impl ManagedConfig {
    /// Reads both. `mdm` is the preference of device management in base64; blank is absent.
    ///
    /// # Errors
    /// [`SourceError::Admin`] and [`SourceError::Mdm`].
    pub fn read(admin: &AdminFolder, mdm: Option<&str>) -> Result<Self, SourceError> {
        let decode = |value| mdm::decode(value, &LayerSource::LegacyManagedMdm);
        Ok(Self { file: admin.read(FILE)?, mdm: mdm.map(decode).transpose()?.flatten() })
    }

    /// The highest layers of configuration, lowest precedence first: file, device management.
    ///
    /// # Errors
    /// [`SourceError::Config`] for what is not TOML.
    pub fn layers(&self) -> Result<Vec<Layer>, SourceError> {
        self.texts().map(|(source, text)| layer(source, text.to_owned())).collect()
    }

    /// The same as requirements, lowest precedence first. Relative paths start in the folder of the file, or at
    /// the config home.
    pub(super) fn requirements(
        &self,
        config_home: &AbsolutePath,
    ) -> Result<Vec<RequirementsText>, SourceError> {
        self.texts().map(|(source, text)| super::load::text(source, text.to_owned(), config_home)).collect()
    }

    fn texts(&self) -> impl Iterator<Item = (LayerSource, &str)> {
        let file = self
            .file
            .as_ref()
            .map(|file| (LayerSource::LegacyManagedFile(file.path.clone()), file.text.as_str()));
        let mdm = self.mdm.as_deref().map(|text| (LayerSource::LegacyManagedMdm, text));
        file.into_iter().chain(mdm)
    }
}
