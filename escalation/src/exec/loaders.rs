//! Variables that make a program load code from elsewhere.
//!
//! What the user has set is the user's. But an element that is relative, or lies where commands could write, hands what
//! the variable does over to the workspace.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::programs::ProgramFiles;

/// How a value is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// Folders or files, with colons; an empty one is the working directory.
    Places,
    /// Names of libraries, with colons or spaces; one without a slash is looked up elsewhere.
    Libraries,
    /// A command line or options: whatever in it could be a path.
    Words,
    /// The home directory, where programs find their configuration.
    Home,
}

/// Variables. A name that ends with a `*` is the beginning of one.
struct Row {
    names: &'static [&'static str],
    form: Form,
    why: &'static str,
}

impl Row {
    fn is_about(&self, variable: &str) -> bool {
        self.names.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => variable.starts_with(start),
            None => variable == *name,
        })
    }
}

const fn places(names: &'static [&'static str], why: &'static str) -> Row {
    Row { names, form: Form::Places, why }
}

const fn words(names: &'static [&'static str], why: &'static str) -> Row {
    Row { names, form: Form::Words, why }
}

const ROWS: &[Row] = &[
    Row {
        names: &["LD_PRELOAD", "LD_AUDIT"],
        form: Form::Libraries,
        why: "every program loads these libraries",
    },
    places(&["LD_LIBRARY_PATH"], "every program looks for libraries there"),
    places(&["GCONV_PATH", "LOCPATH"], "the C library loads code from there"),
    places(&["OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES"], "OpenSSL loads code from there"),
    Row { names: &["HOME"], form: Form::Home, why: "programs find there what they start and load" },
    places(
        &["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME", "XDG_DATA_DIRS"],
        "programs find there what they start and load",
    ),
    places(&["BASH_ENV", "ENV", "ZDOTDIR"], "shells read it before they begin"),
    places(&["CDPATH"], "`cd` leads there instead"),
    words(&["BASH_FUNC_*", "PROMPT_COMMAND", "PS4"], "Bash runs it"),
    words(&["SHELL", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "BROWSER"], "many programs run it"),
    words(&["LESSOPEN", "LESSCLOSE"], "`less` runs it"),
    words(&["SSH_ASKPASS", "SUDO_ASKPASS"], "programs that need a password run it"),
    places(
        &["GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG"],
        "Git runs what lies there, or what it names",
    ),
    places(
        &["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"],
        "Git takes it for its repository",
    ),
    places(&["GIT_ALTERNATE_OBJECT_DIRECTORIES"], "Git takes it for a part of its repository"),
    words(&["GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*", "GIT_CONFIG_PARAMETERS"], "Git runs what it names"),
    words(
        &["GIT_SSH", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS"],
        "Git runs it",
    ),
    words(&["GIT_PAGER", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR"], "Git runs it"),
    places(&["GH_CONFIG_DIR", "GNUPGHOME"], "its configuration names programs"),
    places(&["PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONUSERBASE"], "Python loads code from there"),
    places(&["PYTHONPYCACHEPREFIX", "PYTHONPLATLIBDIR"], "Python loads code from there"),
    words(&["PYTHONBREAKPOINT", "PYTHONWARNINGS"], "Python loads the code that it names"),
    words(
        &["PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_REQUIREMENT", "PIP_CONSTRAINT"],
        "pip runs code that it names",
    ),
    places(&["PERL5LIB", "PERLLIB"], "Perl loads code from there"),
    places(&["RUBYLIB", "GEM_PATH", "GEM_HOME"], "Ruby loads code from there"),
    places(&["BUNDLE_GEMFILE", "BUNDLE_PATH", "BUNDLE_APP_CONFIG"], "Bundler loads code from there"),
    places(&["NODE_PATH"], "Node.js loads code from there"),
    words(
        &["NPM_CONFIG_USERCONFIG", "NPM_CONFIG_GLOBALCONFIG", "NPM_CONFIG_PREFIX", "NPM_CONFIG_SCRIPT_SHELL"],
        "npm runs what it names",
    ),
    words(
        &["npm_config_userconfig", "npm_config_globalconfig", "npm_config_prefix", "npm_config_script_shell"],
        "npm runs what it names",
    ),
    words(&["NPM_CONFIG_NODE_OPTIONS", "npm_config_node_options"], "npm runs what it names"),
    words(&["LUA_PATH", "LUA_PATH_*", "LUA_CPATH", "LUA_CPATH_*", "LUA_INIT*"], "Lua loads code from there"),
    places(&["CLASSPATH", "JAVA_HOME", "GRADLE_USER_HOME", "M2_HOME"], "Java loads code from there"),
    words(
        &[
            "PERL5OPT",
            "PERL5DB",
            "RUBYOPT",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "_JAVA_OPTIONS",
            "JAVA_OPTS",
            "MAVEN_OPTS",
            "MAVEN_ARGS",
            "GRADLE_OPTS",
        ],
        "its options make an interpreter load code",
    ),
    words(&["DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS", "CORECLR_PROFILER_PATH*"], ".NET loads it"),
    places(&["DOTNET_ROOT", "DOTNET_ROOT_*"], ".NET loads code from there"),
    places(&["PHPRC", "PHP_INI_SCAN_DIR"], "PHP finds there what it loads"),
    places(
        &["R_LIBS*", "R_PROFILE*", "R_ENVIRON*", "JULIA_LOAD_PATH"],
        "its interpreter loads code from there",
    ),
    places(&["TCLLIBPATH", "EMACSLOADPATH", "VIMRUNTIME"], "its interpreter loads code from there"),
    words(&["VIMINIT", "EXINIT"], "editors run it"),
    places(&["CARGO_HOME", "RUSTUP_HOME"], "Cargo finds there what it runs"),
    words(
        &[
            "RUSTC",
            "RUSTDOC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTUP_TOOLCHAIN",
            "CARGO_BUILD_RUST*",
        ],
        "Cargo runs it",
    ),
    // By the targets' names: the folder `CARGO_TARGET_DIR` is like the one in the workspace.
    words(&["CARGO_TARGET_X*", "CARGO_TARGET_A*", "CARGO_TARGET_I*"], "Cargo runs what it names"),
    words(&["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"], "Cargo runs what it names"),
    places(&["GOPATH", "GOROOT", "GOENV"], "Go finds there what it runs"),
    words(&["GOFLAGS"], "its options make Go run code"),
    words(&["MAKEFLAGS", "GNUMAKEFLAGS", "MFLAGS", "MAKEFILES"], "Make reads what it names"),
    words(&["CC", "CXX", "CPP", "LD", "AR", "PKG_CONFIG", "CMAKE_TOOLCHAIN_FILE"], "builds run it"),
    places(&["GCC_EXEC_PREFIX", "COMPILER_PATH"], "compilers run what lies there"),
    places(
        &["KUBECONFIG", "DOCKER_CONFIG", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "CLOUDSDK_CONFIG"],
        "its configuration names programs",
    ),
    places(&["TF_CLI_CONFIG_FILE", "HELM_PLUGINS", "ANSIBLE_CONFIG"], "its configuration names programs"),
    places(&["CURL_HOME", "WGETRC", "SCREENRC"], "its configuration says what is read and written"),
];

/// What in a home directory makes programs start or load something, or lies above that.
const IN_HOME: [&str; 27] = [
    ".config",
    ".config/git/config",
    ".gitconfig",
    ".ssh/config",
    ".gnupg",
    ".profile",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".zshenv",
    ".zshrc",
    ".zprofile",
    ".local/bin",
    ".local/lib",
    ".local/share",
    ".npmrc",
    ".cargo/config",
    ".cargo/config.toml",
    ".m2/settings.xml",
    ".gradle/init.d",
    ".gradle/init.gradle",
    ".docker",
    ".kube",
    ".aws",
    ".vimrc",
    ".curlrc",
    ".wgetrc",
];

/// Whether it is one of those.
pub(crate) fn is_loader(name: &str) -> bool {
    ROWS.iter().any(|row| row.names.contains(&name))
}

impl ProgramFiles {
    /// A variable of this environment through which somebody else could decide what a program loads, and why.
    pub(super) fn replaceable_loader(
        &self,
        environment: &BTreeMap<OsString, OsString>,
        cwd: &Path,
    ) -> Option<(String, &'static str)> {
        let variables = environment.iter().filter(|(_, value)| !value.is_empty());
        let mut bad = variables.filter_map(|(name, value)| {
            let name = name.to_str()?;
            let row = ROWS.iter().find(|row| row.is_about(name))?;
            self.is_open(row.form, value, cwd).then(|| (name.to_owned(), row.why))
        });
        bad.next()
    }

    /// Whether a command line names something that somebody else could replace.
    pub(super) fn is_open_command(&self, line: &str, cwd: &Path) -> bool {
        self.is_open(Form::Words, OsStr::new(line), cwd)
    }

    fn is_open(&self, form: Form, value: &OsStr, cwd: &Path) -> bool {
        let Some(value) = value.to_str() else { return true };
        let at = |place: &str| !place.starts_with('/') || self.is_replaceable_place(Path::new(place));
        match form {
            Form::Places => value.split(':').any(at),
            Form::Libraries => {
                let names = value.split(|c: char| c == ':' || c.is_whitespace());
                names.into_iter().any(|name| name.contains('/') && at(name))
            }
            Form::Words => value
                .split(|c: char| c.is_whitespace() || "=:,;|'\"".contains(c))
                .filter(|word| !word.is_empty())
                .any(|word| self.is_open_word(word, cwd)),
            Form::Home => {
                let home = Path::new(value);
                !home.is_absolute()
                    || self.is_open_home(home)
                    || IN_HOME.iter().any(|name| self.is_open_home(&home.join(name)))
            }
        }
    }

    /// An option may have its value glued to it: `-I/lib`, `-Mlib`.
    fn is_open_word(&self, word: &str, cwd: &Path) -> bool {
        let place = match word.find('/') {
            Some(start) if word.starts_with('-') => word.get(start..).unwrap_or(word),
            Some(_) | None => word,
        };
        if place.starts_with('/') {
            // A pattern or a name that is not there yet counts by its folder.
            let place = Path::new(place);
            return self.is_replaceable_place(place)
                || place.parent().is_some_and(|folder| self.is_replaceable_place(folder));
        }
        place.contains('/') || matches!(place, "." | ".." | "-I." | "-I..") || cwd.join(place).exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_workspace_decides_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("agent.jar"), "").unwrap();
        let programs = ProgramFiles::new([std::path::PathBuf::from("/home/me/project")]);
        let found = |name: &str, value: &str| {
            let environment = BTreeMap::from([(OsString::from(name), OsString::from(value))]);
            programs.replaceable_loader(&environment, folder.path()).is_some()
        };
        for (name, value) in [
            ("LD_LIBRARY_PATH", ":/usr/lib"),
            ("LD_LIBRARY_PATH", "/usr/lib:"),
            ("LD_LIBRARY_PATH", "/home/me/project/lib"),
            ("LD_PRELOAD", "./evil.so"),
            ("LD_PRELOAD", "libm.so.6 /tmp/evil.so"),
            ("BASH_ENV", "./env.sh"),
            ("BASH_ENV", "$HOME/env.sh"),
            ("PYTHONPATH", "."),
            ("PERL5OPT", "-I. -Mevil"),
            ("NODE_OPTIONS", "--require ./evil.js"),
            ("NODE_OPTIONS", "--require=/home/me/project/evil.js"),
            ("JAVA_TOOL_OPTIONS", "-javaagent:agent.jar"),
            ("GIT_SSH_COMMAND", "tools/ssh -v"),
            ("CDPATH", "."),
            ("HOME", "."),
            ("HOME", "/home/me/project"),
            ("GIT_CONFIG_GLOBAL", "/home/me/project/gitconfig"),
            ("GIT_CONFIG_VALUE_0", "/home/me/project/hook"),
            ("GIT_DIR", ".git"),
            ("XDG_CONFIG_HOME", "/home/me/project/xdg"),
            ("MAKEFLAGS", "-f/home/me/project/x.mk"),
            ("RUSTC_WRAPPER", "./wrapper"),
        ] {
            assert!(found(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("LD_LIBRARY_PATH", ""),
            ("LD_LIBRARY_PATH", "/usr/lib:/usr"),
            ("LD_PRELOAD", "libm.so.6"),
            ("PYTHONPATH", "/usr/lib"),
            ("NODE_OPTIONS", "--max-old-space-size=4096"),
            ("GIT_SSH_COMMAND", "ssh -i /home/me/.ssh/key"),
            ("PAGER", "less -R"),
            ("LESSOPEN", "||/usr/bin/lesspipe %s"),
            ("HOME", "/home/me"),
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_VALUE_0", "never"),
            ("CC", "gcc"),
            ("MAKEFLAGS", "-j8"),
            ("HOMEPAGE", "/home/me/project"),
        ] {
            assert!(!found(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_home_is_as_good_as_what_lies_in_it() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["project", "home"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let programs = ProgramFiles::new([path("project")]);
        let environment = BTreeMap::from([(OsString::from("HOME"), path("home").into_os_string())]);
        let found = || programs.replaceable_loader(&environment, &path("project")).is_some();
        assert!(!found(), "nobody may write in another one's folder, wherever it lies");
        std::fs::write(path("project/gitconfig"), "").unwrap();
        std::os::unix::fs::symlink(path("project/gitconfig"), path("home/.gitconfig")).unwrap();
        assert!(found());
    }
}
