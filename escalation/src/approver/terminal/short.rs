//! A question in short: what a yes would give, in as few rows as there are, with the number of what is not named.
//!
//! INVARIANT (above the keys): whatever else has no room, what is asked stands on the screen of its keys: the command,
//! whether there is a sandbox, where it starts, how much it would have beyond that and which of it lets it write, and
//! how many variables it sets. It gets a yes only once all of it was shown.

use execpolicy::Placement;
use policies::AdditionalPermissions;

use super::page::{Foreign, Ink, Newlines};
use super::sheet::{ACCESSES, NETWORK, OUTSIDE, Sheet, access};
use super::variables;
use crate::subject::{ExecSubject, FileAction, FileChangeSubject, RetryWith, Subject};

/// How many rows things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// A command, or what is sent to one.
    pub(super) command: usize,
    /// Names of the same kind.
    pub(super) names: usize,
    /// One name.
    pub(super) name: usize,
}

/// The most that is named of one kind.
const MAX_NAMES: usize = 100;

impl Sheet<'_> {
    /// What is asked, in short.
    pub(super) fn short(&mut self, subject: &Subject, rows: Rows) {
        match subject {
            Subject::Exec(exec) => self.short_exec(exec, rows),
            Subject::Retry(retry) => {
                match &retry.with {
                    RetryWith::Permissions { permissions } => {
                        self.short_permissions("would get", permissions, rows);
                    }
                    RetryWith::Unsandboxed => self.everything(),
                }
                self.short_exec(&retry.exec, rows);
            }
            Subject::Subcommand(subcommand) => {
                self.shortened("command", &execpolicy::shell::join(&subcommand.argv), rows.command);
                self.shortened("program", &subcommand.program.to_string(), rows.name);
                self.shortened("in", &subcommand.cwd.to_string(), rows.name);
                self.placement(subcommand.placement, subcommand.placement == Placement::Inside);
            }
            Subject::StdinWrite(stdin) => {
                self.shortened("command", &execpolicy::shell::join(&stdin.argv), rows.name);
                self.shortened("text", &stdin.text, rows.command);
            }
            Subject::FileChange(change) => self.short_files(change, rows),
            Subject::Permissions(permissions) => {
                self.short_permissions("asks for", &permissions.permissions, rows);
                self.shortened("in", &permissions.cwd.to_string(), rows.name);
                self.short_machine(&permissions.environment_id, rows);
            }
            Subject::Network(network) => {
                self.shortened("host", &network.host, rows.command);
                let way = format!("{}, port {}", network.protocol.word(), network.port);
                self.page.fact(Ink::Plain, "by", &way);
                self.short_machine(&network.environment_id, rows);
            }
        }
    }

    fn shortened(&mut self, label: &'static str, text: &str, rows: usize) {
        self.aside(label, Foreign { text, newlines: Newlines::Shown, rows });
    }

    fn short_machine(&mut self, environment: &str, rows: Rows) {
        if environment != "local" {
            self.shortened("machine", environment, rows.name);
        }
    }

    fn short_exec(&mut self, exec: &ExecSubject, rows: Rows) {
        self.shortened("command", &execpolicy::shell::join(&exec.argv), rows.command);
        self.shortened("program", &exec.program.target.to_string(), rows.name);
        let cwd = exec.cwd_target.as_ref().unwrap_or(&exec.cwd);
        self.shortened("in", &cwd.to_string(), rows.name);
        self.short_machine(&exec.environment_id, rows);
        self.placement(exec.placement, exec.reach.sandboxed);
        if exec.reach.sandboxed && exec.reach.network {
            self.network(true);
        }
        if let Some(additional) = &exec.additional {
            self.short_permissions("extra", additional, rows);
        }
        let names: Vec<&str> =
            variables::in_order(&exec.environment).into_iter().map(|(name, _)| name).collect();
        match names.len() {
            0 => {}
            1 => self.counted("sets", "1 variable", &names, rows),
            count => self.counted("sets", &format!("{count} variables"), &names, rows),
        }
    }

    fn short_permissions(&mut self, label: &'static str, permissions: &AdditionalPermissions, rows: Rows) {
        let mut label = label;
        if permissions.network.is_enabled() {
            self.page.fact(Ink::Plain, std::mem::take(&mut label), NETWORK);
        }
        for kind in ACCESSES {
            let of_kind = permissions.entries.iter().filter(|entry| entry.access == kind);
            let places: Vec<String> = of_kind.map(|entry| entry.path.to_string()).collect();
            if !places.is_empty() {
                let what = format!("{} {}", access(kind), plural(places.len(), "place"));
                self.counted(std::mem::take(&mut label), &what, &places, rows);
            }
        }
    }

    fn short_files(&mut self, change: &FileChangeSubject, rows: Rows) {
        if !change.outside.is_empty() {
            self.page.own(Ink::Warning, 2, OUTSIDE);
        }
        for (mut label, is_outside) in [("OUTSIDE", true), ("inside", false)] {
            for action in [FileAction::Delete, FileAction::WriteExecutable, FileAction::Write] {
                let paths: Vec<String> = change
                    .paths
                    .iter()
                    .filter(|path| change.outside.contains(path) == is_outside)
                    .filter(|path| change.action(path) == action)
                    .map(ToString::to_string)
                    .collect();
                if !paths.is_empty() {
                    let what = format!("{} {}", action.word(), plural(paths.len(), "file"));
                    self.counted(std::mem::take(&mut label), &what, &paths, rows);
                }
            }
        }
    }

    /// How many of a kind, and the first of them.
    fn counted<T: AsRef<str>>(&mut self, label: &'static str, what: &str, names: &[T], rows: Rows) {
        let first: Vec<&str> = names.iter().take(MAX_NAMES).map(AsRef::as_ref).collect();
        let more = if names.len() > MAX_NAMES { ", and more" } else { "" };
        self.shortened(label, &format!("{what}: {}{more}", first.join(", ")), rows.names);
    }
}

fn plural(count: usize, of: &str) -> String {
    if count == 1 { format!("1 {of}") } else { format!("{count} {of}s") }
}
