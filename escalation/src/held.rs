//! What was granted before, and still holds: the policy of now beats what is remembered (I3).

use policies::display::with_causes;
use policies::requirements::SandboxModeLimit;
use policies::{AbsolutePath, Access, AdditionalPermissions, Entry};

use crate::exec::Unprepared;
use crate::gate;
use crate::ids::TurnId;
use crate::session::Session;
use crate::settled::Category;

/// What was granted before, as far as it holds for a call.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// On top of the profile.
    pub(crate) permissions: AdditionalPermissions,
    /// Folders that patches may write to.
    pub(crate) roots: Vec<AbsolutePath>,
    /// What does not hold any more, one sentence each, safe to print.
    pub(crate) notes: Vec<String>,
}

impl Session {
    /// What was granted for this turn and for the session and still holds for a call in `cwd`. What the profile denies
    /// now, requirements refuse now, or cannot be looked at any more, is left out: an old grant stops no command.
    pub(crate) fn held(&self, turn: &TurnId, cwd: &AbsolutePath) -> Held {
        let mut held = Held::default();
        let remembered = self.broker().granted_permissions(turn, cwd);
        held.permissions = match remembered.is_empty() || self.holds(&remembered, cwd).is_ok() {
            true => remembered,
            false => self.what_holds(remembered, cwd, &mut held.notes),
        };
        held.roots = self.broker().granted_roots(turn, cwd);
        held.roots.retain(|root| match self.root_holds(root, cwd) {
            Ok(holds) => holds,
            Err(error) => {
                held.notes.push(over(&error));
                false
            }
        });
        held
    }

    /// Each part that can be added to those before it.
    fn what_holds(
        &self,
        remembered: AdditionalPermissions,
        cwd: &AbsolutePath,
        notes: &mut Vec<String>,
    ) -> AdditionalPermissions {
        let AdditionalPermissions { entries, glob_scan_max_depth, network } = remembered;
        // What narrows comes first: no grant is judged without it.
        let (denials, grants): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| entry.access == Access::Deny);
        let only_network = AdditionalPermissions { network, ..AdditionalPermissions::default() };
        let parts = grants
            .into_iter()
            .map(|entry| AdditionalPermissions { entries: vec![entry], ..AdditionalPermissions::default() })
            .chain(network.is_enabled().then_some(only_network));
        let narrowed = AdditionalPermissions {
            entries: denials,
            glob_scan_max_depth,
            ..AdditionalPermissions::default()
        };
        parts.fold(narrowed, |kept, part| {
            let both = kept.clone().merge(part);
            match self.holds(&both, cwd) {
                Ok(()) => both,
                Err(error) => {
                    notes.push(over(&error));
                    kept
                }
            }
        })
    }

    /// Whether a command could run with these.
    fn holds(&self, permissions: &AdditionalPermissions, cwd: &AbsolutePath) -> Result<(), Unprepared> {
        self.admits(permissions, cwd)?;
        let profile = permissions.apply_to(self.policy().profile.resolved.profile.clone());
        self.boundaries(&profile, cwd)?;
        Ok(())
    }

    /// Whether what was said of a folder still stands for a yes.
    fn root_holds(&self, root: &AbsolutePath, cwd: &AbsolutePath) -> Result<bool, Unprepared> {
        let policy = &self.policy();
        let may_ask = gate::may_ask(*policy.approval_policy.get(), Category::SandboxApproval).is_ok();
        let is_held_down =
            policy.profile.class == SandboxModeLimit::ReadOnly && policy.profile.limit.modes().is_some();
        if !may_ask || is_held_down {
            return Ok(false);
        }
        self.admits(&writing([root]), cwd).map(|()| true)
    }

    /// Whether the profile may have these on top: requirements, and what the profile denies, beat every yes (I3).
    ///
    /// # Errors
    /// [`Unprepared`]: why not.
    pub(crate) fn admits(
        &self,
        permissions: &AdditionalPermissions,
        cwd: &AbsolutePath,
    ) -> Result<(), Unprepared> {
        self.check_profile(&permissions.apply_to(self.policy().profile.resolved.profile.clone()))?;
        self.refuse_denied(permissions, cwd)
    }
}

/// What writing these takes.
pub(crate) fn writing<'a>(paths: impl IntoIterator<Item = &'a AbsolutePath>) -> AdditionalPermissions {
    let entries = paths.into_iter().map(|path| Entry::for_path(path.clone(), Access::Write)).collect();
    AdditionalPermissions { entries, ..AdditionalPermissions::default() }
}

fn over(error: &Unprepared) -> String {
    format!("something that was granted before does not hold any more: {}", with_causes(error))
}
