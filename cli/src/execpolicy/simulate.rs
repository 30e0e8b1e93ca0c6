//! `codex execpolicy simulate`: what new rules would change for commands that really ran.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use execpolicy::Request;
use execpolicy::display::visible;
use execpolicy::simulate::{Change, Recorded, Simulation};
use policies::rules::{Input, text_of};

use super::Rules;
use super::arguments::SimulateArguments;
use super::context::Surroundings;
use crate::report::{Blame, Failure, print, print_json};

/// The longest line of a history, with its newline: the longest command that is looked into, with room for JSON's escapes.
const MAX_LINE: u64 = 4 << 20;

/// Replays the history and prints what changes.
pub(super) fn simulate(arguments: &SimulateArguments) -> Result<ExitCode, Failure> {
    let (old, new) = (Rules::load(&arguments.rules_old)?, Rules::load(&arguments.rules)?);
    let surroundings = Surroundings::plain(&arguments.context)?;
    let mut simulation = Simulation::default();
    each_command(&arguments.history, |recorded| {
        let context = surroundings.context(Request::Default, recorded.cwd.as_deref());
        simulation.replay(&old.policy, &new.policy, &recorded.argv, &context);
    })?;
    let simulation = simulation.finish();
    if arguments.json {
        print_json(&simulation)?;
    } else {
        print(&text(&simulation))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a history line by line: it may be larger than memory. A line that is no command stops it, because a
/// report that leaves out what it could not read would look better than it is.
fn each_command(path: &Path, mut replay: impl FnMut(&Recorded)) -> Result<(), Failure> {
    let shown = policies::escape(path);
    let failed = |error: std::io::Error| {
        Failure::new(
            Blame::Invalid,
            format!("cannot read the history `{shown}`: {error}"),
            "name a readable file",
        )
    };
    let mut reader = BufReader::new(Input::open(path).map_err(failed)?);
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read =
            reader.by_ref().take(MAX_LINE.saturating_add(1)).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            break;
        }
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::new(
                Blame::Invalid,
                format!("{shown}:{number}: {why}"),
                "`codex execpolicy simulate --help` shows the format",
            )
        };
        if line.len() as u64 > MAX_LINE {
            return Err(wrong(&format!("the line has more than {MAX_LINE} bytes")));
        }
        let text = text_of(line).map_err(|place| wrong(&format!("not UTF-8: byte {}", place.byte)))?;
        if text.trim().is_empty() {
            continue;
        }
        replay(&Recorded::parse(&text).map_err(|error| wrong(&error))?);
    }
    Ok(())
}

fn text(simulation: &Simulation) -> String {
    let mut text = format!(
        "{} commands replayed: {} questions before, {} after, {} removed\n",
        simulation.commands, simulation.prompts_before, simulation.prompts_after, simulation.prompts_removed
    );
    let mut heading = None;
    for changed in &simulation.changed {
        if heading != Some(changed.change) {
            heading = Some(changed.change);
            text.push_str(&format!("\n{}:\n", title(changed.change)));
        }
        text.push_str(&format!(
            "  {:>5}x {}\n         {} -> {}: {}\n",
            changed.times,
            visible(&changed.command),
            changed.old,
            changed.new,
            visible(&changed.why)
        ));
    }
    text
}

fn title(change: Change) -> &'static str {
    match change {
        Change::NewlyAllowed => "Newly allowed",
        Change::NewlyForbidden => "Newly forbidden",
        Change::NewlyAsked => "Newly asked about",
        Change::NewlyOutside => "Runs outside the sandbox now",
        Change::NewlyInside => "Stays inside the sandbox now",
    }
}
