//! Which profiles may be chosen, and which one stands in where the choice is missing.

use std::collections::BTreeMap;

use crate::builtin::BuiltIn;
use crate::requirements::error::RequirementsError;
use crate::requirements::{Requirements, Sourced};

impl Requirements {
    /// Checks the catalogue against the profiles there are, and gives it a default if it may do without one.
    pub(crate) fn check_catalogue(&mut self) -> Result<(), RequirementsError> {
        let Some(Sourced { value: catalogue, source }) = &self.allowed_permission_profiles else {
            return match self.default_permissions.take() {
                None => Ok(()),
                Some(Sourced { value: name, source: origin }) => {
                    Err(RequirementsError::DefaultWithoutCatalogue { name, origin })
                }
            };
        };
        let exists =
            |name: &String| BuiltIn::from_name(name).is_some() || self.permissions.contains_key(name);
        if let Some(name) = catalogue.keys().find(|name| !exists(name)) {
            return Err(RequirementsError::UnknownProfile { name: name.clone(), origin: source.clone() });
        }
        match &self.default_permissions {
            Some(default) if allows(catalogue, &default.value) => {}
            Some(default) => {
                return Err(RequirementsError::DefaultNotAllowed {
                    name: default.value.clone(),
                    origin: default.source.clone(),
                    catalogue: source.clone(),
                });
            }
            None if [BuiltIn::Workspace, BuiltIn::ReadOnly].iter().all(|it| allows(catalogue, it.name())) => {
                let value = BuiltIn::Workspace.name().to_owned();
                self.default_permissions = Some(Sourced { value, source: source.clone() });
            }
            None => return Err(RequirementsError::CatalogueWithoutDefault { origin: source.clone() }),
        }
        Ok(())
    }
}

/// Whether a profile may be chosen.
fn allows(catalogue: &BTreeMap<String, bool>, name: &str) -> bool {
    catalogue.get(name) == Some(&true)
}
