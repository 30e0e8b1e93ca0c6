//! Where a launch is tested: a workspace of its own, on one way to launch, as one user.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};
use policies::{
    AbsolutePath, Access, Entry, FileSystemPolicy, NetworkAccess, PermissionProfile, SpecialPath,
};
use sandbox::{Backend, BackendChoice, Permit, Plan, PlanRequest, Program};

/// The account that stands for the ordinary user.
const ORDINARY: &str = "codex-probe";

/// How a run is launched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Bwrap,
    Namespaces,
    Unconfined,
}

impl Way {
    const ALL: [Self; 3] = [Self::Bwrap, Self::Namespaces, Self::Unconfined];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bwrap => "bwrap",
            Self::Namespaces => "namespaces",
            Self::Unconfined => "unconfined",
        }
    }

    pub(crate) fn is_confined(self) -> bool {
        self != Self::Unconfined
    }
}

/// A behaviour: its name, and the test of it.
pub(crate) type Behaviour = (&'static str, fn(&Bench));

/// One test per way and user.
pub(crate) fn trials((name, test): Behaviour) -> Vec<Trial> {
    let mut trials = Vec::new();
    for way in Way::ALL {
        for user in ["root", "user"] {
            let full = format!("{name}::{}::{user}", way.name());
            let same = full.clone();
            trials.push(Trial::ignorable_test(full, move || {
                let am_root = nix::unistd::geteuid().is_root();
                match (user, am_root) {
                    ("root", true) | ("user", false) => {
                        test(&Bench::new(way));
                        Ok(Completion::Completed)
                    }
                    ("user", true) => as_ordinary_user(&same),
                    _ => Ok(Completion::ignored_with("needs root")),
                }
            }));
        }
    }
    trials
}

/// Runs the test `name` of this program as the ordinary user.
fn as_ordinary_user(name: &str) -> Result<Completion, Failed> {
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let account = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let Some(account) = account.into_iter().find(|fields| fields.first() == Some(&ORDINARY)) else {
        return Ok(Completion::ignored_with("there is no user `codex-probe`"));
    };
    let folder = tempfile::Builder::new().prefix("launches-").tempdir_in("/var/tmp")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("launches");
    let own = std::env::current_exe()?;
    // Below a home that only its owner may enter nobody else finds it.
    if std::fs::hard_link(&own, &program).is_err() {
        std::fs::copy(&own, &program)?;
    }
    let status = command(&program)
        .args(["--exact", name])
        .uid(account[2].parse()?)
        .gid(account[3].parse()?)
        .current_dir("/")
        .status()?;
    if status.success() {
        Ok(Completion::Completed)
    } else {
        Err(format!("as `{ORDINARY}`: {status}").into())
    }
}

/// A process of the test itself, outside every sandbox.
#[expect(clippy::disallowed_methods, reason = "a test of the launchers starts processes")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// A workspace.
pub(crate) struct Bench {
    pub(crate) way: Way,
    /// Not of a workspace that somebody else made.
    _folder: Option<tempfile::TempDir>,
    base: PathBuf,
}

impl Bench {
    fn new(way: Way) -> Self {
        let folder = tempfile::Builder::new().prefix("launches-").tempdir_in("/var/tmp").unwrap();
        let base = folder.path().canonicalize().unwrap();
        for name in ["ws", "outside", "home"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        Self { way, _folder: Some(folder), base }
    }

    /// One that another process has made.
    pub(crate) fn at(way: Way, base: PathBuf) -> Self {
        Self { way, _folder: None, base }
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// A path in the workspace, which is writable inside.
    pub(crate) fn ws(&self, name: &str) -> PathBuf {
        self.base.join("ws").join(name)
    }

    /// Writes an executable script into the workspace.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.ws(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// All readable, the workspace writable, no network; or no sandbox.
    pub(crate) fn profile(&self) -> PermissionProfile {
        let root = Entry::for_special(SpecialPath::Root, Access::Read);
        self.confined([root, Entry::for_special(SpecialPath::ProjectRoots, Access::Write)])
    }

    /// Only what programs need, and the workspace; or no sandbox.
    pub(crate) fn narrow_profile(&self) -> PermissionProfile {
        let minimal = Entry::for_special(SpecialPath::Minimal, Access::Read);
        self.confined([minimal, Entry::for_special(SpecialPath::ProjectRoots, Access::Write)])
    }

    pub(crate) fn confined(&self, entries: impl IntoIterator<Item = Entry>) -> PermissionProfile {
        let entries = entries.into_iter().collect();
        let file_system = FileSystemPolicy::Restricted { entries, glob_scan_max_depth: None };
        match self.way {
            Way::Unconfined => PermissionProfile::Disabled,
            Way::Bwrap | Way::Namespaces => {
                PermissionProfile::Managed { file_system, network: NetworkAccess::Restricted }
            }
        }
    }

    pub(crate) fn plan(&self, profile: &PermissionProfile) -> Plan {
        self.plan_in(profile, &self.base.join("ws"))
    }

    /// One that starts in `cwd`.
    fn plan_in(&self, profile: &PermissionProfile, cwd: &Path) -> Plan {
        let environment = BTreeMap::from([
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
            ("HOME".into(), self.base.join("home").into_os_string()),
            ("LC_ALL".into(), "C".into()),
        ]);
        let workspace = AbsolutePath::parse(self.base.join("ws")).unwrap();
        let cwd = AbsolutePath::parse(cwd).unwrap();
        let request = PlanRequest {
            profile,
            cwd: &cwd,
            workspace: &workspace,
            environment,
            tmpdir: None,
            config_home: None,
            executable: None,
            never_readable: &[],
        };
        Plan::resolve(request).unwrap()
    }

    pub(crate) fn backend(&self, plan: &Plan) -> Backend {
        let choice = match self.way {
            Way::Bwrap => BackendChoice::Bwrap,
            Way::Namespaces => BackendChoice::Namespaces,
            Way::Unconfined => BackendChoice::Auto,
        };
        sandbox::choose(choice, plan, Some(OsStr::new("/usr/local/bin:/usr/bin:/bin"))).unwrap()
    }

    /// A permit for `argv`, and what can launch it.
    pub(crate) fn permit(&self, profile: &PermissionProfile, argv: &[&str]) -> (Permit, Backend) {
        self.permit_in(profile, &self.base.join("ws"), argv)
    }

    /// One that starts in `cwd`.
    pub(crate) fn permit_in(
        &self,
        profile: &PermissionProfile,
        cwd: &Path,
        argv: &[&str],
    ) -> (Permit, Backend) {
        self.permit_for(profile, cwd, argv, |program| program)
    }

    /// One for the program's path, whatever version of the file lies there when it starts.
    pub(crate) fn permit_for_any_version(
        &self,
        profile: &PermissionProfile,
        argv: &[&str],
    ) -> (Permit, Backend) {
        self.permit_for(profile, &self.base.join("ws"), argv, Program::in_any_version)
    }

    fn permit_for(
        &self,
        profile: &PermissionProfile,
        cwd: &Path,
        argv: &[&str],
        bind: fn(Program) -> Program,
    ) -> (Permit, Backend) {
        let plan = self.plan_in(profile, cwd);
        let backend = self.backend(&plan);
        let program = bind(plan.resolve_program(OsStr::new(argv[0])).unwrap());
        let argv = argv.iter().map(OsString::from).collect();
        #[expect(clippy::disallowed_methods, reason = "a test decides about its own runs")]
        let permit = Permit::dangerously_vouch(plan, program, argv);
        (permit, backend)
    }

    /// A permit for a shell script in the usual profile.
    pub(crate) fn shell(&self, script: &str) -> (Permit, Backend) {
        self.permit(&self.profile(), &["/bin/sh", "-c", script])
    }
}

/// Whether `path` exists.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
