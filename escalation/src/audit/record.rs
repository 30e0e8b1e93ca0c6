//! One line of the log.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::chain::{LineHash, MAX_LINE_BYTES, Torn, Version};
use super::error::AuditError;
use super::event::Event;
use super::printable::printable;
use crate::ids::SessionId;

/// One line of the audit log: an event, when and by whom it was put on record, and what links it to the record
/// before it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "audit.jsonl")]
pub struct Record {
    /// The version of the format.
    #[serde(rename = "v")]
    pub version: Version,
    /// Which record, counted from 1 over all files of the log.
    pub seq: u64,
    /// When it was written: milliseconds since 1970-01-01 in UTC, as the machine's clock had it.
    pub at_ms: u64,
    /// Which session.
    #[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_-]{1,64}$"))]
    pub session: SessionId,
    /// Which process wrote it.
    pub pid: u32,
    /// The digest of the line before, also where that stands in an older file; zeros in the first of all.
    pub prev: LineHash,
    /// What stands between that line and this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Torn>,
    /// What was left out because the record was too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// How much of a record was left out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cut {
    /// Bytes in the middle of long texts, where such a text has `… [N bytes cut] …`.
    pub bytes: u64,
    /// Items in the middle of long lists. Among the words of commands, one `… [N words cut] …` stands for them.
    pub items: u64,
    /// The SHA-256 digest of all that happened: the fields of the event as JSON, redacted, before anything was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<LineHash>,
    /// The SHA-256 digest of the whole `argv` of what it is about, redacted: its words, each with a zero byte behind
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv_sha256: Option<LineHash>,
}

/// A record that has no place in the chain yet.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    session: &'a SessionId,
    event: Body<'a>,
    cut: Option<Cut>,
}

/// What happened, as it is written.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Whole(&'a Event),
    Cut(Json),
}

/// [`Record`], of borrowed parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    v: Version,
    seq: u64,
    at_ms: u64,
    session: &'a SessionId,
    pid: u32,
    prev: LineHash,
    #[serde(skip_serializing_if = "Option::is_none")]
    torn: Option<&'a Torn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    #[serde(flatten)]
    event: &'a Body<'a>,
}

/// How long texts, and how many items of lists, may stay, in the order in which it is tried. Digests and the names of
/// sessions are shorter than the last one.
const CUTS: [(usize, usize); 4] = [(4096, 256), (1024, 64), (256, 16), (128, 4)];

/// What the fields in front of the event take at most.
const ENVELOPE_BYTES: usize = 1024;

impl<'a> Draft<'a> {
    /// Of an event that was redacted. Cuts it if it is too long.
    ///
    /// # Errors
    /// [`AuditError::Unwritable`].
    pub(super) fn new(session: &'a SessionId, event: &'a Event) -> Result<Self, AuditError> {
        let room = MAX_LINE_BYTES.saturating_sub(ENVELOPE_BYTES);
        // The length is known only once it is written; writing it twice is cheaper than a guess that may be wrong.
        let whole = to_json(event)?;
        if whole.len() <= room {
            return Ok(Self { session, event: Body::Whole(event), cut: None });
        }
        let json = serde_json::to_value(event).map_err(|source| AuditError::Unwritable { source })?;
        // Of what is redacted, so that no secret can be guessed from them.
        let digests = Cut {
            sha256: Some(LineHash::of(whole.as_bytes())),
            argv_sha256: argv_digest(&json),
            ..Cut::default()
        };
        let (mut shorter, mut cut) = (Json::Null, digests);
        for (text, items) in CUTS {
            (shorter, cut) = (json.clone(), digests);
            shorten(&mut shorter, text, items, &mut cut);
            if to_json(&shorter)?.len() <= room {
                break;
            }
        }
        Ok(Self { session, event: Body::Cut(shorter), cut: Some(cut) })
    }

    /// The line at this place of the chain, without its newline.
    ///
    /// # Errors
    /// [`AuditError::Unwritable`].
    pub(super) fn line(&self, seq: u64, prev: LineHash, torn: Option<&Torn>) -> Result<Vec<u8>, AuditError> {
        let line = Line {
            v: Version,
            seq,
            at_ms: now(),
            session: self.session,
            pid: std::process::id(),
            prev,
            torn,
            cut: self.cut,
            event: &self.event,
        };
        to_json(&line).map(String::into_bytes)
    }
}

/// One line that can be printed as it is.
fn to_json(what: &impl Serialize) -> Result<String, AuditError> {
    let json = serde_json::to_string(what).map_err(|source| AuditError::Unwritable { source })?;
    Ok(match printable(&json) {
        Cow::Borrowed(_) => json,
        Cow::Owned(printable) => printable,
    })
}

fn now() -> u64 {
    // A clock before 1970 is no reason to run nothing.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Cuts texts and lists in the middle, and counts what goes: how a command begins and how it ends say most.
fn shorten(json: &mut Json, text: usize, items: usize, cut: &mut Cut) {
    match json {
        Json::String(string) if string.len() > text.saturating_add(MARK_BYTES) => {
            let half = text / 2;
            let head = string.floor_char_boundary(half);
            let tail = string.ceil_char_boundary(string.len().saturating_sub(half));
            let removed = tail.saturating_sub(head);
            cut.bytes = cut.bytes.saturating_add(count(removed));
            string.replace_range(head..tail, &format!("… [{removed} bytes cut] …"));
        }
        Json::Array(list) => {
            let removed = list.len().saturating_sub(items);
            cut.items = cut.items.saturating_add(count(removed));
            let head = items.div_ceil(2).min(list.len());
            list.drain(head..head.saturating_add(removed));
            list.iter_mut().for_each(|item| shorten(item, text, items, cut));
        }
        Json::Object(map) => {
            for (key, value) in map {
                let words = value.as_array().map_or(0, Vec::len);
                shorten(value, text, items, cut);
                let removed = words.saturating_sub(items);
                if matches!(key.as_str(), "argv" | "command")
                    && removed > 0
                    && let Json::Array(list) = value
                {
                    list.insert(items.div_ceil(2), format!("… [{removed} words cut] …").into());
                }
            }
        }
        Json::String(_) | Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn count(removed: usize) -> u64 {
    u64::try_from(removed).unwrap_or(u64::MAX)
}

/// Of the command that an event is about, if it is about one.
fn argv_digest(event: &Json) -> Option<LineHash> {
    let argv = event.get("about")?.get("argv")?.as_array()?;
    let words = argv.iter().filter_map(Json::as_str);
    Some(LineHash::of(&words.flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>()))
}

/// What the mark of a cut takes. A text that is longer by less stays.
const MARK_BYTES: usize = 48;

/// The JSON Schema of a record, draft 2020-12.
pub fn audit_schema() -> Json {
    policies::schema_document::document::<Record>()
}
