//! Landlock where it adds to what namespaces and the filter do.
//!
//! With the host's network, abstract Unix sockets of the host are in reach: an X server or a message bus
//! there would run commands outside. They have no path that a mount could hide; Landlock's scopes can
//! (ABI 6, Linux 6.12). Older kernels cannot, and `--explain` and `doctor` say so.

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError, Scope};

use crate::helper::wire::{SetupFailure, Stage};
use crate::seccomp::Filter;

/// Cuts this thread and all that it starts off from abstract sockets made outside, where the network
/// is the host's and the kernel can.
///
/// # Errors
/// [`Stage::Restriction`] when the kernel supports the scope but refuses it.
pub(crate) fn scope(filter: Filter) -> Result<(), SetupFailure> {
    match filter {
        Filter::NetworkOff => Ok(()), // a network namespace of its own has no foreign sockets
        Filter::NetworkOn => restrict().map_err(|error| {
            let error = std::io::Error::other(error.to_string());
            SetupFailure::new(Stage::Restriction, "cut off abstract sockets", &error)
        }),
    }
}

fn restrict() -> Result<(), RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .restrict_self()?;
    Ok(())
}

/// The newest Landlock ABI that this kernel has, as far as this program knows it; 0 for none.
/// landlock(7).
#[must_use]
pub fn abi() -> u8 {
    let known = [ABI::V6, ABI::V5, ABI::V4, ABI::V3, ABI::V2, ABI::V1];
    let newest = known.into_iter().find(|abi| {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(*abi))
            .and_then(|ruleset| if *abi >= ABI::V6 { ruleset.scope(Scope::Signal) } else { Ok(ruleset) })
            .and_then(Ruleset::create)
            .is_ok()
    });
    newest.map_or(0, |abi| abi as u8)
}
