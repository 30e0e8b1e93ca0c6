//! Programs that are installed outside of every workspace, and what still hands them over to one.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use escalation::approver::Reply;
use escalation::{Answer, Ask, Call, ExecRequest, PermissionsAnswer, PermissionsRequest, Subject, TurnId};
use policies::{AbsolutePath, Access, AdditionalPermissions, Entry, GrantScope};

use crate::bench::{Behaviour, Bench, Wish, installed};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    (
        "an_installed_program_is_as_good_as_what_it_leads_to",
        an_installed_program_is_as_good_as_what_it_leads_to,
    ),
    ("a_hard_link_to_a_program_of_the_workspace_is_one", a_hard_link_to_a_program_of_the_workspace_is_one),
    ("a_grant_does_not_hide_a_link", a_grant_does_not_hide_a_link),
    ("what_was_granted_once_stays_suspicious", what_was_granted_once_stays_suspicious),
    ("inherited_variables_can_keep_a_command_inside", inherited_variables_can_keep_a_command_inside),
];

fn bench(bin: &Path, answers: impl FnMut(&Ask) -> Reply + Send + 'static) -> Bench {
    let rules = "prefix_rule(pattern=['mytool'], decision='allow')";
    let path: &'static str = Box::leak(bin.to_str().unwrap().to_owned().into_boxed_str());
    Bench::new(Wish { rules, path: Some(path), ..Wish::default() }, answers)
}

fn nobody(ask: &Ask) -> Reply {
    panic!("asked: {}", ask.subject.label())
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn leaves(bench: &Bench, turn: &TurnId) -> bool {
    let call = Call::new(turn, "item");
    let x = bench.root.join("outside/x");
    let target = x.to_str().unwrap().to_owned();
    let direct =
        ExecRequest { argv: vec!["mytool".to_owned(), target], call: call.clone(), ..bench.request("") };
    let by_shell = ExecRequest { call, ..bench.request("mytool ROOT/outside/x") };
    let ways = [direct, by_shell].map(|request| {
        let came = bench.run(&request);
        assert!(came.report.result.is_ok(), "{:?}", came.report);
        std::fs::remove_file(&x).is_ok()
    });
    assert_eq!(ways[0], ways[1], "whoever starts it");
    ways[0]
}

const TOUCH: &str = "#!/bin/sh\ntouch \"$1\"\n";

fn an_installed_program_is_as_good_as_what_it_leads_to() {
    let (_folder, bin, is_temporary) = installed();
    let bench = bench(&bin, nobody);
    let tool = bin.join("mytool");
    program(&tool, TOUCH);
    assert_eq!(leaves(&bench, &bench.turn), !is_temporary);

    let interpreter = bench.root.join("project/interpreter");
    program(&interpreter, "#!/bin/sh\ntouch \"$2\"\n");
    program(&tool, &format!("#!{}\n", interpreter.display()));
    assert!(!leaves(&bench, &bench.turn), "its interpreter is the workspace's");

    let current = bench.root.join("project/current");
    program(&bin.join("real"), TOUCH);
    symlink(bin.join("real"), &current).unwrap();
    std::fs::remove_file(&tool).unwrap();
    symlink(&current, &tool).unwrap();
    assert!(!leaves(&bench, &bench.turn), "a link on the way is the workspace's");

    std::fs::remove_file(&tool).unwrap();
    symlink("real", &tool).unwrap();
    assert_eq!(leaves(&bench, &bench.turn), !is_temporary);
}

/// What the person links to, commands can still write by its first name.
fn a_hard_link_to_a_program_of_the_workspace_is_one() {
    let (_folder, bin, is_temporary) = installed();
    let bench = bench(&bin, nobody);
    let built = bench.root.join("project/mytool");
    program(&built, TOUCH);
    if std::fs::hard_link(&built, bin.join("mytool")).is_err() {
        return; // They are in different file systems.
    }
    assert!(!leaves(&bench, &bench.turn));
    std::fs::remove_file(bin.join("mytool")).unwrap();
    program(&bin.join("mytool"), TOUCH);
    std::fs::hard_link(bin.join("mytool"), bin.join("another")).unwrap();
    assert_eq!(leaves(&bench, &bench.turn), !is_temporary, "all of its names are installed");
}

/// With more than the sandbox gives a program is pinned to its file; that file is not what the rule speaks of.
fn a_grant_does_not_hide_a_link() {
    let (_folder, bin, is_temporary) = installed();
    let bench = bench(&bin, grant);
    std::fs::create_dir(bench.root.join("more")).unwrap();
    ask_for(&bench, &bench.path("more"));
    program(&bin.join("real"), TOUCH);
    let current = bench.root.join("project/current");
    symlink(bin.join("real"), &current).unwrap();
    symlink(&current, bin.join("mytool")).unwrap();
    assert!(!leaves(&bench, &bench.turn));
    std::fs::remove_file(bin.join("mytool")).unwrap();
    symlink("real", bin.join("mytool")).unwrap();
    assert_eq!(leaves(&bench, &bench.turn), !is_temporary);
}

/// Grants for the turn what is asked for.
fn grant(ask: &Ask) -> Reply {
    let Subject::Permissions(asked) = &ask.subject else { panic!("asked: {}", ask.subject.label()) };
    Reply::Answer(Answer::Grant(PermissionsAnswer {
        permissions: asked.permissions.clone(),
        scope: GrantScope::Turn,
        strict_auto_review: false,
    }))
}

fn ask_for(bench: &Bench, folder: &AbsolutePath) {
    let entries = vec![Entry::for_path(folder.clone(), Access::Write)];
    let request = PermissionsRequest {
        call: Call::new(&bench.turn, "more"),
        cwd: bench.path("project"),
        environment_id: "local".to_owned(),
        permissions: AdditionalPermissions { entries, ..AdditionalPermissions::default() },
        reason: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let granted = runtime.block_on(bench.session.request_permissions(&request));
    assert_eq!(granted.permissions.entries.len(), 1);
}

fn what_was_granted_once_stays_suspicious() {
    let (_folder, bin, is_temporary) = installed();
    let bench = bench(&bin, grant);
    program(&bin.join("mytool"), TOUCH);
    assert_eq!(leaves(&bench, &bench.turn), !is_temporary);
    ask_for(&bench, &AbsolutePath::parse(&bin).unwrap());
    let script = format!("echo '# changed' >> {}/mytool", bin.display());
    assert_eq!(bench.script(&script).code(), Some(0));
    bench.session.end_turn(&bench.turn);

    let turn = TurnId("another".to_owned());
    bench.session.begin_turn(&turn);
    assert!(!leaves(&bench, &turn));
}

fn inherited_variables_can_keep_a_command_inside() {
    let rules = "prefix_rule(pattern=['touch'], decision='allow')";
    for (variables, leaves) in [
        (&[("BASH_ENV", "./env.sh")][..], false),
        (&[("LD_LIBRARY_PATH", ":/usr/lib")], false),
        (&[("PYTHONPATH", "/usr/lib")], true),
        (&[("XDG_CONFIG_HOME", "ROOT/project/xdg")], false),
        (&[("GIT_CONFIG_GLOBAL", "ROOT/project/gitconfig")], false),
        (&[("GIT_CONFIG_GLOBAL", "/etc/gitconfig")], true),
        (&[("HOME", "ROOT/project"), ("CODEX_HOME", "ROOT/home/.codex")], false),
        (&[("HOME", "ROOT/outside"), ("CODEX_HOME", "ROOT/home/.codex")], true),
    ] {
        let bench = Bench::silent(Wish { rules, variables, ..Wish::default() });
        let came = bench.script("touch ROOT/outside/x");
        assert_eq!(bench.root.join("outside/x").exists(), leaves, "{variables:?} {:?}", came.report);
        let noted = came.report.notes.iter().any(|note| note.contains(variables[0].0));
        assert_eq!(noted, !leaves, "{:?}", came.report.notes);
    }
}
