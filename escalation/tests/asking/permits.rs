//! Random runs of commands: nothing starts without a record that it was allowed, and each such record starts one run.
//!
//! The runner is handed every permit that there is, so what it did not get was not permitted. It looks at the log at
//! that moment, as somebody would who stops everything there.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use escalation::approver::{Reply, Scripted};
use escalation::audit::{About, DecidedAs, Event, Filter, PlacementWord, Records, verify};
use escalation::{
    Answer, ApproverError, Ask, BoxFuture, Call, ExecRequest, Run, RunEnd, Runner, SandboxPermissions,
    Subject,
};
use policies::{AbsolutePath, Access, AdditionalPermissions, Entry};
use proptest::prelude::*;
use sandbox::foreground::Outcome;
use sandbox::{Ended, LaunchError};

use crate::ground::{Ground, Wish, turn};

const RULES: &str = "prefix_rule(pattern=['echo'], decision='allow')\n\
                     prefix_rule(pattern=['touch'], decision='prompt')\n\
                     prefix_rule(pattern=['chmod'], decision='forbidden')\n";
const POLICIES: [&str; 5] = [
    "\"untrusted\"",
    "\"on-failure\"",
    "\"on-request\"",
    "\"never\"",
    "{ granular = { sandbox_approval = true, rules = true, mcp_elicitations = true, request_permissions = true } }",
];
/// Allowed, asked about, and forbidden by a rule; of the others no rule speaks.
const COMMANDS: [&str; 5] = ["echo", "touch", "chmod", "true", "no-such-program"];

#[derive(Clone, Debug)]
struct Step {
    command: usize,
    wants: Wants,
    /// What is answered to its questions, in turn.
    says: [Say; 2],
    /// How its runs end.
    ends: Ends,
    /// Whether the log is broken when it begins.
    without_log: bool,
    without_turn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wants {
    Default,
    Escalated,
    More,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Say {
    Accept,
    ForSession,
    Rule,
    Decline,
    Cancel,
    Fail,
    /// The log breaks while the question is open.
    AcceptWithoutLog,
}

impl Say {
    fn is_yes(self) -> bool {
        matches!(self, Self::Accept | Self::ForSession | Self::Rule)
    }
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    Well,
    /// With words that look like a file that the sandbox denies.
    Denied,
    /// With words that look like no file in particular.
    Blocked,
    NotStarted,
    /// By a change of its program: it is decided on anew, if nobody was asked.
    Overtaken,
}

fn say() -> impl Strategy<Value = Say> {
    prop_oneof![
        4 => Just(Say::Accept),
        2 => Just(Say::ForSession),
        1 => Just(Say::Rule),
        1 => Just(Say::Decline),
        1 => Just(Say::Cancel),
        1 => Just(Say::Fail),
        1 => Just(Say::AcceptWithoutLog),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let wants = prop_oneof![3 => Just(Wants::Default), 1 => Just(Wants::Escalated), 1 => Just(Wants::More)];
    let ends = prop_oneof![
        2 => Just(Ends::Well),
        2 => Just(Ends::Denied),
        1 => Just(Ends::Blocked),
        1 => Just(Ends::NotStarted),
        1 => Just(Ends::Overtaken),
    ];
    let often = |one_in: u32| prop::bool::weighted(1.0 / f64::from(one_in));
    let step = (0..COMMANDS.len(), wants, [say(), say()], ends, often(8), often(8));
    step.prop_map(|(command, wants, says, ends, without_log, without_turn)| Step {
        command,
        wants,
        says,
        ends,
        without_log,
        without_turn,
    })
}

fn events(home: &Path) -> Vec<Event> {
    let records = Records::open(&home.join("audit"), Filter::default()).unwrap();
    records.map(|entry| entry.unwrap().record.unwrap().event).collect()
}

/// What was allowed to run, for each record of it: the call, where, and whether again.
fn allowed(events: &[Event]) -> Vec<(Call, PlacementWord, bool)> {
    let one = |event: &Event| {
        let Event::Decided { call, outcome: DecidedAs::Allowed, about, .. } = event else { return None };
        let About::Exec { placement, retry, .. } = about else { panic!("{about:?}") };
        Some((call.clone(), *placement, *retry))
    };
    events.iter().filter_map(one).collect()
}

/// A folder in the place of the log's file: nothing can be put on record.
struct Log(PathBuf);

impl Log {
    fn of(home: &Path) -> Self {
        Self(home.join("audit/audit.jsonl"))
    }

    fn break_it(&self) {
        if self.0.is_file() {
            fs::rename(&self.0, self.0.with_extension("away")).unwrap();
            fs::create_dir(&self.0).unwrap();
        }
    }

    fn mend(&self) {
        if self.0.is_dir() {
            fs::remove_dir(&self.0).unwrap();
            fs::rename(self.0.with_extension("away"), &self.0).unwrap();
        }
    }
}

/// Counts its permits, and starts nothing.
struct Counting<'a> {
    home: &'a Path,
    outside: PathBuf,
    call: Call,
    ends: Ends,
    runs: usize,
}

impl Runner for Counting<'_> {
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        self.runs += 1;
        // INVARIANT (I9): what is about to start is the last thing on record.
        let events = events(self.home);
        let last = allowed(&events[events.len().saturating_sub(1)..]);
        let [(call, placement, again)] = last.as_slice() else { panic!("started unrecorded: {events:?}") };
        assert_eq!((call, *again), (&self.call, run.attempt == 2));
        assert!(run.permit.is_confined() || *placement == PlacementWord::Outside);
        let ended = |code, output: String| {
            Ok(RunEnd { outcome: Outcome::Ended(Ended::Exited(code)), output: output.into_bytes() })
        };
        let outside = self.outside.display();
        let result = match self.ends {
            Ends::Well => ended(0, String::new()),
            Ends::Denied => ended(1, format!("touch: cannot touch '{outside}/x': Read-only file system\n")),
            Ends::Blocked => ended(1, "blocked by seccomp\n".to_owned()),
            Ends::NotStarted => Err(LaunchError::Confined),
            Ends::Overtaken => {
                Err(LaunchError::ProgramChanged { path: AbsolutePath::parse("/bin/true").unwrap() })
            }
        };
        Box::pin(std::future::ready(result))
    }
}

fn answer(ask: &Ask, say: Say) -> Reply {
    Reply::Answer(match say {
        Say::Accept | Say::AcceptWithoutLog => Answer::Accept,
        Say::ForSession => Answer::for_session(),
        Say::Rule => match ask.amendments.first() {
            Some(offer) => Answer::AcceptWithExecpolicyAmendment { prefix: offer.prefix.clone() },
            None => Answer::Accept,
        },
        Say::Decline => Answer::Decline,
        Say::Cancel => Answer::Cancel,
        Say::Fail => return Reply::Error(ApproverError::Failed { why: "it failed".to_owned() }),
    })
}

fn request(ground: &Ground, step: &Step, number: usize) -> ExecRequest {
    let call = Call::new(&turn("1"), format!("item-{number}"));
    let more = || AdditionalPermissions {
        entries: vec![Entry::for_path(ground.path("outside"), Access::Write)],
        ..AdditionalPermissions::default()
    };
    ExecRequest {
        permissions: match step.wants {
            Wants::Default => SandboxPermissions::UseDefault,
            Wants::Escalated => SandboxPermissions::RequireEscalated,
            Wants::More => SandboxPermissions::WithAdditional(more()),
        },
        ..ExecRequest::new(call, [COMMANDS[step.command], "x"], ground.project())
    }
}

/// The answers of the step that is played.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Say>>>);

async fn play(policy: &str, steps: &[Step]) {
    let script = Script::default();
    let (says, place) = (script.clone(), Arc::new(Mutex::new(None::<PathBuf>)));
    let home_of_script = Arc::clone(&place);
    let approver = Arc::new(Scripted::with(move |ask| {
        // There is no third question.
        let say = says.0.lock().unwrap().pop_front().unwrap();
        if say == Say::AcceptWithoutLog {
            Log::of(home_of_script.lock().unwrap().as_deref().unwrap()).break_it();
        }
        answer(ask, say)
    }));
    let wish = Wish { rules: RULES.to_owned(), ..Wish::policy(policy) };
    let ground = Ground::new(&wish, approver.clone());
    let home = ground.home();
    *place.lock().unwrap() = Some(home.clone());
    let log = Log::of(&home);
    let mut asked_before = 0;
    for (number, step) in steps.iter().enumerate() {
        *script.0.lock().unwrap() = step.says.into();
        if step.without_log {
            log.break_it();
        }
        if step.without_turn {
            ground.session.end_turn(&turn("1"));
        }
        let request = request(&ground, step, number);
        let outside = ground.path("outside").as_path().to_owned();
        let (call, ends) = (request.call.clone(), step.ends);
        let mut runner = Counting { home: &home, outside, call, ends, runs: 0 };
        let report = ground.session.exec(&request, &mut runner).await;
        log.mend();
        ground.session.begin_turn(&turn("1"));

        let permits = runner.runs;
        let recorded: Vec<_> =
            allowed(&events(&home)).into_iter().filter(|(call, ..)| *call == request.call).collect();
        assert_eq!(permits, recorded.len(), "{step:?}: {report:?}");
        let again = recorded.iter().filter(|(_, _, again)| *again).count();
        assert!(again <= 1 && (again == 0 || permits == 2), "{recorded:?}");
        let asked = approver.asked().split_off(asked_before);
        asked_before += asked.len();
        let is_refused = ["chmod", "no-such-program"].contains(&COMMANDS[step.command]);
        if is_refused || step.without_log || step.without_turn {
            assert_eq!((permits, asked.len()), (0, 0), "{step:?}: {report:?}");
        }
        assert!(policy != "\"never\"" || asked.is_empty(), "{asked:?}");
        for (ask, say) in asked.iter().zip(step.says) {
            let is_retry = matches!(ask.subject, Subject::Retry(_));
            match (is_retry, say.is_yes()) {
                (true, yes) => assert_eq!(again, usize::from(yes), "{step:?}: {report:?}"),
                (false, true) => assert!(permits >= 1, "{step:?}: {report:?}"),
                (false, false) => assert_eq!(permits, 0, "{step:?}: {report:?}"),
            }
        }
    }
    assert!(verify(&home.join("audit"), None).unwrap().is_sound());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_starts_is_what_was_put_on_record(
        policy in prop::sample::select(POLICIES.as_slice()),
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(play(policy, &steps));
    }
}
