//! *May this command run?* Rules, shell text and heuristics become a [`Verdict`].
//!
//! Pure: nothing here opens a file, reads the clock or the environment, talks to the network or waits.
//! The same command, rules and context give the same verdict.

#![forbid(unsafe_code)]

pub mod amendment;
pub mod check_report;
pub mod command;
pub mod context;
mod decision;
pub mod format;
pub mod lint;
pub mod network_hosts;
pub mod knowledge;
mod origin;
pub mod policy;
pub mod requirements_rules;
pub mod rule;
pub mod rules_file;
pub mod shell;
pub mod summary;
pub mod verdict;

pub use amendment::{Amendment, Scope};
pub use check_report::CheckReport;
pub use command::{Span, Word};
pub use context::{ApprovalPolicy, Context, Granular, Programs, Request, Sandboxing, WritableRoots};
pub use decision::Decision;
pub use network_hosts::NetworkHosts;
pub use origin::Origin;
pub use policy::{Policy, PrefixMatch, Resolution};
pub use rule::{HostExecutable, NetworkRule, PatternToken, PrefixRule, Protocol, RuleSet, Spelling};
pub use rules_file::{Limits, RuleFileError};
pub use summary::Summary;
pub use verdict::{By, Finding, Placement, Verdict};
