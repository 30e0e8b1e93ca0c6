//! What a repository's config file changes: only what narrows (I10).
//!
//! Here a project layer is taken apart and put together again with nothing in it but values that permit less than
//! the layers below it. Profiles are not merged at all: they are kept apart, and narrow the selected one
//! (`narrow_profile.rs`).

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::approval::{ApprovalPolicy, ApprovalsReviewer};
use crate::definition::ProfileDefinition;
use crate::display::escape_short;
use crate::environment::Inherit;
use crate::keys::KeyPath;
use crate::layers::{Layer, LayerSource};
use crate::location::Anchor;
use crate::mode::SandboxMode;
use crate::path::AbsolutePath;
use crate::settings::{KNOWN_KEYS, Settings};
use crate::web_search::WebSearchMode;
use crate::wildcard::Wildcard;

/// The most ignored keys that are kept by name, and shown of them.
const KEPT_NAMES: usize = 32;
const SHOWN_NAMES: usize = 6;

/// The profiles of one repository file. They are never merged with those of the person: they can only narrow what
/// that person selected.
#[derive(Clone, Debug)]
pub struct ProjectProfile {
    /// The file, with all that it says, to point into.
    pub layer: Layer,
    /// The profile that it wants used.
    pub default_permissions: Option<String>,
    /// The profiles as this file sees them: those of the person with those of the repository laid over.
    pub permissions: BTreeMap<String, ProfileDefinition>,
}

/// Keys of a repository's file that configure something else, and have no effect from there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IgnoredKeys {
    /// The file.
    pub source: LayerSource,
    /// The first of them.
    pub keys: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// The effective settings below a project layer.
pub(crate) struct Below<'a> {
    /// What the layers say.
    pub(crate) settings: &'a Settings,
    /// `writable_roots`, absolute.
    pub(crate) writable_roots: &'a [AbsolutePath],
}

/// What is left of a project layer.
pub(crate) struct Narrowed {
    /// The layer with what narrows.
    pub(crate) layer: Layer,
    /// One more list that inherited variables must match.
    pub(crate) include_only_also: Option<Vec<Wildcard>>,
    /// What has no meaning from there.
    pub(crate) ignored: Option<IgnoredKeys>,
    /// What the person should know, one sentence each, safe to print.
    pub(crate) warnings: Vec<String>,
}

/// Takes a project layer apart. `own` is what it says, `own_roots` its `writable_roots`, absolute.
pub(crate) fn narrow(
    layer: Layer,
    own: &Settings,
    own_roots: Option<&[AbsolutePath]>,
    below: &Below<'_>,
) -> Narrowed {
    let mut sieve = Sieve { layer: &layer, kept: Table::new(), warnings: Vec::new() };
    sieve.approvals(own, below.settings);
    sieve.sandbox_mode(own, below.settings);
    sieve.workspace_write(own, own_roots, below);
    let include_only_also = sieve.environment(own, below.settings);
    sieve.web_search(own, below.settings);
    sieve.login_shell(own, below.settings);
    sieve.mcp_servers(own, below.settings);
    for key in ["features", "projects", "project_root_markers"] {
        if layer.sets(&[key]) {
            sieve.refuse(&[key], "this setting belongs to the person");
        }
    }
    let ignored = ignored_keys(&layer);
    if let Some(ignored) = &ignored {
        sieve.warnings.push(ignored.to_string());
    }
    let Sieve { kept, warnings, .. } = sieve;
    Narrowed { layer: layer.with_table(kept), include_only_also, ignored, warnings }
}

/// A project layer on its way through.
struct Sieve<'a> {
    layer: &'a Layer,
    kept: Table,
    warnings: Vec<String>,
}

impl Sieve<'_> {
    /// Keeps a value.
    fn keep(&mut self, key: &[&str], value: impl Into<Value>) {
        let Some((last, tables)) = key.split_last() else { return };
        let mut table = &mut self.kept;
        for name in tables {
            let inner = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
            // Only tables are ever put here.
            let Some(inner) = inner.as_table_mut() else { return };
            table = inner;
        }
        table.insert((*last).to_owned(), value.into());
    }

    /// Leaves a value out, and says so.
    fn refuse(&mut self, key: &[&str], because: &str) {
        let key = KeyPath::new(key.iter().copied());
        let location = self.layer.locate(&key, Anchor::Key);
        self.warnings
            .push(format!("{location}: `{key}` is ignored: a repository can only narrow, and {because}"));
    }

    /// `approval_policy` and `approvals_reviewer`.
    fn approvals(&mut self, own: &Settings, below: &Settings) {
        if let Some(policy) = own.approval_policy {
            let current = below.approval_policy.unwrap_or_default();
            if policy == current {
            } else if current.narrows_to(policy) {
                self.keep(&["approval_policy"], approval_value(policy));
            } else {
                self.refuse(&["approval_policy"], &format!("the policy is `{current}`"));
            }
        }
        match (own.approvals_reviewer, below.approvals_reviewer.unwrap_or_default()) {
            (None, _) | (Some(ApprovalsReviewer::User), ApprovalsReviewer::User) => {}
            (Some(ApprovalsReviewer::User), ApprovalsReviewer::AutoReview) => {
                self.keep(&["approvals_reviewer"], ApprovalsReviewer::User.to_string());
            }
            (Some(ApprovalsReviewer::AutoReview), ApprovalsReviewer::AutoReview) => {}
            (Some(ApprovalsReviewer::AutoReview), ApprovalsReviewer::User) => {
                self.refuse(&["approvals_reviewer"], "the person answers");
            }
        }
    }

    /// `sandbox_mode`. Where nothing sets it, the workspace of a trusted project is writable.
    fn sandbox_mode(&mut self, own: &Settings, below: &Settings) {
        let Some(mode) = own.sandbox_mode else { return };
        let current = below.sandbox_mode.unwrap_or(SandboxMode::WorkspaceWrite);
        match openness(mode).cmp(&openness(current)) {
            std::cmp::Ordering::Less => self.keep(&["sandbox_mode"], mode.as_str()),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                self.refuse(&["sandbox_mode"], &format!("the mode is `{current}`"));
            }
        }
    }

    /// `[sandbox_workspace_write]`.
    fn workspace_write(&mut self, own: &Settings, own_roots: Option<&[AbsolutePath]>, below: &Below<'_>) {
        let table = "sandbox_workspace_write";
        let (write, current) = (&own.sandbox_workspace_write, &below.settings.sandbox_workspace_write);
        if let Some(roots) = own_roots {
            self.writable_roots(roots, below.writable_roots);
        }
        match (write.network_access, current.network_access.unwrap_or_default()) {
            (Some(false), true) => self.keep(&[table, "network_access"], false),
            (Some(true), false) => self.refuse(&[table, "network_access"], "the network is off"),
            (None | Some(false), false) | (None | Some(true), true) => {}
        }
        let switches = [
            ("exclude_tmpdir_env_var", write.exclude_tmpdir_env_var, current.exclude_tmpdir_env_var),
            ("exclude_slash_tmp", write.exclude_slash_tmp, current.exclude_slash_tmp),
        ];
        for (key, exclude, excluded) in switches {
            match (exclude, excluded) {
                (true, false) => self.keep(&[table, key], true),
                (false, true) if self.layer.sets(&[table, key]) => {
                    self.refuse(&[table, key], "the folder is already left out");
                }
                (true, true) | (false, _) => {}
            }
        }
    }

    /// Those roots of the person that lie in one of the repository's. A root that the repository names inside one
    /// of the person's is left out as well: it could be a symlink that the repository brought along.
    fn writable_roots(&mut self, own: &[AbsolutePath], current: &[AbsolutePath]) {
        let key = &["sandbox_workspace_write", "writable_roots"];
        let (widest, granted) = (outermost(own), BTreeSet::from_iter(current));
        let kept: Vec<&AbsolutePath> = current.iter().filter(|root| is_covered(root, &widest)).collect();
        // What begins with a root follows it directly in the order of paths.
        let has_none = |root: &&AbsolutePath| {
            !granted
                .range::<&AbsolutePath, _>(*root..)
                .next()
                .is_some_and(|granted| granted.starts_with(root))
        };
        let unused = own.iter().find(has_none);
        if let Some(root) = unused {
            self.refuse(key, &format!("`{root}` is not a root that the person made writable"));
        }
        if kept.len() < current.len() {
            // A path that is not UTF-8 cannot be written here; without it there is one root less.
            let kept = kept.into_iter().filter_map(|root| root.as_path().to_str().map(Value::from));
            self.keep(key, Value::Array(kept.collect()));
        }
    }

    /// `[shell_environment_policy]`. Answers with the list of patterns of `include_only`, which is never merged:
    /// that of the person is also for the variables that the person sets, and those may be there to protect.
    fn environment(&mut self, own: &Settings, below: &Settings) -> Option<Vec<Wildcard>> {
        let table = "shell_environment_policy";
        let (own, current) = (&own.shell_environment_policy, &below.shell_environment_policy);
        let sets = |key: &str| self.layer.sets(&[table, key]);
        let (inherit_is_set, defaults_are_set) = (sets("inherit"), sets("ignore_default_excludes"));
        match inherited(own.inherit).cmp(&inherited(current.inherit)) {
            std::cmp::Ordering::Less => self.keep(&[table, "inherit"], inherit_word(own.inherit)),
            std::cmp::Ordering::Greater if inherit_is_set => {
                self.refuse(
                    &[table, "inherit"],
                    &format!("commands inherit `{}`", inherit_word(current.inherit)),
                );
            }
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => {}
        }
        match (own.ignore_default_excludes, current.ignore_default_excludes) {
            (false, true) => self.keep(&[table, "ignore_default_excludes"], false),
            (true, false) if defaults_are_set => {
                self.refuse(&[table, "ignore_default_excludes"], "names of secrets are dropped");
            }
            (true, _) | (false, false) => {}
        }
        let dropped: BTreeSet<&Wildcard> = current.exclude.iter().collect();
        let more: Vec<&Wildcard> = own.exclude.iter().filter(|pattern| !dropped.contains(pattern)).collect();
        if !more.is_empty() {
            let all = current.exclude.iter().chain(more);
            self.keep(&[table, "exclude"], patterns(all));
        }
        if !own.set.is_empty() {
            self.refuse(&[table, "set"], "variables decide what programs load and run");
        }
        let is_new = !own.include_only.is_empty() && own.include_only != current.include_only;
        is_new.then(|| own.include_only.clone())
    }

    /// `web_search`. Where nothing sets it, answers come from a cache at least.
    fn web_search(&mut self, own: &Settings, below: &Settings) {
        let Some(mode) = own.web_search else { return };
        let current = below.web_search.unwrap_or(WebSearchMode::Cached);
        if mode < current || mode == current && below.web_search.is_none() {
            self.keep(&["web_search"], mode.to_string());
        } else if mode > current {
            self.refuse(&["web_search"], &format!("it is `{current}`"));
        }
    }

    /// `allow_login_shell`.
    fn login_shell(&mut self, own: &Settings, below: &Settings) {
        match (own.allow_login_shell, below.allow_login_shell.unwrap_or(true)) {
            (Some(false), true) => self.keep(&["allow_login_shell"], false),
            (Some(true), false) => self.refuse(&["allow_login_shell"], "login shells are off"),
            (None | Some(false), false) | (None | Some(true), true) => {}
        }
    }

    /// `[mcp_servers]`: a repository can switch one off.
    fn mcp_servers(&mut self, own: &Settings, below: &Settings) {
        let mut says_more = false;
        for (name, server) in &own.mcp_servers {
            let written = self.layer.table.get("mcp_servers").and_then(|servers| servers.get(name));
            let keys = written.and_then(Value::as_table).map_or(0, Table::len);
            says_more |= server.enabled || keys != 1;
            if !server.enabled && below.mcp_servers.get(name).is_none_or(|current| current.enabled) {
                self.keep(&["mcp_servers", name, "enabled"], false);
            }
        }
        if says_more {
            self.refuse(&["mcp_servers"], "only `enabled = false` of a server does; servers are programs");
        }
    }
}

/// Keys that nothing here reads. From a repository they are not handed on, because some of them run programs or
/// lead requests elsewhere.
fn ignored_keys(layer: &Layer) -> Option<IgnoredKeys> {
    let unknown = || layer.table.keys().filter(|key| !KNOWN_KEYS.contains(&key.as_str()));
    let count = unknown().count();
    let keys = unknown().take(KEPT_NAMES).cloned().collect();
    (count > 0).then(|| IgnoredKeys { source: layer.source.clone(), keys, count })
}

impl std::fmt::Display for IgnoredKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<String> =
            self.keys.iter().take(SHOWN_NAMES).map(|key| format!("`{}`", escape_short(key))).collect();
        let more = match self.count.saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = shown.join(", ");
        write!(
            formatter,
            "`{}`: ignored {shown}{more}: from a repository only what limits commands counts",
            self.source
        )
    }
}

/// Those of the roots that lie in no other, in order.
fn outermost(roots: &[AbsolutePath]) -> BTreeSet<&AbsolutePath> {
    let mut outermost = BTreeSet::new();
    for root in BTreeSet::from_iter(roots) {
        if !is_covered(root, &outermost) {
            outermost.insert(root);
        }
    }
    outermost
}

/// Whether a path is in one of the roots, of which none lies in another: then the only one that may hold it is the
/// last that does not come after it.
fn is_covered(path: &AbsolutePath, outermost: &BTreeSet<&AbsolutePath>) -> bool {
    outermost.range::<&AbsolutePath, _>(..=path).next_back().is_some_and(|root| path.starts_with(root))
}

/// How much a mode opens.
fn openness(mode: SandboxMode) -> u8 {
    match mode {
        SandboxMode::ReadOnly => 0,
        SandboxMode::WorkspaceWrite => 1,
        SandboxMode::DangerFullAccess => 2,
    }
}

/// How much is inherited.
fn inherited(inherit: Inherit) -> u8 {
    match inherit {
        Inherit::None => 0,
        Inherit::Core => 1,
        Inherit::All => 2,
    }
}

/// As written.
fn inherit_word(inherit: Inherit) -> &'static str {
    match inherit {
        Inherit::None => "none",
        Inherit::Core => "core",
        Inherit::All => "all",
    }
}

/// As written.
fn patterns<'a>(patterns: impl Iterator<Item = &'a Wildcard>) -> Value {
    Value::Array(patterns.map(|pattern| Value::from(pattern.as_str())).collect())
}

/// As written.
fn approval_value(policy: ApprovalPolicy) -> Value {
    match policy {
        ApprovalPolicy::Untrusted
        | ApprovalPolicy::OnFailure
        | ApprovalPolicy::OnRequest
        | ApprovalPolicy::Never => Value::from(policy.to_string()),
        ApprovalPolicy::Granular(granular) => {
            let kinds = [
                ("sandbox_approval", granular.sandbox_approval),
                ("rules", granular.rules),
                ("mcp_elicitations", granular.mcp_elicitations),
                ("skill_approval", granular.skill_approval),
                ("request_permissions", granular.request_permissions),
            ];
            let kinds = kinds.map(|(name, on)| (name.to_owned(), Value::from(on)));
            Value::Table(Table::from_iter([("granular".to_owned(), Value::Table(Table::from_iter(kinds)))]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_the_outermost_root_that_it_begins_with() {
        let path = |text: &str| AbsolutePath::parse(text).unwrap();
        let roots = ["/a/b", "/a", "/a-b", "/c/d", "/c/d/e", "/a"].map(path);
        let outermost = outermost(&roots);
        assert_eq!(outermost, BTreeSet::from_iter(&["/a", "/a-b", "/c/d"].map(path)));
        for inside in ["/a", "/a/b", "/a/b/c", "/a/z", "/a-b/x", "/c/d", "/c/d/e/f", "/c/d/z"] {
            assert!(is_covered(&path(inside), &outermost), "{inside}");
        }
        for outside in ["/", "/aa", "/a-", "/b", "/c", "/c/dd", "/c/e", "/z"] {
            assert!(!is_covered(&path(outside), &outermost), "{outside}");
        }
    }
}
