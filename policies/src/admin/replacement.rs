//! Another system folder, for tests that run a whole program. Not in release builds.

use std::os::unix::fs::MetadataExt as _;

use super::AdminFolder;
use crate::path::AbsolutePath;

/// The variable that names it.
const VARIABLE: &str = "CODEX_TEST_SYSTEM_FOLDER";

/// The folder that stands for the system folder. Who owns it counts as the administrator, so that the tests need
/// not be root.
pub(super) fn folder() -> Option<AdminFolder> {
    let path = AbsolutePath::parse(std::env::var_os(VARIABLE)?).ok()?;
    let owner = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.uid());
    Some(AdminFolder::at(path, owner))
}
