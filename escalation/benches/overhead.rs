//! What deciding costs: a run that policy allows through a session, against the bare launcher, in one process.
//!
//! `cargo bench -p escalation --bench overhead [-- ROUNDS]`. The two take turns, so that whatever else the machine does
//! hits both alike; compare the ratio, not the milliseconds.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark prints, vouches for its own runs, and stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use escalation::approver::DenyAll;
use escalation::{
    BoxFuture, Call, ExecRequest, Run, RunEnd, Runner, Session, SessionId, SessionParts, Storage,
    Surroundings, TurnId,
};
use policies::admin::AdminFolder;
use policies::effective::EffectivePolicy;
use policies::effective::load::{Obey, PolicySources, RuleScope};
use policies::{AbsolutePath, Asked, ConfigSources, PermissionProfile, Purpose, SandboxMode, SessionRequest};
use sandbox::foreground::Outcome;
use sandbox::{
    Backend, BackendChoice, Ended, Helper, LaunchError, LaunchOptions, Permit, Plan, PlanRequest, Streams,
};

const DEFAULT_ROUNDS: usize = 500;
const WARM_UP: usize = 30;
const PROGRAM: &str = "/bin/true";

fn main() -> ExitCode {
    if let Some(code) = sandbox::take_over().or_else(policies::rules::take_over) {
        return code;
    }
    let rounds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(DEFAULT_ROUNDS);
    let folder = tempfile::Builder::new().prefix("overhead-bench-").tempdir_in("/var/tmp").unwrap();
    let session = session(folder.path());
    let cwd = absolute(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (mut bare, mut decided) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + rounds {
        let (one, other) =
            (time(|| launch_bare(&cwd)), time(|| runtime.block_on(launch_decided(&session, &cwd))));
        if round >= WARM_UP {
            bare.push(one);
            decided.push(other);
        }
    }
    let (bare, decided) = (median(bare), median(decided));
    println!("{rounds} sandboxed runs of {PROGRAM} each, interleaved\n");
    println!("bare launcher                      {:>8.3} ms", milliseconds(bare));
    println!("decided, recorded, permitted       {:>8.3} ms", milliseconds(decided));
    println!("ratio                              {:>8.3}", decided.as_secs_f64() / bare.as_secs_f64());
    ExitCode::SUCCESS
}

fn time(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn absolute(path: &Path) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

fn launch_bare(cwd: &AbsolutePath) {
    let profile = PermissionProfile::workspace_write(&policies::WorkspaceWrite::default());
    let environment = policies::child_environment(
        &policies::ShellEnvironmentPolicy::default(),
        std::env::vars_os(),
        profile.network(),
    );
    let plan = Plan::resolve(PlanRequest {
        profile: &profile,
        cwd,
        workspace: cwd,
        environment: environment.into_iter().collect::<BTreeMap<_, _>>(),
        tmpdir: None,
        config_home: None,
        executable: None,
        never_readable: &[],
    })
    .unwrap();
    let program = plan.resolve_program(OsStr::new(PROGRAM)).unwrap();
    let backend = sandbox::choose(BackendChoice::Namespaces, &plan, None).unwrap();
    let permit = Permit::dangerously_vouch(plan, program, vec![PROGRAM.into()]);
    assert_eq!(launch(permit, &backend).unwrap(), Ended::Exited(0));
}

async fn launch_decided(session: &Session, cwd: &AbsolutePath) {
    let call = Call::new(&TurnId("1".to_owned()), "bench");
    let request = ExecRequest::new(call, [PROGRAM], cwd.clone());
    let report = session.exec(&request, &mut Bare).await;
    assert_eq!(report.result.unwrap().outcome, Outcome::Ended(Ended::Exited(0)));
}

fn launch(permit: Permit, backend: &Backend) -> Result<Ended, LaunchError> {
    let options = LaunchOptions { streams: Streams::inherited(), terminal: None, restore: None, limit: None };
    Helper::start(Vec::new())?.launch(permit, backend, options)?.wait()
}

struct Bare;

impl Runner for Bare {
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        Box::pin(async move {
            let ended = launch(run.permit, &run.backend)?;
            Ok(RunEnd { outcome: Outcome::Ended(ended), output: Vec::new() })
        })
    }
}

fn session(folder: &Path) -> Session {
    let home = folder.join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::create_dir(home.join("rules")).unwrap();
    let rules: String = (0..200)
        .map(|number| format!("prefix_rule(pattern=[\"tool{number}\", \"sub\"], decision=\"allow\")\n"))
        .collect();
    std::fs::write(home.join("rules/default.rules"), rules).unwrap();
    let admin = AdminFolder::system();
    let cwd = absolute(folder);
    let request = SessionRequest {
        purpose: Purpose::Sandbox,
        asked: Some(Asked::Mode(SandboxMode::WorkspaceWrite)),
        cwd: cwd.clone(),
        home: None,
        tmpdir: None,
    };
    let config = ConfigSources {
        codex_home: home.clone(),
        profile_file: None,
        overrides: Vec::new(),
        cwd: cwd.clone(),
        home: None,
        system: Vec::new(),
        managed: Vec::new(),
    };
    let sources = PolicySources {
        admin: &admin,
        managed: &[],
        mdm: None,
        legacy_mdm: None,
        hostname: "bench",
        account_home: None,
        config,
        obey: Obey::ConfigurationOnly,
    };
    let policy = EffectivePolicy::load(sources, &request).unwrap();
    let rules = policy.load_rules(&admin, &home, RuleScope::All).unwrap();
    let session = Session::open(SessionParts {
        id: SessionId::random(),
        policy,
        rules,
        surroundings: Surroundings {
            cwd,
            variables: std::env::vars_os().collect(),
            config_home: AbsolutePath::parse(&home).ok(),
            executable: None,
            backend: BackendChoice::Namespaces,
        },
        approver: Arc::new(DenyAll::default()),
        assessor: None,
        storage: Storage::in_home(&home, true),
        answer_limit: Session::ANSWER_LIMIT,
        lasting: escalation::Lasting::default(),
    })
    .unwrap();
    session.begin_turn(&TurnId("1".to_owned()));
    session
}
