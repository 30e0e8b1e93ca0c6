//! The words of requirements that configuration does not have.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An element of `allowed_sandbox_modes`, from least to most open.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxModeLimit {
    /// No entry is writable.
    ReadOnly,
    /// Some entry is writable.
    WorkspaceWrite,
    /// The whole disk is writable.
    DangerFullAccess,
    /// The host program's own sandbox.
    ExternalSandbox,
}

/// `enforce_residency`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Residency {
    /// The United States.
    Us,
}

impl SandboxModeLimit {
    /// The accepted words.
    pub(crate) const WORDS: [(&'static str, Self); 4] = [
        ("read-only", Self::ReadOnly),
        ("workspace-write", Self::WorkspaceWrite),
        ("danger-full-access", Self::DangerFullAccess),
        ("external-sandbox", Self::ExternalSandbox),
    ];
}

impl Residency {
    /// The accepted word.
    pub(crate) const WORDS: [(&'static str, Self); 1] = [("us", Self::Us)];
}

impl fmt::Display for SandboxModeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::WorkspaceWrite => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
            Self::ExternalSandbox => "external-sandbox",
        })
    }
}

impl fmt::Display for Residency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Us => "us",
        })
    }
}
