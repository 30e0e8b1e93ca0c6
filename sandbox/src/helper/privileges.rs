//! Giving up everything that the command must not have, for good.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::wire::{SetupFailure, Stage};

/// Drops every capability from every set, also for uid 0, and bars regaining any. capabilities(7).
///
/// # Errors
/// [`Stage::Restriction`] when a set cannot be emptied or is not empty afterwards.
pub(super) fn drop_capabilities() -> Result<(), SetupFailure> {
    let failed = |doing: &'static str| {
        move |error: rustix::io::Errno| SetupFailure::new(Stage::Restriction, doing, &error.into())
    };
    // Shrinking the bounding set needs CAP_SETPCAP. Under bubblewrap it is empty already and we have
    // none, so EPERM is no failure by itself; what is left is checked below.
    let bounding = CapabilitySet::all().iter().filter(|capability| {
        rustix::thread::remove_capability_from_bounding_set(*capability).is_err()
            && rustix::thread::capability_is_in_bounding_set(*capability) == Ok(true)
    });
    if bounding.count() > 0 {
        let error = io::Error::other("some are left");
        return Err(SetupFailure::new(Stage::Restriction, "shrink the capability bounding set", &error));
    }
    rustix::thread::clear_ambient_capability_set().map_err(failed("clear the ambient capabilities"))?;
    let empty = CapabilitySet::empty();
    let none = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    rustix::thread::set_capabilities(None, none).map_err(failed("drop the capabilities"))?;
    let left = rustix::thread::capabilities(None).map_err(failed("read the capabilities"))?;
    if left.effective.is_empty() && left.permitted.is_empty() && left.inheritable.is_empty() {
        Ok(())
    } else {
        Err(SetupFailure::new(
            Stage::Restriction,
            "drop the capabilities",
            &io::Error::other("some are left"),
        ))
    }
}
