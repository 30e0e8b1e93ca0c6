//! *May this command run?* Rules, shell text and tables of knowledge become a [`Verdict`].
//!
//! ```
//! use execpolicy::{ApprovalPolicy, Context, Decision, Limits, Placement, Policy, Request, Sandboxing, WritableRoots};
//!
//! let rules = "prefix_rule(pattern=['git', 'status'])";
//! let mut policy = Policy::default();
//! policy.add(execpolicy::rules_file::load("my.rules", rules, &policy, &Limits::default())?);
//!
//! let workspace = WritableRoots(vec!["/home/me/project".into()]);
//! let context = Context {
//!     approval: ApprovalPolicy::OnRequest,
//!     sandboxing: Sandboxing::Restricted,
//!     request: Request::Default,
//!     cwd: "/home/me/project",
//!     moved: false,
//!     programs: &workspace,
//!     wanted_prefix: None,
//! };
//! let judge = |script: &str| policy.evaluate(&["bash", "-lc", script].map(str::to_owned), &context);
//!
//! let verdict = judge("git status && git status -s");
//! assert_eq!((verdict.decision, verdict.sandbox), (Decision::Allow, Placement::Outside));
//! let verdict = judge("git status | (rm -rf build)");
//! assert_eq!((verdict.decision, verdict.sandbox), (Decision::Prompt, Placement::Inside));
//! # Ok::<(), execpolicy::RuleFileError>(())
//! ```
//!
//! # Invariants
//! - Pure: nothing here opens a file, reads the clock or the environment, talks to the network or waits. The
//!   same command, rules and context give the same verdict.
//! - The strictest wins. No order of rules or files weakens a decision, and no added rule loosens what another
//!   one restricts.
//! - Allowing takes proof, restricting takes a sign. A rule allows only commands that the named shell provably
//!   starts with these words, of programs that the sandboxed side cannot replace, and no further than its own
//!   words reach. Rules that restrict, and danger, are looked for everywhere in the text.
//! - What cannot be read is dangerous; a rule file with an error gives no rules, and a policy that it belongs to
//!   asks about every command of which no other rule speaks ([`Policy::add_missing`]).
//! - Bounded: commands, scripts, rule files, nesting and what is looked through have limits, named constants
//!   or [`Limits`]. Beyond a limit the strict answer holds.
//! - Foreign text in messages is made visible ([`display`]).
//!
//! # Map
//! - Rules: [`rule`], [`rules_file`] (Starlark), [`requirements_rules`] (TOML), [`policy`] (index and matching),
//!   [`network_hosts`], [`check_report`]
//! - Commands: [`command`], [`shell`] (text to commands), [`knowledge`] (tables about tools)
//! - Verdicts: [`context`], `evaluate`, [`verdict`], [`amendment`], [`summary`]
//! - For people who write rules: [`explain`], [`policy_test`], [`simulate`], [`lint`], [`format`](mod@format)

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
pub use origin::{Origin, line_of};
pub use policy::{MissingRules, Policy, PrefixMatch, Resolution};
pub use rule::{Dropped, HostExecutable, NetworkRule, PatternToken, PrefixRule, Protocol, RuleSet, Spelling};
pub use rules_file::{Limits, RuleFileError};
pub use summary::Summary;
pub use verdict::{By, Finding, Placement, Verdict};
