//! The managed network: `[experimental_network]`, `[network_proxy]` or `[permissions.network]`.

use std::collections::BTreeMap;

use crate::display::escape_short;
use crate::network::NetworkRule;
use crate::path::AbsolutePath;
use crate::reader::{Mismatch, Node, TableNode};

/// What the administrator requires of the network. `None` means not set.
///
/// Its presence alone puts commands behind the managed proxy in every sandbox mode, also with
/// `enabled = false`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkRequirement {
    /// Whether the network is reachable through the proxy.
    pub enabled: Option<bool>,
    /// Where the HTTP proxy listens.
    pub http_port: Option<u16>,
    /// Where the SOCKS5 proxy listens.
    pub socks_port: Option<u16>,
    /// Whether the proxy may use another one.
    pub allow_upstream_proxy: Option<bool>,
    /// Whether the listeners may be on other than loopback addresses.
    pub dangerously_allow_non_loopback_proxy: Option<bool>,
    /// Whether every Unix socket is reachable.
    pub dangerously_allow_all_unix_sockets: Option<bool>,
    /// By host pattern; the legacy lists are merged in.
    pub domains: Option<BTreeMap<String, NetworkRule>>,
    /// Host patterns that are asked about although allowed.
    pub review_domains: Option<Vec<String>>,
    /// Whether only the administrator's own allow entries count.
    pub managed_allowed_domains_only: Option<bool>,
    /// By absolute path; the legacy list is merged in.
    pub unix_sockets: Option<BTreeMap<String, NetworkRule>>,
    /// Whether commands may listen on and reach loopback and private addresses.
    pub allow_local_binding: Option<bool>,
    /// Headers to add, kept as written.
    pub header_injections: Option<toml::Value>,
}

/// Names of hosts or sockets, and what is said of them.
type Rules = BTreeMap<String, NetworkRule>;

impl NetworkRequirement {
    /// Reads the table under any of its names.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, Mismatch> {
        let table = node.table()?;
        Ok(Self {
            enabled: table.optional("enabled", Node::boolean)?,
            http_port: table.optional("http_port", port)?,
            socks_port: table.optional("socks_port", port)?,
            allow_upstream_proxy: table.optional("allow_upstream_proxy", Node::boolean)?,
            dangerously_allow_non_loopback_proxy: table
                .optional("dangerously_allow_non_loopback_proxy", Node::boolean)?,
            dangerously_allow_all_unix_sockets: table
                .optional("dangerously_allow_all_unix_sockets", Node::boolean)?,
            domains: domains(&table)?,
            review_domains: table.optional("review_domains", |node| {
                let patterns = node.strings()?;
                patterns.iter().try_for_each(|pattern| check_domain(pattern, NetworkRule::Allow, node))?;
                Ok(patterns)
            })?,
            managed_allowed_domains_only: table.optional("managed_allowed_domains_only", Node::boolean)?,
            unix_sockets: unix_sockets(&table)?,
            allow_local_binding: table.optional("allow_local_binding", Node::boolean)?,
            header_injections: table.optional("header_injections", |node| Ok(node.value().clone()))?,
        })
    }

    /// Lays a higher layer on this one: tables key by key, anything else as a whole.
    pub(crate) fn lay_over(&mut self, higher: Self) {
        let over = |below: Option<Rules>, above: Option<Rules>| match (below, above) {
            (Some(mut below), Some(above)) => {
                below.extend(above);
                Some(below)
            }
            (below, above) => above.or(below),
        };
        let lower = std::mem::take(self);
        *self = Self {
            enabled: higher.enabled.or(lower.enabled),
            http_port: higher.http_port.or(lower.http_port),
            socks_port: higher.socks_port.or(lower.socks_port),
            allow_upstream_proxy: higher.allow_upstream_proxy.or(lower.allow_upstream_proxy),
            dangerously_allow_non_loopback_proxy: higher
                .dangerously_allow_non_loopback_proxy
                .or(lower.dangerously_allow_non_loopback_proxy),
            dangerously_allow_all_unix_sockets: higher
                .dangerously_allow_all_unix_sockets
                .or(lower.dangerously_allow_all_unix_sockets),
            domains: over(lower.domains, higher.domains),
            review_domains: higher.review_domains.or(lower.review_domains),
            managed_allowed_domains_only: higher
                .managed_allowed_domains_only
                .or(lower.managed_allowed_domains_only),
            unix_sockets: over(lower.unix_sockets, higher.unix_sockets),
            allow_local_binding: higher.allow_local_binding.or(lower.allow_local_binding),
            header_injections: match (lower.header_injections, higher.header_injections) {
                (Some(toml::Value::Table(mut below)), Some(toml::Value::Table(above))) => {
                    below.extend(above);
                    Some(toml::Value::Table(below))
                }
                (below, above) => above.or(below),
            },
        };
    }
}

/// A port.
fn port(node: &Node<'_>) -> Result<u16, Mismatch> {
    let number = node.value().as_integer().and_then(|number| u16::try_from(number).ok());
    number.ok_or_else(|| {
        node.mismatch("must be a port, a whole number up to 65535", "write a port as in `3128`")
    })
}

/// `allow` or `deny`.
fn rule(node: &Node<'_>) -> Result<NetworkRule, Mismatch> {
    node.word(&[("allow", NetworkRule::Allow), ("deny", NetworkRule::Deny)])
}

/// `domains`, or the legacy lists. An empty list is unset; of two lists with one host, the one that denies holds.
fn domains(table: &TableNode<'_>) -> Result<Option<Rules>, Mismatch> {
    let domains = table.optional("domains", |node| {
        let rules = node.map(rule)?;
        for (pattern, inner) in node.table()?.nodes() {
            check_domain(pattern, rule(&inner)?, &inner)?;
        }
        Ok(rules)
    })?;
    let mut legacy = Rules::new();
    for (name, meaning) in [("allowed_domains", NetworkRule::Allow), ("denied_domains", NetworkRule::Deny)] {
        let Some(node) = table.get(name) else { continue };
        for pattern in node.strings()? {
            check_domain(&pattern, meaning, &node)?;
            if domains.is_some() {
                let problem = "cannot stand beside `domains`, of which it is the old form";
                return Err(
                    node.key_mismatch(problem, "move its hosts to `domains`, as `\"host\" = \"allow\"`")
                );
            }
            legacy.insert(pattern, meaning);
        }
    }
    Ok(domains.or_else(|| (!legacy.is_empty()).then_some(legacy)))
}

/// `unix_sockets`, or the legacy list, of which an empty one is unset.
fn unix_sockets(table: &TableNode<'_>) -> Result<Option<Rules>, Mismatch> {
    let sockets = table.optional("unix_sockets", |node| {
        node.table()?.nodes().try_for_each(|(path, inner)| check_socket(path, &inner))?;
        node.map(rule)
    })?;
    let Some(node) = table.get("allow_unix_sockets") else { return Ok(sockets) };
    let list = node.strings()?;
    list.iter().try_for_each(|path| check_socket(path, &node))?;
    if list.is_empty() {
        return Ok(sockets);
    }
    if sockets.is_some() {
        let problem = "cannot stand beside `unix_sockets`, of which it is the old form";
        return Err(
            node.key_mismatch(problem, "move its paths to `unix_sockets`, as `\"/path\" = \"allow\"`")
        );
    }
    Ok(Some(list.into_iter().map(|path| (path, NetworkRule::Allow)).collect()))
}

/// Refuses what is not the path of a socket.
fn check_socket(path: &str, node: &Node<'_>) -> Result<(), Mismatch> {
    AbsolutePath::parse(path).map(drop).map_err(|error| {
        let problem = format!("`{}` is not the path of a socket: {error}", escape_short(path));
        Mismatch { problem, fix: error.help().to_owned(), ..node.key_mismatch("", "") }
    })
}

/// Refuses what no proxy would take as a host pattern. A deny of every host would be a network that is off, which
/// has a key of its own.
fn check_domain(pattern: &str, rule: NetworkRule, node: &Node<'_>) -> Result<(), Mismatch> {
    let name = host_of(pattern);
    let (problem, fix) = match (name, rule) {
        ("" | "**", _) => {
            ("names no host", "name a host, `*.host` for what is below it, or `**.host` for both")
        }
        ("*", NetworkRule::Deny) => ("cannot deny every host", "write `enabled = false`"),
        _ if pattern.contains('/') => {
            ("is not a host: it has a `/`", "write the host alone, without scheme and path")
        }
        _ if pattern.contains(['{', '}']) => {
            ("has braces, which mean nothing here", "write one pattern for each host")
        }
        _ => return Ok(()),
    };
    let problem = format!("host pattern `{}` {problem}", escape_short(pattern));
    Err(Mismatch { problem, fix: fix.to_owned(), ..node.key_mismatch("", "") })
}

/// What is left of a pattern where hosts are compared: neither brackets nor a port nor dots at the end. `*:443` denies
/// every host, as `*` does.
fn host_of(pattern: &str) -> &str {
    let name = pattern.trim();
    let name = match name.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        Some(_) | None => name,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.trim_end_matches('.')
}
