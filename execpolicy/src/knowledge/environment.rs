//! Wrappers that change what their inner command stands in: variables, directory, root or user.

use std::sync::LazyLock;

use serde::Deserialize;

use super::options::What;
use super::syntax::levels;
use super::tables::{Index, Table, table};
use crate::{Origin, Word};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// With these options.
    #[serde(default)]
    options: Vec<String>,
    /// With `NAME=VALUE` in front of the inner command.
    #[serde(default)]
    assignments: bool,
    /// Whatever its options.
    #[serde(default)]
    always: bool,
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

pub(super) const TABLE: &Table = &table!("environment");

static CHANGES: LazyLock<Index<Row>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// Whether these words, if they start another program, set or unset its variables, or change its directory,
/// root or user. What an allowing rule for the wrapper, and one for the inner command, do not speak of.
///
/// For a tool of the table, an option that is not known and a word known only when it runs count as a change.
pub fn environment_changes(words: &[Word]) -> bool {
    levels(words).iter().any(|level| {
        CHANGES.of(&level.key).any(|row| {
            row.always
                || level.items.iter().any(|item| match &item.what {
                    What::Option { name, known, .. } => !known || row.options.contains(name),
                    What::Assignment => row.assignments,
                    // Behind the first operand stands the inner command, which may be anything.
                    What::Unknown => item.sure,
                    What::Operand(_) | What::End => false,
                })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{CHANGES, environment_changes};
    use crate::Word;
    use crate::knowledge::syntax::{knows, of};

    #[test]
    fn every_row_has_a_reason_and_a_syntax_that_knows_its_options() {
        for (commands, row) in CHANGES.rows() {
            assert!(!row.why.is_empty() && !row.reference.is_empty(), "{commands:?}");
            assert!(row.always || row.assignments || !row.options.is_empty(), "{commands:?}");
            for command in &commands {
                assert!(row.options.is_empty() || knows(command), "no syntax for {command}");
            }
            for option in &row.options {
                assert!(commands.iter().any(|command| of(command).knows(option)), "{option}");
            }
        }
    }

    #[test]
    fn what_changes_the_surroundings() {
        let changes = |text: &str| {
            let words = shlex::split(text).unwrap();
            let word = |text: String| if text == "…" { Word::Unknown } else { Word::Literal(text) };
            environment_changes(&words.into_iter().map(word).collect::<Vec<_>>())
        };
        for text in [
            "env X=1 ls",
            "env -i ls",
            "env -uX ls",
            "env -C / ls",
            "env --chd=/ ls",
            "env -S 'X=1 ls'",
            "env … ls",
            "env --unheard-of ls",
            "sudo ls",
            "sudo X=1 ls",
            "strace -E X=1 ls",
            "strace --env=X=1 ls",
            "chroot / ls",
            "su -c ls",
            "unshare -r ls",
            "find . -execdir ls ;",
            "exec -c ls",
            "command -p ls",
            "uv run --directory x ls",
            "docker run x ls",
        ] {
            assert!(changes(text), "{text}");
        }
        for text in [
            "env ls",
            "env -v ls",
            "env -- ls -i",
            "env ls X=1",
            "nice -n 5 ls",
            "timeout 5 env",
            "strace -f ls -E x",
            "find . -exec ls ;",
            "xargs ls",
            "command ls -p",
            "uv run ls",
            "ls",
            "git -C x log",
        ] {
            assert!(!changes(text), "{text}");
        }
    }
}
