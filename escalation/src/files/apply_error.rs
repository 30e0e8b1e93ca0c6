//! Why a judged patch was not applied, and what of it is in place all the same.

use std::fmt;
use std::io;

use policies::AbsolutePath;

/// A patch that was not applied. Everything was undone, but for what is named.
#[derive(Debug, thiserror::Error)]
#[error("the patch was not applied{}", Remaining(in_place))]
pub struct ApplyError {
    /// Why.
    #[source]
    pub cause: Cause,
    /// What could not be undone.
    pub in_place: Vec<InPlace>,
}

impl ApplyError {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> String {
        let kept = self.in_place.iter().find_map(|left| left.kept_as.as_ref().map(|kept| (&left.path, kept)));
        match (kept, &self.cause) {
            (Some((path, kept)), _) => format!("move `{kept}` back to `{path}`, then judge the patch again"),
            (None, Cause::NotApproved) => "ask again, for the patch as it is now".to_owned(),
            (None, Cause::Changed { .. }) => "read the file again and make a new patch".to_owned(),
            (None, Cause::Unsupported { .. }) => {
                "put the file's new content into the patch, and delete the old one".to_owned()
            }
            (None, Cause::System { path, .. }) => {
                format!("make sure that `{path}` can be written, and try again")
            }
        }
    }
}

/// What kept a patch from being applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The proof is for another patch.
    #[error("refused: what was approved is another patch")]
    NotApproved,
    /// What was judged is not what is there now (I7).
    #[error("refused: `{path}` changed after it was judged: {what}")]
    Changed {
        /// Where.
        path: AbsolutePath,
        /// What is different.
        what: &'static str,
    },
    /// The file system cannot do it in one step.
    #[error("the file system of `{path}` cannot exchange two files")]
    Unsupported {
        /// Where.
        path: AbsolutePath,
    },
    /// The system does not allow it.
    #[error("cannot {action} `{path}`")]
    System {
        /// Where.
        path: AbsolutePath,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl Cause {
    /// For `map_err`.
    pub(super) fn system<E: Into<io::Error>>(
        path: &AbsolutePath,
        action: &'static str,
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.clone();
        move |error| Self::System { path, action, source: error.into() }
    }
}

/// A path that is not as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InPlace {
    /// Which.
    pub path: AbsolutePath,
    /// Where what was there before is now; `None` if nothing was.
    pub kept_as: Option<AbsolutePath>,
}

struct Remaining<'a>(&'a [InPlace]);

impl fmt::Display for Remaining<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            [one] => write!(f, ", but `{}` could not be put back", one.path),
            [first, others @ ..] => {
                write!(f, ", but `{}` and {} others could not be put back", first.path, others.len())
            }
        }
    }
}
