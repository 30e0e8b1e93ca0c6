//! A person at a terminal: real keys through a pseudo-terminal, and through tmux.
//!
//! This program plays both sides: with `--ask` as its first argument it asks at its controlling terminal and writes
//! what was answered to a file, else it is the test harness that starts itself so, and types.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, which clippy does not see without the usual harness"
)]

mod host;
mod piped;
mod session;
mod tmux;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use session::{HOST, LATER, PATIENCE, Session, command, eventually, host_words};
use tmux::Tmux;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, host, scenario, out] = arguments.as_slice()
        && host == HOST
    {
        host::host_main(scenario, Path::new(out));
        return;
    }
    let tests: &[(&str, fn())] = &[
        ("each_key_gives_its_answer", each_key_gives_its_answer),
        ("enter_and_unknown_keys_answer_nothing", enter_and_unknown_keys_answer_nothing),
        ("keys_typed_ahead_answer_nothing", keys_typed_ahead_answer_nothing),
        ("pastes_and_other_keys_answer_nothing", pastes_and_other_keys_answer_nothing),
        ("a_yes_needs_every_page", a_yes_needs_every_page),
        ("too_small_a_window_gets_no_yes", too_small_a_window_gets_no_yes),
        ("another_width_shows_the_question_again", another_width_shows_the_question_again),
        ("the_end_of_the_input_is_a_failure", the_end_of_the_input_is_a_failure),
        ("a_closed_terminal_is_a_failure", a_closed_terminal_is_a_failure),
        ("modes_are_restored", modes_are_restored),
        ("a_question_that_nobody_waits_for_goes_away", a_question_that_nobody_waits_for_goes_away),
        ("questions_wait_for_each_other", questions_wait_for_each_other),
        ("a_dumb_terminal_is_answered_in_lines", a_dumb_terminal_is_answered_in_lines),
        ("without_a_terminal_nobody_is_asked", without_a_terminal_nobody_is_asked),
        ("signals_are_left_to_others", signals_are_left_to_others),
        ("a_job_that_was_stopped_goes_on", a_job_that_was_stopped_goes_on),
        ("programs_on_one_terminal_wait_for_each_other", programs_on_one_terminal_wait_for_each_other),
        ("it_works_in_tmux", it_works_in_tmux),
        ("nothing_of_what_ran_before_stands_beside_a_question", tmux::nothing_before_it_stays),
        ("a_job_that_was_stopped_shows_its_question_again", a_job_that_was_stopped_shows_its_question_again),
        ("a_stop_from_elsewhere_shows_the_question_again", a_stop_from_elsewhere_shows_the_question_again),
        ("a_job_in_the_background_is_refused", a_job_in_the_background_is_refused),
        ("piped_lines_are_answers", piped::lines_are_answers),
        ("a_pipe_that_ends_is_a_failure", piped::its_end_is_a_failure),
        ("a_terminal_that_is_dropped_answers_nothing", piped::dropping_it_answers_nothing),
        ("more_questions_than_fit_are_refused", piped::more_questions_than_fit_are_refused),
    ];
    let trials = tests
        .iter()
        .map(|(name, test)| {
            Trial::test(*name, move || {
                test();
                Ok(())
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Each row with a terminal of its own: most of the time is spent waiting.
fn at_once<T: Sync>(rows: &[T], test: impl Fn(&T) + Sync) {
    thread::scope(|scope| rows.iter().for_each(|row| drop(scope.spawn(|| test(row)))));
}

fn each_key_gives_its_answer() {
    let rule = json!({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", "push"]}});
    let rows = [
        ("y", json!("accept")),
        ("s", json!("acceptForSession")),
        ("p", rule),
        ("n", json!("decline")),
        ("c", json!("cancel")),
        ("\u{1b}", json!("cancel")),
        ("\u{3}", json!("cancel")),
        // Where keys are sequences, there is a way out still.
        ("\u{1b}[27u", json!("cancel")),
        ("\u{1b}[99;5u", json!("cancel")),
        ("\u{1b}[27;5;99~", json!("cancel")),
        ("\u{1b}[110u", json!("decline")),
    ];
    at_once(&rows, |(keys, answer)| {
        let mut session = Session::start("one");
        session.await_question();
        session.type_keys(keys);
        assert_eq!(session.answer(), *answer, "{keys:?}");
        assert!(session.wait().success());
        let screen = session.screen();
        for mode in ["\u{1b}[<99u", "\u{1b}[=0u", "\u{1b}[>4;0m"] {
            assert!(screen.contains(mode), "keys may be sequences still: {mode:?}");
        }
        // Colours of ours, and nothing of what the reason tried.
        assert!(
            !screen.contains("\u{1b}[2J") && !screen.contains("\u{1b}]0") && screen.contains("\\u{1b}[2J")
        );
        assert!(!screen.lines().any(|row| row.starts_with("codex: all is well")), "{screen}");
    });
}

fn enter_and_unknown_keys_answer_nothing() {
    let rows: &[&[&str]] = &[
        &["\r", "\u{1a}", "\n", " "],
        &["\r", "\u{1a}", "Y", "x", "d"],
        &["\r", "2", "\u{1a}", "\u{7f}"],
        &["\u{13}", "\r", "\u{1c}", "\u{1a}", "\u{0}", "ä"],
    ];
    at_once(rows, |keys| {
        let mut session = Session::start("one");
        session.await_question();
        keys.iter().for_each(|keys| session.type_in_vain(keys));
        session.await_text("Enter alone is no answer");
        session.await_text("Ctrl-Z does nothing here");
        session.type_keys("n");
        assert_eq!(session.answer(), json!("decline"));
    });
}

fn keys_typed_ahead_answer_nothing() {
    let mut session = Session::start_with("one", "xterm", b"y");
    // On and on, while the question appears and after that.
    let end = Instant::now() + PATIENCE;
    while session.count("it is refused.") == 0 {
        assert!(Instant::now() < end);
        session.type_keys("y");
        thread::sleep(Duration::from_millis(10));
    }
    for _ in 0..80 {
        session.type_keys("y");
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(LATER);
    assert!(!session.out.exists(), "{}", session.screen());
    session.type_keys("y");
    assert_eq!(session.answer(), json!("accept"));
}

fn pastes_and_other_keys_answer_nothing() {
    let rows: &[&[&str]] = &[
        &["yy", "y\n", "yes\n", "ls\ny"],
        &["\u{1b}[200~y\u{1b}[201~", "\u{1b}[200~y\ny\n\u{3}\u{1b}[201~", "\u{1b}[A", "\u{1b}[1;2y"],
        &["\u{1b}[My!!", "\u{1b}[<0;12;12M", "\u{1b}[I", "\u{1b}[O", "\u{1b}OP"],
        &["\u{1b}y", "\u{1b}]11;rgb:yyyy/yyyy/yyyy\u{7}", "\u{1b}[?1;2c"],
        // Torn apart on a slow line.
        &["\u{1b}[1;", "2", "y"],
        &["\u{1b}[M", "y", "y", "y"],
    ];
    at_once(rows, |keys| {
        let mut session = Session::start("one");
        session.await_question();
        keys.iter().for_each(|keys| session.type_in_vain(keys));
        session.type_keys("s");
        assert_eq!(session.answer(), json!("acceptForSession"));
    });
}

/// A yes to what was not shown is none.
fn a_yes_needs_every_page() {
    let mut session = Session::start("long");
    session.await_question();
    session.await_text("press v: what is asked takes 3 pages");
    assert!(!session.screen().contains("word200"), "{}", session.screen());
    session.type_in_vain("y");
    session.await_text("no yes yet");
    for page in ["(page 1 of 3)", "(page 2 of 3)"] {
        session.type_keys("v");
        session.await_text(page);
        for keys in ["y", "s", "p"] {
            session.type_in_vain(keys);
        }
    }
    assert!(session.screen().contains("word200"), "{}", session.screen());
    session.type_keys("v");
    session.await_text("(page 3 of 3)");
    thread::sleep(LATER);
    // Neither help nor another size takes the yes away.
    session.type_keys("?");
    session.await_text("codex: how to answer");
    session.resize(100, 50);
    eventually("the help again", || session.count("codex: how to answer") == 2);
    thread::sleep(LATER);
    session.type_keys("y");
    assert_eq!(session.answer(), json!("accept"));
}

/// In a window where nothing can be shown nobody says yes.
fn too_small_a_window_gets_no_yes() {
    let mut session = Session::start("one");
    session.await_question();
    let shown = session.count("it is refused.");
    session.resize(10, 24);
    session.await_text("small");
    session.type_in_vain("y");
    session.resize(100, 5);
    thread::sleep(LATER);
    session.type_in_vain("y");
    let screen = session.screen();
    let (_, last) = screen.rsplit_once("\u{1b}[H\u{1b}[J").unwrap();
    assert!(last.contains("This window is too small") && !last.contains("git"), "{last}");
    session.resize(100, 40);
    eventually("the question again", || session.count("it is refused.") > shown);
    thread::sleep(LATER);
    session.type_keys("y");
    assert_eq!(session.answer(), json!("accept"));
}

fn another_width_shows_the_question_again() {
    let mut session = Session::start("one");
    session.await_question();
    let before = session.count("codex: run this command?");
    session.resize(60, 40);
    eventually("the question again", || session.count("codex: run this command?") > before);
    let screen = session.screen();
    let (_, again) = screen.rsplit_once("codex: run this command?").unwrap();
    assert!(again.lines().all(|row| row.chars().filter(|c| *c != '\u{1b}').count() < 75), "{again}");
    thread::sleep(LATER);
    session.type_keys("n");
    assert_eq!(session.answer(), json!("decline"));
}

fn the_end_of_the_input_is_a_failure() {
    for term in ["xterm", "dumb"] {
        let mut session = Session::start_with("one", term, b"");
        session.await_question();
        session.type_keys("\u{4}");
        assert_eq!(session.answer(), json!({"error": "the approver failed: the input ended"}), "{term}");
        assert!(session.wait().success());
        assert_eq!(session.modes(), session.before);
    }
}

fn a_closed_terminal_is_a_failure() {
    let mut session = Session::start("one");
    session.await_question();
    session.hang_up();
    assert_eq!(session.answer(), json!({"error": "the approver failed: the terminal was closed"}));
    assert!(session.wait().success());
}

fn modes_are_restored() {
    let rows = [("xterm", "y"), ("xterm", "\u{3}"), ("xterm", "\u{1b}"), ("dumb", "y\n"), ("dumb", "\u{3}")];
    at_once(&rows, |(term, keys)| {
        let mut session = Session::start_with("one", term, b"");
        session.await_question();
        assert_ne!(session.modes(), session.before, "{term}");
        session.type_keys(keys);
        let _answer = session.answer();
        assert!(session.wait().success());
        assert_eq!(session.modes(), session.before, "{term} {keys:?}");
    });
}

fn a_question_that_nobody_waits_for_goes_away() {
    let mut session = Session::start("drop");
    session.await_question();
    fs::write(session.out.with_extension("drop"), "").unwrap();
    session.await_text("no longer needed:");
    eventually("the next question", || session.count("it is refused.") == 2);
    let screen = session.screen();
    let (first, second) = screen.split_once("no longer needed:").unwrap();
    assert!(first.contains("git push") && !first.contains("make clean") && second.contains("make clean"));
    thread::sleep(LATER);
    session.type_keys("y");
    assert_eq!(session.answer(), json!("accept"));
    assert!(session.wait().success());
    assert_eq!(session.modes(), session.before);
}

fn questions_wait_for_each_other() {
    let mut session = Session::start("two");
    session.await_question();
    assert!(!session.screen().contains("make clean"), "{}", session.screen());
    // The second of two keys is not for a question that was not there.
    session.type_keys("y");
    eventually("the second question", || session.screen().contains("make clean"));
    thread::sleep(LATER);
    assert!(!session.out.exists());
    session.type_keys("n");
    assert_eq!(session.answer(), json!(["accept", "decline"]));
}

/// Three programs, one terminal: one question is on the screen, one key answers it, and the modes come back.
fn programs_on_one_terminal_wait_for_each_other() {
    let mut session = Session::start("beside");
    for shown in 1..=3 {
        eventually("the next question", || session.count("it is refused.") == shown);
        thread::sleep(LATER);
        assert_eq!(session.count("it is refused."), shown, "{}", session.screen());
        session.type_keys("n");
    }
    assert_eq!(session.answer(), json!("decline"));
    for name in ["second", "third"] {
        assert_eq!(fs::read_to_string(session.out.with_file_name(name)).unwrap(), "\"decline\"");
    }
    assert!(session.wait().success());
    assert_eq!(session.modes(), session.before);
}

fn a_dumb_terminal_is_answered_in_lines() {
    let rows =
        [("y\n", Some(json!("accept"))), ("n\n", Some(json!("decline"))), ("\n", None), ("yes\n", None)];
    at_once(&rows, |(keys, answer)| {
        let mut session = Session::start_with("one", "dumb", b"y\n");
        session.await_question();
        session.await_text("Type a letter and Enter.");
        assert!(!session.out.exists());
        if let Some(answer) = answer {
            session.type_in_vain("y\u{7f}");
            session.type_keys(keys);
            assert_eq!(session.answer(), *answer, "{keys:?}");
        } else {
            session.type_in_vain(keys);
            session.type_keys("c\n");
            assert_eq!(session.answer(), json!("cancel"));
        }
        assert!(!session.screen().contains('\u{1b}'), "{}", session.screen());
    });
}

fn without_a_terminal_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("answer");
    let mut host = command("setsid");
    let status = host.arg("--wait").args(host_words("one", &out)).stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
    let told: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(told["none"], "there is no terminal to ask at");
}

/// The thread that reads keys blocks every signal.
fn signals_are_left_to_others() {
    let mut session = Session::start("one");
    session.await_question();
    let tasks = fs::read_dir(format!("/proc/{}/task", session.host.id())).unwrap();
    let blocked: Vec<u64> = tasks
        .map(|task| task.unwrap().path())
        .filter(|task| fs::read_to_string(task.join("comm")).unwrap().trim() == "approvals")
        .map(|task| {
            let status = fs::read_to_string(task.join("status")).unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
            u64::from_str_radix(mask, 16).unwrap()
        })
        .collect();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGWINCH, Signal::SIGTTOU, Signal::SIGCHLD] {
        let bit = 1_u64 << (signal as u32 - 1);
        assert!(matches!(blocked.as_slice(), [mask] if mask & bit != 0), "{signal}: {blocked:x?}");
    }
    session.type_keys("n");
    assert_eq!(session.answer(), json!("decline"));
}

fn a_job_that_was_stopped_shows_its_question_again() {
    let mut session = Session::start("one");
    session.await_question();
    let host = nix::unistd::Pid::from_raw(session.host.id().cast_signed());
    nix::sys::signal::kill(host, Signal::SIGSTOP).unwrap();
    nix::sys::termios::tcsetattr(session.far(), nix::sys::termios::SetArg::TCSANOW, &session.before).unwrap();
    // What is typed to whoever has the terminal meanwhile is no answer.
    session.type_keys("y");
    nix::sys::signal::kill(host, Signal::SIGCONT).unwrap();
    eventually("the question again", || session.count("it is refused.") == 2);
    thread::sleep(LATER);
    assert!(!session.out.exists(), "{}", session.screen());
    session.type_keys("n");
    assert_eq!(session.answer(), json!("decline"));
}

/// Nothing is told of a stop from another window, and the modes stay: only the time that passed shows it.
fn a_stop_from_elsewhere_shows_the_question_again() {
    let mut session = Session::start("one");
    session.await_question();
    let host = nix::unistd::Pid::from_raw(session.host.id().cast_signed());
    nix::sys::signal::kill(host, Signal::SIGSTOP).unwrap();
    thread::sleep(Duration::from_secs(2));
    session.type_keys("y");
    nix::sys::signal::kill(host, Signal::SIGCONT).unwrap();
    eventually("the question again", || session.count("it is refused.") == 2);
    thread::sleep(LATER);
    assert!(!session.out.exists(), "{}", session.screen());
    session.type_keys("n");
    assert_eq!(session.answer(), json!("decline"));
}

/// A job in the background is neither stopped, nor does it ask those who do something else there.
fn a_job_in_the_background_is_refused() {
    let in_the_background = |out: &Path| {
        let host = host_words("one", out).join(" ");
        // With job control, a job of its own.
        ["sh", "-c", &format!("set -m; {host} & wait")].map(str::to_owned).into()
    };
    let mut session = Session::start_as(in_the_background, "xterm", b"");
    let told = session.answer();
    let why = "another job has the terminal; bring this one to the foreground";
    assert!(told["error"].as_str().is_some_and(|error| error.contains(why)), "{told}");
    assert!(session.wait().success());
    assert!(!session.screen().contains("run this command?"), "{}", session.screen());
    assert_eq!(session.modes(), session.before);
}

/// A shell that brings a job back sets the modes that it likes.
fn a_job_that_was_stopped_goes_on() {
    let mut session = Session::start("one");
    session.await_question();
    let ours = session.modes();
    let host = nix::unistd::Pid::from_raw(session.host.id().cast_signed());
    nix::sys::signal::kill(host, Signal::SIGSTOP).unwrap();
    nix::sys::termios::tcsetattr(session.far(), nix::sys::termios::SetArg::TCSANOW, &session.before).unwrap();
    assert_ne!(session.modes(), ours);
    nix::sys::signal::kill(host, Signal::SIGCONT).unwrap();
    eventually("the modes of the question", || session.modes() == ours);
    eventually("the question again", || session.count("it is refused.") == 2);
    thread::sleep(LATER);
    session.type_keys("y");
    assert_eq!(session.answer(), json!("accept"));
    assert!(session.wait().success());
    assert_eq!(session.modes(), session.before);
}

fn it_works_in_tmux() {
    let tmux = Tmux::new();
    let out = tmux.folder.path().join("answer");
    let words = host_words("one", &out);
    let line = format!(
        "stty -a > {0}.before; {1}; stty -a > {0}.end; mv {0}.end {0}.after; sleep 600",
        out.display(),
        words.join(" ")
    );
    tmux.run(&["new-session", "-d", "-x", "90", "-y", "45", &line]);
    tmux.run(&["set-option", "-g", "focus-events", "on"]);
    let screen = || tmux.run(&["capture-pane", "-p"]);
    eventually("the question in tmux", || screen().contains("it is refused."));
    let shown = screen();
    assert!(
        shown.contains("codex: run this command?") && shown.contains("  command    │ git push origin"),
        "{shown}"
    );
    // Nothing cleared the screen, and no row of the reason stands where ours do.
    assert!(shown.contains("│ \\u{1b}[2J") && !shown.contains("\ncodex: all is well"), "{shown}");
    thread::sleep(LATER);
    for keys in [["send-keys", "Up"], ["send-keys", "F1"], ["send-keys", "Enter"], ["send-keys", "M-y"]] {
        tmux.run(&keys);
        thread::sleep(LATER);
    }
    tmux.run(&["set-buffer", "-b", "two", "yy\ny"]);
    tmux.run(&["paste-buffer", "-b", "two"]);
    thread::sleep(LATER);
    tmux.run(&["resize-window", "-x", "70", "-y", "45"]);
    thread::sleep(LATER);
    assert!(!out.exists(), "{}", screen());
    tmux.run(&["send-keys", "y"]);
    eventually("an answer", || out.exists());
    assert_eq!(fs::read_to_string(&out).unwrap(), "\"accept\"");
    eventually("the end", || out.with_extension("after").exists());
    let modes = |when: &str| {
        fs::read_to_string(out.with_extension(when))
            .unwrap()
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(modes("before"), modes("after"));
}
