//! The command line, as types.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use escalation::SessionId;
use policies::SandboxMode;
use sandbox::BackendChoice;

use crate::approval::ApprovalWord;
use crate::approvals::arguments::ApprovalsArguments;
use crate::audit::arguments::AuditArguments;
use crate::execpolicy::arguments::ExecpolicyArguments;
use crate::policy::arguments::{DebugConfigArguments, RequirementsArguments};

/// Runs commands that a language model wrote inside a sandbox that the kernel enforces.
#[derive(Debug, Parser)]
#[command(name = "codex", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings for one run: in front of the sub-command, or among its options. `sandbox` shows its own.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Overrides {
    /// Override a configuration value
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE", hide = true)]
    pub(crate) config: Vec<String>,

    /// Turn a feature on
    #[arg(long, value_name = "FEATURE", hide = true)]
    pub(crate) enable: Vec<String>,

    /// Turn a feature off
    #[arg(long, value_name = "FEATURE", hide = true)]
    pub(crate) disable: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a sandbox.
    Sandbox(Box<SandboxArguments>),
    /// Say which commands the rules allow, and why.
    Execpolicy(Box<ExecpolicyArguments>),
    /// Show what was approved for longer than once, and take it back.
    Approvals(ApprovalsArguments),
    /// Show the configuration that holds here, and who decided each value.
    DebugConfig(DebugConfigArguments),
    /// Check and explain the limits that an administrator sets.
    Requirements(RequirementsArguments),
    /// Read the record of every decision, and check that it is whole.
    Audit(AuditArguments),
    /// Show what this machine can enforce, and prove it.
    Doctor(DoctorArguments),
}

const AFTER_HELP: &str = "\
Without options the command can read every file, write none, and has no network.

Examples:
  codex sandbox -- ls /                                  read-only
  codex sandbox --mode workspace-write -- make           may write here and in /tmp
  codex sandbox --mode workspace-write --network on -- npm install
  codex sandbox --deny-read '**/*.env' -- cat secrets.env
  codex sandbox --mode workspace-write --explain -- true    show the plan, run nothing
  codex sandbox --mode workspace-write -a on-failure -- make install    ask before it gets more

Exit status: the command's own, 128+N when signal N ended it; 1 invalid configuration, 2 wrong usage,
124 timeout, 125 the sandbox failed, 126 refused or not executable, 127 program not found.";

/// `codex sandbox`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct SandboxArguments {
    /// What the command may do: read-only, workspace-write or danger-full-access
    #[arg(long, value_name = "MODE", conflicts_with = "permission_profile")]
    pub(crate) mode: Option<SandboxMode>,

    /// A permission profile: `:read-only`, `:workspace`, `:danger-full-access` or one from the configuration
    #[arg(short = 'P', long = "permission-profile", alias = "permissions-profile", value_name = "NAME")]
    pub(crate) permission_profile: Option<String>,

    /// Also let the command write here (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) writable: Vec<PathBuf>,

    /// Hide these files from the command: a path or a glob, relative to the working directory (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub(crate) deny_read: Vec<OsString>,

    /// Network access, whatever the profile says
    #[arg(long, value_name = "on|off", value_parser = parse_switch)]
    pub(crate) network: Option<bool>,

    /// What enforces it: auto, bwrap or namespaces
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub(crate) backend: BackendChoice,

    /// Print what the command would see, and which backend would enforce it; run nothing
    #[arg(long)]
    pub(crate) explain: bool,

    /// Write our own messages, and the plan, as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// End the command after this long: 90, 90s, 15m, 2h, 500ms
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,

    /// Let the command keep this open descriptor of ours; all others are closed (repeatable)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(3..))]
    pub(crate) keep_fd: Vec<RawFd>,

    /// Override a configuration value: TOML, or else plain text (repeatable)
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE")]
    pub(crate) config: Vec<String>,

    /// Turn a feature on (repeatable)
    #[arg(long, value_name = "FEATURE")]
    pub(crate) enable: Vec<String>,

    /// Turn a feature off (repeatable)
    #[arg(long, value_name = "FEATURE")]
    pub(crate) disable: Vec<String>,

    /// Also read NAME.config.toml of the configuration home
    #[arg(short = 'p', long = "profile", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Start the command in this folder
    #[arg(short = 'C', long = "cd", value_name = "DIR", requires = "permission_profile")]
    pub(crate) cd: Option<PathBuf>,

    /// Apply the administrator's requirements even though a profile is named
    #[arg(long, requires = "permission_profile")]
    pub(crate) include_managed_config: bool,

    /// The sandbox of a running agent, as it describes it
    #[arg(long, value_name = "JSON", conflicts_with_all = ["permission_profile", "mode"])]
    pub(crate) sandbox_state_json: Option<String>,

    /// With --sandbox-state-json: also let the command read this folder (repeatable)
    #[arg(long, value_name = "DIR", requires = "sandbox_state_json")]
    pub(crate) sandbox_state_readable_root: Vec<PathBuf>,

    /// With --sandbox-state-json: without network
    #[arg(long, requires = "sandbox_state_json")]
    pub(crate) sandbox_state_disable_network: bool,

    #[command(flatten)]
    pub(crate) asking: AskingArguments,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Judging the command, and asking about it.
#[derive(Debug, Args)]
pub(crate) struct AskingArguments {
    /// Judge the command, and ask here where that is needed: untrusted, on-failure, on-request, never, or
    /// granular:CATEGORY,… of sandbox_approval, rules and request_permissions
    #[arg(short = 'a', long, value_name = "POLICY", conflicts_with = "explain", help_heading = ASKING)]
    pub(crate) ask_for_approval: Option<ApprovalWord>,

    /// Judge by your rule files and the repository's, too, and not only by the administrator's
    #[arg(long, requires = "ask_for_approval", help_heading = ASKING)]
    pub(crate) exec_policy: bool,

    /// Remember what is approved for the session under this name, for later runs with the same name
    #[arg(long, value_name = "NAME", requires = "ask_for_approval", value_parser = parse_session, help_heading = ASKING)]
    pub(crate) session: Option<SessionId>,

    /// How long a question waits for an answer [default: 1h]
    #[arg(long, value_name = "DURATION", requires = "ask_for_approval", value_parser = parse_duration, help_heading = ASKING)]
    pub(crate) answer_within: Option<Duration>,

    /// A program that says how risky a command is; it decides nothing. See docs/assessor.md
    #[arg(long, value_name = "PROGRAM", requires = "ask_for_approval", help_heading = ASKING)]
    pub(crate) risk_assessor: Option<PathBuf>,
}

/// The heading in the help.
const ASKING: &str = "Asking";

fn parse_session(name: &str) -> Result<SessionId, String> {
    SessionId::parse(name).map_err(|error| format!("{error}: {}", error.help()))
}

impl Overrides {
    /// These, then `later`, which win.
    pub(crate) fn followed_by(&self, later: &Self) -> Self {
        let join = |earlier: &[String], later: &[String]| [earlier, later].concat();
        Self {
            config: join(&self.config, &later.config),
            enable: join(&self.enable, &later.enable),
            disable: join(&self.disable, &later.disable),
        }
    }
}

impl SandboxArguments {
    /// Adds what stood in front of the sub-command; what stands behind it comes later, and wins.
    pub(crate) fn with(mut self, overrides: Overrides) -> Self {
        let Overrides { config, enable, disable } = overrides;
        for (own, outer) in
            [(&mut self.config, config), (&mut self.enable, enable), (&mut self.disable, disable)]
        {
            own.splice(0..0, outer).for_each(drop);
        }
        self
    }
}

/// `codex doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Write the report as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Only look; do not run the self-test
    #[arg(long)]
    pub(crate) no_self_test: bool,
}

fn parse_switch(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

pub(crate) fn parse_duration(word: &str) -> Result<Duration, String> {
    let wrong = || "expected a positive number with ms, s, m or h, as in 90s".to_owned();
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.filter(|ms| *ms > 0).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execpolicy::arguments::ExecpolicyCommand;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        for (word, milliseconds) in
            [("2", 2000), ("2s", 2000), ("500ms", 500), ("3m", 180_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(word), Ok(Duration::from_millis(milliseconds)), "{word}");
        }
        for word in ["", "0", "-1", "s", "1d", "1.5s", "99999999999999999999"] {
            assert!(parse_duration(word).is_err(), "{word}");
        }
    }

    #[test]
    fn overrides_may_stand_in_front_of_the_sub_command() {
        let words = ["codex", "-c", "a=1", "--enable", "x", "sandbox", "-c", "a=2", "--", "ls"];
        let cli = Cli::try_parse_from(words).unwrap();
        let Command::Sandbox(arguments) = cli.command else { panic!("sandbox") };
        let arguments = arguments.with(cli.overrides);
        assert_eq!(arguments.config, ["a=1", "a=2"]);
        assert_eq!(arguments.enable, ["x"]);
    }

    #[test]
    fn rules_are_judged_whatever_the_configuration() {
        let overrides = ["-c", "a=1", "--enable", "x", "--disable=y"];
        for rest in [
            &["check", "-r", "a.rules", "ls"][..],
            &["explain", "ls"],
            &["test", "a.toml"],
            &["simulate", "--history", "h", "--rules", "a.rules"],
            &["fmt", "a.rules"],
            &["lint", "a.rules"],
        ] {
            let command = [&["codex", "execpolicy"], rest].concat();
            for at in 1..=3 {
                let words = [&command[..at], &overrides, &command[at..]].concat();
                assert!(Cli::try_parse_from(&words).is_ok(), "{words:?}");
            }
        }
        // Behind its first word they are the command's.
        let words = ["codex", "execpolicy", "check", "-r", "a", "ls", "-c", "x"];
        let Command::Execpolicy(arguments) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        let ExecpolicyCommand::Check(check) = arguments.command else { panic!("check") };
        assert_eq!(check.command, ["ls", "-c", "x"]);
    }

    #[test]
    fn everything_after_the_command_belongs_to_it() {
        let cli = Cli::try_parse_from(["codex", "sandbox", "ls", "-P", "--json"]).unwrap();
        let Command::Sandbox(arguments) = cli.command else { panic!("sandbox") };
        assert_eq!(arguments.command, ["ls", "-P", "--json"]);
        assert!(!arguments.json);
    }
}
