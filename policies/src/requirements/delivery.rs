//! Folders that requirements are dropped into: `requirements.d`, and `[delivery]`.

mod error;
mod index;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use minisign_verify::{PublicKey, Signature};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use self::index::{Index, IndexEntry};
use super::managed::{ManagedError, ManagedLayer, ManagedSource};
use crate::admin::{self, AdminError, AdminFolder};
use crate::path::AbsolutePath;

pub use error::{DeliveryError, SignatureProblem};

/// The list of the layers.
const INDEX: &str = "index.toml";

/// Its signature.
const SIGNATURE: &str = "index.toml.minisig";

/// What the names of layers end in.
const SUFFIX: &str = ".toml";

/// The most layers that an index may list.
const MAX_LAYERS: usize = 256;

/// A folder of layers, each a TOML file as `requirements.toml`.
///
/// Layers are believed for one of two reasons. In a folder of the administrator ([`Self::owned`]) because nobody
/// else can have written them: all `.toml` files count, in the order of their names. In any other folder
/// ([`Self::signed`]) because a key that the administrator named has signed `index.toml`, which lists the layers
/// with their digests:
///
/// ```toml
/// serial = 12
/// layers = [ # lowest precedence first
///   { file = "10-base.toml", sha256 = "…" },
/// ]
/// ```
///
/// Everything has to be there and nothing else: a missing folder, index, signature or file, a changed byte and a
/// `.toml` file that is not listed are errors, so that deleting and adding weaken nothing. To exchange all files
/// at once, let the folder be a symlink and replace that: it is followed once.
///
/// # What this does not protect from
/// Whoever may write the folder can put back an *older* delivery, signed index and all: nothing here remembers
/// which serial was seen last, and what the user's own processes remembered the user could make them forget.
/// Where that matters, let another user own the folder, or the enterprise use a new key. Nor is there a date of
/// expiry: a folder that is no longer served stays in force.
#[derive(Clone, Debug)]
pub struct FileDrop {
    /// The folder, for messages.
    name: String,
    trust: Trust,
}

/// Why the layers are believed.
#[derive(Clone, Debug)]
enum Trust {
    /// Nobody else can have written them.
    Location { admin: AdminFolder, subfolder: String },
    /// Signed by one of the keys.
    Signature { folder: AbsolutePath, keys: Vec<PublicKey> },
}

impl FileDrop {
    /// A folder in that of the administrator. No layers when it is not there.
    pub fn owned(admin: AdminFolder, subfolder: &str) -> Self {
        let name = admin.path().as_path().join(subfolder).to_string_lossy().into_owned();
        Self { name, trust: Trust::Location { admin, subfolder: subfolder.to_owned() } }
    }

    /// A folder of anybody, whose index one of these keys has signed; base64 as in the second line of a `.pub`
    /// file of minisign.
    ///
    /// # Errors
    /// [`DeliveryError::Key`] and [`DeliveryError::NoKey`].
    pub fn signed(folder: AbsolutePath, public_keys: &[String]) -> Result<Self, DeliveryError> {
        if public_keys.is_empty() {
            return Err(DeliveryError::NoKey { folder: folder.into_path_buf() });
        }
        let keys = public_keys.iter().map(|key| public_key(key)).collect::<Result<_, _>>()?;
        let name = folder.as_path().to_string_lossy().into_owned();
        Ok(Self { name, trust: Trust::Signature { folder, keys } })
    }
}

impl ManagedSource for FileDrop {
    fn name(&self) -> &str {
        &self.name
    }

    fn layers(&self) -> Result<Vec<ManagedLayer>, ManagedError> {
        match &self.trust {
            Trust::Location { admin, subfolder } => {
                let files = admin.read_all(subfolder, SUFFIX)?;
                Ok(files.into_iter().map(|file| layer(self.name.clone(), &file.path, file.text)).collect())
            }
            Trust::Signature { folder, keys } => Ok(read_signed(folder.as_path(), keys)?),
        }
    }
}

/// Reads a key as a `.pub` file of minisign has it in its second line.
pub(super) fn public_key(key: &str) -> Result<PublicKey, DeliveryError> {
    PublicKey::from_base64(key.trim()).map_err(|_| DeliveryError::Key { key: key.to_owned() })
}

/// Reads a folder of signed layers.
fn read_signed(path: &Path, keys: &[PublicKey]) -> Result<Vec<ManagedLayer>, DeliveryError> {
    let folder = Folder::open(path)?;
    let (index_path, index) = folder.read(INDEX)?;
    let (signature_path, signature) = folder.read(SIGNATURE)?;
    verify(&index, &signature, keys)
        .map_err(|problem| DeliveryError::Signature { path: signature_path, problem })?;
    // Only now, so that no parser sees what nobody has signed.
    let index = Index::parse(&admin::text_of_file(index, &index_path)?, &index_path)?;
    folder.refuse_unlisted(&index)?;
    let name = format!("{}, serial {}", path.to_string_lossy(), index.serial);
    index.layers.iter().map(|entry| read_listed(&folder, entry, &name)).collect()
}

/// Reads a file that the index lists.
fn read_listed(folder: &Folder<'_>, entry: &IndexEntry, name: &str) -> Result<ManagedLayer, DeliveryError> {
    let (path, bytes) = folder.read(&entry.file)?;
    if !entry.sha256.eq_ignore_ascii_case(&digest(&bytes)) {
        return Err(DeliveryError::Digest { path });
    }
    let text = admin::text_of_file(bytes, &path)?;
    Ok(layer(name.to_owned(), &path, text))
}

/// A layer with the file's name as its key.
fn layer(name: String, file: &Path, text: String) -> ManagedLayer {
    let id = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    ManagedLayer { id, name, text }
}

/// An open folder of signed layers. All files are read through the one descriptor, so that they are of one
/// delivery even while the folder is exchanged.
struct Folder<'a> {
    path: &'a Path,
    handle: OwnedFd,
}

impl<'a> Folder<'a> {
    fn open(path: &'a Path) -> Result<Self, DeliveryError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(handle) => Ok(Self { path, handle }),
            Err(Errno::NOENT) => Err(DeliveryError::Missing { path: path.to_owned() }),
            Err(errno) => Err(AdminError::Read { path: path.to_owned(), source: errno.into() }.into()),
        }
    }

    /// Reads a file that has to be there.
    fn read(&self, name: &str) -> Result<(PathBuf, Vec<u8>), DeliveryError> {
        let path = self.path.join(name);
        match admin::open_file(self.handle.as_fd(), OsStr::new(name), &path)? {
            None => Err(DeliveryError::Missing { path }),
            Some(file) => {
                let bytes = admin::read_bytes(file, &path)?;
                Ok((path, bytes))
            }
        }
    }

    /// Refuses layers that nobody signed.
    fn refuse_unlisted(&self, index: &Index) -> Result<(), DeliveryError> {
        let is_known =
            |name: &Path| name == INDEX || index.layers.iter().any(|entry| name == Path::new(&entry.file));
        // The listed ones, the index, and one too many, which is to be named.
        let most = MAX_LAYERS.saturating_add(2);
        let names = admin::list(&self.handle, self.path, SUFFIX, most)?;
        match names.into_iter().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => Err(DeliveryError::Unlisted { path: self.path.join(name) }),
        }
    }
}

/// Whether one of the keys signed these bytes. The old format, which signs the bytes rather than their hash, is
/// refused: one way to sign is enough.
fn verify(bytes: &[u8], signature: &[u8], keys: &[PublicKey]) -> Result<(), SignatureProblem> {
    use minisign_verify::Error;
    let signature = str::from_utf8(signature).map_err(|_| SignatureProblem::Malformed)?;
    let signature = Signature::decode(signature).map_err(|_| SignatureProblem::Malformed)?;
    let mut problem = SignatureProblem::OtherKey;
    for key in keys {
        match key.verify(bytes, &signature, false) {
            Ok(()) => return Ok(()),
            Err(Error::UnexpectedKeyId) => {}
            Err(Error::UnexpectedAlgorithm | Error::UnsupportedLegacyMode) => problem = SignatureProblem::Old,
            Err(Error::InvalidSignature) => problem = SignatureProblem::Mismatch,
            Err(Error::InvalidEncoding | Error::UnsupportedAlgorithm | Error::IoError(_)) => {
                problem = SignatureProblem::Malformed;
            }
        }
    }
    Err(problem)
}

/// SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut shown, byte| {
        // Writing to a `String` cannot fail.
        write!(shown, "{byte:02x}").unwrap_or_default();
        shown
    })
}

#[cfg(test)]
mod tests;
