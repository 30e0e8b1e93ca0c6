//! What both a person's network settings and a repository's permit.

use std::collections::BTreeMap;

use crate::network::{NetworkDefinition, NetworkMode, NetworkRule};

/// What is left of `base` under `repository`.
///
/// No host or socket becomes reachable that `base` does not allow: behind a proxy an unlisted one is asked about.
/// Patterns are compared as written; only where `base` allows every host, plain names of the repository's take the
/// place of that.
///
/// Where both list hosts but none in common, nothing is left of the network. The same where only the repository
/// limits it by a list: leaving the list out would permit more than the repository does, and taking it over more
/// than the person does.
#[must_use]
pub fn narrow_network(base: &NetworkDefinition, repository: &NetworkDefinition) -> NetworkDefinition {
    if !base.is_enabled() || !repository.is_enabled() {
        return NetworkDefinition { enabled: base.enabled.map(|_| false), ..base.clone() };
    }
    let (domains, has_hosts) = rules(&with_names(&base.domains, &repository.domains), &repository.domains);
    let (unix_sockets, _) = rules(&base.unix_sockets, &repository.unix_sockets);
    let limited = [base.mode, repository.mode].contains(&Some(NetworkMode::Limited));
    // Only a `false` says something: the value of the repository never switches anything on.
    let both = |ours: Option<bool>, theirs: Option<bool>| if theirs == Some(false) { theirs } else { ours };
    NetworkDefinition {
        enabled: Some(has_hosts),
        mode: if limited { Some(NetworkMode::Limited) } else { base.mode },
        domains,
        unix_sockets,
        allow_local_binding: both(base.allow_local_binding, repository.allow_local_binding),
        allow_upstream_proxy: both(base.allow_upstream_proxy, repository.allow_upstream_proxy),
        enable_socks5: both(base.enable_socks5, repository.enable_socks5),
        enable_socks5_udp: both(base.enable_socks5_udp, repository.enable_socks5_udp),
        proxy_url: base.proxy_url.clone(),
        socks_url: base.socks_url.clone(),
        dangerously_allow_non_loopback_proxy: both(
            base.dangerously_allow_non_loopback_proxy,
            repository.dangerously_allow_non_loopback_proxy,
        ),
        dangerously_allow_all_unix_sockets: both(
            base.dangerously_allow_all_unix_sockets,
            repository.dangerously_allow_all_unix_sockets,
        ),
        mitm: base.mitm.clone(),
    }
}

/// Ours, and where we allow every host also the names that the repository allows.
fn with_names(
    ours: &BTreeMap<String, NetworkRule>,
    theirs: &BTreeMap<String, NetworkRule>,
) -> BTreeMap<String, NetworkRule> {
    let mut all = ours.clone();
    if ours.get("*") == Some(&NetworkRule::Allow) {
        let names = theirs.iter().filter(|(name, rule)| **rule == NetworkRule::Allow && is_public_name(name));
        for (name, rule) in names {
            all.entry(name.clone()).or_insert(*rule);
        }
    }
    all
}

/// Whether a pattern can only be about a public name. To allow a private address by its exact name opens it, which
/// `*` does not.
fn is_public_name(pattern: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let last = pattern.rsplit('.').next().unwrap_or_default();
    pattern.bytes().all(plain)
        && pattern.contains('.')
        && last.starts_with(|first: char| first.is_ascii_alphabetic())
        && !["localhost", "local", "internal", "home", "lan"]
            .iter()
            .any(|name| last.eq_ignore_ascii_case(name))
}

/// Every denial of both and the allowances in common, by exact pattern; and whether anything stays allowed. A side
/// without allowances that only denies leaves those of the other alone.
fn rules(
    ours: &BTreeMap<String, NetworkRule>,
    theirs: &BTreeMap<String, NetworkRule>,
) -> (BTreeMap<String, NetworkRule>, bool) {
    let allows =
        |rules: &BTreeMap<String, NetworkRule>| rules.values().any(|rule| *rule == NetworkRule::Allow);
    let they_limit = allows(theirs);
    let allowed = |pattern: &String, rule: NetworkRule| match rule {
        NetworkRule::Deny => true,
        NetworkRule::Allow => !they_limit || theirs.get(pattern) == Some(&NetworkRule::Allow),
    };
    let mut both: BTreeMap<String, NetworkRule> = ours
        .iter()
        .filter(|(pattern, rule)| allowed(pattern, **rule))
        .map(|(pattern, rule)| (pattern.clone(), *rule))
        .collect();
    let stays = allows(&both) || !they_limit;
    let denied = theirs.iter().filter(|(_, rule)| **rule == NetworkRule::Deny);
    both.extend(denied.map(|(pattern, rule)| (pattern.clone(), *rule)));
    (both, stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> NetworkDefinition {
        let table: toml::Table = format!("network = {{ {toml} }}").parse().expect(toml);
        let node = crate::reader::TableNode::top(&table).get("network").unwrap();
        NetworkDefinition::read(&node).unwrap()
    }

    #[test]
    fn only_what_both_permit_is_left() {
        let rows = [
            ("off stays off", "enabled = false", "enabled = true", "enabled = false"),
            ("unset stays off", "", "enabled = true, domains = { 'a.x' = 'allow' }", ""),
            ("on and off", "enabled = true, mode = 'full'", "", "enabled = false, mode = 'full'"),
            ("on and on", "enabled = true", "enabled = true", "enabled = true"),
            (
                "hosts in common",
                "enabled = true, domains = { 'a.x' = 'allow', 'b.x' = 'allow', 'd.x' = 'deny' }",
                "enabled = true, domains = { 'b.x' = 'allow', 'c.x' = 'allow', 'e.x' = 'deny' }",
                "enabled = true, domains = { 'b.x' = 'allow', 'd.x' = 'deny', 'e.x' = 'deny' }",
            ),
            (
                "none in common",
                "enabled = true, domains = { 'a.x' = 'allow' }",
                "enabled = true, domains = { 'b.x' = 'allow' }",
                "enabled = false, domains = {}",
            ),
            (
                "a denial alone",
                "enabled = true, domains = { 'a.x' = 'allow', 'b.x' = 'allow' }",
                "enabled = true, domains = { 'a.x' = 'deny' }",
                "enabled = true, domains = { 'a.x' = 'deny', 'b.x' = 'allow' }",
            ),
            (
                "hosts that only the repository lists",
                "enabled = true",
                "enabled = true, domains = { 'a.x' = 'allow' }",
                "enabled = false, domains = {}",
            ),
            (
                "the limited mode",
                "enabled = true",
                "enabled = true, mode = 'limited'",
                "enabled = true, mode = 'limited'",
            ),
            (
                "never the full one",
                "enabled = true, mode = 'limited'",
                "enabled = true, mode = 'full'",
                "enabled = true, mode = 'limited'",
            ),
            (
                "switches only go off",
                "enabled = true, enable_socks5 = true, allow_local_binding = true",
                "enabled = true, enable_socks5 = false, dangerously_allow_all_unix_sockets = true, allow_local_binding = true",
                "enabled = true, enable_socks5 = false, allow_local_binding = true",
            ),
            (
                "addresses and interception are the person's",
                "enabled = true, proxy_url = 'http://127.0.0.1:1'",
                "enabled = true, proxy_url = 'http://evil:1', socks_url = 'x', mitm = { hooks = {} }",
                "enabled = true, proxy_url = 'http://127.0.0.1:1'",
            ),
            (
                "sockets",
                "enabled = true, unix_sockets = { '/a' = 'allow', '/b' = 'allow' }",
                "enabled = true, unix_sockets = { '/b' = 'allow', '/c' = 'allow', '/d' = 'deny' }",
                "enabled = true, unix_sockets = { '/b' = 'allow', '/d' = 'deny' }",
            ),
        ];
        for (name, base, repository, expect) in rows {
            assert_eq!(narrow_network(&read(base), &read(repository)), read(expect), "{name}");
        }
    }
}
