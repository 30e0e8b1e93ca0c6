//! Ending what a run leaves: processes that lost their parent and became this process's children.
//!
//! Only a program that does nothing else may be a subreaper and end *all* of its children: the guard, and
//! the foreground run should the guard be killed. In other programs orphans go to the system's init, and
//! die with the connection to us.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, WaitOptions};

/// Whether [`adopt`] was called: this process's children are all of the run.
static ADOPTING: AtomicBool = AtomicBool::new(false);

/// Makes orphans of the run children of this process. prctl(2), `PR_SET_CHILD_SUBREAPER`.
///
/// # Errors
/// As prctl(2).
pub(crate) fn adopt() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    ADOPTING.store(true, Ordering::Relaxed);
    Ok(())
}

/// Kills and reaps all children, and theirs as they arrive, until there are none.
///
/// A PID namespace dies with its first process, which is reaped only when all others are gone. That one
/// has to be killed here too: a bubblewrap that is killed early leaves it waiting for a word that never
/// comes. pid_namespaces(7).
pub(crate) fn end() {
    if !ADOPTING.load(Ordering::Relaxed) {
        return;
    }
    loop {
        for child in children() {
            // One that has just ended is what was wanted.
            rustix::process::kill_process(child, Signal::KILL).ok();
        }
        // Each reaped child may have left children of its own to us.
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return, // ECHILD: none left
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
