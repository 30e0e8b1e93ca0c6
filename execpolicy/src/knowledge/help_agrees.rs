//! The tools that are installed, asked: an option that takes no value by their own help takes none in the tables,
//! or the reader would skip the word behind it, or the letters bundled with it. A tool that is missing is skipped
//! aloud.

use std::process::{Command, Stdio};

use super::syntax::{Syntax, Takes, of};

/// Where the help is not what it seems, or where the table errs on purpose.
const EXCEPT: &[(&str, &str)] = &[
    // `-x proxy`: the brackets stand around a part of the value.
    ("curl", "-x"),
    ("curl", "--proxy"),
    // As printed, every name of the group has the value: `-M[<n>]`.
    ("git diff", "-B"),
    ("git diff", "-C"),
    ("git diff", "-M"),
    // The value is the group `(A|C|D…)`, and required.
    ("git diff", "--diff-filter"),
    ("git range-diff", "--diff-filter"),
    ("git am", "--resolvemsg"),
    // Said of another option in the text.
    ("strace", "-e"),
];

#[expect(clippy::disallowed_methods, reason = "the test is about what real tools say")]
fn help(command: &str) -> Option<String> {
    let mut words = command.split(' ');
    let mut process = Command::new(words.next()?);
    process.args(words);
    match command.split(' ').collect::<Vec<_>>().as_slice() {
        ["git", _, ..] | ["rg"] => process.arg("-h"),
        ["curl"] => process.args(["--help", "all"]),
        _ => process.arg("--help"),
    };
    process.env("LC_ALL", "C").env("PAGER", "cat").stdin(Stdio::null()).current_dir("/");
    let output = process.output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// What the help says of one option.
#[derive(Debug, Eq, PartialEq)]
struct Said {
    /// `-o`, `--output`.
    name: String,
    takes: Takes,
}

/// The options of one line of help: `-o, --[no-]output <file>   where to`.
fn said(line: &str, brackets: bool) -> Vec<Said> {
    let Some(spec) = Some(line.trim_start()).filter(|text| text.starts_with('-') && line.starts_with(' '))
    else {
        return Vec::new();
    };
    let spec = spec.split("  ").next().unwrap_or(spec).split('\t').next().unwrap_or(spec);
    let parts: Vec<_> = spec.split(", ").filter_map(|part| one(part, brackets)).collect();
    // `-o, --output=FILE` speaks of both.
    let group = parts.iter().map(|(_, takes)| *takes).find(|takes| *takes != Takes::Nothing);
    let takes = group.unwrap_or(Takes::Nothing);
    parts.into_iter().map(|(name, _)| Said { name, takes }).collect()
}

fn one(part: &str, brackets: bool) -> Option<(String, Takes)> {
    let part = Some(part).filter(|part| part.starts_with('-'))?.replacen("[no-]", "", 1);
    let dashes = part.chars().take_while(|c| *c == '-').count();
    let name_ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let end = part.get(dashes..)?.find(name_ends).map_or(part.len(), |at| at + dashes);
    let (name, rest) = part.split_at(end);
    if end == dashes || dashes == 1 && name.len() != 2 || dashes > 2 {
        return None;
    }
    let takes = match rest.trim_start().chars().next() {
        None => Takes::Nothing,
        Some('[') => Takes::Optional,
        // Behind one blank stands the description, where values stand in brackets.
        Some(c) if brackets && !matches!(c, '<' | '(' | '=') => Takes::Nothing,
        Some(_) => Takes::Value,
    };
    Some((name.to_owned(), takes))
}

/// What the table makes of it; none if it does not know it, and then reads on.
fn in_table(syntax: &Syntax, name: &str) -> Option<Takes> {
    let Some(long) = name.strip_prefix("--") else {
        return name.chars().nth(1).and_then(|letter| syntax.short.get(&letter).copied());
    };
    if let Some(takes) = syntax.long.get(long) {
        return Some(*takes);
    }
    let fits: Vec<_> =
        syntax.long.iter().filter(|(known, _)| syntax.abbreviates && known.starts_with(long)).collect();
    match fits.as_slice() {
        [(_, takes)] => Some(**takes),
        _ => None,
    }
}

fn hides(said: &Takes, table: Takes, is_letter: bool) -> bool {
    match (said, table) {
        (Takes::Nothing | Takes::Optional, Takes::Value | Takes::Command) => true,
        // What is bundled with the letter would be its value.
        (Takes::Nothing, Takes::Optional) => is_letter,
        _ => false,
    }
}

#[expect(clippy::print_stderr, reason = "what is skipped is said")]
#[test]
fn what_takes_no_value_hides_nothing() {
    const COMMANDS: &[&str] = &[
        "tar",
        "make",
        "sort",
        "sed",
        "find",
        "xargs",
        "env",
        "timeout",
        "rsync",
        "rg",
        "curl",
        "grep",
        "split",
        "shuf",
        "uniq",
        "cp",
        "mv",
        "ln",
        "install",
        "patch",
        "date",
        "nice",
        "stdbuf",
        "chroot",
        "flock",
        "unshare",
        "nsenter",
        "setpriv",
        "taskset",
        "ionice",
        "watch",
        "script",
        "strace",
        "hyperfine",
        "psql",
        "git add",
        "git archive",
        "git am",
        "git apply",
        "git blame",
        "git branch",
        "git cat-file",
        "git checkout",
        "git checkout-index",
        "git cherry-pick",
        "git clean",
        "git clone",
        "git commit",
        "git config",
        "git diff",
        "git difftool",
        "git fetch",
        "git format-patch",
        "git grep",
        "git help",
        "git init",
        "git log",
        "git ls-files",
        "git ls-remote",
        "git ls-tree",
        "git merge",
        "git merge-file",
        "git notes edit",
        "git pack-objects",
        "git pull",
        "git push",
        "git range-diff",
        "git read-tree",
        "git rebase",
        "git remote add",
        "git replace",
        "git reset",
        "git restore",
        "git rev-parse",
        "git revert",
        "git rm",
        "git send-pack",
        "git shortlog",
        "git show",
        "git show-ref",
        "git status",
        "git switch",
        "git symbolic-ref",
        "git tag",
        "git update-index",
        "git worktree add",
    ];
    let mut failures = Vec::new();
    let mut seen = 0;
    for command in COMMANDS {
        let Some(text) = help(command) else {
            eprintln!("skipped: `{command}` is not installed");
            continue;
        };
        let syntax = of(command);
        let brackets = command.starts_with("git ") || *command == "curl";
        for Said { name, takes } in text.lines().flat_map(|line| said(line, brackets)) {
            seen += 1;
            let table = in_table(syntax, &name);
            let letter = !name.starts_with("--");
            if !EXCEPT.contains(&(*command, name.as_str()))
                && table.is_some_and(|table| !syntax.mixed && hides(&takes, table, letter))
            {
                failures.push(format!("{command} {name}: {takes:?} by its help, {table:?} in the table"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(seen > 500 || cfg!(not(target_os = "linux")), "only {seen} options were read");
}

#[test]
fn help_is_read() {
    let read = |line| said(line, true).into_iter().map(|said| (said.name, said.takes)).collect::<Vec<_>>();
    assert_eq!(
        read("  -t, --list                 list"),
        [("-t".into(), Takes::Nothing), ("--list".into(), Takes::Nothing)]
    );
    assert_eq!(
        read("    -u, --[no-]update-head-ok allow"),
        [("-u".into(), Takes::Nothing), ("--update-head-ok".into(), Takes::Nothing)]
    );
    assert_eq!(
        read("  -o, --output=<file>   write"),
        [("-o".into(), Takes::Value), ("--output".into(), Takes::Value)]
    );
    assert_eq!(
        read("  -f <file>, --file=<file>"),
        [("-f".into(), Takes::Value), ("--file".into(), Takes::Value)]
    );
    assert_eq!(read("    --color[=<when>]"), [("--color".into(), Takes::Optional)]);
    assert_eq!(read("usage: x"), []);
}
