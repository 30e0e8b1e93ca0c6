//! The rule that would settle a question for good: which may be offered, and what an acceptance is.

use serde::Serialize;

use crate::context::Programs;
use crate::knowledge;
use crate::policy::paths;
use crate::{Decision, Origin, PatternToken, PrefixRule, RuleSet, Spelling, Verdict, format};

/// How much an offered rule would cover.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This command, word for word, and whatever follows it.
    Command,
    /// The program with its sub-command, or with as many words as the agent asked for.
    Subcommand,
    /// The program, whatever its arguments.
    Program,
}

/// An allowing prefix rule that may be offered.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amendment {
    /// How much it covers.
    pub scope: Scope,
    /// The words.
    pub prefix: Vec<String>,
    /// Other commands that it would allow too, so that nobody accepts more than he sees.
    pub also_matches: Vec<String>,
}

/// An amendment that was offered and accepted. Only a verdict that offered it makes one, so an answer
/// cannot name a prefix of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    prefix: Vec<String>,
}

/// The prefix was not among those offered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("refused the rule for `{}`: it was not offered", crate::shell::join(.prefix))]
pub struct NotOffered {
    /// What was named.
    pub prefix: Vec<String>,
}

impl NotOffered {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        "answer with one of the offered prefixes, or write the rule into a rule file by hand"
    }
}

impl Verdict {
    /// Takes an answer that names a prefix.
    ///
    /// # Errors
    /// [`NotOffered`] for any other than those of [`Verdict::amendments`].
    pub fn accept(&self, prefix: &[String]) -> Result<Accepted, NotOffered> {
        match self.amendments.iter().find(|offered| offered.prefix == prefix) {
            Some(offered) => Ok(Accepted { prefix: offered.prefix.clone() }),
            None => Err(NotOffered { prefix: prefix.to_vec() }),
        }
    }
}

impl Accepted {
    /// The words of the rule.
    pub fn prefix(&self) -> &[String] {
        &self.prefix
    }

    /// The line for the rule file, with its newline.
    pub fn line(&self) -> String {
        format::amendment_line(&self.prefix)
    }

    /// The rule, to be added to the running policy: it holds at once.
    pub fn rule_set(&self, origin: Origin) -> RuleSet {
        let Some((program, rest)) = self.prefix.split_first() else { return RuleSet::default() };
        let rule = PrefixRule {
            program: program.clone(),
            rest: rest.iter().cloned().map(PatternToken::Single).collect(),
            decision: Decision::Allow,
            justification: None,
            spelling: Spelling::Exact,
            origin,
        };
        RuleSet { prefix: vec![rule], ..RuleSet::default() }
    }
}

/// A single command that no rule speaks of, that is not dangerous and starts nothing else.
pub(crate) struct Candidate<'a> {
    /// Its words.
    pub(crate) argv: &'a [String],
    /// The prefix that the agent asked for.
    pub(crate) wanted: Option<&'a [String]>,
    /// Where programs lie.
    pub(crate) programs: &'a dyn Programs,
}

/// What may be offered for a command: what the agent asked for first, then from narrow to wide.
pub(crate) fn offers(candidate: &Candidate<'_>) -> Vec<Amendment> {
    let argv = candidate.argv;
    if argv.first().is_none_or(|program| is_replaceable(program, candidate.programs)) {
        return Vec::new();
    }
    let wanted = candidate.wanted.filter(|wanted| argv.starts_with(wanted) && !wanted.is_empty());
    let subcommand = knowledge::subcommand(argv).and_then(|words| argv.get(..words));
    let scopes = [
        wanted.map(|prefix| (scope_of(prefix.len(), argv.len()), prefix)),
        Some((Scope::Command, argv)),
        subcommand.map(|prefix| (scope_of(prefix.len(), argv.len()), prefix)),
        argv.get(..1).map(|prefix| (Scope::Program, prefix)),
    ];
    let mut offers: Vec<Amendment> = Vec::new();
    for (scope, prefix) in scopes.into_iter().flatten() {
        let offered = offers.iter().any(|offer| offer.prefix == prefix);
        if !offered && knowledge::offerable(prefix).is_ok() {
            offers.push(Amendment {
                scope,
                prefix: prefix.to_vec(),
                also_matches: knowledge::other_commands(prefix),
            });
        }
    }
    offers
}

fn scope_of(prefix: usize, command: usize) -> Scope {
    match prefix {
        1 if command > 1 => Scope::Program,
        all if all >= command => Scope::Command,
        _ => Scope::Subcommand,
    }
}

/// A rule on a program that the sandboxed side can rewrite would let it out of the sandbox.
pub(crate) fn is_replaceable(program: &str, programs: &dyn Programs) -> bool {
    if !program.contains('/') {
        return false;
    }
    !paths::plainly_absolute(program) || programs.replaceable(&paths::absolute("/", program))
}
