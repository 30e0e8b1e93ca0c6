//! `codex doctor`: what this machine offers, what each backend can enforce here, and proof of it.

use std::process::ExitCode;

use sandbox::probe::Host;
use serde_json::json;

use crate::arguments::DoctorArguments;
use crate::report::{Format, print};
use crate::selftest::{self, Trial};

/// A backend and its self-test.
struct Backend {
    name: &'static str,
    /// Why it cannot be tried.
    missing: Option<String>,
    trials: Vec<Trial>,
}

impl Backend {
    fn works(&self) -> bool {
        self.missing.is_none() && self.trials.iter().all(|trial| trial.kept)
    }
}

/// Prints the report; succeeds when at least one backend keeps every promise.
pub(crate) fn doctor(arguments: &DoctorArguments) -> ExitCode {
    let host = Host::examine(std::env::var_os("PATH").as_deref());
    let no_bwrap =
        host.bwrap.is_none().then(|| "there is no `bwrap` on PATH (apt-get install bubblewrap)".to_owned());
    let backends = [("bwrap", no_bwrap), ("namespaces", None)].map(|(name, missing)| {
        let trials = match &missing {
            None if !arguments.no_self_test => selftest::run(name),
            None | Some(_) => Vec::new(),
        };
        Backend { name, missing, trials }
    });
    let text = if arguments.json {
        format!("{:#}\n", to_json(&host, &backends))
    } else {
        to_text(&host, &backends, arguments)
    };
    if let Err(failure) = print(&text) {
        return Format::of(arguments.json).fail(&failure);
    }
    let usable = backends.iter().any(Backend::works);
    if usable { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn to_text(host: &Host, backends: &[Backend], arguments: &DoctorArguments) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| text += &format!("{name:<22} {value}\n");
    row("kernel", &format!("{} ({})", host.kernel, host.architecture));
    row("container", host.container.unwrap_or("none seen"));
    if let Some(version) = host.wsl {
        row("WSL", &version.to_string());
    }
    row(
        "user namespaces",
        &match &host.user_namespaces {
            Ok(()) => "usable".to_owned(),
            Err(error) => format!("refused: {error}"),
        },
    );
    let switch =
        |value: Option<u64>| value.map_or_else(|| "no such switch".to_owned(), |value| value.to_string());
    row("  max_user_namespaces", &switch(host.max_user_namespaces));
    row("  unprivileged_clone", &switch(host.unprivileged_userns_clone));
    row("  AppArmor restriction", &switch(host.apparmor_restrict_unprivileged_userns));
    row("seccomp", if host.seccomp_actions.is_empty() { "none" } else { "filters" });
    row("system-call table", if host.filter { "yes" } else { "none for this architecture" });
    row(
        "Landlock",
        &match host.landlock_abi {
            0 => "none".to_owned(),
            abi @ 1..3 => format!("ABI {abi}: not used (a second wall around writable places needs 3)"),
            abi @ 3..6 => {
                format!("ABI {abi}: a second wall around writable places (abstract sockets need 6)")
            }
            abi => format!("ABI {abi}: a second wall around writable places; cuts off abstract sockets"),
        },
    );
    row(
        "fresh /proc",
        if host.fresh_proc { "yes" } else { "refused by the kernel: a few static files instead" },
    );
    row(
        "bubblewrap",
        &match (&host.bwrap, &host.bwrap_version) {
            (Some(path), version) => {
                let version = version.as_deref().map_or_else(|| "no version".to_owned(), policies::escape);
                format!("{} ({version})", policies::escape(path.as_os_str()))
            }
            (None, _) => "not on PATH".to_owned(),
        },
    );
    for obstacle in host.obstacles() {
        text += &format!("\nin the way: {}\n      fix: {}\n", obstacle.layer, obstacle.fix);
    }
    for backend in backends {
        text += &format!("\nbackend {}\n", backend.name);
        if let Some(reason) = &backend.missing {
            text += &format!("  not tried: {reason}\n");
        } else if arguments.no_self_test {
            text += "  not tried: --no-self-test\n";
        }
        for trial in &backend.trials {
            let mark = if trial.kept { "ok    " } else { "BROKEN" };
            text += &format!("  {mark} {}\n", trial.promise);
            if !trial.kept {
                text += &format!("         {}\n", policies::escape(&trial.detail));
            }
        }
    }
    text
}

fn to_json(host: &Host, backends: &[Backend]) -> serde_json::Value {
    json!({
        "host": host,
        "obstacles": host.obstacles(),
        "backends": backends.iter().map(|backend| json!({
            "name": backend.name,
            "notTried": backend.missing,
            "selfTest": backend.trials,
            "works": backend.works(),
        })).collect::<Vec<_>>(),
    })
}
