//! A run at a terminal: the command has a terminal, keys reach it, sizes follow, and when it ends
//! the terminal is as it was.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tests::case::Backend;
use tests::place::Place;
use tests::process::{self, AFTERLIFE};
use tests::terminal::{PATIENCE, Terminal};
use tests::tools;

tests::on_every_backend_and_user!(
    the_command_has_a_terminal,
    the_window_size_follows,
    ctrl_c_interrupts_the_command,
    ctrl_c_ends_a_command_that_does_not_catch_it,
    keys_reach_the_command,
    the_exit_status_is_kept,
    terminal_modes_are_restored,
    a_closed_terminal_ends_the_run,
    an_interactive_shell_has_job_control,
    input_cannot_be_faked,
    output_alone_may_be_a_terminal,
);

fn run(place: &Place, backend: Backend, script: &str) -> Result<Terminal> {
    run_program(place, backend, &["/bin/sh", "-c", script])
}

fn run_program(place: &Place, backend: Backend, argv: &[&str]) -> Result<Terminal> {
    let mut command = place.sandbox(backend);
    let _configured = command.args(["--mode", "workspace-write", "--"]).args(argv);
    Terminal::start(place, &command, 33, 101)
}

/// Waits until this command line is in the foreground of its terminal: keys then reach it.
fn await_in_front(terminal: &Terminal, command_line: &str) -> Result<()> {
    let in_front = || {
        process::descendants(terminal.pid().as_raw())
            .iter()
            .any(|process| process.command_line == command_line && process::is_in_foreground(process.pid))
    };
    ensure!(
        process::eventually(PATIENCE, in_front),
        "`{command_line}` is not in the foreground: {}",
        terminal.screen()
    );
    Ok(())
}

fn the_command_has_a_terminal(backend: Backend, place: &mut Place) -> Result<()> {
    let mut terminal =
        run(place, backend, "test -t 0 && test -t 1 && test -t 2 && echo three terminals; stty size")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    ensure!(terminal.screen() == "three terminals\n33 101\n", "{}", terminal.screen());
    Ok(())
}

fn the_window_size_follows(backend: Backend, place: &mut Place) -> Result<()> {
    let script = "trap 'stty size; exit 0' WINCH; stty size; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done; exit 1";
    let mut terminal = run(place, backend, script)?;
    terminal.await_text("33 101")?;
    terminal.resize(40, 120)?;
    terminal.await_text("40 120")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    Ok(())
}

/// The command decides what an interrupt means, and the launcher passes on its answer.
fn ctrl_c_interrupts_the_command(backend: Backend, place: &mut Place) -> Result<()> {
    let script = "trap 'echo caught; exit 5' INT; echo ready; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done; exit 1";
    let mut terminal = run(place, backend, script)?;
    terminal.await_text("ready")?;
    terminal.type_keys("\x03")?;
    terminal.await_text("caught")?;
    let status = terminal.status()?;
    ensure!(status == 5, "the status is {status}: {}", terminal.screen());
    Ok(())
}

fn ctrl_c_ends_a_command_that_does_not_catch_it(backend: Backend, place: &mut Place) -> Result<()> {
    let mut terminal = run(place, backend, "setsid sleep 600 & echo ready; exec sleep 600")?;
    terminal.await_text("ready")?;
    terminal.type_keys("\x03")?;
    let status = terminal.status()?;
    ensure!(status == 128 + Signal::SIGINT as i32, "the status is {status}: {}", terminal.screen());
    let residue = place.residue(AFTERLIFE);
    ensure!(residue.is_empty(), "{}", residue.join("\n"));
    Ok(())
}

/// A line, an end of file, and a key by itself after the command asked for single keys.
fn keys_reach_the_command(backend: Backend, place: &mut Place) -> Result<()> {
    let script = "echo ready; read -r line; echo \"line: $line\"; cat; echo end of file
        stty -icanon -echo min 1; echo raw; key=$(dd bs=1 count=1 2> /dev/null); echo \"key: $key\"";
    let mut terminal = run(place, backend, script)?;
    terminal.await_text("ready")?;
    terminal.type_keys("hello world\n")?;
    terminal.await_text("line: hello world")?;
    terminal.type_keys("\x04")?;
    terminal.await_text("end of file")?;
    terminal.await_text("raw")?;
    terminal.type_keys("k")?;
    terminal.await_text("key: k")?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    Ok(())
}

fn the_exit_status_is_kept(backend: Backend, place: &mut Place) -> Result<()> {
    for (script, expected) in
        [("exit 7", 7), ("kill -TERM $$; sleep 5", 143), ("kill -KILL $$; sleep 5", 137)]
    {
        let mut terminal = run(place, backend, script)?;
        let status = terminal.status()?;
        ensure!(status == expected, "`{script}`: the status is {status}: {}", terminal.screen());
    }
    Ok(())
}

fn terminal_modes_are_restored(backend: Backend, place: &mut Place) -> Result<()> {
    for script in
        ["stty raw -echo; exit 0", "stty raw -echo; kill -KILL $$; sleep 5", "stty -echo; sleep 600"]
    {
        let mut terminal = run(place, backend, &format!("echo ready; read -r go; {script}"))?;
        terminal.await_text("ready")?;
        terminal.type_keys("\n")?;
        if script.contains("600") {
            await_in_front(&terminal, "sleep 600")?;
            terminal.type_keys("\x03")?;
        }
        let _status = terminal.wait()?;
        let (before, after) = (terminal.modes_before(), terminal.modes()?);
        ensure!(*before == after, "`{script}`: the modes were {before:?} and are {after:?}");
    }
    Ok(())
}

/// Closing the window hangs up.
fn a_closed_terminal_ends_the_run(backend: Backend, place: &mut Place) -> Result<()> {
    let mut terminal = run(place, backend, "setsid sleep 600 & : > started; echo ready; exec sleep 600")?;
    terminal.await_text("ready")?;
    // The reader thread holds the near side open through its copy, so the launcher is told directly.
    let launcher = terminal.pid();
    nix::sys::signal::kill(launcher, Signal::SIGHUP)?;
    terminal.close();
    let _status = terminal.wait()?;
    let residue = place.residue(AFTERLIFE);
    ensure!(residue.is_empty(), "{}", residue.join("\n"));
    Ok(())
}

fn an_interactive_shell_has_job_control(backend: Backend, place: &mut Place) -> Result<()> {
    let mut terminal = run_program(place, backend, &["bash", "--norc", "--noprofile", "-i"])?;
    terminal.await_text("prompt> ")?;
    terminal.type_keys("sleep 500 &\njobs\n")?;
    terminal.await_text("Running")?;
    terminal.type_keys("fg\n")?;
    await_in_front(&terminal, "sleep 500")?;
    terminal.type_keys("\x1a")?;
    terminal.await_text("Stopped")?;
    terminal.type_keys("bg; echo went o''n\n")?;
    terminal.await_text("went on")?;
    terminal.type_keys("sleep 400; echo status $((1 + $?))\n")?;
    await_in_front(&terminal, "sleep 400")?;
    terminal.type_keys("\x03")?;
    terminal.type_keys("kill %1; wait; exit 4\n")?;
    let status = terminal.status()?;
    let screen = terminal.screen();
    ensure!(!screen.contains("no job control"), "{screen}");
    ensure!(status == 4, "the status is {status}: {screen}");
    Ok(())
}

/// TIOCSTI would put a command line into the shell that comes after the run, TIOCLINUX into the
/// console's selection.
fn input_cannot_be_faked(backend: Backend, place: &mut Place) -> Result<()> {
    let script = r#"
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
number = 16 if os.uname().machine == "x86_64" else 29
fds = [0, 1, 2]
for path in ("/dev/tty", "/proc/self/fd/0", os.path.realpath("/proc/self/fd/0")):
    try:
        fds.append(os.open(path, os.O_RDWR))
    except OSError:
        pass
wrong = []
for fd in fds:
    for request in (0x5412, 0x541C, 0x5412 | 1 << 32, 0x541C | 1 << 40):
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), ctypes.c_long(fd), ctypes.c_long(request), b"\x03x")
        if result != -1 or ctypes.get_errno() != errno.EPERM:
            wrong.append((fd, hex(request), result, errno.errorcode.get(ctypes.get_errno())))
print("wrong:", wrong)
"#;
    let python = tools::find("python3").context("needs python3")?;
    let mut terminal = run_program(place, backend, &[&python.to_string_lossy(), "-c", script])?;
    ensure!(terminal.status()? == 0, "{}", terminal.screen());
    ensure!(terminal.screen() == "wrong: []\n", "{}", terminal.screen());
    Ok(())
}

/// `echo … | codex sandbox -- CMD` and `codex sandbox -- CMD | less`.
fn output_alone_may_be_a_terminal(backend: Backend, place: &mut Place) -> Result<()> {
    let launcher = place.binary().display().to_string();
    let ours =
        format!("{launcher} sandbox --backend {} --mode workspace-write -- /bin/sh -c", backend.as_str());
    let pipeline = format!(
        "echo piped | {ours} 'cat; test -t 0 || echo no input; test -t 1 && echo output'
         {ours} 'test -t 0 && echo input; test -t 1 || echo no output; exit 3' | cat
         {ours} 'exit 3' | cat; {ours} 'exit 6' < /dev/null"
    );
    let mut shell = place.outside("/bin/sh");
    let _configured = shell.args(["-c", &pipeline]);
    let mut terminal = Terminal::start(place, &shell, 33, 101)?;
    let status = terminal.status()?;
    let expected = "piped\nno input\noutput\ninput\nno output\n";
    if status != 6 || terminal.screen() != expected {
        bail!("the status is {status}: {}", terminal.screen());
    }
    Ok(())
}
