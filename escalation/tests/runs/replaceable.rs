//! What sandboxed commands and patches could write, ever: rules do not name it, and a yes for the session is for its
//! content.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use escalation::approver::Reply;
use escalation::files::{Action, FileChange};
use escalation::{
    Answer, Ask, Call, ExecRequest, FileChangeRequest, PermissionsAnswer, PermissionsRequest,
    SandboxPermissions, Subject, Terms, TurnId,
};
use policies::{AbsolutePath, Access, AdditionalPermissions, Asked, Entry, GrantScope, SandboxMode};

use crate::bench::{Behaviour, Bench, Wish, block_on, installed, yes};

pub(crate) const BEHAVIOURS: &[Behaviour] = &[
    ("a_place_that_was_granted_stays_one_when_reopened", a_place_that_was_granted_stays_one_when_reopened),
    ("a_place_that_was_approved_once_stays_one", a_place_that_was_approved_once_stays_one),
    ("a_patch_in_a_turn_is_known_in_the_next", a_patch_in_a_turn_is_known_in_the_next),
    ("a_patched_file_is_its_content", a_patched_file_is_its_content),
    ("a_patched_program_does_not_leave", a_patched_program_does_not_leave),
    ("a_patched_file_on_the_search_path_is_a_program", a_patched_file_on_the_search_path_is_a_program),
    ("a_granted_folder_stays_one_after_its_time", a_granted_folder_stays_one_after_its_time),
    ("a_granted_folder_is_one_for_calls_elsewhere", a_granted_folder_is_one_for_calls_elsewhere),
    ("what_cannot_be_read_of_a_session_is_everywhere", what_cannot_be_read_of_a_session_is_everywhere),
    ("a_narrower_mode_makes_nothing_more_trusted", a_narrower_mode_makes_nothing_more_trusted),
    (
        "a_repository_that_narrows_makes_nothing_more_trusted",
        a_repository_that_narrows_makes_nothing_more_trusted,
    ),
];

/// Says yes to everything for as long as it can.
fn lasting(ask: &Ask) -> Reply {
    granting(ask, GrantScope::Session)
}

fn granting(ask: &Ask, scope: GrantScope) -> Reply {
    Reply::Answer(match &ask.subject {
        Subject::Permissions(asked) => Answer::Grant(PermissionsAnswer {
            permissions: asked.permissions.clone(),
            scope,
            strict_auto_review: false,
        }),
        Subject::Exec(_)
        | Subject::Retry(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::FileChange(_)
        | Subject::Network(_) => Answer::for_session(),
    })
}

const GOOD: &str = "#!/bin/sh\necho good\n";
const EVIL: &str = "#!/bin/sh\necho evil\n";

/// A folder with a program; both are nobody's as long as nobody may write there.
struct Tools {
    _folder: tempfile::TempDir,
    path: PathBuf,
    is_temporary: bool,
}

impl Tools {
    fn new() -> Self {
        let (folder, path, is_temporary) = installed();
        let tools = Self { _folder: folder, path, is_temporary };
        tools.write(GOOD);
        std::fs::set_permissions(tools.tool(), PermissionsExt::from_mode(0o755)).unwrap();
        tools
    }

    fn tool(&self) -> PathBuf {
        self.path.join("tool")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.tool(), text).unwrap();
    }

    /// A session with a rule for the program.
    fn bench(&self, wish: Wish, answers: impl FnMut(&Ask) -> Reply + Send + 'static) -> Bench {
        let rule = format!("prefix_rule(pattern=['{}'], decision='allow')", self.tool().display());
        Bench::new(Wish { rules: Box::leak(rule.into_boxed_str()), ..wish }, answers)
    }

    /// The program, outside of the sandbox by a rule or not.
    fn leaves(&self, bench: &Bench, cwd: &str) -> bool {
        let argv = vec![self.tool().to_str().unwrap().to_owned()];
        let came = bench.run(&ExecRequest { argv, cwd: bench.path(cwd), ..bench.request("") });
        assert!(came.report.result.is_ok() && came.asked == 0, "{:?}", came.report);
        !came.report.notes.iter().any(|note| note.contains("but it runs inside"))
    }

    /// Whether the program is asked about, as a script that is to run outside.
    fn asks(&self, bench: &Bench, turn: &TurnId) -> bool {
        let escalated = bench.escalated(&format!("sh {}", self.tool().display()));
        let came = bench.run(&ExecRequest { call: Call::new(turn, "item"), ..escalated });
        assert!(came.report.result.is_ok(), "{:?}", came.report);
        came.asked == 1
    }

    /// Overwrites the program in the sandbox.
    fn overwrite(&self, bench: &Bench) {
        let came = bench.script(&format!("printf '#!/bin/sh\\necho evil\\n' > {}", self.tool().display()));
        assert_eq!((came.code(), came.asked), (Some(0), 0), "{:?}", came.report);
    }
}

fn writing(folder: &Path) -> AdditionalPermissions {
    let entries = vec![Entry::for_path(AbsolutePath::parse(folder).unwrap(), Access::Write)];
    AdditionalPermissions { entries, ..AdditionalPermissions::default() }
}

fn ask_for(bench: &Bench, turn: &TurnId, folder: &Path) {
    let request = PermissionsRequest {
        call: Call::new(turn, "more"),
        cwd: bench.path("project"),
        environment_id: "local".to_owned(),
        permissions: writing(folder),
        reason: None,
    };
    let granted = block_on(bench.session.request_permissions(&request));
    assert_eq!(granted.permissions.entries.len(), 1, "{granted:?}");
}

fn a_place_that_was_granted_stays_one_when_reopened() {
    let tools = Tools::new();
    let mut bench = Bench::new(Wish { name: Some("work"), ..Wish::default() }, lasting);
    ask_for(&bench, &bench.turn, &tools.path);
    assert!(tools.asks(&bench, &bench.turn));
    assert!(!tools.asks(&bench, &bench.turn), "it is what was approved");
    bench.reopen();
    assert!(!tools.asks(&bench, &bench.turn), "it still is");
    bench.reopen();
    tools.overwrite(&bench);
    bench.reopen();
    assert!(tools.asks(&bench, &bench.turn));
}

fn a_place_that_was_approved_once_stays_one() {
    let tools = Tools::new();
    let mut bench = tools.bench(Wish { name: Some("work"), ..Wish::default() }, yes);
    assert_eq!(tools.leaves(&bench, "project"), !tools.is_temporary);
    let request = ExecRequest {
        permissions: SandboxPermissions::WithAdditional(writing(&tools.path)),
        ..bench.request(&format!("echo > {}/cache", tools.path.display()))
    };
    assert_eq!(bench.run(&request).code(), Some(0));
    assert!(!tools.leaves(&bench, "project"));
    bench.reopen();
    assert!(!tools.leaves(&bench, "project"));
    bench.reopen_with(|setup| setup.id = Some(escalation::SessionId::parse("other").unwrap()));
    assert_eq!(tools.leaves(&bench, "project"), !tools.is_temporary, "another session");
}

fn a_patch_in_a_turn_is_known_in_the_next() {
    let tools = Tools::new();
    let bench = Bench::new(Wish::default(), |ask| granting(ask, GrantScope::Turn));
    assert!(tools.asks(&bench, &bench.turn));
    let [second, third] = ["second", "third"].map(|name| TurnId(name.to_owned()));
    bench.session.begin_turn(&second);
    ask_for(&bench, &second, &tools.path);
    assert_eq!(bench.patch(&second, "project", &tools.tool(), EVIL, None), 0);
    bench.session.end_turn(&second);
    bench.session.begin_turn(&third);
    assert!(tools.asks(&bench, &third));
}

fn a_patched_file_is_its_content() {
    let tools = Tools::new();
    let bench = Bench::new(Wish::default(), lasting);
    assert!(tools.asks(&bench, &bench.turn));
    for (text, asked) in [("#!/bin/sh\necho good too\n", 1), (EVIL, 0)] {
        assert_eq!(bench.patch(&bench.turn, "project", &tools.tool(), text, None), asked);
        assert!(tools.asks(&bench, &bench.turn), "{text}");
        assert!(!tools.asks(&bench, &bench.turn), "{text}");
    }
}

fn a_patched_program_does_not_leave() {
    let tools = Tools::new();
    let bench = tools.bench(Wish::default(), lasting);
    assert_eq!(tools.leaves(&bench, "project"), !tools.is_temporary);
    for asked in [1, 0] {
        assert_eq!(bench.patch(&bench.turn, "project", &tools.tool(), EVIL, None), asked);
        assert!(!tools.leaves(&bench, "project"));
    }
}

fn a_patched_file_on_the_search_path_is_a_program() {
    let tools = Tools::new();
    let path: &'static str = Box::leak(tools.path.to_str().unwrap().to_owned().into_boxed_str());
    let rules = "prefix_rule(pattern=['touch'], decision='allow')";
    let bench = Bench::new(Wish { rules, path: Some(path), ..Wish::default() }, lasting);
    let leaves = || {
        bench.script("touch ROOT/outside/x");
        std::fs::remove_file(bench.root.join("outside/x")).is_ok()
    };
    assert_eq!(leaves(), !tools.is_temporary);
    bench.patch(&bench.turn, "project", &tools.path.join("another"), EVIL, None);
    assert!(!leaves(), "what `touch` starts by name could be that");
}

fn a_granted_folder_stays_one_after_its_time() {
    let tools = Tools::new();
    let expires_after = Some(Duration::from_millis(300));
    let bench = tools.bench(Wish::default(), move |_| {
        Reply::Answer(Answer::AcceptForSession(Terms { expires_after, ..Terms::default() }))
    });
    let (other, root) = (tools.path.join("other"), Some(tools.path.as_path()));
    assert_eq!(bench.patch(&bench.turn, "project", &other, "", root), 1);
    assert!(!tools.leaves(&bench, "project"));
    std::thread::sleep(Duration::from_millis(400));
    assert!(!tools.leaves(&bench, "project"));
}

fn a_granted_folder_is_one_for_calls_elsewhere() {
    let tools = Tools::new();
    let bench = tools.bench(Wish::default(), |ask| {
        let Subject::FileChange(change) = &ask.subject else { panic!("asked: {}", ask.subject.label()) };
        // The patch is that of a call in `project/below`.
        let below = change.diff.as_deref().and_then(|diff| AbsolutePath::parse(diff).ok());
        Reply::Answer(Answer::AcceptForSession(Terms { below, ..Terms::default() }))
    });
    std::fs::create_dir(bench.root.join("project/below")).unwrap();
    let below = bench.path("project/below");
    let request = FileChangeRequest {
        call: Call::new(&bench.turn, "patch"),
        cwd: below.clone(),
        changes: vec![FileChange {
            path: tools.path.join("other"),
            action: Action::Write { content: Vec::new(), mode: None },
        }],
        grant_root: Some(tools.path.clone()),
        diff: Some(below.to_string()),
        reason: None,
    };
    block_on(bench.session.change_files(request)).unwrap();
    assert_eq!(bench.patch(&bench.turn, "project/below", &tools.path.join("third"), "", None), 0);
    assert!(!tools.leaves(&bench, "project/below"));
    assert!(!tools.leaves(&bench, "project"));
}

fn what_cannot_be_read_of_a_session_is_everywhere() {
    let tools = Tools::new();
    let bench = tools.bench(Wish { name: Some("work"), ..Wish::default() }, lasting);
    assert_eq!(bench.run(&bench.escalated("true")).asked, 1);
    assert_eq!(tools.leaves(&bench, "project"), !tools.is_temporary);
    let file = bench.root.join("home/.codex/approvals/work.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "{}").unwrap();
    assert!(!tools.leaves(&bench, "project"));
    std::fs::write(&file, text).unwrap();
    assert_eq!(tools.leaves(&bench, "project"), !tools.is_temporary);
}

/// A session whose configuration lets commands write where the program lies.
fn open_to_commands(tools: &Tools) -> Bench {
    let config = format!(
        "[sandbox_workspace_write]\nwritable_roots = ['{}']\n[projects.'ROOT/project']\ntrust_level = 'trusted'\n",
        tools.path.display()
    );
    let bench = tools.bench(Wish { config: Box::leak(config.into_boxed_str()), ..Wish::default() }, yes);
    tools.overwrite(&bench);
    assert!(!tools.leaves(&bench, "project"));
    bench
}

fn a_narrower_mode_makes_nothing_more_trusted() {
    let tools = Tools::new();
    let mut bench = open_to_commands(&tools);
    bench.reopen_with(|setup| setup.asked = Some(Asked::Mode(SandboxMode::ReadOnly)));
    assert!(!tools.leaves(&bench, "project"));
    let typed = "sandbox_workspace_write.writable_roots=[]".to_owned();
    bench.reopen_with(|setup| setup.overrides.push(typed));
    assert!(!tools.leaves(&bench, "project"));
}

fn a_repository_that_narrows_makes_nothing_more_trusted() {
    let tools = Tools::new();
    let mut bench = open_to_commands(&tools);
    std::fs::create_dir_all(bench.root.join("project/.codex")).unwrap();
    let text = "[sandbox_workspace_write]\nwritable_roots = []\n";
    std::fs::write(bench.root.join("project/.codex/config.toml"), text).unwrap();
    bench.reopen();
    let config = &bench.session.policy().config;
    assert_eq!(config.sandbox_workspace_write.writable_roots, [], "the repository is heard");
    assert!(!tools.leaves(&bench, "project"));
}
