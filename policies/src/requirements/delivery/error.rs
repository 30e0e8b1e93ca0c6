//! Why delivered requirements are not used.

use std::path::PathBuf;

use crate::admin::AdminError;
use crate::display::{escape, escape_message, escape_short};
use crate::location::Location;

/// What helps with a folder that somebody has changed.
const DELIVER_AGAIN: &str =
    "have the service deliver the whole folder again; nothing starts until it is complete";

/// Why the layers of a folder are not known for certain. Nothing runs then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// Invalid: not a key.
    #[error("the delivery key `{}` is not a public key of minisign", escape_short(key))]
    Key {
        /// As given.
        key: String,
    },
    /// Invalid: nothing could be verified.
    #[error("the delivery to `{}` has no public key", escape(folder))]
    NoKey {
        /// The folder.
        folder: PathBuf,
    },
    /// Refused: what has to be there is not.
    #[error("refused the delivered requirements: `{}` is missing", escape(path))]
    Missing {
        /// The folder, the index, its signature, or a listed file.
        path: PathBuf,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] AdminError),
    /// Refused: somebody else wrote the index, or it was changed.
    #[error("refused `{}`: {problem}", escape(path))]
    Signature {
        /// The signature.
        path: PathBuf,
        /// What is wrong with it.
        problem: SignatureProblem,
    },
    /// Invalid: the index is not one.
    #[error("{location}: invalid index of delivered requirements: {}", escape_message(problem))]
    Index {
        /// Where.
        location: Box<Location>,
        /// What is wrong.
        problem: String,
    },
    /// Refused: the file was changed.
    #[error("refused `{}`: its digest is not the one in the signed index", escape(path))]
    Digest {
        /// The file.
        path: PathBuf,
    },
    /// Refused: somebody put it there who meant it to count, or to be taken for one that does.
    #[error("refused `{}`: the signed index does not list it", escape(path))]
    Unlisted {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureProblem {
    /// Not in the format.
    #[error("it is not a signature of minisign")]
    Malformed,
    /// Made with another key.
    #[error("it was made with none of the public keys")]
    OtherKey,
    /// Of the file itself rather than of its hash.
    #[error("it is in the old format of minisign, without hashing")]
    Old,
    /// Made for other content.
    #[error("it does not fit the index")]
    Mismatch,
}

impl DeliveryError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        let help = match self {
            Self::Key { .. } => "give the second line of the file that `minisign -G` wrote with `-p`",
            Self::NoKey { .. } => "list at least one key in `public_keys`, or remove `[delivery]`",
            Self::File(error @ AdminError::Read { .. }) => return error.help(),
            Self::Signature { problem: SignatureProblem::Old, .. } => {
                "sign with minisign 0.10 or newer, without `-l`"
            }
            Self::Signature { problem: SignatureProblem::OtherKey, .. } => {
                "add the key to `public_keys` if the enterprise has changed it, or have the folder delivered again"
            }
            Self::Index { .. } => "correct the index where it is made, sign it, and deliver it again",
            Self::Unlisted { .. } => "remove it, or have it listed in the index and signed",
            Self::Missing { .. } | Self::File(_) | Self::Signature { .. } | Self::Digest { .. } => {
                DELIVER_AGAIN
            }
        };
        help.to_owned()
    }
}
