//! The options of the mode `workspace-write`, shared by the config table and the older policy objects.

use crate::path::AbsolutePath;
use crate::profile::{Access, Entry, NetworkAccess, SpecialPath};

/// What `workspace-write` adds to or leaves out of its defaults.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkspaceWrite {
    /// Directories that are writable besides the working directory. Missing ones grant nothing.
    pub writable_roots: Vec<AbsolutePath>,
    /// Whether commands reach the network.
    pub network_access: NetworkAccess,
    /// Leave `$TMPDIR` read-only.
    pub exclude_tmpdir_env_var: bool,
    /// Leave `/tmp` read-only.
    pub exclude_slash_tmp: bool,
}

impl WorkspaceWrite {
    /// The entries for temporary directories, in their documented order.
    pub(crate) fn temporary_entries(&self) -> impl Iterator<Item = Entry> + use<> {
        let slash_tmp = (!self.exclude_slash_tmp).then_some(SpecialPath::SlashTmp);
        let tmpdir = (!self.exclude_tmpdir_env_var).then_some(SpecialPath::Tmpdir);
        slash_tmp.into_iter().chain(tmpdir).map(|path| Entry::for_special(path, Access::Write))
    }
}
