use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use policies::{Entry, EntryPath, FileSystemPolicy, PermissionProfile, SpecialPath};

use super::messages::REAL;
use super::*;
use crate::plan::{Plan, PlanRequest};

/// A workspace in which everything can be denied: `{ws}` is writable, `{ws}/secret` hidden, `{out}` readable, and
/// `{home}` the home.
struct Bench {
    _folder: tempfile::TempDir,
    base: PathBuf,
    boundaries: Boundaries,
}

impl Bench {
    fn new() -> Self {
        Self::with(NetworkAccess::Restricted, &[(SpecialPath::ProjectRoots, Access::Write)])
    }

    fn with(network: NetworkAccess, more: &[(SpecialPath, Access)]) -> Self {
        let folder = tempfile::Builder::new().prefix("denial-").tempdir_in("/var/tmp").unwrap();
        let base = folder.path().canonicalize().unwrap();
        for name in ["ws", "ws/.git", "ws/.git/hooks", "ws/secret", "out", "out/dir", "home"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        for name in ["ws/f", "ws/.git/config", "ws/secret/x", "out/exists", "home/.gitconfig", "ws/Makefile"]
        {
            std::fs::write(base.join(name), "").unwrap();
        }
        symlink(base.join("out/exists"), base.join("ws/link")).unwrap();
        let secret = AbsolutePath::parse(base.join("ws/secret")).unwrap();
        let mut entries =
            vec![Entry::for_special(SpecialPath::Root, Access::Read), Entry::for_path(secret, Access::Deny)];
        entries.extend(more.iter().map(|(path, access)| Entry::for_special(path.clone(), *access)));
        let file_system = FileSystemPolicy::Restricted { entries, glob_scan_max_depth: None };
        let boundaries = plan(&base, &PermissionProfile::Managed { file_system, network }).boundaries();
        Self { _folder: folder, base, boundaries }
    }

    fn fill(&self, text: &str) -> String {
        let base = self.base.to_str().unwrap();
        text.replace("{ws}", &format!("{base}/ws"))
            .replace("{out}", &format!("{base}/out"))
            .replace("{home}", &format!("{base}/home"))
    }

    fn path(&self, text: &str) -> AbsolutePath {
        AbsolutePath::parse(self.fill(text)).unwrap()
    }

    fn diagnose(&self, code: i32, text: &str) -> Option<Denial> {
        let text = self.fill(text);
        let evidence = Evidence { ended: Some(Ended::Exited(code)), output: text.as_bytes() };
        diagnose(&evidence, &self.boundaries)
    }

    /// What a remedy opens: a path and how, or the network.
    fn remedy(&self, denial: &Denial) -> Option<String> {
        let AdditionalPermissions { entries, network, .. } = denial.remedy.as_ref()?;
        assert!(entries.len() <= 1);
        let Some(Entry { path: EntryPath::Path(path), access, .. }) = entries.first() else {
            assert!(network.is_enabled());
            return Some("network".to_owned());
        };
        assert!(!network.is_enabled());
        let base = self.base.to_str().unwrap();
        let path = path.to_string();
        let path = path.replace(&format!("{base}/ws"), "{ws}").replace(&format!("{base}/out"), "{out}");
        Some(format!(
            "{} {}",
            if *access == Access::Write { "write" } else { "read" },
            path.replace(base, "")
        ))
    }
}

fn plan(base: &Path, profile: &PermissionProfile) -> Plan {
    let cwd = AbsolutePath::parse(base.join("ws")).unwrap();
    Plan::resolve(PlanRequest {
        profile,
        cwd: &cwd,
        workspace: &cwd,
        environment: BTreeMap::from([("HOME".into(), base.join("home").into_os_string())]),
        tmpdir: None,
        config_home: None,
        executable: None,
        never_readable: &[],
    })
    .unwrap()
}

#[test]
fn what_real_tools_say_is_understood() {
    let bench = Bench::new();
    for (code, text, reason, path, remedy) in REAL {
        let denial = bench.diagnose(*code, text).unwrap_or_else(|| panic!("nothing in {text:?}"));
        assert_eq!(denial.reason, *reason, "{text}");
        assert_eq!(denial.path, path.map(|path| bench.path(path)), "{text}");
        assert_eq!(bench.remedy(&denial).as_deref(), *remedy, "{text}");
    }
}

#[test]
fn other_failures_are_not_the_sandbox() {
    let bench = Bench::new();
    let rows = [
        (1, "assertion failed: left == right"),
        (1, ""),
        (2, "usage: x"),
        (126, "x: cannot execute"),
        (127, "sh: 1: nosuch: not found"),
        (0, "touch: cannot touch '{out}/new': Read-only file system"),
    ];
    for (code, text) in rows {
        assert_eq!(bench.diagnose(code, text), None, "{text}");
    }
    let text = bench.fill("touch: cannot touch '{out}/new': Read-only file system");
    let evidence = |ended| Evidence { ended, output: text.as_bytes() };
    assert_eq!(diagnose(&evidence(None), &bench.boundaries), None);
    assert!(diagnose(&evidence(Some(Ended::Signaled(libc::SIGABRT))), &bench.boundaries).is_some());
    let outside = plan(&bench.base, &PermissionProfile::Disabled).boundaries();
    assert_eq!(diagnose(&evidence(Some(Ended::Exited(1))), &outside), None);
}

#[test]
fn a_filtered_system_call_is_known_by_its_signal() {
    let bench = Bench::new();
    for ended in [Ended::Signaled(libc::SIGSYS), Ended::Exited(128 + libc::SIGSYS)] {
        let evidence = Evidence { ended: Some(ended), output: b"one\nlast\x1b[2J\n\n" };
        let denial = diagnose(&evidence, &bench.boundaries).unwrap();
        assert_eq!((denial.reason, denial.path, denial.remedy), (Reason::Sigsys, None, None));
        assert_eq!(denial.snippet, "last\\u{1b}[2J");
    }
    let evidence = Evidence { ended: Some(Ended::Signaled(libc::SIGSEGV)), output: b"" };
    assert_eq!(diagnose(&evidence, &bench.boundaries), None);
}

#[test]
fn with_the_network_on_it_is_not_the_cause() {
    let bench = Bench::with(NetworkAccess::Enabled, &[]);
    assert_eq!(bench.diagnose(6, "curl: (6) Could not resolve host: example.com"), None);
    assert_eq!(bench.diagnose(1, "connect: Connection refused"), None);
    let denial = bench.diagnose(1, "connect: Operation not permitted").unwrap();
    assert_eq!((denial.reason, denial.remedy), (Reason::OperationNotPermitted, None));
}

#[test]
fn a_path_that_the_plan_does_not_deny_is_not_the_cause() {
    let bench = Bench::new();
    for text in [
        "sh: 1: cannot create {ws}/new: Permission denied",
        "sh: ./Makefile: Permission denied",
        "touch: cannot touch '/dev/null': Permission denied",
        "open: permission denied: '{ws}/nowhere/../../out/new'",
        "permission denied: '\u{1b}{out}/exists'",
    ] {
        let denial = bench.diagnose(1, text).unwrap();
        assert_eq!((denial.path, denial.remedy), (None, None), "{text}");
    }
    // A loose word that no file bears.
    let read_only = Bench::with(NetworkAccess::Restricted, &[]);
    let denial = read_only.diagnose(1, "prog: something else: Permission denied").unwrap();
    assert_eq!(denial.path, None);
}

#[test]
fn a_read_only_working_directory_may_be_opened() {
    let bench = Bench::with(NetworkAccess::Restricted, &[]);
    let denial = bench.diagnose(1, "bash: line 1: new: Read-only file system").unwrap();
    assert_eq!(denial.path, Some(bench.path("{ws}/new")));
    assert_eq!(bench.remedy(&denial).as_deref(), Some("write {ws}"));
}

#[test]
fn names_are_followed_to_what_they_mean() {
    let bench = Bench::new();
    let denial = bench.diagnose(1, "tee: ./link: Read-only file system").unwrap();
    assert_eq!(denial.path, Some(bench.path("{out}/exists")));
    assert_eq!(bench.remedy(&denial).as_deref(), Some("write {out}/exists"));
    let denial =
        bench.diagnose(1, "touch: cannot touch '{ws}/../out/dir/../new': Read-only file system").unwrap();
    assert_eq!(denial.path, Some(bench.path("{out}/new")));
}

#[test]
fn a_remedy_is_never_wider_than_what_failed() {
    let bench = Bench::new();
    for path in [
        "/new",
        "/etc/new",
        "/usr/new",
        "{home}/new",
        "{home}/../new",
        "/home/someone",
        "/home/new",
        "/root/new",
        "/proc/sys/kernel/x",
        "/proc/1/mem",
        "/sys/x",
        "/dev/sda",
        "{ws}/secret/x",
        "{ws}/secret/new",
        "{ws}/.git/new",
        "{ws}/.git/hooks/pre-commit",
        "{ws}/.git",
        "{ws}/.git/hooks",
        "{ws}/.codex/config.toml",
        "{ws}/..",
        "/",
    ] {
        let text = format!("touch: cannot touch '{path}': Read-only file system");
        let denial = bench.diagnose(1, &text).unwrap();
        assert_eq!(denial.remedy, None, "{path}");
    }
}

#[test]
fn what_decides_about_later_runs_is_no_reason_to_ask() {
    let mut bench = Bench::new();
    std::fs::create_dir_all(bench.base.join("tools/bin")).unwrap();
    let home = Some(bench.path("{home}"));
    bench.boundaries = bench.boundaries.clone().guarding(home, [bench.path("{out}/../tools/bin")]);
    let denied = |path: &str| {
        bench.diagnose(1, &format!("touch: cannot touch '{path}': Read-only file system")).unwrap()
    };
    for path in [
        "{home}/.bashrc",
        "{home}/.gitconfig",
        "{home}/.ssh/authorized_keys",
        "{home}/.config/autostart/x",
        "/home/somebody/.profile",
        "/etc/passwd",
        "/etc/codex/requirements.toml",
        "/etc/cron.d/x",
        "/usr/bin/env",
        "/usr/local/bin/x",
        "/boot/x",
        "/lib64/x",
        "/var/spool/cron/x",
        "/root/x",
        "{ws}/.git/config",
        "{ws}/.git/hooks/pre-commit",
        "{ws}/.codex/config.toml",
        "{out}/.git/hooks/x",
        "{out}/../tools/bin/git",
    ] {
        let denial = denied(path);
        assert_eq!((denial.remedy, denial.is_guarded), (None, true), "{path}");
    }
    let removed = "rm: cannot remove '{home}/.config/x': Read-only file system";
    assert!(bench.diagnose(1, removed).unwrap().is_guarded);
    for path in ["{out}/new", "{out}/exists", "{home}/new", "/new"] {
        assert!(!denied(path).is_guarded, "{path}");
    }
    // Wherever the command says that the home is.
    bench.boundaries = bench.boundaries.clone().guarding(Some(bench.path("{out}")), []);
    let denial = bench.diagnose(1, "touch: cannot touch '{out}/.x': Read-only file system").unwrap();
    assert!(denial.is_guarded);
    let denial = bench.diagnose(1, "touch: cannot touch '{out}/new': Read-only file system").unwrap();
    assert_eq!((denial.remedy, denial.is_guarded), (None, false), "the home is too wide");
}

/// A folder that is writable already is no remedy for the one name in it that the profile keeps.
#[test]
fn what_is_open_already_is_no_remedy() {
    let mut bench = Bench::new();
    std::fs::create_dir(bench.base.join("ws/docs")).unwrap();
    let entries = vec![
        Entry::for_special(SpecialPath::Root, Access::Read),
        Entry::for_special(SpecialPath::ProjectRoots, Access::Write),
        Entry::for_path(bench.path("{ws}/docs/kept"), Access::Read),
        Entry::for_path(bench.path("{ws}/f"), Access::Read),
    ];
    let file_system = FileSystemPolicy::Restricted { entries, glob_scan_max_depth: None };
    let profile = PermissionProfile::Managed { file_system, network: NetworkAccess::Restricted };
    bench.boundaries = plan(&bench.base, &profile).boundaries();
    let denied =
        |path| bench.diagnose(1, &format!("mkdir: cannot create directory '{path}': Read-only file system"));
    let denial = denied("{ws}/docs/kept").unwrap();
    assert_eq!((denial.path, denial.remedy), (Some(bench.path("{ws}/docs/kept")), None));
    assert_eq!(bench.remedy(&denied("{ws}/f").unwrap()).as_deref(), Some("write {ws}/f"));
}

#[test]
fn hostile_output_costs_little_and_shows_nothing() {
    let bench = Bench::new();
    let mut text = "x".repeat(4 << 20);
    text.push_str("\npermission denied: '/etc/\u{1b}]0;title\u{7}'\u{202e}`\n");
    let denial = bench.diagnose(1, &text).unwrap();
    assert_eq!(denial.path, None);
    assert_eq!(denial.snippet, "permission denied: '/etc/\\u{1b}]0;title\\u{7}'\\u{202e}\\u{60}");
    // What stands before the tail is not seen.
    let early = format!("permission denied: '{{out}}/exists'\n{}", "y".repeat(MAX_OUTPUT_BYTES));
    assert_eq!(bench.diagnose(1, &early), None);
    // Names beyond the budget are not looked up.
    let many: String = (0..MAX_CANDIDATES).map(|n| format!("permission denied: '{{ws}}/{n}'\n")).collect();
    let last = "permission denied: '{out}/exists'\n";
    assert_eq!(bench.diagnose(1, &format!("{many}{last}")).unwrap().path, None);
    assert!(bench.diagnose(1, last).unwrap().path.is_some());
    let one_line: String = (0..MAX_CANDIDATES).map(|n| format!("'{{ws}}/{n}' ")).collect();
    assert_eq!(bench.diagnose(1, &format!("{one_line} {last}")).unwrap().path, None);
}

#[test]
fn a_snippet_is_short_and_whole() {
    let bench = Bench::new();
    for filler in ["a", "\u{1b}", "ä"] {
        for shift in 0..8 {
            let text = format!("{}permission denied {}", "b".repeat(shift), filler.repeat(2000));
            let snippet = bench.diagnose(1, &text).unwrap().snippet;
            assert!(snippet.chars().count() <= MAX_SNIPPET_CHARS);
            let rest = snippet.strip_suffix('…').unwrap();
            assert!(rest.ends_with(&policies::escape(filler)), "{rest}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_no_names() {
    let bench = Bench::new();
    let output = b"touch: cannot touch '/etc/\xff\xfe': Permission denied";
    let evidence = Evidence { ended: Some(Ended::Exited(1)), output };
    let denial = diagnose(&evidence, &bench.boundaries).unwrap();
    assert_eq!((denial.path, denial.remedy), (None, None));
}
