//! Prefixes that may never be offered as a rule in answer to the model's wish, compared word for word.

use std::sync::LazyLock;

use serde::Deserialize;

use super::tables::{Note, Table, load, table};
use crate::Origin;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    programs: Vec<String>,
    /// Whether the program alone is banned.
    bare: bool,
    /// Second words with which it is banned.
    with: Vec<String>,
    why: String,
    reference: String,
}

static BANNED: LazyLock<Vec<(Vec<String>, Note)>> = LazyLock::new(|| {
    const TABLES: &[Table] = &[table!("banned.toml")];
    load::<Row>(TABLES).into_iter().flat_map(prefixes).collect()
});

fn prefixes((row, origin): (Row, Origin)) -> Vec<(Vec<String>, Note)> {
    let mut found = Vec::new();
    for program in &row.programs {
        let bare = row.bare.then(|| vec![program.clone()]);
        let with = row.with.iter().map(|word| vec![program.clone(), word.clone()]);
        let note = Note { why: row.why.clone(), reference: row.reference.clone(), origin: origin.clone() };
        found.extend(bare.into_iter().chain(with).map(|prefix| (prefix, note.clone())));
    }
    found
}

/// The row that bans exactly this prefix, if one does.
pub fn banned_prefix(prefix: &[String]) -> Option<&'static Note> {
    BANNED.iter().find(|(banned, _)| banned == prefix).map(|(_, note)| note)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BANNED, banned_prefix};

    #[test]
    fn there_are_88_and_none_twice() {
        let distinct: BTreeSet<_> = BANNED.iter().map(|(prefix, _)| prefix).collect();
        assert_eq!((BANNED.len(), distinct.len()), (88, 88));
        assert!(BANNED.iter().all(|(_, note)| !note.why.is_empty() && !note.reference.is_empty()));
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
