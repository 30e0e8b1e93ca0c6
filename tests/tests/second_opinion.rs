//! `codex sandbox --risk-assessor`: an opinion beside the question, as a person at a terminal sees it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::case::Backend;
use tests::place::{Place, as_each_user};
use tests::process::{self, Finished};
use tests::terminal::Terminal;
use tests::tools;

/// How long a question is deaf to keys after it appears, and a little more.
const DEAF: Duration = Duration::from_millis(600);

/// Outside of what commands may write.
fn config_home(place: &Place) -> PathBuf {
    place.host().join("codex")
}

/// Where the operator's programs are, for those who start there. All that a test may write lies where commands might
/// have written it, so that no assessor may lie there.
const OPERATORS: &str = "/opt";

/// A program of the operator's.
fn assessor(place: &Place, script: &str) -> Result<String> {
    let folder = place.host().join("opt");
    fs::create_dir_all(&folder)?;
    let file = folder.join("assessor");
    fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(&file, Permissions::from_mode(0o755))?;
    Ok(format!("{OPERATORS}/assessor"))
}

/// Asks, with a folder of the test's in the place of [`OPERATORS`].
fn asking(place: &Place, assessor: &str) -> Result<Command> {
    let bwrap = tools::find("bwrap").context("needs `bwrap`, which is not installed")?;
    let folder = place.host().join("opt");
    fs::create_dir_all(&folder)?;
    let mut command = place.outside(&bwrap.to_string_lossy());
    let _configured = command
        .args(["--dev-bind", "/", "/", "--bind"])
        .arg(folder)
        .args([OPERATORS, "--", "/usr/bin/env"])
        .arg(format!("CODEX_HOME={}", config_home(place).display()))
        .arg(place.binary())
        .args(["sandbox", "--backend", Backend::Namespaces.as_str(), "--mode", "workspace-write"])
        .args(["-a", "untrusted", "--risk-assessor", assessor, "--", "touch", "made"]);
    Ok(command)
}

/// Says yes, and gives what was on the terminal.
fn say_yes(place: &Place, assessor: &str) -> Result<String> {
    let mut terminal = Terminal::start(place, &asking(place, assessor)?, 50, 100)?;
    terminal.await_text("run this command?")?;
    terminal.await_text("Without an answer within")?;
    thread::sleep(DEAF);
    terminal.type_keys("y\n")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    Ok(terminal.screen())
}

/// How the question is on record.
fn on_record(place: &Place) -> Result<String> {
    let mut command = place.outside(&place.binary().to_string_lossy());
    let _configured = command.env("CODEX_HOME", config_home(place));
    let _configured = command.args(["audit", "show", "--event", "asked"]);
    Ok(process::finish(command, b"")?.success()?.out())
}

#[test]
fn an_opinion_is_shown_and_on_record_and_decides_nothing() -> Result<()> {
    as_each_user(|place| {
        let told = place.host().join("told");
        let answer = r#"{"description":"It makes a file.","risk_level":"high"}"#;
        let script = format!("cat > {}; echo '{answer}'", told.display());
        let screen = say_yes(place, &assessor(place, &script)?)?;
        ensure!(screen.contains("It makes a file."), "{screen}");
        ensure!(!screen.contains("warning"), "{screen}");
        ensure!(place.ws().join("made").exists(), "{screen}");
        let told = fs::read_to_string(told)?;
        ensure!(told.contains("\"argv\":[\"touch\",\"made\"]"), "{told}");
        let shown = on_record(place)?;
        ensure!(shown.contains("[second opinion: high: It makes a file.]"), "{shown}");
        fs::remove_file(place.ws().join("made"))?;
        Ok(())
    })
}

#[test]
fn without_an_opinion_the_ordinary_question_is_asked_and_a_warning_says_why() -> Result<()> {
    as_each_user(|place| {
        let screen = say_yes(place, &assessor(place, "echo harmless; exit 0")?)?;
        ensure!(screen.contains("warning: no second opinion: the risk assessor's answer is not"), "{screen}");
        ensure!(place.ws().join("made").exists(), "{screen}");
        let shown = on_record(place)?;
        ensure!(shown.contains("[no second opinion, parse_error: "), "{shown}");
        fs::remove_file(place.ws().join("made"))?;
        Ok(())
    })
}

fn without_terminal(place: &Place, assessor: &str) -> Result<Finished> {
    let command = asking(place, assessor)?;
    let mut setsid = place.outside("/usr/bin/setsid");
    let _configured = setsid.arg("--wait").arg(command.get_program()).args(command.get_args());
    process::finish(setsid, b"")
}

#[test]
fn a_program_that_cannot_be_one_is_refused_at_once() -> Result<()> {
    as_each_user(|place| {
        let inside = place.ws().join("assessor");
        place.sh("echo '#!/bin/sh' > assessor; chmod +x assessor")?;
        for (program, why) in [
            ("/etc/passwd".to_owned(), "is not a file that may be executed"),
            ("/nonexistent/assessor".to_owned(), "cannot be used"),
            (inside.display().to_string(), "lies where sandboxed commands may write"),
        ] {
            let refused = without_terminal(place, &program)?;
            ensure!(refused.code() == Some(126), "{program}: {refused}");
            ensure!(refused.err().contains(why) && refused.err().contains("help: "), "{program}: {refused}");
        }
        ensure!(!place.ws().join("made").exists());
        fs::remove_file(inside)?;
        Ok(())
    })
}
