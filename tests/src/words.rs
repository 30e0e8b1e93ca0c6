//! The placeholders in the strings of a row: `{ws}` and its like become paths and numbers of one run.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

/// Every placeholder and what it stands for.
pub const KNOWN: [(&str, &str); 20] = [
    ("ws", "the workspace, in which the command starts"),
    ("home", "HOME, which holds `.codex`, the CODEX_HOME"),
    ("config", "the CODEX_HOME"),
    ("system", "the folder in the place of `/etc/codex`; only in the rows about policy"),
    ("out", "a directory beside the workspace that must stay as it is"),
    ("host", "a directory for notes between `setup` and `after`, not looked at"),
    ("scratch", "the directory that holds the four above"),
    ("uid", "the user id"),
    ("gid", "the group id"),
    ("user", "the user name"),
    ("mark", "a name that no other run has"),
    ("backend", "the value of `--backend`"),
    ("codex", "the program under test"),
    ("python", "the python3 that the row uses"),
    ("tcp_port", "a TCP port of 127.0.0.1 on which the harness listens"),
    ("udp_port", "a UDP port of 127.0.0.1 on which the harness listens"),
    ("stream_socket", "the path of a Unix stream socket on which the harness listens"),
    ("datagram_socket", "the path of a Unix datagram socket on which the harness listens"),
    (
        "abstract_socket",
        "the name (without the leading NUL) of an abstract Unix stream socket on which it listens",
    ),
    ("host_pid", "a process of the same user outside the sandbox, which must survive"),
];

/// The values of one run.
#[derive(Debug, Default)]
pub struct Words(BTreeMap<&'static str, String>);

impl Words {
    /// Sets the value of a placeholder.
    pub fn set(&mut self, word: &'static str, value: impl ToString) {
        let _previous = self.0.insert(word, value.to_string());
    }

    /// Replaces every placeholder in `text`.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (word, value) in &self.0 {
            filled = filled.replace(&format!("{{{word}}}"), value);
        }
        filled
    }
}

/// Refuses text with a `{word}` that is no placeholder: it would reach the command unreplaced. A
/// shell's `${word}` is left alone, so a placeholder cannot follow a dollar sign.
///
/// # Errors
/// Names the unknown word.
pub fn check(text: &str) -> Result<()> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        rest = after;
        let Some((word, _)) = after.split_once('}') else { break };
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let known = KNOWN.iter().any(|(name, _)| *name == word);
        if before.ends_with('$') {
            ensure!(!known, "`${{{word}}}` is the shell's: write `{{{word}}}`");
        } else {
            ensure!(!is_word || known, "`{{{word}}}` is not a placeholder");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_words_are_placeholders() {
        for good in ["", "{ws}/a {out}", "${HOME} ${x:-1} awk '{ print $1 }' {}", "a{1,2}"] {
            check(good).unwrap();
        }
        for bad in ["{wss}", "a {b}", "${ws}"] {
            check(bad).unwrap_err();
        }
    }

    #[test]
    fn filling_replaces_each_occurrence() {
        let mut words = Words::default();
        words.set("ws", "/w");
        words.set("uid", 7);
        assert_eq!(words.fill("{ws} {ws}/{uid} {out}"), "/w /w/7 {out}");
    }
}
