//! How far a session may search the web.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `web_search`, from least to most open.
///
/// INVARIANT (order): `Ord` follows declaration order, so that the narrower of two is `min`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebSearchMode {
    /// No search.
    Disabled,
    /// Answers from a cache.
    Cached,
    /// Answers from an index.
    Indexed,
    /// Live requests.
    Live,
}

impl WebSearchMode {
    /// The accepted words.
    pub(crate) const WORDS: [(&'static str, Self); 4] = [
        ("disabled", Self::Disabled),
        ("cached", Self::Cached),
        ("indexed", Self::Indexed),
        ("live", Self::Live),
    ];
}

impl fmt::Display for WebSearchMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Disabled => "disabled",
            Self::Cached => "cached",
            Self::Indexed => "indexed",
            Self::Live => "live",
        })
    }
}
