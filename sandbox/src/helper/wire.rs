//! The few words between the launcher and its helper: packets on a local socket pair.
//!
//! The inner end lies beside hostile code, so its packets are short, parsed once, and can only report
//! (I5): the worst they can do is to lie about the run's own exit status.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// From the helper to the launcher.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Report {
    /// The packet carries the master side of the command's terminal.
    Terminal,
    /// The command's program runs.
    Started,
    /// The command does not run, and will not.
    Failed(SetupFailure),
    /// The command was stopped by this signal (job control).
    Stopped(i32),
    /// The command ended.
    Ended(Ended),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl From<std::process::ExitStatus> for Ended {
    fn from(status: std::process::ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Signaled(signal),
            (None, None) => Self::Exited(status.into_raw()),
        }
    }
}

/// From the launcher to the helper.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Order {
    /// Send this signal to the command.
    Signal(i32),
    /// Continue a stopped command.
    Continue,
}

/// From the launcher to the guard.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Instruction {
    /// A placeholder is about to be made, or taken up, under this name. Descriptor: the directory above.
    Intend {
        /// The name.
        name: OsString,
        /// Whether nothing is there yet, so that what appears is ours to remove.
        missing: bool,
    },
    /// The name last announced is held. Descriptor: the placeholder.
    Hold {
        /// Whether this run made it.
        made_here: bool,
    },
    /// Start the sandbox. Descriptors: the spec, the inner end of the control channel, the command's
    /// standard streams and, if so said, the caller's terminal.
    Launch {
        /// Whether the caller's terminal comes along, to be restored should the caller be killed.
        terminal: bool,
        /// When to end the run in any case.
        limit: Option<Duration>,
    },
}

/// What went wrong while the sandbox was set up.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct SetupFailure {
    pub(crate) stage: Stage,
    /// What was being done, to what.
    pub(crate) doing: String,
    /// The system's error number; 0 when the failure has none.
    pub(crate) errno: i32,
}

/// Which part of the set-up failed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Stage {
    /// Making the namespaces: the kernel, a security module or a container refuses them.
    Namespaces,
    /// Building the view.
    View,
    /// The view is not the one that was planned.
    Verification,
    /// Giving up privileges, or the system-call filter.
    Restriction,
    /// The terminal.
    Terminal,
    /// The file at the program's path is not the version that was permitted.
    Program,
    /// Executing the program.
    Exec,
    /// bubblewrap ended before the command started; `doing` is what it said.
    Bwrap,
    /// Anything else of ours.
    Internal,
}

impl SetupFailure {
    pub(crate) fn new(stage: Stage, doing: impl Into<String>, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(0);
        let mut doing = doing.into();
        if errno == 0 {
            doing = format!("{doing}: {error}");
        }
        Self { stage, doing, errno }
    }
}

/// Longest packet; a longer one is cut by the kernel and fails to parse.
const MAX_PACKET_BYTES: usize = 8192;

/// Most descriptors in one packet; the kernel's limit is 253.
pub(crate) const MAX_DESCRIPTORS: usize = 32;

/// Longest text in a failure, so that its packet fits.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// One end of the pair.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// What a receive brought.
pub(crate) enum Received<T> {
    Message(T, Vec<OwnedFd>),
    /// The other side is gone.
    Closed,
    /// Nothing there yet.
    Nothing,
}

impl Channel {
    /// Two connected ends that keep packet boundaries and close on exec. unix(7), `SOCK_SEQPACKET`.
    ///
    /// # Errors
    /// As socketpair(2).
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }

    /// Ends the conversation for both sides. It fails only where there is none.
    pub(crate) fn hang_up(&self) {
        rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both).ok();
    }

    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.0
    }

    pub(crate) fn from_descriptor(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Sends one message.
    ///
    /// Uses write(2), which the network-off filter leaves alone.
    ///
    /// # Errors
    /// `EPIPE` when the other side is gone.
    pub(crate) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
        loop {
            match rustix::io::write(&self.0, &bytes) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends one message together with descriptors, at most [`MAX_DESCRIPTORS`]. unix(7), `SCM_RIGHTS`.
    ///
    /// # Errors
    /// As sendmsg(2).
    pub(crate) fn send_with(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        rustix::net::sendmsg(&self.0, &[io::IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for one message. `None` when the other side is gone.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub(crate) fn wait<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        loop {
            match self.receive()? {
                Received::Message(message, descriptors) => return Ok(Some((message, descriptors))),
                Received::Closed => return Ok(None),
                Received::Nothing => {}
            }
            match rustix::event::poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives one message if there is one.
    ///
    /// # Errors
    /// As recvmsg(2); `InvalidData` for a packet that is cut short or does not parse.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        let mut bytes = [0_u8; MAX_PACKET_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let got = loop {
            match rustix::net::recvmsg(&self.0, &mut [io::IoSliceMut::new(&mut bytes)], &mut control, flags) {
                Ok(got) => break got,
                // The other side closed before it had read all: said once, ahead of what it sent before.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(Received::Nothing),
                Err(error) => return Err(error.into()),
            }
        };
        let descriptors = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                RecvAncillaryMessage::ScmCredentials(_) | _ => None,
            })
            .flatten()
            .collect();
        if got.bytes == 0 {
            return Ok(Received::Closed);
        }
        let packet = bytes.get(..got.bytes).filter(|_| !got.flags.contains(ReturnFlags::TRUNC));
        let message = packet
            .and_then(|packet| postcard::from_bytes(packet).ok())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Received::Message(message, descriptors))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
