//! From what real tools say in the real sandbox to the permission that lets them succeed.

use std::path::Path;
use std::time::Duration;

use policies::{AdditionalPermissions, PermissionProfile};
use sandbox::Ended;
use sandbox::captured::{self, Options};
use sandbox::denial::{Denial, Evidence, Reason, diagnose};
use sandbox::foreground::Outcome;

use crate::bench::{Behaviour, Bench};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("denials::the_remedy_is_enough", the_remedy_is_enough),
    ("denials::what_stays_denied_has_none", what_stays_denied_has_none),
    ("denials::the_network_is_named_when_it_is_off", the_network_is_named_when_it_is_off),
    ("denials::other_failures_are_not_denials", other_failures_are_not_denials),
    ("denials::lies_name_nothing_that_is_allowed", lies_name_nothing_that_is_allowed),
];

fn run(bench: &Bench, profile: &PermissionProfile, script: &str) -> (Outcome, Option<Denial>) {
    let boundaries = bench.plan(profile).boundaries();
    let (permit, backend) = bench.permit(profile, &["/bin/sh", "-c", script]);
    let options = Options { timeout: Some(Duration::from_secs(30)), ..Options::default() };
    let finished = captured::run(None, permit, &backend, options, &mut |_, _| {}).unwrap();
    let ended = match finished.outcome {
        Outcome::Ended(ended) => Some(ended),
        Outcome::TimedOut | Outcome::Interrupted(_) => None,
    };
    let denial = diagnose(&Evidence { ended, output: &finished.tail }, &boundaries);
    (finished.outcome, denial)
}

fn with(profile: &PermissionProfile, more: &AdditionalPermissions) -> PermissionProfile {
    more.apply_to(profile.clone())
}

/// Whether this machine has the tool that a script starts with.
fn has(tool: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(tool).exists())
}

fn the_remedy_is_enough(bench: &Bench) {
    let outside = bench.base().join("outside");
    let outside = outside.to_str().unwrap();
    std::fs::create_dir(format!("{outside}/folder")).unwrap();
    std::fs::write(bench.ws("f"), "text").unwrap();
    std::fs::write(bench.ws("Makefile"), format!("all:\n\ttouch {outside}/made\n")).unwrap();
    // The tool, the script, and whether only a file is opened.
    let rows = [
        ("touch", format!("touch {outside}/new"), false),
        ("touch", "touch ../outside/new2".to_owned(), false),
        ("cp", format!("cp f {outside}/exists"), true),
        ("cp", format!("cp f {outside}/copy"), false),
        ("mkdir", format!("mkdir -p {outside}/a/b"), false),
        ("rm", format!("rm {outside}/exists"), false),
        ("rmdir", format!("rmdir {outside}/folder"), false),
        ("sh", format!("echo text > {outside}/redirected"), false),
        ("sh", format!("echo text >> {outside}/exists"), true),
        ("tee", format!("echo text | tee {outside}/exists"), true),
        ("dd", format!("dd if=/dev/zero of={outside}/zeros count=1"), false),
        ("ln", format!("ln -s f {outside}/link"), false),
        ("chmod", format!("chmod 600 {outside}/exists"), true),
        ("sed", format!("sed -i s/a/b/ {outside}/exists"), false),
        ("tar", format!("tar -cf {outside}/archive.tar f"), false),
        ("make", "make".to_owned(), false),
        ("python3", format!("python3 -c \"open('{outside}/python', 'w')\""), false),
        ("python3", format!("python3 -c \"open('{outside}/exists', 'a')\""), true),
        ("git", format!("git init -q {outside}/repository"), false),
        ("node", format!("node -e \"require('fs').writeFileSync('{outside}/node', '')\""), false),
        (
            "perl",
            format!("perl -e \"open(F, '>', '{outside}/p') or die 'cannot open {outside}/p: ', \\$!\""),
            false,
        ),
    ];
    let profile = bench.profile();
    for (tool, script, is_file) in rows.iter().filter(|(tool, ..)| has(tool)) {
        std::fs::write(format!("{outside}/exists"), "a").unwrap();
        let (outcome, denial) = run(bench, &profile, script);
        if !bench.way.is_confined() {
            assert_eq!((outcome, denial), (Outcome::Ended(Ended::Exited(0)), None), "{script}");
            continue;
        }
        let denial = denial.unwrap_or_else(|| panic!("{tool}: nothing found: {script}"));
        let place = if *is_file { format!("{outside}/exists") } else { outside.to_owned() };
        let remedy = denial.remedy.unwrap_or_else(|| panic!("{tool}: nothing would help: {script}"));
        assert!(denial.path.unwrap().as_path().starts_with(outside), "{script}");
        assert_eq!(remedy.entries.len(), 1, "{script}");
        assert_eq!(remedy.entries[0].path.to_string(), place, "{script}");
        let (outcome, denial) = run(bench, &with(&profile, &remedy), script);
        assert_eq!((outcome, denial), (Outcome::Ended(Ended::Exited(0)), None), "{script}");
    }
}

fn what_stays_denied_has_none(bench: &Bench) {
    if !bench.way.is_confined() {
        return;
    }
    std::fs::create_dir_all(bench.ws(".git/hooks")).unwrap();
    let home = bench.base().join("home/new");
    for script in [
        "touch .git/hooks/pre-commit".to_owned(),
        "mkdir .git/new".to_owned(),
        "touch .codex/config.toml".to_owned(),
        "touch /new-at-the-top".to_owned(),
        "touch /etc/new-in-etc".to_owned(),
        format!("touch {}", home.display()),
        format!("touch {}/new", bench.base().display()),
    ] {
        let (outcome, denial) = run(bench, &bench.profile(), &script);
        assert_ne!(outcome, Outcome::Ended(Ended::Exited(0)), "{script}");
        let denial = denial.unwrap_or_else(|| panic!("nothing found: {script}"));
        assert_eq!(denial.remedy, None, "{script}");
    }
}

fn the_network_is_named_when_it_is_off(bench: &Bench) {
    if !bench.way.is_confined() {
        return;
    }
    let rows = [
        ("curl", "curl -sS http://192.0.2.1:9/"),
        ("curl", "curl -sS http://host.invalid/"),
        ("python3", "python3 -c \"import socket; socket.create_connection(('192.0.2.1', 9), 5)\""),
        ("python3", "python3 -c \"import socket; socket.getaddrinfo('host.invalid', 80)\""),
        ("git", "git ls-remote https://host.invalid/x"),
        ("node", "node -e \"require('net').connect(9, '192.0.2.1')\""),
    ];
    for (_, script) in rows.iter().filter(|(tool, _)| has(tool)) {
        let (_, denial) = run(bench, &bench.profile(), script);
        let denial = denial.unwrap_or_else(|| panic!("nothing found: {script}"));
        assert_eq!((denial.reason, denial.path), (Reason::NetworkUnreachable, None), "{script}");
        let remedy = denial.remedy.unwrap();
        assert!(remedy.network.is_enabled() && remedy.entries.is_empty());
    }
}

fn other_failures_are_not_denials(bench: &Bench) {
    for script in ["exit 1", "false", "cat missing", "nosuchprogram", "sh -c 'exit 126'", "test -e missing"] {
        let (outcome, denial) = run(bench, &bench.profile(), script);
        assert_ne!(outcome, Outcome::Ended(Ended::Exited(0)), "{script}");
        assert_eq!(denial, None, "{script}");
    }
}

/// The output belongs to the command, and so may its words.
fn lies_name_nothing_that_is_allowed(bench: &Bench) {
    if !bench.way.is_confined() {
        return;
    }
    std::os::unix::fs::symlink("f", bench.ws("inner")).unwrap();
    std::fs::write(bench.ws("f"), "").unwrap();
    for name in ["f", "inner", "../ws/f", "new", "/dev/null", "missing/../../outside/x"] {
        let script = format!("echo \"touch: cannot touch '{name}': Permission denied\"; exit 1");
        let (_, denial) = run(bench, &bench.profile(), &script);
        let denial = denial.unwrap();
        assert_eq!((denial.path, denial.remedy), (None, None), "{name}");
    }
    // A flood, and then a word.
    let script = "head -c 5000000 /dev/zero | tr '\\0' '\\033'; echo; echo permission denied; exit 1";
    let (_, denial) = run(bench, &bench.profile(), script);
    let denial = denial.unwrap();
    assert_eq!((denial.reason, denial.path), (Reason::PermissionDenied, None));
    assert_eq!(denial.snippet, "permission denied");
}
