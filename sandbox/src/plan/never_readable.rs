//! What an administrator keeps from ever being read, found on the disk as it is now.
//!
//! These are denials that nothing opens again: where a profile would, there is no plan (I3). Putting them into the
//! plan is the business of `build.rs`.

use std::io;

use policies::{AbsolutePath, Access, EntryPath};

use super::devices::is_minimal_device;
use super::error::PlanError;
use super::globs::{self, Searcher};
use super::why::Why;
use crate::paths::{self, Found, Identity, Link, Resolution, Target};

/// An existing object that nobody may read, with all below it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The path or pattern, as the administrator wrote it.
    required: String,
    /// The path, or what the pattern matched.
    pub(super) named: AbsolutePath,
    /// What that leads to.
    pub(super) found: Found,
    /// The symlinks that decide where it leads.
    pub(super) links: Vec<Link>,
    /// Whether it is only hidden because matches in it cannot be looked up.
    is_unlisted: bool,
}

impl Place {
    pub(super) fn why(&self) -> Why {
        Why::Requirement { required: self.required.clone() }
    }

    /// The refusal of something that lies in a folder in which nobody can tell what is to be hidden.
    fn unlisted(&self, path: &AbsolutePath) -> PlanError {
        PlanError::RequirementUnlisted {
            folder: self.found.path.clone(),
            required: self.required.clone(),
            path: path.clone(),
        }
    }

    /// Whether `path`, which is resolved, is the object or lies below it.
    fn covers(&self, path: &AbsolutePath) -> bool {
        path.starts_with(&self.found.path)
    }
}

/// Finds all that exists. What does not has nothing to hide: its name stays free, and what a command makes there
/// is its own.
///
/// # Errors
/// [`PlanError::RequirementUnresolvable`] for what cannot be found out, [`PlanError::RequirementInterface`] for
/// what each run gets anew, and [`PlanError::Glob`].
pub(super) fn resolve(required: &[EntryPath]) -> Result<Vec<Place>, PlanError> {
    let mut places = Vec::new();
    let mut budget = globs::MAX_SCANNED;
    for entry in required {
        match entry {
            EntryPath::Path(path) => places.extend(place(entry, path)?),
            EntryPath::Glob(pattern) => {
                let found = globs::expand(pattern, Searcher::Administrator, &mut budget)?;
                for folder in found.unlisted {
                    let mut place = place(entry, &folder)?;
                    place.iter_mut().for_each(|place| place.is_unlisted = true);
                    places.extend(place);
                }
                for path in found.matches {
                    let mut place = match place(entry, &path) {
                        // Behind a symlink on the way; nothing of the host is to be read through it.
                        Err(PlanError::RequirementInterface { .. }) => None,
                        place => place?,
                    };
                    // A match that is a symlink matches by its own name, which a command may make or remove.
                    place.iter_mut().for_each(|place| place.links.retain(|link| link.at != path));
                    places.extend(place);
                }
            }
            EntryPath::Special { .. } => {
                let source =
                    io::Error::new(io::ErrorKind::InvalidInput, "it is neither a path nor a pattern");
                return Err(PlanError::RequirementUnresolvable { path: words(entry), source });
            }
        }
    }
    Ok(places)
}

fn place(required: &EntryPath, path: &AbsolutePath) -> Result<Option<Place>, PlanError> {
    let (found, links) = match paths::resolve(path.as_path()) {
        Ok(Resolution { target: Target::Found(found), links }) => (found, links),
        Ok(Resolution { target: Target::Missing { .. }, .. }) => return Ok(None),
        // A file stands above it, and below a file is nothing.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_out_of_reach(path) => {
            return Ok(None);
        }
        Err(source) => return Err(PlanError::RequirementUnresolvable { path: path.to_string(), source }),
    };
    if found.path.as_path().starts_with("/proc") || is_minimal_device(&found.path) {
        return Err(PlanError::RequirementInterface { path: found.path });
    }
    Ok(Some(Place { required: words(required), named: path.clone(), found, links, is_unlisted: false }))
}

/// Whether a folder above `path` keeps us out, and hence the command, which could change that only of a folder
/// of its own.
fn is_out_of_reach(path: &AbsolutePath) -> bool {
    let above =
        path.ancestors().skip(1).find_map(|folder| match paths::resolve(folder.as_path()).ok()?.target {
            Target::Found(found) => Some(found.path),
            Target::Missing { .. } => None,
        });
    above.is_some_and(|folder| !paths::is_ours(&folder))
}

fn words(required: &EntryPath) -> String {
    match required {
        EntryPath::Path(path) => path.to_string(),
        EntryPath::Glob(pattern) => policies::escape(pattern.as_str()),
        EntryPath::Special { .. } => policies::escape(format!("{required:?}")),
    }
}

/// Something that a plan would show.
pub(super) struct Grant<'a> {
    /// As the profile names it.
    pub(super) path: &'a AbsolutePath,
    /// What that leads to, or the first component that is missing.
    pub(super) leads_to: &'a AbsolutePath,
    pub(super) access: Access,
    /// Which object that is, if it is told.
    pub(super) identity: Option<Identity>,
}

/// Refuses a grant of such a place, or of something below it, or of the same object by another name (a bind mount,
/// a hard link).
///
/// # Errors
/// [`PlanError::NeverReadable`].
pub(super) fn refuse_opening(places: &[Place], grant: &Grant<'_>) -> Result<(), PlanError> {
    if grant.access == Access::Deny {
        return Ok(());
    }
    let opened =
        |place: &&Place| place.covers(grant.leads_to) || grant.identity == Some(place.found.identity);
    match places.iter().find(opened) {
        None => Ok(()),
        Some(place) if place.is_unlisted => Err(place.unlisted(grant.path)),
        Some(place) => Err(PlanError::NeverReadable {
            path: grant.path.clone(),
            leads_to: (grant.leads_to != grant.path).then(|| grant.leads_to.clone()),
            access: grant.access,
            required: place.required.clone(),
        }),
    }
}

/// Refuses to start in such a place.
///
/// # Errors
/// [`PlanError::NeverReadableDirectory`].
pub(super) fn refuse_inside(places: &[Place], cwd: &AbsolutePath) -> Result<(), PlanError> {
    match places.iter().find(|place| place.covers(cwd)) {
        None => Ok(()),
        Some(place) if place.is_unlisted => Err(place.unlisted(cwd)),
        Some(place) => {
            Err(PlanError::NeverReadableDirectory { path: cwd.clone(), required: place.required.clone() })
        }
    }
}

/// Refuses a file system without limits, whether or not there is something to hide just now (I1).
///
/// # Errors
/// [`PlanError::NeverReadableUnlimited`] unless nothing is required.
pub(super) fn refuse_unlimited(required: &[EntryPath]) -> Result<(), PlanError> {
    match required.first() {
        None => Ok(()),
        Some(first) => Err(PlanError::NeverReadableUnlimited { required: words(first) }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use policies::{
        Entry, FileSystemPolicy, GlobPattern, MissingPath, NetworkAccess, PermissionProfile, SpecialPath,
    };

    use super::super::{Action, Confinement, Plan, PlanRequest};
    use super::*;

    /// A disk with `data/secret/key`, `data/open`, `data/a.pem` and `data/sub/b.pem`, and `work`, a project.
    struct Disk(tempfile::TempDir);

    impl Disk {
        fn new() -> Self {
            let disk = Self(tempfile::tempdir().unwrap());
            for folder in ["data/secret/deep", "data/open", "data/sub", "work/.git", "work/sub", "tmp"] {
                std::fs::create_dir_all(disk.at(folder)).unwrap();
            }
            for file in ["data/secret/key", "data/a.pem", "data/sub/b.pem", "work/.git/config", "work/key"] {
                std::fs::write(disk.at(file), "").unwrap();
            }
            disk
        }

        fn at(&self, name: &str) -> PathBuf {
            let base = self.0.path().canonicalize().unwrap();
            if name.starts_with('/') { name.into() } else { base.join(name) }
        }

        fn path(&self, name: &str) -> AbsolutePath {
            AbsolutePath::parse(self.at(name)).unwrap()
        }

        fn required(&self, names: &[&str]) -> Vec<EntryPath> {
            let parse = |name: &&str| match name.contains('*') {
                true => EntryPath::Glob(GlobPattern::parse_under(&self.path(""), name).unwrap()),
                false => EntryPath::Path(self.path(name)),
            };
            names.iter().map(parse).collect()
        }

        fn plan(&self, entries: &[(&str, Access)], required: &[&str], cwd: &str) -> Result<Plan, PlanError> {
            let entries = entries.iter().map(|(name, access)| Entry {
                path: match *name {
                    ":workspace" => special(SpecialPath::ProjectRoots),
                    ":tmpdir" => special(SpecialPath::Tmpdir),
                    ":root" => special(SpecialPath::Root),
                    name => EntryPath::Path(self.path(name)),
                },
                access: *access,
                missing: MissingPath::Block,
            });
            let file_system =
                FileSystemPolicy::Restricted { entries: entries.collect(), glob_scan_max_depth: None };
            let network = NetworkAccess::Restricted;
            self.resolve(&PermissionProfile::Managed { file_system, network }, required, cwd)
        }

        fn resolve(
            &self,
            profile: &PermissionProfile,
            required: &[&str],
            cwd: &str,
        ) -> Result<Plan, PlanError> {
            Plan::resolve(PlanRequest {
                profile,
                cwd: &self.path(cwd),
                workspace: &self.path(cwd),
                environment: BTreeMap::new(),
                tmpdir: Some(self.at("tmp").as_os_str()),
                config_home: None,
                executable: None,
                never_readable: &self.required(required),
            })
        }
    }

    fn special(path: SpecialPath) -> EntryPath {
        EntryPath::Special { path, subpath: None }
    }

    fn access(plan: &Plan, path: &Path) -> Option<Access> {
        let Confinement::Confined(view) = &plan.confinement else { panic!("not confined") };
        view.access.access(&AbsolutePath::parse(path).unwrap())
    }

    /// What is mounted, below the disk.
    fn steps(disk: &Disk, plan: &Plan) -> Vec<(String, Action)> {
        let Confinement::Confined(view) = &plan.confinement else { panic!("not confined") };
        let below =
            |path: &AbsolutePath| Some(path.as_path().strip_prefix(disk.at("")).ok()?.display().to_string());
        view.steps.iter().filter_map(|step| Some((below(&step.path)?, step.action))).collect()
    }

    const ROOT: (&str, Access) = (":root", Access::Read);
    const WORK: (&str, Access) = (":workspace", Access::Write);

    #[test]
    fn what_is_required_is_masked_with_all_below_it() {
        let disk = Disk::new();
        let plan =
            disk.plan(&[ROOT, WORK], &["data/secret", "data/**/*.pem", "data/gone/x"], "work").unwrap();
        for (name, expect) in [
            ("data/secret", Access::Deny),
            ("data/secret/deep", Access::Deny),
            ("data/a.pem", Access::Deny),
            ("data/sub/b.pem", Access::Deny),
            ("data/sub", Access::Read),
            ("data/open", Access::Read),
            ("data/gone", Access::Read),
            ("work", Access::Write),
        ] {
            assert_eq!(access(&plan, &disk.at(name)), Some(expect), "{name}");
        }
        let masked = steps(&disk, &plan).into_iter().filter(|(_, action)| *action == Action::Mask);
        let masked: Vec<_> = masked.map(|(name, _)| name).collect();
        assert_eq!(masked, ["data/a.pem", "data/secret", "data/sub/b.pem"]);
        let printed = plan.to_string();
        assert!(printed.contains("/data/secret  "), "{printed}");
        assert!(printed.contains("never readable, as the administrator requires of "), "{printed}");
    }

    /// Entries of a profile, what is required, and what the refusal says.
    type Row<'a> = (&'a [(&'a str, Access)], &'a [&'a str], &'a str);

    /// Each profile, what is required, and what the refusal says; nothing where there is none.
    #[test]
    fn nothing_opens_it_again() {
        use Access::{Deny, Read, Write};
        let disk = Disk::new();
        symlink("secret", disk.at("data/link")).unwrap();
        symlink("../data", disk.at("work/sub/out")).unwrap();
        std::fs::hard_link(disk.at("data/secret/key"), disk.at("data/open/same")).unwrap();
        let secret: &[&str] = &["data/secret"];
        let rows: &[Row<'_>] = &[
            (&[ROOT, ("data/open", Read)], secret, ""),
            (&[ROOT, ("data/open", Write)], secret, ""),
            (&[ROOT, ("data", Write)], secret, ""),
            (&[ROOT, ("data/secret", Deny)], secret, ""),
            (&[ROOT, ("data/secret/key", Deny)], secret, ""),
            (&[ROOT, ("data/secret", Read)], secret, "data/secret` readable"),
            (&[ROOT, ("data/secret", Write)], secret, "data/secret` writable"),
            (&[ROOT, ("data/secret/key", Read)], secret, "data/secret/key` readable"),
            (&[ROOT, ("data/secret/deep", Write)], secret, "data/secret/deep` writable"),
            (&[ROOT, ("data/secret/gone", Write)], secret, "data/secret/gone` writable"),
            // Hidden by the profile below, opened below that.
            (&[ROOT, ("data", Deny), ("data/secret", Read)], secret, "data/secret` readable"),
            (&[ROOT, ("data/link/key", Read)], secret, "data/secret/key`, readable"),
            // What is required leads through a symlink, and the profile names the target.
            (&[ROOT, ("data/secret/key", Read)], &["data/link"], "data/secret/key` readable"),
            (&[ROOT, ("data/open/same", Read)], &["data/secret/key"], "data/open/same` readable"),
            (&[ROOT, ("data/open", Read)], &["data/secret/key"], ""),
            (&[ROOT, ("data/a.pem", Read)], &["data/*.pem"], "data/a.pem` readable"),
            (&[ROOT, ("data/sub/b.pem", Read)], &["data/*.pem"], ""),
            (&[ROOT, (":tmpdir", Write)], secret, ""),
            (&[ROOT, (":tmpdir", Write)], &["tmp"], "/tmp` writable"),
            (&[ROOT, WORK], &["work/.git"], ""),
            (&[ROOT, WORK], &["work/key"], ""),
            (&[ROOT, WORK], &["data/gone", "gone/key", "data/a.pem/x"], ""),
            (&[("data", Read)], secret, ""),
            (&[("data", Read), ("data/secret/key", Read)], secret, "data/secret/key` readable"),
        ];
        for (entries, required, says) in rows {
            match (disk.plan(entries, required, "work"), says.is_empty()) {
                (Ok(plan), true) => {
                    for place in resolve(&disk.required(required)).unwrap() {
                        let hidden = access(&plan, place.found.path.as_path());
                        assert!(matches!(hidden, Some(Deny) | None), "{entries:?} {required:?}");
                    }
                }
                (Ok(_), false) => panic!("planned {entries:?} {required:?}"),
                (Err(error), _) => {
                    let (message, help) = (error.to_string(), error.help());
                    assert!(
                        !says.is_empty() && message.contains(says),
                        "{entries:?} {required:?}: {message}"
                    );
                    assert!(message.contains("administrator requires"), "{message}");
                    assert!(help.starts_with("leave `"), "{help}");
                }
            }
        }
    }

    #[test]
    fn a_run_does_not_start_within_it() {
        let disk = Disk::new();
        symlink("secret", disk.at("data/link")).unwrap();
        for (cwd, required, refused) in [
            ("data/open", &["data/secret"][..], false),
            ("data/secret", &["data/secret"], true),
            ("data/secret/deep", &["data/secret"], true),
            ("data/link/deep", &["data/secret"], true),
            ("work/sub", &["work"], true),
            ("work/sub", &["work/*"], true),
            ("work/sub", &["work/s"], false),
            ("work", &["work/sub"], false),
            ("work", &["/"], true),
        ] {
            let planned = disk.plan(&[("data/open", Access::Read)], required, cwd);
            match planned {
                Ok(_) => assert!(!refused, "{cwd} {required:?}"),
                Err(PlanError::NeverReadableDirectory { .. }) => assert!(refused, "{cwd} {required:?}"),
                Err(error) => panic!("{cwd} {required:?}: {error}"),
            }
        }
    }

    #[test]
    fn a_profile_without_limits_is_refused_even_if_nothing_is_there() {
        let disk = Disk::new();
        let unrestricted =
            |network| PermissionProfile::Managed { file_system: FileSystemPolicy::Unrestricted, network };
        let unlimited = [
            PermissionProfile::Disabled,
            unrestricted(NetworkAccess::Enabled),
            unrestricted(NetworkAccess::Restricted),
        ];
        for profile in &unlimited {
            let refused = disk.resolve(profile, &["gone"], "work");
            assert!(matches!(refused, Err(PlanError::NeverReadableUnlimited { .. })), "{profile:?}");
            assert!(disk.resolve(profile, &[], "work").is_ok(), "{profile:?}");
        }
        let root = disk.plan(&[(":root", Access::Write)], &["gone"], "work");
        assert!(matches!(root, Err(PlanError::NeverReadableUnlimited { .. })));
        // It is run read-only, whatever it promises.
        let external = PermissionProfile::External { network: NetworkAccess::Enabled };
        let plan = disk.resolve(&external, &["data/secret"], "work").unwrap();
        assert_eq!(access(&plan, &disk.at("data/secret/key")), Some(Access::Deny));
        assert_eq!(access(&plan, &disk.at("data/open")), Some(Access::Read));
    }

    #[test]
    fn our_own_protections_open_nothing() {
        let disk = Disk::new();
        // The git directory of `work/sub` lies in what is never readable, and so does the executable.
        std::fs::write(disk.at("work/sub/.git"), "gitdir: ../../data/secret/deep\n").unwrap();
        let (executable, home) = (disk.path("data/secret/key"), disk.path("data/secret/deep"));
        let entry = |name| Entry {
            path: EntryPath::Path(disk.path(name)),
            access: Access::Write,
            missing: MissingPath::Block,
        };
        let file_system = FileSystemPolicy::Restricted {
            entries: vec![entry("work/sub"), entry("data"), entry("work")],
            glob_scan_max_depth: None,
        };
        let profile = PermissionProfile::Managed { file_system, network: NetworkAccess::Enabled };
        let plan = Plan::resolve(PlanRequest {
            profile: &profile,
            cwd: &disk.path("work"),
            workspace: &disk.path("work"),
            environment: BTreeMap::new(),
            tmpdir: Some(OsStr::new("/nowhere")),
            config_home: Some(&home),
            executable: Some(&executable),
            never_readable: &disk.required(&["data/secret", "work/.git"]),
        })
        .unwrap();
        for name in ["data/secret", "data/secret/key", "data/secret/deep", "work/.git", "work/.git/config"] {
            assert_eq!(access(&plan, &disk.at(name)), Some(Access::Deny), "{name}");
        }
        let shown = |(name, action): &(String, Action)| {
            (name.starts_with("data/secret") || name.starts_with("work/.git")) && *action != Action::Mask
        };
        assert!(!steps(&disk, &plan).iter().any(shown), "{:?}", steps(&disk, &plan));
    }

    #[test]
    fn a_match_that_leads_nowhere_stops_no_run() {
        let disk = Disk::new();
        for (target, link) in [
            ("loop.pem", "loop.pem"),
            ("/dev/null", "null.pem"),
            ("/proc/version", "version.pem"),
            ("/", "root.pem"),
            ("gone", "gone.pem"),
        ] {
            symlink(target, disk.at("work/sub").join(link)).unwrap();
        }
        std::fs::write(disk.at("work/sub/a.pem"), "").unwrap();
        let plan = disk.plan(&[ROOT, WORK], &["work/sub/*.pem"], "work").unwrap();
        assert_eq!(access(&plan, &disk.at("work/sub/a.pem")), Some(Access::Deny));
        assert_eq!(access(&plan, &disk.at("work")), Some(Access::Write));
        let pattern = GlobPattern::parse_under(&disk.path("work"), "sub/*.pem").unwrap();
        let file_system = FileSystemPolicy::Restricted {
            entries: vec![
                Entry { path: special(SpecialPath::Root), access: Access::Read, missing: MissingPath::Block },
                Entry { path: EntryPath::Glob(pattern), access: Access::Deny, missing: MissingPath::Block },
            ],
            glob_scan_max_depth: None,
        };
        let profile = PermissionProfile::Managed { file_system, network: NetworkAccess::Restricted };
        let plan = disk.resolve(&profile, &[], "work").unwrap();
        assert_eq!(access(&plan, &disk.at("work/sub/a.pem")), Some(Access::Deny));
        assert_eq!(access(&plan, &disk.at("work")), Some(Access::Read));
    }

    #[test]
    fn a_match_behind_a_symlink_to_a_folder_is_masked() {
        let disk = Disk::new();
        symlink("../../data", disk.at("work/sub/out")).unwrap();
        for required in ["work/sub/*/a.pem", "work/sub/out/*.pem", "work/**/*.pem"] {
            let plan = disk.plan(&[ROOT], &[required], "work").unwrap();
            assert_eq!(access(&plan, &disk.at("data/a.pem")), Some(Access::Deny), "{required}");
            assert_eq!(access(&plan, &disk.at("data/open")), Some(Access::Read), "{required}");
            // The next run would be led elsewhere.
            let refused = disk.plan(&[ROOT, WORK], &[required], "work").unwrap_err();
            assert!(matches!(refused, PlanError::WritableLink { .. }), "{required}: {refused}");
        }
    }

    #[test]
    fn what_cannot_be_hidden_is_refused() {
        let disk = Disk::new();
        symlink("loop", disk.at("data/loop")).unwrap();
        symlink("../data/secret", disk.at("work/link")).unwrap();
        let refused = |required: &str| disk.plan(&[ROOT, WORK], &[required], "work").unwrap_err();
        assert!(matches!(refused("data/loop"), PlanError::RequirementUnresolvable { .. }));
        assert!(matches!(refused("/proc/version"), PlanError::RequirementInterface { .. }));
        assert!(matches!(refused("/dev/null"), PlanError::RequirementInterface { .. }));
        // The next run would be led elsewhere.
        assert!(matches!(refused("work/link"), PlanError::WritableLink { .. }));
        assert!(disk.plan(&[ROOT], &["work/link"], "work").is_ok());
        let token = [special(SpecialPath::Tmpdir)];
        assert!(matches!(resolve(&token), Err(PlanError::RequirementUnresolvable { .. })));
    }
}
