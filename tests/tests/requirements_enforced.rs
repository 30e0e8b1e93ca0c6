//! What an administrator requires is what the kernel enforces: a file in place, and the command denied.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::bound::{REFUSED, SECRET, fell_back, hidden, read, refused, run};
use tests::case::{Backend, Endpoint};
use tests::host::Endpoints;
use tests::place::Place;
use tests::process;
use tests::system::SystemFolder;

tests::on_every_backend_and_user!(
    a_denied_file_cannot_be_read,
    a_denied_directory_cannot_be_entered,
    files_of_a_denied_glob_cannot_be_read,
    files_of_a_denied_glob_cannot_be_read_by_a_known_name,
    files_of_a_denied_glob_cannot_be_read_behind_a_link,
    no_detour_leads_to_a_denied_file,
    a_denied_file_in_a_writable_root_stays_hidden,
    a_run_inside_a_denied_directory_is_refused,
    a_profile_that_grants_a_denied_path_is_refused,
    a_flag_that_grants_a_denied_path_is_refused,
    full_access_beside_denied_paths_becomes_read_only,
    a_refused_mode_becomes_read_only,
    a_refused_profile_becomes_the_required_one,
    a_flag_that_leaves_the_requirements_is_refused,
    a_flag_does_not_widen_a_profile_of_the_catalogue,
    a_fallback_keeps_what_the_person_hides,
    what_the_person_hides_behind_a_link_stays_hidden_beside_a_catalogue,
    a_session_s_profile_holds_in_the_session_s_folder,
    a_managed_profile_that_needs_the_proxy_is_refused,
    a_named_profile_is_bound_only_when_asked_for,
    a_managed_profile_is_enforced,
    the_legacy_file_is_enforced,
    a_managed_network_leaves_no_direct_way_out,
);

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

/// A folder that one can enter and not list: the search finds nothing in it, and who knows a name opens it.
fn files_of_a_denied_glob_cannot_be_read_by_a_known_name(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "shut/secret.pem", SECRET)?;
    let shut = place.out().join("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o711))?;
    // Without root there is nobody else to own it, and what one owns oneself can be listed.
    if chown(&shut, Some(0), None).is_err() {
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o755))?;
    }
    place.settle()?;
    let system = SystemFolder::new()?;
    read(run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    // Not where nothing in the folder can match.
    deny(&system, &[&place.out().join("*.pem").display().to_string()])?;
    read(run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    for glob in ["*/*.pem", "**/*.pem", "shut/*.pem"] {
        deny(&system, &[&place.out().join(glob).display().to_string()])?;
        hidden(&run(place, &system, backend, &[], &format!("cat {secret}"))?).context(glob)?;
    }
    Ok(())
}

fn files_of_a_denied_glob_cannot_be_read_behind_a_link(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "releases/1/secret.pem", SECRET)?;
    let open = put(place, "releases/2/secret.pem", SECRET)?;
    let _other = put(place, "app/readme", "")?;
    let link = place.out().join("app/current");
    std::os::unix::fs::symlink("../releases/1", &link)?;
    place.settle()?;
    let system = SystemFolder::new()?;
    for glob in ["app/*/*.pem", "app/current/secret.*", "app/**/*.pem"] {
        deny(&system, &[&place.out().join(glob).display().to_string()])?;
        for path in [&secret, &format!("{}/secret.pem", link.display())] {
            hidden(&run(place, &system, backend, &[], &format!("cat {path}"))?).context(glob)?;
        }
        read(run(place, &system, backend, &[], &format!("cat {open}"))?)?;
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

fn a_flag_does_not_widen_a_profile_of_the_catalogue(backend: Backend, place: &mut Place) -> Result<()> {
    let out = place.out().display().to_string();
    let system = SystemFolder::new()?;
    let writable = &["--writable", &out][..];
    let networked = &["--network", "on"][..];
    for flags in [writable, networked] {
        let _ran = run(place, &system, backend, flags, "true")?.success()?;
    }
    let catalogue =
        "default_permissions = \":read-only\"\n[allowed_permission_profiles]\n\":read-only\" = true\n";
    let _path = system.requires(catalogue)?;
    let finished = run(place, &system, backend, writable, ": > marker")?;
    refused(place, &finished, &[126], &["--writable", "requirements.toml"])?;
    let finished = run(place, &system, backend, networked, ": > marker")?;
    refused(place, &finished, &[126], &["--network on", "requirements.toml"])?;
    let _ran = run(place, &system, backend, &["--deny-read", "/etc/hostname"], "true")?.success()?;
    Ok(())
}

fn a_fallback_keeps_what_the_person_hides(backend: Backend, place: &mut Place) -> Result<()> {
    let secret = put(place, "secret.txt", SECRET)?;
    let open = put(place, "open.txt", SECRET)?;
    let profile = format!("[permissions.mine.filesystem]\n\":root\" = \"write\"\n\"{secret}\" = \"deny\"\n");
    configure(place, &format!("default_permissions = \"mine\"\n{profile}"))?;
    let system = SystemFolder::new()?;
    hidden(&run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    let _path = system.requires("allowed_sandbox_modes = [\"read-only\"]\n")?;
    hidden(&run(place, &system, backend, &[], &format!("cat {secret}"))?)?;
    read(run(place, &system, backend, &[], &format!("cat {open}"))?)?;
    fell_back(place, &run(place, &system, backend, &[], ": > marker")?, &["mine"])
}

fn what_the_person_hides_behind_a_link_stays_hidden_beside_a_catalogue(
    backend: Backend,
    place: &mut Place,
) -> Result<()> {
    let secret = put(place, "real/secret.txt", SECRET)?;
    let out = place.out();
    std::os::unix::fs::symlink(out.join("real"), out.join("link"))?;
    place.settle()?;
    let out = out.display().to_string();
    let system = SystemFolder::new()?;
    // What the administrator's profile names, and what the person hides: each once by the link.
    for (managed, denied) in
        [("real/secret.txt", "link"), ("real", "link"), ("link", "real"), ("real/secret.txt", "link/*")]
    {
        configure(
            place,
            &format!(
                "default_permissions = \"mine\"\n[permissions.mine.filesystem]\n\":root\" = \"read\"\n\"{out}/{denied}\" = \"deny\"\n"
            ),
        )?;
        hidden(&run(place, &system, backend, &[], &format!("cat {secret}"))?).context("alone")?;
        let _path = system.requires(&format!(
            "default_permissions = \"corp\"\n[allowed_permission_profiles]\ncorp = true\n[permissions.corp.filesystem]\n\":root\" = \"read\"\n\"{out}/{managed}\" = \"read\"\n"
        ))?;
        let finished = run(place, &system, backend, &[], &format!("cat {secret}"))?;
        hidden(&finished).with_context(|| format!("{managed} and {denied}"))?;
        system.requires("")?;
    }
    Ok(())
}

/// What an administrator denies in the workspace is denied where the session works, not where we are called.
fn a_session_s_profile_holds_in_the_session_s_folder(backend: Backend, place: &mut Place) -> Result<()> {
    let _here = put(place, "other.txt", "")?;
    let secret = put(place, "session/x.env", SECRET)?;
    let open = put(place, "session/x.txt", SECRET)?;
    let folder = place.out().join("session").display().to_string();
    let json =
        format!("{{\"permissionProfile\":{{\"type\":\"disabled\"}},\"sandboxCwd\":\"file://{folder}\"}}");
    let flags = &["--sandbox-state-json", &json][..];
    let system = SystemFolder::new()?;
    let _path = system.requires(
        "default_permissions = \"corp\"\n[allowed_permission_profiles]\ncorp = true\n[permissions.corp.filesystem]\n\":root\" = \"read\"\n[permissions.corp.filesystem.\":workspace_roots\"]\n\"*.env\" = \"deny\"\n",
    )?;
    hidden(&run(place, &system, backend, flags, &format!("cat {secret}"))?)?;
    read(run(place, &system, backend, flags, &format!("cat {open}"))?)
}

fn a_managed_profile_that_needs_the_proxy_is_refused(backend: Backend, place: &mut Place) -> Result<()> {
    let system = SystemFolder::new()?;
    let profile = |network: &str| {
        format!(
            "default_permissions = \"corp\"\n[allowed_permission_profiles]\ncorp = true\n[permissions.corp]\nextends = \":read-only\"\n[permissions.corp.network]\n{network}\n"
        )
    };
    let _path = system.requires(&profile("enabled = true"))?;
    let _ran = run(place, &system, backend, &[], "true")?.success()?;
    let _path = system.requires(&profile("enabled = true\ndomains = { \"a.test\" = \"allow\" }"))?;
    let finished = run(place, &system, backend, &[], ": > marker")?;
    refused(place, &finished, &[126], &["domains", "corp", "requirements.toml"])
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
