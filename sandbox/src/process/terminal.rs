//! The caller's terminal, while a command runs in one of ours.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, Winsize};

use super::tail::Tail;

/// Bytes moved at a time; also the most that waits for a command that does not read.
const CHUNK: usize = 16 * 1024;

/// Raw mode, and the way back.
pub(super) struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Puts `terminal` into raw mode, if this process is in its foreground: every key then goes to the
    /// command's own terminal, whose line discipline makes signals of some. termios(3).
    ///
    /// # Errors
    /// As tcgetattr(3) and tcsetattr(3).
    pub(super) fn enter(terminal: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let foreground = rustix::termios::tcgetpgrp(terminal).ok() == Some(rustix::process::getpgrp());
        if !foreground {
            return Ok(None);
        }
        let before = rustix::termios::tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(Some(Self { terminal: terminal.try_clone_to_owned()?, before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Flushed: answers of the terminal to what the command wrote last are not for the caller's shell.
        // A terminal that is gone needs no restoring.
        rustix::termios::tcsetattr(&self.terminal, OptionalActions::Flush, &self.before).ok();
    }
}

/// The size of the terminal at `terminal`, when it has one.
pub(super) fn size(terminal: BorrowedFd<'_>) -> Option<Winsize> {
    rustix::termios::tcgetwinsize(terminal).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0)
}

/// Carries bytes between the caller's terminal and the command's.
pub(super) struct Relay {
    master: OwnedFd,
    /// The caller's terminal to write to.
    screen: OwnedFd,
    /// Keys that the command's terminal does not take yet.
    pending: Vec<u8>,
    keys: bool,
    output: bool,
    screen_is_gone: bool,
}

impl Relay {
    /// # Errors
    /// As fcntl(2).
    pub(super) fn new(master: OwnedFd, screen: BorrowedFd<'_>, keys: bool) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self {
            master,
            screen: screen.try_clone_to_owned()?,
            pending: Vec::new(),
            keys,
            output: true,
            screen_is_gone: false,
        })
    }

    pub(super) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Whether to read keys now: only when the last ones are through, so that what a command does not
    /// read stays in the kernel and not in our memory.
    pub(super) fn wants_keys(&self) -> bool {
        self.keys && self.pending.is_empty()
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn wants_output(&self) -> bool {
        self.output
    }

    /// Reads keys from `keyboard`; its end stops the reading.
    pub(super) fn read_keys(&mut self, keyboard: BorrowedFd<'_>) {
        let mut chunk = [0_u8; CHUNK];
        match rustix::io::read(keyboard, &mut chunk) {
            Ok(0) => self.keys = false,
            Ok(count) => {
                self.pending.extend_from_slice(chunk.get(..count).unwrap_or_default());
                self.write_keys();
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.keys = false,
        }
    }

    pub(super) fn write_keys(&mut self) {
        match rustix::io::write(&self.master, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => {
                self.pending.clear();
                self.keys = false;
            }
        }
    }

    /// Copies what the command wrote, to `tail` too; true while there may be more at once.
    pub(super) fn copy_output(&mut self, tail: Option<&mut Tail>) -> bool {
        let mut chunk = [0_u8; CHUNK];
        match rustix::io::read(&self.master, &mut chunk) {
            Ok(count) if count > 0 => {
                let text = chunk.get(..count).unwrap_or_default();
                if let Some(tail) = tail {
                    tail.push(text);
                }
                // With the screen gone the command may still go on; what it writes is dropped.
                self.screen_is_gone |= !self.screen_is_gone && show(&self.screen, text).is_err();
                true
            }
            Err(rustix::io::Errno::INTR) => true,
            Err(rustix::io::Errno::AGAIN) => false,
            // EIO: every process that had the terminal open is gone. ioctl_tty(2).
            Ok(_) | Err(_) => {
                self.output = false;
                false
            }
        }
    }

    /// Passes the caller's size on; the command gets SIGWINCH from its own terminal.
    pub(super) fn resize(&self, size: Winsize) {
        // A command that has closed its terminal needs no size.
        rustix::termios::tcsetwinsize(&self.master, size).ok();
    }
}

/// Writes all of `text`, also to a screen that somebody left in non-blocking mode.
fn show(screen: &OwnedFd, text: &[u8]) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        match rustix::io::write(screen, rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                rustix::event::poll(&mut [PollFd::new(screen, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
