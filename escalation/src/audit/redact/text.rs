//! Free text and scripts: secrets by their shape, by the name in front of them, and by their place in a command.

use std::ops::Range;

use super::piped::{echoed, here_document, here_string, reads_secret};
use super::shapes::{find_from, private_keys, tokens, user_information};
use super::values::{closing, ends_value, named_values, statements};
use super::words::{Action, classify};

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// How deep quotes are followed into scripts within scripts. What is deeper is hidden.
const MAX_DEPTH: usize = 4;

/// Each word of a command.
pub(crate) fn argv(words: &[String]) -> Vec<String> {
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    apply(&borrowed, classify(&borrowed))
}

/// Each word of a command whose output another one reads as a secret.
pub(super) fn handed_on(words: &[String]) -> Vec<String> {
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut actions = classify(&borrowed);
    echoed(&borrowed, &mut actions);
    apply(&borrowed, actions)
}

fn apply(words: &[&str], actions: Vec<Action>) -> Vec<String> {
    words
        .iter()
        .zip(actions)
        .map(|(word, action)| match action {
            Action::Text => text(word),
            Action::Hide => REDACTED.to_owned(),
            Action::HideFrom(at) => format!("{}{REDACTED}", word.get(..at).unwrap_or_default()),
        })
        .collect()
}

/// Text of any kind.
pub(super) fn text(text: &str) -> String {
    let mut found = Vec::new();
    tokens(text, &mut found);
    // Most words have neither a value nor a second word in them.
    if !text.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '=' | '"' | '\'')) {
        return hide(text, found);
    }
    private_keys(text, &mut found);
    user_information(text, &mut found);
    named_values(text, &mut found);
    let lower = text.to_ascii_lowercase();
    schemes(text, &lower, &mut found);
    statements(text, &lower, &mut found);
    commands(&hide(text, found), 0)
}

/// Replaces the ranges, which may overlap.
fn hide(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.retain(|range| range.start < range.end);
    if ranges.is_empty() {
        return text.to_owned();
    }
    ranges.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        if range.end <= at {
            continue;
        }
        if range.start >= at {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(REDACTED);
        }
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// `Bearer VALUE` and `Basic VALUE`, without a header's name in front.
fn schemes(text: &str, lower: &str, found: &mut Vec<Range<usize>>) {
    for scheme in ["bearer ", "basic "] {
        let mut from = 0;
        while let Some(at) = find_from(lower, scheme, from) {
            let start = at.saturating_add(scheme.len());
            from = start;
            let glued = lower.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric()));
            let value = text.get(start..).unwrap_or_default();
            let value = value.get(..value.find(ends_value).unwrap_or(value.len())).unwrap_or_default();
            // `basic understanding` is a word of a sentence.
            let odd = value.len() >= 20 || value.contains(|c: char| !c.is_ascii_lowercase());
            if !glued && value.len() >= 6 && odd {
                found.push(start..start.saturating_add(value.len()));
            }
        }
    }
}

/// Reads text as commands, the way a shell separates words, and hides what their options and assignments give away.
/// Sentences are read that way too, and have few such words.
fn commands(text: &str, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut put = |start: usize, end: usize, replacement: &str| {
        out.push_str(text.get(at..start).unwrap_or_default());
        out.push_str(replacement);
        at = end;
    };
    let script: Vec<Command> = split(text);
    let literals =
        |command: &Command| -> Vec<&str> { command.words.iter().map(|word| unquoted(text, word)).collect() };
    let mut document = None;
    for (number, command) in script.iter().enumerate() {
        let words = literals(command);
        let mut actions = classify(&words);
        if document.is_some_and(|end| words != [end]) {
            actions.fill(Action::Hide);
        } else {
            document = here_document(&words);
        }
        here_string(&words, &mut actions);
        let next = script.get(number.saturating_add(1)).filter(|next| next.piped);
        if next.is_some_and(|next| reads_secret(&literals(next))) {
            echoed(&words, &mut actions);
        }
        for ((word, literal), action) in command.words.iter().zip(&words).zip(actions) {
            let bare = word.end.saturating_sub(word.start) == literal.len();
            let start = word.start.saturating_add(usize::from(!bare));
            let end = start.saturating_add(literal.len());
            match (action, if bare { literal.find(['"', '\'']) } else { Some(0) }) {
                (Action::Hide, _) => put(start, end, REDACTED),
                (Action::HideFrom(from), _) => {
                    // What its quotes hold may be hidden already.
                    let value = literal.get(from..).unwrap_or_default();
                    if value.trim_matches(['$', '"', '\'']) != REDACTED {
                        put(start.saturating_add(from), end, REDACTED);
                    }
                }
                (Action::Text, Some(quote)) if literal.contains(char::is_whitespace) => {
                    let inner = start.saturating_add(quote).saturating_add(usize::from(bare));
                    match text.get(inner..end) {
                        Some(inside) if depth < MAX_DEPTH => {
                            put(inner, end, &commands(inside, depth.saturating_add(1)));
                        }
                        Some(_) | None => put(inner, end, REDACTED),
                    }
                }
                (Action::Text, _) => {}
            }
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// A word without the quotes around it.
fn unquoted<'a>(text: &'a str, word: &Range<usize>) -> &'a str {
    let word = text.get(word.clone()).unwrap_or_default();
    let inner = |quote| word.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(word)
}

/// One command of a script.
struct Command {
    /// The places of its words.
    words: Vec<Range<usize>>,
    /// Whether it reads what the one before it writes.
    piped: bool,
}

/// The commands of a script.
fn split(text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut start = None;
    let mut skip_to = 0;
    let mut unclosed = Vec::new();
    let mut escaped = false;
    // What stands between the last command and the next word.
    let mut between = String::new();
    for (at, c) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        let was_escaped = std::mem::take(&mut escaped);
        let ends_command = matches!(c, ';' | '|' | '&' | '(' | ')' | '\n' | '`');
        if !was_escaped && (c.is_whitespace() || ends_command) {
            words.extend(start.take().map(|start| start..at));
            if ends_command && !words.is_empty() {
                let piped = between == "|";
                commands.push(Command { words: std::mem::take(&mut words), piped });
                between.clear();
            }
            if matches!(c, ';' | '|' | '&') && between.len() < 2 {
                between.push(c);
            }
            continue;
        }
        start.get_or_insert(at);
        match c {
            '\\' => escaped = !was_escaped,
            '"' | '\'' if !was_escaped && !unclosed.contains(&c) => {
                let inner = at.saturating_add(1);
                match text.get(inner..).and_then(|rest| closing(rest, c)) {
                    Some(end) => skip_to = inner.saturating_add(end).saturating_add(1),
                    // An apostrophe.
                    None => unclosed.push(c),
                }
            }
            _ => {}
        }
    }
    words.extend(start.map(|start| start..text.len()));
    commands.push(Command { words, piped: between == "|" });
    commands
}
