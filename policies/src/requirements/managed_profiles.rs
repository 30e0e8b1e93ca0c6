//! Whether the managed profiles can be used, whoever selects them.
//!
//! INVARIANT (closed): what a managed profile extends is managed or built in. A parent that a person could define
//! would let them change what the administrator wrote.

use std::collections::{BTreeMap, BTreeSet};

use crate::builtin::BuiltIn;
use crate::definition::ProfileDefinition;
use crate::keys::KeyPath;
use crate::lineage::lineage;
use crate::location::{Location, Position};
use crate::path::AbsolutePath;
use crate::requirements::error::RequirementsError;
use crate::requirements::layer::{is_legacy, parse};
use crate::requirements::{Requirements, RequirementsContext, RequirementsText};
use crate::resolve::{Surroundings, check};
use crate::resolve_error::ResolveError;

impl Requirements {
    /// Refuses managed profiles that could not be selected, or that a person could change.
    pub(crate) fn check_profiles(
        &self,
        texts: &[RequirementsText],
        context: RequirementsContext<'_>,
    ) -> Result<(), RequirementsError> {
        match self.profile_problems(texts, context, 1).into_iter().next() {
            None => Ok(()),
            Some(problem) => Err(problem),
        }
    }

    /// What is wrong with the managed profiles, at most `most` of it: the place of each is looked up in the texts.
    pub(crate) fn profile_problems(
        &self,
        texts: &[RequirementsText],
        context: RequirementsContext<'_>,
        most: usize,
    ) -> Vec<RequirementsError> {
        // Which folder is the workspace and which the home shows at the run; neither makes a definition wrong.
        let somewhere = AbsolutePath::root().child("workspace");
        let surroundings = Surroundings { cwd: &somewhere, home: Some(context.home.unwrap_or(&somewhere)) };
        let definitions =
            self.permissions.iter().map(|(name, profile)| (name.clone(), profile.value.clone()));
        let definitions: BTreeMap<String, ProfileDefinition> = definitions.collect();
        let mut seen = BTreeSet::new();
        let problems = definitions.iter().flat_map(|(name, definition)| {
            let parents = parents_problem(name, &definitions, &mut seen);
            parents.into_iter().chain(check(name, definition, surroundings).err())
        });
        problems.take(most).map(|error| placed(error, texts)).collect()
    }
}

/// What is wrong with what a profile extends. A profile whose parents were `seen` is not judged again, which keeps
/// long chains cheap and reports each mistake once.
fn parents_problem<'a>(
    name: &'a str,
    definitions: &'a BTreeMap<String, ProfileDefinition>,
    seen: &mut BTreeSet<&'a str>,
) -> Option<ResolveError> {
    let mut way = BTreeSet::new();
    let mut current = name;
    let is_sound = loop {
        let is_extendable = BuiltIn::from_name(current).is_some_and(|it| it.definition().is_some());
        if is_extendable || seen.contains(current) {
            break true;
        }
        let Some(definition) = definitions.get(current) else { break false };
        if !way.insert(current) {
            break false;
        }
        let Some(parent) = &definition.extends else { break true };
        current = parent;
    };
    seen.extend(way);
    if is_sound { None } else { lineage(name, definitions).err() }
}

/// The problem with its place in the highest layer that has it. Where the key as written is not known any more (paths
/// have become absolute), that is the table around it.
fn placed(error: ResolveError, texts: &[RequirementsText]) -> RequirementsError {
    let location = error.setting().and_then(|(key, anchor)| {
        let lengths = (1..=key.parts().len()).rev();
        let text_with =
            |key: &KeyPath| texts.iter().rev().find(|text| !is_legacy(&text.source) && says(text, key));
        lengths.map(|length| KeyPath::new(key.parts().iter().take(length))).find_map(|key| {
            let text = text_with(&key)?;
            let position = Position::of_key(&text.text, &key, anchor);
            Some(Box::new(Location { source: text.source.clone(), position }))
        })
    });
    RequirementsError::Profile { location, error: Box::new(error) }
}

/// Whether a layer has a key.
fn says(text: &RequirementsText, key: &KeyPath) -> bool {
    let Some((last, above)) = key.parts().split_last() else { return false };
    parse(text).is_ok_and(|table| {
        let around = above.iter().try_fold(&table, |table, part| table.get(part)?.as_table());
        around.is_some_and(|table| table.contains_key(last))
    })
}
