//! No text of any event reaches the log as it was handed in.

use escalation::audit::Event;
use serde_json::Value as Json;

use crate::events::all;
use crate::log::{Log, entries};

const SECRET: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

/// What is not text: words of ours, digests, places, and the names that the embedder gave.
const KEPT: [&str; 18] = [
    "event",
    "level",
    "categories",
    "actions",
    "type",
    "decision",
    "placement",
    "key",
    "program",
    "cwd",
    "paths",
    "grantRoot",
    "turnId",
    "itemId",
    "grant",
    "digest",
    "profileDigest",
    "permissions",
];

/// Puts the secret into every text, and counts them.
fn spoil(json: &mut Json, event: &str, spoiled: &mut usize) {
    match json {
        Json::String(text) => {
            *text = format!("x --password {SECRET} y");
            *spoiled += 1;
        }
        Json::Array(list) => list.iter_mut().for_each(|item| spoil(item, event, spoiled)),
        Json::Object(map) => {
            for (key, value) in map {
                let word_of_ours = key == "outcome" && event == "decided";
                if !KEPT.contains(&key.as_str()) && key != "additional" && !word_of_ours {
                    spoil(value, event, spoiled);
                }
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[test]
fn a_secret_in_any_text_of_any_event_is_hidden() {
    let log = Log::new();
    let audit = log.open();
    let mut spoiled = 0;
    for event in all() {
        let mut json = serde_json::to_value(&event).unwrap();
        let kind = event.kind().word();
        spoil(&mut json, kind, &mut spoiled);
        let event: Event = serde_json::from_value(json).unwrap();
        assert!(audit.record(&event).is_ok());
    }
    assert!(spoiled > 60, "{spoiled}");
    let lines = entries(&log.folder());
    assert_eq!(lines.len(), all().len());
    for entry in lines {
        assert!(!entry.text.contains("ghp_"), "{}", entry.text);
    }
}

/// A caller that hands in an assignment in place of a name.
#[test]
fn no_value_of_a_variable_is_recorded() {
    let log = Log::new();
    let mut json = serde_json::to_value(crate::events::decided(crate::events::exec(&["git"]))).unwrap();
    json["about"]["environment"] = serde_json::json!(["PATH=/secret/place", "HOME"]);
    let event: Event = serde_json::from_value(json).unwrap();
    assert!(log.open().record(&event).is_ok());
    let line = &log.lines()[0];
    assert!(line.contains("\"environment\":[\"PATH\",\"HOME\"]"), "{line}");
}

/// The findings are about the parts of a command line, which lost the pipes between them.
#[test]
fn a_secret_for_the_next_command_is_hidden_in_the_findings_too() {
    let log = Log::new();
    let finding = |words: &[&str]| serde_json::json!({"command": words, "decision": "prompt", "why": "x"});
    let findings = [
        finding(&["echo", "first"]),
        finding(&["echo", "hunter2"]),
        finding(&["sudo", "-S", "true"]),
        finding(&["echo", "last"]),
    ];
    let mut json = serde_json::to_value(crate::events::decided(crate::events::exec(&["sh"]))).unwrap();
    json["verdict"] = serde_json::json!({"decision": "prompt", "findings": findings});
    let event: Event = serde_json::from_value(json).unwrap();
    assert!(log.open().record(&event).is_ok());
    let line = &log.lines()[0];
    assert!(!line.contains("hunter2") && line.contains("[\"echo\",\"[redacted]\"]"), "{line}");
    assert!(line.contains("[\"echo\",\"first\"]") && line.contains("[\"echo\",\"last\"]"), "{line}");
}
