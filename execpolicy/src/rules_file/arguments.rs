//! Values of the language as the parts of rules. Every refusal names the parameter and the fix.

use starlark::values::Value;
use starlark::values::list::ListRef;

use super::collector::{Collector, Fault};
use super::error::quoted;
use crate::rule::{PatternToken, Protocol, Spelling};
use crate::{Decision, command};

/// What people call a type.
fn kind(value: Value<'_>) -> &'static str {
    match value.get_type() {
        "NoneType" => "None",
        "string" => "a string",
        "list" => "a list",
        "tuple" => "a tuple",
        "dict" => "a dict",
        "int" => "an integer",
        "float" => "a float",
        "bool" => "a bool",
        "function" => "a function",
        _ => "something else",
    }
}

fn wrong_type(parameter: &'static str, wanted: &str, value: Value<'_>) -> Fault {
    let fault = Fault::new(parameter, format!("`{parameter}` must be {wanted}, not {}", kind(value)));
    match value.get_type() {
        "NoneType" => fault.help(format!("leave `{parameter}` out")),
        "tuple" => fault.help("write a list, with square brackets"),
        _ => fault,
    }
}

pub(super) fn string<'v>(parameter: &'static str, value: Value<'v>) -> Result<&'v str, Fault> {
    value.unpack_str().ok_or_else(|| wrong_type(parameter, "a string", value))
}

fn list<'v>(parameter: &'static str, value: Value<'v>) -> Result<&'v [Value<'v>], Fault> {
    ListRef::from_value(value)
        .map(|list| list.content())
        .ok_or_else(|| wrong_type(parameter, "a list", value))
}

/// The words that a pattern has in its first place, and what follows.
pub(super) fn pattern(
    value: Value<'_>,
    collector: &Collector,
) -> Result<(Vec<String>, Vec<PatternToken>), Fault> {
    let items = list("pattern", value).map_err(|fault| match value.unpack_str() {
        Some(words) => {
            let words: Vec<String> = words.split_whitespace().map(json).collect();
            fault.help(format!("write the words as a list: [{}]", words.join(", ")))
        }
        None => fault,
    })?;
    let mut tokens = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        tokens.push(token(*item, collector).map_err(|fault| fault.at(at))?);
    }
    let mut tokens = tokens.into_iter();
    let first = tokens.next().ok_or_else(|| {
        Fault::new("pattern", "`pattern` is empty").help("name at least the program: pattern=[\"git\"]")
    })?;
    let programs = match first {
        PatternToken::Single(word) => vec![word],
        PatternToken::AnyOf(words) => words,
    };
    Ok((programs, tokens.collect()))
}

fn token(value: Value<'_>, collector: &Collector) -> Result<PatternToken, Fault> {
    let parameter = "pattern";
    if let Some(word) = value.unpack_str() {
        collector.count_word(parameter, word)?;
        return Ok(PatternToken::Single(word.to_owned()));
    }
    let Some(items) = ListRef::from_value(value) else {
        let message =
            format!("each item of `pattern` must be a string or a list of strings, not {}", kind(value));
        let fault = Fault::new(parameter, message);
        return Err(if value.get_type() == "tuple" {
            fault.help("write a list, with square brackets")
        } else {
            fault
        });
    };
    let mut words = Vec::with_capacity(items.len());
    for (at, item) in items.content().iter().enumerate() {
        let Some(word) = item.unpack_str() else {
            let message = format!("each alternative in `pattern` must be a string, not {}", kind(*item));
            return Err(Fault::new(parameter, message).at(at));
        };
        collector.count_word(parameter, word)?;
        words.push(word.to_owned());
    }
    match <[String; 1]>::try_from(words) {
        Ok([word]) => Ok(PatternToken::Single(word)),
        Err(words) if words.is_empty() => {
            Err(Fault::new(parameter, "a list of alternatives in `pattern` is empty")
                .help("name the words that fit, or leave the list out"))
        }
        Err(words) => Ok(PatternToken::AnyOf(words)),
    }
}

/// The decision of a prefix rule.
pub(super) fn decision(value: Option<Value<'_>>) -> Result<Decision, Fault> {
    let Some(value) = value else { return Ok(Decision::Allow) };
    named_decision(string("decision", value)?)
}

/// The decision of a network rule, which has one more word.
pub(super) fn network_decision(value: Value<'_>) -> Result<Decision, Fault> {
    match string("decision", value)? {
        "deny" => Ok(Decision::Forbidden),
        word => named_decision(word),
    }
}

fn named_decision(word: &str) -> Result<Decision, Fault> {
    let fault = || Fault::new("decision", format!("there is no decision {}", quoted(word)));
    match word {
        "allow" => Ok(Decision::Allow),
        "prompt" => Ok(Decision::Prompt),
        "forbidden" => Ok(Decision::Forbidden),
        "prompt-user" => Err(fault().help("use \"prompt\"; only requirements can ask for a person")),
        _ => Err(fault().help(match meant_decision(word) {
            Some(meant) => format!("use \"{meant}\""),
            None => "use \"allow\", \"prompt\" or \"forbidden\"".to_owned(),
        })),
    }
}

fn meant_decision(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "allow" | "allowed" | "yes" | "accept" | "permit" => Some("allow"),
        "prompt" | "ask" | "confirm" => Some("prompt"),
        "forbidden" | "forbid" | "deny" | "denied" | "block" | "reject" | "never" | "no" => Some("forbidden"),
        _ => None,
    }
}

pub(super) fn justification(
    value: Option<Value<'_>>,
    collector: &Collector,
) -> Result<Option<String>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let text = string("justification", value)?;
    collector.count_word("justification", text)?;
    if text.trim().is_empty() {
        return Err(Fault::new("justification", "`justification` is blank").help("say why, or leave it out"));
    }
    Ok(Some(text.to_owned()))
}

pub(super) fn spelling(value: Option<Value<'_>>) -> Result<Spelling, Fault> {
    let Some(value) = value else { return Ok(Spelling::Exact) };
    let parameter = "canonical_matching";
    match value.unpack_bool() {
        Some(true) => Ok(Spelling::Folded),
        Some(false) => Ok(Spelling::Exact),
        None => Err(wrong_type(parameter, "True or False", value)),
    }
}

/// The examples of `match` and `not_match`, as commands.
pub(super) fn examples(
    parameter: &'static str,
    value: Option<Value<'_>>,
    collector: &Collector,
) -> Result<Vec<Vec<String>>, Fault> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let mut commands = Vec::new();
    for (at, item) in list(parameter, value)?.iter().enumerate() {
        commands.push(example(parameter, *item, collector).map_err(|fault| fault.at(at))?);
    }
    Ok(commands)
}

fn example(parameter: &'static str, value: Value<'_>, collector: &Collector) -> Result<Vec<String>, Fault> {
    let words = match (value.unpack_str(), ListRef::from_value(value)) {
        (Some(text), _) => {
            collector.count_word(parameter, text)?;
            shlex::split(text).ok_or_else(|| {
                Fault::new(parameter, "an example has an unbalanced quote or a backslash at its end")
                    .help("close the quote, or write the example as a list of words")
            })?
        }
        (None, Some(list)) => words_of(parameter, list.content())?,
        (None, None) => {
            let message = format!("each example must be a string or a list of strings, not {}", kind(value));
            let fault = Fault::new(parameter, message);
            return Err(match value.get_type() {
                "tuple" => fault.help("write a list, with square brackets"),
                _ => fault,
            });
        }
    };
    if words.is_empty() {
        return Err(Fault::new(parameter, "an example has no words").help("leave it out"));
    }
    words.iter().try_for_each(|word| collector.count_word(parameter, word))?;
    Ok(words)
}

fn words_of(parameter: &'static str, items: &[Value<'_>]) -> Result<Vec<String>, Fault> {
    let word = |(at, item): (usize, &Value<'_>)| {
        let message = || format!("each word of an example must be a string, not {}", kind(*item));
        item.unpack_str().map(str::to_owned).ok_or_else(|| Fault::new(parameter, message()).at(at))
    };
    items.iter().enumerate().map(word).collect()
}

pub(super) fn protocol(value: Value<'_>) -> Result<Protocol, Fault> {
    match string("protocol", value)? {
        "http" => Ok(Protocol::Http),
        "https" | "https_connect" | "http-connect" => Ok(Protocol::Https),
        "socks5_tcp" => Ok(Protocol::Socks5Tcp),
        "socks5_udp" => Ok(Protocol::Socks5Udp),
        word => Err(Fault::new("protocol", format!("there is no protocol {}", quoted(word)))
            .help("use \"http\", \"https\", \"socks5_tcp\" or \"socks5_udp\"")),
    }
}

/// The host of a network rule.
pub(super) fn host(value: Value<'_>, collector: &Collector) -> Result<String, Fault> {
    let text = string("host", value)?;
    collector.count_word("host", text)?;
    super::host::parse(text).map_err(|message| Fault::new("host", message))
}

/// The name of a host executable.
pub(super) fn program_name<'v>(value: Value<'v>, collector: &Collector) -> Result<&'v str, Fault> {
    let name = string("name", value)?;
    collector.count_word("name", name)?;
    if matches!(name, "" | "." | "..") || name.contains('/') {
        let fault = Fault::new("name", format!("{} is not the bare name of a program", quoted(name)));
        return Err(match command::program_name(name) {
            "" | "." | ".." | "/" => fault,
            bare => fault.help(format!("use {}", json(bare))),
        });
    }
    Ok(name)
}

/// The paths of a host executable, each absolute and ending in its name.
pub(super) fn paths(value: Value<'_>, name: &str, collector: &Collector) -> Result<Vec<String>, Fault> {
    let mut paths = Vec::new();
    for (at, item) in list("paths", value)?.iter().enumerate() {
        paths.push(path(*item, name, collector).map_err(|fault| fault.at(at))?);
    }
    Ok(paths)
}

fn path(value: Value<'_>, name: &str, collector: &Collector) -> Result<String, Fault> {
    let Some(text) = value.unpack_str() else {
        return Err(Fault::new("paths", format!("each path must be a string, not {}", kind(value))));
    };
    collector.count_word("paths", text)?;
    if !text.starts_with('/') {
        return Err(Fault::new("paths", format!("the path {} is not absolute", quoted(text)))
            .help("write the whole path, from `/` on"));
    }
    let path = crate::policy::paths::absolute("/", text);
    if crate::policy::paths::last_component(&path) != Some(name) {
        return Err(Fault::new(
            "paths",
            format!("the path {} does not end in {}", quoted(text), quoted(name)),
        ));
    }
    Ok(path)
}

/// A word as a literal of the language.
fn json(word: impl AsRef<str>) -> String {
    serde_json::Value::from(word.as_ref()).to_string()
}
