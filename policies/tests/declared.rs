//! What commands could write in any declared mode or profile: the same, whichever is selected and whoever narrows it.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::path::{Path, PathBuf};

use policies::{
    AbsolutePath, Asked, Config, ConfigSources, EffectivePolicy, Purpose, Requirements, SandboxMode,
    SessionRequest,
};

const USER: &str = "\
default_permissions = 'work'
[sandbox_workspace_write]
writable_roots = ['/opt/tools', 'beside']
[projects.'@REPO@']
trust_level = 'trusted'
[permissions.work]
extends = 'base'
[permissions.work.filesystem]
'/srv/a' = 'write'
'/srv/b' = 'read'
'~/c' = 'write'
[permissions.work.filesystem.':root']
'var/data' = 'write'
[permissions.work.workspace_roots]
'/ws/other' = true
'/ws/off' = false
[permissions.base.filesystem]
':root' = 'read'
':workspace_roots' = 'write'
'/srv/d/**' = 'write'
'/srv/d/**/*.env' = 'deny'
[permissions.broken.filesystem]
'not a place' = 'write'
'/srv/e' = 'write'
";

/// What that lets write, in order of name.
fn declared(home: &Path, repository: &Path) -> Vec<PathBuf> {
    let mut declared: Vec<PathBuf> =
        ["/home/u/c", "/opt/tools", "/srv/a", "/srv/d", "/srv/e", "/var/data", "/ws/other"]
            .map(PathBuf::from)
            .into();
    declared.extend([home.join("beside"), repository.to_owned()]);
    declared.sort();
    declared
}

struct Ground {
    _folder: tempfile::TempDir,
    home: PathBuf,
    repository: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (home, repository) = (root.join("home"), root.join("repository"));
        for path in [&home, &repository, &repository.join(".git"), &repository.join(".codex")] {
            std::fs::create_dir(path).unwrap();
        }
        let text = USER.replace("@REPO@", repository.to_str().unwrap());
        std::fs::write(home.join("config.toml"), text).unwrap();
        Self { _folder: folder, home, repository }
    }

    fn policy(
        &self,
        asked: Option<Asked>,
        overrides: &[&str],
        requirements: Requirements,
    ) -> EffectivePolicy {
        let cwd = AbsolutePath::parse(&self.repository).unwrap();
        let home = Some(AbsolutePath::parse("/home/u").unwrap());
        let config = Config::load(&ConfigSources {
            system: Vec::new(),
            codex_home: self.home.clone(),
            profile_file: None,
            overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
            managed: Vec::new(),
            cwd: cwd.clone(),
            home: home.clone(),
        });
        let request = SessionRequest { purpose: Purpose::Session, asked, cwd, home, tmpdir: None };
        EffectivePolicy::resolve(config.unwrap(), requirements, &request).unwrap()
    }
}

/// `/tmp` is told where it holds now; that commands could have written it is no news.
fn but_tmp(policy: &EffectivePolicy) -> Vec<PathBuf> {
    policy.declared_writable().into_iter().filter(|path| path != Path::new("/tmp")).collect()
}

#[test]
fn a_selection_makes_no_difference() {
    let ground = Ground::new();
    let expect = declared(&ground.home, &ground.repository);
    let named = |name: &str| Some(Asked::Named(name.to_owned()));
    for asked in [None, named("base"), named(":read-only"), named(":workspace")] {
        let policy = ground.policy(asked.clone(), &[], Requirements::default());
        assert_eq!(but_tmp(&policy), expect, "{asked:?}");
    }
    let of_mode = |mode| ground.policy(Some(Asked::Mode(mode)), &[], Requirements::default());
    for mode in [SandboxMode::ReadOnly, SandboxMode::WorkspaceWrite, SandboxMode::DangerFullAccess] {
        assert_eq!(but_tmp(&of_mode(mode)), expect, "{mode}");
    }
}

#[test]
fn a_higher_layer_takes_nothing_out() {
    let ground = Ground::new();
    let expect = declared(&ground.home, &ground.repository);
    let typed = [
        "sandbox_workspace_write.writable_roots=[]",
        "permissions.work.filesystem.'/srv/a'=\"deny\"",
        "permissions.work.workspace_roots.'/ws/other'=false",
        "default_permissions=\":read-only\"",
    ];
    assert_eq!(ground.policy(None, &typed, Requirements::default()).declared_writable(), expect);
    let typed = ["sandbox_workspace_write.writable_roots=['/opt/more']"];
    let more = ground.policy(None, &typed, Requirements::default()).declared_writable();
    assert!(more.contains(&PathBuf::from("/opt/more")) && expect.iter().all(|path| more.contains(path)));
}

#[test]
fn a_repository_takes_nothing_out_and_adds_nothing() {
    let ground = Ground::new();
    let expect = declared(&ground.home, &ground.repository);
    let text = "default_permissions = 'work'\n[sandbox_workspace_write]\nwritable_roots = ['/opt/theirs']\n\
        [permissions.work.filesystem]\n'/srv/a' = 'read'\n'/srv/theirs' = 'write'\n";
    std::fs::write(ground.repository.join(".codex/config.toml"), text).unwrap();
    let policy = ground.policy(None, &[], Requirements::default());
    assert_eq!(policy.config.sandbox_workspace_write.writable_roots, [], "it is heard");
    assert_eq!(policy.declared_writable(), expect);
}
