//! Finding the lines that record approvals.

use std::ops::Range;

use super::{Literal, LiteralCall, amendment_line, calls, network_amendment_line};
use crate::rules_file::RuleFileError;
use crate::{Decision, Limits, Protocol, line_of};

/// A line of a rule file that an acceptance wrote, or that nobody can tell from one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AmendmentLine {
    /// The line, from 1.
    pub line: u32,
    /// Its bytes, with the line break.
    pub bytes: Range<usize>,
    /// The rule, without the line break.
    pub text: String,
    /// What it is about: the words of the prefix, or the host alone.
    pub words: Vec<String>,
}

/// The lines that are, byte for byte, what [`amendment_line`] or [`network_amendment_line`] writes, and are a
/// statement of their own. What is within a string or a comment, continues the line before, or has anything beside
/// it, is none.
///
/// # Errors
/// The file does not parse.
pub fn amendment_lines(name: &str, text: &str) -> Result<Vec<AmendmentLine>, RuleFileError> {
    let calls = calls::literal_calls(name, text, &Limits::default())?;
    Ok(calls.into_iter().filter_map(|(bytes, call)| whole_line(text, bytes, &call)).collect())
}

fn whole_line(text: &str, bytes: Range<usize>, call: &LiteralCall) -> Option<AmendmentLine> {
    let (before, after) = (text.get(..bytes.start)?, text.get(bytes.end..)?);
    let starts_line = match before.strip_suffix('\n') {
        // A backslash takes the line break away.
        Some(earlier) => !earlier.strip_suffix('\r').unwrap_or(earlier).ends_with('\\'),
        None => before.is_empty(),
    };
    let line_break = ["\r\n", "\n"].into_iter().find(|line_break| after.starts_with(line_break));
    let ends_line = line_break.is_some() || after.is_empty();
    let written = text.get(bytes.clone())?;
    let (recorded, words) = canonical(call)?;
    let is_recorded = recorded.trim_end_matches('\n') == written;
    (starts_line && ends_line && is_recorded).then(|| AmendmentLine {
        line: line_of(text, bytes.start),
        text: written.to_owned(),
        words,
        bytes: bytes.start..bytes.end.saturating_add(line_break.map_or(0, str::len)),
    })
}

/// The line that would record this call, and what it is about.
fn canonical(call: &LiteralCall) -> Option<(String, Vec<String>)> {
    match (call.function, call.arguments.as_slice()) {
        ("prefix_rule", [("pattern", Literal::List(words)), ("decision", Literal::Text(decision))])
            if decision == "allow" =>
        {
            let words: Vec<String> = words.iter().map(word).collect::<Option<_>>()?;
            Some((amendment_line(&words), words))
        }
        (
            "network_rule",
            [
                ("host", Literal::Text(host)),
                ("protocol", Literal::Text(protocol)),
                ("decision", Literal::Text(decision)),
                ("justification", Literal::Text(why)),
            ],
        ) => {
            let (protocol, decision) = (protocol_of(protocol)?, decision_of(decision)?);
            Some((network_amendment_line(host, protocol, decision, why), vec![host.clone()]))
        }
        _ => None,
    }
}

fn word(literal: &Literal) -> Option<String> {
    match literal {
        Literal::Text(word) => Some(word.clone()),
        Literal::Bool(_) | Literal::List(_) => None,
    }
}

fn protocol_of(word: &str) -> Option<Protocol> {
    let all = [Protocol::Http, Protocol::Https, Protocol::Socks5Tcp, Protocol::Socks5Udp];
    all.into_iter().find(|protocol| protocol.word() == word)
}

fn decision_of(word: &str) -> Option<Decision> {
    match word {
        "allow" => Some(Decision::Allow),
        "prompt" => Some(Decision::Prompt),
        "deny" => Some(Decision::Forbidden),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u32, String)> {
        let found = amendment_lines("a.rules", text).unwrap();
        found
            .into_iter()
            .map(|found| {
                let whole = text.get(found.bytes).unwrap();
                assert_eq!(whole.trim_end_matches(['\r', '\n']), found.text);
                (found.line, found.text)
            })
            .collect()
    }

    const RULE: &str = r#"prefix_rule(pattern=["git", "push"], decision="allow")"#;

    #[test]
    fn what_an_acceptance_writes_is_found() {
        let words = ["touch".to_owned(), "a \"b\"\n\u{7f}\u{202e}ä\\".to_owned()];
        for rule in [
            amendment_line(&words),
            network_amendment_line("h", Protocol::Http, Decision::Allow, "approved"),
            network_amendment_line("h", Protocol::Socks5Udp, Decision::Forbidden, "a \"b\""),
            network_amendment_line("[::1]", Protocol::Https, Decision::PromptUser, ""),
        ] {
            let text = format!("# mine\n\n{rule}{RULE}\r\nx = 1\n{RULE}");
            let rule = rule.trim_end().to_owned();
            assert_eq!(lines(&text), [(3, rule), (4, RULE.to_owned()), (6, RULE.to_owned())]);
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            format!("{RULE} # why"),
            format!(" {RULE}").trim_start().replace(", decision", ",  decision"),
            format!("x = 1; {RULE}"),
            format!("{RULE}; x = 1"),
            format!("{RULE} "),
            format!("x = \"\"\"\n{RULE}\n\"\"\""),
            format!("# {RULE}"),
            format!("\\\n{RULE}"),
            format!("def f():\n    {RULE}\n"),
            RULE.replace("allow", "prompt"),
            RULE.replace("allow", "forbidden"),
            RULE.replace('"', "'"),
            RULE.replace("\"push\"", "[\"push\", \"pull\"]"),
            RULE.replace(", \"push\"", ",\n\"push\""),
            RULE.replace(")", ", justification=\"mine\")"),
            RULE.replace("pattern=", ""),
            r#"network_rule(host="h", protocol="http", decision="allow")"#.to_owned(),
            r#"network_rule(host="h", protocol="https_connect", decision="allow", justification="j")"#
                .to_owned(),
            r#"host_executable(name="git", paths=["/usr/bin/git"])"#.to_owned(),
            format!("def prefix_rule(pattern, decision):\n    pass\n{RULE}\n"),
        ] {
            match amendment_lines("a.rules", &text) {
                Ok(found) => assert_eq!(found, [], "{text}"),
                Err(error) => assert!(text.starts_with('\\'), "{text}: {error}"),
            }
        }
        assert!(amendment_lines("a.rules", "prefix_rule(").is_err());
    }
}
