//! `codex sandbox --ask-for-approval`: the whole way of a command, with questions on this terminal.

use std::os::fd::RawFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use escalation::approver::{DenyAll, Terminal};
use escalation::assess::{AssessorError, CommandAssessor, RiskAssessor};
use escalation::{
    Approver, BoxFuture, Call, ExecReport, ExecRequest, Lasting, NotRun, ProgramFiles, Run, RunEnd, Runner,
    Session, SessionError, SessionId, SessionParts, SetupError, Storage, Surroundings, TurnId, Unprepared,
    make_config_home,
};
use policies::AbsolutePath;
use policies::admin::AdminFolder;
use policies::effective::load::RuleScope;
use sandbox::LaunchError;
use sandbox::foreground::Foreground;

use crate::arguments::{AskingArguments, SandboxArguments};
use crate::caller::Caller;
use crate::ending::{Ending, released};
use crate::report::{Blame, Failure, Format};
use crate::run::{self, Settled};

/// Judges, asks, runs, and asks once more where that is wanted.
pub(crate) fn run(
    arguments: &SandboxArguments,
    caller: &Caller,
    format: Format,
) -> Result<ExitCode, Failure> {
    let argv = words(arguments)?;
    // The first run on a machine finds none.
    make_config_home(&caller.config_folder())?;
    // The guard gets ready while the configuration is read and the command is judged.
    let foreground = Foreground::prepare(arguments.keep_fd.clone())?;
    let Settled { policy, cwd } = run::settle(arguments, caller, format)?;
    let session = open(arguments, caller, policy, &cwd, format)?;
    let turn = TurnId("1".to_owned());
    session.begin_turn(&turn);
    let tty = std::io::IsTerminal::is_terminal(&std::io::stdin());
    let request = ExecRequest { tty, ..ExecRequest::new(Call::new(&turn, "command"), argv, cwd) };
    let mut runner = InForeground {
        prepared: Some(foreground),
        keep: arguments.keep_fd.clone(),
        timeout: arguments.timeout,
    };
    let runtime = runtime()?;
    let ending = Ending::take().map_err(|error| {
        Failure::new(Blame::Failed, format!("cannot listen for signals: {error}"), "try again")
    })?;
    let report = runtime.block_on(async {
        tokio::select! {
            biased;
            report = session.exec(&request, &mut runner) => Ok(report),
            signal = ending.wait() => Err(signal),
        }
    });
    let report = match report {
        Ok(report) => report,
        Err(signal) => {
            // The question is taken from the screen, and the terminal given back, before this program ends.
            drop((runner, session, runtime));
            format.warn("interrupted: nobody was asked any more, and nothing runs");
            return Ok(ExitCode::from(u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)));
        }
    };
    for warning in session.broker().take_warnings() {
        format.warn(&warning);
    }
    session.end_turn(&turn);
    finish(report, arguments, format)
}

/// Rules, record and memory, all in the configuration home.
fn open(
    arguments: &SandboxArguments,
    caller: &Caller,
    policy: policies::EffectivePolicy,
    cwd: &AbsolutePath,
    format: Format,
) -> Result<Session, Failure> {
    let AskingArguments { exec_policy, session, answer_within, risk_assessor, .. } = &arguments.asking;
    let home = caller.config_folder();
    let scope = if *exec_policy { RuleScope::All } else { RuleScope::SystemOnly };
    let rules = policy.load_rules(&AdminFolder::system(), &home, scope)?;
    for warning in &rules.warnings {
        format.warn(warning);
    }
    let approver: Arc<dyn Approver> = match Terminal::open(&home) {
        Ok(terminal) => Arc::new(terminal),
        Err(error) => Arc::new(DenyAll::because(error.to_string())),
    };
    // What commands could write, now or in an earlier run, does not run with our rights.
    let project = policy.config.project.as_ref().map(|project| project.root.as_path().to_owned());
    let folders = [caller.cwd.as_path().to_owned(), cwd.as_path().to_owned()];
    let temporary = caller.tmpdir().map(|folder| folder.as_path().to_owned());
    let writable = policy.declared_writable();
    let places = ProgramFiles::new(folders.into_iter().chain(project).chain(temporary).chain(writable));
    let assessor = risk_assessor.as_ref().map(|program| -> Result<Arc<dyn RiskAssessor>, Failure> {
        let program = AbsolutePath::parse(caller.cwd.as_path().join(program))?;
        Ok(Arc::new(CommandAssessor::new(program, Vec::new(), &places)?))
    });
    let storage = Storage::in_home(&home, session.is_some());
    Ok(Session::open(SessionParts {
        id: session.clone().unwrap_or_else(SessionId::random),
        policy,
        rules,
        surroundings: Surroundings {
            cwd: cwd.clone(),
            variables: caller.variables.clone(),
            config_home: caller.config_home(),
            executable: caller.executable.clone(),
            backend: arguments.backend,
        },
        approver,
        assessor: assessor.transpose()?,
        storage,
        answer_limit: answer_within.unwrap_or(Session::ANSWER_LIMIT),
        // This is one call. Rules of the user count where they are asked for.
        lasting: Lasting { session: session.is_some(), rules: *exec_policy },
    })?)
}

/// What is judged is text.
fn words(arguments: &SandboxArguments) -> Result<Vec<String>, Failure> {
    let word = |word: &std::ffi::OsString| {
        word.to_str().map(str::to_owned).ok_or_else(|| {
            let message = format!("cannot judge `{}`: it is not UTF-8", policies::escape(word));
            Failure::new(
                Blame::Usage,
                message,
                "pass such a name to a script, or leave out --ask-for-approval",
            )
        })
    };
    arguments.command.iter().map(word).collect()
}

/// One thread. Signals are for the thread that serves the command, so helpers of the runtime take none.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let without_signals = || {
        // sigprocmask(2) fails for bad arguments only.
        nix::sys::signal::SigSet::all().thread_block().ok();
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_start(without_signals)
        .build()
        .map_err(|error| Failure::new(Blame::Failed, format!("cannot start: {error}"), "try again"))
}

/// Runs with the caller's own streams.
struct InForeground {
    prepared: Option<Foreground>,
    keep: Vec<RawFd>,
    timeout: Option<Duration>,
}

impl Runner for InForeground {
    /// Blocks: nothing else goes on in this program meanwhile.
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        Box::pin(async move { released(|| self.run_now(run)) })
    }
}

impl InForeground {
    fn run_now(&mut self, run: Run) -> Result<RunEnd, LaunchError> {
        let prepared = self.prepared.take();
        let finished = if run.permit.is_confined() {
            let foreground = prepared.map_or_else(|| Foreground::prepare(self.keep.clone()), Ok)?;
            foreground.observe(run.permit, &run.backend, self.timeout)?
        } else {
            drop(prepared);
            sandbox::unconfined::observe(run.permit, self.timeout)?
        };
        Ok(RunEnd { outcome: finished.outcome, output: finished.tail })
    }
}

/// How a cancelled turn ends: as by Ctrl-C.
const CANCELLED: u8 = 130;

fn finish(report: ExecReport, arguments: &SandboxArguments, format: Format) -> Result<ExitCode, Failure> {
    for note in &report.notes {
        format.warn(note);
    }
    let ran = match report.result {
        Ok(ran) => ran,
        Err(NotRun::Cancelled { .. }) => {
            format.warn("cancelled");
            return Ok(ExitCode::from(CANCELLED));
        }
        Err(reason) => return Err(reason.into()),
    };
    if let Some(denial) = &ran.denial {
        format.warn(&denial.to_string());
    }
    if let Some(NotRun::Cancelled { .. }) = &report.retry {
        format.warn("no second attempt: cancelled");
        return Ok(ExitCode::from(CANCELLED));
    }
    if let Some(retry) = &report.retry {
        format.warn(&format!("no second attempt: {}", policies::display::with_causes(retry)));
    }
    Ok(run::finish(ran.outcome, ran.backend, arguments, format))
}

impl From<NotRun> for Failure {
    fn from(reason: NotRun) -> Self {
        let blame = match reason {
            NotRun::Unprepared(error) => return error.into(),
            NotRun::Launch(error) if error.is_about_the_host() => return run::with_obstacles(error.into()),
            NotRun::Launch(error) => return error.into(),
            NotRun::ApprovalFailed(_) | NotRun::Unrecorded(_) => Blame::Failed,
            NotRun::Forbidden { .. }
            | NotRun::Refused(..)
            | NotRun::Declined { .. }
            | NotRun::Cancelled { .. }
            | NotRun::Changed { .. } => Blame::Refused,
        };
        Self::of(blame, &reason, reason.help())
    }
}

impl From<Unprepared> for Failure {
    fn from(error: Unprepared) -> Self {
        let help = error.help();
        match error {
            Unprepared::Plan(error) => error.into(),
            Unprepared::Program(error) => error.into(),
            Unprepared::Backend(error) => error.into(),
            Unprepared::Empty
            | Unprepared::TooLong { .. }
            | Unprepared::Nul { .. }
            | Unprepared::Variable { .. }
            | Unprepared::Profile(_)
            | Unprepared::Grant(_)
            | Unprepared::Network(_)
            | Unprepared::Denied { .. }
            | Unprepared::Kept { .. }
            | Unprepared::NoPlace { .. }
            | Unprepared::Unseen { .. } => Self::of(Blame::Refused, &error, [help]),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::of(Blame::Failed, &error, [error.help()])
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::of(Blame::Failed, &error, [error.help()])
    }
}

impl From<AssessorError> for Failure {
    fn from(error: AssessorError) -> Self {
        Self::of(Blame::Refused, &error, [error.help().to_owned()])
    }
}
