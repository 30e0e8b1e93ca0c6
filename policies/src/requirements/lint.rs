//! Everything that is to be said about one file before it is installed.

use toml::Table;

use crate::display::escape_short;
use crate::glob::GlobPattern;
use crate::keys::KeyPath;
use crate::location::{Anchor, Location, Position};
use crate::requirements::known::UnknownKey;
use crate::requirements::layer::{RequirementsLayer, is_legacy, parse};
use crate::requirements::limits::SandboxModeLimit;
use crate::requirements::mcp::{Matcher, McpIdentity};
use crate::requirements::merge::merge;
use crate::requirements::{RequirementsContext, RequirementsError, RequirementsText};

/// The most wrong values, and the most unknown keys, that get a remark; looking up the place of each reads the file
/// again.
const MAX_REMARKS: usize = 20;

/// How much a remark weighs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The file would stop every start.
    Error,
    /// The file works, but not as one might think.
    Warning,
}

/// Something to be said about a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// How much it weighs.
    pub severity: Severity,
    /// Where.
    pub location: Location,
    /// One line, safe to print.
    pub message: String,
    /// The smallest change that helps.
    pub help: String,
}

/// Checks one file by itself: all that is wrong, as far as one mistake does not hide another, and what has no
/// effect or another one than it seems. In the order of the file.
pub fn lint(text: &RequirementsText, context: RequirementsContext<'_>) -> Vec<Remark> {
    let mut remarks = Remarks { text, list: Vec::new() };
    match (parse(text), RequirementsLayer::read(text, context, MAX_REMARKS)) {
        (Err(error), _) | (_, Err(error)) => remarks.error(&error),
        (Ok(table), Ok((layer, problems))) => {
            problems.iter().for_each(|problem| remarks.error(problem));
            remarks.unknown(&layer);
            if !is_legacy(&text.source) {
                remarks.without_effect(&table);
                remarks.surprises(&table, &layer);
            }
            if problems.is_empty() {
                let together = merge(vec![layer]).map_or_else(
                    |error| vec![error],
                    |merged| {
                        let texts = std::slice::from_ref(text);
                        let profiles = merged.profile_problems(texts, context, MAX_REMARKS);
                        merged.catalogue_problems().into_iter().chain(profiles).collect()
                    },
                );
                together.iter().take(MAX_REMARKS).for_each(|problem| remarks.error(problem));
            }
        }
    }
    let place = |remark: &Remark| remark.location.position.as_ref().map(|it| (it.line, it.column));
    remarks.list.sort_by_key(place);
    remarks.list
}

/// What is to be said so far.
struct Remarks<'a> {
    /// The file.
    text: &'a RequirementsText,
    /// In the order of finding.
    list: Vec<Remark>,
}

impl Remarks<'_> {
    /// An error. Its place is not repeated in the message.
    fn error(&mut self, error: &RequirementsError) {
        let (location, message) = match error {
            RequirementsError::Syntax { location, message } => {
                (location.clone(), format!("invalid TOML: {}", crate::display::escape_message(message)))
            }
            RequirementsError::Value(invalid) => {
                (invalid.location.clone(), format!("field `{}` {}", invalid.key, invalid.problem))
            }
            RequirementsError::Profile { location, error } => {
                let location = location.as_deref().cloned();
                (location.unwrap_or_else(|| self.location(None)), error.to_string())
            }
            RequirementsError::Rules { error, .. } => {
                let offset = offset_of(&self.text.text, error.line, error.column);
                (
                    self.location(offset.map(|offset| Position::at(&self.text.text, offset))),
                    error.message.clone(),
                )
            }
            RequirementsError::UnknownKeys { .. }
            | RequirementsError::Conflict(_)
            | RequirementsError::UnknownProfile { .. }
            | RequirementsError::DefaultWithoutCatalogue { .. }
            | RequirementsError::DefaultNotAllowed { .. }
            | RequirementsError::CatalogueWithoutDefault { .. } => {
                (self.place(&error.key().unwrap_or_default()), error.to_string())
            }
        };
        self.list.push(Remark { severity: Severity::Error, location, message, help: error.help() });
    }

    /// A warning at a key.
    fn warning(&mut self, key: &KeyPath, message: String, help: &str) {
        let location = self.place(key);
        self.list.push(Remark { severity: Severity::Warning, location, message, help: help.to_owned() });
    }

    /// Keys without a meaning.
    fn unknown(&mut self, layer: &RequirementsLayer) {
        let severity = if layer.values.is_strict { Severity::Error } else { Severity::Warning };
        for unknown in layer.unknown.iter().take(MAX_REMARKS) {
            let UnknownKey { shown, key, .. } = unknown;
            let help = match unknown.meant() {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "remove the key, or correct its name".to_owned(),
            };
            let message = match severity {
                Severity::Error => format!("`{shown}` is not known, which `strict` makes an error"),
                Severity::Warning => format!("`{shown}` is not known and is ignored"),
            };
            let location = self.place(key);
            self.list.push(Remark { severity, location, message, help });
        }
        let hidden = layer.unknown.len().saturating_sub(MAX_REMARKS);
        if hidden > 0 {
            let message = format!("{hidden} more keys are not known");
            let location = self.location(None);
            let help = "remove them".to_owned();
            self.list.push(Remark { severity, location, message, help });
        }
    }

    /// Keys that are known and do nothing.
    fn without_effect(&mut self, table: &Table) {
        let rows = [
            ("windows", "only has an effect on Windows", "leave it for the machines that it is for"),
            (
                "allowed_permissions",
                "is an old key without an effect",
                "write `[allowed_permission_profiles]` with `\"NAME\" = true` for each profile",
            ),
        ];
        for (name, problem, help) in rows {
            if table.contains_key(name) {
                self.warning(&KeyPath::new([name]), format!("`{name}` {problem}"), help);
            }
        }
    }

    /// Keys that do another thing than it seems.
    fn surprises(&mut self, table: &Table, layer: &RequirementsLayer) {
        let denied = KeyPath::new(["permissions", "filesystem", "deny_read"]);
        let entries = table
            .get("permissions")
            .and_then(|it| it.get("filesystem")?.get("deny_read")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str);
        let relative: Vec<&str> =
            entries.filter(|it| !it.is_empty() && !it.starts_with(['/', '~'])).collect();
        if let Some(first) = relative.first() {
            let more = match relative.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let folder = crate::display::escape(self.text.folder.as_path());
            let message =
                format!("`{}`{more} is relative, so it means a place in `{folder}`", escape_short(first));
            let help = if GlobPattern::looks_like_glob(first) {
                "start it with the directory to search, as in `/home/**/.env`"
            } else {
                "write an absolute path, or start it with `~/`"
            };
            self.warning(&denied, message, help);
        }
        self.places_that_look_like_more(&denied, table);
        self.servers_of_others(layer);
        self.limits_without_proxy(layer);
        let modes = layer.values.sandbox_modes.iter().flatten();
        let mut open = modes.filter(|mode| **mode == SandboxModeLimit::DangerFullAccess);
        if !layer.values.deny_read.is_empty() && open.next().is_some() {
            self.warning(
                &KeyPath::new(["allowed_sandbox_modes"]),
                "`danger-full-access` cannot be used, because `deny_read` needs a sandbox".to_owned(),
                "remove it from the list, or remove `deny_read`",
            );
        }
        let policies = table.get("allowed_approval_policies").and_then(toml::Value::as_array);
        if policies.into_iter().flatten().any(|policy| policy.as_str() == Some("on-failure")) {
            let message = "`on-failure` is an old name and is read as `on-request`".to_owned();
            self.warning(&KeyPath::new(["allowed_approval_policies"]), message, "write \"on-request\"");
        }
    }

    /// Entries of `deny_read` that mean another place than their writer thinks.
    fn places_that_look_like_more(&mut self, denied: &KeyPath, table: &Table) {
        let entries = table
            .get("permissions")
            .and_then(|it| it.get("filesystem")?.get("deny_read")?.as_array())
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str);
        let mut list = entries.filter_map(|entry| {
            if entry.trim() != entry {
                return Some((entry, "begins or ends with a blank, which is taken as part of the name"));
            }
            let is_choice = entry.contains(['{', '}']) && !GlobPattern::looks_like_glob(entry);
            is_choice.then_some((entry, "is no pattern, so its braces are taken as part of the name"))
        });
        if let Some((entry, problem)) = list.next() {
            let help = "write each path by itself; a pattern has `*`, `?` or `[`";
            self.warning(denied, format!("`{}` {problem}", escape_short(entry)), help);
        }
    }

    /// Beginnings of a URL that other hosts share.
    fn servers_of_others(&mut self, layer: &RequirementsLayer) {
        for (name, identity) in layer.values.mcp_servers.iter().flatten().take(MAX_REMARKS) {
            let McpIdentity::Url(Matcher::Prefix(prefix)) = identity else { continue };
            let is_whole_host = prefix.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
            if !is_whole_host {
                let key = KeyPath::new(["mcp_servers", name, "identity"]);
                let message = format!(
                    "`{0}` is also the beginning of other hosts, such as `{0}.example.net`",
                    escape_short(prefix)
                );
                self.warning(&key, message, "end the host with `/`");
            }
        }
    }

    /// Limits of a managed profile's network that nothing keeps.
    fn limits_without_proxy(&mut self, layer: &RequirementsLayer) {
        for (name, profile) in layer.values.permissions.iter().take(MAX_REMARKS) {
            let limits = profile.network.limits();
            if profile.network.is_enabled() && !limits.is_empty() {
                let message = format!(
                    "`{}` only works with the network proxy, so the network of this profile is open without limits",
                    limits.join("`, `")
                );
                let key = KeyPath::new(["permissions", name, "network"]);
                self.warning(&key, message, "set `enabled = false`, or require `experimental_network`");
            }
        }
    }

    /// Where a key stands.
    fn place(&self, key: &KeyPath) -> Location {
        self.location(Position::of_key(&self.text.text, key, Anchor::Key))
    }

    /// A place in this file.
    fn location(&self, position: Option<Position>) -> Location {
        Location { source: self.text.source.clone(), position }
    }
}

/// The byte at a line and column, which count from 1, columns in characters.
fn offset_of(text: &str, line: u32, column: u32) -> Option<usize> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let in_line = text.get(start..)?.char_indices().nth(column).map_or(0, |(offset, _)| offset);
    Some(start + in_line)
}
