//! What people read: help texts, a plan, errors. A change of words shows in review.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "runs the binary under test")]

use std::path::Path;
use std::process::Command;

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("words-").tempdir_in("/var/tmp").unwrap();
        std::fs::create_dir(folder.path().join("ws")).unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::create_dir(folder.path().join("ws/.git")).unwrap();
        std::fs::write(folder.path().join("ws/a.env"), "").unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that was printed, with the folder's name replaced.
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_codex"))
            .args(arguments)
            .current_dir(self.path().join("ws"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path().join("home"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap().replace(&self.path().display().to_string(), "/project");
        format!("{text}[exit {}]\n", output.status.code().unwrap())
    }
}

#[test]
fn help() {
    let project = Project::new();
    insta::assert_snapshot!("help", project.run(&["--help"]));
    insta::assert_snapshot!("help_sandbox", project.run(&["sandbox", "--help"]));
}

#[test]
fn a_plan() {
    let project = Project::new();
    let options = ["--mode", "workspace-write", "-c", "sandbox_workspace_write.exclude_slash_tmp=true"];
    let more = ["--deny-read", "*.env", "--backend", "namespaces", "--explain"];
    let arguments = [&["sandbox"], &options[..], &more[..]].concat();
    insta::assert_snapshot!("plan", project.run(&[&arguments[..], &["--", "true"]].concat()));
    insta::assert_snapshot!("plan_json", project.run(&[&arguments[..], &["--json", "--", "true"]].concat()));
}

#[test]
fn errors_say_what_why_and_the_fix() {
    let project = Project::new();
    std::os::unix::fs::symlink("/", project.path().join("ws/.agents")).unwrap();
    std::fs::create_dir(project.path().join("home/.codex")).unwrap();
    std::fs::write(project.path().join("home/.codex/broken.config.toml"), "sandbox_mode = 3\n").unwrap();
    let rows: &[&[&str]] = &[
        &["--mode", "yolo", "--", "true"],
        &["-c", "sandbox_mode=yolo", "--", "true"],
        &["--", "no-such-program"],
        &["--", "./a.env"],
        &["-p", "broken", "--", "true"],
        &["-P", "nobody", "--", "true"],
        &["--mode", "workspace-write", "--", "true"],
        &["--deny-read", "**/[a", "--", "true"],
        &["--backend", "docker", "--", "true"],
        &["--timeout", "soon", "--", "true"],
        &["-P", ":workspace", "-C", "/no/such/folder", "--", "true"],
        &["--keep-fd", "77", "--", "true"],
        &["--writable", "gone", "--", "true"],
        &["--mode", "danger-full-access", "--deny-read", "x", "--", "true"],
    ];
    let said: String = rows
        .iter()
        .map(|row| {
            format!("$ codex sandbox {}\n{}\n", row.join(" "), project.run(&[&["sandbox"], *row].concat()))
        })
        .collect();
    insta::assert_snapshot!(said);
}
