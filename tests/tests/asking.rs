//! `codex sandbox --ask-for-approval` as a person at a terminal sees it, and a program without one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use tests::case::Backend;
use tests::place::{Place, as_each_user};
use tests::process::{self, Finished};
use tests::system::SystemFolder;
use tests::terminal::Terminal;

tests::on_every_backend_and_user!(
    a_yes_runs_it_inside,
    a_no_refuses_and_a_cancel_ends_it,
    one_key_answers,
    a_second_attempt_gets_what_was_missing,
    a_second_attempt_can_be_refused_or_cancelled,
    a_rule_that_cannot_be_written_is_told,
    keys_typed_ahead_are_no_answer,
    a_signal_at_the_prompt_gives_the_terminal_back,
    control_c_ends_the_second_attempt_too,
    the_commands_own_output_is_alone_on_stdout,
);

/// How long a question is deaf to keys after it appears, and as long again for a machine that is busy.
const DEAF: Duration = Duration::from_millis(1000);

/// A home of its own for each place, outside of what commands may write.
fn config_home(place: &Place) -> PathBuf {
    place.host().join("codex")
}

fn asking(place: &Place, backend: Backend, flags: &[&str], argv: &[&str]) -> Command {
    let mut command = place.sandbox(backend);
    let home = config_home(place);
    let _configured = command.args(["--mode", "workspace-write"]).args(flags).arg("--").args(argv);
    // `setsid` passes arguments and nothing else on.
    let mut outer = place.outside("/usr/bin/env");
    let _configured = outer.arg(format!("CODEX_HOME={}", home.display()));
    let _configured = outer.arg(command.get_program()).args(command.get_args());
    outer
}

fn at_a_terminal(place: &Place, backend: Backend, flags: &[&str], argv: &[&str]) -> Result<Terminal> {
    Terminal::start(place, &asking(place, backend, flags, argv), 40, 100)
}

/// Where single keys answer.
fn at_an_xterm(place: &Place, backend: Backend, flags: &[&str], argv: &[&str]) -> Result<Terminal> {
    Terminal::start_as(place, &asking(place, backend, flags, argv), "xterm", (40, 100))
}

/// Waits for the question, and until it listens.
fn answer(terminal: &mut Terminal, question: &str, keys: &str) -> Result<()> {
    terminal.await_text(question)?;
    terminal.await_text("Without an answer within")?;
    thread::sleep(DEAF);
    terminal.type_keys(keys)
}

fn codex(place: &Place, arguments: &[&str]) -> Result<Finished> {
    let mut command = place.outside(&place.binary().to_string_lossy());
    let _configured = command.env("CODEX_HOME", config_home(place)).args(arguments);
    process::finish(command, b"")
}

fn a_yes_runs_it_inside(backend: Backend, place: &mut Place) -> Result<()> {
    let out = place.out().join("made");
    let script = format!("rm -rf build; touch {}; ls -d build", out.display());
    place.sh("mkdir build")?;
    let mut terminal = at_a_terminal(place, backend, &["-a", "on-request"], &["sh", "-c", &script])?;
    answer(&mut terminal, "run this command?", "y\n")?;
    ensure!(terminal.status()? == 2, "{}", terminal.screen());
    ensure!(terminal.screen().contains("the sandbox seems to have stopped it"), "{}", terminal.screen());
    ensure!(!place.ws().join("build").exists() && !out.exists());
    let sound = codex(place, &["audit", "verify"])?.success()?;
    ensure!(sound.out().starts_with("sound: "), "{sound}");
    let shown = codex(place, &["audit", "show", "--json"])?.success()?.out();
    for event in ["sessionOpened", "asked", "settled", "decided", "ended"] {
        ensure!(shown.contains(&format!("\"event\":\"{event}\"")), "no {event} in {shown}");
    }
    Ok(())
}

fn a_no_refuses_and_a_cancel_ends_it(backend: Backend, place: &mut Place) -> Result<()> {
    place.sh("mkdir build")?;
    for (keys, status) in [("n\n", 126), ("c\n", 130)] {
        let mut terminal = at_a_terminal(place, backend, &["-a", "on-request"], &["rm", "-rf", "build"])?;
        answer(&mut terminal, "run this command?", keys)?;
        ensure!(terminal.status()? == status, "{keys:?}: {}", terminal.screen());
        ensure!(terminal.modes()? == *terminal.modes_before(), "the terminal's modes changed");
    }
    ensure!(place.ws().join("build").exists());
    Ok(())
}

fn a_second_attempt_gets_what_was_missing(backend: Backend, place: &mut Place) -> Result<()> {
    let out = place.out();
    fs::create_dir_all(out.join("folder"))?;
    place.give(&out.join("folder"))?;
    place.allow_change(out.join("folder"));
    let script = format!("touch {0}/folder/made {0}/other; test -e {0}/folder/made", out.display());
    let mut terminal = at_a_terminal(place, backend, &["-a", "on-failure"], &["sh", "-c", &script])?;
    answer(&mut terminal, "try this command again", "y\n")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    ensure!(out.join("folder/made").exists() && !out.join("other").exists(), "{}", terminal.screen());
    Ok(())
}

fn a_second_attempt_can_be_refused_or_cancelled(backend: Backend, place: &mut Place) -> Result<()> {
    let made = place.out().join("made");
    let script = format!("touch {} || exit 7", made.display());
    for (keys, status, told) in
        [("n\n", 7, "`terminal` said no"), ("c\n", 130, "no second attempt: cancelled")]
    {
        let mut terminal = at_a_terminal(place, backend, &["-a", "on-failure"], &["sh", "-c", &script])?;
        answer(&mut terminal, "try this command again", keys)?;
        ensure!(terminal.status()? == status, "{keys:?}: {}", terminal.screen());
        ensure!(terminal.screen().contains(told), "{keys:?}: {}", terminal.screen());
    }
    ensure!(!made.exists());
    Ok(())
}

fn a_rule_that_cannot_be_written_is_told(backend: Backend, place: &mut Place) -> Result<()> {
    // A folder in the place of the file: nobody can write there.
    let file = config_home(place).join("rules/default.rules");
    place.sh(&format!("mkdir -p {}", file.display()))?;
    let mut terminal =
        at_a_terminal(place, backend, &["-a", "untrusted", "--exec-policy"], &["mkdir", "made"])?;
    answer(&mut terminal, "run this command?", "1\n")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    ensure!(place.ws().join("made").exists());
    let told = "warning: the rule holds for this session only: ";
    ensure!(terminal.screen().contains(told), "{}", terminal.screen());
    ensure!(terminal.screen().contains(&file.display().to_string()), "{}", terminal.screen());
    Ok(())
}

/// Single keys, as people press them.
fn one_key_answers(backend: Backend, place: &mut Place) -> Result<()> {
    let cancelled = 130;
    for (key, status) in [("n", 126), ("c", cancelled), ("\x1b", cancelled), ("\x03", cancelled), ("y", 0)] {
        place.sh("mkdir -p build")?;
        let mut terminal = at_an_xterm(place, backend, &["-a", "on-request"], &["rm", "-rf", "build"])?;
        let before = terminal.modes()?;
        terminal.await_text("Press a key.")?;
        // What is no answer changes nothing.
        answer(&mut terminal, "run this command?", "Y")?;
        terminal.await_text("that key is no answer")?;
        answer(&mut terminal, "run this command?", key)?;
        ensure!(terminal.status()? == status, "{key:?}: {}", terminal.screen());
        ensure!(terminal.modes()? == before, "{key:?}: the terminal's modes changed");
        ensure!(place.ws().join("build").exists() == (status != 0), "{key:?}: {}", terminal.screen());
    }
    Ok(())
}

/// Beside each stands the same answer later, which counts.
fn keys_typed_ahead_are_no_answer(backend: Backend, place: &mut Place) -> Result<()> {
    for (term, keys) in [("xterm", "y"), ("dumb", "y\n")] {
        for (is_ahead, status) in [(true, 126), (false, 0)] {
            place.sh("mkdir -p build")?;
            let within = if is_ahead { "3s" } else { "60s" };
            let flags = ["-a", "on-request", "--answer-within", within];
            let command = asking(place, backend, &flags, &["rm", "-rf", "build"]);
            let mut terminal = Terminal::start_as(place, &command, term, (40, 100))?;
            if is_ahead {
                terminal.type_keys(keys)?;
                terminal.await_text("run this command?")?;
            } else {
                answer(&mut terminal, "run this command?", keys)?;
            }
            ensure!(terminal.status()? == status, "{term} {is_ahead}: {}", terminal.screen());
            ensure!(terminal.screen().contains("nobody answered within 3 s") == is_ahead, "{term}");
            ensure!(place.ws().join("build").exists() == is_ahead, "{term} {is_ahead}");
        }
    }
    Ok(())
}

fn a_signal_at_the_prompt_gives_the_terminal_back(backend: Backend, place: &mut Place) -> Result<()> {
    let mut terminal = at_a_terminal(place, backend, &["-a", "untrusted"], &["true"])?;
    terminal.await_text("run this command?")?;
    thread::sleep(DEAF);
    nix::sys::signal::kill(terminal.pid(), Signal::SIGTERM)?;
    ensure!(terminal.status()? == 128 + Signal::SIGTERM as i32, "{}", terminal.screen());
    ensure!(terminal.modes()? == *terminal.modes_before(), "the terminal's modes changed");
    Ok(())
}

fn control_c_ends_the_second_attempt_too(backend: Backend, place: &mut Place) -> Result<()> {
    let out = place.out();
    fs::create_dir_all(out.join("folder"))?;
    place.give(&out.join("folder"))?;
    place.allow_change(out.join("folder"));
    let script = format!("touch {}/folder/made || exit 1; echo waiting; exec sleep 600", out.display());
    let mut terminal = at_a_terminal(place, backend, &["-a", "on-failure"], &["sh", "-c", &script])?;
    answer(&mut terminal, "try this command again", "y\n")?;
    terminal.await_text("waiting\n")?;
    terminal.type_keys("\x03")?;
    ensure!(terminal.status()? == 128 + Signal::SIGINT as i32, "{}", terminal.screen());
    Ok(())
}

fn the_commands_own_output_is_alone_on_stdout(backend: Backend, place: &mut Place) -> Result<()> {
    let file = place.out().join("stdout");
    place.allow_change(file.clone());
    let command = asking(place, backend, &["-a", "untrusted"], &["echo", "hello"]);
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let script = format!("{} > {}", words.join(" "), file.display());
    let mut shell = place.outside("/bin/sh");
    let _configured = shell.args(["-c", &script]);
    let mut terminal = Terminal::start(place, &shell, 40, 100)?;
    answer(&mut terminal, "run this command?", "y\n")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    ensure!(fs::read_to_string(&file)? == "hello\n");
    Ok(())
}

fn without_terminal(place: &Place, flags: &[&str], argv: &[&str]) -> Result<Finished> {
    let mut setsid = place.outside("/usr/bin/setsid");
    let command = asking(place, Backend::Namespaces, flags, argv);
    let _configured = setsid.arg("--wait").arg(command.get_program()).args(command.get_args());
    process::finish(setsid, b"")
}

#[test]
fn without_a_terminal_a_question_is_refused_at_once() -> Result<()> {
    as_each_user(|place| {
        let refused = without_terminal(place, &["-a", "on-request"], &["rm", "-rf", "x"])?;
        ensure!(refused.code() == Some(126), "{refused}");
        ensure!(
            refused.err().contains("there is nobody to ask") && refused.err().contains("help: "),
            "{refused}"
        );
        let harmless = without_terminal(place, &["-a", "on-request"], &["echo", "fine"])?.success()?;
        ensure!(harmless.out() == "fine\n", "{harmless}");
        let status = without_terminal(place, &["-a", "never"], &["sh", "-c", "exit 9"])?;
        ensure!(status.code() == Some(9), "{status}");
        let missing = without_terminal(place, &["-a", "never"], &["no-such-program"])?;
        ensure!(missing.code() == Some(127), "{missing}");
        Ok(())
    })
}

/// An answer that would change nothing for any later run is not offered, and a rule that nobody reads is not advised.
#[test]
fn what_does_not_last_is_not_offered() -> Result<()> {
    as_each_user(|place| {
        for (flags, offered) in [
            (&["-a", "untrusted"][..], false),
            (&["-a", "untrusted", "--exec-policy", "--session", "s"], true),
        ] {
            let mut terminal = at_a_terminal(place, Backend::Namespaces, flags, &["touch", "made"])?;
            answer(&mut terminal, "run this command?", "n\n")?;
            ensure!(terminal.status()? == 126, "{}", terminal.screen());
            for words in ["for this session", "always"] {
                ensure!(terminal.screen().contains(words) == offered, "{flags:?} {}", terminal.screen());
            }
            let refused = without_terminal(place, flags, &["touch", "made"])?;
            ensure!(refused.err().contains("allow it by a rule") == offered, "{flags:?} {refused}");
        }
        // Nor for what no rule should allow.
        let refused = without_terminal(place, &["-a", "untrusted", "--exec-policy"], &["rm", "-rf", "/x"])?;
        ensure!(!refused.err().contains("allow it by a rule"), "{refused}");
        Ok(())
    })
}

#[test]
fn rule_files_count_when_asked_for() -> Result<()> {
    as_each_user(|place| {
        let rules = config_home(place).join("rules");
        fs::create_dir_all(&rules)?;
        let file = rules.join("default.rules");
        fs::write(&file, "prefix_rule(pattern=['echo'], decision='forbidden', justification='be quiet')\n")?;
        for path in [config_home(place), rules, file] {
            place.give(&path)?;
        }
        let ignored = without_terminal(place, &["-a", "never"], &["echo", "hi"])?;
        ensure!(ignored.code() == Some(0), "{ignored}");
        let obeyed = without_terminal(place, &["-a", "never", "--exec-policy"], &["echo", "hi"])?;
        ensure!(obeyed.code() == Some(126) && obeyed.err().contains("be quiet"), "{obeyed}");
        Ok(())
    })
}

#[test]
fn requirements_limit_when_it_is_asked() -> Result<()> {
    let system = SystemFolder::new()?;
    let _requirements = system.requires("allowed_approval_policies = [\"on-request\"]\n")?;
    let place = Place::new(tests::identity::Identity::own()?)?;
    let mut command = system.codex(&place, &["sandbox", "-a", "never", "--", "true"]);
    let _configured = command.env("CODEX_HOME", config_home(&place));
    let finished = process::finish(command, b"")?;
    ensure!(finished.code() == Some(0), "{finished}");
    ensure!(finished.err().contains("on-request"), "{finished}");
    place.close()
}

#[test]
fn an_unusable_log_stops_the_run() -> Result<()> {
    as_each_user(|place| {
        let home = config_home(place);
        fs::create_dir_all(home.join("audit"))?;
        for path in [home.clone(), home.join("audit")] {
            place.give(&path)?;
        }
        // Others could write into it.
        fs::set_permissions(home.join("audit"), Permissions::from_mode(0o777))?;
        let refused = without_terminal(place, &["-a", "never"], &["touch", "made"])?;
        ensure!(refused.code() == Some(125) && refused.err().contains("help: "), "{refused}");
        ensure!(!place.ws().join("made").exists());
        Ok(())
    })
}

/// What is approved for a named session holds in the next run, until it is taken back.
#[test]
fn a_named_session_remembers_until_it_is_revoked() -> Result<()> {
    as_each_user(|place| {
        let flags = ["-a", "untrusted", "--session", "work"];
        let run = || at_a_terminal(place, Backend::Namespaces, &flags, &["echo", "hello"]);
        let mut first = run()?;
        answer(&mut first, "run this command?", "s\n")?;
        ensure!(first.status()? == 0, "{}", first.screen());
        let mut second = run()?;
        ensure!(second.status()? == 0 && second.screen() == "hello\n", "{}", second.screen());
        let listed = codex(place, &["approvals", "list"])?.success()?;
        ensure!(listed.out().contains("echo hello"), "{listed}");
        let _revoked = codex(place, &["approvals", "revoke", "--session", "work"])?.success()?;
        let mut third = run()?;
        answer(&mut third, "run this command?", "n\n")?;
        ensure!(third.status()? == 126, "{}", third.screen());
        Ok(())
    })
}
