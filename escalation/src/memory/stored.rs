//! What all sessions remember, as another process sees it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Dir;

use super::book::Book;
use super::error::MemoryError;
use super::grant::Remembered;
use super::store::{SUFFIX, Store, open_folder};
use crate::ids::SessionId;

/// The most sessions that are read.
pub const MAX_SESSIONS: usize = 10_000;

/// What a session remembers on the disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredSession {
    /// Which.
    pub session: SessionId,
    /// The oldest first. What is over may be among it, see [`Remembered::is_over`].
    pub grants: Vec<Remembered>,
    /// In order of name.
    pub denied_hosts: Vec<String>,
}

/// Everything that sessions remember in one folder, without those that remember only what their commands could
/// write: that is nothing to take back.
#[derive(Debug, Default)]
pub struct Stores {
    /// Those that could be read, in order of name.
    pub sessions: Vec<StoredSession>,
    /// Why others could not.
    pub errors: Vec<MemoryError>,
}

impl Stores {
    /// Reads what all sessions remember in this folder: nothing when it is not there.
    ///
    /// # Errors
    /// [`MemoryError`] for the folder itself. Those of single files are in [`Stores::errors`].
    pub fn read(folder: &Path) -> Result<Self, MemoryError> {
        let mut stores = Self::default();
        for session in sessions(folder)? {
            match Store::new(folder, session.clone()).refresh() {
                Ok(book) => {
                    let stored = book.map(|book| stored(session, book));
                    stores.sessions.extend(stored.filter(|stored| !stored.is_empty()));
                }
                Err(error) => stores.errors.push(error),
            }
        }
        Ok(stores)
    }
}

impl StoredSession {
    fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.denied_hosts.is_empty()
    }
}

fn stored(session: SessionId, book: Book) -> StoredSession {
    let denied_hosts = book.denied_hosts().map(str::to_owned).collect();
    StoredSession { session, grants: book.grants, denied_hosts }
}

fn sessions(path: &Path) -> Result<Vec<SessionId>, MemoryError> {
    let failed =
        |source: std::io::Error| MemoryError::File { path: PathBuf::from(path), action: "list", source };
    let Some(folder) = open_folder(path)? else { return Ok(Vec::new()) };
    let mut sessions = Vec::new();
    for entry in Dir::read_from(&folder).map_err(|errno| failed(errno.into()))? {
        let entry = entry.map_err(|errno| failed(errno.into()))?;
        let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
        let session = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(SessionId::parse);
        // Others are not ours: the lock, what an editor left.
        if let Some(Ok(session)) = session {
            sessions.push(session);
        }
        if sessions.len() > MAX_SESSIONS {
            return Err(MemoryError::TooMany { path: path.to_owned(), limit: MAX_SESSIONS });
        }
    }
    sessions.sort();
    Ok(sessions)
}
