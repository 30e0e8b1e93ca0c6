//! `codex approvals …`, as types.

use clap::{ArgGroup, Args, Subcommand};
use escalation::SessionId;

/// `codex approvals`.
#[derive(Debug, Args)]
pub(crate) struct ApprovalsArguments {
    #[command(subcommand)]
    pub(crate) command: ApprovalsCommand,
}

/// What was approved for longer than once.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Show what sessions remember, and the rules that acceptances wrote
    List(ListArguments),
    /// Take approvals back, also of a session that is running
    Revoke(RevokeArguments),
}

/// `codex approvals list`.
#[derive(Debug, Args)]
#[command(after_help = "\
What was approved for one turn is in the memory of its session only, and is not shown.
Exit status: 0, also when nothing is remembered; 1 when something cannot be read, 2 when there is
no such session.")]
pub(crate) struct ListArguments {
    /// Only what this session remembers
    #[arg(long, value_name = "SESSION", value_parser = parse_session)]
    pub(crate) session: Option<SessionId>,

    /// Write the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `codex approvals revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["ids", "session", "all", "rules"]).required(true).multiple(true))]
#[command(after_help = "\
Examples:
  codex approvals revoke g1f0c2a9be77d         by the names that `codex approvals list` shows
  codex approvals revoke --session work        everything that a session remembers
  codex approvals revoke --rule 3              line 3 of rules/default.rules
  codex approvals revoke --rule '3:git push'   the same, if that is still the rule for `git push`

It is on record before it happens, and holds from the next question on, also in a session that is
running. Hosts that were denied stay denied.
Exit status: 0; 1 when something cannot be read, 2 when there is no such approval, 125 when it
cannot be removed.")]
pub(crate) struct RevokeArguments {
    /// Names of approvals
    #[arg(value_name = "ID", conflicts_with_all = ["all", "rules"])]
    pub(crate) ids: Vec<String>,

    /// Everything that this session remembers; with names, only of this session
    #[arg(long, value_name = "SESSION", value_parser = parse_session, conflicts_with_all = ["all", "rules"])]
    pub(crate) session: Option<SessionId>,

    /// Everything that all sessions remember; rules stay
    #[arg(long, conflicts_with = "rules")]
    pub(crate) all: bool,

    /// The rule that an acceptance wrote on this line of rules/default.rules; with its words, only if they are still
    /// there (repeatable)
    #[arg(long = "rule", value_name = "LINE[:WORDS]", value_parser = parse_rule)]
    pub(crate) rules: Vec<RuleName>,
}

/// Which rule is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RuleName {
    /// From 1.
    pub(crate) line: u32,
    /// What it is about, as a shell would write it.
    pub(crate) words: Option<String>,
}

fn parse_session(word: &str) -> Result<SessionId, String> {
    SessionId::parse(word).map_err(|error| format!("{error}; {}", error.help()))
}

fn parse_rule(word: &str) -> Result<RuleName, String> {
    let (line, words) = match word.split_once(':') {
        Some((line, words)) => (line, Some(words.to_owned())),
        None => (word, None),
    };
    match line.parse() {
        Ok(line) if line > 0 => Ok(RuleName { line, words }),
        Ok(_) | Err(_) => {
            Err("expected the number of a line, alone or with the rule's words, as in 3:git push".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Cli;
    use clap::Parser as _;

    #[test]
    fn a_rule_is_named_by_its_line() {
        let name = |line, words: Option<&str>| Ok(RuleName { line, words: words.map(str::to_owned) });
        assert_eq!(parse_rule("3"), name(3, None));
        assert_eq!(parse_rule("3:git 'a:b'"), name(3, Some("git 'a:b'")));
        for word in ["", "0", "-1", "git", "3 ", "99999999999"] {
            assert!(parse_rule(word).is_err(), "{word}");
        }
    }

    #[test]
    fn revoke_says_what() {
        let parses =
            |words: &[&str]| Cli::try_parse_from([&["codex", "approvals", "revoke"], words].concat()).is_ok();
        for good in [
            &["g1"][..],
            &["g1", "g2", "--session", "s"],
            &["--session", "s"],
            &["--all"],
            &["--rule", "1", "--rule", "2:x"],
        ] {
            assert!(parses(good), "{good:?}");
        }
        for bad in [
            &[][..],
            &["g1", "--all"],
            &["g1", "--rule", "1"],
            &["--all", "--session", "s"],
            &["--all", "--rule", "1"],
            &["--session", "../s"],
            &["--session", "s", "--rule", "1"],
        ] {
            assert!(!parses(bad), "{bad:?}");
        }
    }
}
