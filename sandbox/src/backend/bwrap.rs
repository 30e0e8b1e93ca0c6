//! The bubblewrap backend: the same plan, as arguments. bwrap(1), 0.8 or newer.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use policies::{AbsolutePath, Access, NetworkAccess};

use crate::helper::spec::{MountSpec, ProcView, ViewSpec};
use crate::paths::Kind;
use crate::plan::{Action, Confinement, Plan, Root, View};
use crate::proc_view::{self, ReadOnly};

/// Denied *files* that bubblewrap can be given: each takes a descriptor, of which a process usually gets 1,024.
const MAX_FILE_MASKS: usize = 512;

/// The first usable `bwrap` on `search`.
///
/// One below the working directory or below anything that the command may write is passed over: the
/// repository could have put it there (I10). So is one that is not the system's own, see [`untrusted`].
///
/// # Errors
/// Why there is none, as the end of a sentence.
pub(super) fn find(plan: &Plan, search: Option<&OsStr>) -> Result<PathBuf, String> {
    let mut passed_over = None;
    for folder in std::env::split_paths(search.unwrap_or_default()).filter(|folder| folder.is_absolute()) {
        let Ok(path) = folder.join("bwrap").canonicalize() else { continue };
        match distrust(plan, &path) {
            None => return Ok(path),
            Some(reason) => {
                let shown = policies::display::escape(path.as_os_str());
                passed_over.get_or_insert(format!("`{shown}` was passed over because {reason}"));
            }
        }
    }
    Err(passed_over.unwrap_or_else(|| "there is no `bwrap` on PATH".to_owned()))
}

fn distrust(plan: &Plan, path: &Path) -> Option<&'static str> {
    let cwd = plan.cwd.logical.as_path();
    let in_workspace = |folder: &Path| folder.parent().is_some() && path.starts_with(folder);
    if in_workspace(cwd) || cwd.canonicalize().is_ok_and(|cwd| in_workspace(&cwd)) {
        return Some("it lies below the working directory");
    }
    let writable = match &plan.confinement {
        Confinement::Confined(view) => AbsolutePath::parse(path).is_ok_and(|path| {
            view.root != Root::HostWritable && view.access.access(&path) == Some(Access::Write)
        }),
        Confinement::Unconfined => false,
    };
    if writable {
        return Some("the command could write it");
    }
    untrusted(path)
        .or_else(|| (!has_needed_options(path)).then_some("it is older than 0.8, or only a wrapper"))
}

/// Where systems install programs. As uid 0 ownership tells nothing: a command's files are root's too.
const SYSTEM_FOLDERS: [&str; 6] =
    ["/usr", "/bin", "/sbin", "/nix/store", "/gnu/store", "/run/current-system"];

/// Why the program at this resolved path is nobody's to execute outside a sandbox: anybody but the system's
/// owner could have put it there, an earlier command of the caller's included.
pub(crate) fn untrusted(path: &Path) -> Option<&'static str> {
    // In a user namespace of somebody's, root's files belong to the overflow id, and so does `/`.
    let system = rustix::fs::stat("/").map_or(0, |root| root.st_uid);
    for part in path.ancestors() {
        let Ok(stat) = rustix::fs::stat(part) else { return Some("it cannot be examined") };
        if stat.st_uid != 0 && stat.st_uid != system || stat.st_mode & 0o022 != 0 {
            return Some("others than the system's owner can change it");
        }
    }
    if rustix::process::geteuid().is_root() && !SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return Some("it lies outside the system's folders");
    }
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err().then_some("it is not executable")
}

/// Options that the program must know: those that [`arguments`] uses and that came late, and one that
/// tells 0.8 from older releases.
const NEEDED: [&str; 5] = ["--as-pid-1", "--perms", "--remount-ro", "--ro-bind-data", "--disable-userns"];

/// bubblewrap is some 100 KB; nothing that takes longer to read is it.
const MAX_PROGRAM_BYTES: u64 = 4 << 20;

/// Whether the program's strings hold every needed option.
///
/// Asking it (`bwrap --help`) would execute it at every launch, for a third of what a launch takes.
fn has_needed_options(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(MAX_PROGRAM_BYTES).read_to_end(&mut bytes));
    let words: HashSet<&[u8]> =
        bytes.split(|byte| *byte == 0).filter(|word| word.starts_with(b"--")).collect();
    read.is_ok() && NEEDED.iter().all(|option| words.contains(option.as_bytes()))
}

/// The part of a plan that bubblewrap cannot enforce, if any.
pub(super) fn cannot(view: &View, proc: ProcView) -> Option<String> {
    if proc == ProcView::Substitute {
        return Some(
            "the kernel refuses a fresh /proc here (part of the host's is covered), and bubblewrap's \
                     inner stage needs one"
                .to_owned(),
        );
    }
    let files =
        view.steps.iter().filter(|step| step.action == Action::Mask && step.kind == Kind::File).count();
    (files > MAX_FILE_MASKS).then(|| {
        format!("it denies {files} single files, more than the {MAX_FILE_MASKS} that fit on its command line")
    })
}

/// How many descriptors of an empty file [`arguments`] needs.
pub(crate) fn file_masks(view: &ViewSpec) -> usize {
    view.mounts.iter().filter(|mount| mount.action == Action::Mask && mount.kind == Kind::File).count()
}

/// The command line, up to and with the `--`; `empty` yields the numbers of descriptors of an empty file.
///
/// Capabilities, filter and the checks are the inner stage's; `--die-with-parent` ties the sandbox to
/// the guard.
pub(crate) fn arguments(view: &ViewSpec, empty: &mut dyn Iterator<Item = i32>) -> Vec<OsString> {
    let mut list = Arguments(Vec::new());
    list.words(&["--unshare-user", "--unshare-pid", "--unshare-ipc"]);
    if view.network == NetworkAccess::Restricted {
        list.words(&["--unshare-net"]);
    }
    list.words(&["--as-pid-1", "--new-session", "--die-with-parent", "--cap-drop", "ALL"]);
    list.words(match view.root {
        Root::HostReadOnly => &["--ro-bind", "/", "/"],
        Root::HostWritable => &["--bind", "/", "/"],
        Root::Empty => &["--tmpfs", "/"],
    });
    list.words(&["--dev", "/dev", "--mqueue", "/dev/mqueue"]);
    for (path, target) in &view.symlinks {
        list.with("--symlink", &[target, path]);
    }
    for mount in &view.mounts {
        list.mount(mount, empty);
    }
    for mount in view.mounts.iter().filter(|mount| mount.action == Action::MaskWithPassage) {
        list.with("--remount-ro", &[&mount.path]);
    }
    list.words(&["--proc", "/proc"]);
    if Path::new(proc_view::MASKED).exists() {
        // bubblewrap's binds are nodev, so a device cannot be opened there: EACCES, like any denied file,
        // without the file that bubblewrap would have to make for `--ro-bind-data`.
        list.words(&["--ro-bind", "/dev/null", proc_view::MASKED]);
    }
    match proc_view::read_only(rustix::process::geteuid()) {
        ReadOnly::Everything => list.words(&["--remount-ro", "/proc"]),
        ReadOnly::Switches => list.words(&["--ro-bind", proc_view::SWITCHES, proc_view::SWITCHES]),
    }
    list.words(&["--"]);
    list.0
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn with(&mut self, option: &str, operands: &[&OsStr]) {
        self.0.push(option.into());
        self.0.extend(operands.iter().map(|operand| (*operand).to_owned()));
    }

    fn mount(&mut self, mount: &MountSpec, empty: &mut dyn Iterator<Item = i32>) {
        let path = mount.path.as_os_str();
        match (mount.action, mount.kind) {
            (Action::ReadOnly, _) => self.with("--ro-bind", &[path, path]),
            (Action::Writable, _) => self.with("--bind", &[path, path]),
            (Action::Mask, Kind::Directory) => {
                self.words(&["--perms", "0000"]);
                self.with("--tmpfs", &[path]);
                self.with("--remount-ro", &[path]);
            }
            (Action::Mask, Kind::File) => self.empty_file(path, empty),
            (Action::MaskWithPassage, _) => {
                self.words(&["--perms", "0111"]);
                self.with("--tmpfs", &[path]);
            }
        }
    }

    fn empty_file(&mut self, path: &OsStr, empty: &mut dyn Iterator<Item = i32>) {
        // The iterator has as many as `file_masks` counted; were one missing, bubblewrap would refuse
        // the number and nothing would run.
        let number = empty.next().unwrap_or(-1).to_string();
        self.words(&["--perms", "0000"]);
        self.with("--ro-bind-data", &[OsStr::from_bytes(number.as_bytes()), path]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(path: &str, action: Action, kind: Kind) -> MountSpec {
        MountSpec { path: path.into(), action, kind, identity: None }
    }

    #[test]
    fn the_command_line_says_the_plan_and_nothing_else() {
        let view = ViewSpec {
            root: Root::HostReadOnly,
            mounts: vec![
                mount("/ws", Action::Writable, Kind::Directory),
                mount("/ws/.git", Action::ReadOnly, Kind::Directory),
                mount("/ws/keys", Action::MaskWithPassage, Kind::Directory),
                mount("/ws/secret", Action::Mask, Kind::Directory),
                mount("/ws/x.env", Action::Mask, Kind::File),
                mount("/ws/keys/open", Action::ReadOnly, Kind::File),
            ],
            symlinks: vec![("/bin".into(), "usr/bin".into())],
            proc: ProcView::Fresh,
            host_mounts: Vec::new(),
            network: NetworkAccess::Restricted,
        };
        let numbers: Vec<i32> = (10..).take(file_masks(&view)).collect();
        let line: Vec<String> = arguments(&view, &mut numbers.iter().copied())
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let text = line.join(" ").replace(" --", "\n--");
        // What differs by user stands at the end, after `--proc`.
        insta::assert_snapshot!(text.split("--proc").next().unwrap());
    }
}
