//! `codex approvals list`: what sessions remember, and the rules that acceptances wrote.

use std::process::ExitCode;
use std::time::SystemTime;

use policies::rules::accepted_rules;
use serde_json::json;

use super::arguments::ListArguments;
use super::{Places, on_one_line, show};
use crate::report::{Failure, Format, print, print_json};

/// Prints the list. What cannot be read is told, and the rest is shown.
pub(super) fn list(arguments: &ListArguments) -> Result<ExitCode, Failure> {
    let places = Places::look_up()?;
    let now = SystemTime::now();
    let mut stores = places.stores(arguments.session.as_ref())?;
    for stored in &mut stores.sessions {
        stored.grants.retain(|grant| !grant.is_over(now));
    }
    stores.sessions.retain(|stored| !stored.grants.is_empty() || !stored.denied_hosts.is_empty());
    let mut warnings: Vec<String> =
        stores.errors.iter().map(|error| on_one_line(error, &error.help())).collect();
    let rules = match (&arguments.session, accepted_rules(&places.config_home)) {
        (Some(_), _) => Vec::new(),
        (None, Ok(rules)) => rules,
        (None, Err(error)) => {
            warnings.push(on_one_line(&error, &error.help().unwrap_or_default()));
            Vec::new()
        }
    };
    if arguments.json {
        let sessions: Vec<_> = stores.sessions.iter().map(show::session_json).collect();
        let rules: Vec<_> = rules.iter().map(show::rule_json).collect();
        print_json(&json!({ "sessions": sessions, "rules": rules, "warnings": warnings }))?;
    } else {
        let mut text: String = stores.sessions.iter().map(show::session).collect();
        if !rules.is_empty() {
            text += "rules\n";
        }
        text.extend(rules.iter().map(|rule| format!("  {}\n", show::rule(rule))));
        if text.is_empty() {
            text += "nothing is remembered\n";
        }
        print(&text)?;
        warnings.iter().for_each(|warning| Format::Text.warn(warning));
    }
    Ok(if warnings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
