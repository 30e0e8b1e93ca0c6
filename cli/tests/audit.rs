//! `codex audit`: what it prints, and its exit status.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "runs the binary under test")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use escalation::audit::{About, Audit, DecidedAs, Event};
use escalation::subject::FileAction;
use escalation::{AskId, Call, SessionId, TurnId};
use policies::AbsolutePath;

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn audit(&self) -> Audit {
        Audit::open(self.log(), SessionId::parse("session-1").unwrap()).unwrap()
    }

    fn decide(&self, argv: &[&str], outcome: DecidedAs) {
        let about = About::Unresolved {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: AbsolutePath::parse("/project").unwrap(),
        };
        let call = Call::new(&TurnId("turn-1".to_owned()), "item-1");
        let (by, ask) = ("approver terminal".to_owned(), Some(AskId(0)));
        let event = Event::Decided { call, about, outcome, by, ask, verdict: None, reason: None };
        assert!(self.audit().record(&event).is_ok());
    }

    fn revoke(&self) {
        let event = Event::Revoked { grant: "g1".to_owned(), what: "`git push`".to_owned() };
        assert!(self.audit().record(&event).is_ok());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_codex"));
        command
            .arg("audit")
            .args(arguments)
            .env_clear()
            .env("CODEX_HOME", self.folder.path())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Everything that was printed, without what differs from run to run.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let text = text.replace(&self.folder.path().display().to_string(), "/home/me/.codex");
        let text: String = text.lines().map(|line| format!("{}\n", without_time_and_digests(line))).collect();
        format!("{text}[exit {}]\n", output.status.code().unwrap())
    }
}

/// Digests become `HASH`, times `TIME`, and lengths, which depend on the number of the process, `#`.
fn without_time_and_digests(line: &str) -> String {
    let word = |word: &str| match word.trim_end_matches([',', ':']) {
        bare if bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            word.replace(bare, "HASH")
        }
        time if time.len() == 24 && time.starts_with("20") && time.ends_with('Z') => "TIME".to_owned(),
        _ => word.to_owned(),
    };
    let line = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    if !line.contains("byte") {
        return line;
    }
    let digits = |word: &str| word.contains(|c: char| c.is_ascii_digit()) && !word.contains(['/', '-']);
    let word = |word: &str| match digits(word) {
        true => format!("#{}", word.trim_start_matches(|c: char| c.is_ascii_digit())),
        false => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn filled() -> Home {
    let home = Home::new();
    home.decide(&["git", "push", "--token", "hunter2"], DecidedAs::Allowed);
    home.decide(&["rm", "-rf", "\u{202e}/\n"], DecidedAs::Refused);
    home.revoke();
    home
}

#[test]
fn records_are_lines_that_nobody_can_forge() {
    let home = filled();
    insta::assert_snapshot!("show", home.run(&["show"]));
    let shown = home.run(&["show", "--event", "decided", "--last", "1"]);
    assert_eq!(shown.lines().count(), 2);
    assert!(shown.contains("refused"));
    for (options, lines) in [
        (&["--event", "revoked", "--event", "decided"][..], 3),
        (&["--session", "session-1"], 3),
        (&["--session", "other"], 0),
        (&["--since", "1h"], 3),
        (&["--call", "item-1"], 2),
        (&["--last", "0"], 0),
    ] {
        let shown = home.run(&[&["show"], options].concat());
        assert_eq!(shown.lines().count(), lines + 1, "{options:?}\n{shown}");
    }
    let json = home.run(&["show", "--json", "--last", "1"]);
    assert!(json.starts_with("{\"v\":1,\"seq\":3,"), "{json}");
}

/// C1 controls, an order of its own, no width, and the end of a line, which JSON lets stand for themselves.
#[test]
fn json_steers_no_terminal() {
    const HIDDEN: [char; 5] = ['\u{9b}', '\u{202e}', '\u{200b}', '\u{2028}', '\u{7f}'];
    const ESCAPED: &str = r"echo\u009b2J\u202e\u200b\u2028\u007fä";
    let home = Home::new();
    let word = format!("echo{}2J{}ä", HIDDEN[0], HIDDEN[1..].iter().collect::<String>());
    home.decide(&[&word], DecidedAs::Allowed);
    let file = home.log().join("audit.jsonl");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(ESCAPED) && !written.contains(HIDDEN), "{written:?}");
    // As older releases wrote it, and something that is no record.
    std::fs::write(&file, written.replace(ESCAPED, &word)).unwrap();
    assert!(home.run(&["verify"]).starts_with("sound: 1 record"));
    for command in ["show", "tail"] {
        let shown = home.run(&[command, "--json"]);
        assert!(shown.contains(ESCAPED) && !shown.contains(HIDDEN), "{shown:?}");
    }
    std::fs::write(&file, "no \u{1b}[2J\u{9b}record\n").unwrap();
    let shown = home.run(&["show", "--json"]);
    assert!(shown.starts_with(r"no \u001b[2J\u009brecord"), "{shown:?}");
}

/// Records of releases that did not tell what happens to files still fit the chain, and claim nothing.
#[test]
fn files_are_shown_with_what_happens_to_them_and_old_records_without() {
    let home = Home::new();
    let path = |path| AbsolutePath::parse(path).unwrap();
    let about = About::FileChange {
        paths: vec![path("/a"), path("/b"), path("/c")],
        actions: vec![FileAction::Write, FileAction::Delete, FileAction::WriteExecutable],
        grant_root: None,
        digest: "00".to_owned(),
    };
    let (call, ask) = (Call::new(&TurnId("turn-1".to_owned()), "item-1"), Some(AskId(0)));
    let (outcome, by) = (DecidedAs::Allowed, "approver terminal".to_owned());
    let event = Event::Decided { call, about, outcome, by, ask, verdict: None, reason: None };
    assert!(home.audit().record(&event).is_ok());
    let shown = home.run(&["show"]);
    assert!(shown.contains("ask 0: write /a, delete /b, write and make executable /c ("), "{shown}");
    let file = home.log().join("audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let old = text.replace(r#""actions":["write","delete","writeExecutable"],"#, "");
    assert_ne!(old, text);
    std::fs::write(&file, old).unwrap();
    home.revoke();
    let shown = home.run(&["show"]);
    assert!(shown.contains("ask 0: change /a, change /b, change /c ("), "{shown}");
    assert!(home.run(&["verify"]).starts_with("sound: 2 records"));
}

#[test]
fn a_log_is_sound_torn_or_broken() {
    let home = filled();
    let file = home.log().join("audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut said = home.run(&["verify"]);
    let json = home.command(&["verify", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["sound"], &report["records"]), (&true.into(), &3.into()));
    let head = report["head"].as_str().unwrap().to_owned();

    std::fs::write(&file, text.get(..text.len() - 30).unwrap()).unwrap();
    said += &home.run(&["verify"]);
    said += &home.run(&["verify", "--head", &head]).replace(&head, "HASH");
    home.revoke();
    said += &home.run(&["verify"]);
    std::fs::write(&file, text.replacen("item-1", "item-2", 1)).unwrap();
    said += &home.run(&["verify"]);
    insta::assert_snapshot!("verify", said);
    let json = home.command(&["verify", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["sound"], &report["broken"]["line"]), (&false.into(), &2.into()));
    assert_eq!(json.status.code(), Some(1));
}

#[test]
fn what_cannot_be_read_says_why() {
    let home = Home::new();
    let mut said = String::new();
    for arguments in [
        &["verify"][..],
        &["show"],
        &["tail"],
        &["show", "--event", "everything"],
        &["show", "--session", "../x"],
        &["verify", "--head", "abc"],
    ] {
        said += &format!("$ codex audit {}\n{}", arguments.join(" "), home.run(arguments));
    }
    std::fs::create_dir(home.log()).unwrap();
    std::fs::write(home.log().join("audit.jsonl"), "{\"v\":1,").unwrap();
    said += &format!("$ codex audit tail\n{}", home.run(&["tail"]));
    std::fs::remove_file(home.log().join("audit.jsonl")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", home.log().join("audit.jsonl")).unwrap();
    said += &home.run(&["verify"]);
    insta::assert_snapshot!("audit_errors", said);
    let mut codex = Command::new(env!("CARGO_BIN_EXE_codex"));
    codex.args(["sandbox", "-a", "untrusted", "--", "true"]).env("CODEX_HOME", home.folder.path());
    let said = String::from_utf8(codex.stdin(Stdio::null()).output().unwrap().stderr).unwrap();
    assert_eq!(said.matches("refused the audit log").count(), 1, "{said}");
}

/// The log is hidden. Where it is not, because the command works in it, it can be read, and not be held: a lock needs
/// an open file, and nobody may open this one for reading.
#[test]
fn a_sandboxed_command_neither_sees_the_log_nor_holds_it() {
    let home = filled();
    let sandboxed_in = |folder: &std::path::Path, command: &[&str]| {
        let mut codex = Command::new(env!("CARGO_BIN_EXE_codex"));
        codex.args(["sandbox", "--"]).args(command).current_dir(folder).env("PATH", "/usr/bin:/bin");
        codex.env("CODEX_HOME", home.folder.path()).stdin(Stdio::null()).output().unwrap()
    };
    let path = |name: &str| home.log().join(name).to_str().unwrap().to_owned();
    let hidden = sandboxed_in("/".as_ref(), &["grep", "-c", "revoked", &path("audit.jsonl")]);
    assert_eq!(hidden.status.code(), Some(2), "{hidden:?}");
    let log = home.log();
    let sandboxed = |command: &[&str]| sandboxed_in(&log, command);
    assert!(sandboxed(&["grep", "-c", "revoked", &path("audit.jsonl")]).status.success());
    let locked = sandboxed(&["flock", "-n", &path("audit.lock"), "true"]);
    let said = String::from_utf8(locked.stderr).unwrap();
    assert!(!locked.status.success() && said.contains("Permission denied"), "{said}");
    // It may lock the log itself, which nobody waits for.
    assert!(sandboxed(&["flock", "-n", &path("audit.jsonl"), "true"]).status.success());
}

#[test]
fn the_end_is_followed_until_nobody_reads() {
    let home = filled();
    let last = home.run(&["tail", "-n", "2"]);
    assert_eq!(last.lines().count(), 3, "{last}");
    let mut child =
        home.command(&["tail", "-n", "1", "-f", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"seq\":3,"));
    home.revoke();
    assert!(lines.next().unwrap().unwrap().contains("\"seq\":4,"));
    drop(lines);
    home.revoke();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not notice");
        home.revoke();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.wait().unwrap().success());
}
