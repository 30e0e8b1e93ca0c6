//! `codex execpolicy` as its users see it: rule files on the disk, words on the terminal, exit statuses.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, symlink};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::place::{Place, as_each_user};
use tests::process::{self, Finished};

const RULES: &str = "\
prefix_rule(pattern=[\"git\", \"status\"], match=[\"git status -s\"])
prefix_rule(pattern=[\"git\", [\"push\", \"fetch\"]], decision=\"prompt\", justification=\"talks to the net\")
prefix_rule(pattern=[\"curl\"], decision=\"forbidden\")
host_executable(name=\"git\", paths=[\"/usr/bin/git\"])
";

fn execpolicy(place: &Place, arguments: &[&str]) -> Result<Finished> {
    let mut command = place.outside(&place.binary().to_string_lossy());
    let _configured = command.arg("execpolicy").args(arguments);
    process::finish(command, b"")
}

/// Puts a file into the place's own folder, which the harness does not watch.
fn file(place: &Place, name: &str, text: &str) -> Result<String> {
    let path = place.host().join(name);
    std::fs::write(&path, text)?;
    place.give(&path)?;
    Ok(path.to_string_lossy().into_owned())
}

fn refused(finished: &Finished, code: i32, names: &[&str]) -> Result<()> {
    ensure!(finished.code() == Some(code), "expected {code}\n{finished}");
    ensure!(finished.stdout.is_empty(), "something is on stdout\n{finished}");
    ensure!(finished.err().starts_with("codex: "), "not our words\n{finished}");
    for name in names {
        ensure!(finished.err().contains(name), "the message lacks {name:?}\n{finished}");
    }
    Ok(())
}

#[test]
fn check_prints_what_matches_and_nothing_else() -> Result<()> {
    as_each_user(|place| {
        let rules = file(place, "a.rules", RULES)?;
        let cases: &[(&[&str], &str)] = &[
            (
                &["git", "status"],
                r#"{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git","status"],"decision":"allow"}}],"decision":"allow"}"#,
            ),
            (
                &["git", "push", "-f"],
                r#"{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git","push"],"decision":"prompt","justification":"talks to the net"}}],"decision":"prompt"}"#,
            ),
            (
                &["--", "curl", "x"],
                r#"{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["curl"],"decision":"forbidden"}}],"decision":"forbidden"}"#,
            ),
            (&["ls"], r#"{"matchedRules":[]}"#),
            (&["/usr/bin/git", "status"], r#"{"matchedRules":[]}"#),
            (
                &["--resolve-host-executables", "/usr/bin/git", "status"],
                r#"{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git","status"],"decision":"allow","resolvedProgram":"/usr/bin/git"}}],"decision":"allow"}"#,
            ),
            // Options end at the first word of the command, and an unknown one is that word.
            (&["--unknown", "--pretty"], r#"{"matchedRules":[]}"#),
            (&["ls", "--pretty"], r#"{"matchedRules":[]}"#),
        ];
        for (arguments, expected) in cases {
            let mut words = vec!["check", "--rules", &rules];
            words.extend(*arguments);
            let finished = execpolicy(place, &words)?.success()?;
            ensure!(finished.out() == format!("{expected}\n"), "{arguments:?}\n{finished}");
        }
        let pretty =
            execpolicy(place, &["check", &format!("--rules={rules}"), "--pretty", "curl"])?.success()?;
        let expected = "{\n  \"matchedRules\": [\n    {\n      \"prefixRuleMatch\": {\n        \"matchedPrefix\": [\n          \"curl\"\n        ],\n        \"decision\": \"forbidden\"\n      }\n    }\n  ],\n  \"decision\": \"forbidden\"\n}\n";
        ensure!(pretty.out() == expected, "{pretty}");
        Ok(())
    })
}

#[test]
fn check_says_what_is_wrong_with_which_file() -> Result<()> {
    as_each_user(|place| {
        let rules = file(place, "a.rules", RULES)?;
        let broken = file(
            place,
            "broken.rules",
            "prefix_rule(pattern=[\"a\"])\nprefix_rule(pattern=[\"git\"], decision=\"deny\")\n",
        )?;
        refused(
            &execpolicy(place, &["check", "-r", &broken, "a"])?,
            1,
            &["broken.rules:2:", "deny", "forbidden"],
        )?;
        refused(&execpolicy(place, &["check", "-r", &rules, "-r", &broken, "a"])?, 1, &["broken.rules:2:"])?;
        refused(&execpolicy(place, &["check", "-r", "/absent.rules", "a"])?, 1, &["/absent.rules"])?;
        refused(&execpolicy(place, &["check", "-r", "/usr", "a"])?, 1, &["/usr"])?;
        let binary = place.host().join("binary.rules");
        std::fs::write(&binary, b"# \xff\n")?;
        place.give(&binary)?;
        refused(
            &execpolicy(place, &["check", "-r", &binary.to_string_lossy(), "a"])?,
            1,
            &["UTF-8", "line 1"],
        )?;
        refused(&execpolicy(place, &["check", "a"])?, 2, &["--rules"])?;
        refused(&execpolicy(place, &["check", "-r", &rules])?, 2, &["COMMAND"])?;
        let mut command = place.outside(&place.binary().to_string_lossy());
        let _configured =
            command.args(["execpolicy", "check", "-r", &rules]).arg(std::ffi::OsString::from_vec(vec![0xff]));
        refused(&process::finish(command, b"")?, 2, &["UTF-8"])
    })
}

/// Each of these once hung a loader, or ended its process.
const BOMBS: &[(&str, &str)] = &[
    (
        "a loop without end",
        "def f():\n    for a in range(1000000):\n        for b in range(1000000):\n            pass\nf()\n",
    ),
    ("recursion without end", "def f():\n    f()\nf()\n"),
    ("a list of two thousand million", "x = [0] * 2000000000\n"),
    ("the same, in place", "x = [0]\nx *= 2000000000\n"),
    ("a list out of a range", "x = list(range(2000000000))\n"),
    ("a string that doubles", "def f():\n    s = 'a'\n    for _ in range(64):\n        s = s + s\nf()\n"),
    (
        "a string that doubles in place",
        "def f():\n    s = 'a'\n    for _ in range(64):\n        s += s\nf()\n",
    ),
    ("a join of long strings", "s = 'a' * 1000000\nt = s.join([s] * 100000)\n"),
    ("a replacement of all by much", "s = 'a' * 1000000\nt = s.replace('a', s)\n"),
    ("a format of much", "s = 'a' * 1000000\nt = ('%s' * 100000) % tuple([s] * 100000)\n"),
    (
        "lists of lists of lists",
        "def f():\n    x = [0]\n    for _ in range(60):\n        x = [x, x]\n    return str(x)\nf()\n",
    ),
    ("a large shift", "x = 1 << 100000000000\n"),
    ("rules without end", "[prefix_rule(pattern=['a' + str(i)]) for i in range(10000000)]\n"),
];

#[test]
fn a_rule_file_cannot_take_the_machine() -> Result<()> {
    as_each_user(|place| {
        for (name, text) in BOMBS {
            let rules = file(place, "bomb.rules", text)?;
            let finished = execpolicy(place, &["check", "-r", &rules, "git"])?;
            refused(&finished, 1, &["bomb.rules"]).with_context(|| (*name).to_owned())?;
        }
        for deep in [
            "[".repeat(200_000),
            "(".repeat(200_000),
            format!("x = {}1", "- ".repeat(200_000)),
            format!("x = {}1", "not ".repeat(200_000)),
            format!("x = 1{}", " + 1".repeat(200_000)),
        ] {
            let rules = file(place, "deep.rules", &deep)?;
            refused(&execpolicy(place, &["check", "-r", &rules, "git"])?, 1, &["deep.rules"])?;
        }
        let large = file(place, "large.rules", &"#\n".repeat(600_000))?;
        refused(&execpolicy(place, &["check", "-r", &large, "git"])?, 1, &["large.rules", "split"])
    })
}

#[test]
fn a_computed_rule_file_still_works() -> Result<()> {
    as_each_user(|place| {
        let text = "PREFIX = 'gi'\ndef both(name):\n    for verb in ['push', 'pull']:\n        prefix_rule(pattern=[name, verb], decision='prompt', justification='%s %s' % (name, verb))\nboth(PREFIX + 't')\nif len(PREFIX) * 2 == 4:\n    prefix_rule(['ls'])\n";
        let rules = file(place, "computed.rules", text)?;
        let finished = execpolicy(place, &["check", "-r", &rules, "git", "pull"])?.success()?;
        ensure!(finished.out().contains(r#""justification":"git pull""#), "{finished}");
        let finished = execpolicy(place, &["check", "-r", &rules, "ls"])?.success()?;
        ensure!(finished.out().contains(r#""decision":"allow""#), "{finished}");
        // An error in it names its own place, though another process evaluated it.
        let rules =
            file(place, "wrong.rules", "def f(x):\n    prefix_rule(pattern=[x], decision='no')\nf('a')\n")?;
        refused(&execpolicy(place, &["check", "-r", &rules, "a"])?, 1, &["wrong.rules:2:", "no"])
    })
}

/// Limits and signal dispositions are inherited.
#[test]
fn a_computed_rule_file_works_whoever_calls() -> Result<()> {
    as_each_user(|place| {
        let rules = file(place, "computed.rules", "[prefix_rule([p]) for p in ['a', 'b']]\n")?;
        let endless = "def f():\n    for s in ['a' * 1000000] * 400000:\n        s.count('ab')\nf()\n";
        let endless = file(place, "endless.rules", endless)?;
        let called = |before: &str, rules: &str| {
            let mut command = place.outside("/bin/sh");
            let script = format!("{before}; exec \"$0\" execpolicy check -r \"$1\" b");
            let _configured = command.args(["-c", &script]).arg(place.binary()).arg(rules);
            process::finish(command, b"")
        };
        for before in ["ulimit -v 400000", "ulimit -t 3", "ulimit -c 0 -n 64", "trap '' CHLD", "trap '' XCPU"]
        {
            let finished = called(before, &rules)?.success()?;
            ensure!(finished.out().contains(r#""decision":"allow""#), "{before}\n{finished}");
        }
        for before in ["ulimit -t 1", "trap '' XCPU; ulimit -t 1"] {
            let finished = called(before, &endless)?;
            refused(&finished, 1, &["endless.rules", "processor time"]).context(before)?;
        }
        refused(&called("trap '' CHLD; ulimit -t 1", &endless)?, 1, &["endless.rules"])
    })
}

#[test]
fn explain_names_file_line_place_and_the_smallest_change() -> Result<()> {
    as_each_user(|place| {
        let rules = file(place, "a.rules", RULES)?;
        let script = "git status && curl x | rm -rf y";
        let finished =
            execpolicy(place, &["explain", "--rules", &rules, "--json", "--", "bash", "-lc", script])?
                .success()?;
        let verdict: Value = serde_json::from_str(&finished.out())?;
        ensure!(verdict["decision"] == "forbidden" && verdict["sandbox"] == "inside", "{verdict:#}");
        let findings = verdict["findings"].as_array().context("findings")?;
        let by = |by: &str, program: &str| {
            findings.iter().find(|finding| finding["by"] == by && finding["command"][0] == program)
        };
        let curl = by("rule", "curl").context("the rule on curl")?;
        ensure!(curl["source"] == format!("{rules}:3") && curl["decision"] == "forbidden", "{curl:#}");
        ensure!(curl["span"] == serde_json::json!([14, 20]), "{curl:#}");
        let rm = by("heuristic", "rm").context("the danger of rm")?;
        ensure!(rm["decision"] == "prompt" && rm["span"] == serde_json::json!([23, 31]), "{rm:#}");
        ensure!(rm["source"].as_str().is_some_and(|source| source.starts_with("builtin/")), "{rm:#}");
        ensure!(verdict["amendments"] == serde_json::json!([]), "{verdict:#}");
        ensure!(verdict["summary"][0]["type"] == "unknown", "{verdict:#}");

        let text = execpolicy(place, &["explain", "-r", &rules, "git", "push"])?.success()?.out();
        for part in ["prompt", "a.rules:2", "talks to the net", "remove"] {
            ensure!(text.contains(part), "the page lacks {part:?}\n{text}");
        }
        let never =
            execpolicy(place, &["explain", "-r", &rules, "--approval-policy", "never", "git", "push"])?;
        ensure!(never.out().contains("forbidden"), "{never}");
        let offers = execpolicy(place, &["explain", "--json", "--", "cargo", "test"])?.success()?;
        let verdict: Value = serde_json::from_str(&offers.out())?;
        ensure!(verdict["amendments"][0]["prefix"] == serde_json::json!(["cargo", "test"]), "{verdict:#}");
        refused(&execpolicy(place, &["explain", "--approval-policy", "always", "ls"])?, 2, &["always"])
    })
}

#[test]
fn explain_shows_a_hostile_command_for_what_it_is() -> Result<()> {
    as_each_user(|place| {
        let finished =
            execpolicy(place, &["explain", "--", "echo", "\u{1b}[2J\u{202e}gpj.exe\r\n"])?.success()?;
        let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        ensure!(!finished.out().chars().any(hidden), "{finished}");
        Ok(())
    })
}

#[test]
fn a_repository_s_own_git_is_not_git() -> Result<()> {
    as_each_user(|place| {
        let rules = file(place, "a.rules", RULES)?;
        let own = place.ws().join("git").to_string_lossy().into_owned();
        for program in ["./git", &own] {
            let json = execpolicy(place, &["explain", "-r", &rules, "--json", "--", program, "status"])?
                .success()?;
            let verdict: Value = serde_json::from_str(&json.out())?;
            ensure!(verdict["sandbox"] == "inside", "{program}\n{json}");
            let json =
                execpolicy(place, &["explain", "-r", &rules, "--json", "--", program, "push"])?.success()?;
            let verdict: Value = serde_json::from_str(&json.out())?;
            ensure!(verdict["decision"] == "prompt", "{program}\n{json}");
        }
        Ok(())
    })
}

#[test]
fn a_policy_s_own_tests_fail_when_it_changes() -> Result<()> {
    as_each_user(|place| {
        let _rules = file(place, "a.rules", RULES)?;
        let tests = "rules = [\"a.rules\"]\n[[test]]\ncommand = [\"git\", \"push\"]\nexpect = \"prompt\"\nblame = \"a.rules:2\"\n[[test]]\nscript = \"git status && curl x\"\nexpect = \"forbidden\"\nblame = \"a.rules:3\"\n";
        let good = file(place, "good.toml", tests)?;
        let finished = execpolicy(place, &["test", &good, "--min-coverage", "60"])?.success()?;
        ensure!(finished.out().contains("2 passed, 0 failed"), "{finished}");
        let bad = file(
            place,
            "bad.toml",
            &tests.replace("\"prompt\"", "\"allow\"").replace("a.rules:3", "a.rules:1"),
        )?;
        let finished = execpolicy(place, &["test", &bad])?;
        ensure!(finished.code() == Some(1), "{finished}");
        for part in ["bad.toml:2", "bad.toml:6", "expected allow, got prompt", "0 passed, 2 failed"] {
            ensure!(finished.out().contains(part), "lacks {part:?}\n{finished}");
        }
        let few = file(
            place,
            "few.toml",
            "rules = [\"a.rules\"]\n[[test]]\ncommand = [\"ls\"]\nexpect = \"allow\"\n",
        )?;
        let finished = execpolicy(place, &["test", &few, "--min-coverage", "50"])?;
        ensure!(finished.code() == Some(1) && finished.out().contains("untested rule"), "{finished}");
        // Nothing covered is not everything covered.
        let none = file(place, "none.toml", "[[test]]\ncommand = [\"ls\"]\nexpect = \"allow\"\n")?;
        let finished = execpolicy(place, &["test", &none, "--min-coverage", "1"])?;
        ensure!(finished.code() == Some(1), "{finished}");
        let twice = tests.replace("[\"a.rules\"]", "[\"a.rules\", \"./a.rules\"]");
        let twice = file(place, "twice.toml", &twice)?;
        let finished = execpolicy(place, &["test", &good, &twice])?.success()?;
        ensure!(finished.out().contains("100% of 3 rules"), "{finished}");
        let alternatives = "prefix_rule([[\"b\", \"c\"]]); prefix_rule([\"d\"])\n";
        let _rules = file(place, "b.rules", alternatives)?;
        let some = "rules = [\"b.rules\"]\n[[test]]\ncommand = [\"b\"]\nexpect = \"allow\"\n";
        let finished = execpolicy(place, &["test", &file(place, "some.toml", some)?])?.success()?;
        for part in ["33% of 3 rules", "b.rules:1: prefix_rule(pattern=[\"c\"]", "pattern=[\"d\"]"] {
            ensure!(finished.out().contains(part), "lacks {part:?}\n{finished}");
        }
        let empty = file(place, "empty.toml", "rules = [\"a.rules\"]\n")?;
        refused(&execpolicy(place, &["test", &empty])?, 1, &["empty.toml", "[[test]]"])
    })
}

#[test]
fn a_simulation_tells_what_new_rules_change() -> Result<()> {
    as_each_user(|place| {
        let new = file(place, "new.rules", RULES)?;
        let old = file(place, "old.rules", "prefix_rule(pattern=[\"git\"], decision=\"prompt\")\n")?;
        let history = "[\"git\",\"status\"]\n\"git status\"\n{\"argv\":[\"curl\",\"x\"],\"cwd\":\"/\"}\n\n\"rm -rf x\"\n";
        let history = file(place, "history.jsonl", history)?;
        let arguments = ["simulate", "--history", &history, "--rules", &new, "--rules-old", &old];
        let finished = execpolicy(place, &[&arguments[..], &["--json"]].concat())?.success()?;
        let report: Value = serde_json::from_str(&finished.out())?;
        for (key, number) in
            [("commands", 4), ("promptsBefore", 3), ("promptsAfter", 1), ("promptsRemoved", 2)]
        {
            ensure!(report[key] == number, "{key}\n{report:#}");
        }
        let text = execpolicy(place, &arguments)?.success()?.out();
        ensure!(text.contains("Newly allowed:") && text.contains("Newly forbidden:"), "{text}");
        let bad = file(place, "bad.jsonl", "\"ls\"\n{\"command\":1}\n")?;
        let simulated =
            |history: &str| execpolicy(place, &["simulate", "--history", history, "--rules", &new]);
        refused(&simulated(&bad)?, 1, &["bad.jsonl:2"])?;
        // A line that is too long is not two lines.
        let long = format!("\"ls\"\n\"{}\"\n", "x".repeat(4 << 20));
        refused(&simulated(&file(place, "long.jsonl", &long)?)?, 1, &["long.jsonl:2", "more than"])?;
        let binary = place.host().join("binary.jsonl");
        std::fs::write(&binary, b"\"ls\"\n\"a\xff\"\n")?;
        place.give(&binary)?;
        refused(&simulated(&binary.to_string_lossy())?, 1, &["binary.jsonl:2: not UTF-8: byte 3"])
    })
}

#[test]
fn fmt_keeps_meaning_comments_mode_and_links() -> Result<()> {
    as_each_user(|place| {
        let ugly = "# mine\nprefix_rule( [ 'git','status' ] )  # yes\n\nX = 1\n";
        let path = file(place, "ugly.rules", ugly)?;
        let link = place.host().join("link.rules");
        symlink(&path, &link)?;
        let finished = execpolicy(place, &["fmt", "--check", &path])?;
        ensure!(finished.code() == Some(1) && finished.out().contains("ugly.rules"), "{finished}");
        ensure!(std::fs::read_to_string(&path)? == ugly, "--check wrote");
        let _done = execpolicy(place, &["fmt", &link.to_string_lossy()])?.success()?;
        ensure!(link.is_symlink(), "the link is gone");
        let pretty = std::fs::read_to_string(&path)?;
        ensure!(
            pretty.contains("# mine") && pretty.contains("# yes") && pretty.contains("\"git\", \"status\""),
            "{pretty}"
        );
        let _same = execpolicy(place, &["fmt", "--check", &path])?.success()?;
        let broken = file(place, "broken.rules", "prefix_rule(")?;
        refused(&execpolicy(place, &["fmt", &broken])?, 1, &["broken.rules:1:"])?;
        // One wrong file, and none is touched. One file twice is one file.
        let again = file(place, "again.rules", ugly)?;
        refused(&execpolicy(place, &["fmt", &again, &broken])?, 1, &["broken.rules:1:"])?;
        ensure!(std::fs::read_to_string(&again)? == ugly, "it was rewritten");
        let twice = place.host().join(".").join("again.rules");
        let _done = execpolicy(place, &["fmt", &again, &twice.to_string_lossy()])?.success()?;
        ensure!(std::fs::read_to_string(&again)? == pretty, "it was not rewritten");
        let held = std::fs::File::open(&again)?;
        held.lock()?;
        std::fs::write(&again, ugly)?;
        refused(&execpolicy(place, &["fmt", &again])?, 125, &["again.rules", "locked"])
    })
}

/// Whoever may write the folder could take the file from its owner.
#[test]
fn fmt_keeps_the_owner() -> Result<()> {
    as_each_user(|place| {
        let path = place.host().join("owned.rules");
        std::fs::write(&path, "prefix_rule( ['a'] )\n")?;
        let before = std::fs::metadata(&path)?;
        let finished = execpolicy(place, &["fmt", &path.to_string_lossy()])?;
        let after = std::fs::metadata(&path)?;
        ensure!((before.uid(), before.gid()) == (after.uid(), after.gid()), "another owner\n{finished}");
        let formatted = std::fs::read_to_string(&path)? == "prefix_rule(pattern=[\"a\"])\n";
        ensure!(formatted == (finished.code() == Some(0)), "{finished}");
        Ok(())
    })
}

#[test]
fn a_result_that_is_not_written_is_a_failure() -> Result<()> {
    as_each_user(|place| {
        let rules = file(place, "a.rules", RULES)?;
        let tests = file(place, "a.toml", "[[test]]\nscript = \"ls\"\nexpect = \"allow\"\n")?;
        let history = file(place, "h.jsonl", "\"ls\"\n")?;
        let lint = file(place, "twice.rules", "prefix_rule(['a'])\nprefix_rule(['a'])\n")?;
        for arguments in [
            &["check", "-r", &rules, "ls"][..],
            &["explain", "ls"],
            &["test", &tests],
            &["simulate", "--history", &history, "--rules", &rules],
            &["lint", &lint],
            &["--help"],
        ] {
            let mut command = place.outside("/bin/sh");
            let script = "exec \"$0\" execpolicy \"$@\" > /dev/full";
            let _configured = command.args(["-c", script]).arg(place.binary()).args(arguments);
            refused(&process::finish(command, b"")?, 125, &["standard output"])?;
            let mut command = place.outside("/bin/sh");
            let script = "exec \"$0\" execpolicy \"$@\" | true";
            let _configured = command.args(["-c", script]).arg(place.binary()).args(arguments);
            let _quiet = process::finish(command, b"")?.success()?;
        }
        Ok(())
    })
}

#[test]
fn lint_names_both_places() -> Result<()> {
    as_each_user(|place| {
        let first = file(place, "first.rules", "prefix_rule(pattern=[\"git\"], decision=\"forbidden\")\n")?;
        let second = file(place, "second.rules", "prefix_rule(pattern=[\"git\", \"status\"])\n")?;
        let finished = execpolicy(place, &["lint", &first, &second])?;
        ensure!(finished.code() == Some(1), "{finished}");
        for part in ["first.rules:1", "second.rules:1"] {
            ensure!(finished.out().contains(part), "lacks {part:?}\n{finished}");
        }
        let clean = file(place, "clean.rules", RULES)?;
        let finished = execpolicy(place, &["lint", &clean])?.success()?;
        ensure!(finished.out().is_empty(), "{finished}");
        Ok(())
    })
}

#[test]
fn no_message_repeats_what_a_terminal_would_obey() -> Result<()> {
    as_each_user(|place| {
        let toml = file(place, "esc.toml", "\"\\u001b[2J\" = 1\n")?;
        let rules = file(place, "esc.rules", "prefix_rule(pattern='a \u{1b}[2J\u{202e}')\n")?;
        let cases: &[&[&str]] = &[
            &["test", &toml],
            &["check", "-r", &rules, "a"],
            &["lint", "--\u{1b}[2J", &rules],
            &["\u{1b}[2J\u{202e}"],
        ];
        for arguments in cases {
            let finished = execpolicy(place, arguments)?;
            ensure!(finished.code() != Some(0), "{finished}");
            let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            ensure!(!(finished.err() + &finished.out()).chars().any(hidden), "{finished}");
        }
        Ok(())
    })
}
