//! Runs whose output somebody else sees: nothing lost, nothing left, and never a hang.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use sandbox::captured::{self, Finished, Input, Options, StreamName, TAIL_BYTES};
use sandbox::foreground::{GRACE, Outcome};
use sandbox::{Ended, TerminalSize};

use crate::bench::{Behaviour, Bench, Way, exists};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("captured::each_stream_arrives_whole", each_stream_arrives_whole),
    ("captured::the_status_is_the_commands_own", the_status_is_the_commands_own),
    ("captured::input_is_fed_and_ends", input_is_fed_and_ends),
    ("captured::the_tail_is_the_end_of_both", the_tail_is_the_end_of_both),
    ("captured::the_deadline_ends_it", the_deadline_ends_it),
    ("captured::cancelling_ends_it", cancelling_ends_it),
    ("captured::a_cancelled_run_does_not_start", a_cancelled_run_does_not_start),
    ("captured::what_holds_the_output_open_is_not_waited_for", what_holds_the_output_open_is_not_waited_for),
    ("captured::what_the_command_started_ends_with_it", what_the_command_started_ends_with_it),
    ("captured::a_slow_sink_loses_nothing", a_slow_sink_loses_nothing),
    ("captured::a_terminal_is_one", a_terminal_is_one),
    ("captured::many_at_once_do_not_meet", many_at_once_do_not_meet),
    ("captured::a_sink_that_panics_leaves_nothing", a_sink_that_panics_leaves_nothing),
];

/// Far longer than anything takes here, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Seen {
    out: Vec<u8>,
    err: Vec<u8>,
    screen: Vec<u8>,
}

impl Seen {
    fn take(&mut self, name: StreamName, bytes: &[u8]) {
        match name {
            StreamName::Stdout => self.out.extend_from_slice(bytes),
            StreamName::Stderr => self.err.extend_from_slice(bytes),
            StreamName::Terminal => self.screen.extend_from_slice(bytes),
        }
    }
}

fn run_with(bench: &Bench, script: &str, options: Options<'_>) -> (Finished, Seen) {
    let (permit, backend) = bench.shell(script);
    let mut seen = Seen::default();
    let finished =
        captured::run(None, permit, &backend, options, &mut |name, bytes| seen.take(name, bytes)).unwrap();
    (finished, seen)
}

fn run(bench: &Bench, script: &str) -> (Finished, Seen) {
    run_with(bench, script, Options { timeout: Some(LONG), ..Options::default() })
}

fn each_stream_arrives_whole(bench: &Bench) {
    let script = "i=0; while [ $i -lt 40 ]; do head -c 50000 /dev/zero; head -c 50000 /dev/zero | tr '\\0' e >&2; i=$((i+1)); done; printf end";
    let (finished, seen) = run(bench, script);
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(0)));
    assert_eq!(seen.out.len(), 2_000_003);
    assert!(seen.out.ends_with(b"\0end"));
    assert_eq!(seen.err, vec![b'e'; 2_000_000]);
}

fn the_status_is_the_commands_own(bench: &Bench) {
    for (script, ended) in [
        ("exit 0", Ended::Exited(0)),
        ("exit 41", Ended::Exited(41)),
        ("kill -KILL $$", Ended::Signaled(libc::SIGKILL)),
        ("kill -TERM $$", Ended::Signaled(libc::SIGTERM)),
        ("exec 1>&- 2>&-; sleep 0.1; exit 3", Ended::Exited(3)),
    ] {
        let (finished, _) = run(bench, script);
        assert_eq!(finished.outcome, Outcome::Ended(ended), "{script}");
    }
}

fn input_is_fed_and_ends(bench: &Bench) {
    let bytes: Vec<u8> = (0..300_000).map(|n| u8::try_from(n % 256).unwrap()).collect();
    let fed = |script: &str, input| run_with(bench, script, Options { input, ..Options::default() });
    let (finished, seen) = fed("cat; echo done >&2", Input::Bytes(bytes.clone()));
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(0)));
    assert_eq!(seen.out, bytes);
    assert_eq!(seen.err, b"done\n");
    let (finished, _) = fed("exit 5", Input::Bytes(bytes));
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(5)));
    let (_, seen) = fed("cat; echo done", Input::Bytes(Vec::new()));
    assert_eq!(seen.out, b"done\n");
    let (_, seen) = fed("cat; echo done", Input::Nothing);
    assert_eq!(seen.out, b"done\n");
}

fn the_tail_is_the_end_of_both(bench: &Bench) {
    // What is written to two streams at once may arrive in either order: each goes on when the other was seen.
    let seen_first = |script: &str, first: usize| {
        let (permit, backend) = bench.shell(&format!("rm -f seen; {script}"));
        let mut total = 0;
        let mut sink = |_: StreamName, bytes: &[u8]| {
            total += bytes.len();
            if total == first {
                std::fs::write(bench.ws("seen"), "").unwrap();
            }
        };
        let options = Options { timeout: Some(LONG), ..Options::default() };
        captured::run(None, permit, &backend, options, &mut sink).unwrap().tail
    };
    let wait = "until test -e seen; do sleep 0.05; done";
    let tail = seen_first(&format!("echo first; head -c 300000 /dev/zero; {wait}; echo last >&2"), 300_006);
    assert_eq!(tail.len(), TAIL_BYTES);
    assert!(tail.ends_with(b"\0\0last\n"));
    assert_eq!(seen_first(&format!("echo out; {wait}; echo err >&2"), 4), b"out\nerr\n");
}

/// When something arrived.
struct Times {
    first: Instant,
    last: Instant,
}

fn the_deadline_ends_it(bench: &Bench) {
    // Far more than a command needs to begin.
    let limit = Duration::from_millis(1500);
    let limited = |script: &str| {
        let (permit, backend) = bench.shell(script);
        let options = Options { timeout: Some(limit), ..Options::default() };
        let begun = Instant::now();
        let (mut out, mut times) = (Vec::<u8>::new(), Times { first: begun, last: begun });
        // A shell may say on its other stream that its `sleep` was terminated.
        let mut sink = |name: StreamName, bytes: &[u8]| {
            if name != StreamName::Stdout {
                return;
            }
            times.last = Instant::now();
            if out.is_empty() {
                times.first = times.last;
            }
            out.extend(bytes.iter().take(100));
        };
        let finished = captured::run(None, permit, &backend, options, &mut sink).unwrap();
        assert_eq!(finished.outcome, Outcome::TimedOut, "{script}");
        assert!(begun.elapsed() >= limit, "{script}");
        (out, times)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| limited("sleep 600"));
        scope.spawn(|| {
            // It may say good-bye, and does not have to take all the time that it has for it.
            let (out, times) = limited("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
            assert_eq!(out, b"bye\n");
            assert!(times.last.elapsed() < GRACE, "{:?}", times.last.elapsed());
        });
        scope.spawn(|| {
            // It does not have to want to.
            let (_, times) = limited("trap '' TERM; echo on; while :; do sleep 0.05; done");
            let took = times.first.elapsed();
            assert!(took >= GRACE && took < LONG, "{took:?}");
        });
        // A stopped one ends too, and one that floods us, which obeys.
        scope.spawn(|| limited("kill -STOP $$"));
    });
    let (_, times) = limited("exec cat /dev/zero");
    let flood = times.last.duration_since(times.first);
    assert!(flood < limit + GRACE, "{flood:?}");
}

fn cancelling_ends_it(bench: &Bench) {
    // Spoken, or hung up.
    for speaks in [true, false] {
        let (cancel, order) = std::io::pipe().unwrap();
        let mut order = Some(order);
        let (permit, backend) = bench.shell("echo on; sleep 600 & wait");
        let (mut seen, mut ordered) = (Vec::<u8>::new(), Instant::now());
        let mut sink = |name: StreamName, bytes: &[u8]| {
            if name != StreamName::Stdout {
                return;
            }
            seen.extend_from_slice(bytes);
            ordered = Instant::now();
            match speaks {
                true => order.as_mut().unwrap().write_all(b"x").unwrap(),
                false => drop(order.take()),
            }
        };
        let options = Options { cancel: Some(cancel.as_fd()), ..Options::default() };
        let finished = captured::run(None, permit, &backend, options, &mut sink).unwrap();
        assert_eq!(finished.outcome, Outcome::Interrupted(libc::SIGTERM));
        assert_eq!(seen, b"on\n");
        assert!(ordered.elapsed() < GRACE, "{:?}", ordered.elapsed());
    }
}

fn a_cancelled_run_does_not_start(bench: &Bench) {
    let (cancel, order) = std::io::pipe().unwrap();
    drop(order);
    let options = Options { cancel: Some(cancel.as_fd()), ..Options::default() };
    let (finished, _) = run_with(bench, "touch ran", options);
    assert_eq!(finished.outcome, Outcome::Interrupted(libc::SIGTERM));
    assert!(!exists(&bench.ws("ran")));
}

fn what_holds_the_output_open_is_not_waited_for(bench: &Bench) {
    let begun = Instant::now();
    let (finished, seen) = run(bench, "(sleep 90; echo late) & echo soon; exit 4");
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(4)));
    assert_eq!(seen.out, b"soon\n");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    // What was written before the end is read, also beside one that goes on writing.
    let (_, seen) = run(bench, "head -c 60000 /dev/zero; (while sleep 0.01; do echo; done) & exit 0");
    assert!(seen.out.len() >= 60_000);
}

/// A number that no other process has as its duration.
fn sleeper(bench: &Bench) -> String {
    let inode = std::os::unix::fs::MetadataExt::ino(&bench.ws("").metadata().unwrap());
    format!("{}.{}", 1000 + inode % 1_000_000, std::process::id())
}

fn is_running(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let line = |path: &Path| std::fs::read(path.join("cmdline")).unwrap_or_default();
    processes
        .into_iter()
        .any(|process| line(&process.path()).split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

fn is_soon_gone(argument: &str) -> bool {
    let begun = Instant::now();
    while is_running(argument) {
        if begun.elapsed() > LONG {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn what_the_command_started_ends_with_it(bench: &Bench) {
    let sleeper = sleeper(bench);
    let script =
        format!("(trap '' TERM; exec sleep {sleeper}) & trap '' TERM; echo $!; wait; sleep {sleeper}");
    let options = Options { timeout: Some(Duration::from_millis(300)), ..Options::default() };
    let (finished, _) = run_with(bench, &script, options);
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(is_soon_gone(&sleeper));
    // The leader ends in time, and the rest does not want to.
    let script = format!("(trap '' TERM; exec sleep {sleeper}) & sleep 600");
    let options = Options { timeout: Some(Duration::from_millis(300)), ..Options::default() };
    let (finished, _) = run_with(bench, &script, options);
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert!(is_soon_gone(&sleeper));
    if bench.way != Way::Unconfined {
        run(bench, &format!("setsid sleep {sleeper} & exit 0"));
        assert!(!is_running(&sleeper));
    }
}

fn a_slow_sink_loses_nothing(bench: &Bench) {
    let (permit, backend) = bench.shell("head -c 200000 /dev/zero");
    let mut total = 0;
    let mut sink = |_: StreamName, bytes: &[u8]| {
        total += bytes.len();
        std::thread::sleep(Duration::from_millis(60));
    };
    let finished = captured::run(None, permit, &backend, Options::default(), &mut sink).unwrap();
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(0)));
    assert_eq!(total, 200_000);
}

fn a_terminal_is_one(bench: &Bench) {
    let terminal = Some(TerminalSize { rows: 33, columns: 101, interactive: true });
    let script = "test -t 0 && test -t 1 && test -t 2 && echo terminals; stty size; read -r line; echo \"got $line\"; exit 6";
    let input = Input::Bytes(b"keys\n".to_vec());
    let timeout = Some(LONG);
    let (finished, seen) = run_with(bench, script, Options { terminal, input, timeout, cancel: None });
    let screen = String::from_utf8(seen.screen).unwrap().replace('\r', "");
    assert!(screen.contains("terminals\n") && screen.contains("33 101\n"), "{screen}");
    assert!(screen.contains("got keys\n"), "{screen}");
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(6)));
    assert_eq!((seen.out.len(), seen.err.len()), (0, 0));
    // One that only carries output translates nothing.
    let plain = Some(TerminalSize { rows: 24, columns: 80, interactive: false });
    let options = Options { terminal: plain, timeout, ..Options::default() };
    assert_eq!(run_with(bench, "echo line", options).1.screen, b"line\n");
    // Control-C is the terminal's. (A shell could catch it just before it starts the program.)
    let (permit, backend) = bench.permit(&bench.profile(), &["sleep", "600"]);
    let options = Options { terminal, input: Input::Bytes(b"\x03".to_vec()), timeout, cancel: None };
    let finished = captured::run(None, permit, &backend, options, &mut |_, _| {}).unwrap();
    assert_eq!(finished.outcome, Outcome::Ended(Ended::Signaled(libc::SIGINT)));
}

fn many_at_once_do_not_meet(bench: &Bench) {
    std::thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                let script = format!("head -c 100000 /dev/zero; echo {number} >&2; exit {number}");
                let (finished, seen) = run(bench, &script);
                assert_eq!(finished.outcome, Outcome::Ended(Ended::Exited(number)));
                assert_eq!(seen.out.len(), 100_000);
                assert_eq!(seen.err, format!("{number}\n").into_bytes());
            });
        }
    });
    assert_eq!(rustix::process::child_subreaper().unwrap(), None, "somebody adopts");
}

fn a_sink_that_panics_leaves_nothing(bench: &Bench) {
    let sleeper = sleeper(bench);
    let (permit, backend) = bench.shell(&format!("echo now; sleep {sleeper}"));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        captured::run(None, permit, &backend, Options::default(), &mut |_, _| {
            std::panic::resume_unwind(Box::new(0))
        })
    }));
    assert!(caught.is_err());
    assert!(is_soon_gone(&sleeper));
}
