//! Texts of configuration and of requirements, picked from values that have to do with each other.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Settings of a person's file: each key with the values to choose from, in TOML.
const SETTINGS: [(&str, &[&str]); 22] = [
    (
        "approval_policy",
        &[
            "'untrusted'",
            "'on-failure'",
            "'on-request'",
            "'never'",
            "{ granular = { sandbox_approval = true, rules = false, mcp_elicitations = true } }",
        ],
    ),
    ("approvals_reviewer", &["'user'", "'auto_review'"]),
    ("sandbox_mode", &["'read-only'", "'workspace-write'", "'danger-full-access'"]),
    ("web_search", &["'disabled'", "'cached'", "'indexed'", "'live'"]),
    ("allow_login_shell", &["true", "false"]),
    ("sandbox_workspace_write.writable_roots", &["[]", "['/srv/x']", "['/', '/srv/data']", "['~/x']"]),
    ("sandbox_workspace_write.network_access", &["true", "false"]),
    ("sandbox_workspace_write.exclude_slash_tmp", &["true", "false"]),
    ("sandbox_workspace_write.exclude_tmpdir_env_var", &["true", "false"]),
    ("mcp_servers.a", &["{ command = 'a' }", "{ command = 'b', enabled = false }", "{ command = 'b' }"]),
    ("mcp_servers.b", &["{ command = 'b', args = ['--p=1'] }", "{ url = 'https://b.test/x' }"]),
    ("features.x", &["true", "false"]),
    ("features.y", &["{ enabled = true, other = 1 }", "false"]),
    ("permissions.p.extends", &["':workspace'", "':read-only'"]),
    ("permissions.p.filesystem.':root'", &["'read'", "'write'", "'deny'"]),
    ("permissions.p.filesystem.':minimal'", &["'read'"]),
    (
        "permissions.p.filesystem.':workspace_roots'",
        &["'read'", "'write'", "{ docs = 'deny', src = 'write', '**/*.env' = 'deny' }"],
    ),
    ("permissions.p.filesystem.'/srv/data'", &["'read'", "'write'", "'deny'"]),
    ("permissions.p.filesystem.'/srv/data/*.pem'", &["'deny'"]),
    (
        "permissions.p.network",
        &["{ enabled = true }", "{ enabled = true, domains = { 'a.test' = 'allow', 'b.test' = 'deny' } }"],
    ),
    ("permissions.q.extends", &["'p'", "':workspace'", "'nobody'"]),
    ("permissions.q.filesystem", &["{ ':tmpdir' = 'write', '/srv' = 'read' }", "{ '/usr' = 'deny' }"]),
];

/// Names of profiles: the person's, the administrator's, those built in, nobody's.
const NAMES: [&str; 7] = ["p", "q", "m", ":read-only", ":workspace", ":danger-full-access", "nobody"];

/// Definitions of the administrator's profiles.
const MANAGED: [&str; 5] = [
    "{ extends = ':workspace', network = { enabled = true } }",
    "{ extends = ':read-only', filesystem = { '/srv/data' = 'write' } }",
    "{ filesystem = { ':minimal' = 'read', ':workspace_roots' = 'write', '/w/docs' = 'deny' } }",
    "{ filesystem = { ':root' = 'write', '/srv/secrets' = 'deny' }, network = { enabled = true } }",
    "{ extends = ':danger-full-access' }",
];

/// What is typed for one run.
const TYPED: [&str; 6] = [
    "sandbox_mode=danger-full-access",
    "sandbox_mode=workspace-write",
    "default_permissions=':workspace'",
    "approval_policy=never",
    "web_search=live",
    "features.x=true",
];

/// What a person and a repository set.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    /// The person's file.
    pub(crate) user: String,
    /// `-c`.
    pub(crate) typed: Vec<&'static str>,
    /// The repository's file, and which profile that selects.
    pub(crate) repository: Option<(String, Option<&'static str>)>,
    /// Whether the person trusts the project, if that is known.
    pub(crate) trust: Option<bool>,
}

/// Lists of what is allowed, with all there is.
const LISTS: [(&str, &[&str]); 4] = [
    (
        "allowed_approval_policies",
        &[
            "'untrusted'",
            "'on-request'",
            "'on-failure'",
            "'never'",
            "{ granular = { sandbox_approval = true, rules = false, mcp_elicitations = true } }",
        ],
    ),
    ("allowed_approvals_reviewers", &["'user'", "'auto_review'"]),
    (
        "allowed_sandbox_modes",
        &["'read-only'", "'workspace-write'", "'danger-full-access'", "'external-sandbox'"],
    ),
    ("allowed_web_search_modes", &["'disabled'", "'cached'", "'indexed'", "'live'"]),
];

/// The element that a list of modes never does without.
const READ_ONLY: &str = "'read-only'";

/// Single values.
const VALUES: [(&str, &[&str]); 11] = [
    ("features.x", &["true", "false"]),
    ("features.y", &["true", "false"]),
    ("features.z", &["true", "false"]),
    ("enforce_residency", &["'us'"]),
    ("allow_login_shell", &["true", "false"]),
    ("log_dir", &["'log'", "'/var/log/c'"]),
    ("feedback.enabled", &["false"]),
    ("chatgpt_base_url", &["'https://c.test/'"]),
    (
        "experimental_network",
        &["{ enabled = false }", "{ domains = { '*.test' = 'allow', 'evil.test' = 'deny' } }"],
    ),
    ("hooks.managed_dir", &["'/etc/codex/hooks'"]),
    ("permissions.n", &MANAGED),
];

/// Host-dependent modes, which stand in for the list of modes of their layer.
const REMOTE: &str = "[{ hostname_patterns = ['build-*'], allowed_sandbox_modes = ['read-only'] }]";

const SERVERS: [(&str, &[&str]); 2] = [
    ("a", &["{ command = 'a' }", "{ command = 'b' }"]),
    (
        "b",
        &[
            "{ command = 'b', args = [{ match = 'prefix', value = '--p=' }] }",
            "{ url = { match = 'regex', expression = 'https://[a-z.]+/x' } }",
        ],
    ),
];

const DENIED: [&str; 9] = [
    "/srv/data/secrets",
    "/srv/data",
    "~/.ssh",
    "keys",
    "/srv/**/*.pem",
    "/w/**/.env",
    "/w/docs",
    "/tmp",
    "/",
];

const RULES: [&str; 5] = [
    "{ pattern = [{ token = 'git' }, { any_of = ['push', 'remote'] }], decision = 'prompt-user' }",
    "{ pattern = [{ any_of = ['rm', 'dd'] }], decision = 'forbidden', justification = 'no' }",
    "{ pattern = [{ token = 'ls' }], decision = 'prompt' }",
    "{ pattern = [{ token = 'git' }, { token = 'push' }], decision = 'forbidden', canonical_matching = true }",
    "{ pattern = [{ token = 'curl' }], decision = 'prompt' }",
];

/// A requirements file in parts, so that single requirements can be added to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Required {
    lists: BTreeMap<&'static str, Vec<&'static str>>,
    values: BTreeMap<&'static str, &'static str>,
    servers: Option<BTreeMap<&'static str, &'static str>>,
    catalogue: Option<Catalogue>,
    remote: bool,
    denied: Vec<&'static str>,
    rules: Vec<&'static str>,
}

/// Selectable profiles, the managed one among them.
#[derive(Clone, Debug)]
struct Catalogue {
    names: BTreeMap<&'static str, bool>,
    default: &'static str,
    managed: &'static str,
}

/// One more requirement.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// For messages.
    pub(crate) what: String,
    pub(crate) required: Required,
    /// Whether that is a catalogue, which brings a default for those who chose no profile.
    pub(crate) brings_catalogue: bool,
    /// Whether it takes a profile from the catalogue.
    pub(crate) shrinks_catalogue: bool,
    /// Whether it takes an element from the list of web search modes.
    pub(crate) shrinks_web_search: bool,
}

impl Required {
    /// As a file.
    pub(crate) fn to_text(&self) -> String {
        let table = |rows: Vec<String>| format!("{{ {} }}", rows.join(", "));
        let quoted = |(name, value): (&&str, &dyn std::fmt::Display)| format!("'{name}' = {value}");
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.lists.iter().map(|(key, items)| format!("{key} = [{}]", items.join(", "))));
        lines.extend(self.values.iter().map(|(key, value)| format!("{key} = {value}")));
        lines.extend(self.servers.iter().map(|servers| {
            let row = |(name, identity): (&&str, &&str)| format!("{name} = {{ identity = {identity} }}");
            format!("mcp_servers = {}", table(servers.iter().map(row).collect()))
        }));
        if let Some(Catalogue { names, default, managed }) = &self.catalogue {
            let rows = names.iter().map(|(name, on)| quoted((name, on))).collect();
            lines.push(format!("allowed_permission_profiles = {}", table(rows)));
            lines.push(format!("default_permissions = '{default}'\npermissions.m = {managed}"));
        }
        lines.extend(self.remote.then(|| format!("remote_sandbox_config = {REMOTE}")));
        if !self.denied.is_empty() {
            let places: Vec<_> = self.denied.iter().map(|place| format!("'{place}'")).collect();
            lines.push(format!("permissions.filesystem.deny_read = [{}]", places.join(", ")));
        }
        if !self.rules.is_empty() {
            lines.push(format!("rules.prefix_rules = [{}]", self.rules.join(", ")));
        }
        lines.join("\n") + "\n"
    }

    /// Everything that is this and one requirement more, taken from `others` or by shortening a list.
    pub(crate) fn steps(&self, others: &Self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut step = |what: String, change: &dyn Fn(&mut Self)| {
            let mut required = self.clone();
            change(&mut required);
            let brings_catalogue = required.catalogue.is_some() && self.catalogue.is_none();
            let shrinks_catalogue = what.starts_with("not allowed_permission_profiles");
            let shrinks_web_search = what.starts_with("not allowed_web_search_modes");
            steps.push(Step { what, required, brings_catalogue, shrinks_catalogue, shrinks_web_search });
        };
        for (key, list) in others.lists.iter().filter(|(key, _)| !self.lists.contains_key(*key)) {
            step(format!("{key} = {list:?}"), &|it| it.lists.extend([(*key, list.clone())]));
        }
        for (key, list) in &self.lists {
            let may_be_empty = *key == "allowed_web_search_modes";
            for gone in list.iter().filter(|gone| **gone != READ_ONLY && (may_be_empty || list.len() > 1)) {
                step(format!("not {key} {gone}"), &|it| {
                    it.lists.entry(key).or_default().retain(|item| item != gone)
                });
            }
        }
        for (key, value) in others.values.iter().filter(|(key, _)| !self.values.contains_key(*key)) {
            step(format!("{key} = {value}"), &|it| it.values.extend([(*key, *value)]));
        }
        match (&self.servers, &others.servers) {
            (None, Some(servers)) => {
                step(format!("mcp_servers = {servers:?}"), &|it| it.servers = Some(servers.clone()))
            }
            (Some(servers), _) => {
                for name in servers.keys() {
                    step(format!("not mcp_servers.{name}"), &|it| {
                        it.servers.iter_mut().for_each(|servers| servers.retain(|it, _| it != name))
                    });
                }
            }
            (None, None) => {}
        }
        match (&self.catalogue, &others.catalogue) {
            (None, Some(catalogue)) => {
                step(format!("{catalogue:?}"), &|it| it.catalogue = Some(catalogue.clone()))
            }
            (Some(Catalogue { names, default, .. }), _) => {
                for name in names.keys().filter(|name| *name != default) {
                    step(format!("not allowed_permission_profiles.{name}"), &|it| {
                        it.catalogue.iter_mut().for_each(|it| it.names.extend([(*name, false)]))
                    });
                }
            }
            (None, None) => {}
        }
        if others.remote && !self.remote && !self.lists.contains_key("allowed_sandbox_modes") {
            step("remote_sandbox_config".to_owned(), &|it| it.remote = true);
        }
        for place in others.denied.iter().filter(|place| !self.denied.contains(place)) {
            step(format!("deny_read {place}"), &|it| it.denied.push(place));
        }
        for rule in others.rules.iter().filter(|rule| !self.rules.contains(rule)) {
            step(format!("rule {rule}"), &|it| it.rules.push(rule));
        }
        steps
    }
}

/// Lines for some of the settings.
fn lines(settings: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = String> {
    picks(settings, 0.4)
        .prop_map(|picks| picks.iter().map(|(key, value)| format!("{key} = {value}\n")).collect())
}

/// Some of the keys, each with one of its values.
fn picks(
    table: &'static [(&'static str, &'static [&'static str])],
    probability: f64,
) -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    let pick: Vec<_> =
        table.iter().map(|(_, values)| prop::option::weighted(probability, select(*values))).collect();
    pick.prop_map(|picks| {
        table.iter().zip(picks).filter_map(|((key, _), value)| Some((*key, value?))).collect()
    })
}

/// A person's configuration, and sometimes a repository's.
pub(crate) fn configured() -> impl Strategy<Value = Configured> {
    // `p` and the profile that is selected are there most of the time, or most of it would be errors.
    let user = (prop::option::weighted(0.8, select(&NAMES[..])), any::<bool>(), lines(&SETTINGS));
    let user = user.prop_map(|(default, define, text)| {
        let default = default.map_or_else(String::new, |name| format!("default_permissions = '{name}'\n"));
        let define =
            if define { "permissions.p.description = 'd'\npermissions.q.description = 'd'\n" } else { "" };
        format!("{default}{text}{define}")
    });
    let repository = (lines(&SETTINGS), prop::option::of(select(&NAMES[..2]))).prop_map(|(text, name)| {
        (format!("{text}permissions.p.description = 'd'\npermissions.q.description = 'd'\n"), name)
    });
    (
        user,
        prop::option::weighted(0.2, select(&TYPED[..])),
        prop::option::weighted(0.3, repository),
        any::<Option<bool>>(),
    )
        .prop_map(|(user, typed, repository, trust)| Configured {
            user,
            typed: typed.into_iter().collect(),
            repository,
            trust,
        })
}

/// A requirements file.
pub(crate) fn required() -> impl Strategy<Value = Required> {
    let list = |(key, all): &(&'static str, &'static [&'static str])| {
        let (key, may_be_empty) = (*key, *key == "allowed_web_search_modes");
        let items = subsequence(*all, usize::from(!may_be_empty)..=all.len()).prop_shuffle();
        prop::option::weighted(0.4, items).prop_map(move |items| {
            let mut items = items?;
            if key == "allowed_sandbox_modes" && !items.contains(&READ_ONLY) {
                items.push(READ_ONLY);
            }
            Some((key, items))
        })
    };
    let lists: Vec<_> = LISTS.iter().map(list).collect();
    let catalogue =
        (subsequence(&NAMES[2..6], 1..=4), select(&MANAGED[..]), any::<prop::sample::Index>(), any::<u8>());
    let catalogue = catalogue.prop_map(|(names, managed, default, allowed)| {
        let default = *default.get(&names);
        let is_on =
            |(index, name): (usize, &'static str)| (name, name == default || allowed >> index & 1 == 1);
        Catalogue { names: names.into_iter().enumerate().map(is_on).collect(), default, managed }
    });
    (
        lists,
        picks(&VALUES, 0.2),
        prop::option::weighted(0.4, picks(&SERVERS, 0.6)),
        prop::option::weighted(0.4, catalogue),
        prop::bool::weighted(0.1),
        subsequence(&DENIED[..], 0..=2),
        subsequence(&RULES[..], 0..=3),
    )
        .prop_map(|(lists, values, servers, catalogue, remote, denied, rules)| Required {
            lists: lists.into_iter().flatten().collect(),
            values,
            servers,
            catalogue,
            remote,
            denied,
            rules,
        })
}
