//! Lists of words: the modes, policies and reviewers that are allowed.

use toml::Value;

use crate::approval::{ApprovalPolicy, Granular};
use crate::display::{alternatives, escape_short};
use crate::keys::KeyPath;
use crate::reader::{Mismatch, Node, TableNode};
use crate::requirements::limits::SandboxModeLimit;
use crate::web_search::WebSearchMode;

/// The words of `allowed_approval_policies`.
const POLICIES: [(&str, ApprovalPolicy); 4] = [
    ("untrusted", ApprovalPolicy::Untrusted),
    ("on-request", ApprovalPolicy::OnRequest),
    ("never", ApprovalPolicy::Never),
    ("on-failure", ApprovalPolicy::OnRequest),
];

/// A list, each element read with its number from 1.
fn elements<T>(
    node: &Node<'_>,
    accepted: &str,
    example: &str,
    read: impl Fn(&Value) -> Option<Result<T, Mismatch>>,
) -> Result<Vec<T>, Mismatch> {
    let fix = || {
        let key = node.mismatch("", "").key;
        let name = key.parts().last().map(|part| KeyPath::new([part.as_str()]).to_string());
        format!("write `{} = [\"{example}\"]`", name.unwrap_or_default())
    };
    let Some(list) = node.value().as_array() else {
        return Err(node.mismatch(format!("must be a list of {accepted}"), fix()));
    };
    let element = |(index, value): (usize, &Value)| match read(value) {
        Some(Ok(element)) => Ok(element),
        Some(Err(inner)) => {
            let problem = format!("element {}: `{}` {}", index + 1, inner.key, inner.problem);
            Err(Mismatch { problem, fix: inner.fix, ..node.mismatch("", "") })
        }
        None => {
            let found = value
                .as_str()
                .map_or_else(|| "not a word".to_owned(), |word| format!("`{}`", escape_short(word)));
            let problem = format!("must be a list of {accepted}, but element {} is {found}", index + 1);
            Err(node.mismatch(problem, fix()))
        }
    };
    list.iter().enumerate().map(element).collect()
}

/// A list of such words.
pub(crate) fn words<T: Copy>(node: &Node<'_>, words: &[(&str, T)]) -> Result<Vec<T>, Mismatch> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    elements(node, &alternatives(&known), known.first().unwrap_or(&""), |value| {
        let text = value.as_str()?;
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| Ok(*meaning))
    })
}

/// Refuses an empty list: nothing would be allowed, and there would be nothing to fall back to.
pub(crate) fn not_empty<T>(node: &Node<'_>, list: Vec<T>) -> Result<Vec<T>, Mismatch> {
    if list.is_empty() {
        return Err(node.mismatch("cannot be empty", "name at least one, or remove the key"));
    }
    Ok(list)
}

/// A list of sandbox modes. Read-only has to be in it, as it is what everybody can fall back to.
pub(crate) fn sandbox_modes(node: &Node<'_>) -> Result<Vec<SandboxModeLimit>, Mismatch> {
    let modes = words(node, &SandboxModeLimit::WORDS)?;
    if !modes.contains(&SandboxModeLimit::ReadOnly) {
        let problem = "must contain `read-only`, the mode that everybody can fall back to";
        return Err(node.mismatch(problem, "add \"read-only\" to the list"));
    }
    Ok(modes)
}

/// A list of search modes; not to search is always allowed.
pub(crate) fn web_search_modes(node: &Node<'_>) -> Result<Vec<WebSearchMode>, Mismatch> {
    let mut modes = words(node, &WebSearchMode::WORDS)?;
    if !modes.contains(&WebSearchMode::Disabled) {
        modes.push(WebSearchMode::Disabled);
    }
    Ok(modes)
}

/// A list of approval policies.
pub(crate) fn approval_policies(node: &Node<'_>) -> Result<Vec<ApprovalPolicy>, Mismatch> {
    let accepted = "`untrusted`, `on-request`, `never` or `{ granular = { … } }`";
    let policies = elements(node, accepted, "on-request", |value| {
        approval_policy_word(value).map(Ok).or_else(|| granular(value))
    })?;
    not_empty(node, policies)
}

/// One approval policy of a configuration.
pub(crate) fn approval_policy(node: &Node<'_>) -> Result<ApprovalPolicy, Mismatch> {
    match approval_policy_word(node.value()).map(Ok).or_else(|| granular(node.value())) {
        Some(policy) => policy,
        None => Err(node.mismatch(
            "must be `untrusted`, `on-request`, `never` or `{ granular = { … } }`",
            "write `approval_policy = \"on-request\"`",
        )),
    }
}

/// A policy written as a word. `on-failure` is judged like `on-request` and becomes it.
fn approval_policy_word(value: &Value) -> Option<ApprovalPolicy> {
    let text = value.as_str()?;
    POLICIES.iter().find(|(word, _)| *word == text).map(|(_, policy)| *policy)
}

/// A policy written as `{ granular = { … } }`; `None` for another value.
fn granular(value: &Value) -> Option<Result<ApprovalPolicy, Mismatch>> {
    let table = value.as_table()?;
    let node = TableNode::top(table).get("granular")?;
    let read = || {
        let table = node.table()?;
        let required = |name: &str| {
            table.optional(name, Node::boolean)?.ok_or_else(|| {
                node.mismatch(format!("has no `{name}`"), format!("add `{name} = true` or `{name} = false`"))
            })
        };
        Ok(ApprovalPolicy::Granular(Granular {
            sandbox_approval: required("sandbox_approval")?,
            rules: required("rules")?,
            mcp_elicitations: required("mcp_elicitations")?,
            skill_approval: table.or_default("skill_approval", Node::boolean)?,
            request_permissions: table.or_default("request_permissions", Node::boolean)?,
        }))
    };
    Some(read())
}
