//! Which project the working directory belongs to, whether the person trusts it, and its config files.
//!
//! What a repository says narrows at most (I10, `narrowing.rs`); trust decides whether it is heard at all. Paths
//! are compared after symlinks are resolved, and only markers of the project itself count: a `.git` file's
//! pointer to another repository is never followed, so that nothing inherits the trust of what it points at.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config_error::ConfigError;
use crate::config_file::{MAX_CONFIG_BYTES, read_project_layer};
use crate::expand::expand_home;
use crate::keys::KeyPath;
use crate::layers::{Layer, LayerSource, Layers};
use crate::location::{Anchor, Location};
use crate::path::AbsolutePath;

/// What marks the top of a project unless configured.
const DEFAULT_MARKER: &str = ".git";

/// The most config files of one project, from its root to the working directory. Each costs a read and a merge.
pub const MAX_PROJECT_FILES: usize = 32;

/// `trust_level`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    /// Its config files are heard.
    Trusted,
    /// They are not, and every command that no rule allows is asked about.
    Untrusted,
}

impl TrustLevel {
    /// The accepted words.
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("trusted", Self::Trusted), ("untrusted", Self::Untrusted)];
}

/// What the person recorded about a project, with the place of the setting.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// Trusted.
    Trusted(Option<Location>),
    /// Not trusted.
    Untrusted(Option<Location>),
    /// Nothing.
    #[default]
    Unlisted,
}

impl Trust {
    /// Whether config files of the project are heard.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::Trusted(_))
    }
}

/// The project around a working directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// The nearest folder at or above the working directory with a marker, else the working directory.
    pub root: AbsolutePath,
    /// The working directory, without symlinks.
    pub cwd: AbsolutePath,
    /// What the person recorded about it.
    pub trust: Trust,
    /// Whether the person decided either way about the root or the working directory itself. Distrust of a folder
    /// around them is no decision that commands may write here.
    pub is_recorded: bool,
}

/// A config file of a project that is not heard. Its content was not read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DisabledLayer {
    /// The file.
    pub source: LayerSource,
    /// Why, for people.
    pub reason: String,
}

impl Project {
    /// Finds the project around `cwd`; `None` when that does not exist or cannot be entered, so that nothing in
    /// it could be read either.
    pub(crate) fn find(cwd: &AbsolutePath, markers: Option<&[String]>) -> Option<Self> {
        let cwd = AbsolutePath::parse(fs::canonicalize(cwd).ok()?).ok()?;
        let default = [DEFAULT_MARKER.to_owned()];
        let markers = markers.unwrap_or(&default);
        let has_marker =
            |folder: &AbsolutePath| markers.iter().any(|marker| is_there(&folder.as_path().join(marker)));
        let root = cwd.ancestors().find(has_marker).unwrap_or_else(|| cwd.clone());
        Some(Self { root, cwd, trust: Trust::Unlisted, is_recorded: false })
    }

    /// Looks up what is recorded. `trusted` is for the root or the working directory alone; `untrusted` for
    /// everything below it too: a marker is content, and shipped with a folder it would move the root from under
    /// the mark. Of several settings `untrusted` wins. Answers also with the settings that name no place.
    pub(crate) fn with_trust(
        self,
        projects: &BTreeMap<String, Option<TrustLevel>>,
        layers: &Layers,
        home: Option<&AbsolutePath>,
    ) -> (Self, Vec<String>) {
        let (mut trust, mut is_recorded) = (Trust::Unlisted, false);
        let mut warnings = Vec::new();
        for (written, level) in projects {
            let key = KeyPath::new(["projects", written.as_str()]);
            let Some(level) = level else { continue };
            let Some(path) = recorded_path(written, home) else {
                let location = Location::prefix(layers.locate(&key, Anchor::Key).as_ref());
                warnings
                    .push(format!("{location}`{key}` is not an absolute path, so it is about no project"));
                continue;
            };
            let is_named = path == self.root || path == self.cwd;
            let is_about = match level {
                TrustLevel::Trusted => is_named,
                TrustLevel::Untrusted => self.cwd.starts_with(&path),
            };
            if !is_about {
                continue;
            }
            is_recorded |= is_named;
            let location = || layers.locate(&key.child("trust_level"), Anchor::Value);
            trust = match (trust, level) {
                (Trust::Untrusted(at), _) => Trust::Untrusted(at),
                (Trust::Trusted(_) | Trust::Unlisted, TrustLevel::Untrusted) => Trust::Untrusted(location()),
                (trust @ Trust::Trusted(_), TrustLevel::Trusted) => trust,
                (Trust::Unlisted, TrustLevel::Trusted) => Trust::Trusted(location()),
            };
        }
        (Self { trust, is_recorded, ..self }, warnings)
    }

    /// The `.codex` folders of the project, root first, whether they exist or not. The config home is not one of
    /// them, also where a working directory happens to be the folder around it.
    pub(crate) fn config_folders(&self, config_home: &Path) -> Vec<PathBuf> {
        let identity =
            |folder: &Path| fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        let home = identity(config_home);
        let folders: Vec<AbsolutePath> =
            self.cwd.ancestors().take_while(|folder| folder.starts_with(&self.root)).collect();
        let folders = folders.iter().rev().map(|folder| folder.as_path().join(".codex"));
        folders.filter(|folder| home.is_none() || identity(folder) != home).collect()
    }

    /// The project's config files that exist, root first, without reading them.
    pub(crate) fn config_files(&self, config_home: &Path) -> Vec<PathBuf> {
        let files = self.config_folders(config_home).into_iter().map(|folder| folder.join("config.toml"));
        files.filter(|file| is_there(file)).collect()
    }

    /// Reads the config files of a trusted project, root first.
    ///
    /// # Errors
    /// As for other config files, when one lies outside the project, and when there are more than
    /// [`MAX_PROJECT_FILES`] or together they are larger than one file may be: each is merged with those above it.
    pub(crate) fn read_layers(&self, files: &[PathBuf]) -> Result<Vec<Layer>, ConfigError> {
        if files.len() > MAX_PROJECT_FILES {
            return Err(ConfigError::TooManyProjectFiles { root: self.root.clone() });
        }
        let mut layers = Vec::new();
        let mut bytes = 0;
        for file in files {
            let Some(layer) = read_project_layer(&self.root, file)? else { continue };
            bytes += layer.text_bytes();
            if u64::try_from(bytes).is_ok_and(|bytes| bytes > MAX_CONFIG_BYTES) {
                return Err(ConfigError::ProjectTooBig { root: self.root.clone() });
            }
            layers.push(layer);
        }
        Ok(layers)
    }

    /// Why the files of this project are not heard, as the end of a sentence; `None` if they are.
    pub(crate) fn distrust(&self) -> Option<String> {
        match &self.trust {
            Trust::Trusted(_) => None,
            Trust::Untrusted(None) => Some(format!("the project `{}` is not trusted", self.root)),
            Trust::Untrusted(Some(at)) => {
                Some(format!("the project `{}` is marked as untrusted in {at}", self.root))
            }
            Trust::Unlisted => Some(format!("nothing says that the project `{}` is trusted", self.root)),
        }
    }
}

/// Whether something has this name. What cannot be found out counts as there: for a marker that gives the nearest
/// root, which inherits the least trust, and for a config file its mention in a warning or an error.
fn is_there(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

/// The place that a key of `[projects]` names, without symlinks where it exists.
fn recorded_path(written: &str, home: Option<&AbsolutePath>) -> Option<AbsolutePath> {
    let path = match expand_home(written, home) {
        Ok(Some(path)) => path,
        Ok(None) => AbsolutePath::parse(written).ok()?,
        Err(_) => return None,
    };
    Some(without_symlinks(&path))
}

/// Where a path leads, or itself when it leads nowhere.
pub(crate) fn without_symlinks(path: &AbsolutePath) -> AbsolutePath {
    let resolved = fs::canonicalize(path).ok().and_then(|path| AbsolutePath::parse(path).ok());
    resolved.unwrap_or_else(|| path.clone())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::test_dir::TestDir;

    fn absolute(path: impl AsRef<Path>) -> AbsolutePath {
        AbsolutePath::parse(fs::canonicalize(path).unwrap()).unwrap()
    }

    fn trust(project: Project, rows: &[(&str, TrustLevel)]) -> Trust {
        let projects = rows.iter().map(|(path, level)| ((*path).to_owned(), Some(*level))).collect();
        project.with_trust(&projects, &Layers::default(), None).0.trust
    }

    #[test]
    fn the_nearest_marker_is_the_root() {
        let dir = TestDir::new("project-root");
        fs::create_dir_all(dir.path("repo/.git")).unwrap();
        fs::create_dir_all(dir.path("repo/sub/deep")).unwrap();
        fs::create_dir_all(dir.path("repo/inner/src")).unwrap();
        dir.write("repo/inner/.git", "gitdir: ../.git");
        let rows: [(&str, Option<&[&str]>, &str); 7] = [
            ("repo", None, "repo"),
            ("repo/sub/deep", None, "repo"),
            ("repo/inner/src", None, "repo/inner"),
            ("repo/sub/deep", Some(&[]), "repo/sub/deep"),
            ("repo/sub/deep", Some(&[".hg"]), "repo/sub/deep"),
            ("repo/inner/src", Some(&["sub", ".hg"]), "repo"),
            ("repo/.git", None, "repo"),
        ];
        for (cwd, markers, root) in rows {
            let markers: Option<Vec<String>> =
                markers.map(|markers| markers.iter().map(|marker| (*marker).to_owned()).collect());
            let project = Project::find(&absolute(dir.path(cwd)), markers.as_deref()).unwrap();
            assert_eq!(project.root, absolute(dir.path(root)), "{cwd}");
        }
        assert!(Project::find(&AbsolutePath::parse("/no/such").unwrap(), None).is_none());
    }

    #[test]
    fn trust_is_for_the_root_or_the_working_directory_and_distrust_for_all_below() {
        use TrustLevel::{Trusted, Untrusted};
        let dir = TestDir::new("project-trust");
        fs::create_dir_all(dir.path("repo/.git")).unwrap();
        fs::create_dir_all(dir.path("repo/sub")).unwrap();
        symlink(dir.path("repo"), dir.path("link")).unwrap();
        let text = |name: &str| dir.path(name).to_str().unwrap().to_owned();
        let (repo, sub, link, above) = (text("repo"), text("repo/sub"), text("link"), text(""));
        let dotted = format!("{repo}/../repo/./");
        let at = |cwd: &str| Project::find(&AbsolutePath::parse(cwd).unwrap(), None).unwrap();
        let yes = Trust::Trusted(None);
        let no = Trust::Untrusted(None);
        let rows = [
            (&sub, vec![(repo.as_str(), Trusted)], &yes),
            (&sub, vec![(sub.as_str(), Trusted)], &yes),
            (&sub, vec![(dotted.as_str(), Trusted)], &yes),
            (&sub, vec![(link.as_str(), Trusted)], &yes),
            (&link, vec![(repo.as_str(), Trusted)], &yes),
            (&sub, vec![(repo.as_str(), Trusted), (sub.as_str(), Untrusted)], &no),
            (&sub, vec![(repo.as_str(), Untrusted), (sub.as_str(), Trusted)], &no),
            (&sub, vec![(link.as_str(), Untrusted), (repo.as_str(), Trusted)], &no),
            (&sub, vec![(above.as_str(), Trusted)], &Trust::Unlisted),
            (&sub, vec![(above.as_str(), Untrusted)], &no),
            (&sub, vec![(above.as_str(), Untrusted), (repo.as_str(), Trusted)], &no),
            (&sub, vec![("/", Untrusted), (sub.as_str(), Trusted)], &no),
            (&repo, vec![(sub.as_str(), Trusted)], &Trust::Unlisted),
            (&repo, vec![(sub.as_str(), Untrusted)], &Trust::Unlisted),
            (&repo, vec![("repo", Trusted), ("~", Trusted)], &Trust::Unlisted),
        ];
        for (cwd, projects, expect) in rows {
            assert_eq!(trust(at(cwd), &projects), *expect, "{cwd} {projects:?}");
        }
    }

    #[test]
    fn a_nested_repository_inherits_no_trust() {
        let dir = TestDir::new("project-nested");
        fs::create_dir_all(dir.path("repo/.git/worktrees/x")).unwrap();
        fs::create_dir_all(dir.path("repo/vendor/evil")).unwrap();
        fs::create_dir_all(dir.path("other")).unwrap();
        let pointer = format!("gitdir: {}", dir.path("repo/.git/worktrees/x").display());
        dir.write("repo/vendor/evil/.git", &pointer);
        dir.write("other/.git", &pointer);
        let repo = dir.path("repo").to_str().unwrap().to_owned();
        for cwd in ["repo/vendor/evil", "other"] {
            let project = Project::find(&absolute(dir.path(cwd)), None).unwrap();
            assert_eq!(trust(project, &[(&repo, TrustLevel::Trusted)]), Trust::Unlisted, "{cwd}");
        }
        let beside = Project::find(&absolute(dir.path("repo/vendor")), None).unwrap();
        assert!(trust(beside, &[(&repo, TrustLevel::Trusted)]).is_trusted());
    }

    #[test]
    fn a_marker_inside_does_not_lead_out_of_distrust() {
        let dir = TestDir::new("project-marked");
        for folder in ["repo/.git", "repo/inner/.git", "repo2"] {
            fs::create_dir_all(dir.path(folder)).unwrap();
        }
        dir.write("repo/inner/package.json", "{}");
        let repo = dir.path("repo").to_str().unwrap().to_owned();
        let markers = ["package.json".to_owned()];
        for markers in [None, Some(markers.as_slice())] {
            let find = |cwd: &str| Project::find(&absolute(dir.path(cwd)), markers).unwrap();
            let untrusted = |cwd| trust(find(cwd), &[(&repo, TrustLevel::Untrusted)]);
            assert_eq!(untrusted("repo/inner"), Trust::Untrusted(None), "{markers:?}");
            // It does not make the folder inside writable either, as a decision about itself would.
            let marked = [(repo.clone(), Some(TrustLevel::Untrusted))].into();
            let inner = find("repo/inner").with_trust(&marked, &Layers::default(), None).0;
            assert!(!inner.is_recorded, "{markers:?}");
            assert_eq!(untrusted("repo2"), Trust::Unlisted, "{markers:?}");
        }
    }

    #[test]
    fn files_are_listed_from_the_root_down_without_the_config_home() {
        let dir = TestDir::new("project-files");
        for folder in ["r/.git", "r/.codex", "r/a/b/.codex", "r/a/.codex"] {
            fs::create_dir_all(dir.path(folder)).unwrap();
        }
        for file in ["r/.codex/config.toml", "r/a/b/.codex/config.toml"] {
            dir.write(file, "");
        }
        let project = Project::find(&absolute(dir.path("r/a/b")), None).unwrap();
        let files = |home: &str| {
            let files = project.config_files(&dir.path(home));
            let short =
                |file: &PathBuf| file.strip_prefix(&project.root).unwrap().to_str().unwrap().to_owned();
            files.iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(files("absent"), [".codex/config.toml", "a/b/.codex/config.toml"]);
        assert_eq!(files("r/.codex"), ["a/b/.codex/config.toml"]);
        symlink(dir.path("r/.codex"), dir.path("home")).unwrap();
        assert_eq!(files("home"), ["a/b/.codex/config.toml"]);
        symlink("nowhere", dir.path("r/a/.codex/config.toml")).unwrap();
        assert_eq!(files("home"), ["a/.codex/config.toml", "a/b/.codex/config.toml"]);
    }
}
