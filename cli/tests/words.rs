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
    insta::assert_snapshot!("help_approvals_list", project.run(&["approvals", "list", "--help"]));
    insta::assert_snapshot!("help_approvals_revoke", project.run(&["approvals", "revoke", "--help"]));
    let audit = ["verify", "show", "tail"].map(|command| project.run(&["audit", command, "--help"]));
    insta::assert_snapshot!("help_audit", [project.run(&["audit", "--help"]), audit.concat()].concat());
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

#[test]
fn approvals() {
    let project = Project::new();
    let folder = project.path().join("home/.codex");
    let private = |path: &Path, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let nothing = project.run(&["approvals", "list"]);
    for sub in ["rules", "approvals"] {
        std::fs::create_dir_all(folder.join(sub)).unwrap();
        private(&folder.join(sub), 0o700);
    }
    let rules = "# mine\nprefix_rule(pattern=[\"git\", \"pull\"], decision=\"allow\")\n\
        network_rule(host=\"h\", protocol=\"https\", decision=\"allow\", justification=\"approved\")\n";
    std::fs::write(folder.join("rules/default.rules"), rules).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join("approvals").join(name);
        std::fs::write(&path, text).unwrap();
        private(&path, 0o600);
    };
    write("work.json", WORK);
    let mut said = format!("$ codex approvals list\n{nothing}\n");
    for row in [
        &["list"][..],
        &["list", "--json"],
        &["list", "--session", "play"],
        &["revoke"],
        &["revoke", "g1", "g9"],
        &["revoke", "g1", "--session", "play"],
        &["revoke", "g1", "--session", "work"],
        &["revoke", "--rule", "1"],
        &["revoke", "--rule", "2:git push"],
        &["revoke", "--rule", "2:git pull", "--rule", "3"],
        &["list"],
        &["revoke", "--all"],
        &["revoke", "--all"],
        &["list"],
    ] {
        let ran = project.run(&[&["approvals"], row].concat());
        said += &format!("$ codex approvals {}\n{ran}\n", row.join(" "));
    }
    write("work.json", "{}");
    for row in [&["list"][..], &["list", "--session", "work"], &["revoke", "g1"]] {
        let ran = project.run(&[&["approvals"], row].concat());
        said += &format!("$ codex approvals {}   (with a broken file)\n{ran}\n", row.join(" "));
    }
    insta::assert_snapshot!(said);
}

/// As a session writes it.
const WORK: &str = r#"{"version":1,"session":"work","grants":[
    {"id":"g1","what":{"key":["exec","0000000000000000000000000000000000000000000000000000000000000001"]},
     "label":"git push","issuedMs":1700000000000,"seenMs":1700000000000},
    {"id":"g2","what":{"key":["network","0000000000000000000000000000000000000000000000000000000000000002"]},
     "label":"https://example.org:443\u001b[2J","issuedMs":1700000000000,"seenMs":1700000000000,
     "expiresMs":4107542400000,"usesLeft":1,"below":"/ws"},
    {"id":"g3","what":{"permissions":{"network":{"enabled":true},"fileSystem":{"write":["/w"]}}},
     "label":"more permissions","issuedMs":1700000000000,"seenMs":1700000000000},
    {"id":"g4","what":{"root":"/data"},"label":"/data","issuedMs":1700000000000,"seenMs":1700000000000},
    {"id":"g5","what":{"root":"/over"},"label":"/over","issuedMs":1700000000000,"seenMs":1700000000000,
     "expiresMs":1700000000001}
  ],"deniedHosts":["evil.example"]}"#;
