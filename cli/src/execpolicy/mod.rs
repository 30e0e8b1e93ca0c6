//! `codex execpolicy …`: rules at the command line.

pub(crate) mod arguments;
mod check;
pub(crate) mod context;
mod explain;
mod fmt;
mod lint;
mod simulate;
mod test;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use execpolicy::{Policy, RuleSet};
use policies::rules::{Input, RulesError, load_rule_file, text_of};

use crate::arguments::Overrides;
use crate::report::{Blame, Failure, Format};
use arguments::{ExecpolicyArguments, ExecpolicyCommand};

/// Runs one of the sub-commands.
pub(crate) fn execpolicy(arguments: &ExecpolicyArguments, outer: &Overrides) -> ExitCode {
    let overrides = outer.followed_by(&arguments.overrides);
    let (format, result) = match &arguments.command {
        ExecpolicyCommand::Check(arguments) => (Format::Text, check::check(arguments)),
        ExecpolicyCommand::Explain(arguments) => {
            let overrides = overrides.followed_by(&arguments.overrides);
            (Format::of(arguments.json), explain::explain(arguments, &overrides))
        }
        ExecpolicyCommand::Test(arguments) => (Format::of(arguments.json), test::test(arguments)),
        ExecpolicyCommand::Simulate(arguments) => (Format::of(arguments.json), simulate::simulate(arguments)),
        ExecpolicyCommand::Fmt(arguments) => (Format::Text, fmt::fmt(arguments)),
        ExecpolicyCommand::Lint(arguments) => (Format::of(arguments.json), lint::lint(arguments)),
    };
    result.unwrap_or_else(|failure| format.fail(&failure))
}

impl From<RulesError> for Failure {
    fn from(error: RulesError) -> Self {
        let help = error.help();
        let snippet =
            if let RulesError::Rules(error) = &error { error.snippet.clone() } else { String::new() };
        Self::of(Blame::Invalid, &error, help).with_lines(&snippet)
    }
}

/// Rule files, read in the order in which they were named.
struct Rules {
    /// Each with its name as people know it.
    files: Vec<(String, RuleSet)>,
    policy: Policy,
}

impl Rules {
    fn load<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<Self, Failure> {
        let mut rules = Self { files: Vec::new(), policy: Policy::default() };
        for path in paths {
            let set = load_rule_file(path, &rules.policy)?;
            rules.policy.add(set.clone());
            rules.files.push((path.to_string_lossy().into_owned(), set));
        }
        Ok(rules)
    }
}

/// A text file that we were asked to read, up to a size.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    let shown = policies::escape(path);
    let failed = |error: std::io::Error| {
        Failure::new(Blame::Invalid, format!("cannot read `{shown}`: {error}"), "name a readable text file")
    };
    let mut bytes = Vec::new();
    let file = Input::open(path).map_err(failed)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let message = format!("refused `{shown}`: it has more than {limit} bytes");
        return Err(Failure::new(Blame::Invalid, message, "split it"));
    }
    text_of(bytes)
        .map_err(|place| Failure::new(Blame::Invalid, format!("`{shown}` is {place}"), "save it as UTF-8"))
}
