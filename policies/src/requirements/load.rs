//! All sources of requirements, and of configuration that an administrator sets, in their order.
//!
//! Nothing is parsed here but what names a further source. A source that fails stops the load: what it would have
//! required is not known, so nothing less than refusing to start keeps to it.

use super::delivery::{DeliveryError, FileDrop};
use super::error::RequirementsError;
use super::managed::{ManagedError, ManagedLayer, ManagedSource};
use super::managed_config::ManagedConfig;
use super::mdm::{self, MdmError};
use super::text::{Delivery, RequirementsText};
use crate::admin::{AdminError, AdminFile, AdminFolder, MAX_ADMIN_BYTES};
use crate::config_error::ConfigError;
use crate::display::escape_short;
use crate::layers::{Layer, LayerSource};
use crate::location::{Location, Position};
use crate::path::{AbsolutePath, PathError};
use crate::toml_text::parse_table;

/// The requirements of the system folder.
const SYSTEM_FILE: &str = "requirements.toml";

/// The folder in it for requirements in several files.
pub(super) const DROP_FOLDER: &str = "requirements.d";

/// The configuration of the system folder, the lowest layer.
const SYSTEM_CONFIG: &str = "config.toml";

/// The most layers that one managed source may have.
const MAX_MANAGED_LAYERS: usize = 256;

/// Where requirements come from.
#[derive(Clone, Copy)]
pub struct RequirementSources<'a> {
    /// The system folder.
    pub admin: &'a AdminFolder,
    /// Sources of the embedder, lowest precedence first.
    pub managed: &'a [&'a dyn ManagedSource],
    /// `managed_config.toml`; also [`ManagedConfig::layers`].
    pub managed_config: &'a ManagedConfig,
    /// The preference [`mdm::MDM_REQUIREMENTS_KEY`] of device management in base64; blank is absent.
    pub mdm: Option<&'a str>,
    /// Where relative paths start in what is no file.
    pub config_home: &'a AbsolutePath,
}

/// Why requirements, or configuration of the administrator, could not be read. Nothing runs then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file of the administrator.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Invalid: what the system file says of a further source.
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    /// A folder of signed files that the system file names wrongly.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// Device management.
    #[error(transparent)]
    Mdm(#[from] MdmError),
    /// A managed source.
    #[error("cannot tell what `{}` requires", escape_short(name))]
    Managed {
        /// What the source is called.
        name: String,
        /// Why.
        source: ManagedError,
    },
    /// Invalid: a managed source has more than is taken.
    #[error("refused the requirements of `{}`: {problem}", escape_short(name))]
    TooMuch {
        /// What the source is called.
        name: String,
        /// What there is too much of.
        problem: String,
    },
    /// A file of configuration.
    #[error(transparent)]
    Config(#[from] Box<ConfigError>),
    /// A file whose name is no path.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl SourceError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Admin(error) => error.help(),
            Self::Requirements(error) => error.help(),
            Self::Delivery(error) => error.help(),
            Self::Mdm(error) => error.help(),
            Self::Managed { source, .. } => source.help(),
            Self::TooMuch { .. } => {
                "have the source deliver less; requirements hold limits, not data".to_owned()
            }
            Self::Config(error) => error.help(),
            Self::Path(error) => error.help().to_owned(),
        }
    }
}

/// Reads all requirements, lowest precedence first: the system file; `requirements.d` of the system folder by
/// file name; what the `[delivery]` of the system file names; the managed sources; `managed_config.toml`; device
/// management.
///
/// # Errors
/// [`SourceError`] for the first source that cannot tell what it requires. None is left out.
pub fn read_texts(sources: &RequirementSources<'_>) -> Result<Vec<RequirementsText>, SourceError> {
    let home = sources.config_home;
    let in_file =
        |AdminFile { path, text: content }| text(LayerSource::RequirementsFile(path), content, home);
    let system = sources.admin.read(SYSTEM_FILE)?.map(in_file).transpose()?;
    let delivery = system.as_ref().map(delivery).transpose()?.flatten();
    let dropped = sources.admin.read_all(DROP_FOLDER, ".toml")?;

    let mut texts = Vec::from_iter(system);
    for file in dropped {
        texts.push(in_file(file)?);
    }
    if let Some(delivery) = &delivery {
        texts.extend(ask(delivery, home)?);
    }
    for source in sources.managed {
        texts.extend(ask(*source, home)?);
    }
    texts.extend(sources.managed_config.requirements(home)?);
    if let Some(value) = sources.mdm {
        let preference = mdm::requirements_preference();
        if let Some(content) = mdm::decode(value, &preference)? {
            texts.push(text(preference, content, home)?);
        }
    }
    Ok(texts)
}

/// Reads `config.toml` of the system folder: configuration, so the lowest layer, and like requirements one that
/// must not be skipped. `None` when it is not there.
///
/// # Errors
/// [`SourceError::Admin`] when it cannot be read or believed, [`SourceError::Config`] when it is not TOML.
pub fn system_config_layer(admin: &AdminFolder) -> Result<Option<Layer>, SourceError> {
    let file = admin.read(SYSTEM_CONFIG)?;
    file.map(|AdminFile { path, text }| layer(LayerSource::SystemFile(path), text)).transpose()
}

/// The folder that `[delivery]` of the system file names.
fn delivery(system: &RequirementsText) -> Result<Option<FileDrop>, SourceError> {
    let Some(Delivery { folder, public_keys }) = Delivery::in_text(system)? else { return Ok(None) };
    Ok(Some(FileDrop::signed(AbsolutePath::parse(folder)?, &public_keys)?))
}

/// The layers of a managed source.
fn ask(source: &dyn ManagedSource, home: &AbsolutePath) -> Result<Vec<RequirementsText>, SourceError> {
    let name = || source.name().to_owned();
    let layers = source.layers().map_err(|error| SourceError::Managed { name: name(), source: error })?;
    if layers.len() > MAX_MANAGED_LAYERS {
        let problem = format!("they are more than {MAX_MANAGED_LAYERS} layers");
        return Err(SourceError::TooMuch { name: name(), problem });
    }
    let convert = |layer: ManagedLayer| {
        let ManagedLayer { id, name: layer_name, text: content } = layer;
        if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_ADMIN_BYTES) {
            return text(LayerSource::Managed { id, name: layer_name }, content, home);
        }
        let problem = format!("layer `{}` is larger than {MAX_ADMIN_BYTES} bytes", escape_short(id));
        Err(SourceError::TooMuch { name: name(), problem })
    };
    layers.into_iter().map(convert).collect()
}

/// One layer of requirements with the folder that its relative paths start from.
pub(super) fn text(
    source: LayerSource,
    text: String,
    config_home: &AbsolutePath,
) -> Result<RequirementsText, SourceError> {
    let folder = source.folder().map_or_else(|| Ok(config_home.clone()), AbsolutePath::parse)?;
    Ok(RequirementsText { source, text, folder })
}

/// A text as a layer of configuration.
pub(super) fn layer(source: LayerSource, text: String) -> Result<Layer, SourceError> {
    match parse_table(&text) {
        Ok(table) => Ok(Layer::with_text(source, table, text)),
        Err(error) => {
            let position = error.span.map(|span| Position::at(&text, span.start));
            let location = Location { source, position };
            Err(Box::new(ConfigError::Syntax { location, message: error.message }).into())
        }
    }
}

#[cfg(test)]
mod tests;
