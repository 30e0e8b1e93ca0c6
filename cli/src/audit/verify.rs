//! `codex audit verify`: whether the log is what was written.

use std::process::ExitCode;

use escalation::audit::{Break, Report, TornLine, verify as follow_chain};
use policies::escape;
use serde::Serialize;

use super::arguments::VerifyArguments;
use super::folder;
use crate::report::{Failure, print, print_json};

/// The report, with what it comes to.
#[derive(Serialize)]
struct Answer<'a> {
    sound: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// Prints what holds. Exits with 1 when the log is not what was written.
pub(super) fn verify(arguments: &VerifyArguments) -> Result<ExitCode, Failure> {
    let report = follow_chain(&folder(arguments.folder.as_deref())?, arguments.head)?;
    let sound = report.is_sound();
    if arguments.json {
        print_json(&Answer { sound, report: &report })?;
    } else {
        print(&to_text(&report))?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn to_text(report: &Report) -> String {
    let mut text = match &report.broken {
        None => format!("sound: {} in {}\n", plural(report.records, "record"), plural(report.files, "file")),
        Some(broken) => to_broken(broken),
    };
    let mut row = |name: &str, value: String| text += &format!("  {name:<9} {value}\n");
    // In front of a break nothing vouches for the last record: it may be the one that was changed.
    let last = match report.is_sound() {
        true => report.last_seq,
        false => report.last_seq.map(|last| last.saturating_sub(1)).filter(|last| *last > 0),
    };
    match (report.proven_from, last) {
        (Some(1), Some(last)) => row("proven", format!("record 1, the first of all, to {last}")),
        (Some(first), Some(last)) => {
            row("proven", format!("record {first} to {last}; what was before is not kept"));
        }
        (None, _) | (_, None) => row("proven", "nothing: no record is vouched for".to_owned()),
    }
    if let Some(head) = report.head {
        row("head", head.to_string());
    }
    if let Some(seq) = report.found_head {
        row("--head", format!("is record {seq}"));
    }
    for torn in &report.torn {
        row("torn", to_torn(torn));
    }
    if report.broken.is_some() {
        let advice =
            "keep a copy of the folder, find out who wrote to it, and move it away to begin a new log";
        row("to do", advice.to_owned());
    }
    text
}

fn to_broken(broken: &Break) -> String {
    let file = escape(&broken.file);
    let place = if broken.line == 0 { file } else { format!("{file}:{}", broken.line) };
    let Break { offset, expected, found, .. } = broken;
    format!(
        "BROKEN: {place} (byte {offset})\n  expected  {}\n  found     {}\n",
        execpolicy::display::visible(expected),
        execpolicy::display::visible(found)
    )
}

fn to_torn(torn: &TornLine) -> String {
    let place = format!("{}:{}", escape(&torn.file), torn.line);
    let what =
        format!("{} bytes at byte {} of a record that was not finished", torn.torn.bytes, torn.torn.offset);
    match torn.noted_by {
        Some(seq) => format!("{place}: {what}; record {seq} notes it"),
        None => format!("{place}: {what}; the next record will note it"),
    }
}

fn plural(count: impl std::fmt::Display, what: &str) -> String {
    let count = count.to_string();
    if count == "1" { format!("1 {what}") } else { format!("{count} {what}s") }
}
