//! Where a line of a plan comes from, in words that a person can act on.

use std::fmt;

use policies::AbsolutePath;
use serde::{Deserialize, Serialize};

/// The origin of a step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// An entry of the permission profile.
    Profile,
    /// A file found by a deny glob.
    Glob {
        /// The pattern.
        pattern: String,
    },
    /// The administrator keeps it from being read.
    Requirement {
        /// The path or pattern that he wrote.
        required: String,
    },
    /// The target of a symlink that a deny glob or entry matches.
    LinkTarget {
        /// The symlink.
        link: AbsolutePath,
    },
    /// A metadata name directly below a writable root.
    Metadata {
        /// The writable root.
        root: AbsolutePath,
    },
    /// What a protected `.git` file points to.
    GitDirectory {
        /// The `.git` file.
        pointer: AbsolutePath,
    },
    /// The configuration home: what decides the next run must not be written by this one (I10).
    ConfigHome,
    /// The audit log: no command needs to know what was decided, or may stand in the way of who writes it.
    AuditLog,
    /// Our own executable: the launcher of the next run must not be replaced by this one.
    OwnExecutable,
    /// A kernel interface that is never writable.
    KernelInterface,
    /// A socket behind which the host runs commands.
    ControlSocket {
        /// What serves it.
        service: String,
    },
    /// A directory that must not be renamed, because a protected path lies below it.
    Pin {
        /// The protected path.
        holds: AbsolutePath,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => f.write_str("profile"),
            Self::Glob { pattern } => write!(f, "deny glob {pattern}"),
            Self::Requirement { required } => {
                write!(f, "never readable, as the administrator requires of {}", policies::escape(required))
            }
            Self::LinkTarget { link } => write!(f, "target of the denied symlink {link}"),
            Self::Metadata { root } => write!(f, "protected metadata of {root}"),
            Self::GitDirectory { pointer } => write!(f, "git directory named by {pointer}"),
            Self::ConfigHome => f.write_str("configuration home"),
            Self::AuditLog => f.write_str("audit log"),
            Self::OwnExecutable => f.write_str("the launcher's own executable"),
            Self::KernelInterface => f.write_str("kernel interface"),
            Self::ControlSocket { service } => write!(f, "control socket of {service}"),
            Self::Pin { holds } => write!(f, "cannot be renamed: {holds} is protected"),
        }
    }
}
