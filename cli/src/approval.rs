//! An approval policy, as typed.

use std::str::FromStr;

use policies::{ApprovalPolicy, Granular};

/// An approval policy as typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ApprovalWord(ApprovalPolicy);

impl FromStr for ApprovalWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let policy = match word {
            "untrusted" => ApprovalPolicy::Untrusted,
            "on-failure" => ApprovalPolicy::OnFailure,
            "on-request" => ApprovalPolicy::OnRequest,
            "never" => ApprovalPolicy::Never,
            _ => ApprovalPolicy::Granular(granular(word)?),
        };
        Ok(Self(policy))
    }
}

fn granular(word: &str) -> Result<Granular, String> {
    let wrong = || {
        "expected untrusted, on-failure, on-request, never, or granular:CATEGORY,… with the categories that may \
         ask: sandbox_approval, rules, request_permissions"
            .to_owned()
    };
    let categories = word.strip_prefix("granular").ok_or_else(wrong)?;
    let mut granular = Granular {
        sandbox_approval: false,
        rules: false,
        mcp_elicitations: false,
        skill_approval: false,
        request_permissions: false,
    };
    if categories.is_empty() {
        return Ok(granular);
    }
    for category in categories.strip_prefix(':').ok_or_else(wrong)?.split(',') {
        match category {
            "sandbox_approval" => granular.sandbox_approval = true,
            "rules" => granular.rules = true,
            "mcp_elicitations" => granular.mcp_elicitations = true,
            "skill_approval" => granular.skill_approval = true,
            "request_permissions" => granular.request_permissions = true,
            _ => return Err(wrong()),
        }
    }
    Ok(granular)
}

impl ApprovalWord {
    /// As the evaluator takes it.
    pub(crate) fn for_evaluation(self) -> execpolicy::ApprovalPolicy {
        self.0.for_evaluation()
    }

    /// As a setting for this run, which requirements limit like any other.
    pub(crate) fn as_override(&self) -> String {
        match self.0 {
            ApprovalPolicy::Granular(_) => format!("approval_policy={}", self.0),
            ApprovalPolicy::Untrusted
            | ApprovalPolicy::OnFailure
            | ApprovalPolicy::OnRequest
            | ApprovalPolicy::Never => format!("approval_policy=\"{}\"", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_typed_as_it_is_configured() {
        let setting = |word: &str| word.parse::<ApprovalWord>().map(|word| word.as_override());
        assert_eq!(setting("on-failure").as_deref(), Ok("approval_policy=\"on-failure\""));
        let granular = setting("granular:rules,request_permissions").unwrap();
        assert!(
            granular.contains("rules = true") && granular.contains("sandbox_approval = false"),
            "{granular}"
        );
        assert!(policies::parse_override(&granular).is_ok());
        assert!(setting("granular").is_ok());
        let both = execpolicy::Granular { sandbox_approval: true, rules: true };
        let evaluated =
            "granular:rules,sandbox_approval".parse::<ApprovalWord>().map(ApprovalWord::for_evaluation);
        assert_eq!(evaluated, Ok(execpolicy::ApprovalPolicy::Granular(both)));
        for wrong in ["", "always", "granular:", "granular:everything", "on_request"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
