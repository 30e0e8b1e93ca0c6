//! Reading what somebody named on a command line: never forever.
//!
//! A name may lead to a FIFO that nobody writes into, or to a file of `/proc` that waits for the kernel. Both
//! would block open(2) or read(2) for good.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;

/// How long nothing may come. Process substitution, `<(command)`, takes as long as its command.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file that is open for reading. A read fails with [`io::ErrorKind::TimedOut`] when nothing comes.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// Whether there may be nothing to read *yet*.
    is_stream: bool,
    patience: Duration,
}

impl Input {
    /// Opens a regular file, or a FIFO, pipe or character device such as `/dev/fd/N`.
    ///
    /// # Errors
    /// Those of open(2); [`io::ErrorKind::InvalidInput`] for what holds no text.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes()))
            .open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let is_stream = kind.is_fifo() || kind.is_char_device();
        if !is_stream && !kind.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a pipe"));
        }
        Ok(Self { file, is_stream, patience: PATIENCE })
    }

    fn wait(&self) -> io::Result<()> {
        let mut ends = [PollFd::new(&self.file, PollFlags::IN)];
        until(&mut ends, Instant::now().checked_add(self.patience)).map_err(|error| {
            if error.kind() != io::ErrorKind::TimedOut {
                return error;
            }
            let waited = self.patience.as_secs();
            io::Error::new(io::ErrorKind::TimedOut, format!("nothing came from it for {waited} s"))
        })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Without a writer a FIFO seems to be at its end, while poll(2) tells one that has left from one that
        // has not come yet.
        let mut wait = self.is_stream;
        loop {
            if wait {
                self.wait()?;
            }
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait = true,
                done => return done,
            }
        }
    }
}

/// Waits until one of the ends is ready. No deadline is one too far away to be told.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`]; those of poll(2).
pub(super) fn until(ends: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(ends, timeout.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The first byte that is not UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not UTF-8: byte {byte} of line {line}")]
pub struct NotUtf8 {
    /// The line, from 1.
    pub line: u32,
    /// The byte in it, from 1.
    pub byte: usize,
}

/// Bytes as text.
///
/// # Errors
/// [`NotUtf8`].
pub fn text_of(bytes: Vec<u8>) -> Result<String, NotUtf8> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let in_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        NotUtf8 { line: execpolicy::line_of(before, at), byte: in_line.len().saturating_add(1) }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::Mode;

    use super::*;

    fn fifo() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        (folder, path)
    }

    #[test]
    fn a_pipe_that_nobody_writes_into_is_given_up() {
        let (_folder, path) = fifo();
        let mut input = Input { patience: Duration::from_millis(50), ..Input::open(&path).unwrap() };
        let error = input.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert_eq!(input.read_to_end(&mut Vec::new()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let (_folder, path) = fifo();
        let mut text = String::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
                for part in ["a", "b"] {
                    std::thread::sleep(Duration::from_millis(30));
                    writer.write_all(part.as_bytes()).unwrap();
                }
            });
            Input::open(&path).unwrap().read_to_string(&mut text).unwrap();
        });
        assert_eq!(text, "ab");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(Input::open(Path::new("/")).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let mut nothing = Vec::new();
        Input::open(Path::new("/dev/null")).unwrap().read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
        assert_eq!(text_of(b"a\nb\xff".to_vec()), Err(NotUtf8 { line: 2, byte: 2 }));
    }
}
