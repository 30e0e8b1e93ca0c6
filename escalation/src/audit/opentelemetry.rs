//! Records as log records of OpenTelemetry, for the embedder's exporter.
//!
//! The body is the line as it is in the log, so that a collector can follow the chain; the fields are attributes
//! below `codex.audit`, to search by.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use serde_json::Value as Json;

use super::event::{DecidedAs, Event};
use super::kind::EventKind;
use super::record::Record;
use super::sink::RecordSink;

/// Emits each record through a logger of the embedder's provider.
///
/// ```
/// use escalation::SessionId;
/// use escalation::audit::{Audit, OpenTelemetrySink};
/// use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
///
/// let exporter = InMemoryLogExporter::default();
/// // In earnest: a batch exporter of opentelemetry-otlp.
/// let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter).build();
/// let folder = tempfile::tempdir()?;
/// let audit = Audit::open(folder.path().join("audit"), SessionId::random())?
///     .with_sink(OpenTelemetrySink::new(&provider));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OpenTelemetrySink<L> {
    logger: L,
}

/// The instrumentation scope of the records.
const SCOPE: &str = "codex.audit";

impl<L: Logger> OpenTelemetrySink<L> {
    /// With a logger of this provider. Flushing and shutting it down stay with the embedder.
    pub fn new<P: LoggerProvider<Logger = L>>(provider: &P) -> Self {
        Self { logger: provider.logger(SCOPE) }
    }
}

impl<L: Logger + Send + 'static> RecordSink for OpenTelemetrySink<L> {
    fn written(&mut self, record: &Record, line: &str) {
        let mut log = self.logger.create_log_record();
        log.set_event_name(event_name(record.event.kind()));
        if let Some(at) = UNIX_EPOCH.checked_add(Duration::from_millis(record.at_ms)) {
            log.set_timestamp(at);
        }
        let severity = severity(&record.event);
        log.set_severity_number(severity);
        log.set_severity_text(severity.name());
        log.set_body(AnyValue::from(line.to_owned()));
        if let Ok(Json::Object(fields)) = serde_json::to_value(record) {
            let attributes = fields.into_iter().filter_map(|(key, value)| Some((key, any_value(value)?)));
            log.add_attributes(attributes.map(|(key, value)| (format!("{SCOPE}.{key}"), value)));
        }
        self.logger.emit(log);
    }
}

fn event_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::SessionOpened => "codex.audit.sessionOpened",
        EventKind::Asked => "codex.audit.asked",
        EventKind::Settled => "codex.audit.settled",
        EventKind::Decided => "codex.audit.decided",
        EventKind::Ended => "codex.audit.ended",
        EventKind::Amended => "codex.audit.amended",
        EventKind::Remembered => "codex.audit.remembered",
        EventKind::Revoked => "codex.audit.revoked",
    }
}

fn severity(event: &Event) -> Severity {
    match event {
        Event::Decided { outcome, .. } => match outcome {
            DecidedAs::Allowed => Severity::Info,
            DecidedAs::Refused | DecidedAs::Cancelled => Severity::Warn,
            DecidedAs::Failed => Severity::Error,
        },
        Event::Settled { error, .. } | Event::Ended { error, .. } | Event::Amended { error, .. } => {
            match error {
                Some(_) => Severity::Error,
                None => Severity::Info,
            }
        }
        Event::SessionOpened { .. }
        | Event::Asked { .. }
        | Event::Remembered { .. }
        | Event::Revoked { .. } => Severity::Info,
    }
}

/// JSON as OpenTelemetry has it; what is null is left out.
fn any_value(value: Json) -> Option<AnyValue> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => AnyValue::Boolean(flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => AnyValue::Int(whole),
            (None, Some(float)) => AnyValue::Double(float),
            (None, None) => AnyValue::from(number.to_string()),
        },
        Json::String(text) => AnyValue::from(text),
        Json::Array(list) => AnyValue::ListAny(Box::new(list.into_iter().filter_map(any_value).collect())),
        Json::Object(map) => {
            let entries =
                map.into_iter().filter_map(|(key, value)| Some((Key::from(key), any_value(value)?)));
            AnyValue::Map(Box::new(entries.collect::<HashMap<_, _>>()))
        }
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry::logs::{AnyValue, Severity};
    use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};

    use super::OpenTelemetrySink;
    use crate::SessionId;
    use crate::audit::{Audit, Event};

    #[test]
    fn records_reach_the_exporter_redacted_and_searchable() {
        let exporter = InMemoryLogExporter::default();
        let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path().join("audit"), SessionId::parse("s").unwrap()).unwrap();
        let audit = audit.with_sink(OpenTelemetrySink::new(&provider));
        let what = "git push --password hunter2".to_owned();
        assert_eq!(audit.record(&Event::Revoked { grant: "g1".to_owned(), what }).unwrap().seq, 1);
        drop(audit);
        let logs = exporter.get_emitted_logs().unwrap();
        let [log] = logs.as_slice() else { panic!("{logs:?}") };
        assert_eq!(log.record.event_name(), Some("codex.audit.revoked"));
        assert_eq!(log.record.severity_number(), Some(Severity::Info));
        let attribute = |name: &str| {
            log.record.attributes_iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value.clone())
        };
        assert_eq!(attribute("codex.audit.seq"), Some(AnyValue::Int(1)));
        assert_eq!(attribute("codex.audit.what"), Some(AnyValue::from("git push --password [redacted]")));
        let line = std::fs::read_to_string(folder.path().join("audit/audit.jsonl")).unwrap();
        assert_eq!(log.record.body(), Some(&AnyValue::from(line.trim_end().to_owned())));
    }
}
