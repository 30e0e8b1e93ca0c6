//! Our ends of a command's streams: what it reads is fed, what it writes is handed on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::StreamName;
use crate::error::LaunchError;
use crate::process::tail::Tail;
use crate::process::{failed, to_timespec};

/// Bytes handed on at a time.
pub const CHUNK: usize = 16 * 1024;

/// How long output is still read after the command has ended, should a process that it left hold it open.
pub const LINGER: Duration = Duration::from_millis(250);

/// What the command gets to read.
pub(super) struct Feed {
    to: OwnedFd,
    bytes: Vec<u8>,
    sent: usize,
}

impl Feed {
    /// # Errors
    /// As fcntl(2).
    pub(super) fn new(to: OwnedFd, bytes: Vec<u8>) -> io::Result<Self> {
        without_waiting(&to)?;
        Ok(Self { to, bytes, sent: 0 })
    }

    /// Writes what fits; true when that was all, or nobody reads any more.
    fn push(&mut self) -> bool {
        let rest = self.bytes.get(self.sent..).unwrap_or_default();
        if rest.is_empty() {
            return true;
        }
        match rustix::io::write(&self.to, rest) {
            Ok(count) => {
                self.sent += count;
                self.sent >= self.bytes.len()
            }
            Err(Errno::INTR | Errno::AGAIN) => false,
            Err(_) => true,
        }
    }
}

/// One stream that the command writes.
struct Output {
    name: StreamName,
    from: OwnedFd,
    /// Bytes that were there when the command ended, and are still to be read.
    owed: u64,
}

/// What a read brought.
enum Read {
    Some(usize),
    Nothing,
    End,
}

/// All of them.
pub(super) struct Pump<'s> {
    outputs: Vec<Output>,
    pub(super) feed: Option<Feed>,
    sink: &'s mut dyn FnMut(StreamName, &[u8]),
    tail: Tail,
    chunk: Vec<u8>,
}

impl<'s> Pump<'s> {
    pub(super) fn new(sink: &'s mut dyn FnMut(StreamName, &[u8])) -> Self {
        Self { outputs: Vec::new(), feed: None, sink, tail: Tail::default(), chunk: vec![0; CHUNK] }
    }

    /// # Errors
    /// As fcntl(2).
    pub(super) fn read_from(&mut self, name: StreamName, from: OwnedFd) -> io::Result<()> {
        without_waiting(&from)?;
        self.outputs.push(Output { name, from, owed: 0 });
        Ok(())
    }

    pub(super) fn into_tail(self) -> Vec<u8> {
        self.tail.into_bytes()
    }

    /// Waits until there is something to do, at the latest until `limit`, and carries one chunk of each stream: a
    /// command that writes without end does not keep us from the rest. Says which of `others` are ready.
    pub(super) fn step(
        &mut self,
        others: &[BorrowedFd<'_>],
        limit: Option<Instant>,
    ) -> Result<Vec<bool>, LaunchError> {
        let input = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
        let mut polled: Vec<PollFd<'_>> = others.iter().map(|other| input(*other)).collect();
        polled.extend(self.outputs.iter().map(|output| input(output.from.as_fd())));
        polled.extend(self.feed.iter().map(|feed| PollFd::new(&feed.to, PollFlags::OUT)));
        let left = limit.map(|at| to_timespec(at.saturating_duration_since(Instant::now())));
        match rustix::event::poll(&mut polled, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(vec![false; others.len()]),
            Err(error) => return Err(failed("wait for the command")(error.into())),
        }
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty()).collect::<Vec<_>>();
        let mut own = ready.split_off(others.len()).into_iter();
        let outputs: Vec<bool> = own.by_ref().take(self.outputs.len()).collect();
        if own.next() == Some(true) && self.feed.as_mut().is_some_and(Feed::push) {
            self.feed = None;
        }
        self.read(&outputs);
        Ok(ready)
    }

    /// Reads on until every stream has ended, or until [`LINGER`] has passed and nothing is left of what was there
    /// before: no byte of the command itself is lost, however slow the sink is. `cancel` ends the waiting.
    pub(super) fn linger(&mut self, cancel: Option<BorrowedFd<'_>>) -> Result<(), LaunchError> {
        self.feed = None;
        for output in &mut self.outputs {
            output.owed = rustix::io::ioctl_fionread(&output.from).unwrap_or(0);
        }
        let mut until = Instant::now() + LINGER;
        let others: Vec<BorrowedFd<'_>> = cancel.into_iter().collect();
        loop {
            let over = Instant::now() >= until;
            self.outputs.retain(|output| !over || output.owed > 0);
            if self.outputs.is_empty() {
                return Ok(());
            }
            let limit = if over { Instant::now() } else { until };
            let others = if over { &[] } else { others.as_slice() };
            if self.step(others, Some(limit))?.contains(&true) {
                until = Instant::now();
            }
            if over {
                // What is owed is there already; what cannot be read now never can.
                let all = vec![true; self.outputs.len()];
                self.read(&all);
            }
        }
    }

    /// Reads a chunk of each stream that is ready, and lets go of those that have ended.
    fn read(&mut self, ready: &[bool]) {
        let mut ended = vec![false; self.outputs.len()];
        let streams = self.outputs.iter_mut().zip(ready).zip(&mut ended);
        for ((output, _), ended) in streams.filter(|((_, ready), _)| **ready) {
            match read(&output.from, &mut self.chunk) {
                Read::Some(count) => {
                    let bytes = self.chunk.get(..count).unwrap_or_default();
                    output.owed = output.owed.saturating_sub(count as u64);
                    self.tail.push(bytes);
                    (self.sink)(output.name, bytes);
                }
                Read::Nothing => output.owed = 0,
                Read::End => *ended = true,
            }
        }
        let mut ended = ended.into_iter();
        self.outputs.retain(|_| ended.next() != Some(true));
    }
}

fn read(from: &OwnedFd, chunk: &mut [u8]) -> Read {
    loop {
        match rustix::io::read(from, &mut *chunk) {
            Ok(0) => return Read::End,
            Ok(count) => return Read::Some(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Read::Nothing,
            // EIO: every process that had the terminal open is gone. ioctl_tty(2).
            Err(_) => return Read::End,
        }
    }
}

/// Our end alone: pipes have a description for each end, and so has a terminal for each side.
fn without_waiting(descriptor: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(descriptor)?;
    Ok(rustix::fs::fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?)
}
