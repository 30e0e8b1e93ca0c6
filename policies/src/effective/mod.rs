//! What finally holds: configuration, limited by requirements, each value with who decided it.
//!
//! [`EffectivePolicy::resolve`] is pure; [`load`](mod@load) reads the files.
//!
//! # Invariants
//! - Requirements are applied last, and only narrow (I3): every value here is one that they allow. Where they
//!   replace a person's choice of profile or web search, the result permits no more than that choice did.
//! - Nothing is weakened silently (I1): what gives way is in [`EffectivePolicy::warnings`].

pub mod explain;
pub mod load;
mod profile;
mod profile_limit;
mod proxied_network;
mod report;
mod servers;
mod setting;
mod web_search;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use toml::Value;

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::config::Config;
use crate::constrained::Constrained;
use crate::declared;
use crate::keys::KeyPath;
use crate::location::Anchor;
use crate::project::Trust;
use crate::requirements::{Requirements, SandboxModeLimit, Sourced};
use crate::resolve::Surroundings;
use crate::select::SessionRequest;
use crate::web_search::WebSearchMode;

pub use profile::{EffectiveProfile, ProfileError};
pub use profile_limit::{DeniedGrant, ProfileLimit, class};
pub use proxied_network::ProxyMissing;
pub use report::Report;
pub use servers::EffectiveServer;
pub use setting::{Configured, Setting, ValueOrigin};

/// What holds for a session, or for one run of `codex sandbox`.
#[derive(Clone, Debug)]
pub struct EffectivePolicy {
    /// When a person is asked.
    pub approval_policy: Setting<ApprovalPolicy>,
    /// Who answers.
    pub approvals_reviewer: Setting<ApprovalsReviewer>,
    /// What commands may touch.
    pub profile: EffectiveProfile,
    /// How far a session may search the web; [`Self::web_search_of_turn`] for one turn.
    pub web_search: Setting<WebSearchMode>,
    /// Whether commands may start as login shells.
    pub allow_login_shell: Setting<bool>,
    /// Feature flags that configuration sets or requirements pin.
    pub features: BTreeMap<String, Setting<bool>>,
    /// The configured tool servers.
    pub mcp_servers: BTreeMap<String, EffectiveServer>,
    /// What was configured.
    pub config: Config,
    /// What was required.
    pub requirements: Requirements,
    /// What people should know, one sentence each, safe to print.
    pub warnings: Vec<String>,
    /// See [`Self::declared_writable`].
    declared: BTreeSet<PathBuf>,
}

impl EffectivePolicy {
    /// Applies requirements to a configuration.
    ///
    /// # Errors
    /// [`ProfileError`] when no profile can be selected, when managed and configured profiles share a name, when a
    /// profile grants what is never readable, and when `never` would leave a session that can neither write nor
    /// ask.
    pub fn resolve(
        mut config: Config,
        requirements: Requirements,
        request: &SessionRequest,
    ) -> Result<Self, ProfileError> {
        let without_repository = config.without_repository.take();
        let surroundings = Surroundings { cwd: &request.cwd, home: request.home.as_ref() };
        let mut declared = config.declared.writable(surroundings);
        let managed = requirements.permissions.values();
        declared.extend(managed.flat_map(|managed| declared::writable_by(&managed.value, surroundings)));
        let policy = Self::of(config, &requirements, request)?;
        // That of a running session is declared nowhere.
        declared.extend(declared::writable_in(&policy.profile.resolved.profile, &request.cwd));
        let policy = match without_repository {
            None => policy,
            Some(config) => policy.within(Self::of(*config, &requirements, request)?, request),
        };
        Ok(Self { requirements, declared, ..policy })
    }

    /// Where commands could write in any mode or profile that is declared, whichever holds now, as far as that is known
    /// before the run: `writable_roots` and profiles of every layer, the administrator's profiles, what holds. What a
    /// repository narrows is among it, and what it asks for beyond that is not (I10).
    pub fn declared_writable(&self) -> Vec<PathBuf> {
        self.declared.iter().cloned().collect()
    }

    /// What permits no more than either. A repository that asks for less than its person could come by more than
    /// the person would: what the person chose may have to give way to something narrower still (I10).
    fn within(self, limit: Self, request: &SessionRequest) -> Self {
        let mut warnings = self.warnings;
        warnings
            .extend(limit.warnings.into_iter().filter(|told| !warnings.contains(told)).collect::<Vec<_>>());
        let mcp_servers = self.mcp_servers.into_iter().map(|(name, server)| {
            let limit = limit.mcp_servers.get(&name).filter(|limit| !limit.is_enabled());
            let server = limit.cloned().unwrap_or(server);
            (name, server)
        });
        let narrows = |ours: ApprovalPolicy, limit: ApprovalPolicy| limit.narrows_to(ours);
        Self {
            approval_policy: self
                .approval_policy
                .unless_wider(limit.approval_policy, |ours, limit| narrows(*ours, *limit)),
            approvals_reviewer: self
                .approvals_reviewer
                .unless_wider(limit.approvals_reviewer, |ours, _| *ours == ApprovalsReviewer::User),
            profile: self.profile.within(limit.profile, request),
            web_search: self.web_search.unless_wider(limit.web_search, |ours, limit| ours <= limit),
            allow_login_shell: self.allow_login_shell.unless_wider(limit.allow_login_shell, |ours, _| !ours),
            features: self.features,
            mcp_servers: mcp_servers.collect(),
            config: self.config,
            requirements: self.requirements,
            warnings,
            declared: self.declared,
        }
    }

    /// As [`Self::resolve`], for a configuration as it is. The requirements are for the caller to put in.
    fn of(
        config: Config,
        requirements: &Requirements,
        request: &SessionRequest,
    ) -> Result<Self, ProfileError> {
        let mut warnings = requirements.warnings.clone();
        warnings.extend(config.warnings.iter().cloned());
        let approval_policy = approval_policy(&config, requirements, &mut warnings);
        let approvals_reviewer = approvals_reviewer(&config, requirements, &mut warnings);
        let profile = profile::effective_profile(
            &config,
            requirements,
            request,
            *approval_policy.get(),
            &mut warnings,
        )?;
        let configured = configured(&config, &["web_search"], config.web_search);
        let (web_search, rejection) =
            web_search::of_session(configured, requirements.allowed_web_search_modes.as_ref());
        if let Some(rejection) = rejection {
            let required = web_search.get().to_string();
            warnings.push(match web_search.configured {
                Some(_) => setting::disallowed("web_search_mode", &required, &rejection),
                None => format!(
                    "the default of `web_search_mode` is disallowed by requirements; falling back to required value `{required}`: {rejection}"
                ),
            });
        }
        Ok(Self {
            approval_policy,
            approvals_reviewer,
            profile,
            web_search,
            allow_login_shell: allow_login_shell(&config, requirements),
            features: features(&config, requirements),
            mcp_servers: servers::judge(&config.mcp_servers, requirements),
            config,
            requirements: Requirements::default(),
            warnings,
            declared: BTreeSet::new(),
        })
    }

    /// How far one turn may search the web.
    pub fn web_search_of_turn(&self) -> WebSearchMode {
        web_search::of_turn(&self.web_search, self.profile.class == SandboxModeLimit::DangerFullAccess)
    }

    /// Whether a feature is on, as pinned or configured.
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.get(name).is_some_and(|setting| *setting.get())
    }

    /// A value that replaces that of the configuration, by config key.
    pub fn exact(&self, key: &KeyPath) -> Option<&Sourced<Value>> {
        self.requirements.exact.get(key)
    }
}

/// A configured value with its place.
fn configured<T>(config: &Config, key: &[&str], value: Option<T>) -> Option<Configured<T>> {
    let key = KeyPath::new(key.iter().copied());
    let location = config.layers().locate(&key, Anchor::Value)?;
    value.map(|value| Configured { value, location })
}

fn approval_policy(
    config: &Config,
    requirements: &Requirements,
    warnings: &mut Vec<String>,
) -> Setting<ApprovalPolicy> {
    const FIELD: &str = "approval_policy";
    let default = match config.project.as_ref().map(|project| &project.trust) {
        Some(Trust::Untrusted(_)) => ApprovalPolicy::Untrusted,
        Some(Trust::Trusted(_) | Trust::Unlisted) | None => ApprovalPolicy::OnRequest,
    };
    let limit = requirements.allowed_approval_policies.as_ref().map(|allowed| {
        let (list, source) = (allowed.value.clone(), allowed.source.clone());
        (Constrained::one_of(FIELD, list, ApprovalPolicy::Never, source.clone()), source)
    });
    // Lists have `on-request` where `on-failure` was written.
    let as_listed = |policy| {
        let is_on_failure = limit.is_some() && policy == ApprovalPolicy::OnFailure;
        if is_on_failure { ApprovalPolicy::OnRequest } else { policy }
    };
    let wanted = configured(config, &[FIELD], config.approval_policy.map(as_listed));
    let (setting, rejection) = Setting::choose(wanted, default, limit);
    if let Some(rejection) = rejection {
        warnings.push(setting::disallowed(FIELD, &setting.get().to_string(), &rejection));
    }
    setting
}

fn approvals_reviewer(
    config: &Config,
    requirements: &Requirements,
    warnings: &mut Vec<String>,
) -> Setting<ApprovalsReviewer> {
    const FIELD: &str = "approvals_reviewer";
    let limit = requirements.allowed_approvals_reviewers.as_ref().map(|allowed| {
        let (list, source) = (allowed.value.clone(), allowed.source.clone());
        (Constrained::one_of(FIELD, list, ApprovalsReviewer::User, source.clone()), source)
    });
    let wanted = configured(config, &[FIELD], config.approvals_reviewer);
    let (setting, rejection) = Setting::choose(wanted, ApprovalsReviewer::default(), limit);
    if let Some(rejection) = rejection {
        warnings.push(setting::disallowed(FIELD, &setting.get().to_string(), &rejection));
    }
    setting
}

/// A required value replaces the configured one without a word: it is not a choice.
fn allow_login_shell(config: &Config, requirements: &Requirements) -> Setting<bool> {
    const FIELD: &str = "allow_login_shell";
    let wanted = configured(config, &[FIELD], Some(config.allow_login_shell));
    let exact = requirements.exact.get(&KeyPath::new([FIELD]));
    match exact.and_then(|exact| Some((exact.value.as_bool()?, &exact.source))) {
        Some((value, source)) => Setting::required(FIELD, wanted.map(|wanted| wanted.value), value, source),
        None => Setting::choose(wanted, true, None).0,
    }
}

fn features(config: &Config, requirements: &Requirements) -> BTreeMap<String, Setting<bool>> {
    let names = config.features.keys().chain(requirements.features.keys());
    let feature = |name: &String| {
        let wanted = configured(config, &["features", name], config.features.get(name).copied());
        let setting = match requirements.features.get(name) {
            Some(pin) => {
                Setting::required("features", wanted.map(|wanted| wanted.value), pin.value, &pin.source)
            }
            None => Setting::choose(wanted, false, None).0,
        };
        (name.clone(), setting)
    };
    names.map(feature).collect()
}
