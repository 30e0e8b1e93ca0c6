//! `[permissions.NAME]` as written: types checked, meaning not yet.
//!
//! Inheritance, paths and tokens are in `resolve.rs`; a definition that nobody selects may hold paths that would
//! be errors.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::network::NetworkDefinition;
use crate::profile::Access;
use crate::reader::{Mismatch, Node};

/// The key in `filesystem` that is not a place.
const DEPTH_KEY: &str = "glob_scan_max_depth";

/// One named profile. Unknown keys are ignored, so that a newer config still loads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileDefinition {
    /// The profile whose settings this one changes.
    pub extends: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Further directories that `:workspace_roots` stands for, as written; `false` switches one off.
    pub workspace_roots: BTreeMap<String, bool>,
    /// How deep deny globs are searched.
    pub glob_scan_max_depth: Option<NonZeroUsize>,
    /// What `filesystem` says, by the key as written.
    pub filesystem: BTreeMap<String, EntryDefinition>,
    /// What `network` says.
    pub network: NetworkDefinition,
}

/// The value of one key in `filesystem`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryDefinition {
    /// Access to the place itself.
    Access(Access),
    /// Access to places below it, by subpath or pattern.
    Scoped(BTreeMap<String, Access>),
}

impl ProfileDefinition {
    /// Reads one profile.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, Mismatch> {
        let table = node.table()?;
        let mut definition = Self {
            extends: table.optional("extends", Node::string)?,
            description: table.optional("description", Node::string)?,
            workspace_roots: table.or_default("workspace_roots", |roots| roots.map(Node::boolean))?,
            network: table.or_default("network", NetworkDefinition::read)?,
            ..Self::default()
        };
        let Some(filesystem) = table.get("filesystem") else { return Ok(definition) };
        for (key, node) in filesystem.table()?.nodes() {
            match key {
                DEPTH_KEY => definition.glob_scan_max_depth = Some(node.positive()?),
                _ => {
                    definition.filesystem.insert(key.to_owned(), EntryDefinition::read(&node)?);
                }
            }
        }
        Ok(definition)
    }

    /// Reads `[permissions]`.
    pub(crate) fn read_all(node: &Node<'_>) -> Result<BTreeMap<String, Self>, Mismatch> {
        let read_named = |(name, node): (&str, Node<'_>)| {
            if name.is_empty() || name.starts_with(':') {
                let problem = "is not a name for a profile: it is empty or starts with `:`, which is reserved for built-in profiles";
                return Err(node.key_mismatch(problem, "choose a name that starts with another character"));
            }
            Ok((name.to_owned(), Self::read(&node)?))
        };
        node.table()?.nodes().map(read_named).collect()
    }
}

impl EntryDefinition {
    /// Reads an access word or a table of them.
    fn read(node: &Node<'_>) -> Result<Self, Mismatch> {
        let word = |node: &Node<'_>| node.word(&Access::WORDS);
        if node.is_table() { Ok(Self::Scoped(node.map(word)?)) } else { Ok(Self::Access(word(node)?)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::TableNode;

    fn read(toml: &str) -> Result<BTreeMap<String, ProfileDefinition>, Mismatch> {
        let table: toml::Table = toml.parse().unwrap();
        ProfileDefinition::read_all(&TableNode::top(&table).get("permissions").unwrap())
    }

    #[test]
    fn the_documented_form_is_read() {
        let profiles = read(
            r#"
            [permissions.work]
            extends = ":workspace"
            description = "d"
            newer = 1
            [permissions.work.workspace_roots]
            "../lib" = true
            [permissions.work.filesystem]
            glob_scan_max_depth = 3
            ":root" = "read"
            "/srv/data" = "none"
            [permissions.work.filesystem.":workspace_roots"]
            "." = "write"
            "**/*.env" = "deny"
            [permissions.work.network]
            enabled = true
            "#,
        )
        .unwrap();
        let scoped = [(".".to_owned(), Access::Write), ("**/*.env".to_owned(), Access::Deny)];
        let work = ProfileDefinition {
            extends: Some(":workspace".to_owned()),
            description: Some("d".to_owned()),
            workspace_roots: [("../lib".to_owned(), true)].into(),
            glob_scan_max_depth: NonZeroUsize::new(3),
            filesystem: [
                (":root".to_owned(), EntryDefinition::Access(Access::Read)),
                ("/srv/data".to_owned(), EntryDefinition::Access(Access::Deny)),
                (":workspace_roots".to_owned(), EntryDefinition::Scoped(scoped.into())),
            ]
            .into(),
            network: NetworkDefinition::with_enabled(true),
        };
        assert_eq!(profiles, BTreeMap::from([("work".to_owned(), work)]));
    }

    #[test]
    fn wrong_types_and_words_are_refused_at_their_key() {
        let rows = [
            ("permissions = 1", "permissions", "must be a table"),
            ("[permissions]\nw = 1", "permissions.w", "must be a table"),
            ("[permissions.':w']", "permissions.\":w\"", "reserved"),
            ("[permissions.'']", "permissions.\"\"", "empty"),
            ("[permissions.w]\nextends = []", "permissions.w.extends", "must be a string"),
            (
                "[permissions.w.workspace_roots]\na = 'x'",
                "permissions.w.workspace_roots.a",
                "`true` or `false`",
            ),
            ("[permissions.w]\nworkspace_roots = ['a']", "permissions.w.workspace_roots", "must be a table"),
            (
                "[permissions.w.filesystem]\n'/a' = 'rw'",
                "permissions.w.filesystem.\"/a\"",
                "`read`, `write`, `deny` or `none`",
            ),
            ("[permissions.w.filesystem]\n'/a' = ['read']", "permissions.w.filesystem.\"/a\"", "not a list"),
            (
                "[permissions.w.filesystem.'/a'.b]\nc = 'read'",
                "permissions.w.filesystem.\"/a\".b",
                "not a table",
            ),
            (
                "[permissions.w.filesystem]\nglob_scan_max_depth = 0",
                "permissions.w.filesystem.glob_scan_max_depth",
                "at least 1",
            ),
            ("[permissions.w]\nnetwork = true", "permissions.w.network", "must be a table"),
        ];
        for (toml, key, problem) in rows {
            let mismatch = read(toml).unwrap_err();
            assert_eq!(mismatch.key.to_string(), key, "{toml}");
            assert!(mismatch.problem.contains(problem), "{toml}\n{}", mismatch.problem);
        }
    }
}
