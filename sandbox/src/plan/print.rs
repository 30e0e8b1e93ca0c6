//! A plan in words and as JSON: the same facts, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

use super::{Action, Confinement, Note, Plan, Root, Step, View};
use crate::paths::Kind;

impl Root {
    fn words(self) -> &'static str {
        match self {
            Self::HostReadOnly => "the host's files, read-only",
            Self::HostWritable => "the host's files, writable",
            Self::Empty => "empty: only what is listed exists",
        }
    }
}

impl Action {
    fn words(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Writable => "writable",
            Self::Mask => "hidden",
            Self::MaskWithPassage => "hidden, but for what is listed below it",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownToken { token } => {
                write!(
                    f,
                    "the token `{}` is unknown to this version and grants nothing",
                    policies::escape(token)
                )
            }
            Self::TmpdirIgnored { value } => {
                write!(f, "TMPDIR is `{value}`, which is no usable folder: it grants nothing")
            }
            Self::MissingGrant { path } => {
                write!(f, "`{path}` does not exist, so its write entry grants nothing")
            }
            Self::HardLinks { path } => {
                write!(f, "`{path}` has other names (hard links), which are not hidden")
            }
            Self::GlobNotSearched { pattern, folder } => write!(
                f,
                "the glob `{}` does not cover `{folder}`, which cannot be listed: who knows a name in it can open it; deny the folder to hide it",
                policies::display::escape(pattern)
            ),
            Self::GlobCoversPresent { pattern } => write!(
                f,
                "the deny glob `{}` covers what exists now, not files created later",
                policies::escape(pattern)
            ),
            Self::ExternalIsReadOnly => f.write_str(
                "an external sandbox cannot be checked from here, so this run is read-only without network",
            ),
            Self::WorkingDirectoryHidden => f.write_str(
                "the working directory is not readable in this profile: the command starts in `/`",
            ),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.confinement {
            Confinement::Unconfined => {
                writeln!(f, "sandbox    none: the command runs with all of your rights")?
            }
            Confinement::Confined(view) => write_view(f, view)?,
        }
        let cwd = match &self.cwd.identity {
            Some(_) => self.cwd.logical.to_string(),
            None => "/".to_owned(),
        };
        writeln!(f, "starts in  {cwd}")?;
        writeln!(f, "variables  {} in the environment", self.environment.len())?;
        for note in &self.notes {
            writeln!(f, "note       {note}")?;
        }
        Ok(())
    }
}

fn write_view(f: &mut fmt::Formatter<'_>, view: &View) -> fmt::Result {
    writeln!(f, "root       {}", view.root.words())?;
    for step in &view.steps {
        let missing =
            if view.placeholders.contains(&step.path) { ", missing: cannot be created" } else { "" };
        writeln!(f, "mount      {}  {}{missing}  ({})", step.path, step.action.words(), step.why)?;
    }
    for link in &view.symlinks {
        writeln!(f, "symlink    {} -> {}", link.path, policies::escape(link.target.as_os_str()))?;
    }
    writeln!(f, "mount      /dev  own: null zero full random urandom tty pts shm mqueue")?;
    writeln!(f, "mount      /proc  own: the run's processes only")?;
    let network = match view.network {
        policies::NetworkAccess::Restricted => "off: no interface, no socket but connected local pairs",
        policies::NetworkAccess::Enabled => "on: the host's",
    };
    writeln!(f, "network    {network}")?;
    writeln!(f, "filter     {}", view.filter())
}

impl Plan {
    /// The plan as JSON. Environment values are left out: they may be secrets.
    ///
    /// Paths are strings; bytes that are not UTF-8 are escaped as in messages.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let sandbox = match &self.confinement {
            Confinement::Unconfined => Value::Null,
            Confinement::Confined(view) => view_json(view),
        };
        json!({
            "profile": serde_json::to_value(&self.profile).unwrap_or(Value::Null),
            "sandbox": sandbox,
            "cwd": match &self.cwd.identity {
                Some(_) => self.cwd.logical.to_string(),
                None => "/".to_owned(),
            },
            "environment": self.environment.keys().map(policies::escape).collect::<Vec<_>>(),
            "notes": self.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn view_json(view: &View) -> Value {
    json!({
        "root": view.root,
        "mounts": view.steps.iter().map(|step| step_json(step, view)).collect::<Vec<_>>(),
        "symlinks": view.symlinks.iter().map(|link| json!({
            "path": link.path.to_string(),
            "target": policies::escape(link.target.as_os_str()),
        })).collect::<Vec<_>>(),
        "network": match view.network {
            policies::NetworkAccess::Restricted => "restricted",
            policies::NetworkAccess::Enabled => "enabled",
        },
        "filter": view.filter().to_string(),
    })
}

fn step_json(step: &Step, view: &View) -> Value {
    json!({
        "path": step.path.to_string(),
        "action": step.action,
        "kind": match step.kind {
            Kind::Directory => "directory",
            Kind::File => "file",
        },
        "missing": view.placeholders.contains(&step.path),
        "why": step.why.to_string(),
    })
}
