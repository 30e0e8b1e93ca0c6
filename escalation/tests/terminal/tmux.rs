//! Questions in a real terminal multiplexer, which shows what a person would see.

use std::fs;

use super::session::{command, eventually, host_words};

/// A tmux of our own, ended on drop.
pub(super) struct Tmux {
    pub(super) folder: tempfile::TempDir,
}

impl Tmux {
    /// `scripts/test` sees to it that it is installed.
    pub(super) fn new() -> Self {
        let installed = command("tmux").arg("-V").output().is_ok_and(|output| output.status.success());
        assert!(installed, "tmux is not installed, and this test needs it");
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn run(&self, words: &[&str]) -> String {
        let mut tmux = command("tmux");
        let tmux = tmux.arg("-u").arg("-S").arg(self.folder.path().join("socket"));
        let tmux = tmux.args(["-f", "/dev/null"]).args(words);
        let output = tmux.env("LC_ALL", "C.UTF-8").env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut tmux = command("tmux");
        tmux.arg("-S").arg(self.folder.path().join("socket")).arg("kill-server").output().ok();
    }
}

/// What a command may have written before the question: from nothing to a whole question of its own.
const LEFT_BEHIND: &[&str] = &[
    "",
    "\u{1b}[8m",
    "\u{1b}[30;40m",
    "\u{1b}(0",
    "\u{1b})0\u{e}",
    "\u{1b}[?7l",
    "\u{1b}[4h",
    "\u{1b}[1;3r\u{1b}[?6h",
    "\u{1b}[20;24r\u{1b}[24;1H",
    "\u{1b}[?1049h\u{1b}[?25l",
    // Modes in which keys are sequences.
    "\u{1b}[>4;2m",
    "\u{1b}[>1u\u{1b}[>4;1m",
    "\u{1b}]2;",
    "\u{1b}P",
    "\u{1b}_",
    "\u{1b}[31",
    "\u{1b}[2J\u{1b}[Hcodex: run this command?\r\n  command    \u{2502} cargo test\r\n\r\n  y  yes, once\r\n\u{1b}]2;",
    "\u{1b}[2J\u{1b}[Hcodex: run this command?\r\n  command    \u{2502} cargo test\r\n\u{1b}[9;24r\u{1b}[24;1H",
    "\u{1b}[24;1Hcargo test\u{1b}[1;1H\u{1b}7",
];

/// The screen of a question, with its attributes, is the same whatever ran before.
pub(super) fn nothing_before_it_stays() {
    let tmux = Tmux::new();
    let mut first: Option<String> = None;
    for (number, left) in LEFT_BEHIND.iter().enumerate() {
        let out = tmux.folder.path().join(format!("answer{number}"));
        let bytes = tmux.folder.path().join(format!("left{number}"));
        fs::write(&bytes, left).unwrap();
        // With NO_COLOR too: what is reset does not depend on colours.
        let line = format!(
            "{} cat {}; {}; sleep 60",
            if number % 2 == 0 { "export NO_COLOR=;" } else { "export NO_COLOR=1;" },
            bytes.display(),
            host_words("one", &out).join(" ")
        );
        let name = format!("s{number}");
        tmux.run(&["new-session", "-d", "-s", &name, "-x", "80", "-y", "24", &line]);
        let colours = || tmux.run(&["capture-pane", "-p", "-e", "-t", &name]);
        let screen = || tmux.run(&["capture-pane", "-p", "-t", &name]);
        eventually(&format!("the question behind {left:?}"), || screen().contains("it is refused."));
        let shown = screen();
        let asked = "codex: run this command?\n  command    \u{2502} git push origin main";
        assert!(shown.starts_with(asked), "{left:?}: {shown}");
        assert!(!shown.contains("cargo test"), "{left:?}: {shown}");
        assert!(shown.contains("\n  y  yes, once\n") && shown.contains("\n  n  no"), "{left:?}: {shown}");
        assert!(!colours().contains("\u{1b}[8m") && !colours().contains("\u{1b}[30m"), "{left:?}");
        assert_eq!(first.get_or_insert_with(|| shown.clone()), &shown, "{left:?}");
    }
}
