//! What a sandboxed command must not reach, and its permitted twin must: sockets on which the
//! harness listens outside every sandbox.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::case::Endpoint;

/// One listener of each kind. Nothing is answered: the kernel completes a connection by itself, and
/// the bench counts afterwards.
#[derive(Debug)]
pub struct Endpoints {
    tcp: TcpListener,
    udp: UdpSocket,
    unix_stream: UnixListener,
    unix_datagram: UnixDatagram,
    unix_abstract: UnixListener,
    stream_path: PathBuf,
    datagram_path: PathBuf,
}

impl Endpoints {
    /// Opens all of them, those with a path in `folder`, for everybody to use.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn open(folder: &Path, abstract_name: &str) -> Result<Self> {
        let stream_path = folder.join("stream.sock");
        let datagram_path = folder.join("datagram.sock");
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on TCP")?;
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on UDP")?;
        let unix_stream = UnixListener::bind(&stream_path).context("cannot listen on a stream socket")?;
        let unix_datagram = UnixDatagram::bind(&datagram_path).context("cannot open a datagram socket")?;
        let address = SocketAddr::from_abstract_name(abstract_name)?;
        let unix_abstract = UnixListener::bind_addr(&address).context("cannot listen on an abstract name")?;
        for path in [&stream_path, &datagram_path] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
        }
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        unix_stream.set_nonblocking(true)?;
        unix_datagram.set_nonblocking(true)?;
        unix_abstract.set_nonblocking(true)?;
        Ok(Self { tcp, udp, unix_stream, unix_datagram, unix_abstract, stream_path, datagram_path })
    }

    /// The TCP port.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn tcp_port(&self) -> Result<u16> {
        Ok(self.tcp.local_addr()?.port())
    }

    /// The UDP port.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn udp_port(&self) -> Result<u16> {
        Ok(self.udp.local_addr()?.port())
    }

    /// The path of the stream socket.
    #[must_use]
    pub fn stream_path(&self) -> &Path {
        &self.stream_path
    }

    /// The path of the datagram socket.
    #[must_use]
    pub fn datagram_path(&self) -> &Path {
        &self.datagram_path
    }

    /// Which of them something connected or sent to, until now.
    ///
    /// # Errors
    /// When a socket fails for another reason than that nobody came.
    pub fn reached(&self) -> Result<BTreeSet<Endpoint>> {
        let mut byte = [0];
        let came = [
            (Endpoint::Tcp, came(self.tcp.accept())?),
            (Endpoint::Udp, came(self.udp.recv(&mut byte))?),
            (Endpoint::UnixStream, came(self.unix_stream.accept())?),
            (Endpoint::UnixDatagram, came(self.unix_datagram.recv(&mut byte))?),
            (Endpoint::UnixAbstract, came(self.unix_abstract.accept())?),
        ];
        Ok(came.into_iter().filter_map(|(endpoint, came)| came.then_some(endpoint)).collect())
    }
}

fn came<T>(answer: std::io::Result<T>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error).context("cannot look at a socket of the harness"),
    }
}
