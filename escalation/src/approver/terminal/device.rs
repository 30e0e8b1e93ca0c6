//! The terminal itself: its modes and the way back, waiting, reading, writing.
//!
//! INVARIANT (modes): whoever changes the modes holds a [`Modes`], and dropping it changes them back. Where a panic
//! ends the process without dropping anything, a panic hook does it. A process that is killed cannot; then `stty
//! sane` does, because nothing but the line discipline was changed: no alternate screen, no other keypad, no mouse,
//! no bracketed paste.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};

use super::look::Keys;

/// The most bytes read at once.
const CHUNK: usize = 4096;
/// How long a terminal may take nothing of what is written.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// The most that is thrown away before a question, where the kernel cannot do it.
const MAX_DISCARDED: usize = 1 << 20;

/// ETX. In the modes for lines it ends one, as Enter does.
const INTERRUPT: u8 = 0x03;
/// `_POSIX_VDISABLE` of Linux: no character.
const NO_CHARACTER: u8 = 0;

/// A terminal, and the bell that ends waiting for it.
#[derive(Debug)]
pub(super) struct Device {
    input: OwnedFd,
    output: OwnedFd,
    bell: OwnedFd,
    /// Asked once: one that was hung up says no.
    is_terminal: bool,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Woken {
    /// There is something to read, or its end.
    Input,
    /// Somebody rang.
    Bell,
    /// The time is up.
    Time,
    /// The terminal is gone.
    HungUp,
}

impl Device {
    /// # Errors
    /// As eventfd(2).
    pub(super) fn new(input: OwnedFd, output: OwnedFd) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let is_terminal = rustix::termios::isatty(&input);
        Ok(Self { input, output, bell, is_terminal })
    }

    /// Ends a wait, this one or the next. May be called from any thread.
    pub(super) fn ring(&self) {
        // It fails when the counter is full: then it has been rung.
        rustix::io::write(&self.bell, &1_u64.to_ne_bytes()).ok();
    }

    /// Whether it is a terminal at all.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        rustix::termios::tcgetwinsize(&self.output).ok().map(|size| (size.ws_col, size.ws_row))
    }

    /// Whether another job has the terminal now: then it is not ours to ask at.
    pub(super) fn belongs_to_another_job(&self) -> bool {
        is_with_another_job(&self.input)
    }

    /// Waits for input, for the bell, or for the time to pass.
    ///
    /// # Errors
    /// As poll(2).
    pub(super) fn wait(&self, limit: Duration) -> io::Result<Woken> {
        let mut events = [PollFd::new(&self.input, PollFlags::IN), PollFd::new(&self.bell, PollFlags::IN)];
        match rustix::event::poll(&mut events, Some(&timespec(limit))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [input, bell] = events.map(|event| event.revents());
        if !bell.is_empty() {
            let mut count = [0; 8];
            // It was rung, so there is a count to take.
            rustix::io::read(&self.bell, &mut count).ok();
            return Ok(Woken::Bell);
        }
        // What was typed before a hang-up is no answer either.
        if input.intersects(PollFlags::ERR | PollFlags::NVAL)
            || (self.is_terminal && input.contains(PollFlags::HUP))
        {
            return Ok(Woken::HungUp);
        }
        Ok(if input.is_empty() { Woken::Time } else { Woken::Input })
    }

    /// Waits for the bell, or for the time to pass.
    ///
    /// # Errors
    /// As poll(2).
    pub(super) fn pause(&self, limit: Duration) -> io::Result<()> {
        let mut events = [PollFd::new(&self.bell, PollFlags::IN)];
        match rustix::event::poll(&mut events, Some(&timespec(limit))) {
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        // It was rung, so there is a count to take.
        rustix::io::read(&self.bell, &mut [0; 8]).ok();
        Ok(())
    }

    /// What has arrived. `None` at the end of the input.
    ///
    /// # Errors
    /// As read(2).
    pub(super) fn read(&self, keys: Keys) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = [0; CHUNK];
        match rustix::io::read(&self.input, &mut chunk) {
            // In the modes for single keys a read does not wait, and nothing is no end.
            Ok(0) if keys == Keys::Single => Ok(Some(Vec::new())),
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(chunk.get(..count).unwrap_or_default().to_vec())),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Some(Vec::new())),
            Err(error) => Err(error.into()),
        }
    }

    /// Throws away what was typed until now.
    pub(super) fn discard_input(&self) {
        if rustix::termios::tcflush(&self.input, QueueSelector::IFlush).is_ok() {
            return;
        }
        let mut discarded = 0_usize;
        let mut chunk = [0; CHUNK];
        while discarded < MAX_DISCARDED && self.has_input() {
            match rustix::io::read(&self.input, &mut chunk) {
                Ok(count) if count > 0 => discarded = discarded.saturating_add(count),
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn has_input(&self) -> bool {
        let mut events = [PollFd::new(&self.input, PollFlags::IN)];
        rustix::event::poll(&mut events, Some(&timespec(Duration::ZERO))).is_ok()
            && events.iter().any(|event| event.revents().contains(PollFlags::IN))
    }

    /// Shows `text`.
    ///
    /// # Errors
    /// As write(2), and when the terminal takes nothing for [`WRITE_LIMIT`].
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let mut rest = text.as_bytes();
        let mut since = Instant::now();
        while !rest.is_empty() {
            match rustix::io::write(&self.output, rest) {
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    since = Instant::now();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if since.elapsed() < WRITE_LIMIT => {
                    let mut events = [PollFd::new(&self.output, PollFlags::OUT)];
                    rustix::event::poll(&mut events, Some(&timespec(WRITE_LIMIT)))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sets the terminal up for answers. What is no terminal has no modes.
    ///
    /// # Errors
    /// As tcgetattr(3) and tcsetattr(3).
    pub(super) fn enter(&self, keys: Keys) -> io::Result<Option<Modes>> {
        if !self.is_terminal {
            return Ok(None);
        }
        Modes::enter(self.input.try_clone()?, keys).map(Some)
    }
}

fn timespec(limit: Duration) -> Timespec {
    Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
}

/// Whether this is our controlling terminal, and a job other than ours is in its foreground.
fn is_with_another_job(terminal: &OwnedFd) -> bool {
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group != rustix::process::getpgrp())
}

/// Changed modes of a terminal. Dropping it changes them back, and throws away what was typed meanwhile.
#[derive(Debug)]
pub(super) struct Modes {
    terminal: OwnedFd,
    ours: Termios,
}

/// What the modes were, for whoever gets to change them back first: the owner of [`Modes`], or the panic hook.
static BEFORE: Mutex<Vec<(OwnedFd, Termios)>> = Mutex::new(Vec::new());

impl Modes {
    fn enter(terminal: OwnedFd, keys: Keys) -> io::Result<Self> {
        restore_on_abort();
        let before = tcgetattr(&terminal)?;
        let ours = answering(&before, keys);
        let copy = terminal.try_clone()?;
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).push((copy, before));
        let modes = Self { terminal, ours };
        modes.renew()?;
        Ok(modes)
    }

    /// Sets them again, if they were changed by somebody else: a shell does, when it brings a stopped job back. Tells
    /// whether they were.
    ///
    /// # Errors
    /// As tcsetattr(3).
    pub(super) fn renew(&self) -> io::Result<bool> {
        let now = tcgetattr(&self.terminal)?;
        let all = |modes: &Termios| (modes.local_modes, modes.input_modes, modes.output_modes);
        let others = all(&now) != all(&self.ours);
        if others {
            tcsetattr(&self.terminal, OptionalActions::Now, &self.ours)?;
        }
        Ok(others)
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        // One terminal approver is set up at a time for a terminal, so its last entry is the one.
        let own = before.iter().rposition(|(terminal, _)| is_same(terminal, &self.terminal));
        if let Some(at) = own {
            let (terminal, modes) = before.remove(at);
            // A terminal that is gone needs no restoring, and a shell that took it back has set its own modes.
            if !is_with_another_job(&terminal) {
                tcsetattr(&terminal, OptionalActions::Flush, &modes).ok();
            }
        }
    }
}

fn is_same(left: &OwnedFd, right: &OwnedFd) -> bool {
    let number =
        |terminal: &OwnedFd| rustix::fs::fstat(terminal.as_fd()).map(|stat| (stat.st_rdev, stat.st_ino));
    number(left).ok() == number(right).ok()
}

/// The modes in which answers are typed. termios(3).
fn answering(before: &Termios, keys: Keys) -> Termios {
    let mut modes = before.clone();
    // Ctrl-C, Ctrl-Z and Ctrl-S reach us as keys: whoever is asked shall not stop the program instead of answering.
    modes.local_modes.remove(LocalModes::ISIG | LocalModes::IEXTEN);
    modes.input_modes.remove(InputModes::IXON);
    // Rows begin at the left also where somebody asks in the middle of a run that has a terminal of its own.
    modes.output_modes.insert(OutputModes::OPOST | OutputModes::ONLCR);
    match keys {
        Keys::Single => {
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL);
            // A read that finds nothing comes back, also when somebody else took the key.
            modes.special_codes[SpecialCodeIndex::VMIN] = NO_CHARACTER;
            modes.special_codes[SpecialCodeIndex::VTIME] = NO_CHARACTER;
        }
        Keys::Lines => {
            modes.local_modes.insert(LocalModes::ICANON | LocalModes::ECHO);
            modes.input_modes.insert(InputModes::ICRNL);
            modes.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        }
    }
    modes
}

/// Where a panic ends the process at once, destructors do not run.
fn restore_on_abort() {
    static INSTALL: Once = Once::new();
    if !cfg!(panic = "abort") {
        return;
    }
    INSTALL.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore_all();
            previous(info);
        }));
    });
}

/// Changes back all modes that are changed now.
fn restore_all() {
    // Whoever holds the lock may be the one that panicked; waiting for it would be forever.
    let before = match BEFORE.try_lock() {
        Ok(before) => before,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    for (terminal, modes) in before.iter() {
        tcsetattr(terminal, OptionalActions::Flush, modes).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two sides of a new terminal.
    fn terminal() -> (OwnedFd, OwnedFd) {
        let pty = nix::pty::openpty(None, None).unwrap();
        (pty.master, pty.slave)
    }

    fn flags(terminal: &OwnedFd) -> (LocalModes, InputModes, u8, u8) {
        let modes = tcgetattr(terminal).unwrap();
        let codes = &modes.special_codes;
        (modes.local_modes, modes.input_modes, codes[SpecialCodeIndex::VMIN], codes[SpecialCodeIndex::VEOL])
    }

    #[test]
    fn modes_are_changed_and_changed_back() {
        for keys in [Keys::Single, Keys::Lines] {
            let (_near, far) = terminal();
            let device = Device::new(far.try_clone().unwrap(), far.try_clone().unwrap()).unwrap();
            let before = flags(&far);
            let modes = device.enter(keys).unwrap();
            assert_ne!(flags(&far), before, "{keys:?}");
            drop(modes);
            assert_eq!(flags(&far), before, "{keys:?}");
        }
    }

    #[test]
    fn a_panic_changes_them_back() {
        let (_near, far) = terminal();
        let before = flags(&far);
        let device = Device::new(far.try_clone().unwrap(), far.try_clone().unwrap()).unwrap();
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _modes = device.enter(Keys::Single).unwrap();
            assert_eq!(flags(&far), before, "this is the panic");
        }));
        assert!(unwound.is_err());
        assert_eq!(flags(&far), before);
        // As the hook does where there is no unwinding.
        let modes = device.enter(Keys::Single).unwrap();
        restore_all();
        assert_eq!(flags(&far), before);
        modes.as_ref().unwrap().renew().unwrap();
        assert_ne!(flags(&far), before);
        drop(modes);
        assert_eq!(flags(&far), before);
    }

    #[test]
    fn waiting_tells_what_ended_it() {
        let (near, far) = terminal();
        let device = Device::new(far.try_clone().unwrap(), far).unwrap();
        let _modes = device.enter(Keys::Single).unwrap();
        assert_eq!(device.wait(Duration::ZERO).unwrap(), Woken::Time);
        assert_eq!(device.read(Keys::Single).unwrap(), Some(Vec::new()));
        rustix::io::write(&near, b"y").unwrap();
        assert_eq!(device.wait(WRITE_LIMIT).unwrap(), Woken::Input);
        device.discard_input();
        assert_eq!(device.wait(Duration::ZERO).unwrap(), Woken::Time);
        device.ring();
        assert_eq!(device.wait(WRITE_LIMIT).unwrap(), Woken::Bell);
        assert_eq!(device.wait(Duration::ZERO).unwrap(), Woken::Time);
        drop(near);
        assert_eq!(device.wait(WRITE_LIMIT).unwrap(), Woken::HungUp);
    }
}
