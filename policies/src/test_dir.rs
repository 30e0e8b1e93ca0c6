//! A directory for one test, removed afterwards.

use std::fs;
use std::path::PathBuf;

/// A fresh directory.
pub(crate) struct TestDir(PathBuf);

impl TestDir {
    /// Its name holds the process id, since tests run as parallel processes.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("policies-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A path in it; the directory itself for an empty name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
