//! The caller's own output streams with a pipe put before them, so that what passes is seen.
//!
//! As far as can be, the command notices nothing: each stream keeps its order (and two that are one stay one), a reader
//! that is slow slows the command down, and one that goes away ends the command's pipe. What it can notice is that the
//! stream is a pipe where it was a file.

use std::io::{self, IsTerminal};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::captured::{CHUNK, LINGER};
use super::tail::Tail;
use super::to_timespec;
use crate::sys;

/// How much a pipe that poll(2) calls writable takes without waiting: a page, which is the least that is free then.
/// pipe(7), `PIPE_BUF`.
const PIPE_STEP: usize = 4096;

/// One stream.
struct Tap {
    from: OwnedFd,
    to: OwnedFd,
    chunk: Vec<u8>,
    /// What of the chunk is read and not yet written; nothing more is read meanwhile.
    pending: Range<usize>,
    /// The most that one write takes.
    step: usize,
    /// Bytes that were there when the command ended, and are still to be read.
    owed: u64,
    is_over: bool,
}

/// All streams that are tapped, and the end of what passed.
#[derive(Default)]
pub(super) struct Taps {
    taps: Vec<Tap>,
    pub(super) tail: Tail,
    failure: Option<io::Error>,
}

/// What the command gets in place of standard output and standard error, where a pipe was put.
pub(super) type Replaced = [Option<OwnedFd>; 2];

impl Taps {
    /// Puts a pipe before standard output and standard error, where they are neither terminals nor something that
    /// cannot be written anyway.
    ///
    /// # Errors
    /// As pipe(2), dup(2) and fcntl(2).
    pub(super) fn insert() -> io::Result<(Self, Replaced)> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let mut taps = Self::default();
        let out = taps.tap(stdout.as_fd())?;
        // Two streams that are one keep their common order only in one pipe.
        let err = match &out {
            Some(far) if sys::is_same_file(stdout.as_fd(), stderr.as_fd()) => Some(far.try_clone()?),
            Some(_) | None => taps.tap(stderr.as_fd())?,
        };
        Ok((taps, [out, err]))
    }

    fn tap(&mut self, stream: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
        let is_handle = rustix::fs::fcntl_getfl(stream)?.contains(OFlags::PATH);
        let kind = FileType::from_raw_mode(rustix::fs::fstat(stream)?.st_mode);
        let step = match kind {
            FileType::RegularFile | FileType::BlockDevice => CHUNK,
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice => PIPE_STEP,
            FileType::Directory | FileType::Symlink | FileType::Unknown => return Ok(None),
        };
        if is_handle || stream.is_terminal() {
            return Ok(None);
        }
        let (from, far) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // The description of our end alone.
        rustix::fs::fcntl_setfl(&from, rustix::fs::fcntl_getfl(&from)? | OFlags::NONBLOCK)?;
        let to = stream.try_clone_to_owned()?;
        self.taps.push(Tap { from, to, chunk: vec![0; CHUNK], pending: 0..0, step, owed: 0, is_over: false });
        Ok(Some(far))
    }

    /// Adds what is waited for. A descriptor that nothing is wanted of would report a hang-up again and again.
    pub(super) fn watch<'a>(&'a self, polled: &mut Vec<PollFd<'a>>) {
        for tap in &self.taps {
            if tap.pending.is_empty() {
                polled.push(PollFd::new(&tap.from, PollFlags::IN));
                // Says when the reader has gone.
                polled.push(PollFd::new(&tap.to, PollFlags::empty()));
            } else {
                polled.push(PollFd::new(&tap.to, PollFlags::OUT));
            }
        }
    }

    /// Carries what can be carried; `found` is what came of [`Taps::watch`].
    pub(super) fn serve(&mut self, found: impl IntoIterator<Item = PollFlags>) {
        let mut found = found.into_iter();
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        for tap in &mut self.taps {
            let first = found.next().unwrap_or(PollFlags::empty());
            let done = if tap.pending.is_empty() {
                if found.next().is_some_and(|to| to.intersects(gone)) {
                    tap.is_over = true;
                    continue;
                }
                if first.is_empty() { Ok(()) } else { tap.read(&mut self.tail) }
            } else if first.is_empty() {
                Ok(())
            } else {
                tap.write()
            };
            if let Err(error) = done {
                tap.is_over = true;
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.failure = Some(error);
                }
            }
        }
        self.taps.retain(|tap| !tap.is_over);
    }

    /// Carries what is left when the command has ended, until it is through, `limit` passes or `interrupt`, asked when
    /// its descriptor is readable, says so. What a process that the command left behind writes is carried for
    /// [`LINGER`].
    pub(super) fn drain(
        &mut self,
        limit: Option<Instant>,
        signals: BorrowedFd<'_>,
        interrupt: &mut dyn FnMut() -> bool,
    ) {
        for tap in &mut self.taps {
            tap.owed = rustix::io::ioctl_fionread(&tap.from).unwrap_or(0);
        }
        let until = Instant::now() + LINGER;
        loop {
            let now = Instant::now();
            self.taps.retain(|tap| now < until || tap.owed > 0 || !tap.pending.is_empty());
            if self.taps.is_empty() || limit.is_some_and(|limit| now >= limit) {
                return;
            }
            // A tap that waits for its reader waits as long as it takes.
            let lingering = self.taps.iter().any(|tap| tap.pending.is_empty()).then_some(until.max(now));
            let wake = [limit, lingering].into_iter().flatten().min();
            let wake = wake.map(|at| to_timespec(at.saturating_duration_since(now)));
            let mut polled = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
            self.watch(&mut polled);
            match rustix::event::poll(&mut polled, wake.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let mut found = polled.iter().map(PollFd::revents).collect::<Vec<_>>().into_iter();
            if found.next().is_some_and(|signal| !signal.is_empty()) && interrupt() {
                return;
            }
            self.serve(found);
        }
    }

    /// What passed last, and whether all of it got to where it should.
    pub(super) fn into_tail(self) -> Result<Vec<u8>, io::Error> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.tail.into_bytes()),
        }
    }
}

impl Tap {
    fn read(&mut self, tail: &mut Tail) -> io::Result<()> {
        match rustix::io::read(&self.from, &mut *self.chunk) {
            Ok(0) => self.is_over = true,
            Ok(count) => {
                self.owed = self.owed.saturating_sub(count as u64);
                self.pending = 0..count;
                tail.push(self.waiting());
                return self.write();
            }
            // Nothing there: nothing is owed either.
            Err(Errno::AGAIN) => self.owed = 0,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn waiting(&self) -> &[u8] {
        self.chunk.get(self.pending.clone()).unwrap_or_default()
    }

    /// Writes what can be written without waiting: the caller's signals and deadline must be served meanwhile, and the
    /// stream's modes are not ours to change.
    fn write(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let mut polled = [PollFd::new(&self.to, PollFlags::OUT)];
            if rustix::event::poll(&mut polled, Some(&to_timespec(std::time::Duration::ZERO)))? == 0 {
                return Ok(());
            }
            let waiting = self.waiting();
            match rustix::io::write(&self.to, waiting.get(..self.step).unwrap_or(waiting)) {
                Ok(count) => self.pending.start += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
