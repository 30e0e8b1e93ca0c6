//! Questions about hosts: once for each host, protocol and port.
//!
//! What belongs here: deciding and asking. Resolving names and looking at addresses is for the proxy that asks.

use std::collections::BTreeMap;

use execpolicy::Protocol;
use policies::NetworkRule;
use policies::display::with_causes;
use policies::requirements::SandboxModeLimit;

use crate::answer::{Answer, HostAction};
use crate::ask::Draft;
use crate::exec::{NotRun, granted};
use crate::gate;
use crate::hosts::{canonical_host, could_match, is_local};
use crate::ids::Call;
use crate::record;
use crate::session::Session;
use crate::settled::{Authority, Category, Grant};
use crate::subject::{NetworkSubject, Subject};

/// A host that a command wants to reach.
#[derive(Clone, Debug)]
pub struct NetworkRequest {
    /// What the agent does: the command.
    pub call: Call,
    /// As the command spells it.
    pub host: String,
    /// By which protocol.
    pub protocol: Protocol,
    /// At which port.
    pub port: u16,
    /// Which of the embedder's environments; `local` for this machine.
    pub environment_id: String,
}

/// Why a host is not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Blocked {
    /// It is no host.
    #[error("refused `{host}`: it is not the name of a host")]
    Invalid {
        /// What was asked for, safe to print.
        host: String,
    },
    /// A rule denies it; nobody is asked.
    #[error("refused `{}`: {by} denies it", policies::escape(.host))]
    Denied {
        /// The host.
        host: String,
        /// Which rule.
        by: String,
    },
    /// It is on this machine or in its network; nobody is asked.
    #[error("refused `{}`: it is a local or private address", policies::escape(.host))]
    Local {
        /// The host.
        host: String,
    },
    /// The profile has no network to review.
    #[error("refused `{}`: hosts are reviewed in read-only and workspace-write profiles only", policies::escape(.host))]
    Unreviewed {
        /// The host.
        host: String,
    },
    /// There was no yes.
    #[error("refused `{}`: {}", policies::escape(.host), with_causes(.reason))]
    NotGranted {
        /// The host.
        host: String,
        /// Why.
        reason: NotRun,
    },
}

impl Blocked {
    /// Whether the whole command fails, because somebody was asked and gave no yes.
    pub fn ends_command(&self) -> bool {
        match self {
            Self::NotGranted { reason, .. } => match reason {
                NotRun::Declined { .. } | NotRun::Cancelled { .. } | NotRun::ApprovalFailed(_) => true,
                NotRun::Refused(_, by) => by.interrupted,
                NotRun::Forbidden { .. }
                | NotRun::Unprepared(_)
                | NotRun::Changed { .. }
                | NotRun::Unrecorded(_)
                | NotRun::Launch(_) => false,
            },
            Self::Invalid { .. } | Self::Denied { .. } | Self::Local { .. } | Self::Unreviewed { .. } => {
                false
            }
        }
    }
}

impl Session {
    /// Decides whether a command may reach a host, asking where that is needed. A yes is on record when this returns.
    ///
    /// # Errors
    /// [`Blocked`]; also when the decision cannot be put on record.
    pub async fn network(&self, request: &NetworkRequest) -> Result<Grant, Blocked> {
        let decided = self.decide_network(request).await;
        let host = || policies::escape(&request.host);
        let subject = |host: String| {
            Subject::Network(NetworkSubject {
                host,
                protocol: request.protocol,
                port: request.port,
                environment_id: request.environment_id.clone(),
            })
        };
        match decided {
            Ok((host, grant)) => {
                let event = record::decided(&request.call, &subject(host.clone()), &grant, None);
                match self.audit().record(&event) {
                    Ok(_) => Ok(grant),
                    Err(error) => Err(Blocked::NotGranted { host, reason: NotRun::Unrecorded(error) }),
                }
            }
            Err(blocked) => {
                let about = record::about(&subject(host()));
                self.broker().note(&record::blocked(&request.call, about, &blocked));
                Err(blocked)
            }
        }
    }

    async fn decide_network(&self, request: &NetworkRequest) -> Result<(String, Grant), Blocked> {
        let Some(host) = canonical_host(&request.host) else {
            return Err(Blocked::Invalid { host: policies::escape(&request.host) });
        };
        if let Some(by) = self.denies_host(&host) {
            return Err(Blocked::Denied { host, by });
        }
        let not_granted = |reason| Blocked::NotGranted { host: host.clone(), reason };
        let turn = self.broker().check_turn(&request.call.turn);
        turn.map_err(|refusal| not_granted(NotRun::refused(&refusal)))?;
        let allowed_by_rule = self.rules().host(&host) == Some(HostAction::Allow);
        if is_local(&host) && !allowed_by_rule {
            return Err(Blocked::Local { host });
        }
        if (allowed_by_rule || self.profile_allows_host(&host)) && !self.is_reviewed_host(&host) {
            let grant = Grant { ask: None, by: Authority::Policy, answer: Answer::Accept };
            return Ok((host, grant));
        }
        match self.policy().profile.class {
            SandboxModeLimit::ReadOnly | SandboxModeLimit::WorkspaceWrite => {}
            SandboxModeLimit::DangerFullAccess | SandboxModeLimit::ExternalSandbox => {
                return Err(Blocked::Unreviewed { host });
            }
        }
        gate::may_ask(*self.policy().approval_policy.get(), Category::SandboxApproval)
            .map_err(|refusal| not_granted(NotRun::refused(&refusal)))?;
        let subject = NetworkSubject {
            host: host.clone(),
            protocol: request.protocol,
            port: request.port,
            environment_id: request.environment_id.clone(),
        };
        let reason = format!("a command wants to reach {subject}");
        let id = format!(
            "network#{}#{}#{host}#{}#{}",
            request.environment_id,
            record::protocol_word(request.protocol),
            request.port,
            uuid::Uuid::new_v4()
        );
        let call = Call { turn: request.call.turn.clone(), item: id };
        let cwd = self.surroundings().cwd.clone();
        let draft = Draft { reason: Some(reason), ..Draft::new(call, Subject::Network(subject), cwd) };
        let settled = self.broker().settle(draft).await;
        let grant = granted(&settled).map_err(not_granted)?;
        // Somebody may have denied it meanwhile, in another question (I3).
        match self.denies_host(&host) {
            Some(by) => Err(Blocked::Denied { host, by }),
            None => Ok((host, grant)),
        }
    }

    /// Which rule or answer denies a host, if one does: no approval beats it, and no rule that allows.
    fn denies_host(&self, host: &str) -> Option<String> {
        if self.rules().host(host) == Some(HostAction::Deny) {
            return Some("a rule".to_owned());
        }
        if self.broker().is_host_denied(host) {
            return Some("an answer in this session".to_owned());
        }
        let of_profile = &self.policy().profile.resolved.network.domains;
        if let Some(pattern) = matching(of_profile, NetworkRule::Deny, host) {
            return Some(format!("the profile's `{}`", policies::escape(pattern)));
        }
        let managed = self.policy().requirements.network.as_ref()?;
        let none = BTreeMap::new();
        let domains = managed.value.domains.as_ref().unwrap_or(&none);
        if let Some(pattern) = matching(domains, NetworkRule::Deny, host) {
            return Some(format!("`{}` (set by {})", policies::escape(pattern), managed.source));
        }
        let only_managed = managed.value.managed_allowed_domains_only == Some(true)
            && matching(domains, NetworkRule::Allow, host).is_none();
        if only_managed || managed.value.enabled == Some(false) {
            return Some(format!("the managed network (set by {})", managed.source));
        }
        None
    }

    /// Whether the profile has a network, and names this host.
    fn profile_allows_host(&self, host: &str) -> bool {
        let resolved = &self.policy().profile.resolved;
        resolved.profile.network().is_enabled()
            && matching(&resolved.network.domains, NetworkRule::Allow, host).is_some()
    }

    /// Whether requirements want this host asked about, even though it is allowed.
    fn is_reviewed_host(&self, host: &str) -> bool {
        let managed = self.policy().requirements.network.as_ref();
        let patterns = managed.and_then(|managed| managed.value.review_domains.as_ref());
        patterns.is_some_and(|patterns| patterns.iter().any(|pattern| could_match(pattern, host)))
    }
}

fn matching<'a>(
    domains: &'a BTreeMap<String, NetworkRule>,
    wanted: NetworkRule,
    host: &str,
) -> Option<&'a String> {
    let rows = domains.iter().filter(|(_, rule)| **rule == wanted);
    rows.map(|(pattern, _)| pattern).find(|pattern| could_match(pattern, host))
}
