//! `codex execpolicy …`, as types.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::arguments::Overrides;

/// `codex execpolicy`.
#[derive(Debug, Args)]
pub(crate) struct ExecpolicyArguments {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    #[command(subcommand)]
    pub(crate) command: ExecpolicyCommand,
}

/// Which commands rules allow, and why.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecpolicyCommand {
    /// Match a command against rule files, and print the rules that match as JSON
    Check(CheckArguments),
    /// Say what would happen to a command in a session, why, and what would change that
    Explain(ExplainArguments),
    /// Run the unit tests of a policy
    Test(TestArguments),
    /// Replay recorded commands, and tell what new rules would change
    Simulate(SimulateArguments),
    /// Lay rule files out in one style
    Fmt(FmtArguments),
    /// Find rules that are duplicates, decide nothing or can never apply
    Lint(LintArguments),
}

/// `codex execpolicy check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Options are read up to the first word of the command. The exit status is 0 whatever the rules say, 1 when a rule
file cannot be used, 2 for wrong usage. This is the bare matching of rules: what a session makes of the command,
with its shell text and the fallback for what no rule names, is `codex execpolicy explain`.")]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    overrides: Overrides,

    /// A rule file (repeatable)
    #[arg(short = 'r', long = "rules", value_name = "PATH", required = true)]
    pub(crate) rules: Vec<PathBuf>,

    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,

    /// Let rules for a bare name also match absolute paths, as `host_executable` allows
    #[arg(long)]
    pub(crate) resolve_host_executables: bool,

    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// What a verdict depends on besides rules and command.
#[derive(Debug, Default, Args)]
pub(crate) struct ContextArguments {
    /// When a person is asked: untrusted, on-failure, on-request, never or granular:CATEGORY,… with the
    /// categories that may ask (sandbox_approval, rules); `explain` takes it from the configuration, `simulate`
    /// takes on-request
    #[arg(long, value_name = "POLICY")]
    pub(crate) approval_policy: Option<crate::approval::ApprovalWord>,

    /// What contains the command: read-only, workspace-write or danger-full-access; `explain` takes it from the
    /// configuration, `simulate` takes workspace-write
    #[arg(long, value_name = "MODE")]
    pub(crate) sandbox_mode: Option<policies::SandboxMode>,

    /// The working directory of the command
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
}

/// `codex execpolicy explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  codex execpolicy explain -- bash -lc 'git status && rm -rf build'
  codex execpolicy explain --rules my.rules --approval-policy never -- git push
  codex execpolicy explain --json -- timeout 5 make")]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    /// A rule file besides those of the session (repeatable)
    #[arg(short = 'r', long = "rules", value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,

    /// Leave out the rule files of the configuration home and of the repository
    #[arg(long)]
    pub(crate) ignore_rules: bool,

    /// Also read NAME.config.toml of the configuration home
    #[arg(short = 'p', long = "profile", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    #[command(flatten)]
    pub(crate) context: ContextArguments,

    /// Judge it as a request to run outside the sandbox
    #[arg(long)]
    pub(crate) escalate: bool,

    /// Write the verdict as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// The command
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `codex execpolicy test`.
#[derive(Debug, Args)]
#[command(after_help = "\
A test file is TOML:
  rules = [\"default.rules\"]            # relative to the test file
  [[test]]
  command = [\"git\", \"push\"]            # or: script = \"git push && ls\"
  expect = \"forbidden\"                 # allow, prompt, prompt-user or forbidden
  blame = \"default.rules:3\"            # optional: the rule, or rule, heuristic, guard, parse")]
pub(crate) struct TestArguments {
    #[command(flatten)]
    overrides: Overrides,

    /// A rule file that every test file uses, besides its own (repeatable)
    #[arg(short = 'r', long = "rules", value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,

    /// Write the results as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Fail when fewer than this many of a hundred rules take part in a test
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) min_coverage: u8,

    /// The test files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `codex execpolicy simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The history has one command a line, as JSON: an array is an argv, a string is a script for `bash -lc`, and an
object has `argv` or `script`, and may have `cwd`.")]
pub(crate) struct SimulateArguments {
    #[command(flatten)]
    overrides: Overrides,

    /// Recorded commands: JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) history: PathBuf,

    /// The new rules (repeatable)
    #[arg(long, value_name = "PATH", required = true)]
    pub(crate) rules: Vec<PathBuf>,

    /// The rules that they replace (repeatable); none without
    #[arg(long, value_name = "PATH")]
    pub(crate) rules_old: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) context: ContextArguments,

    /// Write the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `codex execpolicy fmt`.
#[derive(Debug, Args)]
pub(crate) struct FmtArguments {
    #[command(flatten)]
    overrides: Overrides,

    /// Change nothing; exit with 1 when a file would change
    #[arg(long)]
    pub(crate) check: bool,

    /// The rule files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `codex execpolicy lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    #[command(flatten)]
    overrides: Overrides,

    /// Write the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// The rule files, in the order in which they are read
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
