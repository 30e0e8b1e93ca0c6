//! Which words of a command name what it does: the program, and its sub-command where it has such.

use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{What, read};
use super::syntax::{knows, of, tool_key};
use super::tables::{Index, Table, table};
use crate::{Origin, Word};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// How many words name the sub-command.
    words: usize,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the table; a test wants it present"))]
    why: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the table; a test wants it present"))]
    reference: String,
}

impl From<(Row, Origin)> for Row {
    fn from((row, _): (Row, Origin)) -> Self {
        row
    }
}

pub(super) const TABLE: &Table = &table!("subcommands");

static TOOLS: LazyLock<Index<Row>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// How many words, from the first, make up the program and its sub-command: 2 for `git log -p`. None for a
/// program without sub-commands, or when the words do not clearly name one.
pub fn subcommand(words: &[String]) -> Option<usize> {
    let key = tool_key(words.first()?);
    let count = TOOLS.of(&key).next()?.words;
    let typed = Word::all(words);
    let first = read(of(&key), &typed, 1).into_iter().find_map(|item| match item.what {
        What::Operand(_) if item.sure => Some(item.words.start),
        What::Option { known: true, .. } => None,
        // Past anything unclear, no word surely names a sub-command.
        What::Operand(_) | What::Option { .. } | What::Assignment | What::End | What::Unknown => {
            Some(usize::MAX)
        }
    })?;
    let named = words.iter().skip(first).take(count).take_while(|word| is_name(word)).count();
    (named > 0).then(|| first.saturating_add(named))
}

/// The words without the options that stand in front of the sub-command: `git push x` for
/// `git -C . --no-pager push x`. None when nothing was left out, or the program has no sub-commands.
///
/// For rules that restrict: where options are not understood, some word is taken for the sub-command.
pub fn without_global_options(words: &[Word]) -> Option<Vec<Word>> {
    const DEPTH: usize = 3;
    let mut kept = vec![words.first()?.clone()];
    let mut key = tool_key(words.first()?.literal()?);
    let mut at = 0_usize;
    for _ in 0..DEPTH {
        if !(of(&key).subcommands || TOOLS.knows(&key)) {
            break;
        }
        let Some((name, place)) = named(&key, words, at.saturating_add(1)) else { break };
        kept.push(words.get(place)?.clone());
        key = format!("{key} {name}");
        at = place;
    }
    kept.extend(words.iter().skip(at.saturating_add(1)).cloned());
    (kept.len() < words.len()).then_some(kept)
}

/// The first operand that surely is one; else the last that names something in the tables, else the last.
fn named(key: &str, words: &[Word], from: usize) -> Option<(String, usize)> {
    let mut perhaps: Option<(String, usize)> = None;
    for item in read(of(key), words, from) {
        let What::Operand(name) = item.what else { continue };
        let found = (name, item.words.start);
        if item.sure {
            return Some(perhaps.unwrap_or(found));
        }
        if perhaps.is_none() || knows(&format!("{key} {}", found.0)) {
            perhaps = Some(found);
        }
    }
    perhaps
}

/// Whether these words are a program, alone, that has sub-commands.
pub(crate) fn has_subcommands(prefix: &[String]) -> bool {
    matches!(prefix, [program] if TOOLS.knows(&tool_key(program)))
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))
}

#[cfg(test)]
mod tests {
    use super::{TOOLS, subcommand, without_global_options};
    use crate::Word;

    #[test]
    fn every_row_has_a_reason() {
        for (commands, row) in TOOLS.rows() {
            assert!(!row.why.is_empty() && !row.reference.is_empty() && row.words > 0, "{commands:?}");
        }
        for (command, rows) in TOOLS.commands() {
            assert_eq!(rows, 1, "{command}");
        }
    }

    #[test]
    fn sub_commands_by_tool() {
        let count = |text: &str| subcommand(&shlex::split(text).unwrap());
        for (text, expected) in [
            ("git log -p", Some(2)),
            ("git --no-pager log", Some(3)),
            ("git -p", None),
            ("git ./x", None),
            ("cargo test --all", Some(2)),
            ("npm run build -- --watch", Some(3)),
            ("npm test", Some(2)),
            ("gh pr list", Some(3)),
            ("gh pr -R x", Some(2)),
            ("aws s3 ls s3://b", Some(3)),
            ("ls -l", None),
            ("docker ps -a", Some(2)),
            ("git --unheard-of log", None),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
    }

    #[test]
    fn global_options_are_left_out() {
        let left = |text: &str| {
            let words = without_global_options(&Word::all(&shlex::split(text).unwrap()))?;
            Some(words.iter().map(|word| word.literal().unwrap().to_owned()).collect::<Vec<_>>().join(" "))
        };
        for (text, expected) in [
            ("git -C . --no-pager push x", Some("git push x")),
            ("git -c a.b=c push -f", Some("git push -f")),
            ("git push -f", None),
            ("git push", None),
            ("git --no-pager", None),
            ("git --unheard-of x push y", Some("git push y")),
            ("cargo +nightly --locked test", Some("cargo test")),
            ("npm --prefix=x test", Some("npm test")),
            ("docker --context x run y", Some("docker run y")),
            ("kubectl -n x delete pod y", Some("kubectl delete pod y")),
            ("ls -l x", None),
            ("git -- push", Some("git push")),
        ] {
            assert_eq!(left(text).as_deref(), expected, "{text}");
        }
    }
}
