//! *Run this inside that profile.*
//!
//! A [`Plan`] resolves a permission profile, a working directory and an environment against the real file
//! system. A [`Permit`] binds it to one program and its arguments. [`Helper::launch`] takes a permit and
//! a [`Backend`], and the kernel enforces the plan from there. [`foreground`] runs it for somebody at a terminal,
//! [`captured`] for a program that wants the output. What a run could touch is said by [`Boundaries`], and why it failed
//! by [`denial`].
//!
//! Invariants of this crate (the numbers are those of ARCHITECTURE.md):
//! * I1: a backend that cannot enforce a whole plan refuses; nothing runs unconfined instead.
//! * I4: what was looked up and permitted is what is executed, in the version that was permitted, unless the permit is
//!   for any ([`Program::in_any_version`]); no string is parsed again.
//! * I5: what a run writes is hostile text: it is bounded, and never decides.
//! * I7: every path is resolved once, and the finished mounts are compared with what was resolved.
//! * I8: no mount, placeholder, process or terminal mode outlives a run.
//!
//! Every program that launches sandboxes calls [`take_over`] first thing in `main`: the inner stages are
//! the same binary.

#![deny(unsafe_code)]

mod backend;
pub mod denial;
mod error;
mod helper;
mod landlock;
mod mounts;
mod orphans;
mod paths;
mod permit;
mod placeholder;
mod plan;
pub mod probe;
mod proc_view;
mod process;
mod seccomp;
mod sys;

pub use backend::{Backend, BackendChoice, BackendError, choose};
pub use error::{LaunchError, Setup};
pub use helper::{Ended, take_over};
pub use landlock::abi as landlock_abi;
pub use paths::{FileVersion, Identity, Kind, links_on};
pub use permit::Permit;
pub use plan::{
    Action, Boundaries, GlobError, Judged, Note, Plan, PlanError, PlanRequest, Program, ProgramError, Root,
    Step, Why,
};
pub use process::{Child, Helper, LaunchOptions, Stream, Streams, TerminalSize};
pub use process::{captured, foreground, unconfined};
pub use seccomp::{Filter, FilterError, compile as compile_filter};
pub use sys::lead_own_session;
