//! Unit tests of a policy, written by its author as data.
//!
//! ```toml
//! rules = ["default.rules"]              # relative to the test file
//!
//! [[test]]
//! name = "nobody pushes"                 # optional
//! command = ["git", "push"]              # or: script = "git push && ls"
//! expect = "forbidden"
//! blame = "default.rules:3"              # optional: a rule, or rule, heuristic, guard, parse
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{By, Context, Decision, Finding, Origin, Policy, Verdict, shell};

/// A test file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The rule files under test, relative to the test file.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The tests, in order.
    #[serde(default, rename = "test")]
    tests: Vec<Spanned<Test>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: Option<String>,
    command: Option<Vec<String>>,
    script: Option<String>,
    expect: Decision,
    blame: Option<String>,
}

/// A test file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestFileError {
    /// It is not what a test file looks like.
    #[error("the test file is wrong: {}", .0.message())]
    Syntax(#[from] toml::de::Error),
    /// It tests nothing, and would always pass.
    #[error("the test file holds no `[[test]]`")]
    Empty,
    /// A test without a command, or with two.
    #[error("the test on line {line} needs either `command` or `script`")]
    Command {
        /// The line, from 1.
        line: u32,
    },
}

/// What became of one test.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// Its name, or its command.
    pub name: String,
    /// Where it stands.
    pub line: u32,
    /// Why it failed; absent if it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The decision that was expected.
    pub expected: Decision,
    /// The decision.
    pub decision: Decision,
}

/// The results of one test file.
#[derive(Clone, Debug, Serialize)]
pub struct TestReport {
    /// In the order of the file.
    pub results: Vec<TestResult>,
    /// Rules that took part in a test, by place.
    #[serde(skip)]
    pub covered: BTreeSet<String>,
}

impl TestFile {
    /// Reads a test file.
    ///
    /// # Errors
    /// [`TestFileError`]: also for a file without tests, which could not fail.
    pub fn parse(text: &str) -> Result<Self, TestFileError> {
        let file: Self = toml::from_str(text)?;
        if file.tests.is_empty() {
            return Err(TestFileError::Empty);
        }
        let wrong = file.tests.iter().find(|test| {
            let test = test.get_ref();
            test.command.as_ref().is_some_and(|words| !words.is_empty()) == test.script.is_some()
        });
        match wrong {
            Some(test) => Err(TestFileError::Command { line: line(text, test.span().start) }),
            None => Ok(file),
        }
    }

    /// Runs every test.
    pub fn run(&self, text: &str, policy: &Policy, context: &Context<'_>) -> TestReport {
        let mut report = TestReport { results: Vec::new(), covered: BTreeSet::new() };
        for test in &self.tests {
            let argv = test.get_ref().argv();
            let verdict = policy.evaluate(&argv, context);
            let rules = verdict.findings.iter().filter(|finding| finding.by == By::Rule);
            report.covered.extend(rules.filter_map(|finding| finding.source.as_ref()).map(Origin::to_string));
            report.results.push(TestResult {
                name: test.get_ref().name.clone().unwrap_or_else(|| shell::join(&argv)),
                line: line(text, test.span().start),
                failure: test.get_ref().failure(&verdict),
                expected: test.get_ref().expect,
                decision: verdict.decision,
            });
        }
        report
    }
}

impl Test {
    fn argv(&self) -> Vec<String> {
        match (&self.command, &self.script) {
            (Some(command), _) => command.clone(),
            (None, Some(script)) => script_argv(script),
            (None, None) => Vec::new(),
        }
    }

    fn failure(&self, verdict: &Verdict) -> Option<String> {
        if verdict.decision != self.expect {
            return Some(format!("expected {}, got {}{}", self.expect, verdict.decision, because(verdict)));
        }
        let blame = self.blame.as_deref()?;
        if verdict.findings.iter().any(|finding| is_blamed(finding, blame, verdict.decision)) {
            return None;
        }
        Some(format!("{} as expected, but not by {blame}{}", verdict.decision, because(verdict)))
    }
}

/// How agents call a shell.
pub(crate) fn script_argv(script: &str) -> Vec<String> {
    ["bash", "-lc", script].map(str::to_owned).to_vec()
}

/// Only what decided can be blamed: a finding that is as strict as the verdict.
fn is_blamed(finding: &Finding, blame: &str, decision: Decision) -> bool {
    let by = match finding.by {
        By::Rule => "rule",
        By::Heuristic => "heuristic",
        By::Guard => "guard",
        By::Parse => "parse",
    };
    // Under a policy that may not ask, what asks refuses.
    let decides = finding.decision == decision || finding.decision.restricts() && decision.restricts();
    let place = finding.source.as_ref().map(Origin::to_string);
    decides && (by == blame || place.is_some_and(|place| names(&place, blame)))
}

/// `rules/a.rules:3` is blamed by itself, by `a.rules:3` and by `a.rules`.
fn names(place: &str, blame: &str) -> bool {
    let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
    [place, file].iter().any(|whole| {
        whole.strip_suffix(blame).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    })
}

fn because(verdict: &Verdict) -> String {
    let strictest = verdict.findings.iter().max_by_key(|finding| finding.decision);
    strictest.map_or_else(String::new, |finding| match &finding.source {
        Some(source) => format!(": {} ({source})", finding.why),
        None => format!(": {}", finding.why),
    })
}

pub(crate) fn line(text: &str, byte: usize) -> u32 {
    let before = text.bytes().take(byte).filter(|byte| *byte == b'\n').count();
    u32::try_from(before.saturating_add(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{TestFile, TestFileError, names};

    #[test]
    fn a_file_that_cannot_fail_is_refused() {
        assert!(matches!(TestFile::parse("rules = []"), Err(TestFileError::Empty)));
        let both =
            "[[test]]\nexpect = \"allow\"\n\n[[test]]\ncommand = [\"a\"]\nscript = \"a\"\nexpect = \"allow\"";
        assert!(matches!(TestFile::parse(both), Err(TestFileError::Command { line: 1 })));
        assert!(TestFile::parse("[[test]]\ncommand = [\"a\"]\nexpect = \"deny\"").is_err());
        assert!(TestFile::parse("[[test]]\ncommand = [\"a\"]\nexpect = \"allow\"\nwhy = 1").is_err());
    }

    #[test]
    fn a_place_is_named_by_its_end() {
        assert!(names("rules/a.rules:3", "a.rules:3"));
        assert!(names("rules/a.rules:3", "a.rules"));
        assert!(!names("rules/ba.rules:3", "a.rules:3"));
        assert!(!names("rules/a.rules:13", "a.rules:3"));
    }
}
