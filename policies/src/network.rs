//! The network table of a permission profile.
//!
//! Everything documented is kept, so that a proxy can enforce it. Without one only `enabled` has an effect.

use std::collections::BTreeMap;

use crate::reader::{Mismatch, Node};

/// Which requests pass the proxy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NetworkMode {
    /// All, as far as hosts are allowed.
    #[default]
    Full,
    /// Only those that read.
    Limited,
}

/// What a host or socket pattern says.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum NetworkRule {
    /// Reachable.
    Allow,
    /// Not reachable; beats every allow.
    Deny,
}

/// `[permissions.NAME.network]`. `None` and empty mean not set here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkDefinition {
    /// Whether the network is reachable at all; unset means no.
    pub enabled: Option<bool>,
    /// Which requests pass.
    pub mode: Option<NetworkMode>,
    /// By host pattern.
    pub domains: BTreeMap<String, NetworkRule>,
    /// By path of a Unix socket.
    pub unix_sockets: BTreeMap<String, NetworkRule>,
    /// Whether commands may listen on and reach loopback and private addresses.
    pub allow_local_binding: Option<bool>,
    /// Whether our proxy may use another one.
    pub allow_upstream_proxy: Option<bool>,
    /// Whether SOCKS5 is offered.
    pub enable_socks5: Option<bool>,
    /// Whether SOCKS5 carries UDP.
    pub enable_socks5_udp: Option<bool>,
    /// Where the HTTP proxy listens.
    pub proxy_url: Option<String>,
    /// Where the SOCKS5 proxy listens.
    pub socks_url: Option<String>,
    /// Whether these may be other than loopback addresses.
    pub dangerously_allow_non_loopback_proxy: Option<bool>,
    /// Whether every Unix socket is reachable.
    pub dangerously_allow_all_unix_sockets: Option<bool>,
    /// Interception settings, kept as written.
    pub mitm: Option<toml::Value>,
}

impl NetworkDefinition {
    /// Only `enabled`.
    pub(crate) fn with_enabled(enabled: bool) -> Self {
        Self { enabled: Some(enabled), ..Self::default() }
    }

    /// Whether the network is reachable.
    pub fn is_enabled(&self) -> bool {
        self.enabled == Some(true)
    }

    /// Reads the table. Unknown keys are ignored.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, Mismatch> {
        let rules = |node: &Node<'_>| {
            node.map(|rule| rule.word(&[("allow", NetworkRule::Allow), ("deny", NetworkRule::Deny)]))
        };
        let modes = [("full", NetworkMode::Full), ("limited", NetworkMode::Limited)];
        let table = node.table()?;
        Ok(Self {
            enabled: table.optional("enabled", Node::boolean)?,
            mode: table.optional("mode", |node| node.word(&modes))?,
            domains: table.or_default("domains", rules)?,
            unix_sockets: table.or_default("unix_sockets", rules)?,
            allow_local_binding: table.optional("allow_local_binding", Node::boolean)?,
            allow_upstream_proxy: table.optional("allow_upstream_proxy", Node::boolean)?,
            enable_socks5: table.optional("enable_socks5", Node::boolean)?,
            enable_socks5_udp: table.optional("enable_socks5_udp", Node::boolean)?,
            proxy_url: table.optional("proxy_url", Node::string)?,
            socks_url: table.optional("socks_url", Node::string)?,
            dangerously_allow_non_loopback_proxy: table
                .optional("dangerously_allow_non_loopback_proxy", Node::boolean)?,
            dangerously_allow_all_unix_sockets: table
                .optional("dangerously_allow_all_unix_sockets", Node::boolean)?,
            mitm: table.optional("mitm", |node| Ok(node.value().clone()))?,
        })
    }

    /// These settings where set, else those of `parent`.
    #[must_use]
    pub(crate) fn inherit(self, parent: Self) -> Self {
        let over = |mut below: BTreeMap<String, NetworkRule>, above| {
            below.extend::<BTreeMap<_, _>>(above);
            below
        };
        Self {
            enabled: self.enabled.or(parent.enabled),
            mode: self.mode.or(parent.mode),
            domains: over(parent.domains, self.domains),
            unix_sockets: over(parent.unix_sockets, self.unix_sockets),
            allow_local_binding: self.allow_local_binding.or(parent.allow_local_binding),
            allow_upstream_proxy: self.allow_upstream_proxy.or(parent.allow_upstream_proxy),
            enable_socks5: self.enable_socks5.or(parent.enable_socks5),
            enable_socks5_udp: self.enable_socks5_udp.or(parent.enable_socks5_udp),
            proxy_url: self.proxy_url.or(parent.proxy_url),
            socks_url: self.socks_url.or(parent.socks_url),
            dangerously_allow_non_loopback_proxy: self
                .dangerously_allow_non_loopback_proxy
                .or(parent.dangerously_allow_non_loopback_proxy),
            dangerously_allow_all_unix_sockets: self
                .dangerously_allow_all_unix_sockets
                .or(parent.dangerously_allow_all_unix_sockets),
            mitm: self.mitm.or(parent.mitm),
        }
    }

    /// The keys here that limit an enabled network, and so need the proxy to mean anything.
    pub fn limits(&self) -> Vec<&'static str> {
        let limits = [
            ("mode", self.mode == Some(NetworkMode::Limited)),
            ("domains", !self.domains.is_empty()),
            ("unix_sockets", self.unix_sockets.values().any(|rule| *rule == NetworkRule::Deny)),
            ("allow_local_binding", self.allow_local_binding == Some(false)),
            ("mitm", self.mitm.is_some()),
        ];
        limits.into_iter().filter_map(|(key, limits)| limits.then_some(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::TableNode;

    fn read(toml: &str) -> Result<NetworkDefinition, Mismatch> {
        let table: toml::Table = toml::from_str::<toml::Table>(toml).unwrap();
        let wrapped = toml::Table::from_iter([("network".to_owned(), toml::Value::Table(table))]);
        NetworkDefinition::read(&TableNode::top(&wrapped).get("network").unwrap())
    }

    #[test]
    fn every_documented_key_is_kept() {
        let full = read(
            "enabled = true\nmode = 'limited'\ndomains = { 'a.com' = 'allow', 'b.com' = 'deny' }
             unix_sockets = { '/run/x' = 'deny' }\nallow_local_binding = false\nallow_upstream_proxy = true
             enable_socks5 = true\nenable_socks5_udp = false\nproxy_url = 'http://127.0.0.1:1'
             socks_url = 'socks5h://127.0.0.1:2'\ndangerously_allow_non_loopback_proxy = false
             dangerously_allow_all_unix_sockets = false\nmitm = { hooks = {} }\nnewer_key = 1",
        )
        .unwrap();
        assert!(full.is_enabled());
        assert_eq!(full.mode, Some(NetworkMode::Limited));
        assert_eq!(full.domains.get("b.com"), Some(&NetworkRule::Deny));
        assert_eq!(full.enable_socks5_udp, Some(false));
        assert_eq!(full.socks_url.as_deref(), Some("socks5h://127.0.0.1:2"));
        assert_eq!(full.limits(), ["mode", "domains", "unix_sockets", "allow_local_binding", "mitm"]);
        assert_eq!(NetworkDefinition::default().inherit(full.clone()), full);
    }

    #[test]
    fn unset_is_off() {
        assert!(!read("").unwrap().is_enabled());
        assert!(!read("enabled = false").unwrap().is_enabled());
        assert!(read("enabled = true").unwrap().limits().is_empty());
    }

    #[test]
    fn wrong_words_and_types_are_refused() {
        for toml in
            ["enabled = 1", "mode = 'open'", "domains = { x = 'maybe' }", "domains = ['x']", "proxy_url = 1"]
        {
            assert!(read(toml).is_err(), "{toml}");
        }
    }

    #[test]
    fn a_child_wins_key_by_key() {
        let parent = read("enabled = true\nmode = 'limited'\ndomains = { a = 'allow', b = 'deny' }").unwrap();
        let child = read("enabled = false\ndomains = { a = 'deny' }").unwrap();
        let merged = child.inherit(parent);
        assert!(!merged.is_enabled());
        assert_eq!(merged.mode, Some(NetworkMode::Limited));
        let domains = [("a".to_owned(), NetworkRule::Deny), ("b".to_owned(), NetworkRule::Deny)];
        assert_eq!(merged.domains, BTreeMap::from(domains));
    }
}
