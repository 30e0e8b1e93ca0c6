//! A hostile rule file is refused; it neither ends the process nor keeps it busy.

#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]

use execpolicy::rules_file::{load, load_data};
use execpolicy::{Limits, Policy};

fn refusal(text: &str) -> String {
    refusal_within(text, &Limits::default())
}

fn refusal_within(text: &str, limits: &Limits) -> String {
    match load("a.rules", text, &Policy::default(), limits) {
        Ok(_) => panic!("accepted: {}", text.chars().take(60).collect::<String>()),
        Err(error) => error.message,
    }
}

#[test]
fn deep_texts_do_not_overflow_the_stack() {
    let n = 100_000;
    let texts = [
        format!("x = {}", "[".repeat(n)),
        format!("x = {}", "(".repeat(n)),
        format!("x = {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("x = {}", "{1:".repeat(n)),
        format!("x = 1{}", "+1".repeat(n)),
        format!("x = {}1", "not ".repeat(n)),
        format!("x = {}1", "-".repeat(n)),
        format!("x = {}1", "~".repeat(n)),
        format!("x = {}1", "lambda: ".repeat(n)),
        format!("x = {}1", "lambda a, b: ".repeat(n)),
        format!("x = {}1", "1 if 1 else ".repeat(n)),
        format!("x = a{}", ".b".repeat(n)),
        format!("x = a{}", "()".repeat(n)),
        format!("x = a{}", "[0]".repeat(n)),
        format!("x = 1{}", " and 1".repeat(n)),
        format!("x = [1 {}]", "for a, b in c ".repeat(n)),
        format!("x = [1 {}]", "if a ".repeat(n)),
        format!("x = {}", "f\"{".repeat(n)),
        format!("x = {}{}", "f\"{(".repeat(n / 2), "[".repeat(n)),
        format!("if 1:\n  pass\n{}", "elif 1:\n  pass\n".repeat(n)),
        (0..1_000).map(|depth| format!("{}if 1:\n", " ".repeat(depth))).collect(),
        format!("x = {}", "9".repeat(n)),
        format!("x = [{}]", "1, lambda a, b: ".repeat(n)),
    ];
    for text in texts {
        refusal(&text);
    }
}

/// What the bounds just let through must fit the smallest stack that is usual for threads.
#[test]
fn the_deepest_accepted_texts_fit_the_stack() {
    let texts = [
        format!("x = {}1{}", "[".repeat(60), "]".repeat(60)),
        format!("x = {}1{}", "(".repeat(60), ")".repeat(60)),
        format!("x = {}1{}", "{1: ".repeat(60), "}".repeat(60)),
        format!("x = {}1{}", "str(".repeat(60), ")".repeat(60)),
        format!("x = {}1{}", "f\"{".repeat(30), "}\"".repeat(30)),
        format!("x = 1{}", "+1".repeat(498)),
        format!("x = {}1", "not ".repeat(990)),
        format!("x = {}1", "-".repeat(990)),
        format!("x = {}1", "lambda: ".repeat(490)),
        format!("x = {}1", "1 if 1 else ".repeat(240)),
        format!("def a(): return a\nx = a{}", "()".repeat(40)),
        format!("x = 1{}", " and 1".repeat(495)),
        format!("x = [1 {}]", "for a in [] ".repeat(100)),
        format!("if 0:\n  pass\n{}", "elif 0:\n  pass\n".repeat(59)),
        (0..60).map(|depth| format!("{}if 1:\n", " ".repeat(depth))).collect::<String>()
            + &" ".repeat(60)
            + "pass",
        (0..60).map(|depth| format!("{}def f():\n", " ".repeat(depth))).collect::<String>()
            + &" ".repeat(60)
            + "pass",
        "def f(n):\n  return [f(n - 1) if n else 0]\nx = f(40)\n".to_owned(),
    ];
    for text in texts {
        if let Err(error) = load("a.rules", &text, &Policy::default(), &Limits::default()) {
            panic!("{}", error.report());
        }
    }
}

#[test]
fn work_and_memory_are_bounded() {
    for text in [
        "x = [0] * 1000000000",
        "x = 1000000000 * [0]",
        "x = \"a\" * 1000000000",
        "x = (0,) * 1000000000",
        "x = list(range(1000000000))",
        "x = \"aa\"\nfor i in range(100):\n  x = x + x",
        "x = \"aa\"\nfor i in range(100):\n  x += x",
        "x = [1]\nfor i in range(100):\n  x += x",
        "x = [1]\nfor i in range(100):\n  x.extend(x)",
        "x = [1]\nfor i in range(100):\n  x = x + x",
        "x = \"aa\"\nfor i in range(100):\n  x = \"%s%s\" % (x, x)",
        "x = 3\nfor i in range(100):\n  x = x * x",
        "x = 1\nfor i in range(10000000):\n  pass",
        "def f():\n  f()\nf()",
        "f = lambda g: g(g)\nf(f)",
        "x = [[0]]\nfor i in range(100):\n  x = [x, x]\ny = \"%s\" % x",
    ] {
        refusal(text);
    }
}

#[test]
fn steps_are_counted() {
    let limits = Limits { steps: 20_000, ..Limits::default() };
    for text in [
        "x = [i for i in range(1000000) for j in range(1000000)]",
        "for i in range(1000000):\n  for j in range(1000000):\n    pass",
        "def f(n):\n  return n\nfor i in range(15000):\n  f(i)",
    ] {
        assert_eq!(refusal_within(text, &limits), "the file takes too many steps", "{text}");
    }
    assert!(load("a.rules", "for i in range(15000):\n  pass", &Policy::default(), &limits).is_ok());
}

#[test]
fn what_a_file_declares_is_bounded() {
    let few = Limits { rules: 2_000, words: 10_000, word_bytes: 100_000, ..Limits::default() };
    let many = "\"a\", ".repeat(1_000);
    for text in [
        format!("X = [{many}]\nprefix_rule(pattern=[{}])", "X, ".repeat(500)),
        format!(
            "X = [{many}]\nprefix_rule(pattern=[X, X, X, X, X, X])\nprefix_rule(pattern=[[\"a\", \"b\"], X, X, X])"
        ),
        format!("X = \"{}\"\nprefix_rule(pattern=[{}])", "a".repeat(4_000), "X, ".repeat(1_000)),
        format!("X = [{many}]\nprefix_rule(pattern=[\"a\"], match=[{}])", "X, ".repeat(500)),
        format!("X = [{many}]\nprefix_rule(pattern=[X, X])"),
        format!("X = \"{}\"\n{}", "a".repeat(9_000), "prefix_rule([\"a\"], justification=X)\n".repeat(20)),
        format!("X = \"{}\"\n{}", "a".repeat(9_000), "network_rule(X, \"http\", \"deny\")\n".repeat(20)),
        format!("X = \"{}\"\n{}", "\\\\\\n".repeat(9_000), "prefix_rule([\"\"], match=[X])\n".repeat(20)),
    ] {
        assert_eq!(refusal_within(&text, &few), "the words of the file's rules are too many");
    }
    let text = "[prefix_rule(pattern=[\"a\"]) for i in range(3000)]";
    assert_eq!(refusal_within(text, &few), "the file declares more than 2000 rules");
    assert!(refusal(&"#".repeat((1 << 20) + 1)).contains("larger than"));
}

#[test]
fn data_is_told_from_programs() {
    for text in [
        "",
        "# nothing\n",
        "\"\"\"What this file is for.\"\"\"\n",
        "prefix_rule(pattern=[\"git\", [\"a\", \"b\"]], decision=\"allow\", match=[\"git a\"])\n",
        "WORDS = [\"a\", \"b\"]\nprefix_rule(pattern=[\"git\", WORDS])\n",
        "prefix_rule([\"git\"], canonical_matching=True)\nnetwork_rule(\"h\", \"http\", \"deny\")",
        "host_executable(name=\"git\", paths=[\"/usr/bin/git\"])",
    ] {
        assert!(
            matches!(load_data("a.rules", text, &Policy::default(), &Limits::default()), Ok(Some(_))),
            "{text}"
        );
    }
    for text in [
        "x = [1] * 3",
        "x = [1]\ny = [x, x]",
        "x = [1]\nx += x",
        "[prefix_rule(pattern=[w]) for w in [\"a\"]]",
        "for w in [\"a\"]:\n  prefix_rule(pattern=[w])",
        "def f():\n  pass",
        "prefix_rule(pattern=\"git push\".split(\" \"))",
        "prefix_rule(**{\"pattern\": [\"a\"]})",
        "prefix_rule(pattern=f\"{1}\")",
        "if True:\n  pass",
        "x = y = 1",
        "len([1])",
        "# @starlark-rust: typecheck\nx = 1",
    ] {
        assert!(
            !matches!(load_data("a.rules", text, &Policy::default(), &Limits::default()), Ok(Some(_))),
            "{text}"
        );
    }
}

/// The interpreter looks for the name that was meant by comparing the unknown one with all known ones, in the
/// product of their lengths, and does so for each unknown name. Each of these took minutes.
#[test]
fn unknown_names_are_not_compared_with_all_others() {
    let started = std::time::Instant::now();
    let long = "x".repeat(1_000);
    let names: String = (0..400).map(|at| format!("{long}{at} = 1\n")).collect();
    assert_eq!(refusal(&format!("{names}prefix_rule([{long}])")), "a name is longer than 200 bytes");
    let argument = "x".repeat(100_000);
    assert_eq!(refusal(&format!("prefix_rule({argument} = 1)")), "a name is longer than 200 bytes");
    let names: String = (0..20_000).map(|at| format!("known{at} = 1\n")).collect();
    let unknown: String = (0..20_000).map(|at| format!("prefix_rule([unknown{at}])\n")).collect();
    assert_eq!(refusal(&format!("{names}{unknown}")), "variable `unknown0` not found");
    assert_eq!(refusal("prefix_rule(['a'], print)\nx = 1"), "variable `print` not found");
    assert_eq!(refusal("prefix_rule(X)\nX = ['a']"), "local variable `X` referenced before assignment");
    // Most of this is the first build of the language's tables, in an unoptimised build.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
