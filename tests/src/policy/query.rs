//! Paths into a JSON answer.
//!
//! Parts are joined by dots. A key may itself hold dots: the longest one that exists is taken. `[TEXT]` after an
//! array takes the only element that is, or has a member that is or ends with, this text: `layers[project].state`.

use serde_json::Value;

/// The value at a path; null counts as nothing.
#[must_use]
pub fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let found = descend(value, &parts(path))?;
    (!found.is_null()).then_some(found)
}

#[derive(Debug, Eq, PartialEq)]
enum Part {
    Key(String),
    Element(String),
}

/// Splits a path.
fn parts(path: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some((element, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            parts.push(Part::Element(element.to_owned()));
            rest = after.strip_prefix('.').unwrap_or(after);
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        parts.push(Part::Key(key.to_owned()));
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    parts
}

fn descend<'a>(value: &'a Value, parts: &[Part]) -> Option<&'a Value> {
    match parts {
        [] => Some(value),
        [Part::Element(wanted), rest @ ..] => {
            let mut found = value.as_array()?.iter().filter(|element| is(element, wanted));
            let only = found.next()?;
            if found.next().is_some() { None } else { descend(only, rest) }
        }
        [Part::Key(_), ..] => {
            let keys: Vec<&str> = parts
                .iter()
                .map_while(|part| match part {
                    Part::Key(key) => Some(key.as_str()),
                    Part::Element(_) => None,
                })
                .collect();
            (1..=keys.len()).rev().find_map(|count| {
                let (joined, rest) = (keys.get(..count)?.join("."), parts.get(count..)?);
                let inside = match value.as_array() {
                    Some(elements) => elements.get(joined.parse::<usize>().ok()?)?,
                    None => value.get(&joined)?,
                };
                descend(inside, rest)
            })
        }
    }
}

/// Whether an element is meant by a text.
fn is(element: &Value, wanted: &str) -> bool {
    let matches = |text: &str| text == wanted || (wanted.contains('/') && text.ends_with(wanted));
    let is_text = |value: &Value| value.as_str().is_some_and(matches);
    is_text(element) || element.as_object().is_some_and(|members| members.values().any(is_text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_to_values() {
        let value = json!({
            "a": { "b.c": { "d": 1 }, "b": { "e": 2 }, "n": null },
            "list": [{ "kind": "x", "at": "/p/q" }, { "kind": "y", "at": "/p/r" }, { "kind": "y" }],
        });
        let rows = [
            ("a.b.c.d", Some(json!(1))),
            ("a.b.e", Some(json!(2))),
            ("a.b.f", None),
            ("a.n", None),
            ("list.0.kind", Some(json!("x"))),
            ("list[x].at", Some(json!("/p/q"))),
            ("list[/r].kind", Some(json!("y"))),
            ("list[y].at", None),
            ("list[z]", None),
            ("list.7", None),
        ];
        for (path, expect) in rows {
            assert_eq!(find(&value, path), expect.as_ref(), "{path}");
        }
    }
}
