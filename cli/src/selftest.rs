//! Proof, on this machine and now, that what is promised is enforced: canaries that a sandboxed command
//! must not reach, each beside a twin that it must.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

/// One promise, tried.
#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) promise: &'static str,
    pub(crate) kept: bool,
    /// What happened instead.
    pub(crate) detail: String,
}

/// A promise: a command, and what must be true afterwards.
struct Promise {
    name: &'static str,
    options: &'static [&'static str],
    script: &'static str,
    /// Whether the script must succeed.
    succeeds: bool,
    /// The canary's content afterwards.
    canary: &'static str,
}

const UNTOUCHED: &str = "canary";

const PROMISES: &[Promise] = &[
    Promise {
        name: "a command runs and can read",
        options: &[],
        script: "test \"$(cat canary)\" = canary",
        succeeds: true,
        canary: UNTOUCHED,
    },
    Promise {
        name: "read-only: nothing can be written",
        options: &[],
        script: "echo changed > canary",
        succeeds: false,
        canary: UNTOUCHED,
    },
    Promise {
        name: "workspace-write: the workspace can be written",
        options: &["--mode", "workspace-write"],
        script: "echo changed > canary",
        succeeds: true,
        canary: "changed\n",
    },
    Promise {
        name: "workspace-write: .git cannot be created or written",
        options: &["--mode", "workspace-write"],
        script: "mkdir .git/hooks || mv .git gone",
        succeeds: false,
        canary: UNTOUCHED,
    },
    Promise {
        name: "a denied file cannot be read",
        options: &["--deny-read", "canary"],
        script: "cat canary",
        succeeds: false,
        canary: UNTOUCHED,
    },
    Promise {
        name: "processes of the host cannot be seen",
        options: &[],
        script: "test -d /proc/self && test \"$(ls /proc | grep -c '^[0-9]')\" -gt 8",
        succeeds: false,
        canary: UNTOUCHED,
    },
    Promise {
        name: "kernel switches cannot be turned",
        options: &["--mode", "workspace-write"],
        script: "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern",
        succeeds: false,
        canary: UNTOUCHED,
    },
    Promise {
        name: "no privilege is left and none can be gained",
        options: &[],
        script: "grep -q '^CapEff:.*[1-9a-f]' /proc/self/status || ! grep -q '^NoNewPrivs:.*1' /proc/self/status \
                 || ! grep -q '^Seccomp:.*2' /proc/self/status",
        succeeds: false,
        canary: UNTOUCHED,
    },
    Promise {
        name: "with the network off there is no interface but an idle loopback",
        options: &["--network", "off"],
        script: "grep -v '^ *lo:' /proc/net/dev | grep -q ':'",
        succeeds: false,
        canary: UNTOUCHED,
    },
];

/// Tries every promise on `backend`.
pub(crate) fn run(backend: &str) -> Vec<Trial> {
    PROMISES.iter().map(|promise| attempt(promise, backend)).collect()
}

fn attempt(promise: &Promise, backend: &str) -> Trial {
    let outcome = Scratch::make().and_then(|scratch| try_promise(promise, backend, &scratch));
    let detail = match outcome {
        Ok(problem) => problem,
        Err(error) => Some(format!("the trial itself failed: {error}")),
    };
    Trial { promise: promise.name, kept: detail.is_none(), detail: detail.unwrap_or_default() }
}

/// What went wrong, if anything. A sandbox that does not start keeps no promise.
#[expect(clippy::disallowed_methods, reason = "runs this very program, as a user would")]
fn try_promise(promise: &Promise, backend: &str, scratch: &Scratch) -> std::io::Result<Option<String>> {
    let config_home = scratch.0.join("no-configuration");
    fs::create_dir_all(&config_home)?;
    let output = Command::new("/proc/self/exe")
        .args(["sandbox", "--backend", backend])
        .args(promise.options)
        .args(["--", "sh", "-c", promise.script])
        .current_dir(&scratch.0)
        .env("CODEX_HOME", config_home)
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .output()?;
    let ours = String::from_utf8_lossy(&output.stderr);
    if let Some(message) = ours.lines().find(|line| line.starts_with("codex: ")) {
        return Ok(Some(message.to_owned()));
    }
    if output.status.success() != promise.succeeds {
        return Ok(Some(format!("the command {}", if promise.succeeds { "failed" } else { "succeeded" })));
    }
    let canary = fs::read_to_string(scratch.0.join("canary"))?;
    Ok((canary != promise.canary).then(|| "the canary was changed".to_owned()))
}

/// A folder for one trial, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> std::io::Result<Self> {
        let base = Path::new("/var/tmp");
        let folder = tempfile::Builder::new().prefix("codex-doctor-").tempdir_in(base)?.keep();
        let scratch = Self(folder);
        fs::write(scratch.0.join("canary"), UNTOUCHED)?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in /var/tmp, under a name that says whose it is.
        fs::remove_dir_all(&self.0).ok();
    }
}
