//! Which tool servers of the configuration are enabled.

use std::collections::BTreeMap;

use crate::mcp::McpServer;
use crate::requirements::{McpIdentity, RequirementSource, Requirements, Sourced};

/// A configured server, and whether it may be used.
#[derive(Clone, Debug)]
pub struct EffectiveServer {
    /// As configured.
    pub server: McpServer,
    /// The requirements that disable it; the server stays listed.
    pub disabled_by: Option<RequirementSource>,
}

impl EffectiveServer {
    /// Whether it may be used.
    pub fn is_enabled(&self) -> bool {
        self.server.enabled && self.disabled_by.is_none()
    }

    /// Why it may not be used, if requirements say so.
    pub fn reason(&self) -> Option<String> {
        self.disabled_by.as_ref().map(|source| format!("requirements ({source})"))
    }
}

/// Judges the configured servers. One is enabled only if the list names it and it is what the list says.
pub(crate) fn judge(
    servers: &BTreeMap<String, McpServer>,
    requirements: &Requirements,
) -> BTreeMap<String, EffectiveServer> {
    let judge = |(name, server): (&String, &McpServer)| {
        let disabled_by = match &requirements.mcp_servers {
            Some(list) if !is_listed(list, name, server) => Some(list.source.clone()),
            Some(_) | None => None,
        };
        (name.clone(), EffectiveServer { server: server.clone(), disabled_by })
    };
    servers.iter().map(judge).collect()
}

/// Whether the list has this very server.
fn is_listed(list: &Sourced<BTreeMap<String, McpIdentity>>, name: &str, server: &McpServer) -> bool {
    list.value.get(name).is_some_and(|identity| identity.matches(server))
}
