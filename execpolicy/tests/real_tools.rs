//! The tools that are installed, asked: the hostile lines of the tables really run a program or write a file,
//! and the guards report each of them. A tool that is missing is skipped aloud, and in CI an error.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a helper that fails fails its test; what is skipped is said"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use execpolicy::Word;
use execpolicy::knowledge::{Effect, Inner, guard_hits, look_through};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// `@ran` is a program that leaves the file `proof`; `{` and `}` are literal.
    argv: String,
    /// What is seen: `runs`, `writes` (the file `out` appears or changes), or `neither`.
    does: String,
    why: String,
}

#[expect(clippy::disallowed_methods, reason = "the test is about what real tools start")]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// A directory with a repository, an archive, a text and the program that leaves a proof.
fn prepare(directory: &Path) {
    let program = directory.join("ran");
    std::fs::write(&program, "#!/bin/sh\n: > \"$(dirname \"$0\")/proof\"\n").unwrap();
    let script =
        "chmod +x ran; printf 'b\\na\\nb\\n' > text; tar cf a.tar text; mkdir sub; echo text > sub/f;
        echo '{\"scripts\":{\"test\":\"true\"}}' > package.json;
        git init -q --template= repo && cd repo && git config user.email a@b && git config user.name a &&
        cp ../text text && git add text && git commit -qm one && echo c >> text && git commit -qam two";
    let done = run(directory, &["sh", "-c", script]);
    assert!(done, "the directory could not be prepared");
}

/// Runs the words with an environment of their own, because some of them heed the caller's: make 4.3 runs the
/// `$(shell …)` of `make 'A:=$(shell …)'` only where `SHELL` is set.
fn run(directory: &Path, argv: &[&str]) -> bool {
    let mut command = command(argv[0]);
    command.args(&argv[1..]).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("HOME", directory).env("SHELL", "/bin/sh").env("LANG", "C").env("PAGER", "cat");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.status().is_ok_and(|status| status.success())
}

fn installed(program: &str) -> bool {
    run(Path::new("/"), &["sh", "-c", &format!("command -v {program}")])
}

/// Says aloud what is left out; `scripts/test` installs what the rows name, so in CI nothing is.
fn skip(program: &str, line: &str) {
    let elsewhere = program.starts_with('/');
    assert!(elsewhere || std::env::var_os("CI").is_none(), "`{program}` is not installed: {line}");
    eprintln!("skipped: `{program}` is not installed: {line}");
}

/// What the run left behind.
fn observe(template: &Path, case: &Case) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert!(run(template, &["cp", "-a", ".", &path.to_string_lossy()]), "the template could not be copied");
    let text = case.argv.replace("@ran", &path.join("ran").to_string_lossy());
    let argv = shlex::split(&text).unwrap();
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let before = std::fs::read(path.join("text")).unwrap();
    let place = if argv[0] == "git" { path.join("repo") } else { path.to_owned() };
    run(&place, &argv);
    let changed = std::fs::read(path.join("text")).ok() != Some(before);
    let ran = path.join("proof").exists();
    let wrote = changed || path.join("out").exists() || path.join("repo/out").exists();
    if ran {
        "runs"
    } else if wrote {
        "writes"
    } else {
        "neither"
    }
    .to_owned()
}

#[test]
fn hostile_lines_do_what_the_tables_say_and_are_reported() {
    let text = include_str!("data/real_tools.toml");
    let mut failures = Vec::new();
    let template = tempfile::tempdir().unwrap();
    prepare(template.path());
    for case in toml::from_str::<Cases>(text).unwrap().case {
        let argv = shlex::split(&case.argv).unwrap();
        if !installed(&argv[0]) {
            skip(&argv[0], &case.argv);
            continue;
        }
        let seen = observe(template.path(), &case);
        if seen != case.does {
            failures.push(format!("{}: {seen}, expected {} ({})", case.argv, case.does, case.why));
        }
        let worst = guard_hits(&Word::all(&argv)).into_iter().map(|hit| hit.effect).max();
        let reported = match case.does.as_str() {
            "runs" => worst == Some(Effect::RunsProgram),
            "writes" => worst >= Some(Effect::WritesFile),
            _ => worst.is_none(),
        };
        if !reported {
            failures.push(format!("{}: reported as {worst:?} ({})", case.argv, case.why));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    /// Each must run `@ran`.
    runs: Vec<String>,
    /// None of these may run it; a run that fails is fine.
    runs_nothing: Vec<String>,
}

/// Whether the words are seen to run a program of this path, behind at most four wrappers or a shell.
fn seen_through(words: &[Word], program: &str, depth: u8) -> bool {
    look_through(words).inner.iter().any(|inner| match inner {
        Inner::Command { words, .. } => {
            let first = words[0].literal();
            let shell = first == Some("sh") || first == Some("/bin/sh");
            let named = words.iter().any(|word| word.literal() == Some(program));
            first == Some(program) || shell && named || depth > 0 && seen_through(words, program, depth - 1)
        }
        Inner::Script { text, .. } => text.trim_start().starts_with(program),
    })
}

/// Whether the words are taken to run the program beyond doubt.
fn surely_runs(words: &[Word], program: &str) -> bool {
    look_through(words).inner.iter().any(|inner| match inner {
        Inner::Command { words, certain, .. } => *certain && words[0].literal() == Some(program),
        Inner::Script { text, certain, .. } => *certain && text.starts_with(program),
    })
}

#[test]
fn wrappers_run_what_is_seen_through_them() {
    let lines = toml::from_str::<Wrapped>(include_str!("data/real_wrappers.toml")).unwrap();
    let template = tempfile::tempdir().unwrap();
    prepare(template.path());
    let program = template.path().join("ran").to_string_lossy().into_owned();
    let proof = template.path().join("proof");
    let root = run(template.path(), &["sh", "-c", "test $(id -u) = 0"]);
    let all =
        lines.runs.iter().map(|line| (line, true)).chain(lines.runs_nothing.iter().map(|line| (line, false)));
    let mut failures = Vec::new();
    for (line, expected) in all {
        let argv = shlex::split(&line.replace("@ran", &program)).unwrap();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        if !installed(argv[0]) {
            skip(argv[0], line);
            continue;
        }
        run(template.path(), &argv);
        let ran = std::fs::remove_file(&proof).is_ok();
        if expected && !ran && !root {
            eprintln!("skipped: needs privileges: {line}");
        } else if ran != expected {
            failures.push(format!("{line}: ran {ran}"));
        }
        let words = Word::all(&argv);
        if expected && !seen_through(&words, &program, 4) || !expected && surely_runs(&words, &program) {
            failures.push(format!("{line}: {:?}", look_through(&words).inner));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
