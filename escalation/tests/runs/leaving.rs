//! Leaving the sandbox: by a rule that surely means what runs, or by a yes.

use std::os::unix::fs::PermissionsExt;

use escalation::ExecRequest;
use policies::SandboxMode;

use crate::bench::{Behaviour, Bench, Wish, no, yes};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("a_rule_lets_its_program_leave", a_rule_lets_its_program_leave),
    ("a_program_of_the_workspace_does_not_leave_by_a_rule", a_program_of_the_workspace_does_not_leave),
    ("variables_of_the_agent_keep_a_command_inside", variables_of_the_agent_keep_a_command_inside),
    ("a_yes_lets_a_command_leave", a_yes_lets_a_command_leave),
    ("full_access_has_no_sandbox_to_leave", full_access_has_no_sandbox_to_leave),
];

const TOUCH: &str = "prefix_rule(pattern=['touch'], decision='allow')";

fn a_rule_lets_its_program_leave() {
    let bench = Bench::silent(Wish { rules: TOUCH, ..Wish::default() });
    assert_eq!(bench.script("touch ROOT/outside/x").code(), Some(0));
    // All of it has to be allowed.
    let came = bench.script("touch ROOT/outside/y && echo > ROOT/outside/z");
    assert_eq!(came.code(), Some(1));
    assert!(!bench.root.join("outside/y").exists());
}

fn a_program_of_the_workspace_does_not_leave() {
    for (path, argv) in [(Some("project/bin"), "touch"), (None, "ROOT/project/bin/touch")] {
        let bench = Bench::silent(Wish { rules: TOUCH, path, ..Wish::default() });
        let tool = bench.root.join("project/bin/touch");
        std::fs::create_dir(bench.root.join("project/bin")).unwrap();
        std::fs::write(&tool, "#!/bin/sh\necho planted > \"$1\"\n").unwrap();
        std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
        let argv0 = argv.replace("ROOT", bench.root.to_str().unwrap());
        let target = bench.root.join("outside/x").to_str().unwrap().to_owned();
        let direct = ExecRequest { argv: vec![argv0.clone(), target], ..bench.request("") };
        for request in [direct, bench.request(&format!("{argv0} ROOT/outside/x"))] {
            let came = bench.run(&request);
            assert!(!bench.root.join("outside/x").exists(), "{:?} {:?}", request.argv, came.report);
        }
    }
}

fn variables_of_the_agent_keep_a_command_inside() {
    let bench = Bench::silent(Wish { rules: TOUCH, ..Wish::default() });
    let request = bench.with_variables("touch ROOT/outside/x", &[("LD_PRELOAD", "ROOT/project/evil.so")]);
    let came = bench.run(&request);
    assert!(!bench.root.join("outside/x").exists());
    assert!(came.report.notes.iter().any(|note| note.contains("`LD_PRELOAD`")), "{:?}", came.report.notes);
}

fn a_yes_lets_a_command_leave() {
    let bench = Bench::new(Wish::default(), yes);
    let came = bench.run(&bench.escalated("touch ROOT/outside/x"));
    assert_eq!((came.code(), came.asked), (Some(0), 1));
    assert!(bench.root.join("outside/x").exists());
    let ask = bench.approver.asked().remove(0);
    assert!(!ask.exec().unwrap().reach.sandboxed);

    let bench = Bench::new(Wish::default(), no);
    bench.run(&bench.escalated("touch ROOT/outside/x"));
    assert!(!bench.root.join("outside/x").exists());
}

fn full_access_has_no_sandbox_to_leave() {
    let bench = Bench::silent(Wish { mode: SandboxMode::DangerFullAccess, ..Wish::default() });
    assert_eq!(bench.script("touch ROOT/outside/x").code(), Some(0));
    assert_eq!(bench.run(&bench.escalated("touch ROOT/outside/y")).code(), Some(0));
}
