//! The words of a command: which of them, or which part of one, is a secret because of its neighbours.

use super::names::is_secret;
use super::programs::{Gives, OPTIONS, SHELLS, WRAPPERS, by_place, enters, in_cluster, is_known};

/// What becomes of a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// It is text, which may hold secrets.
    Text,
    /// It is a secret.
    Hide,
    /// It is one from this byte on.
    HideFrom(usize),
}

/// What becomes of each word of one command.
pub(super) fn classify(words: &[&str]) -> Vec<Action> {
    let program = program(words);
    let mut hides = Hide::Nothing;
    let mut configures = matches!(program, "nmcli" | "setenv");
    let mut actions = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let action = match hides {
            Hide::Nothing => Action::Text,
            // Another option, or where standard input comes from.
            Hide::Word if word.starts_with("--") || matches!(*word, "<" | "<<" | "<<<") => Action::Text,
            Hide::Word => Action::Hide,
            Hide::After(mark) => match word.find(mark) {
                Some(at) => Action::HideFrom(at.saturating_add(mark.len_utf8())),
                None => Action::Text,
            },
            Hide::IfRandom if looks_random(word) => Action::Hide,
            Hide::IfRandom => Action::Text,
            // A word of a sentence is not meant: `set token limits`.
            Hide::Setting if word.bytes().all(|byte| byte.is_ascii_lowercase()) => Action::Text,
            Hide::Setting => Action::Hide,
        };
        hides = Hide::Nothing;
        let action = match action {
            Action::Text => {
                let (own, next) = look_at(word, program, words, configures);
                hides = next;
                match own {
                    Action::Text => by_place(program, words, at),
                    Action::Hide | Action::HideFrom(_) => own,
                }
            }
            Action::Hide | Action::HideFrom(_) => action,
        };
        configures = configures || matches!(*word, "set" | "config" | "configure");
        actions.push(action);
    }
    if program == "htpasswd" && words.iter().any(|word| word.starts_with('-') && word.contains('b')) {
        actions.last_mut().into_iter().for_each(|last| *last = Action::Hide);
    }
    actions
}

/// What is known about the next word.
#[derive(Clone, Copy)]
enum Hide {
    Nothing,
    Word,
    After(char),
    IfRandom,
    Setting,
}

/// What a word says about itself and the next one.
fn look_at(word: &str, program: &str, words: &[&str], configures: bool) -> (Action, Hide) {
    for (_, options, gives) in OPTIONS.iter().filter(|(programs, ..)| programs.contains(&program)) {
        for option in *options {
            let Some(rest) = word.strip_prefix(option) else { continue };
            let long = option.starts_with("--");
            let value_at = match rest.strip_prefix('=') {
                Some(_) if long => option.len().saturating_add(1),
                None if long && !rest.is_empty() => continue,
                Some(_) | None => option.len(),
            };
            let value = word.get(value_at..).unwrap_or_default();
            let inside = |at: usize| Action::HideFrom(value_at.saturating_add(at));
            match gives {
                Gives::With(other) if !words.contains(other) => {}
                Gives::Next if !value.is_empty() => {}
                Gives::Value | Gives::Next | Gives::With(_) if value.is_empty() => {
                    return (Action::Text, Hide::Word);
                }
                Gives::Attached if value.is_empty() => return (Action::Text, Hide::Nothing),
                Gives::Value | Gives::Next | Gives::With(_) | Gives::Attached => {
                    return (inside(0), Hide::Nothing);
                }
                Gives::After(mark) if value.is_empty() => return (Action::Text, Hide::After(*mark)),
                Gives::After(mark) => match value.find(*mark) {
                    Some(at) => return (inside(at.saturating_add(mark.len_utf8())), Hide::Nothing),
                    None => return (Action::Text, Hide::Nothing),
                },
            }
        }
    }
    if program == "curl"
        && let Some((at, mark)) = in_cluster(word)
    {
        let value = word.get(at..).unwrap_or_default();
        return match value.find(mark) {
            _ if value.is_empty() => (Action::Text, Hide::After(mark)),
            Some(found) => {
                let from = at.saturating_add(found).saturating_add(mark.len_utf8());
                (Action::HideFrom(from), Hide::Nothing)
            }
            None => (Action::Text, Hide::Nothing),
        };
    }
    if program == "openssl" && word.starts_with("pass:") {
        return (Action::HideFrom("pass:".len()), Hide::Nothing);
    }
    // A script that begins with an assignment is more than its value.
    let script = SHELLS.contains(&program) && word.contains(char::is_whitespace);
    match word.split_once('=') {
        Some(_) if script => (Action::Text, Hide::Nothing),
        // What another command prints: `TOKEN=$(…)`.
        Some((_, "$")) => (Action::Text, Hide::Nothing),
        Some((name, value)) if is_name(name) && is_secret(name) && !value.is_empty() => {
            (Action::HideFrom(name.len().saturating_add(1)), Hide::Nothing)
        }
        Some(_) => (Action::Text, Hide::Nothing),
        None if !is_name(word) || !is_secret(word) => (Action::Text, Hide::Nothing),
        None if word.starts_with('-') => (Action::Text, Hide::Word),
        None if configures => (Action::Text, Hide::Setting),
        None => (Action::Text, Hide::IfRandom),
    }
}

/// Whether it is written like the name of an option, a variable or a setting.
fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@'))
}

/// Whether a word behind the name of a secret is likely to be it: long, of letters and digits. A path is not.
fn looks_random(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    word.len() >= 16
        && !word.starts_with(['/', '.', '~', '-'])
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && word.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'.')
        })
}

/// The program that a command runs, by the last part of its path.
pub(super) fn program<'a>(words: &[&'a str]) -> &'a str {
    let base = |word: &'a str| word.rsplit('/').next().unwrap_or(word);
    let is_assignment = |word: &&&str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    let mut rest = words.iter().skip_while(is_assignment).map(|word| base(word));
    match rest.next() {
        // Which of their words are options' values, only their manuals tell.
        Some(wrapper) if enters(wrapper, words) => rest
            .find(|word| {
                let shell = WRAPPERS.contains(&wrapper) && SHELLS.contains(word);
                shell || is_known(word)
            })
            .unwrap_or(wrapper),
        Some(program) => program,
        None => "",
    }
}
