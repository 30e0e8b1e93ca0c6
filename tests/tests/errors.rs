//! What is said when a run cannot begin: which status, and a message that names the object.

use anyhow::{Context, Result, ensure};
use tests::case::User;
use tests::identity::Identity;
use tests::place::{Place, skip_user};
use tests::process::{self, Finished};

/// A run that must fail before the command starts.
struct Fault {
    /// Flags after `codex sandbox`; a command that says it ran is added.
    flags: &'static [&'static str],
    config: &'static str,
    /// Statuses that are right.
    codes: &'static [i32],
    /// Each must occur in the message.
    names: &'static [&'static str],
}

const USAGE: &[i32] = &[2];
const INVALID: &[i32] = &[1];
/// Refused, or failed to be set up.
const REFUSED: &[i32] = &[125, 126];

fn check(place: &Place, fault: &Fault) -> Result<()> {
    std::fs::write(place.config_home().join("config.toml"), fault.config)?;
    let mut command = place.outside(&place.binary().to_string_lossy());
    let _configured = command.arg("sandbox").args(fault.flags).args(["--", "/bin/sh", "-c", "echo ran"]);
    let finished = process::finish(command, b"")?;
    judge(&finished, fault.codes, fault.names)
        .with_context(|| format!("codex sandbox {:?} with config {:?}", fault.flags, fault.config))
}

fn judge(finished: &Finished, codes: &[i32], names: &[&str]) -> Result<()> {
    let said = finished.err();
    ensure!(
        finished.code().is_some_and(|code| codes.contains(&code)),
        "the status is not in {codes:?}\n{finished}"
    );
    ensure!(finished.stdout.is_empty(), "something is on stdout\n{finished}");
    ensure!(said.starts_with("codex: "), "the message does not begin with `codex: `\n{finished}");
    ensure!(!said.contains("panicked"), "it panicked\n{finished}");
    for name in names {
        ensure!(said.contains(name), "the message lacks {name:?}\n{finished}");
    }
    ensure!(!said.chars().any(|c| c.is_control() && c != '\n'), "the message is not clean text\n{finished}");
    Ok(())
}

/// Runs `test` as each user that there is.
fn as_each_user(test: fn(&mut Place) -> Result<()>) -> Result<()> {
    for user in User::ALL {
        match Identity::of(user)? {
            None => skip_user(user)?,
            Some(identity) => {
                let mut place = Place::new(identity)?;
                place.allow_change(place.config_home());
                test(&mut place)?;
                place.close()?;
            }
        }
    }
    Ok(())
}

fn all(faults: &[Fault]) -> Result<()> {
    let own = Identity::own()?;
    let mut place = Place::new(own)?;
    place.allow_change(place.config_home());
    let failed: Vec<String> = faults
        .iter()
        .filter_map(|fault| check(&place, fault).err())
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    place.close()
}

#[test]
fn wrong_flags_are_usage_errors() -> Result<()> {
    all(&[
        Fault { flags: &["--mode", "nonsense"], config: "", codes: USAGE, names: &["nonsense", "read-only"] },
        Fault { flags: &["--nonsense"], config: "", codes: USAGE, names: &["--nonsense"] },
        Fault { flags: &["--backend", "magic"], config: "", codes: USAGE, names: &["magic", "namespaces"] },
        Fault { flags: &["--network", "maybe"], config: "", codes: USAGE, names: &["maybe"] },
        Fault { flags: &["--timeout", "soon"], config: "", codes: USAGE, names: &["soon"] },
        Fault { flags: &["--timeout", "-1s"], config: "", codes: USAGE, names: &["--timeout"] },
        Fault { flags: &["--keep-fd", "x"], config: "", codes: USAGE, names: &["--keep-fd"] },
        Fault { flags: &["--cd", "/"], config: "", codes: USAGE, names: &["--cd", "--permission-profile"] },
        Fault {
            flags: &["--include-managed-config"],
            config: "",
            codes: USAGE,
            names: &["--include-managed-config", "--permission-profile"],
        },
    ])
}

#[test]
fn invalid_configuration_is_named() -> Result<()> {
    let profile = &["-P", "probe"];
    all(&[
        Fault { flags: &[], config: "x = [\n", codes: INVALID, names: &["config.toml"] },
        Fault {
            flags: &["-c", "sandbox_mode=\"nonsense\""],
            config: "",
            codes: INVALID,
            names: &["nonsense", "read-only", "workspace-write", "danger-full-access"],
        },
        Fault {
            flags: &["-c", "sandbox_mode=\"external-sandbox\""],
            config: "",
            codes: INVALID,
            names: &["external-sandbox", "danger-full-access"],
        },
        Fault {
            flags: &["--mode", "workspace-write"],
            config: "[sandbox_workspace_write]\nwritable_roots = 7\n",
            codes: INVALID,
            names: &["writable_roots"],
        },
        Fault { flags: &["-P", "absent"], config: "", codes: INVALID, names: &["absent"] },
        Fault {
            flags: &[],
            config: "default_permissions = \"absent\"\n",
            codes: INVALID,
            names: &["absent"],
        },
        Fault {
            flags: &[],
            config: "[permissions.probe.filesystem]\n\":root\" = \"read\"\n",
            codes: INVALID,
            names: &["default_permissions"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe]\nextends = \"other\"\n[permissions.other]\nextends = \"probe\"\n",
            codes: INVALID,
            names: &["probe", "other"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe]\nextends = \"absent\"\n",
            codes: INVALID,
            names: &["absent"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe]\nextends = \":danger-full-access\"\n",
            codes: INVALID,
            names: &[":danger-full-access"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe.filesystem]\n\"/srv\" = \"execute\"\n",
            codes: INVALID,
            names: &["execute"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe.filesystem]\n\"relative/path\" = \"read\"\n",
            codes: INVALID,
            names: &["relative/path"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe.filesystem]\n\":root\" = \"read\"\n\"/srv/*.txt\" = \"write\"\n",
            codes: INVALID,
            names: &["/srv/*.txt"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe.filesystem]\nglob_scan_max_depth = 0\n\":root\" = \"read\"\n",
            codes: INVALID,
            names: &["glob_scan_max_depth"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe.filesystem.\":workspace_roots\"]\n\"../up\" = \"write\"\n",
            codes: INVALID,
            names: &["../up"],
        },
        Fault {
            flags: profile,
            config: "[permissions.probe.filesystem.\":minimal\"]\n\"x\" = \"write\"\n",
            codes: INVALID,
            names: &[":minimal"],
        },
        Fault {
            flags: &["-c", "shell_environment_policy.inherit=\"some\""],
            config: "",
            codes: INVALID,
            names: &["some"],
        },
    ])
}

#[test]
fn what_cannot_be_enforced_is_refused() -> Result<()> {
    all(&[
        // A search of the whole disk that nothing bounds.
        Fault {
            flags: &["-P", "probe"],
            config: "[permissions.probe.filesystem]\n\":root\" = \"read\"\n\"/**/*.pem\" = \"deny\"\n",
            codes: &[1, 125, 126],
            names: &["/**/*.pem"],
        },
        Fault { flags: &["--deny-read", "[a"], config: "", codes: &[1, 2, 126], names: &["[a"] },
        Fault {
            flags: &["--mode", "workspace-write", "--writable", "absent-root"],
            config: "",
            codes: &[1, 2, 125, 126],
            names: &["absent-root"],
        },
        Fault {
            flags: &["-P", ":workspace", "--cd", "absent-cwd"],
            config: "",
            codes: &[1, 2, 125, 126],
            names: &["absent-cwd"],
        },
        Fault {
            flags: &["--sandbox-state-json", "{"],
            config: "",
            codes: &[1, 2],
            names: &["sandbox state"],
        },
        Fault {
            flags: &["--sandbox-state-json", "{}"],
            config: "",
            codes: &[1, 2],
            names: &["permissionProfile"],
        },
        Fault { flags: &["--keep-fd", "77"], config: "", codes: &[1, 2, 125, 126], names: &["77"] },
    ])
}

#[test]
fn a_command_is_needed() -> Result<()> {
    as_each_user(|place| {
        for arguments in [&["sandbox"][..], &["sandbox", "--mode", "read-only"], &["sandbox", "--"]] {
            let mut command = place.outside(&place.binary().to_string_lossy());
            let _configured = command.args(arguments);
            judge(&process::finish(command, b"")?, USAGE, &[]).with_context(|| format!("{arguments:?}"))?;
        }
        Ok(())
    })
}

#[test]
fn an_unreadable_configuration_is_not_skipped() -> Result<()> {
    as_each_user(|place| {
        let file = place.config_home().join("config.toml");
        // User 0 reads anything but a directory.
        place.sh("mkdir $CODEX_HOME/config.toml")?;
        let mut command = place.outside(&place.binary().to_string_lossy());
        let _configured = command.args(["sandbox", "--", "echo", "ran"]);
        judge(&process::finish(command, b"")?, INVALID, &[&file.to_string_lossy()])?;
        place.sh(
            "rmdir $CODEX_HOME/config.toml; echo 'sandbox_mode = \"read-only\"' > $CODEX_HOME/config.toml",
        )?;
        if place.identity.user == User::Ordinary {
            place.sh("chmod 000 $CODEX_HOME/config.toml")?;
            let mut command = place.outside(&place.binary().to_string_lossy());
            let _configured = command.args(["sandbox", "--", "echo", "ran"]);
            judge(&process::finish(command, b"")?, INVALID, &[&file.to_string_lossy()])?;
        }
        Ok(())
    })
}

#[test]
fn a_deleted_cwd_is_named() -> Result<()> {
    as_each_user(|place| {
        let program = place.binary();
        let mut command = place.outside("/bin/sh");
        let script =
            "mkdir gone; cd gone; rmdir ../gone; exec \"$0\" sandbox --mode workspace-write -- echo ran";
        let _configured = command.args(["-c", script]).arg(program);
        judge(&process::finish(command, b"")?, &[1, 125, 126], &["director"])
    })
}

#[test]
fn control_characters_of_a_name_are_escaped() -> Result<()> {
    as_each_user(|place| {
        let mut command = place.outside(&place.binary().to_string_lossy());
        let _configured = command.args(["sandbox", "--", "./no\u{1b}[2Jsuch\u{7}program"]);
        judge(&process::finish(command, b"")?, &[127], &["such"])
    })
}

#[test]
fn a_refusal_tells_how_to_fix_it() -> Result<()> {
    as_each_user(|place| {
        place.sh("mkdir real; ln -s real .git")?;
        place.settle()?;
        let mut command = place.outside(&place.binary().to_string_lossy());
        let _configured = command.args(["sandbox", "--mode", "workspace-write", "--", "echo", "ran"]);
        let finished = process::finish(command, b"")?;
        judge(&finished, REFUSED, &[".git", "symlink"])?;
        ensure!(finished.err().contains("help"), "no way out is named\n{finished}");
        Ok(())
    })
}
