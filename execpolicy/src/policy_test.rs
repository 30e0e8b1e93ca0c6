//! Unit tests of a policy, written by its author as data.
//!
//! ```toml
//! rules = ["default.rules"]              # relative to the test file
//!
//! [[test]]
//! name = "nobody pushes"                 # optional
//! command = ["git", "push"]              # or: script = "git push && ls"
//! expect = "forbidden"
//! blame = "default.rules:3"              # optional: what decides: a place, or rule, heuristic, guard, parse
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::display::visible;
use crate::{By, Context, Decision, Finding, Origin, Policy, RuleSet, Verdict, origin, shell};

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
    #[error("the test file is wrong: {}", visible(.0.message()))]
    Syntax(#[from] toml::de::Error),
    /// It tests nothing, and would always pass.
    #[error("the test file holds no `[[test]]`")]
    Empty,
    /// A test without a command, with an empty one, or with two.
    #[error("the test on line {line} needs either a `command` with at least one word or a `script`")]
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
    /// Rules that took part in a test, by their position in [`Policy::rules`].
    #[serde(skip)]
    pub covered: BTreeSet<usize>,
}

/// The file of [`numbered`] rules: no file has this name.
const NUMBERED: &str = "\0";

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
            match (&test.command, &test.script) {
                (Some(words), None) => words.is_empty(),
                (None, Some(_)) => false,
                (Some(_), Some(_)) | (None, None) => true,
            }
        });
        match wrong {
            Some(test) => Err(TestFileError::Command { line: origin::line_of(text, test.span().start) }),
            None => Ok(file),
        }
    }

    /// Runs every test.
    pub fn run(&self, text: &str, policy: &Policy, context: &Context<'_>) -> TestReport {
        let mut report = TestReport { results: Vec::new(), covered: BTreeSet::new() };
        let numbered = numbered(policy);
        for test in &self.tests {
            let argv = test.get_ref().argv();
            let mut verdict = numbered.evaluate(&argv, context);
            for finding in &mut verdict.findings {
                let position = restore(finding, policy);
                report.covered.extend(position.filter(|_| finding.by == By::Rule));
            }
            report.results.push(TestResult {
                name: test.get_ref().name.clone().unwrap_or_else(|| shell::join(&argv)),
                line: origin::line_of(text, test.span().start),
                failure: test.get_ref().failure(&verdict),
                expected: test.get_ref().expect,
                decision: verdict.decision,
            });
        }
        report
    }
}

/// The same policy with each rule's position for its place: several rules may stand on one line, and an inner
/// list in the first place of a pattern makes several of one call.
fn numbered(policy: &Policy) -> Policy {
    let mut rules = RuleSet {
        prefix: policy.rules().to_vec(),
        network: Vec::new(),
        host_executables: policy.host_executables().values().cloned().collect(),
    };
    for (rule, number) in rules.prefix.iter_mut().zip(0_u32..) {
        rule.origin = Origin::new(NUMBERED, number);
    }
    Policy::from_iter([rules])
}

/// Puts the rule's own place back, and tells its position.
fn restore(finding: &mut Finding, policy: &Policy) -> Option<usize> {
    let source = finding.source.as_mut().filter(|source| &*source.file == NUMBERED)?;
    let position = usize::try_from(source.line).ok()?;
    *source = policy.rules().get(position)?.origin.clone();
    Some(position)
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
    let place = finding.source.as_ref().map(Origin::to_string);
    finding.decision == decision && (by == blame || place.is_some_and(|place| names(&place, blame)))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{TestFile, TestFileError, TestReport, names};
    use crate::{ApprovalPolicy, Context, Limits, Policy, Request, Sandboxing, WritableRoots, rules_file};

    #[test]
    fn a_file_that_cannot_fail_is_refused() {
        assert!(matches!(TestFile::parse("rules = []"), Err(TestFileError::Empty)));
        let both =
            "[[test]]\nexpect = \"allow\"\n\n[[test]]\ncommand = [\"a\"]\nscript = \"a\"\nexpect = \"allow\"";
        assert!(matches!(TestFile::parse(both), Err(TestFileError::Command { line: 1 })));
        for wrong in ["command = []", "command = []\nscript = \"a\"", "name = \"a\""] {
            let text = format!("\n[[test]]\n{wrong}\nexpect = \"allow\"");
            assert!(matches!(TestFile::parse(&text), Err(TestFileError::Command { line: 2 })), "{wrong}");
        }
        assert!(TestFile::parse("[[test]]\nscript = \"\"\nexpect = \"allow\"").is_ok());
        assert!(TestFile::parse("[[test]]\ncommand = [\"a\"]\nexpect = \"deny\"").is_err());
        assert!(TestFile::parse("[[test]]\ncommand = [\"a\"]\nexpect = \"allow\"\nwhy = 1").is_err());
    }

    #[test]
    fn a_message_repeats_nothing_raw() {
        let error = TestFile::parse("\"\\u001b[2J\" = 1").unwrap_err();
        assert!(!error.to_string().contains('\u{1b}') && error.to_string().contains("[2J"), "{error}");
    }

    fn run(rules: &str, tests: &str) -> TestReport {
        let rules = rules_file::load("a.rules", rules, &Policy::default(), &Limits::default()).unwrap();
        let context = Context {
            approval: ApprovalPolicy::OnRequest,
            sandboxing: Sandboxing::Restricted,
            request: Request::Default,
            cwd: "/w",
            moved: false,
            programs: &WritableRoots::default(),
            wanted_prefix: None,
        };
        TestFile::parse(tests).unwrap().run(tests, &Policy::from_iter([rules]), &context)
    }

    #[test]
    fn only_what_decides_is_blamed() {
        let rules = "prefix_rule(['a'], 'prompt')\nprefix_rule(['b'], 'forbidden')";
        let tests = |blame: &str| {
            format!("[[test]]\nscript = \"a && b\"\nexpect = \"forbidden\"\nblame = \"{blame}\"")
        };
        assert_eq!(run(rules, &tests("a.rules:2")).results[0].failure, None);
        let failure = run(rules, &tests("a.rules:1")).results[0].failure.clone().unwrap();
        assert!(failure.contains("not by a.rules:1") && failure.contains("(a.rules:2)"), "{failure}");
    }

    #[test]
    fn rules_on_one_line_are_counted_one_by_one() {
        let rules = "prefix_rule([['a', 'b']]); prefix_rule(['a', 'x'])\nprefix_rule(['c'])";
        let report = run(rules, "[[test]]\ncommand = [\"b\"]\nexpect = \"allow\"\nblame = \"a.rules:1\"");
        assert_eq!(report.results[0].failure, None);
        assert_eq!(report.covered, BTreeSet::from([1]));
    }

    #[test]
    fn a_place_is_named_by_its_end() {
        assert!(names("rules/a.rules:3", "a.rules:3"));
        assert!(names("rules/a.rules:3", "a.rules"));
        assert!(!names("rules/ba.rules:3", "a.rules:3"));
        assert!(!names("rules/a.rules:13", "a.rules:3"));
    }
}
