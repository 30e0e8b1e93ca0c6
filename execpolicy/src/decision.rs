//! The four answers and their order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What policy says of a command. The order is strictness: where several apply, the greatest holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may run without a question.
    Allow,
    /// An approver has to say yes first.
    Prompt,
    /// A person has to say yes first, every time; no automatic reviewer may answer and nothing is
    /// remembered. Only administrators can ask for this.
    PromptUser,
    /// It may not run, whoever approves.
    Forbidden,
}

impl Decision {
    /// The word of rule files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Prompt => "prompt",
            Self::PromptUser => "prompt-user",
            Self::Forbidden => "forbidden",
        }
    }

    /// Whether this keeps a command from simply running. Restrictive rules are looked for in more places
    /// than allowing ones, see the crate's invariants.
    pub fn restricts(self) -> bool {
        match self {
            Self::Allow => false,
            Self::Prompt | Self::PromptUser | Self::Forbidden => true,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Decision;

    #[test]
    fn the_order_is_strictness() {
        let order = [Decision::Allow, Decision::Prompt, Decision::PromptUser, Decision::Forbidden];
        assert!(order.is_sorted());
        assert_eq!(order.map(Decision::restricts), [false, true, true, true]);
    }
}
