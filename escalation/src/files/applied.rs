//! What applying a patch did.

use policies::AbsolutePath;

/// A patch that was applied, all of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Applied {
    /// Each file that is different now, in order of the patch's paths.
    pub changed: Vec<Changed>,
    /// What the reader of a report should know.
    pub notes: Vec<Note>,
}

/// A file that is different now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changed {
    /// Where it is, or was.
    pub path: AbsolutePath,
    /// What was done.
    pub how: How,
}

/// What was done to a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum How {
    /// It is new.
    Created,
    /// It has other content.
    Replaced,
    /// It is gone.
    Deleted,
    /// It had another name before, and replaced what was here.
    Moved {
        /// The name.
        from: AbsolutePath,
    },
}

/// Something that is not quite as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// The file had other names; those keep the old content.
    LinkBroken {
        /// The file.
        path: AbsolutePath,
    },
    /// The file belongs to whoever applied the patch now. What only its old group could do, nobody in the new one can.
    OwnerLost {
        /// The file.
        path: AbsolutePath,
    },
    /// Extended attributes could not be kept.
    AttributesLost {
        /// The file.
        path: AbsolutePath,
        /// Their names; none if they could not even be listed.
        names: Vec<String>,
    },
    /// The file could be run as its owner or group, and no longer can.
    PrivilegeDropped {
        /// The file.
        path: AbsolutePath,
    },
    /// A file with old content could not be removed.
    LeftBehind {
        /// The file.
        path: AbsolutePath,
    },
}
