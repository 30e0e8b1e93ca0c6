//! `codex execpolicy test`: the unit tests of a policy, and which rules they reach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use execpolicy::display::visible;
use execpolicy::format::rule_on_one_line;
use execpolicy::policy_test::{TestFile, TestFileError, TestReport};
use execpolicy::{PrefixRule, Request, line_of};
use serde_json::json;

use super::arguments::{ContextArguments, TestArguments};
use super::context::Surroundings;
use super::{Rules, read_text};
use crate::report::{Blame, Failure, print, print_json};

/// A test file is written by hand; this is a generous one.
const MAX_TEST_FILE: u64 = 4 << 20;

/// Runs the tests. Exits with 1 when one fails, or when too few rules take part.
pub(super) fn test(arguments: &TestArguments) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    for path in &arguments.files {
        tally.run(path, arguments)?;
    }
    let covered = tally.coverage();
    let enough = covered >= usize::from(arguments.min_coverage);
    if arguments.json {
        print_json(&tally.json(covered))?;
    } else {
        print(&tally.text(covered))?;
        if !enough {
            print(&format!("FAILED: --min-coverage asks for {}%\n", arguments.min_coverage))?;
        }
    }
    Ok(if tally.failed() == 0 && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A rule: its file, whatever it was called, and its position there. One line may hold several.
type RuleKey = (PathBuf, usize);

#[derive(Default)]
struct Tally {
    files: Vec<(PathBuf, TestReport)>,
    /// All rules, each with its place and text.
    rules: BTreeMap<RuleKey, String>,
    covered: BTreeSet<RuleKey>,
}

impl Tally {
    fn run(&mut self, path: &Path, arguments: &TestArguments) -> Result<(), Failure> {
        let text = read_text(path, MAX_TEST_FILE)?;
        let file = TestFile::parse(&text).map_err(|error| wrong(path, &text, &error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = arguments.rules.iter().cloned().chain(file.rules.iter().map(|name| folder.join(name)));
        let mut seen = BTreeSet::new();
        let (real, named): (Vec<_>, Vec<_>) =
            named.map(|path| (real(&path), path)).filter(|(real, _)| seen.insert(real.clone())).unzip();
        let rules = Rules::load(&named)?;
        let keys: Vec<RuleKey> = real
            .iter()
            .zip(&rules.files)
            .flat_map(|(real, (_, set))| (0..set.prefix.len()).map(|at| (real.clone(), at)))
            .collect();
        let shown = |rule: &PrefixRule| format!("{}: {}", rule.origin, rule_on_one_line(rule));
        self.rules.extend(keys.iter().cloned().zip(rules.policy.rules().iter().map(shown)));
        let surroundings = Surroundings::plain(&ContextArguments::default())?;
        let report = file.run(&text, &rules.policy, &surroundings.context(Request::Default, None));
        self.covered.extend(report.covered.iter().filter_map(|at| keys.get(*at).cloned()));
        self.files.push((path.to_owned(), report));
        Ok(())
    }

    fn failed(&self) -> usize {
        let results = self.files.iter().flat_map(|(_, report)| &report.results);
        results.filter(|result| result.failure.is_some()).count()
    }

    fn untested(&self) -> Vec<&String> {
        self.rules.iter().filter(|(key, _)| !self.covered.contains(key)).map(|(_, shown)| shown).collect()
    }

    /// In percent, rounded down: 100 means all, and that there are any.
    fn coverage(&self) -> usize {
        let tested = self.rules.len().saturating_sub(self.untested().len());
        tested.saturating_mul(100).checked_div(self.rules.len()).unwrap_or(0)
    }

    fn text(&self, covered: usize) -> String {
        let mut text = String::new();
        for (path, report) in &self.files {
            for result in &report.results {
                if let Some(failure) = &result.failure {
                    let place = format!("{}:{}", policies::escape(path), result.line);
                    text.push_str(&format!(
                        "FAILED {place}: {}\n       {}\n",
                        visible(&result.name),
                        visible(failure)
                    ));
                }
            }
        }
        for rule in self.untested() {
            text.push_str(&format!("untested rule: {}\n", visible(rule)));
        }
        let count: usize = self.files.iter().map(|(_, report)| report.results.len()).sum();
        let failed = self.failed();
        text.push_str(&format!(
            "{} passed, {failed} failed; {covered}% of {} rules took part\n",
            count.saturating_sub(failed),
            self.rules.len()
        ));
        text
    }

    fn json(&self, covered: usize) -> serde_json::Value {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(path, report)| json!({ "file": path.to_string_lossy(), "results": report.results }))
            .collect();
        json!({
            "files": files,
            "failed": self.failed(),
            "coverage": { "percent": covered, "rules": self.rules.len(), "untested": self.untested() },
        })
    }
}

/// The one name of a file that may have several.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn wrong(path: &Path, text: &str, error: &TestFileError) -> Failure {
    let shown = policies::escape(path);
    let place = match error {
        TestFileError::Syntax(error) => error.span().map(|span| line_of(text, span.start)),
        TestFileError::Empty | TestFileError::Command { .. } | _ => None,
    };
    let place = place.map_or_else(|| shown.clone(), |line| format!("{shown}:{line}"));
    Failure::new(
        Blame::Invalid,
        format!("{place}: {error}"),
        "`codex execpolicy test --help` shows the format",
    )
}
