//! Rules as text: single ones, whole files re-laid, and the lines that record approvals.
//!
//! Loading what is printed gives what was printed, but for the places it came from.

mod amendments;
mod calls;

pub use amendments::{AmendmentLine, amendment_lines};

use crate::display::{is_hidden, visible_up_to};
use crate::rule::{HostExecutable, NetworkRule, PatternToken, PrefixRule, Protocol, RuleSet, Spelling};
use crate::rules_file::{self, RuleFileError, Source};
use crate::{Decision, Limits};

/// The longest line before a call is broken into one argument a line.
const COLUMNS: usize = 100;
const INDENT: &str = "    ";

/// An argument as it is printed.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Literal {
    Text(String),
    Bool(bool),
    List(Vec<Literal>),
}

impl From<&PatternToken> for Literal {
    fn from(token: &PatternToken) -> Self {
        match token {
            PatternToken::Single(word) => Self::Text(word.clone()),
            PatternToken::AnyOf(words) => Self::List(words.iter().cloned().map(Self::Text).collect()),
        }
    }
}

/// A call of one of the three functions, its arguments in the order of the parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
struct LiteralCall {
    function: &'static str,
    arguments: Vec<(&'static str, Literal)>,
}

/// A prefix rule as a call, without a line break at its end. A `prompt-user` rule has no form in rule files:
/// its text does not load.
pub fn print_rule(rule: &PrefixRule) -> String {
    call_of(rule).lay_out("\n")
}

/// The beginning of a prefix rule, on one line, for messages; what is hidden is escaped.
pub fn rule_on_one_line(rule: &PrefixRule) -> String {
    visible_up_to(&call_of(rule).on_one_line(), COLUMNS)
}

fn call_of(rule: &PrefixRule) -> LiteralCall {
    let words = std::iter::once(Literal::Text(rule.program.clone()));
    let pattern = words.chain(rule.rest.iter().map(Literal::from)).collect();
    let mut arguments = vec![
        ("pattern", Literal::List(pattern)),
        ("decision", Literal::Text(rule.decision.word().to_owned())),
    ];
    arguments.extend(rule.justification.clone().map(|why| ("justification", Literal::Text(why))));
    if rule.spelling == Spelling::Folded {
        arguments.push(("canonical_matching", Literal::Bool(true)));
    }
    LiteralCall { function: "prefix_rule", arguments }
}

/// A network rule as a call, without a line break at its end.
pub fn print_network_rule(rule: &NetworkRule) -> String {
    let mut arguments = vec![
        ("host", Literal::Text(host_literal(&rule.host))),
        ("protocol", Literal::Text(rule.protocol.word().to_owned())),
        ("decision", Literal::Text(rule.decision.word().to_owned())),
    ];
    arguments.extend(rule.justification.clone().map(|why| ("justification", Literal::Text(why))));
    LiteralCall { function: "network_rule", arguments }.lay_out("\n")
}

/// A list of paths as a call, without a line break at its end.
pub fn print_host_executable(host: &HostExecutable) -> String {
    let paths = host.paths.iter().cloned().map(Literal::Text).collect();
    let arguments = vec![("name", Literal::Text(host.name.clone())), ("paths", Literal::List(paths))];
    LiteralCall { function: "host_executable", arguments }.lay_out("\n")
}

/// A whole rule file.
pub fn print_rules(rules: &RuleSet) -> String {
    let hosts = rules.host_executables.iter().map(print_host_executable);
    let prefix = rules.prefix.iter().map(print_rule);
    let network = rules.network.iter().map(print_network_rule);
    hosts.chain(prefix).chain(network).map(|call| call + "\n").collect()
}

/// The line that records an approved prefix. Tokens are JSON strings, which rule files read back as they
/// were; the form is fixed, because a line that is already there is found by its bytes.
pub fn amendment_line(prefix: &[String]) -> String {
    let words: Vec<String> = prefix.iter().map(|word| json(word)).collect();
    format!("prefix_rule(pattern=[{}], decision=\"allow\")\n", words.join(", "))
}

/// The line that records an approved or denied host. `decision` is one of a rule file: a person's approval
/// is written as `prompt`.
pub fn network_amendment_line(
    host: &str,
    protocol: Protocol,
    decision: Decision,
    justification: &str,
) -> String {
    let decision = match decision {
        Decision::Allow => "allow",
        Decision::Prompt | Decision::PromptUser => "prompt",
        Decision::Forbidden => "deny",
    };
    format!(
        "network_rule(host={}, protocol=\"{}\", decision=\"{decision}\", justification={})\n",
        json(host),
        protocol.word(),
        json(justification)
    )
}

/// Re-lays the calls of the three functions at the top level whose arguments are all literals: by keyword,
/// in the order of the parameters, on one line if it is at most 100 columns wide. All else stays as it is
/// byte for byte, and so does a call with a comment in it. Formatting twice changes nothing more.
///
/// # Errors
/// The file does not parse, or, if it holds nothing but data, does not load; or it would outgrow the limit of
/// rule files. Examples are not tried, since they may need other files.
pub fn format_file(name: &str, text: &str) -> Result<String, RuleFileError> {
    // First the original, so that errors point into it.
    let (outline, data) = (calls::outline(name, text)?, rules_file::data(name, text)?);
    let formatted = re_lay(name, text)?;
    let refused =
        |message: String, help: Option<String>| Err(Source { name, text }.error(0..0, message, help));
    let limit = Limits::default().file_bytes;
    if formatted.len() > limit {
        let help = "split it into several files".to_owned();
        return refused(format!("the formatted file would be larger than {limit} bytes"), Some(help));
    }
    if calls::outline(name, &formatted)? == outline && rules_file::data(name, &formatted)? == data {
        return Ok(formatted);
    }
    refused("formatting would change what the file means".to_owned(), None)
}

fn re_lay(name: &str, text: &str) -> Result<String, RuleFileError> {
    let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (bytes, call) in calls::literal_calls(name, text, &Limits::default())? {
        out.push_str(text.get(done..bytes.start).unwrap_or_default());
        out.push_str(&call.lay_out(line_break));
        done = bytes.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
}

impl LiteralCall {
    fn on_one_line(&self) -> String {
        let arguments: Vec<String> =
            self.arguments.iter().map(|(name, value)| format!("{name}={}", value.on_one_line())).collect();
        format!("{}({})", self.function, arguments.join(", "))
    }

    fn lay_out(&self, line_break: &str) -> String {
        let line = self.on_one_line();
        if line.chars().count() <= COLUMNS {
            return line;
        }
        let mut out = format!("{}({line_break}", self.function);
        for (name, value) in &self.arguments {
            out.push_str(&format!("{INDENT}{name}={},{line_break}", value.within(name, line_break)));
        }
        out.push(')');
        out
    }
}

impl Literal {
    fn on_one_line(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::on_one_line).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    /// On the line of its parameter, or, where that is too narrow for a list, one item a line.
    fn within(&self, parameter: &str, line_break: &str) -> String {
        let line = self.on_one_line();
        let width =
            [INDENT, parameter, "=", &line, ","].iter().map(|part| part.chars().count()).sum::<usize>();
        match self {
            Self::List(items) if width > COLUMNS && !items.is_empty() => {
                let items: String = items
                    .iter()
                    .map(|item| format!("{INDENT}{INDENT}{},{line_break}", item.on_one_line()))
                    .collect();
                format!("[{line_break}{items}{INDENT}]")
            }
            Self::Text(_) | Self::Bool(_) | Self::List(_) => line,
        }
    }
}

/// A host in brackets if it would not be read back without them, as one that seems to have a port.
fn host_literal(host: &str) -> String {
    if rules_file::host::parse(host).as_deref() == Ok(host) { host.to_owned() } else { format!("[{host}]") }
}

/// A string literal. What would be invisible, or would reorder the line, is escaped.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) && u32::from(c) > 0xffff => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c if is_hidden(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
