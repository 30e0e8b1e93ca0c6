//! What other rules would have made of commands that really ran.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::policy_test::script_argv;
use crate::{Context, Decision, Placement, Policy, Verdict, shell};

/// A recorded command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// The words.
    pub argv: Vec<String>,
    /// Where it ran, if that was recorded.
    pub cwd: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Argv(Vec<String>),
    Script(String),
    Object(Object),
}

/// Other members are for whoever recorded them.
#[derive(Deserialize)]
struct Object {
    argv: Option<Vec<String>>,
    script: Option<String>,
    cwd: Option<String>,
}

/// A line of a history that is no command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not JSON.
    #[error(
        "not one JSON value: an array is an argv, a string is a script, an object has `argv` or `script`"
    )]
    Json,
    /// An object without a command, or with two; or an argv without words.
    #[error("it needs an `argv` with at least one word, or a `script`, and not both")]
    Command,
}

impl Recorded {
    /// Reads one line of a history.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(line: &str) -> Result<Self, RecordError> {
        let object = match serde_json::from_str(line).map_err(|_| RecordError::Json)? {
            Line::Argv(argv) => Object { argv: Some(argv), script: None, cwd: None },
            Line::Script(script) => Object { argv: None, script: Some(script), cwd: None },
            Line::Object(object) => object,
        };
        let argv = match (object.argv, object.script) {
            (Some(argv), None) if !argv.is_empty() => argv,
            (None, Some(script)) => script_argv(&script),
            _ => return Err(RecordError::Command),
        };
        Ok(Self { argv, cwd: object.cwd })
    }
}

/// How a verdict changes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It was asked about or refused, and would run unasked.
    NewlyAllowed,
    /// It ran or was asked about, and would be refused.
    NewlyForbidden,
    /// It ran unasked or was refused, and would be asked about.
    NewlyAsked,
    /// It runs unasked before and after, and would leave the sandbox.
    NewlyOutside,
    /// It runs unasked before and after, and would stay inside the sandbox.
    NewlyInside,
}

/// One kind of change of one command.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// What changes.
    pub change: Change,
    /// The command line.
    pub command: String,
    /// How often it was recorded.
    pub times: u64,
    /// The decision under the old rules.
    pub old: Decision,
    /// The decision under the new rules.
    pub new: Decision,
    /// What decides under the new rules, with its place.
    pub why: String,
}

/// What new rules would change.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// How many commands were replayed.
    pub commands: u64,
    /// How many questions the old rules asked.
    pub prompts_before: u64,
    /// How many the new ones would ask.
    pub prompts_after: u64,
    /// Questions that would no longer be asked, because the command runs.
    pub prompts_removed: u64,
    /// Commands whose verdict changes, by change and then as first recorded; equal ones once.
    pub changed: Vec<Changed>,
    /// Where each of them stands.
    #[serde(skip)]
    seen: HashMap<(Change, String), usize>,
}

impl Simulation {
    /// Replays one command under both policies.
    pub fn replay(&mut self, old: &Policy, new: &Policy, argv: &[String], context: &Context<'_>) {
        let (before, after) = (old.evaluate(argv, context), new.evaluate(argv, context));
        self.commands = self.commands.saturating_add(1);
        let asks = |verdict: &Verdict| matches!(verdict.decision, Decision::Prompt | Decision::PromptUser);
        self.prompts_before = self.prompts_before.saturating_add(u64::from(asks(&before)));
        self.prompts_after = self.prompts_after.saturating_add(u64::from(asks(&after)));
        let removed = asks(&before) && after.decision == Decision::Allow;
        self.prompts_removed = self.prompts_removed.saturating_add(u64::from(removed));
        if let Some(change) = change(&before, &after) {
            self.note(change, argv, &before, &after);
        }
    }

    /// The report, with its changes in order.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.changed.sort_by_key(|changed| changed.change);
        self
    }

    fn note(&mut self, change: Change, argv: &[String], before: &Verdict, after: &Verdict) {
        let command = shell::join(argv);
        let place = *self.seen.entry((change, command.clone())).or_insert(self.changed.len());
        match self.changed.get_mut(place) {
            Some(changed) => changed.times = changed.times.saturating_add(1),
            None => self.changed.push(Changed {
                change,
                command,
                times: 1,
                old: before.decision,
                new: after.decision,
                why: decisive(after),
            }),
        }
    }
}

fn change(before: &Verdict, after: &Verdict) -> Option<Change> {
    match (before.decision, after.decision) {
        (Decision::Allow, Decision::Allow) => match (before.sandbox, after.sandbox) {
            (Placement::Inside, Placement::Outside) => Some(Change::NewlyOutside),
            (Placement::Outside, Placement::Inside) => Some(Change::NewlyInside),
            (Placement::Inside, Placement::Inside) | (Placement::Outside, Placement::Outside) => None,
        },
        (old, new) if old == new => None,
        (_, Decision::Allow) => Some(Change::NewlyAllowed),
        (_, Decision::Forbidden) => Some(Change::NewlyForbidden),
        (_, Decision::Prompt | Decision::PromptUser) => Some(Change::NewlyAsked),
    }
}

fn decisive(verdict: &Verdict) -> String {
    let finding = verdict.findings.iter().rev().max_by_key(|finding| finding.decision);
    finding.map_or_else(String::new, |finding| match &finding.source {
        Some(source) => format!("{} ({source})", finding.why),
        None => finding.why.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::Recorded;

    #[test]
    fn a_line_is_an_argv_a_script_or_an_object() {
        let argv = |line: &str| Recorded::parse(line).map(|recorded| recorded.argv).ok();
        assert_eq!(argv(r#"["git","status"]"#), Some(vec!["git".to_owned(), "status".to_owned()]));
        assert_eq!(argv(r#""ls""#), argv(r#"["bash","-lc","ls"]"#));
        assert_eq!(argv(r#"{"script":"ls","at":1}"#), argv(r#""ls""#));
        assert_eq!(Recorded::parse(r#"{"argv":["ls"],"cwd":"/w"}"#).unwrap().cwd.as_deref(), Some("/w"));
        for wrong in
            ["", "{}", "[]", "1", r#"{"argv":[]}"#, r#"{"argv":["a"],"script":"a"}"#, "[1]", "[\"a\"] x"]
        {
            assert_eq!(argv(wrong), None, "{wrong}");
        }
    }
}
