//! From named definitions to one permission profile.
//!
//! Follows `extends`, gives keys their meaning and replaces workspace roots by paths. Nothing is looked up on the
//! disk.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::builtin::BuiltIn;
use crate::definition::{EntryDefinition, ProfileDefinition};
use crate::display::escape_short;
use crate::expand::expand;
use crate::glob::{GlobError, GlobPattern};
use crate::keys::KeyPath;
use crate::lineage::lineage;
use crate::location::Location;
use crate::network::NetworkDefinition;
use crate::path::AbsolutePath;
use crate::profile::{
    Access, Entry, EntryPath, FileSystemPolicy, NetworkAccess, PermissionProfile, SpecialPath,
};
use crate::resolve_error::ResolveError;
use crate::target::{Base, Target, TargetError, unknown_warning};

/// The most places of one profile (I12). Workspace entries count once for each workspace root, so that a short text
/// could ask for very many.
pub const MAX_ENTRIES: usize = 10_000;

/// A profile ready to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedProfile {
    /// The name it was selected by.
    pub name: String,
    /// What it permits.
    pub profile: PermissionProfile,
    /// Its network settings beyond on and off.
    pub network: NetworkDefinition,
    /// What the user should know, one sentence each, safe to print.
    pub warnings: Vec<String>,
    /// Where the repository made it narrower, if it did.
    pub narrowed_by: Option<Location>,
}

/// What relative paths and `~` stand for.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The working directory of the run.
    pub cwd: &'a AbsolutePath,
    /// The home directory, if known.
    pub home: Option<&'a AbsolutePath>,
}

/// Resolves a profile by name, built in or defined.
///
/// # Errors
/// See [`ResolveError`].
pub fn resolve(
    name: &str,
    definitions: &BTreeMap<String, ProfileDefinition>,
    surroundings: Surroundings<'_>,
) -> Result<ResolvedProfile, ResolveError> {
    if name == BuiltIn::DangerFullAccess.name() {
        let profile = PermissionProfile::Disabled;
        let network = NetworkDefinition::with_enabled(true);
        return Ok(ResolvedProfile {
            name: name.to_owned(),
            profile,
            network,
            warnings: Vec::new(),
            narrowed_by: None,
        });
    }
    let mut merged = Merged::default();
    for (name, definition) in lineage(name, definitions)?.into_iter().rev() {
        merged.lay_over(&name, definition, surroundings)?;
    }
    merged.finish(name, surroundings)
}

/// Checks a definition by itself, as resolving it would. Which profile it extends is not looked at.
///
/// # Errors
/// [`ResolveError::Setting`].
pub(crate) fn check(
    name: &str,
    definition: &ProfileDefinition,
    surroundings: Surroundings<'_>,
) -> Result<(), ResolveError> {
    let roots = workspace_roots(name, &definition.workspace_roots, surroundings)?;
    // Of all roots only `/` can make a pattern too wide.
    let widest = roots.iter().find_map(|(root, on)| (*on && root.parent().is_none()).then_some(root));
    for (target, (_, key)) in &rules(name, &definition.filesystem, surroundings.home)? {
        let places = places(target, surroundings.cwd, widest.as_slice())
            .map_err(|error| ResolveError::invalid(key, &error.into()))?;
        places.iter().try_for_each(|place| check_glob(place, key))?;
    }
    Ok(())
}

/// Definitions laid over each other.
#[derive(Default)]
struct Merged {
    /// By place. The key is where it was written, for messages.
    rules: BTreeMap<Target, (Access, KeyPath)>,
    /// On or off by path.
    workspace_roots: BTreeMap<AbsolutePath, bool>,
    /// The nearest definition that says.
    glob_scan_max_depth: Option<NonZeroUsize>,
    /// Key by key.
    network: NetworkDefinition,
}

impl Merged {
    /// Adds a child of what is there; the child wins, place by place.
    fn lay_over(
        &mut self,
        name: &str,
        definition: ProfileDefinition,
        surroundings: Surroundings<'_>,
    ) -> Result<(), ResolveError> {
        let own = rules(name, &definition.filesystem, surroundings.home)?;
        for (target, (_, key)) in &own {
            if let Some(denied) = denied_subtree(target, key) {
                self.rules.remove(&denied);
            }
        }
        self.rules.extend(own);
        let roots = workspace_roots(name, &definition.workspace_roots, surroundings)?;
        self.workspace_roots.extend(roots);
        self.glob_scan_max_depth = definition.glob_scan_max_depth.or(self.glob_scan_max_depth);
        self.network = definition.network.inherit(std::mem::take(&mut self.network));
        Ok(())
    }

    /// Replaces workspace roots by paths and collects what is worth a warning.
    fn finish(self, name: &str, surroundings: Surroundings<'_>) -> Result<ResolvedProfile, ResolveError> {
        let roots: Vec<&AbsolutePath> =
            self.workspace_roots.iter().filter_map(|(root, on)| on.then_some(root)).collect();
        let mut entries = Vec::new();
        let mut warnings = Vec::new();
        for (target, (access, key)) in &self.rules {
            let places = places(target, surroundings.cwd, &roots)
                .map_err(|error| ResolveError::invalid(key, &error.into()))?;
            for place in &places {
                check_glob(place, key)?;
            }
            if entries.len().saturating_add(places.len()) > MAX_ENTRIES {
                return Err(ResolveError::Setting {
                    key: key.clone(),
                    problem: format!("makes more than {MAX_ENTRIES} places, counted for each workspace root"),
                    fix: "grant or deny the folders around them instead".to_owned(),
                });
            }
            let unbounded = self.glob_scan_max_depth.is_none()
                && places.iter().any(|place| matches!(place, EntryPath::Glob(glob) if glob.is_unbounded()));
            if unbounded && cfg!(not(target_os = "macos")) {
                warnings.push(unbounded_warning(name, key));
            }
            if let Target::Special(SpecialPath::Unknown(word), _) = target {
                warnings.push(unknown_warning(name, word));
            }
            entries.extend(places.into_iter().map(|place| Entry::new(place, *access)));
        }
        let is_unknown = |target: &Target| matches!(target, Target::Special(SpecialPath::Unknown(_), _));
        if self.rules.keys().all(is_unknown) {
            warnings.push(format!(
                "profile `{}` has no recognised filesystem entry, so it grants nothing and no command can start; add `\":minimal\" = \"read\"` or `\":root\" = \"read\"`",
                escape_short(name)
            ));
        }
        let limits = self.network.limits();
        if self.network.is_enabled() && !limits.is_empty() {
            warnings.push(format!(
                "profile `{}`: `{}` under `network` only works with the network proxy, so the network is open without limits",
                escape_short(name),
                limits.join("`, `")
            ));
        }
        let profile = PermissionProfile::Managed {
            file_system: FileSystemPolicy::Restricted {
                entries,
                glob_scan_max_depth: self.glob_scan_max_depth,
            },
            network: NetworkAccess::from_enabled(self.network.is_enabled()),
        };
        Ok(ResolvedProfile {
            name: name.to_owned(),
            profile,
            network: self.network,
            warnings,
            narrowed_by: None,
        })
    }
}

/// The rules of one definition. Two spellings of one place are both meant, so the stricter decides.
fn rules(
    name: &str,
    filesystem: &BTreeMap<String, EntryDefinition>,
    home: Option<&AbsolutePath>,
) -> Result<BTreeMap<Target, (Access, KeyPath)>, ResolveError> {
    let mut rules: BTreeMap<Target, (Access, KeyPath)> = BTreeMap::new();
    let mut add = |target: Result<Target, TargetError>, access: Access, key: KeyPath| {
        let target = target.map_err(|error| ResolveError::invalid(&key, &error))?;
        let rule = rules.entry(target).or_insert_with(|| (access, key));
        rule.0 = rule.0.max(access);
        Ok(())
    };
    for (text, entry) in filesystem {
        let key = KeyPath::new(["permissions", name, "filesystem", text]);
        match entry {
            EntryDefinition::Access(access) => add(Target::of_key(text, *access, home), *access, key)?,
            EntryDefinition::Scoped(scopes) => {
                let base = Base::of_table(text, home).map_err(|error| ResolveError::invalid(&key, &error))?;
                for (scope, access) in scopes {
                    add(Target::of_scoped(&base, scope, *access), *access, key.child(scope))?;
                }
            }
        }
    }
    Ok(rules)
}

/// The places that a definition by itself lets write, and the workspace roots that it switches on. What is no place
/// lets nobody write, so it is left out.
pub(crate) fn written_by(
    definition: &ProfileDefinition,
    surroundings: Surroundings<'_>,
) -> (Vec<EntryPath>, Vec<AbsolutePath>) {
    let roots = definition.workspace_roots.iter().filter(|(_, on)| **on);
    let roots = roots.filter_map(|(text, _)| expand(text, surroundings.cwd, surroundings.home).ok());
    let one_by_one = definition.filesystem.iter().flat_map(|(text, entry)| {
        let alone = match entry {
            EntryDefinition::Access(_) => vec![entry.clone()],
            EntryDefinition::Scoped(scopes) => scopes
                .iter()
                .map(|(scope, access)| EntryDefinition::Scoped([(scope.clone(), *access)].into()))
                .collect(),
        };
        alone.into_iter().map(|entry| BTreeMap::from([(text.clone(), entry)]))
    });
    let rules = one_by_one.filter_map(|one| rules("", &one, surroundings.home).ok()).flatten();
    let written = rules.filter(|(_, (access, _))| *access == Access::Write);
    let places = written.filter_map(|(target, _)| places(&target, surroundings.cwd, &[]).ok()).flatten();
    (places.collect(), roots.collect())
}

/// What a granted `PATH/**` would be when denied: a subtree is a place when granted and a glob when denied, and a
/// child that writes the same key as its parent overrides it. A grant written as plain `PATH` is another key, so
/// what the parent denies below stays denied.
fn denied_subtree(target: &Target, key: &KeyPath) -> Option<Target> {
    key.parts().last().filter(|written| written.ends_with("**"))?;
    match target {
        Target::Path(path) => GlobPattern::parse_under(path, "**").ok().map(Target::Glob),
        Target::Special(SpecialPath::ProjectRoots, None) => Some(Target::WorkspaceGlob("**".to_owned())),
        Target::Special(SpecialPath::ProjectRoots, Some(subpath)) => {
            Some(Target::WorkspaceGlob(format!("{}/**", subpath.as_path().to_str()?)))
        }
        Target::Special(..) | Target::Glob(_) | Target::WorkspaceGlob(_) => None,
    }
}

/// The roots of one definition. Of two spellings of one path, off wins.
fn workspace_roots(
    name: &str,
    written: &BTreeMap<String, bool>,
    surroundings: Surroundings<'_>,
) -> Result<BTreeMap<AbsolutePath, bool>, ResolveError> {
    let mut roots: BTreeMap<AbsolutePath, bool> = BTreeMap::new();
    for (text, on) in written {
        let path = expand(text, surroundings.cwd, surroundings.home).map_err(|error| {
            let key = KeyPath::new(["permissions", name, "workspace_roots", text]);
            ResolveError::invalid(&key, &TargetError::Expand(error))
        })?;
        roots.entry(path).and_modify(|kept| *kept &= *on).or_insert(*on);
    }
    Ok(roots)
}

/// What a target stands for in this run: workspace targets once for the working directory and once per root.
fn places(target: &Target, cwd: &AbsolutePath, roots: &[&AbsolutePath]) -> Result<Vec<EntryPath>, GlobError> {
    Ok(match target {
        Target::Path(path) => vec![EntryPath::Path(path.clone())],
        Target::Glob(glob) => vec![EntryPath::Glob(glob.clone())],
        Target::WorkspaceGlob(pattern) => std::iter::once(&cwd)
            .chain(roots)
            .map(|root| Ok(EntryPath::Glob(GlobPattern::parse_under(root, pattern)?)))
            .collect::<Result<_, GlobError>>()?,
        Target::Special(path, subpath) => {
            let special = EntryPath::Special { path: path.clone(), subpath: subpath.clone() };
            let roots = if *path == SpecialPath::ProjectRoots { roots } else { &[] };
            let below = |root: &&AbsolutePath| {
                let joined = subpath.as_ref().map(|subpath| root.join(subpath));
                EntryPath::Path(joined.unwrap_or_else(|| (*root).clone()))
            };
            std::iter::once(special).chain(roots.iter().map(below)).collect()
        }
    })
}

/// Refuses a glob whose search would cover the whole disk. Such a search would not end in useful time, and
/// starting without it would leave readable what was denied.
fn check_glob(place: &EntryPath, key: &KeyPath) -> Result<(), ResolveError> {
    match place {
        EntryPath::Glob(glob) if *glob.static_prefix() == AbsolutePath::root() => {
            Err(ResolveError::Setting {
                key: key.clone(),
                problem: format!("is the glob `{glob}`, which would have to search the whole disk"),
                fix: "start the glob with a directory, as in `/srv/**/*.env`".to_owned(),
            })
        }
        EntryPath::Glob(_) | EntryPath::Path(_) | EntryPath::Special { .. } => Ok(()),
    }
}

/// The warning about a search of unknown length.
fn unbounded_warning(name: &str, key: &KeyPath) -> String {
    format!(
        "profile `{}`: the glob of `{key}` is searched to any depth before each command; set `glob_scan_max_depth` to bound it",
        escape_short(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Anchor;
    use crate::reader::TableNode;

    fn definitions(toml: &str) -> BTreeMap<String, ProfileDefinition> {
        let table: toml::Table = toml.parse().expect(toml);
        ProfileDefinition::read_all(&TableNode::top(&table).get("permissions").unwrap()).unwrap()
    }

    fn resolve_in(name: &str, toml: &str, cwd: &str) -> Result<ResolvedProfile, ResolveError> {
        let (cwd, home) = (AbsolutePath::parse(cwd).unwrap(), AbsolutePath::parse("/home/u").unwrap());
        resolve(name, &definitions(toml), Surroundings { cwd: &cwd, home: Some(&home) })
    }

    fn resolved(toml: &str) -> ResolvedProfile {
        resolve_in("w", toml, "/w").expect(toml)
    }

    fn error(toml: &str) -> ResolveError {
        resolve_in("w", toml, "/w").expect_err(toml)
    }

    /// Entries in short form: `place access`.
    fn rows(resolved: &ResolvedProfile) -> Vec<String> {
        let PermissionProfile::Managed { file_system: FileSystemPolicy::Restricted { entries, .. }, .. } =
            &resolved.profile
        else {
            panic!("not restricted: {resolved:?}");
        };
        entries
            .iter()
            .map(|entry| format!("{} {:?}", short(&entry.path), entry.access).to_lowercase())
            .collect()
    }

    fn short(path: &EntryPath) -> String {
        match path {
            EntryPath::Path(path) => path.to_string(),
            EntryPath::Glob(glob) => format!("glob:{glob}"),
            EntryPath::Special { path, subpath: None } => format!(":{path:?}"),
            EntryPath::Special { path, subpath: Some(subpath) } => format!(":{path:?}/{subpath}"),
        }
    }

    #[test]
    fn the_documented_example_resolves() {
        let resolved = resolved(
            r#"
            [permissions.w]
            extends = ":workspace"
            [permissions.w.workspace_roots]
            "../lib" = true
            "/off" = false
            [permissions.w.filesystem]
            glob_scan_max_depth = 3
            ":root" = "read"
            "/srv/data" = "write"
            [permissions.w.filesystem.":workspace_roots"]
            "." = "write"
            "docs" = "read"
            "**/*.env" = "deny"
            [permissions.w.network]
            enabled = true
            "#,
        );
        let expect = [
            ":root read",
            ":projectroots write",
            "/lib write",
            ":projectroots/docs read",
            "/lib/docs read",
            ":tmpdir write",
            ":slashtmp write",
            "/srv/data write",
            "glob:/w/**/*.env deny",
            "glob:/lib/**/*.env deny",
        ];
        assert_eq!(rows(&resolved), expect);
        assert_eq!(resolved.profile.network(), NetworkAccess::Enabled);
        assert!(resolved.warnings.is_empty(), "{:?}", resolved.warnings);
        let json = resolved.profile.to_canonical_json().unwrap();
        assert!(json.contains(r#""glob_scan_max_depth":3"#), "{json}");
    }

    #[test]
    fn built_in_profiles_need_no_definition() {
        let none = "permissions = {}";
        let read_only = resolve_in(":read-only", none, "/w").unwrap();
        assert_eq!(read_only.profile, PermissionProfile::read_only());
        let workspace = resolve_in(":workspace", none, "/w").unwrap();
        assert_eq!(
            rows(&workspace),
            [":root read", ":projectroots write", ":tmpdir write", ":slashtmp write"]
        );
        assert_eq!(workspace.profile.network(), NetworkAccess::Restricted);
        let full = resolve_in(":danger-full-access", none, "/w").unwrap();
        assert_eq!(full.profile, PermissionProfile::Disabled);
    }

    #[test]
    fn a_child_wins_place_by_place_whatever_the_spelling() {
        let rows_of = |toml: &str| rows(&resolved(toml));
        let parent = "[permissions.p.filesystem]\n'/a/' = 'write'\n'~/s' = 'deny'\n'/g/**' = 'deny'\n[permissions.w]\nextends = 'p'\n";
        let cases: [(&str, &[&str]); 7] = [
            ("'/g' = 'read'", &["/a write", "/g read", "/home/u/s deny", "glob:/g/** deny"]),
            ("", &["/a write", "/home/u/s deny", "glob:/g/** deny"]),
            ("'/a' = 'read'", &["/a read", "/home/u/s deny", "glob:/g/** deny"]),
            ("'/home/u/s' = 'write'", &["/a write", "/home/u/s write", "glob:/g/** deny"]),
            ("'/g/**' = 'read'", &["/a write", "/g read", "/home/u/s deny"]),
            ("'/' = { a = 'none' }", &["/a deny", "/home/u/s deny", "glob:/g/** deny"]),
            ("'/a' = { b = 'read' }", &["/a write", "/a/b read", "/home/u/s deny", "glob:/g/** deny"]),
        ];
        for (child, expect) in cases {
            let toml = format!("{parent}[permissions.w.filesystem]\n{child}\n");
            assert_eq!(rows_of(&toml), expect, "{child}");
        }
        let parent = "[permissions.p.filesystem.':workspace_roots']\n'**' = 'deny'\n'd/**' = 'deny'\n[permissions.w]\nextends = 'p'\n";
        let child = "[permissions.w.filesystem.':workspace_roots']\n'**' = 'read'\n'd' = 'write'\n";
        let expect = [":projectroots read", ":projectroots/d write", "glob:/w/d/** deny"];
        assert_eq!(rows_of(&format!("{parent}{child}")), expect);
        // The alias and the plain form of a built-in's entry are the same place.
        let toml = "[permissions.w]\nextends = ':workspace'\n[permissions.w.filesystem]\n':project_roots' = 'read'\n':tmpdir' = 'deny'\n";
        assert_eq!(rows_of(toml), [":root read", ":projectroots read", ":tmpdir deny", ":slashtmp write"]);
    }

    #[test]
    fn within_one_definition_the_stricter_spelling_decides() {
        let toml = "[permissions.w.filesystem]\n'/a' = 'write'\n'/a/' = 'read'\n'/b' = 'write'\n'/b/.' = 'deny'\n'/c/**' = 'write'\n'/c' = 'read'";
        // Of read and write the stronger word is meant, as between entries of one path anywhere.
        assert_eq!(rows(&resolved(toml)), ["/a write", "/b deny", "/c write"]);
    }

    #[test]
    fn inheritance_covers_the_other_tables() {
        let resolved = resolved(
            "[permissions.p]\nworkspace_roots = { '/x' = true, '/y/' = true }
             [permissions.p.filesystem]\nglob_scan_max_depth = 2\n':workspace_roots' = 'read'
             [permissions.p.network]\nenabled = true
             [permissions.w]\nextends = 'p'\nworkspace_roots = { '/y' = false, '~/z' = true }\n",
        );
        assert_eq!(rows(&resolved), [":projectroots read", "/home/u/z read", "/x read"]);
        assert_eq!(resolved.profile.network(), NetworkAccess::Enabled);
        assert!(resolved.profile.to_canonical_json().unwrap().contains("\"glob_scan_max_depth\":2"));
    }

    #[test]
    fn keys_without_a_meaning_are_errors_at_the_key() {
        let rows = [
            (
                "'docs' = 'read'",
                "permissions.w.filesystem.docs",
                "must be absolute, use `~/`, or start with `:`",
            ),
            ("'' = 'read'", "permissions.w.filesystem.\"\"", "must be absolute"),
            ("'~root/x' = 'read'", "permissions.w.filesystem.\"~root/x\"", "only understood alone"),
            ("\"/a\\u0000\" = 'read'", "permissions.w.filesystem.\"/a\\u{0}\"", "NUL"),
            ("'/a/*.rs' = 'write'", "permissions.w.filesystem.\"/a/*.rs\"", "globs are only for `deny`"),
            ("':tmpdir' = { x = 'read' }", "permissions.w.filesystem.\":tmpdir\"", "scoped"),
            ("':slash_tmp' = { x = 'read' }", "permissions.w.filesystem.\":slash_tmp\"", "scoped"),
            ("':minimal' = {}", "permissions.w.filesystem.\":minimal\"", "scoped"),
            ("'/a' = { '..' = 'read' }", "permissions.w.filesystem.\"/a\".\"..\"", "plain descendant"),
            ("'/a' = { '/b' = 'read' }", "permissions.w.filesystem.\"/a\".\"/b\"", "absolute"),
            ("'/**/*.env' = 'deny'", "permissions.w.filesystem.\"/**/*.env\"", "whole disk"),
            (
                "':root' = { '**/*.env' = 'deny' }",
                "permissions.w.filesystem.\":root\".\"**/*.env\"",
                "whole disk",
            ),
        ];
        for (entry, key, expect) in rows {
            let error = error(&format!("[permissions.w.filesystem]\n{entry}\n"));
            let (at, anchor) = error.setting().unwrap();
            assert_eq!((at.to_string(), anchor), (key.to_owned(), Anchor::Key));
            assert!(error.to_string().contains(expect), "{error}");
            assert!(!error.help().is_empty());
        }
        for root in ["", "~root", "\\u0000"] {
            let toml = format!("[permissions.w]\nworkspace_roots = {{ \"{root}\" = true }}");
            assert!(matches!(error(&toml), ResolveError::Setting { .. }));
        }
    }

    #[test]
    fn a_workspace_at_the_root_cannot_be_searched() {
        let toml = "[permissions.w.filesystem.':workspace_roots']\n'**/*.env' = 'deny'";
        let error = resolve_in("w", toml, "/").unwrap_err().to_string();
        assert!(error.contains("whole disk"), "{error}");
    }

    #[test]
    fn warnings_name_what_has_no_effect() {
        let rows: [(&str, &[&str]); 7] = [
            ("[permissions.w]", &["no recognised filesystem entry"]),
            (
                "[permissions.w.filesystem]\n':cwd' = 'write'",
                &["`:cwd` is not known", "no recognised filesystem entry"],
            ),
            ("[permissions.w.filesystem]\n':cwd' = 'write'\n'/a' = 'read'", &["`:cwd` is not known"]),
            (
                "[permissions.w.filesystem]\n':tmpdir/x' = 'deny'\n'/a' = 'read'",
                &["written in a table under it"],
            ),
            ("[permissions.w.filesystem]\n'/a/**/*.env' = 'deny'", &["set `glob_scan_max_depth`"]),
            (
                "[permissions.w.filesystem]\nglob_scan_max_depth = 1\n'/a/**/*.env' = 'deny'\n'/b/*.env' = 'deny'",
                &[],
            ),
            (
                "[permissions.w.filesystem]\n'/a' = 'read'\n[permissions.w.network]\nenabled = true\ndomains = { x = 'deny' }",
                &["open without limits"],
            ),
        ];
        for (toml, expect) in rows {
            let resolved = resolved(toml);
            assert_eq!(resolved.warnings.len(), expect.len(), "{toml}: {:?}", resolved.warnings);
            for (warning, part) in resolved.warnings.iter().zip(expect) {
                assert!(warning.contains(part), "{warning}");
            }
        }
    }

    #[test]
    fn unknown_tokens_are_kept_and_grant_nothing() {
        let resolved = resolved("[permissions.w.filesystem]\n':cwd' = { x = 'write' }\n");
        assert_eq!(rows(&resolved), [":unknown(\":cwd\")/x write"]);
        assert_eq!(resolved.profile.network(), NetworkAccess::Restricted);
    }

    #[test]
    fn a_short_text_does_not_make_very_many_places() {
        let roots: String = (0..200).map(|number| format!("'/r{number}' = true\n")).collect();
        let scopes =
            |count: usize| -> String { (0..count).map(|number| format!("'s{number}' = 'read'\n")).collect() };
        let text = |count| {
            format!(
                "[permissions.w.workspace_roots]\n{roots}[permissions.w.filesystem.':workspace_roots']\n{}",
                scopes(count)
            )
        };
        assert_eq!(rows(&resolved(&text(40))).len(), 40 * 201);
        let text = error(&text(200)).to_string();
        assert!(text.contains("more than 10000 places"), "{text}");
    }
}
