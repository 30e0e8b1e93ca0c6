//! The words of requirements that configuration does not have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An element of `allowed_sandbox_modes`, from least to most open.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Residency {
    /// The United States.
    Us,
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
