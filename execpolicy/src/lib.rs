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
pub mod display;
mod evaluate;
pub mod explain;
pub mod format;
pub mod knowledge;
pub mod lint;
pub mod network_hosts;
mod origin;
pub mod policy;
pub mod policy_test;
pub mod requirements_rules;
pub mod rule;
pub mod rules_file;
pub mod shell;
pub mod simulate;
pub mod summary;
pub mod verdict;

pub use amendment::{Accepted, Amendment, NotOffered, Scope};
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
