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
}

/// A variable.
struct Row {
    names: &'static [&'static str],
    form: Form,
    why: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        names: &["LD_PRELOAD", "LD_AUDIT"],
        form: Form::Libraries,
        why: "every program loads these libraries",
    },
    Row { names: &["LD_LIBRARY_PATH"], form: Form::Places, why: "every program looks for libraries there" },
    Row { names: &["BASH_ENV", "ENV"], form: Form::Places, why: "shells read it before they begin" },
    Row {
        names: &["PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONUSERBASE"],
        form: Form::Places,
        why: "Python loads code from there",
    },
    Row { names: &["PERL5LIB", "PERLLIB"], form: Form::Places, why: "Perl loads code from there" },
    Row {
        names: &["RUBYLIB", "GEM_PATH", "GEM_HOME"],
        form: Form::Places,
        why: "Ruby loads code from there",
    },
    Row { names: &["NODE_PATH"], form: Form::Places, why: "Node.js loads code from there" },
    Row { names: &["LUA_PATH", "LUA_CPATH"], form: Form::Words, why: "Lua loads code from there" },
    Row { names: &["CLASSPATH"], form: Form::Places, why: "Java loads code from there" },
    Row {
        names: &[
            "PERL5OPT",
            "RUBYOPT",
            "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "_JAVA_OPTIONS",
        ],
        form: Form::Words,
        why: "its options make an interpreter load code",
    },
    Row {
        names: &["GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"],
        form: Form::Places,
        why: "Git runs what lies there",
    },
    Row {
        names: &[
            "GIT_SSH",
            "GIT_SSH_COMMAND",
            "GIT_PROXY_COMMAND",
            "GIT_EXTERNAL_DIFF",
            "GIT_ASKPASS",
            "GIT_PAGER",
        ],
        form: Form::Words,
        why: "Git runs it",
    },
    Row { names: &["EDITOR", "VISUAL", "PAGER"], form: Form::Words, why: "many programs run it" },
    Row { names: &["CDPATH"], form: Form::Places, why: "`cd` leads there instead" },
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
    ) -> Option<(&'static str, &'static str)> {
        let rows = ROWS.iter().flat_map(|row| row.names.iter().map(move |name| (*name, row)));
        let mut bad = rows.filter(|(name, row)| {
            let value = environment.get(OsStr::new(name)).filter(|value| !value.is_empty());
            value.is_some_and(|value| self.is_open(row.form, value, cwd))
        });
        bad.next().map(|(name, row)| (name, row.why))
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
                .split(|c: char| c.is_whitespace() || "=:,;'\"".contains(c))
                .filter(|word| !word.is_empty())
                .any(|word| self.is_open_word(word, cwd)),
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
            ("HOME", "."),
        ] {
            assert!(!found(name, value), "{name}={value}");
        }
    }
}
