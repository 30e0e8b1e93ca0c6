//! Git, which rules let leave the sandbox: only in the repository that the person has.

use std::path::Path;
use std::process::Command;

use crate::bench::{Behaviour, Bench, Came, Wish};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("git_leaves_in_the_repository_of_the_session", git_leaves_in_the_repository_of_the_session),
    ("git_stays_inside_where_it_could_meet_another_repository", git_stays_inside),
    ("git_stays_inside_with_a_submodule", git_stays_inside_with_a_submodule),
    ("git_stays_inside_without_a_repository_of_the_person", git_stays_inside_without_a_repository),
    ("configuration_in_the_workspace_keeps_git_inside", configuration_in_the_workspace_keeps_git_inside),
    ("programs_of_the_workspace_keep_git_inside", programs_of_the_workspace_keep_git_inside),
];

const GIT: &str = "prefix_rule(pattern=['git'], decision='allow')
prefix_rule(pattern=['git', '-C'], decision='allow')";

/// Runs something as soon as Git looks at a work tree.
const EVIL: &str = "[core]\n\tfsmonitor = \"touch ROOT/outside/evil; false\"\n";

#[expect(clippy::disallowed_methods, reason = "what the person did before the session")]
fn git(folder: &Path, arguments: &[&str]) {
    let person =
        ["-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "protocol.file.allow=always"];
    let mut command = Command::new("git");
    command.current_dir(folder).env("HOME", folder).args(person).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&output.stderr));
}

fn silent(variables: &'static [(&'static str, &'static str)]) -> Bench {
    Bench::silent(Wish { rules: GIT, variables, ..Wish::default() })
}

fn repository(bench: &Bench, folder: &str) {
    let folder = bench.root.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    git(&folder, &["init", "-q", "."]);
    for setting in [["user.name", "me"], ["user.email", "me@example.com"]] {
        git(&folder, &[&["config"], &setting[..]].concat());
    }
    git(&folder, &["commit", "-q", "--allow-empty", "-m", "first"]);
}

fn session(variables: &'static [(&'static str, &'static str)]) -> Bench {
    let bench = silent(variables);
    repository(&bench, "project");
    bench
}

fn evil(bench: &Bench, file: &str) {
    use std::io::Write;
    let path = bench.root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(EVIL.replace("ROOT", bench.root.to_str().unwrap()).as_bytes()).unwrap();
}

fn left(came: &Came) -> bool {
    !came.report.notes.iter().any(|note| note.contains("but it runs inside"))
}

/// Looks at the work tree, which is what makes Git run things, and must not leave. Where no rule speaks of it, nobody
/// says why.
fn stays(bench: &Bench, script: &str, why: &str) {
    let came = bench.script(script);
    assert!(!bench.root.join("outside/evil").exists(), "{script} {:?}", came.report);
    let is_told = why.is_empty() || came.report.notes.iter().any(|note| note.contains(why));
    assert!(is_told, "{script} {:?}", came.report);
}

fn git_leaves_in_the_repository_of_the_session() {
    let bench = session(&[]);
    std::fs::create_dir(bench.root.join("project/src")).unwrap();
    std::fs::write(bench.root.join("project/src/file"), "").unwrap();
    // Writes where nothing in the sandbox may.
    for script in ["git add src", "git commit -q -m x && git log", "git --no-pager status"] {
        let came = bench.script(script);
        assert!(left(&came), "{script} {:?}", came.report);
        assert_eq!(came.code(), Some(0), "{script} {}", came.output);
    }
}

fn git_stays_inside() {
    let bench = session(&[]);
    repository(&bench, "project/sub");
    evil(&bench, "project/sub/.git/config");
    for (script, why) in [
        ("git -C sub status", "`git -C`"),
        ("cd sub && git status", ""),
        ("git --git-dir=sub/.git --work-tree=sub status", ""),
        ("env -C sub git status", ""),
        ("git push sub", "`sub` is another repository"),
        ("git add -A && git status", "part of this one"),
    ] {
        stays(&bench, script, why);
    }
    let request = escalation::ExecRequest { cwd: bench.path("project/sub"), ..bench.request("git status") };
    let came = bench.run(&request);
    assert!(!bench.root.join("outside/evil").exists() && !left(&came), "{:?}", came.report);
}

fn git_stays_inside_with_a_submodule() {
    let bench = session(&[]);
    repository(&bench, "outside/lib");
    git(&bench.root.join("project"), &["submodule", "--quiet", "add", "../outside/lib", "sub"]);
    // As a sandboxed command may do it.
    std::fs::remove_file(bench.root.join("project/sub/.git")).unwrap();
    repository(&bench, "project/sub");
    evil(&bench, "project/sub/.git/config");
    stays(&bench, "git status", "submodules");
    git(&bench.root.join("project"), &["update-index", "--index-version", "4"]);
    stays(&bench, "git status", "submodules");
    git(&bench.root.join("project"), &["update-index", "--split-index"]);
    stays(&bench, "git status", "submodules");
    git(&bench.root.join("project"), &["rm", "-q", "-f", "--cached", "sub"]);
    git(&bench.root.join("project"), &["update-index", "--no-split-index"]);
    for entry in std::fs::read_dir(bench.root.join("project/.git")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("sharedindex.") {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::write(bench.root.join("project/.git/config"), "[core]\n\trepositoryformatversion = 0\n")
        .unwrap();
    assert!(left(&bench.script("git status")));
}

fn git_stays_inside_without_a_repository() {
    let bench = silent(&[]);
    stays(&bench, "git status", "is missing");
    // The folder itself as a repository.
    git(&bench.root.join("project"), &["init", "-q", "--bare", "."]);
    std::fs::write(bench.root.join("project/config"), "[core]\n\tbare = false\n\tworktree = .\n").unwrap();
    evil(&bench, "project/config");
    stays(&bench, "git status", "is missing");
    std::fs::create_dir(bench.root.join("project/.git")).unwrap();
    stays(&bench, "git status", "is no repository");

    // A file that leads to one which commands can write.
    let bench = silent(&[]);
    repository(&bench, "project/inner");
    evil(&bench, "project/inner/.git/config");
    std::fs::write(bench.root.join("project/.git"), "gitdir: inner/.git\n").unwrap();
    stays(&bench, "git status", "commands could have changed");
}

fn configuration_in_the_workspace_keeps_git_inside() {
    for (variables, file, leaves) in [
        (&[][..], "project/gitconfig", true),
        (&[("GIT_CONFIG_GLOBAL", "ROOT/project/gitconfig")], "project/gitconfig", false),
        (&[("XDG_CONFIG_HOME", "ROOT/project/xdg")], "project/xdg/git/config", false),
        (&[("HOME", "ROOT/project"), ("CODEX_HOME", "ROOT/home/.codex")], "project/.gitconfig", false),
    ] {
        let bench = session(variables);
        evil(&bench, file);
        let came = bench.script("git status");
        assert!(!bench.root.join("outside/evil").exists(), "{variables:?} {:?}", came.report);
        assert_eq!(left(&came), leaves, "{variables:?} {:?}", came.report);
    }
}

fn programs_of_the_workspace_keep_git_inside() {
    for (setting, value, leaves) in [
        ("core.hooksPath", "/usr/share/hooks", true),
        ("core.hooksPath", ".husky", false),
        ("core.fsmonitor", "./watch", false),
        ("include.path", "../gitconfig", false),
    ] {
        let bench = session(&[]);
        git(&bench.root.join("project"), &["config", setting, value]);
        assert_eq!(left(&bench.script("git status")), leaves, "{setting}={value}");
    }
}
