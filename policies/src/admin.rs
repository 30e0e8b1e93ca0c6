//! Files of the administrator: those whose location promises that nobody else wrote them.

use std::path::PathBuf;

/// A text from a place that only the administrator may write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminFile {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}
