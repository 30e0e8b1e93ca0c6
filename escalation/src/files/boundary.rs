//! What may be written without a question.

use policies::{AbsolutePath, Access};

use super::error::FileChangeError;

/// Answers for a resolved path what the effective policy allows there.
pub trait Boundary {
    /// What may be done at `resolved`, which has no symlink in it. `None` if nothing was granted; `Some(Deny)` if it
    /// was taken away, which no answer can lift (I3).
    fn access(&self, resolved: &AbsolutePath) -> Option<Access>;
}

/// On which side of the boundary a path lies.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Where policy allows writing.
    Inside,
    /// Elsewhere: this needs a yes.
    Outside,
}

/// Judges writing to `path`, for which the folders `made` would be created.
///
/// # Errors
/// [`FileChangeError::Denied`] if policy denies the path, or one of those folders.
pub(super) fn judge<'a>(
    boundaries: &dyn Boundary,
    path: &'a AbsolutePath,
    made: impl IntoIterator<Item = &'a AbsolutePath>,
) -> Result<Standing, FileChangeError> {
    let mut standing = Standing::Inside;
    for place in made.into_iter().chain([path]) {
        standing = standing.max(match boundaries.access(place) {
            Some(Access::Write) => Standing::Inside,
            Some(Access::Read) | None => Standing::Outside,
            Some(Access::Deny) => return Err(FileChangeError::Denied { path: path.clone() }),
        });
    }
    Ok(standing)
}
