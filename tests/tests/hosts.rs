//! Hosts that stand in the way: switched-off namespaces, a foreign filter, a covered `/proc`. Nothing runs
//! unconfined instead; the layer is named, with its fix.

use anyhow::{Result, ensure};
use tests::case::Backend;
use tests::place::{Place, as_each_user};
use tests::process::{self, Finished};

/// Runs `script` in the workspace with `$CODEX` being the program under test.
fn sh(place: &Place, script: &str) -> Result<Finished> {
    let mut command = place.outside("/bin/sh");
    let _configured = command.args(["-c", script]).env("CODEX", place.binary());
    process::finish(command, b"")
}

fn refused(finished: &Finished, words: &[&str]) -> Result<()> {
    ensure!(matches!(finished.code(), Some(125 | 126)), "the status is wrong\n{finished}");
    ensure!(finished.stdout.is_empty(), "the command ran\n{finished}");
    for word in words {
        ensure!(finished.err().contains(word), "the message lacks `{word}`\n{finished}");
    }
    Ok(())
}

#[test]
fn a_switched_off_kernel_names_the_switch() -> Result<()> {
    as_each_user(|place| {
        for backend in Backend::ALL {
            let finished = sh(
                place,
                &format!(
                    "unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && \
                     exec \"$CODEX\" sandbox --backend {} -- echo ran'",
                    backend.as_str()
                ),
            )?;
            refused(&finished, &["max_user_namespaces", "sysctl", "codex doctor"])?;
        }
        Ok(())
    })
}

/// Lets clone(2) and unshare(2) fail with EPERM when they ask for a user namespace, as the default filter
/// of container engines does, then executes the arguments.
const CONTAINER_FILTER: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
op = lambda code, jt, jf, k: struct.pack("HBBI", code, jt, jf, k)
clone, unshare = (56, 272) if os.uname().machine == "x86_64" else (220, 97)
program = b"".join([
    op(0x20, 0, 0, 0), op(0x15, 1, 0, clone), op(0x15, 0, 3, unshare),
    op(0x20, 0, 0, 16), op(0x45, 0, 1, 0x10000000), op(0x06, 0, 0, 0x50001),
    op(0x20, 0, 0, 0), op(0x15, 0, 1, 435), op(0x06, 0, 0, 0x50026), op(0x06, 0, 0, 0x7FFF0000),
])
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
filter = Program(len(program) // 8, program)
assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_container_filter_is_named() -> Result<()> {
    as_each_user(|place| {
        for backend in Backend::ALL {
            let mut command = place.outside("/usr/bin/env");
            let _configured = command.args(["python3", "-c", CONTAINER_FILTER]).arg(place.binary());
            let _configured = command.args(["sandbox", "--backend", backend.as_str(), "--", "echo", "ran"]);
            refused(&process::finish(command, b"")?, &["seccomp", "codex doctor"])?;
        }
        Ok(())
    })
}

/// Runs codex where part of `/proc` is covered, as in a container: the kernel then refuses a fresh one.
fn with_covered_proc(place: &Place, arguments: &str) -> Result<Finished> {
    sh(
        place,
        &format!(
            "unshare -Urm sh -c 'mount -t tmpfs none /proc/driver && exec \"$CODEX\" sandbox {arguments}'"
        ),
    )
}

#[test]
fn a_covered_proc_gets_a_substitute_that_names_no_process() -> Result<()> {
    as_each_user(|place| {
        let script = "cat /proc/uptime > /dev/null && ls /proc | grep -c \"^[0-9]\"; ls -d /proc/self; echo > x && echo wrote";
        let finished = with_covered_proc(
            place,
            &format!("--mode workspace-write -- sh -c \"{}\"", script.replace('"', "\\\"")),
        )?;
        ensure!(finished.out() == "0\nwrote\n", "{finished}");
        place.sh("rm x")?;
        Ok(())
    })
}

#[test]
fn bubblewrap_cannot_do_that_and_says_so() -> Result<()> {
    as_each_user(|place| {
        refused(&with_covered_proc(place, "--backend bwrap -- echo ran")?, &["/proc", "--backend namespaces"])
    })
}
