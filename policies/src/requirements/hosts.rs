//! `[[remote_sandbox_config]]`: other sandbox modes on hosts with certain names.

use toml::Table;

use crate::reader::{Mismatch, Node, TableNode};
use crate::requirements::limits::SandboxModeLimit;
use crate::requirements::words::sandbox_modes;
use crate::wildcard::Wildcard;

/// The modes of the first entry that is about this host, if any. All entries are checked, also those for other
/// hosts: a mistake must not wait for the machine that it is about.
pub(crate) fn modes_for_host(
    node: &Node<'_>,
    hostname: &str,
) -> Result<Option<Vec<SandboxModeLimit>>, Mismatch> {
    let wrong = |index: usize| {
        let problem = format!("must be a list of tables, but element {} is none", index + 1);
        node.mismatch(problem, "start each entry with `[[remote_sandbox_config]]`")
    };
    let list = node.value().as_array().ok_or_else(|| wrong(0))?;
    let mut decided = None;
    for (index, value) in list.iter().enumerate() {
        let entry = value.as_table().ok_or_else(|| wrong(index))?;
        let (matches, modes) = read(entry, hostname).map_err(|inner| {
            let problem = format!("entry {}: `{}` {}", index + 1, inner.key, inner.problem);
            Mismatch { problem, fix: inner.fix, ..node.mismatch("", "") }
        })?;
        if matches && decided.is_none() {
            decided = Some(modes);
        }
    }
    Ok(decided)
}

/// Whether one entry is about the host, and its modes.
fn read(entry: &Table, hostname: &str) -> Result<(bool, Vec<SandboxModeLimit>), Mismatch> {
    let entry = TableNode::top(entry);
    let missing = |name: &str, fix: &str| Mismatch {
        key: crate::keys::KeyPath::new([name]),
        anchor: crate::location::Anchor::Value,
        problem: "is missing".to_owned(),
        fix: fix.to_owned(),
    };
    let patterns = entry
        .optional("hostname_patterns", Node::strings)?
        .ok_or_else(|| missing("hostname_patterns", "write `hostname_patterns = [\"build-*\"]`"))?;
    let modes = entry
        .optional("allowed_sandbox_modes", sandbox_modes)?
        .ok_or_else(|| missing("allowed_sandbox_modes", "write `allowed_sandbox_modes = [\"read-only\"]`"))?;
    let hostname = hostname.trim_end_matches('.');
    let matches = |pattern: &String| Wildcard::new(pattern.trim_end_matches('.')).is_match(hostname);
    Ok((patterns.iter().any(matches), modes))
}
