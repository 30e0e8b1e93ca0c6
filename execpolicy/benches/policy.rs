//! One command against few and many rules, and the loading of a rule file.
//!
//! The look-ups have to stay flat in the number of rules, also where all rules are of one program.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use execpolicy::rules_file::load;
use execpolicy::{
    ApprovalPolicy, CheckReport, Context, Decision, Limits, Origin, PatternToken, Policy, PrefixRule,
    Programs, Request, Resolution, RuleSet, Sandboxing, Spelling, Word, WritableRoots,
};

fn rule(program: String, words: &[String], decision: Decision) -> PrefixRule {
    PrefixRule {
        program,
        rest: words.iter().cloned().map(PatternToken::Single).collect(),
        decision,
        justification: None,
        spelling: Spelling::Exact,
        origin: Origin::new("bench.rules", 1),
    }
}

fn decision(at: usize) -> Decision {
    if at.is_multiple_of(3) { Decision::Forbidden } else { Decision::Allow }
}

/// Rules that each name a program of their own, and `git push`.
fn spread(rules: usize) -> Policy {
    let rule = |at| rule(format!("program-{at}"), &["run".to_owned()], decision(at));
    with_git((0..rules).map(rule).collect())
}

/// Rules that all name `git`.
fn shared(rules: usize) -> Policy {
    let rule = |at| rule("git".to_owned(), &[format!("word-{at}"), "x".to_owned()], decision(at));
    with_git((0..rules).map(rule).collect())
}

/// Rules of `git` with alternatives that overlap.
fn alternatives(rules: usize) -> Policy {
    let set = (0..rules).map(|at| PrefixRule {
        rest: vec![
            PatternToken::AnyOf(vec!["push".into(), format!("word-{at}")]),
            PatternToken::Single(format!("w{at}")),
        ],
        ..rule("git".to_owned(), &[], decision(at))
    });
    with_git(set.collect())
}

fn with_git(mut prefix: Vec<PrefixRule>) -> Policy {
    prefix.push(rule("git".to_owned(), &["push".to_owned()], Decision::Allow));
    Policy::from_iter([RuleSet { prefix, ..RuleSet::default() }])
}

fn lookups(c: &mut Criterion) {
    let argv: Vec<String> = ["/usr/bin/git", "push", "origin", "main"].map(str::to_owned).to_vec();
    let words = Word::all(&argv);
    let programs = WritableRoots(vec!["/project".into()]);
    let programs: &dyn Programs = &programs;
    type PolicyOf = fn(usize) -> Policy;
    let kinds = [("spread", spread as PolicyOf), ("one_program", shared), ("alternatives", alternatives)];
    for (kind, policy_of) in kinds {
        let mut group = c.benchmark_group(kind);
        for rules in [10, 1_000, 10_000] {
            let policy = policy_of(rules);
            group.bench_function(BenchmarkId::new("check", rules), |b| {
                b.iter(|| policy.check(black_box(&argv), Resolution::ByBasename, "/project"));
            });
            group.bench_function(BenchmarkId::new("session", rules), |b| {
                b.iter(|| {
                    (policy.restrictive(black_box(&words)), policy.allowing(black_box(&argv), programs))
                });
            });
        }
    }
    let policy = spread(1_000);
    let matches = policy.check(&argv, Resolution::ByBasename, "/project");
    c.bench_function("report", |b| b.iter(|| CheckReport::new(black_box(&matches)).to_line()));
}

/// The whole verdict: words, tables, rules, offers and summary.
fn verdicts(c: &mut Criterion) {
    let programs = WritableRoots(vec!["/project".into()]);
    let context = Context {
        approval: ApprovalPolicy::OnRequest,
        sandboxing: Sandboxing::Restricted,
        request: Request::Default,
        cwd: "/project",
        moved: false,
        programs: &programs,
        wanted_prefix: None,
    };
    let plain = ["git", "push", "origin", "main"].map(str::to_owned);
    let script = ["bash", "-lc", "git push && cargo test 2>&1 | tail -n 20"].map(str::to_owned);
    let mut group = c.benchmark_group("verdict");
    for rules in [10, 1_000, 10_000] {
        let policy = spread(rules);
        group.bench_function(BenchmarkId::new("argv", rules), |b| {
            b.iter(|| policy.evaluate(black_box(&plain), &context));
        });
        group.bench_function(BenchmarkId::new("script", rules), |b| {
            b.iter(|| policy.evaluate(black_box(&script), &context));
        });
    }
}

fn loading(c: &mut Criterion) {
    let text: String = (0..1_000)
        .map(|at| format!("prefix_rule(pattern=[\"git\", [\"a{at}\", \"b{at}\"]], decision=\"prompt\", match=[\"git a{at}\"])\n"))
        .collect();

    let load = |text: &str| load("bench.rules", text, &Policy::default(), &Limits::default());
    c.bench_function("load/1000", |b| b.iter(|| load(black_box(&text))));
    c.bench_function("load/1", |b| b.iter(|| load(black_box("prefix_rule(pattern=[\"git\"])\n"))));
    c.bench_function("load_program/1", |b| {
        b.iter(|| load(black_box("[prefix_rule(pattern=[w]) for w in [\"git\"]]\ndef f(): pass\n")))
    });
    let set = load(&text).unwrap_or_default();
    c.bench_function("compile/1000", |b| b.iter(|| Policy::from_iter([black_box(&set).clone()])));
}

criterion_group!(benches, lookups, verdicts, loading);
criterion_main!(benches);
