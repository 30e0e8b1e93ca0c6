//! Another system folder, for tests that run a whole program. Not in release builds.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;

use super::AdminFolder;
use crate::path::AbsolutePath;

/// The variable that names it.
const VARIABLE: &str = "CODEX_TEST_SYSTEM_FOLDER";

/// The folder that stands for the system folder.
pub(super) fn folder() -> Option<AdminFolder> {
    named(&std::env::var_os(VARIABLE)?)
}

/// Who owns the folder counts as the administrator, so that the tests need not be root. What is no absolute path
/// replaces nothing.
fn named(value: &OsStr) -> Option<AdminFolder> {
    let path = AbsolutePath::parse(value).ok()?;
    let owner = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.uid());
    Some(AdminFolder::at(path, owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn the_owner_of_the_folder_is_its_administrator() {
        let dir = TestDir::new("admin-replacement");
        let me = rustix::process::geteuid().as_raw();
        let path = AbsolutePath::parse(dir.path("")).unwrap();
        assert_eq!(named(path.as_path().as_os_str()), Some(AdminFolder::at(path, me)));
        assert_eq!(named(OsStr::new("/proc")).unwrap().owner, std::fs::metadata("/proc").unwrap().uid());
        assert!(named(OsStr::new("/nowhere/at/all")).unwrap().read("a.toml").unwrap().is_none());
        assert!(named(OsStr::new("relative")).is_none());
    }
}
