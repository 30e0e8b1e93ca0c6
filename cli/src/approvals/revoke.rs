//! `codex approvals revoke`: taking approvals back, on record before they go (I9).

use std::process::ExitCode;

use escalation::SessionId;
use escalation::audit::{Audit, Event};
use escalation::memory::{GrantId, Memory, StoredSession, Stores};
use execpolicy::shell;
use policies::rules::{AMENDMENTS_FILE, AcceptedRule, accepted_rules, remove};

use super::arguments::{RevokeArguments, RuleName};
use super::{Places, on_one_line, show};
use crate::report::{Blame, Failure, Format, print};

/// Whose decision it is on record when a rule goes: rules belong to no session.
const OWN_SESSION: &str = "cli";

/// Takes back what is named. Nothing is, unless all of it is there.
pub(super) fn revoke(arguments: &RevokeArguments) -> Result<ExitCode, Failure> {
    let places = Places::look_up()?;
    if !arguments.rules.is_empty() {
        return revoke_rules(&places, &arguments.rules);
    }
    let mut stores = places.stores(arguments.session.as_ref())?;
    if !arguments.ids.is_empty() {
        select(&mut stores, arguments)?;
    }
    let mut revoked = 0_usize;
    for stored in &stores.sessions {
        revoked = revoked.saturating_add(revoke_grants(&places, stored)?);
    }
    if revoked == 0 {
        print("nothing is remembered\n")?;
    }
    // What could not be read may hold what was named; it grants nothing as it is.
    let errors = if arguments.ids.is_empty() { stores.errors } else { Vec::new() };
    errors.iter().for_each(|error| Format::Text.warn(&on_one_line(error, &error.help())));
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Leaves the grants with these names; each must be there.
fn select(stores: &mut Stores, arguments: &RevokeArguments) -> Result<(), Failure> {
    let known = |id: &String| {
        stores.sessions.iter().flat_map(|stored| &stored.grants).any(|grant| grant.id.0 == **id)
    };
    if let Some(unknown) = arguments.ids.iter().find(|id| !known(id)) {
        let place = arguments.session.as_ref().map(|session| format!(" by the session `{session}`"));
        let message =
            format!("no approval `{}` is remembered{}", policies::escape(unknown), place.unwrap_or_default());
        let unread = stores.errors.iter().map(|error| on_one_line(error, &error.help()));
        let failure = Failure::new(Blame::Usage, message, "`codex approvals list` shows the names");
        return Err(failure.with_help(unread));
    }
    for stored in &mut stores.sessions {
        stored.grants.retain(|grant| arguments.ids.contains(&grant.id.0));
    }
    Ok(())
}

/// Forgets these grants of a session. Answers how many were still there.
fn revoke_grants(places: &Places, stored: &StoredSession) -> Result<usize, Failure> {
    if stored.grants.is_empty() {
        return Ok(0);
    }
    let audit = Audit::open(places.audit(), stored.session.clone())?;
    for grant in &stored.grants {
        let _recorded =
            audit.record(&Event::Revoked { grant: grant.id.0.clone(), what: show::label(grant) })?;
    }
    let ids: Vec<GrantId> = stored.grants.iter().map(|grant| grant.id.clone()).collect();
    let revoked = Memory::open(&places.approvals(), stored.session.clone()).revoke(&ids)?;
    let line = |grant| format!("revoked {} of the session {}\n", show::named(grant), stored.session);
    print(&revoked.iter().map(line).collect::<String>())?;
    Ok(revoked.len())
}

/// Removes these rules, the last line first: so the lines of the others stay what they are.
fn revoke_rules(places: &Places, names: &[RuleName]) -> Result<ExitCode, Failure> {
    let accepted = accepted_rules(&places.config_home)?;
    let mut rules: Vec<&AcceptedRule> = Vec::new();
    for name in names {
        rules.push(find(&accepted, name)?);
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.line));
    rules.dedup();
    let session = SessionId::parse(OWN_SESSION)
        .map_err(|error| Failure::of(Blame::Failed, &error, [error.help().to_owned()]))?;
    let audit = Audit::open(places.audit(), session)?;
    for rule in rules {
        let grant = format!("{AMENDMENTS_FILE}:{}", rule.line);
        let _recorded = audit.record(&Event::Revoked { grant, what: rule.text.clone() })?;
        remove(&places.config_home, rule)?;
        print(&format!("revoked {}\n", show::rule(rule)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn find<'a>(accepted: &'a [AcceptedRule], name: &RuleName) -> Result<&'a AcceptedRule, Failure> {
    let help = "`codex approvals list` shows the rules that can be revoked; others are removed by hand";
    let Some(rule) = accepted.iter().find(|rule| rule.line == name.line) else {
        let message = format!("line {} of {AMENDMENTS_FILE} is no rule that an acceptance wrote", name.line);
        return Err(Failure::new(Blame::Usage, message, help));
    };
    match &name.words {
        Some(words) if *words != shell::join(&rule.words) => {
            let message = format!(
                "line {} of {AMENDMENTS_FILE} is not the rule for `{}`: it is `{}`",
                name.line,
                policies::escape(words),
                execpolicy::display::visible_up_to(&shell::join(&rule.words), 200)
            );
            Err(Failure::new(Blame::Usage, message, help))
        }
        Some(_) | None => Ok(rule),
    }
}
