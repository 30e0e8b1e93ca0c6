//! The index against the plain reading of the rules, and printing against loading.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;

use execpolicy::format::{amendment_line, format_file, network_amendment_line, print_rules};
use execpolicy::rules_file::load;
use execpolicy::{
    Decision, HostExecutable, Limits, NetworkRule, Origin, PatternToken, Policy, PrefixMatch, PrefixRule,
    Programs, Protocol, Resolution, RuleSet, Spelling, Word, WritableRoots,
};
use proptest::prelude::*;

const PROGRAMS: [&str; 11] = [
    "git",
    "GIT",
    "/usr/bin/git",
    "./git",
    "../git",
    "bin/hg",
    "/w/git",
    "/opt/ſ",
    "s",
    "/usr//bin/./hg",
    "git/..",
];
const WORDS: [&str; 9] = ["a", "A", "b", "c", "", "ß", "SS", "ss", "git"];

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

fn token() -> impl Strategy<Value = PatternToken> {
    prop_oneof![
        3 => word().prop_map(PatternToken::Single),
        1 => prop::collection::vec(word(), 2..4).prop_map(PatternToken::AnyOf),
        // Enough alternatives that three positions exceed what the index spells out.
        1 => Just(PatternToken::AnyOf(WORDS.map(str::to_owned).to_vec())),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    prop::sample::select(&[Decision::Allow, Decision::Prompt, Decision::PromptUser, Decision::Forbidden][..])
}

fn rule() -> impl Strategy<Value = PrefixRule> {
    let program = prop::sample::select(&PROGRAMS[..]).prop_map(str::to_owned);
    let spelling = prop::sample::select(&[Spelling::Exact, Spelling::Exact, Spelling::Folded][..]);
    (program, prop::collection::vec(token(), 0..5), decision(), spelling).prop_map(
        |(program, rest, decision, spelling)| PrefixRule {
            program,
            rest,
            decision,
            justification: None,
            spelling,
            origin: Origin::new("", 0),
        },
    )
}

fn host() -> impl Strategy<Value = HostExecutable> {
    let paths = prop::collection::btree_set(prop::sample::select(vec!["/usr/bin", "/w", "/opt"]), 0..3);
    (prop::sample::select(vec!["git", "hg", "s", "ſ"]), paths).prop_map(|(name, folders)| HostExecutable {
        name: name.to_owned(),
        paths: folders.into_iter().map(|folder| format!("{folder}/{name}")).collect(),
        origin: Origin::new("", 0),
    })
}

fn rules() -> impl Strategy<Value = RuleSet> {
    (prop::collection::vec(rule(), 0..12), prop::collection::vec(host(), 0..3))
        .prop_map(|(prefix, host_executables)| RuleSet { prefix, host_executables, ..RuleSet::default() })
}

fn argv() -> impl Strategy<Value = Vec<String>> {
    let program = prop::sample::select(&PROGRAMS[..]).prop_map(str::to_owned);
    (program, prop::collection::vec(word(), 0..6)).prop_map(|(program, mut rest)| {
        rest.insert(0, program);
        rest
    })
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    (argv(), prop::collection::vec(prop::bool::weighted(0.15), 7)).prop_map(|(argv, unknown)| {
        let word = |(word, unknown)| if unknown { Word::Unknown } else { Word::Literal(word) };
        argv.into_iter().zip(unknown).map(word).collect()
    })
}

fn same(spelling: Spelling, one: &str, other: &str) -> bool {
    match spelling {
        Spelling::Exact => one == other,
        Spelling::Folded => caseless::default_caseless_match_str(one, other),
    }
}

fn fits(rule: &PrefixRule, program: &str, rest: &[String]) -> bool {
    same(rule.spelling, &rule.program, program)
        && rest.len() >= rule.rest.len()
        && rule.rest.iter().zip(rest).all(|(token, word)| {
            token.alternatives().iter().any(|alternative| same(rule.spelling, alternative, word))
        })
}

fn absolute(cwd: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn last(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

fn listed(set: &RuleSet, name: &str, path: &str) -> bool {
    set.host_executables
        .iter()
        .rev()
        .find(|host| host.name == name)
        .is_none_or(|host| host.paths.contains(path))
}

fn matching<'a>(set: &'a RuleSet, program: &str, rest: &[String]) -> Vec<&'a PrefixRule> {
    let fit = || set.prefix.iter().filter(|rule| fits(rule, program, rest));
    fit().filter(|rule| rule.program == program).chain(fit().filter(|rule| rule.program != program)).collect()
}

fn naive_check<'a>(set: &'a RuleSet, argv: &[String], resolve: Resolution) -> Vec<&'a PrefixRule> {
    let exact = matching(set, &argv[0], &argv[1..]);
    if !exact.is_empty() || resolve == Resolution::AsWritten {
        return exact;
    }
    let path = absolute("/w", &argv[0]);
    match last(&path) {
        Some(name) if listed(set, name, &path) => matching(set, name, &argv[1..]),
        _ => Vec::new(),
    }
}

fn naive_allowing<'a>(set: &'a RuleSet, argv: &[String], programs: &dyn Programs) -> Vec<&'a PrefixRule> {
    let allow = |rules: Vec<&'a PrefixRule>| -> Vec<&'a PrefixRule> {
        rules.into_iter().filter(|rule| rule.decision == Decision::Allow).collect()
    };
    let exact = allow(matching(set, &argv[0], &argv[1..]));
    let path = absolute("/", &argv[0]);
    let plain = argv[0].starts_with('/') && !argv[0].contains("..");
    if !exact.is_empty() || !plain || programs.replaceable(&path) {
        return exact;
    }
    match last(&path) {
        Some(name) if listed(set, name, &path) => allow(matching(set, name, &argv[1..]))
            .into_iter()
            .filter(|rule| listed(set, &rule.program, &path))
            .collect(),
        _ => Vec::new(),
    }
}

/// Certain rules, then those that unknown words may make match, by their position.
fn naive_restrictive(set: &RuleSet, words: &[Word]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut certain, mut possible) = (BTreeSet::new(), BTreeSet::new());
    let known: Vec<String> = words.iter().map_while(Word::literal).map(str::to_owned).collect();
    for (at, rule) in set.prefix.iter().enumerate().filter(|(_, rule)| rule.decision.restricts()) {
        let Some(program) = known.first() else {
            possible.insert(at);
            continue;
        };
        let normal = absolute("/", program);
        let written = program.rsplit('/').find(|part| !part.is_empty() && *part != ".").unwrap_or(program);
        let mut names = vec![program.as_str(), written];
        names.extend(last(&normal));
        if program.starts_with('/') {
            names.push(&normal);
        }
        for name in names {
            if fits(rule, name, &known[1..]) {
                certain.insert(at);
            }
            let shown = known.len() - 1;
            let mut shorter = rule.clone();
            shorter.rest.truncate(shown);
            if known.len() < words.len() && rule.rest.len() > shown && fits(&shorter, name, &known[1..]) {
                possible.insert(at);
            }
        }
    }
    possible.retain(|at| !certain.contains(at));
    (certain, possible)
}

fn rules_of<'a>(matches: &[PrefixMatch<'a>]) -> Vec<&'a PrefixRule> {
    matches.iter().map(|found| found.rule).collect()
}

fn numbered(mut set: RuleSet) -> RuleSet {
    for (rule, line) in set.prefix.iter_mut().zip(0..) {
        rule.origin.line = line;
    }
    set
}

fn lines(matches: &[PrefixMatch<'_>], certain: bool) -> BTreeSet<usize> {
    matches
        .iter()
        .filter(|found| found.certain == certain)
        .map(|found| usize::try_from(found.rule.origin.line).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_a_walk_through_the_rules_finds(set in rules(), argv in argv(), words in words()) {
        let set = numbered(set);
        let policy = Policy::from_iter([set.clone()]);
        for resolve in [Resolution::AsWritten, Resolution::ByBasename] {
            let found = policy.check(&argv, resolve, "/w");
            prop_assert_eq!(rules_of(&found), naive_check(&set, &argv, resolve));
            for found in &found {
                prop_assert_eq!(found.matched_prefix.len(), found.rule.length());
                prop_assert_eq!(&found.matched_prefix[1..], &argv[1..found.matched]);
            }
        }
        let programs = WritableRoots(vec!["/w".into()]);
        prop_assert_eq!(rules_of(&policy.allowing(&argv, &programs)), naive_allowing(&set, &argv, &programs));

        let found = policy.restrictive(&words);
        let (certain, possible) = naive_restrictive(&set, &words);
        prop_assert_eq!(lines(&found, true), certain);
        let mine = lines(&found, false);
        prop_assert!(mine.is_subset(&possible));
        let decisions = |lines: &BTreeSet<usize>| -> BTreeSet<Decision> {
            lines.iter().map(|&line| set.prefix[line].decision).collect()
        };
        prop_assert_eq!(decisions(&mine), decisions(&possible));
    }

    #[test]
    fn a_further_rule_never_loosens(set in rules(), further in rule(), argv in argv()) {
        let before = Policy::from_iter([set.clone()]);
        let mut after = before.clone();
        after.add(RuleSet { prefix: vec![further], ..RuleSet::default() });
        let words = Word::all(&argv);
        let strictest = |policy: &Policy| policy.restrictive(&words).iter().map(|m| m.rule.decision).max();
        prop_assert!(strictest(&before) <= strictest(&after));
        prop_assert!(before.restrictive(&words).iter().all(|found| after.restrictive(&words).contains(found)));
    }

    /// What the report shows as restricted is restricted in a session as well.
    #[test]
    fn sessions_are_never_looser_than_the_report(set in rules(), argv in argv()) {
        let policy = Policy::from_iter([set]);
        let session = policy.restrictive(&Word::all(&argv));
        for found in policy.check(&argv, Resolution::ByBasename, "/w") {
            prop_assert!(!found.rule.decision.restricts() || session.iter().any(|other| other.rule == found.rule));
        }
        let reported = policy.check(&argv, Resolution::ByBasename, "/w");
        let allowed = policy.allowing(&argv, &WritableRoots(Vec::new()));
        let hidden = reported.iter().any(|found| found.rule.decision.restricts());
        prop_assert!(hidden || allowed.iter().all(|found| rules_of(&reported).contains(&found.rule)));
    }

    #[test]
    fn printed_rules_load_as_they_were(set in printable()) {
        let text = print_rules(&set);
        let loaded = load("a.rules", &text, &Policy::default(), &Limits::default());
        prop_assert_eq!(without_places(loaded.unwrap()), set);
    }

    #[test]
    fn formatting_keeps_the_rules_and_is_final(set in printable(), layout in prop::collection::vec(0_usize..4, 60)) {
        let text = untidy(&print_rules(&set), &layout);
        let formatted = format_file("a.rules", &text).unwrap();
        prop_assert_eq!(format_file("a.rules", &formatted).unwrap(), formatted.clone());
        let rules = |text: &str| {
            without_places(load("a.rules", text, &Policy::default(), &Limits::default()).unwrap())
        };
        prop_assert_eq!(rules(&formatted), rules(&text));
    }

    #[test]
    fn amendments_load_as_what_was_approved(prefix in prop::collection::vec(any::<String>(), 1..5)) {
        prop_assert_eq!(approved(&prefix), prefix);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        word(),
        Just("\u{202e}\u{e0001}\u{0}\r\n\t\u{7f}'\"\\".to_owned()),
        "[a-z]{0,70}"
    ]
}

fn printable() -> impl Strategy<Value = RuleSet> {
    let token = prop_oneof![
        text().prop_map(PatternToken::Single),
        prop::collection::vec(text(), 2..5).prop_map(PatternToken::AnyOf)
    ];
    let why = || prop::option::of(text().prop_map(|text| text + "."));
    let rule = (text(), prop::collection::vec(token, 0..4), 0..3_usize, any::<bool>(), why()).prop_map(
        |(program, rest, decision, folded, justification)| PrefixRule {
            program,
            rest,
            decision: [Decision::Allow, Decision::Prompt, Decision::Forbidden][decision],
            justification,
            spelling: if folded { Spelling::Folded } else { Spelling::Exact },
            origin: Origin::new("", 0),
        },
    );
    let protocol =
        prop::sample::select(vec![Protocol::Http, Protocol::Https, Protocol::Socks5Tcp, Protocol::Socks5Udp]);
    let host = prop::sample::select(vec!["a.example", "::1", "x:", "x:80", ":80", "a:b:c", "x]y", "[x"]);
    let network = (host, protocol, why()).prop_map(|(host, protocol, justification)| NetworkRule {
        host: host.to_owned(),
        protocol,
        decision: Decision::Forbidden,
        justification,
        origin: Origin::new("", 0),
    });
    let prefix = prop::collection::vec(rule, 0..4);
    (prefix, prop::collection::vec(network, 0..3), prop::collection::vec(host_strategy(), 0..2))
        .prop_map(|(prefix, network, host_executables)| RuleSet { prefix, network, host_executables })
}

fn host_strategy() -> impl Strategy<Value = HostExecutable> {
    host()
}

fn without_places(mut set: RuleSet) -> RuleSet {
    let nowhere = Origin::new("", 0);
    set.prefix.iter_mut().for_each(|rule| rule.origin = nowhere.clone());
    set.network.iter_mut().for_each(|rule| rule.origin = nowhere.clone());
    set.host_executables.iter_mut().for_each(|host| host.origin = nowhere.clone());
    set
}

/// Tidy text with comments, spaces and line breaks where the language allows them.
fn untidy(text: &str, layout: &[usize]) -> String {
    let mut layout = layout.iter().cycle();
    let mut out = String::new();
    for line in text.lines() {
        let call = line.starts_with(|c: char| c.is_ascii_lowercase()) && line.ends_with(')');
        let line = if call {
            line.replacen('(', ["(", "( ", "(\n", "(  "][*layout.next().unwrap()], 1)
        } else {
            line.to_owned()
        };
        let line = if call {
            line.replacen("=", [" = ", "=", " =", "= "][*layout.next().unwrap()], 1)
        } else {
            line
        };
        out.push_str(&line);
        out.push_str(
            ["\n", "  # why\n", "\n# next\n\n", "\n"]
                [if line.ends_with(')') { *layout.next().unwrap() } else { 0 }],
        );
    }
    out
}

fn approved(prefix: &[String]) -> Vec<String> {
    let line = amendment_line(prefix);
    assert!(line.ends_with('\n') && line.lines().count() == 1, "{line}");
    let set = load("default.rules", &line, &Policy::default(), &Limits::default()).unwrap();
    let [rule] = &set.prefix[..] else { panic!("{line}") };
    assert_eq!(rule.decision, Decision::Allow);
    std::iter::once(rule.program.clone())
        .chain(rule.rest.iter().map(|token| token.alternatives()[0].clone()))
        .collect()
}

#[test]
fn the_amendment_line_is_fixed() {
    let line = amendment_line(&["git".into(), "pu\"sh\u{7f}é\n".into()]);
    assert_eq!(line, "prefix_rule(pattern=[\"git\", \"pu\\\"sh\u{7f}é\\n\"], decision=\"allow\")\n");
    let line = network_amendment_line("h", Protocol::Https, Decision::Allow, "why");
    assert_eq!(
        line,
        "network_rule(host=\"h\", protocol=\"https\", decision=\"allow\", justification=\"why\")\n"
    );
}

#[test]
fn every_character_survives_an_amendment() {
    let words: Vec<String> = (0..0x3000_u32).filter_map(char::from_u32).map(|c| format!("{c}1")).collect();
    for words in words.chunks(512) {
        assert_eq!(approved(words), words);
    }
}
