//! The environment of a sandboxed command, as a value.
//!
//! Pure: variables in, variables out. Our own environment is never read or changed here, and values are never
//! shown or logged.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::profile::NetworkAccess;
use crate::wildcard::Wildcard;

/// Tells a command that it has no network, so that it can say so instead of timing out.
pub const NETWORK_DISABLED_VAR: &str = "CODEX_SANDBOX_NETWORK_DISABLED";

/// The variables of `inherit = "core"`: what programs need to find each other, their files and their language.
const CORE_VARIABLES: [&str; 11] =
    ["PATH", "SHELL", "TMPDIR", "TEMP", "TMP", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "USER"];

/// Names that usually hold credentials.
const SECRET_NAMES: [&str; 3] = ["*KEY*", "*SECRET*", "*TOKEN*"];

/// Which variables commands start with.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Inherit {
    /// All of ours.
    #[default]
    All,
    /// A few harmless ones.
    Core,
    /// None.
    None,
}

impl Inherit {
    /// The accepted words.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("all", Self::All), ("core", Self::Core), ("none", Self::None)];
}

/// The table `[shell_environment_policy]`, narrowed by repositories. The steps apply in the order of the fields, but
/// [`Self::include_only_also`] applies before [`Self::set`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct ShellEnvironmentPolicy {
    /// What to start from.
    pub inherit: Inherit,
    /// Keep names that look like credentials; on unless switched off.
    pub ignore_default_excludes: bool,
    /// Names to drop.
    pub exclude: Vec<Wildcard>,
    /// Variables to add, after dropping.
    pub set: BTreeMap<String, String>,
    /// When not empty, the only names to keep, also of those added.
    pub include_only: Vec<Wildcard>,
    /// Further lists of which each, when not empty, inherited names must match too. They come from repositories,
    /// whose list can only narrow that of the user: two lists of patterns cannot be made into one. They are not for
    /// what the user sets, which may be there to protect against the repository: `npm_config_ignore_scripts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include_only_also: Vec<Vec<Wildcard>>,
}

impl Default for ShellEnvironmentPolicy {
    fn default() -> Self {
        Self {
            inherit: Inherit::All,
            ignore_default_excludes: true,
            exclude: Vec::new(),
            set: BTreeMap::new(),
            include_only: Vec::new(),
            include_only_also: Vec::new(),
        }
    }
}

impl ShellEnvironmentPolicy {
    /// What a command inherits out of `vars`.
    pub fn apply(
        &self,
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let secrets = SECRET_NAMES.map(Wildcard::new);
        let dropped = |name: &OsStr| {
            (!self.ignore_default_excludes && any_match(&secrets, name)) || any_match(&self.exclude, name)
        };
        let mut kept: BTreeMap<OsString, OsString> =
            vars.into_iter().filter(|(name, _)| self.inherits(name) && !dropped(name)).collect();
        let retain = |kept: &mut BTreeMap<OsString, OsString>, only: &Vec<Wildcard>| {
            if !only.is_empty() {
                kept.retain(|name, _| any_match(only, name));
            }
        };
        self.include_only_also.iter().for_each(|only| retain(&mut kept, only));
        kept.extend(self.set.iter().map(|(name, value)| (name.into(), value.into())));
        retain(&mut kept, &self.include_only);
        kept
    }

    /// Step 1, for one name. Names are case-sensitive on Unix, so `path` is not `PATH`.
    fn inherits(&self, name: &OsStr) -> bool {
        match self.inherit {
            Inherit::All => true,
            Inherit::Core => CORE_VARIABLES.iter().any(|core| name == OsStr::new(core)),
            Inherit::None => false,
        }
    }
}

/// The whole environment of a command: the policy, then [`NETWORK_DISABLED_VAR`], which no setting can change.
pub fn child_environment(
    policy: &ShellEnvironmentPolicy,
    vars: impl IntoIterator<Item = (OsString, OsString)>,
    network: NetworkAccess,
) -> BTreeMap<OsString, OsString> {
    let mut environment = policy.apply(vars);
    match network {
        NetworkAccess::Restricted => environment.insert(NETWORK_DISABLED_VAR.into(), "1".into()),
        // Ours may be set because we run inside a sandbox ourselves; it says nothing about this command.
        NetworkAccess::Enabled => environment.remove(OsStr::new(NETWORK_DISABLED_VAR)),
    };
    environment
}

/// Whether a name matches any of the patterns.
fn any_match(patterns: &[Wildcard], name: &OsStr) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    const VARS: [(&str, &str); 7] = [
        ("PATH", "/bin"),
        ("HOME", "/home/u"),
        ("EDITOR", "vi"),
        ("GITHUB_TOKEN", "t"),
        ("aws_secret_id", "s"),
        ("Api_Key", "k"),
        ("path", "lower"),
    ];

    fn vars() -> impl Iterator<Item = (OsString, OsString)> {
        VARS.into_iter().map(|(name, value)| (name.into(), value.into()))
    }

    fn policy(toml: &str) -> ShellEnvironmentPolicy {
        toml::from_str(toml).expect(toml)
    }

    #[test]
    fn steps_apply_in_their_documented_order() {
        let rows: [(&str, &[&str]); 17] = [
            ("", &["Api_Key", "EDITOR", "GITHUB_TOKEN", "HOME", "PATH", "aws_secret_id", "path"]),
            (
                "inherit = 'all'",
                &["Api_Key", "EDITOR", "GITHUB_TOKEN", "HOME", "PATH", "aws_secret_id", "path"],
            ),
            ("inherit = 'core'", &["HOME", "PATH"]),
            ("inherit = 'none'", &[]),
            ("ignore_default_excludes = false", &["EDITOR", "HOME", "PATH", "path"]),
            ("exclude = ['*token', 'ed?tor']", &["Api_Key", "HOME", "PATH", "aws_secret_id", "path"]),
            ("exclude = ['PATH']", &["Api_Key", "EDITOR", "GITHUB_TOKEN", "HOME", "aws_secret_id"]),
            (
                "exclude = ['[A-Z]*', '{PATH,HOME}']",
                &["Api_Key", "EDITOR", "GITHUB_TOKEN", "HOME", "PATH", "aws_secret_id", "path"],
            ),
            ("inherit = 'none'\nset = { A = '1' }", &["A"]),
            ("inherit = 'core'\nexclude = ['A', 'HOME']\nset = { A = '1' }", &["A", "PATH"]),
            ("inherit = 'none'\nignore_default_excludes = false\nset = { MY_TOKEN = '1' }", &["MY_TOKEN"]),
            ("include_only = ['P*']", &["PATH", "path"]),
            ("set = { A = '1', PB = '2' }\ninclude_only = ['P*', 'HOME']", &["HOME", "PATH", "PB", "path"]),
            ("exclude = ['PATH']\ninclude_only = ['PATH', 'HOME']", &["HOME"]),
            (
                "include_only = ['P*', 'HOME']\ninclude_only_also = [['HOME', 'EDITOR'], ['*E*'], []]",
                &["HOME"],
            ),
            ("include_only_also = [['HOME']]\nset = { A = '1' }", &["A", "HOME"]),
            ("include_only_also = [['HOME']]\nset = { A = '1' }\ninclude_only = ['H*', 'PATH']", &["HOME"]),
        ];
        for (toml, expect) in rows {
            let kept = policy(toml).apply(vars());
            assert_eq!(kept.keys().map(|name| name.to_str().unwrap()).collect::<Vec<_>>(), expect, "{toml}");
        }
    }

    #[test]
    fn set_replaces_what_is_inherited() {
        let kept = policy("set = { PATH = '/opt' }").apply(vars());
        assert_eq!(kept.get(OsStr::new("PATH")).unwrap(), "/opt");
    }

    #[test]
    fn the_network_marker_cannot_be_overridden() {
        let marker = OsStr::new(NETWORK_DISABLED_VAR);
        let restricted = [
            "",
            "inherit = 'none'",
            "set = { CODEX_SANDBOX_NETWORK_DISABLED = '0' }",
            "exclude = ['CODEX_*']",
            "include_only = ['HOME']",
        ];
        for toml in restricted {
            let child = child_environment(&policy(toml), vars(), NetworkAccess::Restricted);
            assert_eq!(child.get(marker).unwrap(), "1", "{toml}");
        }
        let ours = [(marker.to_owned(), "1".into())];
        for toml in ["", "set = { CODEX_SANDBOX_NETWORK_DISABLED = '1' }"] {
            let child = child_environment(&policy(toml), ours.clone(), NetworkAccess::Enabled);
            assert!(!child.contains_key(marker), "{toml}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_kept_and_can_be_dropped() {
        let name = OsString::from_vec(b"MY_\xff_TOKEN".to_vec());
        let vars = || [(name.clone(), OsString::from_vec(b"\xfe".to_vec()))];
        assert_eq!(policy("").apply(vars()).len(), 1);
        assert!(policy("ignore_default_excludes = false").apply(vars()).is_empty());
        assert!(policy("exclude = ['my_?_token']").apply(vars()).is_empty());
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(toml::from_str::<ShellEnvironmentPolicy>("inherit = 'some'").is_err());
    }
}
