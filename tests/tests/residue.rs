//! Runs that overlap in one workspace: protection never lapses while any of them lives, and when
//! the last has gone the workspace is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tests::case::{Backend, User};
use tests::identity::Identity;
use tests::place::{Place, skip_user};
use tests::process::{self, AFTERLIFE, DEADLINE, Running};

tests::on_every_backend_and_user!(
    overlapping_runs_leave_nothing,
    protection_never_lapses_while_runs_come_and_go,
    content_that_the_host_adds_is_kept,
    git_outside_is_not_disturbed,
    backends_share_a_workspace,
);

/// How long a run may take to begin.
const STARTING: Duration = Duration::from_secs(60);

/// Makes or replaces protected names in every way; says so if one succeeds.
const ATTACK: &str = "
    mkdir .git && echo made
    mkdir .codex/x && echo filled
    echo x > .agents && echo written
    rmdir .git && echo removed
    mv .git moved && echo moved
    ln -s x .aws && echo linked";

fn launch(place: &Place, backend: Backend, script: &str) -> Result<Running> {
    let mut command = place.sandbox(backend);
    let _configured = command.args(["--mode", "workspace-write", "--", "/bin/sh", "-c"]).arg(script);
    process::start(command, b"")
}

/// Name, mode and size of everything in a directory.
fn listing(folder: &Path) -> Result<BTreeMap<String, (u32, u64)>> {
    let mut listing = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let size = if metadata.is_file() { metadata.size() } else { 0 };
        let _new = listing.insert(entry.file_name().to_string_lossy().into_owned(), (metadata.mode(), size));
    }
    Ok(listing)
}

fn overlapping_runs_leave_nothing(backend: Backend, place: &mut Place) -> Result<()> {
    place.sh("echo x > file; mkdir folder .agents; echo x > .agents/known")?;
    place.settle()?;
    let before = listing(&place.ws())?;
    let mut runs = Vec::new();
    for number in 0..20 {
        let script = format!("{ATTACK}\nsleep 0.{}; {ATTACK}; exit 0", number % 7);
        runs.push(launch(place, backend, &script)?);
        if number % 4 == 3 {
            thread::sleep(Duration::from_millis(30));
            runs.get(number - 1).context("no such run")?.signal(Signal::SIGKILL)?;
        }
        if number % 5 == 4 {
            runs.get(number).context("no such run")?.signal(Signal::SIGTERM)?;
        }
    }
    for run in runs {
        let finished = run.wait(DEADLINE)?;
        ensure!(finished.stdout.is_empty(), "protection lapsed\n{finished}");
    }
    let residue = place.residue(AFTERLIFE);
    ensure!(residue.is_empty(), "{}", residue.join("\n"));
    let after = listing(&place.ws())?;
    ensure!(before == after, "the workspace was {before:?} and is {after:?}");
    Ok(())
}

fn protection_never_lapses_while_runs_come_and_go(backend: Backend, place: &mut Place) -> Result<()> {
    let script = format!(
        "end=$(($(date +%s) + 3)); : > started
         while [ $(date +%s) -lt $end ]; do {ATTACK}; done 2> /dev/null; exit 0"
    );
    let attacker = launch(place, backend, &script)?;
    let started = process::eventually(DEADLINE, || place.ws().join("started").exists());
    ensure!(started, "the attacker did not start");
    for number in 0..25 {
        let run = launch(place, backend, "sleep 0.02")?;
        if number % 3 == 0 {
            thread::sleep(Duration::from_millis(number * 2));
            run.signal(Signal::SIGKILL)?;
        }
        let _finished = run.wait(DEADLINE)?;
    }
    let finished = attacker.wait(DEADLINE)?.success()?;
    ensure!(finished.stdout.is_empty(), "protection lapsed\n{finished}");
    let residue = place.residue(AFTERLIFE);
    ensure!(residue.is_empty(), "{}", residue.join("\n"));
    Ok(())
}

/// A person may run `git init` outside while a command runs inside.
fn content_that_the_host_adds_is_kept(backend: Backend, place: &mut Place) -> Result<()> {
    place.allow_change(place.ws().join(".git"));
    place.allow_change(place.ws().join(".codex"));
    for signal in [None, Some(Signal::SIGKILL), Some(Signal::SIGTERM)] {
        place.sh("rm -rf started over .git .codex")?;
        let run = launch(place, backend, ": > started; until test -e over; do sleep 0.05; done; exit 0")?;
        ensure!(process::eventually(DEADLINE, || place.ws().join("started").exists()), "it did not start");
        let _finished = place.sh("mkdir -p .git; chmod 755 .git; echo ref > .git/HEAD
             rm -rf .codex; echo file > .codex")?;
        match signal {
            Some(signal) => run.signal(signal)?,
            None => drop(place.sh(": > over")?),
        }
        let _finished = run.wait(DEADLINE)?;
        thread::sleep(Duration::from_millis(300));
        let _kept = place.sh("test \"$(cat .git/HEAD)\" = ref; test \"$(cat .codex)\" = file")?;
        let residue = place.residue(AFTERLIFE);
        ensure!(residue.is_empty(), "{}", residue.join("\n"));
    }
    place.sh("rm -rf .git .codex")?;
    Ok(())
}

/// Placeholders may be seen on the host while a command runs; git outside must not mind.
fn git_outside_is_not_disturbed(backend: Backend, place: &mut Place) -> Result<()> {
    let identity = "git -c user.name=p -c user.email=p@localhost";
    place.sh(&format!("git init -q; mkdir sub; echo x > sub/x; git add .; {identity} commit -qm first"))?;
    place.allow_change(place.ws().join(".git"));
    place.settle()?;
    for cwd in [place.ws(), place.ws().join("sub")] {
        let mut command = place.sandbox(backend);
        let wait = ": > /tmp/$CODEX_PROBE_MARK; git rev-parse --show-toplevel; git status --porcelain
            while test -e /tmp/$CODEX_PROBE_MARK; do sleep 0.05; done";
        let _configured = command
            .args(["--mode", "workspace-write", "--", "/bin/sh", "-c", wait])
            .current_dir(&cwd)
            .env("PWD", &cwd);
        let run = process::start(command, b"")?;
        let started = Path::new("/tmp").join(place.mark());
        ensure!(process::eventually(DEADLINE, || started.exists()), "it did not start");
        let top = format!("{}\n", place.ws().display());
        for _ in 0..5 {
            let outside = place.sh(&format!(
                "cd {}; git rev-parse --show-toplevel; git status --porcelain --untracked-files=all",
                cwd.display()
            ))?;
            ensure!(outside.out() == top, "git outside: {outside}");
            thread::sleep(Duration::from_millis(100));
        }
        fs::remove_file(&started)?;
        let finished = run.wait(DEADLINE)?.success()?;
        ensure!(finished.out() == top, "git inside: {finished}");
    }
    Ok(())
}

/// Runs of different users meet in a sticky directory that everybody may write in, such as /tmp.
/// Neither may keep the other from running, nor take away its protection by ending, whatever the
/// umask of either is.
#[test]
fn users_share_a_root() -> Result<()> {
    with_both_users(|attacker, passer_by, backend, shared| {
        let script = format!(
            "cd {}; end=$(($(date +%s) + 2)); : > {}/started
             while [ $(date +%s) -lt $end ]; do {ATTACK}; done 2> /dev/null; exit 0",
            shared.display(),
            attacker.ws().display()
        );
        attacker.sh("rm -f started")?;
        // Who comes first makes the placeholders; let it be the passer-by, and let it leave first.
        let first = begin_in(passer_by, backend, shared, "077", "sleep 0.5")?;
        let attack = launch_in(attacker, backend, shared, "022", &script)?;
        let started = process::eventually(STARTING, || attacker.ws().join("started").exists());
        if !started {
            let finished = attack.wait(DEADLINE)?;
            bail!("{} keeps {} from running\n{finished}", passer_by.identity.name, attacker.identity.name);
        }
        let _finished = first.wait(DEADLINE)?.success()?;
        for umask in ["022", "027", "077", "000", "022", "077"] {
            let run = launch_in(passer_by, backend, shared, umask, "sleep 0.1")?;
            let _finished = run.wait(DEADLINE)?.success().context("a run of the other user fails")?;
        }
        let finished = attack.wait(DEADLINE)?.success()?;
        ensure!(finished.stdout.is_empty(), "protection lapsed\n{finished}");
        Ok(())
    })
}

/// Who made a placeholder in a sticky directory is the only one who may remove it, and its run may
/// be over when another user's run still needs it.
#[test]
fn a_placeholder_is_outlived_by_another_users_run() -> Result<()> {
    with_both_users(|maker, heir, backend, shared| {
        let waits =
            |place: &Place| format!("until test -e {}/over; do sleep 0.05; done", place.ws().display());
        maker.sh("rm -f over")?;
        heir.sh("rm -f over")?;
        let made = begin_in(maker, backend, shared, "022", &waits(maker))?;
        let inherited = begin_in(heir, backend, shared, "022", &waits(heir))?;
        maker.sh(": > over")?;
        let _finished = made.wait(DEADLINE)?.success()?;
        heir.sh(": > over")?;
        let _finished = inherited.wait(DEADLINE)?.success()?;
        let clean =
            process::eventually(AFTERLIFE, || listing(shared).is_ok_and(|listing| listing.is_empty()));
        let (maker, heir) = (&maker.identity.name, &heir.identity.name);
        ensure!(clean, "made by {maker}, last needed by {heir}, left: {:?}", listing(shared)?);
        Ok(())
    })
}

/// Runs `test` with two places of different users, either way round, on each backend, in a directory
/// like /tmp that is theirs alone.
fn with_both_users(test: fn(&Place, &Place, Backend, &Path) -> Result<()>) -> Result<()> {
    let (Some(root), Some(ordinary)) = (Identity::of(User::Root)?, Identity::of(User::Ordinary)?) else {
        return skip_user(User::Root);
    };
    let root = Place::new(root)?;
    let ordinary = Place::new(ordinary)?;
    let shared = root.host().join("shared");
    for (first, second) in [(&ordinary, &root), (&root, &ordinary)] {
        for backend in Backend::ALL {
            root.sh(&format!("rm -rf {0}; mkdir {0}; chmod 1777 {0}", shared.display()))?;
            test(first, second, backend, &shared)?;
        }
    }
    root.close()?;
    ordinary.close()
}

/// [`launch_in`], and waits until the script runs.
fn begin_in(place: &Place, backend: Backend, root: &Path, umask: &str, script: &str) -> Result<Running> {
    let begun = place.ws().join("begun");
    place.sh("rm -f begun")?;
    let script = format!(": > {}; {script}", begun.display());
    let mut run = launch_in(place, backend, root, umask, &script)?;
    let waited = process::eventually(STARTING, || begun.exists() || run.has_ended().unwrap_or(true));
    ensure!(waited, "it did not start within {STARTING:?}");
    Ok(run)
}

fn launch_in(place: &Place, backend: Backend, root: &Path, umask: &str, script: &str) -> Result<Running> {
    let mut command = place.outside("/bin/sh");
    let _configured = command
        .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
        .arg(place.binary())
        .args(["sandbox", "--backend", backend.as_str(), "--mode", "workspace-write", "--writable"])
        .arg(root)
        .args(["-c", "sandbox_workspace_write.exclude_slash_tmp=true", "--", "/bin/sh", "-c", script]);
    process::start(command, b"")
}

/// Both backends know of each other's placeholders.
fn backends_share_a_workspace(backend: Backend, place: &mut Place) -> Result<()> {
    let before = listing(&place.ws())?;
    let mut runs = Vec::new();
    for number in 0..12 {
        let other = if number % 2 == 0 { backend } else { Backend::Namespaces };
        runs.push(launch(place, other, &format!("{ATTACK}; sleep 0.{}; {ATTACK}; exit 0", number % 5))?);
    }
    for run in runs {
        let finished = run.wait(DEADLINE)?;
        ensure!(finished.stdout.is_empty(), "protection lapsed\n{finished}");
    }
    let residue = place.residue(AFTERLIFE);
    ensure!(residue.is_empty(), "{}", residue.join("\n"));
    let after = listing(&place.ws())?;
    ensure!(before == after, "the workspace was {before:?} and is {after:?}");
    Ok(())
}
