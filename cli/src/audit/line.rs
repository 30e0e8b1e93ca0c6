//! A record as one line for people.

use escalation::Call;
use escalation::audit::{
    About, DecidedAs, Entry, Event, PlacementWord, Record, RecordedAssessment, printable,
};
use escalation::subject::FileAction;
use execpolicy::display::{visible, visible_up_to};
use execpolicy::shell;
use policies::{AbsolutePath, AdditionalPermissions};
use time::OffsetDateTime;

/// How much is shown of a line that is no record.
const SHOWN: usize = 100;

/// The line of an entry, with its newline: as it is in the log, but safe to print, or for people.
pub(super) fn of(entry: &Entry, json: bool) -> String {
    match &entry.record {
        // Older releases wrote what steers a terminal as it is.
        _ if json => format!("{}\n", printable(&entry.text)),
        Some(record) => visible(&to_text(record)) + "\n",
        None => {
            let place = format!("{}:{}", policies::escape(&entry.file), entry.line);
            format!("{place}: no record: {}\n", visible_up_to(&entry.text, SHOWN))
        }
    }
}

fn to_text(record: &Record) -> String {
    let session: String = record.session.as_str().chars().take(8).collect();
    let event = record.event.kind().word();
    let mut text = format!("{} {:>6} {session:<8} {event:<13} ", time(record.at_ms), record.seq);
    text += &summary(&record.event);
    if let Some(torn) = &record.torn {
        text += &format!(" [after {} torn bytes]", torn.bytes);
    }
    if let Some(cut) = &record.cut {
        text += &format!(" [cut: {} bytes, {} items]", cut.bytes, cut.items);
    }
    text
}

/// RFC 3339 in UTC, with milliseconds.
fn time(at_ms: u64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms).saturating_mul(1_000_000))
    else {
        return format!("{at_ms} ms");
    };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, ms) = at.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", u8::from(month))
}

fn summary(event: &Event) -> String {
    let because =
        |reason: &Option<String>| reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    match event {
        Event::SessionOpened { version, approval_policy, profile, approver, cwd } => {
            format!("{profile}, {approval_policy}, asks {approver}, in {cwd} (version {version})")
        }
        Event::Asked { ask, call, key: _, about, reason, assessment, approver } => {
            let (about, reason, call) = (subject(about), because(reason), of_call(call));
            let opinion = assessment.as_ref().map_or_else(String::new, opinion);
            format!("ask {ask} of {approver}: {about}{reason}{opinion}{call}")
        }
        Event::Settled { ask, outcome, by, waiting, error } => {
            format!("ask {ask}: {outcome} by {by}, for {waiting} waiting{}", because(error))
        }
        Event::Decided { call, about, outcome, by, ask, verdict: _, reason } => {
            let ask = ask.map_or_else(String::new, |ask| format!(", ask {ask}"));
            let outcome = outcome_word(*outcome);
            format!("{outcome} by {by}{ask}: {}{}{}", subject(about), because(reason), of_call(call))
        }
        Event::Ended { call, status, denial, error } => {
            let status = status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
            let denial = denial.as_ref().map_or_else(String::new, |denial| format!(", denied: {denial}"));
            let error = error.as_ref().map_or_else(String::new, |error| format!(", failed: {error}"));
            format!("{status}{denial}{error}{}", of_call(call))
        }
        Event::Amended { ask, rule, file, error } => {
            format!("ask {ask}: {rule} in {file}{}", because(error))
        }
        Event::Remembered { grant, ask, what, scope } => {
            format!("{grant} for the {scope}: {what} (ask {ask})")
        }
        Event::Revoked { grant, what } => format!("{grant}: {what}"),
    }
}

/// What a second opinion was, or why there was none.
fn opinion(assessment: &RecordedAssessment) -> String {
    let RecordedAssessment { status, level, categories, description, error } = assessment;
    let Some(level) = level else {
        let error = error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        return format!(" [no second opinion, {status}{error}]");
    };
    let categories = categories.iter().map(|category| format!(", {}", category.word()));
    let said = description.as_deref().unwrap_or_default();
    format!(" [second opinion: {}{}: {said}]", level.word(), categories.collect::<String>())
}

fn of_call(call: &Call) -> String {
    format!(" ({}/{})", call.turn, call.item)
}

fn outcome_word(outcome: DecidedAs) -> &'static str {
    match outcome {
        DecidedAs::Allowed => "allowed",
        DecidedAs::Refused => "refused",
        DecidedAs::Cancelled => "cancelled",
        DecidedAs::Failed => "failed",
    }
}

fn subject(about: &About) -> String {
    let words = |argv: &[String]| shell::join(argv);
    let place = |placement: &PlacementWord| match placement {
        PlacementWord::Inside => "",
        PlacementWord::Outside => " without a sandbox",
    };
    match about {
        About::Exec { argv, cwd, placement, retry, .. } => {
            let again = if *retry { " again" } else { "" };
            format!("run{again}{} `{}` in {cwd}", place(placement), words(argv))
        }
        About::Subcommand { argv, cwd, placement, .. } => {
            format!("sub-command{} `{}` in {cwd}", place(placement), words(argv))
        }
        About::StdinWrite { process, bytes } => format!("{bytes} bytes for {process}"),
        About::FileChange { paths, actions, grant_root, digest: _ } => {
            let root = grant_root.as_ref().map_or_else(String::new, |root| format!(", and all below {root}"));
            format!("{}{root}", files(paths, actions))
        }
        About::Permissions { permissions } => format!("permissions {}", to_json(permissions)),
        About::Network { host, protocol, port } => format!("connect to {host}:{port} ({protocol})"),
        About::Unresolved { argv, cwd } => format!("`{}` in {cwd}, which leads nowhere", words(argv)),
    }
}

/// Each file with what happens to it, as far as that is on record: older releases wrote names only.
fn files(paths: &[AbsolutePath], actions: &[FileAction]) -> String {
    let words = actions.iter().map(|action| action.word()).chain(std::iter::repeat("change"));
    paths.iter().zip(words).map(|(path, word)| format!("{word} {path}")).collect::<Vec<_>>().join(", ")
}

fn to_json(permissions: &AdditionalPermissions) -> String {
    // They were read from JSON.
    serde_json::to_string(permissions).unwrap_or_default()
}
