//! What an administrator requires is what the kernel enforces: a file in place, and the command denied.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::case::{Backend, Endpoint, User};
use tests::host::Endpoints;
use tests::identity::Identity;
use tests::place::{Place, as_each_user, skip_user};
use tests::process::{self, Finished};
use tests::system::SystemFolder;

tests::on_every_backend_and_user!(
    a_denied_file_cannot_be_read,
    a_denied_directory_cannot_be_entered,
    files_of_a_denied_glob_cannot_be_read,
    no_detour_leads_to_a_denied_file,
    a_denied_file_in_a_writable_root_stays_hidden,
    a_run_inside_a_denied_directory_is_refused,
    a_profile_that_grants_a_denied_path_is_refused,
    a_flag_that_grants_a_denied_path_is_refused,
    full_access_beside_denied_paths_becomes_read_only,
    a_refused_mode_becomes_read_only,
    a_refused_profile_becomes_the_required_one,
    a_flag_that_leaves_the_requirements_is_refused,
    a_named_profile_is_bound_only_when_asked_for,
    a_managed_profile_is_enforced,
    the_legacy_file_is_enforced,
    a_managed_network_leaves_no_direct_way_out,
);

/// What no command may see.
const SECRET: &str = "the-secret-of-the-administrator";

/// How a refusal to begin may end.
const REFUSED: &[i32] = &[1, 125, 126];

/// Puts a file into `out`, which no run may change.
fn put(place: &mut Place, name: &str, text: &str) -> Result<String> {
    let path = place.out().join(name);
    tests::system::write(&place.out(), &path, text)?;
    for path in path.ancestors().take_while(|path| *path != place.out()) {
        place.give(path)?;
    }
    place.settle()?;
    Ok(path.display().to_string())
}

/// Writes the user's configuration.
fn configure(place: &mut Place, text: &str) -> Result<()> {
    let path = place.config_home().join("config.toml");
    fs::write(&path, text)?;
    place.give(&path)?;
    place.settle()
}

fn deny(system: &SystemFolder, paths: &[&str]) -> Result<()> {
    let list: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
    let text = format!("[permissions.filesystem]\ndeny_read = [{}]\n", list.join(", "));
    system.requires(&text).map(|_| ())
}

fn run(
    place: &Place,
    system: &SystemFolder,
    backend: Backend,
    flags: &[&str],
    script: &str,
) -> Result<Finished> {
    process::finish(system.sandbox(place, backend, flags, script), b"")
}

/// The command ran, and the kernel kept the secret from it.
fn hidden(finished: &Finished) -> Result<()> {
    let said = finished.err();
    ensure!(finished.code().is_some_and(|code| code != 0), "it went well\n{finished}");
    ensure!(!finished.out().contains(SECRET), "the secret is out\n{finished}");
    ensure!(!said.contains("codex: error"), "it did not run\n{finished}");
    ensure!(
        said.contains("Permission denied") || said.contains("No such file"),
        "it failed for another reason\n{finished}"
    );
    Ok(())
}

/// The command ran and read the secret: there was nothing else in its way.
fn read(finished: Finished) -> Result<()> {
    let finished = finished.success()?;
    ensure!(finished.out().contains(SECRET), "it read something else\n{finished}");
    Ok(())
}

/// Nothing ran, for a reason that is told.
fn refused(place: &Place, finished: &Finished, codes: &[i32], names: &[&str]) -> Result<()> {
    let said = finished.err();
    ensure!(finished.code().is_some_and(|code| codes.contains(&code)), "not in {codes:?}\n{finished}");
    ensure!(finished.stdout.is_empty(), "something is on stdout\n{finished}");
    ensure!(!place.ws().join("marker").exists(), "the command ran\n{finished}");
    ensure!(said.starts_with("codex: ") && !said.contains("panicked"), "not our words\n{finished}");
    ensure!(said.contains("help"), "no way out is named\n{finished}");
    for name in names {
        ensure!(said.contains(name), "the message lacks {name:?}\n{finished}");
    }
    Ok(())
}

/// The flags of each way to choose a confined profile for which requirements count.
const CONFINED: [&[&str]; 5] = [
    &[],
    &["--mode", "read-only"],
    &["--mode", "workspace-write"],
    &["-P", ":workspace", "--include-managed-config"],
    &["-c", "sandbox_mode=workspace-write"],
];

fn a_denied_file_cannot_be_read(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "secret.txt", SECRET)?;
    let open = put(place, "open.txt", SECRET)?;
    let system = SystemFolder::new()?;
    read(run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    deny(&system, &[&secret])?;
    for flags in CONFINED {
        let finished = run(place, &system, backend, flags, &format!("cat {secret}"))?;
        hidden(&finished).with_context(|| format!("{flags:?}"))?;
        read(run(place, &system, backend, flags, &format!("cat {open}"))?)?;
    }
    Ok(())
}

fn a_denied_directory_cannot_be_entered(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "vault/deep/secret.txt", SECRET)?;
    let vault = place.out().join("vault").display().to_string();
    let system = SystemFolder::new()?;
    read(run(place, &system, backend, &[], &format!("cd {vault}/deep && ls && cat secret.txt"))?)?;
    deny(&system, &[&vault])?;
    for flags in CONFINED {
        for script in [format!("cat {secret}"), format!("cd {vault}/deep && cat secret.txt")] {
            let finished = run(place, &system, backend, flags, &script)?;
            // `cd` says it in the shell's words.
            ensure!(finished.code() != Some(0), "{flags:?} {script}\n{finished}");
            ensure!(!finished.out().contains(SECRET), "{flags:?} {script}\n{finished}");
        }
        let listed = run(place, &system, backend, flags, &format!("find {vault}"))?;
        ensure!(!listed.out().contains("deep"), "{flags:?}: a name is out\n{listed}");
    }
    Ok(())
}

fn files_of_a_denied_glob_cannot_be_read(backend: Backend, place: &mut Place) -> Result<()> {
    let denied: Vec<String> = ["a.pem", "x/.hidden.pem", "x/y/z.pem"]
        .into_iter()
        .map(|name| put(place, name, SECRET))
        .collect::<Result<_>>()?;
    let open = put(place, "x/y/z.txt", SECRET)?;
    let system = SystemFolder::new()?;
    let glob = place.out().join("**/*.pem").display().to_string();
    for path in &denied {
        read(run(place, &system, backend, &[], &format!("cat {path}"))?)?;
    }
    deny(&system, &[&glob])?;
    for flags in CONFINED {
        for path in &denied {
            let finished = run(place, &system, backend, flags, &format!("cat {path}"))?;
            hidden(&finished).with_context(|| format!("{flags:?} {path}"))?;
        }
        read(run(place, &system, backend, flags, &format!("cat {open}"))?)?;
    }
    Ok(())
}

fn no_detour_leads_to_a_denied_file(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "secret.txt", SECRET)?;
    place.sh(&format!("ln -s {secret} link; ln -s {} dir; ln -s link link2", place.out().display()))?;
    place.settle()?;
    let system = SystemFolder::new()?;
    let detours = [
        "cat link".to_owned(),
        "cat link2".to_owned(),
        "cat dir/secret.txt".to_owned(),
        "cd dir && cat secret.txt".to_owned(),
        format!("cat /proc/self/root{secret}"),
        format!("cat /proc/$$/root{secret}"),
        format!("cat /proc/self/cwd/../../../../../../../..{secret}"),
        format!("cat /./{secret}"),
        "cat dir/../out/./secret.txt".to_owned(),
        format!("cat < {secret}"),
        format!("exec 3< {secret}; cat <&3"),
        format!("ln -s {secret} mine; cat mine"),
        format!("ln {secret} mine; cat mine"),
        format!("cp {secret} copy; cat copy"),
        format!("chmod 644 {secret}; cat {secret}"),
    ];
    // The ways exist: without the requirement one that needs no writing leads there.
    for detour in detours.iter().take(11) {
        read(run(place, &system, backend, &[], detour)?).with_context(|| detour.clone())?;
    }
    deny(&system, &[&secret])?;
    for flags in [&[][..], &["--mode", "workspace-write"]] {
        for detour in &detours {
            let finished = run(place, &system, backend, flags, detour)?;
            ensure!(finished.code() != Some(0), "{flags:?} {detour}\n{finished}");
            ensure!(!finished.out().contains(SECRET), "{flags:?} {detour}\n{finished}");
            place.sh("rm -f mine copy")?;
        }
    }
    Ok(())
}

fn a_denied_file_in_a_writable_root_stays_hidden(backend: Backend, place: &mut Place) -> Result<()> {
    fs::write(place.ws().join("secret.txt"), SECRET)?;
    place.give(&place.ws().join("secret.txt"))?;
    let secret = place.ws().join("secret.txt").display().to_string();
    let system = SystemFolder::new()?;
    let write = &["--mode", "workspace-write"][..];
    read(run(place, &system, backend, write, "echo x > beside; cat secret.txt")?)?;
    deny(&system, &[&secret])?;
    hidden(&run(place, &system, backend, write, "cat secret.txt")?)?;
    for script in [
        "echo changed > secret.txt",
        "mv secret.txt moved",
        "rm -f secret.txt",
        "echo changed > new && mv new secret.txt",
    ] {
        let finished = run(place, &system, backend, write, script)?;
        ensure!(finished.code() != Some(0), "{script}\n{finished}");
        ensure!(fs::read_to_string(&secret)? == SECRET, "{script}: it changed\n{finished}");
    }
    // The root around it is as writable as before.
    let _ran = run(place, &system, backend, write, "echo y > beside")?.success()?;
    ensure!(fs::read_to_string(place.ws().join("beside"))? == "y\n", "nothing was written");
    Ok(())
}

fn a_run_inside_a_denied_directory_is_refused(backend: Backend, place: &mut Place) -> Result<()> {
    let _secret = put(place, "vault/deep/secret.txt", SECRET)?;
    let vault = place.out().join("vault");
    let system = SystemFolder::new()?;
    let start = |system: &SystemFolder, flags: &[&str]| -> Command {
        let mut command = system.sandbox(place, backend, flags, "cat secret.txt");
        let _configured = command.current_dir(vault.join("deep")).env("PWD", vault.join("deep"));
        command
    };
    read(process::finish(start(&system, &[]), b"")?)?;
    deny(&system, &[&vault.display().to_string()])?;
    for flags in [&[][..], &["--mode", "workspace-write"]] {
        let finished = process::finish(start(&system, flags), b"")?;
        refused(place, &finished, REFUSED, &[&vault.display().to_string()])?;
    }
    Ok(())
}

fn a_profile_that_grants_a_denied_path_is_refused(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "secret.txt", SECRET)?;
    configure(
        place,
        &format!(
            "default_permissions = \"work\"\n[permissions.work.filesystem]\n\":root\" = \"read\"\n\"{secret}\" = \"read\"\n"
        ),
    )?;
    let system = SystemFolder::new()?;
    read(run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    deny(&system, &[&secret])?;
    let finished = run(place, &system, backend, &[], ": > marker")?;
    refused(place, &finished, &[1], &[&secret, "deny_read"])
}

fn a_flag_that_grants_a_denied_path_is_refused(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "vault/deep/secret.txt", SECRET)?;
    let vault = place.out().join("vault");
    place.allow_change(vault.clone());
    let (vault, deep) = (vault.display().to_string(), vault.join("deep").display().to_string());
    let system = SystemFolder::new()?;
    let script = format!("echo x > {deep}/new && : > marker");
    let flags = |path: &str| ["--mode", "workspace-write", "--writable", path].map(str::to_owned);
    for path in [&vault, &deep] {
        let flags = flags(path);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let _ran = run(place, &system, backend, &flags, &script)?.success()?;
        fs::remove_file(place.ws().join("marker"))?;
    }
    deny(&system, &[&vault])?;
    for path in [&vault, &deep] {
        let flags = flags(path);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let finished = run(place, &system, backend, &flags, ": > marker")?;
        refused(place, &finished, &[126], &[path])?;
    }
    // A root around it is no grant of it.
    let out = place.out().display().to_string();
    place.allow_change(place.out());
    let around = ["--mode", "workspace-write", "--writable", &out];
    hidden(&run(place, &system, backend, &around, &format!("cat {secret}"))?)?;
    let _ran = run(place, &system, backend, &around, &format!("echo x > {out}/new"))?.success()?;
    Ok(())
}

/// It fell back to read-only, with a word.
fn fell_back(place: &Place, finished: &Finished, names: &[&str]) -> Result<()> {
    let said = finished.err();
    ensure!(finished.code().is_some_and(|code| code != 0), "it went well\n{finished}");
    ensure!(!place.ws().join("marker").exists(), "it wrote\n{finished}");
    ensure!(said.contains("Read-only file system"), "it failed for another reason\n{finished}");
    ensure!(
        said.contains(
            "codex: warning: configured value for `permission_profile` is disallowed by requirements"
        ),
        "nobody said so\n{finished}"
    );
    for name in names {
        ensure!(said.contains(name), "the warning lacks {name:?}\n{finished}");
    }
    Ok(())
}

fn full_access_beside_denied_paths_becomes_read_only(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "secret.txt", SECRET)?;
    let system = SystemFolder::new()?;
    let danger = &["--mode", "danger-full-access"][..];
    read(run(place, &system, backend, danger, &format!(": > marker; cat {secret}"))?)?;
    fs::remove_file(place.ws().join("marker"))?;
    deny(&system, &[&secret])?;
    let finished = run(place, &system, backend, danger, ": > marker")?;
    fell_back(place, &finished, &["danger-full-access", "[read-only, workspace-write]"])?;
    hidden(&run(place, &system, backend, danger, &format!("cat {secret}"))?)
}

fn a_refused_mode_becomes_read_only(backend: Backend, place: &mut Place) -> Result<()> {
    let ways: [&[&str]; 4] = [
        &["--mode", "workspace-write"],
        &["-c", "sandbox_mode=workspace-write"],
        &["--mode", "danger-full-access"],
        &["-c", "default_permissions=:workspace"],
    ];
    let system = SystemFolder::new()?;
    let required = "allowed_sandbox_modes = [\"read-only\"]\n";
    for way in ways {
        let _ran = run(place, &system, backend, way, ": > marker")?.success()?;
        fs::remove_file(place.ws().join("marker"))?;
        let path = system.requires(required)?;
        let finished = run(place, &system, backend, way, ": > marker")?;
        fell_back(place, &finished, &[&path.display().to_string()]).with_context(|| format!("{way:?}"))?;
        // What read-only allows, it still allows.
        let _ran = run(place, &system, backend, way, "cat /etc/passwd")?.success()?;
        fs::remove_file(path)?;
    }
    let _path = system.requires("allowed_sandbox_modes = [\"read-only\", \"workspace-write\"]\n")?;
    let finished = run(place, &system, backend, &["--mode", "workspace-write"], ": > marker")?.success()?;
    ensure!(!finished.err().contains("warning"), "{finished}");
    Ok(())
}

fn a_refused_profile_becomes_the_required_one(backend: Backend, place: &mut Place) -> Result<()> {
    configure(place, "default_permissions = \":workspace\"\n")?;
    let system = SystemFolder::new()?;
    let _ran = run(place, &system, backend, &[], ": > marker")?.success()?;
    fs::remove_file(place.ws().join("marker"))?;
    let _path = system.requires(
        "default_permissions = \":read-only\"\n[allowed_permission_profiles]\n\":read-only\" = true\n",
    )?;
    let finished = run(place, &system, backend, &[], ": > marker")?;
    ensure!(finished.code() != Some(0) && !place.ws().join("marker").exists(), "{finished}");
    ensure!(finished.err().contains("Read-only file system"), "{finished}");
    ensure!(finished.err().contains(":workspace") && finished.err().contains(":read-only"), "{finished}");
    Ok(())
}

fn a_flag_that_leaves_the_requirements_is_refused(backend: Backend, place: &mut Place) -> Result<()> {
    let out = place.out().display().to_string();
    let system = SystemFolder::new()?;
    let writable = &["--writable", &out][..];
    let networked = &["--mode", "workspace-write", "--network", "on"][..];
    for flags in [writable, networked] {
        let _ran = run(place, &system, backend, flags, "true")?.success()?;
    }
    let _path = system.requires("allowed_sandbox_modes = [\"read-only\"]\n")?;
    let finished = run(place, &system, backend, writable, ": > marker")?;
    refused(place, &finished, &[126], &["--writable", "requirements.toml"])?;
    let finished = run(place, &system, backend, networked, ": > marker")?;
    refused(place, &finished, &[126], &["--network", "requirements.toml"])?;
    // What narrows is no question.
    let narrow = &["--network", "off", "--deny-read", "/etc/hostname"][..];
    let _ran = run(place, &system, backend, narrow, "true")?.success()?;
    Ok(())
}

fn a_named_profile_is_bound_only_when_asked_for(backend: Backend, place: &mut Place) -> Result<()> {
    let system = SystemFolder::new()?;
    let named = &["-P", ":workspace"][..];
    let bound = &["-P", ":workspace", "--include-managed-config"][..];
    let _path = system.requires("allowed_sandbox_modes = [\"read-only\"]\n")?;
    let _ran = run(place, &system, backend, named, ": > marker")?.success()?;
    fs::remove_file(place.ws().join("marker"))?;
    let finished = run(place, &system, backend, bound, ": > marker")?;
    ensure!(finished.code() != Some(0) && !place.ws().join("marker").exists(), "{finished}");
    // Not even an invalid file is looked at, unless asked for.
    let path = system.requires("allowed_sandbox_modes = \n")?;
    let _ran = run(place, &system, backend, named, ": > marker")?.success()?;
    fs::remove_file(place.ws().join("marker"))?;
    let finished = run(place, &system, backend, bound, ": > marker")?;
    refused(place, &finished, &[1], &[&format!("{}:1", path.display())])
}

fn a_managed_profile_is_enforced(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "secret.txt", SECRET)?;
    let system = SystemFolder::new()?;
    let _path = system.requires(&format!(
        "default_permissions = \"corporate\"\n[allowed_permission_profiles]\ncorporate = true\n\
         [permissions.corporate]\nextends = \":workspace\"\n[permissions.corporate.filesystem]\n\"{secret}\" = \"deny\"\n"
    ))?;
    // Nobody chose anything: it is the default, with what it grants and what it denies.
    let _ran = run(place, &system, backend, &[], ": > marker")?.success()?;
    hidden(&run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    hidden(&run(place, &system, backend, &["--mode", "workspace-write"], &format!("cat {secret}"))?)
}

fn the_legacy_file_is_enforced(backend: Backend, place: &mut Place) -> Result<()> {
    let system = SystemFolder::new()?;
    let flags = &["--mode", "workspace-write"][..];
    let _ran = run(place, &system, backend, flags, ": > marker")?.success()?;
    fs::remove_file(place.ws().join("marker"))?;
    let _path = system.write("managed_config.toml", "sandbox_mode = \"read-only\"\n")?;
    let finished = run(place, &system, backend, flags, ": > marker")?;
    ensure!(finished.code() != Some(0) && !place.ws().join("marker").exists(), "{finished}");
    ensure!(finished.err().contains("Read-only file system"), "{finished}");
    Ok(())
}

fn a_managed_network_leaves_no_direct_way_out(backend: Backend, place: &mut Place) -> Result<()> {
    let endpoints = Endpoints::open(&place.host(), &format!("{}-abstract", place.mark()))?;
    let port = endpoints.tcp_port()?;
    let system = SystemFolder::new()?;
    let script = format!("exec /bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
    let ways: [&[&str]; 4] = [
        &["--mode", "danger-full-access"],
        &["--mode", "workspace-write", "--network", "on"],
        &["--network", "on"],
        &["-P", ":danger-full-access", "--include-managed-config"],
    ];
    for way in ways {
        let _ran = run(place, &system, backend, way, &script)?.success()?;
        ensure!(endpoints.reached()?.contains(&Endpoint::Tcp), "{way:?}: the way is not open by itself");
    }
    for enabled in [true, false] {
        let _path = system.requires(&format!("[experimental_network]\nenabled = {enabled}\n"))?;
        for way in ways {
            let finished = run(place, &system, backend, way, &script)?;
            ensure!(finished.code() != Some(0), "{way:?}\n{finished}");
            ensure!(endpoints.reached()?.is_empty(), "{way:?}: something got out\n{finished}");
        }
    }
    Ok(())
}

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

/// Gives a script a private `/etc` of its own, with a `codex` folder in it, then becomes the user and runs `codex`.
/// `$1` is the text of `requirements.toml`, `$2` what is done to the folder, `$3` where the copy goes, `$4` and `$5`
/// the user, and what follows is the command.
const PRIVATE_ETC: &str = r#"
    text=$1 change=$2 copy=$3 uid=$4 gid=$5
    shift 5
    mkdir -p "$copy"
    mount -t tmpfs -o mode=755 tests-etc "$copy"
    cp -a /etc/. "$copy"
    mkdir -p -m 755 "$copy/codex"
    chown 0:0 "$copy" "$copy/codex"
    printf '%s' "$text" > "$copy/codex/requirements.toml"
    chmod 644 "$copy/codex/requirements.toml"
    mount --bind "$copy" /etc
    eval "$change"
    exec setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@"
"#;

/// A run that reads the real `/etc/codex`, without any variable of the tests.
fn under_private_etc(place: &Place, text: &str, change: &str, arguments: &[&str]) -> Result<Finished> {
    let mut command = process::command(&Identity::own()?, "/usr/bin/unshare");
    let _configured = command
        .envs(place.environment())
        .current_dir(place.ws())
        .args(["--mount", "--propagation", "private", "/bin/sh", "-euc", PRIVATE_ETC, "sh", text, change])
        .arg(place.host().join("etc"))
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
            let _ran = under_private_etc(place, "", "true", &write)?.success()?;
            fs::remove_file(&marker)?;
            let limit = "allowed_sandbox_modes = [\"read-only\"]\n";
            let finished = under_private_etc(place, limit, "true", &write)?;
            fell_back(place, &finished, &["/etc/codex/requirements.toml"])?;
            let changes: [(&str, &[&str]); 7] = [
                ("echo 'x = = 1' > /etc/codex/requirements.toml", &["/etc/codex/requirements.toml:1"]),
                ("chmod o+w /etc/codex/requirements.toml", &["/etc/codex/requirements.toml", "chmod"]),
                ("chown 12345 /etc/codex/requirements.toml", &["/etc/codex/requirements.toml", "chown"]),
                ("chown 12345 /etc/codex", &["/etc/codex", "chown"]),
                ("chmod 777 /etc/codex", &["/etc/codex", "chmod"]),
                ("chmod 777 /etc", &["/etc", "chmod"]),
                ("mv /etc/codex /etc/elsewhere; ln -s elsewhere /etc/codex", &["/etc/codex"]),
            ];
            for (change, names) in changes {
                let finished = under_private_etc(place, "", change, &write)?;
                refused(place, &finished, &[1], names).with_context(|| change.to_owned())?;
            }
        }
        let secret = place.host().join("secret.txt");
        fs::write(&secret, SECRET)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644))?;
        let cat = ["sandbox", "--", "/bin/cat", &secret.display().to_string()].map(str::to_owned);
        let cat: Vec<&str> = cat.iter().map(String::as_str).collect();
        read(under_private_etc(place, "", "true", &cat)?)?;
        let text = format!("[permissions.filesystem]\ndeny_read = [\"{}\"]\n", secret.display());
        hidden(&under_private_etc(place, &text, "true", &cat)?)
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
