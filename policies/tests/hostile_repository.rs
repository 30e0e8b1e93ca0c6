//! A repository cannot relax anything (I10): whatever its files say, the configuration, the selected profiles and
//! the environment of commands equal those without these files, or are narrower.
//!
//! Rows are in `cases/hostile_repository.toml`. Beside each attempt to widen stands a twin that narrows.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod permitted;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;

use permitted::{Permitted, TMPDIR};
use policies::{
    AbsolutePath, ApprovalPolicy, ApprovalsReviewer, Asked, Config, ConfigSources, EffectivePolicy,
    NetworkDefinition, PermissionProfile, Purpose, Requirements, SandboxMode, SessionRequest, WebSearchMode,
    child_environment,
};
use proptest::prelude::*;
use serde::Deserialize;

const CASES: &str = include_str!("cases/hostile_repository.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

/// One repository. In texts `@REPO@`, `@HOME@` and `@OUT@` stand for folders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// `same`, `narrower` or `error`.
    expect: String,
    why: String,
    /// The person's own config file.
    #[serde(default)]
    user: String,
    /// What that says about the repository: `trusted`, `untrusted` or nothing.
    #[serde(default = "trusted")]
    trust: String,
    /// Below the repository.
    #[serde(default)]
    cwd: String,
    /// What the person types.
    #[serde(default)]
    overrides: Vec<String>,
    /// `-P`.
    profile: Option<String>,
    /// What the repository brings: files, symlinks, pipes, files of more than 1 MiB.
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    #[serde(default)]
    pipes: Vec<String>,
    #[serde(default)]
    big: Vec<String>,
    /// Files of a little more than half a MiB.
    #[serde(default)]
    half: Vec<String>,
    /// A text of a warning or of the error.
    #[serde(default)]
    says: String,
    /// A text that occurs in the effective settings.
    #[serde(default)]
    gives: String,
}

fn trusted() -> String {
    "trusted".to_owned()
}

/// Everything that could be relaxed.
#[derive(Clone, Debug, PartialEq)]
struct Effective {
    approval: ApprovalPolicy,
    reviewer: ApprovalsReviewer,
    web_search: WebSearchMode,
    allow_login_shell: bool,
    servers: BTreeSet<String>,
    features: BTreeMap<String, bool>,
    mode: Option<SandboxMode>,
    roots: BTreeSet<String>,
    root_options: [bool; 3],
    environment: BTreeMap<OsString, OsString>,
    profiles: BTreeSet<String>,
    session: Permitted,
    sandbox: Permitted,
}

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["repo/.git", "home/.codex", "out", "lib"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("out/config.toml"), "approval_policy = 'never'\n").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> AbsolutePath {
        let root = fs::canonicalize(self.folder.path()).unwrap();
        AbsolutePath::parse(root.join(name)).unwrap()
    }

    fn fill_in(&self, text: &str) -> String {
        [("@REPO@", "repo"), ("@HOME@", "home"), ("@OUT@", "out"), ("@LIB@", "lib")]
            .iter()
            .fold(text.to_owned(), |text, (word, name)| text.replace(word, &self.path(name).to_string()))
    }

    /// The person's own files, and the folder in which the person works.
    fn prepare(&self, case: &Case) {
        let mut user = self.fill_in(&case.user);
        if !case.trust.is_empty() {
            let repo = self.path("repo");
            user += &format!("\n[projects.'{repo}']\ntrust_level = '{}'\n", case.trust);
        }
        fs::write(self.path("home/.codex/config.toml"), user).unwrap();
        fs::create_dir_all(self.path("repo").as_path().join(&case.cwd)).unwrap();
    }

    fn bring_repository(&self, case: &Case) {
        let repo = self.path("repo");
        let place = |name: &String| {
            let path = repo.as_path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        for (name, target) in &case.links {
            symlink(self.fill_in(target), place(name)).unwrap();
        }
        for (name, text) in &case.files {
            let path = place(name);
            if path.file_name().is_some_and(|name| name == ".git") && path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            }
            fs::write(path, self.fill_in(text)).unwrap();
        }
        for name in &case.pipes {
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, place(name), kind, rustix::fs::Mode::RUSR, 0).unwrap();
        }
        for name in &case.half {
            fs::write(place(name), "# ".repeat(300_000)).unwrap();
        }
        for name in &case.big {
            fs::write(place(name), "# ".repeat(600_000) + "\nsandbox_mode = 'danger-full-access'\n").unwrap();
        }
    }

    /// What holds now, with all warnings.
    fn effective(&self, case: &Case) -> Result<(Effective, Vec<String>), String> {
        let cwd = AbsolutePath::parse(self.path("repo").as_path().join(&case.cwd)).unwrap();
        let (place, home) = (cwd.clone(), Some(self.path("home")));
        let config = Config::load(&ConfigSources {
            system: Vec::new(),
            codex_home: self.path("home/.codex").into_path_buf(),
            profile_file: None,
            overrides: case.overrides.iter().map(|text| self.fill_in(text)).collect(),
            managed: Vec::new(),
            cwd: cwd.clone(),
            home: home.clone(),
        })
        .map_err(|error| error.to_string())?;
        let tmpdir = Some(AbsolutePath::parse(TMPDIR).unwrap());
        let request = |purpose| SessionRequest {
            purpose,
            asked: case.profile.clone().map(Asked::Named),
            cwd: cwd.clone(),
            home: home.clone(),
            tmpdir: tmpdir.clone(),
        };
        let resolve = |purpose| {
            let request = request(purpose);
            EffectivePolicy::resolve(config.clone(), Requirements::default(), &request)
                .map_err(|error| error.to_string())
        };
        let (session, sandbox) = (resolve(Purpose::Session)?, resolve(Purpose::Sandbox)?);
        let warnings = [session.warnings.clone(), sandbox.warnings.clone()].concat();
        let approval = *session.approval_policy.get();
        let (session, sandbox) = (session.profile.resolved, sandbox.profile.resolved);
        let variables =
            ["PATH=/bin", "HOME=/h", "EDITOR=vi", "GITHUB_TOKEN=t", "LD_PRELOAD=/x", "SSH_AUTH_SOCK=/s"];
        let variables = variables.iter().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (OsString::from(name), OsString::from(value))
        });
        let write = &config.sandbox_workspace_write;
        let enabled = config.mcp_servers.iter().filter(|(_, server)| server.enabled);
        let effective = Effective {
            approval,
            reviewer: config.approvals_reviewer.unwrap_or_default(),
            web_search: config.web_search.unwrap_or(WebSearchMode::Cached),
            allow_login_shell: config.allow_login_shell,
            servers: enabled.map(|(name, server)| format!("{name} {server:?}")).collect(),
            features: config.features.clone(),
            mode: config.sandbox_mode,
            roots: write.writable_roots.iter().map(ToString::to_string).collect(),
            root_options: [
                write.network_access.is_enabled(),
                !write.exclude_slash_tmp,
                !write.exclude_tmpdir_env_var,
            ],
            environment: child_environment(
                &config.shell_environment_policy,
                variables,
                policies::NetworkAccess::Enabled,
            ),
            profiles: config.permissions.iter().map(|profile| format!("{profile:?}")).collect(),
            session: self.permitted(&session.profile, &session.network, &place),
            sandbox: self.permitted(&sandbox.profile, &sandbox.network, &place),
        };
        Ok((effective, warnings))
    }

    fn permitted(
        &self,
        profile: &PermissionProfile,
        network: &NetworkDefinition,
        cwd: &AbsolutePath,
    ) -> Permitted {
        let repo = self.path("repo");
        let names =
            ["", ".codex", ".git", "src", "src/a", "docs", "docs/a", "out", "key.env", "link", "link/x"];
        let mut probes: Vec<AbsolutePath> = names
            .iter()
            .map(|name| AbsolutePath::parse(repo.as_path().join(name)).unwrap())
            .chain(
                ["home", "home/.ssh", "home/.ssh/id", "out", "out/x", "lib", "lib/a"]
                    .map(|name| self.path(name)),
            )
            .collect();
        let absolute = ["/", "/etc", "/etc/x", "/usr", "/usr/lib", "/bin", "/tmp", "/tmp/x", TMPDIR, "/srv"];
        probes.extend(absolute.map(|path| AbsolutePath::parse(path).unwrap()));
        Permitted::of(profile, network, cwd, probes)
    }
}

impl Effective {
    /// The parts in which this is wider than `other`.
    fn wider_than(&self, other: &Self) -> Vec<&'static str> {
        let rank = |mode: Option<SandboxMode>| match mode {
            Some(SandboxMode::ReadOnly) => 0,
            Some(SandboxMode::WorkspaceWrite) | None => 1,
            Some(SandboxMode::DangerFullAccess) => 2,
        };
        let checks = [
            ("approval", self.approval == other.approval || other.approval.narrows_to(self.approval)),
            ("reviewer", self.reviewer == other.reviewer || self.reviewer == ApprovalsReviewer::User),
            ("web_search", self.web_search <= other.web_search),
            ("allow_login_shell", self.allow_login_shell <= other.allow_login_shell),
            ("servers", self.servers.is_subset(&other.servers)),
            ("features", self.features == other.features),
            ("mode", rank(self.mode) <= rank(other.mode)),
            ("roots", self.roots.is_subset(&other.roots)),
            (
                "root options",
                self.root_options.iter().zip(&other.root_options).all(|(ours, theirs)| ours <= theirs),
            ),
            (
                "environment",
                self.environment.iter().all(|(name, value)| other.environment.get(name) == Some(value)),
            ),
            ("profiles", self.profiles == other.profiles),
            ("session", self.session.is_within(&other.session)),
            ("sandbox", self.sandbox.is_within(&other.sandbox)),
        ];
        checks.into_iter().filter_map(|(part, holds)| (!holds).then_some(part)).collect()
    }
}

/// What is wrong with a case.
fn problem(case: &Case) -> Option<String> {
    assert!(!case.why.is_empty(), "{}: say why", case.name);
    let ground = Ground::new();
    ground.prepare(case);
    // A name that only the repository knows means nothing without it, so there the default is the measure.
    let without = ground.effective(case).or_else(|_| {
        let untyped = Case { profile: None, overrides: Vec::new(), ..case.plain() };
        ground.effective(&untyped)
    });
    let (without, _) = match without {
        Ok(without) => without,
        Err(error) => return Some(format!("without the repository: {error}")),
    };
    ground.bring_repository(case);
    match (ground.effective(case), case.expect.as_str()) {
        (Err(error), "error") => (!error.contains(&case.says)).then(|| format!("says {error}")),
        (Err(error), _) => Some(format!("fails with {error}")),
        (Ok(_), "error") => Some("is accepted".to_owned()),
        (Ok((with, warnings)), expect) => {
            let wider = with.wider_than(&without);
            let shown = format!("{with:?}");
            let says = case.says.is_empty() || warnings.iter().any(|warning| warning.contains(&case.says));
            if !wider.is_empty() {
                Some(format!("is wider in {wider:?}: {with:#?}"))
            } else if expect == "same" && with != without {
                Some(format!("changes {without:#?} to {with:#?}"))
            } else if expect == "narrower" && with == without {
                Some(format!("changes nothing; {warnings:?}"))
            } else if !says {
                Some(format!("does not say so: {warnings:?}"))
            } else if !shown.contains(&ground.fill_in(&case.gives)) {
                Some(format!("gives {shown}"))
            } else {
                None
            }
        }
    }
}

impl Case {
    /// A copy of what the person has.
    fn plain(&self) -> Self {
        Self {
            name: self.name.clone(),
            expect: self.expect.clone(),
            why: self.why.clone(),
            user: self.user.clone(),
            trust: self.trust.clone(),
            cwd: self.cwd.clone(),
            overrides: self.overrides.clone(),
            profile: self.profile.clone(),
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            pipes: Vec::new(),
            big: Vec::new(),
            half: Vec::new(),
            says: String::new(),
            gives: String::new(),
        }
    }
}

#[test]
fn no_repository_relaxes_anything() {
    let cases: Cases = toml::from_str(CASES).unwrap();
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    for case in &cases.case {
        assert!(names.insert(&case.name), "two cases `{}`", case.name);
        assert!(["same", "narrower", "error"].contains(&case.expect.as_str()), "{}", case.name);
        problems.extend(problem(case).map(|problem| format!("`{}` {problem}", case.name)));
    }
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), names.len(), problems.join("\n"));
    assert!(names.len() > 60, "rows went missing");
}

#[test]
fn an_untrusted_file_is_not_even_parsed() {
    let ground = Ground::new();
    let cases: Cases = toml::from_str(CASES).unwrap();
    let case = Case { trust: "untrusted".to_owned(), ..cases.case.first().unwrap().plain() };
    ground.prepare(&case);
    let file = ground.path("repo").as_path().join(".codex/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "sandbox_mode = ").unwrap();
    assert!(ground.effective(&case).is_ok(), "what is not read cannot be malformed");
    let trusting = Case { trust: trusted(), ..case.plain() };
    ground.prepare(&trusting);
    assert!(ground.effective(&trusting).unwrap_err().contains("invalid TOML"));
}

/// Otherwise what a file of the person's means would depend on the repository.
#[test]
fn a_name_in_a_file_of_the_person_is_a_profile_of_the_person() {
    let ground = Ground::new();
    let cases: Cases = toml::from_str(CASES).unwrap();
    let mut case = cases.case.first().unwrap().plain();
    case.user = "default_permissions = 'theirs'\n".to_owned();
    let file = "[permissions.theirs.filesystem]\n':root' = 'read'\n";
    case.files.insert(".codex/config.toml".to_owned(), file.to_owned());
    ground.prepare(&case);
    ground.bring_repository(&case);
    assert!(ground.effective(&case).unwrap_err().contains("there is no permission profile `theirs`"));
    case.profile = Some("theirs".to_owned());
    case.user = "default_permissions = ':workspace'\n".to_owned();
    ground.prepare(&case);
    assert!(ground.effective(&case).is_ok());
}

/// Settings that a config file may hold: each key with the values to choose from, in TOML.
const SETTINGS: [(&str, &[&str]); 22] = [
    (
        "approval_policy",
        &[
            "'untrusted'",
            "'on-failure'",
            "'on-request'",
            "'never'",
            "{ granular = { sandbox_approval = true, rules = false, mcp_elicitations = true } }",
            "{ granular = { sandbox_approval = true, rules = true, mcp_elicitations = false, request_permissions = true } }",
        ],
    ),
    ("approvals_reviewer", &["'user'", "'auto_review'"]),
    ("sandbox_mode", &["'read-only'", "'workspace-write'", "'danger-full-access'"]),
    ("web_search", &["'disabled'", "'cached'", "'indexed'", "'live'"]),
    ("allow_login_shell", &["true", "false"]),
    (
        "sandbox_workspace_write.writable_roots",
        &["[]", "['@LIB@']", "['@OUT@', '@LIB@']", "['@OUT@/x']", "['/']", "['@OUT@/..', '~/x']"],
    ),
    ("sandbox_workspace_write.network_access", &["true", "false"]),
    ("sandbox_workspace_write.exclude_slash_tmp", &["true", "false"]),
    ("sandbox_workspace_write.exclude_tmpdir_env_var", &["true", "false"]),
    ("shell_environment_policy.inherit", &["'all'", "'core'", "'none'"]),
    ("shell_environment_policy.ignore_default_excludes", &["true", "false"]),
    ("shell_environment_policy.exclude", &["[]", "['*']", "['SSH_*', 'P*']", "['LD_*']"]),
    ("shell_environment_policy.include_only", &["[]", "['*']", "['PATH', 'LD_*']", "['*H*']"]),
    ("shell_environment_policy.set", &["{ PATH = '/evil' }", "{ NEW = '1' }"]),
    ("mcp_servers.a", &["{ command = 'a' }", "{ command = 'b', enabled = false }", "{ enabled = false }"]),
    ("features.x", &["true", "false"]),
    ("permissions.p.extends", &["':workspace'", "':read-only'"]),
    ("permissions.p.filesystem.':root'", &["'read'", "'write'", "'deny'"]),
    (
        "permissions.p.filesystem.':workspace_roots'",
        &["'read'", "'write'", "{ docs = 'deny', src = 'write' }"],
    ),
    ("permissions.p.filesystem.'@HOME@/.ssh'", &["'read'", "'write'", "'deny'"]),
    ("permissions.p.filesystem.'@REPO@/*.env'", &["'deny'"]),
    (
        "permissions.p.network",
        &["{ enabled = true }", "{ enabled = true, domains = { 'a.test' = 'allow', 'b.test' = 'deny' } }"],
    ),
];

/// The profile that a file selects; `p` is always defined.
const DEFAULTS: [&str; 4] = ["p", ":read-only", ":workspace", ":danger-full-access"];

/// A config file.
fn any_config() -> impl Strategy<Value = String> {
    let picks: Vec<_> =
        SETTINGS.iter().map(|(_, values)| prop::option::weighted(0.4, 0..values.len())).collect();
    (picks, prop::option::of(prop::sample::select(DEFAULTS.to_vec()))).prop_map(|(picks, default)| {
        let line = |((key, values), pick): (&(&str, &[&str]), Option<usize>)| {
            Some(format!("{key} = {}\n", values.get(pick?)?))
        };
        let mut text = default.map_or_else(String::new, |name| format!("default_permissions = '{name}'\n"));
        text.extend(SETTINGS.iter().zip(picks).filter_map(line));
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_combination_of_settings_relaxes_anything(
        user in any_config(),
        root in any_config(),
        nearest in any_config(),
        profile in prop::option::of(prop::sample::select(DEFAULTS.to_vec())),
    ) {
        let ground = Ground::new();
        let define = "permissions.p.description = 'd'\n";
        let default = if user.starts_with("default_permissions") { "" } else { "default_permissions = ':workspace'\n" };
        let case = Case {
            name: String::new(),
            expect: String::new(),
            why: String::new(),
            user: format!("{default}{user}{define}"),
            trust: trusted(),
            cwd: "src".to_owned(),
            overrides: Vec::new(),
            profile: profile.map(str::to_owned),
            files: [
                (".codex/config.toml".to_owned(), format!("{root}{define}")),
                ("src/.codex/config.toml".to_owned(), format!("{nearest}{define}")),
            ]
            .into(),
            links: BTreeMap::new(),
            pipes: Vec::new(),
            big: Vec::new(),
            half: Vec::new(),
            says: String::new(),
            gives: String::new(),
        };
        ground.prepare(&case);
        let (without, _) = ground.effective(&case).unwrap();
        ground.bring_repository(&case);
        let (with, _) = ground.effective(&case).unwrap();
        prop_assert!(
            with.wider_than(&without).is_empty(),
            "{:?}\n{without:#?}\n{with:#?}",
            with.wider_than(&without)
        );
    }
}
