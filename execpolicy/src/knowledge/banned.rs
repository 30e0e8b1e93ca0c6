//! Prefixes that may never be offered as a rule in answer to the model's wish, compared word for word.

use std::sync::LazyLock;

use serde::Deserialize;

use super::tables::{Index, Note, Table, table};
use crate::Origin;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Whether the program alone is banned.
    bare: bool,
    /// Second words with which it is banned.
    with: Vec<String>,
    why: String,
    reference: String,
}

struct Banned {
    row: Row,
    note: Note,
}

impl From<(Row, Origin)> for Banned {
    fn from((row, origin): (Row, Origin)) -> Self {
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin };
        Self { row, note }
    }
}

pub(super) const TABLE: &Table = &table!("banned");

static BANNED: LazyLock<Index<Banned>> = LazyLock::new(|| Index::new::<Row>(TABLE));

/// The row that bans exactly this prefix, if one does.
pub fn banned_prefix(prefix: &[String]) -> Option<&'static Note> {
    let (program, rest) = prefix.split_first()?;
    let bans = |row: &Row| match rest {
        [] => row.bare,
        [word] => row.with.contains(word),
        [_, _, ..] => false,
    };
    BANNED.of(program).find(|banned| bans(&banned.row)).map(|banned| &banned.note)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BANNED, banned_prefix};

    #[test]
    fn there_are_88_and_none_twice() {
        let mut prefixes = Vec::new();
        for (programs, banned) in BANNED.rows() {
            assert!(!banned.note.why.is_empty() && !banned.note.reference.is_empty());
            for program in programs {
                prefixes.extend(banned.row.bare.then(|| vec![program]));
                prefixes.extend(banned.row.with.iter().map(|word| vec![program, word.as_str()]));
            }
        }
        assert_eq!((prefixes.len(), prefixes.iter().collect::<BTreeSet<_>>().len()), (88, 88));
    }

    #[test]
    fn only_the_exact_words_are_banned() {
        let banned = |text: &str| banned_prefix(&shlex::split(text).unwrap()).is_some();
        for text in
            ["bash", "/bin/zsh -lc", "pwsh -ec", "npm run", "py -3", "git", "bun run", "dash -c", "rm"]
        {
            assert!(banned(text), "{text}");
        }
        for text in ["npm", "npm run test", "bash -c x", "git log", "pypy -c", "dash -lc", "python3 x.py"] {
            assert!(!banned(text), "{text}");
        }
    }
}
