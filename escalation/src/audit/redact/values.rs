//! Values with a name in front of them: headers, JSON, YAML, queries, assignments in any language, SQL.

use std::ops::Range;

use super::names::{is_header, is_secret};

/// The longest name that is looked at.
const MAX_NAME: usize = 128;
/// How much of an object or list behind the name of a secret is looked at.
const MAX_GROUP: usize = 1024;

/// `NAME: VALUE` and `NAME=VALUE` with the name of a secret.
pub(super) fn named_values(text: &str, found: &mut Vec<Range<usize>>) {
    let mut done = 0;
    for (at, mark) in text.match_indices([':', '=']) {
        // What is hidden is not looked at again, or long values of many names would be.
        if at < done {
            continue;
        }
        let before = text.get(..at).unwrap_or_default();
        let Some(Name { name, spaced, query }) = name_before(before, mark) else { continue };
        if !(is_secret(name) || is_header(name) || (query && name == "key")) {
            continue;
        }
        let after = at.saturating_add(1);
        let rest = text.get(after..).unwrap_or_default();
        let value = match mark {
            ":" => rest.trim_start_matches([' ', '\t']),
            // `'password' => 'X'`.
            _ if rest.starts_with('>') => rest.trim_start_matches(['>', ' ', '\t']),
            // `TOKEN= make` is an empty value.
            _ if spaced => rest.trim_start_matches([' ', '\t']),
            _ => rest,
        };
        if value.starts_with('=') || (mark == ":" && (value.starts_with(':') || value.starts_with("//"))) {
            continue;
        }
        let start = after.saturating_add(rest.len().saturating_sub(value.len()));
        let header = mark == ":" && is_header(name);
        let mut add = |range: Range<usize>| {
            let range = start.saturating_add(range.start)..start.saturating_add(range.end);
            done = done.max(range.end);
            found.push(range);
        };
        if value.starts_with(['{', '[', '(']) {
            strings_of_group(value).into_iter().for_each(add);
        } else if let Some(range) = extent(value, header, spaced && mark == "=") {
            add(range);
        }
    }
}

/// What stands in front of a mark.
struct Name<'a> {
    name: &'a str,
    /// Whether there are blanks between them.
    spaced: bool,
    /// Whether it is one of a query: `?NAME=`.
    query: bool,
}

fn name_before<'a>(before: &'a str, mark: &str) -> Option<Name<'a>> {
    // `name := value`.
    let before = if mark == "=" { before.strip_suffix(':').unwrap_or(before) } else { before };
    let end = before.trim_end_matches([' ', '\t']);
    let spaced = end.len() < before.len();
    if spaced && mark == ":" && !end.ends_with(['"', '\'']) {
        return None;
    }
    // `os.environ["API_KEY"]`, `{\"password\": …`.
    let end = end.trim_end_matches(['"', '\'', ']', '\\']);
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A longer name is none, and would be read again for each mark in it.
    let (start, _) = end.char_indices().rev().take(MAX_NAME).take_while(|(_, c)| in_name(*c)).last()?;
    let query = end.get(..start).is_some_and(|before| before.ends_with(['?', '&']));
    Some(Name { name: end.get(start..)?, spaced, query })
}

/// Which part of what follows is the value. `None` if it is computed from something else.
fn extent(value: &str, header: bool, expression: bool) -> Option<Range<usize>> {
    let prefix = value.strip_prefix('$').filter(|rest| rest.starts_with(['"', '\''])).map_or(0, |_| 1);
    let quoted = value.get(prefix..).unwrap_or_default();
    // In text within quotes, the quotes of the value have backslashes in front.
    let slashes = quoted.bytes().take_while(|byte| *byte == b'\\').count();
    if let Some(quote @ ('"' | '\'')) = quoted.get(slashes..).and_then(|rest| rest.chars().next()) {
        let open = slashes.saturating_add(1);
        let inner = quoted.get(open..).unwrap_or_default();
        let end = match slashes {
            0 => closing(inner, quote),
            _ => quoted.get(..open).and_then(|delimiter| inner.find(delimiter)),
        };
        let start = prefix.saturating_add(open);
        return Some(start..start.saturating_add(end.unwrap_or(inner.len())));
    }
    for (begin, end) in [("$(", ')'), ("`", '`')] {
        let Some(command) = value.strip_prefix(begin) else { continue };
        // What other commands print is not in the text.
        let printed = ["echo ", "printf "].iter().find(|program| command.starts_with(**program))?;
        let start = begin.len().saturating_add(printed.len());
        let length = value.get(start..).and_then(|rest| rest.find(end));
        return Some(start..length.map_or(value.len(), |length| start.saturating_add(length)));
    }
    if header {
        let all = value.get(..value.find(['\n', '\r', '"', '\'']).unwrap_or(value.len()))?;
        return Some(0..all.trim_end_matches('\\').len());
    }
    let length = value.find(ends_value).unwrap_or(value.len());
    let word = value.get(..length)?;
    let calls = value.get(length..).is_some_and(|rest| rest.starts_with('(')) || word.contains('[');
    let path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[');
    if expression && calls && word.chars().all(path) {
        return None;
    }
    Some(0..word.trim_end_matches('\\').len())
}

/// The strings in an object, a list or arguments, but for the names of fields.
fn strings_of_group(value: &str) -> Vec<Range<usize>> {
    let value = value.get(..value.floor_char_boundary(MAX_GROUP)).unwrap_or_default();
    let (mut strings, mut depth, mut next) = (Vec::new(), 0_usize, 0);
    for (at, c) in value.char_indices() {
        if at < next {
            continue;
        }
        match c {
            '{' | '[' | '(' => depth = depth.saturating_add(1),
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            '"' | '\'' => {
                let slashed = value.get(..at).is_some_and(|before| before.ends_with('\\'));
                let start = at.saturating_add(1);
                let inner = value.get(start..).unwrap_or_default();
                let length = if slashed { inner.find(['\\', c]) } else { closing(inner, c) };
                let end = start.saturating_add(length.unwrap_or(inner.len()));
                let behind = value.get(end..).unwrap_or_default().trim_start_matches(['\\', c, ' ', '\t']);
                if !behind.starts_with(':') {
                    strings.push(start..end);
                }
                next = end.saturating_add(if slashed { 2 } else { 1 });
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    strings
}

pub(super) fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '&' | ';' | '|' | ',' | '<' | '>' | '(' | ')' | '}' | ']')
}

/// Where a quote ends.
pub(super) fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let was_escaped = std::mem::take(&mut escaped);
        escaped = c == '\\' && quote == '"' && !was_escaped;
        (c == quote && !was_escaped).then_some(at)
    })
}

/// `ALTER USER me PASSWORD 'X'`, `CREATE USER me IDENTIFIED BY 'X'`, `SET PASSWORD FOR me = 'X'`, in a text that `lower` is in lower case.
pub(super) fn statements(text: &str, lower: &str, found: &mut Vec<Range<usize>>) {
    let identified = lower.contains("identified");
    let statement = || ["alter ", "create ", "set password"].iter().any(|word| lower.contains(word));
    if !(identified || (lower.contains("password") && statement())) {
        return;
    }
    let sets = lower.contains("set password");
    let mut done = 0;
    for (at, quote) in text.match_indices(['\'', '"']) {
        let before = lower.get(..at).unwrap_or_default().trim_end_matches('\\');
        let word = before.trim_end_matches([' ', '\t']);
        let named = word.ends_with("password") || (identified && word.ends_with(" by"));
        let assigned = sets && (word.ends_with('=') || word.ends_with("password("));
        if at < done || !(assigned || (named && word.len() < before.len())) {
            continue;
        }
        let start = at.saturating_add(1);
        let rest = text.get(start..).unwrap_or_default();
        let rest = rest.get(..rest.find(quote).unwrap_or(rest.len())).unwrap_or_default();
        done = start.saturating_add(rest.trim_end_matches('\\').len());
        found.push(start..done);
    }
}
