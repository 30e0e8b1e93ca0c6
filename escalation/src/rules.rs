//! The rules in force in a session, and writing down those that a person accepts.
//!
//! An accepted rule holds at once, before the next command is judged, and is written into the user's rule file for
//! the sessions to come. A rule that cannot be written still holds for this session: the person said yes. One that
//! says no always holds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use execpolicy::{Context, Decision, NetworkHosts, NetworkRule, Origin, Policy, Protocol, RuleSet, Verdict};
use policies::rules::{AppendError, Appended, append, append_host_rule};

use crate::answer::{HostAction, HostAmendment};
use crate::hosts::canonical_host;

/// The rules of a session.
#[derive(Debug)]
pub struct SessionRules {
    in_force: RwLock<InForce>,
    /// Where accepted rules are written; `None`: nowhere.
    config_home: Option<PathBuf>,
}

#[derive(Debug)]
struct InForce {
    policy: Policy,
    hosts: NetworkHosts,
}

/// A rule that somebody accepted, before it holds.
#[derive(Debug)]
pub(crate) struct NewRule {
    what: Accepted,
    /// As it is to be written.
    pub(crate) line: String,
    /// Where.
    pub(crate) file: String,
}

#[derive(Debug)]
enum Accepted {
    Prefix(execpolicy::Accepted),
    Host(NetworkRule),
}

/// Where rules come from that could not be written down.
const SESSION_ONLY: &str = "this session";

impl SessionRules {
    /// Rules and hosts as loaded. Accepted ones are written below `config_home`.
    pub fn new(policy: Policy, hosts: NetworkHosts, config_home: Option<PathBuf>) -> Self {
        // As requests spell them, or a rule for one spelling would say nothing of the others.
        let canonical = |hosts: BTreeSet<String>| {
            hosts.into_iter().map(|host| canonical_host(&host).unwrap_or(host)).collect()
        };
        let hosts = NetworkHosts { allowed: canonical(hosts.allowed), denied: canonical(hosts.denied) };
        Self { in_force: RwLock::new(InForce { policy, hosts }), config_home }
    }

    /// Judges a command by the rules as they are now.
    pub fn evaluate(&self, argv: &[String], context: &Context<'_>) -> Verdict {
        self.read(|rules| rules.policy.evaluate(argv, context))
    }

    /// What rules say of a host. A denial beats everything.
    pub fn host(&self, host: &str) -> Option<HostAction> {
        self.read(|InForce { hosts, .. }| match hosts.denied.contains(host) {
            true => Some(HostAction::Deny),
            false => hosts.allowed.contains(host).then_some(HostAction::Allow),
        })
    }

    /// INVARIANT (whole): whoever held the lock and panicked had changed nothing yet, or all: the rules are whole, and
    /// a poisoned lock is no reason to judge by fewer.
    fn read<T>(&self, ask: impl FnOnce(&InForce) -> T) -> T {
        ask(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut InForce)) {
        change(&mut self.in_force.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The rule for a prefix, if `verdict` offered it.
    pub(crate) fn for_prefix(&self, verdict: &Verdict, prefix: &[String]) -> Option<NewRule> {
        let accepted = verdict.accept(prefix).ok()?;
        let line = accepted.line();
        Some(NewRule { what: Accepted::Prefix(accepted), line, file: self.file() })
    }

    /// The rule for a host. One that says no holds from here on (I3): it needs neither a file nor a record.
    pub(crate) fn for_host(&self, amendment: &HostAmendment, protocol: Protocol) -> NewRule {
        let (decision, justification) = match amendment.action {
            HostAction::Allow => (Decision::Allow, "allowed when asked"),
            HostAction::Deny => (Decision::Forbidden, "denied when asked"),
        };
        let host = &amendment.host;
        if amendment.action == HostAction::Deny {
            self.change(|rules| {
                rules.hosts.allowed.remove(host);
                rules.hosts.denied.insert(host.clone());
            });
        }
        let line = execpolicy::format::network_amendment_line(host, protocol, decision, justification);
        let rule = NetworkRule {
            host: host.clone(),
            protocol,
            decision,
            justification: Some(justification.to_owned()),
            origin: Origin::new(SESSION_ONLY, 1),
        };
        NewRule { what: Accepted::Host(rule), line, file: self.file() }
    }

    /// Takes up a rule: writes it down, and has it hold from now on. Put it on record first (I9). May wait for other
    /// writers, some seconds at most.
    ///
    /// # Errors
    /// Why it is not written down. It holds for this session, even so.
    pub(crate) fn take_up(&self, rule: NewRule) -> Result<(), AppendError> {
        let NewRule { what, line, file } = rule;
        let written = match (&self.config_home, &what) {
            (None, _) => Ok(Origin::new(SESSION_ONLY, 1)),
            (Some(home), Accepted::Prefix(accepted)) => append(home, accepted).map(|at| origin(file, &at)),
            (Some(home), Accepted::Host(_)) => append_host_rule(home, &line).map(|at| origin(file, &at)),
        };
        let (origin, error) = match written {
            Ok(origin) => (origin, Ok(())),
            Err(error) => (Origin::new(SESSION_ONLY, 1), Err(error)),
        };
        self.change(|rules| match what {
            Accepted::Prefix(accepted) => rules.policy.add(accepted.rule_set(origin)),
            Accepted::Host(rule) => {
                if rule.decision == Decision::Allow && !rules.hosts.denied.contains(&rule.host) {
                    rules.hosts.allowed.insert(rule.host.clone());
                }
                let rule = NetworkRule { origin, ..rule };
                rules.policy.add(RuleSet { network: vec![rule], ..RuleSet::default() });
            }
        });
        error
    }

    /// Where accepted rules go.
    fn file(&self) -> String {
        let folder = self.config_home.as_ref().map(|home| home.join(policies::rules::RULES_FOLDER));
        folder.map_or_else(
            || SESSION_ONLY.to_owned(),
            |folder| policies::escape(folder.join(policies::rules::AMENDMENTS_FILE)),
        )
    }
}

fn origin(file: String, at: &Appended) -> Origin {
    match at {
        Appended::Written { line } | Appended::Present { line } => Origin::new(file, *line),
    }
}
