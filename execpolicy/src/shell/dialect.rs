//! Which language a shell speaks, as far as plain scripts can tell the difference.

use serde::Serialize;

use crate::command::program_name;

/// A family of shells that read the same text the same way.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// `sh`: dash, bash or busybox, nobody knows. Only what all of them agree on is plain.
    Sh,
    /// GNU bash.
    Bash,
    /// dash and busybox ash.
    Dash,
    /// ksh93 and mksh: only what both agree on is plain.
    Ksh,
    /// zsh.
    Zsh,
}

impl Dialect {
    /// All of them, for tests and tables.
    pub const ALL: [Self; 5] = [Self::Sh, Self::Bash, Self::Dash, Self::Ksh, Self::Zsh];

    /// The dialect of a shell called by this path; `None` when it is no shell that we know.
    ///
    /// A leading dash (a login shell's own name for itself), `.exe` and a directory say nothing about the
    /// language. Upper case is folded: a file system that ignores case would start the same program.
    pub fn of_program(program: &str) -> Option<Self> {
        let name = program_name(program).to_ascii_lowercase();
        let name = name.strip_suffix(".exe").unwrap_or(&name);
        let name = name.strip_prefix('-').unwrap_or(name);
        match name {
            "sh" => Some(Self::Sh),
            "bash" | "rbash" => Some(Self::Bash),
            "dash" | "ash" => Some(Self::Dash),
            "ksh" | "rksh" | "ksh93" | "rksh93" | "ksh88" | "mksh" | "rmksh" | "lksh" | "pdksh" | "oksh" => {
                Some(Self::Ksh)
            }
            "zsh" | "rzsh" => Some(Self::Zsh),
            _ => None,
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sh => "sh",
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Ksh => "ksh",
            Self::Zsh => "zsh",
        }
    }

    /// Whether the shell could be one of these.
    pub(crate) fn may_be(self, dialects: &[Self]) -> bool {
        dialects.contains(&self)
            || (self == Self::Sh && (dialects.contains(&Self::Bash) || dialects.contains(&Self::Dash)))
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn names_of_shells() {
        for (program, dialect) in [
            ("bash", Some(Dialect::Bash)),
            ("/usr/bin/zsh", Some(Dialect::Zsh)),
            ("-bash", Some(Dialect::Bash)),
            ("/bin/BASH.EXE", Some(Dialect::Bash)),
            ("lksh", Some(Dialect::Ksh)),
            ("ash", Some(Dialect::Dash)),
            ("fish", None),
            ("bashful", None),
            ("git", None),
        ] {
            assert_eq!(Dialect::of_program(program), dialect, "{program}");
        }
    }
}
