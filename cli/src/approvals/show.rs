//! What is remembered, in words and as JSON.

use escalation::memory::{Remembered, StoredSession, What};
use escalation::subject::SubjectKind;
use execpolicy::display::{visible, visible_up_to};
use policies::rules::AcceptedRule;
use policies::{Access, AdditionalPermissions};
use serde_json::{Value, json};

use super::date::utc;

/// The longest rule, label or list of permissions that is shown, in characters.
const SHOWN: usize = 300;

/// What is approved, in a word or two.
pub(super) fn kind(what: &What) -> &'static str {
    match what {
        What::Key(SubjectKind::Exec, _) => "command",
        What::Key(SubjectKind::Subcommand, _) => "sub-command",
        What::Key(SubjectKind::StdinWrite, _) => "input",
        What::Key(SubjectKind::FileChange, _) => "file change",
        What::Key(SubjectKind::Network, _) => "host",
        What::Key(SubjectKind::Retry, _) => "second attempt",
        What::Key(SubjectKind::Permissions, _) | What::Permissions(_) => "permissions",
        What::Root(_) => "folder",
    }
}

/// What is approved, on one line.
pub(super) fn label(grant: &Remembered) -> String {
    match &grant.what {
        What::Key(..) => visible_up_to(&grant.label, SHOWN),
        What::Permissions(permissions) => visible_up_to(&permission_words(permissions), SHOWN),
        What::Root(root) => root.to_string(),
    }
}

/// A grant, in a sentence.
pub(super) fn named(grant: &Remembered) -> String {
    format!("{} ({}: {})", visible(&grant.id.0), kind(&grant.what), label(grant))
}

fn permission_words(permissions: &AdditionalPermissions) -> String {
    let network = permissions.network.is_enabled().then(|| "network".to_owned());
    let entries = permissions.entries.iter().map(|entry| {
        let access = match entry.access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Deny => "deny",
        };
        format!("{access} {}", entry.path)
    });
    network.into_iter().chain(entries).collect::<Vec<_>>().join(", ")
}

/// What a session remembers, over several lines.
pub(super) fn session(stored: &StoredSession) -> String {
    let mut text = format!("session {}\n", stored.session);
    for grant in &stored.grants {
        text += &format!("  {:<14} {:<14} {}\n", visible(&grant.id.0), kind(&grant.what), label(grant));
        text += &format!("  {:<14} {}\n", "", terms(grant));
    }
    for host in &stored.denied_hosts {
        text += &format!("  {:<14} {:<14} {}\n", "", "denied host", visible(host));
    }
    text
}

fn terms(grant: &Remembered) -> String {
    let below = grant.below.as_ref().map(|folder| format!("below {folder}"));
    let uses = grant.uses_left.map(|uses| match uses {
        1 => "1 use left".to_owned(),
        uses => format!("{uses} uses left"),
    });
    let until = grant.expires_ms.map(|end| format!("until {}", utc(end)));
    let since = Some(format!("since {}", utc(grant.issued_ms)));
    [below, uses, until, since].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where a rule is, and what it says.
pub(super) fn rule(rule: &AcceptedRule) -> String {
    format!("{}:{}: {}", policies::escape(&rule.file), rule.line, visible_up_to(&rule.text, SHOWN))
}

/// What a session remembers, for programs.
pub(super) fn session_json(stored: &StoredSession) -> Value {
    let grants: Vec<Value> = stored
        .grants
        .iter()
        .map(|grant| {
            json!({
                "id": grant.id,
                "kind": kind(&grant.what),
                "label": label(grant),
                "what": grant.what,
                "below": grant.below,
                "usesLeft": grant.uses_left,
                "issuedMs": grant.issued_ms,
                "expiresMs": grant.expires_ms,
            })
        })
        .collect();
    json!({ "session": stored.session, "grants": grants, "deniedHosts": stored.denied_hosts })
}

/// A rule, for programs.
pub(super) fn rule_json(rule: &AcceptedRule) -> Value {
    json!({
        "file": policies::escape(&rule.file),
        "line": rule.line,
        "rule": rule.text,
        "words": rule.words,
    })
}
