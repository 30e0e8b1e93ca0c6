//! Which profile commands run in, within what requirements allow.

use std::collections::BTreeMap;

use crate::approval::ApprovalPolicy;
use crate::builtin::BuiltIn;
use crate::config::Config;
use crate::constrained::Rejection;
use crate::definition::ProfileDefinition;
use crate::display::escape_short;
use crate::effective::profile_limit::{DeniedGrant, ProfileLimit, class};
use crate::effective::setting::{ValueOrigin, disallowed};
use crate::keys::KeyPath;
use crate::location::{Anchor, Location};
use crate::mode::SandboxMode;
use crate::requirements::{RequirementSource, Requirements, SandboxModeLimit};
use crate::resolve::ResolvedProfile;
use crate::select::{Asked, Choice, SelectError, Selection, SessionRequest, narrowed};

/// The profile that holds.
#[derive(Clone, Debug)]
pub struct EffectiveProfile {
    /// What commands may touch. What is never readable is denied in it.
    pub resolved: ResolvedProfile,
    /// How open it is.
    pub class: SandboxModeLimit,
    /// Who decided it.
    pub origin: ValueOrigin,
    /// The name that was chosen, where it gave way.
    pub configured: Option<String>,
    /// What requirements say about any other profile.
    pub limit: ProfileLimit,
}

/// Why there is no profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Invalid: nothing could be selected.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Invalid: two profiles with one name.
    #[error(
        "{}the profile `{}` conflicts with the managed profile of that name (set by {source_layers})",
        Location::prefix(location.as_deref()),
        escape_short(name)
    )]
    Managed {
        /// The name.
        name: String,
        /// The user's.
        location: Option<Box<Location>>,
        /// The administrator's.
        source_layers: RequirementSource,
    },
    /// Refused: a grant of what is never readable.
    #[error(transparent)]
    DeniedGrant(#[from] Box<DeniedGrant>),
    /// Refused: the session could neither write nor ask.
    #[error("`approval_policy = \"never\"` with full access, which requirements refuse: {0}")]
    NeverReadOnly(Box<Rejection>),
}

impl ProfileError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Select(error) => error.help(),
            Self::Managed { .. } => "give the profile another name".to_owned(),
            Self::DeniedGrant(denied) => format!("remove the entry for `{}`", denied.grant),
            Self::NeverReadOnly(rejection) => {
                format!("choose a mode of {}, or another `approval_policy`", rejection.allowed)
            }
        }
    }
}

impl EffectiveProfile {
    /// What this and `limit` permit. Who decided is who said the narrower.
    pub(crate) fn within(self, limit: Self, request: &SessionRequest) -> Self {
        if self.resolved.profile == limit.resolved.profile && self.resolved.network == limit.resolved.network
        {
            return self;
        }
        let narrowed_by = self.resolved.narrowed_by.clone();
        let resolved = ResolvedProfile { narrowed_by, ..narrowed(request, limit.resolved, &self.resolved) };
        let is_ours = resolved.profile == self.resolved.profile;
        let (origin, configured) =
            if is_ours { (self.origin, self.configured) } else { (limit.origin, limit.configured) };
        Self { class: class(&resolved.profile), resolved, origin, configured, limit: self.limit }
    }
}

/// Selects a profile, replaces it where requirements do not allow it, and denies what is never readable.
pub(crate) fn effective_profile(
    config: &Config,
    requirements: &Requirements,
    request: &SessionRequest,
    approval: ApprovalPolicy,
    warnings: &mut Vec<String>,
) -> Result<EffectiveProfile, ProfileError> {
    let definitions = definitions(config, requirements)?;
    let selection = Selection { config, definitions: &definitions, request };
    let choice = choose(&selection, requirements)?;
    let limit = ProfileLimit::of(requirements);
    let limited = Limited { selection: &selection, requirements, limit: &limit, approval };
    let (mut chosen, mut replaced) = limited.resolve(&choice, warnings)?;
    // What the repository defines gives no more than there would be without it, requirements included.
    if let Some(otherwise) = selection.otherwise(&choice)? {
        let (bound, source) = limited.resolve(&otherwise, &mut Vec::new())?;
        let ResolvedProfile { profile, network, .. } = narrowed(request, bound, &chosen);
        (chosen, replaced) = (ResolvedProfile { profile, network, ..chosen }, replaced.or(source));
    }
    limit.admits_grants(&chosen.profile).map_err(Box::new)?;
    chosen.profile = limit.apply_to(chosen.profile);
    warnings.append(&mut chosen.warnings);
    Ok(EffectiveProfile {
        class: class(&chosen.profile),
        configured: replaced.as_ref().filter(|_| !choice.is_default()).map(|_| choice.name().to_owned()),
        origin: replaced.map_or_else(|| ValueOrigin::of(choice.location), ValueOrigin::Required),
        resolved: chosen,
        limit,
    })
}

/// What requirements leave of a choice.
struct Limited<'a> {
    selection: &'a Selection<'a>,
    requirements: &'a Requirements,
    limit: &'a ProfileLimit,
    approval: ApprovalPolicy,
}

impl Limited<'_> {
    /// The profile of a choice within the catalogue and the allowed modes, and who replaced it if somebody did.
    fn resolve(
        &self,
        choice: &Choice,
        warnings: &mut Vec<String>,
    ) -> Result<(ResolvedProfile, Option<RequirementSource>), ProfileError> {
        let (chosen, replaced) = within_catalogue(self.selection, self.requirements, choice, warnings)?;
        let Err(rejection) = self.limit.admits(&chosen.profile) else { return Ok((chosen, replaced)) };
        let is_full = class(&chosen.profile) == SandboxModeLimit::DangerFullAccess;
        if self.approval == ApprovalPolicy::Never && is_full {
            return Err(ProfileError::NeverReadOnly(Box::new(rejection)));
        }
        if !choice.is_default() {
            let required = format!("{}` instead of `{}", SandboxMode::ReadOnly, escape_short(choice.name()));
            warnings.push(disallowed("permission_profile", &required, &rejection));
        }
        // A fallback takes away, too: what the chosen profile does not let read stays so.
        let read_only = self.selection.resolve(BuiltIn::ReadOnly.name(), None)?;
        let network = read_only.network.clone();
        let chosen = ResolvedProfile { network, ..narrowed(self.selection.request, read_only, &chosen) };
        let source = self.limit.modes().map(|modes| modes.source.clone()).unwrap_or_default();
        Ok((chosen, Some(source)))
    }
}

/// All profiles by name: those of the configuration and the managed ones, which nobody may redefine.
fn definitions(
    config: &Config,
    requirements: &Requirements,
) -> Result<BTreeMap<String, ProfileDefinition>, ProfileError> {
    let mut definitions = config.permissions.clone();
    for (name, managed) in &requirements.permissions {
        if definitions.insert(name.clone(), managed.value.clone()).is_some() {
            let key = KeyPath::new(["permissions", name]);
            return Err(ProfileError::Managed {
                name: name.clone(),
                location: config.layers().locate(&key, Anchor::Key).map(Box::new),
                source_layers: managed.source.clone(),
            });
        }
    }
    Ok(definitions)
}

/// What is chosen. With a catalogue there always is a default, so it is no mistake to name none.
fn choose(selection: &Selection<'_>, requirements: &Requirements) -> Result<Choice, SelectError> {
    match (selection.choose(), &requirements.default_permissions) {
        (Err(SelectError::NoDefault { .. }), Some(default)) => {
            Ok(Choice { wish: Asked::Named(default.value.clone()), location: None })
        }
        (choice, _) => choice,
    }
}

/// The chosen profile, or where a catalogue does not have it, the managed default as far as the choice permits it
/// too: a requirement takes away, it does not give. The second part says who replaced it.
fn within_catalogue(
    selection: &Selection<'_>,
    requirements: &Requirements,
    choice: &Choice,
    warnings: &mut Vec<String>,
) -> Result<(ResolvedProfile, Option<RequirementSource>), ProfileError> {
    let Some(catalogue) = &requirements.allowed_permission_profiles else {
        return Ok((selection.settle(choice)?, None));
    };
    let source = catalogue.source.clone();
    if let Asked::Named(name) = &choice.wish
        && !choice.is_default()
        && catalogue.value.get(name) == Some(&true)
    {
        return Ok((selection.settle(choice)?, None));
    }
    let default = requirements.default_permissions.as_ref();
    let default = default.map_or(BuiltIn::ReadOnly.name(), |default| default.value.as_str());
    let managed = Choice { wish: Asked::Named(default.to_owned()), location: None };
    let managed = selection.settle(&managed)?;
    if choice.is_default() {
        return Ok((managed, Some(source)));
    }
    let chosen = selection.settle(choice)?;
    if let Asked::Named(name) = &choice.wish {
        let name = escape_short(name);
        warnings.push(format!(
            "configured value for `permission_profile` is disallowed by requirements; falling back to required value `{}`, as far as `{name}` permits it too: the profile `{name}` is not in the allowed set (set by {source})",
            escape_short(default)
        ));
    }
    Ok((narrowed(selection.request, managed, &chosen), Some(source)))
}
