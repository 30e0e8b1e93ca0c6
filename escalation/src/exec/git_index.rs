//! Whether Git's index names other repositories (submodules). gitformat-index(5).

use std::io;
use std::path::Path;

use super::repositories::read;

/// How large an index may be that is looked at.
const MAX_INDEX: u64 = 64 * 1024 * 1024;

/// The mode of an entry that is another repository, as it is written: 160000 in octal digits.
const OTHER_REPOSITORY: [u8; 4] = [0, 0, 0xE0, 0];

/// Where the mode of the first entry is, and how far it may be from there to the next one, in bytes: entries are padded
/// to a multiple of this, but for version 4.
const FIRST_MODE: usize = 12 + 24;
const ALIGNMENT: usize = 8;

/// The extension of an index that holds folders in the place of what is in them.
const SPARSE: &[u8] = b"sdir\0\0\0\0";

/// Whether the index in the repository `folder` names other repositories. One that has parts elsewhere may.
///
/// # Errors
/// When that cannot be told. A missing index names nothing.
pub(super) fn names_other_repositories(folder: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        if entry?.file_name().as_encoded_bytes().starts_with(b"sharedindex.") {
            return Ok(true);
        }
    }
    match read(&folder.join("index"), MAX_INDEX) {
        Ok(index) => Ok(may_name_others(&index)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks for the mode wherever an entry could have it, so a false alarm is possible, and a miss is not.
fn may_name_others(index: &[u8]) -> bool {
    let step = match index.get(..8) {
        Some(b"DIRC\0\0\0\x02" | b"DIRC\0\0\0\x03") => ALIGNMENT,
        Some(_) => 1,
        None => return true,
    };
    let modes = index.windows(OTHER_REPOSITORY.len()).skip(FIRST_MODE).step_by(step);
    modes.into_iter().any(|bytes| bytes == OTHER_REPOSITORY)
        || index.windows(SPARSE.len()).any(|bytes| bytes == SPARSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_found_where_it_can_be() {
        let index = |version: u8, at: usize, size: usize| {
            let mut bytes = [b"DIRC\0\0\0".as_slice(), &[version, 0, 0, 0, 2]].concat();
            bytes.resize(size, 1);
            bytes[at..at + 4].copy_from_slice(&OTHER_REPOSITORY);
            bytes
        };
        assert!(may_name_others(&index(2, 36, 256)));
        assert!(may_name_others(&index(3, 36 + 72, 256)));
        assert!(may_name_others(&index(4, 36 + 71, 256)));
        assert!(may_name_others(&index(4, 252, 256)));
        // The size of a file.
        assert!(!may_name_others(&index(2, 48, 256)));
        assert!(may_name_others(b"DIRC"));
        assert!(may_name_others(b""));
    }
}
