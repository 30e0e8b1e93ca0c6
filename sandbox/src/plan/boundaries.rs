//! What a plan lets a run touch, as a value that outlives the plan: for questions, answers and diagnoses.
//!
//! What belongs here: judging paths. What does not: enforcing anything, which the plan's mounts do.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path};

use policies::{AbsolutePath, Access, AccessMap, NetworkAccess};

use super::devices::is_minimal_device;
use super::{Action, Confinement, Plan, View, Why};
use crate::paths::{self, Kind, Target};

/// What a run may touch.
///
/// It is about the host's files: what a run gets anew (`/proc`, most of `/dev`) is in nobody's way, and what the
/// user may not touch without a sandbox stays out of reach within these boundaries too.
#[derive(Clone, Debug)]
pub struct Boundaries {
    reach: Reach,
    cwd: AbsolutePath,
    home: Option<AbsolutePath>,
    /// As [`Boundaries::guarding`].
    guarded: Vec<AbsolutePath>,
}

#[derive(Clone, Debug)]
enum Reach {
    /// No sandbox: all that the user may.
    Everything,
    Within {
        access: AccessMap,
        network: NetworkAccess,
        /// What is kept from being written or seen, and why.
        kept: BTreeMap<AbsolutePath, Why>,
    },
}

/// A path, followed and judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judged {
    /// Where it leads, without any symlink; components that do not exist come last.
    pub path: AbsolutePath,
    /// The path itself when it exists, else the nearest folder above it that does.
    pub existing: AbsolutePath,
    /// What lies there; `None` when nothing does.
    pub kind: Option<Kind>,
    /// What a run may do there; for a missing path, what it may do with the first missing component, which is
    /// whether it may create it. `None` and [`Access::Deny`] both are "nothing": the profile does not mention the
    /// place, or hides it.
    pub access: Option<Access>,
}

impl Judged {
    /// Whether a run may write, or create, it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.access == Some(Access::Write)
    }

    /// Whether a run may look at it.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        matches!(self.access, Some(Access::Read | Access::Write))
    }
}

impl Plan {
    /// What the run may touch.
    #[must_use]
    pub fn boundaries(&self) -> Boundaries {
        let reach = match &self.confinement {
            Confinement::Unconfined => Reach::Everything,
            Confinement::Confined(view) => {
                Reach::Within { access: view.access.clone(), network: view.network, kept: kept(view) }
            }
        };
        let cwd = match &self.cwd.identity {
            Some(_) => self.cwd.logical.clone(),
            None => AbsolutePath::root(),
        };
        let home = self.environment.get(OsStr::new("HOME"));
        let home = home.and_then(|home| AbsolutePath::parse(Path::new(home)).ok());
        Boundaries { reach, cwd, home, guarded: Vec::new() }
    }
}

fn kept(view: &View) -> BTreeMap<AbsolutePath, Why> {
    let narrowing = view.steps.iter().filter(|step| match step.action {
        Action::ReadOnly | Action::Mask | Action::MaskWithPassage => true,
        Action::Writable => false,
    });
    narrowing.map(|step| (step.path.clone(), step.why.clone())).collect()
}

impl Boundaries {
    /// With the home directory of the person, whatever the command is told of, and with places of hers that decide
    /// about later commands or that programs are found in: what is denied there is never to be opened.
    #[must_use]
    pub fn guarding(
        self,
        home: Option<AbsolutePath>,
        places: impl IntoIterator<Item = AbsolutePath>,
    ) -> Self {
        Self { home: home.or(self.home), guarded: places.into_iter().collect(), ..self }
    }

    /// The places of [`Boundaries::guarding`].
    pub(crate) fn guarded(&self) -> &[AbsolutePath] {
        &self.guarded
    }

    /// Whether the kernel confines the run.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        matches!(self.reach, Reach::Within { .. })
    }

    /// Whether the run reaches the network.
    #[must_use]
    pub fn network(&self) -> NetworkAccess {
        match &self.reach {
            Reach::Everything => NetworkAccess::Enabled,
            Reach::Within { network, .. } => *network,
        }
    }

    /// Where the command starts, by the name that it sees.
    #[must_use]
    pub fn cwd(&self) -> &AbsolutePath {
        &self.cwd
    }

    /// The home directory: the one of [`Boundaries::guarding`], or the one that the command is told of, as spelled in
    /// its environment.
    #[must_use]
    pub fn home(&self) -> Option<&AbsolutePath> {
        self.home.as_ref()
    }

    /// What a run may do with `path`, which must be free of symlinks: see [`Boundaries::judge`] for others.
    ///
    /// `None` when the profile does not mention the place, which is no permission; [`Access::Deny`] when it hides
    /// it.
    #[must_use]
    pub fn access(&self, path: &AbsolutePath) -> Option<Access> {
        match &self.reach {
            Reach::Everything => Some(Access::Write),
            Reach::Within { .. } if is_minimal_device(path) => Some(Access::Write),
            Reach::Within { access, .. } => access.access(path),
        }
    }

    /// Why `path`, which must be free of symlinks, is kept from being written or seen although what lies around it
    /// is not; the place that is kept comes first. `None` where nothing was taken away.
    #[must_use]
    pub fn kept(&self, path: &AbsolutePath) -> Option<(&AbsolutePath, &Why)> {
        let Reach::Within { access, kept, .. } = &self.reach else { return None };
        let (row, _) = access.deciding(path)?;
        kept.get_key_value(row)
    }

    /// The places that a run may write, shallow before deep, resolved. Parts of them may be kept: ask
    /// [`Boundaries::access`].
    #[must_use]
    pub fn writable_roots(&self) -> Vec<AbsolutePath> {
        match &self.reach {
            Reach::Everything => vec![AbsolutePath::root()],
            Reach::Within { access, .. } => access
                .rows()
                .filter(|(_, access)| *access == Access::Write)
                .map(|(path, _)| path.clone())
                .collect(),
        }
    }

    /// Follows `path`, through symlinks, as the file system is now, and says what a run may do with what is there,
    /// or would be. A relative path starts at [`Boundaries::cwd`].
    ///
    /// # Errors
    /// The system's error where a component cannot be examined, and `ENOENT` for a `..` below a folder that does not
    /// exist: where that leads depends on who makes the folder.
    pub fn judge(&self, path: &Path) -> io::Result<Judged> {
        let resolution = paths::resolve(&self.cwd.as_path().join(path))?;
        match resolution.target {
            Target::Found(found) => Ok(Judged {
                access: self.access(&found.path),
                existing: found.path.clone(),
                kind: Some(found.kind),
                path: found.path,
            }),
            Target::Missing { first, rest } => {
                if rest.components().any(|part| part == Component::ParentDir) {
                    return Err(io::Error::from_raw_os_error(libc::ENOENT));
                }
                let access = self.access(&first);
                let existing = first.parent().unwrap_or_else(AbsolutePath::root);
                let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
                let path = first.join_normalised(&rest).map_err(invalid)?;
                Ok(Judged { path, existing, kind: None, access })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use policies::{Entry, PermissionProfile, WorkspaceWrite};

    use super::*;
    use crate::plan::PlanRequest;

    struct Bench {
        _folder: tempfile::TempDir,
        base: PathBuf,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::Builder::new().prefix("boundaries-").tempdir_in("/var/tmp").unwrap();
            let base = folder.path().canonicalize().unwrap();
            for name in ["ws", "ws/.git", "ws/secret", "other"] {
                std::fs::create_dir(base.join(name)).unwrap();
            }
            std::fs::write(base.join("ws/file"), "").unwrap();
            Self { _folder: folder, base }
        }

        fn path(&self, below: &str) -> AbsolutePath {
            AbsolutePath::parse(self.base.join(below)).unwrap()
        }

        fn boundaries(&self, profile: &PermissionProfile) -> Boundaries {
            let cwd = self.path("ws");
            let home = self.base.join("home").into_os_string();
            Plan::resolve(PlanRequest {
                profile,
                cwd: &cwd,
                workspace: &cwd,
                environment: BTreeMap::from([("HOME".into(), home)]),
                tmpdir: None,
                config_home: None,
                executable: None,
                never_readable: &[],
            })
            .unwrap()
            .boundaries()
        }

        fn workspace(&self) -> Boundaries {
            let options = WorkspaceWrite { exclude_slash_tmp: true, ..WorkspaceWrite::default() };
            let PermissionProfile::Managed { file_system, network } =
                PermissionProfile::workspace_write(&options)
            else {
                panic!("it is managed")
            };
            let secret = Entry::for_path(self.path("ws/secret"), Access::Deny);
            let more = policies::AdditionalPermissions { entries: vec![secret], ..Default::default() };
            self.boundaries(&more.apply_to(PermissionProfile::Managed { file_system, network }))
        }
    }

    #[test]
    fn each_place_is_what_the_profile_makes_of_it() {
        let bench = Bench::new();
        let boundaries = bench.workspace();
        let rows = [
            ("ws", Some(Access::Write)),
            ("ws/file", Some(Access::Write)),
            ("ws/new", Some(Access::Write)),
            ("ws/new/deep", Some(Access::Write)),
            ("ws/.git", Some(Access::Read)),
            ("ws/.git/index.lock", Some(Access::Read)),
            ("ws/.codex", Some(Access::Read)),
            ("ws/secret", Some(Access::Deny)),
            ("ws/secret/new", Some(Access::Deny)),
            ("other", Some(Access::Read)),
            ("other/new", Some(Access::Read)),
        ];
        for (path, expect) in rows {
            let judged = boundaries.judge(&bench.base.join(path)).unwrap();
            assert_eq!(judged.access, expect, "{path}");
            assert_eq!(boundaries.access(&bench.path(path)), expect, "{path}");
        }
        assert!(boundaries.is_confined());
        assert_eq!(boundaries.network(), NetworkAccess::Restricted);
        assert_eq!(boundaries.writable_roots(), [bench.path("ws")]);
        assert_eq!(boundaries.cwd(), &bench.path("ws"));
        assert_eq!(boundaries.home(), Some(&bench.path("home")));
        let null = AbsolutePath::parse("/dev/null").unwrap();
        assert_eq!(boundaries.access(&null), Some(Access::Write));
        assert_eq!(boundaries.access(&AbsolutePath::parse("/dev/sda").unwrap()), Some(Access::Read));
    }

    #[test]
    fn what_is_kept_says_why() {
        let bench = Bench::new();
        let boundaries = bench.workspace();
        let (place, why) = boundaries.kept(&bench.path("ws/.git/hooks/pre-commit")).unwrap();
        assert_eq!((place, why), (&bench.path("ws/.git"), &Why::Metadata { root: bench.path("ws") }));
        let (place, why) = boundaries.kept(&bench.path("ws/secret/x")).unwrap();
        assert_eq!((place, why), (&bench.path("ws/secret"), &Why::Profile));
        assert_eq!(boundaries.kept(&bench.path("ws/file")), None);
        assert_eq!(boundaries.kept(&bench.path("other")), None);
    }

    #[test]
    fn a_path_is_judged_by_where_it_leads() {
        let bench = Bench::new();
        symlink("../other", bench.base.join("ws/out")).unwrap();
        symlink("ws", bench.base.join("in")).unwrap();
        let boundaries = bench.workspace();
        let judged = boundaries.judge(Path::new("out/new/deep")).unwrap();
        assert_eq!(judged.path, bench.path("other/new/deep"));
        assert_eq!(judged.existing, bench.path("other"));
        assert_eq!((judged.kind, judged.access), (None, Some(Access::Read)));
        let judged = boundaries.judge(&bench.base.join("in/file")).unwrap();
        assert_eq!(judged.path, bench.path("ws/file"));
        assert_eq!((judged.kind, judged.access), (Some(Kind::File), Some(Access::Write)));
        assert!(judged.is_writable() && judged.is_readable());
        let judged = boundaries.judge(Path::new("../other")).unwrap();
        assert!(!judged.is_writable() && judged.is_readable());
    }

    #[test]
    fn the_way_up_from_a_missing_folder_is_refused() {
        let bench = Bench::new();
        let boundaries = bench.workspace();
        let error = boundaries.judge(Path::new("new/../../other/x")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        let judged = boundaries.judge(Path::new("new/./x")).unwrap();
        assert_eq!(judged.path, bench.path("ws/new/x"));
    }

    #[test]
    fn what_is_not_mentioned_is_not_granted() {
        let bench = Bench::new();
        let profile = PermissionProfile::workspace_write(&WorkspaceWrite::default());
        let PermissionProfile::Managed { network, .. } = profile else { panic!("it is managed") };
        let only = Entry::for_path(bench.path("ws"), Access::Read);
        let file_system =
            policies::FileSystemPolicy::Restricted { entries: vec![only], glob_scan_max_depth: None };
        let boundaries = bench.boundaries(&PermissionProfile::Managed { file_system, network });
        assert_eq!(boundaries.access(&bench.path("other")), None);
        assert_eq!(boundaries.access(&bench.path("ws/file")), Some(Access::Read));
        assert_eq!(boundaries.writable_roots(), []);
    }

    #[test]
    fn without_a_sandbox_everything_is_within() {
        let bench = Bench::new();
        let boundaries = bench.boundaries(&PermissionProfile::Disabled);
        assert!(!boundaries.is_confined());
        assert_eq!(boundaries.network(), NetworkAccess::Enabled);
        assert_eq!(boundaries.writable_roots(), [AbsolutePath::root()]);
        assert_eq!(boundaries.access(&bench.path("ws/.git")), Some(Access::Write));
        assert_eq!(boundaries.kept(&bench.path("ws/.git")), None);
    }
}
