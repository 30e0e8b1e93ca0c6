//! One command, from what the agent asks for to what came of it.
//!
//! ```text
//! ExecRequest ─▶ Prepared (plan, program, boundaries) ─▶ Verdict ─▶ yes? ─▶ on record ─▶ Permit ─▶ Runner
//!                     ▲                                                                              │
//!                     └────────── at most once, with more, after a question ◀── denial? ◀────────────┘
//! ```

mod captured;
mod decide;
mod git_config;
mod git_index;
mod inner;
mod inputs;
mod interpreters;
mod length;
pub(crate) mod loaders;
mod names;
mod orchestrate;
mod other_names;
mod permit;
mod prepare;
mod programs;
mod report;
mod repositories;
mod request;
mod runner;

pub use captured::{Captured, Sink};
pub(crate) use decide::{canonical, granted};
pub use inputs::Inputs;
pub use prepare::Unprepared;
pub use programs::ProgramFiles;
pub(crate) use programs::TEMPORARY;
pub use report::{ExecReport, ItemStatus, NotRun, Ran};
pub(crate) use request::LOCAL;
pub use request::{ExecRequest, SandboxPermissions};
pub use runner::{Run, RunEnd, Runner};
