//! Runs one row of the table: once, on one backend, as one user.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::case::{Backend, Case, Endpoint, User};
use crate::host::Endpoints;
use crate::identity::Identity;
use crate::place::{Place, missing_user};
use crate::process::{self, Finished, Running};
use crate::table::PREAMBLE;
use crate::tools::{self, STANDARD_PATH, Toolchain};
use crate::words::Words;

/// What became of a row.
#[derive(Debug)]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// It could not run here, and that is tolerated.
    Skipped(String),
}

/// Runs the row.
///
/// # Errors
/// With everything that was not as expected.
pub fn run(case: &Case, backend: Backend, user: User) -> Result<Outcome> {
    if let Some(arch) = case.arch.as_deref().filter(|arch| *arch != std::env::consts::ARCH) {
        return Ok(Outcome::Skipped(format!("skipped: only on {arch}")));
    }
    let Some(identity) = Identity::of(user)? else {
        return Ok(Outcome::Skipped(missing_user(user)?));
    };
    let tools = match Tools::find(case) {
        Ok(tools) => tools,
        Err(error) if tools::skipping_is_allowed() => {
            return Ok(Outcome::Skipped(format!("skipped: {error:#}")));
        }
        Err(error) => return Err(error),
    };
    if case.setup_as_root && Identity::own()?.user != User::Root {
        return Ok(Outcome::Skipped(missing_user(User::Root)?));
    }
    Probe::prepare(case, backend, identity, tools)?.run()?;
    Ok(Outcome::Passed)
}

/// The programs that the row needs.
struct Tools {
    path: String,
    python: PathBuf,
    _toolchain: Option<std::sync::Arc<Toolchain>>,
}

impl Tools {
    fn find(case: &Case) -> Result<Self> {
        let python = tools::find("python3");
        ensure!(case.python.is_none() || python.is_some(), "there is no python3 that everybody can execute");
        let mut path = STANDARD_PATH.to_owned();
        let mut toolchain = None;
        for need in &case.needs {
            if need == "cargo" {
                let found = tools::toolchain()?;
                path = format!("{}:{path}", found.bin().display());
                toolchain = Some(found);
                continue;
            }
            let found =
                tools::find(need).with_context(|| format!("needs `{need}`, which is not installed"))?;
            let folder = found.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
            if !path.split(':').any(|known| known == folder) {
                path = format!("{path}:{folder}");
            }
        }
        Ok(Self { path, python: python.unwrap_or_default(), _toolchain: toolchain })
    }
}

struct Probe<'a> {
    case: &'a Case,
    backend: Backend,
    place: Place,
    words: Words,
    tools: Tools,
    endpoints: Endpoints,
    bystander: Option<Running>,
}

impl<'a> Probe<'a> {
    fn prepare(case: &'a Case, backend: Backend, identity: Identity, tools: Tools) -> Result<Self> {
        let place = Place::new(identity)?;
        let abstract_name = format!("{}-abstract", place.mark());
        let endpoints = Endpoints::open(&place.host(), &abstract_name)?;
        let mut words = Words::default();
        words.set("ws", place.ws().display());
        words.set("home", place.home().display());
        words.set("out", place.out().display());
        words.set("host", place.host().display());
        words.set("scratch", place.root().display());
        words.set("uid", place.identity.uid);
        words.set("gid", place.identity.gid);
        words.set("user", &place.identity.name);
        words.set("mark", place.mark());
        words.set("backend", backend.as_str());
        words.set("codex", place.binary().display());
        words.set("python", tools.python.display());
        words.set("tcp_port", endpoints.tcp_port()?);
        words.set("udp_port", endpoints.udp_port()?);
        words.set("stream_socket", endpoints.stream_path().display());
        words.set("datagram_socket", endpoints.datagram_path().display());
        words.set("abstract_socket", abstract_name);

        // Its environment carries no mark: it belongs to the harness, not to the run.
        let mut sleep = process::command(&place.identity, "/bin/sleep");
        let _configured = sleep.arg("600").current_dir("/");
        let bystander = process::start(sleep, b"")?;
        words.set("host_pid", bystander.pid());
        Ok(Self { case, backend, place, words, tools, endpoints, bystander: Some(bystander) })
    }

    fn run(mut self) -> Result<()> {
        let case = self.case;
        if let Some(config) = &case.config {
            let file = self.place.config_home().join("config.toml");
            std::fs::write(&file, self.words.fill(config))?;
            self.place.give(&file)?;
        }
        if let Some(setup) = &case.setup {
            let identity = if case.setup_as_root { Identity::own()? } else { self.place.identity.clone() };
            let _finished = self.script(&identity, setup).context("the setup failed")?;
        }
        self.place.settle()?;
        for path in &case.changes {
            let path = PathBuf::from(self.words.fill(path));
            self.place.allow_change(path);
        }

        let command = self.command();
        let said = said(&command);
        let finished =
            process::finish(command, self.words.fill(case.stdin.as_deref().unwrap_or("")).as_bytes());
        let mut wrong = Vec::new();
        match &finished {
            Ok(finished) => wrong.extend(self.judge(finished)),
            Err(error) => wrong.push(format!("{error:#}")),
        }
        if let Some(after) = &case.after
            && let Err(error) = self.script(&self.place.identity, after)
        {
            wrong.push(format!("seen from outside, the effect is not as expected: {error:#}"));
        }
        wrong.extend(self.look_around()?);

        let report = finished.map_or_else(|_| String::new(), |finished| finished.to_string());
        let place = self.place;
        drop(self.endpoints);
        if let Err(error) = place.close() {
            wrong.push(format!("{error:#}"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let verdict = case.verdict;
        bail!("{}\n({verdict:?}: {})\nran: {said}\n{report}", wrong.join("\n"), case.why);
    }

    /// The launcher with the probed command.
    fn command(&self) -> Command {
        let case = self.case;
        let mut argv = vec![self.place.binary().display().to_string(), "sandbox".to_owned()];
        argv.extend(["--backend".to_owned(), self.backend.as_str().to_owned()]);
        if let Some(profile) = &case.profile {
            let flag = match profile.as_str() {
                "read-only" | "workspace-write" | "danger-full-access" => "--mode",
                _ => "--permission-profile",
            };
            argv.extend([flag.to_owned(), profile.clone()]);
        }
        argv.extend(case.args.iter().map(|arg| self.words.fill(arg)));
        argv.push("--".to_owned());
        if let Some(run) = &case.run {
            argv.extend(run.iter().map(|arg| self.words.fill(arg)));
        }
        if let Some(script) = &case.script {
            argv.extend(["/bin/sh".to_owned(), "-c".to_owned(), self.words.fill(script)]);
        }
        if let Some(python) = &case.python {
            let program = self.tools.python.display().to_string();
            argv.extend([program, "-c".to_owned(), format!("{PREAMBLE}\n{}", self.words.fill(python))]);
        }

        let mut command = if let Some(through) = &case.through {
            let mut shell = process::command(&self.place.identity, "/bin/sh");
            let _configured = shell.args(["-euc", &self.words.fill(through), "sh"]).args(&argv);
            shell
        } else {
            let (program, rest) =
                argv.split_first().map_or(("", [].as_slice()), |(program, rest)| (program, rest));
            let mut direct = process::command(&self.place.identity, program);
            let _configured = direct.args(rest);
            direct
        };
        let cwd = self.words.fill(case.cwd.as_deref().unwrap_or("{ws}"));
        let _configured = command
            .envs(self.place.environment())
            .env("PATH", &self.tools.path)
            .env("PWD", &cwd)
            .envs(case.env.iter().map(|(name, value)| (name, self.words.fill(value))))
            .current_dir(cwd);
        command
    }

    fn script(&self, identity: &Identity, text: &str) -> Result<Finished> {
        let mut command = process::command(identity, "/bin/sh");
        let _configured = command
            .args(["-euxc", &self.words.fill(text)])
            .envs(self.place.environment())
            .env("PATH", &self.tools.path)
            .current_dir(self.place.root());
        process::finish(command, b"")?.success()
    }

    /// Compares what the launcher did with the row.
    fn judge(&self, finished: &Finished) -> Vec<String> {
        let case = self.case;
        let mut wrong = Vec::new();
        match finished.code() {
            Some(code) if case.exit.admits(code) => {}
            Some(code) => wrong.push(format!("the exit status is {code}, not {:?}", case.exit)),
            None => wrong.push(format!("the launcher itself was killed: {}", finished.status)),
        }
        let (out, err) = (finished.out(), finished.err());
        if let Some(expected) = &case.stdout {
            let expected = self.words.fill(expected);
            if out != expected {
                wrong.push(format!("stdout is {out:?}, not {expected:?}"));
            }
        }
        for (stream, text, parts) in
            [("stdout", &out, &case.stdout_contains), ("stderr", &err, &case.stderr_contains)]
        {
            for part in parts {
                let part = self.words.fill(part);
                if !text.contains(&part) {
                    wrong.push(format!("{stream} lacks {part:?}"));
                }
            }
        }
        for part in &case.stdout_lacks {
            let part = self.words.fill(part);
            if out.contains(&part) {
                wrong.push(format!("stdout holds {part:?}"));
            }
        }
        if out.lines().any(|line| line.starts_with("codex: ")) {
            wrong.push("stdout holds a message of the launcher".to_owned());
        }
        wrong
    }

    /// What no row has to say: that nothing else happened.
    fn look_around(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let reached = self.endpoints.reached()?;
        let expected: std::collections::BTreeSet<Endpoint> = self.case.reaches.iter().copied().collect();
        if reached != expected {
            wrong.push(format!("it reached {reached:?} outside the sandbox, not {expected:?}"));
        }
        if let Some(mut bystander) = self.bystander.take()
            && bystander.has_ended()?
        {
            wrong.push("it ended a process outside the sandbox".to_owned());
        }
        Ok(wrong)
    }
}

/// The command without its environment and without the preamble, which would bury it.
fn said(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().replace(PREAMBLE, "# …"))
        .map(|word| if word.contains([' ', '\n', '"']) { format!("'{word}'") } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
