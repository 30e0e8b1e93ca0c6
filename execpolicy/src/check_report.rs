//! What `execpolicy check` prints. People's rule tests compare it byte for byte, so keys, their order and
//! what is left out are fixed.

use serde::Serialize;

use crate::Decision;
use crate::policy::PrefixMatch;

/// The matches of one command and their verdict.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport<'a> {
    matched_rules: Vec<MatchedRule<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum MatchedRule<'a> {
    #[serde(rename_all = "camelCase")]
    PrefixRuleMatch {
        matched_prefix: &'a [String],
        decision: Decision,
        #[serde(skip_serializing_if = "Option::is_none")]
        resolved_program: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        justification: Option<&'a str>,
    },
}

impl<'a> CheckReport<'a> {
    /// The report on what [`crate::Policy::check`] found.
    pub fn new(matches: &'a [PrefixMatch<'a>]) -> Self {
        let matched_rules = matches
            .iter()
            .map(|found| MatchedRule::PrefixRuleMatch {
                matched_prefix: &found.matched_prefix,
                decision: found.rule.decision,
                resolved_program: found.resolved_program.as_deref(),
                justification: found.rule.justification.as_deref(),
            })
            .collect();
        Self { matched_rules, decision: matches.iter().map(|found| found.rule.decision).max() }
    }

    /// The strictest decision; none if no rule matched.
    pub fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// On one line, without a line break at its end.
    ///
    /// # Errors
    /// None that can occur: the report holds nothing but strings.
    pub fn to_line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Indented by two spaces: `--pretty`.
    ///
    /// # Errors
    /// As [`CheckReport::to_line`].
    pub fn to_pretty(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}
