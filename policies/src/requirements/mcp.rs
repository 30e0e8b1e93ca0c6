//! Which tool servers an administrator admits.

use std::cell::Cell;
use std::fmt;

use regex::RegexBuilder;
use toml::{Table, Value};

use crate::display::{escape_message, escape_short};
use crate::mcp::McpServer;
use crate::reader::{Mismatch, Node};

/// The largest a regular expression may become in memory; a word list of some hundred names fits.
const MAX_REGEX_BYTES: usize = 256 * 1024;

/// The most regular expressions of one layer, which bounds their memory together.
const MAX_REGEXES: usize = 256;

/// What an identity looks like, for those who wrote another.
const EXAMPLE: &str = "write `identity = { command = \"…\" }` or `identity = { url = \"…\" }`";

/// What a matcher looks like.
const MATCHER_EXAMPLE: &str = "write \"…\", `{ match = \"exact\", value = \"…\" }`, `{ match = \"prefix\", value = \"…\" }` or `{ match = \"regex\", expression = \"…\" }`";

/// What a server must be.
#[derive(Clone, Debug)]
pub enum McpIdentity {
    /// A program that is started.
    Command {
        /// Exactly this command word.
        command: String,
        /// One matcher for each argument; `None` admits any arguments.
        args: Option<Vec<Matcher>>,
    },
    /// A server at a URL.
    Url(Matcher),
}

/// What a text must be.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// This text.
    Exact(String),
    /// Begin with this text.
    Prefix(String),
    /// Match as a whole.
    Regex(WholeRegex),
}

/// A regular expression that matches only whole texts.
#[derive(Clone, Debug)]
pub struct WholeRegex {
    /// As the administrator wrote it.
    written: String,
    /// With anchors.
    anchored: regex::Regex,
}

impl WholeRegex {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.anchored.is_match(text)
    }
}

impl McpIdentity {
    /// Whether a configured server is this one. A server that is both a program and at a URL is neither.
    pub fn matches(&self, server: &McpServer) -> bool {
        match (self, &server.command, &server.url) {
            (Self::Command { command, args }, Some(configured), None) => {
                let fits = |matchers: &Vec<Matcher>| {
                    matchers.len() == server.args.len()
                        && matchers.iter().zip(&server.args).all(|(matcher, arg)| matcher.is_match(arg))
                };
                command == configured && args.as_ref().is_none_or(fits)
            }
            (Self::Url(matcher), None, Some(url)) => matcher.is_match(url),
            (Self::Command { .. }, _, _) | (Self::Url(_), _, _) => false,
        }
    }

    /// The identity as unescaped text in one value, for those who escape what they show.
    pub(crate) fn to_plain(&self) -> String {
        match self {
            Self::Command { command, args: None } => format!("command {command}"),
            Self::Command { command, args: Some(args) } => {
                let args: Vec<String> = args.iter().map(Matcher::to_plain).collect();
                format!("command {command} with [{}]", args.join(", "))
            }
            Self::Url(matcher) => format!("url {}", matcher.to_plain()),
        }
    }

    /// Reads `[mcp_servers.NAME]`. `regexes` counts those of the layer.
    pub(crate) fn read(server: &Node<'_>, regexes: &Cell<usize>) -> Result<Self, Mismatch> {
        let table = server.table()?;
        let identity = table.get("identity").ok_or_else(|| {
            server.key_mismatch("has no `identity`, so nothing says which server it is", EXAMPLE)
        })?;
        let fields = identity.table()?;
        let command = fields.optional("command", Node::string)?;
        let args = fields.optional("args", |args| matchers(args, regexes))?;
        let url = fields.optional("url", |url| Matcher::read(url.value(), url, "", regexes))?;
        match (command, args, url) {
            (Some(command), args, None) => Ok(Self::Command { command, args }),
            (None, None, Some(url)) => Ok(Self::Url(url)),
            (None, Some(_), None | Some(_)) => {
                Err(identity.mismatch("has `args` without `command`", "name the `command` too"))
            }
            (Some(_), _, Some(_)) => {
                Err(identity.mismatch("has both `command` and `url`", "remove one of them"))
            }
            (None, None, None) => Err(identity.mismatch("has neither `command` nor `url`", EXAMPLE)),
        }
    }
}

/// A list of matchers.
fn matchers(node: &Node<'_>, regexes: &Cell<usize>) -> Result<Vec<Matcher>, Mismatch> {
    let list = node.value().as_array().ok_or_else(|| {
        node.mismatch("must be a list with one matcher for each argument", "write `args = [\"…\"]`")
    })?;
    let read = |(index, value)| Matcher::read(value, node, &format!("element {}: ", index + 1), regexes);
    list.iter().enumerate().map(read).collect()
}

impl Matcher {
    /// Whether the whole text is one of those meant.
    pub fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == text,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// The matcher as unescaped text.
    fn to_plain(&self) -> String {
        match self {
            Self::Exact(text) => text.clone(),
            Self::Prefix(text) => format!("{text}…"),
            Self::Regex(regex) => format!("/{}/", regex.as_str()),
        }
    }

    /// Reads a matcher; `place` says which one of the value of `node`.
    fn read(value: &Value, node: &Node<'_>, place: &str, regexes: &Cell<usize>) -> Result<Self, Mismatch> {
        let wrong = |problem: &str| node.mismatch(format!("{place}{problem}"), MATCHER_EXAMPLE);
        if let Some(text) = value.as_str() {
            return Ok(Self::Exact(text.to_owned()));
        }
        let table = value.as_table().ok_or_else(|| wrong("must be a string or a matcher"))?;
        let text = |key: &str| {
            let found = table.get(key).and_then(Value::as_str);
            found.ok_or_else(|| wrong(&format!("a matcher of this kind needs `{key}`, a string")))
        };
        match table.get("match").and_then(Value::as_str) {
            Some("exact") => Ok(Self::Exact(text("value")?.to_owned())),
            Some("prefix") => Ok(Self::Prefix(text("value")?.to_owned())),
            Some("regex") => {
                let expression = text("expression")?;
                compile(expression, regexes).map(Self::Regex).map_err(|why| {
                    let problem = format!("`{}` is no usable expression: {why}", escape_short(expression));
                    Mismatch { fix: "correct the expression".to_owned(), ..wrong(&problem) }
                })
            }
            Some(_) | None => Err(wrong(&unknown_kind(table))),
        }
    }
}

/// The problem with a matcher whose `match` is none of ours.
fn unknown_kind(table: &Table) -> String {
    let found = match table.get("match") {
        None => "it is missing".to_owned(),
        Some(Value::String(word)) => format!("not `{}`", escape_short(word)),
        Some(_) => "not another type".to_owned(),
    };
    format!("`match` must be `exact`, `prefix` or `regex`: {found}")
}

/// Compiles an expression so that it only matches whole texts.
///
/// It has to be an expression by itself first: `a)|(b` would close the group that anchors it and match anywhere.
fn compile(expression: &str, regexes: &Cell<usize>) -> Result<WholeRegex, String> {
    regexes.set(regexes.get().saturating_add(1));
    if regexes.get() > MAX_REGEXES {
        return Err(format!("this layer has more than {MAX_REGEXES} expressions"));
    }
    let build = |text: &str| {
        let built = RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build();
        built.map_err(|error| last_line(&error.to_string()))
    };
    build(expression)?;
    let anchored = build(&format!(r"\A(?:{expression})\z"))?;
    Ok(WholeRegex { written: expression.to_owned(), anchored })
}

/// The line of a message of the regex parser that says what is wrong; those before it draw the place.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    escape_message(line.strip_prefix("error: ").unwrap_or(line))
}

impl fmt::Display for McpIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { command, args: None } => write!(formatter, "command `{}`", escape_short(command)),
            Self::Command { command, args: Some(args) } => {
                write!(formatter, "command `{}` with [", escape_short(command))?;
                for (index, matcher) in args.iter().enumerate() {
                    write!(formatter, "{}{matcher}", if index == 0 { "" } else { ", " })?;
                }
                formatter.write_str("]")
            }
            Self::Url(matcher) => write!(formatter, "url {matcher}"),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(formatter, "`{}`", escape_short(text)),
            Self::Prefix(text) => write!(formatter, "`{}…`", escape_short(text)),
            Self::Regex(expression) => write!(formatter, "/{}/", escape_short(expression.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::TableNode;

    fn read(toml: &str) -> Result<McpIdentity, Mismatch> {
        let table: Table = toml.parse().expect(toml);
        McpIdentity::read(&TableNode::top(&table).get("s").unwrap(), &Cell::new(0))
    }

    fn program(command: &str, args: &[&str]) -> McpServer {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        McpServer { command: Some(command.to_owned()), args, url: None, enabled: true }
    }

    fn at(url: &str) -> McpServer {
        McpServer { url: Some(url.to_owned()), enabled: true, ..McpServer::default() }
    }

    #[test]
    fn an_identity_admits_its_server_and_not_the_next_one() {
        let rows = [
            ("{ command = 'x' }", program("x", &["any"]), program("/bin/x", &[])),
            ("{ command = 'x' }", program("x", &[]), program("X", &[])),
            ("{ command = 'x', args = [] }", program("x", &[]), program("x", &["a"])),
            ("{ command = 'x', args = ['a'] }", program("x", &["a"]), program("x", &["a", "b"])),
            (
                "{ command = 'x', args = ['a', { match = 'prefix', value = '--p=' }] }",
                program("x", &["a", "--p=1"]),
                program("x", &["--p=1", "a"]),
            ),
            ("{ url = 'https://a/' }", at("https://a/"), at("https://a/b")),
            ("{ url = 'https://a/' }", at("https://a/"), program("https://a/", &[])),
            ("{ url = { match = 'exact', value = 'u' } }", at("u"), at("uu")),
            (
                "{ url = { match = 'prefix', value = 'https://a/' } }",
                at("https://a/b"),
                at("https://a.evil/"),
            ),
            (
                "{ url = { match = 'regex', expression = 'https://[a-z]+/' } }",
                at("https://a/"),
                at("https://a/x"),
            ),
            ("{ url = { match = 'regex', expression = 'a|b' } }", at("b"), at("ab")),
            ("{ url = { match = 'regex', expression = 'a$' } }", at("a"), at("a\n")),
            ("{ url = { match = 'regex', expression = '(?m)^a$' } }", at("a"), at("a\na")),
        ];
        for (identity, admitted, refused) in rows {
            let read = read(&format!("s = {{ identity = {identity} }}")).expect(identity);
            assert!(read.matches(&admitted), "{identity} admits {admitted:?}");
            assert!(!read.matches(&refused), "{identity} refuses {refused:?}");
        }
    }

    #[test]
    fn an_identity_is_shown_as_it_was_written() {
        let rows = [
            ("{ command = 'x' }", "command `x`", "command x"),
            (
                "{ command = 'x', args = ['a', { match = 'prefix', value = '--p=' }] }",
                "command `x` with [`a`, `--p=…`]",
                "command x with [a, --p=…]",
            ),
            (
                r"{ url = { match = 'regex', expression = 'https://(a|b)\.example' } }",
                r"url /https://(a|b)\\.example/",
                r"url /https://(a|b)\.example/",
            ),
        ];
        for (identity, shown, plain) in rows {
            let read = read(&format!("s = {{ identity = {identity} }}")).expect(identity);
            assert_eq!((read.to_string(), read.to_plain()), (shown.to_owned(), plain.to_owned()));
        }
    }

    #[test]
    fn a_server_with_two_ways_to_reach_it_is_nobody() {
        let both = McpServer { url: Some("u".to_owned()), ..program("x", &[]) };
        for identity in ["{ command = 'x' }", "{ url = 'u' }"] {
            assert!(!read(&format!("s = {{ identity = {identity} }}")).unwrap().matches(&both));
        }
    }

    #[test]
    fn other_identities_are_refused() {
        let rows = [
            ("s = {}", "has no `identity`"),
            ("s = 1", "must be a table"),
            ("s = { identity = {} }", "has neither `command` nor `url`"),
            ("s = { identity = { args = [] } }", "has `args` without `command`"),
            ("s = { identity = { command = 'x', url = 'u' } }", "both `command` and `url`"),
            ("s = { identity = { command = ['x'] } }", "must be a string"),
            ("s = { identity = { command = 'x', args = 'a' } }", "must be a list with one matcher"),
            ("s = { identity = { command = 'x', args = [1] } }", "element 1: must be a string or a matcher"),
            (
                "s = { identity = { url = { match = 'glob', value = 'x' } } }",
                "`exact`, `prefix` or `regex`: not `glob`",
            ),
            ("s = { identity = { url = { value = 'x' } } }", "it is missing"),
            ("s = { identity = { url = { match = 'exact' } } }", "needs `value`"),
            ("s = { identity = { url = { match = 'regex', value = 'x' } } }", "needs `expression`"),
            ("s = { identity = { url = { match = 'regex', expression = '(' } } }", "unclosed group"),
            ("s = { identity = { url = { match = 'regex', expression = 'a)|(b' } } }", "unopened group"),
            ("s = { identity = { url = { match = 'regex', expression = '(?x)a # c' } } }", "unclosed group"),
            ("s = { identity = { url = { match = 'regex', expression = 'a{9999}{9999}' } } }", "size limit"),
        ];
        for (toml, expect) in rows {
            let mismatch = read(toml).expect_err(toml);
            assert!(mismatch.problem.contains(expect), "{toml}: {}", mismatch.problem);
            assert!(!mismatch.fix.is_empty());
        }
    }

    #[test]
    fn the_number_of_expressions_is_bounded() {
        let element = "{ match = 'regex', expression = 'a' },";
        let toml =
            |count| format!("s = {{ identity = {{ command = 'x', args = [{}] }} }}", element.repeat(count));
        assert!(read(&toml(MAX_REGEXES)).is_ok());
        assert!(read(&toml(MAX_REGEXES + 1)).unwrap_err().problem.contains("more than 256"));
    }
}
