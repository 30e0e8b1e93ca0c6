//! Which prefixes may be offered as an allowing rule, and what else such a rule would let through.

use std::sync::LazyLock;

use serde::Deserialize;

use super::dangerous::danger;
use super::guards::{guard_hits, unknown_subcommand};
use super::interpreters::{code_word, interpreter};
use super::options::What;
use super::syntax::{levels, tool_key};
use super::tables::{Index, Note, Table, table};
use super::wrappers::{is_wrapper, look_through, wraps};
use super::{banned_prefix, subcommands};
use crate::{Origin, Word};

/// What a row refuses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Refuse {
    /// Nothing; the row has examples only.
    #[default]
    Nothing,
    /// The words of the row alone: something has to follow.
    Bare,
    /// Every prefix that begins with them.
    Always,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    refuse: Refuse,
    /// Other commands that the prefix would allow, worst first.
    #[serde(default)]
    examples: Vec<String>,
    why: String,
    reference: String,
}

struct Offer {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Offer {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("offers");

static OFFERS: LazyLock<Index<Offer>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// Why a prefix must not be offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It has no words, or an empty program.
    Empty,
    /// A row of a table speaks against it.
    Known(&'static Note),
}

/// Whether a rule that allows every command with this prefix may be offered at all.
///
/// Refused is whatever hands over control: shells, interpreters (with a script, too: the agent may write the
/// script), wrappers, editors, package runners, dangerous commands, and options that run programs or write
/// files. A tool that runs code of the project may be offered once the prefix names what it runs.
///
/// # Errors
/// The reason for the refusal.
pub fn offerable(prefix: &[String]) -> Result<(), Refusal> {
    let words = Word::all(prefix);
    let Some(program) = prefix.first().filter(|program| !program.is_empty()) else {
        return Err(Refusal::Empty);
    };
    let key = tool_key(program);
    let known = banned_prefix(prefix)
        .or_else(|| interpreter(program))
        .or_else(|| code_word(&words).map(|code| code.note))
        .or_else(|| danger(&words).map(|danger| danger.note))
        .or_else(|| is_wrapper(&key).then(|| wraps(&words)).flatten())
        .or_else(|| wraps(&words))
        .or_else(|| refused(&words))
        .or_else(|| runs_something(&words))
        .or_else(|| guarded(&words))
        .or_else(|| unknown_subcommand(&words));
    known.map_or(Ok(()), |note| Err(Refusal::Known(note)))
}

/// A row that refuses the prefix.
fn refused(words: &[Word]) -> Option<&'static Note> {
    levels(words).iter().find_map(|level| {
        // Options alone say no more than the bare name: a target or sub-command may follow.
        let bare = !level.items.iter().any(|item| matches!(item.what, What::Operand(_)));
        let mut rows = OFFERS.of(&level.key);
        rows.find(|offer| match offer.row.refuse {
            Refuse::Nothing => false,
            Refuse::Bare => bare,
            Refuse::Always => true,
        })
        .map(|offer| &offer.note)
    })
}

/// A command that a wrapper's option in the prefix holds.
fn runs_something(words: &[Word]) -> Option<&'static Note> {
    let found = look_through(words);
    let first = found.inner.first().map(|inner| inner.how());
    first.or_else(|| found.unclear.map(|unclear| unclear.how))
}

/// A guarded option in the prefix; a sub-command that the prefix names is no option.
fn guarded(words: &[Word]) -> Option<&'static Note> {
    let named: Vec<usize> = levels(words).iter().map(|level| level.at).collect();
    let option = |at: usize| !named.contains(&at);
    guard_hits(words).into_iter().find(|hit| option(hit.words.start)).map(|hit| hit.note)
}

/// How many examples are shown.
const EXAMPLES: usize = 3;

/// Other commands that a rule for this prefix would allow too, worst first.
pub fn other_commands(prefix: &[String]) -> Vec<String> {
    let words = Word::all(prefix);
    let whole = levels(&words).into_iter().find(|level| level.at.saturating_add(1) == prefix.len());
    let known: Vec<String> = whole.map(|level| examples(&level.key)).unwrap_or_default();
    if known.is_empty() { generic(prefix) } else { known }
}

fn examples(command: &str) -> Vec<String> {
    let start = format!("{command} ");
    let all = OFFERS.of(command).flat_map(|offer| &offer.row.examples);
    all.filter(|example| example.starts_with(&start)).take(EXAMPLES).cloned().collect()
}

fn generic(prefix: &[String]) -> Vec<String> {
    let text = prefix.iter().map(|word| shown(word)).collect::<Vec<_>>().join(" ");
    let below = subcommands::has_subcommands(prefix);
    if below {
        vec![format!("{text} ANY-SUBCOMMAND"), format!("{text} ANY-SUBCOMMAND --any-option")]
    } else {
        vec![format!("{text} --any-option"), format!("{text} any/other/file")]
    }
}

fn shown(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.escape_debug().to_string(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::{OFFERS, offerable, other_commands};

    #[test]
    fn every_row_has_a_reason_and_examples_that_fit() {
        for (commands, offer) in OFFERS.rows() {
            assert!(!offer.note.why.is_empty() && !offer.note.reference.is_empty(), "{}", offer.note.origin);
            for example in &offer.row.examples {
                let fits = commands.iter().any(|command| example.starts_with(&format!("{command} ")));
                assert!(fits, "{}: {example}", offer.note.origin);
            }
        }
    }

    #[test]
    fn what_may_be_offered() {
        let may = |text: &str| offerable(&shlex::split(text).unwrap()).is_ok();
        for text in [
            "git log",
            "git push",
            "git push origin",
            "cargo test",
            "npm run test",
            "make test",
            "ls",
            "ls -l",
            "gh pr list",
            "apt-get update",
            "grep -r x",
            "docker ps",
            "terraform plan",
            "pytest tests",
            "make -j4 test",
            "perf list",
            "git push origin main",
        ] {
            assert!(may(text), "{text}");
        }
        for text in [
            "",
            "bash",
            "bash -c x",
            "sh x.sh",
            "/usr/bin/bash x",
            "python3 manage.py test",
            "python3.12 x.py",
            "node x.js",
            "sudo",
            "sudo ls",
            "env X=1 ls",
            "xargs rm",
            "timeout 5 ls",
            "git",
            "git -c x=y log",
            "git log --output=x",
            "rm",
            "rm -r build",
            "rm -f",
            "rm -rf q",
            "find . -delete",
            "find . -exec ls ;",
            "npx eslint",
            "npm exec eslint",
            "uv run x",
            "uvx ruff",
            "vim",
            "vim x",
            "npm run",
            "npm",
            "make",
            "cargo",
            "cargo run",
            "docker run",
            "docker run alpine",
            "ssh host",
            "ssh",
            "eval ls",
            "trap",
            "sed -i s/a/b/",
            "awk",
            "gdb x",
            "sqlite3 x.db",
            "find",
            "tee x",
            "busybox ls",
            "poetry run x",
            "cargo watch",
            "deno run x.ts",
            "ed x",
            "crontab",
            "at now",
            "docker",
            "go run x.go",
            "perf",
            "perf stat",
            "mpirun",
            "mpirun x",
            "sshpass -p x ssh h",
            "nix",
            "nix-shell",
            "make -j4",
            "make -f x test",
            "make CC=x test",
            "git bisect",
            "git bisect run x",
            "git bisect start",
            "git push /x",
            "git push ../x main",
            "git foo",
            "git --no-pager",
            "npm foo",
            "npm exe p",
            "npm -s",
            "curl -s",
        ] {
            assert!(!may(text), "{text}");
        }
    }

    #[test]
    fn examples_show_what_else_would_run() {
        let others = |text: &str| other_commands(&shlex::split(text).unwrap());
        assert!(others("git push").contains(&"git push --force".to_owned()));
        assert_eq!(others("ls -l"), ["ls -l --any-option", "ls -l any/other/file"]);
        assert_eq!(others("pip")[0], "pip ANY-SUBCOMMAND");
    }
}
