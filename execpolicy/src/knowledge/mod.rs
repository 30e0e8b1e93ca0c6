//! What is known about tools that people did not write rules for: tables under `data/`, and the readers
//! that apply them to the words of one command.
//!
//! INVARIANT (two directions): what restricts (`wrappers`, `guards`, `dangerous`, `interpreters`) finds too
//! much rather than too little; what permits (`safe`, `offers`) finds too little rather than too much.

pub mod banned;
pub mod dangerous;
pub mod environment;
pub mod guards;
mod hash;
#[cfg(test)]
mod help_agrees;
pub mod interpreters;
pub mod offers;
mod options;
pub mod safe;
mod scripts;
pub mod subcommands;
mod syntax;
mod tables;
pub mod wrappers;

pub use banned::banned_prefix;
pub use dangerous::{Danger, danger};
pub use environment::environment_changes;
pub use guards::{Effect, GuardHit, guard_hits};
pub use interpreters::{Code, Place, code_word, interpreter};
pub use offers::{Refusal, offerable, other_commands};
pub use safe::known_safe;
pub use subcommands::{subcommand, without_global_options};
pub use tables::Note;
pub use wrappers::{Inner, LookThrough, Unclear, WRAPPER_DEPTH_LIMIT, is_wrapper, look_through};
