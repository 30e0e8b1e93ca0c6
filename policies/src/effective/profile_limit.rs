//! What requirements say about a permission profile.

use crate::constrained::Rejection;
use crate::entry::{Access, EntryPath};
use crate::glob::GlobMatcher;
use crate::path::AbsolutePath;
use crate::profile::{FileSystemPolicy, PermissionProfile};
use crate::requirements::{RequirementSource, Requirements, SandboxModeLimit, Sourced};

/// The field in messages about modes.
const FIELD: &str = "sandbox_mode";

/// The limits on every profile of a session, whoever chose it.
#[derive(Clone, Debug, Default)]
pub struct ProfileLimit {
    /// From least to most open; `None` is without limit.
    modes: Option<Sourced<Vec<SandboxModeLimit>>>,
    /// Never readable.
    deny_read: Vec<Sourced<EntryPath>>,
}

/// A grant inside what is never readable.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "invalid value for `permission_profile`: it grants `{grant}`, which is not in the allowed set all managed deny_read restrictions: `{denied}` is never readable (set by {source_layers})"
)]
pub struct DeniedGrant {
    /// What the profile grants.
    pub grant: AbsolutePath,
    /// What is never readable, escaped.
    pub denied: String,
    /// Who says so.
    pub source_layers: RequirementSource,
}

impl ProfileLimit {
    /// The limits of the requirements.
    ///
    /// With anything never readable, full access is out: nothing would enforce it there.
    pub fn of(requirements: &Requirements) -> Self {
        let deny_read = requirements.deny_read.clone();
        let mut modes = requirements.allowed_sandbox_modes.clone();
        if !deny_read.is_empty() {
            let mut limited = modes.unwrap_or_else(|| Sourced {
                value: vec![SandboxModeLimit::ReadOnly, SandboxModeLimit::WorkspaceWrite],
                source: RequirementSource::default(),
            });
            limited.value.retain(|mode| *mode != SandboxModeLimit::DangerFullAccess);
            let sources = deny_read.iter().flat_map(|denied| &denied.source.0);
            for source in sources {
                if !limited.source.0.contains(source) {
                    limited.source.0.push(source.clone());
                }
            }
            modes = Some(limited);
        }
        Self { modes, deny_read }
    }

    /// The modes that are left, if limited.
    pub fn modes(&self) -> Option<&Sourced<Vec<SandboxModeLimit>>> {
        self.modes.as_ref()
    }

    /// What no profile may read.
    pub fn never_readable(&self) -> Vec<EntryPath> {
        self.deny_read.iter().map(|denied| denied.value.clone()).collect()
    }

    /// Whether a profile of this class is allowed.
    ///
    /// # Errors
    /// [`Rejection`] with the modes that are.
    pub fn admits(&self, profile: &PermissionProfile) -> Result<(), Rejection> {
        let class = class(profile);
        match &self.modes {
            Some(modes) if !modes.value.contains(&class) => {
                Err(Rejection::new(FIELD, &class, &modes.value, &modes.source))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a profile grants nothing, by name, inside what is never readable. Where symbolic links and the
    /// working directory lead is for the launcher to see, which gets [`Self::never_readable`].
    ///
    /// # Errors
    /// [`DeniedGrant`] with the first such grant.
    pub fn admits_grants(&self, profile: &PermissionProfile) -> Result<(), DeniedGrant> {
        let PermissionProfile::Managed { file_system: FileSystemPolicy::Restricted { entries, .. }, .. } =
            profile
        else {
            return Ok(());
        };
        // Once, since denials may be many, and what is denied already is among the entries.
        let granted = entries.iter().filter(|entry| entry.access != Access::Deny);
        let grants: Vec<&AbsolutePath> = granted
            .filter_map(|entry| match &entry.path {
                EntryPath::Path(path) => Some(path),
                EntryPath::Glob(_) | EntryPath::Special { .. } => None,
            })
            .collect();
        for denied in &self.deny_read {
            // A pattern matches nothing outside of its folder, and compiling it is most of the work.
            let near = |grant: &&&AbsolutePath| match &denied.value {
                EntryPath::Glob(glob) => grant.starts_with(glob.static_prefix()),
                EntryPath::Path(_) | EntryPath::Special { .. } => true,
            };
            let near: Vec<&&AbsolutePath> = grants.iter().filter(near).collect();
            if near.is_empty() {
                continue;
            }
            let cover = Cover::of(&denied.value);
            if let Some(grant) = near.into_iter().find(|grant| cover.includes(grant)) {
                return Err(DeniedGrant {
                    grant: (**grant).clone(),
                    denied: denied.value.to_string(),
                    source_layers: denied.source.clone(),
                });
            }
        }
        Ok(())
    }

    /// The profile with everything denied that is never readable. Only a profile of ours takes that.
    pub fn apply_to(&self, profile: PermissionProfile) -> PermissionProfile {
        match profile {
            PermissionProfile::Managed {
                file_system: FileSystemPolicy::Restricted { mut entries, glob_scan_max_depth },
                network,
            } => {
                let denied = self.never_readable();
                // A limit on the depth of the user's own globs must not shorten the search for the required ones.
                let required_glob = denied.iter().any(|path| matches!(path, EntryPath::Glob(_)));
                let glob_scan_max_depth = glob_scan_max_depth.filter(|_| !required_glob);
                entries.extend(denied.into_iter().map(|path| crate::profile::Entry::new(path, Access::Deny)));
                PermissionProfile::Managed {
                    file_system: FileSystemPolicy::Restricted { entries, glob_scan_max_depth },
                    network,
                }
            }
            PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, .. }
            | PermissionProfile::Disabled
            | PermissionProfile::External { .. } => profile,
        }
    }
}

/// How open a profile is, as `allowed_sandbox_modes` counts.
///
/// A writable root directory counts as full access even where some entry below narrows it, or one denied
/// file that does not exist would lift the limit.
pub fn class(profile: &PermissionProfile) -> SandboxModeLimit {
    match profile {
        PermissionProfile::Disabled => SandboxModeLimit::DangerFullAccess,
        PermissionProfile::External { .. } => SandboxModeLimit::ExternalSandbox,
        PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, .. } => {
            SandboxModeLimit::DangerFullAccess
        }
        PermissionProfile::Managed { file_system: FileSystemPolicy::Restricted { entries, .. }, .. } => {
            let mut writable = entries.iter().filter(|entry| entry.access == Access::Write).peekable();
            if writable.peek().is_none() {
                SandboxModeLimit::ReadOnly
            } else if writable.any(|entry| entry.is_root()) {
                SandboxModeLimit::DangerFullAccess
            } else {
                SandboxModeLimit::WorkspaceWrite
            }
        }
    }
}

/// What a denied entry covers: the place and everything below.
enum Cover<'a> {
    /// A path.
    Path(&'a AbsolutePath),
    /// What a pattern matches.
    Glob(GlobMatcher),
    /// A special place, which requirements cannot name.
    Nothing,
    /// A pattern that cannot be used covers all there is.
    Everything,
}

impl<'a> Cover<'a> {
    fn of(path: &'a EntryPath) -> Self {
        match path {
            EntryPath::Path(path) => Self::Path(path),
            EntryPath::Glob(glob) => glob.to_matcher().map_or(Self::Everything, Self::Glob),
            EntryPath::Special { .. } => Self::Nothing,
        }
    }

    fn includes(&self, path: &AbsolutePath) -> bool {
        match self {
            Self::Path(denied) => path.ancestors().any(|ancestor| ancestor == **denied),
            Self::Glob(matcher) => path.ancestors().any(|ancestor| matcher.is_match(ancestor.as_path())),
            Self::Nothing => false,
            Self::Everything => true,
        }
    }
}
