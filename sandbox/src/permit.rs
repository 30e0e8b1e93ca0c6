//! Proof that one exact run was allowed.

use std::ffi::OsString;

use crate::plan::{Plan, Program};

/// A run that may happen: program, arguments, working directory, environment and profile, bound together
/// (I4). The launcher takes nothing else, and takes it by value: one permit, one run.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    pub(crate) plan: Plan,
    pub(crate) program: Program,
    pub(crate) argv: Vec<OsString>,
}

impl Permit {
    /// Declares that this run was decided on by someone entitled to.
    ///
    /// Only the approval broker may call this, and `codex sandbox`, whose operator types the very command
    /// and profile. A lint (`clippy.toml`) refuses every other call. `argv` includes argument 0.
    pub fn dangerously_vouch(plan: Plan, program: Program, argv: Vec<OsString>) -> Self {
        Self { plan, program, argv }
    }

    /// Whether the run will be in a sandbox.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.plan.is_confined()
    }
}
