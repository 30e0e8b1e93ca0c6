//! What was granted before, under the policy of now; and what nobody is granted.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use escalation::approver::{Reply, Scripted};
use escalation::files::{Action, FileChange};
use escalation::{
    Answer, Ask, Call, ExecReport, ExecRequest, FileChangeRequest, PatchError, PermissionsAnswer,
    PermissionsGrant, PermissionsRequest, SandboxPermissions, Session, StdinRequest, SubcommandRequest,
    Subject,
};
use execpolicy::Placement;
use policies::{
    AbsolutePath, Access, AdditionalPermissions, Entry, EntryPath, GrantScope, NetworkAccess, SpecialPath,
};

use crate::ground::{Ground, Nothing, Wish, turn};

const OPEN: &str =
    "default_permissions = 'p'\n[permissions.p.filesystem]\n':root' = 'read'\n'ROOT/project' = 'write'\n";
const READ_ONLY: &str = "sandbox_mode = 'read-only'";
const ONLY_READ_ONLY: &str = "allowed_sandbox_modes = ['read-only']";

fn wish(config: &str) -> Wish {
    Wish { config: config.to_owned(), id: Some("s"), ..Wish::default() }
}

/// Says yes to everything, for the session.
fn yes(ask: &Ask) -> Reply {
    Reply::Answer(permissions(ask, GrantScope::Session, false).unwrap_or_else(Answer::for_session))
}

/// All that was asked for, if the question is for permissions.
fn permissions(ask: &Ask, scope: GrantScope, strict_auto_review: bool) -> Option<Answer> {
    let Subject::Permissions(subject) = &ask.subject else { return None };
    let permissions = subject.permissions.clone();
    Some(Answer::Grant(PermissionsAnswer { permissions, scope, strict_auto_review }))
}

fn everything() -> Arc<Scripted> {
    Arc::new(Scripted::with(yes))
}

fn nothing() -> Arc<Scripted> {
    Arc::new(Scripted::with(|_| Reply::Answer(Answer::Decline)))
}

fn writing(path: &AbsolutePath) -> AdditionalPermissions {
    let entries = vec![Entry::for_path(path.clone(), Access::Write)];
    AdditionalPermissions { entries, ..AdditionalPermissions::default() }
}

async fn want(session: &Session, cwd: AbsolutePath, permissions: AdditionalPermissions) -> PermissionsGrant {
    let call = Call::new(&turn("1"), "permissions");
    let environment_id = "local".to_owned();
    let request = PermissionsRequest { call, cwd, environment_id, permissions, reason: None };
    session.request_permissions(&request).await
}

async fn patch(session: &Session, ground: &Ground, path: &str, root: Option<&str>) -> Result<(), PatchError> {
    let path = PathBuf::from(ground.fill(path));
    let action = Action::Write { content: b"x".to_vec(), mode: None };
    let request = FileChangeRequest {
        call: Call::new(&turn("1"), "patch"),
        cwd: ground.project(),
        changes: vec![FileChange { path, action }],
        grant_root: root.map(|root| PathBuf::from(ground.fill(root))),
        diff: None,
        reason: None,
    };
    session.change_files(request).await.map(drop)
}

async fn run(session: &Session, request: &ExecRequest) -> ExecReport {
    session.exec(request, &mut Nothing).await
}

#[tokio::test]
async fn a_denial_beats_what_was_granted_before() {
    let ground = Ground::new(&wish(OPEN), everything());
    std::fs::create_dir(ground.path("outside/secret").as_path()).unwrap();
    let secret = ground.path("outside/secret");
    assert!(!want(&ground.session, ground.project(), writing(&secret)).await.permissions.is_empty());
    patch(&ground.session, &ground, "ROOT/outside/secret/1", None).await.unwrap();
    let approver = nothing();
    let denied = format!("{OPEN}'ROOT/outside' = 'deny'\n");
    let session = ground.reopen(&wish(&denied), approver.clone());
    assert!(patch(&session, &ground, "ROOT/outside/secret/2", None).await.is_err());
    assert!(!secret.as_path().join("2").exists());
    let report = run(&session, &ground.script("true")).await;
    assert!(report.result.is_ok(), "{:?}", report.result);
    assert!(report.notes.iter().any(|note| note.contains("granted before")), "{:?}", report.notes);
    assert!(approver.asked().is_empty());
    // Where it is not denied any more, it holds again.
    let session = ground.reopen(&wish(OPEN), nothing());
    patch(&session, &ground, "ROOT/outside/secret/2", None).await.unwrap();
}

#[tokio::test]
async fn requirements_beat_what_was_granted_before() {
    let ground = Ground::new(&wish(READ_ONLY), everything());
    want(&ground.session, ground.project(), writing(&ground.path("outside"))).await;
    patch(&ground.session, &ground, "ROOT/outside/1", None).await.unwrap();
    patch(&ground.session, &ground, "ROOT/project/1", Some("ROOT/project")).await.unwrap();
    let limited = Wish { requirements: ONLY_READ_ONLY.to_owned(), ..wish(READ_ONLY) };
    let approver = everything();
    let session = ground.reopen(&limited, approver.clone());
    for path in ["ROOT/outside/2", "ROOT/project/2", "ROOT/project/1"] {
        let refused = patch(&session, &ground, path, None).await;
        assert!(matches!(refused, Err(PatchError::NotRun(_))), "{path}: {refused:?}");
    }
    assert!(run(&session, &ground.script("true")).await.result.is_ok());
    assert!(approver.asked().is_empty(), "what no answer can open is not asked about");
}

#[tokio::test]
async fn a_folder_that_was_granted_is_no_way_around_the_policy_of_now() {
    let ground = Ground::new(&wish(OPEN), everything());
    patch(&ground.session, &ground, "ROOT/outside/1", Some("ROOT/outside")).await.unwrap();
    for (policy, config) in [
        ("\"never\"", OPEN.to_owned()),
        ("{granular={sandbox_approval=false,rules=true,mcp_elicitations=true}}", OPEN.to_owned()),
        ("\"on-request\"", format!("{OPEN}'ROOT/outside' = 'deny'\n")),
    ] {
        let session = ground.reopen(&Wish { policy: policy.to_owned(), ..wish(&config) }, nothing());
        assert!(patch(&session, &ground, "ROOT/outside/2", None).await.is_err(), "{policy}");
    }
    let approver = nothing();
    let session = ground.reopen(&wish(OPEN), approver.clone());
    patch(&session, &ground, "ROOT/outside/2", None).await.unwrap();
    assert!(approver.asked().is_empty());
}

#[tokio::test]
async fn an_old_grant_stops_no_command() {
    let ground = Ground::new(&wish(OPEN), everything());
    let (inner, outside) = (ground.path("project/inner"), ground.path("outside"));
    std::fs::create_dir(inner.as_path()).unwrap();
    want(&ground.session, ground.project(), writing(&inner)).await;
    want(&ground.session, ground.project(), writing(&outside)).await;
    std::fs::remove_dir(inner.as_path()).unwrap();
    symlink("/etc", inner.as_path()).unwrap();
    let report = run(&ground.session, &ground.script("true")).await;
    assert!(report.result.is_ok(), "{:?}", report.result);
    patch(&ground.session, &ground, "ROOT/outside/1", None).await.unwrap();
}

#[tokio::test]
async fn denied_names_are_denied_before_they_exist() {
    let config = format!("{OPEN}'ROOT/project/**/*.env' = 'deny'\n");
    let required = Wish {
        requirements: "[permissions.filesystem]\ndeny_read = ['ROOT/project/**/*.env', 'ROOT/outside/deep']"
            .to_owned(),
        ..wish(OPEN)
    };
    for wish in [wish(&config), required] {
        let approver = everything();
        let ground = Ground::new(&wish, approver.clone());
        for path in ["new.env", "below/new.env", "made/new.env/x"] {
            let refused = patch(&ground.session, &ground, path, None).await;
            assert!(matches!(refused, Err(PatchError::Judged(_))), "{path}: {refused:?}");
        }
        patch(&ground.session, &ground, "new.txt", None).await.unwrap();
        if !wish.requirements.is_empty() {
            assert!(patch(&ground.session, &ground, "ROOT/outside/deep/x", None).await.is_err());
        }
        assert!(approver.asked().is_empty());
    }
}

fn special(path: SpecialPath) -> AdditionalPermissions {
    AdditionalPermissions {
        entries: vec![Entry::for_special(path, Access::Write)],
        ..AdditionalPermissions::default()
    }
}

#[tokio::test]
async fn the_places_of_the_session_are_the_sessions() {
    let approver = everything();
    let ground = Ground::new(&wish(READ_ONLY), approver.clone());
    let roots = special(SpecialPath::ProjectRoots);
    let grant = want(&ground.session, ground.path("outside"), roots.clone()).await;
    assert_eq!(grant.permissions, writing(&ground.project()));
    let Subject::Permissions(shown) = approver.asked().remove(0).subject.clone() else { panic!() };
    assert_eq!((shown.permissions, shown.cwd), (writing(&ground.project()), ground.project()));
    let tmp = AbsolutePath::parse("/tmp").unwrap();
    let grant = want(&ground.session, ground.project(), special(SpecialPath::SlashTmp)).await;
    assert_eq!(grant.permissions, writing(&tmp));
    let reading = |path| AdditionalPermissions {
        entries: vec![Entry::new(path, Access::Read)],
        ..AdditionalPermissions::default()
    };
    let root = EntryPath::Special { path: SpecialPath::Root, subpath: None };
    let grant = want(&ground.session, ground.project(), reading(root)).await;
    assert_eq!(grant.permissions, reading(EntryPath::Path(AbsolutePath::root())));
    let request = ExecRequest {
        permissions: SandboxPermissions::WithAdditional(roots),
        cwd: ground.path("outside"),
        ..ground.script("true")
    };
    run(&ground.session, &request).await;
    let asked = approver.asked();
    let granted = asked.iter().filter_map(|ask| ask.exec()).filter_map(|exec| exec.additional.as_ref());
    for entry in granted.flat_map(|permissions| &permissions.entries) {
        assert!(matches!(entry.path, EntryPath::Path(_)), "{entry:?}");
    }
}

#[tokio::test]
async fn what_is_no_place_is_not_granted() {
    let approver = everything();
    let ground = Ground::new(&wish(OPEN), approver.clone());
    for token in [SpecialPath::Minimal, SpecialPath::Tmpdir, SpecialPath::Unknown(":new".to_owned())] {
        let grant = want(&ground.session, ground.project(), special(token.clone())).await;
        assert!(grant.permissions.is_empty() && grant.reason.is_some(), "{token:?}");
        let permissions = SandboxPermissions::WithAdditional(special(token));
        let report = run(&ground.session, &ExecRequest { permissions, ..ground.script("true") }).await;
        assert!(report.result.is_err());
    }
    assert!(approver.asked().is_empty());
}

#[tokio::test]
async fn nobody_is_granted_what_decides_about_later_commands() {
    let approver = everything();
    let ground = Ground::new(&wish(OPEN), approver.clone());
    symlink(ground.home(), ground.path("outside/link").as_path()).unwrap();
    let administrators = AbsolutePath::parse("/etc/codex/requirements.toml").unwrap();
    let ours = ["home", "home/rules/default.rules", "home/new/deep", "outside/link", "outside/link/rules"];
    let above = [AbsolutePath::root(), AbsolutePath::parse("/etc").unwrap()];
    for path in ours.map(|name| ground.path(name)).into_iter().chain([administrators]).chain(above) {
        let grant = want(&ground.session, ground.project(), writing(&path)).await;
        assert!(grant.permissions.is_empty() && grant.reason.is_some(), "{path}");
        let permissions = SandboxPermissions::WithAdditional(writing(&path));
        let report = run(&ground.session, &ExecRequest { permissions, ..ground.script("true") }).await;
        assert!(report.result.is_err(), "{path}");
    }
    let refused = patch(&ground.session, &ground, "ROOT/outside/1", Some("ROOT/home/rules")).await;
    assert!(matches!(refused, Err(PatchError::NotRun(_))), "{refused:?}");
    assert!(approver.asked().is_empty());
    // A folder around it is granted, and it stays as it was.
    let around = writing(&ground.path("home").parent().unwrap());
    assert!(!want(&ground.session, ground.project(), around).await.permissions.is_empty());
    patch(&ground.session, &ground, "ROOT/outside/1", None).await.unwrap();
    let asked = approver.asked().len();
    drop(patch(&ground.session, &ground, "ROOT/home/rules/x.rules", None).await);
    assert_eq!(approver.asked().len(), asked + 1);
    let reading = vec![Entry::for_path(ground.path("home"), Access::Read)];
    let reading = AdditionalPermissions {
        entries: reading,
        network: NetworkAccess::Restricted,
        ..AdditionalPermissions::default()
    };
    assert!(!want(&ground.session, ground.project(), reading).await.permissions.is_empty());
}

#[tokio::test]
async fn a_yes_to_writing_a_file_is_none_to_removing_it() {
    let approver = everything();
    let ground = Ground::new(&wish(OPEN), approver.clone());
    let change = async |action: Action| {
        let request = FileChangeRequest {
            call: Call::new(&turn("1"), "patch"),
            cwd: ground.project(),
            changes: vec![FileChange { path: PathBuf::from(ground.fill("ROOT/outside/f")), action }],
            grant_root: None,
            diff: None,
            reason: None,
        };
        ground.session.change_files(request).await.unwrap();
    };
    let write = |mode| Action::Write { content: b"x".to_vec(), mode };
    for (action, asked) in [
        (write(None), 1),
        (write(Some(0o644)), 1),
        (write(Some(0o755)), 2),
        (write(Some(0o755)), 2),
        (Action::Delete, 3),
        (write(None), 3),
        (Action::Delete, 3),
    ] {
        change(action.clone()).await;
        assert_eq!(approver.asked().len(), asked, "{action:?}");
    }
    let labels: Vec<String> = approver.asked().iter().map(|ask| ask.subject.label()).collect();
    let words = ["write", "write and make executable", "delete"];
    assert_eq!(labels, words.map(|word| format!("{word} {}", ground.path("outside/f"))));
}

fn subcommand(ground: &Ground, program: &str, argv: &[&str]) -> SubcommandRequest {
    SubcommandRequest {
        call: Call::new(&turn("1"), "item"),
        program: AbsolutePath::parse(program).unwrap(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        cwd: ground.project(),
        parent: Placement::Inside,
    }
}

#[tokio::test]
async fn a_strict_review_is_one_of_programs_and_input_too() {
    let review =
        |ask: &Ask| Reply::Answer(permissions(ask, GrantScope::Turn, true).unwrap_or(Answer::Decline));
    let ground = Ground::new(&wish(OPEN), Arc::new(Scripted::with(review)));
    let listing = subcommand(&ground, "/bin/ls", &["ls"]);
    let input = StdinRequest {
        call: Call::new(&turn("1"), "item"),
        process: "1".to_owned(),
        argv: vec!["bash".to_owned()],
        placement: Placement::Inside,
        text: "ls".to_owned(),
    };
    assert!(ground.session.subcommand(&listing).await.is_ok());
    assert!(ground.session.write_stdin(&input).await.is_ok());
    want(&ground.session, ground.project(), writing(&ground.path("outside"))).await;
    assert!(ground.session.subcommand(&listing).await.is_err());
    assert!(ground.session.write_stdin(&input).await.is_err());
}

/// A rule names a program, and not what a command could have put in its place.
#[tokio::test]
async fn what_commands_could_have_written_is_not_what_a_rule_names() {
    let rules = "prefix_rule(pattern=['truncate'], decision='allow')\n".to_owned();
    let wish = Wish { policy: "\"untrusted\"".to_owned(), rules, ..wish(OPEN) };
    let grant = |ask: &Ask| {
        let granted = permissions(ask, GrantScope::Turn, false);
        let is_subcommand = matches!(ask.subject, Subject::Subcommand(_));
        Reply::Answer(granted.unwrap_or(if is_subcommand { Answer::Decline } else { Answer::Accept }))
    };
    let ground = Ground::new(&wish, Arc::new(Scripted::with(grant)));
    let start = subcommand(&ground, "/usr/bin/truncate", &["truncate", "-s0", "x"]);
    assert!(ground.session.subcommand(&start).await.is_ok(), "nobody could have written it");
    // A command of this turn may write there, and runs; what it left stays when the turn is over.
    want(&ground.session, ground.project(), writing(&AbsolutePath::parse("/usr/bin").unwrap())).await;
    assert!(run(&ground.session, &ground.script("true")).await.result.is_ok());
    assert!(ground.session.subcommand(&start).await.is_err(), "who knows what it is now");
    ground.session.end_turn(&turn("1"));
    ground.session.begin_turn(&turn("1"));
    assert!(ground.session.subcommand(&start).await.is_err(), "the grant is over, and the file is there");
}

#[tokio::test]
async fn a_program_is_judged_by_its_file_and_by_its_name() {
    let rules = "prefix_rule(pattern=['rm'], decision='forbidden')\n".to_owned();
    let ground = Ground::new(&Wish { rules, ..wish(OPEN) }, everything());
    for (program, argv) in [("/bin/busybox", ["rm", "x"]), ("/bin/rm", ["x", "x"]), ("/bin/rm", ["rm", "x"])]
    {
        let came = ground.session.subcommand(&subcommand(&ground, program, &argv)).await;
        assert!(came.is_err(), "{program} {argv:?}");
    }
    assert!(ground.session.subcommand(&subcommand(&ground, "/bin/ls", &["ls"])).await.is_ok());
}
