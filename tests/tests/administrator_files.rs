//! A file of the administrator that anybody else may have written, or that nobody can read, is believed by nobody:
//! nothing runs. And the folder that counts is the real one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tests::bound::{SECRET, fell_back, hidden, read, refused, run};
use tests::case::{Backend, User};
use tests::identity::Identity;
use tests::place::{Place, as_each_user, skip_user};
use tests::process::{self, Finished};
use tests::system::SystemFolder;

/// What is done to a file, and what the message then names.
struct Fault {
    what: &'static str,
    /// In the words of a shell, run by the harness with the file as `$1` and its folder as `$2`.
    script: &'static str,
    names: &'static [&'static str],
    /// Not for user 0, to whom nothing is unreadable.
    only_ordinary: bool,
    /// Needs user 0, who alone gives files away.
    only_as_root: bool,
}

impl Fault {
    const fn new(what: &'static str, script: &'static str, names: &'static [&'static str]) -> Self {
        Self { what, script, names, only_ordinary: false, only_as_root: false }
    }
}

const FAULTS: [Fault; 18] = [
    Fault::new("writable by everybody", "chmod 666 \"$1\"", &["writable", "chmod"]),
    Fault::new("replaceable by everybody", "chmod 777 \"$2\"", &["writable", "chmod"]),
    Fault::new("a directory", "rm \"$1\"; mkdir \"$1\"", &["not a regular file"]),
    Fault::new("a pipe that nobody writes to", "rm \"$1\"; mkfifo -m 644 \"$1\"", &["not a regular file"]),
    Fault::new("a link to nothing", "rm \"$1\"; ln -s /no/such/file \"$1\"", &["symlink"]),
    Fault::new("a link to a file", "mv \"$1\" \"$2/elsewhere\"; ln -s elsewhere \"$1\"", &["symlink"]),
    Fault::new("a link to itself", "rm \"$1\"; ln -s \"$1\" \"$1\"", &["symlink"]),
    Fault::new("a device", "rm \"$1\"; ln -s /dev/zero \"$1\"", &["symlink"]),
    Fault::new("no TOML in line 3", "printf '# a\\n# b\\nx = = 1\\n' > \"$1\"", &[":3"]),
    Fault::new("no UTF-8 in line 2", "printf '# a\\n# \\377\\n' > \"$1\"", &["UTF-8", "line 2"]),
    Fault::new("a byte-order mark of UTF-16", "printf '\\377\\376a\\000' > \"$1\"", &["UTF-8"]),
    Fault::new("NUL bytes", "printf '# a\\n\\000\\n' > \"$1\"", &["NUL"]),
    Fault::new("too large", "head -c 3000000 /dev/zero | tr '\\0' '\\n' > \"$1\"", &["larger"]),
    Fault::new(
        "a wrong word in line 2",
        "printf '\\nallowed_sandbox_modes = [\"ro\"]\\n' > \"$1\"",
        &[":2", "ro"],
    ),
    Fault::new(
        "a wrong type in line 1",
        "echo 'allowed_sandbox_modes = 1' > \"$1\"",
        &[":1", "allowed_sandbox_modes"],
    ),
    Fault::new(
        "an empty list",
        "echo 'allowed_approval_policies = []' > \"$1\"",
        &["allowed_approval_policies", "empty"],
    ),
    Fault { only_ordinary: true, ..Fault::new("unreadable", "chmod 000 \"$1\"", &["chmod"]) },
    Fault { only_as_root: true, ..Fault::new("somebody else's", "chown 12345 \"$1\"", &["12345", "chown"]) },
];

/// Each file of an administrator that start-up reads, with valid text.
const FILES: [(&str, &str); 3] = [
    ("requirements.toml", "allowed_sandbox_modes = [\"read-only\", \"workspace-write\"]\n"),
    ("managed_config.toml", "approval_policy = \"on-request\"\n"),
    ("requirements.d/10.toml", "allowed_sandbox_modes = [\"read-only\", \"workspace-write\"]\n"),
];

/// Runs a script as the harness itself, with `words` after `$0`.
fn as_harness(script: &str, words: &[&Path]) -> Result<Finished> {
    let mut command = process::command(&Identity::own()?, "/bin/sh");
    let _configured =
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["-euc", script, "sh"]).args(words);
    process::finish(command, b"")?.success()
}

#[test]
fn nothing_runs_beside_requirements_that_cannot_be_believed() -> Result<()> {
    nothing_runs_beside(FILES[0])
}

#[test]
fn nothing_runs_beside_a_managed_configuration_that_cannot_be_believed() -> Result<()> {
    nothing_runs_beside(FILES[1])
}

#[test]
fn nothing_runs_beside_a_delivered_layer_that_cannot_be_believed() -> Result<()> {
    nothing_runs_beside(FILES[2])
}

/// Breaks the file in every way, as each user that there is.
fn nothing_runs_beside((name, text): (&str, &str)) -> Result<()> {
    let own = Identity::own()?;
    let mut failed = Vec::new();
    for user in User::ALL {
        let Some(identity) = Identity::of(user)? else {
            skip_user(user)?;
            continue;
        };
        let place = Place::new(identity)?;
        for fault in &FAULTS {
            // The managed file is configuration: it has no such keys.
            let of_requirements = fault.script.contains("allowed_") && name == "managed_config.toml";
            let by_others = fault.only_as_root && own.user != User::Root;
            if of_requirements || by_others || fault.only_ordinary && user == User::Root {
                continue;
            }
            if let Err(error) = stops(&place, fault, name, text) {
                failed.push(format!("{name} is {}, for {}: {error:#}", fault.what, user.as_str()));
            }
        }
        place.close()?;
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

fn stops(place: &Place, fault: &Fault, name: &str, text: &str) -> Result<()> {
    let system = SystemFolder::new()?;
    let path = system.write(name, text)?;
    let folder = path.parent().context("a folder")?;
    let flags = &["--mode", "workspace-write"][..];
    let marker = place.ws().join("marker");
    let _ran = run(place, &system, Backend::Namespaces, flags, ": > marker")?.success()?;
    fs::remove_file(&marker)?;
    let _done = as_harness(fault.script, &[&path, folder])?;
    let finished = run(place, &system, Backend::Namespaces, flags, ": > marker");
    let shown = process::finish(system.codex(place, &["debug-config"]), b"");
    let explained = process::finish(system.codex(place, &["execpolicy", "explain", "--", "ls"]), b"");
    // So that the folder can be removed.
    let _done = as_harness("chmod -R u+rwX \"$1\"", &[&system.path()])?;
    let place_named = folder.display().to_string();
    let mut names = vec![place_named.as_str()];
    names.extend(fault.names);
    refused(place, &finished?, &[1], &names)?;
    refused(place, &shown?, &[1], &names)?;
    refused(place, &explained?, &[1], &names)
}

#[test]
fn a_folder_of_the_administrator_that_is_none_is_refused() -> Result<()> {
    as_each_user(|place| {
        for (name, script) in [
            ("requirements.d", "echo > \"$1\""),
            ("requirements.d", "ln -s /tmp \"$1\""),
            ("requirements.d", "ln -s /no/such/folder \"$1\""),
            ("requirements.d", "mkdir -m 777 \"$1\""),
        ] {
            let system = SystemFolder::new()?;
            let path = system.path().join(name);
            let _done = as_harness(script, &[&path])?;
            let finished =
                run(place, &system, Backend::Namespaces, &["--mode", "workspace-write"], ": > marker")?;
            refused(place, &finished, &[1], &[&path.display().to_string()])
                .with_context(|| script.to_owned())?;
        }
        Ok(())
    })
}

#[test]
fn a_missing_or_empty_system_folder_requires_nothing() -> Result<()> {
    as_each_user(|place| {
        let system = SystemFolder::new()?;
        let flags = &["--mode", "workspace-write"][..];
        let _ran = run(place, &system, Backend::Namespaces, flags, "true")?.success()?;
        fs::remove_dir(system.path())?;
        let _ran = run(place, &system, Backend::Namespaces, flags, "true")?.success()?;
        fs::create_dir(system.path())?;
        Ok(())
    })
}

/// Makes a root of root's own, with a copy of `/etc` that holds a `codex` folder, then becomes the user and runs a
/// command in it. `$1` is the text of `requirements.toml`, `$2` what is then done to the folder, `$3` where the root
/// goes, `$4` and `$5` the user, and what follows is the command.
///
/// The root is new because who owns `/` counts, too, and in a container that is not always root.
const PRIVATE_ROOT: &str = r#"
    text=$1 change=$2 root=$3 uid=$4 gid=$5 here=$PWD
    shift 5
    mkdir -p "$root"
    mount -t tmpfs -o mode=755 tests-root "$root"
    cd "$root"
    for entry in /*; do
        if [ -L "$entry" ]; then cp -a "$entry" .
        elif [ "$entry" = /etc ]; then cp -a /etc .
        elif [ -d "$entry" ]; then mkdir ".$entry"; mount --rbind "$entry" ".$entry"
        fi
    done
    mkdir -p -m 755 etc/codex .old
    chown 0:0 etc etc/codex
    printf '%s' "$text" > etc/codex/requirements.toml
    chmod 644 etc/codex/requirements.toml
    pivot_root . .old
    umount -l /.old
    rmdir /.old
    eval "$change"
    cd "$here"
    exec setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@"
"#;

/// A run that reads the real `/etc/codex`, without any variable of the tests.
fn under_private_root(place: &Place, text: &str, change: &str, arguments: &[&str]) -> Result<Finished> {
    let mut command = process::command(&Identity::own()?, "/usr/bin/unshare");
    let _configured = command
        .envs(place.environment())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir(place.ws())
        .args(["--mount", "--propagation", "private", "/bin/sh", "-euc", PRIVATE_ROOT, "sh", text, change])
        .arg(place.host().join("root"))
        .args([place.identity.uid.to_string(), place.identity.gid.to_string()])
        .arg(place.binary())
        .args(arguments);
    process::finish(command, b"")
}

#[test]
fn the_real_folder_is_the_one_that_counts() -> Result<()> {
    if Identity::own()?.user != User::Root {
        return skip_user(User::Root);
    }
    as_each_user(|place| {
        let marker = place.ws().join("marker");
        for backend in ["bwrap", "namespaces"] {
            let write = [
                "sandbox",
                "--backend",
                backend,
                "--mode",
                "workspace-write",
                "--",
                "/bin/sh",
                "-c",
                ": > marker",
            ];
            for change in ["rm -r /etc/codex", "rm /etc/codex/requirements.toml", "true"] {
                let _ran = under_private_root(place, "", change, &write)?
                    .success()
                    .with_context(|| format!("{backend}: {change}"))?;
                fs::remove_file(&marker)?;
            }
            let limit = "allowed_sandbox_modes = [\"read-only\"]\n";
            let finished = under_private_root(place, limit, "true", &write)?;
            fell_back(place, &finished, &["/etc/codex/requirements.toml"])?;
            let changes: [(&str, &[&str]); 8] = [
                ("echo 'x = = 1' > /etc/codex/requirements.toml", &["/etc/codex/requirements.toml:1"]),
                ("chmod o+w /etc/codex/requirements.toml", &["/etc/codex/requirements.toml", "chmod"]),
                ("chown 12345 /etc/codex/requirements.toml", &["/etc/codex/requirements.toml", "chown"]),
                ("chown 12345 /etc/codex", &["/etc/codex", "chown"]),
                ("chmod 777 /etc/codex", &["/etc/codex", "chmod"]),
                ("chmod 777 /etc", &["/etc", "chmod"]),
                ("chown 12345 /", &["`/`", "chown"]),
                ("mv /etc/codex /etc/elsewhere; ln -s elsewhere /etc/codex", &["/etc/codex"]),
            ];
            for (change, names) in changes {
                let finished = under_private_root(place, "", change, &write)?;
                refused(place, &finished, &[1], names).with_context(|| change.to_owned())?;
            }
        }
        let secret = place.host().join("secret.txt");
        fs::write(&secret, SECRET)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644))?;
        let cat = ["sandbox", "--", "/bin/cat", &secret.display().to_string()].map(str::to_owned);
        let cat: Vec<&str> = cat.iter().map(String::as_str).collect();
        read(under_private_root(place, "", "true", &cat)?)?;
        let text = format!("[permissions.filesystem]\ndeny_read = [\"{}\"]\n", secret.display());
        hidden(&under_private_root(place, &text, "true", &cat)?)
    })
}

#[test]
fn no_file_of_the_user_s_stands_in_for_requirements() -> Result<()> {
    as_each_user(|place| {
        let system = SystemFolder::new()?;
        let path = system.requires("allowed_sandbox_modes = [\"read-only\"]\n")?;
        // Neither another config home nor another home changes what the administrator requires.
        let own = place.host().join("own");
        fs::create_dir(&own)?;
        fs::write(own.join("requirements.toml"), "")?;
        fs::write(own.join("config.toml"), "default_permissions = \":workspace\"\n")?;
        symlink(&own, place.host().join("link"))?;
        chown(&own, Some(place.identity.uid), Some(place.identity.gid))?;
        for variable in ["CODEX_HOME", "HOME", "XDG_CONFIG_HOME", "CODEX_SYSTEM_FOLDER", "CODEX_REQUIREMENTS"]
        {
            for value in [own.clone(), place.host().join("link")] {
                let mut command =
                    system.sandbox(place, Backend::Namespaces, &["--mode", "workspace-write"], ": > marker");
                let _configured = command.env(variable, value);
                let finished = process::finish(command, b"")?;
                fell_back(place, &finished, &[&path.display().to_string()])
                    .with_context(|| variable.to_owned())?;
            }
        }
        Ok(())
    })
}
