//! The side that types, and looks at the screen.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use serde_json::Value;

/// The argument that makes this program the one that asks.
pub(super) const HOST: &str = "--ask";
/// How long something may take to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than keys are ignored after a question appeared.
pub(super) const LATER: Duration = Duration::from_millis(900);

#[expect(clippy::disallowed_methods, reason = "the tests start themselves, setsid, stty and tmux")]
pub(super) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// What [`HOST`] is started as.
pub(super) fn host_words(scenario: &str, out: &Path) -> [String; 4] {
    let own = env::current_exe().unwrap();
    [own.to_str().unwrap(), HOST, scenario, out.to_str().unwrap()].map(str::to_owned)
}

pub(super) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The near side of a terminal at which the questions of a scenario are asked.
pub(super) struct Session {
    near: Option<File>,
    far: Option<OwnedFd>,
    far_path: PathBuf,
    shown: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    pub(super) before: Termios,
    pub(super) host: Child,
    pub(super) out: PathBuf,
    _folder: tempfile::TempDir,
}

impl Session {
    pub(super) fn start(scenario: &str) -> Self {
        Self::start_with(scenario, "xterm-256color", b"")
    }

    pub(super) fn start_with(scenario: &str, term: &str, typed_ahead: &[u8]) -> Self {
        Self::start_as(|out| host_words(scenario, out).into(), term, typed_ahead)
    }

    /// With a command of its own as the leader of the session.
    pub(super) fn start_as(words: impl FnOnce(&Path) -> Vec<String>, term: &str, typed_ahead: &[u8]) -> Self {
        // What another session starts between the next two steps would inherit the terminal.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        for side in [&master, &slave] {
            // What the program inherited, it would hold open.
            rustix::io::fcntl_setfd(side, rustix::io::FdFlags::CLOEXEC).unwrap();
        }
        let far_path =
            fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&slave))).unwrap();
        let before = tcgetattr(&master).unwrap();
        let mut near = File::from(master);
        near.write_all(typed_ahead).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("answer");
        // `setsid --ctty` becomes the program; doing it here would need code between fork and exec.
        let host = command("setsid")
            .arg("--ctty")
            .args(words(&out))
            .env("TERM", term)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .stdin(slave.try_clone().unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        drop(alone);
        let (shown, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let reader = read_all(near.try_clone().unwrap(), Arc::clone(&shown), Arc::clone(&stop));
        Self {
            near: Some(near),
            far: Some(slave),
            far_path,
            shown,
            stop,
            reader: Some(reader),
            before,
            host,
            out,
            _folder: folder,
        }
    }

    pub(super) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).replace('\r', "")
    }

    pub(super) fn count(&self, text: &str) -> usize {
        self.screen().matches(text).count()
    }

    pub(super) fn await_text(&self, text: &str) {
        eventually(&format!("{text:?} on the screen"), || self.screen().contains(text));
    }

    /// Waits until keys count.
    pub(super) fn await_question(&self) {
        self.await_text("it is refused.");
        thread::sleep(LATER);
    }

    pub(super) fn type_keys(&mut self, keys: &str) {
        self.near.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Types something that answers nothing, and looks whether it did.
    pub(super) fn type_in_vain(&mut self, keys: &str) {
        self.type_keys(keys);
        thread::sleep(LATER);
        assert!(!self.out.exists(), "{keys:?} answered {}: {}", self.answer(), self.screen());
    }

    pub(super) fn answer(&mut self) -> Value {
        eventually("an answer", || self.out.exists());
        let answer = fs::read_to_string(&self.out).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    pub(super) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end of the program", || {
            status = self.host.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(super) fn modes(&self) -> Termios {
        tcgetattr(self.near.as_ref().unwrap().as_fd()).unwrap()
    }

    pub(super) fn far(&self) -> &OwnedFd {
        self.far.as_ref().unwrap()
    }

    pub(super) fn resize(&self, columns: u16, rows: u16) {
        let mut stty = command("stty");
        let size = ["cols", &columns.to_string(), "rows", &rows.to_string()];
        let status = stty.arg("-F").arg(&self.far_path).args(size).status().unwrap();
        assert!(status.success());
    }

    /// Closes the near side, as closing a window does.
    pub(super) fn hang_up(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.reader.take().unwrap().join().unwrap();
        drop(self.near.take());
        drop(self.far.take());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if matches!(self.host.try_wait(), Ok(None)) {
            self.host.kill().ok();
            self.host.wait().ok();
        }
    }
}

fn read_all(mut near: File, shown: Arc<Mutex<Vec<u8>>>, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while !stop.load(Ordering::Acquire) {
            let mut events = [PollFd::new(near.as_fd(), PollFlags::POLLIN)];
            let ready = nix::poll::poll(&mut events, PollTimeout::from(20_u8)).unwrap_or(0);
            if ready == 0 {
                continue;
            }
            match near.read(&mut buffer) {
                Ok(length) if length > 0 => shown.lock().unwrap().extend_from_slice(&buffer[..length]),
                Ok(_) | Err(_) => return,
            }
        }
    })
}
