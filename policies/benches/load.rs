//! What it costs to find out what holds: all layers there can be, and none.
//!
//! Real files, read and judged as at every start. `cargo bench -p policies --bench load`.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use policies::effective::load::{Obey, PolicySources, RuleScope};
use policies::rules::LayeredRules;
use policies::{AbsolutePath, AdminFolder, ConfigSources, EffectivePolicy, Purpose, SessionRequest};

/// Folders with configuration in the repository. With the system's, the person's and the managed file, the
/// profile and the overrides that makes 20 layers.
const PROJECT_FILES: usize = 12;
/// Layers of the administrator beside the main file.
const REQUIRED_FILES: usize = 5;
/// Rule files of system, person and repository: 50 in all.
const RULE_FILES: [usize; 3] = [10, 25, 15];
const RULES_PER_FILE: usize = 20;
/// Every fourth rule proves itself with examples.
const RULES_PER_EXAMPLE: usize = 4;
const OVERRIDES: [&str; 4] = [
    "web_search=cached",
    "features.typed=true",
    "approval_policy=untrusted",
    "permissions.p.network.enabled=false",
];

/// The files, below one temporary folder.
struct Ground {
    folder: tempfile::TempDir,
    admin: AdminFolder,
    cwd: AbsolutePath,
}

impl Ground {
    /// Nothing but folders.
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = AbsolutePath::parse(fs::canonicalize(folder.path()).unwrap()).unwrap();
        let below = |name: &str| AbsolutePath::parse(path.as_path().join(name)).unwrap();
        let (admin, cwd) = (below("etc"), below("repo"));
        for name in ["etc", "home", "repo/.git"] {
            fs::create_dir_all(path.as_path().join(name)).unwrap();
        }
        Self { folder, admin: AdminFolder::at(admin, rustix::process::getuid().as_raw()), cwd }
    }

    /// Everything.
    fn full() -> Self {
        let mut ground = Self::empty();
        let root = ground.cwd.clone();
        ground.write("etc/config.toml", &config("system"));
        ground.write("etc/managed_config.toml", "approval_policy = 'on-request'\nweb_search = 'cached'\n");
        ground.write("etc/requirements.toml", &requirements(0));
        for index in 1..=REQUIRED_FILES {
            ground.write(&format!("etc/requirements.d/{index}.toml"), &requirements(index));
        }
        let trust = format!("{}[projects.'{root}']\ntrust_level = 'trusted'\n", config("user"));
        ground.write("home/config.toml", &format!("default_permissions = 'p'\n{trust}"));
        ground.write("home/p.config.toml", &config("profile"));
        let mut folder = "repo".to_owned();
        for index in 0..PROJECT_FILES {
            ground.write(&format!("{folder}/.codex/config.toml"), &config(&format!("project{index}")));
            write!(folder, "/folder{index}").unwrap();
        }
        fs::create_dir_all(ground.folder.path().join(&folder)).unwrap();
        ground.cwd = AbsolutePath::parse(ground.folder.path().join(&folder)).unwrap();
        for (layer, count) in ["etc", "home", "repo/.codex"].iter().zip(RULE_FILES) {
            for index in 0..count {
                ground.write(&format!("{layer}/rules/{index:02}.rules"), &rules(index));
            }
        }
        ground
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn home(&self) -> AbsolutePath {
        AbsolutePath::parse(self.folder.path().join("home")).unwrap()
    }

    fn policy(&self, overrides: &[&str]) -> EffectivePolicy {
        let home = self.home();
        let config = ConfigSources {
            system: Vec::new(),
            codex_home: home.as_path().to_owned(),
            profile_file: Some("p".to_owned()),
            overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
            managed: Vec::new(),
            cwd: self.cwd.clone(),
            home: Some(home.clone()),
        };
        let sources = PolicySources {
            admin: &self.admin,
            managed: &[],
            mdm: None,
            legacy_mdm: None,
            hostname: "build-7",
            account_home: None,
            config,
            obey: Obey::Requirements,
        };
        let request = SessionRequest {
            purpose: Purpose::Session,
            asked: None,
            cwd: self.cwd.clone(),
            home: Some(home),
            tmpdir: None,
        };
        EffectivePolicy::load(sources, &request).unwrap()
    }

    fn rules(&self, policy: &EffectivePolicy) -> LayeredRules {
        let home = self.home();
        let home: &Path = home.as_path();
        policy.load_rules(&self.admin, home, RuleScope::All).unwrap()
    }
}

/// A layer of configuration of realistic size.
fn config(name: &str) -> String {
    format!(
        "model = 'm'
approval_policy = 'on-request'
web_search = 'live'
[features]
{name} = true
both = true
[sandbox_workspace_write]
writable_roots = ['~/{name}', '/srv/{name}']
network_access = true
[shell_environment_policy]
inherit = 'core'
exclude = ['*_TOKEN', 'AWS_*']
[shell_environment_policy.set]
{name} = 'value'
[mcp_servers.{name}]
command = 'server-{name}'
args = ['--stdio']
[permissions.p]
extends = ':workspace'
[permissions.p.filesystem]
glob_scan_max_depth = 4
'/srv/{name}' = 'read'
'~/.ssh' = 'deny'
[permissions.p.filesystem.':workspace_roots']
'{name}' = 'read'
'**/*.env' = 'deny'
[permissions.p.network]
enabled = true
[permissions.p.network.domains]
'{name}.test' = 'allow'
"
    )
}

/// A layer of requirements of realistic size.
fn requirements(index: usize) -> String {
    let mut text = format!(
        "allowed_approval_policies = ['on-request', 'untrusted']
allowed_sandbox_modes = ['read-only', 'workspace-write']
allowed_web_search_modes = ['cached']
[features]
feature{index} = true
[permissions.filesystem]
deny_read = ['/srv/secrets{index}', '~/.keys{index}', '/srv/**/*.pem{index}']
[mcp_servers]
user.identity = {{ command = 'server-user' }}
server{index}.identity = {{ url = {{ match = 'regex', expression = 'https://[a-z]+[.]test/{index}' }} }}
[rules]
prefix_rules = [\n"
    );
    for rule in 0..RULES_PER_FILE {
        writeln!(
            text,
            "  {{ pattern = [{{ token = 'tool{index}-{rule}' }}, {{ any_of = ['push', 'remote'] }}], decision = 'prompt', justification = 'why' }},"
        )
        .unwrap();
    }
    text + "]\n"
}

/// A rule file that is plain data.
fn rules(file: usize) -> String {
    let mut text = String::from("# Rules of a team.\n\n");
    for rule in 0..RULES_PER_FILE {
        let examples = if rule.is_multiple_of(RULES_PER_EXAMPLE) {
            format!(
                "    match = [\"tool{file} verb{rule} x\", [\"tool{file}\", \"other{rule}\"]],\n    not_match = [\"tool{file}\"],\n"
            )
        } else {
            String::new()
        };
        write!(
            text,
            "prefix_rule(\n    pattern = [\"tool{file}\", [\"verb{rule}\", \"other{rule}\"]],\n    decision = \"prompt\",\n    justification = \"a reason that people read\",\n{examples})\n\n"
        )
        .unwrap();
    }
    text
}

fn loading(c: &mut Criterion) {
    let (full, empty) = (Ground::full(), Ground::empty());
    let policy = full.policy(&OVERRIDES);
    let layers = policy.config.layers().iter().count();
    assert_eq!(layers, PROJECT_FILES + OVERRIDES.len() + ["system", "user", "profile", "managed"].len());
    let rules = full.rules(&policy);
    let required = (REQUIRED_FILES + 1) * RULES_PER_FILE;
    let files: usize = RULE_FILES.iter().sum();
    assert_eq!(rules.policy.rules().len(), files * RULES_PER_FILE + required);
    c.bench_function("everything", |b| {
        b.iter(|| {
            let policy = full.policy(black_box(&OVERRIDES));
            (full.rules(&policy), policy)
        });
    });
    c.bench_function("everything/policy", |b| b.iter(|| full.policy(black_box(&OVERRIDES))));
    c.bench_function("everything/rules", |b| b.iter(|| full.rules(black_box(&policy))));
    c.bench_function("nothing", |b| {
        b.iter(|| {
            let policy = empty.policy(black_box(&[]));
            (empty.rules(&policy), policy)
        });
    });
}

criterion_group!(benches, loading);
criterion_main!(benches);
