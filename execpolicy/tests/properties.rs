//! What holds for every command and every set of rules.

use execpolicy::{
    ApprovalPolicy, Context, Decision, Granular, HostExecutable, MissingRules, Origin, PatternToken,
    Placement, Policy, PrefixRule, Request, RuleSet, Sandboxing, Spelling, Verdict, WritableRoots, shell,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Words that mean something to rules, shells, guards, wrappers and heuristics.
const WORDS: &[&str] = &[
    "git",
    "status",
    "push",
    "-c",
    "core.pager=x",
    "log",
    "rm",
    "-rf",
    "-f",
    "build",
    "ls",
    "timeout",
    "5",
    "env",
    "A=1",
    "sudo",
    "-n",
    "bash",
    "-c",
    "-lc",
    "rm -rf x",
    "git push",
    "git status",
    "find",
    ".",
    "-exec",
    ";",
    "{}",
    "-delete",
    "python3",
    "x.py",
    "echo",
    "a b",
    "$X",
    "*.rs",
    "/usr/bin/git",
    "./git",
    "/project/bin/git",
    "xargs",
    "sort",
    "-o",
    "out",
    "--",
    "-x",
    "",
    "--force",
    "eval",
    "cat",
    "sed",
    "1e id",
];

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(WORDS).prop_map(str::to_owned), 1..6)
}

fn rule() -> impl Strategy<Value = PrefixRule> {
    let decision =
        select(&[Decision::Allow, Decision::Prompt, Decision::PromptUser, Decision::Forbidden][..]);
    (words(), decision, any::<bool>()).prop_map(|(mut words, decision, folded)| {
        words.truncate(3);
        let program = words.remove(0);
        PrefixRule {
            program,
            rest: words.into_iter().map(PatternToken::Single).collect(),
            decision,
            justification: None,
            spelling: if folded { Spelling::Folded } else { Spelling::Exact },
            origin: Origin::new("generated", 1),
        }
    })
}

fn rules() -> impl Strategy<Value = Vec<PrefixRule>> {
    prop::collection::vec(rule(), 0..6)
}

/// Commands joined by operators: plain where their words are.
fn script() -> impl Strategy<Value = String> {
    let joined = select(&[" && ", " || ", "; ", " | ", "\n"][..]);
    prop::collection::vec((words(), joined), 1..4).prop_map(|commands| {
        let mut script = String::new();
        for (index, (words, operator)) in commands.iter().enumerate() {
            if index > 0 {
                script.push_str(operator);
            }
            script.push_str(&shell::join(words));
        }
        script
    })
}

fn approval() -> impl Strategy<Value = ApprovalPolicy> {
    prop_oneof![
        Just(ApprovalPolicy::Untrusted),
        Just(ApprovalPolicy::OnFailure),
        Just(ApprovalPolicy::OnRequest),
        Just(ApprovalPolicy::Never),
        any::<(bool, bool)>().prop_map(|(sandbox_approval, rules)| ApprovalPolicy::Granular(Granular {
            sandbox_approval,
            rules
        })),
    ]
}

fn policy(rules: &[PrefixRule]) -> Policy {
    let mut policy = Policy::default();
    policy.add(RuleSet { prefix: rules.to_vec(), ..RuleSet::default() });
    policy
}

fn judge(rules: &[PrefixRule], argv: &[String], approval: ApprovalPolicy, request: Request) -> Verdict {
    judge_by(&policy(rules), argv, approval, request)
}

fn judge_by(policy: &Policy, argv: &[String], approval: ApprovalPolicy, request: Request) -> Verdict {
    let roots = WritableRoots(vec!["/project".to_owned(), "/tmp".to_owned()]);
    let context = Context {
        approval,
        sandboxing: Sandboxing::Restricted,
        request,
        cwd: "/project",
        moved: false,
        programs: &roots,
        wanted_prefix: None,
    };
    policy.evaluate(argv, &context)
}

fn bash(script: &str) -> Vec<String> {
    ["bash", "-lc", script].map(str::to_owned).to_vec()
}

/// How freely a command may run. More is looser.
fn freedom(verdict: &Verdict) -> (std::cmp::Reverse<Decision>, bool) {
    let outside = verdict.decision == Decision::Allow && verdict.sandbox == Placement::Outside;
    (std::cmp::Reverse(verdict.decision), outside)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restrictive_rule_never_loosens(
        rules in rules(), extra in rule(), script in script(), approval in approval(),
        restriction in select(&[Decision::Prompt, Decision::PromptUser, Decision::Forbidden][..]),
    ) {
        let before = judge(&rules, &bash(&script), approval, Request::Default);
        let mut more = rules.clone();
        more.push(PrefixRule { decision: restriction, ..extra });
        let after = judge(&more, &bash(&script), approval, Request::Default);
        prop_assert!(freedom(&after) <= freedom(&before), "{script}\n{before:#?}\n{after:#?}");
    }

    #[test]
    fn no_rule_loosens_what_a_rule_restricts(
        rules in rules(), extra in rules(), argv in words(), approval in approval(),
    ) {
        let restricting: Vec<_> =
            rules.iter().filter(|rule| rule.decision.restricts()).cloned().collect();
        let certain = policy(&restricting).restrictive(&execpolicy::Word::all(&argv)).iter()
            .map(|found| found.rule.decision).max();
        let mut more = rules.clone();
        more.extend(extra);
        let verdict = judge(&more, &argv, approval, Request::Default);
        if let Some(decision) = certain {
            prop_assert!(verdict.decision >= decision, "{argv:?}\n{verdict:#?}");
        }
    }

    #[test]
    fn a_missing_file_never_loosens_and_leaves_what_rules_decide(
        rules in rules(), script in script(), approval in approval(), escalate in any::<bool>(),
    ) {
        let request = if escalate { Request::Escalate } else { Request::Default };
        let mut policy = policy(&rules);
        let before = judge_by(&policy, &bash(&script), approval, request);
        policy.add_missing(MissingRules { origin: Origin::new("broken", 3), why: "it is broken".to_owned() });
        let after = judge_by(&policy, &bash(&script), approval, request);
        prop_assert!(freedom(&after) <= freedom(&before), "{script}\n{before:#?}\n{after:#?}");
        prop_assert!(after.amendments.len() <= before.amendments.len());
        let named = after.findings.iter().any(|finding| {
            finding.source.as_ref().is_some_and(|source| *source.file == *"broken")
        });
        let free = before.decision == Decision::Allow && before.sandbox == Placement::Outside;
        if free || !named {
            prop_assert_eq!(&before, &after);
        } else {
            prop_assert!(after.decision.restricts());
        }
        policy.add_missing(MissingRules { origin: Origin::new("other", 0), why: "it is gone".to_owned() });
        let again = judge_by(&policy, &bash(&script), approval, request);
        prop_assert_eq!(again.decision, after.decision);
    }

    #[test]
    fn what_restricts_never_loosens(
        rules in rules(), project in rules(), script in script(), approval in approval(),
    ) {
        let before = judge(&rules, &bash(&script), approval, Request::Default);
        let mut policy = policy(&rules);
        let host = HostExecutable { name: "git".into(), paths: Default::default(), origin: Origin::new("p", 1) };
        let set = RuleSet { prefix: project, host_executables: vec![host], ..RuleSet::default() };
        policy.add(set.restricting().0);
        let after = judge_by(&policy, &bash(&script), approval, Request::Default);
        prop_assert!(freedom(&after) <= freedom(&before), "{script}\n{before:#?}\n{after:#?}");
    }

    #[test]
    fn the_order_of_rules_does_not_matter(
        (rules, order) in rules().prop_flat_map(|rules| { let all = rules.len(); (Just(rules), subsequence((0..all).collect::<Vec<_>>(), all).prop_shuffle()) }),
        script in script(), approval in approval(),
    ) {
        let shuffled: Vec<_> = order.iter().map(|index| rules[*index].clone()).collect();
        let one = judge(&rules, &bash(&script), approval, Request::Default);
        let other = judge(&shuffled, &bash(&script), approval, Request::Default);
        prop_assert_eq!(freedom(&one), freedom(&other));
    }

    #[test]
    fn wrapping_a_script_never_frees_it(
        rules in rules(), script in script(), approval in approval(), escalate in any::<bool>(),
    ) {
        // A first word that bash takes for an option leaves it without a script.
        prop_assume!(!script.starts_with(['-', '+']));
        let request = if escalate { Request::Escalate } else { Request::Default };
        let bare = judge(&rules, &bash(&script), approval, request);
        let nested = shell::join(&bash(&script));
        for wrapped in [
            format!("({script})"),
            format!("{{ {script}\n}}"),
            format!("if true; then {script}\nfi"),
            format!("{script}\ntrue"),
            format!("true && {script}"),
            format!("X=1; {script}"),
            format!("for i in 1 2; do {script}\ndone"),
            format!("echo $({script}\n)"),
            format!("f() {{ {script}\n}}; f"),
            nested.clone(),
            format!("timeout 5 {nested}"),
            format!("env {nested}"),
        ] {
            let verdict = judge(&rules, &bash(&wrapped), approval, request);
            prop_assert!(freedom(&verdict) <= freedom(&bare), "{wrapped}\n{bare:#?}\n{verdict:#?}");
        }
    }

    #[test]
    fn a_stricter_approval_policy_never_frees(rules in rules(), script in script()) {
        let on_request = judge(&rules, &bash(&script), ApprovalPolicy::OnRequest, Request::Default);
        let never = judge(&rules, &bash(&script), ApprovalPolicy::Never, Request::Default);
        let untrusted = judge(&rules, &bash(&script), ApprovalPolicy::Untrusted, Request::Default);
        prop_assert!(freedom(&never) <= freedom(&on_request));
        prop_assert!(freedom(&untrusted) <= freedom(&on_request));
        prop_assert!(!matches!(never.decision, Decision::Prompt | Decision::PromptUser));
    }

    #[test]
    fn an_offered_rule_settles_it_and_nothing_is_offered_for_danger(argv in words(), approval in approval()) {
        let verdict = judge(&[], &argv, approval, Request::Default);
        for offer in &verdict.amendments {
            let accepted = verdict.accept(&offer.prefix).unwrap();
            let rules = accepted.rule_set(Origin::new("default.rules", 1)).prefix;
            let after = judge(&rules, &argv, approval, Request::Default);
            prop_assert_eq!(after.decision, Decision::Allow, "{:?}", offer);
            prop_assert_eq!(after.sandbox, Placement::Outside, "{:?}", offer);
            prop_assert!(offer.prefix.first().is_some_and(|program| program != "rm" && program != "bash"));
        }
        prop_assert!(verdict.accept(&["bash".to_owned()]).is_err());
    }

    #[test]
    fn whatever_is_typed_has_a_verdict(argv in prop::collection::vec(any::<String>(), 0..5), rules in rules()) {
        let verdict = judge(&rules, &argv, ApprovalPolicy::Untrusted, Request::Default);
        prop_assert!(verdict.decision.restricts() || !rules.is_empty());
        let verdict = judge(&rules, &bash(&argv.join(" ")), ApprovalPolicy::Untrusted, Request::Default);
        prop_assert!(!verdict.findings.is_empty());
    }
}

/// However much there is to say, the rule that decides is named.
#[test]
fn what_decides_is_among_the_findings() {
    let rule = |program: &str, decision, line| PrefixRule {
        program: program.to_owned(),
        rest: Vec::new(),
        decision,
        justification: None,
        spelling: Spelling::Exact,
        origin: Origin::new("generated", line),
    };
    let rules = [rule("ls", Decision::Prompt, 1), rule("git", Decision::Forbidden, 2)];
    let many: String = (0..2_000).map(|number| format!("ls {number}; ")).collect();
    let verdict =
        judge(&rules, &bash(&format!("({many} git push)")), ApprovalPolicy::OnRequest, Request::Default);
    assert_eq!(verdict.decision, Decision::Forbidden);
    let named =
        |finding: &execpolicy::Finding| finding.source.as_ref().is_some_and(|source| source.line == 2);
    assert!(verdict.findings.iter().any(named));
}

/// Commands of some hundred KiB that once took minutes and gigabytes.
#[test]
fn hostile_lengths_are_dangerous_and_no_work() {
    let rules = [PrefixRule {
        program: "git".to_owned(),
        rest: vec![PatternToken::Single("push".to_owned())],
        decision: Decision::Forbidden,
        justification: None,
        spelling: Spelling::Exact,
        origin: Origin::new("generated", 1),
    }];
    for (text, expected) in [
        (format!("{}rm -rf x", "sudo -h ".repeat(10_000)), Decision::Prompt),
        (format!("{}git push", "sudo -h ".repeat(20)), Decision::Prompt),
        (format!("find . {}", "-exec env rm -rf {} \\; ".repeat(5_000)), Decision::Prompt),
        (format!("git {} y", "-c alias.x='!rm -rf y' ".repeat(5_000)), Decision::Prompt),
        ("eval 'eval \"rm -rf x\"'; ".repeat(5_000), Decision::Prompt),
        ("trap 'git push' EXIT; ".repeat(5_000), Decision::Forbidden),
        (format!("{}a", "a|".repeat(60_000)), Decision::Prompt),
        (format!("cat {}\n", "<<a ".repeat(50_000)), Decision::Prompt),
        (format!("env {}", "-S x ".repeat(20_000)), Decision::Allow),
        ("-S x ".repeat(20_000), Decision::Allow),
        (format!("parallel {}", "::: ".repeat(30_000)), Decision::Allow),
        (format!("su {}", "-c x ".repeat(20_000)), Decision::Allow),
        (format!("npm {}", "--zz x ".repeat(20_000)), Decision::Allow),
    ] {
        let verdict = judge(&rules, &bash(&text), ApprovalPolicy::OnRequest, Request::Default);
        assert!(
            verdict.decision >= expected,
            "{} as {}",
            text.get(..60).unwrap_or_default(),
            verdict.decision
        );
        let size: usize = verdict.findings.iter().flat_map(|finding| &finding.command).map(String::len).sum();
        assert!(size < 16 << 20, "{} bytes of findings for {}", size, text.get(..60).unwrap_or_default());
    }
}
