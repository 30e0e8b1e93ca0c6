//! The caller's environment and PATH reach the command, and nothing else: no variable that loads
//! code, and no program that was planted, has an effect in the launcher or its helpers, which run
//! outside the sandbox or before it is closed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tests::case::Backend;
use tests::place::Place;
use tests::process::{self, Finished};
use tests::tools::STANDARD_PATH;

tests::on_every_backend_and_user!(
    preloaded_library_runs_in_the_command_only,
    variables_of_other_programs_have_no_effect,
    strange_temporary_directories_are_survived,
    planted_programs_are_not_executed,
    planted_bwrap_behind_a_symlink_is_not_executed,
);

/// A library whose constructor says in two files (one that only an unconfined process can write,
/// one in the workspace) which program loaded it.
const LIBRARY: &str = r#"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
static void say(const char *file) {
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) { memcpy(program, "unknown", 7); length = 7; }
    program[length++] = '\n';
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd >= 0) { if (write(fd, program, length) < 0) {} close(fd); }
}
__attribute__((constructor)) static void loaded(void) { say(OUTSIDE); say(INSIDE); }
unsigned la_version(unsigned version) { return version; }
"#;

/// Builds the library in the workspace, where an attacker would put it.
fn library(place: &Place) -> Result<PathBuf> {
    let source = place.host().join("library.c");
    fs::write(&source, LIBRARY)?;
    let library = place.ws().join("evil.so");
    place.sh(&format!(
        "cc -shared -fPIC -o {} -DOUTSIDE='\"{}\"' -DINSIDE='\"{}\"' {}",
        library.display(),
        outside_log(place).display(),
        inside_log(place).display(),
        source.display()
    ))?;
    Ok(library)
}

fn outside_log(place: &Place) -> PathBuf {
    place.host().join("loaded")
}

fn inside_log(place: &Place) -> PathBuf {
    place.ws().join("loaded")
}

/// Fails if anything outside the sandbox was made to run, or anything inside except `programs`.
fn only_the_command_loaded(place: &Place, programs: &[&str]) -> Result<()> {
    let outside = outside_log(place);
    ensure!(!outside.exists(), "loaded outside the sandbox by: {}", fs::read_to_string(&outside)?);
    let inside = fs::read_to_string(inside_log(place)).unwrap_or_default();
    for line in inside.lines() {
        let name = Path::new(line).file_name().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(programs.contains(&name.as_str()), "loaded inside by `{line}`, which is not the command");
    }
    Ok(())
}

fn run(place: &Place, backend: Backend, variables: &[(&str, String)], script: &str) -> Result<Finished> {
    let mut command = place.sandbox(backend);
    let _configured = command
        .args(["--mode", "workspace-write", "--", "/bin/sh", "-c", script])
        .envs(variables.iter().map(|(name, value)| (name, value)));
    process::finish(command, b"")
}

fn preloaded_library_runs_in_the_command_only(backend: Backend, place: &mut Place) -> Result<()> {
    let library = library(place)?.display().to_string();
    place.settle()?;
    // Proof that the library works: without the sandbox it is heard of.
    let mut bare = place.outside("/bin/true");
    let _configured = bare.env("LD_PRELOAD", &library);
    let _finished = process::finish(bare, b"")?.success()?;
    ensure!(outside_log(place).exists(), "the probe does not work");
    fs::remove_file(outside_log(place))?;
    fs::remove_file(inside_log(place))?;

    for variable in ["LD_PRELOAD", "LD_AUDIT"] {
        let script = format!("printf '%s' \"${variable}\"");
        let finished = run(place, backend, &[(variable, library.clone())], &script)?.success()?;
        ensure!(finished.out() == library, "the command does not see {variable}\n{finished}");
        let shell = fs::canonicalize("/bin/sh")?;
        let shell = shell.file_name().context("no name")?.to_string_lossy().into_owned();
        only_the_command_loaded(place, &[&shell]).context(variable)?;
        ensure!(inside_log(place).exists(), "{variable} had no effect in the command, where it may");
        fs::remove_file(inside_log(place))?;
    }
    Ok(())
}

fn variables_of_other_programs_have_no_effect(backend: Backend, place: &mut Place) -> Result<()> {
    let library = library(place)?.display().to_string();
    let ws = place.ws().display().to_string();
    let log = outside_log(place).display().to_string();
    place.sh(&format!(
        "mkdir {ws}/lib {ws}/gconv; cp evil.so {ws}/lib/libc.so.6; cp evil.so {ws}/lib/libcap.so.2
         cp evil.so {ws}/lib/libselinux.so.1; cp evil.so {ws}/gconv/EVIL.so
         echo 'module EVIL// INTERNAL EVIL 1' > {ws}/gconv/gconv-modules
         echo 'echo script >> {log}' > {ws}/rc; chmod 755 {ws}/rc
         printf 'import os\\nopen(\"{log}\", \"a\").write(\"python\")\\n' > {ws}/sitecustomize.py"
    ))?;
    place.settle()?;
    let variables = [
        ("LD_LIBRARY_PATH", format!("{ws}/lib")),
        ("GCONV_PATH", format!("{ws}/gconv")),
        ("LOCPATH", format!("{ws}/lib")),
        ("BASH_ENV", format!("{ws}/rc")),
        ("ENV", format!("{ws}/rc")),
        ("ZDOTDIR", ws.clone()),
        ("PYTHONPATH", ws.clone()),
        ("PERL5OPT", "-Mevil".to_owned()),
        ("NODE_OPTIONS", format!("--require {ws}/rc")),
        ("GIT_CONFIG_GLOBAL", format!("{ws}/rc")),
        ("SHELL", format!("{ws}/rc")),
        ("RUST_LOG", "trace".to_owned()),
        ("BWRAP", library),
        ("IFS", "/".to_owned()),
        ("CDPATH", "/".to_owned()),
        ("LANG", "../../evil".to_owned()),
    ];
    // The command itself must not be one that obeys them.
    let mut command = place.sandbox(backend);
    let _configured = command.args(["--mode", "workspace-write", "--"]).arg(place.binary()).arg("--version");
    let _configured = command.envs(variables);
    let finished = process::finish(command, b"")?.success()?;
    ensure!(!finished.stdout.is_empty(), "{finished}");
    only_the_command_loaded(place, &[])
}

fn strange_temporary_directories_are_survived(backend: Backend, place: &mut Place) -> Result<()> {
    place.sh(": > file; mkdir locked")?;
    place.settle()?;
    let ws = place.ws().display().to_string();
    for folder in ["relative", "", ".", "/nonexistent/deep", "/proc/self", "/dev/null", "/"] {
        attempt_with_tmpdir(place, backend, folder)?;
    }
    for folder in [format!("{ws}/file"), format!("{ws}/locked/../locked")] {
        attempt_with_tmpdir(place, backend, &folder)?;
    }
    Ok(())
}

/// The command runs or is refused with a message, and cannot write outside in either case. (Taken
/// literally, TMPDIR=/ would open everything.)
fn attempt_with_tmpdir(place: &Place, backend: Backend, folder: &str) -> Result<()> {
    let script = format!("echo x > {}/x || echo refused", place.out().display());
    let finished = run(place, backend, &[("TMPDIR", folder.to_owned())], &script)?;
    match finished.code() {
        Some(0) => ensure!(finished.out() == "refused\n", "TMPDIR={folder:?} opened the outside\n{finished}"),
        Some(1 | 125 | 126) => {
            ensure!(finished.err().starts_with("codex: "), "TMPDIR={folder:?}: no message\n{finished}");
        }
        _ => anyhow::bail!("TMPDIR={folder:?}: {finished}"),
    }
    ensure!(!place.out().join("x").exists(), "TMPDIR={folder:?} let the command write outside");
    Ok(())
}

/// Plants, under every name that a launcher could start, a script that leaves a trace outside.
fn plant(place: &Place, folder: &Path) -> Result<()> {
    let names = "bwrap sh bash env true mount umount unshare nsenter ip newuidmap newgidmap ldconfig \
                 codex codex-linux-sandbox git id uname stty setsid";
    place.sh(&format!(
        "mkdir -p {0}; for n in {names}; do
             printf '#!/bin/sh\\necho \"%s $*\" >> {1}\\nexec /usr/bin/bwrap \"$@\"\\n' $n > {0}/$n
             chmod 755 {0}/$n
         done",
        folder.display(),
        outside_log(place).display(),
    ))?;
    Ok(())
}

fn confines_without(place: &Place, backend: Backend, flags: &[&str], path: &str) -> Result<()> {
    let mut command = place.sandbox(backend);
    let script = format!("echo x > {}/x || echo refused", place.home().display());
    let _configured = command
        .args(flags)
        .args(["--mode", "workspace-write", "--", "/bin/sh", "-c", &script])
        .env("PATH", path);
    let finished = process::finish(command, b"")?.success()?;
    ensure!(finished.out() == "refused\n", "{finished}");
    let log = outside_log(place);
    ensure!(!log.exists(), "PATH={path}: executed outside: {}", fs::read_to_string(&log)?);
    Ok(())
}

fn planted_programs_are_not_executed(backend: Backend, place: &mut Place) -> Result<()> {
    let ws = place.ws();
    let extra = place.out().join("extra");
    let temporary = PathBuf::from("/tmp").join(place.mark());
    plant(place, &ws)?;
    plant(place, &ws.join("bin"))?;
    plant(place, &extra)?;
    plant(place, &temporary)?;
    place.settle()?;
    let extra = extra.display().to_string();
    let planted = [
        ws.display().to_string(),
        ws.join("bin").display().to_string(),
        ".".to_owned(),
        "bin".to_owned(),
        String::new(),
        extra.clone(),
        temporary.display().to_string(),
        format!("{}/../ws/bin", ws.display()),
    ];
    for first in planted {
        confines_without(place, backend, &["--writable", &extra], &format!("{first}:{STANDARD_PATH}"))?;
    }
    fs::remove_dir_all(temporary)?;
    Ok(())
}

fn planted_bwrap_behind_a_symlink_is_not_executed(backend: Backend, place: &mut Place) -> Result<()> {
    plant(place, &place.ws().join("bin"))?;
    let home = place.home().display().to_string();
    let ws = place.ws().display().to_string();
    place.sh(&format!(
        "ln -s {ws}/bin {home}/bin; mkdir {home}/bin2; ln -s {ws}/bin/bwrap {home}/bin2/bwrap"
    ))?;
    place.settle()?;
    for first in ["bin", "bin2"] {
        confines_without(place, backend, &[], &format!("{home}/{first}:{STANDARD_PATH}"))?;
    }
    Ok(())
}
