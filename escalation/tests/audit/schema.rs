//! The schema at the top of the repository is that of the types, and every record fits it.
//!
//! After a change of the types: `UPDATE_SCHEMAS=1 cargo test -p escalation --test audit schema`.

use std::fs;
use std::path::PathBuf;

use escalation::audit::{Record, audit_schema};
use serde_json::Value as Json;

use crate::events::{all, decided, exec};
use crate::log::{Log, entries};

/// Set, the file is written instead of compared.
const UPDATE: &str = "UPDATE_SCHEMAS";

#[test]
fn the_file_is_that_of_the_types() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas/audit.schema.json");
    let text = serde_json::to_string_pretty(&audit_schema()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "`schemas/audit.schema.json` is not what the types say: run \
         `{UPDATE}=1 cargo test -p escalation --test audit schema`, and check it in"
    );
}

#[test]
fn records_of_every_kind_fit_and_are_read_as_they_were_written() {
    let validator = jsonschema::draft202012::new(&audit_schema()).unwrap();
    let log = Log::filled();
    let bytes = log.bytes();
    log.set(&bytes[..bytes.len() - 5]);
    let long = "long ".repeat(50_000);
    assert!(log.open().record(&decided(exec(&["git", &long]))).is_ok());
    let mut events = all();
    events.pop();
    for (entry, event) in entries(&log.folder()).iter().filter(|entry| entry.record.is_some()).zip(events) {
        let json: Json = serde_json::from_str(&entry.text).unwrap();
        let problems: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}\n{problems:#?}", entry.text);
        assert_eq!(entry.record.as_ref().unwrap().event, event);
    }
    let last = entries(&log.folder()).pop().unwrap();
    let json: Json = serde_json::from_str(&last.text).unwrap();
    assert!(json["torn"].is_object() && json["cut"].is_object());
    assert!(validator.is_valid(&json), "{json:#}");
}

#[test]
fn what_is_no_record_does_not_fit() {
    let validator = jsonschema::draft202012::new(&audit_schema()).unwrap();
    let log = Log::short(1);
    let good: Json = serde_json::from_str(&log.lines()[0]).unwrap();
    assert!(validator.is_valid(&good));
    for (key, value) in [
        ("v", Json::from(2)),
        ("seq", Json::from("1")),
        ("atMs", Json::Null),
        ("session", Json::from("../x")),
        ("prev", Json::from("00")),
        ("torn", Json::from(1)),
        ("event", Json::from("other")),
        ("what", Json::from(1)),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(!validator.is_valid(&bad), "{bad}");
        assert!(serde_json::from_value::<Record>(bad.clone()).is_err(), "{bad}");
    }
    for key in ["v", "seq", "atMs", "session", "pid", "prev", "event", "grant"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
