//! *The one approval broker.* Everything that may need a yes goes through here: commands, programs that they start,
//! input for them, file changes, more permissions, hosts, and second attempts outside the sandbox.
//!
//! An agent runtime opens a [`Session`] (with [`Setup`], or from [`SessionParts`]) and calls it for all that its agent
//! wants to do; an [`Approver`] answers what has to be asked. `examples/agent.rs` plays a small agent.
//!
//! # Invariants
//! - One door: [`Session`] decides by policy, rules and requirements, and [`Broker::settle`] is the only way to an
//!   answer. Which answers are offered is decided in [`Draft::available_decisions`] alone.
//! - Only an answer, or one that is remembered for the very same [`Key`], says yes. Silence, a failing approver, an
//!   answer to something else, a deadline, the end of a turn: none of them does (I2).
//! - No beats yes (I3): what rules forbid, profiles deny and requirements refuse is looked at each time, before what is
//!   remembered and again after a question.
//! - What runs is what was approved (I4): a permit is sealed from the plan that was judged (`exec/permit.rs`), with the
//!   version of the program's file that the approver saw.
//! - What a sandboxed command prints can lead to a question, and decides nothing (I5).
//! - On record first (I9): [`audit::Audit::record`] returns a proof, and effects ask for it.
//! - Bounded (I12): [`MAX_OPEN_ASKS`], [`MAX_WAITING`], [`ANSWER_LIMIT`], and the constants of each module.
//!
//! # Map
//! - Questions: [`subject`], [`mod@ask`](Ask), [`Key`], [`Answer`]; who answers, [`approver`]; who has an opinion, [`assess`]
//! - The broker: `broker/`, `open_asks.rs` (who waits), [`memory`] (what is remembered), `rules.rs` (what is amended),
//!   `settled.rs` (how it ended), `gate.rs` (what a policy lets be asked)
//! - Commands: `exec/` (prepare, decide, orchestrate, permit, runners); hosts, `network.rs`; permissions, `permissions.rs`;
//!   programs and input of running commands, `subcommand.rs`; patches, `patch.rs` and [`files`]
//! - The record: [`audit`], `record.rs`

#![forbid(unsafe_code)]

mod answer;
pub mod approver;
mod ask;
pub mod assess;
pub mod audit;
mod broker;
mod clock;
mod denials;
mod exec;
pub mod files;
#[cfg(test)]
mod fixtures;
mod gate;
mod held;
mod hosts;
mod ids;
mod key;
pub mod memory;
mod network;
mod open_asks;
mod patch;
mod permissions;
mod record;
mod rules;
mod session;
mod settled;
mod setup;
mod subcommand;
pub mod subject;
pub mod wire;
mod words;

pub use answer::{Answer, HostAction, HostAmendment, MalformedAnswer, PermissionsAnswer, Terms};
pub use approver::{Approver, ApproverError, BoxFuture};
pub use ask::{Ask, Draft, Lasting};
pub use broker::{ANSWER_LIMIT, Broker, BrokerParts};
pub use exec::{
    Captured, ExecReport, ExecRequest, Inputs, ItemStatus, NotRun, ProgramFiles, Ran, Run, RunEnd, Runner,
    SandboxPermissions, Sink, Unprepared,
};
pub use ids::{AskId, Call, InvalidSessionId, SessionId, TurnId};
pub use key::{InvalidKey, Key};
pub use network::{Blocked, NetworkRequest};
pub use open_asks::{MAX_OPEN_ASKS, MAX_WAITING};
pub use patch::{FileChangeRequest, PatchError};
pub use permissions::{PermissionsGrant, PermissionsRequest};
pub use rules::SessionRules;
pub use session::{Session, SessionError, SessionParts, Storage, Surroundings};
pub use settled::{Authority, Category, Grant, Refusal, Settled};
pub use setup::{Setup, SetupError, make_config_home};
pub use subcommand::{StdinRequest, Subcommand, SubcommandRequest};
pub use subject::Subject;
