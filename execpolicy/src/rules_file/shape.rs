//! Bounds that a text must keep before it is parsed: the parser and the compiler call themselves once per
//! level, so a text that nests deeply enough would overflow their stack, which ends the process.
//!
//! The text is judged by the parser's own tokens, so that nothing can hide in what one of the two takes for
//! a string or a comment and the other does not.

use starlark::codemap::CodeMap;
use starlark_syntax::dialect::Dialect;
use starlark_syntax::lexer::{Lexer, Token};

use super::error::{RuleFileError, Source};
use super::guards;

/// Brackets within brackets; the parser needs the most stack for these.
const MAX_BRACKETS: usize = 60;
/// Tokens of one expression: between two commas, plus those around its brackets. Each may be one level of
/// the syntax tree, as in `not not x` or `a + b + c`.
const MAX_EXPRESSION: usize = 1000;
/// Indented blocks within blocks, and branches of an `elif` chain, each of which nests in the one before.
const MAX_BLOCKS: usize = 60;
/// Digits in a row: reading a numeral takes the square of its length.
const MAX_DIGITS: usize = 4000;
/// Bytes of a name: for one that is unknown, it is compared with all others in the product of their lengths.
const MAX_NAME: usize = 200;

/// Tokens of one expression that the parser and the compiler handle on any thread's stack: an unoptimised
/// build uses about 40 KiB for each.
const SHALLOW_EXPRESSION: usize = 20;
/// The same for brackets within brackets.
const SHALLOW_BRACKETS: usize = 6;

/// How much stack a text needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Depth {
    /// No more than any thread has.
    Shallow,
    /// Up to [`super::STACK_BYTES`].
    Deep,
}

/// Refuses a text that would be too deep to parse. An error of the lexer is left to the parser.
pub(super) fn check(source: &Source<'_>, dialect: &Dialect) -> Result<Depth, RuleFileError> {
    if source.text.starts_with('\u{feff}') {
        let help = "save the file as UTF-8 without a byte-order mark".to_owned();
        return Err(source.error(0..0, "the file begins with a byte-order mark", Some(help)));
    }
    check_numerals(source)?;
    let codemap = CodeMap::new(source.name.to_owned(), source.text.to_owned());
    let mut shape = Shape { deep: source.text.contains(super::STATIC_TYPES), ..Shape::default() };
    for token in Lexer::new(source.text, dialect, codemap) {
        let Ok((start, token, end)) = token else { break };
        shape.take(&token).map_err(|message| {
            let help = "split it: give the inner part a name on a line of its own".to_owned();
            source.error(start..end, message, Some(help))
        })?;
        if let Token::Identifier(name) = &token {
            check_name(name).map_err(|message| {
                source.error(start..end, message, Some("choose another name".to_owned()))
            })?;
        }
    }
    Ok(if shape.deep { Depth::Deep } else { Depth::Shallow })
}

fn check_name(name: &str) -> Result<(), String> {
    if name.len() > MAX_NAME {
        return Err(format!("a name is longer than {MAX_NAME} bytes"));
    }
    if guards::reserved(name) {
        return Err(format!("the name `{name}` is reserved"));
    }
    Ok(())
}

fn check_numerals(source: &Source<'_>) -> Result<(), RuleFileError> {
    let mut digits = 0_usize;
    for (at, byte) in source.text.bytes().enumerate() {
        digits = if byte.is_ascii_alphanumeric() && (digits > 0 || byte.is_ascii_digit()) {
            digits.saturating_add(1)
        } else {
            0
        };
        if digits > MAX_DIGITS {
            let start = at.saturating_sub(digits);
            return Err(source.error(start..at, "a numeral is longer than a rule file may hold", None));
        }
    }
    Ok(())
}

/// The expression at hand, one level of brackets.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// Tokens since the last comma.
    segment: usize,
    /// Tokens whose reach a comma does not end: `lambda a, b: lambda c, d: …`
    sticky: usize,
}

impl Level {
    fn weight(self) -> usize {
        self.segment.saturating_add(self.sticky)
    }
}

#[derive(Debug, Default)]
struct Shape {
    /// The level outside of all brackets.
    outer: Level,
    brackets: Vec<Level>,
    /// The summed weight of all levels but the innermost.
    below: usize,
    /// Per open block, the outermost first: the branches of the `elif` chain at hand.
    blocks: Vec<usize>,
    outer_branches: usize,
    inside_line: bool,
    deep: bool,
}

impl Shape {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other token weighs the same")]
    fn take(&mut self, token: &Token) -> Result<(), &'static str> {
        match token {
            Token::Comment(_) => {}
            Token::Newline => self.end_line(),
            Token::Indent => self.blocks.push(0),
            Token::Dedent => {
                self.blocks.pop();
            }
            Token::Comma | Token::Semicolon => self.level().segment = 0,
            // Calls need stack when they run, however flat their text is.
            Token::Lambda | Token::Def => {
                self.deep = true;
                self.count(token, true);
            }
            Token::For => self.count(token, true),
            token if opens(token) => {
                self.count(token, false);
                self.below = self.below.saturating_add(self.level().weight());
                self.brackets.push(Level::default());
            }
            token if closes(token) => {
                self.brackets.pop();
                let weight = self.level().weight();
                self.below = self.below.saturating_sub(weight);
                self.count(token, false);
            }
            token => self.count(token, false),
        }
        self.within_bounds()
    }

    fn level(&mut self) -> &mut Level {
        self.brackets.last_mut().unwrap_or(&mut self.outer)
    }

    fn count(&mut self, token: &Token, sticky: bool) {
        if !self.inside_line {
            self.begin_line(token);
        }
        let level = self.level();
        let counter = if sticky { &mut level.sticky } else { &mut level.segment };
        *counter = counter.saturating_add(1);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other token begins another statement")]
    fn begin_line(&mut self, token: &Token) {
        self.inside_line = true;
        let branches = self.blocks.last_mut().unwrap_or(&mut self.outer_branches);
        match token {
            Token::Elif => {
                *branches = branches.saturating_add(1);
                self.deep = true;
            }
            Token::Else => {}
            _ => *branches = 0,
        }
    }

    fn end_line(&mut self) {
        if self.brackets.is_empty() {
            self.outer = Level::default();
            self.inside_line = false;
        }
    }

    fn within_bounds(&mut self) -> Result<(), &'static str> {
        let expression = self.below.saturating_add(self.level().weight());
        self.deep |= !self.blocks.is_empty()
            || expression > SHALLOW_EXPRESSION
            || self.brackets.len() > SHALLOW_BRACKETS;
        if self.brackets.len() > MAX_BRACKETS {
            return Err("brackets are nested too deeply");
        }
        if expression > MAX_EXPRESSION {
            return Err("the expression is too long");
        }
        let branches: usize = self.blocks.iter().sum::<usize>().saturating_add(self.outer_branches);
        if self.blocks.len().saturating_add(branches) > MAX_BLOCKS {
            return Err("blocks or branches are nested too deeply");
        }
        Ok(())
    }
}

fn opens(token: &Token) -> bool {
    matches!(
        token,
        Token::OpeningRound
            | Token::OpeningSquare
            | Token::OpeningCurly
            | Token::FStringStart(_)
            | Token::FStringExprStart
    )
}

fn closes(token: &Token) -> bool {
    matches!(
        token,
        Token::ClosingRound
            | Token::ClosingSquare
            | Token::ClosingCurly
            | Token::FStringEnd
            | Token::FStringExprEnd
    )
}
