//! Which tool servers an administrator admits.

/// What a server must be.
#[derive(Clone, Debug)]
pub enum McpIdentity {
    /// A program that is started.
    Command {
        /// Exactly this command word.
        command: String,
        /// One matcher for each argument; `None` admits any arguments.
        args: Option<Vec<Matcher>>,
    },
    /// A server at a URL.
    Url(Matcher),
}

/// What a text must be.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// This text.
    Exact(String),
    /// Begin with this text.
    Prefix(String),
    /// Match as a whole.
    Regex(regex::Regex),
}
