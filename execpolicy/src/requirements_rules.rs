//! The rules that an administrator adds: `[rules] prefix_rules` of `requirements.toml`.
//!
//! They can only restrict. What does not parse refuses the whole file, which stops start-up.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::display::visible;
use crate::origin::Lines;
use crate::rule::{PatternToken, PrefixRule, RuleSet, Spelling};
use crate::rules_file::{RuleFileError, Source};
use crate::{Decision, Origin};

/// What a requirements file says of rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequirementsRules {
    /// The rules, in the order of the file.
    pub rules: RuleSet,
    /// Keys without a meaning, as `rules.prefix_rules[0].key`. They are
    /// ignored, and people are told so; what is hidden is escaped.
    pub unknown_keys: Vec<String>,
}

/// Reads the rules of a requirements file; none if it has no `[rules]`. `name` is what errors and origins
/// call the file.
///
/// # Errors
/// The first thing that is wrong, with its place; for a rule also its index.
pub fn from_toml(name: &str, text: &str) -> Result<RequirementsRules, RuleFileError> {
    let mut reader = Reader {
        source: Source { name, text },
        lines: Lines::new(text.as_bytes()),
        file: name.into(),
        unknown_keys: Vec::new(),
    };
    let document = DeTable::parse(text).map_err(|error| {
        reader.source.error(error.span().unwrap_or(0..0), error.message().to_owned(), None)
    })?;
    let rules = match document.get_ref().get("rules") {
        Some(rules) => reader.rules(rules)?,
        None => RuleSet::default(),
    };
    Ok(RequirementsRules { rules, unknown_keys: reader.unknown_keys })
}

/// A refusal: where, what, and how to mend it.
struct Fault(Range<usize>, String, &'static str);

type Table<'a> = Spanned<DeValue<'a>>;

struct Reader<'a> {
    source: Source<'a>,
    /// Asked for each rule, in the order of the text.
    lines: Lines<'a>,
    file: Arc<str>,
    unknown_keys: Vec<String>,
}

impl Reader<'_> {
    fn rules(&mut self, rules: &Table<'_>) -> Result<RuleSet, RuleFileError> {
        self.prefix_rules(rules).map_err(|Fault(bytes, message, help)| {
            let message = format!("invalid rules in requirements (set by {}): {message}", self.source.name);
            self.source.error(bytes, message, (!help.is_empty()).then(|| help.to_owned()))
        })
    }

    fn prefix_rules(&mut self, rules: &Table<'_>) -> Result<RuleSet, Fault> {
        let table = table(rules, "`rules`")?;
        self.note_unknown(table, &["prefix_rules"], "rules");
        let list = table.get("prefix_rules").ok_or_else(|| {
            Fault(rules.span(), "`rules` has no `prefix_rules`".into(), "add rules, or remove the table")
        })?;
        let items = array(list, "`prefix_rules`")?;
        if items.is_empty() {
            return Err(Fault(
                list.span(),
                "`prefix_rules` is empty".into(),
                "add rules, or remove the table",
            ));
        }
        let mut set = RuleSet::default();
        for (index, item) in items.iter().enumerate() {
            let place = format!("prefix_rules[{index}]");
            let rules = self
                .prefix_rule(item, &place)
                .map_err(|Fault(bytes, message, help)| Fault(bytes, format!("{place}: {message}"), help))?;
            set.prefix.extend(rules);
        }
        Ok(set)
    }

    fn prefix_rule(&mut self, item: &Table<'_>, place: &str) -> Result<Vec<PrefixRule>, Fault> {
        let table = table(item, "a rule")?;
        let known = ["pattern", "decision", "justification", "canonical_matching"];
        self.note_unknown(table, &known, &format!("rules.{place}"));
        let pattern = table.get("pattern").ok_or_else(|| {
            Fault(item.span(), "`pattern` is missing".into(), "name the words of the command")
        })?;
        let (programs, rest) = self.pattern(pattern, place)?;
        let decision = decision(table.get("decision"), item.span())?;
        let justification = table.get("justification").map(justification).transpose()?;
        let spelling = spelling(table.get("canonical_matching"))?;
        let origin = Origin::new(Arc::clone(&self.file), self.lines.line_of(item.span().start));
        let rule = |program| PrefixRule {
            program,
            rest: rest.clone(),
            decision,
            justification: justification.clone(),
            spelling,
            origin: origin.clone(),
        };
        Ok(programs.into_iter().map(rule).collect())
    }

    fn pattern(
        &mut self,
        pattern: &Table<'_>,
        place: &str,
    ) -> Result<(Vec<String>, Vec<PatternToken>), Fault> {
        let items = array(pattern, "`pattern`")?;
        let mut tokens = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            tokens.push(self.token(item, &format!("rules.{place}.pattern[{index}]"))?);
        }
        let mut tokens = tokens.into_iter();
        let first = tokens
            .next()
            .ok_or_else(|| Fault(pattern.span(), "`pattern` is empty".into(), "name at least the program"))?;
        Ok((first.alternatives().to_vec(), tokens.collect()))
    }

    fn token(&mut self, item: &Table<'_>, place: &str) -> Result<PatternToken, Fault> {
        let table = table(item, "an item of `pattern`")?;
        self.note_unknown(table, &["token", "any_of"], place);
        match (table.get("token"), table.get("any_of")) {
            (Some(token), None) => Ok(PatternToken::Single(word(token)?)),
            (None, Some(list)) => {
                let items = array(list, "`any_of`")?;
                let words: Vec<String> = items.iter().map(word).collect::<Result<_, _>>()?;
                match <[String; 1]>::try_from(words) {
                    Ok([word]) => Ok(PatternToken::Single(word)),
                    Err(words) if words.is_empty() => {
                        Err(Fault(list.span(), "`any_of` is empty".into(), "name the words that fit"))
                    }
                    Err(words) => Ok(PatternToken::AnyOf(words)),
                }
            }
            (Some(_), Some(_)) => Err(Fault(
                item.span(),
                "`token` and `any_of` exclude each other".into(),
                "remove one of them",
            )),
            (None, None) => Err(Fault(
                item.span(),
                "an item of `pattern` has neither `token` nor `any_of`".into(),
                "write { token = \"word\" } or { any_of = [\"one\", \"other\"] }",
            )),
        }
    }

    fn note_unknown(&mut self, table: &DeTable<'_>, known: &[&str], place: &str) {
        let unknown = table.keys().map(|key| key.get_ref()).filter(|key| !known.contains(&&***key));
        self.unknown_keys.extend(unknown.map(|key| format!("{place}.{}", visible(key))));
    }
}

fn wrong_type(value: &Table<'_>, what: &str, wanted: &str) -> Fault {
    let message = format!("{what} must be {wanted}, not {}", kind(value.get_ref()));
    Fault(value.span(), message, "")
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a bool",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn table<'t, 'd>(value: &'t Table<'d>, what: &str) -> Result<&'t DeTable<'d>, Fault> {
    value.get_ref().as_table().ok_or_else(|| wrong_type(value, what, "a table"))
}

fn array<'t, 'd>(value: &'t Table<'d>, what: &str) -> Result<&'t DeArray<'d>, Fault> {
    value.get_ref().as_array().ok_or_else(|| wrong_type(value, what, "a list"))
}

fn string<'t>(value: &'t Table<'_>, what: &str) -> Result<&'t str, Fault> {
    value.get_ref().as_str().ok_or_else(|| wrong_type(value, what, "a string"))
}

fn word(value: &Table<'_>) -> Result<String, Fault> {
    let word = string(value, "a word of `pattern`")?;
    if word.trim().is_empty() {
        return Err(Fault(value.span(), "a word of `pattern` is blank".into(), ""));
    }
    Ok(word.to_owned())
}

fn decision(value: Option<&Table<'_>>, rule: Range<usize>) -> Result<Decision, Fault> {
    const WORDS: &str = "use \"prompt\", \"prompt-user\" or \"forbidden\"";
    let value = value.ok_or_else(|| Fault(rule, "`decision` is missing".into(), WORDS))?;
    match string(value, "`decision`")? {
        "prompt" => Ok(Decision::Prompt),
        "prompt-user" => Ok(Decision::PromptUser),
        "forbidden" => Ok(Decision::Forbidden),
        "allow" => Err(Fault(
            value.span(),
            "`allow` is not available: requirements can only tighten, the strictest decision wins".into(),
            WORDS,
        )),
        word => Err(Fault(value.span(), format!("there is no decision `{word}`"), WORDS)),
    }
}

fn justification(value: &Table<'_>) -> Result<String, Fault> {
    let text = string(value, "`justification`")?;
    if text.trim().is_empty() {
        return Err(Fault(value.span(), "`justification` is blank".into(), "say why, or leave it out"));
    }
    Ok(text.to_owned())
}

fn spelling(value: Option<&Table<'_>>) -> Result<Spelling, Fault> {
    let Some(value) = value else { return Ok(Spelling::Exact) };
    match value.get_ref().as_bool() {
        Some(true) => Ok(Spelling::Folded),
        Some(false) => Ok(Spelling::Exact),
        None => Err(wrong_type(value, "`canonical_matching`", "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counting lines from the start for each rule would read this text ten thousand times.
    #[test]
    fn a_file_of_many_small_rules_has_the_line_of_each() {
        const BYTES: usize = 1 << 20;
        let rule = "[[rules.prefix_rules]]\npattern=[{token='a'}]\ndecision='prompt'\n";
        let count = BYTES / rule.len();
        let found = from_toml("r.toml", &rule.repeat(count)).unwrap().rules.prefix;
        assert_eq!(found.len(), count);
        for (index, rule) in found.iter().enumerate() {
            assert_eq!(usize::try_from(rule.origin.line).unwrap(), 3 * index + 1);
        }
        let list = "\n{pattern=[{token='a'}],decision='prompt'},";
        let text = format!("rules.prefix_rules = [{}]", list.repeat(BYTES / list.len()));
        let found = from_toml("r.toml", &text).unwrap().rules.prefix;
        assert_eq!(
            found.last().map(|rule| usize::try_from(rule.origin.line).unwrap()),
            Some(found.len() + 1)
        );
    }
}
