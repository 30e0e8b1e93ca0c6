//! Rule files on the disk: reading them, adding what a person accepted, and taking that back.

mod append;
mod budget;
mod contain;
mod file;
mod folder;
mod input;
mod layers;
mod locked;
mod remove;
mod report;

pub use append::{AMENDMENTS_FILE, AppendError, Appended, RULES_FOLDER, append, append_host_rule};
pub use contain::{ContainError, take_over};
pub use file::{RulesError, load_rule_file};
pub use folder::{MAX_FILES, RuleFolderError};
pub use input::{Input, NotUtf8, text_of};
pub use layers::{LayeredRules, RuleFiles, RuleFolder, RuleLayer, load_rule_layers};
pub use locked::lock;
pub use remove::{AcceptedRule, RemoveError, accepted_rules, remove};
pub use report::{LayeredRulesError, RuleFileReport, RuleFileState, TextRange};

/// No larger rule file is read, in bytes: `execpolicy::Limits::default().file_bytes`.
pub const MAX_FILE: u64 = 1 << 20;
