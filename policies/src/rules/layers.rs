//! The rule files of all layers as one policy.
//!
//! What a broken file means depends on whose it is. The administrator's stops the start: what he forbids must not
//! be lost. Anybody else's gives nothing, leaves every other file in force, and makes the policy ask about every
//! command of which no other rule speaks until it is mended ([`Policy::add_missing`]); otherwise one file that a
//! repository broke would take the user's prohibitions with it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use execpolicy::rule::NetworkRule;
use execpolicy::{Dropped, MissingRules, NetworkHosts, Origin, Policy, RuleSet};

use super::budget::Budget;
use super::file::{self, RulesError};
use super::folder::{self, Folder, Links, RuleFolderError};
use super::report::{self, LayeredRulesError, RuleFileReport, RuleFileState, TextRange};
use crate::AdminFile;
use crate::display::{escape, with_causes};
use crate::path::AbsolutePath;

/// Warnings about rule files. A repository can have thousands, and nobody reads them; what they decide, all decide.
const MAX_WARNINGS: usize = 20;

/// Whose rules they are. From weak to strong trust: the administrator's, the user's, the repository's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleLayer {
    /// The administrator's. A broken file is an error.
    System,
    /// The user's.
    User,
    /// The repository's: only what restricts counts (I10).
    Project,
}

/// Where the rule files of a layer are.
#[derive(Clone, Debug)]
pub enum RuleFiles {
    /// Read already, in this order, by whoever can tell that they are what they claim to be.
    Given(Vec<AdminFile>),
    /// In this folder: regular files named `*.rules`, sorted by name. There may be no such folder.
    In(PathBuf),
    /// As [`Self::In`], in a project: links on the way do not lead out of it.
    InProject {
        /// The project, without symlinks.
        root: AbsolutePath,
        /// The folder, below it.
        folder: PathBuf,
    },
}

/// The rule files of one layer.
#[derive(Clone, Debug)]
pub struct RuleFolder {
    /// The layer.
    pub layer: RuleLayer,
    /// Its files.
    pub files: RuleFiles,
}

/// All layers, loaded.
#[derive(Clone, Debug, Default)]
pub struct LayeredRules {
    /// The rules. What requirements add is the caller's to add.
    pub policy: Policy,
    /// What network rules come to. Within a layer the last rule about a host holds; what one layer denies, no other
    /// allows.
    pub hosts: NetworkHosts,
    /// What became of each file, and of each folder that could not be read, in the order of loading.
    pub files: Vec<RuleFileReport>,
    /// What people should know, one sentence each with its fix, safe to print.
    pub warnings: Vec<String>,
}

/// Loads the rule files of all layers, of which the lowest comes first.
///
/// A list of host executables replaces that of a lower layer; of rules the strictest holds, whichever the layer.
/// Files that are more than plain data are evaluated in a process of their own: programs that call this call
/// [`super::take_over`] first in `main`.
///
/// # Errors
/// [`LayeredRulesError`], for [`RuleLayer::System`] only. Of other layers broken files are reported and warned of.
pub fn load_rule_layers(folders: &[RuleFolder]) -> Result<LayeredRules, LayeredRulesError> {
    let mut loader =
        Loader { loaded: LayeredRules::default(), network: Vec::new(), budget: Budget::default() };
    for folder in folders {
        match &folder.files {
            RuleFiles::Given(files) => {
                for file in files {
                    loader.file(folder.layer, &file.path, Ok(Cow::Borrowed(&file.text)))?;
                }
            }
            RuleFiles::In(path) => {
                let links = match folder.layer {
                    RuleLayer::System | RuleLayer::Project => Links::Refused,
                    RuleLayer::User => Links::Followed,
                };
                loader.folder(folder.layer, path, folder::open(path, links))?;
            }
            RuleFiles::InProject { root, folder: path } => {
                loader.folder(folder.layer, path, folder::open_in_project(root, path))?;
            }
        }
    }
    Ok(loader.finish())
}

struct Loader {
    loaded: LayeredRules,
    /// In the order of loading.
    network: Vec<(RuleLayer, NetworkRule)>,
    budget: Budget,
}

impl Loader {
    fn folder(
        &mut self,
        layer: RuleLayer,
        path: &Path,
        opened: Result<Option<Folder>, RuleFolderError>,
    ) -> Result<(), LayeredRulesError> {
        let folder = match opened {
            Ok(Some(folder)) => folder,
            Ok(None) => return Ok(()),
            Err(source) => return self.broken_folder(layer, source),
        };
        for name in &folder.files {
            let path = path.join(name);
            let text = folder
                .open_file(name)
                .map_err(|source| RulesError::Read { path: path.clone(), source })
                .and_then(|open| file::read(&path, open));
            self.file(layer, &path, text.map(Cow::Owned))?;
        }
        for (name, kind) in folder.others {
            let path = path.join(name);
            match layer {
                RuleLayer::System => return Err(LayeredRulesError::NotRegular { path, kind }),
                RuleLayer::User | RuleLayer::Project => self.loaded.warnings.push(format!(
                    "`{}` is ignored: it is {kind}, and only regular files are read as rules; replace it by \
                     a regular file, or give it another name",
                    escape(path)
                )),
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        layer: RuleLayer,
        path: &Path,
        text: Result<Cow<'_, str>, RulesError>,
    ) -> Result<(), LayeredRulesError> {
        let rules = text.and_then(|text| {
            self.budget.take(path, &text)?;
            file::evaluate(path, &text, &self.loaded.policy)
        });
        match rules {
            Ok(rules) => {
                let (rules, dropped) = match layer {
                    RuleLayer::System | RuleLayer::User => (rules, Dropped::default()),
                    RuleLayer::Project => rules.restricting(),
                };
                self.add(layer, path, rules, &dropped);
                Ok(())
            }
            Err(source) if layer == RuleLayer::System => {
                Err(LayeredRulesError::File { path: path.to_owned(), source: Box::new(source) })
            }
            Err(error) => {
                let location = report::place(&error);
                let line = location.map_or(0, |place| place.line);
                let message = with_causes(&error);
                self.broken(
                    layer,
                    path,
                    Broken { line, why: report::why(&error), message, location, help: error.help() },
                );
                Ok(())
            }
        }
    }

    fn broken_folder(&mut self, layer: RuleLayer, source: RuleFolderError) -> Result<(), LayeredRulesError> {
        if layer == RuleLayer::System {
            return Err(LayeredRulesError::Folder { source });
        }
        let message = with_causes(&source);
        let help = Some(source.help().to_owned());
        let broken = Broken { line: 0, why: message.clone(), message, location: None, help };
        self.broken(layer, source.path(), broken);
        Ok(())
    }

    fn add(&mut self, layer: RuleLayer, path: &Path, rules: RuleSet, dropped: &Dropped) {
        self.loaded.files.push(RuleFileReport {
            path: path.to_owned(),
            layer,
            state: RuleFileState::Loaded {
                rules: rules.prefix.len(),
                network: rules.network.len(),
                host_executables: rules.host_executables.len(),
                ignored: dropped.count(),
            },
        });
        self.loaded.warnings.extend(report::ignored(path, dropped));
        self.network.extend(rules.network.iter().map(|rule| (layer, rule.clone())));
        self.loaded.policy.add(rules);
    }

    fn finish(self) -> LayeredRules {
        let of_layer = |wanted: RuleLayer| {
            let rules = self.network.iter().filter(|(layer, _)| *layer == wanted);
            NetworkHosts::compile(rules.map(|(_, rule)| rule))
        };
        let layers = [RuleLayer::System, RuleLayer::User, RuleLayer::Project].map(of_layer);
        let hosts = layers.into_iter().fold(NetworkHosts::default(), NetworkHosts::join);
        let mut loaded = self.loaded;
        let more = loaded.warnings.len().saturating_sub(MAX_WARNINGS);
        if more > 0 {
            loaded.warnings.truncate(MAX_WARNINGS);
            loaded.warnings.push(format!(
                "and {more} more warnings about rule files; `codex debug-config --json` names every file"
            ));
        }
        LayeredRules { hosts, ..loaded }
    }

    fn broken(&mut self, layer: RuleLayer, path: &Path, broken: Broken) {
        let Broken { line, why, message, location, help } = broken;
        self.loaded.warnings.push(format!(
            "{message}; none of its rules are in force, and until it is mended, commands that no other rule \
             speaks of are asked about; {}",
            help.as_deref().unwrap_or("mend it, or remove it")
        ));
        // Escaped: it becomes part of sentences.
        self.loaded.policy.add_missing(MissingRules { origin: Origin::new(escape(path), line), why });
        let state = RuleFileState::Broken { error: message, location, help };
        self.loaded.files.push(RuleFileReport { path: path.to_owned(), layer, state });
    }
}

/// What is said of a file or folder that is broken.
struct Broken {
    line: u32,
    why: String,
    message: String,
    location: Option<TextRange>,
    help: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use execpolicy::{ApprovalPolicy, Context, Decision, Placement, Request, Sandboxing, WritableRoots};

    use super::*;

    #[test]
    fn a_denied_host_stays_denied_across_layers() {
        let home = Home::new(&[
            ("user/a.rules", b"network_rule('x', 'https', 'deny')\nnetwork_rule('y', 'https', 'deny')\n"),
            ("user/b.rules", b"network_rule('x', 'https', 'allow')\nnetwork_rule('z', 'https', 'allow')\n"),
            ("project/p.rules", b"network_rule('z', 'https', 'deny')\nnetwork_rule('y', 'https', 'allow')\n"),
        ]);
        let hosts = home.load().hosts;
        // Of one layer the last rule holds; of the repository only what restricts.
        assert_eq!(hosts.allowed.into_iter().collect::<Vec<_>>(), ["x"]);
        assert_eq!(hosts.denied.into_iter().collect::<Vec<_>>(), ["y", "z"]);
    }

    const PUSH: &str = "prefix_rule(['git', 'push'], 'forbidden')\n";
    const GIT: &str = "prefix_rule(['git'])\n";

    /// The folders of a user and of a project.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new(files: &[(&str, &[u8])]) -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            for folder in ["user", "project"] {
                std::fs::create_dir(home.path(folder)).unwrap();
            }
            for (name, text) in files {
                std::fs::write(home.path(name), text).unwrap();
            }
            home
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn load(&self) -> LayeredRules {
            let folder = |layer, name| RuleFolder { layer, files: RuleFiles::In(self.path(name)) };
            load_rule_layers(&[folder(RuleLayer::User, "user"), folder(RuleLayer::Project, "project")])
                .unwrap()
        }
    }

    fn judge(policy: &Policy, command: &str) -> (Decision, Placement) {
        let argv: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let context = Context {
            approval: ApprovalPolicy::OnRequest,
            sandboxing: Sandboxing::Restricted,
            request: Request::Default,
            cwd: "/project",
            moved: false,
            programs: &WritableRoots::default(),
            wanted_prefix: None,
        };
        let verdict = policy.evaluate(&argv, &context);
        (verdict.decision, verdict.sandbox)
    }

    fn loaded(report: &RuleFileReport) -> Option<[usize; 4]> {
        match report.state {
            RuleFileState::Loaded { rules, network, host_executables, ignored } => {
                Some([rules, network, host_executables, ignored])
            }
            RuleFileState::Broken { .. } => None,
        }
    }

    const ALLOWED: (Decision, Placement) = (Decision::Allow, Placement::Outside);
    const CONTAINED: (Decision, Placement) = (Decision::Allow, Placement::Inside);
    const ASKED: (Decision, Placement) = (Decision::Prompt, Placement::Inside);
    const REFUSED: (Decision, Placement) = (Decision::Forbidden, Placement::Inside);

    #[test]
    fn a_broken_file_takes_no_other_with_it_and_makes_the_unknown_a_question() {
        let good: [(&str, &[u8]); 3] = [
            ("user/a.rules", GIT.as_bytes()),
            ("user/z.rules", PUSH.as_bytes()),
            ("project/a.rules", b"prefix_rule(['make'], 'forbidden')"),
        ];
        let rules = Home::new(&good).load();
        assert_eq!(rules.warnings, [] as [&str; 0]);
        for (command, expect) in
            [("git log", ALLOWED), ("git push", REFUSED), ("make", REFUSED), ("ls", CONTAINED)]
        {
            assert_eq!(judge(&rules.policy, command), expect, "{command}");
        }
        let long = [b"#".repeat(1 << 20), b"#".to_vec()].concat();
        let broken: [(&[u8], u32, &str); 6] = [
            (b"# mine\nprefix_rule(['ls']", 2, "m.rules:2:"),
            (b"\nprefix_rule('ls')", 2, "m.rules:2:"),
            (b"prefix_rule(['ls'], match=['rm'])", 1, "m.rules:1:"),
            (b"a\nb\xff", 2, "not UTF-8: byte 2 of line 2"),
            (&long, 0, "more than 1048576 bytes"),
            // The reader of programs is the `codex` binary, which this is not.
            (b"[prefix_rule([x]) for x in ['ls']]", 0, "ended without an answer"),
        ];
        for (text, line, says) in broken {
            for layer in ["user", "project"] {
                let home = Home::new(&good);
                let path = home.path(layer).join("m.rules");
                std::fs::write(&path, text).unwrap();
                let rules = home.load();
                for (command, expect) in
                    [("git log", ALLOWED), ("git push", REFUSED), ("make", REFUSED), ("ls", ASKED)]
                {
                    assert_eq!(judge(&rules.policy, command), expect, "{layer} {says} {command}");
                }
                let origin = Origin::new(path.to_str().unwrap(), line);
                let missing: Vec<_> = rules.policy.missing().iter().map(|missing| &missing.origin).collect();
                assert_eq!(missing, [&origin], "{layer} {says}");
                let [warning] = &rules.warnings[..] else { panic!("{:?}", rules.warnings) };
                assert!(warning.contains(says) && warning.contains("m.rules"), "{warning}");
                assert!(warning.contains("asked about; "), "{warning}");
                assert!(!warning.contains('\n'), "{warning}");
                let report = rules.files.iter().find(|report| report.path == path).unwrap();
                let RuleFileState::Broken { error, location, .. } = &report.state else { panic!("{says}") };
                assert!(error.contains(says), "{error}");
                assert_eq!(location.map_or(0, |place| place.line), line, "{error}");
                assert_eq!(rules.files.iter().filter_map(loaded).count(), 3);
            }
        }
    }

    #[test]
    fn a_project_only_narrows() {
        let text = b"prefix_rule(['make'])
prefix_rule(['git', 'push'], 'prompt')
network_rule('a', 'https', 'allow')
network_rule('b', 'https', 'deny')
host_executable('git', ['/home/evil/git'])
";
        let listed = b"prefix_rule(['git'])\nhost_executable('git', ['/usr/bin/git'])\n";
        let home = Home::new(&[("user/a.rules", listed), ("project/p.rules", text)]);
        let rules = home.load();
        for (command, expect) in [
            ("make", CONTAINED),
            ("git log", ALLOWED),
            ("git push", ASKED),
            ("/usr/bin/git log", ALLOWED),
            ("/home/evil/git log", CONTAINED),
        ] {
            assert_eq!(judge(&rules.policy, command), expect, "{command}");
        }
        let hosts: Vec<_> = rules.policy.network_rules().iter().map(|rule| rule.host.as_str()).collect();
        assert_eq!(hosts, ["b"]);
        assert_eq!(rules.files.iter().filter_map(loaded).collect::<Vec<_>>(), [[1, 0, 1, 0], [1, 1, 0, 3]]);
        let file = home.path("project/p.rules");
        assert_eq!(
            rules.warnings,
            [format!(
                "2 rules that allow and 1 list of host executables in `{}`, from line 1, are ignored: a \
                 repository can only narrow; if you want them, copy them to your own rules folder",
                file.display()
            )]
        );
        // The same file of the user counts in full.
        let rules = Home::new(&[("user/p.rules", text)]).load();
        assert_eq!(judge(&rules.policy, "make"), ALLOWED);
        assert_eq!(rules.warnings, [] as [&str; 0]);
    }

    #[test]
    fn only_regular_files_are_read_and_others_are_not_passed_over_in_silence() {
        let home = Home::new(&[("elsewhere", GIT.as_bytes()), ("user/b.txt", b"(")]);
        symlink(home.path("elsewhere"), home.path("user/link.rules")).unwrap();
        std::fs::create_dir(home.path("project/folder.rules")).unwrap();
        let rules = home.load();
        assert_eq!(judge(&rules.policy, "git log"), CONTAINED);
        assert_eq!(rules.files, []);
        let [link, folder] = &rules.warnings[..] else { panic!("{:?}", rules.warnings) };
        assert!(link.contains("link.rules` is ignored: it is a symbolic link"), "{link}");
        assert!(folder.contains("folder.rules` is ignored: it is a folder"), "{folder}");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_like_a_broken_file() {
        for layer in ["user", "project"] {
            let home = Home::new(&[("user/a.rules", GIT.as_bytes()), ("project/a.rules", PUSH.as_bytes())]);
            std::fs::remove_dir_all(home.path(layer)).unwrap();
            let (twin, missing) = (home.load(), home.path(layer));
            assert_eq!((twin.warnings.len(), judge(&twin.policy, "ls")), (0, CONTAINED), "{layer}");
            std::fs::write(&missing, "").unwrap();
            let rules = home.load();
            assert_eq!(judge(&rules.policy, "ls"), ASKED, "{layer}");
            assert_eq!(rules.policy.missing()[0].origin, Origin::new(missing.to_str().unwrap(), 0));
            assert!(rules.warnings[0].contains("it is no folder"), "{:?}", rules.warnings);
            // The user may keep his rules elsewhere; a repository may not.
            std::fs::remove_file(&missing).unwrap();
            std::fs::create_dir(home.path("real")).unwrap();
            std::fs::write(home.path("real/r.rules"), "prefix_rule(['make'], 'forbidden')").unwrap();
            symlink(home.path("real"), &missing).unwrap();
            let rules = home.load();
            let expect = if layer == "user" { CONTAINED } else { ASKED };
            assert_eq!(judge(&rules.policy, "ls"), expect, "{layer}");
            assert_eq!(judge(&rules.policy, "make") == REFUSED, layer == "user");
        }
    }

    #[test]
    fn a_folder_of_a_project_is_in_the_project() {
        let home = Home::new(&[("user/r.rules", PUSH.as_bytes())]);
        for folder in ["repo/real/rules", "repo/sub"] {
            std::fs::create_dir_all(home.path(folder)).unwrap();
        }
        std::fs::write(home.path("repo/real/rules/r.rules"), PUSH).unwrap();
        symlink("real", home.path("repo/.codex")).unwrap();
        symlink("../../project", home.path("repo/sub/.codex")).unwrap();
        let root = AbsolutePath::parse(std::fs::canonicalize(home.path("repo")).unwrap()).unwrap();
        let load = |around: &str| {
            let folder = root.as_path().join(around).join("rules");
            let files = RuleFiles::InProject { root: root.clone(), folder };
            load_rule_layers(&[RuleFolder { layer: RuleLayer::Project, files }]).unwrap()
        };
        for inside in [".codex", "real"] {
            assert_eq!(load(inside).warnings, [] as [&str; 0]);
            assert_eq!(judge(&load(inside).policy, "git push"), REFUSED, "{inside}");
        }
        assert_eq!(load("absent").files, []);
        std::fs::rename(home.path("user"), home.path("project/rules")).unwrap();
        let outside = load("sub/.codex");
        assert!(outside.warnings[0].contains("outside the project"), "{:?}", outside.warnings);
        assert_eq!(judge(&outside.policy, "git push"), ASKED, "as of any broken folder");
        assert_eq!(judge(&outside.policy, "ls"), ASKED);
    }

    #[test]
    fn many_broken_files_decide_but_are_not_all_told() {
        let home = Home::new(&[]);
        for number in 0..100 {
            std::fs::write(home.path(&format!("project/{number}.rules")), "(").unwrap();
        }
        let rules = home.load();
        assert_eq!((rules.files.len(), rules.policy.missing().len()), (100, 100));
        assert_eq!(judge(&rules.policy, "ls"), ASKED);
        assert_eq!(rules.warnings.len(), MAX_WARNINGS + 1);
        assert!(rules.warnings[MAX_WARNINGS].starts_with("and 80 more "), "{:?}", rules.warnings.last());
    }

    #[test]
    fn a_broken_file_of_the_administrator_is_an_error() {
        let given = |text: &str| {
            let file = AdminFile { path: "/etc/codex/rules/a.rules".into(), text: text.to_owned() };
            load_rule_layers(&[RuleFolder { layer: RuleLayer::System, files: RuleFiles::Given(vec![file]) }])
        };
        assert_eq!(judge(&given(PUSH).unwrap().policy, "git push"), REFUSED);
        let error = given("prefix_rule('ls')").unwrap_err();
        assert_eq!(error.to_string(), "cannot use the administrator's rule file `/etc/codex/rules/a.rules`");
        let cause = error.source().unwrap().to_string();
        assert!(cause.starts_with("/etc/codex/rules/a.rules:1:"), "{cause}");
        assert!(error.help().is_some());

        let home = Home::new(&[("user/a.rules", PUSH.as_bytes())]);
        let system = || {
            let files = RuleFiles::In(home.path("user"));
            load_rule_layers(&[RuleFolder { layer: RuleLayer::System, files }])
        };
        assert_eq!(judge(&system().unwrap().policy, "git push"), REFUSED);
        symlink("a.rules", home.path("user/b.rules")).unwrap();
        assert!(matches!(system(), Err(LayeredRulesError::NotRegular { .. })));
        std::fs::remove_dir_all(home.path("user")).unwrap();
        assert!(system().is_ok());
        std::fs::write(home.path("user"), "").unwrap();
        assert!(matches!(system(), Err(LayeredRulesError::Folder { .. })));
    }

    #[test]
    fn a_higher_list_of_paths_replaces_a_lower_one_and_no_layer_loosens_another() {
        let layer = |layer, text: &str| {
            let file = AdminFile { path: format!("/{layer:?}.rules").into(), text: text.to_owned() };
            RuleFolder { layer, files: RuleFiles::Given(vec![file]) }
        };
        let system = "host_executable('git', ['/usr/bin/git'])\nprefix_rule(['git', 'push'], 'forbidden')";
        let user = "host_executable('git', ['/opt/git'])\nprefix_rule(['git'])\nprefix_rule(['git', 'push'])";
        let rules =
            load_rule_layers(&[layer(RuleLayer::System, system), layer(RuleLayer::User, user)]).unwrap();
        for (command, expect) in
            [("/opt/git log", ALLOWED), ("/usr/bin/git log", CONTAINED), ("/opt/git push", REFUSED)]
        {
            assert_eq!(judge(&rules.policy, command), expect, "{command}");
        }
    }

    #[test]
    fn any_bytes_may_name_a_file() {
        let home = Home::new(&[]);
        for name in [&b"\xff.rules"[..], b"`\x1b[2J.rules"] {
            std::fs::write(home.path("user").join(OsStr::from_bytes(name)), PUSH).unwrap();
        }
        let rules = home.load();
        assert_eq!((rules.files.len(), judge(&rules.policy, "git push")), (2, REFUSED));
        for name in [&b"\xff.rules"[..], b"`\x1b[2J.rules"] {
            std::fs::write(home.path("user").join(OsStr::from_bytes(name)), "(").unwrap();
        }
        let rules = home.load();
        assert_eq!((rules.warnings.len(), judge(&rules.policy, "ls")), (2, ASKED));
        assert!(rules.warnings.iter().all(|warning| !warning.contains('\x1b')), "{:?}", rules.warnings);
    }
}
