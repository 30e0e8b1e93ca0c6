//! A run ends as a whole: whatever process of it dies first, by whatever signal, within seconds
//! nothing of it is alive and nothing that it put on the disk is left.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::case::Backend;
use tests::place::Place;
use tests::process::{self, AFTERLIFE, Running};

tests::on_every_backend_and_user!(
    kill_the_launcher,
    terminate_the_launcher,
    interrupt_the_launcher,
    hang_up_the_launcher,
    terminate_the_launcher_of_a_stubborn_command,
    kill_the_launcher_of_a_stopped_command,
    kill_each_process_in_turn,
    kill_any_process_at_any_time,
    end_while_daemons_run,
);

/// How long a run may take to begin.
const STARTING: Duration = Duration::from_secs(60);

/// Only waits, without a child of its own: whichever process dies, the run is over.
const WAITS: &str = ": > started; exec sleep 600";

/// Starts processes that leave its session, its process group and its parentage, then waits.
const WITH_DAEMONS: &str = "
    exec > /dev/null 2>&1 < /dev/null
    setsid sleep 600 &
    nohup sleep 600 &
    ( sleep 600 & )
    setsid sh -c 'setsid sleep 600 & sleep 600' &
    sleep 0.3
    : > started
    exec sleep 600";

/// Starts `script` with a placeholder of every kind, and waits until it runs.
fn begin(place: &Place, backend: Backend, script: &str) -> Result<Running> {
    let started = place.ws().join("started");
    if started.exists() {
        fs::remove_file(&started)?;
    }
    let mut run = launch(place, backend, script)?;
    let up = process::eventually(STARTING, || started.exists());
    if !up {
        let ended = run.has_ended()?;
        if ended {
            let finished = run.wait(AFTERLIFE)?;
            anyhow::bail!("the command did not start\n{finished}");
        }
        anyhow::bail!("the command did not start within {STARTING:?}");
    }
    Ok(run)
}

fn launch(place: &Place, backend: Backend, script: &str) -> Result<Running> {
    let mut command = place.sandbox(backend);
    let _configured = command
        .args(["--mode", "workspace-write", "--deny-read", "denied-later", "--", "/bin/sh", "-c"])
        .arg(script);
    process::start(command, b"")
}

/// Nothing is alive and nothing but `started` is in the workspace.
fn nothing_is_left(place: &Place) -> Result<()> {
    let residue = place.residue(AFTERLIFE);
    ensure!(residue.is_empty(), "{AFTERLIFE:?} later:\n  {}", residue.join("\n  "));
    let mut names: BTreeSet<String> = BTreeSet::new();
    for entry in fs::read_dir(place.ws())? {
        let _new = names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let _present = names.remove("started");
    ensure!(names.is_empty(), "left in the workspace: {names:?}");
    Ok(())
}

fn ends_by(place: &Place, backend: Backend, script: &str, signal: Signal) -> Result<()> {
    let run = begin(place, backend, script)?;
    run.signal(signal)?;
    let finished = run.wait(AFTERLIFE).with_context(|| format!("after {signal}"))?;
    let number = signal as i32;
    ensure!(
        finished.status.signal() == Some(number) || finished.code() == Some(128 + number),
        "the status does not tell of {signal}\n{finished}"
    );
    nothing_is_left(place)
}

fn kill_the_launcher(backend: Backend, place: &mut Place) -> Result<()> {
    ends_by(place, backend, WAITS, Signal::SIGKILL)?;
    ends_by(place, backend, WITH_DAEMONS, Signal::SIGKILL)
}

fn terminate_the_launcher(backend: Backend, place: &mut Place) -> Result<()> {
    ends_by(place, backend, WAITS, Signal::SIGTERM)?;
    ends_by(place, backend, WITH_DAEMONS, Signal::SIGTERM)
}

fn interrupt_the_launcher(backend: Backend, place: &mut Place) -> Result<()> {
    ends_by(place, backend, WAITS, Signal::SIGINT)?;
    ends_by(place, backend, WITH_DAEMONS, Signal::SIGINT)
}

fn hang_up_the_launcher(backend: Backend, place: &mut Place) -> Result<()> {
    ends_by(place, backend, WAITS, Signal::SIGHUP)
}

/// The command may ignore every polite signal: it ends all the same, with its daemons.
fn terminate_the_launcher_of_a_stubborn_command(backend: Backend, place: &mut Place) -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let script = "trap '' TERM INT HUP QUIT; setsid sleep 600 & : > started; while :; do sleep 600; done";
        let run = begin(place, backend, script)?;
        run.signal(signal)?;
        // A grace for the command to clean up is part of a polite signal.
        let _finished = run.wait(3 * AFTERLIFE).with_context(|| format!("after {signal}"))?;
        nothing_is_left(place)?;
    }
    Ok(())
}

/// A stopped process takes no signal but one.
fn kill_the_launcher_of_a_stopped_command(backend: Backend, place: &mut Place) -> Result<()> {
    let run = begin(place, backend, WAITS)?;
    let mut command = None;
    let _found = process::eventually(STARTING, || {
        let processes = process::descendants(run.pid());
        command = processes.into_iter().find(|process| process.command_line.starts_with("sleep"));
        command.is_some()
    });
    let command = command.context("the command is no descendant of the launcher")?;
    kill(Pid::from_raw(command.pid), Signal::SIGSTOP)?;
    run.signal(Signal::SIGKILL)?;
    let _finished = run.wait(AFTERLIFE)?;
    nothing_is_left(place)
}

/// All processes of the run except the launcher, in a stable order.
fn others(place: &Place, run: &Running) -> Vec<process::Seen> {
    let mut others = process::descendants(run.pid());
    for process in process::of_run(&place.mark(), &place.root()) {
        if process.pid != run.pid() && !others.iter().any(|known| known.pid == process.pid) {
            others.push(process);
        }
    }
    others.sort_by_key(|process| process.pid);
    others
}

fn kill_each_process_in_turn(backend: Backend, place: &mut Place) -> Result<()> {
    for position in 0.. {
        let run = begin(place, backend, WAITS)?;
        let others = others(place, &run);
        ensure!(!others.is_empty(), "the command is no descendant of the launcher");
        let Some(victim) = others.get(position) else { break };
        kill(Pid::from_raw(victim.pid), Signal::SIGKILL)?;
        let described =
            format!("process {} of {}, `{}`, was killed", position + 1, others.len(), victim.command_line);
        let finished = run.wait(AFTERLIFE).with_context(|| described.clone())?;
        ensure!(!finished.status.success(), "{described}: the launcher reports success");
        nothing_is_left(place).context(described)?;
    }
    Ok(())
}

fn kill_any_process_at_any_time(backend: Backend, place: &mut Place) -> Result<()> {
    let seed = RandomState::new().hash_one(place.mark());
    let mut state = seed;
    let mut random = |below: u64| {
        // Knuth's multiplier for 64 bits; the upper half is random enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..16 {
        let run = launch(place, backend, WAITS)?;
        let delay = Duration::from_micros(random(if round % 2 == 0 { 15_000 } else { 120_000 }));
        thread::sleep(delay);
        let mut victims: Vec<(i32, String)> = vec![(run.pid(), "the launcher".to_owned())];
        victims.extend(others(place, &run).into_iter().map(|process| (process.pid, process.command_line)));
        let choice = usize::try_from(random(victims.len() as u64)).unwrap_or(0);
        let (pid, name) = victims.get(choice).cloned().context("nobody to kill")?;
        let described = format!("seed {seed}, round {round}: `{name}` was killed after {delay:?}");
        let hit = kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok();
        let mut run = run;
        let over = process::eventually(AFTERLIFE, || run.has_ended().unwrap_or(true));
        if !over {
            // It was a helper that had done its work, and the run goes on; or it was gone already.
            ensure!(!hit || place.ws().join("started").exists(), "{described}: the launcher hangs");
            run.signal(Signal::SIGKILL)?;
        }
        let _finished = run.wait(AFTERLIFE).with_context(|| described.clone())?;
        nothing_is_left(place).context(described)?;
    }
    Ok(())
}

/// The ordinary end is an end for the daemons as well.
fn end_while_daemons_run(backend: Backend, place: &mut Place) -> Result<()> {
    let script = WITH_DAEMONS.replace("exec sleep 600", "exit 3");
    let finished = launch(place, backend, &script)?.wait(STARTING)?;
    ensure!(finished.code() == Some(3), "{finished}");
    nothing_is_left(place)
}
