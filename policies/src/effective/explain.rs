//! What a person may set, and why: `codex requirements explain KEY`.

use std::collections::BTreeMap;
use std::fmt;

use execpolicy::display::visible;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::display::escape_short;
use crate::effective::report::{Report, ValueLine, listed};
use crate::effective::{EffectivePolicy, ValueOrigin};
use crate::mode::SandboxMode;
use crate::requirements::{SandboxModeLimit, Sourced};
use crate::web_search::WebSearchMode;

/// What may be set for one key.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The key.
    pub key: String,
    /// What may be set.
    pub allowed: Choices,
    /// The requirement that limits it, and who set that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Cause>,
    /// What happens to other values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// What holds now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<ValueLine>,
}

/// A requirement by name.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// The key that the administrator wrote.
    pub key: String,
    /// The layers.
    pub source: String,
}

/// What may be set.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Choices {
    /// Whatever the configuration takes.
    Anything,
    /// One of these.
    OneOf(Vec<String>),
    /// Anything but these.
    Except(Vec<String>),
    /// Nothing: this value holds.
    Only(Json),
    /// Anything, where nothing else requires these values.
    Pinned(Vec<String>),
    /// A profile that counts as one of these modes.
    Within(Vec<String>),
}

/// A key that nobody knows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no setting `{}` that requirements could limit", escape_short(key))]
pub struct UnknownKey {
    /// As given.
    pub key: String,
}

impl UnknownKey {
    /// The keys that there are.
    pub fn help(&self) -> String {
        format!("name one of {}, `features.NAME` or `mcp_servers.NAME`", crate::display::alternatives(&KEYS))
    }
}

/// The keys that can be explained, besides those below tables.
const KEYS: [&str; 20] = [
    "approval_policy",
    "approvals_reviewer",
    "sandbox_mode",
    "default_permissions",
    "web_search",
    "network",
    "deny_read",
    "rules",
    "features",
    "mcp_servers",
    "allow_login_shell",
    "enforce_residency",
    "chatgpt_base_url",
    "check_for_update_on_startup",
    "cli_auth_credentials_store",
    "feedback.enabled",
    "hooks",
    "log_dir",
    "model_catalog_json",
    "sqlite_home",
];

/// Explains a key of the configuration, or the requirement that limits it.
///
/// # Errors
/// [`UnknownKey`].
pub fn explain(policy: &EffectivePolicy, report: &Report, key: &str) -> Result<Explanation, UnknownKey> {
    let subject = Subject::of(policy, report, key).ok_or_else(|| UnknownKey { key: key.to_owned() })?;
    let requirement = report
        .requirements
        .get(&subject.requirement)
        .map(|line| Cause { key: subject.requirement.clone(), source: line.source.clone() });
    Ok(Explanation {
        key: key.to_owned(),
        allowed: subject.allowed,
        requirement,
        otherwise: subject.otherwise,
        now: report.effective.get(&subject.effective).cloned(),
    })
}

/// What a key is about.
struct Subject {
    /// Its key among the effective values.
    effective: String,
    /// The requirement that limits it.
    requirement: String,
    /// What may be set.
    allowed: Choices,
    /// What happens to other values.
    otherwise: Option<String>,
}

impl Subject {
    fn of(policy: &EffectivePolicy, report: &Report, key: &str) -> Option<Self> {
        Some(match key {
            "approval_policy" | "allowed_approval_policies" => Self::approval_policy(policy),
            "approvals_reviewer" | "allowed_approvals_reviewers" => Self::approvals_reviewer(policy),
            "sandbox_mode" | "allowed_sandbox_modes" | "remote_sandbox_config" => Self::sandbox_mode(policy),
            "default_permissions" | "permission_profile" | "allowed_permission_profiles" | "permissions" => {
                Self::profile(policy)
            }
            "web_search" | "web_search_mode" | "allowed_web_search_modes" => Self::web_search(policy),
            "network" | "experimental_network" | "network_proxy" | "permissions.network" => {
                Self::network(policy)
            }
            "deny_read" | "permissions.filesystem.deny_read" => Self::deny_read(policy),
            "rules" | "rules.prefix_rules" => Self::rules(policy),
            "features" | "feature_requirements" => Self::features(policy),
            "mcp_servers" => Self::mcp_servers(policy),
            _ => match (key.strip_prefix("features."), key.strip_prefix("mcp_servers.")) {
                (Some(name), _) => Self::feature(policy, key, name),
                (None, Some(name)) => Self::mcp_server(policy, key, name),
                (None, None) => Self::exact(policy, report, key)?,
            },
        })
    }

    fn new(effective: &str, requirement: &str, allowed: Choices, otherwise: Option<String>) -> Self {
        let (effective, requirement) = (effective.to_owned(), requirement.to_owned());
        Self { effective, requirement, allowed, otherwise }
    }

    fn approval_policy(policy: &EffectivePolicy) -> Self {
        use ApprovalPolicy::{Never, OnFailure, OnRequest, Untrusted};
        let list = policy.requirements.allowed_approval_policies.as_ref();
        let allowed = choices(list, &[Untrusted, OnFailure, OnRequest, Never]);
        Self::new("approval_policy", "allowed_approval_policies", allowed, falls_back(list))
    }

    fn approvals_reviewer(policy: &EffectivePolicy) -> Self {
        let list = policy.requirements.allowed_approvals_reviewers.as_ref();
        let allowed = choices(list, &[ApprovalsReviewer::User, ApprovalsReviewer::AutoReview]);
        Self::new("approvals_reviewer", "allowed_approvals_reviewers", allowed, falls_back(list))
    }

    fn sandbox_mode(policy: &EffectivePolicy) -> Self {
        let limit = policy.profile.limit.modes();
        let allowed = match limit {
            None => choices(None, &SandboxMode::WORDS.map(|(_, mode)| mode)),
            Some(modes) => {
                let typed = modes.value.iter().filter(|mode| **mode != SandboxModeLimit::ExternalSandbox);
                Choices::OneOf(typed.map(ToString::to_string).collect())
            }
        };
        let otherwise = limit.map(|_| "falls back to read-only without network".to_owned());
        let by_denial = policy.requirements.allowed_sandbox_modes.is_none() && limit.is_some();
        let requirement =
            if by_denial { "permissions.filesystem.deny_read" } else { "allowed_sandbox_modes" };
        Self::new("sandbox_mode", requirement, allowed, otherwise)
    }

    fn profile(policy: &EffectivePolicy) -> Self {
        let catalogue = policy.requirements.allowed_permission_profiles.as_ref();
        let Some(catalogue) = catalogue else { return Self::profile_of_a_mode(policy) };
        let selectable = catalogue.value.iter().filter(|(_, allowed)| **allowed);
        let allowed = Choices::OneOf(selectable.map(|(name, _)| escape_short(name)).collect());
        let otherwise = policy.requirements.default_permissions.as_ref().map(|name| {
            format!("falls back to `{}`, as far as the choice permits it too", escape_short(&name.value))
        });
        Self::new("permission_profile", "allowed_permission_profiles", allowed, otherwise)
    }

    /// Without a catalogue profiles are limited by how open they are.
    fn profile_of_a_mode(policy: &EffectivePolicy) -> Self {
        let mode = Self::sandbox_mode(policy);
        let allowed = match (mode.allowed, policy.profile.limit.modes()) {
            (Choices::OneOf(modes), Some(_)) => Choices::Within(modes),
            (_, _) => Choices::Anything,
        };
        Self { effective: "permission_profile".to_owned(), allowed, ..Self::sandbox_mode(policy) }
    }

    fn web_search(policy: &EffectivePolicy) -> Self {
        let list = policy.requirements.allowed_web_search_modes.as_ref();
        let otherwise = list.map(|_| {
            "falls back to the first of cached, indexed, live, disabled that is allowed and not more open"
                .to_owned()
        });
        let allowed = choices(list, &WebSearchMode::WORDS.map(|(_, mode)| mode));
        Self::new("web_search", "allowed_web_search_modes", allowed, otherwise)
    }

    fn network(policy: &EffectivePolicy) -> Self {
        let managed = policy.requirements.network.is_some();
        if !managed && matches!(policy.profile.origin, ValueOrigin::Required(_)) {
            let mode = Self::sandbox_mode(policy);
            let allowed = Choices::Only(json!("restricted"));
            return Self { effective: "network".to_owned(), allowed, ..mode };
        }
        let allowed = if managed { Choices::Only(json!("managed")) } else { Choices::Anything };
        Self::new("network", "experimental_network", allowed, None)
    }

    fn deny_read(policy: &EffectivePolicy) -> Self {
        let denied = &policy.requirements.deny_read;
        if denied.is_empty() {
            return Self::new("deny_read", "permissions.filesystem.deny_read", Choices::Anything, None);
        }
        let places = denied.iter().map(|denied| denied.value.to_string()).collect();
        let otherwise = Some("a profile that grants one of these is refused".to_owned());
        Self::new("deny_read", "permissions.filesystem.deny_read", Choices::Except(places), otherwise)
    }

    fn rules(policy: &EffectivePolicy) -> Self {
        let otherwise = (!policy.requirements.rules.is_empty())
            .then(|| "the strictest decision wins, whatever other rules say".to_owned());
        Self::new("rules", "rules", Choices::Anything, otherwise)
    }

    fn features(policy: &EffectivePolicy) -> Self {
        let pins = &policy.requirements.features;
        let names = pins.iter().map(|(name, pin)| format!("{}={}", escape_short(name), pin.value)).collect();
        let allowed = if pins.is_empty() { Choices::Anything } else { Choices::Pinned(names) };
        Self::new("features", "features", allowed, None)
    }

    fn feature(policy: &EffectivePolicy, key: &str, name: &str) -> Self {
        let pin = policy.requirements.features.get(name);
        let allowed = pin.map_or(Choices::Anything, |pin| Choices::Only(json!(pin.value)));
        Self::new(key, "features", allowed, None)
    }

    fn mcp_servers(policy: &EffectivePolicy) -> Self {
        let list = policy.requirements.mcp_servers.as_ref();
        let names = |list: &Sourced<BTreeMap<_, _>>| list.value.keys().map(escape_short).collect();
        let allowed = list.map_or(Choices::Anything, |list| Choices::OneOf(names(list)));
        let otherwise = list.map(|_| "the server stays listed and is disabled".to_owned());
        Self::new("mcp_servers", "mcp_servers", allowed, otherwise)
    }

    fn mcp_server(policy: &EffectivePolicy, key: &str, name: &str) -> Self {
        let list = policy.requirements.mcp_servers.as_ref();
        let allowed = match list.map(|list| list.value.get(name)) {
            None => Choices::Anything,
            Some(identity) => Choices::OneOf(identity.iter().map(ToString::to_string).collect()),
        };
        let otherwise = list.map(|_| "the server stays listed and is disabled".to_owned());
        Self::new(key, "mcp_servers", allowed, otherwise)
    }

    /// A key whose value requirements replace, or of which they say nothing.
    fn exact(policy: &EffectivePolicy, report: &Report, key: &str) -> Option<Self> {
        let line = report.effective.get(key);
        let is_required = policy.requirements.exact.keys().any(|exact| exact.to_string() == key)
            || line.is_some_and(|line| line.requirement.is_some());
        if line.is_none() && !KEYS.contains(&key) && !report.requirements.contains_key(key) {
            return None;
        }
        let required = line.filter(|_| is_required).map(|line| Choices::Only(line.value.clone()));
        Some(Self::new(key, key, required.unwrap_or(Choices::Anything), None))
    }
}

/// The allowed values of a list, or all there are.
fn choices<T: ToString>(list: Option<&Sourced<Vec<T>>>, all: &[T]) -> Choices {
    let words = list.map_or(all, |list| list.value.as_slice());
    Choices::OneOf(words.iter().map(T::to_string).collect())
}

/// What a value that is not listed becomes.
fn falls_back<T: ToString>(list: Option<&Sourced<Vec<T>>>) -> Option<String> {
    let first = list.and_then(|list| list.value.first())?;
    Some(format!("falls back to {}", first.to_string()))
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", escape_short(&self.key))?;
        writeln!(formatter, "  you may set  {}", self.allowed)?;
        match &self.requirement {
            Some(Cause { key, source }) => {
                writeln!(formatter, "  because      {} (set by {})", visible(key), visible(source))?;
            }
            None => writeln!(formatter, "  because      no requirement limits it")?,
        }
        if let Some(otherwise) = &self.otherwise {
            writeln!(formatter, "  otherwise    {}", visible(otherwise))?;
        }
        if let Some(now) = &self.now {
            write!(formatter, "  now          {} ({})", listed(&now.value), visible(&now.place()))?;
            if let Some(configured) = &now.configured {
                write!(formatter, ", instead of {}", listed(configured))?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => formatter.write_str("anything"),
            Self::OneOf(words) if words.is_empty() => formatter.write_str("nothing"),
            Self::OneOf(words) => formatter.write_str(&visible(&words.join(", "))),
            Self::Except(words) => write!(formatter, "anything but {}", visible(&words.join(", "))),
            Self::Only(value) => write!(formatter, "nothing else than {}", listed(value)),
            Self::Pinned(pins) => write!(formatter, "anything, except that {} is required", pins.join(", ")),
            Self::Within(modes) => write!(formatter, "profiles that count as {}", modes.join(" or ")),
        }
    }
}
