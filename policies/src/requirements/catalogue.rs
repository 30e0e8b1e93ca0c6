//! Which profiles may be chosen, and which one stands in where the choice is missing.

use std::collections::BTreeMap;

use crate::builtin::BuiltIn;
use crate::requirements::error::RequirementsError;
use crate::requirements::{Requirements, Sourced};

impl Requirements {
    /// Checks the catalogue against the profiles there are, and gives it a default if it may do without one.
    pub(crate) fn check_catalogue(&mut self) -> Result<(), RequirementsError> {
        if let Some(error) = self.catalogue_problems().into_iter().next() {
            return Err(error);
        }
        if let (Some(Sourced { source, .. }), None) =
            (&self.allowed_permission_profiles, &self.default_permissions)
        {
            let value = BuiltIn::Workspace.name().to_owned();
            self.default_permissions = Some(Sourced { value, source: source.clone() });
        }
        Ok(())
    }

    /// All that is wrong with the catalogue.
    pub(crate) fn catalogue_problems(&self) -> Vec<RequirementsError> {
        let Some(Sourced { value: catalogue, source }) = &self.allowed_permission_profiles else {
            let alone = |default: &Sourced<String>| RequirementsError::DefaultWithoutCatalogue {
                name: default.value.clone(),
                origin: default.source.clone(),
            };
            return self.default_permissions.iter().map(alone).collect();
        };
        let is_unknown =
            |name: &&String| BuiltIn::from_name(name).is_none() && !self.permissions.contains_key(*name);
        let unknown =
            |name: &String| RequirementsError::UnknownProfile { name: name.clone(), origin: source.clone() };
        let mut problems: Vec<_> = catalogue.keys().filter(is_unknown).map(unknown).collect();
        match &self.default_permissions {
            Some(default) if !allows(catalogue, &default.value) => {
                problems.push(RequirementsError::DefaultNotAllowed {
                    name: default.value.clone(),
                    origin: default.source.clone(),
                    catalogue: source.clone(),
                });
            }
            None if !IMPLIED.iter().all(|profile| allows(catalogue, profile.name())) => {
                problems.push(RequirementsError::CatalogueWithoutDefault { origin: source.clone() });
            }
            Some(_) | None => {}
        }
        problems
    }
}

/// What a catalogue has to allow in order to do without a default; the first is the default then.
const IMPLIED: [BuiltIn; 2] = [BuiltIn::Workspace, BuiltIn::ReadOnly];

/// Whether a profile may be chosen.
fn allows(catalogue: &BTreeMap<String, bool>, name: &str) -> bool {
    catalogue.get(name) == Some(&true)
}
