//! Who starts what was permitted, and sees its output.

use sandbox::foreground::Outcome;
use sandbox::{Backend, LaunchError, Permit};

use crate::approver::BoxFuture;

/// Starts runs. The session decides and hands over a permit; a runner has the streams.
pub trait Runner: Send {
    /// Runs what `run.permit` allows, once, and returns when it has ended.
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>>;
}

/// A run that may happen.
pub struct Run {
    /// What may run.
    pub permit: Permit,
    /// What enforces its limits.
    pub backend: Backend,
    /// Which attempt: 1, or 2 for the one after a denial.
    pub attempt: u8,
    /// Resolves when the run is to end: its turn is over.
    pub cancelled: BoxFuture<'static, ()>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct RunEnd {
    /// How.
    pub outcome: Outcome,
    /// The last of what it printed, to find out what stopped it. A named bound of the runner keeps it short.
    pub output: Vec<u8>,
}
