//! `[mcp_servers.NAME]`, as far as requirements look at it.

/// A configured tool server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct McpServer {
    /// The program to start; `None` for a server at a URL.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where the server is; `None` for a program.
    pub url: Option<String>,
    /// Off only when configured so.
    pub enabled: bool,
}
