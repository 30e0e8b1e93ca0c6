//! A runner for programs that do more than one thing: output handed on in chunks, each run on a thread of its own.

use std::time::Duration;

use sandbox::captured::{self, Finished, Input, Options, StreamName};
use sandbox::{LaunchError, TerminalSize};

use super::{Run, RunEnd, Runner};
use crate::approver::BoxFuture;

/// Whoever sees the output of a run: which attempt, which stream, and the next bytes of it.
pub type Sink = Box<dyn FnMut(u8, StreamName, &[u8]) + Send>;

/// Runs with captured output.
///
/// A run takes a thread of the runtime's blocking pool while it lasts. It ends early when its turn does, and when the
/// future of [`crate::Session::exec`] is dropped. A sink that takes its time slows the command down.
pub struct Captured {
    sink: Option<Sink>,
    input: Input,
    terminal: Option<TerminalSize>,
    timeout: Option<Duration>,
}

impl Captured {
    /// Hands the output on to `sink`.
    pub fn new(sink: impl FnMut(u8, StreamName, &[u8]) + Send + 'static) -> Self {
        Self { sink: Some(Box::new(sink)), input: Input::Nothing, terminal: None, timeout: None }
    }

    /// Gives each attempt this to read.
    #[must_use]
    pub fn with_input(self, input: Input) -> Self {
        Self { input, ..self }
    }

    /// Gives the command a terminal of this size.
    #[must_use]
    pub fn with_terminal(self, terminal: TerminalSize) -> Self {
        Self { terminal: Some(terminal), ..self }
    }

    /// Ends each attempt after this long.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }
}

impl Runner for Captured {
    fn run(&mut self, run: Run) -> BoxFuture<'_, Result<RunEnd, LaunchError>> {
        Box::pin(async move {
            let Run { permit, backend, attempt, cancelled } = run;
            let failed = |source: std::io::Error| LaunchError::Failed { doing: "watch over the run", source };
            // The run ends when the write end closes: with the turn, and with this future.
            let (watched, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                .map_err(|error| failed(error.into()))?;
            let mut sink = self.sink.take();
            let (input, terminal, timeout) = (self.input.clone(), self.terminal, self.timeout);
            let mut task = tokio::task::spawn_blocking(move || {
                use std::os::fd::AsFd;
                let options = Options { input, terminal, timeout, cancel: Some(watched.as_fd()) };
                let mut hand_on = |stream, bytes: &[u8]| {
                    if let Some(sink) = &mut sink {
                        sink(attempt, stream, bytes);
                    }
                };
                let finished = captured::run(None, permit, &backend, options, &mut hand_on);
                (finished, sink)
            });
            let ended = tokio::select! {
                ended = &mut task => ended,
                () = cancelled => {
                    drop(lifeline);
                    task.await
                }
            };
            let (finished, sink) = ended.map_err(|error| failed(std::io::Error::other(error)))?;
            self.sink = sink;
            let Finished { outcome, tail } = finished?;
            Ok(RunEnd { outcome, output: tail })
        })
    }
}

impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captured").field("terminal", &self.terminal).field("timeout", &self.timeout).finish()
    }
}
