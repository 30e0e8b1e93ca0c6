//! Runs in the foreground whose output is kept for a diagnosis: the caller's streams behave as if nobody looked.
//!
//! The run happens in a process of its own, the *player*: this program again, with streams that the test gives it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use rustix::pty::OpenptFlags;
use sandbox::captured::{Finished, TAIL_BYTES};
use sandbox::foreground::Foreground;

use crate::bench::{Behaviour, Bench, Way, command, exists};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("observed::pipes_carry_everything", pipes_carry_everything),
    ("observed::two_streams_that_are_one_keep_their_order", two_streams_that_are_one_keep_their_order),
    ("observed::a_file_is_appended_to", a_file_is_appended_to),
    ("observed::a_reader_that_goes_away_ends_the_pipe", a_reader_that_goes_away_ends_the_pipe),
    (
        "observed::a_slow_reader_gets_all_and_holds_the_command_up",
        a_slow_reader_gets_all_and_holds_the_command_up,
    ),
    ("observed::the_status_and_input_are_the_commands_own", the_status_and_input_are_the_commands_own),
    ("observed::the_deadline_ends_it", the_deadline_ends_it),
    ("observed::signals_reach_the_command", signals_reach_the_command),
    ("observed::what_holds_the_output_open_is_not_waited_for", what_holds_the_output_open_is_not_waited_for),
    ("observed::output_that_cannot_be_kept_is_an_error", output_that_cannot_be_kept_is_an_error),
    ("observed::a_stopped_command_stops_us", a_stopped_command_stops_us),
    ("observed::a_terminal_stays_one", a_terminal_stays_one),
    ("observed::control_c_is_for_the_command", control_c_is_for_the_command),
];

/// First argument of the player.
const PLAYER: &str = "__launches-player";

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs as the player, when started as one: way, workspace, deadline in milliseconds (0 for none), script.
pub(crate) fn play() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, way, base, deadline, script] = arguments.as_slice() else { return None };
    if first != PLAYER {
        return None;
    }
    let bench = Bench::at(Way::named(way)?, PathBuf::from(base));
    let deadline: u64 = deadline.parse().ok()?;
    let timeout = (deadline > 0).then(|| Duration::from_millis(deadline));
    let (permit, backend) = bench.shell(script);
    let finished = match bench.way {
        Way::Unconfined => sandbox::unconfined::observe(permit, timeout),
        Way::Bwrap | Way::Namespaces => {
            Foreground::prepare(Vec::new()).unwrap().observe(permit, &backend, timeout)
        }
    };
    let report = match finished {
        Ok(Finished { outcome, tail }) => [format!("{outcome:?}\n").into_bytes(), tail].concat(),
        Err(error) => format!("error: {error}\n").into_bytes(),
    };
    std::fs::write(bench.base().join("report"), report).unwrap();
    Some(ExitCode::SUCCESS)
}

fn player(bench: &Bench, deadline: Duration, script: &str) -> Command {
    let mut player = command(std::env::current_exe().unwrap());
    player.arg(PLAYER).arg(bench.way.name()).arg(bench.base());
    player.arg(deadline.as_millis().to_string()).arg(script).stdin(Stdio::null());
    player
}

/// What the player said about the run, and the tail.
fn report(bench: &Bench, mut child: Child) -> (String, Vec<u8>) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let report = std::fs::read(bench.base().join("report")).unwrap();
    let end = report.iter().position(|byte| *byte == b'\n').unwrap();
    (String::from_utf8(report[..end].to_vec()).unwrap(), report[end + 1..].to_vec())
}

fn read_all(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

/// Runs with pipes for both streams: what came through them, and the report.
fn with_pipes(bench: &Bench, deadline: Duration, script: &str) -> ([Vec<u8>; 2], String, Vec<u8>) {
    let mut child =
        player(bench, deadline, script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = read_all(child.stdout.take().unwrap());
    let err = read_all(child.stderr.take().unwrap());
    let (outcome, tail) = report(bench, child);
    ([out.join().unwrap(), err.join().unwrap()], outcome, tail)
}

fn pipes_carry_everything(bench: &Bench) {
    // What is written to two streams at once may arrive in either order, so the end waits until the rest was seen.
    let script = "i=0; while [ $i -lt 40 ]; do head -c 50000 /dev/zero; head -c 50000 /dev/zero | tr '\\0' e >&2; i=$((i+1)); done
        until test -e seen; do sleep 0.05; done; printf end";
    let mut child =
        player(bench, Duration::ZERO, script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = read_all(child.stdout.take().unwrap());
    let mut err = vec![0; 2_000_000];
    let mut from = child.stderr.take().unwrap();
    from.read_exact(&mut err).unwrap();
    std::fs::write(bench.ws("seen"), "").unwrap();
    let (outcome, tail) = report(bench, child);
    assert_eq!(from.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(outcome, "Ended(Exited(0))");
    assert_eq!(out.join().unwrap().len(), 2_000_003);
    assert_eq!(err, vec![b'e'; 2_000_000]);
    assert_eq!(tail.len(), TAIL_BYTES);
    assert!(tail.ends_with(b"end"));
    let ([out, err], _, tail) = with_pipes(bench, Duration::ZERO, "echo out; sleep 0.2; echo err >&2");
    assert_eq!(
        (out.as_slice(), err.as_slice(), tail.as_slice()),
        (&b"out\n"[..], &b"err\n"[..], &b"out\nerr\n"[..])
    );
}

fn two_streams_that_are_one_keep_their_order(bench: &Bench) {
    let script = "i=0; while [ $i -lt 3000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done";
    let expect: String = (0..3000).map(|number| format!("o{number}\ne{number}\n")).collect();
    let log = bench.base().join("log");
    let file = File::create(&log).unwrap();
    let both = file.try_clone().unwrap();
    let child = player(bench, Duration::ZERO, script).stdout(file).stderr(both).spawn().unwrap();
    let (outcome, tail) = report(bench, child);
    assert_eq!(outcome, "Ended(Exited(0))");
    assert!(std::fs::read_to_string(&log).unwrap() == expect, "out of order");
    assert!(expect.as_bytes().ends_with(&tail) && !tail.is_empty());
}

fn a_file_is_appended_to(bench: &Bench) {
    let log = bench.base().join("log");
    std::fs::write(&log, "before\n").unwrap();
    let file = File::options().append(true).open(&log).unwrap();
    let child = player(bench, Duration::ZERO, "echo more").stdout(file).spawn().unwrap();
    let (_, tail) = report(bench, child);
    assert_eq!(tail, b"more\n");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "before\nmore\n");
}

fn a_reader_that_goes_away_ends_the_pipe(bench: &Bench) {
    for script in ["exec yes", "exec 2>&-; sleep 0.5; exec head -c 1 /dev/zero"] {
        let mut child = player(bench, Duration::ZERO, script).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        if script == "exec yes" {
            out.read_exact(&mut [0; 10]).unwrap();
        }
        drop(out);
        let (outcome, _) = report(bench, child);
        // `head` says so instead of dying where somebody ignores the signal.
        assert_eq!(outcome, format!("Ended(Signaled({}))", libc::SIGPIPE), "{script}");
    }
}

fn a_slow_reader_gets_all_and_holds_the_command_up(bench: &Bench) {
    // More than both pipes hold: the command must wait.
    let script = "head -c 1000000 /dev/zero; touch done";
    let mut child = player(bench, Duration::ZERO, script).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert!(!exists(&bench.ws("done")));
    let out = read_all(child.stdout.take().unwrap());
    assert_eq!(report(bench, child).0, "Ended(Exited(0))");
    assert_eq!(out.join().unwrap().len(), 1_000_000);
    // Less: the command ends, and the rest is still passed on.
    let mut child =
        player(bench, Duration::ZERO, "head -c 100000 /dev/zero").stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(900));
    let out = read_all(child.stdout.take().unwrap());
    assert_eq!(report(bench, child).0, "Ended(Exited(0))");
    assert_eq!(out.join().unwrap().len(), 100_000);
}

fn the_status_and_input_are_the_commands_own(bench: &Bench) {
    for (script, expect) in [
        ("exit 41", "Ended(Exited(41))".to_owned()),
        ("kill -KILL $$", format!("Ended(Signaled({}))", libc::SIGKILL)),
        ("exec 1>&- 2>&-; sleep 0.1; exit 3", "Ended(Exited(3))".to_owned()),
    ] {
        assert_eq!(with_pipes(bench, Duration::ZERO, script).1, expect, "{script}");
    }
    let mut child = player(bench, Duration::ZERO, "cat; echo done")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"given\n").unwrap();
    let out = read_all(child.stdout.take().unwrap());
    report(bench, child);
    assert_eq!(out.join().unwrap(), b"given\ndone\n");
}

fn the_deadline_ends_it(bench: &Bench) {
    // Far more than a command needs to begin.
    let limit = Duration::from_millis(1500);
    let ([out, _], outcome, tail) = with_pipes(bench, limit, "echo on; sleep 600 & wait");
    assert_eq!((outcome.as_str(), out.as_slice(), tail.as_slice()), ("TimedOut", &b"on\n"[..], &b"on\n"[..]));
    // A reader that never reads does not hold us for ever.
    let mut child = player(bench, limit, "exec yes").stdout(Stdio::piped()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    assert_eq!(report(bench, child).0, "TimedOut");
    drop(out);
}

fn signals_reach_the_command(bench: &Bench) {
    let script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = player(bench, Duration::ZERO, script).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 6]).unwrap();
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let (outcome, tail) = report(bench, child);
    assert_eq!(outcome, "Ended(Exited(5))");
    // Some shells add that their `sleep` was terminated.
    assert!(String::from_utf8(tail).unwrap().contains("caught\n"));
}

fn what_holds_the_output_open_is_not_waited_for(bench: &Bench) {
    let begun = Instant::now();
    let ([out, _], outcome, _) =
        with_pipes(bench, Duration::ZERO, "(sleep 90; echo late) & echo soon; exit 4");
    assert_eq!((outcome.as_str(), out.as_slice()), ("Ended(Exited(4))", &b"soon\n"[..]));
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

fn output_that_cannot_be_kept_is_an_error(bench: &Bench) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let child = player(bench, Duration::ZERO, "echo lost; exit 0").stdout(full).spawn().unwrap();
    assert_eq!(report(bench, child).0, "error: cannot pass the output on");
}

/// The state letter of a process. proc(5), `/proc/pid/stat`.
fn state(child: &Child) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn a_stopped_command_stops_us(bench: &Bench) {
    if bench.way.is_confined() {
        return; // only one at a terminal, as in every run in the foreground
    }
    let script = "kill -STOP $$; echo resumed";
    let mut child = player(bench, Duration::ZERO, script).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while state(&child) != Some('T') {
        assert!(begun.elapsed() < PATIENCE, "it does not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
    rustix::process::kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
    let out = read_all(child.stdout.take().unwrap());
    assert_eq!(report(bench, child).0, "Ended(Exited(0))");
    assert_eq!(out.join().unwrap(), b"resumed\n");
}

/// Starts the player as the leader of a session at a new terminal, whose near side is returned.
fn at_terminal(bench: &Bench, script: &str, stdout: Option<OwnedFd>) -> (Child, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let near = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&near).unwrap();
    let far = rustix::pty::ioctl_tiocgptpeer(&near, flags).unwrap();
    let player = player(bench, Duration::ZERO, script);
    let again = || Stdio::from(far.try_clone().unwrap());
    // `setsid --ctty` becomes the player; doing it here would need code between fork and exec.
    let child = command("setsid")
        .arg("--ctty")
        .arg(player.get_program())
        .args(player.get_args())
        .stdin(again())
        .stdout(stdout.map_or_else(again, Stdio::from))
        .stderr(again())
        .spawn()
        .unwrap();
    (child, File::from(near))
}

/// Reads until `text` was shown.
fn await_text(near: &mut File, text: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(text) {
        let mut chunk = [0; 1024];
        let count = near.read(&mut chunk).unwrap_or(0);
        assert!(count > 0, "only {shown:?} was shown");
        shown.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
    shown
}

fn a_terminal_stays_one(bench: &Bench) {
    let script = "test -t 0 && test -t 1 && test -t 2 && echo three; echo error >&2; echo over";
    let (child, mut near) = at_terminal(bench, script, None);
    let shown = await_text(&mut near, "over").replace('\r', "");
    assert!(shown.starts_with("three\nerror\nover"), "{shown}");
    let (outcome, tail) = report(bench, child);
    assert_eq!(outcome, "Ended(Exited(0))");
    let tail = String::from_utf8(tail).unwrap().replace('\r', "");
    assert_eq!(tail, if bench.way.is_confined() { "three\nerror\nover\n" } else { "" });

    // One stream is piped: it is seen, and the terminal is left as it is.
    let (reader, writer) = std::io::pipe().unwrap();
    let script = "test -t 0 && test ! -t 1 && test -t 2 && echo piped; echo shown >&2";
    let (child, mut near) = at_terminal(bench, script, Some(writer.into()));
    let out = read_all(reader);
    assert!(await_text(&mut near, "shown").starts_with("shown"));
    let (_, tail) = report(bench, child);
    assert!(tail.starts_with(b"piped\n"), "{tail:?}");
    assert_eq!(out.join().unwrap(), b"piped\n");
}

fn control_c_is_for_the_command(bench: &Bench) {
    let script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done";
    let (child, mut near) = at_terminal(bench, script, None);
    await_text(&mut near, "ready");
    near.write_all(b"\x03").unwrap();
    let shown = await_text(&mut near, "caught");
    assert_eq!(shown.matches("caught").count(), 1);
    assert_eq!(report(bench, child).0, "Ended(Exited(5))");
    // One that does not catch it ends by it.
    let (child, mut near) = at_terminal(bench, "echo ready; exec sleep 600", None);
    await_text(&mut near, "ready");
    std::thread::sleep(Duration::from_millis(100));
    near.write_all(b"\x03").unwrap();
    assert_eq!(report(bench, child).0, format!("Ended(Signaled({}))", libc::SIGINT));
}
