//! What the launcher tells its re-executed helper: everything, once, through a sealed memory file.
//!
//! Nothing travels through the environment or through files, so nothing that the caller or the
//! repository controls can add to it. Names are bytes, as in the kernel.

use std::ffi::OsString;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{OwnedFd, RawFd};

use policies::NetworkAccess;
use rustix::fs::{MemfdFlags, SealFlags};
use serde::{Deserialize, Serialize};

use crate::paths::{FileVersion, Identity, Kind};
use crate::plan::{Action, Root};
use crate::seccomp::Filter;

/// A launch, as plain data.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Spec {
    pub(crate) outer: Outer,
    pub(crate) view: ViewSpec,
    pub(crate) command: CommandSpec,
    /// Descriptors, beyond the standard streams, that the command keeps.
    pub(crate) keep: Vec<RawFd>,
}

/// How the guard makes the namespaces.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Outer {
    /// By itself, mapping this user.
    Namespaces(User),
    /// By running bubblewrap at this path.
    Bwrap(OsString),
}

/// The ids that the command keeps, in the host's numbers: a new user namespace shows none at first.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// The effective ids of this process.
    pub(crate) fn current() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// The mounts, in order.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ViewSpec {
    pub(crate) root: Root,
    pub(crate) mounts: Vec<MountSpec>,
    pub(crate) symlinks: Vec<(OsString, OsString)>,
    pub(crate) proc: ProcView,
    /// Mount points that the host's own tree brings along.
    pub(crate) host_mounts: Vec<OsString>,
    pub(crate) network: NetworkAccess,
}

/// One mount; see [`crate::plan::Step`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct MountSpec {
    pub(crate) path: OsString,
    pub(crate) action: Action,
    pub(crate) kind: Kind,
    pub(crate) identity: Option<Identity>,
}

/// What is mounted on `/proc`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProcView {
    /// A fresh one: the run's own processes.
    Fresh,
    /// The kernel refuses a fresh one, because the host's is partly covered (usual in containers). The
    /// host's would show the host's processes, so a few files that name none stand in for it.
    Substitute,
}

/// What to execute.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct CommandSpec {
    pub(crate) program: OsString,
    /// The file that the program's path must still lead to (I4), if it matters.
    pub(crate) version: Option<FileVersion>,
    /// Including argument 0.
    pub(crate) argv: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) cwd: Option<(OsString, Identity)>,
    pub(crate) filter: Filter,
    pub(crate) streams: [StreamSpec; 3],
    pub(crate) terminal: Option<TerminalSpec>,
}

/// Where a standard stream of the command leads.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum StreamSpec {
    /// Where the launcher's leads.
    Inherited,
    /// To the sandbox's own terminal.
    Terminal,
}

/// The terminal to make.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TerminalSpec {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    /// Whether keys come from a person; if not, the terminal only carries output.
    pub(crate) interactive: bool,
}

/// A longer spec is refused: the kernel's limit for arguments and environment is of this order. execve(2).
const MAX_SPEC_BYTES: u64 = 16 << 20;

impl Spec {
    /// Writes the spec into a memory file that nobody can change any more, rewound for the helper.
    ///
    /// # Errors
    /// `E2BIG` for a spec beyond the limit, or what memfd_create(2) and write(2) say.
    pub(crate) fn to_sealed_file(&self) -> io::Result<OwnedFd> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        if bytes.len() as u64 > MAX_SPEC_BYTES {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = std::fs::File::from(rustix::fs::memfd_create("codex-sandbox", flags)?);
        file.write_all(&bytes)?;
        file.rewind()?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(file.into())
    }

    /// Reads a spec back, from its beginning.
    ///
    /// # Errors
    /// What read(2) says, or that the bytes are no spec.
    pub(crate) fn read(file: OwnedFd) -> io::Result<Self> {
        let mut file = std::fs::File::from(file);
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(MAX_SPEC_BYTES).read_to_end(&mut bytes)?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }
}
