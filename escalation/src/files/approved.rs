//! Proof that one patch may be applied.

use super::judged::Judged;
use crate::audit::Recorded;

/// Proof that a patch may be applied, and that this is on record (I9). Only the broker makes it.
#[derive(Debug)]
#[must_use]
pub struct Approved {
    digest: String,
}

impl Approved {
    /// For exactly this patch, whose record is written.
    pub(crate) fn for_patch(judged: &Judged, _record: &Recorded) -> Self {
        Self { digest: judged.digest().to_owned() }
    }

    /// Whether it is for this patch.
    pub(super) fn covers(&self, judged: &Judged) -> bool {
        self.digest == judged.digest()
    }
}
