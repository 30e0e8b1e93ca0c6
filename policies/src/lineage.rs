//! Following `extends` from a profile to its oldest ancestor.

use std::collections::{BTreeMap, BTreeSet};

use crate::builtin::BuiltIn;
use crate::definition::ProfileDefinition;
use crate::display::escape_short;
use crate::resolve_error::ResolveError;

/// The most names listed in a message.
const SHOWN_NAMES: usize = 12;

/// The profile, its parent, and so on.
pub(crate) fn lineage(
    name: &str,
    definitions: &BTreeMap<String, ProfileDefinition>,
) -> Result<Vec<(String, ProfileDefinition)>, ResolveError> {
    let find = |name: &str| {
        let built_in = || BuiltIn::from_name(name).and_then(BuiltIn::definition);
        definitions.get(name).cloned().or_else(built_in)
    };
    let unknown = || {
        let built_in = BuiltIn::ALL.map(BuiltIn::name);
        let names = definitions.keys().map(String::as_str).take(SHOWN_NAMES).chain(built_in);
        let known = names.map(|name| format!("`{}`", escape_short(name))).collect();
        ResolveError::Unknown { name: name.to_owned(), known }
    };
    let mut current = (name.to_owned(), find(name).ok_or_else(unknown)?);
    let mut seen = BTreeSet::from([name.to_owned()]);
    let mut chain = Vec::new();
    while let Some(parent) = current.1.extends.clone() {
        let (child, _) = &current;
        if parent == BuiltIn::DangerFullAccess.name() {
            return Err(ResolveError::Unextendable { name: child.clone() });
        }
        if !seen.insert(parent.clone()) {
            return Err(cycle(child, &parent, &chain));
        }
        let Some(definition) = find(&parent) else {
            return Err(ResolveError::UnknownParent { name: child.clone(), parent });
        };
        chain.push(std::mem::replace(&mut current, (parent, definition)));
    }
    chain.push(current);
    Ok(chain)
}

/// The error for a chain that comes back to `parent`.
fn cycle(child: &str, parent: &str, chain: &[(String, ProfileDefinition)]) -> ResolveError {
    let names = chain.iter().map(|(name, _)| name.clone()).skip_while(|name| name != parent);
    let mut through: Vec<String> = names.take(SHOWN_NAMES).collect();
    if through.is_empty() {
        through.push(parent.to_owned());
    }
    ResolveError::Cycle { name: child.to_owned(), through }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyPath;
    use crate::reader::TableNode;

    fn definitions(toml: &str) -> BTreeMap<String, ProfileDefinition> {
        let table: toml::Table = toml.parse().expect(toml);
        ProfileDefinition::read_all(&TableNode::top(&table).get("permissions").unwrap()).unwrap()
    }

    #[test]
    fn a_lineage_starts_at_the_child_and_may_end_built_in() {
        let definitions =
            definitions("[permissions.a]\nextends = 'b'\n[permissions.b]\nextends = ':workspace'");
        let names = |name| -> Vec<String> {
            lineage(name, &definitions).unwrap().into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names("a"), ["a", "b", ":workspace"]);
        assert_eq!(names(":read-only"), [":read-only"]);
    }

    #[test]
    fn broken_lineages_are_errors_at_their_extends() {
        let rows = [
            ("[permissions.w]\nextends = 'w'", "profile `w` extends itself through `w`", "w"),
            (
                "[permissions.w]\nextends = 'b'\n[permissions.b]\nextends = 'w'",
                "profile `b` extends itself through `w`",
                "b",
            ),
            (
                "[permissions.w]\nextends = 'b'\n[permissions.b]\nextends = 'c'\n[permissions.c]\nextends = 'b'",
                "profile `c` extends itself through `b`",
                "c",
            ),
            (
                "[permissions.w]\nextends = 'nobody'",
                "profile `w` extends `nobody`, which does not exist",
                "w",
            ),
            ("[permissions.w]\nextends = ':cwd'", "extends `:cwd`, which does not exist", "w"),
            ("[permissions.w]\nextends = ''", "extends ``, which does not exist", "w"),
            ("[permissions.w]\nextends = ':danger-full-access'", "cannot be extended", "w"),
        ];
        for (toml, expect, name) in rows {
            let error = lineage("w", &definitions(toml)).unwrap_err();
            assert!(error.to_string().contains(expect), "{toml}: {error}");
            assert_eq!(error.setting().unwrap().0, KeyPath::new(["permissions", name, "extends"]));
        }
    }

    #[test]
    fn an_unknown_profile_is_refused_with_those_that_exist() {
        for name in ["v", ":w", "", "workspace"] {
            let error = lineage(name, &definitions("[permissions.w]")).unwrap_err();
            assert_eq!(error.to_string(), format!("there is no permission profile `{name}`"));
            assert_eq!(error.help(), "choose one of `w`, `:read-only`, `:workspace`, `:danger-full-access`");
        }
    }

    #[test]
    fn a_long_lineage_is_followed_to_its_end() {
        let mut toml = String::from("[permissions.p0.filesystem]\n'/a' = 'read'\n");
        for index in 1..5000 {
            toml += &format!("[permissions.p{index}]\nextends = 'p{}'\n", index - 1);
        }
        assert_eq!(lineage("p4999", &definitions(&toml)).unwrap().len(), 5000);
    }
}
