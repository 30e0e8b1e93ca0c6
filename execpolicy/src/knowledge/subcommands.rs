//! Which words of a command name what it does: the program, and its sub-command where it has such.

use std::sync::LazyLock;

use serde::Deserialize;

use super::options::{What, read};
use super::syntax::{of, tool_key};
use super::tables::{Index, Table, load, table};
use crate::Word;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    command: Vec<String>,
    /// How many words name the sub-command.
    words: usize,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the table; a test wants it present"))]
    why: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the table; a test wants it present"))]
    reference: String,
}

const TABLES: &[Table] = &[table!("subcommands.toml")];

static TOOLS: LazyLock<Index<Row>> = LazyLock::new(|| {
    Index::new(load::<Row>(TABLES).into_iter().map(|(row, _)| row).collect(), |row| &row.command)
});

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
    use super::{TOOLS, subcommand};

    #[test]
    fn every_row_has_a_reason() {
        for row in TOOLS.rows() {
            assert!(!row.why.is_empty() && !row.reference.is_empty() && row.words > 0, "{:?}", row.command);
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
}
