//! The managed network: `[experimental_network]`, `[network_proxy]` or `[permissions.network]`.

use std::collections::BTreeMap;

use crate::network::NetworkRule;

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
