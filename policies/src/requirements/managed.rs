//! Requirements that somebody else delivers: a service of the enterprise, asked by an embedder.

use std::error::Error;

use crate::admin::AdminError;
use crate::display::escape_message;

use super::delivery::DeliveryError;

/// Where an embedder gets requirements from, over a network for example.
///
/// The implementation answers for the origin of what it returns: that it came from the enterprise (a signature,
/// or a connection whose other end is known), that it is meant for this user, and that it is recent enough. It
/// sets its own deadline, since start-up waits. What it holds in a cache that the user may write has to be
/// verified again at each reading.
pub trait ManagedSource: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// All layers, lowest precedence first. An empty answer is the statement that there are none.
    ///
    /// # Errors
    /// [`ManagedError`] whenever the layers are not known for certain. Nothing starts then: a source that could
    /// be skipped by disturbing it would limit nobody.
    fn layers(&self) -> Result<Vec<ManagedLayer>, ManagedError>;
}

/// One layer from a [`ManagedSource`]. Its relative paths start at the config home.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ManagedLayer {
    /// Its key with the source.
    pub id: String,
    /// What messages call it.
    pub name: String,
    /// TOML, as in `requirements.toml`.
    pub text: String,
}

/// Why a source has not told its layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedError {
    /// A file of the administrator.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A folder of signed files.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// Anything else that an embedder's source meets.
    #[error("{}", escape_message(message))]
    Other {
        /// What failed, on what, in one line; escaped when shown.
        message: String,
        /// What to do about it.
        help: String,
        /// The cause.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl ManagedError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Admin(error) => error.help(),
            Self::Delivery(error) => error.help(),
            Self::Other { help, .. } => help.clone(),
        }
    }
}
