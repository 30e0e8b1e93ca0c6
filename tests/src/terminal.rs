//! A terminal with a program on its far side, and a test in the place of the person.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use crate::identity::Identity;
use crate::place::Place;
use crate::{process, tools};

/// How long something may take to appear on the terminal.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The near side of a terminal on whose far side a program leads a session.
pub struct Terminal {
    near: Option<File>,
    far: Option<OwnedFd>,
    far_path: PathBuf,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    before: Termios,
    child: Child,
}

impl Terminal {
    /// Starts `command` as the leader of a session that the terminal belongs to.
    ///
    /// # Errors
    /// When there is no terminal, or it does not start.
    pub fn start(place: &Place, command: &Command, rows: u16, columns: u16) -> Result<Self> {
        Self::start_as(place, command, "dumb", (rows, columns))
    }

    /// The same at a terminal of this kind: `dumb`, or one that single keys answer at.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as(
        place: &Place,
        command: &Command,
        term: &str,
        (rows, columns): (u16, u16),
    ) -> Result<Self> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).context("cannot open a terminal")?;
        let far_path = std::fs::read_link(format!("/proc/self/fd/{}", slave.as_raw_fd()))?;
        for side in [&master, &slave] {
            let _before = fcntl(side, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        // Once something runs, it may have changed them already.
        let before = tcgetattr(&master)?;

        // `setsid --ctty` becomes the command; doing it here would need code between fork and exec.
        let setsid = tools::find("setsid").context("needs `setsid`, which is not installed")?;
        let mut leader = place.outside(&setsid.to_string_lossy());
        let _configured = leader
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env("TERM", term)
            .env("PS1", "prompt> ")
            .stdin(slave.try_clone()?)
            .stdout(slave.try_clone()?)
            .stderr(slave.try_clone()?);
        let child = leader.spawn().context("cannot start")?;

        let near = File::from(master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let mut reading = near.try_clone()?;
        let sink = Arc::clone(&shown);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails when the far side has been closed by all.
            while let Ok(length) = reading.read(&mut buffer)
                && length > 0
            {
                let bytes = buffer.get(..length).unwrap_or_default();
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            }
        });
        Ok(Self { near: Some(near), far: Some(slave), far_path, shown, reader, before, child })
    }

    /// Everything that was shown so far, without carriage returns.
    #[must_use]
    pub fn screen(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&shown).replace('\r', "")
    }

    /// Waits until this is shown.
    ///
    /// # Errors
    /// When it is not, with what is.
    pub fn await_text(&self, text: &str) -> Result<()> {
        let appeared = process::eventually(PATIENCE, || self.screen().contains(text));
        ensure!(appeared, "{text:?} did not appear on the terminal, but: {}", self.screen());
        Ok(())
    }

    /// Types.
    ///
    /// # Errors
    /// After [`Self::close`].
    pub fn type_keys(&mut self, keys: &str) -> Result<()> {
        self.near.as_mut().context("the terminal is closed")?.write_all(keys.as_bytes())?;
        Ok(())
    }

    /// Makes the window another size.
    ///
    /// # Errors
    /// When `stty` fails.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let mut stty = process::command(&Identity::own()?, "/usr/bin/stty");
        let _configured = stty.arg("-F").arg(&self.far_path);
        let _configured = stty.args(["rows", &rows.to_string(), "cols", &columns.to_string()]);
        let _finished = process::finish(stty, b"")?.success()?;
        Ok(())
    }

    /// The modes before anything ran.
    #[must_use]
    pub fn modes_before(&self) -> &Termios {
        &self.before
    }

    /// The modes as they are now.
    ///
    /// # Errors
    /// After [`Self::close`].
    pub fn modes(&self) -> Result<Termios> {
        Ok(tcgetattr(self.near.as_ref().context("the terminal is closed")?.as_fd())?)
    }

    /// Takes the terminal away, as a closed window does.
    pub fn close(&mut self) {
        drop(self.near.take());
        drop(self.far.take());
    }

    /// The program's process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for the program's end, and until all that was written is on the screen.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut status = None;
        let _ended = process::eventually(PATIENCE, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        let status =
            status.with_context(|| format!("it does not end; on the terminal: {}", self.screen()))?;
        self.read_the_rest();
        Ok(status)
    }

    /// What a program wrote passes through the kernel in its own time. Reading fails when all of it was read and the
    /// far side is open nowhere; should something have it open still, what there is has come after a while.
    fn read_the_rest(&mut self) {
        drop(self.far.take());
        if self.near.is_some() {
            let _all = process::eventually(process::AFTERLIFE, || self.reader.is_finished());
        }
    }

    /// The status as a shell would say it.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn status(&mut self) -> Result<i32> {
        let status = self.wait()?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}
