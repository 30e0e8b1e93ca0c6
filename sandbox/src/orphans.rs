//! Ending what a run leaves: processes that lost their parent and became this process's children.
//!
//! Only a program that does nothing else may be a subreaper and end *all* of its children: the guard, and
//! the foreground run should the guard be killed. In other programs orphans go to the system's init, and
//! die with the connection to us.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitOptions};

/// The children that this process had before the run: not the run's. Set by [`adopt`].
static BEFORE: OnceLock<Vec<Pid>> = OnceLock::new();

/// Makes orphans of the run children of this process; `known` children are the run's already. prctl(2),
/// `PR_SET_CHILD_SUBREAPER`.
///
/// # Errors
/// As prctl(2).
pub(crate) fn adopt(known: &[Pid]) -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    BEFORE.get_or_init(|| children().into_iter().filter(|child| !known.contains(child)).collect());
    Ok(())
}

/// Kills and reaps all children of the run, and theirs as they arrive, until there are none.
///
/// A PID namespace dies with its first process, which is reaped only when all others are gone. That one
/// has to be killed here too: a bubblewrap that is killed early leaves it waiting for a word that never
/// comes. pid_namespaces(7).
pub(crate) fn end() {
    let Some(before) = BEFORE.get() else { return };
    loop {
        let killed: Vec<Pid> = children()
            .into_iter()
            .filter(|child| !before.contains(child))
            // One that we may not kill is none that the run could have started.
            .filter(|child| {
                rustix::process::kill_process(*child, Signal::KILL) != Err(rustix::io::Errno::PERM)
            })
            .collect();
        if killed.is_empty() {
            return;
        }
        for child in killed {
            // Reaping one may leave children of its own to us: then the next round finds them.
            while matches!(
                rustix::process::waitpid(Some(child), WaitOptions::empty()),
                Err(rustix::io::Errno::INTR)
            ) {}
        }
    }
}

/// proc(5), `/proc/pid/task/tid/children`, of every thread.
fn children() -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|word| word.parse().ok().and_then(Pid::from_raw))
        .collect()
}
