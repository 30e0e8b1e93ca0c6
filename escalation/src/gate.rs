//! What an approval policy lets be asked.

use policies::ApprovalPolicy;

use crate::settled::{Category, Refusal};

/// Whether questions of this category may be asked.
///
/// # Errors
/// [`Refusal::ApprovalPolicy`].
pub(crate) fn may_ask(policy: ApprovalPolicy, category: Category) -> Result<(), Refusal> {
    let may = match policy {
        ApprovalPolicy::Untrusted | ApprovalPolicy::OnFailure | ApprovalPolicy::OnRequest => true,
        ApprovalPolicy::Never => false,
        ApprovalPolicy::Granular(granular) => match category {
            Category::SandboxApproval => granular.sandbox_approval,
            Category::Rules => granular.rules,
            Category::RequestPermissions => granular.request_permissions,
        },
    };
    if may { Ok(()) } else { Err(Refusal::ApprovalPolicy { policy, category }) }
}

/// Whether a command that the sandbox stopped may be tried again with more, after a question.
///
/// Under `on-request` and `never` the agent gets the denial: it is for it to ask. Under `untrusted` too there is a
/// question, although the command was approved already: what the sandboxed side prints decides whether it looks
/// stopped, and that must never decide that it leaves the sandbox (I5).
pub(crate) fn asks_for_retry(policy: ApprovalPolicy) -> bool {
    match policy {
        ApprovalPolicy::Untrusted | ApprovalPolicy::OnFailure => true,
        ApprovalPolicy::OnRequest | ApprovalPolicy::Never => false,
        ApprovalPolicy::Granular(granular) => granular.sandbox_approval,
    }
}

#[cfg(test)]
mod tests {
    use policies::Granular;

    use super::*;

    fn granular(on: Category) -> ApprovalPolicy {
        ApprovalPolicy::Granular(Granular {
            sandbox_approval: on == Category::SandboxApproval,
            rules: on == Category::Rules,
            mcp_elicitations: false,
            skill_approval: false,
            request_permissions: on == Category::RequestPermissions,
        })
    }

    const CATEGORIES: [Category; 3] =
        [Category::SandboxApproval, Category::Rules, Category::RequestPermissions];

    #[test]
    fn never_asks_nothing_and_granular_what_is_switched_on() {
        for category in CATEGORIES {
            assert!(may_ask(ApprovalPolicy::Never, category).is_err());
            for policy in [ApprovalPolicy::Untrusted, ApprovalPolicy::OnFailure, ApprovalPolicy::OnRequest] {
                assert!(may_ask(policy, category).is_ok());
            }
            for on in CATEGORIES {
                assert_eq!(may_ask(granular(on), category).is_ok(), on == category);
            }
        }
    }

    #[test]
    fn a_second_attempt_is_asked_about_where_the_policy_wants_it() {
        let retries = [
            (ApprovalPolicy::Untrusted, true),
            (ApprovalPolicy::OnFailure, true),
            (ApprovalPolicy::OnRequest, false),
            (ApprovalPolicy::Never, false),
            (granular(Category::SandboxApproval), true),
            (granular(Category::Rules), false),
        ];
        for (policy, expect) in retries {
            assert_eq!(asks_for_retry(policy), expect, "{policy}");
        }
    }
}
