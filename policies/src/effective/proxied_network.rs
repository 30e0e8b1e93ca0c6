//! Whether a run may reach the network directly, where policy wants a proxy in between.

use crate::display::escape_short;
use crate::effective::EffectivePolicy;
use crate::profile::PermissionProfile;
use crate::requirements::RequirementSource;

/// A network that only a proxy could provide. Opening it directly instead would weaken what was asked for (I1).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyMissing {
    /// Requirements manage the network.
    #[error(
        "the network is managed (set by {source_layers}), which needs a proxy that this release does not have"
    )]
    Managed {
        /// Who says so.
        source_layers: RequirementSource,
    },
    /// A managed profile limits it.
    #[error(
        "`{}` under `network` of the managed profile `{}` (set by {source_layers}) needs a proxy that this release does not have",
        limits.join("`, `"),
        escape_short(profile)
    )]
    ManagedProfile {
        /// The profile.
        profile: String,
        /// The keys that only a proxy enforces.
        limits: Vec<&'static str>,
        /// Who says so.
        source_layers: RequirementSource,
    },
    /// The feature is on.
    #[error("the feature `network_proxy` asks for a proxied network, which this release cannot provide")]
    Feature {
        /// Whether requirements pin it.
        is_pinned: bool,
    },
}

impl ProxyMissing {
    /// The smallest thing that would change the outcome.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Managed { .. } => "run without network, in a profile that has a sandbox",
            Self::ManagedProfile { .. } => "run in a profile without network",
            Self::Feature { is_pinned: true } => "run without network; requirements pin the feature",
            Self::Feature { is_pinned: false } => {
                "run without network, or pass `--disable network_proxy` to reach it directly"
            }
        }
    }
}

impl EffectivePolicy {
    /// Whether a run with this profile may have the network that the profile gives.
    ///
    /// # Errors
    /// [`ProxyMissing`] where the network is on and policy wants a proxy in between.
    pub fn admits_network(&self, profile: &PermissionProfile) -> Result<(), ProxyMissing> {
        let without_sandbox = matches!(profile, PermissionProfile::Disabled);
        if !profile.network().is_enabled() {
            return Ok(());
        }
        if let Some(managed) = &self.requirements.network {
            return Err(ProxyMissing::Managed { source_layers: managed.source.clone() });
        }
        let resolved = &self.profile.resolved;
        let limits = resolved.network.limits();
        if let Some(managed) = self.requirements.permissions.get(&resolved.name)
            && !limits.is_empty()
        {
            let (profile, source_layers) = (resolved.name.clone(), managed.source.clone());
            return Err(ProxyMissing::ManagedProfile { profile, limits, source_layers });
        }
        if self.has_feature("network_proxy") && !without_sandbox {
            let is_pinned = self.requirements.features.contains_key("network_proxy");
            return Err(ProxyMissing::Feature { is_pinned });
        }
        Ok(())
    }
}
