//! Secrets that a script writes out for a command to read: `echo X | docker login --password-stdin`.

use super::names::is_secret;
use super::words::{Action, program};

/// Options that say that a secret comes from standard input.
const FROM_INPUT: [&str; 6] =
    ["--password-stdin", "--with-token", "--token-stdin", "--pass-stdin", "--passphrase-fd", "--stdin"];

/// Programs that read one, if the command has this word.
const READERS: [(&str, Option<&str>); 10] = [
    ("chpasswd", None),
    ("cryptsetup", None),
    ("gh", Some("secret")),
    ("openssl", Some("stdin")),
    ("pass", Some("insert")),
    ("passwd", None),
    ("smbpasswd", Some("-s")),
    ("sudo", Some("-S")),
    ("wpa_passphrase", None),
    ("wrangler", Some("secret")),
];

/// Whether a command reads a secret from its standard input.
pub(super) fn reads_secret(words: &[&str]) -> bool {
    let runs = |name: &str| words.iter().any(|word| word.rsplit('/').next() == Some(name));
    let has = |word: &Option<&str>| word.is_none_or(|word| words.contains(&word));
    let stdin = words.contains(&"--stdin") && !runs("passwd");
    (!stdin && words.iter().any(|word| FROM_INPUT.contains(word)))
        || READERS.iter().any(|(name, word)| runs(name) && has(word))
}

/// [`reads_secret`], of a whole command.
pub(super) fn reads(command: &[String]) -> bool {
    reads_secret(&command.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Hides what a command writes that only repeats its words.
pub(super) fn echoed(words: &[&str], actions: &mut [Action]) {
    let writer = program(words);
    if !matches!(writer, "echo" | "printf") {
        return;
    }
    let text =
        words.iter().zip(actions).skip_while(|(word, _)| word.rsplit('/').next() != Some(writer)).skip(1);
    for (word, action) in text {
        let format = writer == "printf" && word.contains('%') && !word.contains(char::is_alphanumeric);
        let format = format || matches!(*word, "%s" | "%s\\n" | "%s\\0" | "-n" | "-e" | "-ne" | "--");
        if !format && !word.starts_with(['>', '<']) {
            *action = Action::Hide;
        }
    }
}

/// The last line of the text behind `<<` if that is read as a secret.
pub(super) fn here_document<'a>(words: &[&'a str]) -> Option<&'a str> {
    if !reads_secret(words) {
        return None;
    }
    let is_start = |word: &&str| word.starts_with("<<") && !word.starts_with("<<<");
    let at = words.iter().position(is_start)?;
    let glued = words.get(at)?.trim_start_matches(['<', '-']);
    let word = if glued.is_empty() { words.get(at.saturating_add(1))? } else { glued };
    Some(word.trim_matches(['"', '\'', '\\']))
}

/// Hides the word behind `<<<` if it is read as a secret.
pub(super) fn here_string(words: &[&str], actions: &mut [Action]) {
    let Some(at) = words.iter().position(|word| word.starts_with("<<<")) else { return };
    let names_one = words.first() == Some(&"read") && words.iter().take(at).any(|word| is_secret(word));
    if !names_one && !reads_secret(words) {
        return;
    }
    let glued = words.get(at).is_some_and(|word| word.len() > 3);
    let place = if glued { at } else { at.saturating_add(1) };
    if let Some(action) = actions.get_mut(place) {
        *action = if glued { Action::HideFrom(3) } else { Action::Hide };
    }
}
