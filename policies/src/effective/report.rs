//! An effective policy for people and programs: `codex debug-config`.

use std::collections::BTreeMap;
use std::fmt;

use execpolicy::NetworkHosts;
use execpolicy::display::{visible, visible_up_to};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::config::Config;
use crate::display::{SHOWN_CHARS, escape_short};
use crate::effective::setting::{Setting, ValueOrigin};
use crate::effective::{EffectivePolicy, EffectiveServer};
use crate::environment::Inherit;
use crate::hidden::HIDDEN;
use crate::keys::KeyPath;
use crate::layers::LayerSource;
use crate::location::Anchor;
use crate::project::Trust;
use crate::requirements::described::{Described, united};
use crate::rules::{LayeredRules, RuleFileReport, RuleFileState, RuleLayer};
use crate::toml_json::to_json;

/// The most broken rule files that the page names; a program gets all of them.
const SHOWN_BROKEN: usize = 20;

/// Everything that was loaded, what came out, and who decided it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Layers of configuration, lowest first; those that are switched off stand in between.
    pub layers: Vec<LayerLine>,
    /// Rule files, in the order in which they were read.
    pub rules: Vec<RuleLine>,
    /// The repository of the working directory.
    pub project: ProjectLine,
    /// What holds, by key.
    pub effective: BTreeMap<String, ValueLine>,
    /// What was required, by key.
    pub requirements: BTreeMap<String, RequirementLine>,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// One layer of configuration.
#[derive(Clone, Debug, Serialize)]
pub struct LayerLine {
    /// `system`, `user`, `profile`, `project`, `session` or `managed`.
    pub kind: &'static str,
    /// As messages name it.
    pub source: String,
    /// `enabled` or `disabled`.
    pub state: &'static str,
    /// Why it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One rule file.
#[derive(Clone, Debug, Serialize)]
pub struct RuleLine {
    /// The file, escaped.
    pub path: String,
    /// `system`, `user` or `project`.
    pub layer: &'static str,
    /// `loaded` or `broken`.
    pub state: &'static str,
    /// How many rules it contributes.
    pub rules: usize,
    /// How many rules of it are ignored, because a repository can only narrow.
    pub ignored: usize,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The repository.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectLine {
    /// Its root; `None` when the working directory cannot be looked into.
    pub root: Option<String>,
    /// `trusted`, `untrusted` or `unlisted`.
    pub trust: &'static str,
}

/// An effective value.
#[derive(Clone, Debug, Serialize)]
pub struct ValueLine {
    /// The value.
    pub value: Json,
    /// The layer, the requirement, or `default`.
    pub origin: String,
    /// Where in the layer, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What was configured, where a requirement replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<Json>,
    /// The requirement that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

/// A requirement.
#[derive(Clone, Debug, Serialize)]
pub struct RequirementLine {
    /// What it says.
    pub value: Json,
    /// Who says it.
    pub source: String,
    /// The effective keys that it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl ValueLine {
    /// A value with its origin, and what was configured instead.
    fn new(value: Json, origin: &ValueOrigin, configured: Option<Json>) -> Self {
        let (requirement, line) = match origin {
            ValueOrigin::Required(source) => (Some(source.to_string()), None),
            ValueOrigin::Configured(location) => {
                (None, location.position.as_ref().map(|position| position.line))
            }
            ValueOrigin::Default => (None, None),
        };
        Self { value, origin: origin.to_string(), line, configured, requirement }
    }

    /// The origin with its line.
    pub(crate) fn place(&self) -> String {
        match self.line {
            None => self.origin.clone(),
            Some(line) => format!("{}:{line}", self.origin),
        }
    }
}

impl Report {
    /// Describes a policy and the rules that were loaded with it.
    pub fn new(policy: &EffectivePolicy, rules: &LayeredRules) -> Self {
        let mut effective = effective(policy);
        effective.insert("network_rules".to_owned(), network_rules(rules));
        let mut requirements = requirements(policy);
        for (key, _) in effective.iter().filter(|(_, line)| line.requirement.is_some()) {
            if let Some(requirement) = requirements.get_mut(requirement_of(key)) {
                requirement.changed.push(key.clone());
            }
        }
        let project = policy.config.project.as_ref();
        let warnings = policy.warnings.iter().chain(&rules.warnings).cloned().collect();
        Self {
            layers: layers(&policy.config),
            rules: rules.files.iter().map(rule_line).collect(),
            project: ProjectLine {
                root: project.map(|project| project.root.to_string()),
                trust: match project.map(|project| &project.trust) {
                    Some(Trust::Trusted(_)) => "trusted",
                    Some(Trust::Untrusted(_)) => "untrusted",
                    Some(Trust::Unlisted) | None => "unlisted",
                },
            },
            effective,
            requirements,
            warnings,
        }
    }
}

/// The requirement that limits an effective key.
fn requirement_of(key: &str) -> &str {
    match key {
        "approval_policy" => "allowed_approval_policies",
        "approvals_reviewer" => "allowed_approvals_reviewers",
        "sandbox_mode" | "permission_profile" => "allowed_sandbox_modes",
        "web_search" => "allowed_web_search_modes",
        "network" => "experimental_network",
        "deny_read" => "permissions.filesystem.deny_read",
        _ if key.starts_with("features.") => "features",
        _ if key.starts_with("mcp_servers.") => "mcp_servers",
        _ => key,
    }
}

/// Layers of configuration, lowest first.
fn layers(config: &Config) -> Vec<LayerLine> {
    let line = |source: &LayerSource, reason: Option<&str>| LayerLine {
        kind: kind(source),
        source: source.in_report(),
        state: if reason.is_some() { "disabled" } else { "enabled" },
        reason: reason.map(str::to_owned),
    };
    let mut lines: Vec<(u8, LayerLine)> = Vec::new();
    for layer in config.layers().iter() {
        lines.push((rank(&layer.source), line(&layer.source, None)));
    }
    for disabled in &config.disabled_layers {
        lines.push((rank(&disabled.source), line(&disabled.source, Some(&disabled.reason))));
    }
    // Stable: within a rank the layers are in order already.
    lines.sort_by_key(|(rank, _)| *rank);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a layer is, in one word.
fn kind(source: &LayerSource) -> &'static str {
    match source {
        LayerSource::SystemFile(_) => "system",
        LayerSource::UserFile(_) => "user",
        LayerSource::ProfileFile(_) => "profile",
        LayerSource::ProjectFile(_) => "project",
        LayerSource::Override(_) | LayerSource::Flag(_) => "session",
        LayerSource::LegacyManagedFile(_)
        | LayerSource::LegacyManagedMdm
        | LayerSource::RequirementsFile(_)
        | LayerSource::Managed { .. }
        | LayerSource::Mdm { .. } => "managed",
    }
}

/// The place of a kind of layer in the order.
fn rank(source: &LayerSource) -> u8 {
    match source {
        LayerSource::SystemFile(_) => 0,
        LayerSource::UserFile(_) => 1,
        LayerSource::ProfileFile(_) => 2,
        LayerSource::ProjectFile(_) => 3,
        LayerSource::Override(_) | LayerSource::Flag(_) => 4,
        LayerSource::LegacyManagedFile(_)
        | LayerSource::LegacyManagedMdm
        | LayerSource::RequirementsFile(_)
        | LayerSource::Managed { .. }
        | LayerSource::Mdm { .. } => 5,
    }
}

fn rule_line(file: &RuleFileReport) -> RuleLine {
    let layer = match file.layer {
        RuleLayer::System => "system",
        RuleLayer::User => "user",
        RuleLayer::Project => "project",
    };
    let (state, rules, ignored, problem) = match &file.state {
        RuleFileState::Loaded { rules, network, host_executables: _, ignored } => {
            ("loaded", rules.saturating_add(*network), *ignored, None)
        }
        RuleFileState::Broken { error, location: _, help: _ } => ("broken", 0, 0, Some(error.clone())),
    };
    RuleLine { path: crate::display::escape(&file.path), layer, state, rules, ignored, problem }
}

/// What network rules of all layers come to.
fn network_rules(rules: &LayeredRules) -> ValueLine {
    let NetworkHosts { allowed, denied } = &rules.hosts;
    let line = ValueLine::new(json!({ "allowed": allowed, "denied": denied }), &ValueOrigin::Default, None);
    let nothing = allowed.is_empty() && denied.is_empty();
    if nothing { line } else { ValueLine { origin: "rule files".to_owned(), ..line } }
}

/// All effective values by key.
fn effective(policy: &EffectivePolicy) -> BTreeMap<String, ValueLine> {
    let mut values = BTreeMap::new();
    let mut add = |key: &str, line: ValueLine| values.insert(key.to_owned(), line);
    add("approval_policy", of_setting(&policy.approval_policy, |policy| json!(policy)));
    add("approvals_reviewer", of_setting(&policy.approvals_reviewer, |reviewer| json!(reviewer)));
    add("web_search", of_setting(&policy.web_search, |mode| json!(mode)));
    add("allow_login_shell", of_setting(&policy.allow_login_shell, |on| json!(on)));
    let profile = &policy.profile;
    let line = |value, origin: &ValueOrigin, configured| ValueLine::new(value, origin, configured);
    let configured = profile.configured.as_ref().map(|name| json!(escape_short(name)));
    add("permission_profile", line(json!(escape_short(&profile.resolved.name)), &profile.origin, configured));
    add("sandbox_mode", line(json!(profile.class.to_string()), &narrowest(policy), None));
    add("network", network(policy));
    let denied = &policy.requirements.deny_read;
    let places: Vec<String> = denied.iter().map(|denied| denied.value.to_string()).collect();
    let origin = if denied.is_empty() { ValueOrigin::Default } else { ValueOrigin::Required(united(denied)) };
    add("deny_read", line(json!(places), &origin, None));
    if let Some(residency) = &policy.requirements.enforce_residency {
        let origin = ValueOrigin::Required(residency.source.clone());
        add("enforce_residency", line(json!(residency.value.to_string()), &origin, None));
    }
    for (name, setting) in &policy.features {
        add(&format!("features.{name}"), of_setting(setting, |on| json!(on)));
    }
    for (name, server) in &policy.mcp_servers {
        add(&format!("mcp_servers.{name}"), of_server(policy, name, server));
    }
    for (key, exact) in &policy.requirements.exact {
        let origin = ValueOrigin::Required(exact.source.clone());
        let configured = policy.config.layers().value_of(key).map(to_json);
        let configured = configured.filter(|configured| *configured != to_json(&exact.value));
        add(&key.to_string(), line(to_json(&exact.value), &origin, configured));
    }
    let also = &policy.config.shell_environment_policy.include_only_also;
    if !also.is_empty() {
        let line = line(json!(also), &ValueOrigin::Default, None);
        let origin = "files of the repository".to_owned();
        add("shell_environment_policy.include_only_also", ValueLine { origin, ..line });
    }
    for (key, value) in environment(policy).into_iter().chain(workspace_write(policy)) {
        let path = KeyPath::new(key.split('.'));
        let origin = ValueOrigin::of(policy.config.layers().locate(&path, Anchor::Value));
        add(key, line(value, &origin, None));
    }
    values
}

fn of_setting<T: Clone + 'static>(setting: &Setting<T>, to_json: impl Fn(&T) -> Json) -> ValueLine {
    ValueLine::new(to_json(setting.get()), &setting.origin, setting.configured.as_ref().map(to_json))
}

fn of_server(policy: &EffectivePolicy, name: &str, server: &EffectiveServer) -> ValueLine {
    let key = KeyPath::new(["mcp_servers", name]);
    let origin = ValueOrigin::of(policy.config.layers().locate(&key, Anchor::Key));
    let mut value = json!({ "enabled": server.is_enabled() });
    if let (Some(object), Some(reason)) = (value.as_object_mut(), server.reason()) {
        object.insert("reason".to_owned(), json!(reason));
    }
    let requirement = server.disabled_by.as_ref().map(ToString::to_string);
    ValueLine { requirement, ..ValueLine::new(value, &origin, None) }
}

/// Who decided what the profile permits: who selected it, or the repository that made it narrower.
fn narrowest(policy: &EffectivePolicy) -> ValueOrigin {
    match (&policy.profile.origin, &policy.profile.resolved.narrowed_by) {
        (ValueOrigin::Default | ValueOrigin::Configured(_), Some(location)) => {
            ValueOrigin::Configured(location.clone())
        }
        (origin, _) => origin.clone(),
    }
}

/// Whether commands reach the network: the managed network beats what the profile says.
fn network(policy: &EffectivePolicy) -> ValueLine {
    if let Some(managed) = &policy.requirements.network {
        let origin = ValueOrigin::Required(managed.source.clone());
        return ValueLine::new(json!("managed"), &origin, None);
    }
    let enabled = policy.profile.resolved.profile.network().is_enabled();
    ValueLine::new(json!(if enabled { "enabled" } else { "restricted" }), &narrowest(policy), None)
}

/// The settings of the environment, without the values of variables.
fn environment(policy: &EffectivePolicy) -> [(&'static str, Json); 5] {
    let environment = &policy.config.shell_environment_policy;
    let inherit = match environment.inherit {
        Inherit::All => "all",
        Inherit::Core => "core",
        Inherit::None => "none",
    };
    let set: BTreeMap<&String, &str> = environment.set.keys().map(|name| (name, HIDDEN)).collect();
    [
        ("shell_environment_policy.inherit", json!(inherit)),
        ("shell_environment_policy.ignore_default_excludes", json!(environment.ignore_default_excludes)),
        ("shell_environment_policy.exclude", json!(environment.exclude)),
        ("shell_environment_policy.set", json!(set)),
        ("shell_environment_policy.include_only", json!(environment.include_only)),
    ]
}

fn workspace_write(policy: &EffectivePolicy) -> [(&'static str, Json); 4] {
    let write = &policy.config.sandbox_workspace_write;
    let roots: Vec<String> = write.writable_roots.iter().map(ToString::to_string).collect();
    [
        ("sandbox_workspace_write.writable_roots", json!(roots)),
        ("sandbox_workspace_write.network_access", json!(write.network_access.is_enabled())),
        ("sandbox_workspace_write.exclude_tmpdir_env_var", json!(write.exclude_tmpdir_env_var)),
        ("sandbox_workspace_write.exclude_slash_tmp", json!(write.exclude_slash_tmp)),
    ]
}

/// What was required, by the key that an administrator writes.
fn requirements(policy: &EffectivePolicy) -> BTreeMap<String, RequirementLine> {
    policy
        .requirements
        .described()
        .into_iter()
        .map(|Described { key, value, source }| {
            (key, RequirementLine { value, source: source.to_string(), changed: Vec::new() })
        })
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "Config layer stack (lowest precedence first):")?;
        for (index, layer) in self.layers.iter().enumerate() {
            writeln!(formatter, "  {}. {} ({})", index + 1, visible(&layer.source), layer.state)?;
            if let Some(reason) = &layer.reason {
                writeln!(formatter, "     reason: {}", visible(reason))?;
            }
        }
        if self.layers.is_empty() {
            writeln!(formatter, "  <none>")?;
        }
        let root = self.project.root.as_deref().unwrap_or("<none>");
        writeln!(formatter, "\nProject: {} ({})", visible(root), self.project.trust)?;
        writeln!(formatter, "\nRule files:")?;
        let mut broken = 0_usize;
        for file in &self.rules {
            broken = broken.saturating_add(usize::from(file.problem.is_some()));
            if file.problem.is_some() && broken > SHOWN_BROKEN {
                continue;
            }
            let path = visible(&file.path);
            write!(formatter, "  - {path} ({}, {}): {} rules", file.layer, file.state, file.rules)?;
            if file.ignored > 0 {
                write!(formatter, ", {} ignored", file.ignored)?;
            }
            writeln!(formatter)?;
            if let Some(problem) = &file.problem {
                writeln!(formatter, "    {}", visible(problem))?;
            }
        }
        if let Some(more) = broken.checked_sub(SHOWN_BROKEN).filter(|more| *more > 0) {
            writeln!(formatter, "  - and {more} more that are broken")?;
        }
        if self.rules.is_empty() {
            writeln!(formatter, "  <none>")?;
        }
        writeln!(formatter, "\nEffective values:")?;
        for (key, line) in &self.effective {
            let (key, value) = (escape_short(key), visible(&line.value.to_string()));
            write!(formatter, "  - {key} = {value} ({})", visible(&line.place()))?;
            if let Some(configured) = &line.configured {
                write!(formatter, ", instead of {}", visible(&configured.to_string()))?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter, "\nRequirements:")?;
        for (key, line) in &self.requirements {
            let (key, source) = (escape_short(key), visible(&line.source));
            write!(formatter, "  - {key}: {} (source: {source})", listed(&line.value))?;
            if !line.changed.is_empty() {
                let changed: Vec<String> = line.changed.iter().map(escape_short).collect();
                write!(formatter, ", changed {}", changed.join(", "))?;
            }
            writeln!(formatter)?;
        }
        if self.requirements.is_empty() {
            writeln!(formatter, "  <none>")?;
        }
        Ok(())
    }
}

/// A value on one line: lists as their elements, tables as `key=value`; safe to print.
pub(crate) fn listed(value: &Json) -> String {
    let plain = |value: &Json| match value {
        Json::String(text) => visible_up_to(text, SHOWN_CHARS),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            visible(&value.to_string())
        }
    };
    match value {
        Json::Array(items) if items.is_empty() => "<empty>".to_owned(),
        Json::Object(items) if items.is_empty() => "<empty>".to_owned(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Object(items) => {
            let pair = |(key, value): (&String, &Json)| {
                format!("{}={}", visible_up_to(key, SHOWN_CHARS), plain(value))
            };
            items.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forges a line, erases one, reorders one, and hides.
    const HOSTILE: &str = "x\n  - forged = true\r\x1b[2K\u{202e}\u{2028}\u{9b}";

    fn hostile() -> Report {
        let text = || HOSTILE.to_owned();
        let value = || json!({ HOSTILE: [HOSTILE, { HOSTILE: HOSTILE }] });
        let line = ValueLine {
            value: value(),
            origin: text(),
            line: Some(1),
            configured: Some(json!(HOSTILE)),
            requirement: Some(text()),
        };
        let broken = RuleLine {
            path: text(),
            layer: "user",
            state: "broken",
            rules: 0,
            ignored: 1,
            problem: Some(text()),
        };
        let required = RequirementLine { value: value(), source: text(), changed: vec![text()] };
        Report {
            layers: vec![LayerLine { kind: "user", source: text(), state: "disabled", reason: Some(text()) }],
            rules: vec![broken],
            project: ProjectLine { root: Some(text()), trust: "trusted" },
            effective: [(format!("mcp_servers.{HOSTILE}"), line)].into(),
            requirements: [(text(), required)].into(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn no_foreign_text_forges_a_line_of_the_page() {
        let page = hostile().to_string();
        assert_eq!(page.lines().count(), 15, "{page}");
        assert!(!page.chars().any(|c| c != '\n' && execpolicy::display::is_hidden(c)), "{page:?}");
        assert!(!page.lines().any(|line| line.starts_with("  - forged")), "{page}");
        // Programs get what is there.
        let json = serde_json::to_value(hostile()).unwrap();
        assert_eq!(json.pointer("/layers/0/reason"), Some(&json!(HOSTILE)));
    }

    #[test]
    fn the_page_names_some_of_many_broken_files() {
        let mut report = hostile();
        let file = report.rules.remove(0);
        report.rules = (0..1_000).map(|_| file.clone()).collect();
        report.rules.push(RuleLine { problem: None, state: "loaded", ..file });
        let page = report.to_string();
        assert!(page.contains("and 980 more that are broken") && page.contains("loaded"), "{page}");
        assert!(page.len() < 20_000);
    }
}
