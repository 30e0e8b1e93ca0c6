//! What user, project and admin declared about commands, as one policy.
//!
//! Layers of configuration, an administrator's requirements, rule files and command-line settings go in, an
//! [`EffectivePolicy`] comes out: a profile, the environment, when to ask, each value with who decided it. The
//! launchers enforce it; nothing here runs anything.
//!
//! # Invariants
//! - Deciding is pure. Files are read by [`effective::load`] and what it calls (`config_file`, [`admin`],
//!   [`requirements::load`], [`rules`]), the process environment nowhere (but for tests, in debug builds): what
//!   depends on the run (working directory, home directory, variables) comes in as arguments.
//! - Requirements only take away (I3). They are no layer: they are applied last, and what they put in the place of a
//!   person's choice permits no more than that choice did.
//! - A file of the administrator is believed or stops the start; none is skipped ([`admin`]).
//! - A repository only narrows (I10): of its configuration nothing is merged that permits more than the layers
//!   below it, and no path that it chose becomes a grant (`narrowing.rs`, `narrow_rows.rs`).
//! - Text is parsed once into types that cannot hold a bad value: [`AbsolutePath`] has no `..`, a
//!   [`RelativeSubpath`] stays below its base, a [`GlobPattern`] compiles.
//! - What is not understood is an error where it could carry a restriction. Only what the config format promises
//!   to ignore is ignored, and where that could surprise, with a warning.
//! - The most specific entry decides about a path, deny beats write beats read on the same path, and a path
//!   without an entry is not granted ([`AccessMap`]).
//! - Foreign text in messages is escaped ([`escape`]).
//! - Paths are lexical. Symlinks are followed by those who open files, not here, except to find the project around
//!   the working directory and what a repository's profile takes away there (`project.rs`).
//!
//! # Map
//! - Values: [`path`], [`subpath`], [`glob`], [`wildcard`], [`approval`], [`web_search`], [`mcp`], [`display`]
//! - Profiles: [`entry`], [`profile`], `profile_json`, [`precedence`], [`workspace_write`], [`legacy`]
//! - Per command: [`additional`], `intersect`, [`environment`], [`state`], [`file_uri`]
//! - What holds: [`effective`]; limits on a value, [`constrained`]
//! - From an administrator: [`admin`], [`requirements`]; rule files of all layers, [`rules`]
//! - From layers to configuration: [`config`], `loading`, [`project`], [`narrowing`], [`narrow_profile`], `narrow_rows`,
//!   [`mod@narrow_network`]
//! - Configuration: [`config_file`], [`config_error`], [`layers`], [`overrides`], [`keys`],
//!   [`location`], [`expand`], `hidden`, `settings`, `reader`, `source_text`, `toml_text`, `toml_json`, [`mod@config_schema`],
//!   [`schema_document`]
//! - From definition to profile: [`definition`], [`network`], [`builtin`], [`mode`], `target`, `lineage`,
//!   [`mod@resolve`], [`resolve_error`],
//!   [`select`]
#![forbid(unsafe_code)]

pub mod additional;
pub mod admin;
pub mod approval;
pub mod builtin;
pub mod config;
pub mod config_error;
pub mod config_file;
pub mod config_schema;
pub mod constrained;
mod declared;
pub mod definition;
pub mod display;
pub mod effective;
pub mod entry;
pub mod environment;
pub mod expand;
pub mod file_uri;
pub mod glob;
mod hidden;
mod intersect;
pub mod keys;
pub mod layers;
pub mod legacy;
mod lineage;
mod loading;
pub mod location;
pub mod mcp;
pub mod mode;
pub mod narrow_network;
pub mod narrow_profile;
mod narrow_rows;
pub mod narrowing;
pub mod network;
pub mod overrides;
pub mod path;
pub mod precedence;
pub mod profile;
mod profile_json;
pub mod project;
mod reader;
pub mod requirements;
pub mod resolve;
pub mod resolve_error;
pub mod rules;
pub mod schema_document;
pub mod select;
mod settings;
mod source_text;
pub mod state;
pub mod subpath;
mod target;
#[cfg(test)]
mod test_dir;
mod toml_json;
mod toml_text;
pub mod web_search;
pub mod wildcard;
pub mod workspace_write;

pub use additional::{AdditionalPermissions, GrantScope};
pub use admin::{AdminError, AdminFile, AdminFolder};
pub use approval::{ApprovalPolicy, ApprovalsReviewer, Granular};
pub use builtin::BuiltIn;
pub use config::{Config, ConfigSources, codex_home};
pub use config_error::{ConfigError, InvalidValue};
pub use config_file::parse_layer;
pub use config_schema::{ConfigToml, config_schema};
pub use constrained::{Constrained, Rejection};
pub use definition::{EntryDefinition, ProfileDefinition};
pub use display::escape;
pub use effective::EffectivePolicy;
pub use environment::{Inherit, NETWORK_DISABLED_VAR, ShellEnvironmentPolicy, child_environment};
pub use expand::ExpandError;
pub use file_uri::{FileUriError, parse_file_uri};
pub use glob::{FolderMatcher, GlobError, GlobMatcher, GlobPattern};
pub use keys::{KeyError, KeyPath};
pub use layers::{Layer, LayerSource, Layers};
pub use legacy::LegacyPolicy;
pub use location::{Location, Position};
pub use mcp::McpServer;
pub use mode::{SandboxMode, UnknownMode};
pub use narrow_network::narrow_network;
pub use narrow_profile::{Places, narrow};
pub use narrowing::{IgnoredKeys, ProjectProfile};
pub use network::{NetworkDefinition, NetworkMode, NetworkRule};
pub use overrides::{OverrideError, feature_override, parse_override};
pub use path::{AbsolutePath, PathError};
pub use precedence::AccessMap;
pub use profile::{
    Access, Entry, EntryPath, FileSystemPolicy, MissingPath, NetworkAccess, PROTECTED_NAMES,
    PermissionProfile, SpecialPath,
};
pub use project::{DisabledLayer, Project, Trust, TrustLevel};
pub use requirements::{RequirementSource, Requirements, RequirementsContext, RequirementsError, Sourced};
pub use resolve::{ResolvedProfile, Surroundings, resolve};
pub use resolve_error::ResolveError;
pub use select::{Asked, Purpose, SelectError, SessionRequest};
pub use state::{SandboxState, StateError};
pub use subpath::RelativeSubpath;
pub use web_search::WebSearchMode;
pub use wildcard::Wildcard;
pub use workspace_write::WorkspaceWrite;
