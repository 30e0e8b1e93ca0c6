//! Rule files of a repository restrict at most, and broken ones disarm nobody (I10).

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::policy::query::find;
use tests::repository::{OWN_RULES, Repository, Trust, as_each, is};

#[test]
fn rules_that_allow_do_not() -> Result<()> {
    as_each(|place| {
        let theirs = r#"
prefix_rule(pattern=["rm"], decision="allow")
prefix_rule(pattern=["git"], decision="allow")
prefix_rule(pattern=["git", "push"], decision="allow")
prefix_rule(pattern=["bash"], decision="allow")
prefix_rule(pattern=["./evil"], decision="allow")
prefix_rule(pattern=["@WS@/evil"], decision="allow")
host_executable(name="cargo", paths=["@WS@/cargo"])
host_executable(name="git", paths=[])
network_rule(host="evil.test", protocol="https", decision="allow")
"#;
        for trust in Trust::ALL {
            let repository =
                Repository::new(place, trust, "", &[(".codex/rules/a.rules", theirs), ("evil", "")])?;
            repository.own("rules/default.rules", OWN_RULES)?;
            let evil = place.ws().join("evil").display().to_string();
            let cargo = place.ws().join("cargo").display().to_string();
            // The user's own verdicts.
            is(&repository.verdict(&["git", "push"])?, "decision", "forbidden")?;
            is(&repository.verdict(&["/usr/bin/git", "push"])?, "decision", "forbidden")?;
            is(&repository.verdict(&["rm", "-rf", "x"])?, "decision", "prompt")?;
            // Nothing that the repository allows leaves the sandbox; what nobody else allows is as without it.
            for command in
                [&["bash", "-c", "echo > x"][..], &["./evil"], &[&evil], &[&cargo, "build"], &["git", "pull"]]
            {
                is(&repository.verdict(command)?, "sandbox", "inside")
                    .with_context(|| format!("{trust:?} {command:?}"))?;
            }
            is(&repository.verdict(&["cargo", "build"])?, "decision", "allow")?;
            // An untrusted project's default is to ask about everything else.
            let policy = repository.policy()?;
            ensure!(find(&policy, "rules[user].state").is_some_and(|state| state == "loaded"), "{policy:#}");
            if matches!(trust, Trust::Trusted) {
                ensure!(
                    find(&policy, "rules[project].ignored")
                        .and_then(Value::as_u64)
                        .is_some_and(|count| count > 0),
                    "nobody said what is not heard\n{policy:#}"
                );
            }
        }
        Ok(())
    })
}

#[test]
fn a_broken_rule_file_disarms_nobody() -> Result<()> {
    as_each(|place| {
        let endless = "def f():\n    for a in range(1000000):\n        for b in range(1000000):\n            pass\nf()\n";
        let broken = [
            "prefix_rule(",
            "load(\"x\", \"y\")",
            "fail('no')",
            "prefix_rule(pattern=[\"a\"], decision=\"deny\")",
            "prefix_rule(pattern=[\"git\", \"push\"], match=[\"ls\"])",
            "x = [0] * 2000000000",
            endless,
        ];
        for text in broken {
            let files = [
                (".codex/rules/a.rules", text),
                (".codex/rules/b.rules", "prefix_rule(pattern=[\"make\"], decision=\"forbidden\")"),
            ];
            let repository = Repository::new(place, Trust::Trusted, "", &files)?;
            repository.own("rules/default.rules", OWN_RULES)?;
            is(&repository.verdict(&["git", "push"])?, "decision", "forbidden").context(text)?;
            is(&repository.verdict(&["make"])?, "decision", "forbidden").context(text)?;
            is(&repository.verdict(&["cargo", "build"])?, "decision", "allow").context(text)?;
            is(&repository.verdict(&["ls"])?, "decision", "prompt").context(text)?;
            let policy = repository.policy()?;
            is(&policy, "rules[/a.rules].state", "broken")?;
            is(&policy, "rules[/b.rules].state", "loaded")?;
            is(&policy, "rules[user].state", "loaded")?;
        }
        // The same file of a project that is not trusted is not read, and asks nothing.
        let repository =
            Repository::new(place, Trust::Unlisted, "", &[(".codex/rules/a.rules", "prefix_rule(")])?;
        repository.own("rules/default.rules", OWN_RULES)?;
        is(&repository.verdict(&["ls"])?, "decision", "allow")?;
        is(&repository.verdict(&["git", "push"])?, "decision", "forbidden")
    })
}

#[test]
fn a_rules_folder_that_is_no_folder_disarms_nobody() -> Result<()> {
    as_each(|place| {
        for arrange in [
            "mkdir .codex; echo x > .codex/rules",
            "mkdir .codex; ln -s / .codex/rules",
            "mkdir .codex; ln -s ../.codex/rules .codex/rules",
            "mkdir -p .codex/rules/a.rules",
            "mkdir -p .codex/rules; ln -s /dev/zero .codex/rules/a.rules",
            "mkdir -p .codex/rules; ln -s \"$CODEX_HOME/config.toml\" .codex/rules/a.rules",
            "mkdir -p .codex/rules; mkfifo .codex/rules/a.rules",
            "mkdir -p .codex/rules; head -c 3000000 /dev/zero | tr '\\0' '#' > .codex/rules/a.rules",
            "mkdir -p .codex/rules; printf '\\377' > .codex/rules/a.rules",
        ] {
            let repository = Repository::new(place, Trust::Trusted, "", &[])?;
            repository.own("rules/default.rules", OWN_RULES)?;
            let _done = place.sh(arrange)?;
            let mut arguments = vec!["execpolicy", "explain", "--json", "--"];
            arguments.extend(["git", "push"]);
            let finished = repository.codex(&arguments)?;
            // To stop is as good as to forbid.
            let forbidden = finished.out().contains("\"decision\":\"forbidden\"");
            ensure!(forbidden || finished.code() == Some(1), "{arrange}\n{finished}");
            ensure!(!finished.err().contains("panicked"), "{arrange}\n{finished}");
        }
        Ok(())
    })
}

#[test]
fn a_restricting_rule_of_a_trusted_repository_counts() -> Result<()> {
    as_each(|place| {
        let theirs = "prefix_rule(pattern=[\"make\", \"deploy\"], decision=\"forbidden\", justification=\"not from here\")\n\
                      prefix_rule(pattern=[\"cargo\", \"build\"], decision=\"prompt\")\n";
        let files = [(".codex/rules/a.rules", theirs)];
        let repository = Repository::new(place, Trust::Trusted, "", &files)?;
        repository.own("rules/default.rules", OWN_RULES)?;
        is(&repository.verdict(&["make", "deploy"])?, "decision", "forbidden")?;
        is(&repository.verdict(&["cargo", "build"])?, "decision", "prompt")?;
        let repository = Repository::new(place, Trust::Unlisted, "", &files)?;
        is(&repository.verdict(&["make", "deploy"])?, "decision", "allow")
    })
}
