//! The table of verdicts: every row under `cases/` is one command, judged under one set of rules.
//!
//! Hostile rows must not be allowed, benign rows must not be asked about. Adding a row needs no Rust.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use execpolicy::rules_file::load;
use execpolicy::{
    ApprovalPolicy, By, Context, Decision, Granular, Limits, MissingRules, Origin, Placement, Policy,
    Request, Sandboxing, Verdict, WritableRoots, requirements_rules,
};
use serde::Deserialize;

/// The working directory of every row. What lies below it and below `/tmp` can be replaced.
const CWD: &str = "/home/dev/project";

/// Fewer rows than this means that a file was lost.
const ROWS: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixtures {
    fixtures: BTreeMap<String, String>,
    #[serde(default)]
    requirements: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rules: Option<String>,
    /// A fixture of which only what restricts is added: the rule file of a project.
    project: Option<String>,
    /// Rule files that could not be read.
    #[serde(default)]
    missing: Vec<String>,
    argv: Option<Vec<String>>,
    script: Option<String>,
    shell: Option<String>,
    approval: Option<String>,
    sandbox: Option<String>,
    request: Option<String>,
    wanted_prefix: Option<Vec<String>>,
    expect: Decision,
    placement: Option<String>,
    by: Option<String>,
    source: Option<String>,
    /// Words of the sentence for the approver; empty if there must be none.
    reason: Option<String>,
    amendments: Option<Vec<Vec<String>>>,
    never_offers: Option<Vec<Vec<String>>>,
    why: String,
}

#[test]
fn every_row_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let fixtures: Fixtures = read(&folder.join("fixtures.toml"));
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("fixtures.toml") {
            continue;
        }
        let cases: Cases = read(&path);
        for case in cases.case {
            assert!(names.insert(case.name.clone()), "two rows are called {}", case.name);
            let verdict = case.judge(&fixtures);
            let complaints = case.complaints(&verdict);
            if !complaints.is_empty() {
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                wrong.push(format!(
                    "{file}: {}: {}\n    {}\n{}",
                    case.name,
                    complaints.join("; "),
                    case.why,
                    shown(&verdict)
                ));
            }
        }
    }
    assert!(names.len() >= ROWS, "only {} rows were found", names.len());
    assert!(wrong.is_empty(), "{} of {} rows fail:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(verdict: &Verdict) -> String {
    let findings: Vec<String> = verdict
        .findings
        .iter()
        .map(|finding| {
            format!(
                "      {} {:?} {:?} {:?}: {}",
                finding.decision,
                finding.by,
                finding.source.as_ref().map(ToString::to_string),
                finding.command,
                finding.why
            )
        })
        .collect();
    findings.join("\n")
}

impl Case {
    fn judge(&self, fixtures: &Fixtures) -> Verdict {
        let policy = self.policy(fixtures);
        let roots = WritableRoots(vec![CWD.to_owned(), "/tmp".to_owned()]);
        let context = Context {
            approval: self.approval(),
            sandboxing: match self.sandbox.as_deref() {
                None | Some("restricted") => Sandboxing::Restricted,
                Some("unrestricted") => Sandboxing::Unrestricted,
                Some(other) => panic!("{}: sandbox {other}", self.name),
            },
            request: match self.request.as_deref() {
                None | Some("default") => Request::Default,
                Some("escalate") => Request::Escalate,
                Some(other) => panic!("{}: request {other}", self.name),
            },
            cwd: CWD,
            moved: false,
            programs: &roots,
            wanted_prefix: self.wanted_prefix.as_deref(),
        };
        policy.evaluate(&self.argv(), &context)
    }

    fn argv(&self) -> Vec<String> {
        match (&self.argv, &self.script) {
            (Some(argv), None) => argv.clone(),
            (None, Some(script)) => {
                vec![
                    self.shell.clone().unwrap_or_else(|| "bash".to_owned()),
                    "-lc".to_owned(),
                    script.clone(),
                ]
            }
            _ => panic!("{}: either argv or script", self.name),
        }
    }

    fn policy(&self, fixtures: &Fixtures) -> Policy {
        let mut policy = Policy::default();
        let name = self.rules.as_deref().unwrap_or("none");
        if let Some(text) = fixtures.fixtures.get(name) {
            policy
                .add(load(name, text, &policy, &Limits::default()).unwrap_or_else(|error| panic!("{error}")));
        } else if let Some(text) = name.strip_prefix("req-").and_then(|name| fixtures.requirements.get(name))
        {
            policy.add(
                requirements_rules::from_toml(name, text).unwrap_or_else(|error| panic!("{error}")).rules,
            );
        } else {
            assert_eq!(name, "none", "{}: no such fixture", self.name);
        }
        if let Some(name) = &self.project {
            let text = fixtures.fixtures.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name));
            let rules =
                load(name, text, &policy, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
            policy.add(rules.restricting().0);
        }
        for file in &self.missing {
            policy.add_missing(MissingRules {
                origin: Origin::new(file.as_str(), 3),
                why: "it is broken".into(),
            });
        }
        policy
    }

    fn approval(&self) -> ApprovalPolicy {
        let granular =
            |sandbox_approval, rules| ApprovalPolicy::Granular(Granular { sandbox_approval, rules });
        match self.approval.as_deref() {
            None | Some("on-request") => ApprovalPolicy::OnRequest,
            Some("untrusted") => ApprovalPolicy::Untrusted,
            Some("on-failure") => ApprovalPolicy::OnFailure,
            Some("never") => ApprovalPolicy::Never,
            Some("granular:both") => granular(true, true),
            Some("granular:rules=false") => granular(true, false),
            Some("granular:sandbox_approval=false") => granular(false, true),
            Some(other) => panic!("{}: approval {other}", self.name),
        }
    }

    fn complaints(&self, verdict: &Verdict) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut expect = |what: &str, expected: String, got: String| {
            if expected != got {
                complaints.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        expect("decision", self.expect.to_string(), verdict.decision.to_string());
        if let Some(placement) = &self.placement {
            expect("placement", placement.clone(), verdict.sandbox.to_string());
        }
        if let Some(amendments) = &self.amendments {
            let offered: Vec<_> = verdict.amendments.iter().map(|offer| offer.prefix.clone()).collect();
            expect("amendments", format!("{amendments:?}"), format!("{offered:?}"));
        }
        for prefix in self.never_offers.iter().flatten() {
            if verdict.amendments.iter().any(|offer| offer.prefix == *prefix) {
                complaints.push(format!("offers {prefix:?}"));
            }
        }
        if let Some(by) = &self.by
            && !verdict.findings.iter().any(|finding| word(finding.by) == by)
        {
            complaints.push(format!("no finding by {by}"));
        }
        if let Some(source) = &self.source
            && !verdict.findings.iter().any(|f| f.source.as_ref().is_some_and(|s| s.to_string() == *source))
        {
            complaints.push(format!("no finding from {source}"));
        }
        if let Some(reason) = &self.reason {
            let said = verdict.reason.as_deref().unwrap_or_default();
            let fits = said.contains(reason.as_str()) && (said.is_empty() || !reason.is_empty());
            if !fits {
                complaints.push(format!("reason: expected {reason:?}, got {said:?}"));
            }
        }
        // Whatever is said, it is said of something.
        if verdict.findings.is_empty()
            || verdict.sandbox == Placement::Outside && verdict.decision == Decision::Forbidden
        {
            complaints.push("no finding, or a refusal with a place".to_owned());
        }
        complaints
    }
}

fn word(by: By) -> &'static str {
    match by {
        By::Rule => "rule",
        By::Heuristic => "heuristic",
        By::Guard => "guard",
        By::Parse => "parse",
    }
}
